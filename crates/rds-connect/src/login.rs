//! Who we are for a connection: user, password, and what else a secret knows.

use aws_sdk_secretsmanager::Client;
use chained_credentials::Presign;
use job_runtime::{CallError, Context, percent_encoded};
use std::time::Duration;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::connection::{Auth, Connection, Host, PORT, SecretRef, Signing, region_of};
use crate::error::Error;
use crate::secret::{Found, Password, read_line};

/// How long RDS takes a token for: no longer is allowed.
const TOKEN_LIFE: Duration = Duration::from_mins(15);

/// A user and what proves him.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: Option<Password>,
    pub(crate) database: String,
    /// What was signed, for advice; a password is not.
    pub(crate) signed: Option<Signed>,
}

/// What a token was signed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) region: String,
    pub(crate) session_expires: Option<std::time::SystemTime>,
}

/// One server, with everything about it known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) host: Host,
    pub(crate) port: u16,
}

/// Makes logins. What a secret holds is kept until it is refused.
pub(crate) struct Logins<'a> {
    connection: &'a Connection,
    ctx: &'a Context,
    kept: Mutex<Option<Found>>,
}

impl<'a> Logins<'a> {
    pub(crate) fn new(connection: &'a Connection, ctx: &'a Context) -> Self {
        Self { connection, ctx, kept: Mutex::new(None) }
    }

    /// The servers to try, in order.
    ///
    /// # Errors
    /// There is none in the options, and none in the secret.
    pub(crate) async fn endpoints(&self) -> Result<Vec<Endpoint>, Error> {
        let hosts = &self.connection.hosts;
        let all_known = !hosts.is_empty() && hosts.iter().all(|host| host.port.is_some());
        let found = if all_known { Found::default() } else { self.found().await? };
        let port = found.port.unwrap_or(PORT);
        if hosts.is_empty() {
            let name = found.host.ok_or(Error::NoHost)?;
            let host = Host { name, address: None, port: None };
            return Ok(vec![Endpoint { host, port }]);
        }
        let endpoint = |host: &Host| Endpoint { host: host.clone(), port: host.port.unwrap_or(port) };
        Ok(hosts.iter().map(endpoint).collect())
    }

    /// The login for `endpoint`.
    ///
    /// # Errors
    /// The secret cannot be read, the token not be signed, or there is no user.
    pub(crate) async fn login(&self, endpoint: &Endpoint) -> Result<Login, Error> {
        let found = self.found().await?;
        let user = self.connection.user.clone().or(found.user).ok_or(Error::NoUser)?;
        let database = self.connection.database.clone().or(found.database).unwrap_or_else(|| user.clone());
        let (password, signed) = match &self.connection.auth {
            Auth::Iam(signing) => {
                let (token, signed) = self.sign(signing, &user, endpoint).await?;
                (Some(token), Some(signed))
            }
            Auth::Secret(_) | Auth::Folder { .. } | Auth::PasswordFile(_) | Auth::Password(_) => {
                (found.password, None)
            }
        };
        Ok(Login { user, password, database, signed })
    }

    /// The first server, and the login for it.
    ///
    /// # Errors
    /// Those of [`endpoints`](Self::endpoints) and [`login`](Self::login).
    pub(crate) async fn first(&self) -> Result<(Endpoint, Login), Error> {
        let endpoint = self.endpoints().await?.into_iter().next().ok_or(Error::NoHost)?;
        let login = self.login(&endpoint).await?;
        Ok((endpoint, login))
    }

    /// The user of every login.
    ///
    /// # Errors
    /// The secret cannot be read, or there is no user.
    pub(crate) async fn user(&self) -> Result<String, Error> {
        match &self.connection.user {
            Some(user) => Ok(user.clone()),
            None => self.found().await?.user.ok_or(Error::NoUser),
        }
    }

    /// Forgets the secret that `refused` came from, and tells whether there may be a newer one: it may have been
    /// rotated. Of many sessions that are refused at once, the first forgets it, and all of them find the newer one.
    pub(crate) async fn forget(&self, refused: &Login) -> bool {
        if !matches!(self.connection.auth, Auth::Secret(_)) {
            return false;
        }
        let mut kept = self.kept.lock().await;
        if kept.as_ref().is_some_and(|kept| kept.password == refused.password) {
            *kept = None;
        }
        true
    }

    /// Signs a token for `user` at `endpoint`, or at what it is to be signed for.
    async fn sign(
        &self,
        signing: &Signing,
        user: &str,
        endpoint: &Endpoint,
    ) -> Result<(Password, Signed), Error> {
        let chain = self.ctx.chain().ok_or(Error::NoChain)?;
        let host =
            signing.host.as_deref().unwrap_or(&endpoint.host.name).trim_end_matches('.').to_ascii_lowercase();
        let port = signing.port.unwrap_or(endpoint.port);
        let named = region_of(&host);
        let region = match (&signing.region, named) {
            (Some(region), named) => {
                if let Some(named) = named.filter(|named| named != region) {
                    tracing::warn!(
                        region,
                        host,
                        "the token is signed for {region}, but the host is in {named}"
                    );
                }
                region.clone()
            }
            (None, Some(named)) => named.to_owned(),
            // The chain always has one.
            (None, None) => self.ctx.place().region,
        };
        if region.is_empty() {
            return Err(Error::NoRegion(host));
        }
        let url = format!("https://{host}:{port}/?Action=connect&DBUser={}", percent_encoded(user));
        let presign =
            Presign { service: "rds-db", region: &region, url: &url, headers: &[], expires_in: TOKEN_LIFE };
        let signed = chain
            .presign(&presign, signing.min_session)
            .await
            .map_err(|error| Error::Chain(Box::new(error)))?;
        let url = Zeroizing::new(signed.url);
        let token = url.strip_prefix("https://").unwrap_or(&url).to_owned();
        Ok((Password::new(token), Signed { host, port, region, session_expires: signed.session_expires }))
    }

    /// What the secret, the files or the environment hold.
    async fn found(&self) -> Result<Found, Error> {
        match &self.connection.auth {
            Auth::Iam(_) => Ok(Found::default()),
            Auth::Password(password) => Ok(Found { password: password.clone(), ..Found::default() }),
            Auth::PasswordFile(path) => {
                let failed = |error| Error::PasswordFile { path: path.clone(), source: error };
                let password = read_line(path).await.map_err(failed)?;
                Ok(Found { password: Some(Password::new(password)), ..Found::default() })
            }
            Auth::Folder { path, keys } => {
                let failed = |problem| Error::Folder { path: path.clone(), problem };
                keys.in_folder(path).await.map_err(failed)
            }
            Auth::Secret(secret) => {
                // Held while it is fetched, so that many sessions fetch it once.
                let mut kept = self.kept.lock().await;
                if let Some(found) = &*kept {
                    return Ok(found.clone());
                }
                let found = fetch(secret, self.ctx).await?;
                *kept = Some(found.clone());
                Ok(found)
            }
        }
    }
}

/// `secretsmanager:GetSecretValue`.
async fn fetch(secret: &SecretRef, ctx: &Context) -> Result<Found, Error> {
    let client = Client::new(ctx.sdk_config());
    let answer = client
        .get_secret_value()
        .secret_id(&secret.id)
        .set_version_stage(secret.stage.clone())
        .send()
        .await
        .map_err(|error| {
            Error::secret(&secret.id, CallError::new("secretsmanager:GetSecretValue", &error), ctx)
        })?;
    tracing::debug!(version = answer.version_id(), "the secret is read");
    let unreadable = |problem: String| Error::SecretText { id: secret.id.clone(), problem };
    let text =
        answer.secret_string().ok_or_else(|| unreadable("it holds binary data and no text".to_owned()))?;
    secret.keys.in_json(text).map_err(unreadable)
}

//! The options that say where to connect to, as whom, and how safely. Those of libpq keep its names and variables.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use job_runtime::{duration, env};

use crate::connection::{self, Attributes, Auth, Connection, SecretRef, Signing, SslMode, TlsChoice};
use crate::require_auth::{AuthPolicy, ChannelBinding, RequireAuth};
use crate::secret::{Keys, Password};

/// Where, as whom, and how safely.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct ConnectArgs {
    /// Endpoint of the database; several separated by commas are tried in order
    #[arg(short = 'h', long, env = "PGHOST", value_name = "HOST", global = true, help_heading = "Connection",
        value_parser = NonEmptyStringValueParser::new())]
    host: Option<String>,

    /// Address to dial in place of the host's; TLS and token still go by the host
    #[arg(long, env = "PGHOSTADDR", value_name = "IP", global = true, help_heading = "Connection")]
    hostaddr: Option<String>,

    /// Port; else the secret's, else 5432
    #[arg(
        short = 'p',
        long,
        env = "PGPORT",
        value_name = "PORT",
        global = true,
        help_heading = "Connection"
    )]
    port: Option<String>,

    /// Database user; else the secret's
    #[arg(short = 'U', long, alias = "username", env = "PGUSER", value_name = "NAME", global = true, help_heading = "Connection",
        value_parser = NonEmptyStringValueParser::new())]
    user: Option<String>,

    /// Database; else the secret's, else the one named as the user
    #[arg(short = 'd', long, alias = "dbname", env = "PGDATABASE", value_name = "NAME", global = true, help_heading = "Connection",
        value_parser = NonEmptyStringValueParser::new())]
    database: Option<String>,

    /// What the server must be: several hosts are tried until one fits
    #[arg(
        long,
        env = "PGTARGETSESSIONATTRS",
        value_name = "KIND",
        default_value = "any",
        global = true,
        help_heading = "Connection"
    )]
    target_session_attrs: Attributes,

    /// Name of the sessions in pg_stat_activity
    #[arg(
        long,
        env = "PGAPPNAME",
        value_name = "NAME",
        default_value = "rds-connect",
        global = true,
        help_heading = "Connection"
    )]
    application_name: String,

    /// How long to bear troubles that may pass: a name that is not known yet, a failover, a serverless cluster that
    /// wakes up
    #[arg(long, env = "RDS_WAIT", value_name = "DURATION", default_value = "0s", value_parser = duration::parse,
        global = true, help_heading = "Connection")]
    wait: Duration,

    /// Log in with a token that is signed for each connection
    #[arg(long, env = "RDS_IAM", global = true, help_heading = "Login")]
    iam: bool,

    /// Endpoint that the token is for, where another name is dialled (a CNAME, a tunnel)
    #[arg(long, env = "RDS_SIGN_HOST", value_name = "HOST", global = true, help_heading = "Login",
        value_parser = NonEmptyStringValueParser::new())]
    sign_host: Option<String>,

    /// Port that the token is for, where another one is dialled
    #[arg(long, env = "RDS_SIGN_PORT", value_name = "PORT", global = true, help_heading = "Login",
        value_parser = clap::value_parser!(u16).range(1..))]
    sign_port: Option<u16>,

    /// Region that the token is for; else as the host's name says, else --region
    #[arg(long, env = "RDS_SIGN_REGION", value_name = "REGION", global = true, help_heading = "Login",
        value_parser = NonEmptyStringValueParser::new())]
    sign_region: Option<String>,

    /// A token is signed by a session that lives on for this long at least: it dies with the session
    #[arg(long, env = "RDS_MIN_SESSION", value_name = "DURATION", default_value = "5m", value_parser = duration::parse,
        global = true, help_heading = "Login")]
    min_session: Duration,

    /// Name or ARN of a secret of Secrets Manager to log in with
    #[arg(long, env = "RDS_SECRET_ID", value_name = "NAME|ARN", global = true, help_heading = "Login",
        value_parser = NonEmptyStringValueParser::new())]
    secret_id: Option<String>,

    /// Version of the secret, by its stage: AWSCURRENT, AWSPREVIOUS, AWSPENDING
    #[arg(long, env = "RDS_SECRET_STAGE", value_name = "STAGE", global = true, help_heading = "Login",
        value_parser = NonEmptyStringValueParser::new())]
    secret_stage: Option<String>,

    /// Directory with a file for each key of a secret, as Kubernetes mounts one
    #[arg(long, env = "RDS_SECRET_DIR", value_name = "DIR", global = true, help_heading = "Login")]
    secret_dir: Option<PathBuf>,

    /// Key of the secret that holds the user; else username, user, or the same after rds_
    #[arg(long, env = "RDS_SECRET_USER_KEY", value_name = "KEY", global = true, help_heading = "Login")]
    secret_user_key: Option<String>,

    /// Key of the secret that holds the password; else password, rds_password
    #[arg(long, env = "RDS_SECRET_PASSWORD_KEY", value_name = "KEY", global = true, help_heading = "Login")]
    secret_password_key: Option<String>,

    /// Key of the secret that holds the host; else host, rds_host
    #[arg(long, env = "RDS_SECRET_HOST_KEY", value_name = "KEY", global = true, help_heading = "Login")]
    secret_host_key: Option<String>,

    /// Key of the secret that holds the port; else port, rds_port
    #[arg(long, env = "RDS_SECRET_PORT_KEY", value_name = "KEY", global = true, help_heading = "Login")]
    secret_port_key: Option<String>,

    /// Key of the secret that holds the database; else dbname, database, or the same after rds_
    #[arg(long, env = "RDS_SECRET_DATABASE_KEY", value_name = "KEY", global = true, help_heading = "Login")]
    secret_database_key: Option<String>,

    /// File with the password; else PGPASSWORD, which is no option: others could read it
    #[arg(long, env = "RDS_PASSWORD_FILE", value_name = "FILE", global = true, help_heading = "Login")]
    password_file: Option<PathBuf>,

    /// How much to ask of the server's TLS; nothing below verify-full is safe against an impostor
    #[arg(
        long,
        env = "PGSSLMODE",
        value_name = "MODE",
        default_value = "verify-full",
        global = true,
        help_heading = "TLS"
    )]
    sslmode: SslMode,

    /// PEM file of roots in place of those built in (RDS's and Mozilla's)
    #[arg(long, env = "PGSSLROOTCERT", value_name = "FILE", global = true, help_heading = "TLS")]
    ssl_root_cert: Option<PathBuf>,

    /// By which proofs the server may let the user in [default: any; below verify-full any but password]
    ///
    /// A list of libpq's names: password (in clear text, as for IAM tokens), md5, scram-sha-256 and none; or of those that
    /// are excluded, each behind an exclamation mark.
    #[arg(
        long,
        env = "PGREQUIREAUTH",
        value_name = "METHODS",
        value_parser = str::parse::<RequireAuth>,
        global = true,
        help_heading = "TLS"
    )]
    require_auth: Option<RequireAuth>,

    /// Whether the proof of a password is bound to the TLS connection (SCRAM-SHA-256-PLUS)
    #[arg(
        long,
        env = "PGCHANNELBINDING",
        value_name = "MODE",
        default_value = "prefer",
        global = true,
        help_heading = "TLS"
    )]
    channel_binding: ChannelBinding,
}

impl ConnectArgs {
    /// Puts them together; a `token` needs no --iam.
    pub(super) fn into_connection(self, token: bool) -> Result<Connection, String> {
        let keys = self.keys();
        // An option would show it to every process.
        let password = env::secret("PGPASSWORD").map(Password::new);
        let signing = Signing {
            host: self.sign_host,
            port: self.sign_port,
            region: self.sign_region,
            min_session: self.min_session,
        };
        let named = [
            ("--iam", self.iam || token),
            ("--secret-id", self.secret_id.is_some()),
            ("--secret-dir", self.secret_dir.is_some()),
            ("--password-file", self.password_file.is_some()),
            ("PGPASSWORD", password.is_some() && !token),
        ];
        let given: Vec<&str> = named.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
        if given.len() > 1 {
            return Err(format!("{} are several ways to log in: give one", given.join(" and ")));
        }
        if let (
            Signing { host: Some(_), .. } | Signing { port: Some(_), .. } | Signing { region: Some(_), .. },
            false,
        ) = (&signing, self.iam || token)
        {
            return Err(
                "--sign-host, --sign-port and --sign-region say what a token is for: add --iam".to_owned()
            );
        }
        let auth = if self.iam || token {
            Auth::Iam(signing)
        } else if let Some(id) = self.secret_id {
            Auth::Secret(SecretRef { id, stage: self.secret_stage, keys })
        } else if let Some(path) = self.secret_dir {
            Auth::Folder { path, keys }
        } else if let Some(path) = self.password_file {
            Auth::PasswordFile(path)
        } else {
            Auth::Password(password)
        };
        if self.database.as_deref().is_some_and(is_connection_string) {
            return Err("--database is a connection string: give --host, --port, --user and the name of the database as \
                        options, and the password by --password-file or PGPASSWORD"
                .to_owned());
        }
        let from_secret = matches!(auth, Auth::Secret(_) | Auth::Folder { .. });
        let hosts = match &self.host {
            Some(list) => connection::hosts(list, self.hostaddr.as_deref(), self.port.as_deref())?,
            None if from_secret && self.hostaddr.is_none() && self.port.is_none() => Vec::new(),
            None if from_secret => {
                return Err(
                    "--hostaddr and --port go with --host; without it the secret names the server".to_owned()
                );
            }
            None => return Err("there is no host: give --host or PGHOST".to_owned()),
        };
        if self.user.is_none() && !from_secret {
            return Err("there is no user: give --user or PGUSER".to_owned());
        }
        Ok(Connection {
            hosts,
            database: self.database,
            user: self.user,
            auth,
            tls: TlsChoice { mode: self.sslmode, root_cert: self.ssl_root_cert },
            policy: AuthPolicy {
                require: self.require_auth.unwrap_or_else(|| RequireAuth::default_for(self.sslmode)),
                binding: self.channel_binding,
            },
            attributes: self.target_session_attrs,
            application_name: self.application_name,
            wait: self.wait,
        })
    }

    fn keys(&self) -> Keys {
        let usual = Keys::default();
        let or = |own: &Option<String>, usual: Vec<String>| own.clone().map_or(usual, |key| vec![key]);
        Keys {
            user: or(&self.secret_user_key, usual.user),
            password: or(&self.secret_password_key, usual.password),
            host: or(&self.secret_host_key, usual.host),
            port: or(&self.secret_port_key, usual.port),
            database: or(&self.secret_database_key, usual.database),
        }
    }
}

/// Whether psql would take the text for more than a name.
fn is_connection_string(database: &str) -> bool {
    let first = database.split('=').next().unwrap_or_default().trim();
    let is_keyword = ["dbname", "host", "hostaddr", "password", "port", "service", "sslmode", "user"];
    database.starts_with("postgres://")
        || database.starts_with("postgresql://")
        || database.contains('=') && is_keyword.contains(&first)
}

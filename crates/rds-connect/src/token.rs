//! `token`: what `aws rds generate-db-auth-token` prints.

use job_runtime::{Context, Output, Report, json, rfc3339};
use serde::Serialize;

use crate::connection::{Auth, Connection};
use crate::error::Error;
use crate::login::Logins;
use crate::session::in_time;

/// Prints a token for the first server of the connection.
///
/// # Errors
/// There is no server, no user, or the token cannot be signed.
pub(crate) async fn token(connection: &Connection, output: Output, ctx: &Context) -> Result<Report, Error> {
    if !matches!(connection.auth, Auth::Iam(_)) {
        return Err(Error::Usage("a token is signed by IAM: leave out every other way to log in".to_owned()));
    }
    let logins = Logins::new(connection, ctx);
    let (_, login) = in_time(ctx, Box::pin(logins.first())).await?;
    let token = login.password.as_ref().map(crate::secret::Password::reveal).unwrap_or_default();
    Ok(Report::ok(match output {
        Output::Text => token.to_owned(),
        Output::Json => {
            #[derive(Serialize)]
            struct Signed<'a> {
                token: &'a str,
                host: String,
                port: u16,
                user: &'a str,
                region: String,
                session_expires: Option<String>,
            }
            let signed = login.signed.clone().ok_or(Error::NoChain)?;
            let expires = signed.session_expires.and_then(|end| rfc3339(end.into()));
            json(&Signed {
                token,
                host: signed.host,
                port: signed.port,
                user: &login.user,
                region: signed.region,
                session_expires: expires,
            })
        }
    }))
}

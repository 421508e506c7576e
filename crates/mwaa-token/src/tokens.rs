//! `cli` and `web`: tokens, which are secrets and the result.

use job_runtime::{Context, Exit, Output, Report, json};
use serde::Serialize;

use crate::environment::Generation;
use crate::error::Error;
use crate::mwaa::Mwaa;

/// Life of both kinds of token, as AWS documents it.
const SECONDS: u32 = 60;

/// A token for Airflow's command line; as text the bare token, for `$(...)`.
pub(crate) async fn cli(mwaa: &Mwaa<'_>, output: Output, ctx: &Context) -> Result<Report, Error> {
    #[derive(Serialize)]
    struct Made<'a> {
        cli_token: &'a str,
        web_server_host: &'a str,
        expires_in_seconds: u32,
        environment_name: &'a str,
        region: &'a str,
        account: Option<&'a str>,
    }
    let made = mwaa.cli_token().await.map_err(|source| Error::environment(mwaa.name, ctx, source))?;
    let place = ctx.place();
    Ok(Report::ok(match output {
        Output::Text => made.token,
        Output::Json => json(&Made {
            cli_token: &made.token,
            web_server_host: &made.host,
            expires_in_seconds: SECONDS,
            environment_name: mwaa.name,
            region: &place.region,
            account: place.account.as_deref(),
        }),
    }))
}

/// A login, ready to be opened; as text its address.
pub(crate) async fn web(mwaa: &Mwaa<'_>, output: Output, ctx: &Context) -> Result<Report, Error> {
    #[derive(Serialize)]
    struct Made<'a> {
        login_url: &'a str,
        web_token: &'a str,
        web_server_host: &'a str,
        expires_in_seconds: u32,
        iam_identity: Option<&'a str>,
        airflow_identity: Option<&'a str>,
        environment_name: &'a str,
        region: &'a str,
        account: Option<&'a str>,
    }
    // First, so that no part of the token's minute goes into it.
    let generation = match mwaa.describe().await {
        Ok(environment) => {
            if environment.is_private() {
                tracing::warn!(
                    "the web server is private: only a browser in its VPC, or connected to that, reaches it"
                );
            }
            environment.generation()
        }
        Err(source) if source.exit() == Exit::Denied => {
            tracing::warn!(
                "the version of Airflow is not known, so that the address is that of Airflow 2: {source}"
            );
            Generation::Two
        }
        Err(source) => return Err(Error::environment(mwaa.name, ctx, source)),
    };
    let made = mwaa.web_token().await.map_err(|source| Error::environment(mwaa.name, ctx, source))?;
    let url = login_url(&made.host, generation, &made.token);
    let place = ctx.place();
    Ok(Report::ok(match output {
        Output::Text => url,
        Output::Json => json(&Made {
            login_url: &url,
            web_token: &made.token,
            web_server_host: &made.host,
            expires_in_seconds: SECONDS,
            iam_identity: made.iam_identity.as_deref(),
            airflow_identity: made.airflow_identity.as_deref(),
            environment_name: mwaa.name,
            region: &place.region,
            account: place.account.as_deref(),
        }),
    }))
}

/// The page that makes a session of the token behind `#`, which a browser does not send anywhere by itself. The
/// host is always the service's answer: its domain depends on when the environment was made.
fn login_url(host: &str, generation: Generation, token: &str) -> String {
    let plugin = match generation {
        Generation::Two => "",
        Generation::Three => "/pluginsv2",
    };
    format!("https://{host}{plugin}/aws_mwaa/aws-console-sso?login=true#{token}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_to_log_in_at() {
        for (generation, expected) in [
            (Generation::Two, "https://h/aws_mwaa/aws-console-sso?login=true#t"),
            (Generation::Three, "https://h/pluginsv2/aws_mwaa/aws-console-sso?login=true#t"),
        ] {
            assert_eq!(login_url("h", generation, "t"), expected);
        }
    }
}

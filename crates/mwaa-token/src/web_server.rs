//! Airflow's command line, which the web server of an environment runs: one command at a time, each with a token of
//! its own.

use std::time::Duration;

use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::body::SdkBody;
use aws_wire::{Failed, Refusal};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use job_runtime::{CallError, Context, Exit};
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use crate::mwaa::{CliToken, Mwaa};

/// The request, as errors name it.
pub(crate) const POST: &str = "POST /aws_mwaa/cli";

/// What a command has printed, and the status of the answer, on which nothing is promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Printed {
    pub(crate) status: u16,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// Pauses between the attempts of a look, as many as the SDK makes of a read.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(1)];

/// When a command may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sending {
    /// A look at something: where it gets no answer.
    Look,
    /// As [`Context::start`] does it.
    Start,
}

/// Runs a command. A token that is refused – they live for a minute – is replaced once: the command was not run.
///
/// # Errors
/// No token, no web server, or an answer that is none of the command line's.
pub(crate) async fn run(
    mwaa: &Mwaa<'_>,
    command: &str,
    sending: Sending,
    ctx: &Context,
) -> Result<Printed, CallError> {
    let mut renewed = false;
    let mut pauses = PAUSES.into_iter();
    loop {
        let token = mwaa.cli_token().await?;
        let answer = match sending {
            Sending::Look => post(&token, command, ctx).await.map_err(|error| CallError::new(POST, &error)),
            Sending::Start => Ok(ctx.start(POST, async || post(&token, command, ctx).await).await?),
        };
        let error = match answer.and_then(|(status, body)| read(status, &body)) {
            Ok(printed) => return Ok(printed),
            Err(error) => error,
        };
        if error.exit() == Exit::Denied && !renewed {
            tracing::info!("the web server has refused the token; trying another one");
            renewed = true;
            continue;
        }
        let again = sending == Sending::Look && error.exit() == Exit::Unavailable && !ctx.is_cancelled();
        let pause = pauses.next().filter(|pause| again && Instant::now() + *pause < ctx.deadline());
        let Some(pause) = pause else { return Err(error) };
        tracing::debug!("{error}; trying again");
        tokio::select! {
            () = sleep(pause) => {}
            () = ctx.cancelled() => return Err(ctx.given_up(error)),
        }
    }
}

/// Sends a command once. Its answer comes when it has ended, which is waited for until `--timeout`.
async fn post(token: &CliToken, command: &str, ctx: &Context) -> Result<(u16, Vec<u8>), Failed> {
    let sdk = ctx.sdk_config();
    let (Some(http), Some(sleep), Some(time)) = (sdk.http_client(), sdk.sleep_impl(), sdk.time_source())
    else {
        return Err(SdkError::construction_failure("the configuration of the clients is not complete"));
    };
    let mut authorization =
        HeaderValue::try_from(format!("Bearer {}", token.token)).map_err(SdkError::construction_failure)?;
    authorization.set_sensitive(true);
    let request = http::Request::post("/aws_mwaa/cli")
        .header("authorization", authorization)
        .header("content-type", "text/plain")
        .header("content-length", command.len())
        .body(SdkBody::from(command))
        .map_err(SdkError::construction_failure)?;
    let request = HttpRequest::try_from(request).map_err(SdkError::construction_failure)?;
    let left = ctx.deadline().saturating_duration_since(Instant::now());
    let mut call = Operation::builder()
        .service_name("Airflow")
        .operation_name("cli")
        .http_client(http)
        .endpoint_url(&format!("https://{}", token.host))
        .no_auth()
        .no_retry()
        .timeout_config(ctx.timeouts(left.max(Duration::from_secs(1))))
        .sleep_impl(sleep)
        .time_source(time)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .with_connection_poisoning()
        .serializer(|request: HttpRequest| Ok(request))
        // Whatever the answer is, it is read elsewhere.
        .deserializer::<(u16, Vec<u8>), Refusal>(|answer: &HttpResponse| {
            Ok((answer.status().as_u16(), answer.body().bytes().unwrap_or_default().to_vec()))
        });
    if let Some(version) = sdk.behavior_version() {
        call = call.behavior_version(version);
    }
    call.build().invoke(request).await
}

/// Reads an answer: an object with both outputs is one of the command line, with any status.
fn read(status: u16, body: &[u8]) -> Result<Printed, CallError> {
    #[derive(Deserialize)]
    struct Outputs {
        stdout: String,
        stderr: String,
    }
    let decoded = |text: String| STANDARD.decode(text.trim());
    let outputs = serde_json::from_slice::<Outputs>(body)
        .ok()
        .and_then(|outputs| Some((decoded(outputs.stdout).ok()?, decoded(outputs.stderr).ok()?)));
    match outputs {
        Some((stdout, stderr)) => {
            Ok(Printed { status, stdout, stderr: String::from_utf8_lossy(&stderr).into_owned() })
        }
        // What it holds is not shown: it may be anybody's.
        None if matches!(status, 401 | 403) => {
            Err(CallError::answered(POST, status, "the web server does not accept the token"))
        }
        None if status < 400 => Err(CallError::unusable(POST, "the answer holds no outputs of a command")),
        None => Err(CallError::answered(
            POST,
            status,
            "the web server did not run the command, or did not say what came of it",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use job_runtime::Effect;

    #[test]
    fn answers() {
        let printed = |status, stdout: &str, stderr: &str| {
            Ok(Printed { status, stdout: stdout.as_bytes().to_vec(), stderr: stderr.to_owned() })
        };
        let body = br#"{"stdout": "b3V0\n", "stderr": "ZXJy", "more": 1}"#;
        for status in [200, 400, 403, 500] {
            assert_eq!(read(status, body), printed(status, "out", "err"), "{status}");
        }
        assert_eq!(read(200, br#"{"stdout": "", "stderr": ""}"#), printed(200, "", ""));
        for (status, body, exit, effect) in [
            (200, &b"<html>"[..], Exit::Unavailable, Effect::MayHaveStarted),
            (200, b"", Exit::Unavailable, Effect::MayHaveStarted),
            (200, br#"{"stdout": "%", "stderr": ""}"#, Exit::Unavailable, Effect::MayHaveStarted),
            (502, b"<html>", Exit::Unavailable, Effect::MayHaveStarted),
            (403, b"{\"message\": \"x\"}", Exit::Denied, Effect::Refused),
            (401, b"", Exit::Denied, Effect::Refused),
            (404, b"", Exit::Rejected, Effect::Refused),
            (429, b"", Exit::Unavailable, Effect::NotStarted),
        ] {
            let error = read(status, body).unwrap_err();
            assert_eq!((error.exit(), error.effect()), (exit, effect), "{status}");
        }
    }
}

//! The options, and the [`Request`] they make.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, ValueEnum};
use fan_out::BatchArgs;
use job_runtime::{CallOnce, CallOnceArgs, Expect, Options, OutputArgs, input};

use crate::job::{Request, Work};
use crate::lambda::{Kind, Settings};
use crate::target::{self, Target};

/// The longest payload of a synchronous invocation, in bytes (`Payload` of the Lambda API).
pub(crate) const LONGEST_SYNC: usize = 6 * 1024 * 1024;
/// The same of `Event`.
const LONGEST_EVENT: usize = 1024 * 1024;
/// `ClientContext` of the Lambda API, in base64.
const LONGEST_CONTEXT: usize = 3583;

/// Options of lambda-invoke.
#[derive(Debug, Args)]
#[group(skip)]
#[allow(clippy::doc_markdown, reason = "the comments are the help text, where backticks would show")]
#[command(next_help_heading = "Invocation")]
#[command(after_help = "\
Examples:
  Invoke a function and wait for an answer that has to say \"ok\":
    lambda-invoke --function-name nightly-report --payload '{}' --expect \"status == 'ok'\"

  Hand a payload over and do not wait:
    lambda-invoke --function-name audit --payload-file event.json --invocation-type Event

  One invocation for each line of a file; the same command again goes on where it was ended:
    lambda-invoke --function-name score --batch orders.jsonl --concurrency 64 \\
      --output-file answers.jsonl --resume answers.jsonl")]
pub struct Cli {
    /// Name, ACCOUNT:function:NAME or ARN of the function, with or without :QUALIFIER
    #[arg(long, env = "LAMBDA_FUNCTION_NAME", value_name = "FUNCTION")]
    function_name: Target,

    /// Alias or version to invoke
    #[arg(long, env = "LAMBDA_QUALIFIER", value_name = "QUALIFIER", value_parser = target::qualifier)]
    qualifier: Option<String>,

    /// The payload, in JSON; without one the function gets none
    ///
    /// file://FILE and fileb://FILE are read as by the AWS CLI.
    #[arg(
        long,
        env = "LAMBDA_PAYLOAD",
        value_name = "JSON",
        value_parser = input::value(LONGEST_SYNC, payload),
        allow_hyphen_values = true
    )]
    payload: Option<Payload>,

    /// A file with the payload; "-" is standard input
    #[arg(
        long,
        env = "LAMBDA_PAYLOAD_FILE",
        value_name = "FILE",
        value_parser = input::file(LONGEST_SYNC, payload),
        conflicts_with = "payload"
    )]
    payload_file: Option<Payload>,

    /// RequestResponse waits for the function, Event queues the payload, DryRun checks permission and parameters
    #[arg(
        long,
        env = "LAMBDA_INVOCATION_TYPE",
        value_name = "TYPE",
        default_value = "RequestResponse",
        ignore_case = true
    )]
    invocation_type: InvocationType,

    /// What the function finds as its client context: JSON, or JSON in base64
    #[arg(long, env = "LAMBDA_CLIENT_CONTEXT", value_name = "JSON", value_parser = input::value(LONGEST_CONTEXT, client_context))]
    client_context: Option<String>,

    /// Tenant of a function that keeps its tenants apart
    #[arg(long, env = "LAMBDA_TENANT_ID", value_name = "ID", value_parser = tenant)]
    tenant_id: Option<String>,

    /// Show the last 4 KB of the function's log on stderr
    #[arg(long, env = "LAMBDA_LOG_TAIL", conflicts_with = "batch")]
    log_tail: bool,

    /// Write the answer to this file; stdout then gets what is known about it
    #[arg(long, env = "LAMBDA_OUTPUT_FILE", value_name = "FILE", value_parser = job_runtime::file::destination)]
    output_file: Option<PathBuf>,

    /// Hand the answer on while the function still writes it (response streaming)
    #[arg(long, env = "LAMBDA_STREAM", conflicts_with_all = ["expect", "durable_execution_name", "batch"])]
    stream: bool,

    /// Name of the durable execution [default: made of the idempotency key, if there is one]
    ///
    /// Lambda takes two invocations of one name and payload for the same work, so that an unclear answer is asked
    /// for again. For durable functions only; with the key's name a function that is not is invoked all the same,
    /// and then the key settles nothing.
    #[arg(
        long,
        env = "LAMBDA_DURABLE_EXECUTION_NAME",
        value_name = "NAME",
        value_parser = durable_name,
        conflicts_with = "batch"
    )]
    durable_execution_name: Option<String>,

    /// End with exit code 10 unless this JMESPath expression is true of the answer
    #[arg(long, env = "LAMBDA_EXPECT", value_name = "JMESPATH")]
    expect: Option<Expect>,

    #[command(flatten)]
    batch: BatchArgs,

    #[command(flatten)]
    once: CallOnceArgs,

    #[command(flatten)]
    output: OutputArgs,
}

/// JSON as the user gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Payload(Vec<u8>);

/// The kinds of invocation that Lambda has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum InvocationType {
    #[value(name = "RequestResponse")]
    RequestResponse,
    #[value(name = "Event")]
    Event,
    #[value(name = "DryRun")]
    DryRun,
}

impl Options for Cli {
    type Request = Request;

    fn into_request(self) -> Result<Request, String> {
        let target = self.function_name.qualified(self.qualifier)?;
        let kind = match self.invocation_type {
            InvocationType::RequestResponse => Kind::RequestResponse,
            InvocationType::Event => Kind::Event,
            InvocationType::DryRun => Kind::DryRun,
        };
        if kind != Kind::RequestResponse {
            let given = [
                ("--client-context", self.client_context.is_some()),
                ("--log-tail", self.log_tail),
                ("--expect", self.expect.is_some()),
                ("--stream", self.stream),
            ];
            if let Some((option, _)) = given.iter().find(|(_, given)| *given) {
                return Err(format!(
                    "{option} needs --invocation-type RequestResponse: there is no answer else"
                ));
            }
        }
        let once = self.once.call_once();
        // A dry run runs nothing.
        let once = CallOnce { repeatable: once.repeatable || kind == Kind::DryRun, ..once };
        let payload = self.payload.or(self.payload_file).map(|payload| payload.0);
        let longest = kind.longest_payload();
        if let Some(length) = payload.as_ref().map(Vec::len).filter(|length| *length > longest) {
            return Err(format!(
                "the payload has {length} bytes, Lambda takes {longest} for --invocation-type {}",
                kind.as_str()
            ));
        }
        let work = match self.batch.into_batch()? {
            Some(_) if payload.is_some() => {
                return Err("--batch takes its payloads from a file; leave --payload and --payload-file out"
                    .to_owned());
            }
            Some(batch) => Work::Batch(batch.longest_line(longest).with_expect(self.expect.is_some())),
            None if self.stream => Work::Stream(payload),
            None => Work::One(payload),
        };
        Ok(Request {
            target,
            settings: Settings {
                kind,
                client_context: self.client_context,
                tenant: self.tenant_id,
                log_tail: self.log_tail,
            },
            work,
            once,
            durable_name: self.durable_execution_name,
            expect: self.expect,
            output_file: self.output_file,
            output: self.output.output,
        })
    }
}

impl Kind {
    /// In bytes.
    pub(crate) const fn longest_payload(self) -> usize {
        match self {
            Self::RequestResponse | Self::DryRun => LONGEST_SYNC,
            Self::Event => LONGEST_EVENT,
        }
    }
}

/// Whether `text` is one JSON value.
pub(crate) fn check_json(text: &[u8]) -> Result<(), String> {
    input::check_json(text).map_err(|problem| format!("Lambda takes JSON: {problem}"))
}

fn payload(bytes: &[u8]) -> Result<Payload, String> {
    check_json(bytes)?;
    Ok(Payload(bytes.to_vec()))
}

/// The AWS CLI wants base64 here, people write JSON.
fn client_context(bytes: &[u8]) -> Result<String, String> {
    let text = input::utf_8(bytes)?.trim();
    let is_object =
        |json: &[u8]| serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(json).is_ok();
    let encoded = if is_object(text.as_bytes()) {
        STANDARD.encode(text)
    } else if STANDARD.decode(text).is_ok_and(|json| is_object(&json)) {
        text.to_owned()
    } else {
        return Err("it should be a JSON object, or one in base64".to_owned());
    };
    match encoded.len() {
        length if length > LONGEST_CONTEXT => {
            Err(format!("it has {length} bytes in base64, {LONGEST_CONTEXT} are allowed"))
        }
        _ => Ok(encoded),
    }
}

fn tenant(text: &str) -> Result<String, String> {
    let fits = (1..=256).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._:/=+-@ ".contains(c));
    if fits { Ok(text.to_owned()) } else { Err("1 to 256 letters, digits, spaces and ._:/=+-@".to_owned()) }
}

/// `DurableExecutionName` of the Lambda API.
pub(crate) fn durable_name(text: &str) -> Result<String, String> {
    let fits =
        (1..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if fits { Ok(text.to_owned()) } else { Err("1 to 64 letters, digits, - and _".to_owned()) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        cli: Cli,
    }

    fn parse(options: &[&str]) -> Result<Request, String> {
        let words = ["lambda-invoke", "--function-name=report"].iter().chain(options);
        Line::try_parse_from(words).map_err(|error| error.to_string())?.cli.into_request()
    }

    #[test]
    fn everything_that_goes_with_an_invocation() {
        let request = parse(&[
            "--qualifier=live",
            r#"--payload={"a":1}"#,
            "--client-context={}",
            "--tenant-id=t-1",
            "--log-tail",
            "--expect=ok",
            "--durable-execution-name=n-1",
            "--output-file=/tmp/x",
        ])
        .unwrap();
        assert_eq!(request.target.to_string(), "report:live");
        assert!(matches!(&request.work, Work::One(Some(payload)) if payload == br#"{"a":1}"#));
        let Settings { kind, client_context, tenant, log_tail } = request.settings;
        assert_eq!((kind, log_tail), (Kind::RequestResponse, true));
        assert_eq!((client_context.as_deref(), tenant.as_deref()), (Some("e30="), Some("t-1")));
        assert_eq!(request.durable_name.as_deref(), Some("n-1"));
        assert!(matches!(parse(&[]).unwrap().work, Work::One(None)));
        assert!(matches!(parse(&["--stream"]).unwrap().work, Work::Stream(None)));
        assert!(matches!(parse(&["--batch=-"]).unwrap().work, Work::Batch(_)));
        assert_eq!(
            parse(&["--client-context=e30="]).unwrap().settings.client_context.as_deref(),
            Some("e30=")
        );
        assert_eq!(parse(&["--invocation-type=event"]).unwrap().settings.kind, Kind::Event);
    }

    #[test]
    fn refused_before_any_call() {
        let long = format!("--payload=\"{}\"", "x".repeat(LONGEST_EVENT));
        let too_long = format!("--payload=\"{}\"", "x".repeat(LONGEST_SYNC));
        let context = format!("--client-context={{\"a\":\"{}\"}}", "x".repeat(2700));
        let cases: [(&[&str], &str); 17] = [
            (&["--payload={'a':1}"], "Lambda takes JSON: it is no JSON, line 1 column 2"),
            (&["--payload={}{}"], "column 3"),
            (&["--payload="], "it ends too early"),
            (&["--payload-file=/nowhere"], "No such file"),
            (
                &[&long, "--invocation-type=Event"],
                "1048578 bytes, Lambda takes 1048576 for --invocation-type Event",
            ),
            (&[&too_long], "6291458 bytes, Lambda takes 6291456"),
            (
                &["--invocation-type=Event", "--log-tail"],
                "--log-tail needs --invocation-type RequestResponse",
            ),
            (&["--invocation-type=Event", "--client-context={}"], "--client-context needs"),
            (&["--invocation-type=DryRun", "--stream"], "--stream needs"),
            (&["--invocation-type=Later"], "possible values: RequestResponse, Event, DryRun"),
            (&["--client-context=[]"], "JSON object"),
            (&[&context], "bytes in base64, 3583 are allowed"),
            (&["--tenant-id=a;b"], "1 to 256"),
            (&["--durable-execution-name=a b"], "1 to 64"),
            (&["--expect=a =="], "no JMESPath"),
            (&["--stream", "--expect=ok"], "cannot be used with"),
            (&["--batch=-", "--payload={}"], "leave --payload and --payload-file out"),
        ];
        for (options, expected) in cases {
            let error = parse(options).expect_err(expected);
            assert!(error.contains(expected), "{options:?}: {error}");
        }
    }
}

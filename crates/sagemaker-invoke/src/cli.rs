//! The options, and the [`Request`] they make.

mod endpoint;
mod queued;
mod train;

use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand};
use job_runtime::{Options, OutputArgs};

use self::endpoint::EndpointArgs;
use self::queued::AsyncArgs;
use self::train::TrainArgs;
use crate::fields;
use crate::payload::{self, Body};
use crate::{Request, Work};

/// Options of sagemaker-invoke.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Cli {
    #[command(subcommand)]
    work: WorkArgs,

    #[command(flatten)]
    output: OutputArgs,

    #[command(flatten)]
    common: Common,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
enum WorkArgs {
    /// Invoke an endpoint and print what the model answers
    ///
    /// Takes one of --body, --body-file and --batch. A model must answer within 60 s. A request without a clear answer
    /// is not sent again: it ends with exit code 80.
    ///
    /// An answer that nobody waits for is lost, so that --no-wait is refused. It cannot be found again either: an
    /// idempotency key changes nothing but names. After SIGTERM the answer is waited for within --grace-period; without
    /// one the exit code is 80. A batch is resumed with --resume.
    #[command(after_help = "\
Examples:
  Ask a model for one answer:
    sagemaker-invoke endpoint --endpoint-name churn --content-type text/csv --body 34,2,1

  One answer for each line of a file, 32 at a time:
    sagemaker-invoke endpoint --endpoint-name churn --batch rows.jsonl --concurrency 32 \\
      --output-file answers.jsonl")]
    Endpoint(Box<EndpointArgs>),
    /// Invoke an asynchronous endpoint, wait for the answer in S3 and print it
    ///
    /// Takes one of --input-location, --body and --body-file. With --no-wait it prints where the answer will be.
    #[command(after_help = "\
Examples:
  sagemaker-invoke async --endpoint-name ocr --content-type application/pdf --input-location s3://in/7.pdf")]
    Async(Box<AsyncArgs>),
    /// Train a model: start a training job, wait for its end and say how it ended
    ///
    /// With an idempotency key the job is named by it, and a job of that name and specification is taken over.
    #[command(after_help = "\
Examples:
  sagemaker-invoke train --spec-file job.json --logs --idempotency-key nightly-2026-01-31")]
    Train(Box<TrainArgs>),
}

/// The options of a call to an endpoint, whichever way it is called.
#[derive(Debug, Args)]
#[group(skip)]
#[allow(clippy::doc_markdown, reason = "the comments are the help text, where backticks would show")]
struct CallArgs {
    /// Name of the endpoint
    #[arg(long, env = "SAGEMAKER_ENDPOINT_NAME", value_name = "NAME", value_parser = fields::name)]
    endpoint_name: String,

    /// What the body is: a MIME type
    ///
    /// A body that is said to be JSON is checked to be so before it is sent.
    #[arg(
        long,
        env = "SAGEMAKER_CONTENT_TYPE",
        value_name = "TYPE",
        default_value = payload::JSON,
        value_parser = fields::header
    )]
    content_type: String,

    /// What the answer should be: a MIME type
    #[arg(long, env = "SAGEMAKER_ACCEPT", value_name = "TYPE", value_parser = fields::header)]
    accept: Option<String>,

    /// What the model is told beside the body, in its own form
    #[arg(long, env = "SAGEMAKER_CUSTOM_ATTRIBUTES", value_name = "TEXT", value_parser = fields::header)]
    custom_attributes: Option<String>,

    /// Names this inference in the data that the endpoint captures
    #[arg(long, env = "SAGEMAKER_INFERENCE_ID", value_name = "ID", value_parser = fields::short_id)]
    inference_id: Option<String>,
}

/// The body of a single request.
#[derive(Debug, Args)]
#[group(skip)]
#[allow(clippy::doc_markdown, reason = "the comments are the help text, where backticks would show")]
struct BodyArgs {
    /// The body; file://FILE and fileb://FILE are read as by the AWS CLI
    #[arg(
        long,
        env = "SAGEMAKER_BODY",
        value_name = "TEXT",
        value_parser = Body::value(),
        conflicts_with = "body_file",
        allow_hyphen_values = true
    )]
    body: Option<Body>,

    /// A file with the body, sent to the byte; "-" is standard input
    #[arg(long, env = "SAGEMAKER_BODY_FILE", value_name = "FILE", value_parser = Body::file())]
    body_file: Option<Body>,
}

impl BodyArgs {
    fn into_body(self) -> Option<Body> {
        self.body_file.or(self.body)
    }
}

/// What is looked at of the runtime's options, which the whole command line has.
#[derive(Debug, Clone, Copy)]
struct Common {
    /// Whether this piece of work has a key.
    keyed: bool,
    /// Whether nobody waits for its end.
    no_wait: bool,
}

impl FromArgMatches for Common {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let key = matches.try_get_one::<String>("runtime.idempotency-key");
        let no_wait = matches.try_get_one::<bool>("runtime.no-wait");
        Ok(Self {
            keyed: key.is_ok_and(|key| key.is_some()),
            no_wait: no_wait.is_ok_and(|no_wait| no_wait == Some(&true)),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Common {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

impl Options for Cli {
    type Request = Request;

    fn begins_work(command: &str) -> bool {
        command != "endpoint"
    }

    fn into_request(self) -> Result<Request, String> {
        let Self { work, output, common: Common { keyed, no_wait } } = self;
        let work = match work {
            WorkArgs::Endpoint(_) if no_wait => {
                return Err(
                    "--no-wait is for async and train: the answer of an endpoint is the end of the work"
                        .to_owned(),
                );
            }
            WorkArgs::Endpoint(args) => Work::Endpoint(Box::new(args.into_request()?)),
            WorkArgs::Async(args) => Work::Async(Box::new(args.into_request(keyed)?)),
            WorkArgs::Train(args) => Work::Train(Box::new(args.into_request(keyed)?)),
        };
        Ok(Request { work, output: output.output })
    }
}

#[cfg(test)]
mod tests;

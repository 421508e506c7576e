//! The options of `async`.

use std::path::PathBuf;

use clap::Args;

use super::{BodyArgs, CallArgs};
use crate::fields;
use crate::queued::{Call, Input, Request};
use aws_wire::s3::Location;

/// The longest body that `InvokeEndpointAsync` takes in the request itself.
const LONGEST_BODY: usize = 128_000;

/// Options of `async`.
#[derive(Debug, Args)]
#[group(skip)]
#[allow(clippy::doc_markdown, reason = "the comments are the help text, where backticks would show")]
#[command(next_help_heading = "Invocation")]
pub(super) struct AsyncArgs {
    #[command(flatten)]
    call: CallArgs,

    #[command(flatten)]
    body: BodyArgs,

    /// Where the body is: s3://bucket/key
    #[arg(
        long,
        env = "SAGEMAKER_INPUT_LOCATION",
        value_name = "S3_URI",
        value_parser = input_location,
        conflicts_with_all = ["body", "body_file"]
    )]
    input_location: Option<String>,

    /// How long the request may wait for its turn: 1m to 6h [default: 6h]
    #[arg(long, env = "SAGEMAKER_REQUEST_TTL", value_name = "DURATION", value_parser = fields::request_ttl)]
    request_ttl: Option<i32>,

    /// How long the model may take: 1s to 1h [default: 15m]
    #[arg(
        long,
        env = "SAGEMAKER_INVOCATION_TIMEOUT",
        value_name = "DURATION",
        value_parser = fields::invocation_timeout
    )]
    invocation_timeout: Option<i32>,

    /// A path behind the endpoint's own output path
    #[arg(
        long,
        env = "SAGEMAKER_S3_OUTPUT_PATH_EXTENSION",
        value_name = "PATH",
        value_parser = fields::path_extension
    )]
    s3_output_path_extension: Option<String>,

    /// Name of the object with the answer [default: made of the key, where there is one]
    #[arg(long, env = "SAGEMAKER_FILENAME", value_name = "NAME", value_parser = fields::filename)]
    filename: Option<String>,

    /// Where to note what was started: s3://bucket/prefix/; needed with an idempotency key
    ///
    /// SageMaker has no way to ask whether a request was made. So each piece of work has an object here, named by its
    /// key, that is put before the request and tells the next process what to wait for. It holds a digest of what is
    /// asked for: the same key with another endpoint, input, content type, accept or attributes is refused.
    #[arg(long, env = "SAGEMAKER_CLAIM_LOCATION", value_name = "S3_URI", value_parser = Location::parse)]
    claim_location: Option<Location>,

    /// A file for the answer; stdout then tells about it
    #[arg(long, env = "SAGEMAKER_OUTPUT_FILE", value_name = "FILE", value_parser = job_runtime::file::destination)]
    output_file: Option<PathBuf>,
}

impl AsyncArgs {
    /// The request; `keyed` says whether there is a key.
    pub(super) fn into_request(self, keyed: bool) -> Result<Request, String> {
        let CallArgs { endpoint_name, content_type, accept, custom_attributes, inference_id } = self.call;
        let input = match (self.input_location, self.body.into_body()) {
            (Some(location), _) => Input::Location(location),
            (None, Some(body)) => {
                let length = body.bytes().len();
                if length > LONGEST_BODY {
                    return Err(format!(
                        "the body has {length} bytes, an asynchronous request takes {LONGEST_BODY}: put it in S3 and \
                         give --input-location"
                    ));
                }
                body.check(&content_type)?;
                Input::Body(body)
            }
            (None, None) => {
                return Err(
                    "there is nothing to send: give --input-location, --body or --body-file".to_owned()
                );
            }
        };
        if keyed && self.claim_location.is_none() {
            return Err("an --idempotency-key needs --claim-location s3://bucket/prefix/: SageMaker has no way to ask \
                        whether a request was made, so it is noted there before it is sent"
                .to_owned());
        }
        let call = Call {
            endpoint_name,
            content_type,
            accept,
            custom_attributes,
            inference_id,
            input,
            request_ttl: self.request_ttl,
            invocation_timeout: self.invocation_timeout,
            path_extension: self.s3_output_path_extension,
            filename: self.filename,
        };
        Ok(Request { call, claims: self.claim_location, output_file: self.output_file })
    }
}

/// `InputLocation`: 1 to 1024 printable characters.
fn input_location(text: &str) -> Result<String, String> {
    match Location::parse(text)? {
        Location { key, .. } if key.is_empty() => Err("it should name an object: s3://bucket/key".to_owned()),
        Location { .. } => fields::header(text),
    }
}

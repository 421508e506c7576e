//! The options of `endpoint`.

use std::path::PathBuf;

use clap::Args;
use fan_out::BatchArgs;
use job_runtime::CallOnceArgs;

use super::{BodyArgs, CallArgs};
use crate::endpoint::{Call, Input, Request};
use crate::{fields, payload};

/// Options of `endpoint`.
#[derive(Debug, Args)]
#[group(skip)]
#[allow(clippy::doc_markdown, reason = "the comments are the help text, where backticks would show")]
#[command(next_help_heading = "Invocation")]
pub(super) struct EndpointArgs {
    #[command(flatten)]
    call: CallArgs,

    #[command(flatten)]
    body: BodyArgs,

    /// Which model of a multi-model endpoint
    #[arg(
        long,
        env = "SAGEMAKER_TARGET_MODEL",
        value_name = "MODEL",
        value_parser = fields::target_model,
        conflicts_with = "stream"
    )]
    target_model: Option<String>,

    /// Which production variant; else SageMaker picks one by weight
    #[arg(long, env = "SAGEMAKER_TARGET_VARIANT", value_name = "NAME", value_parser = fields::name)]
    target_variant: Option<String>,

    /// Which container of an endpoint whose containers are called one by one
    #[arg(long, env = "SAGEMAKER_TARGET_CONTAINER_HOSTNAME", value_name = "NAME", value_parser = fields::name)]
    target_container_hostname: Option<String>,

    /// Which inference component of the endpoint
    #[arg(long, env = "SAGEMAKER_INFERENCE_COMPONENT", value_name = "NAME", value_parser = fields::name)]
    inference_component: Option<String>,

    /// Whether to explain the answer with SageMaker Clarify: a JMESPath expression
    #[arg(
        long,
        env = "SAGEMAKER_ENABLE_EXPLANATIONS",
        value_name = "EXPRESSION",
        value_parser = fields::explanations,
        conflicts_with = "stream"
    )]
    enable_explanations: Option<String>,

    /// The session of a stateful model; NEW_SESSION opens one
    #[arg(long, env = "SAGEMAKER_SESSION_ID", value_name = "ID", value_parser = fields::session)]
    session_id: Option<String>,

    /// Names what begins with the same tokens, so that it is sent to the same instance
    #[arg(long, env = "SAGEMAKER_PREFIX_AWARE_ID", value_name = "ID", value_parser = fields::short_id)]
    prefix_aware_id: Option<String>,

    /// Take the answer in parts, and hand on each as it comes
    #[arg(long, env = "SAGEMAKER_STREAM", conflicts_with = "batch")]
    stream: bool,

    /// A file for the answer; stdout then tells about it: type, variant, attributes, session, size
    #[arg(long, env = "SAGEMAKER_OUTPUT_FILE", value_name = "FILE", value_parser = job_runtime::file::destination)]
    output_file: Option<PathBuf>,

    #[command(flatten)]
    batch: BatchArgs,

    #[command(flatten)]
    once: CallOnceArgs,
}

impl EndpointArgs {
    pub(super) fn into_request(self) -> Result<Request, String> {
        let CallArgs { endpoint_name, content_type, accept, custom_attributes, inference_id } = self.call;
        let input = match (self.batch.into_batch()?, self.body.into_body()) {
            (Some(_), Some(_)) => {
                return Err(
                    "--batch takes its bodies from a file; leave --body and --body-file out".to_owned()
                );
            }
            (Some(batch), None) => Input::Batch(batch.longest_line(payload::LONGEST)),
            (None, Some(body)) => {
                body.check(&content_type)?;
                if self.stream { Input::Stream(body) } else { Input::Single(body) }
            }
            (None, None) => {
                return Err("there is nothing to send: give --body, --body-file or --batch".to_owned());
            }
        };
        if self.stream && self.session_id.as_deref() == Some(fields::NEW_SESSION) {
            return Err(
                "a streamed answer cannot open a session: leave out --stream for NEW_SESSION".to_owned()
            );
        }
        let call = Call {
            endpoint_name,
            content_type,
            accept,
            custom_attributes,
            inference_id,
            target_model: self.target_model,
            target_variant: self.target_variant,
            target_container_hostname: self.target_container_hostname,
            inference_component: self.inference_component,
            enable_explanations: self.enable_explanations,
            session_id: self.session_id,
            prefix_aware_id: self.prefix_aware_id,
        };
        Ok(Request { call, input, once: self.once.call_once(), output_file: self.output_file })
    }
}

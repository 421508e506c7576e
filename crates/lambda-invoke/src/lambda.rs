//! The calls of the Lambda API that this program makes. The SDK's types stop here.

use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::Builder;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::error::SdkError;
use aws_sdk_lambda::operation::RequestId;
use aws_sdk_lambda::operation::invoke::InvokeError;
use aws_sdk_lambda::operation::invoke_with_response_stream::{
    InvokeWithResponseStreamError, InvokeWithResponseStreamOutput,
};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvokeWithResponseStreamResponseEvent as Event;
use aws_sdk_lambda::types::{ErrorObject, InvocationType, LogType, ResponseStreamingInvocationType};
use aws_smithy_types::timeout::TimeoutConfig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use job_runtime::{CallError, Context};
use tokio::time::Instant;

use crate::answer::Answer;
use crate::target::Target;

/// How much longer than the wait an answer may take on the wire, so that it is the wait that ends.
const MARGIN: Duration = Duration::from_secs(5);

/// How a function is invoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    RequestResponse,
    Event,
    DryRun,
}

impl Kind {
    /// As Lambda spells it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::RequestResponse => "RequestResponse",
            Self::Event => "Event",
            Self::DryRun => "DryRun",
        }
    }
}

/// What goes with every invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) kind: Kind,
    /// JSON in base64.
    pub(crate) client_context: Option<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) log_tail: bool,
}

/// One function, seen through a client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Function<'a> {
    pub(crate) client: &'a Client,
    pub(crate) target: &'a Target,
    pub(crate) settings: &'a Settings,
}

impl Function<'_> {
    /// Sends one `Invoke`, never twice: the SDK's own resending is off for this call, because a request that got no
    /// answer may have run. `durable_name` names the execution of a durable function.
    pub(crate) async fn invoke(
        &self,
        payload: Option<&[u8]>,
        durable_name: Option<&str>,
        ctx: &Context,
    ) -> Result<Answer, SdkError<InvokeError>> {
        let Self { client, target, settings } = *self;
        let answer = client
            .invoke()
            .function_name(&target.function)
            .set_qualifier(target.qualifier.clone())
            .invocation_type(InvocationType::from(settings.kind.as_str()))
            .set_log_type(settings.log_tail.then_some(LogType::Tail))
            .set_client_context(settings.client_context.clone())
            .set_tenant_id(settings.tenant.clone())
            .set_durable_execution_name(durable_name.map(str::to_owned))
            .set_payload(payload.map(Blob::new))
            .customize()
            .config_override(once(ctx))
            .send()
            .await?;
        Ok(Answer {
            request_id: answer.request_id().map(str::to_owned),
            status: answer.status_code,
            function_error: answer.function_error,
            payload: answer.payload.map(Blob::into_inner).unwrap_or_default(),
            executed_version: answer.executed_version,
            log_tail: answer.log_result.as_deref().and_then(decoded),
            durable_execution: answer.durable_execution_arn,
        })
    }

    /// The same with an answer that is read while the function writes it.
    pub(crate) async fn stream(
        &self,
        payload: Option<&[u8]>,
        ctx: &Context,
    ) -> Result<Streamed, SdkError<InvokeWithResponseStreamError>> {
        let Self { client, target, settings } = *self;
        let output = client
            .invoke_with_response_stream()
            .function_name(&target.function)
            .set_qualifier(target.qualifier.clone())
            .invocation_type(ResponseStreamingInvocationType::RequestResponse)
            .set_log_type(settings.log_tail.then_some(LogType::Tail))
            .set_client_context(settings.client_context.clone())
            .set_tenant_id(settings.tenant.clone())
            .set_payload(payload.map(Blob::new))
            .customize()
            .config_override(once(ctx))
            .send()
            .await?;
        Ok(Streamed(output))
    }

    /// Asks Lambda whether this invocation would be allowed, without one.
    pub(crate) async fn dry_run(&self) -> Result<(), CallError> {
        let answer = self
            .client
            .invoke()
            .function_name(&self.target.function)
            .set_qualifier(self.target.qualifier.clone())
            .invocation_type(InvocationType::DryRun)
            .set_tenant_id(self.settings.tenant.clone())
            .send()
            .await;
        answer.map(drop).map_err(|error| CallError::new(INVOKE, &error))
    }

    /// ARN and status of the newest durable execution of a name.
    pub(crate) async fn execution_named(&self, name: &str) -> Result<Option<(String, String)>, CallError> {
        let answer = self
            .client
            .list_durable_executions_by_function()
            .function_name(&self.target.function)
            .set_qualifier(self.target.qualifier.clone())
            .durable_execution_name(name)
            .max_items(1)
            .send()
            .await
            .map_err(|error| CallError::new("lambda:ListDurableExecutionsByFunction", &error))?;
        let newest = answer.durable_executions().first();
        Ok(newest.map(|it| (it.durable_execution_arn().to_owned(), it.status().as_str().to_owned())))
    }

    /// Looks at a durable execution.
    pub(crate) async fn execution(&self, arn: &str) -> Result<Execution, CallError> {
        let answer = self
            .client
            .get_durable_execution()
            .durable_execution_arn(arn)
            .send()
            .await
            .map_err(|error| CallError::new("lambda:GetDurableExecution", &error))?;
        Ok(Execution {
            status: answer.status().as_str().to_owned(),
            result: answer.result().map(|text| text.as_bytes().to_vec()),
            error: answer.error().map(in_words),
        })
    }

    /// Asks Lambda to stop a durable execution.
    pub(crate) async fn stop(&self, arn: &str) -> Result<(), CallError> {
        let why =
            ErrorObject::builder().error_message("stopped by lambda-invoke, which was told to end").build();
        let answer = self.client.stop_durable_execution().durable_execution_arn(arn).error(why).send().await;
        answer.map(drop).map_err(|error| CallError::new("lambda:StopDurableExecution", &error))
    }
}

/// The action of every invocation, as in a policy.
pub(crate) const INVOKE: &str = "lambda:InvokeFunction";

/// The settings of a call that does the work while we wait: sent once, and awaited to the deadline.
fn once(ctx: &Context) -> Builder {
    let wait = ctx.deadline().saturating_duration_since(Instant::now()) + MARGIN;
    let timeouts: TimeoutConfig = ctx.timeouts(wait);
    Builder::new().retry_config(RetryConfig::disabled()).timeout_config(timeouts)
}

/// A durable execution at a moment.
#[derive(Debug)]
pub(crate) struct Execution {
    pub(crate) status: String,
    pub(crate) result: Option<Vec<u8>>,
    pub(crate) error: Option<String>,
}

fn in_words(error: &ErrorObject) -> String {
    match (error.error_type(), error.error_message()) {
        (Some(kind), Some(message)) => format!("{kind}: {message}"),
        (Some(text), None) | (None, Some(text)) => text.to_owned(),
        (None, None) => "it says no more".to_owned(),
    }
}

/// An answer on its way.
#[derive(Debug)]
pub(crate) struct Streamed(InvokeWithResponseStreamOutput);

/// The next part of a streamed answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Chunk(Vec<u8>),
    /// The function is done: its error code and details if it failed, and the end of its log.
    End {
        error: Option<(String, String)>,
        log_tail: Option<String>,
    },
}

impl Streamed {
    /// What is known before the first part.
    pub(crate) fn head(&self) -> Answer {
        Answer {
            status: self.0.status_code(),
            executed_version: self.0.executed_version().map(str::to_owned),
            request_id: self.0.request_id().map(str::to_owned),
            ..Answer::default()
        }
    }

    /// The next part; `None` where the stream ended without saying how the function did.
    pub(crate) async fn next(&mut self) -> Result<Option<Part>, String> {
        loop {
            return match self.0.event_stream.recv().await {
                Ok(Some(Event::PayloadChunk(chunk))) => {
                    Ok(Some(Part::Chunk(chunk.payload.map(Blob::into_inner).unwrap_or_default())))
                }
                Ok(Some(Event::InvokeComplete(end))) => Ok(Some(Part::End {
                    error: end.error_code.map(|code| (code, end.error_details.unwrap_or_default())),
                    log_tail: end.log_result.as_deref().and_then(decoded),
                })),
                // A kind of event that this version does not know is none of ours.
                Ok(Some(_)) => continue,
                Ok(None) => Ok(None),
                // What the SDK says of a broken stream can quote its frames.
                Err(SdkError::ServiceError(_)) => Err("Lambda ended the stream with an error".to_owned()),
                Err(_) => Err("the connection broke in the middle of the answer".to_owned()),
            };
        }
    }
}

/// Of a log that was cut in the middle of a character only that one is lost.
fn decoded(log: &str) -> Option<String> {
    let bytes = STANDARD.decode(log).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

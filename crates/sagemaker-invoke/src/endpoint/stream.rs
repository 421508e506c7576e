//! One `InvokeEndpointWithResponseStream`, sent once, and the parts of its answer.

use std::time::Duration;

use aws_sdk_sagemakerruntime::error::SdkError;
use aws_sdk_sagemakerruntime::operation::RequestId;
use aws_sdk_sagemakerruntime::operation::invoke_endpoint_with_response_stream::{
    InvokeEndpointWithResponseStreamError as OpenError, InvokeEndpointWithResponseStreamOutput as Output,
};
use aws_sdk_sagemakerruntime::primitives::Blob;
use aws_sdk_sagemakerruntime::types::ResponseStream;
use aws_sdk_sagemakerruntime::types::error::{ModelStreamError, ResponseStreamError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use job_runtime::CallError;

use super::About;
use super::send::{Endpoint, model_failure, request_id, told};
use crate::error::ModelFailure;

/// The call, as in a policy.
pub(crate) const INVOKE: &str = "sagemaker:InvokeEndpointWithResponseStream";

/// How long the first part and each next one may take: a model may stream for 8 minutes.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_mins(9);

/// What came of a request that reached the model.
pub(crate) enum Reply {
    /// The beginning of its answer.
    Answer(Box<Answer>),
    /// It failed.
    Failed(Box<ModelFailure>),
}

/// An answer that comes in parts.
pub(crate) struct Answer {
    parts: Output,
    pub(crate) about: About,
}

/// How an answer ends before its end.
pub(crate) enum Broken {
    /// The model failed, or fell silent.
    Model(Box<ModelFailure>),
    /// The service or the network broke: what became of the model is not known.
    Cut(CallError),
}

impl Endpoint<'_> {
    /// Sends `body`, once, and waits for the beginning of the answer.
    pub(crate) async fn open(&self, body: &[u8]) -> Result<Reply, SdkError<OpenError>> {
        let call = self.call;
        let answer = self
            .client
            .invoke_endpoint_with_response_stream()
            .endpoint_name(&call.endpoint_name)
            .body(Blob::new(body))
            .content_type(&call.content_type)
            .set_accept(call.accept.clone())
            .set_custom_attributes(call.custom_attributes.clone())
            .set_target_variant(call.target_variant.clone())
            .set_target_container_hostname(call.target_container_hostname.clone())
            .set_inference_id(call.inference_id.clone())
            .set_inference_component_name(call.inference_component.clone())
            .set_session_id(call.session_id.clone())
            .set_prefix_aware_id(call.prefix_aware_id.clone())
            .send()
            .await;
        match answer {
            Ok(parts) => {
                let about = About {
                    content_type: parts.content_type.clone(),
                    invoked_production_variant: parts.invoked_production_variant.clone(),
                    custom_attributes: parts.custom_attributes.clone(),
                    request_id: parts.request_id().map(str::to_owned),
                    ..About::default()
                };
                Ok(Reply::Answer(Box::new(Answer { parts, about })))
            }
            Err(error) => match error.as_service_error() {
                Some(OpenError::ModelError(failed)) => {
                    Ok(Reply::Failed(Box::new(model_failure(failed, request_id(&error)))))
                }
                Some(OpenError::ModelStreamError(failed)) => {
                    Ok(Reply::Failed(Box::new(stream_failure(failed, request_id(&error)))))
                }
                _ => Err(told(error, body.len(), OpenError::generic)),
            },
        }
    }
}

impl Answer {
    /// The next part; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Blob>, Broken> {
        loop {
            match self.parts.body.recv().await {
                Ok(None) => return Ok(None),
                Ok(Some(ResponseStream::PayloadPart(part))) => {
                    return Ok(Some(part.bytes.unwrap_or_else(empty)));
                }
                // An event that is newer than this program; the parts are what the answer is made of.
                Ok(Some(_)) => tracing::debug!("an unknown event in the stream was left out"),
                Err(error) => return Err(self.broken(error)),
            }
        }
    }

    fn broken<R>(&self, error: SdkError<ResponseStreamError, R>) -> Broken {
        let request_id = self.about.request_id.clone();
        match error {
            SdkError::ServiceError(failed) => match failed.into_err() {
                ResponseStreamError::ModelStreamError(failed) => {
                    Broken::Model(Box::new(stream_failure(&failed, request_id)))
                }
                ResponseStreamError::InternalStreamFailure(failed) => {
                    let said = failed.message().unwrap_or("without a word");
                    Broken::Cut(CallError::unusable(INVOKE, &format!("InternalStreamFailure: {said}")))
                }
                _ => Broken::Cut(CallError::unusable(
                    INVOKE,
                    "the stream ended with an error of an unknown kind",
                )),
            },
            // The same failure for the one who knows what may be shown of it.
            SdkError::DispatchFailure(failure) => {
                let failure = SdkError::<ResponseStreamError, HttpResponse>::DispatchFailure(failure);
                Broken::Cut(CallError::new(INVOKE, &failure))
            }
            _ => Broken::Cut(CallError::unusable(INVOKE, "a part of the stream cannot be read")),
        }
    }
}

fn empty() -> Blob {
    Blob::new(Vec::new())
}

/// What `SageMaker` tells of a model that failed in the middle of its answer.
fn stream_failure(failed: &ModelStreamError, request_id: Option<String>) -> ModelFailure {
    ModelFailure {
        code: failed.error_code().map(str::to_owned),
        status: None,
        message: failed.message().unwrap_or_default().to_owned(),
        log_stream_arn: None,
        request_id,
    }
}

//! One `InvokeEndpoint`, sent once. The SDK's types stop here.

use std::time::Duration;

use aws_sdk_sagemakerruntime::Client;
use aws_sdk_sagemakerruntime::config::Builder;
use aws_sdk_sagemakerruntime::config::retry::RetryConfig;
use aws_sdk_sagemakerruntime::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sagemakerruntime::operation::RequestId;
use aws_sdk_sagemakerruntime::operation::invoke_endpoint::InvokeEndpointError;
use aws_sdk_sagemakerruntime::primitives::Blob;
use aws_sdk_sagemakerruntime::types::error::ModelError;
use aws_smithy_types::error::ErrorMetadata;
use job_runtime::Context;

use super::{About, Call};
use crate::error::ModelFailure;

/// The call, as in a policy.
pub(crate) const INVOKE: &str = "sagemaker:InvokeEndpoint";

/// How long an answer may take. A model must answer within 60 s, and 70 s are advised for the one who waits (API
/// reference of `InvokeEndpoint`); the rest is for a slow way.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(90);

/// What came of a request that reached the model.
#[derive(Debug)]
pub(crate) enum Reply {
    /// What it answered.
    Answer { body: Vec<u8>, about: About },
    /// It failed.
    Failed(Box<ModelFailure>),
}

/// One endpoint, seen through a client.
pub(crate) struct Endpoint<'a> {
    pub(super) client: Client,
    pub(super) call: &'a Call,
}

impl<'a> Endpoint<'a> {
    /// The SDK's own resending is off: a request that got no answer may have reached the model.
    pub(crate) fn new(call: &'a Call, answer_limit: Duration, ctx: &Context) -> Self {
        let config = Builder::from(ctx.sdk_config())
            .retry_config(RetryConfig::disabled())
            .timeout_config(ctx.timeouts(answer_limit))
            .build();
        Self { client: Client::from_conf(config), call }
    }

    /// Sends `body`, once.
    pub(crate) async fn send(&self, body: &[u8]) -> Result<Reply, SdkError<InvokeEndpointError>> {
        let call = self.call;
        let answer = self
            .client
            .invoke_endpoint()
            .endpoint_name(&call.endpoint_name)
            .body(Blob::new(body))
            .content_type(&call.content_type)
            .set_accept(call.accept.clone())
            .set_custom_attributes(call.custom_attributes.clone())
            .set_target_model(call.target_model.clone())
            .set_target_variant(call.target_variant.clone())
            .set_target_container_hostname(call.target_container_hostname.clone())
            .set_inference_id(call.inference_id.clone())
            .set_enable_explanations(call.enable_explanations.clone())
            .set_inference_component_name(call.inference_component.clone())
            .set_session_id(call.session_id.clone())
            .set_prefix_aware_id(call.prefix_aware_id.clone())
            .send()
            .await;
        match answer {
            Ok(answer) => {
                let request_id = answer.request_id().map(str::to_owned);
                let about = About {
                    content_type: answer.content_type,
                    invoked_production_variant: answer.invoked_production_variant,
                    custom_attributes: answer.custom_attributes,
                    new_session_id: answer.new_session_id,
                    closed_session_id: answer.closed_session_id,
                    request_id,
                };
                let body = answer.body.map(Blob::into_inner).unwrap_or_default();
                Ok(Reply::Answer { body, about })
            }
            Err(error) => match error.as_service_error() {
                Some(InvokeEndpointError::ModelError(failed)) => {
                    Ok(Reply::Failed(Box::new(model_failure(failed, request_id(&error)))))
                }
                _ => Err(told(error, body.len(), InvokeEndpointError::generic)),
            },
        }
    }
}

/// The AWS request id of a failed call.
pub(super) fn request_id<E>(error: &SdkError<E>) -> Option<String> {
    error.raw_response().and_then(RequestId::request_id).map(str::to_owned)
}

/// The error, with a code and a text where it is the gateway in front of the service that takes no body of this size:
/// it answers 413, and nothing that would tell why.
pub(super) fn told<E: ProvideErrorMetadata>(
    error: SdkError<E>,
    bytes: usize,
    named: fn(ErrorMetadata) -> E,
) -> SdkError<E> {
    match error {
        SdkError::ServiceError(refused)
            if refused.raw().status().as_u16() == 413
                && refused.err().code().unwrap_or_default().is_empty() =>
        {
            let text = format!(
                "the body of {bytes} bytes is larger than the endpoint takes; an asynchronous endpoint takes up to \
                 1 GB from S3"
            );
            let meta = ErrorMetadata::builder().code("RequestEntityTooLarge").message(text).build();
            SdkError::service_error(named(meta), refused.into_raw())
        }
        error => error,
    }
}

/// What `SageMaker` tells of a model that failed.
pub(super) fn model_failure(failed: &ModelError, request_id: Option<String>) -> ModelFailure {
    ModelFailure {
        code: None,
        status: failed.original_status_code(),
        message: failed.original_message().or(failed.message()).unwrap_or_default().to_owned(),
        log_stream_arn: failed.log_stream_arn().map(str::to_owned),
        request_id,
    }
}

//! One `InvokeEndpointAsync`, sent once. The SDK's types stop here.

use std::time::SystemTime;

use aws_sdk_sagemakerruntime::Client;
use aws_sdk_sagemakerruntime::config::Builder;
use aws_sdk_sagemakerruntime::config::retry::RetryConfig;
use aws_sdk_sagemakerruntime::error::SdkError;
use aws_sdk_sagemakerruntime::operation::invoke_endpoint_async::InvokeEndpointAsyncError;
use aws_sdk_sagemakerruntime::primitives::Blob;
use job_runtime::Context;

use super::{Call, Input, Sent};

/// The call, as in a policy.
pub(super) const INVOKE: &str = "sagemaker:InvokeEndpointAsync";

/// One endpoint, seen through a client.
pub(super) struct Endpoint<'a> {
    client: Client,
    call: &'a Call,
    ctx: &'a Context,
}

impl<'a> Endpoint<'a> {
    /// The SDK's own resending is off: a request that got no answer may be in the queue.
    pub(super) fn new(call: &'a Call, ctx: &'a Context) -> Self {
        let config = Builder::from(ctx.sdk_config()).retry_config(RetryConfig::disabled()).build();
        Self { client: Client::from_conf(config), call, ctx }
    }

    /// Sends the request, once. `None`: it was taken, but where its answer will be was not said.
    pub(super) async fn send(&self) -> Result<Option<Sent>, SdkError<InvokeEndpointAsyncError>> {
        let call = self.call;
        let (location, body) = match &call.input {
            Input::Location(location) => (Some(location.clone()), None),
            Input::Body(body) => (None, Some(Blob::new(body.bytes()))),
        };
        let answer = self
            .client
            .invoke_endpoint_async()
            .endpoint_name(&call.endpoint_name)
            .content_type(&call.content_type)
            .set_accept(call.accept.clone())
            .set_custom_attributes(call.custom_attributes.clone())
            .set_inference_id(call.inference_id.clone())
            .set_input_location(location)
            .set_body(body)
            .set_request_ttl_seconds(call.request_ttl)
            .set_invocation_timeout_seconds(call.invocation_timeout)
            .set_s3_output_path_extension(call.path_extension.clone())
            .set_filename(call.filename.clone())
            .send()
            .await?;
        let inference_id = answer.inference_id.or_else(|| call.inference_id.clone());
        let failure_location = answer.failure_location;
        Ok(answer.output_location.map(|output_location| Sent {
            inference_id,
            output_location,
            failure_location,
            at: now(self.ctx),
        }))
    }
}

/// Seconds since 1970, by the clock that requests are signed with.
pub(super) fn now(ctx: &Context) -> Option<i64> {
    let now = ctx.sdk_config().time_source()?.now();
    i64::try_from(now.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs()).ok()
}

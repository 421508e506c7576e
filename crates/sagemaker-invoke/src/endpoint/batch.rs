//! One invocation for each line of a file.

use std::path::Path;

use fan_out::{Answer, Batch, Failed, Item, Sending, Target};
use job_runtime::{CallError, CallOnce, Context, Output, Report};
use serde::Serialize;

use super::Call;
use super::send::{ANSWER_LIMIT, Endpoint, INVOKE, Reply};
use crate::error::{Error, ModelFailure};
use crate::payload;

/// Invokes the endpoint with every line of `batch`.
pub(super) async fn run(
    batch: &Batch,
    call: &Call,
    once: CallOnce,
    output_file: Option<&Path>,
    output: Output,
    ctx: &Context,
) -> Result<Report, Error> {
    let sink = batch.sink(output_file).map_err(|problem| Error::Input { problem })?;
    let endpoint = Endpoint::new(call, ANSWER_LIMIT, ctx);
    let check = |line: &[u8]| payload::check(line, &call.content_type);
    let invoke = async |item: &Item| {
        let reply = endpoint.send(&item.text).await.map_err(|error| CallError::new(INVOKE, &error))?;
        Ok(answer(reply))
    };
    // No key finds what a model has answered.
    let findable = async |_line: u64| false;
    let sending = Sending { target: target(call, ctx), once };
    let summary = fan_out::run(batch, sending, sink, ctx, check, invoke, findable).await?;
    Ok(summary.report(output_file.is_some(), output))
}

/// What the lines are sent to, and all that defines what comes of them. Responses of earlier runs are bound to it, so
/// that it is public interface.
fn target(call: &Call, ctx: &Context) -> Target {
    #[derive(Serialize)]
    struct Fields<'a> {
        service: &'a str,
        region: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        account: Option<&'a str>,
        endpoint: &'a str,
        content_type: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        accept: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        custom_attributes: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        target_model: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        target_variant: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        target_container_hostname: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        inference_component: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        enable_explanations: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        session_id: Option<&'a str>,
    }
    let place = ctx.place();
    Target::new(&Fields {
        service: "sagemaker",
        region: &place.region,
        account: place.account.as_deref(),
        endpoint: &call.endpoint_name,
        content_type: &call.content_type,
        accept: call.accept.as_deref(),
        custom_attributes: call.custom_attributes.as_deref(),
        target_model: call.target_model.as_deref(),
        target_variant: call.target_variant.as_deref(),
        target_container_hostname: call.target_container_hostname.as_deref(),
        inference_component: call.inference_component.as_deref(),
        enable_explanations: call.enable_explanations.as_deref(),
        session_id: call.session_id.as_deref(),
    })
}

fn answer(reply: Reply) -> Answer {
    match reply {
        Reply::Answer { body, about } => {
            Answer { payload: body, failure: None, request_id: about.request_id }
        }
        Reply::Failed(failure) => {
            let ModelFailure { status, message, log_stream_arn, request_id, .. } = &*failure;
            let detail = serde_json::json!({
                "original_status_code": status,
                "original_message": crate::error::beginning(message),
                "log_stream_arn": log_stream_arn,
            });
            let request_id = request_id.clone();
            let error = format!("the model failed: {failure}");
            let failed = Failed { error, detail: Some(detail), not_evaluated: false };
            Answer { payload: Vec::new(), failure: Some(failed), request_id }
        }
    }
}

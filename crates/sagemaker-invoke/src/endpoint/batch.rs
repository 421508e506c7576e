//! One invocation for each line of a file.

use std::path::Path;

use fan_out::{Answer, Batch, Failed, Item};
use job_runtime::{CallError, Context, Output, Report};

use super::Call;
use super::send::{ANSWER_LIMIT, Endpoint, INVOKE, Reply};
use crate::error::{Error, ModelFailure};
use crate::payload;

/// Invokes the endpoint with every line of `batch`.
pub(super) async fn run(
    batch: &Batch,
    call: &Call,
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
    let summary = fan_out::run(batch, sink, ctx, check, invoke).await?;
    Ok(summary.report(output_file.is_some(), output))
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

//! One invocation for each line of a file, and what binds the responses to the function.

use std::cell::Cell;

use fan_out::{Batch, Item, Sending, Target};
use job_runtime::{CallError, Context, Place, Report};
use serde::Serialize;

use crate::cli::check_json;
use crate::durable::{self, Naming, says_not_durable};
use crate::error::Error;
use crate::job::{Call, Failure, Request, judge};
use crate::lambda::{Function, INVOKE};

/// One invocation for each line.
pub(crate) async fn run(
    call: &Call<'_>,
    batch: &Batch,
    request: &Request,
    naming: &Naming,
    ctx: &Context,
) -> Result<Report, Error> {
    let sink = batch.sink(request.output_file.as_deref()).map_err(Error::Usage)?;
    // Whether the function is durable, once Lambda has shown it.
    let durable = Cell::new(None);
    let sent = |error| CallError::new(INVOKE, &error);
    let invoke = async |item: &Item| {
        let (line, payload) = (item.line, Some(item.text.as_slice()));
        let name = if durable.get() == Some(false) { Naming::Plain } else { naming.numbered(line) };
        let name = durable::settle_name(call, name, ctx).await?;
        let answer = match call.function.invoke(payload, name.name(), ctx).await.map_err(sent) {
            Err(error)
                if durable.get() != Some(true)
                    && matches!(name, Naming::Key(_))
                    && says_not_durable(&error) =>
            {
                // Several lines may be on their way before the first of them is told.
                durable.set(Some(false));
                call.function.invoke(payload, None, ctx).await.map_err(sent)?
            }
            answer => answer?,
        };
        if answer.durable_execution.is_some() {
            durable.set(Some(true));
        }
        let failure = judge(call, &answer, request.expect.as_ref()).map(|failure| {
            let Failure { error, kind, stack, not_evaluated } = failure;
            let detail = kind.map(|kind| serde_json::json!({ "function_error": kind, "stack": stack }));
            fan_out::Failed { error, detail, not_evaluated }
        });
        Ok(fan_out::Answer { failure, request_id: answer.request_id, payload: answer.payload })
    };
    // Each line of a durable function is an execution of its own, named by the key.
    let findable = async |line: u64| {
        let name = naming.numbered(line);
        match durable.get() {
            Some(durable) => durable && name != Naming::Plain,
            None => durable::is_findable(call, &name).await,
        }
    };
    let sending = Sending { target: target(call.function, &ctx.place()), once: request.once };
    let summary = fan_out::run(batch, sending, sink, ctx, check_json, invoke, findable).await?;
    Ok(summary.report(request.output_file.is_some(), request.output))
}

/// What the lines of a batch are sent to, and all that defines what comes of them. Responses of earlier runs are bound to
/// it, so that it is public interface.
fn target(function: Function<'_>, place: &Place) -> Target {
    #[derive(Serialize)]
    struct Fields<'a> {
        service: &'a str,
        region: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        account: Option<&'a str>,
        function: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        qualifier: Option<&'a str>,
        invocation_type: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        client_context: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        tenant_id: Option<&'a str>,
    }
    let Function { target, settings, .. } = function;
    Target::new(&Fields {
        service: "lambda",
        region: &place.region,
        account: target.account.as_deref().or(place.account.as_deref()),
        function: &target.name,
        qualifier: target.qualifier.as_deref(),
        invocation_type: settings.kind.as_str(),
        client_context: settings.client_context.as_deref(),
        tenant_id: settings.tenant.as_deref(),
    })
}

//! `--check` of `endpoint`: what can be known without asking the model.

use job_runtime::{Check, Context, Output, Report, Survey};

use super::{Call, send};

/// There is no way to ask for an endpoint without invoking it that needs no right of its own.
pub(crate) fn check(call: &Call, output: Output, ctx: &Context) -> Report {
    let mut survey = Survey::new(("endpoint_name", &call.endpoint_name), ctx);
    survey.extend([Check::untold(send::INVOKE)]);
    survey.report(output)
}

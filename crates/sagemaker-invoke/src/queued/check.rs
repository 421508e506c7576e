//! `--check` of `async`: what can be known without sending anything.

use job_runtime::{Check, Context, Output, Report, Survey};

use super::{Call, send};
use aws_wire::s3::{Location, S3, S3Error};

/// A name that no claim has: asking for it tells "not allowed" from "not there".
const NO_CLAIM: &str = "sagemaker-invoke-check.claim";

/// Looks at everything that `call` would need.
pub(super) async fn check(
    call: &Call,
    claims: Option<&Location>,
    s3: &S3<'_>,
    output: Output,
    ctx: &Context,
) -> Report {
    let mut survey = Survey::new(("endpoint_name", &call.endpoint_name), ctx);
    if let Some(place) = claims.filter(|_| ctx.key().is_some()) {
        survey.extend([read(s3, &place.join(NO_CLAIM)).await, Check::untold("s3:PutObject")]);
    }
    survey.extend([Check::untold(send::INVOKE)]);
    if !ctx.no_wait() {
        // Where the answer will be, only the answer to the request says.
        survey.extend([Check::untold("s3:GetObject")]);
    }
    survey.report(output)
}

/// Whether claims can be read.
async fn read(s3: &S3<'_>, at: &Location) -> Check {
    const NAME: &str = "s3:GetObject";
    match s3.get(at).await {
        Ok(_) | Err(S3Error::Missing(_)) => Check::ok(NAME, format!("claims beside {at} can be read")),
        Err(error @ S3Error::Hidden { .. }) => Check::warning(NAME, error.to_string()),
        Err(error @ (S3Error::Elsewhere { .. } | S3Error::Lost(_))) => {
            Check::warning(NAME, error.to_string())
        }
        Err(S3Error::Call(error)) => Check::failed(NAME, &error),
    }
}

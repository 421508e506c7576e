//! The job's own words on stderr, beside the wait.

use std::cell::Cell;

use aws_smithy_types::DateTime;
use cloudwatch_tail::{Ending, Event, Family, Tail};
use job_runtime::{Context, Ended};

/// Where `SageMaker` keeps the logs of all training jobs.
const GROUP: &str = "/aws/sagemaker/TrainingJobs";

/// Waits for `waiting` and shows the logs of all of the job's instances meanwhile, then what is missing once the job
/// has ended; `succeeded` says whether the last describe has shown a success.
pub(super) async fn beside<T>(
    waiting: impl Future<Output = Ended<T>>,
    name: &str,
    succeeded: &Cell<bool>,
    ctx: &Context,
) -> Ended<T> {
    let ending = |ended: &Ended<T>| match ended {
        Ended::Done(_) if succeeded.get() => Ending::Succeeded,
        Ended::Done(_) => Ending::Failed,
        Ended::Deadline(_) | Ended::Cancelled(_) | Ended::Lost(_) => Ending::Unfinished,
    };
    open(name, ctx).beside(waiting, ending, ctx.cancelled(), show).await
}

/// Each instance writes one stream, `<job>/algo-<n>-<time>`, which is there once the instance has begun.
pub(super) fn open(name: &str, ctx: &Context) -> Tail {
    Tail::over(ctx.sdk_config(), Family { group: GROUP.to_owned(), prefix: format!("{name}/"), label })
}

/// `algo-1` of `algo-1-1772330400`.
fn label(rest: &str) -> String {
    let instance = rest.rsplit_once('-').map(|(instance, _)| instance);
    instance.filter(|instance| instance.contains('-')).unwrap_or(rest).to_owned()
}

fn show(event: Event<'_>) {
    let at = event.timestamp.map(DateTime::from_millis).and_then(job_runtime::rfc3339);
    tracing::info!(target: job_runtime::ALWAYS, stream = event.label, at, "{}", event.message);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_named() {
        for (rest, expected) in
            [("algo-1-1772330400", "algo-1"), ("algo-12-9", "algo-12"), ("algo-1", "algo-1"), ("x", "x")]
        {
            assert_eq!(label(rest), expected);
        }
    }
}

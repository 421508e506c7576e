//! The run's own words on stderr, beside the wait.

use std::future::ready;
use std::pin::pin;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use cloudwatch_tail::{Event, Stream, Tail};
use job_runtime::{Context, Ended};
use tokio::sync::oneshot;

use crate::job::Over;

/// Waits for `waiting` and shows the logs of the run meanwhile, then what is missing once the run has ended.
///
/// Which log group they are in is known as soon as the run has been seen once; `log_group` tells it.
pub(crate) async fn beside(
    waiting: impl Future<Output = Ended<Over>>,
    run_id: &str,
    log_group: oneshot::Receiver<String>,
    ctx: &Context,
) -> Ended<Over> {
    let over = |ended: &Ended<Over>| matches!(ended, Ended::Done(_));
    let mut waiting = pin!(waiting);
    let ended = tokio::select! {
        ended = &mut waiting => ended,
        Ok(group) = log_group => {
            return open(&group, run_id, ctx).beside(waiting, over, ctx.cancelled(), show).await;
        }
    };
    match &ended {
        // A run that had ended at the first look was not followed yet.
        Ended::Done(Over { run, .. }) => {
            let tail = open(&run.log_group, run_id, ctx);
            tail.beside(ready(ended), over, ctx.cancelled(), show).await
        }
        Ended::Deadline(_) | Ended::Cancelled(_) | Ended::Lost(_) => ended,
    }
}

/// Glue writes a run's standard output and standard error to one group each, in a stream named by the run. A
/// stack trace may be in either.
pub(crate) fn open(log_group: &str, run_id: &str, ctx: &Context) -> Tail {
    let stream = |label: &str| Stream {
        group: format!("{log_group}/{label}"),
        name: run_id.to_owned(),
        label: label.to_owned(),
    };
    Tail::new(ctx.sdk_config(), vec![stream("output"), stream("error")])
}

fn show(event: Event<'_>) {
    let at = event.timestamp.map(DateTime::from_millis).and_then(|at| at.fmt(Format::DateTime).ok());
    tracing::info!(target: job_runtime::ALWAYS, stream = event.label, at, "{}", event.message);
}

//! The run's own output on stderr, during the wait.

use std::cell::Cell;
use std::future::ready;
use std::pin::pin;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use cloudwatch_tail::{Ending, Event, Stream, Tail};
use job_runtime::{Context, Ended};
use tokio::sync::watch;

/// Waits for `waiting` and shows the logs of the run meanwhile, then what is missing once the run has ended.
///
/// Which log group they are in is known as soon as the run has been described once: `log_group` receives it, and
/// `succeeded` whether the last describe has shown a success.
pub(crate) async fn beside<T>(
    waiting: impl Future<Output = Ended<T>>,
    run_id: &str,
    mut log_group: watch::Receiver<Option<String>>,
    succeeded: &Cell<bool>,
    ctx: &Context,
) -> Ended<T> {
    let ending = |ended: &Ended<T>| match ended {
        Ended::Done(_) if succeeded.get() => Ending::Succeeded,
        Ended::Done(_) => Ending::Failed,
        Ended::Deadline(_) | Ended::Cancelled(_) | Ended::Lost(_) => Ending::Unfinished,
    };
    let mut waiting = pin!(waiting);
    let known = async {
        // The sender lives as long as the wait.
        let _ = log_group.wait_for(Option::is_some).await;
    };
    let ended = tokio::select! {
        ended = &mut waiting => Some(ended),
        () = known => None,
    };
    let group = log_group.borrow().clone();
    match (ended, group) {
        (None, Some(group)) => open(&group, run_id, ctx).beside(waiting, ending, ctx.cancelled(), show).await,
        // A run that had ended at the first describe was not followed yet.
        (Some(ended @ Ended::Done(_)), Some(group)) => {
            open(&group, run_id, ctx).beside(ready(ended), ending, ctx.cancelled(), show).await
        }
        (Some(ended), _) => ended,
        (None, None) => waiting.await,
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

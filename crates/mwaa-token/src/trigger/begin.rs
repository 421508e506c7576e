//! From what is wanted to a run to wait for: a new one, or the one that was started for the same key.
//!
//! A DAG has one run of an id at most, so that the id is what makes a start safe: it is made of the key, or for one
//! process, and a start without a clear answer is sent again under the same id.

use std::cell::Cell;
use std::time::Duration;

use job_runtime::{CallError, Context, Effect, Exit, OnPriorFailure, Verdict, digest};
use tokio::time::sleep;

use super::Trigger;
use super::channel::{Started, Ways};
use super::run::Run;
use crate::error::Error;
use crate::job::ANSWER_LIMIT;

/// Pauses between the attempts of a start without a clear answer.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];

/// How often one key's work is started again after a failure, with `--on-prior-failure rerun`.
const MOST_RERUNS: u32 = 100;

/// The run to wait for.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) id: String,
    /// Found, not started.
    pub(super) adopted: bool,
    /// What its state meant when it was found.
    pub(super) verdict: Verdict,
}

/// The id of a key's run. Short, because it is a part of paths that may have 64 characters.
pub(super) fn run_id(key: &str, rerun: u32) -> String {
    let id = format!("key-{}", digest(key, 16));
    if rerun == 0 { id } else { format!("{id}-{rerun}") }
}

/// Starts a run, or finds the one that was started for the same key. After a signal it ends within [`ANSWER_LIMIT`].
pub(super) async fn begin(ways: &Ways<'_>, trigger: &Trigger, ctx: &Context) -> Result<Begun, Error> {
    let may_have_started = Cell::new(false);
    tokio::select! {
        begun = Box::pin(find_or_start(ways, trigger, ctx, &may_have_started)) => begun,
        exit = ctx.out_of_patience(ANSWER_LIMIT) => Err(interrupted(trigger, exit, may_have_started.get())),
    }
}

fn interrupted(trigger: &Trigger, exit: Exit, may_have_started: bool) -> Error {
    let dag = &trigger.wanted.dag_id;
    let what = if may_have_started {
        format!("a run of DAG {dag} may have been started, its start got no answer")
    } else {
        "nothing was started".to_owned()
    };
    Error::Interrupted { exit, what }
}

async fn find_or_start(
    ways: &Ways<'_>,
    trigger: &Trigger,
    ctx: &Context,
    may_have_started: &Cell<bool>,
) -> Result<Begun, Error> {
    let dag = trigger.wanted.dag_id.as_str();
    let not_started = |source| Error::not_started(dag, ways, source);
    let Some(key) = ctx.key() else {
        refuse_paused(ways, trigger).await?;
        let id = format!("once-{:016x}", fastrand::u64(..));
        return match start(ways, trigger, &id, ctx, may_have_started).await? {
            Started::New => Ok(Begun { id, adopted: false, verdict: Verdict::Pending }),
            Started::Exists(said) => Err(Error::DateTaken { dag: dag.to_owned(), said }),
        };
    };
    let rerun = ctx.on_prior_failure() == OnPriorFailure::Rerun;
    let mut paused_asked = false;
    for attempt in 0..MOST_RERUNS {
        let id = run_id(key, attempt);
        let goes_on_from = |run: &Run| rerun && matches!(run.verdict(), Verdict::Failed | Verdict::Stopped);
        match ways.look(dag, &id).await.map_err(|source| Error::lookup(ways, source))? {
            Some(run) if goes_on_from(&run) => continue,
            Some(run) => return Ok(adopt(run)),
            None => {}
        }
        if !paused_asked {
            refuse_paused(ways, trigger).await?;
            paused_asked = true;
        }
        match start(ways, trigger, &id, ctx, may_have_started).await? {
            Started::New => return Ok(Begun { id, adopted: false, verdict: Verdict::Pending }),
            // Another process was faster, or it is the logical date that is taken.
            Started::Exists(said) => match ways.look(dag, &id).await.map_err(not_started)? {
                Some(run) if goes_on_from(&run) => {}
                Some(run) => return Ok(adopt(run)),
                None => return Err(Error::DateTaken { dag: dag.to_owned(), said }),
            },
        }
    }
    Err(Error::TooManyReruns { dag: dag.to_owned(), most: MOST_RERUNS })
}

/// The runs of a paused DAG stay queued until somebody unpauses it.
async fn refuse_paused(ways: &Ways<'_>, trigger: &Trigger) -> Result<(), Error> {
    let dag = &trigger.wanted.dag_id;
    match ways.is_paused(dag).await.map_err(|source| Error::not_started(dag, ways, source))? {
        Some(true) if trigger.allow_paused => {
            tracing::warn!("DAG {dag} is paused: its run stays queued until somebody unpauses it");
            Ok(())
        }
        Some(true) => Err(Error::Paused { dag: dag.clone() }),
        Some(false) => Ok(()),
        None => {
            tracing::warn!("Airflow does not tell whether DAG {dag} is paused");
            Ok(())
        }
    }
}

/// Sends the start until it has a clear answer. A run that is there after one without is ours.
async fn start(
    ways: &Ways<'_>,
    trigger: &Trigger,
    id: &str,
    ctx: &Context,
    may_have_started: &Cell<bool>,
) -> Result<Started, Error> {
    let dag = trigger.wanted.dag_id.as_str();
    let mut unclear = false;
    let mut pauses = PAUSES.into_iter();
    loop {
        if let Some(exit) = ctx.interruption() {
            return Err(interrupted(trigger, exit, unclear));
        }
        may_have_started.set(true);
        let source = match ways.start(&trigger.wanted, id).await {
            // The run of an attempt before this one; or else it is the logical date that is taken.
            Ok(Started::Exists(said)) if unclear => {
                let there = ways.look(dag, id).await;
                return Ok(if matches!(there, Ok(None)) { Started::Exists(said) } else { Started::New });
            }
            Ok(started) => return Ok(started),
            Err(source) => source,
        };
        unclear |= source.effect() == Effect::MayHaveStarted;
        may_have_started.set(unclear);
        let pause = pauses.next().filter(|_| is_worth_another(&source));
        let Some(pause) = pause else {
            return Err(match (unclear, ctx.key()) {
                (false, _) => Error::not_started(dag, ways, source),
                (true, Some(_)) => Error::Unsettled { dag: dag.to_owned(), source },
                (true, None) => Error::Unknown { dag: dag.to_owned(), id: id.to_owned(), source },
            });
        };
        tracing::warn!("{source}; trying again, which cannot make a second run of this id");
        tokio::select! {
            () = sleep(pause) => {}
            () = ctx.cancelled() => {}
        }
    }
}

/// Whether another attempt may do better.
fn is_worth_another(error: &CallError) -> bool {
    error.effect() == Effect::MayHaveStarted || error.is_throttle()
}

fn adopt(run: Run) -> Begun {
    let verdict = run.verdict();
    match verdict {
        Verdict::Pending => tracing::info!(run = run.id, "the run of this key goes on; taking over the wait"),
        Verdict::Succeeded => tracing::info!(run = run.id, "already done: the run of this key has succeeded"),
        Verdict::Failed | Verdict::Stopped => {
            tracing::info!(
                run = run.id,
                "the run of this key has failed; --on-prior-failure rerun starts again"
            );
        }
    }
    Begun { id: run.id, adopted: true, verdict }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_and_the_key_s_own() {
        assert_eq!(run_id("k", 0), "key-8254c329a92850f6");
        assert_eq!(run_id("k", 2), "key-8254c329a92850f6-2");
        assert_ne!(run_id("k", 0), run_id("l", 0));
    }
}

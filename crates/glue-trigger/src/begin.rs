//! The beginning of a run: at most one start for a key, never a second one by accident.

use std::cell::Cell;
use std::time::Duration;

use job_runtime::duration::Human;
use job_runtime::{CallError, Context, Effect, OnPriorFailure, Place, Verdict};
use tokio::time::{Instant, sleep, timeout_at};

use crate::arguments::Arguments;
use crate::error::{Error, Unclear};
use crate::glue::Job;
use crate::job::Start;
use crate::once::{self, Decision, MARKER, Marked};
use crate::run;

/// Pauses before each look for a run that may just have been started: at once, after 2 s and after 6 s, because
/// nothing promises that `GetJobRuns` shows a run at once.
const SETTLING: [Duration; 3] = [Duration::ZERO, Duration::from_secs(2), Duration::from_secs(4)];

/// How long what is in flight may take once a signal has come. The answer of a start holds the id of what there is
/// to stop, so it is worth waiting for; it leaves time to stop that run before the runtime ends everything, four
/// seconds after the signal.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_millis(1500);

/// How long the search may take that follows a start refused for want of a slot, where `--timeout` is over.
const LAST_SEARCH: Duration = Duration::from_secs(10);

/// First pause while waiting for a slot; it grows by half each time.
const SLOT_PAUSE: Duration = Duration::from_secs(5);

/// The longest pause while waiting for a slot. Glue frees a slot some seconds after the run has ended.
const LONGEST_SLOT_PAUSE: Duration = Duration::from_secs(30);

/// The run to wait for.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) run_id: String,
    /// Found, not started.
    pub(crate) adopted: bool,
    /// What its state meant when it was found.
    pub(crate) verdict: Verdict,
}

/// What stands between a `StartJobRun` and a run to wait for.
#[derive(Debug)]
enum Obstacle {
    /// As many runs as the job allows are going.
    NoSlot(CallError),
    /// It may have started a run.
    Unclear(Unclear),
    /// It started nothing, and would not if it were sent again.
    Refused(CallError),
}

/// Starts a run, or finds the one that was started for the same key.
///
/// After a signal it ends within [`ANSWER_LIMIT`], whatever it is waiting for.
pub(crate) async fn begin(
    job: &Job<'_>,
    start: &Start,
    place: &Place,
    ctx: &Context,
) -> Result<Begun, Error> {
    let may_have_started = Cell::new(false);
    tokio::select! {
        begun = find_or_start(job, start, place, ctx, &may_have_started) => begun,
        exit = ctx.out_of_patience(ANSWER_LIMIT) => Err(Error::interrupted(job.name, exit, may_have_started.get())),
    }
}

/// [`begin`] without the end of patience, for which `may_have_started` is kept true while there is a start that
/// has no clear answer.
async fn find_or_start(
    job: &Job<'_>,
    start: &Start,
    place: &Place,
    ctx: &Context,
    may_have_started: &Cell<bool>,
) -> Result<Begun, Error> {
    let marker = ctx.key().map(|key| once::marker(key, start.retry_run.as_deref()));
    let lookup = |source| Error::lookup(job.name, place, source);
    let late = |_| Error::LookupTimeout { what: "looking for runs of this key" };

    let mut search = None;
    if let Some(marker) = &marker {
        let found = timeout_at(ctx.deadline(), job.marked(marker)).await;
        let earlier = found.map_err(late)?.map_err(lookup)?;
        match once::decide(&earlier, ctx.on_prior_failure() == OnPriorFailure::Rerun) {
            Decision::Adopt(run) => return Ok(adopt(run)),
            Decision::Start => search = Some(Search { job, marker, known: earlier, ctx }),
        }
    }
    let not_started = |source| match &search {
        // Its runs could be listed: whatever is missing, it is not the job.
        Some(_) => Error::NotStarted { job: job.name.to_owned(), place: place.clone(), source },
        None => Error::not_started(job.name, place, source),
    };
    let arguments = timeout_at(ctx.deadline(), arguments(job, start, marker.as_deref())).await;
    let arguments = arguments
        .map_err(|_| Error::LookupTimeout { what: "reading the arguments of the run to retry" })?
        .map_err(not_started)?;

    let mut slot = Slot::new(start.wait_for_slot, ctx);
    loop {
        if let Some(exit) = ctx.interruption() {
            return Err(Error::interrupted(job.name, exit, false));
        }
        may_have_started.set(true);
        let answer = ctx.start("glue:StartJobRun", async || job.start(start, &arguments).await).await;
        let obstacle = match judge(answer) {
            Ok(run_id) => return Ok(Begun { run_id, adopted: false, verdict: Verdict::Pending }),
            Err(obstacle) => obstacle,
        };
        may_have_started.set(matches!(obstacle, Obstacle::Unclear(_)));
        match (obstacle, &search) {
            (Obstacle::Refused(source), _) => return Err(not_started(source)),
            (Obstacle::Unclear(source), Some(search)) => return search.settle(source).await,
            (Obstacle::Unclear(source), None) => {
                let console = run::console(place, job.name, None);
                return Err(Error::Unknown { job: job.name.to_owned(), console, source });
            }
            (Obstacle::NoSlot(source), search) => {
                let over = slot.is_over();
                if let Some(search) = search {
                    let looking =
                        async { if over { search.until_settled().await } else { search.once().await } };
                    // At the end of the wait for a slot, that of the whole may have come as well; a run of the
                    // same key in the slot must still be seen.
                    let limit = ctx.deadline().max(Instant::now() + LAST_SEARCH);
                    let found = timeout_at(limit, looking).await.map_err(late)?.map_err(lookup)?;
                    if let Some(run) = found {
                        return Ok(adopt(run));
                    }
                }
                if over {
                    return Err(Error::Busy { job: job.name.to_owned(), source });
                }
                slot.pause(job, ctx).await;
            }
        }
    }
}

/// The id of the run, or what stands in its way.
fn judge(answer: Result<Option<String>, CallError>) -> Result<String, Obstacle> {
    match answer {
        Ok(Some(run_id)) => Ok(run_id),
        Ok(None) => Err(Obstacle::Unclear(Unclear::NoId)),
        Err(error) => Err(match (error.code(), error.effect()) {
            (Some("ConcurrentRunsExceededException"), _) => Obstacle::NoSlot(error),
            // Glue's own words for "I do not know either".
            (Some("OperationTimeoutException" | "InternalServiceException"), _)
            | (_, Effect::MayHaveStarted) => Obstacle::Unclear(error.into()),
            (_, Effect::NotStarted | Effect::Refused) => Obstacle::Refused(error),
        }),
    }
}

fn adopt(run: Marked) -> Begun {
    match run.verdict {
        Verdict::Pending => tracing::info!(run = run.id, "the run of this key goes on; taking over the wait"),
        Verdict::Succeeded => tracing::info!(run = run.id, "already done: the run of this key has succeeded"),
        Verdict::Failed | Verdict::Stopped => {
            tracing::info!(
                run = run.id,
                "the run of this key has ended badly; --on-prior-failure rerun starts again"
            );
        }
    }
    Begun { run_id: run.id, adopted: true, verdict: run.verdict }
}

/// The arguments to send: those of the run to retry, then the user's, then the marker.
///
/// Whether Glue itself hands a retry the arguments of the earlier run is not documented, and a marker alone
/// would take their place if it does so only where none are given.
async fn arguments(job: &Job<'_>, start: &Start, marker: Option<&str>) -> Result<Arguments, CallError> {
    let mut arguments = match &start.retry_run {
        Some(run_id) => job.arguments_of(run_id).await?,
        None => Arguments::new(),
    };
    arguments.remove(MARKER);
    arguments.extend(start.arguments.clone());
    arguments.extend(marker.map(|marker| (MARKER.to_owned(), marker.to_owned())));
    Ok(arguments)
}

/// The search for a run that carries the marker and was not there before.
struct Search<'a> {
    job: &'a Job<'a>,
    marker: &'a str,
    /// Runs of the same key that had failed before: the reason to start again, not the answer.
    known: Vec<Marked>,
    ctx: &'a Context,
}

impl Search<'_> {
    /// Finds out what became of a start without a clear answer, and never sends another: one that is late may
    /// still be carried out, and then there would be two runs.
    async fn settle(&self, source: Unclear) -> Result<Begun, Error> {
        tracing::warn!("{source}; looking whether a run of this key was started");
        let source = match timeout_at(self.ctx.deadline(), self.until_settled()).await {
            Ok(Ok(Some(run))) => return Ok(adopt(run)),
            Ok(Err(error)) => error.into(),
            Ok(Ok(None)) | Err(_) => source,
        };
        let job = self.job.name;
        match self.ctx.interruption() {
            Some(exit) => Err(Error::interrupted(job, exit, true)),
            None => Err(Error::Unsettled { job: job.to_owned(), source }),
        }
    }

    async fn once(&self) -> Result<Option<Marked>, CallError> {
        let mut found = self.job.marked(self.marker).await?;
        found.retain(|run| self.known.iter().all(|known| known.id != run.id));
        Ok(match once::decide(&found, false) {
            Decision::Adopt(run) => Some(run),
            Decision::Start => None,
        })
    }

    /// Looks until a run that was just started would be seen. A signal makes the next look the last.
    async fn until_settled(&self) -> Result<Option<Marked>, CallError> {
        for wait in SETTLING {
            pause(wait, self.ctx).await;
            let found = self.once().await?;
            if found.is_some() || self.ctx.is_cancelled() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

/// The wait for a slot: tries again at growing intervals until its time is over.
struct Slot {
    until: Instant,
    next_pause: Duration,
}

impl Slot {
    fn new(wait: Option<Duration>, ctx: &Context) -> Self {
        let until = Instant::now() + wait.unwrap_or_default();
        Self { until: until.min(ctx.deadline()), next_pause: SLOT_PAUSE }
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    async fn pause(&mut self, job: &Job<'_>, ctx: &Context) {
        // A fifth more or less, so that a fleet does not come back in step.
        let wait = self.next_pause.mul_f64(0.8 + 0.4 * fastrand::f64());
        let wait = wait.min(self.until.saturating_duration_since(Instant::now()));
        tracing::info!("{} has no slot free; trying again in {}", job.name, Human(wait));
        pause(wait, ctx).await;
        self.next_pause = (self.next_pause * 3 / 2).min(LONGEST_SLOT_PAUSE);
    }
}

/// Sleeps, but not through a signal.
async fn pause(duration: Duration, ctx: &Context) {
    tokio::select! {
        () = sleep(duration) => {}
        () = ctx.cancelled() => {}
    }
}

//! Everything that can end a run without a result, in one sentence each.

use std::time::Duration;

use job_runtime::duration::Human;
use job_runtime::{CallError, Exit, Failure, Place};

use crate::run;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The job is not where it was looked for.
    #[error("there is no Glue job {job} in {place}: {source}; check --job-name, --region and the role")]
    NoSuchJob {
        /// Name of the job.
        job: String,
        /// Where it was looked for.
        place: Place,
        /// What Glue said.
        source: CallError,
    },
    /// With a key, nothing is started before the key's earlier runs have been looked for.
    #[error("nothing was started, because earlier runs of this key could not be looked for: {source}")]
    Lookup {
        /// What Glue said.
        source: CallError,
    },
    /// What has to come before the start took too long.
    #[error("nothing was started, because {what} took longer than --timeout")]
    LookupTimeout {
        /// What took so long.
        what: &'static str,
    },
    /// The start, or a call that has to come before it, failed without starting anything.
    #[error("job {job} was not started ({place}): {source}")]
    NotStarted {
        /// Name of the job.
        job: String,
        /// Where it was to be started.
        place: Place,
        /// What Glue said.
        source: CallError,
    },
    /// As many runs as the job allows are going, and there is no time left to wait for one to end.
    #[error(
        "job {job} was not started, because as many of its runs are going as may: {source}; \
         --wait-for-slot says how long to wait for one to end"
    )]
    Busy {
        /// Name of the job.
        job: String,
        /// What Glue said.
        source: CallError,
    },
    /// The start got no clear answer, and there is no key to find its run by.
    #[error(
        "job {job} may have been started: {source}; look at {console} or `aws glue get-job-runs --job-name {job}` \
         before starting it again"
    )]
    Unknown {
        /// Name of the job.
        job: String,
        /// Address of the job's runs.
        console: String,
        /// What happened to the start.
        source: Unclear,
    },
    /// The start got no clear answer, and no run of the key is to be seen.
    #[error(
        "job {job} may have been started: {source}; no run of this key was seen up to now, and the next process \
         with the same key looks for it first"
    )]
    Unsettled {
        /// Name of the job.
        job: String,
        /// What happened to the start, or to the look for its run.
        source: Unclear,
    },
    /// Our wait is over, the run is not.
    #[error("run {run_id} has not ended within {}: {}", Human(*.timeout), last_seen(state.as_deref()))]
    Deadline {
        /// Id of the run.
        run_id: String,
        /// Its last state, where it was seen at all.
        state: Option<String>,
        /// How long it was waited for.
        timeout: Duration,
    },
    /// The run is not, or no longer, where it was looked for.
    #[error("there is no run {run_id} of Glue job {job} in {place}: {source}")]
    NoSuchRun {
        /// Id of the run.
        run_id: String,
        /// Name of the job.
        job: String,
        /// Where it was looked for.
        place: Place,
        /// What Glue said.
        source: CallError,
    },
    /// The run can no longer be seen.
    #[error("run {run_id} can no longer be followed, but may well go on: {source}; look at {console}")]
    Lost {
        /// Id of the run.
        run_id: String,
        /// Address of the run.
        console: String,
        /// What Glue said last.
        source: CallError,
    },
    /// A signal ended this program before the run ended.
    #[error("ended by {}: {what}", if *.exit == Exit::Interrupted { "SIGINT" } else { "SIGTERM" })]
    Interrupted {
        /// The signal's exit.
        exit: Exit,
        /// What became of the run.
        what: String,
    },
}

/// What leaves it open whether a start has begun a run.
#[derive(Debug, thiserror::Error)]
pub enum Unclear {
    /// A call without a clear answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// An answer that says yes but does not say what to wait for.
    #[error("glue:StartJobRun was answered without the id of a run")]
    NoId,
}

impl Error {
    /// A failure of `GetJobRuns` with a key.
    pub(crate) fn lookup(job: &str, place: &Place, source: CallError) -> Self {
        Self::no_such_job(job, place, source).unwrap_or_else(|source| Self::Lookup { source })
    }

    /// A failure that leaves nothing started.
    pub(crate) fn not_started(job: &str, place: &Place, source: CallError) -> Self {
        Self::no_such_job(job, place, source).unwrap_or_else(|source| Self::NotStarted {
            job: job.to_owned(),
            place: place.clone(),
            source,
        })
    }

    /// A signal before there was a run to follow.
    pub(crate) fn interrupted(job: &str, exit: Exit, may_have_started: bool) -> Self {
        let what = if may_have_started {
            format!("a run of job {job} may have been started, its start got no answer")
        } else {
            "nothing was started".to_owned()
        };
        Self::Interrupted { exit, what }
    }

    /// The end of a wait that can no longer see the run.
    pub(crate) fn lost(job: &str, run_id: String, place: &Place, source: CallError) -> Self {
        if is_not_found(&source) {
            Self::NoSuchRun { run_id, job: job.to_owned(), place: place.clone(), source }
        } else {
            Self::Lost { console: run::console(place, job, Some(&run_id)), run_id, source }
        }
    }

    /// Of a start the code alone says too little: the run to retry or a security configuration may be what is
    /// missing. To list runs takes nothing but the job.
    fn no_such_job(job: &str, place: &Place, source: CallError) -> Result<Self, CallError> {
        let names_job = match source.operation() {
            "glue:GetJobRuns" => true,
            "glue:StartJobRun" => source.message().contains(&format!("Job {job} ")),
            _ => false,
        };
        if is_not_found(&source) && names_job {
            Ok(Self::NoSuchJob { job: job.to_owned(), place: place.clone(), source })
        } else {
            Err(source)
        }
    }
}

/// What is known of a run whose end was not awaited.
fn last_seen(state: Option<&str>) -> String {
    match state {
        Some(state) => format!("it was last seen {state} and goes on"),
        None => "it was not seen yet and may go on".to_owned(),
    }
}

/// Glue says the same of jobs and runs.
pub(crate) fn is_not_found(error: &CallError) -> bool {
    error.code() == Some("EntityNotFoundException")
}

impl Failure for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::NoSuchJob { .. } | Self::NoSuchRun { .. } => Exit::Rejected,
            Self::Lookup { source } | Self::NotStarted { source, .. } => match source.code() {
                // The account's limit on runs: it passes, whatever the code of the answer.
                Some("ResourceNumberLimitExceededException") => Exit::Unavailable,
                _ => source.exit(),
            },
            Self::Busy { .. } => Exit::Busy,
            Self::Unknown { .. } => Exit::Unknown,
            // The key makes the next start safe, so this is for a retry to settle.
            Self::LookupTimeout { .. } | Self::Unsettled { .. } => Exit::Unavailable,
            Self::Deadline { .. } => Exit::Timeout,
            Self::Lost { source, .. } => match source.exit() {
                // A retry would be refused as well.
                exit @ (Exit::Rejected | Exit::Denied | Exit::Config) => exit,
                _ => Exit::Timeout,
            },
            Self::Interrupted { exit, .. } => *exit,
        }
    }

    fn request_id(&self) -> Option<&str> {
        match self {
            Self::NoSuchJob { source, .. }
            | Self::NoSuchRun { source, .. }
            | Self::Lookup { source }
            | Self::NotStarted { source, .. }
            | Self::Busy { source, .. }
            | Self::Lost { source, .. } => source.request_id(),
            Self::Unknown { source, .. } | Self::Unsettled { source, .. } => match source {
                Unclear::Call(source) => source.request_id(),
                Unclear::NoId => None,
            },
            Self::LookupTimeout { .. } | Self::Deadline { .. } | Self::Interrupted { .. } => None,
        }
    }
}

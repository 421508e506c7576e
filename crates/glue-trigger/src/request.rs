//! What is asked for.

use std::time::Duration;

use job_runtime::{Context, OnTerminate, Output};

use crate::arguments::Arguments;

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Name of the job.
    pub(crate) job_name: String,
    /// Which run of it.
    pub(crate) work: Work,
    /// Show the run's logs.
    pub(crate) logs: bool,
    /// Form of the result.
    pub(crate) output: Output,
}

/// Which run it is about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Work {
    /// A new one.
    Start(Box<Start>),
    /// The one with this id.
    Attach(String),
}

impl Work {
    /// What a signal does to the run. Someone else has started one that is attached to.
    pub(crate) fn on_terminate(&self, ctx: &Context) -> OnTerminate {
        match self {
            Self::Start(_) => ctx.on_terminate(),
            Self::Attach(_) => ctx.on_terminate_or(OnTerminate::Detach),
        }
    }
}

/// What goes into `StartJobRun`, and how long to try.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Start {
    /// Arguments of the run.
    pub(crate) arguments: Arguments,
    /// `WorkerType`.
    pub(crate) worker_type: Option<String>,
    /// `NumberOfWorkers`.
    pub(crate) number_of_workers: Option<i32>,
    /// `MaxCapacity`, in DPUs.
    pub(crate) max_capacity: Option<f64>,
    /// `Timeout`, in minutes.
    pub(crate) timeout_minutes: Option<i32>,
    /// `SecurityConfiguration`.
    pub(crate) security_configuration: Option<String>,
    /// `ExecutionClass`: FLEX or STANDARD; without it the job's own.
    pub(crate) flex: Option<bool>,
    /// `NotifyDelayAfter`, in minutes.
    pub(crate) notify_delay_minutes: Option<i32>,
    /// `JobRunQueuingEnabled`.
    pub(crate) queuing: bool,
    /// `ExecutionRoleSessionPolicy`, in JSON.
    pub(crate) role_session_policy: Option<String>,
    /// `JobRunId`: the run to retry.
    pub(crate) retry_run: Option<String>,
    /// How long to try while the job has as many runs as it allows.
    pub(crate) wait_for_slot: Option<Duration>,
}

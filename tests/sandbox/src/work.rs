//! Work that was really started, in one shape for all services that run some: the judge of what a client did.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::cloud::Cloud;

/// What runs, by the service's name for it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkKind {
    /// A run of a Glue job. Resource: the job.
    JobRun,
    /// A `SageMaker` training job. Resource: empty.
    TrainingJob,
    /// A Redshift statement, or a batch of them. Resource: the cluster or workgroup.
    Statement,
    /// A run of an Airflow DAG. Resource: the environment.
    DagRun,
    /// A durable execution of a Lambda function. Resource: the function.
    DurableExecution,
    /// An invocation of any other Lambda function. Resource: the function.
    Invocation,
    /// A request that reached the model of a `SageMaker` endpoint. Resource: the endpoint.
    Inference,
    /// A request in the queue of an asynchronous endpoint. Resource: the endpoint.
    AsyncInference,
    /// An execution of a Step Functions state machine. Resource: the state machine.
    Execution,
}

impl WorkKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::JobRun,
        Self::TrainingJob,
        Self::Statement,
        Self::DagRun,
        Self::DurableExecution,
        Self::Invocation,
        Self::Inference,
        Self::AsyncInference,
        Self::Execution,
    ];
}

/// A piece of work that was really started, by whomever.
#[derive(Clone, Debug, Serialize)]
pub struct Work {
    /// What it is.
    pub kind: WorkKind,
    /// What it is a run of, as [`WorkKind`] says.
    pub resource: String,
    /// Its id: a run's id, an ARN, a name, the id of the request.
    pub id: String,
    /// Its state now; `None` where the service shows none.
    pub state: Option<String>,
    /// When it was started, since the sandbox's start.
    #[serde(with = "humantime_serde")]
    pub started: Duration,
    /// How often it was started: once, and once more by each redrive.
    pub starts: usize,
    /// How often it was stopped while it had not ended.
    pub stops: usize,
    /// How often its end was replaced by another.
    pub overwrites: usize,
}

/// How much was done to all work of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Effects {
    /// Starts, redrives included.
    pub starts: usize,
    /// Stops of work that had not ended.
    pub stops: usize,
    /// Ends that were replaced by another.
    pub overwrites: usize,
}

impl Effects {
    /// The sum over pieces of work.
    pub fn of(work: &[Work]) -> Self {
        let sum = |count: fn(&Work) -> usize| work.iter().map(count).sum();
        Self { starts: sum(|it| it.starts), stops: sum(|it| it.stops), overwrites: sum(|it| it.overwrites) }
    }
}

impl Work {
    fn new(kind: WorkKind, resource: impl Into<String>, id: impl Into<String>, started: Duration) -> Self {
        let (resource, id) = (resource.into(), id.into());
        Self { kind, resource, id, state: None, started, starts: 1, stops: 0, overwrites: 0 }
    }

    fn state(self, state: impl Into<String>) -> Self {
        Self { state: Some(state.into()), ..self }
    }

    fn stops(self, stops: usize) -> Self {
        Self { stops, ..self }
    }
}

impl Cloud {
    /// All work of a kind that was really started: by resource, the oldest first.
    pub(crate) fn work(&self, kind: WorkKind) -> Vec<Work> {
        let now = self.clock.now();
        let offset = |moment: OffsetDateTime| self.clock.offset(moment);
        match kind {
            WorkKind::JobRun => {
                let glue = self.glue();
                let runs = glue.jobs.iter().flat_map(|known| known.runs.iter().map(move |run| (known, run)));
                let one = |(known, run): (&crate::glue::KnownJob, &crate::glue::JobRun)| {
                    Work::new(kind, &known.job.name, &run.id, offset(run.created))
                        .state(run.at(&known.job, now).state)
                        .stops(run.stopped.is_some().into())
                };
                runs.map(one).collect()
            }
            WorkKind::TrainingJob => {
                let jobs = self.training_jobs().into_iter();
                let one = |job: crate::sagemaker::TrainingJob| {
                    Work::new(kind, "", job.name, job.created).state(job.status).stops(job.was_stopped.into())
                };
                jobs.map(one).collect()
            }
            WorkKind::Statement => {
                let statements = self.redshift().list().into_iter();
                let one = |it: crate::redshift::Statement| {
                    // A cancellation that came too late left the end as it was.
                    let stopped = it.cancelled && !["FINISHED", "FAILED"].contains(&it.status.as_str());
                    let resource = it.cluster.or(it.workgroup).unwrap_or_default();
                    Work::new(kind, resource, it.id, it.created).state(it.status).stops(stopped.into())
                };
                statements.map(one).collect()
            }
            WorkKind::DagRun => self.mwaa().work(&self.clock),
            WorkKind::DurableExecution => {
                let lambda = self.lambda();
                let functions = lambda.functions.iter();
                let all = functions.flat_map(|known| known.executions.iter().map(move |it| (known, it)));
                let one = |(known, it): (&crate::lambda::KnownFunction, &crate::lambda::Execution)| {
                    Work::new(kind, &known.function.name, &it.arn, offset(it.begun))
                        .state(it.status(now))
                        .stops(it.stopped.is_some().into())
                };
                all.map(one).collect()
            }
            WorkKind::Invocation => {
                let lambda = self.lambda();
                let plain = lambda.functions.iter().filter(|known| !known.function.durable);
                let all = plain.flat_map(|known| known.invocations.iter().map(move |it| (known, it)));
                all.map(|(known, it)| Work::new(kind, &known.function.name, &it.request_id, it.at)).collect()
            }
            WorkKind::Inference | WorkKind::AsyncInference => {
                let sagemaker = self.sagemaker();
                let asynchronous = kind == WorkKind::AsyncInference;
                let wanted = sagemaker
                    .endpoints
                    .iter()
                    .filter(|known| known.endpoint.asynchronous.is_some() == asynchronous);
                let all = wanted.flat_map(|known| known.inferences.iter().map(move |it| (known, it)));
                all.map(|(known, it)| Work::new(kind, &known.endpoint.name, &it.request_id, it.at)).collect()
            }
            WorkKind::Execution => {
                let state = self.stepfunctions();
                let machines = state.machines.iter();
                let all =
                    machines.flat_map(|known| known.list(&self.clock).into_iter().map(move |it| (known, it)));
                let one =
                    |(known, it): (&crate::stepfunctions::KnownMachine, crate::MachineExecution)| Work {
                        starts: 1 + it.redrives,
                        ..Work::new(kind, &known.machine.name, it.arn, it.started)
                            .state(it.status)
                            .stops(it.stops)
                    };
                all.map(one).collect()
            }
        }
    }
}

impl crate::mwaa::Mwaa {
    fn work(&self, clock: &crate::clock::Clock) -> Vec<Work> {
        let mut all = Vec::new();
        for known in &self.environments {
            let mut runs: Vec<_> = known.runs.iter().chain(&known.deleted).collect();
            runs.sort_by_key(|run| run.at());
            for run in runs {
                let work =
                    Work::new(WorkKind::DagRun, &known.environment.name, &run.run_id, clock.offset(run.at()));
                let work = work.state(known.state(run, clock.now())).stops(run.stops);
                all.push(Work { overwrites: run.overwrites, ..work });
            }
        }
        all
    }
}

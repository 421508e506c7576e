//! All jobs and their runs.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;

use super::job::{Course, GlueWorld, Job};
use super::request::StartJobRun;
use super::run::JobRun;
use crate::clock::Clock;
use crate::crypto::{hex, random};
use crate::logs::Logs;
use crate::refusal::Refusal;

/// Where a job lives: account, region, name.
pub(crate) type Place<'a> = (&'a str, &'a str, &'a str);

/// A job with the runs it has had, oldest first.
#[derive(Debug)]
pub(crate) struct KnownJob {
    pub(crate) job: Job,
    pub(crate) region: String,
    pub(crate) runs: Vec<JobRun>,
    /// When the job itself was made.
    pub(crate) created: OffsetDateTime,
}

/// A run as tests see it.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// `jr_…`.
    pub id: String,
    /// Its state now.
    pub state: String,
    /// 0, or the number of the retry.
    pub attempt: u32,
    /// Arguments of the request, without the job's defaults.
    pub arguments: BTreeMap<String, String>,
    /// When it was started, since the sandbox's start.
    #[serde(with = "humantime_serde")]
    pub started: Duration,
    /// The `StartJobRun` request.
    pub request: Value,
}

/// Glue's state.
#[derive(Debug)]
pub(crate) struct Glue {
    pub(crate) settings: GlueWorld,
    pub(crate) jobs: Vec<KnownJob>,
}

impl Glue {
    pub(crate) fn new(settings: &GlueWorld, region: &str, now: OffsetDateTime) -> Self {
        let known = |job: &Job| KnownJob {
            region: job.region.clone().unwrap_or_else(|| region.to_owned()),
            job: job.clone(),
            runs: Vec::new(),
            created: now,
        };
        Self { jobs: settings.jobs.iter().map(known).collect(), settings: settings.clone() }
    }

    /// The job at a place.
    pub(crate) fn job_mut(&mut self, place: Place<'_>) -> Option<&mut KnownJob> {
        self.jobs.iter_mut().find(|known| known.is_at(place))
    }

    /// The first job of a name, wherever it lives.
    pub(crate) fn named(&mut self, name: &str) -> Option<&mut KnownJob> {
        self.jobs.iter_mut().find(|known| known.job.name == name)
    }

    /// How many runs an account has under way.
    pub(crate) fn busy(&self, account: &str, now: OffsetDateTime) -> usize {
        let jobs = self.jobs.iter().filter(|known| known.job.account == account);
        jobs.map(|known| known.places_taken(now)).sum()
    }
}

impl KnownJob {
    fn is_at(&self, (account, region, name): Place<'_>) -> bool {
        self.job.account == account && self.region == region && self.job.name == name
    }

    pub(crate) fn run(&self, id: &str) -> Option<&JobRun> {
        self.runs.iter().find(|run| run.id == id)
    }

    fn places_taken(&self, now: OffsetDateTime) -> usize {
        self.runs.iter().filter(|run| run.takes_place(&self.job, now)).count()
    }

    /// Starts a run.
    pub(crate) fn start(
        &mut self,
        request: StartJobRun,
        logs: &mut Logs,
        now: OffsetDateTime,
    ) -> Result<String, Refusal> {
        self.settle(logs, now);
        let free = self.places_taken(now) < self.job.max_concurrent_runs;
        if !free && request.job_run_queuing_enabled != Some(true) {
            let text = format!("Concurrent runs exceeded for {}", self.job.name);
            return Err(Refusal::new(400, "ConcurrentRunsExceededException", text));
        }
        let (request, attempt) = self.retried(request, now)?;
        let previous = request.job_run_id.clone();
        let id = match &previous {
            Some(id) => format!("{}_attempt_{attempt}", id.split("_attempt_").next().unwrap_or(id)),
            None => format!("jr_{}", hex(&random::<32>())),
        };
        let course = self.job.course(self.runs.len());
        let run = JobRun {
            id: id.clone(),
            attempt,
            previous,
            request,
            created: now,
            begun: None,
            stopped: None,
            course,
        };
        self.runs.push(run);
        self.settle(logs, now);
        Ok(id)
    }

    /// `JobRunId` names a run to do again: its arguments come back unless new ones are given.
    fn retried(&self, mut request: StartJobRun, now: OffsetDateTime) -> Result<(StartJobRun, u32), Refusal> {
        let Some(id) = &request.job_run_id else { return Ok((request, 0)) };
        let Some(run) = self.run(id) else {
            return Err(Refusal::new(400, "EntityNotFoundException", format!("Job Run {id} not found")));
        };
        if !run.at(&self.job, now).is_terminal() {
            let text = format!("Job Run {id} is still under way");
            return Err(Refusal::new(400, "InvalidInputException", text));
        }
        if request.arguments.is_none() {
            request.arguments.clone_from(&run.request.arguments);
        }
        let attempt = run.attempt + 1;
        Ok((request, attempt))
    }

    /// Gives free places to runs that queue, the oldest first.
    pub(crate) fn settle(&mut self, logs: &mut Logs, now: OffsetDateTime) {
        let mut free = self.job.max_concurrent_runs.saturating_sub(self.places_taken(now));
        for index in 0..self.runs.len() {
            let run = &mut self.runs[index];
            if free == 0 {
                break;
            }
            if run.begun.is_none() && run.stopped.is_none() {
                run.begun = Some(now);
                free -= 1;
                for line in &run.course.logs {
                    let group = format!("{}/{}", self.job.log_group, line.stream);
                    for number in 0..line.repeat {
                        let at = now + line.after + line.every * number;
                        let text = line.text.replace("{n}", &(number + 1).to_string());
                        logs.write((&self.job.account, &self.region, &group), &run.id, at, text);
                    }
                }
            }
        }
    }

    /// Stops a run; what it would have written after that is not written.
    pub(crate) fn stop(
        &mut self,
        id: &str,
        logs: &mut Logs,
        now: OffsetDateTime,
    ) -> Result<(), (&'static str, String)> {
        let job = &self.job;
        let Some(run) = self.runs.iter_mut().find(|run| run.id == id) else {
            return Err(("EntityNotFoundException", format!("Job Run {id} not found")));
        };
        let standing = run.at(job, now);
        if standing.is_terminal() {
            let state = standing.state;
            return Err((
                "InvalidInputException",
                format!("Job Run {id} cannot be stopped in state {state}"),
            ));
        }
        run.stopped.get_or_insert(now);
        logs.cut((&job.account, &self.region, &job.log_group), id, now);
        Ok(())
    }

    /// The runs as tests see them, oldest first.
    pub(crate) fn list(&self, clock: &Clock) -> Vec<Run> {
        let view = |run: &JobRun| Run {
            id: run.id.clone(),
            state: run.at(&self.job, clock.now()).state,
            attempt: run.attempt,
            arguments: run.request.arguments.clone().unwrap_or_default(),
            started: clock.offset(run.created),
            request: serde_json::to_value(&run.request).unwrap_or_default(),
        };
        self.runs.iter().map(view).collect()
    }

    /// The course of every run from now on.
    pub(crate) fn set_course(&mut self, course: Course) {
        self.job.courses = vec![course];
    }
}

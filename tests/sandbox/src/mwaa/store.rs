//! Environments with their runs, and the tokens that are out.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;

use super::world::{AirflowEnvironment, Dag, DagCourse, MwaaWorld};
use crate::clock::{Clock, iso};
use crate::crypto::{hex, random, sha256_hex};

/// A DAG run as tests see it.
#[derive(Clone, Debug, Serialize)]
pub struct DagRun {
    /// Id of its DAG.
    pub dag_id: String,
    /// Its own id.
    pub run_id: String,
    /// Its state now.
    pub state: String,
    /// Its configuration.
    pub conf: Value,
    /// When it was created, since the sandbox's start.
    #[serde(with = "humantime_serde")]
    pub created: Duration,
}

/// A run of a DAG.
#[derive(Clone, Debug)]
pub(crate) struct KnownRun {
    pub(crate) dag_id: String,
    pub(crate) run_id: String,
    pub(crate) conf: Value,
    pub(crate) logical_date: Option<String>,
    created: OffsetDateTime,
    /// When somebody has set it to a state, and to which.
    pub(crate) set: Option<(OffsetDateTime, String)>,
    /// How often that ended it.
    pub(crate) stops: usize,
    /// How often that replaced an end.
    pub(crate) overwrites: usize,
    course: DagCourse,
}

/// An environment with its runs, oldest first.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) environment: AirflowEnvironment,
    pub(crate) region: String,
    pub(crate) runs: Vec<KnownRun>,
    /// Runs that were deleted.
    pub(crate) deleted: Vec<KnownRun>,
}

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Cli,
    Web,
}

/// A token that is out.
#[derive(Clone, Debug)]
struct Token {
    kind: TokenKind,
    host: String,
    expires: OffsetDateTime,
}

/// MWAA's state.
#[derive(Debug)]
pub(crate) struct Mwaa {
    pub(crate) environments: Vec<Known>,
    tokens: BTreeMap<String, Token>,
}

impl Mwaa {
    pub(crate) fn new(settings: &MwaaWorld, region: &str) -> Self {
        let known = |environment: &AirflowEnvironment| Known {
            region: environment.region.clone().unwrap_or_else(|| region.to_owned()),
            environment: environment.clone(),
            runs: Vec::new(),
            deleted: Vec::new(),
        };
        Self { environments: settings.environments.iter().map(known).collect(), tokens: BTreeMap::new() }
    }

    /// The environment of an account's region.
    pub(crate) fn at(&mut self, account: &str, region: &str, name: &str) -> Option<&mut Known> {
        self.environments.iter_mut().find(|known| {
            known.environment.account == account && known.region == region && known.environment.name == name
        })
    }

    /// The first environment of a name, wherever it lives.
    pub(crate) fn named(&mut self, name: &str) -> Option<&mut Known> {
        self.environments.iter_mut().find(|known| known.environment.name == name)
    }

    /// The environment behind the name of a web server.
    pub(crate) fn behind(&mut self, host: &str) -> Option<&mut Known> {
        let host = host.split(':').next().unwrap_or_default();
        self.environments.iter_mut().find(|known| known.host() == host)
    }

    /// Makes a token.
    pub(crate) fn issue(
        &mut self,
        kind: TokenKind,
        host: &str,
        life: Duration,
        now: OffsetDateTime,
    ) -> String {
        let token = hex(&random::<48>());
        self.tokens.insert(token.clone(), Token { kind, host: host.into(), expires: now + life });
        token
    }

    /// Whether a token is good for this web server now.
    pub(crate) fn accepts(&self, kind: TokenKind, host: &str, token: &str, now: OffsetDateTime) -> bool {
        let host = host.split(':').next().unwrap_or_default();
        self.tokens
            .get(token)
            .is_some_and(|known| known.kind == kind && known.host == host && now < known.expires)
    }
}

impl Known {
    /// Name of its web server.
    pub(crate) fn host(&self) -> String {
        let AirflowEnvironment { account, name, web_server, .. } = &self.environment;
        if let Some(host) = web_server {
            return host.clone();
        }
        let id = &sha256_hex(format!("{account}/{name}").as_bytes())[..32];
        let region = &self.region;
        if self.is_airflow_3() {
            format!("{id}.c2.airflow.{region}.on.aws")
        } else {
            format!("{id}.c2.{region}.airflow.amazonaws.com")
        }
    }

    pub(crate) fn is_airflow_3(&self) -> bool {
        self.environment.airflow_version.starts_with('3')
    }

    pub(crate) fn is_private(&self) -> bool {
        self.environment.access_mode == "PRIVATE_ONLY"
    }

    pub(crate) fn dag(&self, id: &str) -> Option<&Dag> {
        self.environment.dags.iter().find(|dag| dag.id == id)
    }

    pub(crate) fn run(&self, dag_id: &str, run_id: &str) -> Option<&KnownRun> {
        self.runs.iter().find(|run| run.dag_id == dag_id && run.run_id == run_id)
    }

    /// Makes a run of a DAG that is there; it takes the DAG's next course.
    pub(crate) fn start(
        &mut self,
        (dag_id, run_id): (&str, &str),
        conf: Value,
        logical_date: Option<String>,
        now: OffsetDateTime,
    ) {
        let earlier = self.runs.iter().filter(|run| run.dag_id == dag_id).count();
        let courses = self.dag(dag_id).map(|dag| dag.courses.as_slice()).unwrap_or_default();
        let course = courses.get(earlier).or_else(|| courses.last());
        let logical_date = logical_date.or_else(|| (!self.is_airflow_3()).then(|| iso(now)));
        self.runs.push(KnownRun {
            dag_id: dag_id.into(),
            run_id: run_id.into(),
            conf,
            logical_date,
            created: now,
            set: None,
            stops: 0,
            overwrites: 0,
            course: course.cloned().unwrap_or_else(DagCourse::plain),
        });
    }

    /// The state of a run now. One of a paused DAG stays queued.
    pub(crate) fn state(&self, run: &KnownRun, now: OffsetDateTime) -> String {
        if let Some((_, state)) = &run.set {
            return state.clone();
        }
        if self.dag(&run.dag_id).is_some_and(|dag| dag.paused) {
            return "queued".into();
        }
        let step = run.course.steps.iter().rfind(|step| run.created + step.after <= now);
        step.map_or_else(|| "queued".into(), |step| step.state.clone())
    }

    /// The runs that are in lists by now, oldest first.
    pub(crate) fn listed(&self, now: OffsetDateTime) -> impl DoubleEndedIterator<Item = &KnownRun> {
        self.runs.iter().filter(move |run| run.created + self.environment.list_lag <= now)
    }

    /// Sets a run to a state, as `PATCH` does.
    pub(crate) fn set(&mut self, index: usize, state: &str, now: OffsetDateTime) {
        let has_ended = matches!(self.state(&self.runs[index], now).as_str(), "success" | "failed");
        if has_ended && !self.environment.overwrites_ends {
            return;
        }
        let run = &mut self.runs[index];
        match state {
            "queued" => {}
            _ if has_ended => run.overwrites += 1,
            _ => run.stops += 1,
        }
        run.set = Some((now, state.into()));
    }

    /// When a run has ended, if it has.
    pub(crate) fn ended(&self, run: &KnownRun, now: OffsetDateTime) -> Option<OffsetDateTime> {
        if let Some((at, _)) = run.set {
            return Some(at);
        }
        let state = self.state(run, now);
        let last = run.course.steps.iter().find(|step| step.state == state)?;
        matches!(state.as_str(), "success" | "failed").then(|| run.created + last.after)
    }

    /// The tasks of a run with their states.
    pub(crate) fn tasks(&self, run: &KnownRun, now: OffsetDateTime) -> Vec<(String, String)> {
        let state = self.state(run, now);
        let failed = (state == "failed").then_some(&run.course.failed_tasks).into_iter().flatten();
        let failed = failed.map(|task| (task.clone(), "failed".to_owned()));
        let rest = if state == "failed" { "upstream_failed" } else { &state };
        failed.chain([("report".to_owned(), rest.to_owned())]).collect()
    }

    /// The runs as tests see them, oldest first.
    pub(crate) fn list(&self, clock: &Clock) -> Vec<DagRun> {
        let view = |run: &KnownRun| DagRun {
            dag_id: run.dag_id.clone(),
            run_id: run.run_id.clone(),
            state: self.state(run, clock.now()),
            conf: run.conf.clone(),
            created: clock.offset(run.created),
        };
        self.runs.iter().map(view).collect()
    }
}

impl KnownRun {
    pub(crate) fn created(&self) -> String {
        iso(self.created)
    }

    pub(crate) fn at(&self) -> OffsetDateTime {
        self.created
    }
}

//! MWAA environments, as a world describes them.

use std::time::Duration;

use serde::Deserialize;

use crate::Error;

/// Everything about MWAA in a world.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MwaaWorld {
    /// The environments.
    #[serde(default)]
    pub environments: Vec<AirflowEnvironment>,
}

/// An environment.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AirflowEnvironment {
    /// Its account.
    pub account: String,
    /// Its region; the world's where it names none.
    pub region: Option<String>,
    /// Its name.
    pub name: String,
    /// Its `Status`.
    #[serde(default = "default_status")]
    pub status: String,
    /// Version of Airflow. From 3 on, the web server's name ends with `on.aws`.
    #[serde(default = "default_version")]
    pub airflow_version: String,
    /// `WebserverAccessMode`. The proxy of the sandbox stands outside the VPC: it does not reach a private web server.
    #[serde(default = "default_access")]
    pub access_mode: String,
    /// Bucket of its DAGs.
    #[serde(default = "default_bucket")]
    pub bucket: String,
    /// `DagS3Path`.
    #[serde(default = "default_folder")]
    pub dag_folder: String,
    /// Name of its web server, in place of the one that MWAA makes. Whatever stands here is returned.
    pub web_server: Option<String>,
    /// Whether it was updated since `InvokeRestApi` is there.
    #[serde(default = "yes")]
    pub rest_api: bool,
    /// Life of a token.
    #[serde(default = "default_token_life", with = "humantime_serde")]
    pub token_life: Duration,
    /// HTTP status of the web server's answer to a command that failed.
    #[serde(default = "default_failure_status")]
    pub failure_status: u16,
    /// A new run is not in lists of runs for this long, neither of the REST API nor of the command line.
    #[serde(default, with = "humantime_serde")]
    pub list_lag: Duration,
    /// `PATCH` gives a run that has ended another end, as Airflow does. Where it is false, the run stays as it is.
    #[serde(default = "yes")]
    pub overwrites_ends: bool,
    /// The DAGs.
    #[serde(default)]
    pub dags: Vec<Dag>,
    /// Commands of the Airflow CLI whose answers are given; the first whose text the command begins with is meant.
    #[serde(default)]
    pub commands: Vec<CliAnswer>,
}

/// A DAG.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dag {
    /// Its id.
    pub id: String,
    /// Its runs stay queued.
    #[serde(default)]
    pub paused: bool,
    /// HTTP status of Airflow's answer to every request for a run of it.
    pub refused_with: Option<u16>,
    /// The first run takes the first course and so on; the last one repeats. None: a second from queued to success.
    #[serde(default)]
    pub courses: Vec<DagCourse>,
}

/// What becomes of a run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DagCourse {
    /// Its states in their order.
    pub steps: Vec<DagStep>,
    /// Tasks that have failed where the run has.
    #[serde(default)]
    pub failed_tasks: Vec<String>,
}

/// A state of a run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DagStep {
    /// The state.
    pub state: String,
    /// How long after the start.
    #[serde(default, with = "humantime_serde")]
    pub after: Duration,
}

/// The answer to a command.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CliAnswer {
    /// Beginning of the command.
    pub command: String,
    /// HTTP status.
    #[serde(default = "ok")]
    pub status: u16,
    /// Standard output.
    #[serde(default)]
    pub stdout: String,
    /// Standard error.
    #[serde(default)]
    pub stderr: String,
    /// The whole body, instead of an object with both outputs.
    pub body: Option<String>,
}

impl DagCourse {
    /// A second from queued to success.
    pub(crate) fn plain() -> Self {
        let step =
            |state: &str, millis| DagStep { state: state.into(), after: Duration::from_millis(millis) };
        Self {
            steps: vec![step("queued", 0), step("running", 300), step("success", 1000)],
            failed_tasks: Vec::new(),
        }
    }
}

impl MwaaWorld {
    /// Whether its parts fit together.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let dags = self.environments.iter().flat_map(|environment| &environment.dags);
        match dags.into_iter().find(|dag| dag.courses.iter().any(|course| course.steps.is_empty())) {
            Some(dag) => Err(Error::World(format!("DAG {}: a course needs a step", dag.id))),
            None => Ok(()),
        }
    }
}

fn default_status() -> String {
    "AVAILABLE".into()
}

fn default_version() -> String {
    "2.10.3".into()
}

fn default_access() -> String {
    "PUBLIC_ONLY".into()
}

fn default_bucket() -> String {
    "team-dags".into()
}

fn default_folder() -> String {
    "dags".into()
}

fn default_token_life() -> Duration {
    Duration::from_mins(1)
}

/// The service's documentation does not tell it; 400 is what its users have seen.
fn default_failure_status() -> u16 {
    400
}

fn yes() -> bool {
    true
}

fn ok() -> u16 {
    200
}

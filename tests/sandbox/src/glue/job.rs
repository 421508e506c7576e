//! Glue jobs as a world describes them, and the courses that their runs take.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

/// Everything about Glue in a world.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlueWorld {
    /// Page size of `GetJobRuns` where the caller asks for none, and its cap where it asks for more.
    #[serde(default = "default_page_size")]
    pub page_size: usize,
    /// A new run is not in `GetJobRuns` for this long.
    #[serde(default, with = "humantime_serde")]
    pub list_lag: Duration,
    /// `GetJobRun` and `GetJobRuns` show the job's default arguments merged into those of the run. Where it is false,
    /// they show what the run was started with.
    #[serde(default = "yes")]
    pub merge_default_arguments: bool,
    /// They show worker type, workers, capacity, timeout and execution class of a run that was started without them.
    #[serde(default = "yes")]
    pub fill_defaults: bool,
    /// Runs that one account may have at once, over all jobs.
    pub account_run_limit: Option<usize>,
    /// The jobs.
    #[serde(default)]
    pub jobs: Vec<Job>,
}

impl Default for GlueWorld {
    fn default() -> Self {
        Self {
            page_size: default_page_size(),
            list_lag: Duration::ZERO,
            merge_default_arguments: true,
            fill_defaults: true,
            account_run_limit: None,
            jobs: Vec::new(),
        }
    }
}

/// A Glue job.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Its account.
    pub account: String,
    /// Its region; the world's where it names none.
    pub region: Option<String>,
    /// Its name.
    pub name: String,
    /// ARN of the role its script runs as.
    #[serde(default)]
    pub role: String,
    /// `glueetl`, `pythonshell`, …
    #[serde(default = "default_command")]
    pub command: String,
    /// Address of its script.
    #[serde(default = "default_script")]
    pub script_location: String,
    /// Glue version.
    #[serde(default = "default_glue_version")]
    pub glue_version: String,
    /// Worker type of a run that names none.
    #[serde(default = "default_worker_type")]
    pub worker_type: String,
    /// Workers of a run that names no number.
    #[serde(default = "default_workers")]
    pub number_of_workers: i64,
    /// Timeout of a run that names none, in minutes.
    #[serde(default = "default_timeout_minutes")]
    pub timeout_minutes: i64,
    /// Arguments of a run that replaces none of them.
    #[serde(default)]
    pub default_arguments: BTreeMap<String, String>,
    /// How many runs may be under way at once.
    #[serde(default = "default_concurrency")]
    pub max_concurrent_runs: usize,
    /// How long after its end a run still takes up a place.
    #[serde(default, with = "humantime_serde")]
    pub slot_lag: Duration,
    /// How long a run is STOPPING before it is STOPPED.
    #[serde(default = "default_stop_delay", with = "humantime_serde")]
    pub stop_delay: Duration,
    /// Prefix of the log groups: lines go to `<log_group>/output` and `<log_group>/error`.
    #[serde(default = "default_log_group")]
    pub log_group: String,
    /// The first run takes the first course and so on; the last course repeats. None: STARTING, RUNNING
    /// after one second, SUCCEEDED after three.
    #[serde(default)]
    pub courses: Vec<Course>,
}

impl Job {
    /// The course of the `index`-th run, counted from 0.
    pub(crate) fn course(&self, index: usize) -> Course {
        let course = self.courses.get(index).or_else(|| self.courses.last());
        course.cloned().unwrap_or_else(Course::documented)
    }
}

/// What happens to a run, on the wall clock.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Course {
    /// States in order of time; the last one stays.
    pub steps: Vec<Step>,
    /// What the run writes to its logs.
    #[serde(default)]
    pub logs: Vec<LogLine>,
}

impl Course {
    /// Steps without logs.
    pub fn new(steps: Vec<Step>) -> Self {
        Self { steps, logs: Vec::new() }
    }

    fn documented() -> Self {
        let seconds = Duration::from_secs;
        Self::new(vec![
            Step::new("STARTING", seconds(0)),
            Step::new("RUNNING", seconds(1)),
            Step::new("SUCCEEDED", seconds(3)),
        ])
    }
}

/// A state that a run gets into.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The state; may be one that AWS does not know (yet).
    pub state: String,
    /// When, counted from the start of the run.
    #[serde(default, with = "humantime_serde")]
    pub after: Duration,
    /// `ErrorMessage` from here on.
    pub error_message: Option<String>,
    /// `StateDetail` from here on.
    pub state_detail: Option<String>,
    /// `DPUSeconds` from here on.
    pub dpu_seconds: Option<f64>,
}

impl Step {
    /// A step with nothing but a state and a time.
    pub fn new(state: &str, after: Duration) -> Self {
        Self { state: state.into(), after, ..Self::default() }
    }

    /// The same with an `ErrorMessage`.
    #[must_use]
    pub fn error(self, message: &str) -> Self {
        Self { error_message: Some(message.into()), ..self }
    }
}

/// One line (or many like it) in a log stream.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogLine {
    /// `output` or `error`.
    #[serde(default = "default_stream")]
    pub stream: String,
    /// When, counted from the start of the run.
    #[serde(default, with = "humantime_serde")]
    pub after: Duration,
    /// The line; `{n}` becomes its number, counted from 1.
    pub text: String,
    /// How often.
    #[serde(default = "default_repeat")]
    pub repeat: u32,
    /// Time from one to the next.
    #[serde(default, with = "humantime_serde")]
    pub every: Duration,
}

fn yes() -> bool {
    true
}

fn default_page_size() -> usize {
    50
}

fn default_command() -> String {
    "glueetl".into()
}

fn default_script() -> String {
    "s3://scripts/job.py".into()
}

fn default_glue_version() -> String {
    "5.0".into()
}

fn default_worker_type() -> String {
    "G.1X".into()
}

fn default_workers() -> i64 {
    2
}

/// Glue's default from version 5.0 on.
fn default_timeout_minutes() -> i64 {
    480
}

fn default_concurrency() -> usize {
    1
}

fn default_stop_delay() -> Duration {
    Duration::from_millis(300)
}

fn default_log_group() -> String {
    "/aws-glue/jobs".into()
}

fn default_stream() -> String {
    "output".into()
}

fn default_repeat() -> u32 {
    1
}

//! State machines as a world describes them, and the scripts of their executions.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Error;

/// Everything about Step Functions in a world.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StepFunctionsWorld {
    /// Page size of lists and histories where the caller asks for none.
    pub page_size: usize,
    /// A new execution is not in `ListExecutions` for this long.
    #[serde(with = "humantime_serde")]
    pub list_lag: Duration,
    /// `DescribeExecution` shows a start, a stop or a redrive this late.
    #[serde(with = "humantime_serde")]
    pub describe_lag: Duration,
    /// Executions of STANDARD state machines that one account may have open in a region.
    pub open_execution_limit: Option<usize>,
    /// How long a closed execution is kept; its name can be used again after that.
    #[serde(with = "humantime_serde")]
    pub history_kept: Duration,
    /// The state machines.
    pub state_machines: Vec<StateMachine>,
}

impl Default for StepFunctionsWorld {
    fn default() -> Self {
        Self {
            page_size: 100,
            list_lag: Duration::ZERO,
            describe_lag: Duration::ZERO,
            open_execution_limit: None,
            history_kept: Duration::from_hours(90 * 24),
            state_machines: Vec::new(),
        }
    }
}

/// A state machine.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateMachine {
    /// Its account.
    pub account: String,
    /// Its region; the world's where it names none.
    pub region: Option<String>,
    /// Its name.
    pub name: String,
    /// STANDARD or EXPRESS.
    #[serde(rename = "type", default)]
    pub kind: StateMachineType,
    /// It is being deleted: nothing can be started.
    #[serde(default)]
    pub deleting: bool,
    /// ARN of the role that its executions have.
    #[serde(default = "default_role")]
    pub role: String,
    /// Published versions.
    #[serde(default)]
    pub versions: Vec<String>,
    /// Aliases, with the version that each points to.
    #[serde(default)]
    pub aliases: BTreeMap<String, String>,
    /// The first execution takes the first script and so on; the last one repeats. A redrive takes the next one,
    /// too. None: one state, and SUCCEEDED after a second with the input as the output.
    #[serde(default)]
    pub scripts: Vec<ExecutionScript>,
}

/// The two types of state machines.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum StateMachineType {
    /// Executions are kept by their names, and can be described, stopped and redriven.
    #[default]
    Standard,
    /// Executions are not kept. The caller of `StartSyncExecution` waits for the result.
    Express,
}

/// What happens to an execution.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecutionScript {
    /// Steps in order of time; the status of the last one stays.
    pub steps: Vec<ExecutionStep>,
}

/// A step of an execution: a status, and the state of the state machine that it is in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecutionStep {
    /// The status; may be one that AWS does not know (yet).
    #[serde(default = "default_status")]
    pub status: String,
    /// When, counted from the start or the redrive.
    #[serde(default, with = "humantime_serde")]
    pub after: Duration,
    /// The state that is entered, or in which the execution ends.
    pub state: Option<String>,
    /// What that state runs, such as `glue:startJobRun.sync`; without it, it is a Pass state.
    pub task: Option<String>,
    /// `error` of the execution, and of the task that failed.
    pub error: Option<String>,
    /// `cause` of both.
    pub cause: Option<String>,
    /// `output` of an execution that succeeded; its input where none is set.
    pub output: Option<String>,
}

impl ExecutionStep {
    /// A step with nothing but a status and a time.
    pub fn new(status: &str, after: Duration) -> Self {
        let (state, task, error, cause, output) = (None, None, None, None, None);
        Self { status: status.into(), after, state, task, error, cause, output }
    }
}

impl ExecutionScript {
    /// Steps.
    pub fn new(steps: Vec<ExecutionStep>) -> Self {
        Self { steps }
    }

    fn standard() -> Self {
        let work = ExecutionStep {
            state: Some("Work".into()),
            task: Some("lambda:invoke".into()),
            ..ExecutionStep::new("RUNNING", Duration::ZERO)
        };
        Self::new(vec![work, ExecutionStep::new("SUCCEEDED", Duration::from_secs(1))])
    }
}

impl StateMachine {
    /// The script of the `index`-th execution or redrive, counted from 0.
    pub(crate) fn script(&self, index: usize) -> ExecutionScript {
        let script = self.scripts.get(index).or_else(|| self.scripts.last());
        script.cloned().unwrap_or_else(ExecutionScript::standard)
    }
}

impl StepFunctionsWorld {
    /// Whether its parts fit together.
    pub(crate) fn check(&self) -> Result<(), Error> {
        for machine in &self.state_machines {
            let wrong = |text: &str| Err(Error::World(format!("state machine {}: {text}", machine.name)));
            if machine.scripts.iter().any(|script| script.steps.is_empty()) {
                return wrong("a script needs a step");
            }
            if machine.aliases.values().any(|version| !machine.versions.contains(version)) {
                return wrong("an alias points to a version that is not there");
            }
        }
        Ok(())
    }
}

fn default_role() -> String {
    "arn:aws:iam::222222222222:role/state-machine".into()
}

fn default_status() -> String {
    "RUNNING".into()
}

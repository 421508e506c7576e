//! All state machines with their executions.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;

use super::arn::{ExecutionArn, MachineArn};
use super::execution::{Attempt, KnownExecution};
use super::refusal;
use super::world::{ExecutionScript, StateMachine, StateMachineType, StepFunctionsWorld};
use crate::clock::Clock;
use crate::crypto::uuid;
use crate::refusal::Refusal;
use crate::world::World;

/// An execution that was really started, as tests see it.
#[derive(Clone, Debug, Serialize)]
pub struct MachineExecution {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// Its status now.
    pub status: String,
    /// Its input.
    pub input: Value,
    /// Trace header that it was started with.
    pub trace_header: Option<String>,
    /// How often it was redriven.
    pub redrives: usize,
    /// How often a stop took effect.
    pub stops: usize,
    /// When it was started, since the sandbox's start.
    #[serde(with = "humantime_serde")]
    pub started: Duration,
}

/// A state machine with its executions, oldest first.
#[derive(Debug)]
pub(crate) struct KnownMachine {
    pub(crate) machine: StateMachine,
    pub(crate) region: String,
    pub(crate) arn: String,
    pub(crate) created: OffsetDateTime,
    /// All that were started. Those of an EXPRESS state machine are kept for tests only.
    pub(crate) executions: Vec<KnownExecution>,
    /// Scripts that have been given out.
    begun: usize,
}

/// What is asked for by a start.
#[derive(Debug)]
pub(crate) struct StartWish {
    pub(crate) name: Option<String>,
    pub(crate) input: String,
    pub(crate) trace_header: Option<String>,
    pub(crate) qualifier: Option<String>,
}

impl KnownMachine {
    pub(crate) fn is_express(&self) -> bool {
        self.machine.kind == StateMachineType::Express
    }

    /// The next script.
    pub(crate) fn next_script(&mut self) -> ExecutionScript {
        self.begun += 1;
        self.machine.script(self.begun - 1)
    }

    /// The newest execution of a name that is still kept.
    pub(crate) fn execution(&self, name: &str, kept: Duration, now: OffsetDateTime) -> Option<usize> {
        let index = self.executions.iter().rposition(|execution| execution.name == name)?;
        let standing = self.executions[index].standing(now);
        (!standing.is_closed() || standing.since + kept > now).then_some(index)
    }

    pub(crate) fn open(&self, now: OffsetDateTime) -> usize {
        self.executions.iter().filter(|execution| !execution.standing(now).is_closed()).count()
    }

    /// The version that a qualifier means: the qualifier itself, or what the alias points to.
    fn version(&self, qualifier: &str) -> Option<String> {
        let version = self.machine.versions.iter().find(|version| *version == qualifier);
        version.or_else(|| self.machine.aliases.get(qualifier)).cloned()
    }

    /// Starts an execution that does not exist yet.
    pub(crate) fn start(&mut self, wish: StartWish, now: OffsetDateTime) -> &KnownExecution {
        let attempt = Attempt::new(now, self.next_script());
        let name = wish.name.unwrap_or_else(uuid);
        let base = self.arn.replacen(
            ":stateMachine:",
            if self.is_express() { ":express:" } else { ":execution:" },
            1,
        );
        let arn =
            if self.is_express() { format!("{base}:{name}:{}", uuid()) } else { format!("{base}:{name}") };
        let mut execution = KnownExecution::new(arn, self.arn.clone(), (name, wish.input), attempt);
        execution.trace_header = wish.trace_header;
        if let Some(qualifier) = wish.qualifier {
            let qualified = |qualifier: &str| Some(format!("{}:{qualifier}", self.arn));
            if self.machine.aliases.contains_key(&qualifier) {
                execution.alias_arn = qualified(&qualifier);
            }
            execution.version_arn = self.version(&qualifier).and_then(|version| qualified(&version));
        }
        self.executions.push(execution);
        &self.executions[self.executions.len() - 1]
    }

    /// The executions as tests see them, oldest first.
    pub(crate) fn list(&self, clock: &Clock) -> Vec<MachineExecution> {
        let view = |execution: &KnownExecution| MachineExecution {
            arn: execution.arn.clone(),
            name: execution.name.clone(),
            status: execution.standing(clock.now()).status,
            input: serde_json::from_str(&execution.input).unwrap_or_default(),
            trace_header: execution.trace_header.clone(),
            redrives: execution.attempts.len() - 1,
            stops: execution.stops(),
            started: clock.offset(execution.started()),
        };
        self.executions.iter().map(view).collect()
    }
}

/// The state of Step Functions.
#[derive(Debug)]
pub(crate) struct StepFunctions {
    pub(crate) settings: StepFunctionsWorld,
    pub(crate) machines: Vec<KnownMachine>,
}

impl StepFunctions {
    pub(crate) fn new(world: &World, now: OffsetDateTime) -> Self {
        let settings = world.stepfunctions.clone();
        let known = |machine: &StateMachine| {
            let region = machine.region.clone().unwrap_or_else(|| world.region.clone());
            let (partition, account) = (world.partition(&machine.account), &machine.account);
            KnownMachine {
                arn: format!("arn:{partition}:states:{region}:{account}:stateMachine:{}", machine.name),
                machine: machine.clone(),
                region,
                created: now,
                executions: Vec::new(),
                begun: 0,
            }
        };
        Self { machines: settings.state_machines.iter().map(known).collect(), settings }
    }

    /// The state machine that is meant; a version or alias must be there, too.
    pub(crate) fn find(&mut self, arn: &MachineArn) -> Result<&mut KnownMachine, Refusal> {
        let machine = self.at(&arn.account, &arn.region, &arn.name);
        let there = |known: &&mut KnownMachine| {
            arn.qualifier.as_ref().is_none_or(|qualifier| known.version(qualifier).is_some())
        };
        machine.filter(there).ok_or_else(|| {
            refusal("StateMachineDoesNotExist", format!("State Machine Does Not Exist: '{}'", arn.text))
        })
    }

    /// The state machine and the place of the execution that is meant, if it is still kept.
    pub(crate) fn execution(
        &mut self,
        arn: &ExecutionArn,
        now: OffsetDateTime,
    ) -> Result<(&mut KnownMachine, usize), Refusal> {
        let kept = self.settings.history_kept;
        let known = self.at(&arn.account, &arn.region, &arn.machine).ok_or_else(|| arn.unknown())?;
        let index = known.execution(&arn.name, kept, now).ok_or_else(|| arn.unknown())?;
        Ok((known, index))
    }

    fn at(&mut self, account: &str, region: &str, name: &str) -> Option<&mut KnownMachine> {
        self.machines.iter_mut().find(|known| {
            known.machine.account == account && known.region == region && known.machine.name == name
        })
    }

    /// The first state machine of a name, wherever it lives.
    pub(crate) fn named(&mut self, name: &str) -> Option<&mut KnownMachine> {
        self.machines.iter_mut().find(|known| known.machine.name == name)
    }

    /// Whether an account has as many open executions as it may have.
    pub(crate) fn is_full(&self, account: &str, region: &str, now: OffsetDateTime) -> bool {
        let home = |known: &&KnownMachine| known.machine.account == account && known.region == region;
        let counted = self.machines.iter().filter(home).filter(|known| !known.is_express());
        let open: usize = counted.map(|known| known.open(now)).sum();
        self.settings.open_execution_limit.is_some_and(|limit| open >= limit)
    }
}

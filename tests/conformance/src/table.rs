//! Which command of which binary reaches an operation, what its answer is for, and what its work comes to.

mod glue;
mod lambda;
mod mwaa;
mod readers;
mod redshift;
mod sagemaker;

use testkit::{FaultKind, Outcome, Postgres, Sandbox, Site, Worlds};

/// A service that is silent is given up on soon, and one that may be silent for long, as long as work takes, too.
pub const IMPATIENT: [&str; 2] = ["--read-timeout=700ms", "--timeout=12s"];

/// Operations that no binary calls.
pub const NOT_REACHED: &[(&str, &str)] = &[
    ("glue:GetJob", "a search for runs tells as well whether the job is there"),
    ("logs:FilterLogEvents", "a log is read stream by stream"),
    ("lambda:GetFunctionConfiguration", "a DryRun of Invoke tells as much, and needs no right of its own"),
    ("s3:HeadObject", "an object is read or written at once"),
    ("redshift-data:GetStatementResultV2", "results are asked for as JSON, whose types are kept"),
    ("redshift-data:ListSessions", "a session is named by its id"),
    ("secretsmanager:DescribeSecret", "a secret is read at once"),
    ("stepfunctions:DescribeExecution", "no binary starts executions yet"),
    ("stepfunctions:DescribeStateMachine", "no binary starts executions yet"),
    ("stepfunctions:GetExecutionHistory", "no binary starts executions yet"),
    ("stepfunctions:ListExecutions", "no binary starts executions yet"),
    ("stepfunctions:RedriveExecution", "no binary starts executions yet"),
    ("stepfunctions:StartExecution", "no binary starts executions yet"),
    ("stepfunctions:StartSyncExecution", "no binary starts executions yet"),
    ("stepfunctions:StopExecution", "no binary starts executions yet"),
    ("mwaa-web-server:Login", "a person's browser does"),
    ("mwaa-web-server:LoginPage", "a person's browser does"),
    ("mwaa-web-server:Page", "whatever else is asked of a web server"),
];

/// Exits of one call alone: row, operation, kind of fault (`*`: any), exit, and why.
pub const ALONE: &[(&str, &str, &str, i32, &str)] = &[
    (
        "lambda-invoke-durable",
        "lambda:Invoke",
        "*",
        80,
        "a name made of the key is no promise until Lambda shows an execution of it",
    ),
    (
        "lambda-invoke-stop",
        "lambda:ListDurableExecutionsByFunction",
        "*",
        80,
        "that is how an execution would be shown at the deadline",
    ),
    (
        "lambda-invoke-wait",
        "lambda:Invoke",
        "*",
        80,
        "a name made of the key is no promise until Lambda shows an execution of it",
    ),
    (
        "sagemaker-invoke-async",
        "sagemaker-runtime:InvokeEndpointAsync",
        "*",
        80,
        "the claim says that a request was sent, and no call tells whether the queue has it",
    ),
    (
        "sagemaker-invoke-async",
        "s3:GetObject",
        "garbage",
        65,
        "an object of S3 has no form: what is no claim was written by somebody else",
    ),
];

/// What a call is for, which decides what may come of its failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It is a step to the start of the work, or all of the command: it is tried again, then 75, and nothing was begun.
    Read,
    /// It begins the work, and may not be sent again blindly; a key, a token or a name settles what came of it.
    Start,
    /// The same, and nothing settles it: an answer that is lost is said to be.
    Blind,
    /// It looks at work that goes on: it is tried again, then 79.
    Wait,
    /// It stops the work when a signal has come. That is what was asked for, whether its answer comes or not.
    Stop,
    /// It may fail, and nothing comes of it.
    Aside,
}

impl Part {
    /// The exits that are right when a call of a command that would end with `end` is spoilt `once`, or for ever.
    pub fn allowed(self, end: i32, kind: &FaultKind, once: bool) -> Vec<i32> {
        match (self, kind) {
            (_, FaultKind::Slow(_)) | (Self::Aside | Self::Stop, _) => vec![end],
            // Not every answer that cannot be read is asked for again; of a start that did nothing the user hears.
            (Self::Read, FaultKind::Garbage | FaultKind::Truncated)
            | (Self::Start | Self::Blind, FaultKind::Throttle)
                if once =>
            {
                vec![end, 75]
            }
            (Self::Read | Self::Wait, _) if once => vec![end],
            // The first of these looks may be for work of an earlier process, and the last for its result.
            (Self::Wait, _) => vec![75, 79],
            // An answer without a body that matters may have any.
            (Self::Read, FaultKind::Garbage) => vec![end, 75],
            (Self::Read, _) | (Self::Start | Self::Blind, FaultKind::Throttle) => vec![75],
            // Who waits for the answer to the start itself waits as long as for the work.
            (Self::Start, FaultKind::Hang | FaultKind::HangAfter | FaultKind::HangThenReset(_)) => {
                vec![end, 75, 79]
            }
            // A retry is safe: the next process looks first, or the service knows the request again.
            (Self::Start, _) => vec![end, 75],
            (Self::Blind, FaultKind::Status { .. }) => vec![75, 80],
            (Self::Blind, FaultKind::Garbage) => vec![end, 80],
            (Self::Blind, _) => vec![80],
        }
    }
}

/// A command.
#[derive(Clone, Copy)]
pub struct Row {
    /// Its name in those of tests.
    pub name: &'static str,
    /// The binary.
    pub binary: &'static str,
    /// Its options.
    pub args: &'static [&'static str],
    /// What stands behind all options.
    pub after: &'static [&'static str],
    /// What the sandbox plays.
    pub world: fn() -> String,
    /// What else its place needs.
    pub place: fn(Site) -> Site,
    /// Its SQL is run.
    pub sql: bool,
    /// It prints what is a secret.
    pub secret_result: bool,
    /// It is told to end when it has made this call.
    pub signal: Option<(&'static str, &'static str)>,
    /// How it ends without a fault.
    pub end: i32,
    /// How often its work is really started, as the sandbox knows it.
    pub work: fn(&Sandbox) -> usize,
    /// How often it is to be.
    pub works: usize,
    /// The calls of the way, where this row is the one that has them.
    pub way: &'static [&'static str],
    /// The calls of this row.
    pub calls: &'static [(&'static str, Part)],
    /// What is on standard output where it ended well.
    pub result: &'static str,
    /// The result is whatever has come: it has no form that garbage could lack.
    pub formless: bool,
    /// How its work has really ended, as an exit, where the service knows; `None` while it goes on.
    pub truth: fn(&Sandbox) -> Option<i32>,
    /// What the service calls its work.
    pub ids: fn(&Sandbox) -> Vec<String>,
    /// Other ends of the same work: what is to be found in the world, what it becomes, and the exit.
    pub otherwise: &'static [(&'static str, &'static str, i32)],
}

impl Row {
    /// Asserts that a run that has ended well has the result.
    pub fn assert_result(&self, outcome: &Outcome, struck: impl IntoIterator<Item = &'static str>) {
        let spoilt = self.formless && struck.into_iter().any(|kind| kind == "garbage");
        let (text, result) = (String::from_utf8_lossy(&outcome.stdout), self.result);
        assert!(spoilt || text.contains(result), "no `{result}` in the result: {text}\n{}", outcome.stderr);
    }

    /// Whether the next process takes over what this one has begun.
    pub fn is_keyed(&self) -> bool {
        self.args.contains(&KEY)
    }

    /// Where its command runs, with a database if it needs one; `change` changes the world.
    pub fn site(&self, change: impl FnOnce(String) -> String) -> (Site, Option<Postgres>) {
        let postgres = self.sql.then(Postgres::start);
        let world = change((self.world)()) + &postgres.as_ref().map(Postgres::world).unwrap_or_default();
        ((self.place)(Site::pod(crate::binary(self.binary), &world)), postgres)
    }

    /// The calls of the way and of this row.
    pub fn calls(&self) -> Vec<(&'static str, Part)> {
        self.way.iter().map(|call| (*call, Part::Read)).chain(self.calls.iter().copied()).collect()
    }
}

/// A command that reads, in the documented pod.
const READ: Row = Row {
    name: "",
    binary: "",
    args: &[],
    after: &[],
    world: || Worlds::TWO_ACCOUNTS.to_owned(),
    place: std::convert::identity,
    sql: false,
    secret_result: false,
    signal: None,
    end: 0,
    work: |_| 0,
    works: 0,
    way: &[],
    calls: &[],
    result: "",
    formless: false,
    truth: |_| None,
    ids: |_| Vec::new(),
    otherwise: &[],
};

/// The calls of the way to the documented account.
pub const WAY: &[&str] = &["sts:AssumeRoleWithWebIdentity", "sts:AssumeRole"];
/// The name of the work, the same for each of its processes.
pub const KEY: &str = "--idempotency-key=5f1c7e0a-0d5e-4d0e-9a53-2f0a6b1f8a11";
const OFTEN: &str = "--poll-interval=100ms";

/// All of them.
pub fn rows() -> Vec<Row> {
    let [rds, eks, chain] = [readers::rds(), readers::eks(), readers::chain()];
    [glue::rows(), lambda::rows(), sagemaker::rows(), redshift::rows(), rds, mwaa::rows(), eks, chain]
        .concat()
}

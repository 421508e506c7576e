//! All functions, with what has been done with them.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;

use super::durable::Execution;
use super::function::{Function, FunctionCourse, LambdaWorld};
use super::target::Target;
use crate::crypto::sha256_hex;
use crate::world::World;

/// How much of a payload is kept.
const KEPT: usize = 4096;

/// An invocation that was really begun, as tests see it.
#[derive(Clone, Debug, Serialize)]
pub struct Invocation {
    /// Id of the request that began it.
    pub request_id: String,
    /// How it was asked for.
    pub kind: InvocationKind,
    /// The payload: all of it up to 4 KiB, the first 4 KiB of a longer one.
    pub payload: String,
    /// Bytes of the whole payload.
    pub payload_length: usize,
    /// SHA-256 of the whole payload, in hex, where it is longer than what is kept.
    pub payload_sha256: Option<String>,
    /// Version or alias that was asked for.
    pub qualifier: Option<String>,
    /// What the function was told of its client, decoded. Nothing for events: Lambda does not pass it on.
    pub client_context: Option<Value>,
    /// Tenant that was named.
    pub tenant: Option<String>,
    /// Name of the durable execution that was asked for.
    pub durable_name: Option<String>,
    /// When, since the sandbox's start.
    #[serde(with = "humantime_serde")]
    pub at: Duration,
}

/// How an invocation was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum InvocationKind {
    /// The caller waits for the answer.
    RequestResponse,
    /// Nobody waits.
    Event,
    /// The caller reads the answer as it comes.
    #[serde(rename = "stream")]
    Stream,
}

impl Invocation {
    /// Keeps of a payload what is told of it.
    pub(crate) fn keep(&mut self, payload: &Bytes) {
        self.payload_length = payload.len();
        self.payload = String::from_utf8_lossy(&payload[..payload.len().min(KEPT)]).into_owned();
        self.payload_sha256 = (payload.len() > KEPT).then(|| sha256_hex(payload));
    }
}

/// A function, with what has been done with it.
#[derive(Debug)]
pub(crate) struct KnownFunction {
    pub(crate) function: Function,
    pub(crate) partition: String,
    pub(crate) region: String,
    /// All that were begun, oldest first.
    pub(crate) invocations: Vec<Invocation>,
    /// When those that are under way end.
    under_way: Vec<OffsetDateTime>,
    /// Durable ones, oldest first.
    pub(crate) executions: Vec<Execution>,
    by_name: HashMap<String, usize>,
}

impl KnownFunction {
    /// May one more be begun?
    pub(crate) fn has_room(&mut self, now: OffsetDateTime) -> bool {
        let Some(limit) = self.function.throttle_above else { return true };
        self.under_way.retain(|end| *end > now);
        self.under_way.len() < limit
    }

    /// Begins an invocation; gives the course it takes.
    pub(crate) fn begin(&mut self, invocation: Invocation, now: OffsetDateTime) -> FunctionCourse {
        let course = self.function.course(self.invocations.len());
        self.invocations.push(invocation);
        if self.function.throttle_above.is_some() && !course.after.is_zero() {
            self.under_way.push(now + course.after);
        }
        course
    }

    /// The durable execution of a name.
    pub(crate) fn execution(&self, name: &str) -> Option<&Execution> {
        self.by_name.get(name).map(|index| &self.executions[*index])
    }

    pub(crate) fn add_execution(&mut self, execution: Execution) {
        self.by_name.insert(execution.name.clone(), self.executions.len());
        self.executions.push(execution);
    }

    /// ARN of the function itself.
    pub(crate) fn arn(&self) -> String {
        let (partition, region, Function { account, name, .. }) =
            (&self.partition, &self.region, &self.function);
        format!("arn:{partition}:lambda:{region}:{account}:function:{name}")
    }
}

/// Lambda's state.
#[derive(Debug)]
pub(crate) struct Lambda {
    pub(crate) list_lag: Duration,
    pub(crate) functions: Vec<KnownFunction>,
}

impl Lambda {
    pub(crate) fn new(settings: &LambdaWorld, world: &World) -> Self {
        let known = |function: &Function| KnownFunction {
            partition: world.partition(&function.account).into(),
            region: function.region.clone().unwrap_or_else(|| world.region.clone()),
            function: function.clone(),
            invocations: Vec::new(),
            under_way: Vec::new(),
            executions: Vec::new(),
            by_name: HashMap::new(),
        };
        Self { list_lag: settings.list_lag, functions: settings.functions.iter().map(known).collect() }
    }

    /// The function that is meant.
    pub(crate) fn find(&mut self, target: &Target) -> Option<&mut KnownFunction> {
        self.functions.iter_mut().find(|known| {
            let Function { account, name, .. } = &known.function;
            *account == target.account && known.region == target.region && *name == target.name
        })
    }

    /// The first function of a name, wherever it lives.
    pub(crate) fn named(&mut self, name: &str) -> Option<&mut KnownFunction> {
        self.functions.iter_mut().find(|known| known.function.name == name)
    }

    /// The durable execution of an ARN.
    pub(crate) fn execution(&self, arn: &str) -> Option<&Execution> {
        let (function, index) = self.place(arn)?;
        Some(&self.functions[function].executions[index])
    }

    pub(crate) fn execution_mut(&mut self, arn: &str) -> Option<&mut Execution> {
        let (function, index) = self.place(arn)?;
        Some(&mut self.functions[function].executions[index])
    }

    fn place(&self, arn: &str) -> Option<(usize, usize)> {
        let name = arn.rsplit('/').nth(1)?;
        self.functions.iter().enumerate().find_map(|(function, known)| {
            let index = *known.by_name.get(name)?;
            (known.executions[index].arn == arn).then_some((function, index))
        })
    }
}

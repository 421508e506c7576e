//! Faults: rules that spoil chosen calls.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::service::{Operation, operations};

/// Spoils `count` calls of an operation, from the `from`-th on.
///
/// Calls are counted from the moment the rule is set. Authentication comes first: a request with a bad
/// signature is refused as ever and not counted.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Service in lower case (`glue`), or `*`.
    pub service: String,
    /// Operation (`GetJobRun`), or `*`.
    pub operation: String,
    /// The first call that is spoilt; 1 is the next one.
    #[serde(default = "one")]
    pub from: u32,
    /// How many calls are spoilt.
    #[serde(default = "one")]
    pub count: u32,
    /// What happens to them.
    pub kind: FaultKind,
}

impl Fault {
    /// A fault for the next call of an operation.
    pub fn new(service: &str, operation: &str, kind: FaultKind) -> Self {
        Self { service: service.into(), operation: operation.into(), from: 1, count: 1, kind }
    }

    /// The same, beginning with the `from`-th call.
    #[must_use]
    pub fn from(self, from: u32) -> Self {
        Self { from, ..self }
    }

    /// The same for so many calls in a row.
    #[must_use]
    pub fn times(self, count: u32) -> Self {
        Self { count, ..self }
    }

    /// The same for all calls from then on.
    #[must_use]
    pub fn for_ever(self) -> Self {
        self.times(u32::MAX)
    }
}

/// What a fault does.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// An error answer; no work is done.
    Status {
        /// HTTP status.
        status: u16,
        /// AWS error code.
        code: String,
        /// Text.
        #[serde(default)]
        message: String,
    },
    /// The service's own way to say that calls come too fast; no work is done.
    Throttle,
    /// The connection is reset; no work is done.
    ResetBefore,
    /// The work is done, then the connection is reset.
    ResetAfter,
    /// No answer ever; no work is done.
    Hang,
    /// The work is done, but no answer ever comes.
    HangAfter,
    /// The work is begun, nothing comes for this long, then the connection is reset, however long the work takes.
    HangThenReset(#[serde(with = "humantime_serde")] Duration),
    /// The work is done, the answer comes after this long.
    Slow(#[serde(with = "humantime_serde")] Duration),
    /// The connection is reset at once, and the request takes effect this long after that, by the sandbox's clock.
    Late(#[serde(with = "humantime_serde")] Duration),
    /// The work is done, the answer is 200 with a body in no known format.
    Garbage,
    /// The work is done, the answer breaks off in the middle of its body; one without a body is a reset.
    Truncated,
    /// The work is done, the answer's body is changed at random, for the same number in the same way: fields are missing,
    /// of another type, huge, deep, or no text. One that comes in parts stays as it is.
    Mutated(u64),
}

impl Fault {
    /// Does it name operations that there are? A rule that can never strike is a slip of the pen.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let Self { service, operation, .. } = self;
        let named = |played: &Operation| {
            (service == "*" || service == played.service) && (operation == "*" || operation == played.name)
        };
        if operations().iter().any(named) {
            return Ok(());
        }
        Err(Error::World(format!("no operation `{service}:{operation}` for a fault to strike")))
    }
}

impl FaultKind {
    /// One of each kind after which an end can be foretold, for tests of all: the error is one that passes, and nothing takes longer than half a second
    /// that ends at all.
    pub fn examples() -> [Self; 10] {
        let half = Duration::from_millis(500);
        [
            Self::Status { status: 503, code: "ServiceUnavailable".into(), message: "come again".into() },
            Self::Throttle,
            Self::ResetBefore,
            Self::ResetAfter,
            Self::Hang,
            Self::HangAfter,
            Self::HangThenReset(half),
            Self::Slow(half),
            Self::Garbage,
            Self::Truncated,
        ]
    }

    /// Its name, as TOML spells it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::Throttle => "throttle",
            Self::ResetBefore => "reset_before",
            Self::ResetAfter => "reset_after",
            Self::Hang => "hang",
            Self::HangAfter => "hang_after",
            Self::HangThenReset(_) => "hang_then_reset",
            Self::Slow(_) => "slow",
            Self::Late(_) => "late",
            Self::Garbage => "garbage",
            Self::Truncated => "truncated",
            Self::Mutated(_) => "mutated",
        }
    }
}

/// The rules in force, with what each has seen.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Vec<(Fault, u32)>,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.rules.push((fault, 0));
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    /// Counts a call; the first rule that is due for it speaks.
    pub(crate) fn strike(&mut self, service: &str, operation: &str) -> Option<FaultKind> {
        let names = |pattern: &str, name: &str| pattern == "*" || pattern == name;
        let mut due = None;
        for (rule, seen) in &mut self.rules {
            if names(&rule.service, service) && names(&rule.operation, operation) {
                *seen = seen.saturating_add(1);
                if *seen >= rule.from && seen.saturating_sub(rule.from) < rule.count {
                    due = due.or_else(|| Some(rule.kind.clone()));
                }
            }
        }
        due
    }
}

fn one() -> u32 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strikes_the_calls_it_names() {
        let mut faults = Faults::default();
        faults.add(Fault::new("glue", "GetJobRun", FaultKind::Hang).from(2).times(2));
        faults.add(Fault::new("*", "*", FaultKind::Throttle).from(5).for_ever());
        let struck: Vec<_> = (0..5).map(|_| faults.strike("glue", "GetJobRun")).collect();
        let hang = Some(FaultKind::Hang);
        assert_eq!(struck, [None, hang.clone(), hang, None, Some(FaultKind::Throttle)]);
        assert_eq!(faults.strike("sts", "AssumeRole"), Some(FaultKind::Throttle));
    }

    #[test]
    fn spelling_in_toml() {
        #[derive(Deserialize)]
        struct Doc {
            faults: Vec<Fault>,
        }
        let doc: Doc = toml::from_str(
            "[[faults]]\nservice = 'glue'\noperation = 'GetJobRun'\nfrom = 3\nkind = { slow = '2s' }\n\
             [[faults]]\nservice = 'sts'\noperation = '*'\nkind = 'reset_after'\n\
             [[faults]]\nservice = 'sts'\noperation = '*'\nkind.status = { status = 500, code = 'InternalFailure' }\n",
        )
        .unwrap();
        assert_eq!(doc.faults[0].kind, FaultKind::Slow(Duration::from_secs(2)));
        assert_eq!((doc.faults[0].from, doc.faults[0].count), (3, 1));
        assert_eq!(doc.faults[1].kind, FaultKind::ResetAfter);
        assert_eq!(doc.faults[2].kind.name(), "status");
    }

    /// Serde knows all kinds, and tells them to whom it does not understand.
    #[test]
    fn there_is_an_example_of_every_kind() {
        let error =
            toml::from_str::<Fault>("service = 's'\noperation = 'o'\nkind = 'none of them'\n").unwrap_err();
        let message = error.message().to_owned();
        let known: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
        let mut examples: Vec<_> = FaultKind::examples().iter().map(FaultKind::name).collect();
        examples.dedup();
        // What comes of this one depends on when a client looks for the work.
        examples.insert(examples.len() - 2, FaultKind::Late(Duration::ZERO).name());
        // What comes of this one, nobody can foretell; the matrix has it besides.
        examples.push(FaultKind::Mutated(0).name());
        assert_eq!(examples, known, "{message}");
    }
}

//! ARNs of state machines and of executions, and how the service refuses those that are not valid.

use super::refusal;
use crate::refusal::Refusal;
use crate::service::Request;

/// A state machine as a request names it.
#[derive(Debug)]
pub(crate) struct MachineArn {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) name: String,
    /// A version or an alias.
    pub(crate) qualifier: Option<String>,
    /// As it was given.
    pub(crate) text: String,
    unqualified: String,
}

impl MachineArn {
    /// Reads an ARN and checks that the caller may do the operation: it is authorized for the state machine, whatever
    /// the qualifier.
    pub(crate) fn authorized(request: &Request<'_>, text: &str) -> Result<Self, Refusal> {
        let parts = parts(text, "stateMachine")?;
        let (name, qualifier) = match parts.rest.split_once(':') {
            Some((name, qualifier)) => (name, Some(qualifier.to_owned())),
            None => (parts.rest, None),
        };
        let unqualified = text.strip_suffix(&format!(":{}", qualifier.as_deref().unwrap_or_default()));
        let arn = Self {
            account: parts.account.into(),
            region: parts.region.into(),
            name: name.into(),
            unqualified: unqualified.unwrap_or(text).into(),
            qualifier,
            text: text.into(),
        };
        authorize(request, &arn.unqualified, &arn.account)?;
        if name.contains('/') {
            return Err(refusal(
                "ValidationException",
                "A state machine ARN of a Distributed Map state is not supported by this operation".into(),
            ));
        }
        Ok(arn)
    }
}

/// An execution as a request names it.
#[derive(Debug)]
pub(crate) struct ExecutionArn {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) machine: String,
    pub(crate) name: String,
    pub(crate) text: String,
}

impl ExecutionArn {
    /// Reads an ARN and checks that the caller may do the operation on the execution.
    pub(crate) fn authorized(request: &Request<'_>, text: &str) -> Result<Self, Refusal> {
        let parts = parts(text, "execution")?;
        let (machine, name) =
            parts.rest.split_once(':').ok_or_else(|| invalid(&format!("Invalid ARN: {text}")))?;
        authorize(request, text, parts.account)?;
        Ok(Self {
            account: parts.account.into(),
            region: parts.region.into(),
            machine: machine.into(),
            name: name.into(),
            text: text.into(),
        })
    }

    pub(crate) fn unknown(&self) -> Refusal {
        refusal("ExecutionDoesNotExist", format!("Execution Does Not Exist: '{}'", self.text))
    }
}

struct Parts<'a> {
    region: &'a str,
    account: &'a str,
    rest: &'a str,
}

fn parts<'a>(text: &'a str, resource_type: &str) -> Result<Parts<'a>, Refusal> {
    if !text.starts_with("arn:") {
        return Err(invalid(&format!("Invalid ARN prefix: {text}")));
    }
    let parts: Vec<&str> = text.splitn(7, ':').collect();
    let [_, _, "states", region, account, kind, rest] = parts[..] else {
        return Err(invalid(&format!("Invalid ARN: {text}")));
    };
    if kind != resource_type {
        return Err(invalid(&format!("Resource type not valid in this context: {kind}")));
    }
    Ok(Parts { region, account, rest })
}

/// No resource of Step Functions has a policy of its own, so no other account gets in.
fn authorize(request: &Request<'_>, resource: &str, account: &str) -> Result<(), Refusal> {
    request.authorize(resource)?;
    let caller = request.caller()?;
    if caller.account == account {
        return Ok(());
    }
    let (protocol, action) = (request.service.protocol(), format!("states:{}", request.operation));
    Err(protocol.denied(caller, &action, resource, "resource-based"))
}

fn invalid(reason: &str) -> Refusal {
    refusal("InvalidArn", format!("Invalid Arn: '{reason}'"))
}

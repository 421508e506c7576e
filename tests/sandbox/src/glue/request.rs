//! `StartJobRun`'s parameters, judged as the service judges them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::refusal::{Constraints, Refusal};

const WORKER_TYPES: &[&str] = &["Standard", "G.1X", "G.2X", "G.025X", "G.4X", "G.8X", "Z.2X"];
/// Seven days: the longest timeout that Glue takes, in minutes.
const LONGEST_TIMEOUT: i64 = 10_080;
/// The most workers that a job of these types may have.
const MOST_WORKERS: i64 = 299;

/// What `StartJobRun` takes. Members that are not named here are ignored, as the service does.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StartJobRun {
    #[serde(default)]
    pub(crate) job_name: Option<String>,
    pub(crate) job_run_queuing_enabled: Option<bool>,
    pub(crate) job_run_id: Option<String>,
    pub(crate) arguments: Option<BTreeMap<String, String>>,
    pub(crate) allocated_capacity: Option<i64>,
    pub(crate) timeout: Option<i64>,
    pub(crate) max_capacity: Option<f64>,
    pub(crate) security_configuration: Option<String>,
    pub(crate) notification_property: Option<NotificationProperty>,
    pub(crate) worker_type: Option<String>,
    pub(crate) number_of_workers: Option<i64>,
    pub(crate) execution_class: Option<String>,
    pub(crate) execution_role_session_policy: Option<String>,
}

/// When Glue tells that a run takes long, in minutes.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NotificationProperty {
    pub(crate) notify_delay_after: Option<i64>,
}

impl StartJobRun {
    /// The parameters, if they are valid by the model and do not contradict each other.
    pub(crate) fn read(parameters: &Value) -> Result<Self, Refusal> {
        let request: Self = members(parameters)?;
        let mut constraints = Constraints::default();
        constraints.present("jobName", request.job_name.as_ref());
        for (member, value) in [
            ("jobName", &request.job_name),
            ("jobRunId", &request.job_run_id),
            ("securityConfiguration", &request.security_configuration),
        ] {
            if let Some(value) = value {
                identifier(&mut constraints, member, value);
            }
        }
        if let Some(timeout) = request.timeout {
            constraints.range("timeout", timeout, 1, i64::MAX);
        }
        if let Some(delay) = request.notification_property.and_then(|property| property.notify_delay_after) {
            constraints.range("notificationProperty.notifyDelayAfter", delay, 1, i64::MAX);
        }
        if let Some(worker_type) = &request.worker_type {
            constraints.one_of("workerType", worker_type, WORKER_TYPES);
        }
        if let Some(class) = &request.execution_class {
            constraints.one_of("executionClass", class, &["FLEX", "STANDARD"]);
        }
        if let Some(policy) = &request.execution_role_session_policy {
            constraints.length("executionRoleSessionPolicy", policy, 2, 2048, false);
        }
        constraints.finish("ValidationException")?;
        request.consistent()?;
        Ok(request)
    }

    fn consistent(&self) -> Result<(), Refusal> {
        let invalid = |text: &str| Err(Refusal::new(400, "InvalidInputException", text));
        let by_workers = self.worker_type.is_some() || self.number_of_workers.is_some();
        let by_capacity = self.max_capacity.is_some() || self.allocated_capacity.is_some();
        if by_workers && by_capacity {
            return invalid("Please do not set Max Capacity if using Worker Type and Number of Workers.");
        }
        if self.max_capacity.is_some() && self.allocated_capacity.is_some() {
            return invalid("Please set only Allocated Capacity or Max Capacity.");
        }
        if self.max_capacity.is_some_and(|capacity| capacity <= 0.0) {
            return invalid("Max Capacity must be greater than 0.");
        }
        if self.number_of_workers.is_some_and(|workers| !(1..=MOST_WORKERS).contains(&workers)) {
            return invalid("Number of Workers is not in the supported range.");
        }
        if self.timeout.is_some_and(|timeout| timeout > LONGEST_TIMEOUT) {
            return invalid("Timeout should be between 1 and 10080 minutes.");
        }
        let policy = self.execution_role_session_policy.as_deref();
        if policy.is_some_and(|policy| serde_json::from_str::<Map<String, Value>>(policy).is_err()) {
            return invalid("The execution role session policy is not a valid JSON policy.");
        }
        Ok(())
    }
}

/// Reads the members of a request; wrong JSON types are a `SerializationException`.
pub(crate) fn members<T: for<'de> Deserialize<'de>>(parameters: &Value) -> Result<T, Refusal> {
    T::deserialize(parameters)
        .map_err(|error| Refusal::at_the_door(400, "SerializationException", error.to_string()))
}

/// A `NameString` or `IdString` of the model.
pub(crate) fn identifier(constraints: &mut Constraints, member: &str, value: &str) {
    constraints.length(member, value, 1, 255, false);
    constraints.pattern(
        member,
        value,
        "[\\u0020-\\uD7FF\\uE000-\\uFFFD\\uD800\\uDC00-\\uDBFF\\uDFFF\\t]*",
        |character| character == '\t' || character >= ' ',
    );
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn judged_by_the_model() {
        for (parameters, expected) in [
            (json!({ "JobName": "a" }), ""),
            (json!({ "JobName": "a", "Colour": 1 }), ""),
            (json!({ "JobName": "a", "WorkerType": "G.1X", "NumberOfWorkers": 2, "Timeout": 10080 }), ""),
            (json!({}), "ValidationException"),
            (json!({ "JobName": "" }), "ValidationException"),
            (json!({ "JobName": "a\nb" }), "ValidationException"),
            (json!({ "JobName": "a", "WorkerType": "G.9X" }), "ValidationException"),
            (json!({ "JobName": "a", "Timeout": 0 }), "ValidationException"),
            (json!({ "JobName": "a", "ExecutionClass": "flex" }), "ValidationException"),
            (
                json!({ "JobName": "a", "NotificationProperty": { "NotifyDelayAfter": 0 } }),
                "ValidationException",
            ),
            (json!({ "JobName": "a", "WorkerType": "G.1X", "MaxCapacity": 2.0 }), "InvalidInputException"),
            (json!({ "JobName": "a", "NumberOfWorkers": 0 }), "InvalidInputException"),
            (json!({ "JobName": "a", "Timeout": 10081 }), "InvalidInputException"),
            (json!({ "JobName": "a", "ExecutionRoleSessionPolicy": "nonsense" }), "InvalidInputException"),
            (json!({ "JobName": "a", "Timeout": "5" }), "SerializationException"),
            (json!({ "JobName": "a", "Arguments": { "--x": 1 } }), "SerializationException"),
        ] {
            let code = StartJobRun::read(&parameters).err().map_or(String::new(), |refusal| refusal.code);
            assert_eq!(code, expected, "{parameters}");
        }
    }
}

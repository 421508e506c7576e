//! The specification of a training job: the JSON of `aws sagemaker create-training-job --cli-input-json`.
//!
//! It is sent as it is, but for the name: members that are newer than this program and the form of numbers stay.

use std::collections::BTreeMap;

use job_runtime::input::{self, InputParser};
use serde_json::Value;
use serde_json::value::RawValue;

use super::compare;
use crate::fields;

/// More than `SageMaker` takes of a request: a file that is longer is not meant.
const LONGEST_FILE: usize = 4 * 1024 * 1024;

/// The member with the job's name.
const NAME: &str = "TrainingJobName";

/// Strings that the API requires wherever their parent is. `aws … --generate-cli-skeleton` writes empty ones, which
/// its user means to fill in.
const REQUIRED: [&str; 12] = [
    "RoleArn",
    "OutputDataConfig.S3OutputPath",
    "AlgorithmSpecification.TrainingInputMode",
    "AlgorithmSpecification.TrainingImage",
    "AlgorithmSpecification.AlgorithmName",
    "ResourceConfig.InstanceType",
    "InputDataConfig[].ChannelName",
    "InputDataConfig[].DataSource.S3DataSource.S3DataType",
    "InputDataConfig[].DataSource.S3DataSource.S3Uri",
    "VpcConfig.SecurityGroupIds[]",
    "VpcConfig.Subnets[]",
    "CheckpointConfig.S3Uri",
];

/// A specification that can be sent once it has a name.
#[derive(Clone)]
pub(crate) struct Spec {
    /// Its members as they are written.
    members: BTreeMap<String, Box<RawValue>>,
    /// The same, understood.
    value: Value,
}

/// Hyperparameters and environment are the user's business.
impl std::fmt::Debug for Spec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.members.keys()).finish()
    }
}

impl Spec {
    /// Parses the name of a file with a specification.
    pub(crate) fn file() -> InputParser<Self> {
        input::file(LONGEST_FILE, |bytes| Self::parse(input::utf_8(bytes)?))
    }

    fn parse(text: &str) -> Result<Self, String> {
        const FORM: &str =
            "it should be the JSON object that `aws sagemaker create-training-job --cli-input-json` takes";
        let fault = |fault: serde_json::Error| format!("{FORM}: {}", input::json_fault(&fault));
        let value: Value = serde_json::from_str(text).map_err(fault)?;
        if !value.is_object() {
            return Err(format!("{FORM}: it is no object"));
        }
        let members = serde_json::from_str(text).map_err(fault)?;
        check(&value)?;
        Ok(Self { members, value })
    }

    /// The name in the specification, if it has one; the skeleton's empty one is none.
    pub(crate) fn name(&self) -> Option<&str> {
        self.value.get(NAME).and_then(Value::as_str).filter(|name| !name.is_empty())
    }

    /// The specification with a name, to be sent.
    pub(crate) fn named(&self, name: &str) -> String {
        let others = self.members.iter().filter(|(member, _)| *member != NAME);
        let mut body = format!("{{{}:{}", quoted(NAME), quoted(name));
        for (member, value) in others {
            body.push(',');
            body.push_str(&quoted(member));
            body.push(':');
            body.push_str(value.get());
        }
        body.push('}');
        body
    }

    /// Where a job that `DescribeTrainingJob` shows differs from this specification, if it does. What it does not
    /// show cannot differ: tags, and whatever the service keeps to itself.
    pub(crate) fn difference(&self, shown: &Value) -> Option<String> {
        let mut members = self.value.as_object()?.iter().filter(|(member, _)| *member != NAME);
        members.find_map(|(member, value)| compare::difference(member, value, shown.get(member)?))
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Checks what can be known before the call.
fn check(spec: &Value) -> Result<(), String> {
    if let Some(name) = spec.get(NAME) {
        let name = name.as_str().ok_or_else(|| format!("{NAME} should be a string"))?;
        if !name.is_empty() {
            fields::name(name).map_err(|problem| format!("{NAME}: {problem}"))?;
        }
    }
    for path in ["RoleArn", "OutputDataConfig.S3OutputPath"] {
        if texts(spec, path).is_empty() {
            return Err(format!("{path} is missing"));
        }
    }
    for path in REQUIRED {
        for (at, value) in texts(spec, path) {
            match value.as_str() {
                None => return Err(format!("{at} should be a string")),
                Some("") => return Err(format!("{at} is empty: a skeleton's placeholder was not filled in")),
                Some(_) => {}
            }
        }
    }
    let text = |pointer| spec.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    if !is_role(text("/RoleArn")) {
        return Err("RoleArn should be the ARN of a role: arn:aws:iam::123456789012:role/name".to_owned());
    }
    if !is_location(text("/OutputDataConfig/S3OutputPath")) {
        return Err("OutputDataConfig.S3OutputPath should be a place in S3: s3://bucket/prefix".to_owned());
    }
    let Some(algorithm) = spec.get("AlgorithmSpecification") else { return Ok(()) };
    match (algorithm.get("TrainingImage").is_some(), algorithm.get("AlgorithmName").is_some()) {
        (true, false) | (false, true) => Ok(()),
        (true, true) => {
            Err("AlgorithmSpecification has both TrainingImage and AlgorithmName, and may have one"
                .to_owned())
        }
        (false, false) => {
            Err("AlgorithmSpecification should have one of TrainingImage and AlgorithmName".to_owned())
        }
    }
}

/// `arn:aws[a-z\-]*:iam::\d{12}:role/?[\w+=,.@\-/]+`
fn is_role(arn: &str) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [arn, partition, service, region, account, role] = parts.as_slice() else { return false };
    let name = role.strip_prefix("role").unwrap_or_default().trim_start_matches('/');
    (*arn, *service, *region) == ("arn", "iam", "")
        && partition.starts_with("aws")
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "+=,.@-_/".contains(c))
}

/// `(https|s3)://([^/]+)/?(.*)`
fn is_location(text: &str) -> bool {
    let rest = text.strip_prefix("s3://").or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
}

/// What is at `path`, where it is there: names joined by dots, `[]` for each element. `null` is not there.
fn texts<'a>(spec: &'a Value, path: &str) -> Vec<(String, &'a Value)> {
    let mut found = vec![(String::new(), spec)];
    for step in path.split('.') {
        let (name, each) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
        found = found
            .into_iter()
            .filter_map(|(at, value)| {
                let at = if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
                Some((at, value.get(name).filter(|value| !value.is_null())?))
            })
            .flat_map(|(at, value)| match value.as_array() {
                Some(elements) if each => {
                    elements.iter().enumerate().map(|(n, value)| (format!("{at}[{n}]"), value)).collect()
                }
                _ => vec![(at, value)],
            })
            .collect();
    }
    found
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    const GOOD: &str = r#"{
        "TrainingJobName": "train-1",
        "RoleArn": "arn:aws:iam::111122223333:role/service-role/trainer",
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
        "FieldOfTomorrow": {"Factor": 1.0, "Big": 12345678901234567890123, "A": [ 1e2 ]},
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"}
    }"#;

    /// A good specification with this name.
    pub(crate) fn spec(name: &str) -> Spec {
        Spec::parse(&GOOD.replace("train-1", name)).unwrap()
    }

    #[test]
    fn it_is_sent_as_it_is_but_for_the_name() {
        let spec = Spec::parse(GOOD).unwrap();
        assert_eq!(spec.name(), Some("train-1"));
        let sent = spec.named("other-2");
        for kept in [
            r#"{"TrainingJobName":"other-2","#,
            r#""FieldOfTomorrow":{"Factor": 1.0, "Big": 12345678901234567890123, "A": [ 1e2 ]}"#,
            r#""AlgorithmSpecification":{"TrainingImage": "image", "TrainingInputMode": "File"}"#,
        ] {
            assert!(sent.contains(kept), "{sent}");
        }
        assert_eq!(sent.matches(NAME).count(), 1);
        assert!(serde_json::from_str::<Value>(&sent).is_ok());
        assert!(!format!("{spec:?}").contains("image"));
    }

    #[test]
    fn refused_before_the_call() {
        let change = |pointer: &str, value: Value| {
            let mut spec: Value = serde_json::from_str(GOOD).unwrap();
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            spec.pointer_mut(parent).unwrap()[name] = value;
            Spec::parse(&spec.to_string()).map(|_| ())
        };
        assert_eq!(change("/TrainingJobName", json!("")), Ok(()));
        assert_eq!(change("/OutputDataConfig/S3OutputPath", json!("https://bucket/x")), Ok(()));
        let channel =
            |uri: &str| json!([{"ChannelName": "c", "DataSource": {"S3DataSource": {"S3Uri": uri}}}]);
        assert_eq!(change("/InputDataConfig", channel("s3://b")), Ok(()));
        for (pointer, value, expected) in [
            ("/TrainingJobName", json!(3), "TrainingJobName should be a string"),
            ("/TrainingJobName", json!("a_b"), "TrainingJobName: it should be ASCII letters"),
            ("/RoleArn", Value::Null, "RoleArn is missing"),
            ("/RoleArn", json!(""), "RoleArn is empty: a skeleton's placeholder"),
            ("/RoleArn", json!("trainer"), "RoleArn should be the ARN of a role"),
            ("/RoleArn", json!("arn:aws:iam::111122223333:user/x"), "RoleArn should be the ARN of a role"),
            ("/RoleArn", json!("arn:aws:iam::1:role/x"), "RoleArn should be the ARN of a role"),
            ("/OutputDataConfig", json!({}), "OutputDataConfig.S3OutputPath is missing"),
            (
                "/OutputDataConfig/S3OutputPath",
                json!("bucket"),
                "OutputDataConfig.S3OutputPath should be a place",
            ),
            (
                "/OutputDataConfig/S3OutputPath",
                json!("s3:///x"),
                "OutputDataConfig.S3OutputPath should be a place",
            ),
            ("/AlgorithmSpecification/AlgorithmName", json!("a"), "both TrainingImage and AlgorithmName"),
            ("/AlgorithmSpecification", json!({"TrainingInputMode": "File"}), "one of TrainingImage"),
            (
                "/AlgorithmSpecification/TrainingImage",
                json!(""),
                "AlgorithmSpecification.TrainingImage is empty",
            ),
            ("/InputDataConfig", channel(""), "InputDataConfig[0].DataSource.S3DataSource.S3Uri is empty"),
            ("/VpcConfig", json!({"Subnets": ["s-1", ""]}), "VpcConfig.Subnets[1] is empty"),
        ] {
            let told = change(pointer, value).unwrap_err();
            assert!(told.contains(expected), "{told}, not {expected}");
        }
        assert!(Spec::parse("[]").unwrap_err().contains("no object"));
        let told = Spec::parse("{\"s3cret\": ").unwrap_err();
        assert!(told.contains("ends too early") && !told.contains("s3cret"), "{told}");
    }

    #[test]
    fn what_is_not_shown_cannot_differ() {
        let spec = Spec::parse(GOOD).unwrap();
        let mut shown: Value = serde_json::from_str(GOOD).unwrap();
        shown["TrainingJobName"] = json!("another");
        shown["TrainingJobStatus"] = json!("InProgress");
        shown.as_object_mut().unwrap().remove("FieldOfTomorrow");
        assert_eq!(spec.difference(&shown), None);
        shown["AlgorithmSpecification"]["TrainingImage"] = json!("other");
        assert_eq!(spec.difference(&shown).as_deref(), Some("AlgorithmSpecification.TrainingImage"));
    }
}

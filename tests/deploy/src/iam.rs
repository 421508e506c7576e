//! The policies under `k8s/iam`: templates whose `${Names}` a team fills in.

use std::path::Path;

use serde_json::Value;

use crate::{read, root};

/// What stands for the names of the templates in the tests: the documented world's resources.
pub const NAMES: [(&str, &str); 34] = [
    ("AccountA", "111111111111"),
    ("AccountB", "222222222222"),
    ("AirflowRole", "Op"),
    ("AsyncEndpoint", "scoring-async"),
    ("Binary", "glue-trigger"),
    ("Bucket", "team-data"),
    ("ClaimPrefix", "claims"),
    ("Cluster", "analytics"),
    ("ClusterA", "platform"),
    ("DeadLetterQueue", "schedules-that-failed"),
    ("DagsPrefix", "dags"),
    ("Database", "sales"),
    ("DbResourceId", "cluster-EXAMPLEABCDEFGHIJKLMNOPQRS"),
    ("DbUser", "etl"),
    ("EksCluster", "target"),
    ("Endpoint", "scoring"),
    ("Environment", "analytics"),
    ("ExecutionRole", "ecs-execution"),
    ("FailurePrefix", "failed"),
    ("GlueJob", "nightly-etl"),
    ("LambdaFunction", "workflow"),
    ("Namespace", "team-ns"),
    ("OidcProvider", "oidc.eks.us-east-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"),
    ("OutputPrefix", "async"),
    ("Region", "us-east-2"),
    ("RoleA", "cats-glue"),
    ("RoleB", "external-glue"),
    ("ScheduleGroup", "default"),
    ("Secret", "analytics-etl"),
    ("SecretKeyId", "12345678-1234-4123-8123-123456789012"),
    ("ServiceAccount", "glue-trigger"),
    ("TrainingJob", "churn"),
    ("TrainingRole", "sagemaker-trainer"),
    ("WorkgroupId", "11111111-2222-4333-8444-555555555555"),
];

/// A template with its names filled in. What is left are IAM's own variables, which have a colon.
pub fn filled(file: &str) -> String {
    let text = NAMES.iter().fold(read(&format!("k8s/iam/{file}")), |text, (name, value)| {
        text.replace(&format!("${{{name}}}"), value)
    });
    let unknown = text.split("${").skip(1).find(|rest| !rest.split('}').next().unwrap_or("").contains(':'));
    assert!(unknown.is_none(), "{file}: ${{{}", unknown.unwrap_or(""));
    text
}

/// The statements of a template.
pub fn statements(file: &str) -> Vec<Value> {
    let policy: Value = serde_json::from_str(&filled(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    assert_eq!(policy["Version"], "2012-10-17", "{file}");
    policy["Statement"].as_array().unwrap_or_else(|| panic!("{file}: no statements")).clone()
}

/// One value or a list of them.
pub fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(items) => items.iter().map(|item| item.as_str().expect("a text")).collect(),
        other => vec![other.as_str().unwrap_or_else(|| panic!("{other} is no text"))],
    }
}

/// One permission of a statement, on all of its resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// The statement's `Sid`.
    pub sid: String,
    /// The action.
    pub action: String,
    /// Its resources.
    pub resources: Vec<String>,
}

impl Permission {
    /// As the sandbox's worlds write it.
    pub fn rules(&self) -> impl Iterator<Item = String> {
        self.resources.iter().map(|resource| format!("\"{} on {resource}\"", self.action))
    }
}

/// Every permission of a template.
pub fn permissions(file: &str) -> Vec<Permission> {
    let mut all = Vec::new();
    for statement in statements(file) {
        let resources: Vec<String> = texts(&statement["Resource"]).into_iter().map(str::to_owned).collect();
        for action in texts(&statement["Action"]) {
            let sid = statement["Sid"].as_str().expect("a Sid").to_owned();
            all.push(Permission { sid, action: action.to_owned(), resources: resources.clone() });
        }
    }
    all
}

/// Every template of a policy, by its path below `k8s/iam`.
pub fn templates() -> Vec<String> {
    let mut all = Vec::new();
    for folder in ["", "permissions/"] {
        for entry in std::fs::read_dir(root().join("k8s/iam").join(folder)).expect("a folder") {
            let file = crate::name(entry.expect("an entry").path());
            if Path::new(&file).extension().is_some_and(|end| end == "json") {
                all.push(format!("{folder}{file}"));
            }
        }
    }
    all.sort();
    all
}

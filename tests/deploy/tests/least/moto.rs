//! The policies under the eyes of another implementation: moto with IAM enforced.
//!
//! A user of account A with the permission of account-a-permissions.json runs jobs in account B through `--assume-role`,
//! with a feature's statements as they are and with each of them left out. moto looks at actions and not at resources;
//! while it enforces it can do no `AssumeRoleWithWebIdentity`, takes the signature of every Lambda Invoke for a wrong one
//! (boto3's too), stops no Glue run, and answers Redshift's calls with times that no SDK reads: what it cannot tell is
//! told by the sandbox.

use deploy::container::binary;
use deploy::iam::statements;
use serde_json::{Value, json};
use testkit::{Moto, Site, Worlds};

const A: &str = "111111111111";
const B: &str = "222222222222";
const ROLE: &str = "external";

/// A document of some of a template's statements, on all resources.
fn policy(file: &str, wanted: impl Fn(&str) -> bool) -> Value {
    let mut kept: Vec<Value> =
        statements(file).into_iter().filter(|one| wanted(one["Sid"].as_str().expect("a Sid"))).collect();
    for statement in &mut kept {
        statement["Resource"] = json!("*");
        statement.as_object_mut().expect("a statement").remove("Condition");
    }
    if kept.is_empty() {
        // A policy must have a statement.
        kept.push(json!({ "Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*" }));
    }
    json!({ "Version": "2012-10-17", "Statement": kept })
}

/// A role's or a user's policy.
fn put(moto: &Moto, (account, kind, name): (&str, &str, &str), policy: &Value) {
    let put = json!({ format!("{kind}Name"): name, "PolicyName": "p", "PolicyDocument": policy.to_string() });
    moto.call(account, "iam", &format!("Put{kind}Policy"), &put);
}

/// moto with the user and the role, and the job of a feature.
fn moto() -> (Moto, Value) {
    let moto = Moto::start();
    let call = |account, service, operation, parameters| moto.call(account, service, operation, &parameters);
    call(A, "iam", "CreateUser", json!({ "UserName": "task" }));
    put(&moto, (A, "User", "task"), &policy("account-a-permissions.json", |_| true));
    let trust = policy("account-a-permissions.json", |_| true).to_string();
    call(B, "iam", "CreateRole", json!({ "RoleName": ROLE, "AssumeRolePolicyDocument": trust }));
    let job = json!({ "Name": "nightly-etl", "Role": "r", "Command": {}, "ExecutionProperty": { "MaxConcurrentRuns": 100 } });
    call(B, "glue", "CreateJob", job);
    let key = call(A, "iam", "CreateAccessKey", json!({ "UserName": "task" }))["AccessKey"].clone();
    moto.enforce(true);
    (moto, key)
}

fn site(binary_name: &str, moto: &Moto, key: &Value) -> Site {
    let site = Site::bare(binary(binary_name), Worlds::TWO_ACCOUNTS);
    let spec = json!({
        "TrainingJobName": "churn", "RoleArn": format!("arn:aws:iam::{B}:role/trainer"),
        "OutputDataConfig": { "S3OutputPath": "s3://team-data/models" },
        "AlgorithmSpecification": { "TrainingImage": "churn:1", "TrainingInputMode": "File" },
        "ResourceConfig": { "InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10 },
        "StoppingCondition": { "MaxRuntimeInSeconds": 3600 },
    });
    site.write("spec.json", &spec.to_string());
    site.env("AWS_ENDPOINT_URL", moto.url())
        .env("AWS_REGION", "us-east-2")
        .env("AWS_ACCESS_KEY_ID", key["AccessKeyId"].as_str().expect("a text"))
        .env("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"].as_str().expect("a text"))
        .env("ASSUME_ROLE", format!("arn:aws:iam::{B}:role/{ROLE}"))
}

/// A feature works with its statements, and without each of them it ends in 77 and says what it may not.
fn agree(binary_name: &str, args: &[&str], sids: &[(&str, &str)]) {
    let (moto, key) = moto();
    let site = site(binary_name, &moto, &key);
    let file = format!("permissions/{binary_name}.json");
    let feature = |sid: &str| sids.iter().any(|(of, _)| *of == sid);
    for (less, says) in sids {
        put(&moto, (B, "Role", ROLE), &policy(&file, |sid| feature(sid) && sid != *less));
        site.run(args).assert_exit(77).assert_says(says);
    }
    put(&moto, (B, "Role", ROLE), &policy(&file, feature));
    site.run(args).assert_exit(0);
    put(&moto, (A, "User", "task"), &policy("account-a-permissions.json", |_| false));
    site.run(args).assert_exit(77).assert_says("hop 2 of 2");
}

#[test]
fn of_glue_trigger() {
    let args = ["--job-name=nightly-etl", "--poll-interval=100ms", "--idempotency-key=k"];
    agree("glue-trigger", &args, &[("StartAndFollow", "glue:"), ("OnceForAKey", "glue:GetJobRuns")]);
}

#[test]
fn of_sagemaker_invoke() {
    let args = ["train", "--spec-file=spec.json", "--poll-interval=100ms"];
    agree("sagemaker-invoke", &args, &[("Train", "sagemaker:CreateTrainingJob")]);
}

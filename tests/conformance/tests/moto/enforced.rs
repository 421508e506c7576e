//! moto with signatures and identity policies enforced, which it can for users and the roles they take.

use serde_json::{Value, json};

use crate::{A, B, Place};

/// A user `task` of account A, who takes the role `worker` of account B by `--assume-role`: what either may do.
fn place(binary: &str, of_a: &[&str], of_b: &[&str]) -> Place {
    let place = Place::of(binary);
    let user = json!({ "UserName": "task" });
    place.call(A, "iam", "CreateUser", user.clone());
    let policy_of = |name: &str, who: &str, actions| json!({ name: who, "PolicyName": "p", "PolicyDocument": policy(actions) });
    place.call(A, "iam", "PutUserPolicy", policy_of("UserName", "task", of_a));
    // Its trust is needed, and not looked at.
    let role = json!({ "RoleName": "worker", "AssumeRolePolicyDocument": policy(&["sts:AssumeRole"]) });
    place.call(B, "iam", "CreateRole", role);
    place.call(B, "iam", "PutRolePolicy", policy_of("RoleName", "worker", of_b));
    let key = place.call(A, "iam", "CreateAccessKey", user)["AccessKey"].clone();
    place.moto.enforce(true);
    place.changed(|site| {
        site.without("AWS_PROFILE")
            .env("AWS_ACCESS_KEY_ID", key["AccessKeyId"].as_str().expect("a text"))
            .env("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"].as_str().expect("a text"))
            .env("ASSUME_ROLE", format!("arn:aws:iam::{B}:role/worker"))
    })
}

fn policy(actions: &[&str]) -> String {
    // A statement must have an action.
    let actions: Value = if actions.is_empty() { json!("sts:GetCallerIdentity") } else { json!(actions) };
    let statement = json!({ "Effect": "Allow", "Action": actions, "Resource": "*" });
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

#[test]
fn every_right_is_needed_and_named() {
    const GLUE: [&str; 3] = ["--job-name=etl", "--poll-interval=100ms", "--idempotency-key=k"];
    let rights = ["glue:GetJobRuns", "glue:StartJobRun", "glue:GetJobRun"];
    let place = place("glue-trigger", &["sts:AssumeRole"], &rights);
    place.call(B, "glue", "CreateJob", crate::glue::job("etl"));
    for (lacking, runs) in [(0, 0), (1, 0)] {
        let rest: Vec<_> = rights.into_iter().filter(|right| *right != rights[lacking]).collect();
        let less = json!({ "RoleName": "worker", "PolicyName": "p", "PolicyDocument": policy(&rest) });
        place.call(B, "iam", "PutRolePolicy", less);
        place.run(GLUE).assert_exit(77).assert_says(rights[lacking]);
        assert_eq!(place.runs("etl"), runs, "{rest:?}");
    }
    let all = json!({ "RoleName": "worker", "PolicyName": "p", "PolicyDocument": policy(&rights) });
    place.call(B, "iam", "PutRolePolicy", all);
    place.run(GLUE).assert_exit(0);
    assert_eq!(place.runs("etl"), 1);
}

/// moto puts the refusals of STS into the frame of EC2's, so that neither code nor text of AWS is read: what is told
/// besides is asserted here, the code in the sandbox's tests.
#[test]
fn the_hop_that_is_refused_is_named() {
    let mut place = place("chain-check", &["sts:AssumeRole"], &[]);
    place.run([""; 0]).assert_exit(0);
    let none = json!({ "UserName": "task", "PolicyName": "p", "PolicyDocument": policy(&[]) });
    place.call(A, "iam", "PutUserPolicy", none);
    let refused = format!(
        "hop 2 of 2: sts:AssumeRole of arn:aws:iam::{B}:role/worker by arn:aws:iam::{A}:user/task was refused"
    );
    place.run([""; 0]).assert_exit(77).assert_says(&refused).assert_says("HTTP 403");
    // Keys that do not fit, and keys of nobody.
    for (name, value) in [
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
    ] {
        place = place.changed(|site| site.env(name, value));
        place.run([""; 0]).assert_exit(77).assert_says("hop 1 of 2").assert_says("HTTP 403");
    }
}

/// Of a role of the caller's own account moto looks at the trust policy, too, and at the external id in it. (It lets in
/// who says none, which AWS does not.)
#[test]
fn a_trust_policy_is_kept() {
    let place = place("chain-check", &["sts:AssumeRole"], &[]);
    let trust = |principal: &str| {
        let statement = json!({
            "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "AWS": principal },
            "Condition": { "StringEquals": { "sts:ExternalId": "ticket-7" } },
        });
        json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
    };
    for (name, principal) in [("ours", "task"), ("theirs", "other")] {
        let trust = trust(&format!("arn:aws:iam::{A}:user/{principal}"));
        place.call(A, "iam", "CreateRole", json!({ "RoleName": name, "AssumeRolePolicyDocument": trust }));
    }
    let place = place.changed(|site| site.without("ASSUME_ROLE"));
    for (role, code) in [
        ("ours,external-id=ticket-7", 0),
        ("ours,external-id=ticket-8", 77),
        ("theirs,external-id=ticket-7", 77),
    ] {
        let outcome = place.run([format!("--assume-role=arn=arn:aws:iam::{A}:role/{role}")]);
        outcome.assert_exit(code);
        if code != 0 {
            outcome.assert_says("hop 2 of 2");
        }
    }
}

/// But lambda-invoke: while it enforces, moto takes the signature of every Invoke for a wrong one.
#[test]
fn every_binary_names_what_it_may_not() {
    let mut place = place("eks-token", &["sts:AssumeRole"], &[]);
    for (binary, args, action) in [
        ("eks-token", &["clusters"][..], "eks:ListClusters"),
        (
            "rds-connect",
            &["exec", "--secret-id=s", "--host=h", "--", "/bin/true"],
            "secretsmanager:GetSecretValue",
        ),
        ("sagemaker-invoke", &["endpoint", "--endpoint-name=e", "--body=1"], "sagemaker:InvokeEndpoint"),
        (
            "redshift-query",
            &["--workgroup-name=adhoc", "--database=d", "--sql=select 1"],
            "redshift-data:ExecuteStatement",
        ),
    ] {
        place = place.changed(|site| site.with_binary(conformance::binary(binary)));
        place.run(args).assert_exit(77).assert_says(action);
    }
}

//! Every operation of the sandbox, judged by botocore; by the AWS CLI itself in `make conformance`.

// Tests: a panic is how a test fails.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::time::Duration;

use testkit::{Postgres, Sandbox, World, Worlds};

/// Of an account that may do everything in it, and whom it trusts.
const JUDGE: &str = r#"
[accounts.222222222222.users.judge]
access_key_id = "AKIAIOSFODNN7EXAMPLE"
secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
allow = ["*"]

[accounts.222222222222.roles.judged]
allow = []
trust = [{ principal = "arn:aws:iam::222222222222:user/judge" }]

[[glue.jobs]]
account = "222222222222"
name = "endless"
courses = [{ steps = [{ state = "RUNNING" }] }]

[instance_metadata]
role = "arn:aws:iam::111111111111:role/cats-glue"
"#;

/// What has one outcome only: a page that everybody may read, and whatever else is asked of a web server.
const ONE_OUTCOME: [&str; 2] = ["mwaa-web-server:LoginPage", "mwaa-web-server:Page"];

/// What the AWS CLI has no command for: event streams.
const NOT_BY_CLI: [&str; 2] =
    ["lambda:InvokeWithResponseStream", "sagemaker-runtime:InvokeEndpointWithResponseStream"];

/// Operations with an answer that is no error, and operations with one that is.
fn judge(by: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let postgres = Postgres::start();
    let world = format!("{}{JUDGE}{}", Worlds::pod_identity(), postgres.world());
    let sandbox = Sandbox::start(World::from_toml(&world).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name)
    };
    let subject = "system:serviceaccount:team-ns:glue-trigger";
    let token = sandbox.token("cluster", subject, "sts.amazonaws.com", Duration::from_hours(1)).unwrap();
    let ca = write("ca.pem", sandbox.ca_pem());
    let output = conformance::python("operations.py")
        .arg(by)
        .env("HOME", folder.path())
        .env("SANDBOX_URL", sandbox.url())
        .env("SANDBOX_TOKEN_FILE", write("token", &token))
        .env("HTTPS_PROXY", sandbox.proxy_url())
        .env("AWS_CA_BUNDLE", &ca)
        .env("SSL_CERT_FILE", &ca)
        .env("AWS_DEFAULT_REGION", "us-east-2")
        .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
        .output()
        .expect("python3, as setup has seen it");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && output.stdout == b"ok\n", "{by} is not content:\n{said}");
    let of = |refused: bool| {
        let calls = sandbox.calls().into_iter();
        let calls = calls.filter(|call| call.status.is_some_and(|status| (status >= 400) == refused));
        calls.map(|call| format!("{}:{}", call.service, call.operation)).collect()
    };
    (of(false), of(true))
}

#[track_caller]
fn assert_complete(by: &str, but: &[&str]) {
    let (done, refused) = judge(by);
    let lacks = |name: &String| {
        let (done, refused) = (done.contains(name), refused.contains(name));
        let enough = (done && refused) || (ONE_OUTCOME.contains(&name.as_str()) && (done || refused));
        !(enough || but.contains(&name.as_str()))
    };
    let operations = sandbox::operations().into_iter();
    let named = operations.map(|operation| format!("{}:{}", operation.service, operation.name));
    let lacking: Vec<_> = named.filter(lacks).collect();
    assert!(lacking.is_empty(), "operations.py does not call these both well and badly: {lacking:#?}");
}

#[test]
fn botocore_gets_what_it_expects_of_every_operation() {
    assert_complete("botocore", &[]);
}

#[test]
#[ignore = "a process of the AWS CLI costs 0.6 s of CPU: `make conformance`"]
fn the_aws_cli_gets_what_it_expects_of_every_operation() {
    assert_complete("cli", &NOT_BY_CLI);
}

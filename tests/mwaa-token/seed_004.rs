//! The documented system, step by step: a Fargate task in account A, its task role, a role of account B with the
//! documented policies, an MWAA environment there. Everything is set by environment, as in a task definition.

use testkit::{Outcome, Site};

use super::BINARY;

/// The documented roles and policies, with the names and actions of the document.
const WORLD: &str = r#"
region = "us-east-1"

[accounts.111111111111.roles.ECSFargateRole]
allow = ["sts:AssumeRole on arn:aws:iam::222222222222:role/AccountB-MWAA-ReadRole"]

[accounts.222222222222.roles.AccountB-MWAA-ReadRole]
allow = [
    "airflow:GetEnvironment on arn:aws:airflow:us-east-1:222222222222:*",
    "airflow:ListEnvironments on arn:aws:airflow:us-east-1:222222222222:*",
    "airflow:CreateWebLoginToken on arn:aws:airflow:us-east-1:222222222222:*",
    "airflow:CreateCliToken on arn:aws:airflow:us-east-1:222222222222:*",
    "s3:PutObject on arn:aws:s3:::sparkflows-air/*",
    "s3:GetObject on arn:aws:s3:::sparkflows-air/*",
    "s3:DeleteObject on arn:aws:s3:::sparkflows-air/*",
    "s3:ListBucket on arn:aws:s3:::sparkflows-air/*",
]
trust = [{ principal = "arn:aws:iam::111111111111:role/ECSFargateRole" }]

[[container_credentials]]
path = "/v2/credentials/task-1"
role = "arn:aws:iam::111111111111:role/ECSFargateRole"

[[mwaa.environments]]
account = "222222222222"
name = "sparkflows"
bucket = "sparkflows-air"

[[mwaa.environments.dags]]
id = "orders"

[[s3.buckets]]
account = "222222222222"
name = "sparkflows-air"
objects = { "dags/orders.py" = "from airflow import DAG" }
"#;

/// A Fargate task.
fn task(world: &str) -> Site {
    let site = Site::bare(BINARY, world).behind_proxy();
    let uri = format!("{}/v2/credentials/task-1", site.sandbox.url());
    site.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri)
        .env("ASSUME_ROLE", "arn:aws:iam::222222222222:role/AccountB-MWAA-ReadRole")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ENDPOINT_URL_MWAA", "https://airflow.us-east-1.amazonaws.com")
        .env("MWAA_ENVIRONMENT_NAME", "sparkflows")
        .env("JOB_POLL_INTERVAL", "100ms")
        .env("EXPECT_ACCOUNT", "222222222222")
}

fn secret(site: &Site, args: &[&str]) -> Outcome {
    site.start(args).with_secret_result().finish()
}

#[test]
fn account_a_ecs_fargate_task_role() {
    let site = task(WORLD);
    site.run(["describe"]).assert_exit(0).assert_says("AccountB-MWAA-ReadRole");
    // Without its policy, the second hop is refused and named.
    let site = task(&WORLD.replace("\"sts:AssumeRole on", "\"sts:Nothing on"));
    site.run(["describe"]).assert_exit(77).assert_says("hop 2 of 2").assert_says("ECSFargateRole");
}

#[test]
fn account_b_trust_relationship() {
    let site = task(&WORLD.replace("role/ECSFargateRole\" }]", "role/SomebodyElse\" }]"));
    site.run(["describe"]).assert_exit(77).assert_says("hop 2 of 2").assert_says("to mend: ");
}

#[test]
fn account_b_get_environment() {
    let told = task(WORLD).run(["describe"]).assert_exit(0).json();
    assert_eq!((&told["status"], &told["account"]), (&"AVAILABLE".into(), &"222222222222".into()));
}

/// The action takes no resource: on an ARN, as documented, it allows nothing.
#[test]
fn account_b_list_environments() {
    task(WORLD).run(["environments"]).assert_exit(77).assert_says("airflow:ListEnvironments on resource: *");
    let mended = WORLD.replace(
        "airflow:ListEnvironments on arn:aws:airflow:us-east-1:222222222222:*",
        "airflow:ListEnvironments on *",
    );
    let told = task(&mended).run(["environments"]).assert_exit(0).json();
    assert_eq!(told["environments"][0], "sparkflows");
}

#[test]
fn account_b_create_cli_token() {
    let site = task(WORLD);
    assert!(secret(&site, &["cli", "--output", "text"]).assert_exit(0).text().len() > 40);
    site.run(["run", "--", "version"]).assert_exit(0);
}

#[test]
fn account_b_create_web_login_token() {
    let outcome = secret(&task(WORLD), &["web", "--output", "text"]);
    assert!(outcome.assert_exit(0).text().contains("/aws_mwaa/aws-console-sso?login=true#"));
}

/// The documented role has no `InvokeRestApi`: the command line does it all.
#[test]
fn account_b_a_dag_is_run_with_the_documented_policy() {
    let site = task(WORLD).env("MWAA_DAG_ID", "orders").env("IDEMPOTENCY_KEY", "task-1");
    let told = site.run(["trigger"]).assert_exit(0).json();
    assert_eq!((&told["state"], &told["channel"]), (&"success".into(), &"cli".into()));
    assert_eq!(site.sandbox.dag_runs("sparkflows").len(), 1);
    let granted = WORLD.replace(
        "allow = [\n    \"airflow:Get",
        "allow = [\n    \"airflow:InvokeRestApi on arn:aws:airflow:us-east-1:222222222222:role/sparkflows/User\",\n    \"airflow:Get",
    );
    let told = task(&granted).run(["trigger", "orders"]).assert_exit(0).json();
    assert_eq!(told["channel"], "rest");
}

#[test]
fn account_b_s3_policy_of_the_dag_folder() {
    let site = task(WORLD);
    site.write("new.py", "x");
    site.run(["dags", "upload", "new.py"]).assert_exit(0);
    assert_eq!(site.sandbox.object("sparkflows-air", "dags/new.py").unwrap(), b"x");
    site.run(["dags", "delete", "new.py"]).assert_exit(0);
    assert_eq!(site.sandbox.objects("sparkflows-air"), ["dags/orders.py"]);
    // ListBucket is a right to the bucket: on its objects, as documented, it allows nothing.
    site.run(["dags", "list"]).assert_exit(77).assert_says("s3:ListBucket");
    let mended = WORLD.replace(
        "s3:ListBucket on arn:aws:s3:::sparkflows-air/*",
        "s3:ListBucket on arn:aws:s3:::sparkflows-air",
    );
    let told = task(&mended).run(["dags", "list"]).assert_exit(0).json();
    assert_eq!(told["listed"][0]["name"], "orders.py");
}

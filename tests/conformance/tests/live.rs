//! The probes of tests/live against the sandbox: each has a row in docs/verified.md, each can be made, and nothing but their own
//! work is touched.

// Tests: a panic is how a test fails.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::{Effects, Postgres, Sandbox, WorkKind, World, Worlds};

/// A team's account: a user who may do everything in it, and what the probes need.
const TEAM: &str = r#"
[accounts.222222222222.users.judge]
access_key_id = "AKIAIOSFODNN7EXAMPLE"
secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
allow = ["*"]

[accounts.222222222222.roles.team]
allow = ["*"]
trust = [{ principal = "arn:aws:iam::222222222222:user/judge" }]

[accounts.222222222222.roles.next]
max_session = "12h"
trust = [{ principal = "arn:aws:iam::222222222222:role/team" }]

[[glue.jobs]]
account = "222222222222"
name = "live"
max_concurrent_runs = 3
courses = [{ steps = [{ state = "RUNNING" }] }]

[[stepfunctions.state_machines]]
account = "222222222222"
name = "live"
scripts = [{ steps = [{ state = "Wait" }] }]
"#;

const SPEC: &str = r#"{
    "TrainingJobName": "replaced",
    "RoleArn": "arn:aws:iam::222222222222:role/sagemaker-training",
    "AlgorithmSpecification": { "TrainingImage": "image", "TrainingInputMode": "File" },
    "OutputDataConfig": { "S3OutputPath": "s3://team-data/models/" },
    "ResourceConfig": { "InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10 }
}"#;

const CONFIG: &str = "
[profile judge]
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
[profile team]
role_arn = arn:aws:iam::222222222222:role/team
source_profile = judge
region = us-east-2
";

const STATE_MACHINE: &str = "arn:aws:states:us-east-2:222222222222:stateMachine:live";

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Runs a command to its end: whether it succeeded, and all that it printed.
fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().expect("python3, as setup has seen it");
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

struct Place {
    sandbox: Sandbox,
    folder: tempfile::TempDir,
    _postgres: Postgres,
}

impl Place {
    fn new() -> Self {
        let postgres = Postgres::start();
        let world = format!("{}{TEAM}{}", Worlds::TWO_ACCOUNTS, postgres.world());
        let sandbox = Sandbox::start(World::from_toml(&world).unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), sandbox.ca_pem()).unwrap();
        std::fs::write(folder.path().join("spec.json"), SPEC).unwrap();
        std::fs::write(folder.path().join("config"), CONFIG).unwrap();
        std::fs::copy(here("docs/verified.md"), folder.path().join("verified.md")).unwrap();
        Self { sandbox, folder, _postgres: postgres }
    }

    fn register(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("verified.md")).unwrap()
    }

    fn live(&self) -> Command {
        let mut command = conformance::python("../live/live.py");
        let file = |name: &str| self.folder.path().join(name);
        command.arg("--register").arg(file("verified.md"));
        command
            .env("HOME", self.folder.path())
            .env("HTTPS_PROXY", self.sandbox.proxy_url())
            .env("AWS_CA_BUNDLE", file("ca.pem"))
            .env("AWS_CONFIG_FILE", file("config"))
            .env("AWS_PROFILE", "team")
            .env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }
}

#[test]
fn every_probe_runs_and_touches_its_own_work_only() {
    let place = Place::new();
    // Of somebody else, and still running when the probes have ended.
    let foreign_run = place.sandbox.start_run("live", [("--live-nonce", "of somebody else")]).unwrap();
    let execution = place.sandbox.start_execution("live", "live-of-somebody-else", "{}").unwrap();
    let before = place.sandbox.objects("team-data");
    let (ok, text) = run(place
        .live()
        .env("LIVE_GLUE_JOB", "live")
        .env("LIVE_TRAINING_SPEC", place.folder.path().join("spec.json"))
        .env("LIVE_REDSHIFT_WORKGROUP", "adhoc")
        .env("LIVE_REDSHIFT_DATABASE", "dev")
        .env("LIVE_DURABLE_FUNCTION", "workflow:live")
        .env("LIVE_MWAA_ENVIRONMENT", "orchestrator")
        .env("LIVE_MWAA_DAG", "nightly")
        .env("LIVE_STATE_MACHINE", STATE_MACHINE)
        .env("LIVE_BUCKET", "team-data")
        .env("LIVE_ROLE", "arn:aws:iam::222222222222:role/next"));
    assert!(ok, "{text}");
    assert!(!text.contains("**differs**"), "the sandbox behaves as the register says: {text}");

    // No row is left that a probe can fill.
    let register = place.register();
    let rows: Vec<&str> = register.lines().filter(|line| line.starts_with("| `")).collect();
    assert!(rows.len() > 40 && rows.iter().all(|row| !row.ends_with("| not yet |")), "{register}");
    assert!(!register.contains("222222222222"), "no account is named: {register}");

    let sandbox = &place.sandbox;
    for kind in WorkKind::ALL {
        for work in sandbox.work(kind) {
            let foreign = [&foreign_run, &execution].contains(&&work.id);
            let state = work.state.as_deref().unwrap_or_default();
            let running = ["RUNNING", "STARTING", "InProgress", "queued", "running"].contains(&state);
            assert_eq!(running, foreign, "{work:?}");
            assert!(!foreign || work.stops == 0, "{work:?}");
        }
    }
    assert_eq!(sandbox.objects("team-data"), before);
    // The one end that is overwritten is that of a run of its own.
    assert_eq!(sandbox.effects(WorkKind::DagRun), Effects { starts: 1, stops: 0, overwrites: 1 });
    assert!(sandbox.dag_runs("orchestrator").is_empty(), "it is deleted");
}

#[test]
fn what_is_not_named_is_left_out_and_a_plan_sends_nothing() {
    let place = Place::new();
    let (ok, text) = run(place.live().arg("--plan").env("LIVE_GLUE_JOB", "live"));
    assert!(ok && text.contains("glue-list-lag: one run of the Glue job"), "{text}");
    assert!(text.contains("execution-closed: left out, set LIVE_STATE_MACHINE"), "{text}");
    let (ok, text) = run(&mut place.live());
    assert!(!ok && text.contains("no probe can run"), "{text}");
    assert!(place.sandbox.calls().is_empty());

    // A probe that fails leaves its row as it was, and what it started is stopped.
    let (ok, text) = run(place.live().arg("glue-list-lag").env("LIVE_GLUE_JOB", "nowhere"));
    assert!(!ok && text.contains("not checked: glue-list-lag"), "{text}");
    assert_eq!(place.register(), std::fs::read_to_string(here("docs/verified.md")).unwrap());
}

//! The task definitions and the schedule for ECS.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::collections::BTreeMap;

use deploy::container::{Container, image};
use deploy::manifest::{at, rendered, seconds, workload};
use deploy::{binaries, judge, name, read, root, run};
use sandbox::{Sandbox, World};
use serde_json::{Map, Value, json};
use testkit::Worlds;

fn definitions() -> Vec<String> {
    let all = std::fs::read_dir(root().join("images/ecs")).expect("a folder");
    let mut all: Vec<String> = all.map(|entry| name(entry.expect("an entry").path())).collect();
    all.retain(|file| file != "schedule.json");
    all.sort();
    all
}

fn definition(file: &str) -> Value {
    serde_json::from_str(&read(&format!("images/ecs/{file}")))
        .unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// By the model of the API in botocore.
fn shape(service: &str, operation: &str, files: &[String]) -> Result<String, String> {
    let mut python = judge("python");
    python.arg(root().join("tests/deploy/shape.py")).args([service, operation]);
    run(python.args(files.iter().map(|file| root().join("images/ecs").join(file))))
}

#[test]
fn every_binary_has_a_task_definition() {
    let all = definitions();
    for binary in binaries() {
        assert!(all.contains(&format!("{binary}.json")), "images/ecs/{binary}.json is missing");
    }
}

#[test]
fn the_api_takes_them() {
    assert_eq!(shape("ecs", "RegisterTaskDefinition", &definitions()), Ok(String::new()));
    assert_eq!(shape("scheduler", "CreateSchedule", &["schedule.json".into()]), Ok(String::new()));
    // Not a judge that takes everything: a misspelt name, a wrong type, a value of no enumeration.
    let folder = tempfile::tempdir().expect("a folder");
    for (good, bad, found) in [
        ("\"stopTimeout\"", "\"stopTimeOut\"", "stopTimeOut"),
        ("\"stopTimeout\": 30", "\"stopTimeout\": \"30\"", "stopTimeout"),
        ("\"FARGATE\"", "\"Fargate\"", "Fargate"),
    ] {
        let file = folder.path().join("broken.json");
        let text = read("images/ecs/glue-trigger.json");
        assert!(text.contains(good));
        std::fs::write(&file, text.replace(good, bad)).expect("a file");
        let said = shape("ecs", "RegisterTaskDefinition", &[file.display().to_string()]).expect_err(bad);
        assert!(said.contains(found), "{said}");
    }
}

/// As resources of a template, where the linter knows what goes together on Fargate.
#[test]
fn fargate_runs_them() {
    let resources: Map<String, Value> = definitions()
        .iter()
        .enumerate()
        .map(|(number, file)| {
            let properties = pascal(&definition(file));
            (format!("Task{number}"), json!({"Type": "AWS::ECS::TaskDefinition", "Properties": properties}))
        })
        .collect();
    let lint = |resources: &Map<String, Value>| {
        let file = tempfile::Builder::new().suffix(".json").tempfile().expect("a file");
        let template = json!({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources});
        std::fs::write(file.path(), template.to_string()).expect("a file");
        // W3045 and the like ask for intrinsic functions where this test has none.
        run(judge("cfn-lint").arg(file.path()))
    };
    assert_eq!(lint(&resources), Ok(String::new()));
    let mut broken = resources;
    broken["Task0"]["Properties"]["Memory"] = json!("300");
    assert!(lint(&broken).is_err(), "256 units of CPU do not go with 300 MiB");
}

/// Names as `CloudFormation` has them. Options of a log driver are data.
fn pascal(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| {
                let value = if name == "options" { value.clone() } else { pascal(value) };
                (name[..1].to_uppercase() + &name[1..], value)
            })
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(pascal).collect(),
        other => other.clone(),
    }
}

#[test]
fn a_task_is_as_confined_as_a_pod() {
    for file in definitions() {
        let task = definition(&file);
        let binary = file.trim_end_matches(".json");
        assert_eq!(task["family"], binary);
        let container = at(&task, "/containerDefinitions/0");
        assert_eq!(container["user"], "65532:65532", "{file}");
        assert_eq!(container["readonlyRootFilesystem"], true, "{file}");
        assert_eq!(container["privileged"], false, "{file}");
        assert_eq!(at(container, "/linuxParameters/capabilities/drop"), &json!(["ALL"]), "{file}");
        assert!(container["entryPoint"].is_null(), "{file}: there is no shell in the image");
        // Fargate waits for two minutes at most; the program needs four seconds.
        assert_eq!(container["stopTimeout"], 30, "{file}");
        assert_eq!(at(container, "/logConfiguration/logDriver"), "awslogs", "{file}");
        let image = container["image"].as_str().expect("an image");
        assert!(image.contains(&format!("/{binary}:")), "{file}: {image}");
        // The two roles are not the execution role, which pulls the image.
        assert_ne!(task["taskRoleArn"], task["executionRoleArn"], "{file}");
        // Fargate has no limit for a task: the program's own is the only one.
        let mut command = container["command"].as_array().expect("a command").iter();
        let timeout = command.find_map(|argument| argument.as_str()?.strip_prefix("--timeout="));
        assert!(seconds(timeout.unwrap_or_else(|| panic!("{file} has no --timeout"))) > 0);
        // The same as in the service, where that has no volume.
        let documents = rendered(&format!("k8s/services/{binary}"));
        let job = deploy::manifest::job_spec(workload(&documents)).expect("a workload");
        let pod = at(job, "/template/spec/containers/0");
        if pod["volumeMounts"].as_array().is_some_and(|mounts| mounts.len() == 1) {
            assert_eq!(container["command"], pod["args"], "{file}");
        }
    }
}

#[test]
fn a_schedule_names_the_work_by_its_time() {
    let schedule = definition("schedule.json");
    let input: Value =
        serde_json::from_str(at(&schedule, "/Target/Input").as_str().expect("a text")).expect("JSON");
    let container = at(&input, "/containerOverrides/0");
    assert_eq!(container["name"], "job");
    let key = container["environment"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|one| one["name"] == "IDEMPOTENCY_KEY");
    let key = key.expect("a key")["value"].as_str().expect("a text");
    // The same for every try to run the task; the id of an execution is not.
    assert!(key.contains("<aws.scheduler.scheduled-time>"), "{key}");
    assert!(
        at(&schedule, "/Target/EcsParameters/TaskDefinitionArn")
            .as_str()
            .expect("an ARN")
            .ends_with("/glue-trigger")
    );
}

/// A task runs as it is defined: credentials of the task role from the agent, the next role by `ASSUME_ROLE`, no file.
#[test]
fn a_task_does_its_job_with_the_task_role() {
    let world = Worlds::TWO_ACCOUNTS.replace("external-glue", "external-glue-trigger")
        + "\n[[container_credentials]]\npath = \"/v2/credentials\"\nrole = \"arn:aws:iam::111111111111:role/cats-glue\"\n";
    let sandbox = Sandbox::start(World::from_toml(&world).expect("a world")).expect("a sandbox");
    let task = definition("glue-trigger.json");
    let container = at(&task, "/containerDefinitions/0");
    let mut variables: BTreeMap<String, String> = container["environment"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| {
            (one["name"].as_str().expect("a name").into(), one["value"].as_str().expect("a value").into())
        })
        .collect();
    variables.insert("IDEMPOTENCY_KEY".into(), "nightly-etl-2026-11-25T00:00:00Z".into());
    variables.insert("AWS_ENDPOINT_URL".into(), sandbox.url());
    // The agent's address is a relative one on Fargate; that takes an interface of its own.
    variables
        .insert("AWS_CONTAINER_CREDENTIALS_FULL_URI".into(), format!("{}/v2/credentials", sandbox.url()));
    let mut arguments: Vec<String> =
        ["--network=host", "--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL"]
            .map(String::from)
            .into();
    arguments.push(format!("--user={}", container["user"].as_str().expect("a user")));
    arguments.extend(variables.iter().map(|(name, value)| format!("--env={name}={value}")));
    arguments.push(image("glue-trigger"));
    let command = container["command"].as_array().expect("a list");
    arguments.extend(command.iter().map(|argument| argument.as_str().expect("a text").to_owned()));
    for _ in 0..2 {
        let ended = Container::start(&format!("task-{}", std::process::id()), &arguments).finish();
        assert_eq!(ended.code, 0, "{}", ended.stderr);
    }
    assert_eq!(sandbox.started("nightly-etl"), 1, "the schedule's time is the key");
}

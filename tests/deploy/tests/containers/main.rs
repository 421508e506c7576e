//! The images, run as the manifests say: the user, the root, the capabilities, the memory, the volumes, the variables –
//! and what happens to process 1 of a container.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod clients;
mod namespace;

use std::time::{Duration, Instant};

use deploy::container::{binary, image};
use deploy::pod::{Placed, Pod};
use serde_json::{Value, json};
use testkit::Postgres;

use namespace::{Namespace, assert_ended, run, start};

#[test]
fn glue_trigger_does_its_job_as_documented() {
    let namespace = Namespace::new("");
    let pod = namespace.pod("k8s/overlays/documented", "glue-trigger", 1);
    let ended = run(&pod, "glue");
    assert_ended(&ended, &pod, 0);
    assert_eq!(namespace.sandbox.started("nightly-etl"), 1);
    // --logs, through CloudWatch; the Job's name in CloudTrail; the profile's region and not the cluster's.
    assert!(ended.stderr.contains("wrote 1204 rows"), "{}", ended.stderr);
    assert!(ended.stderr.contains("us-east-2") && !ended.stderr.contains("eu-north-1"), "{}", ended.stderr);
    let calls = namespace.sandbox.calls();
    let start = calls.iter().find(|call| call.operation == "StartJobRun").expect("a start");
    assert!(format!("{start:?}").contains("external-glue/glue-trigger-29400000"), "{start:?}");
}

/// The way that k8s/README.md tells to try a chain.
#[test]
fn a_check_starts_nothing() {
    let namespace = Namespace::new("");
    let pod = namespace.changed("k8s/overlays/documented", "glue-trigger", 1, |job| {
        let variables =
            job.pointer_mut("/spec/jobTemplate/spec/template/spec/containers/0/env").expect("env");
        variables.as_array_mut().expect("a list").push(json!({"name": "JOB_CHECK", "value": "true"}));
    });
    assert_ended(&run(&pod, "check"), &pod, 0);
    assert_eq!(namespace.sandbox.started("nightly-etl"), 0);
}

#[test]
fn lambda_invoke_does_its_job_as_documented() {
    let namespace = Namespace::new("");
    let pod = namespace.pod("k8s/services/lambda-invoke", "lambda-invoke", 1);
    let ended = run(&pod, "lambda");
    assert_ended(&ended, &pod, 0);
    assert_eq!(ended.stdout, r#"{"rows": 1204, "status": "ok"}"#);
    assert_eq!(namespace.sandbox.invoked("nightly-report"), 1);
}

#[test]
fn sagemaker_invoke_does_its_job_as_documented() {
    let endpoint = "\n[[sagemaker.endpoints]]\naccount = \"222222222222\"\nname = \"churn\"\n\
                    [[sagemaker.endpoints.courses]]\nbody = \"0.93\"\ncontent_type = \"text/csv\"\n";
    let namespace = Namespace::new(endpoint);
    let pod = namespace.pod("k8s/services/sagemaker-invoke", "sagemaker-invoke", 1);
    let ended = run(&pod, "sagemaker");
    assert_ended(&ended, &pod, 0);
    assert_eq!(ended.stdout, "0.93");
    assert_eq!(namespace.sandbox.inferred("churn"), 1);
}

#[test]
fn redshift_query_does_its_job_as_documented() {
    let postgres = Postgres::start();
    let namespace = Namespace::new(&postgres.world());
    let pod = namespace.pod("k8s/services/redshift-query", "redshift-query", 1);
    let ended = run(&pod, "redshift");
    assert_ended(&ended, &pod, 0);
    assert_eq!(ended.stdout, "n\n7\n");
}

/// Two pods of an Indexed Job on one volume: each does its own lines, under a key of its own.
#[test]
fn an_indexed_job_shares_the_lines_out() {
    let function = "\n[[lambda.functions]]\naccount = \"222222222222\"\nname = \"score-order\"\n\
                    [[lambda.functions.courses]]\nanswer = \"echo\"\n";
    let namespace = Namespace::new(function);
    let lines: Vec<String> = (0..16).map(|order| format!("{{\"order\":{order}}}\n")).collect();
    for index in [0, 3] {
        let pod =
            namespace.indexed("k8s/overlays/indexed-batch", "lambda-invoke", index, Some(index), |_| {});
        std::fs::write(namespace.folder.path().join("data/orders.jsonl"), lines.concat()).expect("a file");
        assert_ended(&run(&pod, "indexed"), &pod, 0);
        let answers = namespace.folder.path().join(format!("data/answers-{index}.jsonl"));
        let answers = std::fs::read_to_string(answers).expect("the pod has written its answers");
        let orders: Vec<Value> = answers
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["payload"]["order"].clone())
            .collect();
        assert_eq!(orders, [json!(index), json!(index + 8)], "{answers}");
    }
    assert_eq!(namespace.sandbox.invoked("score-order"), 4);
}

/// The agent of EKS takes both roles itself, where the association has a target role; the pod has no profile.
#[test]
fn a_pod_identity_needs_no_configuration() {
    const FOLDER: &str = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount";
    let agent = "\n[[container_credentials]]\npath = \"/v1/credentials\"\nauthorization = \"token-of-this-pod\"\n\
                 role = \"arn:aws:iam::222222222222:role/external-glue\"\n";
    let namespace = Namespace::new(agent);
    let mut pod = namespace.pod("k8s/overlays/pod-identity", "glue-trigger", 1);
    // What the webhook of EKS adds.
    let token = namespace.folder.path().join("eks-pod-identity");
    std::fs::create_dir(&token).expect("a folder");
    std::fs::write(token.join("eks-pod-identity-token"), "token-of-this-pod").expect("a file");
    pod.mount(&token, FOLDER);
    let address = format!("{}/v1/credentials", namespace.sandbox.url());
    pod.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", &address);
    pod.set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &format!("{FOLDER}/eks-pod-identity-token"));
    assert_ended(&run(&pod, "identity"), &pod, 0);
    assert_eq!(namespace.sandbox.started("nightly-etl"), 1);
    assert_eq!(namespace.sandbox.count("sts", "AssumeRole"), 0);
}

#[test]
fn chain_check_does_its_job_as_documented() {
    let namespace = Namespace::new("");
    let pod = namespace.pod("k8s/services/chain-check", "chain-check", 1);
    let ended = run(&pod, "chain");
    assert_ended(&ended, &pod, 0);
    assert!(ended.stdout.contains("external-glue"), "{}", ended.stdout);
}

/// The same Job once more, over TLS through a certificate of the namespace's own, as the component ca-bundle mounts it.
#[test]
fn a_ca_bundle_is_mounted_and_trusted() {
    let namespace = Namespace::new("");
    let folder =
        tempfile::Builder::new().prefix("ca").tempdir_in(deploy::root().join("target")).expect("a folder");
    let relative = |path: &str| format!("../../k8s/{path}");
    let text = format!(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [{}]\ncomponents: [{}]\n",
        relative("services/lambda-invoke"),
        relative("components/ca-bundle")
    );
    std::fs::write(folder.path().join("kustomization.yaml"), text).expect("a file");
    let mut namespace = namespace;
    namespace.maps.insert("ca-bundle", vec![("ca.pem", namespace.sandbox.ca_pem().to_owned())]);
    let documents = deploy::manifest::documents(&deploy::manifest::render(folder.path()));
    let placed = Placed { name: "p".into(), job_uid: "u".into(), job_name: "job-1".into(), index: None };
    let extra = [
        ("AWS_ENDPOINT_URL", namespace.sandbox.https_url()),
        ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false".to_owned()),
    ];
    let pod = Pod::place(
        &documents,
        &image("lambda-invoke"),
        &placed,
        namespace.folder.path(),
        &extra,
        &namespace.maps,
    );
    let token =
        namespace.sandbox.token("cluster", &pod.subject, "sts.amazonaws.com", Duration::from_hours(1));
    pod.give_token(&token.expect("the issuer signs"));
    assert_ended(&run(&pod, "ca"), &pod, 0);
}

/// A job that goes on for a minute.
const LONG: &str = r#"
[[glue.jobs]]
account = "222222222222"
name = "long-etl"
[[glue.jobs.courses]]
steps = [{ state = "RUNNING" }, { state = "SUCCEEDED", after = "1m" }]
"#;

fn long(job: &mut Value) {
    let arguments = job.pointer_mut("/spec/jobTemplate/spec/template/spec/containers/0/args").expect("args");
    *arguments = json!(["--job-name=long-etl", "--timeout=4h", "--poll-interval=100ms"]);
}

/// A drained node: SIGTERM to process 1. The run is left to the next pod, which takes over the wait.
#[test]
fn a_pod_that_is_stopped_hands_its_work_over() {
    let namespace = Namespace::new(LONG);
    let pod = namespace.changed("k8s/overlays/documented", "glue-trigger", 1, long);
    let container = start(&pod, "stopped");
    namespace.wait_for_calls("glue", "GetJobRun", 1);
    let since = Instant::now();
    container.stop(pod.grace);
    let ended = container.finish();
    assert_ended(&ended, &pod, 143);
    assert!(since.elapsed() < Duration::from_secs(pod.grace / 2), "it took {:?}", since.elapsed());
    assert_eq!(namespace.sandbox.count("glue", "BatchStopJobRun"), 0);

    namespace.sandbox.advance(Duration::from_mins(2));
    let next = namespace.changed("k8s/overlays/documented", "glue-trigger", 2, long);
    assert_ended(&run(&next, "stopped-next"), &next, 0);
    assert_eq!(namespace.sandbox.started("long-etl"), 1);
}

/// A node that dies: no signal that can be handled.
#[test]
fn a_pod_that_is_killed_is_replaced_without_a_second_run() {
    let namespace = Namespace::new(LONG);
    let pod = namespace.changed("k8s/overlays/documented", "glue-trigger", 1, long);
    let container = start(&pod, "killed");
    namespace.wait_for_calls("glue", "StartJobRun", 1);
    container.kill();
    assert_eq!(container.finish().code, 137);

    namespace.sandbox.advance(Duration::from_mins(2));
    let next = namespace.changed("k8s/overlays/documented", "glue-trigger", 2, long);
    assert_ended(&run(&next, "killed-next"), &next, 0);
    assert_eq!(namespace.sandbox.started("long-etl"), 1);
}

/// The documented pitfalls, seen from inside a container: each ends before any request with the code that fails the Job.
#[test]
fn what_is_not_set_up_fails_closed() {
    for (what, code, says) in [
        ("no ConfigMap key", 78, "/etc/aws/aws-config"),
        ("no such profile", 78, "extern"),
        ("no token", 78, "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"),
        ("another service account", 77, "hop 1 of 2"),
    ] {
        let mut namespace = Namespace::new("");
        if what == "no ConfigMap key" {
            namespace.maps.insert("aws-config", vec![("config", String::new())]);
        }
        let pod = namespace.changed("k8s/services/lambda-invoke", "lambda-invoke", 1, |job| {
            let container =
                job.pointer_mut("/spec/jobTemplate/spec/template/spec/containers/0").expect("a container");
            let profile = container["env"]
                .as_array_mut()
                .expect("env")
                .iter_mut()
                .find(|one| one["name"] == "AWS_PROFILE");
            if what == "no such profile" {
                profile.expect("AWS_PROFILE")["value"] = json!("extern");
            }
        });
        if what == "no token" {
            std::fs::remove_file(&pod.token).expect("a token");
        }
        if what == "another service account" {
            let other = "system:serviceaccount:other-ns:lambda-invoke";
            let token =
                namespace.sandbox.token("cluster", other, "sts.amazonaws.com", Duration::from_hours(1));
            pod.give_token(&token.expect("the issuer signs"));
        }
        let ended = run(&pod, "closed");
        assert_ended(&ended, &pod, code);
        assert!(ended.stderr.contains(says), "{what}: {}", ended.stderr);
        assert_eq!(namespace.sandbox.invoked("nightly-report"), 0, "{what}");
    }
}

/// What podman was told is what the process finds: its user, no capability, no new privileges, a root that cannot be
/// written, no file system in memory but /dev.
#[test]
fn the_process_is_as_confined_as_the_manifest_says() {
    let namespace = Namespace::new(LONG);
    let pod = namespace.changed("k8s/overlays/documented", "glue-trigger", 1, long);
    let container = start(&pod, "confined");
    namespace.wait_for_calls("glue", "GetJobRun", 1);
    let own = std::fs::metadata(binary("glue-trigger")).expect("make static").len();
    let process = std::fs::read_dir("/proc")
        .expect("/proc")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .find(|id| {
            let there = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
            String::from_utf8_lossy(&there).contains(&format!("AWS_ENDPOINT_URL={}", namespace.sandbox.url()))
                && std::fs::metadata(format!("/proc/{id}/exe")).is_ok_and(|exe| exe.len() == own)
        })
        .expect("the process of the container");
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
    for line in [
        "Uid:\t65532\t65532\t65532\t65532",
        "Gid:\t65532\t65532\t65532\t65532",
        "CapEff:\t0000000000000000",
        "CapPrm:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
    ] {
        assert!(status.lines().any(|found| found == line), "no `{line}` in:\n{status}");
    }
    assert!(
        status.lines().any(|line| line.starts_with("NSpid:") && line.ends_with("\t1")),
        "not process 1:\n{status}"
    );
    let mounts = std::fs::read_to_string(format!("/proc/{process}/mounts")).expect("a process");
    let root = mounts.lines().find(|line| line.split(' ').nth(1) == Some("/")).expect("a root");
    assert!(root.split(' ').nth(3).is_some_and(|options| options.starts_with("ro")), "{root}");
    assert!(!mounts.lines().any(|line| line.split(' ').nth(1) == Some("/tmp")), "{mounts}");
    container.kill();
    container.finish();
}

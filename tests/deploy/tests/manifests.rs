//! The manifests, as kustomize renders them.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::PathBuf;

use deploy::failure_policy::assert_follows_exit_codes;
use deploy::manifest::{
    KUBERNETES, at, deployables, documents, job_spec, of_kind, option, program, render, rendered, seconds,
    sidecars, validate, workload,
};
use deploy::pod::skipped_containers;
use deploy::rules::violations;
use deploy::{binaries, folders, judge, name, root, run};
use job_runtime::Exit;
use serde_json::{Value, json};

/// Writes what every folder renders to, one file each.
fn render_all() -> (tempfile::TempDir, Vec<PathBuf>) {
    // checkov passes over folders that are hidden.
    let folder = tempfile::Builder::new().prefix("manifests").tempdir().expect("a folder");
    let files = deployables()
        .into_iter()
        .map(|deployable| {
            let file = folder.path().join(name(deployable.clone())).with_extension("yaml");
            std::fs::write(&file, render(&deployable)).expect("a file");
            file
        })
        .collect();
    (folder, files)
}

#[test]
fn every_binary_has_a_service() {
    let services: BTreeSet<String> = folders("k8s/services").into_iter().map(name).collect();
    for binary in binaries() {
        assert!(services.contains(&binary), "k8s/services/{binary} is missing");
    }
}

#[test]
fn kubernetes_knows_every_field() {
    let (_folder, files) = render_all();
    for version in KUBERNETES {
        validate(version, &files).unwrap_or_else(|said| panic!("{said}"));
    }
    // Not a validator that takes everything.
    let broken =
        std::fs::read_to_string(&files[0]).expect("a file").replace("restartPolicy:", "restartPolice:");
    std::fs::write(&files[0], broken).expect("a file");
    for version in KUBERNETES {
        assert!(validate(version, &files).is_err(), "{version}");
    }
}

#[test]
fn an_api_server_would_take_them() {
    for folder in deployables() {
        assert_eq!(violations(&documents(&render(&folder))), Vec::<String>::new(), "{}", folder.display());
    }
}

/// Breaks the documented `CronJob` in one place after the other; each must be found.
#[test]
fn what_an_api_server_refuses_is_found() {
    let documented = rendered("k8s/overlays/documented");
    let job = "/spec/jobTemplate/spec";
    let pod = "/spec/jobTemplate/spec/template/spec";
    for (place, broken, expected) in [
        (String::from("/apiVersion"), json!("apps/v1"), "is of batch/v1"),
        ("/kind".into(), json!("Deployment"), "no kind `Deployment`"),
        ("/metadata/name".into(), json!("Nightly_ETL"), "is no name"),
        ("/metadata/name".into(), json!("a".repeat(53)), "is no name"),
        ("/metadata/labels/app.kubernetes.io~1name".into(), json!("a b"), "is no value of a label"),
        ("/spec/schedule".into(), json!("0 0 * * 8"), "is no schedule"),
        ("/spec/schedule".into(), json!("@dialy"), "is no schedule"),
        ("/spec/timeZone".into(), json!("Europe/Atlantis"), "is no time zone"),
        ("/spec/concurrencyPolicy".into(), json!("forbid"), "concurrencyPolicy"),
        (format!("{pod}/restartPolicy"), json!("OnFailure"), "podFailurePolicy needs"),
        (format!("{pod}/restartPolicy"), json!("Always"), "Never or OnFailure"),
        (format!("{job}/podFailurePolicy/rules/0/action"), json!("Fail"), "action"),
        (format!("{job}/podFailurePolicy/rules/0/action"), json!("FailIndex"), "backoffLimitPerIndex"),
        (
            format!("{job}/podFailurePolicy/rules/0/onExitCodes/containerName"),
            json!("glue"),
            "which is no container",
        ),
        (format!("{job}/podFailurePolicy/rules/0/onExitCodes/values"), json!([0]), "0 is no failure"),
        (format!("{job}/podFailurePolicy/rules/0/onExitCodes/values"), json!([10, 2]), "in order"),
        (format!("{job}/podFailurePolicy/rules/1/onPodConditions/0/status"), json!("yes"), "status"),
        (format!("{pod}/volumes/0/name"), json!("config"), "which is no volume"),
        (format!("{pod}/serviceAccountName"), json!("default"), "no ServiceAccount `default`"),
        (format!("{pod}/containers/0/name"), json!("Job"), "is no name of a container"),
        (format!("{pod}/containers/0/image"), json!("registry.example.com/job-runner"), "is no image"),
        (format!("{pod}/containers/0/env/0/name"), json!("AWS_PROFILE"), "twice"),
        (
            format!("{pod}/containers/0/env/5/valueFrom/fieldRef/fieldPath"),
            json!("metadata.label"),
            "no field of a pod",
        ),
        (format!("{pod}/containers/0/resources/limits/memory"), json!("8Mi"), "above its limit"),
        (format!("{pod}/containers/0/terminationMessagePolicy"), json!("Logs"), "terminationMessagePolicy"),
    ] {
        let mut documents = documented.clone();
        let job = documents.iter_mut().find(|document| document["kind"] == "CronJob").expect("a CronJob");
        *job.pointer_mut(&place).unwrap_or_else(|| panic!("{place}")) = broken;
        let found = violations(&documents);
        assert!(found.iter().any(|problem| problem.contains(expected)), "{place}: {found:?}");
    }
}

/// The same of a sidecar.
#[test]
fn what_an_api_server_refuses_of_a_sidecar_is_found() {
    let overlay = rendered("k8s/overlays/database-sidecar");
    let sidecar = "/spec/template/spec/initContainers/0";
    for (place, broken, expected) in [
        ("/restartPolicy", json!("OnFailure"), "is Always or none"),
        ("/restartPolicy", json!(null), "only a sidecar has probes"),
        ("/name", json!("job"), "container `job` twice"),
        ("/startupProbe/httpGet/port", json!(0), "is no port"),
        ("/livenessProbe/httpGet/port", json!("health"), "is no port"),
        ("/readinessProbe/httpGet/path", json!("readyz"), "is no path"),
        ("/volumeMounts/0/name", json!("sockets"), "which is no volume"),
        ("/resources/limits/memory", json!("8Mi"), "above its limit"),
    ] {
        let mut documents = overlay.clone();
        let job = documents.iter_mut().find(|document| document["kind"] == "Job").expect("a Job");
        *job.pointer_mut(&format!("{sidecar}{place}")).unwrap_or_else(|| panic!("{place}")) = broken;
        let found = violations(&documents);
        assert!(found.iter().any(|problem| problem.contains(expected)), "{place}: {found:?}");
    }
}

#[test]
fn a_security_linter_passes_them_at_its_strictest() {
    let (folder, _files) = render_all();
    let mut checkov = judge("checkov");
    checkov.arg("--directory").arg(folder.path()).args(["--framework", "kubernetes", "--compact", "--quiet"]);
    checkov.arg("--config-file").arg(root().join("tests/deploy/checkov.yaml"));
    let said = run(checkov.env("BC_SKIP_MAPPING", "TRUE")).unwrap_or_else(|said| panic!("{said}"));
    assert!(!said.contains("Check: "), "{said}");

    // Not a linter that passes everything.
    let documented = folder.path().join("documented.yaml");
    let weak = std::fs::read_to_string(&documented)
        .expect("a file")
        .replace("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false");
    std::fs::write(&documented, weak).expect("a file");
    let said = run(&mut checkov).expect_err("a writable root is found");
    assert!(said.contains("CKV_K8S_22"), "{said}");
}

/// What becomes of a failed pod is what the exit codes say, whether it was drained or not.
#[test]
fn the_failure_policies_follow_the_exit_codes() {
    for folder in deployables() {
        let place = folder.display().to_string();
        let documents = documents(&render(&folder));
        let job = job_spec(workload(&documents)).expect("a workload");
        let indexed = job["completionMode"] == "Indexed";
        let fails = if indexed { "FailIndex" } else { "FailJob" };
        let rules = at(job, "/podFailurePolicy/rules").as_array().expect("rules");
        for rule in rules {
            assert!(rule["action"] != if indexed { "FailJob" } else { "FailIndex" }, "{place}: {fails}");
            let condition = &rule["onPodConditions"];
            let named = *condition == json!([{"type": "DisruptionTarget", "status": "True"}]);
            assert!(condition.is_null() || named, "{place}: {condition}");
        }
        if program(at(job, "/template/spec/containers/0")).is_some() {
            assert_follows_exit_codes(job, &place);
        } else {
            // psql's: 1 is its own failure, 3 one of a script; a lost connection is 2. Before what ignores a drained pod.
            assert_eq!(rules[0]["action"], "FailJob", "{place}");
            assert_eq!(rules[0]["onExitCodes"]["values"], json!([1, 3]), "{place}");
            assert_eq!(rules[1]["action"], "Ignore", "{place}");
        }
    }
}

#[test]
fn the_programs_own_end_comes_first() {
    for folder in deployables() {
        let place = folder.display();
        let documents = documents(&render(&folder));
        let job = job_spec(workload(&documents)).expect("a workload");
        let container = at(job, "/template/spec/containers/0");
        let deadline = at(job, "/activeDeadlineSeconds").as_u64().expect("seconds");
        if program(container).is_some() {
            let timeout =
                option(container, "--timeout").unwrap_or_else(|| panic!("{place} has no --timeout"));
            // Room for the pod to be placed and its image pulled.
            assert!(deadline >= seconds(timeout) + 120, "{place}: {deadline} s, --timeout={timeout}");
        }
        // A sidecar is told to end when the containers have ended.
        let drain =
            sidecars(at(job, "/template/spec")).filter_map(|sidecar| option(sidecar, "--drain-timeout"));
        let grace = 30 + drain.map(|time| seconds(time).next_multiple_of(30)).sum::<u64>();
        assert_eq!(at(job, "/template/spec/terminationGracePeriodSeconds"), grace, "{place}");
        assert!(
            job["template"]["spec"]["activeDeadlineSeconds"].is_null(),
            "{place}: of the pod, not of the Job"
        );
    }
}

#[test]
fn every_pod_is_hardened_and_knows_its_job() {
    for folder in deployables() {
        let place = folder.display().to_string();
        let documents = documents(&render(&folder));
        let job = job_spec(workload(&documents)).expect("a workload");
        let pod = at(job, "/template/spec");
        assert_eq!(
            pod["securityContext"],
            json!({"runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
                   "seccompProfile": {"type": "RuntimeDefault"}}),
            "{place}"
        );
        assert_eq!(pod["automountServiceAccountToken"], false, "{place}");
        assert_eq!(pod["enableServiceLinks"], false, "{place}");
        for container in
            at(pod, "/containers").as_array().into_iter().chain(pod["initContainers"].as_array()).flatten()
        {
            assert_eq!(
                container["securityContext"],
                json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}}),
                "{place}"
            );
            let is_plain = program(container).is_none() || container["command"].is_null();
            assert!(is_plain, "{place}: there is no shell in the image");
            for bound in ["/resources/requests/cpu", "/resources/requests/memory", "/resources/limits/memory"]
            {
                at(container, bound);
            }
        }
        let container = at(pod, "/containers/0");
        let variables = at(container, "/env").as_array().expect("variables");
        let field = |name: &str| {
            let found = variables.iter().find(|variable| variable["name"] == name);
            found.unwrap_or_else(|| panic!("{place}: no {name}"))["valueFrom"]["fieldRef"]["fieldPath"]
                .clone()
        };
        assert_eq!(
            field("IDEMPOTENCY_KEY"),
            "metadata.labels['batch.kubernetes.io/controller-uid']",
            "{place}"
        );
        assert_eq!(
            field("AWS_ROLE_SESSION_NAME"),
            "metadata.labels['batch.kubernetes.io/job-name']",
            "{place}"
        );
        assert_eq!(container["terminationMessagePolicy"], "FallbackToLogsOnError", "{place}");
        if of_kind(&documents, "CronJob").is_some() {
            let spec = at(workload(&documents), "/spec");
            assert_eq!(spec["concurrencyPolicy"], "Forbid", "{place}");
            for field in [
                "timeZone",
                "startingDeadlineSeconds",
                "successfulJobsHistoryLimit",
                "failedJobsHistoryLimit",
            ] {
                at(spec, &format!("/{field}"));
            }
        } else {
            at(job, "/ttlSecondsAfterFinished");
        }
        at(job, "/backoffLimit");
    }
}

/// A program of others that has a sidecar of ours gets the database and not the AWS token, from which it could take the role.
#[test]
fn the_aws_token_is_given_to_our_programs_alone() {
    let mut others = 0;
    for folder in deployables() {
        let documents = documents(&render(&folder));
        let template = at(job_spec(workload(&documents)).expect("a workload"), "/template");
        let skipped: Vec<&str> = skipped_containers(template).collect();
        let pod = at(template, "/spec");
        for container in
            [&pod["containers"], &pod["initContainers"]].into_iter().filter_map(Value::as_array).flatten()
        {
            let name = at(container, "/name").as_str().expect("a name");
            let is_others = program(container).is_none();
            assert_eq!(skipped.contains(&name), is_others, "{}: {name}", folder.display());
            others += usize::from(is_others);
        }
    }
    assert_eq!(others, 1);
}

/// The sidecar listens for probes on every address of the pod.
#[test]
fn a_network_policy_closes_a_pod_that_listens() {
    let mut listening = 0;
    for folder in deployables() {
        let place = folder.display();
        let documents = documents(&render(&folder));
        let template = at(job_spec(workload(&documents)).expect("a workload"), "/template");
        if !sidecars(&template["spec"]).any(|sidecar| option(sidecar, "--health-listen").is_some()) {
            assert!(of_kind(&documents, "NetworkPolicy").is_none(), "{place}");
            continue;
        }
        listening += 1;
        let policy =
            of_kind(&documents, "NetworkPolicy").unwrap_or_else(|| panic!("{place} has no NetworkPolicy"));
        for (label, value) in at(policy, "/spec/podSelector/matchLabels").as_object().expect("labels") {
            assert_eq!(template["metadata"]["labels"][label], *value, "{place}");
        }
        assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress"]), "{place}");
        // kustomize leaves out an empty list; nothing listed is nothing let in.
        let allowed = policy["spec"]["ingress"].as_array().map_or(0, Vec::len);
        assert_eq!(allowed, 0, "{place}");
        assert_eq!(policy["metadata"]["namespace"], workload(&documents)["metadata"]["namespace"], "{place}");
    }
    assert_eq!(listening, 1);
}

/// kustomize drops a patch without a word where its target is not there: what each component adds must be in what uses it.
#[test]
fn no_component_is_lost() {
    let traces = [
        ("hardening", "readOnlyRootFilesystem: true"),
        ("hardening", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"),
        ("hardening", "NO_CREDENTIAL_PROCESS"),
        ("failure-policy", "action: FailJob"),
        ("failure-policy-without-key", "operator: NotIn"),
        ("failure-policy-per-index", "action: FailIndex"),
        ("irsa", "eks.amazonaws.com/role-arn"),
        ("pod-identity", "serviceAccountName"),
        ("aws-config", "mountPath: /etc/aws"),
        ("proxy", "HTTPS_PROXY"),
        ("ca-bundle", "mountPath: /etc/ca"),
        ("database-sidecar", "--drain-timeout=25s"),
    ];
    let components: BTreeSet<String> = folders("k8s/components").into_iter().map(name).collect();
    assert_eq!(components, traces.iter().map(|(component, _)| (*component).to_owned()).collect());
    let folder = tempfile::tempdir_in(root().join("target")).expect("a folder");
    let bases = ["cronjob", "job"].map(|base| render(&root().join("k8s/base").join(base)));
    for (component, trace) in traces {
        assert!(!bases.iter().any(|base| base.contains(trace)), "a base has {trace} by itself");
        for base in ["cronjob", "job"] {
            if component == "failure-policy-per-index" && base == "cronjob" {
                continue;
            }
            let text = format!(
                "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../../k8s/base/{base}]\n\
                 components: [../../k8s/components/{component}]\n"
            );
            std::fs::write(folder.path().join("kustomization.yaml"), text).expect("a file");
            let with = render(folder.path());
            assert!(with.contains(trace), "{component} on {base}:\n{with}");
        }
    }
}

/// The two copies of a component, for `CronJob`s and Jobs, say the same of the pod.
#[test]
fn a_component_does_the_same_to_both_kinds() {
    for component in folders("k8s/components") {
        let read = |file: &str| std::fs::read_to_string(component.join(file)).ok();
        let (Some(cron), Some(job)) = (read("cronjob.yaml"), read("job.yaml")) else { continue };
        let (cron, job) = (documents(&cron), documents(&job));
        assert_eq!(job_spec(&cron[0]), job_spec(&job[0]), "{}", component.display());
    }
}

/// Each binary understands the arguments and variables that its service gives it. There is no such config file here:
/// that is the next thing it would look at.
#[test]
fn the_binaries_understand_their_arguments() {
    for binary in binaries() {
        let documents = rendered(&format!("k8s/services/{binary}"));
        let job = job_spec(workload(&documents)).expect("a workload");
        let container = at(job, "/template/spec/containers/0");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("features.csv"), "1,2").expect("a file");
        std::fs::write(folder.path().join("nightly.sql"), "select 1").expect("a file");
        let mut command = std::process::Command::new(deploy::container::binary(&binary));
        command.env_clear().env("IDEMPOTENCY_KEY", "k").env("AWS_ROLE_SESSION_NAME", "job-1");
        for variable in at(container, "/env").as_array().expect("a list") {
            if let (Some(name), Some(value)) = (variable["name"].as_str(), variable["value"].as_str()) {
                command.env(name, value);
            }
        }
        for argument in at(container, "/args").as_array().expect("a list") {
            let mut argument = argument.as_str().expect("a text").to_owned();
            for mount in at(container, "/volumeMounts").as_array().expect("a list") {
                let path = at(mount, "/mountPath").as_str().expect("a path");
                argument = argument.replace(path, &folder.path().display().to_string());
            }
            command.arg(argument);
        }
        let ended = command.output().expect("it runs");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(i32::from(Exit::Config.code())), "{binary}: {said}");
        assert!(said.contains("/etc/aws/aws-config"), "{binary}: {said}");
    }
}

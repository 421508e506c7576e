//! What an API server refuses and no schema tells: names, references, enumerations and rules between fields.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::manifest::job_spec;

/// What an API server would refuse in these documents, a sentence each; what one document refers to may be in another.
pub fn violations(documents: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    for document in documents {
        let mut problems = Vec::new();
        head(document, &mut problems);
        if document["kind"] == "CronJob" {
            cron_job(document, &mut problems);
        }
        if let Some(job) = job_spec(document) {
            job_rules(job, &mut problems);
            pod_rules(&job["template"], documents, &mut problems);
        }
        let place = format!("{} {}", text(&document["kind"]), text(&document["metadata"]["name"]));
        found.extend(problems.into_iter().map(|problem| format!("{place}: {problem}")));
    }
    found
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn names(list: &Value) -> Vec<&str> {
    items(list).iter().map(|item| text(&item["name"])).collect()
}

/// Which version a kind is of, and what it may be called.
fn head(document: &Value, problems: &mut Vec<String>) {
    let kind = text(&document["kind"]);
    let version = match kind {
        "CronJob" | "Job" => "batch/v1",
        "ServiceAccount" | "ConfigMap" => "v1",
        "NetworkPolicy" => "networking.k8s.io/v1",
        "ExternalSecret" => "external-secrets.io/v1",
        other => return problems.push(format!("no kind `{other}` is expected here")),
    };
    if document["apiVersion"] != version {
        problems.push(format!("{kind} is of {version}, not of {}", document["apiVersion"]));
    }
    let name = text(&document["metadata"]["name"]);
    // The controller appends eleven characters to the name of a CronJob, and Pods take up to 63 from a Job's.
    let longest = if kind == "CronJob" { 52 } else { 63 };
    if !is_dns_label(name) || name.len() > longest {
        problems.push(format!("`{name}` is no name of at most {longest} lower-case letters, digits and `-`"));
    }
    for (key, value) in document["metadata"]["labels"].as_object().into_iter().flatten() {
        let value = text(value);
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if value.is_empty() || value.len() > 63 || !value.chars().all(plain) {
            problems.push(format!("label {key}: `{value}` is no value of a label"));
        }
    }
}

fn is_dns_label(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

fn one_of(value: &Value, path: &str, allowed: &[&str], problems: &mut Vec<String>) {
    if !value.is_null() && !allowed.contains(&text(value)) {
        problems.push(format!("{path} is {value}, and none of {allowed:?}"));
    }
}

fn cron_job(document: &Value, problems: &mut Vec<String>) {
    let spec = &document["spec"];
    if !is_schedule(text(&spec["schedule"])) {
        problems.push(format!("{} is no schedule", spec["schedule"]));
    }
    one_of(&spec["concurrencyPolicy"], "concurrencyPolicy", &["Allow", "Forbid", "Replace"], problems);
    let zone = text(&spec["timeZone"]);
    let known = std::path::Path::new("/usr/share/zoneinfo").join(zone).is_file();
    if !zone.is_empty() && zone != "Etc/UTC" && !known {
        problems.push(format!("`{zone}` is no time zone"));
    }
}

/// Five fields of numbers, ranges, lists and steps. Names of days and months are not used here.
fn is_schedule(schedule: &str) -> bool {
    let limits = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)];
    let fields: Vec<&str> = schedule.split(' ').collect();
    fields.len() == limits.len()
        && fields.iter().zip(limits).all(|(field, (low, high))| {
            let number = |part: &str| part.parse::<u32>().is_ok_and(|n| (low..=high).contains(&n));
            field.split(',').all(|part| {
                let (range, step) = part.split_once('/').unwrap_or((part, "1"));
                let bounds = range.split_once('-').map_or(number(range), |(a, b)| number(a) && number(b));
                (range == "*" || bounds) && step.parse::<u32>().is_ok_and(|step| step > 0)
            })
        })
}

fn job_rules(job: &Value, problems: &mut Vec<String>) {
    let indexed = job["completionMode"] == "Indexed";
    one_of(&job["completionMode"], "completionMode", &["Indexed", "NonIndexed"], problems);
    let per_index = !job["backoffLimitPerIndex"].is_null();
    if per_index && !indexed {
        problems.push("backoffLimitPerIndex needs completionMode Indexed".into());
    }
    if job["template"]["spec"]["restartPolicy"] == "Always"
        || job["template"]["spec"]["restartPolicy"].is_null()
    {
        problems.push("the restartPolicy of a Job is Never or OnFailure".into());
    }
    let policy = &job["podFailurePolicy"];
    if policy.is_null() {
        return;
    }
    if job["template"]["spec"]["restartPolicy"] != "Never" {
        problems.push("podFailurePolicy needs restartPolicy Never".into());
    }
    let pod = &job["template"]["spec"];
    let containers: Vec<&str> = [names(&pod["containers"]), names(&pod["initContainers"])].concat();
    for rule in items(&policy["rules"]) {
        one_of(&rule["action"], "action", &["Ignore", "FailJob", "FailIndex", "Count"], problems);
        if rule["action"] == "FailIndex" && !per_index {
            problems.push("FailIndex needs backoffLimitPerIndex".into());
        }
        let (codes, conditions) = (&rule["onExitCodes"], &rule["onPodConditions"]);
        if codes.is_null() == conditions.is_null() {
            problems.push("a rule is either onExitCodes or onPodConditions".into());
        }
        for condition in items(conditions) {
            one_of(&condition["status"], "status", &["True", "False", "Unknown"], problems);
        }
        if codes.is_null() {
            continue;
        }
        one_of(&codes["operator"], "operator", &["In", "NotIn"], problems);
        if !codes["containerName"].is_null() && !containers.contains(&text(&codes["containerName"])) {
            problems
                .push(format!("podFailurePolicy names {}, which is no container", codes["containerName"]));
        }
        let values: Vec<i64> =
            items(&codes["values"]).iter().map(|code| code.as_i64().unwrap_or(-1)).collect();
        if values.is_empty() || values.len() > 255 || !values.is_sorted_by(|a, b| a < b) {
            problems.push("the exit codes of a rule are in order, each once, at least one".into());
        }
        if codes["operator"] == "In" && values.contains(&0) {
            problems.push("0 is no failure".into());
        }
    }
}

fn pod_rules(template: &Value, documents: &[Value], problems: &mut Vec<String>) {
    let pod = &template["spec"];
    let volumes = names(&pod["volumes"]);
    unique("volume", &volumes, problems);
    let all = [items(&pod["initContainers"]), items(&pod["containers"])].concat();
    unique("container", &all.iter().map(|one| text(&one["name"])).collect::<Vec<_>>(), problems);
    for container in items(&pod["initContainers"]) {
        init_rules(container, problems);
    }
    let mut mounted = BTreeSet::new();
    for container in &all {
        let name = text(&container["name"]);
        if !is_dns_label(name) {
            problems.push(format!("`{name}` is no name of a container"));
        }
        container_rules(container, problems);
        for mount in items(&container["volumeMounts"]) {
            let volume = text(&mount["name"]);
            mounted.insert(volume.to_owned());
            if !volumes.contains(&volume) {
                problems.push(format!("{name} mounts `{volume}`, which is no volume"));
            }
        }
    }
    for volume in volumes {
        if !mounted.contains(volume) {
            problems.push(format!("the volume `{volume}` is mounted nowhere"));
        }
    }
    // The API server takes an account that does not exist; the pods are then refused one by one.
    let account = text(&pod["serviceAccountName"]);
    let there =
        |document: &Value| document["kind"] == "ServiceAccount" && document["metadata"]["name"] == account;
    if !documents.iter().any(there) {
        problems.push(format!("no ServiceAccount `{account}` is among the documents"));
    }
}

fn unique(what: &str, names: &[&str], problems: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            problems.push(format!("{what} `{name}` twice"));
        }
    }
}

/// An init container that stays is a sidecar; others end, and nobody probes them.
fn init_rules(container: &Value, problems: &mut Vec<String>) {
    let name = text(&container["name"]);
    let restart = &container["restartPolicy"];
    if !restart.is_null() && restart != "Always" {
        problems.push(format!("the restartPolicy of the init container {name} is Always or none"));
    }
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"].map(|probe| &container[probe]) {
        if probe.is_null() {
            continue;
        }
        if restart.is_null() {
            problems.push(format!("only a sidecar has probes, and {name} is none"));
        }
        let http = &probe["httpGet"];
        if !http["port"].as_u64().is_some_and(|port| (1..=65_535).contains(&port)) {
            problems.push(format!("{} is no port", http["port"]));
        }
        if !text(&http["path"]).starts_with('/') {
            problems.push(format!("{} is no path", http["path"]));
        }
    }
}

fn container_rules(container: &Value, problems: &mut Vec<String>) {
    let image = text(&container["image"]);
    if image.is_empty() || image.ends_with("/job-runner") {
        problems.push(format!("`{image}` is no image of a binary"));
    }
    let policies = ["File", "FallbackToLogsOnError"];
    one_of(&container["terminationMessagePolicy"], "terminationMessagePolicy", &policies, problems);
    unique("variable", &names(&container["env"]), problems);
    let paths: Vec<&str> =
        items(&container["volumeMounts"]).iter().map(|mount| text(&mount["mountPath"])).collect();
    unique("mountPath", &paths, problems);
    for variable in items(&container["env"]) {
        let path = text(&variable["valueFrom"]["fieldRef"]["fieldPath"]);
        let known = ["metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName"].contains(&path)
            || ["metadata.labels['", "metadata.annotations['"]
                .iter()
                .any(|start| path.starts_with(start) && path.ends_with("']"));
        if !variable["valueFrom"].is_null() && !known {
            problems.push(format!("`{path}` is no field of a pod"));
        }
    }
    let resources = &container["resources"];
    for (name, request) in resources["requests"].as_object().into_iter().flatten() {
        let limit = &resources["limits"][name];
        let (request, limit) =
            (quantity(request), if limit.is_null() { Some(f64::MAX) } else { quantity(limit) });
        if request.zip(limit).is_none_or(|(request, limit)| request > limit) {
            problems.push(format!("the request of {name} is no quantity, or above its limit"));
        }
    }
}

/// `10m`, `64Mi`, `1` in units.
fn quantity(value: &Value) -> Option<f64> {
    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &value[digits.len()..] {
        "" => 1.0,
        "m" => 0.001,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    digits.parse::<f64>().ok().map(|number| number * unit)
}

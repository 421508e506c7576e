//! Manifests as kustomize renders them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::{binaries, folders, judge, read, root, run};

/// Every folder that a team may apply: the services and the overlays.
pub fn deployables() -> Vec<PathBuf> {
    [folders("k8s/services"), folders("k8s/overlays")].concat()
}

/// What `kubectl kustomize` makes of a folder, as text.
pub fn render(folder: &Path) -> String {
    let output = Command::new("kubectl").arg("kustomize").arg(folder).output().expect("kubectl runs");
    let said = String::from_utf8_lossy(&output.stderr);
    // Deprecations and the like are as good as errors: nobody would see them.
    assert!(output.status.success() && said.is_empty(), "{}: {said}", folder.display());
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The documents of a YAML text.
pub fn documents(yaml: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(yaml).unwrap_or_else(|error| panic!("{error} in:\n{yaml}"))
}

/// What a folder of the repository renders to.
pub fn rendered(folder: &str) -> Vec<Value> {
    documents(&render(&root().join(folder)))
}

/// The fenced YAML blocks of a Markdown file of the repository.
pub fn yaml_blocks(file: &str) -> Vec<String> {
    let text = read(file);
    let blocks = text.split("\n```yaml\n").skip(1);
    blocks.map(|rest| rest.split("\n```").next().expect("a first part").to_owned()).collect()
}

/// The document of a kind.
pub fn of_kind<'d>(documents: &'d [Value], kind: &str) -> Option<&'d Value> {
    documents.iter().find(|document| document["kind"] == kind)
}

/// A value of a document that must be there, by its JSON pointer.
#[track_caller]
pub fn at<'v>(value: &'v Value, pointer: &str) -> &'v Value {
    value.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in {value:#}"))
}

/// The specification of the Job in a `CronJob` or Job; `None` for other kinds.
pub fn job_spec(document: &Value) -> Option<&Value> {
    match document["kind"].as_str() {
        Some("CronJob") => Some(at(document, "/spec/jobTemplate/spec")),
        Some("Job") => Some(at(document, "/spec")),
        _ => None,
    }
}

/// The one Job or `CronJob` of a rendering.
#[track_caller]
pub fn workload(documents: &[Value]) -> &Value {
    let mut jobs = documents.iter().filter(|document| job_spec(document).is_some());
    let job = jobs.next().expect("a Job or CronJob");
    assert!(jobs.next().is_none(), "more than one Job");
    job
}

/// The binary of the tree that a container's image holds; `None` for a program of others.
pub fn program(container: &Value) -> Option<String> {
    let image = repository(at(container, "/image").as_str().expect("a text"));
    binaries().into_iter().find(|binary| image == binary)
}

/// The last part of an image's name, without registry, tag and digest.
pub fn repository(image: &str) -> &str {
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split([':', '@']).next().unwrap_or(last)
}

/// The sidecars of a pod: init containers that stay.
pub fn sidecars(pod: &Value) -> impl Iterator<Item = &Value> {
    pod["initContainers"].as_array().into_iter().flatten().filter(|one| one["restartPolicy"] == "Always")
}

/// The value of an option among a container's arguments.
pub fn option<'c>(container: &'c Value, option: &str) -> Option<&'c str> {
    let arguments = container["args"].as_array().into_iter().flatten();
    arguments.filter_map(Value::as_str).find_map(|argument| argument.strip_prefix(option)?.strip_prefix('='))
}

/// `2h30m` in seconds, as the programs read durations.
pub fn seconds(duration: &str) -> u64 {
    let mut total = 0;
    let mut number = String::new();
    for character in duration.chars() {
        if character.is_ascii_digit() {
            number.push(character);
            continue;
        }
        let count: u64 = std::mem::take(&mut number).parse().expect("a number before its unit");
        total += count
            * match character {
                's' => 1,
                'm' => 60,
                'h' => 3600,
                other => panic!("unit {other} in {duration}"),
            };
    }
    assert!(number.is_empty() && total > 0, "{duration} is no duration");
    total
}

/// The newest version of Kubernetes whose schema the judge knows, and the three before it.
pub const KUBERNETES: [&str; 4] = ["1.37", "1.36", "1.35", "1.34"];

/// Validates files by the schemas of a version of Kubernetes, strictly; a kind that has no schema is a failure, which the
/// judge itself lets pass.
///
/// # Errors
/// What the judge said.
pub fn validate(version: &str, files: &[PathBuf]) -> Result<(), String> {
    let said = run(judge("kubernetes-validate").args(["--strict", "-k", version]).args(files))?;
    if said.contains("find schema") || said.contains("WARN") || !said.contains(&format!("version {version}"))
    {
        return Err(said);
    }
    Ok(())
}

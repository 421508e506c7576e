//! The manifests that are shown in texts.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::collections::BTreeSet;

use deploy::failure_policy::assert_follows_exit_codes;
use deploy::manifest::{
    KUBERNETES, deployables, documents, job_spec, render, rendered, validate, yaml_blocks,
};
use serde_json::Value;

/// Kinds of others, whose schemas are not Kubernetes's.
const OTHERS: [&str; 2] = ["external-secrets.io/", "kustomize.config.k8s.io/"];

#[test]
fn the_manifests_of_the_readmes_are_valid() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut files = Vec::new();
    let blocks: Vec<String> =
        ["README.md", "k8s/README.md"].iter().flat_map(|file| yaml_blocks(file)).collect();
    for (number, document) in blocks.iter().flat_map(|block| documents(block)).enumerate() {
        let version = document["apiVersion"].as_str().expect("an apiVersion");
        if OTHERS.iter().any(|group| version.starts_with(group)) {
            continue;
        }
        let file = folder.path().join(format!("{number}.json"));
        std::fs::write(&file, document.to_string()).expect("a file");
        files.push(file);
    }
    assert!(files.len() >= 3, "{files:?}");
    for version in KUBERNETES {
        validate(version, &files).unwrap_or_else(|said| panic!("{said}"));
    }
}

#[test]
fn the_readme_shows_what_kustomize_renders() {
    let shown: Vec<Value> = documents(&yaml_blocks("README.md")[0]);
    assert_eq!(shown, rendered("k8s/overlays/documented"), "the first manifest of README.md");
}

/// What README.md shows of a service or an overlay is a part of what kustomize makes of it.
#[test]
fn the_readme_shows_parts_of_what_there_is() {
    let name = |document: &Value| document["metadata"]["name"].as_str().expect("a name").to_owned();
    let rendered: Vec<Value> = deployables().iter().flat_map(|folder| documents(&render(folder))).collect();
    let mut seen = BTreeSet::new();
    for document in yaml_blocks("README.md").iter().skip(1).flat_map(|block| documents(block)) {
        let same = |other: &&Value| {
            job_spec(other).is_some() && other["kind"] == document["kind"] && name(other) == name(&document)
        };
        if let Some(whole) = rendered.iter().find(same) {
            assert_part(&document, whole, &name(&document));
            seen.insert(name(&document));
        }
    }
    for shown in ["lambda-invoke", "sagemaker-invoke", "redshift-query", "report"] {
        assert!(seen.contains(shown), "README.md shows {seen:?}");
    }
}

/// Everything in `shown` is in `whole`; items of lists are found by their name.
fn assert_part(shown: &Value, whole: &Value, place: &str) {
    match (shown, whole) {
        (Value::Object(shown), Value::Object(whole)) => {
            for (key, value) in shown {
                let other = whole.get(key).unwrap_or_else(|| panic!("{place}/{key} is not rendered"));
                assert_part(value, other, &format!("{place}/{key}"));
            }
        }
        (Value::Array(shown), Value::Array(whole)) if shown.iter().all(|item| item["name"].is_string()) => {
            for item in shown {
                let other = whole.iter().find(|other| other["name"] == item["name"]);
                let other = other.unwrap_or_else(|| panic!("{place}: {} is not rendered", item["name"]));
                assert_part(item, other, &format!("{place}/{}", item["name"]));
            }
        }
        _ => assert_eq!(shown, whole, "{place}"),
    }
}

#[test]
fn the_policies_in_texts_follow_the_exit_codes() {
    for file in ["README.md", "k8s/README.md"] {
        for block in yaml_blocks(file) {
            for document in documents(&block) {
                let Some(job) = job_spec(&document) else { continue };
                if !job["podFailurePolicy"].is_null() {
                    assert_follows_exit_codes(job, file);
                }
            }
        }
    }
}

//! The manifests that are shown in texts.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::collections::BTreeSet;

use deploy::manifest::{KUBERNETES, at, documents, job_spec, rendered, validate, workload, yaml_blocks};
use deploy::{folders, name};
use job_runtime::Exit;
use serde_json::{Value, json};

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

/// What README.md shows of a service is a part of what kustomize makes of it.
#[test]
fn the_readme_shows_parts_of_the_services() {
    let services: BTreeSet<String> = folders("k8s/services").into_iter().map(name).collect();
    let mut seen = 0;
    for document in yaml_blocks("README.md").iter().skip(1).flat_map(|block| documents(block)) {
        let Some(service) = document["metadata"]["name"].as_str().filter(|name| services.contains(*name))
        else {
            continue;
        };
        if job_spec(&document).is_none() {
            continue;
        }
        let rendered = rendered(&format!("k8s/services/{service}"));
        assert_part(&document, workload(&rendered), service);
        seen += 1;
    }
    assert!(seen >= 3, "only {seen} services are in README.md");
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
fn policies_in_texts_are_the_table() {
    let codes: Vec<u8> = Exit::ALL.iter().filter(|exit| exit.fails_job()).map(|exit| exit.code()).collect();
    for file in ["README.md", "k8s/README.md"] {
        for block in yaml_blocks(file) {
            for document in documents(&block) {
                let Some(job) = job_spec(&document) else { continue };
                if job["podFailurePolicy"].is_null() {
                    continue;
                }
                assert_eq!(at(job, "/podFailurePolicy/rules/1/onExitCodes/values"), &json!(codes), "{file}");
            }
        }
    }
}

//! The policies: well formed, linted, pinned, and what the crates' documentation says.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Stdio;

use deploy::iam::{filled, permissions, statements, templates, texts};
use deploy::{binaries, judge, read};
use serde_json::Value;

/// Needs nothing: everybody may ask who they are.
const WITHOUT_POLICY: [&str; 1] = ["chain-check"];

#[test]
fn every_binary_has_a_policy() {
    let all = templates();
    for binary in binaries() {
        let there = all.contains(&format!("permissions/{binary}.json"));
        assert_eq!(there, !WITHOUT_POLICY.contains(&&*binary), "{binary}");
    }
}

#[test]
fn no_statement_is_a_wildcard() {
    for file in templates() {
        for statement in statements(&file) {
            let sid = statement["Sid"].as_str().expect("a Sid");
            assert!(!texts(&statement["Action"]).iter().any(|action| action.contains('*')), "{file}: {sid}");
            // Only what takes no resource; a condition narrows it where there is one.
            let no_resource = ["Follow", "OnceForAKey", "Cancel", "Environments", "Clusters"];
            let any = statement.get("Resource").is_some_and(|resource| texts(resource).contains(&"*"));
            let sids: &[&str] = if any { &no_resource } else { &[sid] };
            assert!(sids.contains(&sid), "{file}: {sid} on any resource");
        }
    }
}

/// Actions that are newer than the linter's list of them; they are in the Lambda API of November 2025.
const NEWER: [&str; 3] =
    ["lambda:GetDurableExecution", "lambda:ListDurableExecutionsByFunction", "lambda:StopDurableExecution"];

/// What the linter finds in a policy, a JSON object a line.
fn lint(policy: &str) -> Vec<Value> {
    let mut linter = judge("parliament")
        .arg("--json")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("parliament");
    linter.stdin.take().expect("piped").write_all(policy.as_bytes()).expect("it reads");
    let output = linter.wait_with_output().expect("it ends");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let found: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(output.status.success(), found.is_empty(), "{text}");
    found
}

#[test]
fn a_linter_finds_nothing() {
    for file in templates().iter().filter(|file| !file.contains("trust")) {
        for finding in lint(&filled(file)) {
            let action = finding["location"]["string"].as_str().unwrap_or("");
            let newer = finding["issue"] == "UNKNOWN_ACTION" && NEWER.contains(&action);
            assert!(newer, "{file}: {finding}");
        }
    }
    // The documented policy for Redshift, as it stands: actions on resources that they do not take.
    let documented = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Action": ["redshift:GetClusterCredentials", "redshift:DescribeClusters", "redshift-data:DescribeStatement"],
        "Resource": ["arn:aws:redshift:us-east-2:222222222222:dbuser:analytics/etl"]}]}"#;
    assert!(
        lint(documented).iter().any(|finding| finding["issue"] == "RESOURCE_MISMATCH"),
        "{:?}",
        lint(documented)
    );
}

#[test]
fn the_role_of_account_a_is_one_service_accounts() {
    let trust = &statements("account-a-trust.json")[0];
    let provider = "oidc.eks.us-east-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE";
    let pinned = &trust["Condition"]["StringEquals"];
    assert_eq!(pinned[format!("{provider}:sub")], "system:serviceaccount:team-ns:glue-trigger");
    assert_eq!(pinned[format!("{provider}:aud")], "sts.amazonaws.com");
    assert_eq!(
        trust["Principal"]["Federated"],
        format!("arn:aws:iam::111111111111:oidc-provider/{provider}")
    );
    assert_eq!(trust["Action"], "sts:AssumeRoleWithWebIdentity");
}

/// A service acts for whoever asks it to: its trust names the account and what it may act for.
#[test]
fn a_service_is_trusted_for_one_source() {
    for file in templates().iter().filter(|file| file.contains("trust")) {
        for statement in statements(file).iter().filter(|one| one["Principal"]["Service"].is_string()) {
            assert_eq!(statement["Condition"]["StringEquals"]["aws:SourceAccount"], "111111111111", "{file}");
            let arn = ["ArnEquals", "ArnLike"]
                .into_iter()
                .find_map(|one| statement["Condition"][one]["aws:SourceArn"].as_str());
            assert!(arn.is_some_and(|arn| arn.contains(":us-east-2:111111111111:")), "{file}: {arn:?}");
        }
    }
}

/// What the crate's documentation lists is what the policy allows.
#[test]
fn the_documentation_lists_the_same_actions() {
    for binary in binaries() {
        if WITHOUT_POLICY.contains(&&*binary) {
            continue;
        }
        let docs = read(&format!("crates/{binary}/src/lib.rs"));
        let listed: BTreeSet<&str> = docs
            .lines()
            .filter_map(|line| line.strip_prefix("//! |"))
            .flat_map(|line| line.split('`'))
            .filter(|word| {
                word.split_once(':').is_some_and(|(service, action)| {
                    !service.is_empty()
                        && service.bytes().all(|b| b.is_ascii_lowercase() || b == b'-' || b.is_ascii_digit())
                        && action.chars().next().is_some_and(char::is_alphabetic)
                        && action.bytes().all(|b| b.is_ascii_alphanumeric())
                })
            })
            // A kind of resource, and the right of every chain.
            .filter(|word| !word.starts_with("cluster:") && *word != "sts:AssumeRole")
            .collect();
        let file = format!("permissions/{binary}.json");
        let allowed = permissions(&file);
        let allowed: BTreeSet<&str> = allowed.iter().map(|one| one.action.as_str()).collect();
        let beyond: Vec<_> = allowed.difference(&listed).collect();
        assert!(
            beyond.is_empty(),
            "{file} allows {beyond:?}, of which crates/{binary}/src/lib.rs has nothing"
        );
        let lacking: Vec<_> = listed.difference(&allowed).collect();
        assert!(
            lacking.is_empty(),
            "crates/{binary}/src/lib.rs lists {lacking:?}, which {file} does not allow"
        );
    }
}

//! `token`: the answer of a credential plugin, and the address in it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use testkit::{Outcome, Site, Worlds};

use crate::{in_world, site};

const TOKEN: [&str; 3] = ["token", "--cluster-name", "target"];

fn exec_info(version: &str) -> String {
    format!(
        r#"{{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/{version}","spec":{{"interactive":false}}}}"#
    )
}

/// Host and parameters of the address in a token.
fn address(token: &str) -> (String, BTreeMap<String, String>) {
    let encoded = token.strip_prefix("k8s-aws-v1.").expect(token);
    let url = String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).expect("base64url without padding")).unwrap();
    let (host, query) = url.strip_prefix("https://").expect(&url).split_once("/?").expect(&url);
    let pairs = query.split('&').map(|pair| pair.split_once('=').expect(&url));
    (host.to_owned(), pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn token_of(outcome: &Outcome) -> String {
    outcome.assert_exit(0).json()["status"]["token"].as_str().expect("a token").to_owned()
}

#[test]
fn the_answer_is_of_the_version_that_kubectl_asks_for() {
    for (info, version, spec) in [
        (Some(exec_info("v1")), "v1", serde_json::json!({ "interactive": false })),
        (Some(exec_info("v1beta1")), "v1beta1", serde_json::json!({})),
        (None, "v1beta1", serde_json::json!({})),
    ] {
        let site = match info {
            Some(info) => site().env("KUBERNETES_EXEC_INFO", info),
            None => site(),
        };
        let answer = site.run(TOKEN).assert_exit(0).json();
        assert_eq!(answer["kind"], "ExecCredential");
        assert_eq!(answer["apiVersion"], format!("client.authentication.k8s.io/{version}"));
        assert_eq!(answer["spec"], spec);
    }
}

#[test]
fn a_version_that_is_not_there_is_refused_before_any_call() {
    for (info, says) in [(exec_info("v1alpha1"), "v1alpha1"), ("{".to_owned(), "KUBERNETES_EXEC_INFO")] {
        let site = site().env("KUBERNETES_EXEC_INFO", info);
        site.run(TOKEN).assert_exit(2).assert_says(says);
        assert!(site.sandbox.calls().is_empty());
    }
}

#[test]
fn the_address_is_the_one_that_the_aws_cli_signs() {
    let site = site();
    let outcome = site.run(TOKEN);
    let token = token_of(&outcome);
    let (host, parameters) = address(&token);
    // Where STS is reached for the chain (AWS_ENDPOINT_URL here) is not where the cluster asks.
    assert_eq!(host, "sts.us-east-2.amazonaws.com");
    let names: Vec<&str> = parameters.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "Action",
            "Version",
            "X-Amz-Algorithm",
            "X-Amz-Credential",
            "X-Amz-Date",
            "X-Amz-Expires",
            "X-Amz-Security-Token",
            "X-Amz-Signature",
            "X-Amz-SignedHeaders"
        ]
    );
    for (name, value) in [
        ("Action", "GetCallerIdentity"),
        ("Version", "2011-06-15"),
        ("X-Amz-Expires", "60"),
        ("X-Amz-SignedHeaders", "host%3Bx-k8s-aws-id"),
    ] {
        assert_eq!(parameters[name], value, "{name}");
    }
    assert!(parameters["X-Amz-Credential"].ends_with("%2Fus-east-2%2Fsts%2Faws4_request"), "{parameters:?}");
    let operations: Vec<String> = site.sandbox.calls().into_iter().map(|call| call.operation).collect();
    assert_eq!(operations, ["AssumeRoleWithWebIdentity", "AssumeRole"], "and nothing beside them");
    assert!(!outcome.stderr.contains(&token) && !outcome.termination().to_string().contains(&token));
}

#[test]
fn the_address_follows_region_and_fips() {
    let site = site();
    let bundle = site.write("ca.pem", site.sandbox.ca_pem()).display().to_string();
    let proxy = site.sandbox.proxy_url();
    // Names of AWS, which lead to the sandbox by way of its proxy: an endpoint of one's own has no FIPS.
    let site = site
        .without("AWS_ENDPOINT_URL")
        .env("HTTPS_PROXY", proxy)
        .env("AWS_CA_BUNDLE", bundle)
        .env("AWS_USE_FIPS_ENDPOINT", "true");
    let (host, parameters) = address(&token_of(&site.run([&TOKEN[..], &["--region", "us-west-2"]].concat())));
    assert_eq!(host, "sts-fips.us-west-2.amazonaws.com");
    assert!(parameters["X-Amz-Credential"].contains("%2Fus-west-2%2Fsts%2F"), "{parameters:?}");
}

#[test]
fn settings_that_contradict_each_other_are_told_at_once() {
    let outcome = site().env("AWS_USE_FIPS_ENDPOINT", "true").run(TOKEN);
    outcome.assert_exit(78).assert_says("FIPS and custom endpoint");
}

#[test]
fn the_bare_token_is_the_text() {
    let site = site();
    let outcome = site.run([&TOKEN[..], &["--output", "text"]].concat());
    let token = outcome.assert_exit(0).text();
    assert!(token.starts_with("k8s-aws-v1.") && token.trim_end().lines().count() == 1, "{token}");
}

/// Seconds from now to the expiry that the answer tells.
fn life(site: &Site) -> u64 {
    let answer = site.run(TOKEN).assert_exit(0).json();
    let text = answer["status"]["expirationTimestamp"].as_str().expect("a time").to_owned();
    let expires = Value::from(text.clone());
    let expires = humantime(expires.as_str().unwrap());
    expires.duration_since(SystemTime::now()).unwrap_or_else(|_| panic!("{text} is past")).as_secs()
}

/// `2026-03-01T02:00:00Z`, by the calendar of date(1).
fn humantime(text: &str) -> SystemTime {
    let output = std::process::Command::new("date").args(["-u", "-d", text, "+%s"]).output().expect("date");
    let seconds = String::from_utf8(output.stdout).unwrap().trim().parse().expect(text);
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn kubectl_is_told_of_fourteen_minutes_or_what_is_left_of_the_session() {
    let seconds = life(&site());
    assert!((830..=840).contains(&seconds), "{seconds}");
    let short = format!("session_seconds = 300\n{}", Worlds::TWO_ACCOUNTS);
    let seconds = life(&in_world(&short));
    assert!((290..=300).contains(&seconds), "{seconds}");
}

#[test]
fn a_session_about_to_end_signs_nothing() {
    let dying = format!("session_seconds = 30\n{}", Worlds::TWO_ACCOUNTS);
    let outcome = in_world(&dying).run(TOKEN);
    outcome.assert_exit(78).assert_says("ends in").assert_says("60 s are asked for");
    assert!(outcome.stdout.is_empty());
}

#[test]
fn nothing_is_left_on_disk() {
    let site = site();
    let files = || {
        let listed = std::process::Command::new("find").arg(site.path("")).output().expect("find");
        String::from_utf8(listed.stdout)
            .unwrap()
            .lines()
            .filter(|path| !path.ends_with("termination-log"))
            .count()
    };
    let before = files();
    site.run(TOKEN).assert_exit(0);
    assert_eq!(files(), before);
}

#[test]
fn a_cluster_needs_a_name() {
    let site = site();
    for args in [&["token"][..], &["token", "--cluster-name", "a/b"], &["describe"], &["kubeconfig"]] {
        site.run(args).assert_exit(2).assert_says("--cluster-name");
    }
    assert!(site.sandbox.calls().is_empty());
    let site = site.env("EKS_CLUSTER_NAME", "target");
    site.run(["token"]).assert_exit(0);
}

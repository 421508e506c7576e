//! The documented steps of "Enabling cross-account access to Amazon EKS cluster resources", one after the other, with
//! this program in place of the AWS CLI.

use std::time::Duration;

use testkit::Site;

use crate::BINARY;
use crate::kubectl::{kubectl, shown};

/// Two accounts with a cluster each: the pod runs in the one, and works on the other.
const WORLD: &str = r#"
region = "us-west-2"

[issuers.cluster]
url = "https://oidc.eks.us-west-2.amazonaws.com/id/CI"

# Steps 2 and 3.
[accounts.111111111111]
alias = "ci"
oidc_providers = { cluster = ["sts.amazonaws.com"] }

[accounts.111111111111.roles.ci-account-iam-role]
allow = [
    "sts:AssumeRole on arn:aws:iam::222222222222:role/target-account-iam-role",
    "eks:DescribeCluster on arn:aws:eks:us-west-2:111111111111:cluster/ci",
]
trust = [{ federated = "cluster", sub = "system:serviceaccount:ci-namespace:ci-serviceaccount", aud = "sts.amazonaws.com" }]

# Step 4.
[accounts.222222222222]
alias = "target"

[accounts.222222222222.roles.target-account-iam-role]
allow = ["eks:DescribeCluster on *", "eks:ListClusters on *"]
trust = [{ principal = "arn:aws:iam::111111111111:role/ci-account-iam-role" }]

[[eks.clusters]]
account = "111111111111"
name = "ci"

# Step 6: an access entry, where the document edits the aws-auth map.
[[eks.clusters]]
account = "222222222222"
name = "target"
access = ["arn:aws:iam::222222222222:role/target-account-iam-role"]
pods = { default = ["web-0"], kube-system = ["coredns-0"] }
"#;

/// The pod of step 5, with the profiles of its `ConfigMap`; `token_file` is what the first names.
fn pod(token_file: &str) -> Site {
    let site = Site::bare(BINARY, WORLD);
    let token = site.sandbox.token(
        "cluster",
        "system:serviceaccount:ci-namespace:ci-serviceaccount",
        "sts.amazonaws.com",
        Duration::from_hours(1),
    );
    site.write("token", &token.unwrap());
    let token_file = site.path(token_file).display().to_string();
    let config = format!(
        "[profile ci-env]\n\
         role_arn = arn:aws:iam::111111111111:role/ci-account-iam-role\n\
         web_identity_token_file = {token_file}\n\
         \n\
         [profile target-env]\n\
         role_arn = arn:aws:iam::222222222222:role/target-account-iam-role\n\
         source_profile = ci-env\n\
         role_session_name = xactarget\n"
    );
    let config = site.write("config", &config).display().to_string();
    let home = site.path("").display().to_string();
    site.env("AWS_CONFIG_FILE", config).env("AWS_REGION", "us-west-2").env("HOME", home)
}

#[test]
fn step_1_the_oidc_issuer_of_the_ci_cluster() {
    let site = pod("token");
    let outcome = site.run(["describe", "--cluster-name", "ci", "--profile", "ci-env"]);
    let cluster = outcome.assert_exit(0).json();
    let issuer = cluster["cluster"]["identity"]["oidc"]["issuer"].as_str().expect("an issuer");
    assert!(issuer.starts_with("https://oidc.eks.us-west-2.amazonaws.com/id/"), "{issuer}");
}

#[test]
fn step_5_clusters_of_the_target_account_are_listed_and_described() {
    let site = pod("token");
    let names = site.run(["clusters", "--profile", "target-env"]);
    assert_eq!(names.assert_exit(0).json()["clusters"], serde_json::json!(["target"]));
    let described = site.run(["describe", "--cluster-name", "target", "--profile", "target-env"]);
    assert_eq!(described.assert_exit(0).json()["cluster"]["status"], "ACTIVE");
}

/// The document's `ConfigMap` has a full stop behind the path.
#[test]
fn step_5_the_dot_at_the_end_of_the_token_file_is_found() {
    let outcome = pod("token.").run(["clusters", "--profile", "target-env"]);
    outcome.assert_exit(78).assert_says("ends in a dot").assert_says("hop 1 of 2").assert_says("ci-env");
}

#[test]
fn steps_6_and_7_kubectl_reaches_the_target_cluster() {
    let site = pod("token");
    site.run(["kubeconfig", "--cluster-name", "target", "--region", "us-west-2", "--profile", "target-env"])
        .assert_exit(0);
    let namespaces = shown(&kubectl(&site, &["get", "namespaces"]));
    assert!(namespaces.contains("default") && namespaces.contains("kube-system"), "{namespaces}");
    let pods = shown(&kubectl(&site, &["get", "pods", "-n", "kube-system"]));
    assert!(pods.contains("coredns-0") && !pods.contains("web-0"), "{pods}");
    let calls = site.sandbox.calls();
    assert_eq!(
        calls.last().expect("a call").caller,
        "arn:aws:sts::222222222222:assumed-role/target-account-iam-role/xactarget"
    );
}

/// Without step 6.
#[test]
fn step_7_before_step_6_is_unauthorized() {
    let world = WORLD.replace("access = [\"arn:aws:iam::222222222222:role/target-account-iam-role\"]\n", "");
    assert_ne!(world, WORLD);
    let site = {
        let site = Site::bare(BINARY, &world);
        let token = site
            .sandbox
            .token(
                "cluster",
                "system:serviceaccount:ci-namespace:ci-serviceaccount",
                "sts.amazonaws.com",
                Duration::from_hours(1),
            )
            .unwrap();
        let token = site.write("token", &token).display().to_string();
        let home = site.path("").display().to_string();
        site.env("AWS_WEB_IDENTITY_TOKEN_FILE", token)
            .env("AWS_ROLE_ARN", "arn:aws:iam::111111111111:role/ci-account-iam-role")
            .env("AWS_REGION", "us-west-2")
            .env("HOME", home)
    };
    let role = "arn:aws:iam::222222222222:role/target-account-iam-role";
    site.run(["kubeconfig", "--cluster-name", "target", "--assume-role", role]).assert_exit(0);
    let output = kubectl(&site, &["get", "namespaces"]);
    assert!(!output.status.success());
    assert!(site.sandbox.calls().iter().any(|call| call.service == "kubernetes" && call.status == Some(401)));
}

//! The documented check of "Enabling cross-account access to Amazon EKS cluster resources", step 5:
//! `aws sts get-caller-identity --profile ci-env`, then the same with `target-env`.

use std::time::Duration;

use testkit::Site;

use crate::BINARY;

const WORLD: &str = r#"
region = "us-west-2"

[issuers.cluster]
url = "https://oidc.eks.us-west-2.amazonaws.com/id/CI"

[accounts.111111111111]
oidc_providers = { cluster = ["sts.amazonaws.com"] }

[accounts.111111111111.roles.ci-account-iam-role]
allow = ["sts:AssumeRole on arn:aws:iam::222222222222:role/target-account-iam-role"]
trust = [{ federated = "cluster", sub = "system:serviceaccount:ci-namespace:ci-serviceaccount" }]

[accounts.222222222222.roles.target-account-iam-role]
trust = [{ principal = "arn:aws:iam::111111111111:role/ci-account-iam-role" }]
"#;

fn pod(token_file: &str) -> Site {
    let site = Site::bare(BINARY, WORLD);
    let subject = "system:serviceaccount:ci-namespace:ci-serviceaccount";
    site.write(
        "token",
        &site.sandbox.token("cluster", subject, "sts.amazonaws.com", Duration::from_hours(1)).unwrap(),
    );
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
    site.env("AWS_CONFIG_FILE", config).env("AWS_REGION", "us-west-2")
}

#[test]
fn step_5_both_profiles_are_verified_in_one_run() {
    let outcome = pod("token").run(["ci-env", "target-env"]);
    let found = outcome.assert_exit(0).json();
    let last = |chain: usize| found["chains"][chain]["hops"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last(0)["account"], "111111111111");
    assert_eq!(last(1)["arn"], "arn:aws:sts::222222222222:assumed-role/target-account-iam-role/xactarget");
}

/// The document's `ConfigMap` has a full stop behind the path: the AWS CLI says "No such file or directory" and no path.
#[test]
fn step_5_the_dot_at_the_end_of_the_token_file_is_found() {
    let outcome = pod("token.").run(["ci-env", "target-env"]);
    let found = outcome.assert_exit(78).assert_says("ends in a dot").json();
    for chain in [0, 1] {
        assert_eq!(found["chains"][chain]["hops"][0]["outcome"], "config");
    }
}

/// Steps 3 and 4 are what `--explain` prints for the pod's own profiles, with the audience that the document leaves out.
#[test]
fn steps_3_and_4_are_explained() {
    let outcome = pod("token").run(["target-env", "--explain", "--output", "text"]);
    let text = outcome.assert_exit(0).text();
    for expected in [
        "trust policy of arn:aws:iam::111111111111:role/ci-account-iam-role:",
        "\"oidc.eks.us-west-2.amazonaws.com/id/CI:sub\": \"system:serviceaccount:ci-namespace:ci-serviceaccount\"",
        "\"oidc.eks.us-west-2.amazonaws.com/id/CI:aud\": \"sts.amazonaws.com\"",
        "a permission policy of arn:aws:iam::111111111111:role/ci-account-iam-role:",
        "\"Resource\": \"arn:aws:iam::222222222222:role/target-account-iam-role\"",
        "trust policy of arn:aws:iam::222222222222:role/target-account-iam-role:",
    ] {
        assert!(text.contains(expected), "no {expected} in:\n{text}");
    }
}

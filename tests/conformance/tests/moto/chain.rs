//! Web identity, then a role of another account.

use serde_json::json;

use crate::{A, B, Place};

#[test]
fn each_hop_is_who_its_role_says() {
    let place = Place::of("chain-check");
    let told = place.run(["external", "--output=json"]).assert_exit(0).json();
    let hops = &told["chains"][0]["hops"];
    assert_eq!(hops[0]["account"], A, "{told}");
    assert_eq!(
        hops[1]["arn"],
        format!("arn:aws:sts::{B}:assumed-role/external-glue/lambda-trigger"),
        "{told}"
    );
}

/// Three accounts, and a profile that has keys of a user.
#[test]
fn a_chain_may_have_three_roles_and_begin_with_a_user() {
    let place = Place::of("chain-check");
    place.call(A, "iam", "CreateUser", json!({ "UserName": "ci" }));
    let key = place.call(A, "iam", "CreateAccessKey", json!({ "UserName": "ci" }))["AccessKey"].clone();
    let text = |name: &str| key[name].as_str().expect("a text").to_owned();
    let roles = [(B, "b"), ("333333333333", "c"), (A, "back")].map(|(account, name)| {
        format!("--assume-role=arn=arn:aws:iam::{account}:role/path/{name},session-name=run-1")
    });
    let place = place.changed(|site| {
        site.without("AWS_PROFILE")
            .env("AWS_ACCESS_KEY_ID", text("AccessKeyId"))
            .env("AWS_SECRET_ACCESS_KEY", text("SecretAccessKey"))
    });
    let told = place.run(roles.iter().map(String::as_str).chain(["--output=json"])).assert_exit(0).json();
    let arns: Vec<_> =
        told["chains"][0]["hops"].as_array().unwrap().iter().map(|hop| hop["arn"].clone()).collect();
    assert_eq!(
        arns,
        [
            format!("arn:aws:iam::{A}:user/ci"),
            format!("arn:aws:sts::{B}:assumed-role/b/run-1"),
            "arn:aws:sts::333333333333:assumed-role/c/run-1".to_owned(),
            format!("arn:aws:sts::{A}:assumed-role/back/run-1"),
        ]
    );
}

/// The same names in both accounts: a chain that ended a hop early would not be noticed by a name.
#[test]
fn what_is_seen_is_account_bs() {
    let place = Place::of("glue-trigger");
    for (account, name) in [(A, "of-a"), (B, "of-b")] {
        place.call(account, "glue", "CreateJob", crate::glue::job(name));
    }
    place.run(["--job-name=of-b", "--poll-interval=100ms"]).assert_exit(0);
    place.run(["--job-name=of-a", "--poll-interval=100ms"]).assert_exit(65).assert_says("of-a");
    // From the first hop alone it is the other way round.
    place.run(["--job-name=of-a", "--profile=cats", "--poll-interval=100ms"]).assert_exit(0);
    place.run(["--job-name=of-b", "--profile=cats", "--poll-interval=100ms"]).assert_exit(65);
}

#[test]
fn another_account_than_expected_ends_before_any_other_call() {
    let place = Place::of("glue-trigger");
    place.call(B, "glue", "CreateJob", crate::glue::job("etl"));
    let args = ["--job-name=etl", "--poll-interval=100ms"];
    place.run([args[0], args[1], "--expect-account", A]).assert_exit(78).assert_says(B);
    assert_eq!(place.runs("etl"), 0);
    place.run([args[0], args[1], "--expect-account", B]).assert_exit(0);
}

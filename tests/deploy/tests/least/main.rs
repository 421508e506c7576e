//! The policies are sufficient, and none of their actions is too many: jobs run with exactly the statements of their
//! features, and with each action left out.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod clients;
mod features;
mod moto;

use std::collections::BTreeSet;

use deploy::binaries;
use deploy::container::binary;
use deploy::iam::{Permission, permissions, statements};
use features::{Feature, MORE, world};
use testkit::{Postgres, Site, Worlds};

/// Needs nothing: everybody may ask who they are.
const WITHOUT_POLICY: [&str; 1] = ["chain-check"];

fn features() -> impl Iterator<Item = &'static Feature> {
    features::FEATURES.iter().chain(clients::FEATURES)
}

/// Each feature works with exactly its statements, and with no action less.
fn prove(binary_name: &str, postgres: &str) {
    let all = permissions(&format!("permissions/{binary_name}.json"));
    let mut used = BTreeSet::new();
    for feature in features().filter(|feature| feature.binary == binary_name) {
        let whole = [feature.with, feature.proves].concat();
        let of =
            |sids: &[&str]| all.iter().filter(|one| sids.contains(&one.sid.as_str())).collect::<Vec<_>>();
        let needed: Vec<&Permission> = of(&whole);
        let site = |without: Option<&Permission>| {
            let rules = needed.iter().filter(|one| Some(**one) != without).flat_map(|one| one.rules());
            let world = world(&rules.collect::<Vec<_>>(), &format!("{MORE}{postgres}"));
            // Which only MWAA's hosts need.
            Site::pod(binary(binary_name), &world).behind_proxy()
        };
        if let Err(said) = (feature.works)(&site(None)) {
            panic!("{binary_name} with {whole:?}: {said}");
        }
        for permission in of(feature.proves) {
            let action = &permission.action;
            let place = format!("{binary_name} with {whole:?} less {action}");
            let said = (feature.works)(&site(Some(permission))).expect_err(&place);
            // Named, whether it ends the run with 77 or only leaves out what it was for: 80 where work is left running.
            let ends = ["77: ", "80: ", "143: ", "denied: "].iter().any(|end| said.starts_with(end));
            assert!(ends && said.contains(action.as_str()), "{place}: {said}");
            used.insert(format!("{}: {action}", permission.sid));
        }
    }
    let whole: BTreeSet<String> = all.iter().map(|one| format!("{}: {}", one.sid, one.action)).collect();
    let unproven: Vec<_> = whole.difference(&used).collect();
    assert!(unproven.is_empty(), "no feature of {binary_name} needs {unproven:?}");
}

/// The two roles of account A and B, as the templates have them: with both policies the chain leads to account B, and
/// without the permission, or for another service account or audience, it ends at the hop that is refused.
#[test]
fn the_chain_is_one_service_accounts_and_one_roles() {
    let assume =
        permissions("account-a-permissions.json").iter().flat_map(Permission::rules).collect::<Vec<_>>();
    let trust = &statements("account-a-trust.json")[0]["Condition"]["StringEquals"];
    let pinned = |key: &str| {
        let mut found = trust.as_object().expect("conditions").iter().filter(|(name, _)| name.ends_with(key));
        found.next().expect("a condition").1.as_str().expect("a text").to_owned()
    };
    let (sub, aud) = (pinned(":sub"), pinned(":aud"));
    let worker =
        permissions("permissions/glue-trigger.json").iter().flat_map(Permission::rules).collect::<Vec<_>>();
    let site = |allow: &[String], sub: &str, aud: &str| {
        let (before, role) =
            Worlds::TWO_ACCOUNTS.split_once("[accounts.111111111111.roles.cats-glue]").expect("the role");
        let (_, after) = role.split_once("]\n\n[accounts.222222222222]").expect("the other account");
        let of_a = format!(
            "{before}[accounts.111111111111.roles.cats-glue]\nallow = [{}]\n\
             trust = [{{ federated = \"cluster\", sub = \"{sub}\", aud = \"{aud}\" }}]\n\n[accounts.222222222222]{after}",
            allow.join(", ")
        );
        let (before, role) =
            of_a.split_once("[accounts.222222222222.roles.external-glue]").expect("the role");
        let (_, after) = role.split_once("]\ntrust").expect("its trust");
        let both = format!(
            "{before}[accounts.222222222222.roles.external-glue]\nallow = [{}]\ntrust{after}",
            worker.join(", ")
        );
        Site::pod(binary("glue-trigger"), &both)
    };
    let args = ["--job-name", "nightly-etl", "--check"];
    site(&assume, &sub, &aud).run(args).assert_exit(0);
    site(&[], &sub, &aud).run(args).assert_exit(77).assert_says("hop 2 of 2");
    site(&assume, "system:serviceaccount:team-ns:other", &aud)
        .run(args)
        .assert_exit(77)
        .assert_says("hop 1 of 2");
    // The token is meant for somebody else.
    let site = site(&assume, &sub, &aud);
    site.write_token(&sub, "https://kubernetes.default.svc", std::time::Duration::from_hours(1));
    site.run(args).assert_exit(77).assert_says("hop 1 of 2");
}

#[test]
fn glue_triggers_policy_is_sufficient_and_necessary() {
    prove("glue-trigger", "");
}

#[test]
fn lambda_invokes_policy_is_sufficient_and_necessary() {
    prove("lambda-invoke", "");
}

#[test]
fn sagemaker_invokes_policy_is_sufficient_and_necessary() {
    prove("sagemaker-invoke", "");
}

#[test]
fn redshift_querys_policy_is_sufficient_and_necessary() {
    let postgres = Postgres::start();
    prove("redshift-query", &postgres.world());
}

#[test]
fn rds_connects_policy_is_sufficient_and_necessary() {
    prove("rds-connect", "");
}

#[test]
fn mwaa_tokens_policy_is_sufficient_and_necessary() {
    prove("mwaa-token", "");
}

#[test]
fn eks_tokens_policy_is_sufficient_and_necessary() {
    prove("eks-token", "");
}

#[test]
fn every_policy_is_proven() {
    for binary in binaries() {
        let proven = features().any(|feature| feature.binary == binary);
        assert_eq!(proven, !WITHOUT_POLICY.contains(&&*binary), "{binary}");
    }
}

//! Each way STS can refuse: 77, the hop, the two roles, the side to mend, and no second try.

use testkit::{Fault, FaultKind, Site, Worlds};

use super::{BINARY, NIGHTLY, calls, nightly};

const TRUST: &str = "trust = [{ principal = \"arn:aws:iam::111111111111:role/cats-glue\" }]";
const ROLE_B: &str = "arn:aws:iam::222222222222:role/external-glue";

fn pod_of(world: &str) -> Site {
    Site::pod(BINARY, world)
}

#[test]
fn an_external_id_that_is_missing_or_wrong() {
    let with_id =
        Worlds::TWO_ACCOUNTS.replace(TRUST, &TRUST.replace(" }]", ", external_id = \"handshake-1\" }]"));
    let outcome = pod_of(&with_id).run(NIGHTLY);
    outcome
        .assert_exit(77)
        .assert_says("hop 2 of 2")
        .assert_says("set external_id")
        .assert_says("trust policy of");

    let site = pod_of(&with_id);
    let config = std::fs::read_to_string(site.path("aws-config")).unwrap();
    site.write(
        "aws-config",
        &config.replace("source_profile = cats", "source_profile = cats\nexternal_id = other-1"),
    );
    site.run(NIGHTLY).assert_exit(77).assert_says("with the external id that this hop sends");
    site.write(
        "aws-config",
        &config.replace("source_profile = cats", "source_profile = cats\nexternal_id = handshake-1"),
    );
    site.run(NIGHTLY).assert_exit(0);
}

#[test]
fn the_identity_policy_of_the_first_role() {
    let without =
        Worlds::TWO_ACCOUNTS.replace(&format!("allow = [\"sts:AssumeRole on {ROLE_B}\"]"), "allow = []");
    let outcome = pod_of(&without).run(NIGHTLY);
    outcome
        .assert_exit(77)
        .assert_says("hop 2 of 2")
        .assert_says("the identity policy of arn:aws:iam::111111111111:role/cats-glue in account 111111111111 must allow sts:AssumeRole");
}

#[test]
fn a_chained_session_of_more_than_an_hour() {
    let site = Site::documented(BINARY);
    let config = std::fs::read_to_string(site.path("aws-config")).unwrap();
    site.write(
        "aws-config",
        &config.replace("source_profile = cats", "source_profile = cats\nduration_seconds = 7200"),
    );
    site.run(NIGHTLY)
        .assert_exit(77)
        .assert_says("hop 2 of 2")
        .assert_says("3600 or less")
        .assert_says("profile `external`");
}

#[test]
fn tags_of_a_pod_identity_that_the_next_role_does_not_let_in() {
    let site = Site::pod(BINARY, &Worlds::pod_identity()).with_pod_identity();
    let outcome = site.run(nightly(&["--assume-role", ROLE_B]));
    outcome
        .assert_exit(77)
        .assert_says("hop 2 of 2")
        .assert_says("sts:TagSession")
        .assert_says("disableSessionTags");
    let site = Site::pod(BINARY, &Worlds::pod_identity()).with_pod_identity();
    site.run(nightly(&["--assume-role", "arn:aws:iam::222222222222:role/external-tagged"])).assert_exit(0);
}

#[test]
fn an_issuer_that_the_account_does_not_know() {
    let world = Worlds::TWO_ACCOUNTS.replace("oidc_providers = { cluster = [\"sts.amazonaws.com\"] }", "");
    pod_of(&world)
        .run(NIGHTLY)
        .assert_exit(77)
        .assert_says("hop 1 of 2")
        .assert_says("needs an IAM OIDC provider for https://oidc.eks");
}

#[test]
fn a_pod_identity_agent_that_refuses_the_token() {
    let site = Site::pod(BINARY, &Worlds::pod_identity()).with_pod_identity();
    site.write("pod-identity-token", "the-token-of-another-pod");
    let outcome = site.run(nightly(&["--assume-role", ROLE_B]));
    outcome
        .assert_exit(77)
        .assert_says("hop 1 of 2")
        .assert_says("container credentials")
        .assert_says("pod identity association");
}

#[test]
fn a_refusal_is_not_tried_again_but_a_hiccup_is() {
    let status = |status, code: &str, message: &str| FaultKind::Status {
        status,
        code: code.into(),
        message: message.into(),
    };
    for (operation, kind, tries, code) in [
        ("AssumeRoleWithWebIdentity", status(400, "IDPCommunicationError", "slow"), 3, 0),
        (
            "AssumeRoleWithWebIdentity",
            status(
                400,
                "InvalidIdentityToken",
                "Couldn't retrieve verification key from your identity provider",
            ),
            3,
            0,
        ),
        ("AssumeRoleWithWebIdentity", FaultKind::Throttle, 3, 0),
        ("AssumeRole", status(500, "InternalFailure", ""), 3, 0),
        ("AssumeRole", FaultKind::ResetBefore, 3, 0),
        ("AssumeRole", FaultKind::Garbage, 3, 0),
        ("AssumeRole", status(403, "AccessDenied", "User: x is not authorized"), 1, 77),
        ("AssumeRole", status(403, "RegionDisabledException", "STS is not activated in this region"), 1, 77),
    ] {
        let site = Site::documented(BINARY);
        site.sandbox.add_fault(Fault::new("sts", operation, kind.clone()).times(2)).unwrap();
        site.run(NIGHTLY).assert_exit(code);
        assert_eq!(calls(&site, operation).len(), tries, "{operation} {kind:?}");
    }
}

#[test]
fn sts_out_of_reach_for_good_is_75() {
    let site = Site::documented(BINARY);
    site.sandbox.add_fault(Fault::new("sts", "AssumeRole", FaultKind::Throttle).for_ever()).unwrap();
    let outcome = site.run(NIGHTLY);
    outcome.assert_exit(75).assert_says("hop 2 of 2").assert_says("Throttling");
    assert_eq!(site.sandbox.started("nightly-etl"), 0);
}

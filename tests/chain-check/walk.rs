//! Chains that work, in both forms of the result.

use testkit::{Site, Worlds};

use crate::{BINARY, ROLE_B, assert_only_walked, hop, site};

#[test]
fn every_hop_tells_who_it_is_and_until_when() {
    let site = site();
    let outcome = site.run::<&str>([]);
    let found = outcome.assert_exit(0).json();
    let chain = &found["chains"][0];
    assert_eq!((&chain["outcome"], &chain["region"]), (&"ok".into(), &"us-east-2".into()));
    assert_eq!(chain["profile"], serde_json::Value::Null);
    for (number, profile, arn, account) in [
        (1, "cats", "arn:aws:sts::111111111111:assumed-role/cats-glue/chain-check-pod-1", "111111111111"),
        (
            2,
            "external",
            "arn:aws:sts::222222222222:assumed-role/external-glue/lambda-trigger",
            "222222222222",
        ),
    ] {
        let hop = hop(&outcome, number);
        assert_eq!((&hop["hop"], &hop["of"]), (&number.into(), &2.into()));
        assert_eq!(
            (&hop["profile"], &hop["arn"], &hop["account"]),
            (&profile.into(), &arn.into(), &account.into())
        );
        assert!(hop["user_id"].as_str().unwrap().starts_with("AROA"), "{hop}");
        let left = hop["expires_in_seconds"].as_u64().expect("an end");
        assert!((3580..=3600).contains(&left), "{left}");
        assert!(
            hop["expires"].as_str().unwrap().ends_with('Z') && hop["milliseconds"].as_f64().unwrap() > 0.0
        );
        assert!(hop.get("policies").is_none() && hop.get("failure").is_none(), "{hop}");
    }
    assert_only_walked(&site);
    // No hop is taken twice: two to take, two to ask.
    assert_eq!(site.sandbox.calls().len(), 4);
}

#[test]
fn of_a_token_the_claims_are_shown_and_never_the_token() {
    let site = site();
    let outcome = site.run(["--explain"]);
    let token = hop(&outcome, 1)["token"].clone();
    assert_eq!(token["iss"], "https://oidc.eks.us-east-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE");
    assert_eq!(token["sub"], "system:serviceaccount:team-ns:glue-trigger");
    assert_eq!(token["aud"], serde_json::json!(["sts.amazonaws.com"]));
    assert!(token["exp"].as_str().unwrap().ends_with('Z'));
    let raw = std::fs::read_to_string(site.path("token")).unwrap();
    for part in raw.split('.') {
        assert!(!outcome.text().contains(part) && !outcome.stderr.contains(part));
    }
}

#[test]
fn text_is_a_table() {
    let outcome = site().run(["--output", "text"]);
    let text = outcome.assert_exit(0).text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "region us-east-2");
    assert!(lines[1].starts_with("HOP  OUTCOME  PROFILE   IDENTITY"), "{text}");
    assert!(
        lines[2].starts_with("1/2  ok       cats      arn:aws:sts::111111111111:assumed-role/cats-glue/"),
        "{text}"
    );
    assert!(
        lines[3].trim_start().starts_with("token ") && lines[3].contains("sub system:serviceaccount:team-ns"),
        "{text}"
    );
    assert!(lines[4].starts_with("2/2  ok       external  arn:aws:sts::222222222222:"), "{text}");
    assert!(lines[4].ends_with(" ms"), "{text}");
    assert_eq!(lines.len(), 5);
}

#[test]
fn several_profiles_are_walked_in_one_run() {
    let site = site();
    for outcome in [site.run(["cats", "external"]), site_with_variable().run::<&str>([])] {
        let found = outcome.assert_exit(0).json();
        let chains = found["chains"].as_array().unwrap();
        let told: Vec<_> =
            chains.iter().map(|chain| (&chain["profile"], chain["hops"].as_array().unwrap().len())).collect();
        assert_eq!(told, [(&"cats".into(), 1), (&"external".into(), 2)]);
    }
    assert_only_walked(&site);
}

fn site_with_variable() -> Site {
    site().env("CHAIN_CHECK_PROFILES", "cats,external")
}

#[test]
fn a_profile_that_cannot_be_planned_keeps_none_from_the_others() {
    let outcome = site().run(["nowhere", "external"]);
    let found = outcome.assert_exit(78).assert_says("profile `nowhere`").json();
    assert_eq!(
        (&found["chains"][0]["outcome"], &found["chains"][1]["outcome"]),
        (&"config".into(), &"ok".into())
    );
    assert!(found["chains"][0]["error"].as_str().unwrap().contains("nowhere"), "{found}");
    assert_eq!(found["chains"][0]["hops"], serde_json::json!([]));
}

#[test]
fn static_keys_are_a_hop_of_their_own() {
    let world = format!(
        "{}\n[accounts.111111111111.users.ops]\naccess_key_id = 'AKIAIOSFODNN7EXAMPLE'\n\
         secret_access_key = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'\nallow = ['sts:AssumeRole on *']\n",
        Worlds::TWO_ACCOUNTS.replace("role/cats-glue\" }", "user/ops\" }")
    );
    let site = Site::bare(BINARY, &world)
        .env("AWS_REGION", "us-east-2")
        .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    let outcome = site.run(["--assume-role", ROLE_B]);
    outcome.assert_exit(0);
    assert_eq!(hop(&outcome, 1)["arn"], "arn:aws:iam::111111111111:user/ops");
    assert_eq!(hop(&outcome, 1)["expires"], serde_json::Value::Null);
    assert_eq!(hop(&outcome, 2)["account"], "222222222222");
}

#[test]
fn another_account_than_expected_is_told_with_the_whole_walk() {
    let outcome = site().run(["--expect-account", "333333333333"]);
    let found = outcome.assert_exit(78).assert_says("333333333333").json();
    assert_eq!(hop(&outcome, 2)["outcome"], "ok");
    assert!(found["chains"][0]["error"].as_str().unwrap().contains("222222222222"));
}

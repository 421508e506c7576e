//! `--explain`: all policies that a chain needs, whether it works or not.

use serde_json::json;
use testkit::{Site, Worlds};

use crate::{BINARY, ROLE_A, ROLE_B, assert_only_walked, hop, site};

#[test]
fn the_policies_of_a_chain_that_works() {
    let site = site();
    let outcome = site.run(["--explain"]);
    outcome.assert_exit(0);
    let kinds = |number| {
        let hop = hop(&outcome, number);
        let list = hop["policies"].as_array().expect("policies").clone();
        list.iter().map(|policy| (policy["kind"].clone(), policy["of"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(kinds(1), [(json!("trust"), json!(ROLE_A))]);
    assert_eq!(kinds(2), [(json!("permissions"), json!(ROLE_A)), (json!("trust"), json!(ROLE_B))]);
    assert_only_walked(&site);
}

#[test]
fn text_can_be_pasted() {
    let outcome = site().run(["--explain", "--output", "text"]);
    let text = outcome.assert_exit(0).text();
    let expected = format!(
        "\na permission policy of {ROLE_A}:\n{{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {{\n      \"Effect\": \"Allow\",\n      \
         \"Action\": \"sts:AssumeRole\",\n      \"Resource\": \"{ROLE_B}\"\n    }}\n  ]\n}}\n"
    );
    assert!(text.contains(&expected), "{text}");
    assert!(text.contains(&format!("\ntrust policy of {ROLE_B}:\n{{")), "{text}");
}

/// The chain that fails at its first hop is explained to its end, from the plan.
#[test]
fn hops_that_are_not_reached_are_explained_too() {
    let site = site();
    site.write_token(
        "system:serviceaccount:team-ns:other",
        "sts.amazonaws.com",
        std::time::Duration::from_hours(1),
    );
    let outcome = site.run(["--explain"]);
    outcome.assert_exit(77);
    let second = hop(&outcome, 2);
    assert_eq!(second["outcome"], "not_reached");
    assert_eq!(second["policies"].as_array().map(Vec::len), Some(2), "{second}");
}

#[test]
fn the_agent_of_a_pod_identity_is_a_service() {
    let site = Site::pod(BINARY, &Worlds::pod_identity()).with_pod_identity();
    let outcome = site.run(["--explain", "--assume-role", "arn:aws:iam::222222222222:role/external-tagged"]);
    outcome.assert_exit(0);
    let first = hop(&outcome, 1)["policies"][0].clone();
    assert_eq!(first["of"], ROLE_A);
    assert_eq!(first["document"]["Statement"][0]["Principal"]["Service"], "pods.eks.amazonaws.com");
}

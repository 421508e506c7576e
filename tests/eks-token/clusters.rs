//! `clusters` and `describe`.

use std::fmt::Write as _;

use testkit::Worlds;

use crate::{ARN, in_world, site};

#[test]
fn clusters_are_listed() {
    let site = site();
    assert_eq!(site.run(["clusters"]).assert_exit(0).json(), serde_json::json!({ "clusters": ["target"] }));
    assert_eq!(site.run(["clusters", "--output", "text"]).assert_exit(0).text(), "target\n");
    assert_eq!(site.sandbox.count("eks", "ListClusters"), 2);
}

#[test]
fn a_list_may_have_more_than_one_page() {
    let mut world = Worlds::TWO_ACCOUNTS.to_owned();
    for number in 0..101 {
        write!(world, "[[eks.clusters]]\naccount = '222222222222'\nname = 'c{number:03}'\n").unwrap();
    }
    let site = in_world(&world);
    let names = site.run(["clusters", "--output", "text"]);
    let names: Vec<&str> = names.assert_exit(0).text().lines().collect();
    assert_eq!((names.len(), names[0], names[101]), (102, "c000", "target"));
    assert_eq!(site.sandbox.count("eks", "ListClusters"), 2);
}

#[test]
fn a_cluster_is_described_as_eks_does() {
    let site = site();
    let outcome = site.run(["describe", "--cluster-name", "target"]);
    let cluster = &outcome.assert_exit(0).json()["cluster"];
    assert_eq!((cluster["arn"].as_str(), cluster["status"].as_str()), (Some(ARN), Some("ACTIVE")));
    assert!(cluster["createdAt"].as_str().expect("a time").ends_with('Z'), "{cluster}");
    assert!(cluster["certificateAuthority"]["data"].is_string());

    let outcome = site.run(["describe", "--cluster-name", "target", "--output", "text"]);
    let text = outcome.assert_exit(0).text();
    for expected in
        [ARN, "oidc issuer     https://oidc.eks.us-east-2.amazonaws.com/id/", "API_AND_CONFIG_MAP"]
    {
        assert!(text.contains(expected), "no {expected} in:\n{text}");
    }
}

#[test]
fn clusters_of_other_accounts_and_regions_are_not_seen() {
    let world = Worlds::TWO_ACCOUNTS.replace("on arn:aws:eks:us-east-2:", "on arn:aws:eks:*:");
    let site = in_world(&world);
    let outcome = site.run(["describe", "--cluster-name", "target", "--region", "us-west-2"]);
    outcome
        .assert_exit(65)
        .assert_says("there is no cluster `target` in account 222222222222, region us-west-2");
    assert_eq!(site.run(["clusters", "--region", "us-west-2"]).json(), serde_json::json!({ "clusters": [] }));
}

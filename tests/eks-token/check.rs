//! `--check`: what can be known, and nothing written.

use testkit::Worlds;

use crate::{in_world, kubeconfig_file, site};

#[test]
fn each_command_can_be_checked() {
    let site = site();
    for (args, name, detail) in [
        (&["token", "--cluster-name", "target"][..], "token", "was made"),
        (&["kubeconfig", "--cluster-name", "target"], "eks:DescribeCluster", "ACTIVE"),
        (&["describe", "--cluster-name", "target"], "eks:DescribeCluster", "ACTIVE"),
        (&["clusters"], "eks:ListClusters", "1 clusters"),
    ] {
        let outcome = site.run([args, &["--check"]].concat());
        let survey = outcome.assert_exit(0).json();
        assert_eq!(survey["checks"][0]["name"], "credentials");
        assert_eq!(
            (&survey["checks"][1]["name"], &survey["checks"][1]["result"]),
            (&name.into(), &"ok".into())
        );
        assert!(survey["checks"][1]["detail"].as_str().unwrap().contains(detail), "{survey}");
        assert!(!outcome.text().contains("k8s-aws-v1"), "a check shows no token");
    }
    assert!(!kubeconfig_file(&site).exists());
}

#[test]
fn a_check_that_fails_says_what_the_run_would() {
    let site = in_world(&Worlds::TWO_ACCOUNTS.replace("\"eks:ListClusters on *\",", ""));
    let survey = site.run(["clusters", "--check"]);
    assert_eq!(survey.assert_exit(77).json()["checks"][1]["result"], "failed");
}

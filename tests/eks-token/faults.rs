//! What EKS can do to a call.

use std::time::Duration;

use testkit::{Fault, FaultKind, Worlds};

use crate::{in_world, kubeconfig_file, site, status, write_kubeconfig};

const OPERATIONS: [(&str, &[&str]); 3] = [
    ("ListClusters", &["clusters"]),
    ("DescribeCluster", &["describe", "--cluster-name", "target"]),
    ("DescribeCluster", &["kubeconfig", "--cluster-name", "target"]),
];

#[test]
fn hiccups_are_borne() {
    for (operation, args) in OPERATIONS {
        for kind in [
            FaultKind::Throttle,
            FaultKind::ResetBefore,
            FaultKind::ResetAfter,
            FaultKind::Status {
                status: 503,
                code: "ServiceUnavailableException".into(),
                message: "later".into(),
            },
        ] {
            let site = site();
            site.sandbox.add_fault(Fault::new("eks", operation, kind)).unwrap();
            site.run(args).assert_exit(0);
            assert_eq!(site.sandbox.count("eks", operation), 2, "{operation}");
        }
    }
}

#[test]
fn what_does_not_end_is_75() {
    for (operation, args) in OPERATIONS {
        for kind in [FaultKind::Throttle, FaultKind::ResetBefore, FaultKind::Garbage, FaultKind::Truncated] {
            let site = site();
            site.sandbox.add_fault(Fault::new("eks", operation, kind).for_ever()).unwrap();
            let outcome = site.run(args);
            outcome.assert_exit(75).assert_says(&format!("eks:{operation}"));
            assert!(outcome.stdout.is_empty() && !kubeconfig_file(&site).exists());
        }
    }
}

#[test]
fn silence_ends_with_the_timeout() {
    for (operation, args) in OPERATIONS {
        let site = site();
        site.sandbox.add_fault(Fault::new("eks", operation, FaultKind::Hang).for_ever()).unwrap();
        let outcome = site.run([args, &["--timeout", "1s"]].concat());
        outcome.assert_exit(75).assert_says("--timeout");
        assert!(outcome.elapsed < Duration::from_secs(4), "{:?}", outcome.elapsed);
    }
}

#[test]
fn a_signal_ends_it_at_once() {
    let site = site();
    site.sandbox.add_fault(Fault::new("eks", "ListClusters", FaultKind::Hang).for_ever()).unwrap();
    let running = site.start(["clusters"]);
    running.wait_for_calls("eks", "ListClusters", 1);
    running.signal(testkit::Signal::TERM);
    let outcome = running.finish();
    outcome.assert_exit(143);
    assert!(outcome.elapsed < Duration::from_secs(3), "{:?}", outcome.elapsed);
}

#[test]
fn what_the_role_may_not_do_is_77() {
    let world = Worlds::TWO_ACCOUNTS.replace("\"eks:ListClusters on *\",", "");
    let site = in_world(&world.replace("\"eks:DescribeCluster on", "\"eks:DescribeAddon on"));
    for (operation, args) in OPERATIONS {
        let outcome = site.run(args);
        outcome.assert_exit(77).assert_says("role/external-glue").assert_says(&format!("eks:{operation}"));
        assert!(outcome.termination()["request_id"].is_string());
    }
}

#[test]
fn each_status_of_a_cluster_has_its_answer() {
    for (status_name, exit, says) in [
        ("ACTIVE", 0, ""),
        ("UPDATING", 0, ""),
        ("CREATING", 75, "is CREATING: it has no API server yet"),
        ("PENDING", 75, "is PENDING"),
        ("DELETING", 65, "is DELETING: there is nothing for kubectl to reach"),
        ("FAILED", 65, "is FAILED"),
    ] {
        let site = in_world(&status(status_name));
        write_kubeconfig(&site, &[]).assert_exit(exit).assert_says(says);
        assert_eq!(kubeconfig_file(&site).exists(), exit == 0, "{status_name}");
        site.run(["describe", "--cluster-name", "target"]).assert_exit(0);
    }
}

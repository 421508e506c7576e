//! What STS can do to a walk.

use std::time::Duration;

use testkit::{Fault, FaultKind, Signal};

use crate::{hop, site};

const OPERATIONS: [&str; 3] = ["AssumeRoleWithWebIdentity", "AssumeRole", "GetCallerIdentity"];

#[test]
fn hiccups_are_borne() {
    for operation in OPERATIONS {
        for kind in [FaultKind::Throttle, FaultKind::ResetBefore, FaultKind::Garbage] {
            let site = site();
            site.sandbox.add_fault(Fault::new("sts", operation, kind)).unwrap();
            site.run::<&str>([]).assert_exit(0);
        }
    }
}

#[test]
fn silence_ends_with_the_timeout_and_the_hop_is_told() {
    for (operation, silent) in OPERATIONS.into_iter().zip([1, 2, 1]) {
        let site = site();
        site.sandbox.add_fault(Fault::new("sts", operation, FaultKind::Hang).for_ever()).unwrap();
        let outcome = site.run(["--timeout", "1s"]);
        outcome.assert_exit(75).assert_says(&format!("hop {silent} of 2")).assert_says("within --timeout");
        let hops: Vec<_> = (1..=2).map(|number| hop(&outcome, number)["outcome"].clone()).collect();
        let expected = if silent == 1 { ["unavailable", "not_reached"] } else { ["ok", "unavailable"] };
        assert_eq!(hops, expected, "{operation}");
        assert!(outcome.elapsed < Duration::from_secs(4), "{:?}", outcome.elapsed);
    }
}

#[test]
fn the_hop_that_is_slow_is_seen() {
    let site = site();
    site.sandbox
        .add_fault(Fault::new("sts", "AssumeRole", FaultKind::Slow(Duration::from_millis(700))))
        .unwrap();
    let outcome = site.run::<&str>([]);
    outcome.assert_exit(0);
    let took = |number| hop(&outcome, number)["milliseconds"].as_f64().expect("a time");
    assert!(took(2) >= 700.0 && took(1) < 700.0, "{} {}", took(1), took(2));
}

#[test]
fn a_signal_ends_it_at_once() {
    let site = site();
    site.sandbox.add_fault(Fault::new("sts", "GetCallerIdentity", FaultKind::Hang).for_ever()).unwrap();
    let running = site.start::<&str>([]);
    running.wait_for_calls("sts", "GetCallerIdentity", 1);
    running.signal(Signal::TERM);
    let outcome = running.finish();
    outcome.assert_exit(143);
    assert!(outcome.elapsed < Duration::from_secs(3), "{:?}", outcome.elapsed);
}

//! Two ways to Airflow: the second where the first is not allowed, for the start and for every look.

use std::time::Duration;

use testkit::{Fault, FaultKind};

use super::{
    ENDLESS, FAILING, QUICK, THREE, calls, fault, in_world, keyed, pod, spoil, started, status, trigger,
    web_fault, world_without,
};

#[test]
fn without_the_right_to_the_rest_api_the_command_line_takes_its_place() {
    for environment in ["", THREE] {
        for args in [trigger(&[]), keyed(&[])] {
            let site = in_world(&world_without("airflow:InvokeRestApi", environment, FAILING));
            let outcome = site.run(&args);
            let told = outcome.assert_exit(10).assert_says("takes the place of its REST API").json();
            assert_eq!(told["channel"], "cli");
            assert_eq!(told["failed_tasks"][0]["task_id"], "extract");
            // Refused once, and not asked again.
            assert_eq!(calls(&site, "InvokeRestApi").len(), 1);
            // A token for every command.
            assert_eq!(calls(&site, "CreateCliToken").len(), calls(&site, "Cli").len());
            assert_eq!(started(&site), 1);
        }
    }
}

#[test]
fn an_environment_that_is_too_old_for_it() {
    let site = pod("rest_api = false", QUICK);
    let outcome = site.run(trigger(&[]));
    outcome.assert_exit(0).assert_says("Update your environment");
    assert_eq!(outcome.json()["channel"], "cli");
}

/// Rights can go while a run goes on: the looks take the other way.
#[test]
fn rights_that_go_in_the_middle() {
    let site =
        pod("", "courses = [{ steps = [{ state = 'running' }, { state = 'success', after = '1500ms' }] }]");
    spoil(
        &site,
        fault("InvokeRestApi", status(403, "AccessDeniedException", "No Airflow role granted in IAM"))
            .from(5)
            .for_ever(),
    );
    let outcome = site.run(trigger(&[]));
    assert_eq!(outcome.assert_exit(0).json()["channel"], "cli");
    assert_eq!((started(&site), calls(&site, "InvokeRestApi").len()), (1, 5));
}

/// Airflow's own refusal is none of IAM: a token for the command line would be a way around it.
#[test]
fn what_airflow_does_not_allow_is_not_done_another_way() {
    let site = pod("", "refused_with = 403");
    site.run(trigger(&[])).assert_exit(77).assert_says("403").assert_says("You do not have permission");
    assert!(calls(&site, "CreateCliToken").is_empty());
}

/// What Airflow says itself, inside of MWAA's exceptions, is judged by its own status.
#[test]
fn statuses_of_airflow_itself() {
    for (code, exit, starts) in [(401, 77, 1), (400, 65, 1), (429, 75, 5), (503, 80, 5)] {
        let site = pod("", &format!("refused_with = {code}"));
        site.run(trigger(&[])).assert_exit(exit);
        // Pauses have a part at random, so that the number of repetitions within their limit differs.
        let sent = calls(&site, "InvokeRestApi").len() - 1;
        assert!(if starts == 1 { sent == 1 } else { (4..=8).contains(&sent) }, "{code}: {sent}");
    }
}

/// Somebody deletes it while it is waited for.
#[test]
fn a_run_that_is_not_there_any_more() {
    for channel in ["rest", "cli"] {
        let site = pod("", ENDLESS);
        let running = site.start(keyed(&["--channel", channel]));
        running.wait_for_log("new state");
        let id = site.sandbox.dag_runs("flow")[0].run_id.clone();
        site.run(["rest", "DELETE", &format!("/dags/etl/dagRuns/{id}")]).assert_exit(0);
        // Up to half a minute a new run may be unknown; one that was seen may not.
        let outcome = running.finish();
        outcome.assert_exit(65).assert_says("does not exist, or no longer");
        assert!(outcome.elapsed < Duration::from_secs(20), "{channel}: {:?}", outcome.elapsed);
    }
}

#[test]
fn a_way_that_is_chosen_is_the_only_one() {
    let site = in_world(&world_without("airflow:InvokeRestApi", "", QUICK));
    site.run(trigger(&["--channel", "rest"])).assert_exit(77).assert_says("No Airflow role granted in IAM");
    assert!(calls(&site, "CreateCliToken").is_empty());
}

/// Every look makes a token of its own, so that their minute does not matter.
#[test]
fn tokens_that_expire_in_the_middle() {
    let site = pod("", ENDLESS);
    let running = site.start(trigger(&["--channel", "cli"]));
    running.wait_for_log("new state");
    for _ in 0..3 {
        site.sandbox.advance(Duration::from_secs(61));
        let seen = calls(&site, "Cli").len();
        running.wait_for_calls("mwaa-web-server", "Cli", seen + 2);
    }
    assert!(calls(&site, "Cli").iter().all(|call| call.status == Some(200)), "{:#?}", calls(&site, "Cli"));
    running.kill();
}

/// The role's session as well: the chain makes a new one.
#[test]
fn sessions_that_expire_in_the_middle() {
    let world = super::world("", ENDLESS);
    let site = in_world(&format!("session_seconds = 6\n{world}"));
    let running = site.start(trigger(&[]));
    running.wait_for_log("new state");
    running.wait_for_calls("sts", "AssumeRole", 3);
    let seen = calls(&site, "InvokeRestApi").len();
    running.wait_for_calls("mwaa", "InvokeRestApi", seen + 3);
    assert!(running.is_running());
    running.kill();
}

#[test]
fn looks_bear_troubles() {
    for (channel, service, operation) in
        [("rest", "mwaa", "InvokeRestApi"), ("cli", "mwaa-web-server", "Cli")]
    {
        for kind in [
            FaultKind::ResetAfter,
            FaultKind::Garbage,
            FaultKind::Truncated,
            status(429, "ThrottlingException", "slow"),
            status(502, "BadGateway", ""),
        ] {
            let site = pod("", QUICK);
            spoil(&site, Fault::new(service, operation, kind.clone()).from(3).times(2));
            site.run(trigger(&["--channel", channel])).assert_exit(0);
            assert_eq!(started(&site), 1, "{channel} {kind:?}");
        }
    }
}

/// Is there a run of this key, is the DAG paused: nothing would come of an answer that is lost but a pod that fails.
#[test]
fn looks_before_the_start_bear_troubles() {
    for (channel, service, operation) in
        [("rest", "mwaa", "InvokeRestApi"), ("cli", "mwaa-web-server", "Cli")]
    {
        for kind in
            [FaultKind::ResetAfter, status(429, "ThrottlingException", "slow"), status(502, "BadGateway", "")]
        {
            for at in [1, 2] {
                let site = pod("", QUICK);
                spoil(&site, Fault::new(service, operation, kind.clone()).from(at));
                site.run(keyed(&["--channel", channel])).assert_exit(0);
                assert_eq!(started(&site), 1, "{channel} {kind:?} {at}");
            }
        }
    }
}

#[test]
fn a_run_that_can_no_longer_be_seen_may_go_on() {
    let site = pod("", ENDLESS);
    spoil(&site, fault("InvokeRestApi", status(400, "RestApiServerException", "")).from(4).for_ever());
    let outcome = site.run(trigger(&["--channel", "rest"]));
    outcome.assert_exit(80).assert_says("may still be running").assert_says("grid?dag_run_id=");

    let site = pod("", ENDLESS);
    spoil(&site, fault("InvokeRestApi", status(403, "AccessDeniedException", "gone")).from(4).for_ever());
    site.run(trigger(&["--channel", "rest"])).assert_exit(77).assert_says("may still be running");

    let site = pod("", ENDLESS);
    spoil(&site, web_fault(status(502, "BadGateway", "")).from(4).for_ever());
    site.run(trigger(&["--channel", "cli"])).assert_exit(80);
}

#[test]
fn a_private_web_server_is_reached_by_the_rest_api() {
    let site = pod("access_mode = 'PRIVATE_ONLY'", QUICK);
    site.run(trigger(&[])).assert_exit(0);
    // And not by the other way, which is told.
    let site = in_world(&world_without("airflow:InvokeRestApi", "access_mode = 'PRIVATE_ONLY'", QUICK));
    let outcome = site.run(trigger(&["--timeout", "3s"]));
    outcome.assert_exit(75).assert_says("PRIVATE_ONLY").assert_says("airflow:InvokeRestApi was refused");
    assert_eq!(started(&site), 0);
}

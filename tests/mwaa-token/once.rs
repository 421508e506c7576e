//! Start once: how often a run was really created is asked of the sandbox.

use serde_json::json;
use testkit::{FaultKind, Site};

use super::{
    ENDLESS, FAILING, KEY, QUICK, THREE, calls, fault, keyed, pod, spoil, started, status, trigger, web_fault,
};

const WAYS: [(&str, &str); 4] = [("", "rest"), (THREE, "rest"), ("", "cli"), (THREE, "cli")];

/// A run of the key, made by somebody else.
fn make_run(site: &Site) -> String {
    let told = site.run(keyed(&["--no-wait"])).assert_exit(0).json();
    told["dag_run_id"].as_str().unwrap().to_owned()
}

#[test]
fn the_second_process_takes_over() {
    for (environment, channel) in WAYS {
        let site = pod(environment, QUICK);
        let first = site.run(keyed(&["--channel", channel])).assert_exit(0).json();
        let second = site.run(keyed(&["--channel", channel])).assert_exit(0).json();
        assert_eq!(first["dag_run_id"], second["dag_run_id"]);
        assert_eq!((&first["adopted"], &second["adopted"]), (&json!(false), &json!(true)), "{channel}");
        assert_eq!(started(&site), 1);
        // Another key is other work.
        site.run(trigger(&["--idempotency-key", "other"])).assert_exit(0);
        assert_eq!(started(&site), 2);
    }
}

/// SIGKILL at every step, as a node that goes away.
#[test]
fn killed_at_any_moment_there_is_one_run() {
    for (environment, channel) in WAYS {
        let (service, operation, sent) = match channel {
            "rest" => ("mwaa", "InvokeRestApi", 3),
            _ => ("mwaa-web-server", "Cli", 3),
        };
        // With calls of: the look for an earlier run, whether it is paused, the start, a look at the run.
        for moment in 1..=sent + 1 {
            let site = pod(
                environment,
                "courses = [{ steps = [{ state = 'running' }, { state = 'success', after = '3s' }] }]",
            );
            let hang = testkit::Fault::new(service, operation, FaultKind::HangAfter).from(moment);
            spoil(&site, hang);
            let running = site.start(keyed(&["--channel", channel]));
            running.wait_for_calls(service, operation, usize::try_from(moment).unwrap());
            running.kill();
            assert_eq!(started(&site), usize::from(moment >= sent), "{channel} {moment}");
            let outcome = site.run(keyed(&["--channel", channel]));
            outcome.assert_exit(0);
            assert_eq!(outcome.json()["adopted"], moment >= sent, "{channel} {moment}");
            assert_eq!(started(&site), 1);
        }
    }
}

/// Two processes at once: both look, find nothing, and start; Airflow says 409 to the slower one.
#[test]
fn a_race_is_settled_by_409() {
    for (environment, channel) in WAYS {
        let site = pod(environment, QUICK);
        let (service, operation) =
            if channel == "rest" { ("mwaa", "InvokeRestApi") } else { ("mwaa-web-server", "Cli") };
        // The first one's look is answered, its next question late: the second overtakes it.
        let slow = FaultKind::Slow(std::time::Duration::from_secs(3));
        spoil(&site, testkit::Fault::new(service, operation, slow).from(2));
        let first = site.start(keyed(&["--channel", channel]));
        first.wait_for_calls(service, operation, 2);
        let second = site.run(keyed(&["--channel", channel]));
        assert_eq!(second.assert_exit(0).json()["adopted"], false);
        let first = first.finish();
        assert_eq!(first.assert_exit(0).json()["adopted"], true, "{channel}: {}", first.stderr);
        assert_eq!(started(&site), 1);
    }
}

/// With and without a key: the id makes it safe to send a start again.
#[test]
fn a_start_without_a_clear_answer_is_sent_again_under_its_id() {
    for (args, at) in [(trigger(&["--channel", "rest"]), 2), (keyed(&["--channel", "rest"]), 3)] {
        for kind in [
            FaultKind::ResetAfter,
            FaultKind::ResetBefore,
            FaultKind::Garbage,
            status(500, "InternalServerException", ""),
            status(400, "RestApiServerException", ""),
            FaultKind::Throttle,
        ] {
            let site = pod("", QUICK);
            spoil(&site, fault("InvokeRestApi", kind.clone()).from(at));
            let told = site.run(&args).assert_exit(0).json();
            assert_eq!((started(&site), &told["adopted"]), (1, &json!(false)), "{kind:?}");
        }
    }
    for (args, at) in [(trigger(&["--channel", "cli"]), 2), (keyed(&["--channel", "cli"]), 3)] {
        for kind in [
            FaultKind::ResetAfter,
            FaultKind::Truncated,
            status(504, "GatewayTimeout", ""),
            status(403, "Forbidden", ""),
        ] {
            let site = pod("", QUICK);
            spoil(&site, web_fault(kind.clone()).from(at));
            let told = site.run(&args).assert_exit(0).json();
            assert_eq!((started(&site), &told["adopted"]), (1, &json!(false)), "{kind:?}");
        }
    }
}

#[test]
fn a_start_that_never_gets_an_answer_is_told_as_such() {
    let kind = || status(400, "RestApiServerException", "");
    let site = pod("", ENDLESS);
    spoil(&site, fault("InvokeRestApi", kind()).from(2).for_ever());
    let outcome = site.run(trigger(&["--channel", "rest"]));
    outcome.assert_exit(80).assert_says("may have been started").assert_says("dag_run_id=once-");
    // Whether the DAG is paused, the start and its repetitions, the search.
    assert_eq!(calls(&site, "InvokeRestApi").len(), 1 + 6 + 1);

    let site = pod("", ENDLESS);
    spoil(&site, fault("InvokeRestApi", kind()).from(3).for_ever());
    site.run(keyed(&["--channel", "rest"]))
        .assert_exit(75)
        .assert_says("the next process with the same idempotency key searches for it first");
}

#[test]
fn an_earlier_failure_is_reported_or_run_again() {
    for (environment, channel) in WAYS {
        let site = pod(environment, FAILING);
        let first = site.run(keyed(&["--channel", channel])).assert_exit(10).json();
        let again = site.run(keyed(&["--channel", channel]));
        assert_eq!(again.assert_exit(10).json()["adopted"], true);
        again.assert_says("extract, load");
        assert_eq!(started(&site), 1);
        let rerun =
            site.run(keyed(&["--channel", channel, "--on-prior-failure", "rerun"])).assert_exit(10).json();
        assert_eq!(rerun["dag_run_id"], format!("{}-2", first["dag_run_id"].as_str().unwrap()));
        assert_eq!(started(&site), 2);
        // Without a wait as well, and what has failed twice is done a third time.
        site.run(keyed(&["--channel", channel, "--no-wait"])).assert_exit(10);
        site.run(keyed(&["--channel", channel, "--on-prior-failure", "rerun"])).assert_exit(10);
        assert_eq!(started(&site), 3);
    }
}

/// What goes on is no reason to look whether a new one could be started.
#[test]
fn a_run_is_taken_over_though_the_dag_is_paused() {
    let site = pod("", "paused = true");
    let id = {
        let told = site.run(keyed(&["--no-wait", "--allow-paused"])).assert_exit(0).json();
        told["dag_run_id"].clone()
    };
    let outcome = site.run(keyed(&["--timeout", "2s"]));
    outcome.assert_exit(79);
    assert_eq!(outcome.termination()["remote_id"], id);
    assert_eq!(started(&site), 1);
}

#[test]
fn the_id_is_made_of_the_key_and_of_what_is_asked_for() {
    let id = make_run(&pod("", ENDLESS));
    assert_eq!(id, make_run(&pod(THREE, ENDLESS)));
    assert!(id.starts_with("key-") && id.len() == 29 && !id.contains(KEY[1]), "{id}");
    // Without a key, each process has its own.
    let site = pod("", QUICK);
    for _ in 0..3 {
        site.run(trigger(&["--no-wait"])).assert_exit(0);
    }
    assert_eq!(started(&site), 3);
}

/// What is no list says nothing: it might be taken for a run that is gone.
#[test]
fn a_list_of_runs_that_is_none_says_nothing() {
    let log = "[2026-01-01T00:00:00.000+0000] {dagbag.py:588} INFO - Filling up the DagBag\n";
    for (stdout, found) in [
        (String::new(), None),
        (log.to_owned(), None),
        (format!("{log}[{{\"dag_id\": \"etl\", \"run"), None),
        (format!("{log}No data found\n"), Some(false)),
        (format!("{log}[]\n"), Some(false)),
    ] {
        let answer = format!(
            "[[mwaa.environments.commands]]\ncommand = 'dags list-runs'\nstdout = '''\n{stdout}'''\n"
        );
        let site = pod("", &format!("{QUICK}\n{answer}"));
        let outcome = site.run(keyed(&["--channel", "cli", "--no-wait"]));
        match found {
            Some(found) => assert_eq!(outcome.assert_exit(0).json()["adopted"], found, "{stdout}"),
            None => {
                outcome
                    .assert_exit(75)
                    .assert_says("search for an earlier DAG run")
                    .assert_says("does not list");
            }
        }
        assert_eq!(started(&site), usize::from(found.is_some()), "{stdout}");
    }
}

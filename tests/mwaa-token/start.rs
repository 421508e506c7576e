//! What is looked at before a start, and what a start is made of.

use testkit::{FaultKind, Worlds};

use super::environments::STATUSES;
use super::{
    ENDLESS, KEY, QUICK, THREE, assert_nothing_sent, calls, fault, in_world, keyed, pod, spoil, started,
    status, trigger, web_fault, world, world_without,
};

#[test]
fn every_status_of_the_environment() {
    for status in STATUSES.into_iter().chain(["HIBERNATING"]) {
        let (exit, told) = match status {
            "AVAILABLE" | "UPDATE_FAILED" => (0, None),
            "UPDATING" | "MAINTENANCE" | "CREATING_SNAPSHOT" | "ROLLING_BACK" => {
                (0, Some("may be unavailable"))
            }
            "HIBERNATING" => (0, Some("does not know")),
            "CREATING" | "PENDING" => (75, Some("nothing was started")),
            _ => (65, Some("nothing was started")),
        };
        let site = pod(&format!("status = '{status}'"), QUICK);
        let outcome = site.run(trigger(&["--no-wait"]));
        outcome.assert_exit(exit);
        if let Some(told) = told {
            outcome.assert_says(told).assert_says(status);
        }
        assert_eq!(started(&site), usize::from(exit == 0), "{status}");
    }
}

#[test]
fn a_paused_dag_is_refused_unless_that_is_wanted() {
    for (environment, channel) in [("", "rest"), (THREE, "rest"), ("", "cli"), (THREE, "cli")] {
        let site = pod(environment, "paused = true");
        let outcome = site.run(trigger(&["--channel", channel]));
        outcome.assert_exit(65).assert_says("is paused").assert_says("--allow-paused");
        assert_eq!(started(&site), 0);
        let outcome = site.run(trigger(&["--channel", channel, "--allow-paused", "--timeout", "2s"]));
        outcome.assert_exit(80).assert_says("last state queued");
        assert_eq!(started(&site), 1);
    }
}

#[test]
fn a_dag_that_is_not_there() {
    for (environment, channel) in [("", "rest"), (THREE, "rest"), ("", "cli"), (THREE, "cli")] {
        let site = pod(environment, "");
        let outcome = site.run(["trigger", "nowhere", "--channel", channel]);
        outcome.assert_exit(65).assert_says("nowhere");
        let outcome = site.run(["trigger", "nowhere", "--channel", channel, KEY[0], KEY[1]]);
        outcome.assert_exit(65).assert_says("nowhere");
    }
}

#[test]
fn a_logical_date_is_handed_on_and_may_be_taken() {
    for (environment, channel) in [("", "rest"), (THREE, "rest"), ("", "cli"), (THREE, "cli")] {
        let site = pod(environment, ENDLESS);
        let date = ["--logical-date", "2026-01-31T06:00:00Z", "--channel", channel, "--timeout", "2s"];
        site.run(trigger(&date)).assert_exit(80);
        // By either way, the run has it.
        let told = site.run(["rest", "POST", "/dags/~/dagRuns/list", "{}"]).assert_exit(0).json();
        assert_eq!(told["dag_runs"][0]["logical_date"], "2026-01-31T06:00:00Z", "{channel}");
        if channel == "rest" {
            let outcome = site.run(keyed(&date));
            let said = if environment == THREE { "Unique constraint violation" } else { "already exists" };
            outcome.assert_exit(65).assert_says(said).assert_says("--logical-date");
            assert_eq!(started(&site), 1);
        }
    }
}

#[test]
fn bad_input_is_refused_before_any_call() {
    let site = pod("", "");
    for (args, told) in [
        (&["trigger"][..], "DAG"),
        (&["trigger", "a/b"], "id of a DAG"),
        (&["trigger", "a", "--conf", "[1]"], "not a JSON object"),
        (&["trigger", "a", "--conf", "{\"password\": \"hunter2"], "not a JSON object"),
        (&["trigger", "a", "--conf-file", "/nowhere"], "No such file"),
        (&["trigger", "a", "--logical-date", "yesterday"], "2026-01-31T06:00:00Z"),
        (&["trigger", "a", "--channel", "web"], "--channel"),
    ] {
        site.run(args).assert_exit(2).assert_says(told).assert_does_not_say("hunter2 ");
    }
    assert_nothing_sent(&site);
}

#[test]
fn everything_can_be_set_by_environment() {
    let site =
        pod("", QUICK).env("MWAA_DAG_ID", "etl").env("MWAA_CONF", r#"{"a": 1}"#).env("MWAA_CHANNEL", "cli");
    let site = site.env("JOB_POLL_INTERVAL", "100ms");
    site.run(["trigger"]).assert_exit(0);
    assert_eq!(site.sandbox.dag_runs("flow")[0].conf["a"], 1);
    assert!(calls(&site, "InvokeRestApi").is_empty());

    let site = pod("", QUICK);
    site.write("conf.json", r#"{"b": 2}"#);
    site.run(trigger(&["--conf-file", "conf.json"])).assert_exit(0);
    assert_eq!(site.sandbox.dag_runs("flow")[0].conf["b"], 2);
}

/// What the configuration holds is nobody else's business.
#[test]
fn the_configuration_is_not_logged() {
    for channel in ["rest", "cli"] {
        let site = pod("", QUICK).env("RUST_LOG", "trace");
        let outcome =
            site.run(trigger(&["--channel", channel, "--conf", r#"{"password": "half-a-secret"}"#]));
        outcome.assert_exit(0).assert_does_not_say("half-a-secret");
        assert!(!outcome.text().contains("half-a-secret"));
    }
}

/// The 64 characters of a path: a long id has its runs looked for in lists, a longer one is started by command.
#[test]
fn long_ids_of_dags() {
    for (length, channel) in [(29, "rest"), (30, "rest"), (50, "rest"), (51, "cli"), (120, "cli")] {
        let dag = "d".repeat(length);
        for environment in ["", THREE] {
            let world = world(environment, QUICK).replace("id = 'etl'", &format!("id = '{dag}'"));
            let site = in_world(&world);
            let outcome = site.run(["trigger", &dag, "--poll-interval", "100ms", KEY[0], KEY[1]]);
            let told = outcome.assert_exit(0).json();
            assert_eq!((&told["state"], &told["channel"]), (&"success".into(), &channel.into()), "{length}");
            let again = site.run(["trigger", &dag, KEY[0], KEY[1]]).assert_exit(0).json();
            assert_eq!((&again["adopted"], &again["dag_run_id"]), (&true.into(), &told["dag_run_id"]));
            assert_eq!(started(&site), 1);
            let paths = calls(&site, "InvokeRestApi")
                .into_iter()
                .map(|call| call.parameters["Path"].as_str().unwrap().len());
            assert!(paths.max().unwrap_or(0) <= 64);
        }
    }
}

#[test]
fn refusals_name_the_action() {
    let site = in_world(&world_without("airflow:GetEnvironment", "", ""));
    site.run(trigger(&[])).assert_exit(77).assert_says("airflow:GetEnvironment");
    let site = pod("", "");
    site.run(["trigger", "etl", "--environment-name", "other"])
        .assert_exit(65)
        .assert_says("there is no MWAA environment other");
    let without = world_without("airflow:InvokeRestApi", "", "")
        .replace("\"airflow:CreateCliToken on", "\"airflow:Nothing on");
    let site = in_world(&without);
    site.run(trigger(&[]))
        .assert_exit(77)
        .assert_says("airflow:CreateCliToken")
        .assert_says("airflow:InvokeRestApi was refused");
    assert_eq!(started(&site), 0);
    // The role's name in the policy decides, not the environment's.
    let site = in_world(&Worlds::TWO_ACCOUNTS.replace("role/*/User", "role/other/User"));
    site.run(["trigger", "nightly", "--environment-name", "orchestrator", "--channel", "rest"])
        .assert_exit(77);
}

/// The conflict is with another run's date, and not with what an attempt before it has left.
#[test]
fn a_date_that_is_taken_after_a_start_without_a_clear_answer() {
    for (args, at) in [(trigger(&[]), 2), (keyed(&[]), 3)] {
        let site = pod("", ENDLESS);
        let date = ["--logical-date", "2026-01-31T06:00:00Z"];
        site.run(trigger(&["--no-wait"]).iter().chain(&date)).assert_exit(0);
        let asked = calls(&site, "InvokeRestApi").len();
        spoil(&site, fault("InvokeRestApi", status(400, "RestApiServerException", "")).from(at));
        site.run(args.iter().chain(&date)).assert_exit(65).assert_says("check --logical-date");
        // The start that is spoilt, the one that is refused, and the look for what the first has left.
        let sent = calls(&site, "InvokeRestApi").len() - asked;
        assert!(sent > usize::try_from(at).unwrap() + 1, "{sent}");
        assert_eq!(started(&site), 1);
    }
}

/// Nothing is begun by these, so that it is tried again.
#[test]
fn troubles_before_the_start() {
    for operation in ["GetEnvironment", "InvokeRestApi"] {
        for kind in [FaultKind::Throttle, FaultKind::ResetBefore, FaultKind::ResetAfter] {
            let site = pod("", QUICK);
            spoil(&site, fault(operation, kind.clone()));
            site.run(trigger(&[])).assert_exit(0);
            assert_eq!(started(&site), 1, "{operation} {kind:?}");
        }
    }
    let site = pod("", QUICK);
    spoil(&site, fault("GetEnvironment", status(500, "InternalServerException", "no")).for_ever());
    site.run(trigger(&[])).assert_exit(75);
    let site = pod("", QUICK);
    spoil(&site, web_fault(status(403, "Forbidden", "")).for_ever());
    site.run(trigger(&["--channel", "cli"])).assert_exit(77);
    assert_eq!(started(&site), 0);
}

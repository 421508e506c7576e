//! `--check`: nothing is started by it.

use serde_json::Value;

use super::{QUICK, in_world, pod, started, world_without};

/// The result of the check of this name.
fn result(told: &Value, name: &str) -> String {
    let checks = told["checks"].as_array().unwrap();
    let check =
        checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name} in {told}"));
    check["result"].as_str().unwrap().to_owned()
}

#[test]
fn everything_is_looked_at_and_nothing_done() {
    for (args, name) in [
        (&["environments"][..], "airflow:ListEnvironments"),
        (&["describe"], "airflow:GetEnvironment"),
        (&["cli"], "airflow:CreateCliToken"),
        (&["web"], "airflow:CreateWebLoginToken"),
        (&["run", "--check", "--", "dags", "trigger", "etl"], "airflow:CreateCliToken"),
        (&["rest", "POST", "/dags/etl/dagRuns", "{}"], "airflow:InvokeRestApi"),
        (&["trigger", "etl"], "airflow:InvokeRestApi"),
        (&["trigger", "etl", "--channel", "cli"], "airflow:CreateCliToken"),
        (&["dags", "list"], "s3:ListBucket"),
        (&["dags", "delete", "nightly.py"], "s3:ListBucket"),
    ] {
        let site = pod("", QUICK).env("JOB_CHECK", "true");
        let told = site.run(args).assert_exit(0).json();
        assert_eq!(result(&told, name), "ok", "{args:?}");
        assert_eq!(result(&told, "credentials"), "ok");
        assert_eq!(started(&site), 0);
        assert_eq!(site.sandbox.objects("team-dags"), ["dags/nightly.py"]);
    }
}

#[test]
fn what_is_missing_fails_it() {
    let site = in_world(&world_without("airflow:CreateCliToken", "", ""));
    let outcome = site.run(["cli", "--check"]);
    assert_eq!(result(&outcome.assert_exit(77).json(), "airflow:CreateCliToken"), "failed");
    let site = in_world(&world_without("airflow:InvokeRestApi", "", ""));
    site.run(["rest", "GET", "/dags", "--check"]).assert_exit(77);
    // It can do without.
    let told = site.run(["trigger", "etl", "--check"]).assert_exit(0).json();
    assert_eq!(result(&told, "airflow:InvokeRestApi"), "warning");
    assert_eq!(result(&told, "airflow:CreateCliToken"), "ok");
    let site = pod("status = 'CREATING'", "paused = true");
    let told = site.run(["trigger", "etl", "--check"]).assert_exit(0).json();
    assert_eq!(
        (result(&told, "airflow:GetEnvironment"), result(&told, "airflow:InvokeRestApi")),
        ("warning".into(), "warning".into())
    );
    site.run(["trigger", "nowhere", "--check"]).assert_exit(65);
}

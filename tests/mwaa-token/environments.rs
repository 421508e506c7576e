//! `environments` and `describe`.

use testkit::{FaultKind, Worlds};

use super::{assert_nothing_sent, calls, fault, in_world, pod, spoil, status, world_without};

/// The states of an environment in MWAA's model.
pub(crate) const STATUSES: [&str; 12] = [
    "CREATING",
    "CREATE_FAILED",
    "AVAILABLE",
    "UPDATING",
    "DELETING",
    "DELETED",
    "UNAVAILABLE",
    "UPDATE_FAILED",
    "ROLLING_BACK",
    "CREATING_SNAPSHOT",
    "PENDING",
    "MAINTENANCE",
];

#[test]
fn all_pages_are_listed() {
    let one = |account: &str, name: &str| {
        format!("\n[[mwaa.environments]]\naccount = '{account}'\nname = '{name}'\n")
    };
    let many: String = (0..60).map(|number| one("222222222222", &format!("e{number}"))).collect();
    let world = [Worlds::TWO_ACCOUNTS, &many, &one("111111111111", "foreign")].concat();
    let site = in_world(&world);
    let told = site.run(["environments"]).assert_exit(0).json();
    assert_eq!(told["environments"].as_array().unwrap().len(), 61);
    assert_eq!((&told["account"], &told["region"]), (&"222222222222".into(), &"us-east-2".into()));
    let pages = calls(&site, "ListEnvironments");
    assert_eq!(pages.len(), 3);
    assert!(
        pages.iter().all(|call| call.parameters["Host"] == "api.airflow.us-east-2.amazonaws.com"),
        "{pages:#?}"
    );
    let text = site.run(["environments", "--output", "text"]);
    assert!(text.assert_exit(0).text().starts_with("orchestrator\ne0\n"), "{}", text.text());
}

#[test]
fn environments_needs_no_name_and_everything_else_does() {
    let site = in_world(Worlds::TWO_ACCOUNTS).without("MWAA_ENVIRONMENT_NAME");
    site.run(["environments"]).assert_exit(0);
    let site = in_world(Worlds::TWO_ACCOUNTS).without("MWAA_ENVIRONMENT_NAME");
    for args in
        [&["describe"][..], &["cli"], &["run", "--", "version"], &["trigger", "etl"], &["dags", "list"]]
    {
        site.run(args).assert_exit(2).assert_says("--environment-name");
    }
    site.run(["describe", "--environment-name", "9lives"]).assert_exit(2);
    assert_nothing_sent(&site);
}

#[test]
fn every_status_is_described() {
    for status in STATUSES.into_iter().chain(["HIBERNATING"]) {
        let site = pod(&format!("status = '{status}'"), "");
        let outcome = site.run(["describe"]);
        let told = outcome.assert_exit(0).json();
        assert_eq!((&told["status"], &told["environment_name"]), (&status.into(), &"flow".into()));
        assert_eq!((&told["bucket"], &told["dag_folder"]), (&"team-dags".into(), &"dags".into()));
        assert_eq!(told["airflow_version"], "2.10.3");
        let text = site.run(["describe", "--output", "text"]);
        assert!(text.assert_exit(0).text().contains(&format!("status       {status}\n")), "{}", text.text());
    }
}

#[test]
fn refusals_and_troubles() {
    let site = in_world(&world_without("airflow:ListEnvironments", "", ""));
    site.run(["environments"]).assert_exit(77).assert_says("airflow:ListEnvironments");
    let site = in_world(&world_without("airflow:GetEnvironment", "", ""));
    site.run(["describe"]).assert_exit(77).assert_says("airflow:GetEnvironment");
    let site = pod("", "");
    site.run(["describe", "--environment-name", "other"])
        .assert_exit(65)
        .assert_says("there is no MWAA environment other");
    for (operation, args) in [("ListEnvironments", "environments"), ("GetEnvironment", "describe")] {
        for kind in [
            FaultKind::Throttle,
            FaultKind::ResetAfter,
            FaultKind::Truncated,
            status(500, "InternalServerException", ""),
        ] {
            let site = pod("", "");
            spoil(&site, fault(operation, kind));
            site.run([args]).assert_exit(0);
        }
        let site = pod("", "");
        spoil(&site, fault(operation, status(503, "ServiceUnavailableException", "later")).for_ever());
        site.run([args]).assert_exit(75).assert_says("later");
    }
}

/// What starts nothing has no wait that would end it.
#[test]
fn silence_ends_with_the_timeout() {
    for (operation, args) in [
        ("ListEnvironments", &["environments"][..]),
        ("GetEnvironment", &["describe"]),
        ("CreateCliToken", &["cli"]),
        ("GetEnvironment", &["web"]),
        ("InvokeRestApi", &["rest", "GET", "/dags"]),
        ("GetEnvironment", &["dags", "list"]),
        ("GetEnvironment", &["trigger", "etl", "--check"]),
        ("GetEnvironment", &["trigger", "etl"]),
    ] {
        let site = pod("", "");
        spoil(&site, fault(operation, FaultKind::Hang).for_ever());
        let outcome = site.run(args.iter().chain(&["--timeout", "1s"]));
        outcome.assert_exit(75).assert_says("--timeout");
        assert!(outcome.elapsed < std::time::Duration::from_secs(4), "{args:?}: {:?}", outcome.elapsed);
    }
}

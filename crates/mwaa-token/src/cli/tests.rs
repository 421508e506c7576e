use clap::Parser;
use serde_json::json;

use super::*;
use crate::dags::Dags;
use crate::mwaa::{Ask, Method};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    cli: Cli,
}

fn parsed(args: &[&str]) -> Result<Task, String> {
    let args = ["mwaa-token", "--environment-name", "e"].iter().chain(args);
    let line = Line::try_parse_from(args).map_err(|error| error.to_string())?;
    match line.cli.into_request()?.work {
        Work::In(_, task) => Ok(task),
        Work::Environments => Err("no task".to_owned()),
    }
}

#[test]
fn airflow_commands() {
    for (args, expected) in [
        (&["dags", "list"][..], "dags list"),
        (&["airflow", "dags", "list"], "dags list"),
        (&["dags list -o json"], "dags list -o json"),
        (&["airflow version"], "version"),
        (&["variables", "set", "a", "b c"], "variables set a 'b c'"),
        (
            &["dags", "trigger", "x", "--conf", r#"{"a": "it's"}"#],
            r#"dags trigger x --conf "{\"a\": \"it's\"}""#,
        ),
    ] {
        let args: Vec<&str> = ["run", "--"].iter().chain(args).copied().collect();
        assert_eq!(parsed(&args), Ok(Task::Run(expected.to_owned())), "{args:?}");
    }
    for args in [&["run"][..], &["run", "--"], &["run", "--", ""], &["run", "dags", "list"]] {
        assert!(parsed(args).is_err(), "{args:?}");
    }
}

#[test]
fn requests() {
    let query = json!({ "a": "2", "b": 1 }).as_object().unwrap().clone();
    for (args, expected) in [
        (&["GET", "/dags"][..], Ask::get("/dags")),
        (
            &["patch", "/dags/x", r#"{"is_paused": true}"#],
            Ask::with_body(Method::Patch, "/dags/x", json!({ "is_paused": true })),
        ),
        (
            &["get", "/dags", "--query", "a=2", "--query-parameters", r#"{"a": 1, "b": 1}"#],
            Ask { query, ..Ask::get("/dags") },
        ),
    ] {
        let args: Vec<&str> = ["rest"].iter().chain(args).copied().collect();
        assert_eq!(parsed(&args), Ok(Task::Rest(expected)), "{args:?}");
    }
    let long = format!("/{}", "d".repeat(64));
    for (args, problem) in [
        (&["GET", "dags"][..], "begins with a slash"),
        (&["GET", "/api/v1/dags"], "relative"),
        (&["GET", "/dags?limit=1"], "--query"),
        (&["GET", &long], "64 characters"),
        (&["FETCH", "/dags"], "FETCH"),
        (&["POST", "/dags", "[1]"], "not a JSON object"),
        (&["GET", "/dags", "--query", "a"], "NAME=VALUE"),
        (&["GET", "/dags", "--query-parameters", "1"], "not a JSON object"),
    ] {
        let args: Vec<&str> = ["rest"].iter().chain(args).copied().collect();
        let told = parsed(&args).unwrap_err();
        assert!(told.contains(problem), "{args:?}: {told}");
    }
}

#[test]
fn dag_runs() {
    let Ok(Task::Trigger(trigger)) = parsed(&["trigger", "etl.daily_v-2", "--conf", r#"{"a": 1}"#]) else {
        panic!("no trigger");
    };
    assert_eq!(trigger.wanted.conf, Some(json!({ "a": 1 })));
    for args in [
        &["trigger"][..],
        &["trigger", "a/b"],
        &["trigger", ".."],
        &["trigger", "a b"],
        &["trigger", ""],
        &["trigger", "a", "--conf", "[]"],
        &["trigger", "a", "--conf", "{"],
        &["trigger", "a", "--conf", "{}", "--conf-file", "/dev/null"],
        &["trigger", "a", "--logical-date", "tomorrow"],
        &["trigger", "a", "--logical-date", "2026-01-31T06:00:00"],
        &["trigger", "a", "--channel", "web"],
    ] {
        assert!(parsed(args).is_err(), "{args:?}");
    }
    assert!(parsed(&["trigger", "a", "--logical-date", "2026-01-31T06:00:00+01:00"]).is_ok());
}

#[test]
fn paths_in_the_dag_folder() {
    assert_eq!(parsed(&["dags", "list"]), Ok(Task::Dags(Dags::List(String::new()))));
    let both = Dags::Delete(vec!["a.py".to_owned(), "b/c.py".to_owned()]);
    assert_eq!(parsed(&["dags", "delete", "a.py", "b/c.py"]), Ok(Task::Dags(both)));
    for args in [
        &["dags", "delete"][..],
        &["dags", "delete", "/a.py"],
        &["dags", "delete", "../plugins.zip"],
        &["dags", "delete", "a/"],
        &["dags", "upload", "/nowhere/a.py"],
        &["dags", "upload", "/dev/null", "--into", "../x"],
    ] {
        assert!(parsed(args).is_err(), "{args:?}");
    }
}

#[test]
fn names_of_environments() {
    for name in ["a", "A-1_b"] {
        assert_eq!(environment_name(name).as_deref(), Ok(name));
    }
    for name in ["", "1a", "a b", "ü", &"a".repeat(81)] {
        assert!(environment_name(name).is_err(), "{name}");
    }
    let line = Line::try_parse_from(["mwaa-token", "describe"]).map(|line| line.cli.into_request());
    assert!(line.is_ok_and(|request| request.is_err_and(|told| told.contains("--environment-name"))));
}

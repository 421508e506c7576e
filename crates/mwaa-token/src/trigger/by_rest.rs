//! A DAG by Airflow's REST API. Paths have 64 characters at most, so that what a short id does not leave room for is
//! asked for by a list.

use job_runtime::CallError;
use serde_json::{Map, Value, json};

use super::channel::{Started, Wanted, Ways};
use super::run::{Run, Task};
use crate::environment::Generation;
use crate::mwaa::{Ask, INVOKE, Method, PATH_MAX};

/// Runs in one page of a list; 100 is what Airflow gives at most unless it is configured otherwise.
const PAGE: usize = 100;

/// How many of a DAG's newest runs are scanned.
const SCANNED_RUNS: usize = 1000;

/// Path of a DAG's runs. The ids of DAGs need no encoding: Airflow takes letters, digits, dashes, dots, underscores.
pub(super) fn runs_path(dag_id: &str) -> String {
    format!("/dags/{dag_id}/dagRuns")
}

/// Whether `InvokeRestApi` takes a path of this length.
pub(super) fn fits(path: &str) -> bool {
    path.chars().count() <= PATH_MAX
}

pub(super) async fn start(ways: &Ways<'_>, wanted: &Wanted, id: &str) -> Result<Started, CallError> {
    let body = body(ways.generation, wanted, id);
    let answer =
        ways.mwaa.invoke_once(&Ask::with_body(Method::Post, runs_path(&wanted.dag_id), body)).await?;
    if answer.status == 409 {
        return Ok(Started::Exists(answer.error().message().to_owned()));
    }
    answer.good().map(|_| Started::New)
}

/// What a run is created with. Airflow 3 wants a logical date, which may be null; Airflow 2 makes one where there is
/// none, and takes no null.
fn body(generation: Generation, wanted: &Wanted, id: &str) -> Value {
    let mut body = Map::new();
    body.insert("dag_run_id".to_owned(), json!(id));
    body.insert("conf".to_owned(), wanted.conf.clone().unwrap_or_else(|| json!({})));
    match (&wanted.logical_date, generation) {
        (None, Generation::Two) => None,
        (date, Generation::Two | Generation::Three) => body.insert("logical_date".to_owned(), json!(date)),
    };
    Value::Object(body)
}

pub(super) async fn look(ways: &Ways<'_>, dag_id: &str, id: &str) -> Result<Option<Run>, CallError> {
    let path = format!("{}/{id}", runs_path(dag_id));
    if !fits(&path) {
        return Ok(runs(ways, dag_id, |found| found == id).await?.into_iter().next());
    }
    let answer = ways.mwaa.invoke(&Ask::get(path), ways.ctx).await?;
    if answer.status == 404 {
        return Ok(None);
    }
    let told = answer.good()?;
    Run::read(dag_id, &told).map(Some).ok_or_else(unreadable)
}

/// The runs among the DAG's newest whose id `is_wanted`, newest first. Ends one page after the one with the first of
/// them: runs of one key are neighbours.
pub(super) async fn runs(
    ways: &Ways<'_>,
    dag_id: &str,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Run>, CallError> {
    let mut found = Vec::new();
    for offset in (0..SCANNED_RUNS).step_by(PAGE) {
        let body =
            json!({ "dag_ids": [dag_id], "order_by": "-id", "page_limit": PAGE, "page_offset": offset });
        let ask = Ask::search("/dags/~/dagRuns/list", body);
        let told = ways.mwaa.invoke(&ask, ways.ctx).await?.good()?;
        let page = told["dag_runs"].as_array().ok_or_else(unreadable)?;
        let beyond = !found.is_empty();
        found.extend(page.iter().filter_map(|told| Run::read(dag_id, told)).filter(|run| is_wanted(&run.id)));
        if beyond || page.len() < PAGE {
            break;
        }
    }
    Ok(found)
}

pub(super) async fn is_paused(ways: &Ways<'_>, dag_id: &str) -> Result<Option<bool>, CallError> {
    let path = format!("/dags/{dag_id}");
    if fits(&path) {
        let told = ways.mwaa.invoke(&Ask::get(path), ways.ctx).await?.good()?;
        return Ok(told["is_paused"].as_bool());
    }
    let mut ask = Ask::get("/dags");
    ask.query.insert("dag_id_pattern".to_owned(), json!(dag_id));
    let told = ways.mwaa.invoke(&ask, ways.ctx).await?.good()?;
    let dag = told["dags"].as_array().and_then(|dags| dags.iter().find(|dag| dag["dag_id"] == dag_id));
    Ok(dag.and_then(|dag| dag["is_paused"].as_bool()))
}

pub(super) async fn failed_tasks(ways: &Ways<'_>, dag_id: &str, id: &str) -> Result<Vec<Task>, CallError> {
    let body = json!({ "dag_ids": [dag_id], "dag_run_ids": [id], "state": ["failed"] });
    let ask = Ask::search("/dags/~/dagRuns/~/taskInstances/list", body);
    let told = ways.mwaa.invoke(&ask, ways.ctx).await?.good()?;
    let tasks = told["task_instances"].as_array().ok_or_else(unreadable)?;
    // A version that does not know one of the filters would tell of others too.
    let ours = |told: &&Value| told["dag_id"] == dag_id && told["dag_run_id"] == id;
    Ok(tasks.iter().filter(ours).filter_map(Task::failed).collect())
}

pub(super) async fn fail(ways: &Ways<'_>, dag_id: &str, id: &str) -> Result<(), CallError> {
    let path = format!("{}/{id}", runs_path(dag_id));
    if !fits(&path) {
        return Err(CallError::answered(INVOKE, 400, "the DAG's id is too long for the path of the request"));
    }
    let ask = Ask::with_body(Method::Patch, path, json!({ "state": "failed" }));
    ways.mwaa.invoke_once(&ask).await?.good().map(|_| ())
}

fn unreadable() -> CallError {
    CallError::unusable(INVOKE, "the answer has not what it should have")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_run_is_created_with() {
        let conf = Some(json!({ "a": 1 }));
        for (generation, conf, date, expected) in [
            (Generation::Two, None, None, json!({ "dag_run_id": "r", "conf": {} })),
            (
                Generation::Two,
                conf.clone(),
                Some("d"),
                json!({ "dag_run_id": "r", "conf": { "a": 1 }, "logical_date": "d" }),
            ),
            (Generation::Three, None, None, json!({ "dag_run_id": "r", "conf": {}, "logical_date": null })),
            (
                Generation::Three,
                conf,
                Some("d"),
                json!({ "dag_run_id": "r", "conf": { "a": 1 }, "logical_date": "d" }),
            ),
        ] {
            let wanted = Wanted { dag_id: "x".to_owned(), conf, logical_date: date.map(str::to_owned) };
            assert_eq!(body(generation, &wanted, "r"), expected);
        }
    }

    #[test]
    fn paths_that_fit() {
        assert!(fits(&runs_path(&"d".repeat(50))));
        assert!(!fits(&runs_path(&"d".repeat(51))));
    }
}

//! Airflow's REST API, of which a part: DAGs, their runs, the tasks of these. Paths are relative, as `InvokeRestApi`
//! takes them. Statuses and texts are those of Airflow 2.10.5; of 3.0.6, what its models want of bodies and how it tells
//! of a conflict.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::store::{Known, KnownRun};
use crate::clock::iso;

/// A request.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a Value,
    pub(crate) body: &'a Value,
}

/// Status and body of the answer.
pub(crate) fn answer(known: &mut Known, ask: &Ask<'_>, now: OffsetDateTime) -> (u16, Value) {
    let path: Vec<&str> = ask.path.trim_matches('/').split('/').collect();
    if let ["dags", dag, "dagRuns", ..] = path.as_slice()
        && let Some(status) = known.dag(dag).and_then(|dag| dag.refused_with)
    {
        return problem(known, status, "Forbidden", "You do not have permission, or there is trouble");
    }
    match (ask.method, path.as_slice()) {
        ("GET", ["version"]) => (200, json!({ "version": known.environment.airflow_version })),
        ("GET", ["dags"]) => dags(known, ask.query),
        ("GET", ["dags", dag]) => dag_details(known, dag),
        ("POST", ["dags", "~", "dagRuns", "list"]) => list(known, ask.body, now),
        ("POST", ["dags", "~", "dagRuns", "~", "taskInstances", "list"]) => tasks(known, ask.body, now),
        ("GET", ["dags", dag, "dagRuns"]) => {
            let only = json!({ "dag_ids": [dag], "page_limit": ask.query["limit"], "order_by": ask.query["order_by"] });
            list(known, &only, now)
        }
        ("POST", ["dags", dag, "dagRuns"]) => start(known, dag, ask.body, now),
        (method @ ("GET" | "PATCH" | "DELETE"), ["dags", dag, "dagRuns", run]) => {
            one(known, method, (dag, run), ask.body, now)
        }
        _ => problem(known, 404, "Not Found", "Not Found"),
    }
}

/// Airflow 2 answers as RFC 7807 says, Airflow 3 with the detail alone.
fn problem(known: &Known, status: u16, title: &str, detail: &str) -> (u16, Value) {
    if known.is_airflow_3() && status == 409 {
        let constraint =
            json!({ "reason": "Unique constraint violation", "statement": "hidden", "orig_error": "hidden" });
        return (status, json!({ "detail": constraint }));
    }
    if known.is_airflow_3() {
        return (status, json!({ "detail": detail }));
    }
    let kind =
        "https://airflow.apache.org/docs/apache-airflow/2.10.3/stable-rest-api-ref.html#section/Errors";
    (status, json!({ "detail": detail, "status": status, "title": title, "type": kind }))
}

fn no_dag(known: &Known, dag: &str) -> (u16, Value) {
    problem(known, 404, "DAG not found", &format!("The DAG with dag_id: {dag} was not found"))
}

fn dag_details(known: &Known, id: &str) -> (u16, Value) {
    match known.dag(id) {
        Some(dag) => (
            200,
            json!({ "dag_id": dag.id, "is_paused": dag.paused, "fileloc": format!("/usr/local/airflow/dags/{id}.py") }),
        ),
        None => no_dag(known, id),
    }
}

fn dags(known: &Known, query: &Value) -> (u16, Value) {
    let pattern = query["dag_id_pattern"].as_str().unwrap_or_default();
    let fits = |id: &str| id.contains(pattern.trim_matches('%'));
    let found: Vec<Value> = known
        .environment
        .dags
        .iter()
        .filter(|dag| fits(&dag.id))
        .map(|dag| json!({ "dag_id": dag.id, "is_paused": dag.paused }))
        .collect();
    (200, json!({ "total_entries": found.len(), "dags": found }))
}

fn start(known: &mut Known, dag: &str, body: &Value, now: OffsetDateTime) -> (u16, Value) {
    if known.dag(dag).is_none() {
        return no_dag(known, dag);
    }
    if known.is_airflow_3() && body.get("logical_date").is_none() {
        let missing = json!([{ "type": "missing", "loc": ["body", "logical_date"], "msg": "Field required", "input": body }]);
        return (422, json!({ "detail": missing }));
    }
    if !known.is_airflow_3() && body.get("logical_date").is_some_and(Value::is_null) {
        return problem(known, 400, "Bad Request", "{'logical_date': ['Field may not be null.']}");
    }
    let conf = body.get("conf").cloned().unwrap_or_else(|| json!({}));
    if !conf.is_object() {
        return problem(known, 400, "Bad Request", "conf must be an object");
    }
    let date = body["logical_date"].as_str().map(str::to_owned);
    let date_taken = date.as_ref().is_some_and(|date| {
        known.runs.iter().any(|run| run.dag_id == dag && run.logical_date.as_ref() == Some(date))
    });
    let id = body["dag_run_id"].as_str().map_or_else(|| format!("manual__{}", iso(now)), str::to_owned);
    if known.run(dag, &id).is_some() {
        let text = format!("DAGRun with DAG ID: '{dag}' and DAGRun ID: '{id}' already exists");
        return problem(known, 409, "Conflict", &text);
    }
    if date_taken {
        let date = date.unwrap_or_default();
        let text = format!("DAGRun with DAG ID: '{dag}' and DAGRun logical date: '{date}' already exists");
        return problem(known, 409, "Conflict", &text);
    }
    known.start((dag, &id), conf, date, now);
    match known.run(dag, &id) {
        Some(run) => (200, shown(known, run, now)),
        None => no_dag(known, dag),
    }
}

fn one(
    known: &mut Known,
    method: &str,
    (dag, id): (&str, &str),
    body: &Value,
    now: OffsetDateTime,
) -> (u16, Value) {
    let Some(index) = known.runs.iter().position(|run| run.dag_id == dag && run.run_id == id) else {
        let text = format!("DAGRun with DAG ID: '{dag}' and DagRun ID: '{id}' not found");
        return problem(known, 404, "DAGRun not found", &text);
    };
    if method == "DELETE" {
        let run = known.runs.remove(index);
        known.deleted.push(run);
        return (204, Value::Null);
    }
    if method == "PATCH" {
        match body["state"].as_str() {
            Some(state @ ("failed" | "success" | "queued")) => known.set(index, state, now),
            _ => return problem(known, 400, "Bad Request", "'state' must be one of queued, success, failed"),
        }
    }
    (200, shown(known, &known.runs[index], now))
}

/// The newest first where that is asked for.
fn list(known: &Known, body: &Value, now: OffsetDateTime) -> (u16, Value) {
    let number = |name: &str, default: u64| {
        usize::try_from(body[name].as_u64().unwrap_or(default)).unwrap_or_default()
    };
    let ids = body["dag_ids"].as_array();
    let wanted = |run: &&KnownRun| ids.is_none_or(|ids| ids.contains(&json!(run.dag_id)));
    let mut runs: Vec<&KnownRun> = known.listed(now).filter(wanted).collect();
    if body["order_by"].as_str().is_some_and(|order| order.starts_with('-')) {
        runs.reverse();
    }
    let page = runs.iter().skip(number("page_offset", 0)).take(number("page_limit", 100).min(100));
    let page: Vec<Value> = page.map(|run| shown(known, run, now)).collect();
    (200, json!({ "dag_runs": page, "total_entries": runs.len() }))
}

fn tasks(known: &Known, body: &Value, now: OffsetDateTime) -> (u16, Value) {
    let has = |name: &str, value: &str| body[name].as_array().is_none_or(|list| list.contains(&json!(value)));
    let mut found = Vec::new();
    for run in known.runs.iter().filter(|run| has("dag_ids", &run.dag_id) && has("dag_run_ids", &run.run_id))
    {
        for (task, state) in known.tasks(run, now).into_iter().filter(|(_, state)| has("state", state)) {
            found.push(json!({ "dag_id": run.dag_id, "dag_run_id": run.run_id, "task_id": task, "map_index": -1, "state": state }));
        }
    }
    (200, json!({ "total_entries": found.len(), "task_instances": found }))
}

fn shown(known: &Known, run: &KnownRun, now: OffsetDateTime) -> Value {
    json!({
        "dag_id": run.dag_id,
        "dag_run_id": run.run_id,
        "logical_date": run.logical_date,
        "start_date": run.created(),
        "end_date": known.ended(run, now).map(iso),
        "state": known.state(run, now),
        "run_type": "manual",
        "conf": run.conf,
        "note": null,
    })
}

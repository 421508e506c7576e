//! A DAG by Airflow's command line. Its rows come as JSON, behind whatever Airflow logs on standard output.

use job_runtime::CallError;
use serde_json::Value;

use super::channel::{Started, Wanted, Ways};
use super::run::{Run, Task};
use crate::command::failure;
use crate::environment::Generation;
use crate::web_server::{self, POST, Printed, Sending};

/// What Airflow's command line prints where it has no rows; as JSON that is `[]`, unless an old version has no such form.
const NO_ROWS: &str = "No data found";

pub(super) async fn start(ways: &Ways<'_>, wanted: &Wanted, id: &str) -> Result<Started, CallError> {
    let conf = wanted.conf.as_ref().map(Value::to_string);
    let mut words = vec!["dags", "trigger", &wanted.dag_id, "--run-id", id, "-o", "json"];
    if let Some(conf) = &conf {
        words.extend(["--conf", conf]);
    }
    if let Some(date) = &wanted.logical_date {
        let option = match ways.generation {
            Generation::Two => "--exec-date",
            Generation::Three => "--logical-date",
        };
        words.extend([option, date]);
    }
    let printed = run(ways, &words, Sending::Start).await?;
    // Its own word for it counts more than any sign of a failure.
    if rows(&printed.stdout).is_some_and(|rows| rows.iter().any(|row| has_id(row, id))) {
        return Ok(Started::New);
    }
    if printed.stderr.contains("already exists") {
        let said = printed.stderr.lines().rfind(|line| line.contains("already exists")).unwrap_or_default();
        return Ok(Started::Exists(said.trim().to_owned()));
    }
    match failure(&printed) {
        Some(why) => Err(failed(&printed, &why)),
        None => Err(CallError::unusable(POST, "Airflow does not say whether there is a run now")),
    }
}

pub(super) async fn look(ways: &Ways<'_>, dag_id: &str, id: &str) -> Result<Option<Run>, CallError> {
    Ok(runs(ways, dag_id, |found| found == id).await?.into_iter().next())
}

/// The runs of a DAG whose id `is_wanted`.
pub(super) async fn runs(
    ways: &Ways<'_>,
    dag_id: &str,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Run>, CallError> {
    let mut words = vec!["dags", "list-runs", "-o", "json"];
    if ways.generation == Generation::Two {
        words.push("-d");
    }
    words.push(dag_id);
    let printed = run(ways, &words, Sending::Look).await?;
    let Some(rows) = rows(&printed.stdout) else {
        return match failure(&printed) {
            Some(why) => Err(failed(&printed, &why)),
            // Anything else – nothing at all, half a list – does not say that there is no run.
            None if String::from_utf8_lossy(&printed.stdout).contains(NO_ROWS) => Ok(Vec::new()),
            None => Err(CallError::unusable(POST, "Airflow does not list the runs")),
        };
    };
    Ok(rows.iter().filter_map(|row| Run::read(dag_id, row)).filter(|run| is_wanted(&run.id)).collect())
}

/// Old versions do not have the command: then it is not told.
pub(super) async fn is_paused(ways: &Ways<'_>, dag_id: &str) -> Result<Option<bool>, CallError> {
    let printed = run(ways, &["dags", "details", "-o", "json", dag_id], Sending::Look).await?;
    let rows = rows(&printed.stdout).unwrap_or_default();
    let told = rows.first().map(|row| &row["is_paused"]);
    Ok(match told {
        Some(Value::Bool(paused)) => Some(*paused),
        Some(Value::String(paused)) => paused.to_ascii_lowercase().parse().ok(),
        _ => None,
    })
}

pub(super) async fn failed_tasks(ways: &Ways<'_>, dag_id: &str, id: &str) -> Result<Vec<Task>, CallError> {
    let printed =
        run(ways, &["tasks", "states-for-dag-run", "-o", "json", dag_id, id], Sending::Look).await?;
    let rows = rows(&printed.stdout);
    let rows = rows.ok_or_else(|| CallError::unusable(POST, "Airflow does not list the tasks"))?;
    Ok(rows.iter().filter_map(Task::failed).collect())
}

async fn run(ways: &Ways<'_>, words: &[&str], sending: Sending) -> Result<Printed, CallError> {
    // A word can only be refused for a NUL in it, which no option lets in.
    let command = shlex::try_join(words.iter().copied()).map_err(|_| {
        CallError::answered(POST, 400, "a word of the command holds a character that none may hold")
    })?;
    web_server::run(&ways.mwaa, &command, sending, ways.ctx).await
}

/// A command that was run and failed. The status of the answer means little; what may pass – a database that is not
/// reached – is left open, because the run's id makes it safe to try again.
fn failed(printed: &Printed, why: &str) -> CallError {
    let not_found = printed.stderr.contains("DagNotFound") || printed.stderr.contains("does not exist");
    let usage = why.contains("error: ") && why.starts_with("airflow ");
    match (not_found, usage) {
        (true, _) => CallError::answered(POST, 404, why),
        (false, true) => CallError::answered(POST, 400, why),
        (false, false) => CallError::unusable(POST, why),
    }
}

fn has_id(row: &Value, id: &str) -> bool {
    row["dag_run_id"] == id || row["run_id"] == id
}

/// The rows on standard output: from the last line that begins with a bracket and is a JSON array with all that
/// follows. Lines of the log begin with one as well.
fn rows(stdout: &[u8]) -> Option<Vec<Value>> {
    let text = std::str::from_utf8(stdout).ok()?;
    let mut end = text.len();
    while let Some(start) = text[..end].rfind('[') {
        let begins_line = start == 0 || text[..start].ends_with('\n');
        if begins_line && let Ok(rows) = serde_json::from_str(&text[start..]) {
            return Some(rows);
        }
        end = start;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_behind_a_log() {
        let log = "[2026-01-01T00:00:00] {dagbag.py:1} INFO - Filling up\n";
        for (stdout, expected) in [
            (format!("{log}{log}[{{\"a\": [1]}}]\n"), Some(vec![json!({ "a": [1] })])),
            (
                format!("{log}[\n  {{\"a\": 1}},\n  {{\"a\": [\"x\"]}}\n]"),
                Some(vec![json!({ "a": 1 }), json!({ "a": ["x"] })]),
            ),
            ("[]".to_owned(), Some(vec![])),
            (log.to_owned(), None),
            ("No data found\n".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(rows(stdout.as_bytes()), expected, "{stdout}");
        }
    }
}

//! Airflow's command line, of which a part, as the web server runs it. Texts and forms are those of Airflow 2.10.5
//! and 3.0.6.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::store::Known;

/// What a command has printed, and whether it has succeeded.
#[derive(Debug)]
pub(crate) struct Printed {
    pub(crate) ok: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// What Airflow writes on standard output before anything else.
const NOISE: &str = "[2026-01-01T00:00:00.000+0000] {dagbag.py:588} INFO - Filling up the DagBag from /usr/local/airflow/dags\n";
/// And on standard error, whatever comes of it.
const WARNING: &str =
    "/usr/local/lib/python3.11/site-packages/airflow/cli/x.py:1 DeprecationWarning: it is old\n";

/// Runs a command.
pub(crate) fn run(known: &mut Known, command: &str, now: OffsetDateTime) -> Printed {
    let Some(words) = words(command) else { return failed("airflow command error: No closing quotation\n") };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["version"] => printed(format!("{}\n", known.environment.airflow_version)),
        ["dags", "trigger", rest @ ..] => trigger(known, rest, now),
        ["dags", "list-runs", rest @ ..] => list_runs(known, rest, now),
        ["dags", "details", rest @ ..] => details(known, rest),
        ["tasks", "states-for-dag-run", rest @ ..] => task_states(known, rest, now),
        ["variables", "get", name] => printed(format!("value of {name}\n")),
        [] => usage("the following arguments are required: GROUP_OR_COMMAND"),
        [first, ..] => usage(&format!("argument GROUP_OR_COMMAND: invalid choice: '{first}'")),
    }
}

/// Options with their values, and everything else.
fn parsed<'a>(rest: &[&'a str]) -> (Vec<(&'a str, &'a str)>, Vec<&'a str>) {
    let (mut options, mut others) = (Vec::new(), Vec::new());
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        if word.starts_with('-') {
            options.push((*word, rest.next().copied().unwrap_or_default()));
        } else {
            others.push(*word);
        }
    }
    (options, others)
}

fn trigger(known: &mut Known, rest: &[&str], now: OffsetDateTime) -> Printed {
    let (options, others) = parsed(rest);
    let option =
        |names: &[&str]| options.iter().find(|(name, _)| names.contains(name)).map(|(_, value)| *value);
    let date_option = if known.is_airflow_3() { "--logical-date" } else { "--exec-date" };
    let allowed = ["--run-id", "-r", "--conf", "-c", "-o", "--output", date_option];
    if let Some((name, value)) = options.iter().find(|(name, _)| !allowed.contains(name)) {
        return usage(&format!("unrecognized arguments: {name} {value}"));
    }
    let [dag] = others.as_slice() else { return usage("the following arguments are required: dag_id") };
    if known.dag(dag).is_none() {
        return failed(&raised("DagNotFound", &format!("Dag id {dag} not found in DagModel")));
    }
    let Ok(conf) = serde_json::from_str::<Value>(option(&["--conf", "-c"]).unwrap_or("{}")) else {
        return failed(&raised("ValueError", "Conf is not valid JSON"));
    };
    let id = option(&["--run-id", "-r"])
        .map_or_else(|| format!("manual__{}", crate::clock::iso(now)), str::to_owned);
    if known.run(dag, &id).is_some() {
        let text =
            format!("A DAG Run already exists for DAG {dag} at 2026-01-01T00:00:00+00:00 with run id {id}");
        return failed(&raised("DagRunAlreadyExists", &text));
    }
    known.start((dag, &id), conf.clone(), option(&[date_option]).map(str::to_owned), now);
    let state = known.run(dag, &id).map(|run| known.state(run, now));
    rows(
        &json!([{ "conf": conf, "dag_id": dag, "dag_run_id": id, "external_trigger": "True", "state": state }]),
    )
}

fn list_runs(known: &Known, rest: &[&str], now: OffsetDateTime) -> Printed {
    let (options, others) = parsed(rest);
    let named = options.iter().find(|(name, _)| matches!(*name, "-d" | "--dag-id")).map(|(_, value)| *value);
    // 2 takes it as an option alone, 3 as an argument alone.
    let dag = match (known.is_airflow_3(), named, others.as_slice()) {
        (true, None, [dag]) => *dag,
        (false, Some(dag), []) => dag,
        _ => return usage("the following arguments are required: dag_id"),
    };
    if known.dag(dag).is_none() {
        return failed(&format!("DAG: {dag} does not exist in 'dag' table\n"));
    }
    let date = if known.is_airflow_3() { "logical_date" } else { "execution_date" };
    let runs = known.listed(now).rev().filter(|run| run.dag_id == dag);
    let runs: Vec<Value> = runs
        .map(|run| {
            let end = known.ended(run, now).map(crate::clock::iso).unwrap_or_default();
            let mut row = json!({ "dag_id": dag, "run_id": run.run_id, "state": known.state(run, now), "start_date": run.created(), "end_date": end });
            row[date] = json!(run.logical_date.clone().unwrap_or_default());
            row
        })
        .collect();
    rows(&json!(runs))
}

fn details(known: &Known, rest: &[&str]) -> Printed {
    let (_, others) = parsed(rest);
    match others.as_slice() {
        [dag] => match known.dag(dag) {
            // Airflow prints every value as text.
            Some(dag) => {
                rows(&json!([{ "dag_id": dag.id, "is_paused": if dag.paused { "True" } else { "False" } }]))
            }
            None => failed(&format!("DAG: {dag} does not exist in 'dag' table\n")),
        },
        _ => usage("the following arguments are required: dag_id"),
    }
}

fn task_states(known: &Known, rest: &[&str], now: OffsetDateTime) -> Printed {
    let (_, others) = parsed(rest);
    let [dag, run] = others.as_slice() else { return usage("the following arguments are required: dag_id") };
    let Some(run) = known.run(dag, run) else {
        return failed(&raised("DagRunNotFound", &format!("DagRun for {dag} with run_id {run} not found")));
    };
    let tasks = known.tasks(run, now);
    rows(
        &tasks
            .iter()
            .map(|(task, state)| json!({ "dag_id": dag, "task_id": task, "state": state }))
            .collect(),
    )
}

fn rows(rows: &Value) -> Printed {
    printed(format!("{NOISE}{rows}\n"))
}

fn printed(stdout: String) -> Printed {
    Printed { ok: true, stdout, stderr: WARNING.into() }
}

fn failed(stderr: &str) -> Printed {
    Printed { ok: false, stdout: NOISE.into(), stderr: format!("{WARNING}{stderr}") }
}

fn usage(problem: &str) -> Printed {
    failed(&format!(
        "usage: airflow [-h] GROUP_OR_COMMAND ...\n\nairflow command error: {problem}, see help above.\n"
    ))
}

fn raised(kind: &str, text: &str) -> String {
    format!(
        "Traceback (most recent call last):\n  File \"/usr/local/airflow/.local/bin/airflow\", line 8, in <module>\n    \
         sys.exit(main())\nairflow.exceptions.{kind}: {text}\n"
    )
}

/// Splits a command as a POSIX shell does: quotes and backslashes. `None` where a quotation does not end.
fn words(command: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut characters = command.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), character) if character == open => quote = None,
            (Some('\''), character) => word.get_or_insert_default().push(character),
            (_, '\\') => word.get_or_insert_default().push(characters.next()?),
            (None, '\'' | '"') => {
                word.get_or_insert_default();
                quote = Some(character);
            }
            (None, character) if character.is_whitespace() => words.extend(word.take()),
            (_, character) => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word.take());
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn commands_as_a_shell_reads_them() {
        for (command, expected) in [
            ("dags trigger  a", Some(vec!["dags", "trigger", "a"])),
            (r#"a '{"b": "c d"}' "e \" f" ''"#, Some(vec!["a", r#"{"b": "c d"}"#, "e \" f", ""])),
            (r"a\ b", Some(vec!["a b"])),
            ("a 'b", None),
            ("", Some(vec![])),
        ] {
            let expected = expected.map(|words| words.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(words(command), expected, "{command}");
        }
    }
}

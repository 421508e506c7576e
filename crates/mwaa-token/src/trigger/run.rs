//! A DAG run as this program sees it: what its state means, how it is read and shown.

use job_runtime::{Place, Verdict, aligned, percent_encoded};
use serde::Serialize;
use serde_json::Value;

use crate::environment::Generation;
use crate::trigger::channel::Channel;

/// Judges the state of a DAG run; `None` for one that this program does not know.
pub(crate) fn judge(state: &str) -> Option<Verdict> {
    match state {
        "queued" | "running" => Some(Verdict::Pending),
        "success" => Some(Verdict::Succeeded),
        "failed" => Some(Verdict::Failed),
        _ => None,
    }
}

/// A DAG run. Its configuration is left out on purpose: it is nobody else's business.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Run {
    pub(crate) dag_id: String,
    #[serde(rename = "dag_run_id")]
    pub(crate) id: String,
    /// As Airflow names it.
    pub(crate) state: String,
    pub(crate) logical_date: Option<String>,
    pub(crate) start_date: Option<String>,
    pub(crate) end_date: Option<String>,
}

impl Run {
    /// Reads what Airflow tells of a run, by its REST API or as a row of its command line: their names differ, and so
    /// do those of its versions.
    pub(crate) fn read(dag_id: &str, told: &Value) -> Option<Self> {
        let text = |names: &[&str]| {
            let found = names.iter().find_map(|name| told[*name].as_str());
            found.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        Some(Self {
            dag_id: dag_id.to_owned(),
            id: text(&["dag_run_id", "run_id"])?,
            state: text(&["state"])?,
            logical_date: text(&["logical_date", "execution_date"]),
            start_date: text(&["start_date"]),
            end_date: text(&["end_date"]),
        })
    }

    pub(crate) fn verdict(&self) -> Verdict {
        judge(&self.state).unwrap_or(Verdict::Pending)
    }
}

/// A task that did not do what it should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Task {
    #[serde(rename = "task_id")]
    pub(crate) id: String,
    /// Which one of a mapped task.
    pub(crate) map_index: Option<i64>,
    pub(crate) state: String,
}

impl Task {
    /// Reads what Airflow tells of a task; `None` for one that has not failed.
    pub(crate) fn failed(told: &Value) -> Option<Self> {
        let state = told["state"].as_str().filter(|state| *state == "failed")?;
        Some(Self {
            id: told["task_id"].as_str()?.to_owned(),
            map_index: told["map_index"].as_i64().filter(|index| *index >= 0),
            state: state.to_owned(),
        })
    }

    pub(crate) fn name(&self) -> String {
        match self.map_index {
            Some(index) => format!("{}[{index}]", self.id),
            None => self.id.clone(),
        }
    }
}

/// The result on stdout: the run, and how this program came to it.
#[derive(Debug, Serialize)]
pub(crate) struct Shown<'a> {
    #[serde(flatten)]
    pub(crate) run: &'a Run,
    /// Tasks in state failed. Empty where there are none, or they could not be asked for.
    pub(crate) failed_tasks: &'a [Task],
    /// The run was started by an earlier process with the same key.
    pub(crate) adopted: bool,
    pub(crate) environment_name: &'a str,
    /// How Airflow was spoken to in the end.
    pub(crate) channel: Channel,
    pub(crate) region: &'a str,
    pub(crate) account: Option<&'a str>,
    /// Where to look at the run.
    pub(crate) url: &'a str,
}

impl Shown<'_> {
    /// A few aligned lines for people; what is not known is left out.
    pub(crate) fn text(&self) -> String {
        let run = self.run;
        let tasks = self.failed_tasks.iter().map(Task::name).collect::<Vec<_>>().join(", ");
        let lines = [
            ("dag", Some(run.dag_id.clone())),
            ("run", Some(run.id.clone())),
            ("state", Some(run.state.clone())),
            ("failed tasks", Some(tasks).filter(|tasks| !tasks.is_empty())),
            ("started", run.start_date.clone()),
            ("ended", run.end_date.clone()),
            ("adopted", self.adopted.then(|| "yes".to_owned())),
            ("environment", Some(self.environment_name.to_owned())),
            ("region", Some(self.region.to_owned())),
            ("account", self.account.map(str::to_owned)),
            ("look at", Some(self.url.to_owned())),
        ];
        let lines: Vec<_> =
            lines.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
        aligned(lines.into_iter())
    }
}

/// Address of a run: in Airflow, where its web server is known, else of the environment in the console.
pub(crate) fn address(
    host: Option<&str>,
    generation: Generation,
    dag_id: &str,
    id: &str,
    environment: &str,
    place: &Place,
) -> String {
    let Some(host) = host else { return crate::environment::Environment::console(environment, place) };
    let (dag, id) = (percent_encoded(dag_id), percent_encoded(id));
    match generation {
        Generation::Two => format!("https://{host}/dags/{dag}/grid?dag_run_id={id}"),
        Generation::Three => format!("https://{host}/dags/{dag}/runs/{id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn states() {
        for (state, verdict) in [
            ("queued", Some(Verdict::Pending)),
            ("running", Some(Verdict::Pending)),
            ("success", Some(Verdict::Succeeded)),
            ("failed", Some(Verdict::Failed)),
            ("SUCCESS", None),
            ("restarting", None),
            ("", None),
        ] {
            assert_eq!(judge(state), verdict, "{state}");
        }
    }

    #[test]
    fn what_airflow_tells_of_runs_and_tasks() {
        let run = |logical_date: Option<&str>| Run {
            dag_id: "d".to_owned(),
            id: "r".to_owned(),
            state: "queued".to_owned(),
            logical_date: logical_date.map(str::to_owned),
            ..Run::default()
        };
        for (told, expected) in [
            (
                json!({ "dag_run_id": "r", "state": "queued", "logical_date": null, "end_date": null }),
                Some(run(None)),
            ),
            (
                json!({ "run_id": "r", "state": "queued", "execution_date": "x", "end_date": "" }),
                Some(run(Some("x"))),
            ),
            (json!({ "run_id": "r" }), None),
            (json!({ "state": "queued" }), None),
            (json!("r"), None),
        ] {
            assert_eq!(Run::read("d", &told), expected, "{told}");
        }
        for (told, expected) in [
            (json!({ "task_id": "t", "state": "failed", "map_index": -1 }), Some("t")),
            (json!({ "task_id": "t", "state": "failed", "map_index": 2 }), Some("t[2]")),
            (json!({ "task_id": "t", "state": "failed" }), Some("t")),
            (json!({ "task_id": "t", "state": "upstream_failed" }), None),
            (json!({ "task_id": "t", "state": null }), None),
        ] {
            assert_eq!(Task::failed(&told).map(|task| task.name()).as_deref(), expected, "{told}");
        }
    }
}

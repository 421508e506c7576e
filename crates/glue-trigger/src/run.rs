//! A job run as this program sees it: what its state means and how it is shown.

use job_runtime::{Place, Verdict, aligned, percent_encoded};
use serde::Serialize;

/// Judges a `JobRunState`; `None` for one that this program does not know.
///
/// ERROR ends a run that a trigger or workflow started for a job that is gone; EXPIRED is in the API's list of
/// states without a word on it, and no state to come back from. Glue is free to add states: waiting on is the
/// only safe answer to a new one.
pub(crate) fn judge(state: &str) -> Option<Verdict> {
    match state {
        "STARTING" | "RUNNING" | "STOPPING" | "WAITING" => Some(Verdict::Pending),
        "SUCCEEDED" => Some(Verdict::Succeeded),
        "FAILED" | "TIMEOUT" | "ERROR" | "EXPIRED" => Some(Verdict::Failed),
        "STOPPED" => Some(Verdict::Stopped),
        _ => None,
    }
}

/// As [`judge`], where a state that is not known is pending.
pub(crate) fn verdict(state: &str) -> Verdict {
    judge(state).unwrap_or(Verdict::Pending)
}

/// A job run. Arguments are left out on purpose: they are nobody else's business.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Run {
    /// Name of the job.
    pub(crate) job_name: String,
    /// Id of the run.
    #[serde(rename = "run_id")]
    pub(crate) id: String,
    /// `JobRunState` as Glue names it.
    pub(crate) state: String,
    /// Which attempt this is; 0 is the first.
    pub(crate) attempt: i32,
    /// The run that this one retries.
    pub(crate) previous_run_id: Option<String>,
    /// RFC 3339.
    pub(crate) started_on: Option<String>,
    /// RFC 3339.
    pub(crate) last_modified_on: Option<String>,
    /// RFC 3339.
    pub(crate) completed_on: Option<String>,
    /// How long it used resources, in seconds.
    pub(crate) execution_seconds: i32,
    /// DPU seconds; Glue gives them for auto scaling and FLEX only.
    pub(crate) dpu_seconds: Option<f64>,
    /// Capacity in DPUs.
    pub(crate) max_capacity: Option<f64>,
    /// `G.1X` and the like.
    pub(crate) worker_type: Option<String>,
    /// Number of those workers.
    pub(crate) number_of_workers: Option<i32>,
    /// Version of Glue.
    pub(crate) glue_version: Option<String>,
    /// STANDARD or FLEX.
    pub(crate) execution_class: Option<String>,
    /// `ErrorMessage`.
    pub(crate) error: Option<String>,
    /// `StateDetail`: why it is in this state, such as the reason for waiting.
    pub(crate) state_detail: Option<String>,
    /// Prefix of the log groups, without `/output` or `/error`.
    pub(crate) log_group: String,
}

/// Where Glue keeps the logs of a run that names no other place.
pub(crate) const DEFAULT_LOG_GROUP: &str = "/aws-glue/jobs";

/// Address of the run in the AWS console, or of the job's page where there is no run.
pub(crate) fn console(place: &Place, job_name: &str, run_id: Option<&str>) -> String {
    let Place { region, .. } = place;
    let domain = place.console_domain();
    let job = percent_encoded(job_name);
    let page = run_id.map_or_else(|| "/runs".to_owned(), |id| format!("/run/{}", percent_encoded(id)));
    format!("https://console.{domain}/gluestudio/home?region={region}#/job/{job}{page}")
}

/// The result on stdout: the run, and how this program came to it.
#[derive(Debug, Serialize)]
pub(crate) struct Shown<'a> {
    /// The run.
    #[serde(flatten)]
    pub(crate) run: &'a Run,
    /// The run was started by somebody else: an earlier process with the same key, or whoever started the run
    /// given to `--attach`.
    pub(crate) adopted: bool,
    /// Region of the job.
    pub(crate) region: &'a str,
    /// Account of the job, where known.
    pub(crate) account: Option<&'a str>,
    /// Where to look at the run.
    pub(crate) console_url: &'a str,
}

impl Shown<'_> {
    /// A few aligned lines for people; what is not known is left out.
    pub(crate) fn text(&self) -> String {
        let run = self.run;
        let workers = match (run.number_of_workers, &run.worker_type) {
            (Some(number), Some(kind)) => Some(format!("{number} x {kind}")),
            (Some(number), None) => Some(number.to_string()),
            (None, kind) => kind.clone(),
        };
        let lines = [
            ("job", Some(run.job_name.clone())),
            ("run", Some(run.id.clone())),
            ("state", Some(run.state.clone())),
            ("detail", run.state_detail.clone()),
            ("error", run.error.clone()),
            ("started", run.started_on.clone()),
            ("completed", run.completed_on.clone()),
            ("seconds", (run.execution_seconds > 0).then(|| run.execution_seconds.to_string())),
            ("dpu seconds", run.dpu_seconds.map(|seconds| seconds.to_string())),
            ("workers", workers),
            ("adopted", self.adopted.then(|| "yes".to_owned())),
            ("region", Some(self.region.to_owned())),
            ("account", self.account.map(str::to_owned)),
            ("console", Some(self.console_url.to_owned())),
        ];
        aligned(lines.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_a_verdict() {
        let cases = [
            ("STARTING", Some(Verdict::Pending)),
            ("RUNNING", Some(Verdict::Pending)),
            ("STOPPING", Some(Verdict::Pending)),
            ("WAITING", Some(Verdict::Pending)),
            ("SUCCEEDED", Some(Verdict::Succeeded)),
            ("FAILED", Some(Verdict::Failed)),
            ("TIMEOUT", Some(Verdict::Failed)),
            ("ERROR", Some(Verdict::Failed)),
            ("EXPIRED", Some(Verdict::Failed)),
            ("STOPPED", Some(Verdict::Stopped)),
            ("HIBERNATING", None),
            ("", None),
        ];
        for (state, verdict) in cases {
            assert_eq!(judge(state), verdict, "{state:?}");
        }
        // A state that the SDK knows and this program does not would be waited on until the deadline.
        for state in aws_sdk_glue::types::JobRunState::values() {
            assert!(judge(state).is_some(), "{state} is not judged");
        }
    }

    #[test]
    fn console_addresses() {
        let cases = [
            (
                "us-east-2",
                "nightly-etl",
                Some("jr_01"),
                "https://console.aws.amazon.com/gluestudio/home?region=us-east-2#/job/nightly-etl/run/jr_01",
            ),
            (
                "eu-west-1",
                "Über etl/2",
                Some("jr_01"),
                "https://console.aws.amazon.com/gluestudio/home?region=eu-west-1#/job/%C3%9Cber%20etl%2F2/run/jr_01",
            ),
            (
                "cn-north-1",
                "etl",
                Some("jr_01"),
                "https://console.amazonaws.cn/gluestudio/home?region=cn-north-1#/job/etl/run/jr_01",
            ),
            (
                "us-gov-west-1",
                "etl",
                None,
                "https://console.amazonaws-us-gov.com/gluestudio/home?region=us-gov-west-1#/job/etl/runs",
            ),
        ];
        for (region, job, run, expected) in cases {
            let place = Place { region: region.to_owned(), account: None };
            assert_eq!(console(&place, job, run), expected);
        }
    }

    fn run() -> Run {
        Run {
            job_name: "nightly-etl".into(),
            id: "jr_01".into(),
            state: "SUCCEEDED".into(),
            started_on: Some("2026-03-01T02:00:00Z".into()),
            execution_seconds: 61,
            dpu_seconds: Some(122.5),
            worker_type: Some("G.1X".into()),
            number_of_workers: Some(2),
            log_group: DEFAULT_LOG_GROUP.into(),
            ..Run::default()
        }
    }

    fn shown(run: &Run) -> Shown<'_> {
        Shown { run, adopted: true, region: "us-east-2", account: None, console_url: "https://c" }
    }

    #[test]
    fn json_has_every_field_in_every_case() {
        let run = run();
        let json: serde_json::Value = serde_json::to_value(shown(&run)).unwrap();
        assert_eq!(json["run_id"], "jr_01");
        assert_eq!(json["adopted"], true);
        assert_eq!(json["dpu_seconds"], 122.5);
        assert_eq!(json["error"], serde_json::Value::Null);
        let empty = Run::default();
        let keys = |value: serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(json), keys(serde_json::to_value(shown(&empty)).unwrap()));
    }

    #[test]
    fn text_is_aligned_and_leaves_out_what_is_not_known() {
        let expected = "\
job          nightly-etl
run          jr_01
state        SUCCEEDED
started      2026-03-01T02:00:00Z
seconds      61
dpu seconds  122.5
workers      2 x G.1X
adopted      yes
region       us-east-2
console      https://c";
        assert_eq!(shown(&run()).text(), expected);
    }
}

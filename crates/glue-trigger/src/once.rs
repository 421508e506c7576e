//! Start once: how a run is recognised as the work of a key, and what an earlier one means.
//!
//! `StartJobRun` has no client token, and a run has no name or tag of ours. What a run does keep is its
//! arguments, so the key goes in there as [`MARKER`]; the user's script sees it as an argument it does not
//! know. Looking through the newest runs of the job for the marker tells whether the work was started before.
//!
//! What this cannot do: two processes that look at the same time, find nothing and both send; or a process that
//! looks before `GetJobRuns` shows what the one before it has started. Where the job allows one run at a time
//! (`MaxConcurrentRuns`, 1 unless set), Glue refuses the second start, and its process then finds the first
//! one's run. A Job that keeps its pods to one at a time leaves little room for either.
//!
//! A start that got no clear answer is looked for and never sent again by the same process: the request may
//! still be on its way. Whether it led to a run is for the next process to see.

use job_runtime::Verdict;

/// The argument that carries the key.
pub(crate) const MARKER: &str = "--glue-trigger-key";

/// How many of a job's newest runs are looked through for the marker.
///
/// Five full pages of `GetJobRuns`. A run that was started, then followed by a thousand others of the same job
/// before its key is used again, is not found.
pub(crate) const SCANNED_RUNS: usize = 1000;

/// The value of [`MARKER`] for a key.
///
/// A retry of an earlier run is a piece of work of its own: with the same value, the run to retry would be
/// taken for the retry.
pub(crate) fn marker(key: &str, retry_run: Option<&str>) -> String {
    match retry_run {
        Some(run_id) => format!("{key}/retry-of/{run_id}"),
        None => key.to_owned(),
    }
}

/// A run that carries the marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marked {
    /// The run's id.
    pub(crate) id: String,
    /// What its state means.
    pub(crate) verdict: Verdict,
}

/// What the earlier runs of a key lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing stands in the way of a start.
    Start,
    /// This run is the work: wait for it, or report how it ended.
    Adopt(Marked),
}

/// Decides by the marked runs, newest first. `rerun` says that a failure is no reason not to start again.
///
/// One that is still going wins over any that has ended; among those that have ended the newest counts.
pub(crate) fn decide(marked: &[Marked], rerun: bool) -> Decision {
    let going = marked.iter().find(|run| run.verdict == Verdict::Pending);
    match going.or(marked.first()) {
        None => Decision::Start,
        Some(run) => match run.verdict {
            Verdict::Failed | Verdict::Stopped if rerun => Decision::Start,
            Verdict::Pending | Verdict::Succeeded | Verdict::Failed | Verdict::Stopped => {
                Decision::Adopt(run.clone())
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_earlier_runs_lead_to() {
        use Verdict::{Failed, Pending, Stopped, Succeeded};
        // Verdicts newest first; the index of the adopted run with `report` and with `rerun`.
        let cases: [(&[Verdict], Option<usize>, Option<usize>); 10] = [
            (&[], None, None),
            (&[Pending], Some(0), Some(0)),
            (&[Succeeded], Some(0), Some(0)),
            (&[Failed], Some(0), None),
            (&[Stopped], Some(0), None),
            (&[Succeeded, Failed], Some(0), Some(0)),
            (&[Failed, Succeeded], Some(0), None),
            (&[Failed, Pending], Some(1), Some(1)),
            (&[Succeeded, Pending, Pending], Some(1), Some(1)),
            (&[Stopped, Failed], Some(0), None),
        ];
        for (verdicts, report, rerun) in cases {
            let marked: Vec<Marked> = verdicts
                .iter()
                .enumerate()
                .map(|(index, verdict)| Marked { id: format!("jr_{index}"), verdict: *verdict })
                .collect();
            for (expected, rerun) in [(report, false), (rerun, true)] {
                let expected = match expected {
                    Some(index) => Decision::Adopt(marked[index].clone()),
                    None => Decision::Start,
                };
                assert_eq!(decide(&marked, rerun), expected, "{verdicts:?}, rerun {rerun}");
            }
        }
    }

    #[test]
    fn a_retry_is_work_of_its_own() {
        assert_eq!(marker("uid-1", None), "uid-1");
        assert_eq!(marker("uid-1", Some("jr_7")), "uid-1/retry-of/jr_7");
    }
}

//! Start once: what a job that is there already means.

use job_runtime::Verdict;
use serde_json::Value;

use super::seen::Seen;
use super::spec::Spec;

/// By how many seconds the service's clock may be behind ours.
const CLOCK_SKEW: f64 = 300.0;

/// How a job comes to be looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// There is a key: the name is this work's own.
    pub(super) keyed: bool,
    /// A job that ended badly is no reason not to start again.
    pub(super) rerun: bool,
    /// When this process began to start it, in seconds since 1970.
    pub(super) since: f64,
}

/// What a job of the name in question leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is the work: wait for it, or report how it ended.
    Adopt(Verdict),
    /// It is the work and has ended badly, and is to be done again.
    Again,
    /// It was started with another specification; this member differs.
    Foreign(String),
    /// It is like the work, but was there before.
    Taken,
}

/// Decides by what `DescribeTrainingJob` shows.
///
/// Without a key only what this process has sent can be its own: that is looked for when the answer to a start is
/// lost, and what was there before is told apart by its age.
pub(super) fn decide(spec: &Spec, shown: &Value, asked: Asked) -> Decision {
    if let Some(path) = spec.difference(shown) {
        return Decision::Foreign(path);
    }
    let created = shown.get("CreationTime").and_then(Value::as_f64).unwrap_or_default();
    if !asked.keyed && created < asked.since - CLOCK_SKEW {
        return Decision::Taken;
    }
    match Seen::new("", shown).verdict() {
        Verdict::Failed | Verdict::Stopped if asked.rerun => Decision::Again,
        verdict => Decision::Adopt(verdict),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::train::spec::tests::spec;

    #[test]
    fn what_a_job_that_is_there_leads_to() {
        let shown = |status: &str, image: &str, created: u32| {
            json!({
                "TrainingJobStatus": status,
                "SecondaryStatus": status,
                "AlgorithmSpecification": {"TrainingImage": image},
                "CreationTime": created,
            })
        };
        let asked = |keyed, rerun| Asked { keyed, rerun, since: 1000.0 };
        let (plain, keyed, rerun) = (asked(false, false), asked(true, false), asked(true, true));
        let foreign = || Decision::Foreign("AlgorithmSpecification.TrainingImage".to_owned());
        for (status, image, created, asked, expected) in [
            ("InProgress", "image", 1, keyed, Decision::Adopt(Verdict::Pending)),
            ("InProgress", "image", 1, rerun, Decision::Adopt(Verdict::Pending)),
            ("InProgress", "other", 1, keyed, foreign()),
            ("Failed", "image", 1, keyed, Decision::Adopt(Verdict::Failed)),
            ("Failed", "image", 1, rerun, Decision::Again),
            ("Stopped", "image", 1, rerun, Decision::Again),
            ("Failed", "other", 1, rerun, foreign()),
            ("Completed", "image", 1, rerun, Decision::Adopt(Verdict::Succeeded)),
            ("InProgress", "image", 1, plain, Decision::Taken),
            ("InProgress", "image", 701, plain, Decision::Adopt(Verdict::Pending)),
            ("InProgress", "other", 701, plain, foreign()),
        ] {
            assert_eq!(
                decide(&spec("t"), &shown(status, image, created), asked),
                expected,
                "{status} {asked:?}"
            );
        }
    }
}

//! What the earlier attempts of a key lead to.

use super::{Comparison, Earlier, Engine, Found, RemoteError, RemoteWork};
use crate::cli::{OnDifference, OnPriorFailure};
use crate::error::CallError;
use crate::poll::Verdict;
use tokio::time::timeout_at;

/// What to do about the earlier attempts of a key.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Decision<I> {
    /// Nothing forbids a start; the failed work that it follows.
    Start { after: Option<I> },
    /// This is the work: wait for it, or report how it ended.
    Adopt(Earlier<I>),
}

/// Work of the key that is other work: its id, and the fields that differ.
pub(super) type OtherWork<I> = (I, Vec<String>);

/// Decides by the earlier attempts, newest first.
///
/// Pending work comes before work that has ended; among what has ended the newest counts.
pub(super) fn decide<I: Clone>(
    earlier: &[Earlier<I>],
    rerun: bool,
    resume_different: bool,
) -> Result<Decision<I>, OtherWork<I>> {
    let pending = earlier.iter().find(|it| it.verdict == Verdict::Pending);
    let Some(found) = pending.or(earlier.first()) else { return Ok(Decision::Start { after: None }) };
    let id = || found.id.clone();
    match (found.verdict, &found.same) {
        (Verdict::Failed | Verdict::Stopped, _) if rerun => Ok(Decision::Start { after: Some(id()) }),
        (Verdict::Stopped, _) if found.stopped_by_key => Ok(Decision::Start { after: Some(id()) }),
        (Verdict::Pending | Verdict::Succeeded, Comparison::Differs(fields)) if !resume_different => {
            Err((id(), fields.clone()))
        }
        _ => Ok(Decision::Adopt(found.clone())),
    }
}

impl<W: RemoteWork> Engine<'_, W> {
    /// Every attempt of the key, within `--timeout`.
    pub(super) async fn find_earlier(&self) -> Result<Vec<Earlier<W::Id>>, RemoteError> {
        let lookup = self.lookup();
        let finding = Box::pin(self.ctx.look_up(async || self.work.find(&lookup).await));
        let found = timeout_at(self.ctx.deadline(), finding).await.map_err(|_| self.late())?;
        match found.map_err(|source| self.lookup_error(source))? {
            Found::Attempts(earlier) => Ok(earlier),
            Found::Unsettled(text) => Err(self.unsettled_claim(text)),
        }
    }

    /// [`decide`] by the options; logs what was decided.
    pub(super) fn decide(&self, earlier: &[Earlier<W::Id>]) -> Result<Decision<W::Id>, RemoteError> {
        // Without a key, what was found is what this process has started: its failure is the result.
        let rerun = self.ctx.key().is_some() && self.ctx.on_prior_failure() == OnPriorFailure::Rerun;
        let resume = self.ctx.on_difference() == OnDifference::Resume;
        let decision = decide(earlier, rerun, resume).map_err(|(id, fields)| self.differs(&id, &fields))?;
        match &decision {
            Decision::Start { after: Some(id) } => {
                let differs = earlier.iter().find(|it| it.id == *id).and_then(|it| match &it.same {
                    Comparison::Differs(fields) => Some(fields.join(", ")),
                    Comparison::Same | Comparison::NotShown => None,
                });
                tracing::info!(%id, changed = differs, "earlier {} failed; starting again", W::NOUN);
            }
            Decision::Start { after: None } => {}
            Decision::Adopt(found) => self.log_adoption(found),
        }
        Ok(decision)
    }

    /// Whose work is searched for.
    pub(super) fn owner(&self) -> &'static str {
        if self.ctx.key().is_some() { "of this idempotency key" } else { "of this process" }
    }

    fn log_adoption(&self, earlier: &Earlier<W::Id>) {
        let Earlier { id, verdict, same, .. } = earlier;
        let noun = W::NOUN;
        let what = match verdict {
            Verdict::Pending => "is still running: resuming the wait",
            Verdict::Succeeded => "has already succeeded",
            Verdict::Failed | Verdict::Stopped => {
                "has already failed; --on-prior-failure rerun starts another one"
            }
        };
        tracing::info!(%id, "the {noun} {} {what}", self.owner());
        match same {
            Comparison::Same => {}
            Comparison::Differs(fields) => {
                tracing::warn!(%id, fields = fields.join(", "), "the {noun} differs from what is asked for now");
            }
            Comparison::NotShown => {
                tracing::info!(%id, "{} does not show whether the {noun} is what is asked for now", W::SERVICE);
            }
        }
    }

    /// The attempts that were not known before this process sent a start.
    pub(super) async fn find_unknown(&self) -> Result<Vec<Earlier<W::Id>>, SearchError> {
        let lookup = self.lookup();
        match Box::pin(self.work.find(&lookup)).await.map_err(SearchError::Failed)? {
            Found::Attempts(mut found) => {
                found.retain(|it| !self.known.borrow().contains(&it.id));
                Ok(found)
            }
            Found::Unsettled(text) => Err(SearchError::Unsettled(text)),
        }
    }

    /// A search that has shown nothing; `failed` makes the error of a call that failed.
    pub(super) fn search_error(
        &self,
        error: SearchError,
        failed: impl FnOnce(CallError) -> RemoteError,
    ) -> RemoteError {
        match error {
            SearchError::Failed(source) => failed(source),
            SearchError::Unsettled(text) => self.unsettled_claim(text),
        }
    }
}

/// Why a search shows nothing.
pub(super) enum SearchError {
    /// The call failed.
    Failed(CallError),
    /// [`Found::Unsettled`].
    Unsettled(String),
}

/// The attempt that a start of this process has led to.
pub(super) fn adoptable<I: Clone>(found: &[Earlier<I>]) -> Option<Earlier<I>> {
    found.iter().find(|it| it.verdict == Verdict::Pending).or(found.first()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_earlier_attempts_lead_to() {
        use Verdict::{Failed, Pending, Stopped, Succeeded};
        // Verdicts newest first; the index of the adopted attempt with `report` and with `rerun`.
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
            let earlier: Vec<_> = (0..).zip(verdicts).map(|(id, verdict)| attempt(id, *verdict)).collect();
            for (expected, rerun) in [(report, false), (rerun, true)] {
                let expected = match expected {
                    Some(index) => Decision::Adopt(earlier[index].clone()),
                    None => Decision::Start { after: earlier.first().map(|it| it.id) },
                };
                assert_eq!(decide(&earlier, rerun, false), Ok(expected), "{verdicts:?}, rerun {rerun}");
            }
        }
    }

    fn attempt(id: u32, verdict: Verdict) -> Earlier<u32> {
        Earlier { id, verdict, same: Comparison::Same, stopped_by_key: false }
    }

    #[test]
    fn what_differs_is_refused_where_it_would_be_adopted() {
        let fields = || vec!["arguments".to_owned()];
        let differing = |verdict| Earlier { same: Comparison::Differs(fields()), ..attempt(1, verdict) };
        for (verdict, rerun, resume, expected) in [
            (Verdict::Pending, false, false, Err((1, fields()))),
            (Verdict::Pending, true, false, Err((1, fields()))),
            (Verdict::Succeeded, false, false, Err((1, fields()))),
            (Verdict::Succeeded, false, true, Ok(Decision::Adopt(differing(Verdict::Succeeded)))),
            (Verdict::Failed, false, false, Ok(Decision::Adopt(differing(Verdict::Failed)))),
            (Verdict::Failed, true, false, Ok(Decision::Start { after: Some(1) })),
            (Verdict::Stopped, true, false, Ok(Decision::Start { after: Some(1) })),
        ] {
            assert_eq!(
                decide(&[differing(verdict)], rerun, resume),
                expected,
                "{verdict:?} {rerun} {resume}"
            );
        }
        let hidden = Earlier { same: Comparison::NotShown, ..attempt(1, Verdict::Pending) };
        assert_eq!(decide(std::slice::from_ref(&hidden), false, false), Ok(Decision::Adopt(hidden)));
    }

    #[test]
    fn what_a_process_of_the_key_has_stopped_counts_as_not_done() {
        let stopped = Earlier { stopped_by_key: true, ..attempt(1, Verdict::Stopped) };
        assert_eq!(decide(&[stopped], false, false), Ok(Decision::Start { after: Some(1) }));
    }
}

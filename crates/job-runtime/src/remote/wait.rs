//! The wait for the end.

use super::{BegunOf, Engine, Polled, RemoteWork, Status};
use crate::error::CallError;
use crate::poll::{Ended, Judged, Verdict};
use std::cell::Cell;
use std::time::Duration;
use tokio::time::Instant;

/// The state of work that was started and is not visible yet. It has the form of no service's own states.
const NOT_VISIBLE: &str = "not yet visible";

impl<W: RemoteWork> Engine<'_, W> {
    /// Polls until the work has ended; `Done(Err(_))` where there is no such work.
    pub(super) async fn wait(&self, begun: &BegunOf<W>) -> Ended<Result<W::Snapshot, Option<CallError>>> {
        let grace = if begun.resumed { Duration::ZERO } else { W::POLL.visible_within };
        let visible_by = Cell::new(Instant::now() + grace);
        let waiting = self.ctx.poll(W::POLL.first, async || {
            let polled = self.describe(&begun.id).await?;
            let (snapshot, held) = match polled {
                Polled::Seen(snapshot) => (snapshot, false),
                Polled::Held(snapshot) => (snapshot, true),
                Polled::NotVisible(source) if Instant::now() < visible_by.get() => {
                    let detail = source.map(|source| source.to_string());
                    return Ok(Judged::Pending { state: NOT_VISIBLE.to_owned(), detail });
                }
                Polled::NotVisible(source) => return Ok(Judged::Done(Err(source))),
            };
            // What was visible once and is not any more is gone.
            visible_by.set(Instant::now());
            self.work.observe(&snapshot);
            Ok(match judge(self.work.status(&snapshot), held) {
                Some(pending) => pending,
                None => Judged::Done(Ok(snapshot)),
            })
        });
        match self.work.accompany(&begun.id, waiting).await {
            Ended::Deadline(state) => Ended::Deadline(state.filter(|state| state != NOT_VISIBLE)),
            ended => ended,
        }
    }

    /// One describe; the service may hold its response back for as long as there is time, which a signal leaves none of.
    pub(super) async fn describe(&self, id: &W::Id) -> Result<Polled<W::Snapshot>, CallError> {
        let left = self.ctx.deadline().saturating_duration_since(Instant::now());
        let hold = Some(W::POLL.hold.min(left)).filter(|hold| !hold.is_zero() && !self.ctx.is_cancelled());
        Box::pin(self.work.describe(id, hold)).await
    }
}

/// Pending work as the poll loop knows it; `None` for work that has ended.
fn judge<T>(status: Status, held: bool) -> Option<Judged<T>> {
    let Status { state, detail, verdict, .. } = status;
    match verdict {
        Some(Verdict::Succeeded | Verdict::Failed | Verdict::Stopped) => None,
        Some(Verdict::Pending) if held => Some(Judged::Held { state }),
        Some(Verdict::Pending) => Some(Judged::Pending { state, detail }),
        None => {
            let detail = "a state that this version does not know; counts as pending".to_owned();
            Some(Judged::Pending { state, detail: Some(detail) })
        }
    }
}

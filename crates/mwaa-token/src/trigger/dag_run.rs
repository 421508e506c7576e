//! A DAG run as remote work.
//!
//! A DAG has one run of an id at most, so that the id makes the start safe: it is made of the key, the fingerprint of
//! what is asked for, and the number of the attempt. A start without a clear response is sent again under the same id.

use std::cell::RefCell;
use std::time::Duration;

use job_runtime::remote::{
    Attempt, Comparison, Earlier, Found, Links, Lookup, PollPolicy, Polled, Recovery, RemoteWork, StartError,
    Started, Status, Step, StopKind, canonical_json, short_digest,
};
use job_runtime::{CallError, Place};

use super::Trigger;
use super::channel::{self, Ways};
use super::run::{self, Run};

/// What the ids of a key's runs begin with. Short, because an id is a part of paths that may have 64 characters.
fn id_prefix(key: &str) -> String {
    format!("key-{}-", short_digest(key, &["dag run"], 12))
}

/// The number of the attempt in the id of a key's run; the first has none.
fn attempt_number(id: &str, prefix: &str) -> u32 {
    let number = id.strip_prefix(prefix).and_then(|rest| rest.split_once('-'));
    number.and_then(|(_, number)| number.parse().ok()).unwrap_or(1)
}

/// The id of a run that is to be started.
fn new_id(attempt: &Attempt<'_, String>) -> String {
    let Some(key) = attempt.key else { return unkeyed_id(attempt.nonce) };
    let prefix = id_prefix(key);
    let id = format!("{prefix}{}", attempt.fingerprint.text());
    match attempt.after {
        Some(failed) => format!("{id}-{}", attempt_number(failed, &prefix) + 1),
        None => id,
    }
}

fn unkeyed_id(nonce: &str) -> String {
    let digits = nonce.get(..16).unwrap_or(nonce);
    format!("once-{digits}")
}

/// A run of a DAG, to be started.
pub(super) struct DagRun<'a> {
    pub(super) ways: &'a Ways<'a>,
    pub(super) trigger: &'a Trigger,
    pub(super) place: &'a Place,
    /// Host of Airflow's web server, where it is known.
    pub(super) host: Option<&'a str>,
    /// The id of the run that was last asked for.
    pub(super) asked_for: RefCell<String>,
}

impl DagRun<'_> {
    fn dag(&self) -> &str {
        &self.trigger.wanted.dag_id
    }

    /// Address of a run.
    pub(super) fn url(&self, id: &str) -> String {
        let Self { ways, place, host, .. } = self;
        run::address(*host, ways.generation, self.dag(), id, ways.mwaa.name, place)
    }
}

impl RemoteWork for DagRun<'_> {
    type Id = String;
    type Snapshot = Run;

    const NOUN: &'static str = "DAG run";
    const SERVICE: &'static str = "Airflow";
    const POLL: PollPolicy = PollPolicy {
        // `InvokeRestApi` takes ten calls a second of all its users.
        first: Duration::from_secs(10),
        hold: Duration::ZERO,
        visible_within: Duration::from_secs(30),
    };
    // Airflow sets a run that has succeeded to failed as well, if it is asked to.
    const STOP: StopKind = StopKind::Overwrites;

    fn title(&self) -> String {
        format!("run of DAG {} (environment {}, {})", self.dag(), self.ways.mwaa.name, self.place)
    }

    fn identity(&self) -> Vec<(&'static str, String)> {
        let wanted = &self.trigger.wanted;
        // No configuration is an empty one.
        let conf = wanted.conf.as_ref().map_or_else(|| "{}".to_owned(), canonical_json);
        vec![("conf", conf), ("logical date", wanted.logical_date.clone().unwrap_or_default())]
    }

    async fn find(&self, lookup: &Lookup<'_>) -> Result<Found<String>, CallError> {
        let attempt =
            |run: Run, same| Earlier { verdict: run.verdict(), id: run.id, same, stopped_by_key: false };
        let Some(key) = lookup.key else {
            let own = self.ways.look(self.dag(), &unkeyed_id(lookup.nonce)).await?;
            let own = own.map(|run| attempt(run, Comparison::Same));
            return Ok(Found::Attempts(own.into_iter().collect()));
        };
        let prefix = id_prefix(key);
        let mut runs = self.ways.runs(self.dag(), &prefix).await?;
        runs.sort_by_key(|run| std::cmp::Reverse(attempt_number(&run.id, &prefix)));
        let attempts = runs.into_iter().map(|run| {
            let fingerprint = run.id.strip_prefix(&prefix).and_then(|rest| rest.split('-').next());
            let same = lookup.fingerprint.compare(fingerprint);
            attempt(run, same)
        });
        Ok(Found::Attempts(attempts.collect()))
    }

    /// The runs of a paused DAG stay queued until someone unpauses it.
    async fn prepare(&self, _: &Attempt<'_, String>) -> Result<(), StartError> {
        let dag = self.dag();
        match self.ways.is_paused(dag).await.map_err(StartError::Refused)? {
            Some(true) if self.trigger.allow_paused => {
                tracing::warn!("DAG {dag} is paused: its run stays queued until someone unpauses it");
            }
            Some(true) => {
                let text =
                    "the DAG is paused: unpause it, or start a run that stays queued with --allow-paused";
                return Err(StartError::Blocked(text.to_owned()));
            }
            Some(false) => {}
            None => tracing::warn!("Airflow does not show whether DAG {dag} is paused"),
        }
        Ok(())
    }

    async fn send(&self, attempt: &Attempt<'_, String>) -> Result<Started<String, Run>, StartError> {
        let id = new_id(attempt);
        self.asked_for.replace(id.clone());
        match self.ways.start(&self.trigger.wanted, &id).await? {
            channel::Started::New => Ok(Started::Running(id)),
            // Of this id, or of this logical date.
            channel::Started::Exists(text) => {
                Err(StartError::Exists(CallError::answered(crate::mwaa::INVOKE, 409, text)))
            }
        }
    }

    fn recovery(&self) -> Recovery {
        Recovery::Resend
    }

    async fn describe(&self, id: &String, _: Option<Duration>) -> Result<Polled<Run>, CallError> {
        Ok(self.ways.look(self.dag(), id).await?.map_or(Polled::NotVisible(None), Polled::Seen))
    }

    async fn stop(&self, id: &String) -> Result<(), CallError> {
        self.ways.fail(self.dag(), id).await
    }

    fn status(&self, run: &Run) -> Status {
        let verdict = run::judge(&run.state);
        Status { state: run.state.clone(), detail: None, verdict, stopped_by_key: false }
    }

    fn links(&self, id: Option<&String>) -> Links {
        Links { console: Some(self.url(id.unwrap_or(&self.asked_for.borrow()))), resume: None }
    }

    fn hints(&self, step: Step, error: &CallError) -> Vec<String> {
        let date = (step == Step::Start && error.code() == Some("409"))
            .then(|| "check --logical-date: a DAG has one run of a logical date at most".to_owned());
        date.into_iter().chain(self.ways.note(error)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use job_runtime::remote::Fingerprint;

    /// What one process writes and the next one reads: public interface.
    #[test]
    fn golden_ids() {
        let fields = [("conf", "{}".to_owned()), ("logical date", String::new())];
        let fingerprint = Fingerprint::new("k", &fields);
        let id = |key, after: Option<&String>| {
            new_id(&Attempt { key, after, fingerprint: &fingerprint, nonce: "0123456789abcdef0123" })
        };
        let first = id(Some("k"), None);
        assert_eq!(first, "key-63fltk3gpkt4-zbjiozohbmxr");
        assert_eq!(id(Some("k"), Some(&first)), format!("{first}-2"));
        assert_eq!(id(Some("k"), Some(&format!("{first}-2"))), format!("{first}-3"));
        assert_eq!(id(None, None), "once-0123456789abcdef");
        assert!(first.starts_with(&id_prefix("k")) && !first.starts_with(&id_prefix("l")));
    }
}

//! The engine against a service whose responses are scripted.

use super::*;
use crate::cli::OnTerminate;
use crate::context::tests::context;
use crate::error::Failure;
use crate::error::tests::{answered, refused_connection, reset_connection};
use std::collections::VecDeque;
use tokio::time::{Instant, sleep};

const START: &str = "x:Start";

/// How a run ends: the id of its work, whether it was found, the exit; or the exit of the error.
type End = Result<(String, bool, Exit), Exit>;
/// What the service makes of a start.
type StartReply = Reply<Result<Started<String, &'static str>, StartError>>;

/// What the service does with one request.
#[derive(Clone)]
enum Reply<T> {
    Now(T),
    /// No response at all.
    Silence,
}

/// A scripted service. What a script does not say: a start leads to work `new`, a describe shows success.
struct Fake<const STOP: u8> {
    sends: RefCell<VecDeque<StartReply>>,
    finds: RefCell<VecDeque<Vec<Earlier<String>>>>,
    /// What every search shows once `finds` is used up, instead of nothing.
    claim: Option<&'static str>,
    states: RefCell<VecDeque<&'static str>>,
    recovery: Recovery,
    slot_wait: Duration,
    /// What was called, in order.
    calls: RefCell<Vec<String>>,
}

type Guarded = Fake<1>;
type Overwriting = Fake<2>;

impl<const STOP: u8> Fake<STOP> {
    fn new(recovery: Recovery) -> Self {
        Self {
            sends: RefCell::default(),
            finds: RefCell::default(),
            claim: None,
            states: RefCell::default(),
            recovery,
            slot_wait: Duration::ZERO,
            calls: RefCell::default(),
        }
    }

    fn sends(self, replies: impl IntoIterator<Item = StartReply>) -> Self {
        self.sends.borrow_mut().extend(replies);
        self
    }

    fn finds(self, found: impl IntoIterator<Item = Vec<Earlier<String>>>) -> Self {
        self.finds.borrow_mut().extend(found);
        self
    }

    fn states(self, states: impl IntoIterator<Item = &'static str>) -> Self {
        self.states.borrow_mut().extend(states);
        self
    }

    fn called(&self, what: &str) -> usize {
        self.calls.borrow().iter().filter(|call| call.split(' ').next() == Some(what)).count()
    }

    fn note(&self, what: impl Into<String>) {
        self.calls.borrow_mut().push(what.into());
    }
}

impl<const STOP: u8> RemoteWork for Fake<STOP> {
    type Id = String;
    type Snapshot = &'static str;

    const NOUN: &'static str = "job";
    const SERVICE: &'static str = "Fake";
    const POLL: PollPolicy = PollPolicy {
        first: Duration::from_secs(10),
        hold: Duration::ZERO,
        visible_within: Duration::from_secs(30),
    };
    const STOP: StopKind = match STOP {
        0 => StopKind::None,
        1 => StopKind::Guarded,
        _ => StopKind::Overwrites,
    };

    fn identity(&self) -> Vec<(&'static str, String)> {
        vec![("arguments", "a".to_owned())]
    }

    async fn find(&self, _: &Lookup<'_>) -> Result<Found<String>, CallError> {
        self.note("find");
        Ok(match (self.finds.borrow_mut().pop_front(), self.claim) {
            (None, Some(text)) => Found::Unsettled(text.to_owned()),
            (found, _) => Found::Attempts(found.unwrap_or_default()),
        })
    }

    async fn send(&self, attempt: &Attempt<'_, String>) -> Result<Started<String, &'static str>, StartError> {
        self.note(format!("send after {}", attempt.after.map_or("nothing", String::as_str)));
        let reply = self.sends.borrow_mut().pop_front();
        match reply {
            None => Ok(Started::Running("new".to_owned())),
            Some(Reply::Now(result)) => result,
            Some(Reply::Silence) => std::future::pending().await,
        }
    }

    async fn settled(&self, id: Option<&String>) {
        self.note(format!("settled {}", id.map_or("nothing", String::as_str)));
    }

    fn recovery(&self) -> Recovery {
        self.recovery
    }

    async fn describe(&self, _: &String, _: Option<Duration>) -> Result<Polled<&'static str>, CallError> {
        self.note("describe");
        let mut states = self.states.borrow_mut();
        // The last state stays.
        let state = if states.len() > 1 { states.pop_front() } else { states.front().copied() };
        Ok(Polled::Seen(state.unwrap_or("SUCCEEDED")))
    }

    async fn stop(&self, _: &String) -> Result<(), CallError> {
        self.note("stop");
        Ok(())
    }

    fn status(&self, state: &&'static str) -> Status {
        let verdict = match *state {
            "RUNNING" => Some(Verdict::Pending),
            "SUCCEEDED" => Some(Verdict::Succeeded),
            "FAILED" => Some(Verdict::Failed),
            "STOPPED" | "STOPPED BY KEY" => Some(Verdict::Stopped),
            _ => None,
        };
        Status {
            state: (*state).to_owned(),
            detail: None,
            verdict,
            stopped_by_key: *state == "STOPPED BY KEY",
        }
    }

    fn slot_wait(&self) -> Duration {
        self.slot_wait
    }

    fn links(&self, _: Option<&String>) -> Links {
        Links::default()
    }
}

fn attempt(id: &str, verdict: Verdict) -> Earlier<String> {
    Earlier { id: id.to_owned(), verdict, same: Comparison::Same, stopped_by_key: false }
}

fn failed(error: StartError) -> StartReply {
    Reply::Now(Err(error))
}

fn unclear() -> StartReply {
    failed(StartError::Unclear(CallError::new(START, &reset_connection())))
}

fn taken() -> StartReply {
    failed(StartError::Exists(CallError::new(START, &answered(400, "AlreadyExists"))))
}

fn ctx(key: Option<&str>) -> Context {
    context(Duration::from_hours(1), key)
}

/// The id of the work that ended, whether it was found, and the exit; or the exit of the error.
async fn ended<const STOP: u8>(work: &Fake<STOP>, ctx: &Context) -> End {
    match run(work, ctx).await {
        Ok(Outcome::Ended(ending)) => Ok((ending.id.clone(), ending.resumed, ending.exit())),
        Ok(Outcome::Started(begun)) => Ok((begun.id, begun.resumed, Exit::Ok)),
        Err(error) => Err(error.exit()),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "what a run is compared with")]
fn ok(id: &str, resumed: bool) -> End {
    Ok((id.to_owned(), resumed, Exit::Ok))
}

#[tokio::test(start_paused = true)]
async fn work_is_started_once_or_found() {
    let work = Guarded::new(Recovery::Find);
    assert_eq!(ended(&work, &ctx(Some("k"))).await, ok("new", false));
    assert_eq!((work.called("find"), work.called("send")), (1, 1));

    let work = Guarded::new(Recovery::Find).finds([vec![attempt("old", Verdict::Pending)]]);
    assert_eq!(ended(&work, &ctx(Some("k"))).await, ok("old", true));
    assert_eq!(work.called("send"), 0);

    // Without a key nothing is searched for.
    let work = Guarded::new(Recovery::Find);
    assert_eq!(ended(&work, &ctx(None)).await, ok("new", false));
    assert_eq!(work.called("find"), 0);
}

#[tokio::test(start_paused = true)]
async fn what_provably_started_nothing_is_sent_again() {
    let not_sent = || failed(CallError::new(START, &refused_connection()).into());
    let work = Guarded::new(Recovery::Nothing).sends([not_sent(), not_sent()]);
    assert_eq!(ended(&work, &ctx(None)).await, ok("new", false));
    assert_eq!(work.called("send"), 3);

    let begun = Instant::now();
    let work = Guarded::new(Recovery::Nothing).sends((0..99).map(|_| not_sent()));
    assert_eq!(ended(&work, &ctx(None)).await, Err(Exit::Unavailable));
    assert!(begun.elapsed() <= Duration::from_secs(30), "a Job's own retries are the place for longer waits");
    assert_eq!(work.called("settled"), 1, "what was prepared is taken back");

    let refused = failed(CallError::new(START, &answered(400, "AccessDeniedException")).into());
    let work = Guarded::new(Recovery::Nothing).sends([refused]);
    assert_eq!(ended(&work, &ctx(None)).await, Err(Exit::Denied));
    assert_eq!((work.called("send"), work.called("settled")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_unclear_response_is_resolved_as_the_service_allows() {
    // The service recognises the request.
    let work = Guarded::new(Recovery::Resend).sends([unclear()]);
    assert_eq!(ended(&work, &ctx(None)).await, ok("new", false));
    assert_eq!(work.called("send"), 2);

    // The name is taken by the first request.
    let found = vec![attempt("first", Verdict::Pending)];
    let work = Guarded::new(Recovery::Resend).sends([unclear(), taken()]).finds([vec![], found.clone()]);
    assert_eq!(ended(&work, &ctx(Some("k"))).await, ok("first", false));

    // A search finds it, after 2 s; it is never sent again.
    let work = Guarded::new(Recovery::Find).sends([unclear()]).finds([vec![], vec![], found]);
    assert_eq!(ended(&work, &ctx(Some("k"))).await, ok("first", true));
    assert_eq!((work.called("send"), work.called("find")), (1, 3));

    // Without a key the search is for what this process has started, by its nonce or by the name that the user typed.
    let found = vec![attempt("first", Verdict::Pending)];
    let work = Guarded::new(Recovery::Find).sends([unclear()]).finds([found.clone()]);
    assert_eq!(ended(&work, &ctx(None)).await, ok("first", false));
    let work = Guarded::new(Recovery::Resend).sends([unclear(), taken()]).finds([found]);
    assert_eq!(ended(&work, &ctx(None)).await, ok("first", false));

    // It finds nothing: the next process searches again. What was prepared stays.
    let work = Guarded::new(Recovery::Find).sends([unclear()]);
    assert_eq!(ended(&work, &ctx(Some("k"))).await, Err(Exit::Unavailable));
    assert_eq!((work.called("send"), work.called("find"), work.called("settled")), (1, 4, 0));

    // Nothing can resolve it.
    for (recovery, key) in [(Recovery::Nothing, Some("k")), (Recovery::Find, None)] {
        let work = Guarded::new(recovery).sends([unclear()]);
        assert_eq!(ended(&work, &ctx(key)).await, Err(Exit::Unknown));
        assert_eq!((work.called("send"), work.called("settled")), (1, 0));
    }
}

/// A refusal after an unclear response does not prove that the first request started nothing.
#[tokio::test(start_paused = true)]
async fn a_refusal_after_an_unclear_response_proves_nothing() {
    let refused = failed(CallError::new(START, &answered(400, "AccessDeniedException")).into());
    let work = Guarded::new(Recovery::Resend).sends([unclear(), refused]);
    assert_eq!(ended(&work, &ctx(Some("k"))).await, Err(Exit::Unavailable));
    assert_eq!((work.called("send"), work.called("settled")), (2, 0));
}

/// The failed work of an earlier attempt is not what a start of this process has led to.
#[tokio::test(start_paused = true)]
async fn earlier_failures_are_not_taken_for_new_work() {
    let old = || vec![attempt("old", Verdict::Failed)];
    let mut rerun = ctx(Some("k"));
    rerun.set_on_prior_failure(crate::OnPriorFailure::Rerun);
    let work = Guarded::new(Recovery::Find).sends([unclear()]).finds([old(), old(), old(), old()]);
    assert_eq!(ended(&work, &rerun).await, Err(Exit::Unavailable));
    assert!(work.calls.borrow().contains(&"send after old".to_owned()));
    // Another process was faster, and its work has failed too.
    let second = vec![attempt("second", Verdict::Failed), attempt("old", Verdict::Failed)];
    let work = Guarded::new(Recovery::Find).sends([taken()]).finds([old(), second]);
    assert_eq!(ended(&work, &rerun).await, ok("new", false));
    assert!(work.calls.borrow().contains(&"send after second".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_taken_by_other_work_is_refused() {
    for key in [Some("k"), None] {
        let work = Guarded::new(Recovery::Resend).sends([taken()]);
        assert_eq!(ended(&work, &ctx(key)).await, Err(Exit::Rejected), "{key:?}");
        assert_eq!(work.called("send"), 1);
        // Without a key no other request can have taken the name.
        assert_eq!(work.called("find") > 0, key.is_some());
    }
    // Another process has started it, with the same name and other values.
    let work = Guarded::new(Recovery::Resend).sends([unclear(), taken()]);
    assert_eq!(ended(&work, &ctx(None)).await, Err(Exit::Rejected));
}

/// Without a key the failed work is this process's own, and the result.
#[tokio::test(start_paused = true)]
async fn without_a_key_nothing_is_done_again() {
    let mut rerun = ctx(None);
    rerun.set_on_prior_failure(crate::OnPriorFailure::Rerun);
    let work = Guarded::new(Recovery::Resend)
        .sends([unclear(), taken()])
        .finds([vec![attempt("first", Verdict::Failed)]])
        .states(["FAILED"]);
    assert_eq!(ended(&work, &rerun).await, Ok(("first".to_owned(), false, Exit::Failed)));
    assert_eq!(work.called("send"), 2);
}

/// A claim whose request nobody can see is for a person, whenever a search comes upon it.
#[tokio::test(start_paused = true)]
async fn a_claim_without_a_request_is_unknown() {
    let busy = || failed(StartError::Busy(CallError::new(START, &answered(400, "Limit"))));
    let claimed = || Guarded { claim: Some("claimed"), ..Guarded::new(Recovery::Find) };
    let work = claimed();
    assert_eq!(ended(&work, &ctx(Some("k"))).await, Err(Exit::Unknown));
    assert_eq!(work.called("send"), 0);
    for start in [unclear(), taken(), busy()] {
        let work = claimed().sends([start]).finds([vec![]]);
        assert_eq!(ended(&work, &ctx(Some("k"))).await, Err(Exit::Unknown));
        assert_eq!((work.called("send"), work.called("find")), (1, 2));
    }
    let work = claimed().sends([Reply::Silence]).finds([vec![]]);
    assert_eq!(signalled(&work, &ctx(Some("k")), 5).await, Err(Exit::Unknown));
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_waited_for_as_long_as_asked() {
    let busy = || failed(StartError::Busy(CallError::new(START, &answered(400, "Limit"))));
    let work = Guarded::new(Recovery::Find).sends([busy()]);
    assert_eq!(ended(&work, &ctx(None)).await, Err(Exit::Busy));
    let work = Guarded { slot_wait: Duration::from_mins(1), ..Guarded::new(Recovery::Find) };
    let work = work.sends([busy(), busy(), busy()]);
    assert_eq!(ended(&work, &ctx(None)).await, ok("new", false));
    // Another process of the key has the slot.
    let work = Guarded::new(Recovery::Find)
        .sends([busy()])
        .finds([vec![], vec![attempt("other", Verdict::Pending)]]);
    assert_eq!(ended(&work, &ctx(Some("k"))).await, ok("other", true));
}

#[tokio::test(start_paused = true)]
async fn work_that_is_left_running_is_79_where_the_key_finds_it() {
    for (key, exit) in [(Some("k"), Exit::Timeout), (None, Exit::Unknown)] {
        let work = Guarded::new(Recovery::Find).states(["RUNNING"]);
        assert_eq!(ended(&work, &ctx(key)).await, Err(exit));
        assert_eq!(work.called("stop"), 0);
    }
    let work = Guarded::new(Recovery::Find).states(["RUNNING"]);
    let error = attach(&work, "theirs".to_owned(), &ctx(None)).await.unwrap_err();
    assert_eq!(error.exit(), Exit::Timeout);
}

/// The end of `work` where SIGTERM comes after so many seconds.
async fn signalled<const STOP: u8>(work: &Fake<STOP>, ctx: &Context, after: u64) -> End {
    let (ended, ()) = tokio::join!(ended(work, ctx), async {
        sleep(Duration::from_secs(after)).await;
        ctx.interrupt(Exit::Terminated);
    });
    ended
}

#[tokio::test(start_paused = true)]
async fn a_signal_while_a_request_is_in_flight() {
    for (key, finds, expected) in [
        (Some("k"), vec![vec![], vec![attempt("first", Verdict::Pending)]], Err(Exit::Terminated)),
        (Some("k"), vec![], Err(Exit::Terminated)),
        (None, vec![], Err(Exit::Unknown)),
    ] {
        let work = Guarded::new(Recovery::Find).sends([Reply::Silence]).finds(finds).states(["RUNNING"]);
        assert_eq!(signalled(&work, &ctx(key), 5).await, expected, "{key:?}");
        assert_eq!((work.called("send"), work.called("settled")), (1, 0));
        // One search, after that of the beginning.
        assert_eq!(work.called("find"), if key.is_some() { 2 } else { 1 });
    }
    // What is found without a key is stopped.
    let found = vec![vec![attempt("first", Verdict::Pending)]];
    let work = Guarded::new(Recovery::Resend).sends([Reply::Silence]).finds(found).states(["RUNNING"]);
    assert_eq!(signalled(&work, &ctx(None), 5).await, Err(Exit::Terminated));
    assert_eq!(work.called("stop"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_signal_during_the_wait() {
    use OnTerminate::{Cancel, Detach};
    for (key, typed, expected, stops) in [
        (None, None, Exit::Terminated, 1),
        (None, Some(Detach), Exit::Unknown, 0),
        (Some("k"), None, Exit::Terminated, 0),
        (Some("k"), Some(Cancel), Exit::Terminated, 1),
    ] {
        let mut ctx = ctx(key);
        ctx.set_on_terminate(typed);
        let work = Guarded::new(Recovery::Find).states(["RUNNING"]);
        assert_eq!(signalled(&work, &ctx, 5).await, Err(expected), "{key:?} {typed:?}");
        assert_eq!(work.called("stop"), stops, "{key:?} {typed:?}");
    }
    // What a stop would overwrite is left running unless the user says so, and read before.
    for (typed, states, expected, stops) in [
        (None, vec!["RUNNING"], Err(Exit::Unknown), 0),
        (Some(Cancel), vec!["RUNNING"], Err(Exit::Terminated), 1),
        (Some(Cancel), vec!["RUNNING", "SUCCEEDED"], ok("new", false), 0),
    ] {
        let mut ctx = ctx(None);
        ctx.set_on_terminate(typed);
        let work = Overwriting::new(Recovery::Find).states(states);
        assert_eq!(signalled(&work, &ctx, 5).await, expected, "{typed:?}");
        assert_eq!(work.called("stop"), stops, "{typed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn attached_work_is_stopped_only_if_asked_to() {
    for (typed, stops) in [(None, 0), (Some(OnTerminate::Cancel), 1)] {
        let mut ctx = ctx(None);
        ctx.set_on_terminate(typed);
        let work = Guarded::new(Recovery::Find).states(["RUNNING"]);
        let (ended, ()) = tokio::join!(attach(&work, "theirs".to_owned(), &ctx), async {
            sleep(Duration::from_secs(5)).await;
            ctx.interrupt(Exit::Terminated);
        });
        assert_eq!(ended.unwrap_err().exit(), Exit::Terminated);
        assert_eq!(work.called("stop"), stops);
    }
}

/// The process before was told to stop the work and did, while this one was waiting for it.
#[tokio::test(start_paused = true)]
async fn work_that_a_process_of_the_key_has_stopped_is_started_again() {
    let work = Guarded::new(Recovery::Find)
        .finds([
            vec![attempt("old", Verdict::Pending)],
            vec![Earlier { stopped_by_key: true, ..attempt("old", Verdict::Stopped) }],
        ])
        .states(["RUNNING", "STOPPED BY KEY", "SUCCEEDED"]);
    assert_eq!(ended(&work, &ctx(Some("k"))).await, ok("new", false));
    assert_eq!(work.called("send"), 1);
}

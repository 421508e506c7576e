use super::*;
use crate::answer::{Again, Failed};
use crate::earlier::{Done, Earlier};
use crate::selection::Shard;
use job_runtime::Open;
use std::cell::Cell;
use std::future::pending;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc;
use tokio::time::sleep;

const MINUTE: Duration = Duration::from_mins(1);

/// A batch of a test.
struct Trial {
    lines: Lines,
    concurrency: usize,
    max_failures: Option<u64>,
    selection: Selection,
    told: Option<(Duration, Told)>,
    /// A second signal, so long after the first.
    second: Option<Duration>,
    resumes: bool,
    repeatable: bool,
    /// The next run finds the work of a line by its key.
    findable: bool,
    /// How often it was shown how far it is.
    shown: Rc<Cell<u64>>,
}

/// What came of it.
struct Outcome {
    summary: Result<Summary, Error>,
    text: String,
}

impl Outcome {
    fn summary(&self) -> &Summary {
        self.summary.as_ref().unwrap()
    }

    /// The answers without their digests, which are tested apart.
    fn plain(&self) -> String {
        let line = |line: &str| match line.split_once(r#","digest":""#) {
            Some((before, after)) => format!("{before}{}\n", &after[33..]),
            None => format!("{line}\n"),
        };
        self.text.lines().map(line).collect()
    }

    /// The answers as `line:status`.
    fn statuses(&self) -> Vec<String> {
        let status = |text| {
            let answer: serde_json::Value = serde_json::from_str(text).unwrap();
            format!("{}:{}", answer["line"], answer["status"].as_str().unwrap())
        };
        self.text.lines().map(status).collect()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::to_value(self.summary()).unwrap()
    }
}

impl Trial {
    fn new(input: impl Into<Vec<u8>>) -> Self {
        Self::reading(io::Cursor::new(input.into()))
    }

    fn reading(input: impl Read + Send + 'static) -> Self {
        Self {
            lines: Lines::new(Box::new(input), 100),
            concurrency: 16,
            max_failures: None,
            selection: Selection::new(Shard::WHOLE, false),
            told: None,
            second: None,
            resumes: true,
            repeatable: false,
            findable: false,
            shown: Rc::default(),
        }
    }

    /// Of so many lines, each its own number.
    fn of(lines: u64) -> Self {
        let lines: Vec<String> = (1..=lines).map(|line| line.to_string()).collect();
        Self::new(lines.join("\n"))
    }

    async fn run(self, call: impl AsyncFn(&Item) -> Result<Answer, Refusal>) -> Outcome {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let summary = self.run_into(&path, call).await;
        Outcome { summary, text: std::fs::read_to_string(&path).unwrap() }
    }

    async fn run_into(
        self,
        path: &Path,
        call: impl AsyncFn(&Item) -> Result<Answer, Refusal>,
    ) -> Result<Summary, Error> {
        let Self {
            lines,
            concurrency,
            max_failures,
            selection,
            told,
            second,
            resumes,
            repeatable,
            findable,
            shown,
        } = self;
        let sink = Sink::file(path, Open::Replace).unwrap();
        let check = |line: &[u8]| if line == b"unfit" { Err("it is unfit".to_owned()) } else { Ok(()) };
        let deadline = match told {
            Some((after, Told::Deadline)) => Instant::now() + after,
            _ => Instant::now() + MINUTE * 600,
        };
        let first = async {
            match told {
                Some((after, Told::Signal(exit))) => {
                    sleep(after).await;
                    exit
                }
                _ => pending().await,
            }
        };
        let begun = Instant::now();
        let second = async {
            match told.zip(second) {
                Some(((after, _), later)) => sleep_until(begun + after + later).await,
                None => pending().await,
            }
        };
        let work = Work {
            lines,
            selection,
            target: target(),
            concurrency,
            max_failures,
            deadline,
            once: CallOnce { grace_period: secs(25), repeatable },
            resumes,
            has_expect: false,
        };
        let progress = Progress {
            every: MINUTE,
            show: |_: &Tally, _| shown.set(shown.get() + 1),
            done: |_: &Summary| {},
        };
        let service = Service { check, call, findable: async |_| findable };
        drive(work, sink, service, Signals { first, second }, progress).await
    }
}

fn target() -> Target {
    Target::new(&"t")
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The line itself, as the service's answer.
#[allow(clippy::unnecessary_wraps, reason = "what a call returns")]
fn echo(item: &Item) -> Result<Answer, Refusal> {
    Ok(Answer { payload: item.text.clone(), ..Answer::default() })
}

fn failed() -> Answer {
    let failure = Failed { error: "bang".to_owned(), detail: None, not_evaluated: false };
    Answer { failure: Some(failure), ..Answer::default() }
}

fn refusal(status: Status, again: Option<Again>) -> Result<Answer, Refusal> {
    Err(Refusal { status, again, error: format!("it was {}", status.word()), request_id: None })
}

fn throttled() -> Result<Answer, Refusal> {
    refusal(Status::Unavailable, Some(Again::Busy))
}

#[tokio::test(start_paused = true)]
async fn answers_are_in_order_and_calls_are_bounded() {
    let (flying, most) = (Cell::new(0), Cell::new(0));
    let call = async |item: &Item| {
        flying.set(flying.get() + 1);
        most.set(most.get().max(flying.get()));
        sleep(Duration::from_millis(fastrand::u64(0..1000))).await;
        flying.set(flying.get() - 1);
        echo(item)
    };
    let ran = Trial::of(500).run(call).await;
    let expected: Vec<String> =
        (1..=500).map(|line| format!(r#"{{"line":{line},"status":"ok","payload":{line}}}"#)).collect();
    assert_eq!(ran.plain().lines().collect::<Vec<_>>(), expected);
    assert_eq!(most.get(), 16);
    let json = ran.json();
    assert_eq!((json["lines"].as_u64(), ran.summary().exit()), (Some(500), Exit::Ok));
    assert!(json["p50_ms"].as_f64().unwrap() > 100.0 && json["seconds"].as_f64().unwrap() < 60.0, "{json}");
}

/// How many calls have begun by the time that the first one ends, which takes a minute.
async fn begun_behind_a_slow_line(lines: u64, concurrency: usize, payload: usize) -> u64 {
    let begun = Cell::new(0);
    let behind = Cell::new(0);
    let call = async |item: &Item| {
        begun.set(begun.get() + 1);
        if item.line == 1 {
            sleep(MINUTE).await;
            behind.set(begun.get());
        }
        // A call's answer is never there at once.
        sleep(Duration::from_millis(1)).await;
        Ok(Answer { payload: vec![b'x'; payload], ..Answer::default() })
    };
    let ran = Trial { concurrency, ..Trial::of(lines) }.run(call).await;
    assert_eq!(ran.json()["ok"], lines);
    behind.get()
}

#[tokio::test(start_paused = true)]
async fn one_slow_line_holds_up_those_beyond_the_window() {
    assert_eq!(begun_behind_a_slow_line(200, 16, 1).await, 64);
    assert_eq!(begun_behind_a_slow_line(10, 1, 1).await, 1);
}

#[tokio::test(start_paused = true)]
async fn finished_answers_are_bounded_in_bytes() {
    let begun = begun_behind_a_slow_line(64, 16, 1024 * 1024).await;
    assert!((32..=32 + 16).contains(&begun), "{begun} calls behind the slow one, the window has 64");
}

#[tokio::test(start_paused = true)]
async fn throttled_calls_are_made_again_and_fewer_at_a_time() {
    let (flying, calls, most_late) = (Cell::new(0), Cell::new(0_u64), Cell::new(0));
    let call = async |item: &Item| {
        calls.set(calls.get() + 1);
        if flying.get() >= 4 {
            sleep(Duration::from_millis(5)).await;
            return throttled();
        }
        flying.set(flying.get() + 1);
        if item.line > 900 {
            most_late.set(most_late.get().max(flying.get()));
        }
        sleep(Duration::from_millis(50)).await;
        flying.set(flying.get() - 1);
        echo(item)
    };
    let ran = Trial { concurrency: 64, ..Trial::of(1000) }.run(call).await;
    let json = ran.json();
    assert_eq!((json["ok"].as_u64(), ran.summary().exit()), (Some(1000), Exit::Ok));
    assert_eq!(calls.get() - json["throttled"].as_u64().unwrap(), 1000);
    // The first cuts cost 60 + 28 + 12 + 4 calls, each later one a call or two.
    assert!(calls.get() < 1400, "{} calls", calls.get());
    assert!(most_late.get() >= 3, "the limit rises again");
    // At four at a time it would be 12.5 s.
    assert!(json["seconds"].as_f64().unwrap() < 60.0, "{json}");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_recovers_is_used_in_full_again() {
    let (flying, most) = (Cell::new(0), Cell::new(0));
    let start = Instant::now();
    let call = async |item: &Item| {
        if start.elapsed() < secs(30) {
            sleep(Duration::from_millis(1)).await;
            return throttled();
        }
        flying.set(flying.get() + 1);
        most.set(most.get().max(flying.get()));
        sleep(Duration::from_millis(100)).await;
        flying.set(flying.get() - 1);
        echo(item)
    };
    let ran = Trial::of(2000).run(call).await;
    assert_eq!((ran.json()["ok"].as_u64(), most.get()), (Some(2000), 16));
    let throttles = ran.json()["throttled"].as_u64().unwrap();
    assert!((16..40).contains(&throttles), "{throttles} within half a minute");
}

#[tokio::test(start_paused = true)]
async fn a_service_out_of_reach_ends_the_batch() {
    let calls = Cell::new(0);
    let call = async |_: &Item| {
        calls.set(calls.get() + 1);
        sleep(Duration::from_millis(1)).await;
        refusal(Status::Unavailable, Some(Again::Unreached))
    };
    let ran = Trial { concurrency: 4, ..Trial::of(1000) }.run(call).await;
    assert_eq!(ran.statuses(), ["1:unavailable", "2:unavailable", "3:unavailable", "4:unavailable"]);
    assert_eq!(
        (ran.summary().exit(), ran.json()["ended_early"].as_str()),
        (Exit::Unavailable, Some("unreached"))
    );
    assert!(ran.json()["seconds"].as_f64().unwrap() > 150.0 && calls.get() < 40, "{} calls", calls.get());
}

#[tokio::test(start_paused = true)]
async fn too_many_failures_end_the_batch() {
    let call = async |item: &Item| {
        sleep(Duration::from_millis(item.line)).await;
        if item.line.is_multiple_of(10) { Ok(failed()) } else { echo(item) }
    };
    let ran = Trial { concurrency: 4, max_failures: Some(3), ..Trial::of(1000) }.run(call).await;
    let statuses = ran.statuses();
    assert_eq!(statuses.iter().filter(|status| status.ends_with(":failed")).count(), 3);
    assert!((30..=33).contains(&statuses.len()), "those in flight are awaited: {statuses:?}");
    assert_eq!(
        (ran.summary().exit(), ran.json()["ended_early"].as_str()),
        (Exit::Failed, Some("max-failures"))
    );
    // With the last line there is nothing to be ended.
    let ran = Trial { max_failures: Some(3), ..Trial::of(30) }.run(call).await;
    assert_eq!((ran.statuses().len(), ran.json()["ended_early"].as_str()), (30, None));
}

#[tokio::test(start_paused = true)]
async fn a_denial_ends_the_batch() {
    for (status, fails, exit) in [
        (Status::Denied, false, Exit::Denied),
        (Status::Config, false, Exit::Config),
        (Status::Denied, true, Exit::Failed),
    ] {
        let call = async |item: &Item| {
            sleep(Duration::from_millis(item.line)).await;
            match item.line {
                5 => refusal(status, None),
                6 if fails => Ok(failed()),
                7 => throttled(),
                _ => echo(item),
            }
        };
        let ran = Trial { concurrency: 4, ..Trial::of(1000) }.run(call).await;
        let denied = format!("5:{}", status.word());
        let sixth = if fails { "6:failed" } else { "6:ok" };
        assert_eq!(ran.statuses(), ["1:ok", "2:ok", "3:ok", "4:ok", &denied, sixth, "7:unavailable", "8:ok"]);
        assert_eq!((ran.summary().exit(), ran.json()["ended_early"].as_str()), (exit, Some("refused")));
    }
}

/// Ended after ten seconds, with these calls in flight: one that ends in time, one that does not, and one that is
/// throttled. It ends after so many seconds.
async fn told(trial: Trial, who: Told, seconds: u64) -> Outcome {
    let call = async |item: &Item| {
        match item.line {
            1 => sleep(secs(12)).await,
            2 => sleep(secs(100)).await,
            4 => {
                sleep(secs(9)).await;
                return throttled();
            }
            5 => {
                sleep(secs(6)).await;
                return throttled();
            }
            _ => sleep(secs(5)).await,
        }
        echo(item)
    };
    let begun = Instant::now();
    let ran = Trial { concurrency: 5, told: Some((secs(10), who)), ..trial }.run(call).await;
    assert_eq!(begun.elapsed(), secs(seconds));
    ran
}

#[tokio::test(start_paused = true)]
async fn a_signal_leaves_what_is_unknown() {
    for (exit, resumes, repeatable, seconds, expected) in [
        (Exit::Terminated, true, false, 35, Exit::Terminated),
        (Exit::Interrupted, true, false, 13, Exit::Interrupted),
        (Exit::Terminated, false, false, 35, Exit::Unknown),
        (Exit::Interrupted, false, false, 13, Exit::Unknown),
        (Exit::Terminated, false, true, 35, Exit::Terminated),
    ] {
        let trial = Trial { resumes, repeatable, ..Trial::of(100) };
        let ran = told(trial, Told::Signal(exit), seconds).await;
        assert_eq!(ran.statuses()[..3], ["1:ok", "2:unknown", "3:ok"]);
        assert!(ran.statuses()[3..].iter().any(|status| status == "4:unavailable"), "{:?}", ran.statuses());
        assert!(ran.statuses().len() < 20, "no line was taken after the signal");
        assert_eq!((ran.summary().exit(), ran.json()["ended_early"].as_str()), (expected, Some("signal")));
        assert!(ran.text.contains("it may have run"), "{}", ran.text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_leaves_it_at_once() {
    for (repeatable, expected) in [(false, Exit::Unknown), (true, Exit::Terminated)] {
        let trial = Trial { second: Some(secs(1)), repeatable, ..Trial::of(100) };
        let ran = told(trial, Told::Signal(Exit::Terminated), 11).await;
        assert_eq!(ran.statuses()[..3], ["1:unknown", "2:unknown", "3:ok"]);
        assert_eq!(ran.summary().exit(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_key_finds_is_not_unknown() {
    for (who, seconds, expected) in [
        (Told::Signal(Exit::Terminated), 35, Exit::Terminated),
        // Lines that were throttled are left.
        (Told::Deadline, 13, Exit::Unavailable),
    ] {
        let trial = Trial { findable: true, resumes: false, ..Trial::of(100) };
        let ran = told(trial, who, seconds).await;
        assert_eq!(ran.statuses()[..3], ["1:ok", "2:interrupted", "3:ok"]);
        assert_eq!(ran.summary().exit(), expected);
    }
    let lost = async |_: &Item| refusal(Status::Unknown, None);
    let ran = Trial { findable: true, resumes: false, ..Trial::of(2) }.run(lost).await;
    assert_eq!(
        (ran.statuses(), ran.summary().exit()),
        (vec!["1:unavailable".to_owned(), "2:unavailable".to_owned()], Exit::Unavailable)
    );
}

#[tokio::test(start_paused = true)]
async fn the_deadline_leaves_what_is_unknown() {
    let ran = told(Trial::of(100), Told::Deadline, 13).await;
    assert_eq!(ran.statuses()[..3], ["1:ok", "2:unknown", "3:ok"]);
    assert_eq!((ran.summary().exit(), ran.json()["ended_early"].as_str()), (Exit::Unknown, Some("timeout")));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_before_the_signal() {
    let call = async |item: &Item| {
        sleep(secs(if item.line == 1 { 5 } else { 12 })).await;
        Ok(failed())
    };
    let told = Some((secs(10), Told::Signal(Exit::Interrupted)));
    let ran = Trial { told, max_failures: Some(1), ..Trial::of(100) }.run(call).await;
    assert_eq!((ran.statuses().len(), ran.summary().exit()), (16, Exit::Failed));
}

#[tokio::test(start_paused = true)]
async fn what_is_done_in_time_was_not_ended() {
    for who in [Told::Signal(Exit::Terminated), Told::Deadline] {
        let call = async |item: &Item| {
            sleep(secs(12)).await;
            echo(item)
        };
        let ran = Trial { told: Some((secs(10), who)), ..Trial::of(3) }.run(call).await;
        assert_eq!((ran.statuses().len(), ran.summary().exit()), (3, Exit::Ok));
    }
}

#[tokio::test(start_paused = true)]
async fn odd_lines() {
    let mut input = b"a\r\n\n  \nunfit\n".to_vec();
    input.extend([b'x'; 101]);
    input.extend(b"\n\xff\xfe\nlast");
    let ran = Trial::new(input).run(async |item: &Item| echo(item)).await;
    assert_eq!(
        ran.plain(),
        concat!(
            "{\"line\":1,\"status\":\"ok\",\"payload\":\"a\"}\n",
            "{\"line\":4,\"status\":\"usage\",\"error\":\"it is unfit\"}\n",
            "{\"line\":5,\"status\":\"usage\",\"error\":\"it has more than 100 bytes\"}\n",
            "{\"line\":6,\"status\":\"ok\",\"payload_base64\":\"//4=\"}\n",
            "{\"line\":7,\"status\":\"ok\",\"payload\":\"last\"}\n",
        )
    );
    assert_eq!(ran.summary().exit(), Exit::Failed);
    let ran = Trial::new("").run(async |item: &Item| echo(item)).await;
    assert_eq!((ran.text.as_str(), ran.summary().exit()), ("", Exit::Ok));
}

#[tokio::test(start_paused = true)]
async fn lines_that_are_done_are_skipped() {
    let mut earlier = Earlier::default();
    for (line, status) in [("2", Done::Ok), ("3", Done::Ok), ("6", Done::Ok), ("8", Done::Unknown)] {
        earlier.note(target().digest(line.as_bytes()), 1, status);
    }
    earlier.complete();
    let selection = Selection::new(Shard::new(1, 2).unwrap(), false).after(earlier);
    let ran = Trial { selection, ..Trial::of(9) }.run(async |item: &Item| echo(item)).await;
    assert_eq!(ran.statuses(), ["4:ok"]);
    assert_eq!((&ran.json()["skipped"], &ran.json()["kept_unknown"]), (&2.into(), &1.into()));
    assert_eq!(ran.summary().exit(), Exit::Unknown);
}

#[tokio::test(start_paused = true)]
async fn it_is_shown_how_far_it_is() {
    let shown = Rc::new(Cell::new(0));
    let call = async |item: &Item| {
        sleep(secs(50)).await;
        echo(item)
    };
    let trial = Trial { concurrency: 1, shown: Rc::clone(&shown), ..Trial::of(10) };
    trial.run(call).await;
    assert_eq!(shown.get(), 8, "once a minute within 500 s");
}

/// Lines as they are sent.
struct Pipe(mpsc::Receiver<io::Result<&'static str>>);

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Ok(text) = self.0.recv() else { return Ok(0) };
        let text = text?;
        buffer[..text.len()].copy_from_slice(text.as_bytes());
        Ok(text.len())
    }
}

/// In real time: a clock stands still while a thread reads.
#[tokio::test]
async fn answers_are_written_while_the_next_line_is_awaited_and_the_deadline_ends_that() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let (send, receive) = mpsc::channel();
    let told = Some((Duration::from_millis(600), Told::Deadline));
    let trial = Trial { told, ..Trial::reading(Pipe(receive)) };
    send.send(Ok("1\n2\n")).unwrap();
    let look = async {
        sleep(Duration::from_millis(300)).await;
        std::fs::read_to_string(&path).unwrap()
    };
    let (summary, seen) = tokio::join!(trial.run_into(&path, async |item: &Item| echo(item)), look);
    assert_eq!(seen.lines().count(), 2, "{seen}");
    let summary = summary.unwrap();
    assert_eq!((summary.exit(), summary.counts().as_str()), (Exit::Timeout, "2 ok"));
    drop(send);
}

#[tokio::test]
async fn input_that_breaks_off_is_answered_so_far() {
    let (send, receive) = mpsc::channel();
    send.send(Ok("1\n2\n3")).unwrap();
    send.send(Err(io::Error::other("disk"))).unwrap();
    let call = async |item: &Item| {
        sleep(Duration::from_millis(50)).await;
        echo(item)
    };
    let ran = Trial::reading(Pipe(receive)).run(call).await;
    assert!(matches!(ran.summary, Err(Error::Read { repeats: false, .. })), "--resume does the rest");
    assert_eq!(ran.statuses(), ["1:ok", "2:ok"]);
}

#[tokio::test]
async fn a_sink_that_fails_ends_the_batch() {
    let summary = Trial::of(100_000).run_into(Path::new("/dev/full"), async |item: &Item| echo(item)).await;
    assert!(matches!(summary, Err(Error::Sink(_))));
}

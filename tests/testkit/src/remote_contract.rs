//! What every runner of remote work promises; declared by [`remote_contract!`](crate::remote_contract!).
//!
//! The judge is the sandbox's count of work that was really started and stopped. What a service cannot promise is
//! written down in the [`Runner`] and asserted as what it is.

use std::time::{Duration, Instant};

use sandbox::{Fault, FaultKind, WorkKind};

use crate::{Outcome, Running, Signal, Site};

/// How work of the world goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// It succeeds within a second.
    Succeeds,
    /// It fails within a second.
    Fails,
    /// It is pending for 2 s, then succeeds.
    SucceedsLater,
    /// It never ends.
    Endless,
}

/// How a service stops work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It has none.
    None,
    /// It refuses to stop what has ended.
    Guarded,
    /// It overwrites the end of what has ended.
    Overwrites,
}

/// A runner of one kind of work, with what its service can promise.
pub struct Runner {
    /// The kind of work.
    pub kind: WorkKind,
    /// Where it runs, with work of this course.
    pub site: fn(Course) -> Site,
    /// Arguments that start the work and wait for it.
    pub args: &'static [&'static str],
    /// Other arguments each, and what the error calls the field that differs.
    pub other_work: &'static [(&'static [&'static str], &'static str)],
    /// What spoils the request that starts the work of a run with a key.
    pub start_fault: fn(FaultKind) -> Fault,
    /// Text in the log while the work is pending.
    pub pending: &'static str,
    /// How it is stopped.
    pub stop: Stop,
    /// What two processes start at most that search at the same moment.
    pub starts_of_two: usize,
    /// How a start ends whose response is lost.
    pub lost_response: i32,
    /// `--read-timeout` bounds the request that starts the work.
    pub read_timeout: bool,
}

const KEY: &[&str] = &["--idempotency-key", "5f1c7e0a-0d5e-4d0e-9a53-2f0a6b1f8a11"];
const CANCEL: &[&str] = &["--on-terminate", "cancel"];

/// Users were promised five seconds; a machine that is busy with other tests gets two more.
const SOON: Duration = Duration::from_secs(7);

impl Runner {
    fn args(&self, more: &[&[&str]]) -> Vec<String> {
        let more = more.concat();
        let polled: &[&str] =
            if more.contains(&"--poll-interval") { &[] } else { &["--poll-interval", "100ms"] };
        self.args.iter().chain(polled).chain(&more).map(|&arg| arg.to_owned()).collect()
    }

    fn run(&self, site: &Site, more: &[&[&str]]) -> Outcome {
        site.run(self.args(more))
    }

    fn pending<'a>(&self, site: &'a Site, more: &[&[&str]]) -> Running<'a> {
        let running = site.start(self.args(more));
        running.wait_for_log(self.pending);
        running
    }

    #[track_caller]
    fn assert_effects(&self, site: &Site, starts: usize, stops: usize) {
        site.assert_effects(self.kind, starts, stops);
    }

    /// Whether a signal stops work without a key.
    fn stops_without_key(&self) -> bool {
        self.stop == Stop::Guarded
    }
}

#[allow(clippy::disallowed_methods, reason = "the process under test has a clock of its own")]
fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

#[track_caller]
fn end(running: Running<'_>, signal: Signal) -> Outcome {
    let since = Instant::now();
    running.signal(signal);
    let outcome = running.finish();
    assert!(since.elapsed() < SOON, "{:?}: {}", since.elapsed(), outcome.stderr);
    outcome
}

/// One start for a key; what has succeeded is reported.
pub fn work_of_a_key_is_started_once(runner: &Runner) {
    let site = (runner.site)(Course::Succeeds);
    let first = runner.run(&site, &[KEY]);
    first.assert_exit(0);
    for _ in 0..2 {
        runner.run(&site, &[KEY]).assert_exit(0);
    }
    runner.assert_effects(&site, 1, 0);
    // Without a key, each run is work of its own.
    runner.run(&site, &[]).assert_exit(0);
    runner.assert_effects(&site, 2, 0);
}

/// The wait for pending work is resumed by the next process.
pub fn pending_work_is_resumed(runner: &Runner) {
    let site = (runner.site)(Course::SucceedsLater);
    runner.pending(&site, &[KEY]).kill();
    runner.run(&site, &[KEY]).assert_exit(0);
    runner.assert_effects(&site, 1, 0);
}

/// A failure is reported again, or the work is started again.
pub fn a_failure_is_reported_or_started_again(runner: &Runner) {
    let site = (runner.site)(Course::Fails);
    runner.run(&site, &[KEY]).assert_exit(10);
    runner.run(&site, &[KEY]).assert_exit(10);
    runner.run(&site, &[KEY, &["--no-wait"]]).assert_exit(10);
    runner.assert_effects(&site, 1, 0);
    for starts in [2, 3] {
        runner.run(&site, &[KEY, &["--on-prior-failure", "rerun"]]).assert_exit(10);
        runner.assert_effects(&site, starts, 0);
    }
}

/// Work of the key that is other work is refused, pending and succeeded; the field is named, its value is not.
pub fn other_work_of_the_key_is_refused(runner: &Runner) {
    for course in [Course::Succeeds, Course::Endless] {
        for (other, field) in runner.other_work {
            let site = (runner.site)(course);
            if course == Course::Endless {
                runner.pending(&site, &[KEY]).kill();
            } else {
                runner.run(&site, &[KEY]).assert_exit(0);
            }
            let refused = runner.run(&site, &[KEY, other, &["--timeout", "20s"]]);
            refused.assert_exit(65).assert_says(field).assert_says("--step");
            let value = other.last().expect("a value");
            assert!(!refused.stderr.contains(value), "{value} in {}", refused.stderr);
            runner.assert_effects(&site, 1, 0);
            runner.run(&site, &[KEY, other, &["--step", "second", "--no-wait"]]).assert_exit(0);
            runner.assert_effects(&site, 2, 0);
            runner.run(&site, &[KEY, other, &["--on-difference", "resume", "--no-wait"]]).assert_exit(0);
            runner.assert_effects(&site, 2, 0);
        }
    }
}

/// SIGKILL after each call that the sandbox has seen, then the same command: one start, and its result.
pub fn killed_at_every_point_it_starts_once(runner: &Runner) {
    for calls in 1.. {
        let site = (runner.site)(Course::Succeeds);
        let running = site.start(runner.args(&[KEY]));
        while running.is_running() && site.sandbox.calls().len() < calls {
            pause(1);
        }
        let ended = !running.is_running();
        running.kill();
        let outcome = runner.run(&site, &[KEY]);
        outcome.assert_exit(0);
        runner.assert_effects(&site, 1, 0);
        if ended {
            assert!(calls > 3, "it was never killed");
            return;
        }
    }
}

/// Two processes of one key at once.
pub fn two_processes_at_once(runner: &Runner) {
    let site = (runner.site)(Course::Succeeds);
    let [first, second] = [(); 2].map(|()| site.start(runner.args(&[KEY])));
    first.finish().assert_exit(0);
    second.finish().assert_exit(0);
    let starts = site.effects(runner.kind).starts;
    assert!((1..=runner.starts_of_two).contains(&starts), "{starts} starts");
}

/// A start whose response is lost is not sent again blindly.
pub fn a_lost_response_to_the_start(runner: &Runner) {
    for kind in [FaultKind::ResetAfter, FaultKind::HangAfter] {
        if matches!(kind, FaultKind::HangAfter) && !runner.read_timeout {
            continue;
        }
        let site = (runner.site)(Course::Succeeds);
        site.sandbox.add_fault((runner.start_fault)(kind)).expect("the sandbox plays the operation");
        let outcome = runner.run(&site, &[KEY, &["--read-timeout", "1s"]]);
        outcome.assert_exit(runner.lost_response);
        runner.assert_effects(&site, 1, 0);
        runner.run(&site, &[KEY]).assert_exit(0);
        runner.assert_effects(&site, 1, 0);
    }
}

/// With a key, pending work is left running and found again, or stopped if that is asked for.
pub fn a_signal_with_a_key(runner: &Runner) {
    for (signal, exit) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let site = (runner.site)(Course::SucceedsLater);
        end(runner.pending(&site, &[KEY]), signal).assert_exit(exit).assert_says("is still running");
        runner.run(&site, &[KEY]).assert_exit(0);
        runner.assert_effects(&site, 1, 0);
    }
    let site = (runner.site)(Course::Endless);
    end(runner.pending(&site, &[KEY, CANCEL]), Signal::TERM).assert_exit(143);
    runner.assert_effects(&site, 1, usize::from(runner.stop != Stop::None));
}

/// Without a key, work is stopped where that is safe; work that is left running ends with 80.
pub fn a_signal_without_a_key(runner: &Runner) {
    let site = (runner.site)(Course::Endless);
    let stops = runner.stops_without_key();
    end(runner.pending(&site, &[]), Signal::TERM).assert_exit(if stops { 143 } else { 80 });
    runner.assert_effects(&site, 1, usize::from(stops));
    let site = (runner.site)(Course::Endless);
    end(runner.pending(&site, &[&["--on-terminate", "detach"]]), Signal::TERM).assert_exit(80);
    runner.assert_effects(&site, 1, 0);
}

/// Work that has ended by itself is the result, whenever the signal comes.
pub fn a_signal_after_the_end(runner: &Runner) {
    for more in [KEY, &[]] {
        let site = (runner.site)(Course::SucceedsLater);
        let running = runner.pending(&site, &[more, CANCEL, &["--poll-interval", "60s"]]);
        // Work of this course ends 2 s after its start.
        pause(2500);
        end(running, Signal::TERM).assert_exit(0);
        runner.assert_effects(&site, 1, 0);
    }
}

/// A signal while the request is in flight, whose response never comes.
pub fn a_signal_while_the_start_is_in_flight(runner: &Runner) {
    let site = (runner.site)(Course::SucceedsLater);
    let fault = (runner.start_fault)(FaultKind::HangAfter);
    site.sandbox.add_fault(fault).expect("the sandbox plays the operation");
    let running = site.start(runner.args(&[KEY]));
    let since = Instant::now();
    while site.effects(runner.kind).starts == 0 {
        assert!(since.elapsed() < Duration::from_secs(30), "nothing was started: {}", running.stderr());
        pause(10);
    }
    end(running, Signal::TERM).assert_exit(143);
    runner.run(&site, &[KEY]).assert_exit(0);
    runner.assert_effects(&site, 1, 0);
}

/// The deadline leaves the work running: 79 where the key finds it again, else 80.
pub fn the_deadline_leaves_work_running(runner: &Runner) {
    for (more, exit) in [(KEY, 79), (&[], 80)] {
        let site = (runner.site)(Course::Endless);
        runner.run(&site, &[more, &["--timeout", "3s"]]).assert_exit(exit);
        runner.assert_effects(&site, 1, 0);
    }
}

/// `--cancel` stops the work of the key and starts none.
pub fn the_work_of_a_key_can_be_cancelled(runner: &Runner) {
    let site = (runner.site)(Course::Endless);
    let cancel: &[&str] = &["--cancel"];
    runner.run(&site, &[cancel]).assert_exit(2).assert_says("--idempotency-key");
    if runner.stop == Stop::None {
        runner.pending(&site, &[KEY]).kill();
        let refused = runner.run(&site, &[KEY, cancel]);
        assert!([2, 65].contains(&refused.code), "{}: {}", refused.code, refused.stderr);
        runner.assert_effects(&site, 1, 0);
        return;
    }
    runner.run(&site, &[KEY, cancel]).assert_exit(65);
    runner.assert_effects(&site, 0, 0);
    runner.pending(&site, &[KEY]).kill();
    runner.run(&site, &[KEY, cancel]).assert_exit(0);
    runner.assert_effects(&site, 1, 1);
}

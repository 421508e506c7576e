//! Does what a script says, and judges what came of it.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use conformance::table::{self, Part, Row};
use testkit::{Call, Outcome, Running, Sandbox, Signal, Site};

use crate::figures::Figures;
use crate::script::{Blow, BlowKind, Script, Step, When};

/// No process takes longer. The chain bears trouble for half a minute, and a machine that runs a dozen of these is slow.
const BOUND: Duration = Duration::from_mins(1);
/// Nor does one that was told to end: four seconds, and some for a slow machine.
const LAST_WORD: Duration = Duration::from_secs(9);

/// Exits after which a Job starts another pod: those that its policy neither fails nor takes for success.
const AGAIN: [i32; 5] = [75, 79, 130, 137, 143];

/// Runs a sequence to the end of its Job.
pub(crate) fn run(script: &Script) -> Figures {
    let change = |world: String| match script.change {
        Some((from, to)) => {
            assert!(world.contains(from), "the world of {} has no {from}", script.row.name);
            world.replace(from, to)
        }
        None => world,
    };
    let (site, _postgres) = script.row.site(change);
    // Calls that nothing can find again are awaited for so long after a signal.
    let site = site.env("JOB_GRACE_PERIOD", "3s");
    let told = Told(RefCell::new(script.to_string()));
    let mut job = Job { script, site: &site, told: &told, log: String::new(), figures: Figures::default() };
    job.figures.sequences = 1;
    for step in &script.steps {
        if !job.pod(step) {
            return job.over();
        }
    }
    job.leave_alone();
    job.over()
}

/// What has happened so far; told where the test fails.
struct Told(RefCell<String>);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0.borrow());
        }
    }
}

/// A Job on its way.
struct Job<'a> {
    script: &'a Script,
    site: &'a Site,
    told: &'a Told,
    /// The logs of all its pods.
    log: String,
    figures: Figures,
}

/// A process that has ended.
struct Pod {
    outcome: Outcome,
    blow: Option<BlowKind>,
    calls: Vec<Call>,
    /// How much work it has started.
    started: usize,
}

impl Job<'_> {
    /// Runs one pod; whether the Job starts another.
    fn pod(&mut self, step: &Step) -> bool {
        let site = self.site;
        site.sandbox.clear_faults();
        for fault in &step.faults {
            site.sandbox.add_fault(fault.clone()).expect("the sandbox plays what is spoilt");
        }
        let pod = self.process(|running, seen| strike(running, step.blow?, &site.sandbox, seen));
        self.judge(&pod, step);
        AGAIN.contains(&pod.outcome.code)
    }

    /// The last pod: nothing is spoilt any more. What goes on for ever ends by a signal.
    fn leave_alone(&mut self) {
        let (site, script) = (self.site, self.script);
        site.sandbox.clear_faults();
        let pod = self.process(|running, seen| {
            let (service, operation) = script.row.signal?;
            while running.is_running() {
                let calls = site.sandbox.calls();
                if calls[seen..].iter().any(|call| (&*call.service, &*call.operation) == (service, operation))
                {
                    running.signal(Signal::TERM);
                    return Some(BlowKind::Terminate);
                }
                pause();
            }
            None
        });
        self.judge(&pod, &Step::default());
        let code = pod.outcome.code;
        // A claim that nobody has made good is told for ever.
        let unknown = script.keyed && code == 80 && self.may_be_unknown();
        assert!(code == script.end || unknown || self.is_true(code), "left alone, it ended with {code}");
        if pod.blow.is_some() && code == 143 && (script.row.work)(&site.sandbox) > 0 {
            // What was asked to stop stops; the signal may have come before there was anything.
            let since = Instant::now();
            while (script.row.truth)(&site.sandbox) != Some(11) {
                assert!(since.elapsed() < LAST_WORD, "told to end, and its work goes on");
                pause();
            }
        }
    }

    /// Whether an end of keyed work is what the service says.
    fn is_true(&self, code: i32) -> bool {
        let row = &self.script.row;
        let truth = (row.truth)(&self.site.sandbox);
        // Who waits for the answer of a function hears of a stop as of an error.
        self.script.keyed
            && (truth == Some(code) || row.binary == "lambda-invoke" && (truth, code) == (Some(11), 10))
    }

    fn process(&mut self, befall: impl FnOnce(&Running<'_>, usize) -> Option<BlowKind>) -> Pod {
        let (script, site) = (self.script, self.site);
        let Row { after, secret_result, work, .. } = script.row;
        let (seen, before) = (site.sandbox.calls().len(), work(&site.sandbox));
        let mut running = site.start(script.args.iter().chain(&table::IMPATIENT).chain(after));
        if secret_result {
            running = running.with_secret_result();
        }
        let blow = befall(&running, seen);
        let since = Instant::now();
        let outcome = running.finish();
        let told = &mut *self.told.0.borrow_mut();
        writeln!(told, "-- exit {} after {:?}\n{}", outcome.code, outcome.elapsed, outcome.stderr)
            .expect("memory");
        let bound = if blow.is_some() { LAST_WORD } else { BOUND };
        assert!(since.elapsed() < bound, "it has ended only after {:?}", since.elapsed());
        self.log.push_str(&outcome.stderr);
        let calls = site.sandbox.calls().split_off(seen);
        self.count(&outcome, blow, &calls);
        Pod { blow, calls, started: work(&site.sandbox) - before, outcome }
    }

    fn count(&mut self, outcome: &Outcome, blow: Option<BlowKind>, calls: &[Call]) {
        self.figures.processes += 1;
        self.figures.kills += usize::from(blow == Some(BlowKind::Kill));
        self.figures.signals += usize::from(blow.is_some_and(|blow| blow != BlowKind::Kill));
        self.figures.faults += calls.iter().filter(|call| call.fault.is_some()).count();
        *self.figures.ends.entry(outcome.code).or_default() += 1;
    }

    /// Whether the end of a process is true.
    fn judge(&self, pod: &Pod, step: &Step) {
        let Self { script, site, .. } = self;
        let Script { row, end, keyed, .. } = script;
        let Pod { outcome, blow, calls, started } = pod;
        let code = outcome.code;
        let sandbox = &site.sandbox;

        let mut allowed = vec![*end, 75];
        if *keyed || row.calls.iter().any(|(_, part)| *part == Part::Wait) {
            allowed.push(79);
        }
        if self.may_be_unknown() {
            allowed.push(80);
        }
        let struck = |operation: &str, kind: &str| {
            calls.iter().any(|call| {
                format!("{}:{}", call.service, call.operation) == operation
                    && call.fault.is_some_and(|fault| ["*", fault].contains(&kind))
            })
        };
        let alone = table::ALONE.iter().filter(|alone| alone.0 == row.name && struck(alone.1, alone.2));
        allowed.extend(alone.map(|alone| alone.3));
        match blow {
            None => {}
            Some(BlowKind::Kill) => allowed.push(137),
            Some(BlowKind::Terminate | BlowKind::TerminateTwice) => allowed.push(143),
        }
        if script.cancels && *keyed {
            // Stopped by an earlier process.
            allowed.extend([10, 11]);
        }
        assert!(
            allowed.contains(&code),
            "exit {code} is none of {allowed:?} after {blow:?} and {} faults",
            step.faults.len()
        );

        // No wrong end: 0, 10 and 11 are what the service says.
        if *keyed && row.works > 0 && tells(row) && [0, 10, 11].contains(&code) {
            assert!(self.is_true(code), "exit {code}, but the work has {:?}", (row.truth)(sandbox));
        }
        if code == 0 {
            row.assert_result(outcome, calls.iter().filter_map(|call| call.fault));
        }

        // None doubled, and none begun where that is said.
        let all = (row.work)(sandbox);
        if *keyed {
            assert!(all <= row.works, "work was started {all} times");
            let over = [0, 10, 11].contains(&code);
            assert!(!over || all == row.works, "exit {code}, but work was started {all} times");
        } else {
            assert!(*started <= row.works, "one process has started work {started} times");
            assert!(code != 75 || *started == 0, "exit 75, but work was started");
            assert!(
                code != *end || *started == row.works,
                "exit {code}, but work was started {started} times"
            );
        }

        // None lost: what is looked at for a second time was told before.
        let looks = |call: &&Call| {
            let name = format!("{}:{}", call.service, call.operation);
            let waits = row.calls.iter().any(|(operation, part)| *part == Part::Wait && *operation == name);
            waits && call.fault.is_none() && call.status == Some(200)
        };
        if calls.iter().filter(looks).count() > 1 {
            for id in (row.ids)(sandbox) {
                assert!(outcome.stderr.contains(&id), "{id} is waited for, and was not told");
            }
        }

        // It says why it has ended, unless it had no time for a word.
        let silent = code == 137 || *blow == Some(BlowKind::TerminateTwice) || calls.is_empty();
        if !silent || outcome.termination_log.is_some() && code != 137 {
            let told = outcome.assert_exit(code).termination();
            assert_eq!(told["binary"], row.binary);
            let reason = told["error"].as_str().unwrap_or_default();
            assert!(code == 0 || !reason.is_empty(), "no reason: {told}");
        }
    }

    /// Whether an answer that is lost can be one that nothing settles.
    fn may_be_unknown(&self) -> bool {
        let Row { name, calls, .. } = self.script.row;
        calls.iter().any(|(_, part)| *part == Part::Blind)
            || table::ALONE.iter().any(|alone| alone.0 == name && alone.3 == 80)
    }

    /// The end: each work's id was told by one process or another.
    fn over(self) -> Figures {
        let Self { script, site, log, figures, .. } = self;
        let ended = figures.ends.keys().any(|code| [0, 10, 11].contains(code));
        if script.keyed && ended {
            for id in (script.row.ids)(&site.sandbox) {
                assert!(log.contains(&id), "{id} was started, and is in no log");
            }
        }
        figures
    }
}

/// Whether the service tells how the work of a row has ended.
fn tells(row: &Row) -> bool {
    row.name != "sagemaker-invoke-async"
}

/// Waits for the moment, and strikes; nothing where the process has ended before.
fn strike(running: &Running<'_>, blow: Blow, sandbox: &Sandbox, seen: usize) -> Option<BlowKind> {
    let since = Instant::now();
    let due = || match blow.when {
        When::Calls(calls) => sandbox.calls().len() >= seen + calls,
        When::Time(time) => since.elapsed() >= time,
    };
    while !due() {
        if !running.is_running() {
            return None;
        }
        pause();
    }
    if !running.is_running() {
        return None;
    }
    match blow.kind {
        BlowKind::Kill => running.signal(Signal::KILL),
        BlowKind::Terminate => running.signal(Signal::TERM),
        BlowKind::TerminateTwice => {
            running.signal(Signal::TERM);
            std::thread::sleep(Duration::from_millis(20));
            running.signal(Signal::TERM);
        }
    }
    Some(blow.kind)
}

/// A short pause between two looks at another process.
fn pause() {
    std::thread::sleep(Duration::from_millis(3));
}

use super::*;

fn tally(statuses: &[Status]) -> Tally {
    let mut tally = Tally::new();
    for (line, status) in (1..).zip(statuses) {
        tally.count(line, *status, "why");
    }
    tally
}

const TERMINATED: Option<Stop> = Some(Stop::Signal(Exit::Terminated));

/// The exits of a batch with `--resume` and of one without.
#[test]
fn the_first_that_applies() {
    use Status::{Config, Denied, Failed, Interrupted, Ok, Rejected, Unavailable, Unknown, Usage};
    let interrupted = Some(Stop::Signal(Exit::Interrupted));
    let same = |exit| (exit, exit);
    for (statuses, stop, (with, without)) in [
        (&[][..], None, same(Exit::Ok)),
        (&[Ok, Ok], None, same(Exit::Ok)),
        (&[Usage, Rejected, Failed, Unknown, Denied], Some(Stop::Refused), same(Exit::Unknown)),
        (&[Failed, Denied], Some(Stop::Refused), same(Exit::Failed)),
        (&[Ok, Rejected], None, same(Exit::Failed)),
        (&[Ok, Usage], None, same(Exit::Failed)),
        (&[Failed, Unavailable], Some(Stop::MaxFailures), same(Exit::Failed)),
        (&[Failed], TERMINATED, same(Exit::Failed)),
        (&[Ok, Config, Denied], Some(Stop::Refused), same(Exit::Denied)),
        (&[Ok, Config], Some(Stop::Refused), same(Exit::Config)),
        // Whatever ended it early: nothing was sent, or a retry does the rest only with --resume.
        (&[], TERMINATED, same(Exit::Terminated)),
        (&[], interrupted, same(Exit::Interrupted)),
        (&[Unavailable], Some(Stop::Unreached), same(Exit::Unavailable)),
        (&[], Some(Stop::Deadline), same(Exit::Unavailable)),
        (&[Ok], TERMINATED, (Exit::Terminated, Exit::Unknown)),
        (&[Interrupted], interrupted, (Exit::Interrupted, Exit::Unknown)),
        (&[Ok, Unavailable], Some(Stop::Unreached), (Exit::Unavailable, Exit::Unknown)),
        (&[Ok, Unavailable], Some(Stop::Deadline), (Exit::Unavailable, Exit::Unknown)),
        (&[Ok], Some(Stop::Deadline), (Exit::Timeout, Exit::Unknown)),
        (&[Ok, Unknown], Some(Stop::Deadline), same(Exit::Unknown)),
    ] {
        for (resumes, exit) in [(true, with), (false, without)] {
            let ending = Ending { stop, resumes, ..Ending::default() };
            assert_eq!(tally(statuses).end(ending).exit(), exit, "{statuses:?} {stop:?} {resumes}");
        }
    }
}

#[test]
fn lines_that_a_signal_cut_off() {
    for (resumes, harmless, hurried, exit) in [
        (true, false, false, Exit::Terminated),
        (true, false, true, Exit::Unknown),
        (false, false, false, Exit::Unknown),
        (false, true, false, Exit::Terminated),
        (false, true, true, Exit::Terminated),
    ] {
        let mut tally = tally(&[Status::Ok, Status::Unknown]);
        tally.cut_off();
        let ending = Ending { stop: TERMINATED, resumes, harmless, hurried, ..Ending::default() };
        assert_eq!(tally.end(ending).exit(), exit, "{ending:?}");
    }
    // Another line is unknown for another reason.
    let mut tally = tally(&[Status::Unknown, Status::Unknown]);
    tally.cut_off();
    assert_eq!(
        tally.end(Ending { stop: TERMINATED, resumes: true, ..Ending::default() }).exit(),
        Exit::Unknown
    );
}

#[test]
fn what_is_told() {
    let ok = tally(&[Status::Ok, Status::Ok]).end(Ending { skipped: 3, ..Ending::default() });
    assert_eq!(ok.report(false, Output::Json), Report::ok(""));
    assert_eq!(ok.counts(), "2 ok, 3 skipped");
    let failed = tally(&[Status::Ok, Status::Failed, Status::Unknown]).end(Ending {
        stop: Some(Stop::MaxFailures),
        resumes: true,
        ..Ending::default()
    });
    assert_eq!(
        failed.report(false, Output::Json).error.as_deref(),
        Some(
            "2 of 3 lines failed: 1 ok, 1 failed, 1 unknown; line 2 is failed: why; ended early after 3 lines: as \
             many lines have failed as --max-failures allows"
        )
    );
    let told = tally(&[Status::Ok])
        .end(Ending { stop: TERMINATED, ..Ending::default() })
        .report(false, Output::Json);
    assert_eq!(
        told.error.as_deref(),
        Some("ended early after 1 lines: ended by SIGTERM; without --resume a retry sends all lines again")
    );
    assert_eq!(told.exit, Exit::Unknown);
    let kept = KeptUnknown { count: 2, first: 7 };
    let kept = tally(&[Status::Ok]).end(Ending { kept_unknown: kept, ..Ending::default() });
    assert_eq!(kept.counts(), "1 ok, 2 still unknown");
    assert_eq!(
        kept.report(false, Output::Json).error.as_deref(),
        Some(
            "2 lines are unknown since an earlier run, the first of them line 7, and were not sent again; \
             --repeatable sends them"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn the_summary_as_json() {
    let mut tally = Tally::new();
    tally.count(1, Status::Ok, "");
    tally.count(2, Status::Rejected, "why");
    tally.throttle();
    (1..=100).for_each(|millis| tally.time(Duration::from_millis(millis)));
    tokio::time::advance(Duration::from_secs(4)).await;
    let summary = tally.end(Ending { stop: Some(Stop::Deadline), skipped: 5, ..Ending::default() });
    let text = String::from_utf8(summary.report(true, Output::Text).result).unwrap();
    assert!(text.contains("ended early  --timeout has passed"), "{text}");
    let result = summary.report(true, Output::Json).result;
    let json: serde_json::Value = serde_json::from_slice(&result).unwrap();
    for (key, expected) in [
        ("lines", 2.0),
        ("ok", 1.0),
        ("failed", 1.0),
        ("skipped", 5.0),
        ("throttled", 1.0),
        ("seconds", 4.0),
        ("per_second", 0.5),
    ] {
        assert_eq!(json[key].as_f64(), Some(expected), "{key}");
    }
    assert_eq!(json["ended_early"], "timeout");
    let near = |key: &str, expected: f64| (json[key].as_f64().unwrap() - expected).abs() < 0.1;
    assert!(near("p50_ms", 50.0) && near("p99_ms", 99.0), "{json}");
}

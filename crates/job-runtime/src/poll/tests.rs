use super::*;
use crate::context::tests::context;
use crate::error::tests::{answered, refused_connection};
use std::cell::Cell;
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

fn pending(state: &str) -> Judged<&'static str> {
    Judged::Pending { state: state.to_owned(), detail: None }
}

fn unavailable() -> Result<Judged<&'static str>, CallError> {
    Err(CallError::new("glue:GetJobRun", &refused_connection()))
}

fn throttled() -> CallError {
    CallError::new("glue:GetJobRun", &answered(400, "ThrottlingException"))
}

fn answer(status: u16, code: &'static str) -> Result<Judged<&'static str>, CallError> {
    Err(CallError::new("glue:GetJobRun", &answered(status, code)))
}

/// Polls until the looks of `script` are used up, then done.
async fn follow(
    ctx: &Context,
    script: Vec<Result<Judged<&'static str>, CallError>>,
) -> (Ended<&'static str>, usize) {
    let mut looks = 0;
    let mut script = script.into_iter();
    let ended = ctx
        .poll(SECOND, async || {
            looks += 1;
            script.next().unwrap_or(Ok(Judged::Done("done")))
        })
        .await;
    (ended, looks)
}

#[tokio::test(start_paused = true)]
async fn the_first_look_is_at_once() {
    let ctx = context(3600 * SECOND, None);
    let begun = Instant::now();
    assert_eq!(follow(&ctx, vec![]).await, (Ended::Done("done"), 1));
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn four_failures_are_borne_and_five_are_not() {
    let ctx = context(36_000 * SECOND, None);
    let mut script = vec![Ok(pending("RUNNING"))];
    for _ in 0..3 {
        script.extend((0..4).map(|_| unavailable()));
        script.push(Ok(pending("RUNNING")));
    }
    assert_eq!(follow(&ctx, script).await, (Ended::Done("done"), 17));

    let (ended, looks) = follow(&ctx, (0..9).map(|_| unavailable()).collect()).await;
    assert!(matches!(ended, Ended::Lost(err) if err.exit() == Exit::Unavailable));
    assert_eq!(looks, 5);
}

#[tokio::test(start_paused = true)]
async fn throttles_do_not_count_but_slow_down() {
    let ctx = context(360_000 * SECOND, None);
    let begun = Instant::now();
    let script = (0..20).map(|_| answer(400, "ThrottlingException")).collect();
    assert_eq!(follow(&ctx, script).await, (Ended::Done("done"), 21));
    // A second each, and 1, 2, 4, 8, then 10 more.
    let seconds = begun.elapsed().as_secs_f64();
    let unjittered = 20.0 + 1.0 + 2.0 + 4.0 + 8.0 + 16.0 * 10.0;
    assert!((0.8 * unjittered..1.2 * unjittered).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_throttled_comes_soon() {
    let mut ctx = context(360_000 * SECOND, None);
    ctx.set_poll_interval(3600 * SECOND);
    let begun = Instant::now();
    let asked = Cell::new(0);
    let ended = ctx
        .read(async || {
            asked.set(asked.get() + 1);
            if asked.get() > 4 { Ok("page") } else { Err(throttled()) }
        })
        .await;
    assert_eq!(ended, Ended::Done("page"));
    assert!(begun.elapsed() < Duration::from_secs(18), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_ends_the_wait_at_once() {
    let ctx = context(3600 * SECOND, None);
    for (status, code, exit) in
        [(400, "AccessDeniedException", Exit::Denied), (400, "EntityNotFoundException", Exit::Rejected)]
    {
        let (ended, looks) = follow(&ctx, vec![Ok(pending("RUNNING")), answer(status, code)]).await;
        assert!(matches!(ended, Ended::Lost(err) if err.exit() == exit));
        assert_eq!(looks, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn there_is_one_last_look_at_the_deadline() {
    let ctx = context(100 * SECOND, None);
    let mut looks = Vec::new();
    let ended: Ended<()> = ctx
        .poll(SECOND, async || {
            looks.push(ctx.elapsed().as_secs());
            Ok(Judged::Pending { state: "RUNNING".to_owned(), detail: None })
        })
        .await;
    assert_eq!(ended, Ended::Deadline(Some("RUNNING".to_owned())));
    assert_eq!(looks.last(), Some(&100));

    // The work that ended just in time is seen.
    let ctx = context(100 * SECOND, None);
    let ended = ctx
        .poll(SECOND, async || match ctx.elapsed().as_secs() {
            100 => Ok(Judged::Done(())),
            _ => Ok(Judged::Pending { state: "RUNNING".to_owned(), detail: None }),
        })
        .await;
    assert_eq!(ended, Ended::Done(()));
}

#[tokio::test(start_paused = true)]
async fn a_look_that_hangs_does_not_outlive_the_deadline() {
    let ctx = context(100 * SECOND, None);
    let ended: Ended<()> = ctx.poll(SECOND, async || std::future::pending().await).await;
    assert_eq!(ended, Ended::Deadline(None));
    assert_eq!(ctx.elapsed(), 110 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_signal_ends_the_wait_after_one_more_poll() {
    for (after, ended, seconds) in [
        (Some(Ok(pending("RUNNING"))), Ended::Cancelled(Exit::Interrupted), 30.0),
        (Some(Ok(Judged::Done("done"))), Ended::Done("done"), 30.0),
        (Some(unavailable()), Ended::Cancelled(Exit::Interrupted), 30.0),
        (None, Ended::Cancelled(Exit::Interrupted), 31.5),
    ] {
        for hangs in [false, true] {
            let ctx = context(3600 * SECOND, None);
            let wait = ctx.poll(600 * SECOND, async || match (&after, ctx.is_cancelled(), hangs) {
                (Some(after), true, _) => after.clone(),
                (None, true, _) | (_, false, true) => std::future::pending().await,
                (_, false, false) => Ok(pending("RUNNING")),
            });
            let (waited, ()) = tokio::join!(wait, async {
                sleep(30 * SECOND).await;
                ctx.interrupt(Exit::Interrupted);
            });
            assert_eq!(waited, ended);
            assert_eq!(ctx.elapsed(), Duration::from_secs_f64(seconds));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_poll_after_a_signal_leaves_time_for_a_stop() {
    let ctx = context(3600 * SECOND, None);
    ctx.interrupt(Exit::Terminated);
    // The start had to be answered first.
    sleep(Duration::from_secs(2)).await;
    let ended: Ended<()> = ctx.poll(SECOND, async || std::future::pending().await).await;
    assert_eq!((ended, ctx.elapsed()), (Ended::Cancelled(Exit::Terminated), Duration::from_millis(2500)));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_held_back_is_asked_for_again_at_once() {
    let ctx = context(7200 * SECOND, None);
    let mut looks = 0;
    let ended = ctx
        .poll(SECOND, async || {
            looks += 1;
            sleep(30 * SECOND).await;
            if ctx.elapsed() < 3600 * SECOND {
                Ok(Judged::Held { state: "STARTED".to_owned() })
            } else {
                Ok(Judged::Done(()))
            }
        })
        .await;
    assert_eq!((ended, looks), (Ended::Done(()), 120));
    assert_eq!(ctx.elapsed(), 3600 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn ten_hours_of_waiting() {
    let ctx = context(24 * 3600 * SECOND, None);
    let mut looks = 0;
    let ended = ctx
        .poll(5 * SECOND, async || {
            looks += 1;
            if ctx.elapsed() < 36_000 * SECOND {
                Ok(Judged::Pending { state: "RUNNING".to_owned(), detail: None })
            } else {
                Ok(Judged::Done(()))
            }
        })
        .await;
    assert_eq!(ended, Ended::Done(()));
    // A look a minute, and a few more at the start.
    assert!((500..760).contains(&looks), "{looks}");
}

#[tokio::test(start_paused = true)]
async fn a_lookup_is_tried_three_times_where_that_may_help() {
    for (failure, failures, found, asked) in [
        (answer(400, "OperationTimeoutException"), 2, true, 3),
        (answer(400, "OperationTimeoutException"), 9, false, 3),
        (answer(400, "ThrottlingException"), 1, false, 1),
        (answer(400, "AccessDeniedException"), 1, false, 1),
    ] {
        let ctx = context(3600 * SECOND, None);
        let calls = Cell::new(0);
        let ask = async || {
            calls.set(calls.get() + 1);
            if calls.get() > failures { Ok(pending("RUNNING")) } else { failure.clone() }
        };
        assert_eq!((ctx.look_up(ask).await.is_ok(), calls.get()), (found, asked), "{failure:?}");
    }
    let ctx = context(3600 * SECOND, None);
    ctx.interrupt(Exit::Terminated);
    let failure = ctx.look_up(async || unavailable()).await.unwrap_err();
    assert_eq!(failure.exit(), Exit::Terminated);
}

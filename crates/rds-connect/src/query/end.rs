//! A run of statements from its beginning to its report: what a signal and the end of patience do to it, and what is
//! said of its end.

use std::pin::pin;
use std::time::Duration;

use job_runtime::duration::Human;
use job_runtime::{Context, Exit, Holding, OnTerminate, Open, Report, Sink};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout};

use crate::connection::Connection;
use crate::error::Error;
use crate::query::course::{Course, Label, Step, Stop, Transaction};
use crate::query::left::{Left, commits_by_itself, ends_transaction};
use crate::query::parameters::Bound;
use crate::query::show::{Facts, Server};
use crate::query::verdict::Verdict;
use crate::query::wire::Lost;
use crate::query::{Cancel, Query, settings};
use crate::session::{Opener, Session, Stream};
use crate::startup::ServerError;

/// How long a statement that is cancelled has to end. The runtime gives a signal's end four seconds.
const STOP_LIMIT: Duration = Duration::from_secs(3);

/// How long the reader of a result may hold it up once `--timeout` is over.
const SLOW_READER: Duration = Duration::from_secs(10);

/// The same after a signal: the exit code has to be decided here, before the runtime ends the process.
const SLOW_READER_AFTER_SIGNAL: Duration = Duration::from_millis(400);

/// Opens a session and runs the statements on it.
///
/// # Errors
/// There is no session.
pub(crate) async fn run(connection: &Connection, query: &Query, ctx: &Context) -> Result<Report, Error> {
    refuse(ctx)?;
    // Before anything is run.
    let file = query.show.output_file.as_deref().map(|path| Sink::file(path, Open::Replace));
    let file = file.transpose().map_err(Error::Usage)?;
    let opener = Opener::new(connection, ctx)?;
    let session = opener.open_in_time().await?;
    let Session { stream, greeting, endpoint, address, user, database, .. } = session;
    let server = Server {
        host: endpoint.host.name.clone(),
        port: endpoint.port,
        user,
        database,
        version: greeting.parameter("server_version").map(str::to_owned),
        pid: greeting.key.map(|(pid, _)| pid),
    };
    ctx.remember(server.remote());
    let cancel = Cancel { opener: &opener, endpoint, address, key: greeting.key };
    let mut course = Course::new(query, stream, file.unwrap_or_else(Sink::stdout), ctx);
    course.settings = settings::wanted(query, &greeting);
    Ok(Box::pin(to_report(course, &server, &cancel)).await)
}

/// What the common options ask for and SQL has not.
fn refuse(ctx: &Context) -> Result<(), Error> {
    if ctx.no_wait() {
        return Err(Error::Usage(
            "query cannot go on without this process: --no-wait is not for it".to_owned(),
        ));
    }
    match (ctx.key(), ctx.on_terminate()) {
        (None, OnTerminate::Detach) => Err(Error::Usage(
            "query cannot go on without this process: --on-terminate detach is not for it".to_owned(),
        )),
        (Some(_), _) => {
            tracing::warn!(
                "SQL has no idempotency key: the next process with this one runs all statements again; ON CONFLICT or a \
                 table of marks makes that safe"
            );
            Ok(())
        }
        (None, OnTerminate::Cancel) => Ok(()),
    }
}

/// Runs the statements and says how they ended.
async fn to_report(mut course: Course<'_, Stream>, server: &Server, cancel: &Cancel<'_>) -> Report {
    let Course { query, ctx, .. } = course;
    // What may be committed decides the exit code, also after a second signal: the runtime does not know it.
    let holding = ctx.hold();
    course.rows.frame("{\"results\":[");
    let (ended, halt) = to_its_end(&mut course, cancel, &holding, ctx).await;
    let failure = match ended {
        Some(Ok(())) => None,
        ended => Some(Failure::new(&course, ended.and_then(Result::err), halt, ctx)),
    };

    let error = failure.as_ref().map(|failure| failure.text.as_str());
    let sqlstate = failure.as_ref().and_then(|failure| failure.sqlstate.as_deref());
    let facts = Facts { statements: &course.told, error, sqlstate, server };
    let stdout =
        if query.show.output_file.is_some() { facts.beside(&query.show.form) } else { String::new() };
    let frame = facts.frame();
    let limit = ctx.deadline().max(Instant::now() + SLOW_READER);
    let written = tokio::select! {
        biased;
        written = course.write_end(&frame, failure.is_some()) => Some(written),
        () = sleep_until(limit) => None,
        _ = ctx.out_of_patience(SLOW_READER_AFTER_SIGNAL) => None,
        () = holding.hurried() => None,
    };
    let unwritten = match written {
        Some(Ok(())) => None,
        Some(Err(error)) => Some((unwritten_exit(&course), error.to_string())),
        None => Some((unwritten_exit(&course), "the reader of the result did not take its end".to_owned())),
    };
    let judged = || query.show.judge(course.returned, &course.told, &course.rows);
    let report = match (failure, unwritten) {
        (Some(Failure { exit, text, .. }), unwritten) => {
            if let Some((_, error)) = unwritten {
                tracing::warn!(error, "the results of the statements that went well could not be shown");
            }
            Report::failed(exit, stdout, text)
        }
        (None, Some((exit, error))) => {
            Report::failed(exit, stdout, format!("the statements have ended, but {error}"))
        }
        (None, None) => {
            let judged = judged();
            match judged.problem() {
                Some(problem) => {
                    Report::failed(Exit::Failed, stdout, format!("the statements have ended, but {problem}"))
                        .with_expect_not_evaluated(judged.is_not_evaluated())
                }
                None => Report::ok(stdout),
            }
        }
    };
    course.wire.end().await;
    report
}

/// What a result ends with that was there and could not be written: a retry would run the statements again.
fn unwritten_exit<S>(course: &Course<'_, S>) -> Exit {
    if course.committed && !course.query.read_only { Exit::Unknown } else { Exit::Internal }
}

/// Runs the statements; on a signal, and when the time is over, cancels the one that runs and waits a little for its end.
async fn to_its_end<S: AsyncRead + AsyncWrite + Unpin>(
    course: &mut Course<'_, S>,
    cancel: &Cancel<'_>,
    holding: &Holding<'_>,
    ctx: &Context,
) -> (Option<Result<(), Stop>>, Option<Exit>) {
    let mut running = pin!(course.all());
    let halt = tokio::select! {
        biased;
        ended = &mut running => return (Some(ended), None),
        () = ctx.cancelled() => ctx.interruption().unwrap_or(Exit::Terminated),
        () = sleep_until(ctx.deadline()) => Exit::Timeout,
    };
    let stopping =
        async { tokio::join!(timeout(STOP_LIMIT, cancel.send()), timeout(STOP_LIMIT, &mut running)) };
    let (sent, ended) = tokio::select! {
        biased;
        stopped = stopping => stopped,
        () = holding.hurried() => return (None, Some(halt)),
    };
    if !matches!(sent, Ok(Ok(()))) && ended.is_err() {
        tracing::warn!("the request to cancel did not reach the server");
    }
    (ended.ok(), Some(halt))
}

/// Why a run has not come to its end, and what is told of it.
struct Failure {
    exit: Exit,
    text: String,
    sqlstate: Option<String>,
}

impl Failure {
    fn new<S>(course: &Course<'_, S>, stop: Option<Stop>, halt: Option<Exit>, ctx: &Context) -> Self {
        let Course { query, step, committed, .. } = *course;
        let at = match step {
            Step::Settings => "the session's settings".to_owned(),
            Step::Begin => "the begin of the transaction".to_owned(),
            Step::Statement { index, .. } => Label { index, query }.to_string(),
            Step::Commit => "the commit of the transaction".to_owned(),
        };
        let why = match halt {
            Some(Exit::Timeout) => format!("--timeout was over after {}", Human(ctx.elapsed())),
            Some(Exit::Interrupted) => "ended by SIGINT".to_owned(),
            _ => "ended by SIGTERM".to_owned(),
        };
        let left =
            Left::new(query, step, committed, stop.as_ref().is_some_and(|stop| is_undone(stop, query, step)));
        let words = left.in_words(query, step);
        let lost = match left {
            Left::Nothing => halt.unwrap_or(Exit::Unavailable),
            Left::Earlier | Left::Unclear => Exit::Unknown,
        };
        // A retry after a signal or --timeout runs all statements again, so it must not follow once something is
        // committed.
        let halted = || match left {
            Left::Nothing => halt.unwrap_or(Exit::Timeout),
            Left::Earlier => Exit::Failed,
            Left::Unclear => Exit::Unknown,
        };
        match (stop, halt) {
            (Some(Stop::Refused(error)), Some(_)) if error.code == "57014" => {
                Self::told(halted(), format!("{why}: {at} was cancelled; {words}"))
            }
            (Some(Stop::Refused(error)), _) => {
                let exit = Verdict::new(&error.code, &error.message).exit(left);
                let (place, advice) = (place(course, &error), advice(query, &error));
                let told: Vec<String> = error.to_string().split_whitespace().map(str::to_owned).collect();
                let text = format!("{at} failed: {}{place}{advice}; {words}", told.join(" "));
                Self { sqlstate: Some(error.code), ..Self::told(exit, text) }
            }
            (Some(Stop::Halted), _) => Self::told(halted(), format!("{why} before {at}; {words}")),
            (Some(Stop::Unusable(reason)), _) => {
                Self::told(Exit::Failed, format!("{at} failed: {reason}; {words}"))
            }
            // Where nothing is committed, another run loses nothing.
            (Some(Stop::Unwritten(error)), _) => {
                let exit = if left == Left::Nothing { Exit::Internal } else { Exit::Unknown };
                Self::told(exit, format!("{at}: {error}; {words}"))
            }
            (Some(Stop::Lost(broken)), Some(_)) => {
                Self::told(lost, format!("{why}: {broken} during {at}; {words}"))
            }
            // The next run would find the same row.
            (Some(Stop::Lost(broken @ Lost::TooLong { .. })), None) => {
                let exit = if left == Left::Nothing { Exit::Failed } else { lost };
                Self::told(exit, format!("{at} failed: {broken}; {words}"))
            }
            (Some(Stop::Lost(broken)), None) => Self::told(lost, format!("{broken} during {at}; {words}")),
            (None, _) => Self::told(
                halted(),
                format!("{why}: {at} was told to stop, and the server has not answered; {words}"),
            ),
        }
    }

    fn told(exit: Exit, text: String) -> Self {
        Self { exit, text, sqlstate: None }
    }
}

/// Whether what was at work has left nothing behind.
fn is_undone(why: &Stop, query: &Query, step: Step) -> bool {
    match why {
        // What ends the session may come behind a commit.
        Stop::Refused(error) if error.is_last() => match step {
            Step::Settings | Step::Begin => true,
            Step::Statement { index, .. } => !ends_transaction(query, index),
            Step::Commit => false,
        },
        Stop::Refused(_) => match step {
            Step::Statement { index, before } => {
                before != Transaction::None || !commits_by_itself(query, index)
            }
            Step::Settings | Step::Begin | Step::Commit => true,
        },
        Stop::Unusable(_) | Stop::Halted => true,
        Stop::Lost(_) | Stop::Unwritten(_) => false,
    }
}

/// Where in what the user has written the server sees the error.
fn place<S>(course: &Course<'_, S>, error: &ServerError) -> String {
    let (Some(position), Step::Statement { index, .. }) = (error.position, course.step) else {
        return String::new();
    };
    let statement = &course.query.statements[index];
    let position = Bound::new(&statement.sql, &course.query.parameters).written(position);
    let before: String = statement.sql.chars().take(position - 1).collect();
    let line = statement.origin.line + before.matches('\n').count();
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!(", at {} line {line} column {column}", statement.origin.place)
}

/// What there is to do about an error, beyond what the server says.
fn advice(query: &Query, error: &ServerError) -> &'static str {
    match error.code.as_str() {
        // read_only_sql_transaction
        "25006" if query.read_only => "; --read-only allows no writing",
        "25006" => "; this server takes no writes: --target-session-attrs read-write looks for one that does",
        "57014" if error.message.contains("COPY from stdin") => {
            "; `rds-connect exec -- psql` can copy data into a table"
        }
        _ => "",
    }
}

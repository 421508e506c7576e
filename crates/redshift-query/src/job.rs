//! The way from what is asked for to a result: begin, remember, wait, show.

use aws_sdk_redshiftdata::Client;
use job_runtime::{Context, Ended, Exit, Failure, Interrupted, OnTerminate, Remote, Report, Verdict, json};
use serde::Serialize;
use sql_text::Form;
use tokio::time::timeout_at;

use crate::begin::{Begun, begin};
use crate::check::check;
use crate::error::Error;
use crate::listing;
use crate::redshift::Service;
use crate::run::Run;
use crate::show::{Show, Subject, show};
use crate::statement::{self, Statement};
use crate::wait::{Cancelled, cancel, wait};
use crate::{Request, Work};

/// Does what is asked for.
///
/// # Errors
/// Everything that leaves no ended statement to report. A statement that failed is a report.
pub(crate) async fn execute(client: &Client, request: &Request, ctx: &Context) -> Result<Report, Error> {
    let service = Service { client, ctx };
    if let Some(connection) = request.work.connection() {
        let region = ctx.place().region;
        if let Some(arn) = connection.region().filter(|arn| *arn != region) {
            return Err(Error::Region { arn: arn.to_owned(), region });
        }
    }
    if ctx.check() {
        return Ok(check(&service, request, ctx).await);
    }
    let done = match &request.work {
        Work::Run(run) => Box::pin(execute_run(&service, run, &request.show, ctx)).await,
        Work::Result(id) => Box::pin(result(&service, id, &request.show, ctx)).await,
        Work::Cancel(id) => Box::pin(stop(&service, id, &request.show, ctx)).await,
        Work::List(list) => Box::pin(listing::statements(&service, list, &request.show)).await,
        Work::Catalog(catalog) => Box::pin(listing::catalog(&service, catalog, &request.show)).await,
    };
    // A retry of statements without a key would run them again; of everything else it would show the same.
    let again = !matches!(request.work, Work::Run(_)) || ctx.key().is_some();
    done.map_err(|error| match error {
        Error::Sink(source) if again => Error::Unwritten(source),
        error @ (Error::Result { .. }
        | Error::Incomplete { .. }
        | Error::ResultTimeout { .. }
        | Error::InterruptedResult(_))
            if !again && !error.exit().fails_job() =>
        {
            Error::Unrepeatable(Box::new(error))
        }
        error => error,
    })
}

/// Starts statements or takes them over, waits for their end and shows it.
async fn execute_run(service: &Service<'_>, run: &Run, how: &Show, ctx: &Context) -> Result<Report, Error> {
    if ctx.no_wait() && (how.output_file.is_some() || how.expect.is_some() || how.expect_rows.is_some()) {
        let text = "--no-wait has no result: leave --output-file, --expect and --expect-rows to `redshift-query result`";
        return Err(Error::Usage(text.to_owned()));
    }
    let mut sink = how.open().map_err(Error::Usage)?;
    let begun = begin(service, run, ctx).await?;
    let command = remember(&begun.id, ctx);
    if let Some(session) = &begun.session {
        tracing::info!(session, "the statement runs in this session");
    }
    // A failure of the key's earlier statement is told even so: one look at it, and the wait is over.
    let failed = matches!(begun.verdict, Verdict::Failed | Verdict::Stopped);
    if ctx.no_wait() && !failed {
        return Ok(Report::ok(started(&begun, &command, how, ctx)));
    }
    let id = &begun.id;
    let statement = match wait(service, id, ctx).await {
        Ended::Done(statement) => statement,
        Ended::Cancelled(_) => end_or_leave(service, id, ctx.on_terminate(), left(id, ctx), ctx).await?,
        other => return Err(ended_unseen(other, id, command, ctx)),
    };
    let subject = Subject {
        statement: &statement,
        adopted: begun.adopted,
        written: &run.statements,
        command: &command,
    };
    show(service, &subject, how, sink.take(), ctx).await
}

/// What becomes of a statement after a signal; one that has ended by itself is given back.
async fn end_or_leave(
    service: &Service<'_>,
    id: &str,
    on_terminate: OnTerminate,
    left: String,
    ctx: &Context,
) -> Result<Statement, Interrupted> {
    match on_terminate {
        OnTerminate::Detach => Err(ctx.interrupted_with_work_left(left)),
        OnTerminate::Cancel => match cancel(service, id, ctx.stop_by()).await {
            Cancelled::Ended(statement) => {
                ctx.ended_in(&statement.whole.status);
                Ok(*statement)
            }
            Cancelled::Accepted(what) => Err(ctx.interrupted(what)),
            Cancelled::Uncertain(what) => Err(ctx.interrupted_with_work_left(what)),
        },
    }
}

/// Shows the result of a statement that someone has started, once it has ended. It is cancelled only where the user asks
/// for that.
async fn result(service: &Service<'_>, id: &str, how: &Show, ctx: &Context) -> Result<Report, Error> {
    let mut sink = how.open().map_err(Error::Usage)?;
    let command = remember(id, ctx);
    let statement = match wait(service, id, ctx).await {
        Ended::Done(statement) => statement,
        Ended::Cancelled(_) => {
            let left = format!("statement {id} goes on");
            let on_terminate = ctx.on_terminate_or(OnTerminate::Detach);
            let ended = end_or_leave(service, id, on_terminate, left, ctx).await;
            ended.map_err(Interrupted::repeatable)?
        }
        other => return Err(ended_unseen(other, id, command, ctx)),
    };
    let subject = Subject { statement: &statement, adopted: true, written: &[], command: &command };
    show(service, &subject, how, sink.take(), ctx).await
}

/// Cancels a statement that somebody has started, and waits until it has stopped.
async fn stop(service: &Service<'_>, id: &str, how: &Show, ctx: &Context) -> Result<Report, Error> {
    let command = remember(id, ctx);
    let facts = |statement: &Statement| {
        let subject = Subject { statement, adopted: true, written: &[], command: &command };
        subject.facts(how, ctx)
    };
    let Ok(asked) = timeout_at(ctx.deadline(), service.cancel(id)).await else {
        return Err(Error::CancelTimeout { id: id.to_owned() });
    };
    let statement = if asked.is_err() || ctx.no_wait() {
        // One that cannot be cancelled may be over.
        match (timeout_at(ctx.deadline(), service.describe(id, None)).await, asked) {
            (Err(_), _) => return Err(Error::CancelTimeout { id: id.to_owned() }),
            (Ok(Err(source)), _) => return Err(Error::lost(id, command.clone(), source)),
            (Ok(Ok(statement)), Err(source)) if statement.verdict() == Verdict::Pending => {
                return Err(Error::Call(source));
            }
            (Ok(Ok(statement)), _) => statement,
        }
    } else {
        match wait(service, id, ctx).await {
            Ended::Done(statement) => statement,
            Ended::Cancelled(_) => {
                let what = format!("the service has accepted to cancel statement {id}");
                return Err(ctx.interrupted(what).into());
            }
            other => return Err(ended_unseen(other, id, command.clone(), ctx)),
        }
    };
    let result = facts(&statement);
    Ok(match statement.verdict() {
        Verdict::Stopped => Report::ok(result),
        Verdict::Pending => {
            tracing::warn!(
                status = statement.whole.status,
                "the cancel is accepted, but the statement goes on yet"
            );
            Report::ok(result)
        }
        Verdict::Succeeded | Verdict::Failed => {
            let error =
                format!("there was nothing to cancel: statement {id} had ended {}", statement.whole.status);
            Report::failed(Exit::Rejected, result, error)
        }
    })
}

/// Keeps the statement for the last word, and gives the command to look at it with.
fn remember(id: &str, ctx: &Context) -> String {
    let command = statement::command(id, &ctx.place().region);
    ctx.remember(Remote { id: id.to_owned(), state: None, console: Some(command.clone()) });
    command
}

/// The end of a wait that has not seen the statement's.
fn ended_unseen(ended: Ended<Statement>, id: &str, command: String, ctx: &Context) -> Error {
    match ended {
        Ended::Lost(source) => Error::lost(id, command, source),
        Ended::Cancelled(_) => ctx.interrupted_with_work_left(left(id, ctx)).into(),
        Ended::Deadline(state) => {
            Error::Deadline { id: id.to_owned(), state, timeout: ctx.elapsed(), command }
        }
        Ended::Done(statement) => Error::Deadline {
            id: id.to_owned(),
            state: Some(statement.whole.status),
            timeout: ctx.elapsed(),
            command,
        },
    }
}

/// What becomes of a statement that is left for the next process.
fn left(id: &str, ctx: &Context) -> String {
    match ctx.key() {
        Some(_) => format!("statement {id} goes on; the next process with the same key takes over"),
        None => format!("statement {id} goes on; `redshift-query result {id}` waits for it"),
    }
}

/// What `--no-wait` prints: for people and shells the bare id.
fn started(begun: &Begun, command: &str, how: &Show, ctx: &Context) -> String {
    #[derive(Serialize)]
    struct Started<'a> {
        statement_id: &'a str,
        adopted: bool,
        session_id: Option<&'a str>,
        region: String,
        account: Option<String>,
        console: &'a str,
    }
    match how.form {
        Form::Csv { .. } | Form::Table { .. } => begun.id.clone(),
        Form::Nothing => String::new(),
        Form::Json | Form::Jsonl => {
            let place = ctx.place();
            json(&Started {
                statement_id: &begun.id,
                adopted: begun.adopted,
                session_id: begun.session.as_deref(),
                region: place.region,
                account: place.account,
                console: command,
            })
        }
    }
}

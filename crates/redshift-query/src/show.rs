//! How an ended statement is shown: its facts, its results page by page, and what was expected of them.

use std::path::PathBuf;
use std::time::Duration;

use job_runtime::{
    CallError, Context, Ended, Exit, Expect, Expectation, Open, Report, Sink, SinkError, Verdict, aligned,
    json,
};
use serde::Serialize;
use sql_text::{Form, RowCount, Rows};
use tokio::time::{Instant, sleep_until};

use crate::error::Error;
use crate::redshift::{RESULT, Service};
use crate::result::page;
use crate::sql;
use crate::statement::Statement;

/// How a result is shown, and what is expected of it.
#[derive(Debug, Clone)]
pub(crate) struct Show {
    pub(crate) form: Form,
    /// A file for the result; stdout then has the facts.
    pub(crate) output_file: Option<PathBuf>,
    pub(crate) expect_rows: Option<RowCount>,
    pub(crate) expect: Option<Expect>,
}

impl Show {
    /// Opens the file before anything is started.
    pub(crate) fn open(&self) -> Result<Option<Sink>, String> {
        let file = self.output_file.as_deref().map(|path| Sink::file(path, Open::Replace));
        file.transpose()
    }
}

/// An ended statement, with what else is known of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) statement: &'a Statement,
    /// It was started by somebody else.
    pub(crate) adopted: bool,
    /// As the user wrote it, if this is known.
    pub(crate) written: &'a [sql::Statement],
    pub(crate) command: &'a str,
}

/// What is known of a statement beside its results.
#[derive(Debug, Serialize)]
struct Facts<'a> {
    #[serde(flatten)]
    statement: &'a Statement,
    adopted: bool,
    region: String,
    account: Option<String>,
    console: &'a str,
}

impl Subject<'_> {
    fn in_json(&self, ctx: &Context) -> String {
        let place = ctx.place();
        json(&Facts {
            statement: self.statement,
            adopted: self.adopted,
            region: place.region,
            account: place.account,
            console: self.command,
        })
    }

    /// The facts as stdout has them where the results are elsewhere.
    pub(crate) fn facts(&self, how: &Show, ctx: &Context) -> String {
        match how.form {
            Form::Nothing => String::new(),
            Form::Table { .. } => self.in_text(),
            Form::Json | Form::Jsonl | Form::Csv { .. } => self.in_json(ctx),
        }
    }

    fn in_text(&self) -> String {
        let Statement { whole, .. } = self.statement;
        let rows = self.statement.counted_rows().to_string();
        let seconds = whole.duration_seconds.map(|seconds| seconds.to_string());
        let query = whole.redshift_query_id.map(|id| id.to_string());
        let lines = [
            ("statement", Some(whole.id.as_str())),
            ("status", Some(whole.status.as_str())),
            ("error", whole.error.as_deref()),
            ("rows", Some(rows.as_str())),
            ("seconds", seconds.as_deref()),
            ("query", query.as_deref()),
            ("session", self.statement.session_id.as_deref()),
            ("database", self.statement.database.as_deref()),
            ("cluster", self.statement.cluster_identifier.as_deref()),
            ("workgroup", self.statement.workgroup_name.as_deref()),
            ("created", self.statement.created_at.as_deref()),
            ("adopted", self.adopted.then_some("yes")),
            ("console", Some(self.command)),
        ];
        aligned(lines.iter().filter_map(|(name, value)| Some((*name, (*value)?))))
    }
}

/// Writes the results of an ended statement, and makes the report.
pub(crate) async fn show(
    service: &Service<'_>,
    subject: &Subject<'_>,
    how: &Show,
    file: Option<Sink>,
    ctx: &Context,
) -> Result<Report, Error> {
    let statement = subject.statement;
    let failure = match statement.verdict() {
        Verdict::Succeeded | Verdict::Pending => None,
        Verdict::Failed => Some((Exit::Failed, statement.failure(subject.written))),
        Verdict::Stopped => Some((Exit::Stopped, statement.failure(subject.written))),
    };
    let to_file = file.is_some();
    let mut sink = file.unwrap_or_else(Sink::stdout);
    let mut rows = Rows::new(how.form.clone(), how.expect.is_some() && failure.is_none());
    let facts = subject.in_json(ctx);
    // The results become the last member of the facts.
    rows.frame(&format!("{},\"results\":[", facts.strip_suffix('}').unwrap_or(&facts)));
    let writing = async {
        let streams = rows.is_wanted() && !statement.result_sets().is_empty();
        if streams {
            stream(service, statement, &mut rows, (&mut sink, to_file), ctx).await?;
        }
        rows.frame("]}\n");
        let text = rows.take();
        // A failure without a result leaves what was there.
        if failure.is_none() || streams || !text.is_empty() {
            written(sink.write(&text), statement, ctx).await?;
            written(sink.finish(), statement, ctx).await?;
        }
        Ok::<_, Error>(())
    };
    let stdout = |to_file: bool| if to_file { subject.facts(how, ctx) } else { String::new() };
    match (Box::pin(writing).await, &failure) {
        (Ok(()), _) => {}
        (Err(error), None) => return Err(error),
        // What the statement says weighs more.
        (Err(error), Some((exit, failure))) => {
            tracing::warn!(%error, "the results of the statements that went well could not be shown");
            return Ok(Report::failed(*exit, stdout(to_file), failure.clone()));
        }
    }

    if let Some((exit, error)) = failure {
        return Ok(Report::failed(exit, stdout(to_file), error));
    }
    let judged = match how.expect_rows.and_then(|count| count.unmet(statement.counted_rows())) {
        Some(unmet) => Expectation::Unmet(unmet),
        None => how.expect.as_ref().map_or(Expectation::Met, |expect| rows.judge(expect)),
    };
    Ok(match judged.problem() {
        Some(problem) => {
            let error = format!("statement {} finished, but {problem}", statement.whole.id);
            Report::failed(Exit::Failed, stdout(to_file), error)
                .with_expect_not_evaluated(judged.is_not_evaluated())
        }
        None => Report::ok(stdout(to_file)),
    })
}

/// How long the reader of a result may hold it up once `--timeout` is over.
const SLOW_READER: Duration = Duration::from_secs(10);

/// Ends when a signal has come and the time for a clean end is over: a short result may still be shown.
async fn out_of_time(ctx: &Context) {
    ctx.cancelled().await;
    sleep_until(ctx.stop_by()).await;
}

/// Waits for a write, which takes as long as the reader likes, until `--timeout` or the time after a signal is over.
async fn written(
    writing: impl Future<Output = Result<(), SinkError>>,
    statement: &Statement,
    ctx: &Context,
) -> Result<(), Error> {
    let id = || statement.whole.id.clone();
    tokio::select! {
        biased;
        written = writing => Ok(written?),
        () = out_of_time(ctx) => Err(Error::interrupted_result(&id(), ctx)),
        () = sleep_until(ctx.deadline().max(Instant::now() + SLOW_READER)) => {
            Err(Error::ResultTimeout { id: id() })
        }
    }
}

/// Reads the result sets one after the other, and hands on each page before the next is asked for. Where the rows go
/// to a file, their number is shown to whoever watches.
async fn stream(
    service: &Service<'_>,
    statement: &Statement,
    rows: &mut Rows,
    (sink, to_file): (&mut Sink, bool),
    ctx: &Context,
) -> Result<(), Error> {
    let id = statement.whole.id.as_str();
    let failed = |source| Error::Result { id: id.to_owned(), source };
    for set in statement.result_sets() {
        let mut next: Option<String> = None;
        let mut total = None;
        loop {
            let page = async || service.page(set, next.as_deref()).await;
            let page = match service.read(page).await {
                Ended::Done(page) => page,
                Ended::Lost(source) => return Err(failed(source)),
                Ended::Deadline(_) => return Err(Error::ResultTimeout { id: id.to_owned() }),
                Ended::Cancelled(_) => return Err(Error::interrupted_result(id, ctx)),
            };
            let end = page::read(page.bytes(), rows)
                .map_err(|fault| failed(CallError::unusable(RESULT, &fault)))?;
            drop(page);
            total = end.total.or(total);
            let text = rows.take();
            written(sink.write(&text), statement, ctx).await?;
            rows.give_back(text);
            if end.next_token.is_some() && end.next_token == next {
                return Err(failed(CallError::unusable(RESULT, "a page names itself as the next one")));
            }
            next = end.next_token;
            if next.is_none() {
                break;
            }
            if to_file {
                ctx.show_progress(&format!("{} rows read of {id}", rows.count()));
            }
        }
        let received = rows.end();
        // Where the service tells how many there are, none is lost unseen.
        if let Some(expected) = total.filter(|total| *total > 0 && *total != received) {
            return Err(Error::Incomplete { id: id.to_owned(), expected, received });
        }
    }
    Ok(())
}

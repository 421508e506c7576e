//! The course of the statements on one connection: one is sent, its rows are written as they come, and the next one
//! follows when the server is ready.

use std::fmt;
use std::time::Duration;

use bytes::Buf as _;
use job_runtime::{Context, Sink, SinkError};
use postgres_protocol::message::backend::{DataRowBody, Message, RowDescriptionBody};
use sql_text::{Cell, Dialect, Form, Kind, Rows, Statement, columns, shown};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};

use crate::query::Query;
use crate::query::left::{chains, is_harmless};
use crate::query::parameters::Bound;
use crate::query::settings::astray;
use crate::query::show::Told;
use crate::query::wire::{Lost, Wire};
use crate::startup::ServerError;

/// So many bytes of rows are gathered before they are handed on.
const PIECE: usize = 32 * 1024;
/// So often a statement that runs is told of.
const EVERY: Duration = Duration::from_mins(1);
/// Of more statements the end of each is told to those alone who ask for details.
const FEW: usize = 100;

/// Why a statement did not come to its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The server says so.
    Refused(Box<ServerError>),
    /// The connection is of no use any more.
    Lost(Lost),
    /// It leaves us unable to go on; says why.
    Unusable(String),
    /// The run is told to end, or its time is over, and nothing was sent.
    Halted,
    /// Its rows could not be written.
    Unwritten(SinkError),
}

impl From<Lost> for Stop {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

impl From<std::io::Error> for Stop {
    /// Of a message that cannot be read.
    fn from(_: std::io::Error) -> Self {
        Self::Lost(Lost::Foreign)
    }
}

impl From<SinkError> for Stop {
    fn from(error: SinkError) -> Self {
        Self::Unwritten(error)
    }
}

/// The state of the transaction, as the server tells it when it is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transaction {
    None,
    Open,
    Failed,
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// What the options want of the session is set.
    Settings,
    /// The single transaction begins.
    Begin,
    /// A statement runs.
    Statement {
        /// From 0.
        index: usize,
        /// The transaction in which it began.
        before: Transaction,
    },
    /// The single transaction ends.
    Commit,
}

/// Everything that a run of statements needs and gathers.
pub(crate) struct Course<'a, S> {
    pub(crate) query: &'a Query,
    pub(crate) ctx: &'a Context,
    pub(crate) wire: Wire<S>,
    pub(crate) sink: Sink,
    /// What is set before the first statement.
    pub(crate) settings: String,
    pub(crate) rows: Rows,
    pub(crate) told: Vec<Told>,
    pub(crate) transaction: Transaction,
    pub(crate) step: Step,
    /// Rows that were returned, where a statement has returned some.
    pub(crate) returned: Option<u64>,
    /// Whether something of the run may be committed.
    pub(crate) committed: bool,
    /// A setting that was changed to what we cannot follow.
    astray: Option<String>,
    next_word: Instant,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Course<'a, S> {
    pub(crate) fn new(query: &'a Query, stream: S, sink: Sink, ctx: &'a Context) -> Self {
        let rows = Rows::new(query.show.form.clone(), query.show.expect.is_some());
        Self {
            query,
            ctx,
            wire: Wire::new(stream, query.max_row_size),
            sink,
            settings: String::new(),
            rows,
            told: Vec::new(),
            transaction: Transaction::None,
            step: Step::Settings,
            returned: None,
            committed: false,
            astray: None,
            next_word: Instant::now(),
        }
    }

    /// Runs everything, or up to what goes wrong.
    pub(crate) async fn all(&mut self) -> Result<(), Stop> {
        if !self.settings.is_empty() {
            let settings = std::mem::take(&mut self.settings);
            self.command(Step::Settings, &settings).await?;
        }
        if self.query.single_transaction {
            self.command(Step::Begin, "begin").await?;
        }
        for index in 0..self.query.statements.len() {
            self.statement(index).await?;
            let ended = self.transaction == Transaction::None || chains(self.query, index);
            if self.query.single_transaction && ended {
                return Err(Stop::Unusable("it ends the transaction of --single-transaction".to_owned()));
            }
        }
        if self.query.single_transaction {
            // What was rolled back instead says so by another name.
            let command = self.command(Step::Commit, "commit").await?;
            return match command.as_str() {
                "COMMIT" => {
                    self.committed = true;
                    Ok(())
                }
                _ => Err(Stop::Unusable(format!("the answer to the commit is {command}"))),
            };
        }
        match self.transaction {
            Transaction::None => Ok(()),
            Transaction::Open | Transaction::Failed => {
                Err(Stop::Unusable("it leaves a transaction open, which nothing commits".to_owned()))
            }
        }
    }

    /// Goes on to a step, unless the run is to end.
    fn step(&mut self, step: Step) -> Result<(), Stop> {
        self.step = step;
        self.next_word = Instant::now() + EVERY;
        let halted = self.ctx.is_cancelled() || Instant::now() >= self.ctx.deadline();
        if halted { Err(Stop::Halted) } else { Ok(()) }
    }

    /// Runs a text of ours, which has no rows.
    async fn command(&mut self, step: Step, sql: &str) -> Result<String, Stop> {
        self.step(step)?;
        self.wire.ask(sql).await?;
        self.follow().await
    }

    /// Runs the statement of this index.
    async fn statement(&mut self, index: usize) -> Result<(), Stop> {
        let before = self.transaction;
        self.step(Step::Statement { index, before })?;
        let Statement { sql, origin } = &self.query.statements[index];
        let begun = Instant::now();
        let bound = Bound::new(sql, &self.query.parameters);
        if bound.values.is_empty() {
            self.wire.ask(&bound.sql).await?;
        } else {
            self.wire.ask_bound(&bound).await?;
        }
        let command = self.follow().await?;
        let told = Told::new(origin, &command, begun.elapsed().as_secs_f64());
        self.ended(index, told);
        self.astray.take().map_or(Ok(()), |setting| Err(Stop::Unusable(setting)))
    }

    fn ended(&mut self, index: usize, told: Told) {
        let Told { command, seconds, .. } = &told;
        let label = Label { index, query: self.query };
        if self.query.statements.len() <= FEW {
            tracing::info!(command, seconds, "{label} has ended");
        } else {
            tracing::debug!(command, seconds, "{label} has ended");
        }
        if self.ctx.is_watched() {
            self.ctx.show_progress(&format!("{label} has ended: {command}"));
        }
        // A commit may leave the next transaction open behind it: `AND CHAIN`.
        self.committed |=
            command == "COMMIT" || self.transaction == Transaction::None && !is_harmless(command);
        self.told.push(told);
    }

    /// Follows what was asked for until the server is ready; gives the last command's name for itself.
    async fn follow(&mut self) -> Result<String, Stop> {
        let (mut command, mut refused) = (String::new(), None);
        loop {
            while let Some(message) = self.wire.take()? {
                match message {
                    Message::DataRow(row) => {
                        self.row(&row)?;
                        // A large one is not kept while its text is written.
                        drop(row);
                        if self.rows.pending() >= PIECE {
                            self.write().await?;
                        }
                    }
                    Message::RowDescription(description) => self.begin(&description)?,
                    Message::CommandComplete(body) => {
                        self.end_rows();
                        body.tag()?.clone_into(&mut command);
                    }
                    Message::CopyData(data) if self.query.show.form != Form::Nothing => {
                        self.sink.write(data.data()).await?;
                    }
                    Message::CopyOutResponse(_) if self.query.show.form == Form::Json => {
                        return Err(Stop::Unusable(
                            "what it copies has no place in a document of JSON".to_owned(),
                        ));
                    }
                    // What was taken before comes first.
                    Message::CopyOutResponse(_) => self.write().await?,
                    Message::CopyInResponse(_) => self.wire.refuse_copy().await?,
                    Message::ErrorResponse(body) => {
                        self.end_rows();
                        let error = ServerError::read(body.fields())?;
                        if error.is_last() {
                            return Err(Stop::Refused(error));
                        }
                        refused = Some(error);
                    }
                    Message::NoticeResponse(body) => notice(&*ServerError::read(body.fields())?),
                    Message::ParameterStatus(body) => {
                        self.astray = astray(body.name()?, body.value()?).or(self.astray.take());
                    }
                    Message::ReadyForQuery(body) => {
                        self.transaction = match body.status() {
                            b'T' => Transaction::Open,
                            b'E' => Transaction::Failed,
                            _ => Transaction::None,
                        };
                        self.write().await?;
                        return refused.map_or(Ok(command), |error| Err(Stop::Refused(error)));
                    }
                    Message::BindComplete
                    | Message::CloseComplete
                    | Message::CopyData(_)
                    | Message::CopyDone
                    | Message::EmptyQueryResponse
                    | Message::NoData
                    | Message::NotificationResponse(_)
                    | Message::ParameterDescription(_)
                    | Message::ParseComplete => {}
                    _ => return Err(Stop::Lost(Lost::Foreign)),
                }
            }
            self.more().await?;
        }
    }

    /// Waits for more of what the server sends, and says from time to time that it does.
    async fn more(&mut self) -> Result<(), Stop> {
        loop {
            if let Ok(filled) = timeout_at(self.next_word, self.wire.fill()).await {
                return Ok(filled?);
            }
            self.next_word += EVERY;
            if let Step::Statement { index, .. } = self.step {
                let label = Label { index, query: self.query };
                tracing::info!(rows = self.returned, "{label} runs");
            }
        }
    }

    fn begin(&mut self, description: &RowDescriptionBody) -> Result<(), Stop> {
        self.returned = Some(self.returned.unwrap_or_default());
        if !self.rows.is_wanted() {
            return Ok(());
        }
        let mut fields = description.fields();
        let mut named = Vec::new();
        while let Some(field) = fallible_iterator::FallibleIterator::next(&mut fields)? {
            named.push((field.name(), kind(field.type_oid())));
        }
        self.rows.begin(columns(named));
        Ok(())
    }

    fn row(&mut self, row: &DataRowBody) -> Result<(), Stop> {
        self.returned = Some(self.returned.unwrap_or_default() + 1);
        if !self.rows.is_begun() {
            return Ok(());
        }
        let mut rest = row.buffer();
        while rest.len() >= 4 {
            let cell = match usize::try_from(rest.get_i32()) {
                Err(_) => Cell::Null,
                Ok(length) => {
                    let (bytes, behind) = rest.split_at_checked(length).ok_or(Lost::Foreign)?;
                    rest = behind;
                    // The server sees to it that it is: so it was told.
                    Cell::Text(std::str::from_utf8(bytes).map_err(|_| Lost::Foreign)?)
                }
            };
            self.rows.cell(cell);
        }
        if self.rows.end_row() { Ok(()) } else { Err(Stop::Lost(Lost::Foreign)) }
    }

    /// Ends the set of rows, if one is begun.
    fn end_rows(&mut self) {
        if self.rows.is_begun() {
            self.rows.end();
        }
    }

    /// Writes what surrounds the results at their end. Where there are none and the run has `failed`, a file that was to be
    /// replaced stays as it is.
    pub(crate) async fn write_end(&mut self, frame: &str, failed: bool) -> Result<(), SinkError> {
        self.end_rows();
        self.rows.frame(frame);
        let text = self.rows.take();
        self.sink.write(&text).await?;
        if failed {
            self.sink.flush().await
        } else {
            std::mem::replace(&mut self.sink, Sink::stdout()).finish().await
        }
    }

    /// Hands on the rows that were taken.
    async fn write(&mut self) -> Result<(), Stop> {
        let text = self.rows.take();
        self.sink.write(&text).await?;
        self.rows.give_back(text);
        Ok(())
    }
}

/// What matters of a type, by its number in `pg_type`, which is fixed for those built in.
fn kind(oid: u32) -> Kind {
    match oid {
        16 => Kind::Boolean,
        // int8, int2, int4, oid
        20 | 21 | 23 | 26 => Kind::Integer,
        700 => Kind::Single,
        701 => Kind::Double,
        1700 => Kind::Decimal,
        // json, jsonb
        114 | 3802 => Kind::Json,
        _ => Kind::Other,
    }
}

fn notice(notice: &ServerError) {
    if notice.severity == "WARNING" {
        tracing::warn!(sqlstate = notice.code, "the server warns: {notice}");
    } else {
        tracing::info!(sqlstate = notice.code, severity = notice.severity, "the server notes: {notice}");
    }
}

/// A statement for people: number, place, beginning.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Label<'a> {
    /// From 0.
    pub(crate) index: usize,
    pub(crate) query: &'a Query,
}

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, query } = self;
        let Statement { sql, origin } = &query.statements[*index];
        let shown = shown(sql, Dialect::PostgreSql);
        write!(f, "statement {} of {} ({origin}: {shown})", index + 1, query.statements.len())
    }
}

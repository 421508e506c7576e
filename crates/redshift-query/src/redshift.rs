//! The calls of the Redshift Data API that this program makes. The SDK's types stop here.

mod catalog;
mod page;

use std::time::Duration;

use aws_sdk_redshiftdata::Client;
use aws_sdk_redshiftdata::config::Builder;
use aws_sdk_redshiftdata::config::retry::RetryConfig;
use aws_sdk_redshiftdata::operation::describe_statement::DescribeStatementOutput;
use aws_sdk_redshiftdata::types::{
    ExecutionMode, SqlParameter, StatementData, StatusString, SubStatementData,
};
use job_runtime::{CallError, Context, Ended, rfc3339};

pub(crate) use self::catalog::{Catalog, Entry, What};
use crate::once::Earlier;
use crate::run::Run;
use crate::statement::{Part, Statement, verdict};

/// How much longer than it is asked to hold an answer back the service may take for it.
const MARGIN: Duration = Duration::from_secs(10);

/// Statements asked for in one page; the API allows 100 at most.
const PAGE: i32 = 100;

pub(crate) const EXECUTE: &str = "redshift-data:ExecuteStatement";
pub(crate) const BATCH: &str = "redshift-data:BatchExecuteStatement";
pub(crate) const DESCRIBE: &str = "redshift-data:DescribeStatement";
pub(crate) const CANCEL: &str = "redshift-data:CancelStatement";
pub(crate) const RESULT: &str = "redshift-data:GetStatementResult";
pub(crate) const LIST: &str = "redshift-data:ListStatements";
pub(crate) const DATABASES: &str = "redshift-data:ListDatabases";

/// The Data API, seen through a client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service<'a> {
    pub(crate) client: &'a Client,
    pub(crate) ctx: &'a Context,
}

/// What a start is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    /// `StatementName`.
    pub(crate) name: Option<String>,
    /// `ClientToken`.
    pub(crate) token: String,
}

/// What a start was answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Started {
    pub(crate) id: Option<String>,
    pub(crate) session: Option<String>,
}

/// A statement in the list of statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) status: String,
    pub(crate) sql: Option<String>,
    /// How many statements a batch has.
    pub(crate) statements: i64,
    pub(crate) session: Option<String>,
    /// When it was sent, in milliseconds.
    pub(crate) created: i64,
    /// RFC 3339.
    pub(crate) created_at: Option<String>,
    /// RFC 3339.
    pub(crate) updated_at: Option<String>,
}

/// Which statements to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// What their names begin with.
    pub(crate) prefix: Option<String>,
    /// Every status, if there is none.
    pub(crate) status: Option<String>,
    /// Those of all sessions of the role.
    pub(crate) all_sessions: bool,
}

impl Service<'_> {
    /// Starts one statement, or several as a batch. It is sent again only where nothing can have been started: the
    /// SDK's own resending is off, so that the run's deadline and signals count between two attempts.
    pub(crate) async fn start(&self, run: &Run, label: &Label) -> Result<Started, CallError> {
        let parameters =
            run.parameters.iter().map(|it| SqlParameter::builder().name(&it.name).value(&it.value).build());
        // Whatever lacks one of its members would be refused by the service.
        let parameters: Vec<SqlParameter> = parameters.filter_map(Result::ok).collect();
        let parameters = Some(parameters).filter(|parameters| !parameters.is_empty());
        let once = || Builder::new().retry_config(RetryConfig::disabled());
        let to = &run.connection;
        if let [statement] = run.statements.as_slice() {
            let send = async || {
                let call = self
                    .client
                    .execute_statement()
                    .sql(&statement.sql)
                    .set_cluster_identifier(to.cluster.clone())
                    .set_workgroup_name(to.workgroup.clone())
                    .set_session_id(to.session.clone())
                    .set_database(to.database.clone())
                    .set_db_user(to.db_user.clone())
                    .set_secret_arn(to.secret.clone())
                    .set_parameters(parameters.clone())
                    .set_with_event(run.with_event.then_some(true))
                    .set_session_keep_alive_seconds(run.keep_alive)
                    .set_statement_name(label.name.clone())
                    .client_token(&label.token);
                call.customize().config_override(once()).send().await
            };
            let answer = self.ctx.start_until(EXECUTE, self.ctx.deadline(), send).await?;
            return Ok(Started { id: answer.id, session: answer.session_id });
        }
        let sqls: Vec<String> = run.statements.iter().map(|statement| statement.sql.clone()).collect();
        let mode = if run.auto_commit { ExecutionMode::AutoCommit } else { ExecutionMode::Transaction };
        let send = async || {
            let call = self
                .client
                .batch_execute_statement()
                .set_sqls(Some(sqls.clone()))
                .set_cluster_identifier(to.cluster.clone())
                .set_workgroup_name(to.workgroup.clone())
                .set_session_id(to.session.clone())
                .set_database(to.database.clone())
                .set_db_user(to.db_user.clone())
                .set_secret_arn(to.secret.clone())
                .set_parameters(parameters.clone())
                .set_with_event(run.with_event.then_some(true))
                .set_session_keep_alive_seconds(run.keep_alive)
                .set_statement_name(label.name.clone())
                .client_token(&label.token)
                .execution_mode(mode.clone());
            call.customize().config_override(once()).send().await
        };
        let answer = self.ctx.start_until(BATCH, self.ctx.deadline(), send).await?;
        Ok(Started { id: answer.id, session: answer.session_id })
    }

    /// Looks at a statement. With `hold` the service answers when it has ended, or after so many seconds.
    pub(crate) async fn describe(&self, id: &str, hold: Option<i32>) -> Result<Statement, CallError> {
        let longer =
            Duration::from_secs(hold.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or_default());
        let limits = Builder::new().timeout_config(self.ctx.timeouts(longer + MARGIN));
        let call = self.client.describe_statement().id(id).set_wait_time_seconds(hold);
        let answer = call.customize().config_override(limits).send().await;
        answer.map(|answer| seen(id, answer)).map_err(|error| CallError::new(DESCRIBE, &error))
    }

    /// Asks the service to stop a statement; `false` where it says that there is nothing to stop.
    pub(crate) async fn cancel(&self, id: &str) -> Result<bool, CallError> {
        let answer = self.client.cancel_statement().id(id).send().await;
        answer.map(|answer| answer.status != Some(false)).map_err(|error| CallError::new(CANCEL, &error))
    }

    /// As [`cancel`](Self::cancel), sent once: the SDK does not tell a lost response from none.
    pub(crate) async fn cancel_once(&self, id: &str) -> Result<bool, CallError> {
        let once = aws_sdk_redshiftdata::config::Builder::new().retry_config(RetryConfig::disabled());
        let answer = self.client.cancel_statement().id(id).customize().config_override(once).send().await;
        answer.map(|answer| answer.status != Some(false)).map_err(|error| CallError::new(CANCEL, &error))
    }

    /// Asks for a page, and bears failures and throttles: the rates that the service allows are those of the whole account.
    /// `--timeout` bounds it.
    pub(crate) async fn read<T>(&self, ask: impl AsyncFn() -> Result<T, CallError>) -> Ended<T> {
        // Boxed: the futures of SDK calls are large, and would be carried in every frame above.
        Box::pin(self.ctx.read(ask)).await
    }

    /// The statements of the last day that have exactly this name, whichever session of the role has sent them.
    pub(crate) async fn named(&self, name: &str) -> Ended<Vec<Earlier>> {
        let filter = Filter { prefix: Some(name.to_owned()), status: None, all_sessions: true };
        let mut found = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let page = async || self.statements(&filter, PAGE, next.clone()).await;
            let (listed, token) = match self.read(page).await {
                Ended::Done(page) => page,
                Ended::Deadline(state) => return Ended::Deadline(state),
                Ended::Cancelled(exit) => return Ended::Cancelled(exit),
                Ended::Lost(source) => return Ended::Lost(source),
            };
            let of_name = listed.into_iter().filter(|listed| listed.name.as_deref() == Some(name));
            found.extend(of_name.map(|it| Earlier {
                verdict: verdict(&it.status),
                id: it.id,
                created: it.created,
            }));
            match token {
                Some(token) => next = Some(token),
                None => return Ended::Done(found),
            }
        }
    }

    /// A page of statements, and what to ask for the next one with.
    pub(crate) async fn statements(
        &self,
        filter: &Filter,
        most: i32,
        next: Option<String>,
    ) -> Result<(Vec<Listed>, Option<String>), CallError> {
        let status = filter.status.as_deref().map_or(StatusString::All, StatusString::from);
        let answer = self
            .client
            .list_statements()
            .set_statement_name(filter.prefix.clone())
            .status(status)
            .role_level(filter.all_sessions)
            .max_results(most)
            .set_next_token(next)
            .send()
            .await
            .map_err(|error| CallError::new(LIST, &error))?;
        let token = answer.next_token.filter(|token| !token.is_empty());
        Ok((answer.statements.into_iter().map(listed).collect(), token))
    }
}

/// A statement of a batch keeps the id that it was asked for by.
fn seen(id: &str, answer: DescribeStatementOutput) -> Statement {
    let whole = Part {
        id: id.to_owned(),
        status: answer.status.map_or_else(String::new, |status| status.as_str().to_owned()),
        rows: count(answer.result_rows),
        duration_seconds: seconds(answer.duration),
        redshift_query_id: known(answer.redshift_query_id),
        has_result_set: answer.has_result_set.unwrap_or_default(),
        error: text(answer.error),
        sql: text(answer.query_string),
    };
    Statement {
        whole,
        database: text(answer.database),
        cluster_identifier: text(answer.cluster_identifier),
        workgroup_name: text(answer.workgroup_name),
        db_user: text(answer.db_user),
        session_id: text(answer.session_id),
        created_at: answer.created_at.and_then(rfc3339),
        statements: answer.sub_statements.unwrap_or_default().into_iter().map(part).collect(),
        auto_commit: answer.execution_mode == Some(ExecutionMode::AutoCommit),
    }
}

fn part(answer: SubStatementData) -> Part {
    Part {
        id: answer.id,
        status: answer.status.map_or_else(String::new, |status| status.as_str().to_owned()),
        rows: count(answer.result_rows),
        duration_seconds: seconds(answer.duration),
        redshift_query_id: known(answer.redshift_query_id),
        has_result_set: answer.has_result_set.unwrap_or_default(),
        error: text(answer.error),
        sql: text(answer.query_string),
    }
}

fn listed(answer: StatementData) -> Listed {
    let many = answer.query_strings.as_ref().map_or(0, Vec::len);
    Listed {
        id: answer.id,
        name: text(answer.statement_name),
        status: answer.status.map_or_else(String::new, |status| status.as_str().to_owned()),
        sql: text(answer.query_string)
            .or_else(|| answer.query_strings.unwrap_or_default().into_iter().next()),
        statements: i64::try_from(many.max(1)).unwrap_or(i64::MAX),
        session: text(answer.session_id),
        created: answer.created_at.and_then(|time| time.to_millis().ok()).unwrap_or_default(),
        created_at: answer.created_at.and_then(rfc3339),
        updated_at: answer.updated_at.and_then(rfc3339),
    }
}

/// An empty text says nothing.
fn text(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// -1 stands for "none".
fn count(rows: i64) -> Option<i64> {
    (rows >= 0).then_some(rows)
}

/// 0 and -1 stand for "not known".
fn known(id: i64) -> Option<i64> {
    (id > 0).then_some(id)
}

/// From nanoseconds, to the millisecond.
fn seconds(nanos: i64) -> Option<f64> {
    let millis = u64::try_from(nanos).ok()? / 1_000_000;
    Some(Duration::from_millis(millis).as_secs_f64())
}

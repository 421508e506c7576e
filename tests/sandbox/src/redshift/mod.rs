//! The Redshift Data API (awsJson1.1, `RedshiftData.*`) in front of a real `PostgreSQL`.

mod catalog;
mod describe;
mod postgres;
mod request;
mod result;
mod run;
mod sql;
mod store;
mod target;
mod wait;
mod world;

use serde_json::Value;

pub(crate) use store::Redshift;
pub use store::Statement;
pub use world::{Cluster, DatabaseSecret, RedshiftWorld, StatementCourse, StatementOwner, Workgroup};

use crate::answer::Answer;
use crate::cloud::Cloud;
use crate::refusal::Refusal;
use crate::service::{Request, Service};

/// What this service can do.
pub(crate) const OPERATIONS: &[&str] = &[
    "BatchExecuteStatement",
    "CancelStatement",
    "DescribeStatement",
    "DescribeTable",
    "ExecuteStatement",
    "GetStatementResult",
    "GetStatementResultV2",
    "ListDatabases",
    "ListSchemas",
    "ListSessions",
    "ListStatements",
    "ListTables",
];

/// Answers one authenticated request.
pub(crate) fn answer(cloud: &Cloud, request: &Request<'_>) -> Result<Answer, Refusal> {
    match request.operation {
        "ExecuteStatement" | "BatchExecuteStatement" => request::execute(cloud, request),
        "DescribeStatement" => describe::describe_statement(cloud, request),
        "GetStatementResult" | "GetStatementResultV2" => describe::get_result(cloud, request),
        "CancelStatement" => describe::cancel_statement(cloud, request),
        "ListStatements" => describe::list_statements(cloud, request),
        "ListSessions" => describe::list_sessions(cloud, request),
        "ListDatabases" | "ListSchemas" | "ListTables" | "DescribeTable" => catalog::answer(cloud, request),
        _ => Err(request.unknown_operation()),
    }
}

/// How it says that calls come too fast: what the service behind says comes wrapped in what nobody would send again.
pub(crate) fn throttled() -> Refusal {
    invalid(
        "Service returned error code ThrottlingException (Service: RedshiftServerless, Status Code: 400, \
         Request ID: 00000000-0000-4000-a000-000000000000)",
    )
}

fn invalid(text: impl Into<String>) -> Refusal {
    Refusal::new(400, "ValidationException", text)
}

fn no_statement(id: &str) -> Refusal {
    Refusal::new(400, "ResourceNotFoundException", "Query does not exist.").member("ResourceId", id)
}

fn accept(value: &Value) -> Answer {
    Service::RedshiftData.protocol().accept(value.to_string())
}

fn answer_json(body: Vec<u8>) -> Answer {
    Answer::new("application/x-amz-json-1.1", body)
}

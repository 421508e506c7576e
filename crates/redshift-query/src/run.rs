//! What goes into a start.

use crate::connection::Connection;
use crate::sql::{Parameter, Statement};

/// Statements to run: one alone, or several as one batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) connection: Connection,
    /// At least one.
    pub(crate) statements: Vec<Statement>,
    pub(crate) parameters: Vec<Parameter>,
    /// `ExecutionMode` of a batch: each statement is committed by itself.
    pub(crate) auto_commit: bool,
    /// `StatementName`.
    pub(crate) statement_name: Option<String>,
    /// `WithEvent`.
    pub(crate) with_event: bool,
    /// `SessionKeepAliveSeconds`.
    pub(crate) keep_alive: Option<i32>,
}

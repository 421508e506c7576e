//! The options that say where, and as whom.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use crate::connection::{self, Connection};
use crate::redshift::{Catalog, What};

/// Where, and as whom.
#[derive(Debug, Default, Args)]
#[group(skip)]
#[allow(clippy::doc_markdown, reason = "the comments are the help text, where backticks would show")]
#[command(next_help_heading = "Connection")]
pub(super) struct ConnectArgs {
    /// Name of a provisioned cluster
    ///
    /// With --db-user as that user, with --secret-arn as the secret's, else as the IAM identity.
    #[arg(long, env = "REDSHIFT_CLUSTER_IDENTIFIER", value_name = "NAME", value_parser = connection::cluster)]
    pub(super) cluster_identifier: Option<String>,

    /// Name of a serverless workgroup, or its ARN where it is in another account
    ///
    /// With --secret-arn as the secret's user, else as the IAM identity.
    #[arg(long, env = "REDSHIFT_WORKGROUP_NAME", value_name = "NAME|ARN", value_parser = connection::workgroup)]
    pub(super) workgroup_name: Option<String>,

    /// Name of the database
    #[arg(long, env = "REDSHIFT_DATABASE", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(super) database: Option<String>,

    /// Database user of the cluster to get credentials for
    #[arg(long, env = "REDSHIFT_DB_USER", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(super) db_user: Option<String>,

    /// Name or ARN of the secret with user and password
    #[arg(long, env = "REDSHIFT_SECRET_ARN", value_name = "NAME|ARN", value_parser = NonEmptyStringValueParser::new())]
    pub(super) secret_arn: Option<String>,
}

impl ConnectArgs {
    pub(super) fn into_connection(self) -> Result<Connection, String> {
        self.in_session(None)
    }

    /// As it is, or by the session that stands for all of it.
    pub(super) fn in_session(self, session: Option<String>) -> Result<Connection, String> {
        let connection = Connection {
            cluster: self.cluster_identifier,
            workgroup: self.workgroup_name,
            session,
            database: self.database,
            db_user: self.db_user,
            secret: self.secret_arn,
        };
        connection.checked()
    }
}

/// The same for a list of what there is in a database.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct CatalogArgs {
    #[command(flatten)]
    connect: ConnectArgs,

    /// Database to connect to, where --database is another one to look into
    #[arg(
        long,
        env = "REDSHIFT_CONNECTED_DATABASE",
        value_name = "NAME",
        value_parser = NonEmptyStringValueParser::new(),
        help_heading = "Connection"
    )]
    connected_database: Option<String>,
}

impl CatalogArgs {
    pub(super) fn into_catalog(self, what: What) -> Result<Catalog, String> {
        let Self { connect, connected_database } = self;
        Ok(Catalog { connection: connect.into_connection()?, connected_database, what })
    }
}

//! What there is in a database: databases, schemas, tables, columns.

use aws_sdk_redshiftdata::types::ColumnMetadata;
use job_runtime::CallError;

use super::{DATABASES, Service};
use crate::connection::Connection;

/// Entries asked for in one page; the API allows 1000 at most.
const PAGE: i32 = 1000;

/// What to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Catalog {
    pub(crate) connection: Connection,
    /// The database to connect to, where it is another one than the listed.
    pub(crate) connected_database: Option<String>,
    pub(crate) what: What,
}

/// The kinds of lists. Patterns are those of SQL's LIKE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Databases,
    Schemas { pattern: Option<String> },
    Tables { schema_pattern: Option<String>, table_pattern: Option<String> },
    Columns { schema: Option<String>, table: Option<String> },
}

impl What {
    /// What the list is called.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Databases => "databases",
            Self::Schemas { .. } => "schemas",
            Self::Tables { .. } => "tables",
            Self::Columns { .. } => "columns",
        }
    }

    /// Names and types of an entry's members.
    pub(crate) fn columns(&self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Databases => &[("database", "text")],
            Self::Schemas { .. } => &[("schema", "text")],
            Self::Tables { .. } => &[("schema", "text"), ("name", "text"), ("type", "text")],
            Self::Columns { .. } => &[
                ("schema", "text"),
                ("table", "text"),
                ("name", "text"),
                ("type", "text"),
                ("nullable", "bool"),
                ("length", "int4"),
                ("precision", "int4"),
                ("scale", "int4"),
                ("default", "text"),
            ],
        }
    }
}

/// A member of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    Text(Option<String>),
    Number(i64),
    Bool(bool),
}

/// A page of entries, and what to ask for the next one with.
type Page = (Vec<Vec<Entry>>, Option<String>);

impl Service<'_> {
    /// A page of a list.
    pub(crate) async fn catalog(&self, catalog: &Catalog, next: Option<String>) -> Result<Page, CallError> {
        let Catalog { connection: to, connected_database, what } = catalog;
        let (entries, next): (Vec<Vec<Entry>>, _) = match what {
            What::Databases => {
                let answer = self.databases(to, PAGE, next).await?;
                (answer.0.into_iter().map(only).collect(), answer.1)
            }
            What::Schemas { pattern } => {
                let answer = self
                    .client
                    .list_schemas()
                    .set_cluster_identifier(to.cluster.clone())
                    .set_workgroup_name(to.workgroup.clone())
                    .set_database(to.database.clone())
                    .set_connected_database(connected_database.clone())
                    .set_db_user(to.db_user.clone())
                    .set_secret_arn(to.secret.clone())
                    .set_schema_pattern(pattern.clone())
                    .max_results(PAGE)
                    .set_next_token(next)
                    .send()
                    .await
                    .map_err(|error| CallError::new("redshift-data:ListSchemas", &error))?;
                (answer.schemas.unwrap_or_default().into_iter().map(only).collect(), answer.next_token)
            }
            What::Tables { schema_pattern, table_pattern } => {
                let answer = self
                    .client
                    .list_tables()
                    .set_cluster_identifier(to.cluster.clone())
                    .set_workgroup_name(to.workgroup.clone())
                    .set_database(to.database.clone())
                    .set_connected_database(connected_database.clone())
                    .set_db_user(to.db_user.clone())
                    .set_secret_arn(to.secret.clone())
                    .set_schema_pattern(schema_pattern.clone())
                    .set_table_pattern(table_pattern.clone())
                    .max_results(PAGE)
                    .set_next_token(next)
                    .send()
                    .await
                    .map_err(|error| CallError::new("redshift-data:ListTables", &error))?;
                let tables = answer.tables.unwrap_or_default().into_iter();
                let tables =
                    tables.map(|table| [table.schema, table.name, table.r#type].map(Entry::Text).to_vec());
                (tables.collect(), answer.next_token)
            }
            What::Columns { schema, table } => {
                let answer = self
                    .client
                    .describe_table()
                    .set_cluster_identifier(to.cluster.clone())
                    .set_workgroup_name(to.workgroup.clone())
                    .set_database(to.database.clone())
                    .set_connected_database(connected_database.clone())
                    .set_db_user(to.db_user.clone())
                    .set_secret_arn(to.secret.clone())
                    .set_schema(schema.clone())
                    .set_table(table.clone())
                    .max_results(PAGE)
                    .set_next_token(next)
                    .send()
                    .await
                    .map_err(|error| CallError::new("redshift-data:DescribeTable", &error))?;
                let columns = answer.column_list.unwrap_or_default().into_iter();
                let table = answer.table_name;
                (columns.map(|it| column(it, table.as_deref())).collect(), answer.next_token)
            }
        };
        Ok((entries, next.filter(|token| !token.is_empty())))
    }

    /// A page of databases. To list them, the service connects to the one that the connection names.
    pub(crate) async fn databases(
        &self,
        to: &Connection,
        most: i32,
        next: Option<String>,
    ) -> Result<(Vec<String>, Option<String>), CallError> {
        let answer = self
            .client
            .list_databases()
            .set_cluster_identifier(to.cluster.clone())
            .set_workgroup_name(to.workgroup.clone())
            .set_database(to.database.clone())
            .set_db_user(to.db_user.clone())
            .set_secret_arn(to.secret.clone())
            .max_results(most)
            .set_next_token(next)
            .send()
            .await
            .map_err(|error| CallError::new(DATABASES, &error))?;
        Ok((answer.databases.unwrap_or_default(), answer.next_token))
    }
}

/// An entry of one name.
fn only(name: String) -> Vec<Entry> {
    vec![Entry::Text(Some(name))]
}

fn column(column: ColumnMetadata, table: Option<&str>) -> Vec<Entry> {
    vec![
        Entry::Text(column.schema_name),
        Entry::Text(column.table_name.or_else(|| table.map(str::to_owned))),
        Entry::Text(column.name),
        Entry::Text(column.type_name),
        // As in JDBC: 0 is "no".
        Entry::Bool(column.nullable != 0),
        Entry::Number(column.length.into()),
        Entry::Number(column.precision.into()),
        Entry::Number(column.scale.into()),
        Entry::Text(column.column_default),
    ]
}

//! Rows of redshift-query.

use testkit::{Sandbox, Worlds};

use super::{KEY, OFTEN, Part, READ, Row, WAY};

/// Where SQL is run.
macro_rules! on_cluster {
    ($($arg:expr),*) => {
        &[$($arg,)* "--cluster-identifier=analytics", "--database=dev", "--db-user=etl"]
    };
}

fn held() -> String {
    format!("{}\n[[redshift.courses]]\nwhen = '%'\nhold = '1h'\n", Worlds::TWO_ACCOUNTS)
}

fn truth(sandbox: &Sandbox) -> Option<i32> {
    match sandbox.statements().first()?.status.as_str() {
        "FINISHED" => Some(0),
        "FAILED" => Some(10),
        "ABORTED" => Some(11),
        _ => None,
    }
}

pub(super) fn rows() -> Vec<Row> {
    let redshift = Row { binary: "redshift-query", ..READ };
    let run = Row {
        work: |sandbox| sandbox.statements().len(),
        works: 1,
        truth,
        ids: |sandbox| sandbox.statements().into_iter().map(|statement| statement.id).collect(),
        ..redshift
    };
    let sql = Row { sql: true, ..redshift };
    vec![
        Row {
            name: "redshift-query",
            args: on_cluster!("--sql=select 1", KEY, OFTEN),
            sql: true,
            result: "1",
            way: WAY,
            calls: &[
                ("redshift-data:ListStatements", Part::Read),
                ("redshift-data:ExecuteStatement", Part::Start),
                ("redshift-data:DescribeStatement", Part::Wait),
                ("redshift-data:GetStatementResult", Part::Wait),
            ],
            ..run
        },
        Row {
            name: "redshift-query-batch",
            args: on_cluster!("--sql=select 1", "--sql=select 2", KEY, OFTEN, "--output=none"),
            sql: true,
            calls: &[("redshift-data:BatchExecuteStatement", Part::Start)],
            ..run
        },
        Row {
            name: "redshift-query-stop",
            args: on_cluster!("--sql=select 1", OFTEN, "--on-terminate=cancel"),
            world: held,
            sql: true,
            signal: Some(("redshift-data", "DescribeStatement")),
            end: 143,
            calls: &[("redshift-data:CancelStatement", Part::Stop)],
            ..run
        },
        Row {
            name: "redshift-query-databases",
            args: on_cluster!("databases"),
            calls: &[("redshift-data:ListDatabases", Part::Read)],
            ..sql
        },
        Row {
            name: "redshift-query-schemas",
            args: on_cluster!("schemas"),
            calls: &[("redshift-data:ListSchemas", Part::Read)],
            ..sql
        },
        Row {
            name: "redshift-query-tables",
            args: on_cluster!("tables"),
            calls: &[("redshift-data:ListTables", Part::Read)],
            ..sql
        },
        Row {
            name: "redshift-query-describe-table",
            args: on_cluster!("describe-table", "--schema=pg_catalog", "--table=pg_class"),
            calls: &[("redshift-data:DescribeTable", Part::Read)],
            ..sql
        },
    ]
}

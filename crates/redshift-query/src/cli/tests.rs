use clap::Parser;

use sql_text::Form;

use super::*;
use crate::run::Run;

/// The command line, with one of the runtime's options where they look at them.
#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    cli: Cli,
    #[arg(id = "runtime.region", long = "region", global = true)]
    region: Option<String>,
}

fn request(options: &[&str]) -> Result<Request, String> {
    let words = ["redshift-query"].iter().chain(options);
    Line::try_parse_from(words).map_err(|error| error.to_string())?.cli.into_request()
}

fn run(options: &[&str]) -> Run {
    match request(options).unwrap().work {
        Work::Run(run) => *run,
        other => panic!("{other:?}"),
    }
}

const WHERE: [&str; 4] = ["--workgroup-name", "sales", "--database", "d"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    WHERE.iter().chain(more).copied().collect()
}

#[test]
fn run_need_not_be_named() {
    let options = with(&[
        "--sql",
        "select :a",
        "--parameter",
        "a=1",
        "--statement-name",
        "nightly",
        "--with-event",
        "--session-keep-alive",
        "10m",
        "--execution-mode",
        "auto_commit",
    ]);
    let bare = run(&options);
    assert_eq!(bare.statements[0].sql, "select :a");
    assert_eq!((bare.auto_commit, bare.with_event, bare.keep_alive), (true, true, Some(600)));
    assert_eq!(bare.statement_name.as_deref(), Some("nightly"));
    let named: Vec<&str> = ["run"].into_iter().chain(options).collect();
    assert_eq!(run(&named), bare);
    let common_first: Vec<&str> =
        ["--region", "us-east-2", "--output", "csv"].into_iter().chain(named).collect();
    assert_eq!(run(&common_first), bare);
}

#[test]
fn sql_comes_in_the_order_of_the_options() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("one.sql");
    std::fs::write(&file, "select 2; select 3").unwrap();
    let (file, dir) = (file.to_str().unwrap(), folder.path().to_str().unwrap());
    let sqls = |options: &[&str]| -> Vec<String> {
        run(&with(options)).statements.into_iter().map(|statement| statement.sql).collect()
    };
    assert_eq!(
        sqls(&["--sql", "select 1", "--sql-file", file, "--sql", "select 4"]),
        ["select 1", "select 2", "select 3", "select 4"]
    );
    assert_eq!(
        sqls(&["--sql-dir", dir, "--sql", "-- first\nselect 1"]),
        ["select 2", "select 3", "-- first\nselect 1"]
    );
}

#[test]
fn refused_before_any_call() {
    let cases: [(&[&str], &str); 18] = [
        (&[], "no place to run it"),
        (&["--sql", "select 1"], "no place to run it"),
        (&["--workgroup-name", "sales", "--sql", "select 1"], "--database is missing"),
        (&["--workgroup-name", "sales", "--database", "d"], "nothing to run"),
        (&["--cluster-identifier", "A", "--sql", "x"], "lower-case"),
        (&["--session-id", "x"], "UUID"),
        (&["result"], "ID"),
        (&["result", "x"], "UUID"),
        (&["--sql", "select 1", "list"], "--sql stands in front of list"),
        (&["--database", "d", "run", "--sql", "select 1"], "--database stands in front of run"),
        (&["databases"], "no place"),
        (
            &["tables", "--db-user", "u", "--workgroup-name", "sales", "--database", "d"],
            "--cluster-identifier only",
        ),
        (&["list", "--status", "ALL"], "SUBMITTED"),
        (&["list", "--limit", "0"], "1..=10000"),
        (&["describe-table", "--sql", "x"], "--sql"),
        (&["result", "d9b6c0c9-0747-4bf4-b142-e8883122f766", "--expect-rows", "x"], "1..10"),
        (
            &["result", "d9b6c0c9-0747-4bf4-b142-e8883122f766", "--output", "none", "--output-file", "f"],
            "leaves nothing",
        ),
        (&["result", "d9b6c0c9-0747-4bf4-b142-e8883122f766", "--null", ","], "commas"),
    ];
    for (options, expected) in cases {
        let error = request(options).unwrap_err();
        assert!(error.contains(expected), "{options:?}: {error}");
    }
    let long = "x".repeat(2032);
    let of_run: [(&[&str], &str); 8] = [
        (&["--sql", "select 1", "--parameter", "a=1"], "a is used by no statement"),
        (&["--sql", "select :a", "--parameter", "a"], "NAME=VALUE"),
        (&["--sql", "select :a", "--parameter", "a=1", "--parameters", "{\"a\":\"2\"}"], "given twice"),
        (&["--sql", "select :a", "--parameters", "{\"a\":2}"], "strings only"),
        (&["--sql", "select 'a"], "never ended"),
        (&["--sql", "select 1", "--statement-name", &long], "2031 are allowed"),
        (&["--sql", "select 1", "--session-keep-alive", "25h"], "24h at most"),
        (&["--sql", "select 1", "--expect", "a =="], "JMESPath"),
    ];
    for (options, expected) in of_run {
        let error = request(&with(options)).unwrap_err();
        assert!(error.contains(expected), "{options:?}: {error}");
    }
}

#[test]
fn sub_commands() {
    let id = "d9b6c0c9-0747-4bf4-b142-e8883122f766:2";
    let show = |options: &[&str]| request(options).unwrap().show;
    assert!(matches!(request(&["result", id]).unwrap().work, Work::Result(it) if it == id));
    assert!(matches!(request(&["cancel", id]).unwrap().work, Work::Cancel(it) if it == id));
    assert_eq!(show(&["result", id]).form, Form::Json);
    assert_eq!(show(&["result", id, "--output", "csv"]).form, Form::Csv { null: String::new() });
    assert_eq!(show(&["result", id, "--output", "text"]).form, Form::Table { null: None });
    let null = show(&["--output", "csv", "result", id, "--null", "-"]);
    assert_eq!(null.form, Form::Csv { null: "-".to_owned() });

    let Work::List(list) =
        request(&["list", "--name-prefix", "n", "--status", "failed", "--all-sessions"]).unwrap().work
    else {
        panic!()
    };
    let status = Some("FAILED".to_owned());
    assert_eq!(list.filter, Filter { prefix: Some("n".to_owned()), status, all_sessions: true });
    assert_eq!(list.limit, 100);

    let catalog = |options: &[&str]| match request(options).unwrap().work {
        Work::Catalog(catalog) => *catalog,
        other => panic!("{other:?}"),
    };
    let text = |text: &str| Some(text.to_owned());
    for (options, what) in [
        (&["databases"][..], What::Databases),
        (&["schemas", "--schema-pattern", "s%"], What::Schemas { pattern: text("s%") }),
        (
            &["tables", "--schema-pattern", "s", "--table-pattern", "t_"],
            What::Tables { schema_pattern: text("s"), table_pattern: text("t_") },
        ),
        (
            &["describe-table", "--schema", "s", "--table", "t"],
            What::Columns { schema: text("s"), table: text("t") },
        ),
    ] {
        let options: Vec<&str> = options.iter().chain(&WHERE).copied().collect();
        let listed = catalog(&options);
        assert_eq!(listed.what, what);
        assert_eq!(listed.connection.to_string(), "workgroup sales, database d, as the IAM identity");
    }
    let connected = catalog(
        &with(&[])[..0]
            .iter()
            .chain(&["schemas", "--connected-database", "e"])
            .chain(&WHERE)
            .copied()
            .collect::<Vec<_>>(),
    );
    assert_eq!(connected.connected_database, text("e"));
}

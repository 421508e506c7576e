//! Where SQL comes from, and how it is taken apart: as psql does it.

use testkit::Database;

use super::{Desk, assert_stdout, desk};

/// What ends a statement for those who look too closely.
const NASTY: &str = r"
create table log (id serial, v text);
create function f(x int) returns text language sql begin atomic
  select case when x > 1 then 'a;b' else (select 'c') end;
end;
create or replace procedure p(v text) begin atomic insert into log (v) values (v); insert into log (v) values (v || ';'); end;
create rule r as on delete to log do also (insert into log (v) values ('r1;'); insert into log (v) values ('r2'));
call p(f(2)); /* ; /* nested; */ ; */
insert into log (v) values ('it''s;'), (E'it\'s;'), (U&'\0441;'), ($$ ; $a$ ; $$), ($a$ $$;$$ $a$), ('back\');
delete from log where v = 'a;b'; -- the end;
do $x$ begin insert into log (v) values ('done;'); end; $x$
";

#[test]
fn a_file_does_what_it_does_in_psql() {
    let (one, other) = (desk(), desk());
    let file = one.write("nasty.sql", NASTY);
    one.query(&["--sql-file", file.to_str().unwrap(), "--output", "none"]).assert_exit(0);
    other.psql(&[], NASTY);
    let told = "select id, v from log order by id";
    assert_eq!(one.look(told), other.look(told));
    assert_eq!(one.look("select count(*) from log"), "10");
}

#[test]
fn sources_are_run_in_their_order() {
    let desk = desk();
    std::fs::create_dir(desk.path("sql")).unwrap();
    desk.write("sql/20.sql", "select 3 as n");
    desk.write("sql/10.sql", "select 2 as n");
    let folder = desk.path("sql");
    let options = [
        "--output",
        "jsonl",
        "--sql-dir",
        folder.to_str().unwrap(),
        "--sql",
        "select 4 as n",
        "--sql-file",
        "-",
    ];
    let running = desk.start_with(["query"].iter().chain(&options), "select 5 as n;");
    assert_stdout(running.finish().assert_exit(0), "{\"n\":2}\n{\"n\":3}\n{\"n\":4}\n{\"n\":5}\n");
}

#[test]
fn what_is_no_sql_is_refused_before_the_first_call() {
    let desk = desk();
    for (text, says) in [
        ("create table t (i int);\n\\copy t from 'x'\n", "\\copy in no.sql line 2 is for psql"),
        ("create table t (i int);\n\n\\i other.sql", "\\i in no.sql line 3"),
        ("create table t (i int); select 1 \\gset", "`rds-connect exec -- psql -f FILE`"),
        ("create table t (i int); select 'a", "a quote ' that begins in no.sql line 1 is never ended"),
        ("create table t (i int);\nselect '\0'", "no.sql line 2 has a zero byte"),
        ("-- nothing\n;", "there is no SQL statement"),
    ] {
        let file = desk.write("no.sql", text);
        desk.query(&["--sql-file", file.to_str().unwrap()]).assert_exit(2).assert_says(says);
    }
    desk.query(&[]).assert_exit(2).assert_says("give --sql, --sql-file or --sql-dir");
    desk.query(&["--output", "text", "--sql", "select 1"]).assert_exit(0);
    assert_eq!(desk.look("select to_regclass('t') is null"), "t");
}

#[test]
fn the_short_options_are_those_of_psql() {
    let Desk { site, database } = desk();
    let site =
        site.without("PGDATABASE").without("PGUSER").without("PGPORT").env("PGHOST", "nowhere.invalid");
    let desk = Desk { site, database };
    let site = &desk.site;
    let port = desk.database.port().to_string();
    let file = desk.write("two.sql", "select 2 as two").display().to_string();
    let args = ["-h", Database::HOST, "-p", &port, "-U", Database::USER, "-d", Database::NAME];
    for args in [
        [&args[..], &["query", "-c", "select 1 as one", "-f", &file]].concat(),
        [&["query", "-c", "select 1 as one", "-f", &file], &args[..]].concat(),
    ] {
        let outcome = site.run(args.iter().chain(&["--output", "csv"]));
        assert_stdout(outcome.assert_exit(0), "one\n1\n\ntwo\n2\n");
    }
    // What -h would mean elsewhere.
    desk.look("create table t (i int)");
    let outcome = site.run(["query", "-h", "nowhere.invalid", "-c", "insert into t values (1)", "--help"]);
    outcome.assert_exit(2).assert_says("nothing was run");
    let url = format!("postgresql://app@{}/mydb", Database::HOST);
    for database in [&url, "host=db.example.com dbname=mydb"] {
        let outcome = site.run(["query", "-d", database, "-c", "insert into t values (1)"]);
        outcome.assert_exit(2).assert_says("--database is a connection string");
    }
    assert_eq!(desk.look("select count(*) from t"), "0");
}

#[test]
fn white_space_is_what_postgresql_takes_for_it() {
    let desk = desk();
    // A no-break space is a letter: here it is the name of a column, and a statement of its own.
    let text = "\t select 1 as a\u{a0} \x0c;\r\n";
    let outcome = desk.query(&["--output", "csv", "--sql", text]);
    assert_stdout(outcome.assert_exit(0), "a\u{a0}\n1\n");
    assert_eq!(outcome.stdout, desk.psql(&["--csv"], text));
    let outcome = desk.sql("select 1; \u{a0} ;");
    outcome.assert_exit(10).assert_says("statement 2 of 2").assert_says("syntax error");
}

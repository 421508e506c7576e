//! Bulk data: out as it comes, in by psql.

use super::{assert_stdout, desk};

#[test]
fn copied_rows_come_out_as_the_server_writes_them() {
    let desk = desk();
    let sql = "copy (select n, 'a,' || n from generate_series(1, 3) n) to stdout (format csv, header); select 7 as seven";
    assert_stdout(
        desk.query(&["--output", "csv", "--sql", sql]).assert_exit(0),
        "n,?column?\n1,\"a,1\"\n2,\"a,2\"\n3,\"a,3\"\nseven\n7\n",
    );
    let binary = "copy (select 1) to stdout (format binary)";
    let outcome = desk.query(&["--output", "csv", "--sql", binary]);
    outcome.assert_exit(0);
    assert!(outcome.stdout.starts_with(b"PGCOPY\n\xff\r\n\0"), "{:?}", outcome.stdout);
    assert_stdout(desk.query(&["--output", "none", "--sql", sql]).assert_exit(0), "");
    desk.sql(sql).assert_exit(2).assert_says("has no place in a document of JSON");
}

#[test]
fn data_for_the_database_is_for_psql() {
    let desk = desk();
    let file = desk.write("data.sql", "create table t (i int);\ncopy t from stdin;\n1\n\\.\n");
    desk.query(&["--sql-file", file.to_str().unwrap()])
        .assert_exit(2)
        .assert_says("COPY … FROM STDIN in data.sql line 2")
        .assert_says("rds-connect exec -- psql");
    assert_eq!(desk.look("select to_regclass('t') is null"), "t");
}

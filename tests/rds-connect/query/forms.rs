//! Rows in every form, as psql prints them where it does.

use serde_json::json;

use super::{assert_stdout, desk};

/// A value of every type that is built in, and what CSV has to quote.
const TYPES: &str = r#"
select true as bool, false as no, 32767::int2 as int2, (-2147483648)::int4 as int4, 9223372036854775807::int8 as int8,
  1.50::numeric as numeric, 'NaN'::numeric as nan, 123456789012345678901234567890.123456789::numeric as long,
  0.1::float4 as float4, 1e20::float8 as float8, '-Infinity'::float8 as inf, 12.34::money as money,
  'text' as text, 'char'::char(8) as char, 'vc'::varchar(3) as varchar, 'n'::name as name, 'ü€漢🎉' as unicode,
  '\xdeadbeef00'::bytea as bytea, date '2026-02-28' as date, time '12:34:56.789' as time, timetz '12:00+02' as timetz,
  timestamp '2026-01-02 03:04:05.678901' as timestamp, timestamptz '2026-01-02 03:04:05+05:30' as timestamptz,
  timestamp '-infinity' as never, interval '1 year 2 mons -3 days 04:05:06.7' as interval,
  '{"b": 1,  "a": [null, "x"]}'::json as json, '{"b": 1,  "a": [null, "x"]}'::jsonb as jsonb,
  array[1, 2, null] as ints, array['a,b', '"q"', '', null] as texts, '{{1,2},{3,4}}'::int[] as matrix,
  row(1, 'a b', null) as record, int4range(1, 5) as range, '{[1,2),[5,6)}'::int4multirange as multirange,
  'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid as uuid, '192.168.0.1/24'::inet as inet, '10.0.0.0/8'::cidr as cidr,
  '08:00:2b:01:02:03'::macaddr as macaddr, b'1010' as bit, b'10'::varbit as varbit, point(1.5, -2) as point,
  '((0,0),(1,1))'::box as box, 'fat & rat'::tsquery as tsquery, 'a fat cat'::tsvector as tsvector,
  '<a>b</a>'::xml as xml, 'pg_class'::regclass as regclass, 42::oid as oid, '0/16B3748'::pg_lsn as lsn,
  null as "null", 'a,b' as "with, comma", 'say "hi"' as "with ""quotes""", E'two\nlines' as "two
lines", E'cr\rhere' as cr, E'tab\there' as tab, ' spaces ' as spaces, '\.' as dot, 'NULL' as word, '\N' as n,
  null::text as empty
"#;

#[test]
fn csv_of_every_type_is_psqls_to_the_byte() {
    let desk = desk();
    let ours = desk.query(&["--output", "csv", "--sql", TYPES]);
    ours.assert_exit(0);
    assert_eq!(ours.text(), String::from_utf8(desk.psql(&["--csv"], TYPES)).unwrap());
    // An empty text alone is another matter: psql prints it as it prints NULL.
    let empty = desk.query(&["--output", "csv", "--sql", "select '' as a, null as b"]);
    assert_stdout(empty.assert_exit(0), "a,b\n\"\",\n");
    let marked = ["--output", "csv", "--null", "\\N", "--sql", "select '' as a, null as b, '\\N' as c"];
    assert_stdout(desk.query(&marked).assert_exit(0), "a,b,c\n,\\N,\"\\N\"\n");
}

#[test]
fn json_keeps_types() {
    let desk = desk();
    let sql = "select 1 as i, 9223372036854775807 as l, 1.50 as d, 1e20::float8 as f, 'NaN'::float8 as nan, true as t, \
               null as n, '' as e, '{\"a\": [1, 2]}'::jsonb as j, '\\xff'::bytea as b, array[1,2] as a, 1 as i";
    let outcome = desk.sql(sql);
    let told = outcome.assert_exit(0).json();
    let row = json!({
        "i": 1, "l": 9_223_372_036_854_775_807_i64, "d": "1.50", "f": 1e20, "nan": "NaN", "t": true, "n": null, "e": "",
        "j": {"a": [1, 2]}, "b": "\\xff", "a": "{1,2}", "i_2": 1
    });
    assert_eq!(told["results"], json!([[row]]));
    assert_eq!((&told["error"], &told["sqlstate"]), (&json!(null), &json!(null)));
    assert_eq!((&told["user"], &told["database"]), (&json!("app"), &json!("mydb")));
    let lines = desk.query(&[
        "--output",
        "jsonl",
        "--sql",
        "select n, n % 2 = 0 as even from generate_series(1, 2) n",
    ]);
    assert_stdout(lines.assert_exit(0), "{\"n\":1,\"even\":false}\n{\"n\":2,\"even\":true}\n");
}

#[test]
fn several_results_and_those_that_have_none() {
    let desk = desk();
    let sql = "create table t (i int); insert into t select generate_series(1, 3); select * from t where i > 2; \
               update t set i = 0; select 1 as a where false; drop table t";
    let told = desk.sql(sql);
    let told = told.assert_exit(0).json();
    assert_eq!(told["results"], json!([[{"i": 3}], []]));
    let statements = told["statements"].as_array().unwrap();
    let commands: Vec<_> = statements.iter().map(|it| (it["command"].clone(), it["rows"].clone())).collect();
    let expected = [
        (json!("CREATE TABLE"), json!(null)),
        (json!("INSERT 0 3"), json!(3)),
        (json!("SELECT 1"), json!(1)),
        (json!("UPDATE 3"), json!(3)),
        (json!("SELECT 0"), json!(0)),
        (json!("DROP TABLE"), json!(null)),
    ];
    assert_eq!(commands, expected);
    assert_stdout(desk.query(&["--output", "csv", "--sql", sql]).assert_exit(0), "i\n3\n\na\n");
    let table = " i \n---\n 3\n(1 row)\n\n a \n---\n(0 rows)\n";
    assert_stdout(desk.query(&["--output", "table", "--sql", sql]).assert_exit(0), table);
    assert_stdout(desk.query(&["--output", "none", "--sql", sql]).assert_exit(0), "");
}

#[test]
fn a_file_gets_the_rows_and_stdout_the_facts() {
    let desk = desk();
    let file = desk.write("rows.csv", "old");
    let options = ["--output", "csv", "--output-file", file.to_str().unwrap(), "--sql"];
    let with = |sql| options.iter().copied().chain([sql]).collect::<Vec<_>>();
    // What fails without a row leaves what was there.
    desk.query(&with("select broken")).assert_exit(10);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "old");
    let outcome = desk.query(&with("select 1 as one"));
    assert_eq!(outcome.assert_exit(0).json()["statements"][0]["command"], "SELECT 1");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "one\n1\n");
    // A file that cannot be written is found before anything is run.
    let nowhere =
        ["--output", "csv", "--output-file", "/nowhere/rows.csv", "--sql", "create table t (i int)"];
    desk.query(&nowhere).assert_exit(2).assert_says("/nowhere/rows.csv");
    assert_eq!(desk.look("select to_regclass('t') is null"), "t");
}

#[test]
fn what_was_expected_decides() {
    let desk = desk();
    for (options, code, says) in [
        (["--expect-rows", "2", "--sql", "select generate_series(1, 2)"], 0, ""),
        (
            ["--expect-rows", "1..", "--sql", "select 1 where false"],
            10,
            "it has 0 rows where --expect-rows wants 1 or more",
        ),
        (["--expect-rows", "3", "--sql", "create temp table t as select generate_series(1, 3)"], 0, ""),
        (["--expect", "results[0][0].n == `2`", "--sql", "select 2 as n"], 0, ""),
        (["--expect", "results[0][0].n == `3`", "--sql", "select 2 as n"], 10, "is not true of the response"),
        (["--expect", "statements[0].rows == `1`", "--sql", "select 2 as n"], 0, ""),
    ] {
        desk.query(&options).assert_exit(code).assert_says(says);
        let silent: Vec<&str> = options.into_iter().chain(["--output", "none"]).collect();
        desk.query(&silent).assert_exit(code);
    }
}

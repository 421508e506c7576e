//! Results in every form, value by value.

use serde_json::{Value, json};

use super::{assert_stdout, on, warehouse};

/// One of everything that a column can hold.
const VALUES: &str = "select 1::smallint as s, 2::int as i, 9223372036854775807::bigint as b, 1.50::numeric(10,2) as n, \
     0.1::float4 as f, 1e20::float8 as d, 'NaN'::float8 as nan, true as t, false as u, 'x'::varchar as v, \
     ''::varchar as e, null::varchar as z, 'ü,\"q\"'::text as q, E'two\\nlines' as l, date '2026-01-31' as day, \
     timestamp '2026-01-31 10:00:00.5' as at, '\\x00ff'::bytea as y, '{\"a\": [1, null]}'::json as j";

#[test]
fn types_are_kept_in_json() {
    let house = warehouse("");
    let outcome = house.run(on(&["--sql", VALUES]));
    let expected = json!({
        "s": 1, "i": 2, "b": 9_223_372_036_854_775_807_i64, "n": "1.50", "f": 0.1, "d": 1e20, "nan": "NaN",
        "t": true, "u": false, "v": "x", "e": "", "z": null, "q": "ü,\"q\"", "l": "two\nlines",
        "day": "2026-01-31", "at": "2026-01-31 10:00:00.5", "y": "AP8=", "j": { "a": [1, null] },
    });
    assert_eq!(outcome.assert_exit(0).json()["results"][0][0], expected);
    let line = house.run(on(&["--sql", VALUES, "--output", "jsonl"]));
    assert_eq!(line.assert_exit(0).json(), expected);
    assert_eq!(line.text().lines().count(), 1);
}

#[test]
fn csv_is_what_psql_prints() {
    let house = warehouse("page_rows = 3\n");
    house.prepare("select 1");
    for sql in [
        VALUES.replace("''::varchar as e, ", ""),
        "select n, n * 1.1::float8 as x, repeat('a,\"b', n % 5 + 1) as t, case when n % 3 = 0 then null else n end as z, \
         n % 2 = 0 as even, E'\\\\.' as dot, chr(128 + n) as u, 1 / n::float4 as r from generate_series(1, 100) n"
            .to_owned(),
        "select 1 as \"a,b\", 2 as \"say \"\"hi\"\"\", 3 as a, 4 as a, 5".to_owned(),
        "select 1 as nothing where false".to_owned(),
    ] {
        let outcome = house.run(on(&["--sql", &sql, "--output", "csv"]));
        let psql = house.postgres.psql(&["-d", "dev", "--csv", "-c", &sql]);
        assert_stdout(outcome.assert_exit(0), &psql);
    }
    // psql prints NULL and nothing alike; COPY, like this program, does not.
    let sql = "select '' as empty, null as nothing, 'x' as something";
    let copied =
        house.postgres.psql(&["-d", "dev", "-c", &format!("copy ({sql}) to stdout (format csv, header)")]);
    assert_eq!(copied, "empty,nothing,something\n\"\",,x\n");
    assert_stdout(house.run(on(&["--sql", sql, "--output", "csv"])).assert_exit(0), &copied);
}

#[test]
fn null_is_never_an_empty_text() {
    let house = warehouse("");
    let sql = "select null::text as a, '' as b, 'NULL' as c";
    for (more, expected) in [
        (&["--output", "csv"][..], "a,b,c\n,\"\",NULL\n"),
        (&["--output", "csv", "--null", "NULL"], "a,b,c\nNULL,,\"NULL\"\n"),
        (&["--output", "jsonl"], "{\"a\":null,\"b\":\"\",\"c\":\"NULL\"}\n"),
        (&["--output", "table"], "  a   | b |  c   \n------+---+------\n NULL |   | NULL\n(1 row)\n"),
        (&["--output", "table", "--null", "-"], " a | b |  c   \n---+---+------\n - |   | NULL\n(1 row)\n"),
    ] {
        assert_stdout(house.run(on(&[&["--sql", sql], more].concat())).assert_exit(0), expected);
    }
}

#[test]
fn a_table_is_like_psqls() {
    let house = warehouse("");
    house.prepare("select 1");
    let sql = "select n as id, repeat('x', n) as name, n / 4.0::float8 as part, 'end' as last from generate_series(1, 12) n";
    let psql = house.postgres.psql(&["-d", "dev", "-c", sql]);
    let outcome = house.run(on(&["--sql", sql, "--output", "table"]));
    assert_eq!(format!("{}\n", outcome.assert_exit(0).text()), psql);
}

#[test]
fn all_pages_of_all_results() {
    let house = warehouse("page_rows = 7\n");
    let sql = "select n from generate_series(1, 20) n; select 1 as i where false; create table t (i int); \
               select n * 10 as n from generate_series(1, 15) n";
    let outcome = house.run(on(&["--sql", sql]));
    let printed = outcome.assert_exit(0).json();
    let results = printed["results"].as_array().unwrap();
    let counts: Vec<usize> = results.iter().map(|rows| rows.as_array().unwrap().len()).collect();
    assert_eq!(counts, [20, 0, 15]);
    assert_eq!((&results[0][19], &results[2][14]), (&json!({ "n": 20 }), &json!({ "n": 150 })));
    assert_eq!(house.count("GetStatementResult"), 3 + 1 + 3);
}

#[test]
fn names_that_are_there_already_get_a_number() {
    let house = warehouse("");
    let outcome = house.run(on(&["--sql", "select 1 as a, 2 as a, 3 as a_2, 4 as a", "--output", "jsonl"]));
    assert_stdout(outcome.assert_exit(0), "{\"a\":1,\"a_3\":2,\"a_2\":3,\"a_4\":4}\n");
}

#[test]
fn nothing_is_fetched_for_nobody() {
    let house = warehouse("");
    let outcome = house.run(on(&["--sql", "select 1", "--output", "none", "--expect-rows", "1"]));
    assert_stdout(outcome.assert_exit(0), "");
    assert_eq!(house.count("GetStatementResult"), 0);
}

#[test]
fn a_file_takes_the_result_and_stdout_the_facts() {
    let house = warehouse("");
    let file = house.path("out.csv");
    let options = ["--sql", "select 1 as one", "--output", "csv", "--output-file", file.to_str().unwrap()];
    let facts: Value = house.run(on(&options)).assert_exit(0).json();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "one\n1\n");
    assert_eq!(
        (&facts["status"], &facts["rows"], &facts["results"]),
        (&json!("FINISHED"), &json!(1), &Value::Null)
    );
    // A failure leaves what was there.
    let before = house.sandbox.calls().len();
    let options = ["--sql", "select nothing", "--output", "csv", "--output-file", "/nowhere/out"];
    house.run(on(&options)).assert_exit(2).assert_says("/nowhere/out");
    assert_eq!(house.started(), 1, "found before anything is started");
    assert_eq!(house.sandbox.calls().len(), before, "and before any call");
}

#[test]
fn a_statement_without_rows() {
    let house = warehouse("");
    house.prepare("create table t (i int)");
    let outcome = house.run(on(&["--sql", "insert into t select generate_series(1, 5)"]));
    let printed = outcome.assert_exit(0).json();
    assert_eq!((&printed["rows"], &printed["results"]), (&json!(5), &json!([])));
    assert_stdout(house.run(on(&["--sql", "delete from t", "--output", "csv"])).assert_exit(0), "");
}

#[test]
fn a_full_disk_is_told() {
    let house = warehouse("");
    let full = house.run(on(&["--sql", "select 1", "--output", "csv", "--output-file", "/dev/full"]));
    full.assert_exit(80).assert_says("could not write the result to /dev/full");
    let id = house.newest();
    let again = house.run(["result", &id, "--output", "csv", "--output-file", "/dev/full"]);
    again.assert_exit(1).assert_says("it can be read again");
    let keyed = super::keyed(&["--sql", "select 1", "--output", "csv", "--output-file", "/dev/full"]);
    house.run(keyed).assert_exit(1).assert_says("it can be read again");
}

//! The other sub-commands.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use serde_json::json;
use testkit::Signal;

use super::{CLUSTER, ENDLESS, assert_stdout, on, warehouse};

const NOBODY: &str = "d9b6c0c9-0747-4bf4-b142-e8883122f766";

/// A sub-command on the documented cluster.
fn of<'a>(command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [command].into_iter().chain(CLUSTER).chain(more.iter().copied()).collect()
}

#[test]
fn the_result_of_an_earlier_statement() {
    let house = warehouse("page_rows = 2\n");
    house
        .run(on(&["--sql", "select n from generate_series(1, 5) n; select 'x' as b", "--output", "none"]))
        .assert_exit(0);
    let id = house.newest();
    assert_stdout(house.run(["result", &id, "--output", "csv"]).assert_exit(0), "n\n1\n2\n3\n4\n5\n\nb\nx\n");
    assert_stdout(house.run(["result", &format!("{id}:2"), "--output", "csv"]).assert_exit(0), "b\nx\n");
    let json = house.run(["result", &id]).assert_exit(0).json();
    assert_eq!((&json["adopted"], &json["results"][1]), (&json!(true), &json!([{ "b": "x" }])));
    house.run(["result", &id, "--expect-rows", "5"]).assert_exit(10);
    house.run(["result", NOBODY]).assert_exit(65).assert_says("there is no statement");
    assert_eq!(house.started(), 1);
}

#[test]
fn results_are_kept_for_a_day() {
    let house = warehouse("");
    house.run(on(&["--sql", "select 1"])).assert_exit(0);
    let id = house.newest();
    house.sandbox.advance(Duration::from_hours(25));
    house.write_token(
        "system:serviceaccount:team-ns:glue-trigger",
        "sts.amazonaws.com",
        Duration::from_hours(1),
    );
    let outcome = house.run(["result", &id]);
    outcome.assert_exit(65).assert_says(&id).assert_says("24 hours");
}

#[test]
fn a_result_is_waited_for_and_nothing_of_others_is_cancelled() {
    let house = warehouse("[[redshift.courses]]\nwhen = '%'\nhold = '2s'\n");
    house.run(on(&["--sql", "select 1 as one", "--no-wait"])).assert_exit(0);
    let id = house.newest();
    let running = house.start(["result", &id]);
    running.wait_for_calls("redshift-data", "DescribeStatement", 1);
    running.signal(Signal::TERM);
    running.finish().assert_exit(143).assert_says("goes on");
    assert_eq!(house.count("CancelStatement"), 0);
    assert_stdout(house.run(["result", &id, "--output", "csv"]).assert_exit(0), "one\n1\n");
}

#[test]
fn the_result_of_one_that_failed() {
    let house = warehouse("");
    house.run(on(&["--sql", "select nothing"])).assert_exit(10);
    house.run(["result", &house.newest()]).assert_exit(10).assert_says("nothing");
}

#[test]
fn cancelling_a_statement() {
    let house = warehouse("[[redshift.courses]]\nwhen = '%'\nhold = '1h'\naborted_after = '1s'\n");
    house.run(on(&["--sql", "select 1", "--no-wait"])).assert_exit(0);
    let id = house.newest();
    let outcome = house.run(["cancel", &id]);
    assert_eq!(outcome.assert_exit(0).json()["status"], "ABORTED");
    assert_eq!(house.sandbox.statements()[0].status, "ABORTED");
    // What is over already.
    house.run(["cancel", &id]).assert_exit(0);
    house.run(["cancel", NOBODY]).assert_exit(65);

    let house = warehouse("");
    house.run(on(&["--sql", "select 1"])).assert_exit(0);
    let outcome = house.run(["cancel", &house.newest()]);
    outcome.assert_exit(65).assert_says("there was nothing to cancel").assert_says("FINISHED");
}

#[test]
fn the_newest_statements() {
    let house = warehouse(&ENDLESS.replace("'%'", "'%endless%'"));
    for (name, sql) in
        [("a-1", "select 1"), ("a-2", "select nothing"), ("b-1", "select 'Hunter2', 3; select 4")]
    {
        house.run(on(&["--sql", sql, "--statement-name", name, "--output", "none"]));
    }
    house.run(on(&["--sql", "select 'endless'", "--no-wait"])).assert_exit(0);
    let names = |options: &[&str]| -> Vec<String> {
        let words = ["list"].iter().chain(options);
        let json = house.run(words).assert_exit(0).json();
        let statements = json["statements"].as_array().unwrap().clone();
        statements.iter().map(|it| it["statement_name"].as_str().unwrap_or("-").to_owned()).collect()
    };
    assert_eq!(names(&[]), ["-", "b-1", "a-2", "a-1"]);
    assert_eq!(names(&["--name-prefix", "a"]), ["a-2", "a-1"]);
    assert_eq!(names(&["--status", "failed"]), ["a-2"]);
    assert_eq!(names(&["--limit", "2"]), ["-", "b-1"]);
    let json = house.run(["list", "--name-prefix", "b"]).assert_exit(0).json();
    assert_eq!(
        (&json["statements"][0]["statements"], &json["statements"][0]["sql"]),
        (&json!(2), &json!("select '…', …"))
    );
    let csv = house.run(["list", "--output", "csv"]);
    assert!(
        csv.assert_exit(0).text().starts_with("statement_id,status,statement_name,created_at,"),
        "{}",
        csv.text()
    );
    let table = house.run(["list", "--output", "table"]);
    assert!(table.assert_exit(0).text().ends_with("(4 rows)\n"));
}

#[test]
fn statements_of_other_sessions_of_the_role() {
    let house = warehouse("").nameless();
    house.run(on(&["--sql", "select 1"])).assert_exit(0);
    let count = |options: &[&str]| {
        let words = ["list", "--role-session-name", "other"].iter().chain(options);
        house.run(words).assert_exit(0).json()["statements"].as_array().unwrap().len()
    };
    assert_eq!((count(&[]), count(&["--all-sessions"])), (0, 1));
}

#[test]
fn what_there_is_in_a_database() {
    let house = warehouse("");
    house.prepare(
        "create schema shop; create table shop.orders (id int not null, note varchar(20) default 'none'); \
         create view shop.open as select id from shop.orders; create table other (x float8)",
    );
    let databases = house.run(of("databases", &[])).assert_exit(0).json();
    assert_eq!(databases, json!({ "databases": [{ "database": "dev" }, { "database": "sales" }] }));
    let schemas = house.run(of("schemas", &["--schema-pattern", "sh%", "--output", "csv"]));
    assert_stdout(schemas.assert_exit(0), "schema\nshop\n");
    let tables = house.run(of("tables", &["--schema-pattern", "shop", "--output", "jsonl"]));
    let expected = "{\"schema\":\"shop\",\"name\":\"open\",\"type\":\"VIEW\"}\n{\"schema\":\"shop\",\"name\":\"orders\",\"type\":\"TABLE\"}\n";
    assert_stdout(tables.assert_exit(0), expected);
    let table = house.run(of("tables", &["--table-pattern", "oth_r", "--output", "table"]));
    assert_stdout(
        table.assert_exit(0),
        " schema | name  | type  \n--------+-------+-------\n public | other | TABLE\n(1 row)\n",
    );
    let columns =
        house.run(of("describe-table", &["--schema", "shop", "--table", "orders"])).assert_exit(0).json();
    let told = |column: usize, member: &str| columns["columns"][column][member].clone();
    assert_eq!(
        (told(0, "name"), told(0, "type"), told(0, "nullable")),
        (json!("id"), json!("int4"), json!(false))
    );
    assert_eq!(
        (told(1, "name"), told(1, "length"), told(1, "nullable")),
        (json!("note"), json!(20), json!(true))
    );
    assert!(told(1, "default").as_str().unwrap().contains("none"));
    assert_eq!(house.started(), 0);
}

#[test]
fn all_pages_of_a_list() {
    let house = warehouse("");
    let many: Vec<String> = (0..1100).map(|n| format!("create table t{n:04} (i int)")).collect();
    house.prepare(&many.join(";"));
    let tables = house.run(of("tables", &["--schema-pattern", "public", "--output", "csv"]));
    let lines: Vec<&str> = tables.assert_exit(0).text().lines().collect();
    assert_eq!((lines.len(), lines[1], lines[1100]), (1101, "public,t0000,TABLE", "public,t1099,TABLE"));
    assert_eq!(house.count("ListTables"), 2);
}

#[test]
fn common_options_stand_anywhere_and_those_of_run_do_not() {
    let house = warehouse("");
    house.run(["--region", "us-east-2", "--output", "csv", "list"]).assert_exit(0);
    let outcome = house.run(["--sql", "select 1", "list"]);
    outcome.assert_exit(2).assert_says("--sql stands in front of list");
    house.run(of("run", &["--sql", "select 1"])).assert_exit(0);
}

#[test]
fn a_list_that_never_ends_is_not_followed_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let _ = client.read(&mut [0; 8192]);
            let body = r#"{"Schemas":["public"],"Statements":[],"NextToken":"again"}"#;
            let length = body.len();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nConnection: close";
            let _ = client.write_all(format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes());
        }
    });
    let house = warehouse("").env("AWS_ENDPOINT_URL_REDSHIFT_DATA", url);
    for args in [of("schemas", &["--timeout", "60s"]), vec!["list", "--timeout", "60s"]] {
        let outcome = house.run(args);
        outcome.assert_exit(75).assert_says("a page names itself as the next one");
        assert!(outcome.elapsed < Duration::from_secs(50), "{:?}", outcome.elapsed);
    }
}

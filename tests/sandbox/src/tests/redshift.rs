use serde_json::json;
use testkit::Postgres;

use super::*;
use crate::fault::{Fault, FaultKind};

/// The documented world with a `PostgreSQL`, and a client of it.
struct Warehouse {
    bench: Bench,
    keys: Keys,
    postgres: Postgres,
}

fn warehouse(settings: &str) -> Warehouse {
    altered(settings, ToOwned::to_owned)
}

fn altered(settings: &str, alter: impl Fn(&str) -> String) -> Warehouse {
    let postgres = Postgres::start();
    let bench = bench(&format!("{}{}{settings}", alter(TWO_ACCOUNTS), postgres.world()));
    let keys = bench.second();
    Warehouse { bench, keys, postgres }
}

/// Members together; those of the second win.
fn with(mut members: Value, others: &Value) -> Value {
    for (name, value) in others.as_object().unwrap() {
        members[name] = value.clone();
    }
    members
}

fn on_cluster(sql: &str) -> Value {
    json!({ "Sql": sql, "ClusterIdentifier": "analytics", "Database": "dev", "DbUser": "etl" })
}

impl Warehouse {
    async fn ask(&self, operation: &str, parameters: &Value) -> (u16, Value) {
        self.bench.json_later(&self.keys, &format!("RedshiftData.{operation}"), parameters).await
    }

    /// A call that goes well.
    async fn done(&self, operation: &str, parameters: &Value) -> Value {
        let (status, answer) = self.ask(operation, parameters).await;
        assert_eq!(status, 200, "{operation} {parameters}: {answer}");
        answer
    }

    /// Code and text of a call that is refused.
    async fn refused(&self, operation: &str, parameters: &Value) -> (String, String) {
        let (status, answer) = self.ask(operation, parameters).await;
        assert!(status >= 400, "{operation} {parameters}: {answer}");
        let text = answer["Message"].as_str().or(answer["message"].as_str()).unwrap_or_default();
        (answer["__type"].as_str().unwrap().to_owned(), text.to_owned())
    }

    /// Sends a statement; its id.
    async fn send(&self, parameters: &Value) -> String {
        let operation =
            if parameters["Sqls"].is_null() { "ExecuteStatement" } else { "BatchExecuteStatement" };
        self.done(operation, parameters).await["Id"].as_str().unwrap().to_owned()
    }

    /// What is told of a statement when it is over.
    async fn ended(&self, id: &str) -> Value {
        self.done("DescribeStatement", &json!({ "Id": id, "WaitTimeSeconds": 30 })).await
    }

    async fn run(&self, parameters: &Value) -> Value {
        let id = self.send(parameters).await;
        self.ended(&id).await
    }

    async fn rows(&self, parameters: &Value) -> Value {
        let ended = self.run(parameters).await;
        assert_eq!(ended["Status"], "FINISHED", "{ended}");
        self.done("GetStatementResult", &json!({ "Id": ended["Id"] })).await
    }
}

#[tokio::test]
async fn a_statement_and_its_result() {
    let warehouse = warehouse("page_rows = 2\n");
    let sql = "select n, 'x' || n as label, null::int as nothing from generate_series(1, 5) n";
    let sent = warehouse.done("ExecuteStatement", &on_cluster(sql)).await;
    let told = with(sent.clone(), &json!({ "Id": null, "CreatedAt": null }));
    let expected = json!({
        "Id": null, "CreatedAt": null, "ClusterIdentifier": "analytics", "Database": "dev", "DbUser": "etl",
    });
    assert_eq!(told, expected);
    let ended = warehouse.ended(sent["Id"].as_str().unwrap()).await;
    assert_eq!(
        (&ended["Status"], &ended["HasResultSet"], &ended["ResultRows"], &ended["ResultSize"]),
        (&json!("FINISHED"), &json!(true), &json!(5), &json!(15))
    );
    assert_eq!((&ended["QueryString"], &ended["DbUser"]), (&json!(sql), &json!("etl")));
    assert!(ended["Duration"].as_i64().unwrap() > 0 && ended["RedshiftPid"].as_i64().unwrap() > 0);
    assert!(ended["CreatedAt"].as_f64() <= ended["UpdatedAt"].as_f64());

    let (mut rows, mut token, mut pages) = (Vec::new(), Value::Null, 0);
    loop {
        let mut request = json!({ "Id": ended["Id"] });
        if !token.is_null() {
            request["NextToken"] = token;
        }
        let page = warehouse.done("GetStatementResult", &request).await;
        assert_eq!(page["TotalNumRows"], 5);
        rows.extend(page["Records"].as_array().unwrap().clone());
        let names: Vec<_> = page["ColumnMetadata"].as_array().unwrap().iter().map(|c| &c["name"]).collect();
        assert_eq!(names, ["n", "label", "nothing"]);
        (token, pages) = (page["NextToken"].clone(), pages + 1);
        if token.is_null() {
            break;
        }
    }
    assert_eq!((pages, rows.len()), (3, 5));
    assert_eq!(rows[4], json!([{ "longValue": 5 }, { "stringValue": "x5" }, { "isNull": true }]));

    let listed = warehouse.done("ListStatements", &json!({ "Status": "ALL" })).await;
    assert_eq!(listed["Statements"][0]["Id"], sent["Id"]);
    let seen = warehouse.bench.cloud.redshift().list();
    assert_eq!(
        (seen.len(), &seen[0].sqls[..], seen[0].status.as_str()),
        (1, &[sql.to_owned()][..], "FINISHED")
    );
    assert_eq!(seen[0].owner, "arn:aws:sts::222222222222:assumed-role/external-glue/pod");
}

#[tokio::test]
async fn a_statement_that_is_cancelled() {
    let warehouse = warehouse("");
    let id = warehouse.send(&on_cluster("select pg_sleep(60)")).await;
    while warehouse.done("DescribeStatement", &json!({ "Id": id })).await["Status"] != "STARTED" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(warehouse.done("CancelStatement", &json!({ "Id": id })).await, json!({ "Status": true }));
    let ended = warehouse.ended(&id).await;
    assert_eq!((&ended["Status"], &ended["HasResultSet"]), (&json!("ABORTED"), &json!(false)));
    let (code, text) = warehouse.refused("CancelStatement", &json!({ "Id": id })).await;
    assert_eq!(code, "ValidationException");
    assert_eq!(text, format!("Could not cancel a query that is already in ABORTED state with ID: {id}"));
    let (code, _) = warehouse.refused("GetStatementResult", &json!({ "Id": id })).await;
    assert_eq!(code, "ResourceNotFoundException");
}

#[tokio::test]
async fn what_the_server_says_of_a_mistake() {
    let warehouse = warehouse("");
    let ended = warehouse.run(&on_cluster("select 1 +\n nothing")).await;
    assert_eq!(ended["Status"], "FAILED");
    assert_eq!(ended["Error"], "ERROR: column \"nothing\" does not exist\n  Position: 13");
    let text = json!({ "Database": "nowhere" });
    let ended = warehouse.run(&with(on_cluster("select 1"), &text)).await;
    assert_eq!(ended["Error"], "FATAL: database \"nowhere\" does not exist");
}

#[tokio::test]
async fn every_value_is_what_psql_shows() {
    let warehouse = warehouse("");
    let sql = "select 7::int2 a, 8::int8 b, 1.50::numeric(9,2) c, 0.1::float8 d, true e, null::date f, '' g, \
               '2024-02-29 12:00:01.5+00'::timestamptz h, '2024-02-29'::date i, 'x'::char(3) j, \
               '{\"a\": [1]}'::jsonb k, '0b8f0a8e-0000-4000-8000-000000000000'::uuid l, array[1,2] m";
    let rows = warehouse.rows(&on_cluster(sql)).await;
    let text = |field: &Value| match field.as_object().unwrap().iter().next().unwrap() {
        (kind, _) if kind == "isNull" => "(null)".into(),
        (kind, value) if kind == "booleanValue" => {
            if value == true {
                "t".into()
            } else {
                "f".into()
            }
        }
        (kind, value) if kind == "stringValue" => value.as_str().unwrap().to_owned(),
        (_, value) => value.to_string(),
    };
    let texts: Vec<String> = rows["Records"][0].as_array().unwrap().iter().map(text).collect();
    let expected = warehouse.postgres.psql(&["-d", "dev", "-At", "-P", "null=(null)", "-c", sql]);
    assert_eq!(texts.join("|") + "\n", expected);
    let of = |member: &str| {
        let columns = rows["ColumnMetadata"].as_array().unwrap();
        columns.iter().map(|column| column[member].clone()).collect::<Vec<_>>()
    };
    let kinds =
        ["int2", "int8", "numeric", "float8", "bool", "date", "varchar", "timestamptz", "date", "bpchar"];
    assert_eq!(of("typeName")[..10], kinds);
    assert_eq!(of("typeName")[10..], ["super", "varchar", "_int4"]);
    assert_eq!(
        (&of("precision")[2], &of("scale")[2], &of("precision")[9]),
        (&json!(9), &json!(2), &json!(3))
    );
}

fn batch(sqls: &[&str]) -> Value {
    json!({ "Sqls": sqls, "ClusterIdentifier": "analytics", "Database": "dev", "DbUser": "etl" })
}

fn of_parts(ended: &Value, member: &str) -> Vec<Value> {
    ended["SubStatements"].as_array().unwrap().iter().map(|part| part[member].clone()).collect()
}

#[tokio::test]
async fn a_batch_is_all_or_nothing() {
    let warehouse = warehouse("");
    let sqls =
        ["create table t (a int primary key)", "insert into t values (1), (2)", "select a from t order by a"];
    let ended = warehouse.run(&batch(&sqls)).await;
    let id = ended["Id"].as_str().unwrap();
    assert_eq!((&ended["Status"], &ended["HasResultSet"]), (&json!("FINISHED"), &json!(true)));
    assert_eq!(of_parts(&ended, "Id"), [1, 2, 3].map(|number| format!("{id}:{number}")));
    assert_eq!(of_parts(&ended, "ResultRows"), [0, 2, 2]);
    assert_eq!(of_parts(&ended, "HasResultSet"), [false, false, true]);
    assert_eq!(of_parts(&ended, "QueryString"), sqls);
    let rows = warehouse.done("GetStatementResult", &json!({ "Id": format!("{id}:3") })).await;
    assert_eq!(rows["Records"], json!([[{ "longValue": 1 }], [{ "longValue": 2 }]]));
    let (code, _) = warehouse.refused("GetStatementResult", &json!({ "Id": id })).await;
    assert_eq!(code, "ValidationException");
    let (code, _) = warehouse.refused("GetStatementResult", &json!({ "Id": format!("{id}:1") })).await;
    assert_eq!(code, "ResourceNotFoundException");
    let part = warehouse.ended(&format!("{id}:2")).await;
    assert_eq!((&part["Id"], &part["QueryString"]), (&json!(format!("{id}:2")), &json!(sqls[1])));
    let (code, _) = warehouse.refused("DescribeStatement", &json!({ "Id": format!("{id}:4") })).await;
    assert_eq!(code, "ResourceNotFoundException");

    let sqls = ["insert into t values (3)", "insert into t values (1)", "insert into t values (4)"];
    let ended = warehouse.run(&batch(&sqls)).await;
    assert_eq!(
        (&ended["Status"], &of_parts(&ended, "Status")[..]),
        (&json!("FAILED"), &[json!("FINISHED"), json!("FAILED"), json!("ABORTED")][..])
    );
    let error = "ERROR: duplicate key value violates unique constraint \"t_pkey\"\n  Detail: Key (a)=(1) already exists.";
    assert_eq!(ended["Error"], format!("Query #2 failed with {error}"));
    assert_eq!(of_parts(&ended, "Error"), [Value::Null, json!(error), Value::Null]);
    let count = || warehouse.postgres.psql(&["-d", "dev", "-At", "-c", "select count(*) from t"]);
    assert_eq!(count(), "2\n");

    let ended = warehouse.run(&with(batch(&sqls), &json!({ "ExecutionMode": "AUTO_COMMIT" }))).await;
    assert_eq!(of_parts(&ended, "Status"), ["FINISHED", "FAILED", "FINISHED"]);
    assert_eq!((&ended["Status"], &ended["ExecutionMode"]), (&json!("FAILED"), &json!("AUTO_COMMIT")));
    assert_eq!(count(), "4\n");

    // What is refused at the end fails the whole.
    let sqls =
        ["create table u (a int references t deferrable initially deferred)", "insert into u values (99)"];
    let ended = warehouse.run(&batch(&sqls)).await;
    assert_eq!((&ended["Status"], &of_parts(&ended, "Status")[1]), (&json!("FAILED"), &json!("FAILED")));
    assert_eq!(warehouse.postgres.psql(&["-d", "dev", "-At", "-c", "select to_regclass('u')"]), "\n");
}

#[tokio::test]
async fn parameters_are_values_and_nothing_else() {
    let warehouse = warehouse("");
    let given = |sql: &str, parameters: &[(&str, &str)]| {
        let parameters: Vec<_> =
            parameters.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        with(on_cluster(sql), &json!({ "Parameters": parameters }))
    };
    let evil = "'; drop table t; --";
    let rows =
        warehouse.rows(&given("select :text as t, :n::int * 2, ':n'", &[("n", "21"), ("text", evil)])).await;
    assert_eq!(
        rows["Records"],
        json!([[{ "stringValue": evil }, { "longValue": 42 }, { "stringValue": ":n" }]])
    );
    let ended = warehouse.run(&given("select :long_name::int, nothing", &[("long_name", "1")])).await;
    assert_eq!(ended["Error"], "ERROR: column \"nothing\" does not exist\n  Position: 25");
    assert_eq!(ended["QueryParameters"], json!([{ "name": "long_name", "value": "1" }]));
    let ended = warehouse.run(&given("select :n::int", &[("n", "x")])).await;
    assert_eq!(ended["Error"], "ERROR: invalid input syntax for type integer: \"x\"");
    for (sql, parameters, expected) in [
        ("select :a", &[][..], "missing the parameter: [a]"),
        ("select 1", &[("a", "1")], "unused parameters: [a]"),
        ("select :a", &[("a", "1"), ("a", "2")], "duplicate parameters: [a]"),
        ("select :a", &[("a b", "1")], "regular expression pattern: [0-9a-zA-Z_]+"),
        ("select :a", &[("a", "")], "length greater than or equal to 1"),
    ] {
        let request = if parameters.is_empty() { on_cluster(sql) } else { given(sql, parameters) };
        let (code, text) = warehouse.refused("ExecuteStatement", &request).await;
        assert_eq!(code, "ValidationException");
        assert!(text.contains(expected), "{text}");
    }
    // Each statement of a batch takes those that it names.
    let parameters = json!({ "Parameters": [{ "name": "a", "value": "1" }, { "name": "b", "value": "2" }] });
    let ended = warehouse.run(&with(batch(&["select :a", "select :b, :a"]), &parameters)).await;
    assert_eq!(ended["Status"], "FINISHED");
    assert_eq!(warehouse.bench.cloud.redshift().list().last().unwrap().parameters["b"], "2");
}

#[tokio::test]
async fn statements_over_time() {
    let warehouse = warehouse(
        "[[redshift.courses]]\nwhen = 'select 1%'\npicked_after = '1m'\nstarted_after = '2m'\nhold = '3m'\n\
         started_as = 'UNKNOWN'\n\
         [[redshift.courses]]\nwhen = 'broken-%'\nerror = 'ERROR: disk full'\n\
         [[redshift.courses]]\nwhen = '%stopped%'\naborted = true\n\
         [[redshift.courses]]\nwhen = 'lingering'\nhold = '1h'\naborted_after = '2m'\n",
    );
    let minutes = |minutes| warehouse.bench.advance(Duration::from_mins(minutes));
    // What is due happens a little later.
    let becomes = async |id: &str, expected: &str| {
        for _ in 0..500 {
            let told = warehouse.done("DescribeStatement", &json!({ "Id": id })).await;
            if told["Status"] == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{id} does not become {expected}");
    };
    let id = warehouse.send(&on_cluster("select 1 as one")).await;
    becomes(&id, "SUBMITTED").await;
    minutes(1);
    becomes(&id, "PICKED").await;
    minutes(1);
    becomes(&id, "UNKNOWN").await;
    let (code, text) = warehouse.refused("GetStatementResult", &json!({ "Id": id })).await;
    assert_eq!(code, "ValidationException");
    assert!(text.contains("does not have result"), "{text}");
    minutes(3);
    let ended = warehouse.ended(&id).await;
    assert_eq!(ended["Status"], "FINISHED");
    assert!(ended["Duration"].as_i64().unwrap() >= 180_000_000_000);

    let named = |name: &str| with(on_cluster("create table t (a int)"), &json!({ "StatementName": name }));
    let ended = warehouse.run(&named("broken-1")).await;
    assert_eq!((&ended["Status"], &ended["Error"]), (&json!("FAILED"), &json!("ERROR: disk full")));
    assert_eq!(warehouse.run(&named("stopped")).await["Status"], "ABORTED");
    let id = warehouse.send(&named("lingering")).await;
    becomes(&id, "STARTED").await;
    warehouse.bench.cloud.cancel_statement(&id).unwrap();
    minutes(1);
    becomes(&id, "STARTED").await;
    minutes(1);
    assert_eq!(warehouse.ended(&id).await["Status"], "ABORTED");
    assert!(warehouse.bench.cloud.cancel_statement(&id).is_err());
    // Nothing of it was run.
    assert_eq!(warehouse.postgres.psql(&["-d", "dev", "-At", "-c", "select to_regclass('t')"]), "\n");

    let id = warehouse.send(&on_cluster("select 1 as two")).await;
    warehouse.done("CancelStatement", &json!({ "Id": id })).await;
    assert_eq!(warehouse.ended(&id).await["Status"], "ABORTED");
}

#[tokio::test]
async fn a_client_token_starts_once() {
    let warehouse = warehouse("");
    warehouse.run(&on_cluster("create table t (a int)")).await;
    let insert = with(on_cluster("insert into t values (1)"), &json!({ "ClientToken": "t-1" }));
    let first = warehouse.send(&insert).await;
    assert_eq!(warehouse.send(&insert).await, first);
    let waiting = with(insert.clone(), &json!({ "WaitTimeSeconds": 30 }));
    let again = warehouse.done("ExecuteStatement", &waiting).await;
    assert_eq!((&again["Id"], &again["Status"]), (&json!(first), &json!("FINISHED")));
    let other = with(insert.clone(), &json!({ "Sql": "insert into t values (2)" }));
    let (code, text) = warehouse.refused("ExecuteStatement", &other).await;
    assert_eq!(code, "ValidationException");
    assert!(text.contains("client token"), "{text}");
    assert_eq!(warehouse.bench.cloud.redshift().list().len(), 2);
    warehouse.bench.advance(Duration::from_hours(8));
    let keys = warehouse.bench.second();
    let (_, later) = warehouse.bench.json_later(&keys, "RedshiftData.ExecuteStatement", &insert).await;
    assert_ne!(later["Id"], json!(first));
}

#[tokio::test]
async fn requests_that_wait() {
    let settings = "waiting_limit = 1\n[[redshift.courses]]\nwhen = 'select 7'\nhold = '50s'\n";
    let warehouse = warehouse(settings);
    let wait = json!({ "WaitTimeSeconds": 30 });
    let sent = warehouse.done("ExecuteStatement", &with(on_cluster("select 1"), &wait)).await;
    assert_eq!((&sent["Status"], &sent["HasResultSet"]), (&json!("FINISHED"), &json!(true)));
    assert!(sent["RedshiftPid"].as_i64().unwrap() > 0);
    let sent = warehouse.done("BatchExecuteStatement", &with(batch(&["select nothing"]), &wait)).await;
    assert_eq!((&sent["Status"], &sent["HasResultSet"]), (&json!("FAILED"), &json!(false)));

    let id = warehouse.send(&on_cluster("select 7")).await;
    let waiting = with(wait.clone(), &json!({ "Id": id }));
    let advance = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let (code, _) = warehouse.refused("DescribeStatement", &waiting).await;
        assert_eq!(code, "ActiveWaitingRequestsExceededException");
        warehouse.bench.advance(Duration::from_secs(31));
    };
    let (told, ()) = tokio::join!(warehouse.done("DescribeStatement", &waiting), advance);
    assert_eq!(told["Status"], "STARTED");
    let advance = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        warehouse.bench.advance(Duration::from_secs(20));
    };
    let (told, ()) = tokio::join!(warehouse.done("GetStatementResult", &waiting), advance);
    assert_eq!(told["Records"], json!([[{ "longValue": 7 }]]));
    // What is refused in the end is written down as refused.
    let id = warehouse.send(&on_cluster("create table t (a int)")).await;
    let waiting = with(wait, &json!({ "Id": id }));
    let (code, _) = warehouse.refused("GetStatementResult", &waiting).await;
    assert_eq!(code, "ResourceNotFoundException");
    let record = warehouse.bench.cloud.record();
    let last = record.calls.last().unwrap();
    assert_eq!((last.status, last.error.as_deref()), (Some(400), Some("ResourceNotFoundException")));
}

#[tokio::test]
async fn endpoints_that_do_not_wait() {
    let wait = json!({ "WaitTimeSeconds": 30 });
    let old = warehouse("no_long_poll = true\n");
    let (code, text) = old.refused("ExecuteStatement", &with(on_cluster("select 1"), &wait)).await;
    assert_eq!((code.as_str(), text.contains("WaitTimeSeconds")), ("ValidationException", true));
    assert_eq!(old.bench.cloud.redshift().list().len(), 0);
    let deaf = warehouse("long_poll_ignored = true\n");
    let sent = deaf.done("ExecuteStatement", &with(on_cluster("select pg_sleep(9)"), &wait)).await;
    assert_eq!(sent["Status"], Value::Null);
}

#[tokio::test]
async fn sessions_keep_what_is_temporary() {
    let warehouse = warehouse("session_limit = 1\n[[redshift.courses]]\nwhen = 'select 7'\nhold = '1h'\n");
    let sql = on_cluster("create temp table t as select 5 as a");
    let alive = with(sql, &json!({ "SessionKeepAliveSeconds": 100 }));
    let first = warehouse.run(&alive).await;
    let session = json!({ "SessionId": first["SessionId"] });
    let reuse = |sql: &str| with(session.clone(), &json!({ "Sql": sql }));
    let rows = warehouse.rows(&reuse("select a from t")).await;
    assert_eq!(rows["Records"], json!([[{ "longValue": 5 }]]));
    let listed = async |choice: Value| warehouse.done("ListSessions", &choice).await["Sessions"].clone();
    let told = &listed(json!({})).await[0];
    assert_eq!((&told["Status"], &told["SessionAliveSeconds"]), (&json!("AVAILABLE"), &json!(100)));
    assert_eq!((&told["Database"], &told["ClusterIdentifier"]), (&json!("dev"), &json!("analytics")));
    let (code, _) = warehouse.refused("ExecuteStatement", &alive).await;
    assert_eq!(code, "ActiveSessionsExceededException");

    let id = warehouse.send(&reuse("select 7")).await;
    let told = &listed(session.clone()).await[0];
    assert_eq!((&told["Status"], &told["CurrentStatementId"]), (&json!("BUSY"), &json!(id)));
    let (code, text) = warehouse.refused("ExecuteStatement", &reuse("select 1")).await;
    assert_eq!((code.as_str(), text.contains("BUSY")), ("ValidationException", true));
    warehouse.done("CancelStatement", &json!({ "Id": id })).await;
    warehouse.ended(&id).await;
    let (code, _) =
        warehouse.refused("ExecuteStatement", &with(reuse("select 1"), &json!({ "Database": "dev" }))).await;
    assert_eq!(code, "ValidationException");

    warehouse.bench.advance(Duration::from_secs(101));
    assert_eq!(listed(json!({})).await, json!([]));
    assert_eq!(
        listed(json!({ "Status": "CLOSED", "Database": "dev" })).await[0]["SessionId"],
        session["SessionId"]
    );
    let (code, text) = warehouse.refused("ExecuteStatement", &reuse("select 1")).await;
    assert_eq!((code.as_str(), text.contains("CLOSED")), ("ValidationException", true));
    let unknown = json!({ "SessionId": "00000000-0000-4000-a000-000000000000", "Sql": "select 1" });
    assert_eq!(warehouse.refused("ExecuteStatement", &unknown).await.0, "ResourceNotFoundException");
}

#[tokio::test]
async fn requests_that_do_not_hold_together() {
    let warehouse = warehouse("active_limit = 1\n[[redshift.courses]]\nwhen = 'select 7'\nhold = '1h'\n");
    let sql = json!({ "Sql": "select 1", "Database": "dev" });
    let and = |others: Value| with(sql.clone(), &others);
    let long = "x".repeat(102_401);
    for (request, expected) in [
        (and(json!({})), "Either ClusterIdentifier or WorkgroupName"),
        (
            and(json!({ "ClusterIdentifier": "analytics", "WorkgroupName": "adhoc" })),
            "cannot be specified together",
        ),
        (
            and(json!({ "ClusterIdentifier": "analytics", "DbUser": "etl", "SecretArn": "x" })),
            "DbUser and SecretArn",
        ),
        (
            and(json!({ "WorkgroupName": "adhoc", "DbUser": "etl" })),
            "DbUser cannot be specified with WorkgroupName",
        ),
        (json!({ "Sql": "select 1", "ClusterIdentifier": "analytics" }), "Database must be specified"),
        (
            and(json!({ "ClusterIdentifier": "Analytics" })),
            "regular expression pattern: [a-z][a-z0-9]*(-[a-z0-9]+)*",
        ),
        (
            and(json!({ "ClusterIdentifier": "analytics", "SecretArn": "analytics-none" })),
            "can't find the specified secret",
        ),
        (
            json!({ "ClusterIdentifier": "analytics", "Database": "dev" }),
            "'sql' failed to satisfy constraint: Member must not be null",
        ),
        (and(json!({ "ClusterIdentifier": "analytics", "Sql": long })), "larger than 100kB"),
        (and(json!({ "ClusterIdentifier": "analytics", "ResultFormat": "XML" })), "[JSON, CSV]"),
        (and(json!({ "ClusterIdentifier": "analytics", "WaitTimeSeconds": 31 })), "less than or equal to 30"),
        (
            and(json!({ "ClusterIdentifier": "analytics", "SessionKeepAliveSeconds": 86_401 })),
            "less than or equal to 86400",
        ),
        (
            and(json!({ "ClusterIdentifier": "analytics", "StatementName": "x".repeat(2049) })),
            "less than or equal to 2048",
        ),
        (and(json!({ "ClusterIdentifier": "analytics", "ClientToken": "" })), "greater than or equal to 1"),
    ] {
        let (code, text) = warehouse.refused("ExecuteStatement", &request).await;
        assert_eq!(code, "ValidationException", "{text}");
        assert!(text.contains(expected), "{text}");
    }
    let sqls = vec!["select 1"; 41];
    let (_, text) = warehouse.refused("BatchExecuteStatement", &batch(&sqls)).await;
    assert!(
        text.contains(
            "'sqls' failed to satisfy constraint: Member must have length less than or equal to 40"
        ),
        "{text}"
    );
    let (code, text) = warehouse.refused("DescribeStatement", &json!({ "Id": "x" })).await;
    assert_eq!(
        (code.as_str(), text.starts_with("id must satisfy regex pattern: ^[a-z0-9]{8}")),
        ("ValidationException", true)
    );
    let unknown = json!({ "Id": "00000000-0000-4000-a000-000000000000" });
    assert_eq!(warehouse.refused("DescribeStatement", &unknown).await.0, "ResourceNotFoundException");
    warehouse.send(&on_cluster("select 7")).await;
    let (code, text) = warehouse.refused("ExecuteStatement", &on_cluster("select 1")).await;
    assert_eq!(
        (code.as_str(), text.as_str()),
        ("ActiveStatementsExceededException", "Active statements exceeded the allowed quota (1).")
    );
    let user = with(on_cluster("select 1"), &json!({ "WorkgroupName": "adhoc" }));
    let mut user = user;
    for member in ["ClusterIdentifier", "DbUser"] {
        user.as_object_mut().unwrap().remove(member);
    }
    assert_eq!(warehouse.run(&user).await["Status"], "FINISHED");
}

#[tokio::test]
async fn what_each_way_to_connect_needs() {
    let open = warehouse("");
    let on = |others: Value| with(json!({ "Sql": "select 1", "Database": "dev" }), &others);
    let cluster = json!({ "ClusterIdentifier": "analytics" });
    let workgroup = json!({ "WorkgroupName": "adhoc" });
    for (request, user) in [
        (on(cluster.clone()), json!("IAMR:external-glue")),
        (on(workgroup.clone()), json!("IAMR:external-glue")),
        (on(with(cluster.clone(), &json!({ "DbUser": "etl" }))), json!("etl")),
        (on(with(cluster.clone(), &json!({ "SecretArn": "analytics-etl" }))), Value::Null),
    ] {
        let sent = open.done("ExecuteStatement", &request).await;
        assert_eq!(sent["DbUser"], user, "{sent}");
        assert_eq!(open.ended(sent["Id"].as_str().unwrap()).await["Status"], "FINISHED");
    }
    let nobody = on(with(cluster.clone(), &json!({ "DbUser": "bob" })));
    let (code, text) = open.refused("ExecuteStatement", &nobody).await;
    assert_eq!(code, "ValidationException");
    assert!(text.contains("redshift:GetClusterCredentials on resource: arn:aws:redshift:us-east-2:222222222222:dbuser:analytics/bob because no"), "{text}");
    let other = on(json!({ "ClusterIdentifier": "other" }));
    let (code, text) = open.refused("ExecuteStatement", &other).await;
    assert_eq!(code, "AccessDeniedException");
    assert!(text.contains("redshift-data:ExecuteStatement on resource: arn:aws:redshift:us-east-2:222222222222:cluster:other"), "{text}");

    for (rule, request, action) in [
        (
            "\"redshift:GetClusterCredentials on arn:aws:redshift:us-east-2:222222222222:dbname",
            on_cluster("select 1"),
            "redshift:GetClusterCredentials",
        ),
        (
            "\"redshift:GetClusterCredentialsWithIAM",
            on(cluster.clone()),
            "redshift:GetClusterCredentialsWithIAM",
        ),
        ("\"redshift-serverless:GetCredentials", on(workgroup), "redshift-serverless:GetCredentials"),
        (
            "\"secretsmanager:GetSecretValue",
            on(with(cluster, &json!({ "SecretArn": "analytics-etl" }))),
            "secretsmanager:GetSecretValue",
        ),
    ] {
        let world = TWO_ACCOUNTS.replace(rule, &rule.replace('"', "\"x"));
        assert_ne!(world, TWO_ACCOUNTS, "{rule}");
        let bench = bench(&world);
        let keys = bench.second();
        let (status, answer) = bench.json(&keys, "RedshiftData.ExecuteStatement", &request);
        let text = answer["Message"].as_str().unwrap();
        assert!(status == 400 && text.contains(&format!("not authorized to perform: {action} on")), "{text}");
        assert_eq!(answer["__type"], "ValidationException");
    }
    for operation in
        ["DescribeStatement", "GetStatementResult", "CancelStatement", "ListStatements", "ListSessions"]
    {
        // As in policies that name a cluster for all of them.
        let rule = format!("redshift-data:{operation} on *");
        let narrow =
            format!("redshift-data:{operation} on arn:aws:redshift:us-east-2:222222222222:cluster:analytics");
        let world = TWO_ACCOUNTS.replace(&rule, &narrow);
        assert_ne!(world, TWO_ACCOUNTS, "{rule}");
        let bench = bench(&world);
        let id = json!({ "Id": "00000000-0000-4000-a000-000000000000" });
        let parameters = if operation.starts_with("List") { json!({}) } else { id };
        let (_, answer) = bench.json(&bench.second(), &format!("RedshiftData.{operation}"), &parameters);
        assert_eq!(answer["__type"], "AccessDeniedException", "{answer}");
    }
}

#[tokio::test]
async fn a_workgroup_of_another_account() {
    let elsewhere =
        "arn:aws:redshift-serverless:us-east-2:333333333333:workgroup/11111111-2222-4333-8444-555555555555";
    let settings = "[[redshift.workgroups]]\naccount = '333333333333'\nname = 'theirs'\n\
                    id = '11111111-2222-4333-8444-555555555555'\nallow_accounts = ['222222222222']\n\
                    [accounts.333333333333]\n";
    let alter =
        |allow: &str| TWO_ACCOUNTS.replace("redshift-serverless:us-east-2:222222222222:workgroup/*\"", allow);
    let allowed = altered(settings, |_| alter("redshift-serverless:us-east-2:*:workgroup/*\""));
    let request = json!({ "Sql": "select 1", "WorkgroupName": elsewhere, "Database": "dev" });
    let ended = allowed.run(&request).await;
    assert_eq!((&ended["Status"], &ended["WorkgroupName"]), (&json!("FINISHED"), &json!(elsewhere)));
    let listed = allowed.done("ListStatements", &json!({ "WorkgroupName": elsewhere })).await;
    assert_eq!(listed["Statements"].as_array().unwrap().len(), 1);
    let closed = settings.replace("['222222222222']", "[]");
    let bench = bench(&format!("{}{closed}", alter("redshift-serverless:us-east-2:*:workgroup/*\"")));
    let (_, answer) = bench.json(&bench.second(), "RedshiftData.ExecuteStatement", &request);
    let text = answer["Message"].as_str().unwrap();
    assert!(text.contains("because no resource-based policy allows"), "{text}");
}

#[tokio::test]
async fn whose_a_statement_is() {
    let other_session = |bench: &Bench| {
        let fields = [("RoleArn", SECOND), ("RoleSessionName", "another")];
        keys(&bench.sts(Some(&bench.first()), "AssumeRole", &fields).1)
    };
    let shared = warehouse("");
    let id = json!({ "Id": shared.send(&on_cluster("select 1")).await });
    shared.ended(id["Id"].as_str().unwrap()).await;
    let other = other_session(&shared.bench);
    let (status, _) = shared.bench.json_later(&other, "RedshiftData.DescribeStatement", &id).await;
    assert_eq!(status, 200);
    let listed = async |choice: Value| {
        shared.bench.json_later(&other, "RedshiftData.ListStatements", &choice).await.1["Statements"].clone()
    };
    assert_eq!(listed(json!({})).await[0]["Id"], id["Id"]);
    assert_eq!(listed(json!({ "RoleLevel": false })).await, json!([]));
    // Another role of the same account.
    let role = "\n[accounts.222222222222.roles.other]\nallow = [\"redshift-data:*\"]\n\
                trust = [{ principal = \"arn:aws:iam::111111111111:role/cats-glue\" }]\n";
    let wide = |world: &str| world.replace("role/external-glue\"]", "role/*\"]") + role;
    let roles = altered("", wide);
    let id = json!({ "Id": roles.send(&on_cluster("select 1")).await });
    let fields = [("RoleArn", "arn:aws:iam::222222222222:role/other"), ("RoleSessionName", "pod")];
    let other = keys(&roles.bench.sts(Some(&roles.bench.first()), "AssumeRole", &fields).1);
    for operation in ["DescribeStatement", "GetStatementResult", "CancelStatement"] {
        let target = format!("RedshiftData.{operation}");
        let (status, answer) = roles.bench.json_later(&other, &target, &id).await;
        assert_eq!((status, &answer["__type"]), (400, &json!("AccessDeniedException")));
    }
    let pinned = warehouse("owner = 'session'\n");
    let id = json!({ "Id": pinned.send(&on_cluster("select 1")).await });
    let other = other_session(&pinned.bench);
    let (_, answer) = pinned.bench.json_later(&other, "RedshiftData.DescribeStatement", &id).await;
    assert_eq!(answer["__type"], "AccessDeniedException");
    let refreshed = pinned.bench.second();
    let (status, _) = pinned.bench.json_later(&refreshed, "RedshiftData.DescribeStatement", &id).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn lists_of_statements() {
    let warehouse = warehouse("");
    for name in ["nightly-1", "nightly-2", "Nightly-3", "other"] {
        warehouse.run(&with(on_cluster("select 1"), &json!({ "StatementName": name }))).await;
    }
    warehouse.run(&on_cluster("select nothing")).await;
    let names = |page: &Value| -> Vec<Value> {
        page["Statements"].as_array().unwrap().iter().map(|one| one["StatementName"].clone()).collect()
    };
    let choice = json!({ "StatementName": "nightly", "MaxResults": 1 });
    let page = warehouse.done("ListStatements", &choice).await;
    assert_eq!(names(&page), ["nightly-2"]);
    let next = with(choice, &json!({ "NextToken": page["NextToken"] }));
    let page = warehouse.done("ListStatements", &next).await;
    assert_eq!((names(&page), &page["NextToken"]), (vec![json!("nightly-1")], &Value::Null));
    let finished = warehouse.done("ListStatements", &json!({})).await;
    assert_eq!(names(&finished), ["other", "Nightly-3", "nightly-2", "nightly-1"]);
    let all = json!({ "Status": "ALL", "ClusterIdentifier": "analytics", "Database": "dev" });
    assert_eq!(names(&warehouse.done("ListStatements", &all).await).len(), 5);
    let failed = warehouse.done("ListStatements", &json!({ "Status": "FAILED" })).await;
    assert_eq!(failed["Statements"][0]["QueryString"], "select nothing");
    for wrong in [
        json!({ "Status": "DONE" }),
        json!({ "Database": "dev" }),
        json!({ "NextToken": "x" }),
        json!({ "MaxResults": 101 }),
    ] {
        assert_eq!(warehouse.refused("ListStatements", &wrong).await.0, "ValidationException");
    }
    warehouse.bench.advance(Duration::from_hours(24));
    let keys = warehouse.bench.second();
    let (_, page) = warehouse.bench.json_later(&keys, "RedshiftData.ListStatements", &all).await;
    assert_eq!(names(&page).len(), 0);
}

#[tokio::test]
async fn results_are_kept_for_a_day() {
    let warehouse = warehouse("");
    let ended = warehouse.run(&on_cluster("select 1")).await;
    let id = json!({ "Id": ended["Id"] });
    warehouse.done("GetStatementResult", &id).await;
    let (code, _) = warehouse.refused("GetStatementResultV2", &id).await;
    assert_eq!(code, "ValidationException");
    let (code, _) =
        warehouse.refused("GetStatementResult", &with(id.clone(), &json!({ "NextToken": "x" }))).await;
    assert_eq!(code, "ValidationException");
    warehouse.bench.advance(Duration::from_hours(24));
    let keys = warehouse.bench.second();
    let (status, answer) = warehouse.bench.json_later(&keys, "RedshiftData.GetStatementResult", &id).await;
    assert_eq!((status, &answer["__type"]), (400, &json!("ValidationException")));
}

#[tokio::test]
async fn pages_of_csv() {
    let warehouse = warehouse("page_rows = 2\n");
    let sql = "select n, nullif('x,\"y\"', 'x') as t, nullif(n, 2) as gap, '' as nothing from generate_series(1, 3) n";
    let ended = warehouse.run(&with(on_cluster(sql), &json!({ "ResultFormat": "CSV" }))).await;
    assert_eq!(ended["ResultFormat"], "CSV");
    let first = warehouse.done("GetStatementResultV2", &json!({ "Id": ended["Id"] })).await;
    let next = json!({ "Id": ended["Id"], "NextToken": first["NextToken"] });
    let last = warehouse.done("GetStatementResultV2", &next).await;
    let text = |page: &Value| page["Records"][0]["CSVRecords"].as_str().unwrap().to_owned();
    let expected = "1,\"x,\"\"y\"\"\",1,\"\"\r\n2,\"x,\"\"y\"\"\",,\"\"\r\n3,\"x,\"\"y\"\"\",3,\"\"\r\n";
    assert_eq!(text(&first) + &text(&last), expected);
    assert_eq!((&first["ResultFormat"], &first["TotalNumRows"]), (&json!("CSV"), &json!(3)));
    assert_eq!(last["NextToken"], Value::Null);
    let psql = warehouse.postgres.psql(&["-d", "dev", "--csv", "-t", "-c", sql]);
    assert_eq!(expected.replace("\r\n", "\n").replace(",\"\"\n", ",\n"), psql);
    let (code, _) = warehouse.refused("GetStatementResult", &json!({ "Id": ended["Id"] })).await;
    assert_eq!(code, "ValidationException");
}

#[tokio::test]
async fn the_catalogue() {
    let warehouse = warehouse("");
    let sqls = [
        "create schema team_a",
        "create table team_a.orders (id int not null, label varchar(20) default 'x', price numeric(9, 2))",
        "create view team_a.cheap as select * from team_a.orders",
        "create table items (id bigint)",
    ];
    assert_eq!(warehouse.run(&batch(&sqls)).await["Status"], "FINISHED");
    let on = |others: Value| {
        with(json!({ "ClusterIdentifier": "analytics", "Database": "dev", "DbUser": "etl" }), &others)
    };
    let listed = warehouse.done("ListDatabases", &on(json!({}))).await;
    assert_eq!(listed, json!({ "Databases": ["dev", "sales"] }));
    let listed = warehouse.done("ListSchemas", &on(json!({ "SchemaPattern": "team%" }))).await;
    assert_eq!(listed, json!({ "Schemas": ["team_a"] }));
    let all = warehouse.done("ListSchemas", &on(json!({ "MaxResults": 2 }))).await;
    let rest = on(json!({ "NextToken": all["NextToken"] }));
    assert!(!warehouse.done("ListSchemas", &rest).await["Schemas"].as_array().unwrap().is_empty());
    let tables = on(json!({ "SchemaPattern": "team_a", "TablePattern": "%" }));
    let listed = warehouse.done("ListTables", &tables).await;
    let view = json!({ "name": "cheap", "schema": "team_a", "type": "VIEW" });
    assert_eq!(listed["Tables"], json!([view, { "name": "orders", "schema": "team_a", "type": "TABLE" }]));
    let listed = warehouse.done("ListTables", &on(json!({ "TablePattern": "item_" }))).await;
    assert_eq!(listed["Tables"][0]["name"], "items");
    let table = warehouse.done("DescribeTable", &on(json!({ "Schema": "team_a", "Table": "orders" }))).await;
    let columns = table["ColumnList"].as_array().unwrap();
    let names: Vec<_> =
        columns.iter().map(|column| [&column["name"], &column["typeName"], &column["nullable"]]).collect();
    assert_eq!(json!(names), json!([["id", "int4", 0], ["label", "varchar", 1], ["price", "numeric", 1]]));
    assert_eq!((&columns[1]["length"], &columns[2]["scale"]), (&json!(20), &json!(2)));
    assert_eq!(columns[1]["columnDefault"], "'x'::character varying");
    let rows = warehouse.rows(&on_cluster("select id from team_a.orders")).await;
    let column = &rows["ColumnMetadata"][0];
    assert_eq!(
        (&column["schemaName"], &column["tableName"], &column["nullable"]),
        (&json!("team_a"), &json!("orders"), &json!(0))
    );
    let nowhere = on(json!({ "Database": "nowhere" }));
    assert_eq!(warehouse.refused("ListTables", &nowhere).await.0, "DatabaseConnectionException");
    let (code, _) = warehouse.refused("ListSchemas", &json!({ "ClusterIdentifier": "analytics" })).await;
    assert_eq!(code, "ValidationException");
}

#[tokio::test]
async fn throttles_and_a_world_without_a_server() {
    let bench = two_accounts();
    let keys = bench.second();
    bench.cloud.add_fault(Fault::new("redshift-data", "*", FaultKind::Throttle)).unwrap();
    let (status, answer) = bench.json(&keys, "RedshiftData.ExecuteStatement", &on_cluster("select 1"));
    assert_eq!((status, &answer["__type"]), (400, &json!("ValidationException")));
    let text = answer["Message"].as_str().unwrap();
    assert!(
        text.starts_with("Service returned error code ThrottlingException (Service: RedshiftServerless"),
        "{text}"
    );
    for (operation, parameters) in [
        ("ExecuteStatement", on_cluster("select 1")),
        ("ListDatabases", json!({ "ClusterIdentifier": "analytics", "Database": "dev" })),
    ] {
        let (status, answer) = bench.json(&keys, &format!("RedshiftData.{operation}"), &parameters);
        assert_eq!((status, &answer["__type"]), (500, &json!("DatabaseConnectionException")));
    }
    let (status, answer) = bench.json(&keys, "RedshiftData.ListStatements", &json!({}));
    assert_eq!((status, answer), (200, json!({ "Statements": [] })));
    // A server that is not there any more.
    let mut warehouse = warehouse("");
    warehouse.postgres = Postgres::start();
    let ended = warehouse.run(&on_cluster("select 1")).await;
    assert_eq!(ended["Status"], "FAILED");
    let (status, _) = warehouse.ask("ListDatabases", &on_cluster("")).await;
    assert_eq!(status, 500);
}

#[tokio::test]
async fn a_fault_spoils_an_answer_that_waits() {
    let warehouse = warehouse("");
    let fault = Fault::new("redshift-data", "ExecuteStatement", FaultKind::Garbage);
    warehouse.bench.cloud.add_fault(fault).unwrap();
    let waiting = with(on_cluster("select 1"), &json!({ "WaitTimeSeconds": 30 }));
    assert_eq!(warehouse.ask("ExecuteStatement", &waiting).await, (200, Value::Null));
    assert_eq!(warehouse.bench.cloud.redshift().list().len(), 1);
}

#[tokio::test]
async fn many_rows() {
    let warehouse = warehouse("page_rows = 10000\n");
    let ended = warehouse.run(&on_cluster("select n, 'row ' || n from generate_series(1, 100000) n")).await;
    assert_eq!((&ended["Status"], &ended["ResultRows"]), (&json!("FINISHED"), &json!(100_000)));
    let (mut seen, mut token) = (0, Value::Null);
    loop {
        let request = if token.is_null() { json!({}) } else { json!({ "NextToken": token }) };
        let page = warehouse.done("GetStatementResult", &with(request, &json!({ "Id": ended["Id"] }))).await;
        for row in page["Records"].as_array().unwrap() {
            seen += 1;
            assert_eq!(row[0]["longValue"], seen);
        }
        token = page["NextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(seen, 100_000);
    // A row is larger than the service takes.
    let ended = warehouse.run(&on_cluster("select repeat('x', 70000)")).await;
    assert_eq!(ended["Status"], "FAILED");
    // Data cannot be copied in, and the connection goes on.
    let ended = warehouse.run(&on_cluster("copy (select 1) to stdout")).await;
    assert_eq!(ended["Status"], "FINISHED");
    let sqls = ["create table t (a int)", "copy t from stdin"];
    let ended = warehouse.run(&batch(&sqls)).await;
    assert_eq!(ended["Status"], "FAILED");
}

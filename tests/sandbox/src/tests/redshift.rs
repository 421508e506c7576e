use serde_json::json;
use testkit::Postgres;

use super::*;

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

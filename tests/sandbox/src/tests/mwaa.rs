use serde_json::json;

use super::*;

/// Two environments, of Airflow 2 and 3, with a DAG each.
fn airflow() -> Bench {
    let one = |name: &str, version: &str| {
        format!(
            "\n[[mwaa.environments]]\naccount = \"222222222222\"\nname = \"{name}\"\nairflow_version = \"{version}\"\n\
             [[mwaa.environments.dags]]\nid = \"etl\"\n"
        )
    };
    bench(&[TWO_ACCOUNTS, &one("two", "2.10.3"), &one("three", "3.0.6")].concat())
}

/// A call of MWAA: status, error code, answer.
fn call(bench: &Bench, keys: &Keys, method: &str, path: &str, body: &Value) -> (u16, String, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let reply = bench.rest(keys, "airflow", (method, path), &[], body.as_bytes());
    let code = reply.response.headers().get("x-amzn-errortype").map(|code| code.to_str().unwrap().to_owned());
    let answer = serde_json::from_slice(&reply.response.body().bytes()).unwrap_or_default();
    (reply.response.status().as_u16(), code.unwrap_or_default(), answer)
}

fn invoke(bench: &Bench, name: &str, method: &str, path: &str, body: &Value) -> (u16, String, Value) {
    let ask = json!({ "Method": method, "Path": path, "Body": body });
    call(bench, &bench.second(), "POST", &format!("/restapi/{name}"), &ask)
}

/// A request to a web server: status and body.
fn web(bench: &Bench, host: &str, path: &str, token: Option<&str>, body: &str) -> (u16, String) {
    let mut headers = HeaderMap::new();
    headers.insert("host", host.parse().unwrap());
    if let Some(token) = token {
        headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    let reply = bench.send("POST", path, headers, body);
    (reply.response.status().as_u16(), String::from_utf8(reply.response.body().bytes().to_vec()).unwrap())
}

fn token(bench: &Bench, kind: &str, name: &str) -> (String, String) {
    let (status, _, answer) = call(bench, &bench.second(), "POST", &format!("/{kind}/{name}"), &json!({}));
    assert_eq!(status, 200);
    let member = if kind == "clitoken" { "CliToken" } else { "WebToken" };
    let text = |member: &str| answer[member].as_str().unwrap().to_owned();
    (text(member), text("WebServerHostname"))
}

#[test]
fn environments_rights_and_limits() {
    let bench = airflow();
    let (first, second) = (bench.first(), bench.second());
    let (status, _, answer) = call(&bench, &second, "GET", "/environments", &Value::Null);
    assert_eq!((status, &answer["Environments"]), (200, &json!(["orchestrator", "two", "three"])));
    let (_, _, page) = call(&bench, &second, "GET", "/environments?MaxResults=2", &Value::Null);
    assert_eq!((&page["Environments"], &page["NextToken"]), (&json!(["orchestrator", "two"]), &json!("2")));
    for (keys, method, path, expected) in [
        (&first, "GET", "/environments", (403, "AccessDeniedException")),
        (&first, "GET", "/environments/two", (403, "AccessDeniedException")),
        (&first, "POST", "/webtoken/two", (403, "AccessDeniedException")),
        (&second, "GET", "/environments/none", (404, "ResourceNotFoundException")),
        (&second, "POST", "/clitoken/none", (404, "ResourceNotFoundException")),
        (&second, "GET", "/environments/1st", (400, "ValidationException")),
        (&second, "GET", "/environments?MaxResults=26", (400, "ValidationException")),
    ] {
        let (status, code, answer) = call(&bench, keys, method, path, &Value::Null);
        assert_eq!((status, code.as_str()), expected, "{path}: {answer}");
    }
    let (_, _, told) = call(&bench, &second, "GET", "/environments/three", &Value::Null);
    assert_eq!(told["Environment"]["AirflowVersion"], "3.0.6");
}

#[test]
fn both_errors_of_airflow_are_400() {
    let bench = airflow();
    let (status, code, answer) = invoke(&bench, "two", "GET", "/dags/none", &Value::Null);
    assert_eq!(
        (status, code.as_str(), &answer["RestApiStatusCode"]),
        (400, "RestApiClientException", &json!(404))
    );
    assert_eq!(answer["RestApiResponse"]["title"], "DAG not found");
    let long = format!("/dags/{}", "d".repeat(60));
    for (method, path) in [("GET", long.as_str()), ("GET", ""), ("HEAD", "/dags")] {
        let (status, code, _) = invoke(&bench, "two", method, path, &Value::Null);
        assert_eq!((status, code.as_str()), (400, "ValidationException"), "{method} {path}");
    }
}

#[test]
fn runs_and_what_the_generations_want() {
    let bench = airflow();
    let start = |name: &str, body: Value| invoke(&bench, name, "POST", "/dags/etl/dagRuns", &body);
    for (name, null, without) in [("two", 400, 200), ("three", 200, 422)] {
        let status = |(_, _, answer): (u16, String, Value)| answer["RestApiStatusCode"].as_u64().unwrap();
        assert_eq!(status(start(name, json!({ "dag_run_id": "a", "logical_date": null }))), null, "{name}");
        assert_eq!(status(start(name, json!({ "dag_run_id": "b" }))), without, "{name}");
        let date = json!({ "dag_run_id": "c", "logical_date": "2026-01-01T00:00:00Z" });
        assert_eq!(status(start(name, date.clone())), 200);
        assert_eq!(status(start(name, date)), 409);
        assert_eq!(
            status(start(name, json!({ "dag_run_id": "d", "logical_date": "2026-01-01T00:00:00Z" }))),
            409
        );
        let look =
            || invoke(&bench, name, "GET", "/dags/etl/dagRuns/c", &Value::Null).2["RestApiResponse"].clone();
        assert_eq!((&look()["state"], &look()["end_date"]), (&json!("queued"), &Value::Null));
        bench.advance(Duration::from_secs(2));
        assert_eq!(look()["state"], "success");
        assert!(look()["end_date"].is_string());
        assert_eq!(bench.cloud.dag_runs(name).unwrap().len(), 2);
    }
}

#[test]
fn tokens_are_good_for_one_web_server_and_a_minute() {
    let bench = airflow();
    let (cli, host) = token(&bench, "clitoken", "two");
    let (_, other) = token(&bench, "clitoken", "three");
    assert!(
        host.ends_with(".us-east-2.airflow.amazonaws.com") && other.ends_with(".airflow.us-east-2.on.aws")
    );
    assert_eq!(web(&bench, &host, "/aws_mwaa/cli", Some(&cli), "version").0, 200);
    assert_eq!(web(&bench, &other, "/aws_mwaa/cli", Some(&cli), "version").0, 403);
    assert_eq!(web(&bench, &host, "/aws_mwaa/cli", None, "version").0, 403);
    let (login, _) = token(&bench, "webtoken", "two");
    assert_eq!(web(&bench, &host, "/aws_mwaa/cli", Some(&login), "version").0, 403);
    assert_eq!(web(&bench, &host, "/aws_mwaa/login", None, &format!("token={login}")).0, 200);
    assert_eq!(web(&bench, &host, "/pluginsv2/aws_mwaa/login", None, &format!("token={login}")).0, 404);
    bench.advance(Duration::from_mins(1));
    assert_eq!(web(&bench, &host, "/aws_mwaa/cli", Some(&cli), "version").0, 403);
    assert_eq!(web(&bench, &host, "/aws_mwaa/login", None, &format!("token={login}")).0, 403);
    assert!(bench.cloud.record().secrets.contains(&cli) && bench.cloud.record().secrets.contains(&login));
}

#[test]
fn the_command_line_and_the_rest_api_see_the_same_runs() {
    let bench = airflow();
    for (name, list) in [("two", "dags list-runs -d etl -o json"), ("three", "dags list-runs etl -o json")] {
        let (cli, host) = token(&bench, "clitoken", name);
        let run = |command: &str| web(&bench, &host, "/aws_mwaa/cli", Some(&cli), command);
        assert_eq!(run("dags trigger etl --run-id x --conf '{\"a\": 1}' -o json").0, 200);
        assert_eq!(run("dags trigger etl --run-id x").0, 400);
        assert_eq!(run("dags trigger none").0, 400);
        assert_eq!(run("nonsense").0, 400);
        let (status, body) = run(list);
        assert_eq!(status, 200);
        let body: Value = serde_json::from_str(&body).unwrap();
        let stdout = crate::crypto::from_base64(body["stdout"].as_str().unwrap()).unwrap();
        let stdout = String::from_utf8(stdout).unwrap();
        assert!(stdout.starts_with("[2026-") && stdout.contains("\"run_id\":\"x\""), "{stdout}");
        let told = invoke(&bench, name, "GET", "/dags/etl/dagRuns/x", &Value::Null).2;
        assert_eq!(told["RestApiResponse"]["conf"], json!({ "a": 1 }));
    }
}

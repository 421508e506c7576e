use serde_json::json;

use super::*;

const SECOND_LONG: Duration = Duration::from_secs(1);
const MACHINE: &str = "arn:aws:states:us-east-2:222222222222:stateMachine:nightly-workflow";
const EXECUTION: &str = "arn:aws:states:us-east-2:222222222222:execution:nightly-workflow";

/// The documented world with other settings of its first state machine, and of Step Functions.
fn with(settings: &str, machine: &str) -> Bench {
    let head = "[[stepfunctions.state_machines]]\naccount = \"222222222222\"\nname = \"nightly-workflow\"\n";
    assert!(TWO_ACCOUNTS.contains(head));
    let changed = format!("[stepfunctions]\n{settings}\n{head}{machine}\n");
    let (before, after) = TWO_ACCOUNTS.split_once(head).unwrap();
    // Its own scripts take the place of the documented one.
    let next = after.find("[[stepfunctions.state_machines]]").unwrap();
    let after = if machine.contains("scripts") { &after[next..] } else { after };
    bench(&[before, &changed, after].concat())
}

#[allow(clippy::needless_pass_by_value)] // the parameters are written where they are used
fn call(bench: &Bench, operation: &str, parameters: Value) -> (u16, Value) {
    bench.json(&bench.second(), &format!("AWSStepFunctions.{operation}"), &parameters)
}

fn code(answer: &(u16, Value)) -> &str {
    assert_eq!(answer.0, 400, "{}", answer.1);
    answer.1["__type"].as_str().unwrap()
}

fn start(bench: &Bench, name: &str, input: &str) -> (u16, Value) {
    call(bench, "StartExecution", json!({ "stateMachineArn": MACHINE, "name": name, "input": input }))
}

fn describe(bench: &Bench, name: &str) -> Value {
    let (status, told) =
        call(bench, "DescribeExecution", json!({ "executionArn": format!("{EXECUTION}:{name}") }));
    assert_eq!(status, 200, "{told}");
    told
}

const EXISTS: &str = "com.amazonaws.swf.service.v2.model#ExecutionAlreadyExists";

#[test]
fn the_same_name_and_input_return_the_execution_while_it_is_open() {
    let bench = two_accounts();
    let (status, first) = start(&bench, "one", r#"{"day": 1}"#);
    assert_eq!((status, first["executionArn"].as_str()), (200, Some(&*format!("{EXECUTION}:one"))));
    bench.advance(Duration::from_millis(500));
    assert_eq!(start(&bench, "one", r#"{"day": 1}"#), (200, first));
    // Another input, another spelling of the same one: as text.
    for input in [r#"{"day": 2}"#, r#"{"day":1}"#] {
        let refused = start(&bench, "one", input);
        assert_eq!(code(&refused), EXISTS);
        assert_eq!(refused.1["message"], format!("Execution Already Exists: '{EXECUTION}:one'"));
    }
    bench.advance(SECOND_LONG * 5);
    assert_eq!(describe(&bench, "one")["status"], "SUCCEEDED");
    assert_eq!(code(&start(&bench, "one", r#"{"day": 1}"#)), EXISTS);
    assert_eq!(bench.cloud.machine_executions("nightly-workflow").unwrap().len(), 1);
    // After 90 days the name can be used again, and the old execution is gone.
    bench.advance(Duration::from_hours(24 * 90));
    assert_eq!(
        code(&call(&bench, "DescribeExecution", json!({ "executionArn": format!("{EXECUTION}:one") }))),
        "com.amazonaws.swf.service.v2.model#ExecutionDoesNotExist"
    );
    assert_eq!(start(&bench, "one", r#"{"day": 1}"#).0, 200);
}

#[test]
fn requests_that_are_not_valid() {
    let bench = two_accounts();
    let long = "a".repeat(81);
    let large = format!("\"{}\"", "a".repeat(262_144));
    let service = |code: &str| format!("com.amazonaws.swf.service.v2.model#{code}");
    let validation = "com.amazon.coral.validate#ValidationException".to_owned();
    let other = MACHINE.replace("nightly-workflow", "nowhere");
    for (parameters, expected, message) in [
        (json!({}), &validation, "Value null at 'stateMachineArn'"),
        (json!({ "stateMachineArn": MACHINE, "name": long }), &validation, "less than or equal to 80"),
        (json!({ "stateMachineArn": other, "name": long }), &validation, "less than or equal to 80"),
        (
            json!({ "stateMachineArn": MACHINE, "input": large }),
            &validation,
            "Value at 'input' failed to satisfy constraint: Member must have size less than or equal to 262144 bytes",
        ),
        (
            json!({ "stateMachineArn": "no-arn" }),
            &service("InvalidArn"),
            "Invalid Arn: 'Invalid ARN prefix: no-arn'",
        ),
        (
            json!({ "stateMachineArn": format!("{EXECUTION}:one") }),
            &service("InvalidArn"),
            "Invalid Arn: 'Resource type not valid in this context: execution'",
        ),
        // Whether the state machine exists comes before its input and the name.
        (
            json!({ "stateMachineArn": other, "name": "a b", "input": "{" }),
            &service("StateMachineDoesNotExist"),
            &*format!("State Machine Does Not Exist: '{other}'"),
        ),
        (
            json!({ "stateMachineArn": format!("{MACHINE}:7") }),
            &service("StateMachineDoesNotExist"),
            "nightly-workflow:7'",
        ),
        (
            json!({ "stateMachineArn": MACHINE, "name": "a b" }),
            &service("InvalidName"),
            "Invalid Name: 'a b'",
        ),
        (
            json!({ "stateMachineArn": MACHINE, "input": "" }),
            &service("InvalidExecutionInput"),
            "Invalid State Machine Execution Input: 'Invalid execution input.'",
        ),
        (
            json!({ "stateMachineArn": MACHINE, "input": "{" }),
            &service("InvalidExecutionInput"),
            "Invalid State Machine Execution Input: '",
        ),
    ] {
        let answer = call(&bench, "StartExecution", parameters);
        assert_eq!(code(&answer), expected);
        assert!(answer.1["message"].as_str().unwrap().contains(message), "{}", answer.1);
    }
    assert!(bench.cloud.machine_executions("nightly-workflow").unwrap().is_empty());
    // Any JSON is an input, and none is an empty object.
    for input in [json!("null"), json!("1"), json!("\"x\""), Value::Null] {
        let mut parameters = json!({ "stateMachineArn": MACHINE });
        if !input.is_null() {
            parameters["input"] = input;
        }
        assert_eq!(call(&bench, "StartExecution", parameters).0, 200);
    }
    assert_eq!(bench.cloud.machine_executions("nightly-workflow").unwrap()[3].input, json!({}));
}

#[test]
fn rights_are_those_of_the_state_machine_and_of_the_execution() {
    let bench = two_accounts();
    let start = json!({ "stateMachineArn": MACHINE });
    let (_, answer) = bench.json(&bench.first(), "AWSStepFunctions.StartExecution", &start);
    let text = answer["message"].as_str().unwrap();
    assert!(text.contains("is not authorized to perform: states:StartExecution on resource: "), "{text}");
    let narrow = TWO_ACCOUNTS
        .replace("\"states:StopExecution on arn:aws:states:us-east-2:222222222222:execution:*\",", "");
    assert_ne!(narrow, TWO_ACCOUNTS);
    let bench = super::bench(&narrow);
    assert_eq!(super::stepfunctions::start(&bench, "one", "{}").0, 200);
    let stop = call(&bench, "StopExecution", json!({ "executionArn": format!("{EXECUTION}:one") }));
    let text = stop.1["message"].as_str().unwrap();
    assert!(text.contains(&format!("states:StopExecution on resource: {EXECUTION}:one")), "{text}");
}

#[test]
fn an_execution_is_stopped_and_an_end_stays() {
    let bench = two_accounts();
    start(&bench, "one", "{}");
    let stop = || {
        let parameters = json!({ "executionArn": format!("{EXECUTION}:one"), "error": "E", "cause": "C" });
        call(&bench, "StopExecution", parameters)
    };
    let (status, stopped) = stop();
    assert_eq!(status, 200);
    let told = describe(&bench, "one");
    assert_eq!(
        (told["status"].as_str(), told["error"].as_str(), told["cause"].as_str()),
        (Some("ABORTED"), Some("E"), Some("C"))
    );
    bench.advance(SECOND_LONG);
    assert_eq!(stop(), (200, stopped));
    assert_eq!(bench.cloud.machine_executions("nightly-workflow").unwrap()[0].stops, 1);
    start(&bench, "two", "{}");
    bench.advance(SECOND_LONG * 5);
    let parameters = json!({ "executionArn": format!("{EXECUTION}:two") });
    assert_eq!(call(&bench, "StopExecution", parameters).0, 200);
    assert_eq!(describe(&bench, "two")["status"], "SUCCEEDED");
    assert_eq!(bench.cloud.machine_executions("nightly-workflow").unwrap()[1].stops, 0);
}

/// Fails in its second state, and succeeds when it is redriven.
const FAILING: &str = r#"scripts = [
    { steps = [
        { state = "Extract" },
        { state = "Load", task = "glue:startJobRun.sync", after = "1s" },
        { status = "FAILED", after = "2s", error = "Glue.ConcurrentRunsExceededException", cause = "busy" },
    ] },
    { steps = [{ state = "Load" }, { status = "SUCCEEDED", after = "1s", output = '{"rows": 3}' }] },
]"#;

#[test]
fn a_failure_is_described_and_redriven() {
    let bench = with("describe_lag = '500ms'", FAILING);
    start(&bench, "one", "{}");
    bench.advance(SECOND_LONG * 3);
    let told = describe(&bench, "one");
    assert_eq!(
        (told["status"].as_str(), told["redriveStatus"].as_str()),
        (Some("FAILED"), Some("REDRIVABLE"))
    );
    assert_eq!(told["error"], "Glue.ConcurrentRunsExceededException");
    let arn = json!({ "executionArn": format!("{EXECUTION}:one") });
    let newest_first = json!({ "executionArn": arn["executionArn"], "reverseOrder": true, "maxResults": 2 });
    let (_, history) = call(&bench, "GetExecutionHistory", newest_first.clone());
    let kinds: Vec<_> =
        history["events"].as_array().unwrap().iter().map(|event| event["type"].clone()).collect();
    assert_eq!(kinds, ["ExecutionFailed", "TaskFailed"]);
    let failed = &history["events"][1]["taskFailedEventDetails"];
    assert_eq!(
        (failed["resourceType"].as_str(), failed["resource"].as_str(), failed["cause"].as_str()),
        (Some("glue"), Some("startJobRun.sync"), Some("busy"))
    );
    let mut next = newest_first;
    next["nextToken"] = history["nextToken"].clone();
    assert_eq!(call(&bench, "GetExecutionHistory", next).1["events"][1]["type"], "TaskScheduled");

    let mut redrive = arn.clone();
    redrive["clientToken"] = json!("once");
    let (status, redriven) = call(&bench, "RedriveExecution", redrive.clone());
    assert_eq!(status, 200, "{redriven}");
    // Just after a redrive a description may still show the old end.
    assert_eq!(describe(&bench, "one")["status"], "FAILED");
    assert_eq!(call(&bench, "RedriveExecution", redrive), (200, redriven));
    bench.advance(Duration::from_millis(600));
    let told = describe(&bench, "one");
    assert_eq!((told["status"].as_str(), told["redriveCount"].as_i64()), (Some("RUNNING"), Some(1)));
    assert_eq!(
        code(&call(&bench, "RedriveExecution", arn.clone())),
        "com.amazonaws.swf.service.v2.model#ExecutionNotRedrivable"
    );
    bench.advance(SECOND_LONG);
    let told = describe(&bench, "one");
    assert_eq!(
        (told["status"].as_str(), told["output"].as_str()),
        (Some("SUCCEEDED"), Some("{\"rows\": 3}"))
    );
    assert_eq!(told["redriveStatusReason"], "Execution is SUCCEEDED and cannot be redriven");
    let refused = call(&bench, "RedriveExecution", arn);
    assert_eq!(refused.1["message"], "Execution is SUCCEEDED and cannot be redriven");
    let executions = bench.cloud.machine_executions("nightly-workflow").unwrap();
    assert_eq!((executions.len(), executions[0].redrives), (1, 1));
}

#[test]
fn an_account_has_a_limit_of_open_executions() {
    let bench = with("open_execution_limit = 1", "");
    start(&bench, "one", "{}");
    assert_eq!(
        code(&start(&bench, "two", "{}")),
        "com.amazonaws.swf.service.v2.model#ExecutionLimitExceeded"
    );
    // An execution that is open is returned all the same.
    assert_eq!(start(&bench, "one", "{}").0, 200);
    bench.advance(SECOND_LONG * 5);
    assert_eq!(start(&bench, "two", "{}").0, 200);
}

#[test]
fn lists_are_newest_first_filtered_and_late() {
    let bench = with("list_lag = '1s'\ndescribe_lag = '1s'", "versions = ['1']\naliases = { live = '1' }");
    start(&bench, "one", "{}");
    let list = |more: Value| {
        let mut parameters = more;
        let arn = parameters.get("stateMachineArn").cloned().unwrap_or_else(|| json!(MACHINE));
        parameters["stateMachineArn"] = arn;
        let (_, listed) = call(&bench, "ListExecutions", parameters);
        let names = listed["executions"].as_array().unwrap().iter().map(|told| told["name"].clone());
        (names.collect::<Vec<_>>(), listed["nextToken"].clone())
    };
    let arn = json!({ "executionArn": format!("{EXECUTION}:one") });
    assert!(list(json!({})).0.is_empty());
    assert_eq!(call(&bench, "DescribeExecution", arn).0, 400);
    let alias = format!("{MACHINE}:live");
    call(&bench, "StartExecution", json!({ "stateMachineArn": alias, "name": "two" }));
    bench.advance(SECOND_LONG * 2);
    assert_eq!(list(json!({})).0, ["two", "one"]);
    let told = describe(&bench, "two");
    assert_eq!(
        (&told["stateMachineArn"], &told["stateMachineVersionArn"], &told["stateMachineAliasArn"]),
        (&json!(MACHINE), &json!(format!("{MACHINE}:1")), &json!(alias))
    );
    assert_eq!(list(json!({ "stateMachineArn": alias })).0, ["two"]);
    assert_eq!(list(json!({ "stateMachineArn": format!("{MACHINE}:1") })).0, ["two"]);
    assert!(list(json!({ "statusFilter": "RUNNING" })).0.is_empty());
    let (page, token) = list(json!({ "maxResults": 1 }));
    assert_eq!(
        (page, list(json!({ "maxResults": 1, "nextToken": token })).0),
        (vec![json!("two")], vec![json!("one")])
    );
}

#[tokio::test]
async fn an_express_execution_is_waited_for_and_not_kept() {
    let bench = two_accounts();
    let arn = "arn:aws:states:us-east-2:222222222222:stateMachine:quick-workflow";
    let keys = bench.second();
    let begin = json!({ "stateMachineArn": arn, "name": "one", "input": "{\"a\": 1}" });
    let before = std::time::Instant::now();
    let (status, told) = bench.json_later(&keys, "AWSStepFunctions.StartSyncExecution", &begin).await;
    assert!(before.elapsed() > Duration::from_millis(150));
    assert_eq!((status, told["status"].as_str()), (200, Some("SUCCEEDED")), "{told}");
    assert_eq!(told["output"], "{\"a\": 1}");
    assert_eq!(told["billingDetails"]["billedDurationInMilliseconds"], 300);
    let express = "arn:aws:states:us-east-2:222222222222:express:quick-workflow:one:";
    assert!(told["executionArn"].as_str().unwrap().starts_with(express), "{told}");
    // A name makes no start idempotent, and nothing is kept.
    let (_, again) = bench.json(&keys, "AWSStepFunctions.StartExecution", &begin);
    assert_ne!(again["executionArn"], told["executionArn"]);
    assert_eq!(bench.cloud.machine_executions("quick-workflow").unwrap().len(), 2);
    for operation in ["DescribeExecution", "StopExecution", "GetExecutionHistory", "RedriveExecution"] {
        let refused = call(&bench, operation, json!({ "executionArn": told["executionArn"] }));
        assert_eq!(refused.1["message"], "Invalid Arn: 'Resource type not valid in this context: express'");
    }
    let standard = "com.amazonaws.swf.service.v2.model#StateMachineTypeNotSupported";
    assert_eq!(code(&call(&bench, "ListExecutions", json!({ "stateMachineArn": arn }))), standard);
    assert_eq!(code(&call(&bench, "StartSyncExecution", json!({ "stateMachineArn": MACHINE }))), standard);
}

#[tokio::test]
async fn an_express_execution_ends_after_five_minutes() {
    let bench = two_accounts();
    let endless = crate::ExecutionScript::new(vec![crate::ExecutionStep::new("RUNNING", Duration::ZERO)]);
    bench.cloud.set_execution_script("quick-workflow", endless).unwrap();
    let arn = "arn:aws:states:us-east-2:222222222222:stateMachine:quick-workflow";
    let keys = bench.second();
    let parameters = json!({ "stateMachineArn": arn });
    let reply = bench.json_reply(&keys, "AWSStepFunctions.StartSyncExecution", &parameters);
    bench.advance(Duration::from_mins(5));
    reply.ready.wait(&bench.cloud).await;
    let told: Value = serde_json::from_slice(&reply.response.body().bytes()).unwrap();
    assert_eq!(
        (told["status"].as_str(), told["error"].as_str()),
        (Some("TIMED_OUT"), Some("States.Timeout"))
    );
}

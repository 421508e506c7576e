use serde_json::json;

use super::*;
use crate::answer::{Content, Ready};
use crate::crypto::{base64, from_base64};
use crate::fault::{Fault, FaultKind};
use crate::lambda::{FunctionAnswer, FunctionCourse};

const MILLIS: Duration = Duration::from_millis(1);

/// The documented world with one more function.
fn with(settings: &str) -> (Bench, Keys) {
    let function = "[[lambda.functions]]\naccount = '222222222222'\nname = 'f'\nversions = ['1', '2']\n\
                    aliases = { live = '2' }\n";
    let bench = bench(&format!("{TWO_ACCOUNTS}\n{function}{settings}\n"));
    let keys = bench.second();
    (bench, keys)
}

fn path(name: &str) -> String {
    format!("/2015-03-31/functions/{name}/invocations")
}

fn invoke(bench: &Bench, keys: &Keys, name: &str, extra: &[(&'static str, &str)], body: &str) -> Reply {
    bench.rest(keys, "lambda", ("POST", &path(name)), extra, body.as_bytes())
}

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.response.body().bytes().to_vec()).unwrap()
}

fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply.response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// Status, code and body of a refusal.
fn refused(reply: &Reply) -> (u16, String, Value) {
    let body = serde_json::from_str(&text(reply)).unwrap();
    (reply.response.status().as_u16(), header(reply, "x-amzn-errortype").to_owned(), body)
}

#[test]
fn an_invocation_and_its_record() {
    let (bench, keys) = with("");
    let context = base64(br#"{"custom":{"a":"b"}}"#);
    let extra = [("x-amz-client-context", context.as_str()), ("x-amz-log-type", "Tail")];
    let reply = invoke(&bench, &keys, "f%3Alive", &extra, r#"{"day":1}"#);
    assert_eq!((reply.response.status().as_u16(), text(&reply).as_str()), (200, r#"{"day":1}"#));
    assert_eq!((header(&reply, "x-amz-executed-version"), header(&reply, "x-amz-function-error")), ("2", ""));
    let log = String::from_utf8(from_base64(header(&reply, "x-amz-log-result")).unwrap()).unwrap();
    let id = header(&reply, "x-amzn-requestid");
    assert!(
        log.starts_with(&format!("START RequestId: {id} Version: 2\nEND RequestId: {id}\nREPORT ")),
        "{log}"
    );

    let lengthy = format!("\"{}\"", "x".repeat(5000));
    let reply = invoke(&bench, &keys, "f", &[("x-amz-invocation-type", "Event")], &lengthy);
    assert_eq!((reply.response.status().as_u16(), text(&reply).as_str()), (202, ""));
    let reply = invoke(&bench, &keys, "f", &[("x-amz-invocation-type", "DryRun")], "");
    assert_eq!(
        (reply.response.status().as_u16(), reply.response.headers().contains_key("content-type")),
        (204, false)
    );

    let begun = bench.cloud.invocations("f").unwrap();
    assert_eq!(begun.len(), 2);
    assert_eq!((begun[0].payload.as_str(), begun[0].qualifier.as_deref()), (r#"{"day":1}"#, Some("live")));
    assert_eq!(begun[0].client_context, Some(json!({ "custom": { "a": "b" } })));
    assert_eq!((begun[0].request_id.as_str(), &begun[0].payload_sha256), (id, &None));
    assert_eq!((begun[1].payload.len(), begun[1].payload_length), (4096, 5002));
    assert_eq!(begun[1].payload_sha256.as_ref().unwrap().len(), 64);
    assert_eq!(serde_json::to_value(begun[1].kind).unwrap(), "Event");
    let record = bench.cloud.record();
    let [.., first, second, _] = &record.calls[..] else { panic!("too few calls") };
    assert_eq!((first.operation.as_str(), &first.parameters["Payload"]), ("Invoke", &json!(r#"{"day":1}"#)));
    assert_eq!(first.parameters["FunctionName"], "f:live");
    assert_eq!(second.parameters["Payload"], json!({ "Length": 5002 }));
}

#[test]
fn every_way_to_fail() {
    let (bench, keys) = with(
        "[[lambda.functions.courses]]\nafter = '1s'\nlogs = ['reading', 'failing']\n\
         answer = { error = { kind = 'Handled', type = 'KeyError', message = 'id', stack = ['at x'] } }\n\
         [[lambda.functions.courses]]\nanswer = 'crash'\n[[lambda.functions.courses]]\nanswer = 'out_of_memory'\n\
         [[lambda.functions.courses]]\nanswer = 'timed_out'\n\
         [[lambda.functions.courses]]\nanswer = { bytes = 6291557 }\n\
         [[lambda.functions.courses]]\nanswer = { json = 'not json' }",
    );
    let called = || {
        let reply = invoke(&bench, &keys, "f", &[], "");
        assert_eq!(reply.response.status(), 200);
        let error: Value = serde_json::from_str(&text(&reply)).unwrap_or_default();
        (header(&reply, "x-amz-function-error").to_owned(), error, reply)
    };
    let (kind, error, reply) = called();
    assert_eq!(
        (kind.as_str(), &error["errorType"], &error["stackTrace"]),
        ("Handled", &json!("KeyError"), &json!(["at x"]))
    );
    assert!(matches!(reply.ready, Ready::At(_)));
    for (error_type, text) in [
        ("Runtime.ExitError", "Error: Runtime exited with error: exit status 1"),
        ("Runtime.OutOfMemory", "Error: Runtime exited with error: signal: killed"),
        ("Sandbox.Timedout", "Error: Task timed out after 3.00 seconds"),
        ("Function.ResponseSizeTooLarge", "exceeded maximum allowed payload size (6291556 bytes)."),
    ] {
        let (kind, error, _) = called();
        assert_eq!((kind.as_str(), error["errorType"].as_str()), ("Unhandled", Some(error_type)));
        assert!(error["errorMessage"].as_str().unwrap().ends_with(text), "{error}");
    }
    let (kind, _, reply) = called();
    assert_eq!((kind.as_str(), text(&reply).as_str()), ("", "not json"));
}

/// A request that is refused: function, headers, payload; status, code and a part of the text.
type Refused<'a> = (&'a str, &'a [(&'static str, &'a str)], &'a str, u16, &'a str, &'a str);

#[test]
fn refusals() {
    let (bench, keys) =
        with("[[lambda.functions]]\naccount = '222222222222'\nname = 'apart'\ntenants = true\n");
    let invalid = "InvalidParameterValueException";
    let (missing, validation) = ("ResourceNotFoundException", "ValidationException");
    let content = "InvalidRequestContentException";
    let (event, tenant) = (("x-amz-invocation-type", "Event"), ("x-amz-tenant-id", "blue"));
    let (client_context, durable) = ("x-amz-client-context", "x-amz-durable-execution-name");
    let long_context = base64(&[b'{'; 2700]);
    let large = format!("\"{}\"", "x".repeat(1_048_576));
    let too_large = "x".repeat(6_291_457);
    let elsewhere = "arn:aws:lambda:us-east-1:222222222222:function:f";
    let cases: &[Refused] = &[
        (
            "nobody",
            &[],
            "",
            404,
            missing,
            "Function not found: arn:aws:lambda:us-east-2:222222222222:function:nobody",
        ),
        ("f:3", &[], "", 404, missing, "function:f:3"),
        (elsewhere, &[], "", 404, missing, "Functions from 'us-east-1' are not reachable"),
        ("f:1?Qualifier=2", &[], "", 400, invalid, "does not match the specified qualifier"),
        ("f%20g", &[], "", 400, validation, "regular expression pattern: (arn:"),
        ("f", &[("x-amz-invocation-type", "Later")], "", 400, validation, "[Event, RequestResponse, DryRun]"),
        ("f", &[], "{", 400, content, "Could not parse request body into json: "),
        ("f", &[event], &large, 413, "RequestTooLargeException", "1048578 byte payload"),
        ("f", &[], &too_large, 413, "RequestEntityTooLargeException", "smaller than 6291456 bytes"),
        ("f", &[(client_context, "e30")], "", 400, content, "valid Base64-encoded JSON"),
        ("f", &[(client_context, &long_context)], "", 400, content, "3583 bytes"),
        ("f", &[tenant], "", 400, invalid, "Remove the tenant ID"),
        ("apart", &[], "", 400, invalid, "Add a valid tenant ID"),
        ("f", &[(durable, "x")], "", 400, invalid, "not durable"),
        ("f", &[(durable, "x y")], "", 400, validation, "[a-zA-Z0-9-_]+"),
    ];
    for (name, extra, body, status, code, part) in cases {
        let (name, query) = name.split_once('?').unwrap_or((name, ""));
        let target = format!("{}?{query}", path(&name.replace(':', "%3A")));
        let reply = bench.rest(&keys, "lambda", ("POST", &target), extra, body.as_bytes());
        let (seen_status, seen_code, answer) = refused(&reply);
        assert_eq!((seen_status, seen_code.as_str()), (*status, *code), "{name}: {answer}");
        let member = if *code == missing { "Message" } else { "message" };
        assert!(answer[member].as_str().is_some_and(|text| text.contains(part)), "{name}: {answer}");
        assert_eq!(answer["Type"], "User");
    }
    assert_eq!(invoke(&bench, &keys, "apart", &[tenant], "").response.status(), 200);
    assert_eq!(bench.cloud.invocations("f").unwrap().len(), 0);
}

#[test]
fn who_may_invoke_what() {
    let all = TWO_ACCOUNTS.replace(
        "\"lambda:InvokeFunction on arn:aws:lambda:us-east-2:222222222222:function:*\"",
        "\"lambda:InvokeFunction on arn:aws:lambda:us-east-2:*:function:*\"",
    );
    let function = "[[lambda.functions]]\naccount = '111111111111'\nname";
    let bench = bench(&format!(
        "{all}\n{function} = 'open'\nallow_accounts = ['222222222222']\n{function} = 'closed'\n"
    ));
    let (first, second) = (bench.first(), bench.second());
    let denied = |session: &str, name: &str, kind: &str| {
        format!(
            "User: arn:aws:sts::{session}/pod is not authorized to perform: lambda:InvokeFunction on resource: \
             arn:aws:lambda:us-east-2:111111111111:function:{name} because no {kind} policy allows the \
             lambda:InvokeFunction action"
        )
    };
    let (status, code, answer) = refused(&invoke(&bench, &first, "open", &[], ""));
    assert_eq!((status, code.as_str()), (403, "AccessDeniedException"));
    assert_eq!(answer["Message"], denied("111111111111:assumed-role/cats-glue", "open", "identity-based"));
    let (_, _, answer) = refused(&invoke(&bench, &second, "111111111111%3Aclosed", &[], ""));
    assert_eq!(
        answer["Message"],
        denied("222222222222:assumed-role/external-glue", "closed", "resource-based")
    );
    let arn = "arn%3Aaws%3Alambda%3Aus-east-2%3A111111111111%3Afunction%3Aopen";
    assert_eq!(invoke(&bench, &second, arn, &[], "").response.status(), 200);
    let (status, code, _) = refused(&bench.rest(
        &Keys { secret: "x".into(), ..second },
        "lambda",
        ("POST", &path("f")),
        &[],
        b"",
    ));
    assert_eq!((status, code.as_str()), (403, "InvalidSignatureException"));
}

/// The status, result and error of an execution.
fn look(bench: &Bench, keys: &Keys, arn: &str) -> (String, Value, Value) {
    let path = format!("/2025-12-01/durable-executions/{}", arn.replace(':', "%3A").replace('/', "%2F"));
    let reply = bench.rest(keys, "lambda", ("GET", &path), &[], b"");
    let answer: Value = serde_json::from_str(&text(&reply)).unwrap();
    let status = answer["Status"].as_str().map_or_else(|| answer.to_string(), str::to_owned);
    (status, answer["Result"].clone(), answer["Error"].clone())
}

#[test]
fn durable_executions() {
    let (bench, keys) = with(
        "durable = true\n[[lambda.functions.courses]]\nafter = '5s'\n\
         [[lambda.functions.courses]]\nafter = '1s'\nanswer = 'timed_out'\n\
         [[lambda.functions.courses]]\nanswer = { error = { type = 'E', message = 'm' } }\n\
         [[lambda.functions.courses]]\nafter = '5s'",
    );
    let name = "x-amz-durable-execution-name";
    let (status, code, answer) = refused(&invoke(&bench, &keys, "f", &[(name, "one")], "1"));
    assert_eq!((status, code.as_str()), (400, "InvalidParameterValueException"));
    assert_eq!(answer["message"], "You cannot invoke a durable function using an unqualified ARN.");

    let arn_of = |reply: &Reply| header(reply, "x-amz-durable-execution-arn").to_owned();
    let event = ("x-amz-invocation-type", "Event");
    let reply = invoke(&bench, &keys, "f%3Alive", &[(name, "one"), event], "1");
    assert_eq!(reply.response.status(), 202);
    let one = arn_of(&reply);
    assert!(
        one.starts_with("arn:aws:lambda:us-east-2:222222222222:function:f:2/durable-execution/one/"),
        "{one}"
    );
    assert_eq!(look(&bench, &keys, &one).0, "RUNNING");
    // The same again comes back to it, whichever way it is asked; another payload does not.
    let reply = invoke(&bench, &keys, "f%3A1", &[(name, "one"), event], "1");
    assert_eq!((reply.response.status().as_u16(), arn_of(&reply)), (202, one.clone()));
    let reply = invoke(&bench, &keys, "f%3Alive", &[(name, "one")], "1");
    assert_eq!((&reply.ready, arn_of(&reply)), (&Ready::Ended(one.clone()), one.clone()));
    assert_eq!(reply.ready.left(&bench.cloud).as_secs(), 4);
    let (status, code, _) = refused(&invoke(&bench, &keys, "f%3Alive", &[(name, "one")], "2"));
    assert_eq!((status, code.as_str()), (409, "DurableExecutionAlreadyStartedException"));
    bench.advance(MILLIS * 5000);
    assert_eq!(look(&bench, &keys, &one), ("SUCCEEDED".into(), json!("1"), Value::Null));
    let reply = invoke(&bench, &keys, "f%3Alive", &[(name, "one")], "1");
    assert_eq!((text(&reply).as_str(), reply.ready.left(&bench.cloud)), ("1", Duration::ZERO));
    assert_eq!(bench.cloud.invocations("f").unwrap().len(), 1);

    let two = arn_of(&invoke(&bench, &keys, "f%3A1", &[(name, "two")], ""));
    bench.advance(MILLIS * 1000);
    let (status, _, error) = look(&bench, &keys, &two);
    assert_eq!((status.as_str(), &error["ErrorType"]), ("TIMED_OUT", &json!("Sandbox.Timedout")));
    let three = arn_of(&invoke(&bench, &keys, "f%3A1", &[], ""));
    assert_eq!(look(&bench, &keys, &three).2, json!({ "ErrorType": "E", "ErrorMessage": "m" }));

    let mut waiting = invoke(&bench, &keys, "f%3A1", &[(name, "four")], "");
    let four = arn_of(&waiting);
    let stop =
        format!("/2025-12-01/durable-executions/{}/stop", four.replace(':', "%3A").replace('/', "%2F"));
    let why = br#"{"ErrorType":"Cancelled","ErrorMessage":"by hand"}"#;
    let reply = bench.rest(&keys, "lambda", ("POST", &stop), &[], why);
    assert!(text(&reply).contains("StopTimestamp"));
    assert_eq!(look(&bench, &keys, &four).0, "STOPPED");
    assert_eq!(look(&bench, &keys, &four).2["ErrorMessage"], "by hand");
    assert_eq!(waiting.ready.left(&bench.cloud), Duration::ZERO);
    waiting.ready.conclude(&bench.cloud, &mut waiting.response);
    assert_eq!(header(&waiting, "x-amz-function-error"), "Unhandled");
    assert!(text(&waiting).contains("by hand"));
    assert!(look(&bench, &keys, &four.replace("four", "none")).0.contains("Durable execution not found"));
    assert!(look(&bench, &keys, "four").0.contains("regular expression"));

    let list = |query: &str| {
        let path = format!("/2025-12-01/functions/f/durable-executions?{query}");
        let reply = bench.rest(&keys, "lambda", ("GET", &path), &[], b"");
        serde_json::from_str::<Value>(&text(&reply)).unwrap()
    };
    let arns = |answer: &Value| -> Vec<String> {
        let listed = answer["DurableExecutions"].as_array().unwrap();
        listed.iter().map(|execution| execution["DurableExecutionArn"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(arns(&list("DurableExecutionName=one")), std::slice::from_ref(&one));
    assert_eq!(arns(&list("Qualifier=live")), std::slice::from_ref(&one));
    assert_eq!(arns(&list("Statuses=STOPPED&Statuses=TIMED_OUT")), [four.clone(), two.clone()]);
    let page = list("MaxItems=3&ReverseOrder=true");
    assert_eq!((arns(&page), &page["NextMarker"]), (vec![one, two, three], &json!("3")));
    assert_eq!(arns(&list("MaxItems=3&ReverseOrder=true&Marker=3")), [four]);
    assert!(arns(&list("StartedAfter=2999-01-01T00%3A00%3A00Z")).is_empty());
    assert!(list("Statuses=DONE").to_string().contains("enum value set"));
}

#[test]
fn streams() {
    let (bench, keys) = with(
        "[[lambda.functions.courses]]\nchunks = ['a', 'b']\nevery = '100ms'\n\
         [[lambda.functions.courses]]\nchunks = ['a']\nstream_error = { code = 'C', details = 'D' }\n\
         [[lambda.functions.courses]]\nchunks = ['a']\ncut = true\n\
         [[lambda.functions.courses]]\nanswer = 'crash'",
    );
    let stream = || {
        let target = "/2021-11-15/functions/f/response-streaming-invocations";
        let reply = bench.rest(&keys, "lambda", ("POST", target), &[("x-amz-log-type", "Tail")], b"");
        assert_eq!(header(&reply, "content-type"), "application/vnd.amazon.eventstream");
        assert_eq!(header(&reply, "x-amz-executed-version"), "$LATEST");
        let Content::Parts(parts) = reply.response.into_body() else { panic!("no stream") };
        let waits: Vec<u128> = parts.parts.iter().map(|(wait, _)| wait.as_millis()).collect();
        let text: Vec<String> =
            parts.parts.iter().map(|(_, data)| String::from_utf8_lossy(data).into_owned()).collect();
        (waits, text, parts.cut)
    };
    let (waits, text, cut) = stream();
    assert_eq!((waits, cut), (vec![0, 100, 0], false));
    assert!(text[1].contains("PayloadChunk") && text[2].contains("InvokeComplete"));
    assert!(text[2].contains("LogResult") && !text[2].contains("ErrorCode"));
    let (_, text, _) = stream();
    assert!(text[1].contains(r#""ErrorCode":"C","ErrorDetails":"D""#), "{text:?}");
    let (_, text, cut) = stream();
    assert_eq!((text.len(), cut), (1, true));
    let (_, text, _) = stream();
    assert!(text.len() == 1 && text[0].contains(r#""ErrorCode":"Runtime.ExitError""#), "{text:?}");
    assert_eq!(serde_json::to_value(bench.cloud.invocations("f").unwrap()[0].kind).unwrap(), "stream");
}

#[test]
fn too_many_at_once() {
    let (bench, keys) = with("throttle_above = 1\n[[lambda.functions.courses]]\nafter = '1s'");
    assert_eq!(invoke(&bench, &keys, "f", &[], "").response.status(), 200);
    let (status, code, answer) = refused(&invoke(&bench, &keys, "f", &[], ""));
    assert_eq!((status, code.as_str()), (429, "TooManyRequestsException"));
    assert_eq!(
        answer,
        json!({
            "Type": "User",
            "message": "Rate Exceeded.",
            "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
        })
    );
    // Events queue.
    assert_eq!(invoke(&bench, &keys, "f", &[("x-amz-invocation-type", "Event")], "").response.status(), 202);
    bench.advance(MILLIS * 1000);
    assert_eq!(invoke(&bench, &keys, "f", &[], "").response.status(), 200);
    assert_eq!(bench.cloud.invocations("f").unwrap().len(), 3);
}

#[test]
fn faults_in_its_own_words() {
    let (bench, keys) = with("");
    let status = |code: &str| FaultKind::Status { status: 502, code: code.into(), message: "m".into() };
    for (kind, body) in [
        (FaultKind::Throttle, json!({ "Type": "User", "message": "Rate Exceeded." })),
        (status("ENINotReadyException"), json!({ "Type": "Service", "Message": "m" })),
        (status("ResourceNotReadyException"), json!({ "Type": "Service", "message": "m" })),
    ] {
        bench.cloud.add_fault(Fault::new("lambda", "Invoke", kind)).unwrap();
        assert_eq!(refused(&invoke(&bench, &keys, "f", &[], "")).2, body);
    }
    bench.cloud.set_function_course("f", FunctionCourse::new(MILLIS, FunctionAnswer::Crash)).unwrap();
    assert!(bench.cloud.set_function_course("g", FunctionCourse::default()).is_err());
    assert_eq!(header(&invoke(&bench, &keys, "f", &[], ""), "x-amz-function-error"), "Unhandled");
    assert_eq!(bench.cloud.invocations("f").unwrap().len(), 1);
    let configuration = "/2015-03-31/functions/f/configuration?Qualifier=live";
    let reply = bench.rest(&keys, "lambda", ("GET", configuration), &[], b"");
    assert_eq!(refused(&reply).2["Version"], "2");
}

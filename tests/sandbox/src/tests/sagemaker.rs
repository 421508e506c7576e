use serde_json::json;

use super::*;
use crate::answer::{Content, Ready};
use crate::crypto::base64;
use crate::fault::{Fault, FaultKind};

const CONTENT_TYPE: &str = "x-amzn-sagemaker-content-type";
const INPUT: &str = "x-amzn-sagemaker-inputlocation";

/// The documented world with an endpoint of these settings.
fn with(settings: &str) -> (Bench, Keys) {
    let endpoint = "[[sagemaker.endpoints]]\naccount = '222222222222'\nname = 'Model'\n";
    let bench = bench(&format!("{TWO_ACCOUNTS}\n{endpoint}{settings}\n"));
    let keys = bench.second();
    (bench, keys)
}

fn call(bench: &Bench, keys: &Keys, path: &str, extra: &[(&'static str, &str)], body: &[u8]) -> Reply {
    bench.rest(keys, "sagemaker", ("POST", &format!("/endpoints/{path}")), extra, body)
}

fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply.response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

fn text(reply: &Reply) -> String {
    String::from_utf8_lossy(&reply.response.body().bytes()).into_owned()
}

/// Status, code and body of a refusal.
fn refused(reply: &Reply) -> (u16, String, Value) {
    let body = serde_json::from_str(&text(reply)).unwrap();
    (reply.response.status().as_u16(), header(reply, "x-amzn-errortype").to_owned(), body)
}

#[test]
fn an_inference_and_its_record() {
    let binary = base64(b"\x00\xff");
    let (bench, keys) = with(&format!(
        "[[sagemaker.endpoints.courses]]\nafter = '1s'\n\
         [[sagemaker.endpoints.courses]]\nbody_base64 = '{binary}'\ncontent_type = 'application/x-npy'"
    ));
    let extra = [
        ("content-type", "text/csv"),
        ("accept", "application/json"),
        ("x-amzn-sagemaker-custom-attributes", "trace=1"),
        ("x-amzn-sagemaker-target-variant", "blue"),
        ("x-amzn-sagemaker-target-model", "m.tar.gz"),
        ("x-amzn-sagemaker-target-container-hostname", "second"),
        ("x-amzn-sagemaker-inference-id", "id-1"),
        ("x-amzn-sagemaker-inference-component", "part"),
        ("x-amzn-sagemaker-enable-explanations", "`true`"),
        ("x-amzn-sagemaker-session-id", "NEW_SESSION"),
    ];
    let reply = call(&bench, &keys, "Model/invocations", &extra, b"1,\xff");
    assert_eq!((reply.response.status().as_u16(), &reply.response.body().bytes()[..]), (200, &b"1,\xff"[..]));
    assert!(matches!(reply.ready, Ready::At(_)));
    assert_eq!(
        (header(&reply, "content-type"), header(&reply, "x-amzn-invoked-production-variant")),
        ("text/csv", "blue")
    );
    assert_eq!(header(&reply, "x-amzn-sagemaker-custom-attributes"), "trace=1");
    assert!(header(&reply, "x-amzn-sagemaker-new-session-id").contains("; Expires="));
    let reply = call(&bench, &keys, "model/invocations", &[], b"");
    assert_eq!(
        (header(&reply, "content-type"), &reply.response.body().bytes()[..]),
        ("application/x-npy", &b"\x00\xff"[..])
    );
    let seen = bench.cloud.inferences("Model").unwrap();
    assert_eq!(
        (seen.len(), &seen[0].body[..], seen[0].operation.as_str()),
        (2, &b"1,\xff"[..], "InvokeEndpoint")
    );
    assert_eq!(seen[0].options.len(), 11);
    assert_eq!(seen[0].options["EnableExplanations"], "`true`");
    assert_eq!(bench.cloud.record().calls.last().unwrap().service, "sagemaker-runtime");
}

#[test]
fn models_fail_in_their_ways() {
    let (bench, keys) = with(
        "[[sagemaker.endpoints.courses]]\nnot_ready = true\n\
         [[sagemaker.endpoints.courses]]\nmodel_error = { status = 400, message = 'bad row' }\n\
         [[sagemaker.endpoints.courses]]\nafter = '61s'",
    );
    let invoke = || call(&bench, &keys, "Model/invocations", &[], b"1");
    let (status, code, _) = refused(&invoke());
    assert_eq!((status, code.as_str()), (429, "ModelNotReadyException"));
    assert!(bench.cloud.inferences("Model").unwrap().is_empty());
    let (status, code, answer) = refused(&invoke());
    assert_eq!((status, code.as_str()), (424, "ModelError"));
    assert_eq!(
        answer,
        json!({
            "Message": "Received client error (400) from primary with message \"bad row\". See \
                https://us-east-2.console.aws.amazon.com/cloudwatch/home?region=us-east-2#logEventViewer:group=\
                /aws/sagemaker/Endpoints/Model in account 222222222222 for more information.",
            "ErrorCode": "CLIENT_ERROR_FROM_MODEL",
            "OriginalStatusCode": 400,
            "OriginalMessage": "bad row",
            "LogStreamArn": "arn:aws:logs:us-east-2:222222222222:log-group:/aws/sagemaker/Endpoints/Model",
        })
    );
    // A model has a minute.
    let reply = invoke();
    assert_eq!(refused(&reply).2["OriginalStatusCode"], 0);
    assert_eq!(reply.ready.left(&bench.cloud).as_secs(), 59);
    assert_eq!(bench.cloud.inferences("Model").unwrap().len(), 2);
}

#[test]
fn streams() {
    let (bench, keys) = with(
        "[[sagemaker.endpoints.courses]]\nchunks = ['a', 'b']\nevery = '100ms'\n\
         stream_error = { code = 'ModelInvocationTimeExceeded', message = 'late' }\n\
         [[sagemaker.endpoints.courses]]\ncut = true\n\
         [[sagemaker.endpoints.courses]]\nmodel_error = { status = 500, message = 'boom' }",
    );
    let invoke =
        || call(&bench, &keys, "Model/invocations-response-stream", &[("content-type", "text/csv")], b"1");
    let reply = invoke();
    assert_eq!(header(&reply, "content-type"), "application/vnd.amazon.eventstream");
    assert_eq!(header(&reply, CONTENT_TYPE), "text/csv");
    let Content::Parts(parts) = reply.response.into_body() else { panic!("no stream") };
    let waits: Vec<u128> = parts.parts.iter().map(|(wait, _)| wait.as_millis()).collect();
    assert_eq!((waits, parts.cut), (vec![0, 100, 100], false));
    let error = String::from_utf8_lossy(&parts.parts[2].1).into_owned();
    assert!(
        error.contains("exception")
            && error.contains(r#"{"ErrorCode":"ModelInvocationTimeExceeded","Message":"late"}"#),
        "{error}"
    );
    let Content::Parts(parts) = invoke().response.into_body() else { panic!("no stream") };
    assert!(parts.cut && parts.parts.len() == 1);
    assert_eq!(refused(&invoke()).1, "ModelError");
}

#[test]
fn asynchronous_answers_appear_in_s3() {
    let (bench, keys) = with(
        "async = { output = 's3://team-data/out/', failure = 's3://team-data/bad' }\n\
         [[sagemaker.endpoints.courses]]\nafter = '2s'\n\
         [[sagemaker.endpoints.courses]]\nafter = '2s'\n\
         [[sagemaker.endpoints.courses]]\nmodel_error = { status = 500, message = 'boom' }\n\
         [[sagemaker.endpoints.courses]]\nqueued = '2m'",
    );
    let invoke = |extra: &[(&'static str, &str)], body: &[u8]| {
        call(&bench, &keys, "Model/async-invocations", extra, body)
    };
    let reply =
        invoke(&[(INPUT, "s3://team-data/in/one.json"), ("x-amzn-sagemaker-inference-id", "i-1")], b"");
    assert_eq!((reply.response.status().as_u16(), text(&reply).as_str()), (202, r#"{"InferenceId":"i-1"}"#));
    assert_eq!(header(&reply, "x-amzn-sagemaker-outputlocation"), "s3://team-data/out/i-1.out");
    assert_eq!(header(&reply, "x-amzn-sagemaker-failurelocation"), "s3://team-data/bad/i-1-error.out");
    let named = [
        ("x-amzn-sagemaker-filename", "r.csv"),
        ("x-amzn-sagemaker-s3outputpathextension", "day/1"),
        (CONTENT_TYPE, "text/csv"),
    ];
    let reply = invoke(&named, b"1,2");
    let second: Value = serde_json::from_str(&text(&reply)).unwrap();
    assert_eq!(second["InferenceId"].as_str().unwrap().len(), 36);
    assert_eq!(header(&reply, "x-amzn-sagemaker-outputlocation"), "s3://team-data/out/day/1/r.csv");
    invoke(&[("x-amzn-sagemaker-inference-id", "i-3")], b"1");
    invoke(&[("x-amzn-sagemaker-inference-id", "i-4"), ("x-amzn-sagemaker-requestttlseconds", "60")], b"1");
    let failed = bench.cloud.object("team-data", "bad/i-3-error.out").unwrap();
    assert!(String::from_utf8_lossy(&failed).starts_with("Received server error (500) from primary"));
    assert_eq!(bench.cloud.object("team-data", "out/i-1.out"), None);
    // What counts is the input as it is when the model gets it.
    bench.cloud.put_object("team-data", "in/one.json", "new".into()).unwrap();
    bench.advance(Duration::from_secs(2));
    assert_eq!(bench.cloud.object("team-data", "out/i-1.out").unwrap(), "new");
    assert_eq!(bench.cloud.object("team-data", "out/day/1/r.csv").unwrap(), "1,2");
    bench.advance(Duration::from_secs(58));
    assert!(bench.cloud.object("team-data", "bad/i-4-error.out").is_some());
    assert!(bench.cloud.object("team-data", "out/i-4.out").is_none());
    let seen = bench.cloud.inferences("Model").unwrap();
    assert_eq!(seen[0].output_location.as_deref(), Some("s3://team-data/out/i-1.out"));
    assert_eq!(seen[0].options["InputLocation"], "s3://team-data/in/one.json");

    // The documented endpoint has no place for failures.
    let failing = crate::EndpointCourse {
        model_error: Some(crate::ModelFailure { status: 500, message: "boom".into() }),
        ..crate::EndpointCourse::default()
    };
    bench.cloud.set_endpoint_course("scoring-async", failing).unwrap();
    let before = bench.cloud.objects("team-data").unwrap();
    let reply = call(&bench, &keys, "scoring-async/async-invocations", &[], b"1");
    assert_eq!(
        (reply.response.status().as_u16(), header(&reply, "x-amzn-sagemaker-failurelocation")),
        (202, "")
    );
    assert_eq!(bench.cloud.objects("team-data").unwrap(), before);
}

/// A request that is refused: path, headers, body; a part of the text.
type Refused<'a> = (&'a str, &'a [(&'static str, &'a str)], &'a [u8], &'a str);

#[test]
fn refusals() {
    let (bench, keys) = with("");
    let (plain, slow) = ("Model/invocations", "scoring-async/async-invocations");
    let long = "x".repeat(1025);
    let too_long = vec![b'x'; 128_001];
    let file = "x-amzn-sagemaker-filename";
    let cases: &[Refused] = &[
        ("nobody/invocations", &[], b"", "Endpoint nobody of account 222222222222 not found."),
        ("-x/invocations", &[], b"", "Value '-x' at 'endpointName' failed to satisfy constraint"),
        ("Model/async-invocations", &[], b"1", "does not support asynchronous inference"),
        ("scoring-async/invocations", &[], b"1", "Use InvokeEndpointAsync."),
        ("scoring-async/invocations-response-stream", &[], b"1", "Use InvokeEndpointAsync."),
        (plain, &[("x-amzn-sagemaker-custom-attributes", &long)], b"", "less than or equal to 1024"),
        (plain, &[("x-amzn-sagemaker-inference-id", &long[..65])], b"", "less than or equal to 64"),
        (plain, &[("x-amzn-sagemaker-session-id", "a b")], b"", "'sessionId' failed to satisfy"),
        (
            "Model/invocations-response-stream",
            &[("x-amzn-sagemaker-session-id", "NEW_SESSION")],
            b"",
            "'sessionId'",
        ),
        (plain, &[("x-amzn-sagemaker-target-variant", "a_b")], b"", "'targetVariant'"),
        (slow, &[], b"", "One of InputLocation and Body must be given."),
        (slow, &[(INPUT, "s3://team-data/in/one.json")], b"1", "Only one of"),
        (
            slow,
            &[],
            &too_long,
            "'body' failed to satisfy constraint: Member must have length less than or equal to 128000",
        ),
        (slow, &[(INPUT, "ftp://x")], b"", "'inputLocation'"),
        (slow, &[(file, "a.b.c")], b"1", "'filename'"),
        (slow, &[(file, &long[..33])], b"1", "less than or equal to 32"),
        (slow, &[("x-amzn-sagemaker-s3outputpathextension", "a b")], b"1", "'s3OutputPathExtension'"),
        (slow, &[("x-amzn-sagemaker-requestttlseconds", "59")], b"1", "greater than or equal to 60"),
        (slow, &[("x-amzn-sagemaker-invocationtimeoutseconds", "3601")], b"1", "less than or equal to 3600"),
    ];
    for (path, extra, body, part) in cases {
        let (status, code, answer) = refused(&call(&bench, &keys, path, extra, body));
        assert_eq!((status, code.as_str()), (400, "ValidationError"), "{path}: {answer}");
        assert!(answer["Message"].as_str().is_some_and(|text| text.contains(part)), "{path}: {answer}");
    }
    let (status, code, answer) = refused(&call(&bench, &keys, plain, &[], &vec![b'x'; 6_291_457]));
    assert_eq!((status, code.as_str()), (413, ""));
    assert_eq!(answer["message"], "HTTP content length exceeded 6291456 bytes.");
    let (status, _, answer) =
        refused(&call(&bench, &keys, slow, &[("x-amzn-sagemaker-requestttlseconds", "x")], b"1"));
    assert!(status == 400 && answer["message"].as_str().unwrap().contains("RequestTTLSeconds"));
    let (status, code, answer) = refused(&call(&bench, &bench.first(), plain, &[], b""));
    assert_eq!((status, code.as_str()), (403, "AccessDeniedException"));
    assert!(answer["Message"].as_str().unwrap().contains(
        "perform: sagemaker:InvokeEndpoint on resource: arn:aws:sagemaker:us-east-2:111111111111:endpoint/model because"
    ));
    let other = bench.rest(&keys, "sagemaker-runtime", ("POST", "/endpoints/Model/invocations"), &[], b"");
    assert_eq!(refused(&other).1, "InvalidSignatureException");
    bench.cloud.add_fault(Fault::new("sagemaker-runtime", "InvokeEndpoint", FaultKind::Throttle)).unwrap();
    assert_eq!(refused(&call(&bench, &keys, plain, &[], b"")).1, "ThrottlingException");
    assert!(bench.cloud.inferences("Model").unwrap().is_empty());
}

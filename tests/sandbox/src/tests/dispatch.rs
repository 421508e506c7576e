use serde_json::json;

use super::*;
use crate::dispatch::Delivery;
use crate::fault::{Fault, FaultKind};

const TARGET: &str = "AWSGlue.GetJob";
const BODY: &str = r#"{"JobName":"nightly-etl"}"#;

/// Status and code of a Glue request with these headers.
fn outcome(bench: &Bench, headers: HeaderMap) -> (u16, String) {
    let reply = bench.send("POST", "/", headers, BODY);
    let answer: Value = serde_json::from_slice(&reply.response.body().bytes()).unwrap();
    (reply.response.status().as_u16(), answer["__type"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn only_authentic_requests_pass() {
    let bench = two_accounts();
    let good = bench.second();
    let signed = |keys: &Keys| bench.headers("glue", Some(TARGET), Some(keys), BODY);
    let unknown = Keys { id: "ASIANOBODY0000000000".into(), ..good.clone() };
    let altered = Keys { token: Some(good.token.as_ref().unwrap().replace('a', "b")), ..good.clone() };
    let without_token = Keys { token: None, ..good.clone() };
    let wrong_secret = Keys { secret: "wrong".into(), ..good.clone() };
    let mut wrong_region = signed(&good);
    wrong_region.insert("host", "glue.eu-west-1.amazonaws.com".parse().unwrap());
    for (headers, status, code) in [
        (signed(&good), 200, ""),
        (bench.headers("glue", Some(TARGET), None, BODY), 400, "MissingAuthenticationTokenException"),
        (signed(&unknown), 400, "UnrecognizedClientException"),
        (signed(&altered), 400, "UnrecognizedClientException"),
        (signed(&without_token), 400, "UnrecognizedClientException"),
        (signed(&wrong_secret), 400, "InvalidSignatureException"),
        (bench.headers("logs", Some(TARGET), Some(&good), BODY), 400, "InvalidSignatureException"),
        (wrong_region, 400, "InvalidSignatureException"),
    ] {
        assert_eq!(outcome(&bench, headers), (status, code.into()));
    }
    let (status, xml) = bench.sts(Some(&wrong_secret), "GetCallerIdentity", &[]);
    assert_eq!((status, element(&xml, "Code")), (403, "SignatureDoesNotMatch".into()));
    let (status, xml) = bench.sts(None, "GetCallerIdentity", &[]);
    assert_eq!((status, element(&xml, "Code")), (403, "MissingAuthenticationToken".into()));
    let (status, xml) = bench.sts(Some(&good), "GetSessionToken", &[]);
    assert_eq!((status, element(&xml, "Code")), (400, "InvalidAction".into()));

    let early = signed(&good);
    bench.advance(Duration::from_secs(301));
    assert_eq!(outcome(&bench, early), (400, "InvalidSignatureException".into()));
    bench.cloud.expire_sessions();
    assert_eq!(outcome(&bench, signed(&good)), (400, "ExpiredTokenException".into()));
}

#[test]
fn nonsense_is_refused() {
    let bench = two_accounts();
    let reply = bench.send("GET", "/favicon.ico", HeaderMap::new(), "");
    assert_eq!(reply.response.status(), 404);
    let keys = bench.second();
    let body = "not json";
    let reply = bench.send("POST", "/", bench.headers("glue", Some(TARGET), Some(&keys), body), body);
    assert_eq!(reply.response.headers()["x-amzn-errortype"], "SerializationException");
    assert!(reply.response.headers().contains_key("x-amzn-requestid"));
    let calls = &bench.cloud.record().calls;
    assert_eq!(calls[0].operation, "GET /favicon.ico");
    assert_eq!(calls.last().unwrap().error.as_deref(), Some("SerializationException"));
}

#[test]
fn faults_before_and_after_the_work() {
    let status =
        FaultKind::Status { status: 500, code: "InternalServiceException".into(), message: "oops".into() };
    for (kind, delivery, started, seen) in [
        (status, Delivery::Now, 0, Some(500)),
        (FaultKind::Throttle, Delivery::Now, 0, Some(400)),
        (FaultKind::ResetBefore, Delivery::Reset, 0, None),
        (FaultKind::Hang, Delivery::Never, 0, None),
        (FaultKind::ResetAfter, Delivery::Reset, 1, None),
        (FaultKind::HangAfter, Delivery::Never, 1, None),
        (
            FaultKind::HangThenReset(Duration::from_secs(9)),
            Delivery::ResetIn(Duration::from_secs(9)),
            1,
            None,
        ),
        (FaultKind::Slow(Duration::from_secs(9)), Delivery::After(Duration::from_secs(9)), 1, Some(200)),
        (FaultKind::Truncated, Delivery::CutShort, 1, Some(200)),
        (FaultKind::Garbage, Delivery::Now, 1, Some(200)),
    ] {
        let bench = two_accounts();
        let keys = bench.second();
        bench.cloud.add_fault(Fault::new("glue", "StartJobRun", kind.clone())).unwrap();
        let headers = bench.headers("glue", Some("AWSGlue.StartJobRun"), Some(&keys), BODY);
        let reply = bench.send("POST", "/", headers, BODY);
        assert_eq!(reply.delivery, delivery, "{kind:?}");
        assert_eq!(bench.cloud.runs("nightly-etl").unwrap().len(), started, "{kind:?}");
        let record = bench.cloud.record();
        let call = record.calls.last().unwrap();
        assert_eq!((call.status, call.fault), (seen, Some(kind.name())));
    }
    let bench = two_accounts();
    assert!(bench.cloud.add_fault(Fault::new("glue", "StartJob", FaultKind::Hang)).is_err());
}

#[test]
fn each_service_throttles_in_its_own_words() {
    let bench = two_accounts();
    let keys = bench.second();
    bench.cloud.add_fault(Fault::new("*", "*", FaultKind::Throttle).for_ever()).unwrap();
    for target in [TARGET, "Logs_20140328.GetLogEvents"] {
        let (status, answer) = bench.json(&keys, target, &json!({}));
        assert_eq!(
            (status, answer),
            (400, json!({ "__type": "ThrottlingException", "message": "Rate exceeded" }))
        );
    }
    let (status, xml) = bench.sts(Some(&keys), "GetCallerIdentity", &[]);
    assert_eq!((status, element(&xml, "Code")), (400, "Throttling".into()));
}

#[test]
fn an_account_may_have_a_region_off() {
    let bench = bench(&TWO_ACCOUNTS.replace("alias = \"external\"", "disabled_regions = ['us-east-2']"));
    let first = bench.first();
    let (status, xml) =
        bench.sts(Some(&first), "AssumeRole", &[("RoleArn", SECOND), ("RoleSessionName", "pod")]);
    assert_eq!((status, element(&xml, "Code")), (403, "RegionDisabledException".into()));
}

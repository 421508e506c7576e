//! Signatures that botocore made, and requests that are not authentic.

use super::*;

const KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "IQoJb3JpZ2lu/+token==";

/// Signs a request as its sender would: sets `authorization`.
pub(crate) fn sign(
    headers: &mut HeaderMap,
    request: (&str, &str, &[u8]),
    scope: (&str, &str),
    key: (&str, &str),
) {
    let (method, target, body) = request;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (region, service) = scope;
    let date = text(headers, "x-amz-date").unwrap();
    let claim = Claim {
        access_key: key.0.into(),
        region: region.into(),
        service: service.into(),
        token: None,
        scope_date: date[..8].into(),
        date,
        signed_headers: headers
            .keys()
            .map(|name| name.as_str().to_owned())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        signature: String::new(),
        expires: None,
    };
    let signed = Signed { method, path, query, headers, body, secure: false };
    let canonical = claim.canonical_request(signed, &sha256_hex(body));
    let value = format!(
        "{ALGORITHM} Credential={}/{}/{region}/{service}/aws4_request, SignedHeaders={}, Signature={}",
        key.0,
        claim.scope_date,
        claim.signed_headers.join(";"),
        claim.signature_of(&canonical, &claim.signing_key(key.1))
    );
    headers.insert("authorization", value.parse().unwrap());
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
}

fn authorization(service: &str, signed: &str, signature: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=ASIAEXAMPLEEXAMPLE00/20261124/us-east-2/{service}/aws4_request, \
         SignedHeaders={signed}, Signature={signature}"
    )
}

/// A Glue request as botocore 1.43 signs it.
fn glue() -> HeaderMap {
    headers(&[
        ("host", "glue.us-east-2.amazonaws.com"),
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amz-target", "AWSGlue.StartJobRun"),
        ("x-amz-date", "20261124T023000Z"),
        ("x-amz-security-token", TOKEN),
        (
            "authorization",
            &authorization(
                "glue",
                "content-type;host;x-amz-date;x-amz-security-token;x-amz-target",
                "e116e2244683d583ebc0097aa955db55e8c0390dffe84a4aefb83c8b24cb7448",
            ),
        ),
    ])
}

const BODY: &[u8] = br#"{"JobName": "nightly-etl"}"#;

fn check(request: Signed<'_>, service: &str, region: Option<&str>, now: &str) -> Result<(), Problem> {
    let claim = Claim::find(request)?;
    claim.verify(request, &claim.signing_key(KEY), service, region, clock::from_amz(now).unwrap())
}

fn glue_request(headers: &HeaderMap) -> Signed<'_> {
    Signed { method: "POST", path: "/", query: "", headers, body: BODY, secure: true }
}

#[test]
fn signatures_of_botocore() {
    let now = "20261124T023030Z";
    assert_eq!(check(glue_request(&glue()), "glue", Some("us-east-2"), now), Ok(()));

    let sts = headers(&[
        ("host", "sts.us-east-2.amazonaws.com"),
        ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
        ("x-amz-date", "20261124T023000Z"),
        ("x-amz-security-token", TOKEN),
        (
            "authorization",
            &authorization(
                "sts",
                "content-type;host;x-amz-date;x-amz-security-token",
                "ee86521ce57ed6d2dfbc4559181600e7d51f2cf682edf147340004a9b1ef8b87",
            ),
        ),
    ]);
    let body = b"Action=GetCallerIdentity&Version=2011-06-15";
    let request = Signed { method: "POST", path: "/", query: "", headers: &sts, body, secure: false };
    assert_eq!(check(request, "sts", None, now), Ok(()));

    // An encoded path is encoded once more, parameters are sorted, spaces in headers collapse.
    let lambda = headers(&[
        ("host", "lambda.us-east-2.amazonaws.com"),
        ("x-amz-meta", "  two   words  "),
        ("x-amz-date", "20261124T023000Z"),
        ("x-amz-security-token", TOKEN),
        (
            "authorization",
            &authorization(
                "lambda",
                "host;x-amz-date;x-amz-meta;x-amz-security-token",
                "3d30a0a47e32fb018e37efcb6596f271d6a65e955d7fae0cfa72378c40b556ca",
            ),
        ),
    ]);
    let request = Signed {
        method: "GET",
        path: "/2015-03-31/functions/arn%3Aaws%3Alambda%3Ax/invocations",
        query: "Qualifier=a%20b&A=%2B&empty=&b=2&b=1",
        headers: &lambda,
        body: b"",
        secure: true,
    };
    assert_eq!(check(request, "lambda", None, now), Ok(()));
}

/// Tokens for RDS: a query made and read as botocore 1.43 makes it.
#[test]
fn presigned_queries_of_botocore() {
    let host = "mydb.cluster-abc123.us-east-2.rds.amazonaws.com:5432";
    for (user, encoded, signature) in [
        (
            "iam_demo_user",
            "iam_demo_user",
            "dab3be9b66239a4beb8c8b567921d9ff0ae807c93b33df6f6d2ede7e57ce1777",
        ),
        (
            "user+x@corp",
            "user%2Bx%40corp",
            "b7d6384d370b24607ed7d823a14cea165be60b7d88df2ba9d35ec4d8d9ec5330",
        ),
    ] {
        let presigned = Presigned {
            host,
            parameters: &[("Action", "connect"), ("DBUser", user)],
            region: "us-east-2",
            service: "rds-db",
            access_key: "ASIAEXAMPLEEXAMPLE00",
            token: Some(TOKEN),
            seconds: 900,
        };
        let query = presigned.sign(KEY, clock::from_amz("20261124T023000Z").unwrap());
        let expected = format!(
            "Action=connect&DBUser={encoded}&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ASIAEXAMPLEEXAMPLE00%2F20261124\
             %2Fus-east-2%2Frds-db%2Faws4_request&X-Amz-Date=20261124T023000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\
             &X-Amz-Security-Token=IQoJb3JpZ2lu%2F%2Btoken%3D%3D&X-Amz-Signature={signature}"
        );
        assert_eq!(query, expected);
        let headers = headers(&[("host", host)]);
        let request =
            Signed { method: "GET", path: "/", query: &query, headers: &headers, body: b"", secure: true };
        assert_eq!(check(request, "rds-db", Some("us-east-2"), "20261124T024459Z"), Ok(()));
    }
}

/// S3 encodes a path once and leaves it as it is, and wants the digest of the body in a header.
#[test]
fn signatures_of_botocore_for_s3() {
    let now = "20261124T023030Z";
    let empty = sha256_hex(b"");
    let signed = "host;x-amz-content-sha256;x-amz-date;x-amz-security-token";
    let signature = "43f9ba4c1f8e815726a17c169c153046300e6bb000322539f133b2a822949de0";
    let mut headers = headers(&[
        ("host", "team-data.s3.us-east-2.amazonaws.com"),
        ("x-amz-content-sha256", &empty),
        ("x-amz-date", "20261124T023000Z"),
        ("x-amz-security-token", TOKEN),
        ("authorization", &authorization("s3", signed, signature)),
    ]);
    let path = "/in//a%20b/../%C3%BC%2B.json";
    let query = "list-type=2&prefix=a%2Fb";
    let request = |headers: &HeaderMap, body: &[u8]| {
        check(
            Signed { method: "GET", path, query, headers, body, secure: false },
            "s3",
            Some("us-east-2"),
            now,
        )
    };
    assert_eq!(request(&headers, b""), Ok(()));
    assert!(matches!(request(&headers, b"x"), Err(Problem::Body(text)) if text.contains("does not match")));
    headers.remove("x-amz-content-sha256");
    assert!(matches!(request(&headers, b""), Err(Problem::Body(text)) if text.starts_with("Missing")));
    headers.insert("x-amz-content-sha256", "UNSIGNED-PAYLOAD".parse().unwrap());
    assert!(matches!(request(&headers, b""), Err(Problem::Body(_))));
}

#[test]
fn a_presigned_request_of_botocore() {
    let headers = headers(&[("host", "sts.us-east-2.amazonaws.com"), ("x-k8s-aws-id", "my-cluster")]);
    let query = "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&\
                 X-Amz-Credential=ASIAEXAMPLEEXAMPLE00%2F20261124%2Fus-east-2%2Fsts%2Faws4_request&\
                 X-Amz-Date=20261124T023000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&\
                 X-Amz-Security-Token=IQoJb3JpZ2lu%2F%2Btoken%3D%3D&\
                 X-Amz-Signature=50400e89b03cc4ac84badbeac230aa2cc9a3ad107aecb0eec93cde36bcbe3129";
    let request = Signed { method: "GET", path: "/", query, headers: &headers, body: b"", secure: true };
    assert_eq!(Claim::find(request).unwrap().token.as_deref(), Some(TOKEN));
    // STS gives what is presigned a quarter of an hour, whatever it says of itself.
    assert_eq!(check(request, "sts", Some("us-east-2"), "20261124T024459Z"), Ok(()));
    let late = check(request, "sts", Some("us-east-2"), "20261124T024501Z").unwrap_err();
    assert_eq!(
        late,
        Problem::Skewed(
            "Signature expired: 20261124T023000Z is now earlier than 20261124T023001Z (20261124T024501Z - 15 min.)"
                .into()
        )
    );
}

#[test]
fn requests_that_are_not_authentic() {
    let now = "20261124T023030Z";
    let without = |name: &str| {
        let mut headers = glue();
        headers.remove(name);
        headers
    };
    let with = |name: &'static str, value: &str| {
        let mut headers = glue();
        headers.insert(name, value.parse().unwrap());
        headers
    };
    for (headers, region, now, expected) in [
        (without("authorization"), None, now, "Absent"),
        (with("authorization", "Basic dXNlcg=="), None, now, "Unsupported authorization scheme: 'Basic'"),
        (with("authorization", "AWS4-HMAC-SHA256 SignedHeaders=host"), None, now, "requires 'Credential'"),
        (without("x-amz-date"), None, now, "requires existence of either a 'X-Amz-Date'"),
        (with("x-amz-date", "20261124T023001Z"), None, now, "does not match the signature"),
        (with("x-amz-date", "20261123T235959Z"), None, now, "Date in Credential scope does not match"),
        (with("x-amz-target", "AWSGlue.BatchStopJobRun"), None, now, "does not match the signature"),
        (with("x-amz-extra", "x"), None, now, "'x-amz-extra' must be a 'SignedHeader'"),
        (with("x-amz-content-sha256", "00"), None, now, "must be a 'SignedHeader'"),
        (glue(), Some("us-west-2"), now, r#"Region { given: "us-east-2", expected: "us-west-2" }"#),
        (
            glue(),
            None,
            "20261124T023501Z",
            "Signature expired: 20261124T023000Z is now earlier than 20261124T023001Z (20261124T023501Z - 5 min.)",
        ),
        (
            glue(),
            None,
            "20261124T022459Z",
            "Signature not yet current: 20261124T023000Z is still later than 20261124T022959Z (20261124T022459Z + 5 min.)",
        ),
    ] {
        let problem = format!("{:?}", check(glue_request(&headers), "glue", region, now).unwrap_err());
        assert!(problem.contains(expected), "{problem} instead of {expected}");
    }
    let headers = glue();
    let other_body = Signed { body: b"{}", ..glue_request(&headers) };
    assert!(matches!(check(other_body, "glue", None, now), Err(Problem::Mismatch(_))));
    let problem = check(glue_request(&headers), "logs", None, now).unwrap_err();
    assert_eq!(problem, Problem::Mismatch("Credential should be scoped to correct service: 'logs'. ".into()));
}

#[test]
fn paths() {
    for (path, canonical) in [
        ("/", "/"),
        ("", "/"),
        ("/a//b/", "/a/b/"),
        ("/a/./b/../c", "/a/c"),
        ("/a%20b", "/a%2520b"),
        ("//", "/"),
    ] {
        assert_eq!(canonical_path(path), canonical, "{path}");
    }
}

use super::*;
use crate::crypto::{base64, sha256_hex};
use crate::fault::{Fault, FaultKind};

const OBJECT: &str = "/team-data/in/one.json";

fn call(
    bench: &Bench,
    keys: &Keys,
    request: (&str, &str),
    extra: &[(&'static str, &str)],
    body: &[u8],
) -> Reply {
    let digest = sha256_hex(body);
    let mut headers = vec![("x-amz-content-sha256", digest.as_str())];
    headers.extend(extra);
    bench.rest(keys, "s3", request, &headers, body)
}

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.response.body().bytes().to_vec()).unwrap()
}

fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply.response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// Status and code of a refusal.
fn refused(reply: &Reply) -> (u16, String) {
    let xml = text(reply);
    assert_eq!(header(reply, "content-type"), "application/xml");
    assert_eq!(element(&xml, "RequestId"), header(reply, "x-amz-request-id"));
    assert!(!element(&xml, "HostId").is_empty());
    (reply.response.status().as_u16(), element(&xml, "Code"))
}

#[test]
fn an_object_from_put_to_delete() {
    let rights = "\"s3:PutObject on arn:aws:s3:::team-data/*\",";
    let bench = bench(&TWO_ACCOUNTS.replace(rights, &format!("{rights} 's3:DeleteObject',")));
    let keys = bench.second();
    let put = |extra: &[(&'static str, &str)], body: &[u8]| {
        call(&bench, &keys, ("PUT", "/team-data/a%20b/%C3%BC"), extra, body)
    };
    let reply =
        put(&[("content-type", "text/csv"), ("x-amz-meta-day", "1"), ("if-none-match", "*")], b"one,\xff");
    let etag = header(&reply, "etag").to_owned();
    assert!(reply.response.status() == 200 && etag.len() == 34 && etag.starts_with('"'), "{etag}");
    assert_eq!(refused(&put(&[("if-none-match", "*")], b"two")), (412, "PreconditionFailed".into()));
    assert_eq!(refused(&put(&[("if-match", "\"no\"")], b"two")), (412, "PreconditionFailed".into()));
    assert_eq!(refused(&put(&[("x-amz-checksum-crc32", "AAAAAA==")], b"two")), (400, "BadDigest".into()));

    let get =
        |extra: &[(&'static str, &str)]| call(&bench, &keys, ("GET", "/team-data/a%20b/%C3%BC"), extra, b"");
    let reply = get(&[]);
    assert_eq!(&reply.response.body().bytes()[..], b"one,\xff");
    assert_eq!((header(&reply, "content-type"), header(&reply, "x-amz-meta-day")), ("text/csv", "1"));
    assert_eq!(header(&reply, "etag"), etag);
    assert!(header(&reply, "last-modified").ends_with(" GMT"));
    let reply = get(&[("range", "bytes=1-2")]);
    assert_eq!((text(&reply).as_str(), header(&reply, "content-range")), ("ne", "bytes 1-2/5"));
    assert_eq!(refused(&get(&[("range", "bytes=5-")])), (416, "InvalidRange".into()));

    assert_eq!(put(&[("if-match", &etag)], b"two").response.status(), 200);
    assert_eq!(bench.cloud.object("team-data", "a b/\u{fc}").unwrap(), "two");
    let chunked = [
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", "3"),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
    ];
    let sum = base64(&crc32fast::hash(b"abc").to_be_bytes());
    let body = format!("3\r\nabc\r\n0\r\nx-amz-checksum-crc32:{sum}\r\n\r\n");
    // The signature is made over the name that stands for the digest, not over one.
    assert_eq!(refused(&put(&chunked, body.as_bytes())), (403, "SignatureDoesNotMatch".into()));
    for _ in 0..2 {
        assert_eq!(
            call(&bench, &keys, ("DELETE", "/team-data/a%20b/%C3%BC"), &[], b"").response.status(),
            204
        );
    }
    assert_eq!(refused(&get(&[])), (404, "NoSuchKey".into()));
    bench.cloud.put_object("team-data", "x", "y".into()).unwrap();
    assert_eq!(bench.cloud.objects("team-data").unwrap(), ["in/one.json", "x"]);
    assert!(bench.cloud.put_object("other", "x", "y".into()).is_err());
    let record = bench.cloud.record();
    let put = record.calls.iter().find(|call| call.operation == "PutObject").unwrap();
    assert_eq!(put.parameters["Key"], "a b/\u{fc}");
    assert_eq!(put.parameters["Body"]["Length"], 5);
}

#[test]
fn who_may_read_what() {
    let other = "[[s3.buckets]]\naccount = '111111111111'\nname";
    let world = format!(
        "{TWO_ACCOUNTS}\n{other} = 'closed'\n{other} = 'open'\nallow_accounts = ['222222222222']\n\
                         {other} = 'far'\nregion = 'us-west-2'\n"
    );
    let world = world
        .replace("\"s3:ListBucket on arn:aws:s3:::team-data\"", "\"s3:GetObject on arn:aws:s3:::*/public\"");
    let bench = bench(&world);
    let (first, second) = (bench.first(), bench.second());
    let get = |keys: &Keys, path: &str| call(&bench, keys, ("GET", path), &[], b"");
    let denied = |session: &str, action: &str, resource: &str, kind: &str| {
        format!(
            "User: arn:aws:sts::{session}/pod is not authorized to perform: {action} on resource: \"{resource}\" \
             because no {kind} policy allows the {action} action"
        )
    };
    let reply = get(&first, OBJECT);
    assert_eq!(refused(&reply), (403, "AccessDenied".into()));
    let (platform, team) = ("111111111111:assumed-role/cats-glue", "222222222222:assumed-role/external-glue");
    let object = "arn:aws:s3:::team-data/in/one.json";
    assert_eq!(element(&text(&reply), "Message"), denied(platform, "s3:GetObject", object, "identity-based"));
    assert_eq!(text(&get(&second, OBJECT)), r#"{"order_id": 1}"#);
    // One who may not list learns nothing of what is missing.
    let reply = get(&second, "/team-data/nothing");
    assert_eq!(refused(&reply), (403, "AccessDenied".into()));
    assert_eq!(
        element(&text(&reply), "Message"),
        denied(team, "s3:ListBucket", "arn:aws:s3:::team-data", "identity-based")
    );
    let reply = get(&second, "/closed/public");
    assert_eq!(
        element(&text(&reply), "Message"),
        denied(team, "s3:GetObject", "arn:aws:s3:::closed/public", "resource-based")
    );
    assert_eq!(
        element(&text(&get(&second, "/open/public")), "Message"),
        denied(team, "s3:ListBucket", "arn:aws:s3:::open", "identity-based")
    );
    assert_eq!(refused(&get(&second, "/nowhere/x")), (404, "NoSuchBucket".into()));
    let reply = get(&second, "/far/public");
    assert_eq!(refused(&reply), (301, "PermanentRedirect".into()));
    assert_eq!(header(&reply, "x-amz-bucket-region"), "us-west-2");

    let terse = super::bench(&format!("{TWO_ACCOUNTS}\n[s3]\nterse_denials = true\n"));
    let reply = call(&terse, &terse.first(), ("GET", OBJECT), &[], b"");
    assert_eq!(element(&text(&reply), "Message"), "Access Denied");
}

#[test]
fn requests_that_are_not_authentic() {
    let bench = two_accounts();
    let good = bench.second();
    let get = |keys: &Keys| refused(&call(&bench, keys, ("GET", OBJECT), &[], b""));
    let with = |secret: &str, token: Option<&str>| Keys {
        secret: secret.into(),
        token: token.map(str::to_owned),
        ..good.clone()
    };
    let token = good.token.as_deref();
    assert_eq!(
        get(&Keys { id: "ASIANOBODY0000000000".into(), ..good.clone() }),
        (403, "InvalidAccessKeyId".into())
    );
    assert_eq!(get(&with(&good.secret, Some("x"))), (400, "InvalidToken".into()));
    assert_eq!(get(&with("x", token)), (403, "SignatureDoesNotMatch".into()));
    assert_eq!(refused(&bench.rest(&good, "s3", ("GET", OBJECT), &[], b"")), (400, "InvalidRequest".into()));
    let digest = [("x-amz-content-sha256", "00")];
    assert_eq!(
        refused(&bench.rest(&good, "s3", ("GET", OBJECT), &digest, b"")),
        (400, "XAmzContentSHA256Mismatch".into())
    );
    let mut headers = HeaderMap::new();
    headers.insert("host", "team-data.s3.us-east-2.amazonaws.com".parse().unwrap());
    assert_eq!(refused(&bench.send("GET", "/in/one.json", headers, "")), (403, "AccessDenied".into()));
    let host = [("host", "team-data.s3.eu-west-1.amazonaws.com")];
    let reply = call(&bench, &good, ("GET", "/in/one.json"), &host, b"");
    assert_eq!(refused(&reply), (400, "AuthorizationHeaderMalformed".into()));
    assert_eq!(element(&text(&reply), "Region"), "eu-west-1");
    let host = [("host", "team-data.s3.us-east-2.amazonaws.com")];
    assert_eq!(call(&bench, &good, ("GET", "/in/one.json"), &host, b"").response.status(), 200);
    assert_eq!(refused(&call(&bench, &good, ("GET", "/"), &[], b"")), (501, "NotImplemented".into()));
    for (kind, status, code) in [
        (FaultKind::Throttle, 503, "SlowDown"),
        (
            FaultKind::Status { status: 500, code: "InternalError".into(), message: "<oops>".into() },
            500,
            "InternalError",
        ),
    ] {
        bench.cloud.add_fault(Fault::new("s3", "GetObject", kind)).unwrap();
        assert_eq!(get(&good), (status, code.into()));
    }
    bench.cloud.expire_sessions();
    assert_eq!(get(&good), (400, "ExpiredToken".into()));
}

#[test]
fn lists() {
    let bench = two_accounts();
    let keys = bench.second();
    for key in ["in/two.json", "in/x/1", "in/x/2", "out", "z & z"] {
        bench.cloud.put_object("team-data", key, "1".into()).unwrap();
    }
    let list = |query: &str| {
        text(&call(&bench, &keys, ("GET", &format!("/team-data?list-type=2&{query}")), &[], b""))
    };
    let names = |xml: &str, tag: &str| -> Vec<String> {
        xml.split(&format!("<{tag}>"))
            .skip(1)
            .map(|tail| tail.split('<').next().unwrap().to_owned())
            .collect()
    };
    let all = list("");
    assert_eq!(names(&all, "Key"), ["in/one.json", "in/two.json", "in/x/1", "in/x/2", "out", "z &amp; z"]);
    assert_eq!((element(&all, "KeyCount"), element(&all, "IsTruncated")), ("6".into(), "false".into()));
    let folder = list("prefix=in%2F&delimiter=%2F&encoding-type=url");
    assert_eq!(names(&folder, "Key"), ["in/one.json", "in/two.json"]);
    assert_eq!(names(folder.split_once("CommonPrefixes").unwrap().1, "Prefix"), ["in/x/"]);
    let page = list("max-keys=2");
    let token = element(&page, "NextContinuationToken");
    assert_eq!(names(&list(&format!("max-keys=2&continuation-token={token}")), "Key"), ["in/x/1", "in/x/2"]);
    assert_eq!(names(&list("start-after=out"), "Key"), ["z &amp; z"]);
    for query in ["max-keys=x", "max-keys=-1", "continuation-token=*"] {
        assert_eq!(element(&list(query), "Code"), "InvalidArgument", "{query}");
    }
}

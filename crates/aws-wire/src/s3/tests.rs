use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;

use super::*;

fn at(text: &str) -> Location {
    Location::parse(text).unwrap()
}

#[test]
fn locations() {
    assert_eq!(at("s3://b/a/b.out"), Location { bucket: "b".to_owned(), key: "a/b.out".to_owned() });
    assert_eq!(at("s3://b").key, "");
    for text in ["", "b/k", "https://b/k", "s3:///k", "s3://", "s3://a b/k", "s3://ü/k"] {
        assert!(Location::parse(text).is_err(), "{text}");
    }
    for (prefix, expected) in [
        ("s3://b", "s3://b/x"),
        ("s3://b/", "s3://b/x"),
        ("s3://b/p", "s3://b/p/x"),
        ("s3://b/p/", "s3://b/p/x"),
    ] {
        assert_eq!(at(prefix).join("x").to_string(), expected);
    }
}

#[test]
fn addresses_at_aws() {
    for (place, region, fips, dual_stack, host, path) in [
        ("s3://b/k", "us-east-2", false, false, "https://b.s3.us-east-2.amazonaws.com", "/k"),
        ("s3://b.c/k", "us-east-2", false, false, "https://s3.us-east-2.amazonaws.com", "/b.c/k"),
        ("s3://b/k", "us-east-2", true, false, "https://b.s3-fips.us-east-2.amazonaws.com", "/k"),
        ("s3://b/k", "us-east-2", false, true, "https://b.s3.dualstack.us-east-2.amazonaws.com", "/k"),
        ("s3://b/k", "us-east-2", true, true, "https://b.s3-fips.dualstack.us-east-2.amazonaws.com", "/k"),
        (
            "s3://b/a b/ü//+",
            "cn-north-1",
            false,
            false,
            "https://b.s3.cn-north-1.amazonaws.com.cn",
            "/a%20b/%C3%BC//%2B",
        ),
    ] {
        assert_eq!(aws_address(&at(place), region, (fips, dual_stack)), (host.to_owned(), path.to_owned()));
    }
    assert_eq!(path_style(&at("s3://b/a/k")), "/b/a/k");
}

#[test]
fn refusals() {
    let error = "<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code><Message>User: a &amp;lt; b</Message></Error>";
    let refused = refusal(403, Some("eu-west-1"), error);
    assert_eq!((refused.code(), refused.message()), (Some("AccessDenied"), Some("User: a &lt; b")));
    assert_eq!(refused.region, None);
    assert_eq!(refusal(301, Some("eu-west-1"), "").region.as_deref(), Some("eu-west-1"));
    let malformed = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>";
    assert_eq!(refusal(400, None, malformed).region.as_deref(), Some("eu-west-1"));
    assert_eq!(refusal(503, None, "<html>").code(), None);
}

#[test]
fn a_refusal_that_may_mean_missing() {
    for (message, bare) in [
        ("Access Denied", true),
        ("User: arn:x is not authorized to perform: s3:ListBucket on resource: \"arn:b\"", true),
        ("User: arn:x is not authorized to perform: s3:GetObject on resource: \"arn:b\"", false),
        ("User: arn:x is not authorized to perform: kms:Decrypt on resource: arn:k", false),
    ] {
        assert_eq!(is_bare(message), bare, "{message}");
    }
}

#[test]
fn listings() {
    let object = |key: &str, size| Listed {
        key: key.to_owned(),
        size,
        last_modified: "2026-01-01T00:00:00.000Z".to_owned(),
    };
    let contents = "<Contents><Key>dags/a&amp;b.py</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><Size>3</Size></Contents>\
                    <Contents><Key>dags/c.py</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><Size>0</Size></Contents>";
    let page = |contents: &str| {
        format!(
            "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"x\"><Name>b</Name>{contents}</ListBucketResult>"
        )
    };
    assert_eq!(listing(&page(contents)), Some(vec![object("dags/a&b.py", 3), object("dags/c.py", 0)]));
    assert_eq!(listing(&page("")), Some(Vec::new()));
    for text in
        ["", "%PDF", &page("<Contents><Key>a</Key></Contents>"), &page(&contents.replace(">3<", ">x<"))]
    {
        assert_eq!(listing(text), None, "{text}");
    }
}

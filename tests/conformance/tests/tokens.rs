//! Tokens of RDS and EKS are those of botocore and the AWS CLI, for the same clock, credentials and inputs.

// Tests: a panic is how a test fails.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde::Serialize;
use testkit::{Site, Worlds};

/// So many of each kind; a case is a process, and a tenth of a second of botocore.
const CASES: usize = 32;

#[derive(Debug, Serialize)]
struct Case {
    #[serde(flatten)]
    what: What,
    region: String,
    key: String,
    secret: String,
    session: Option<String>,
    time: u64,
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum What {
    Rds { host: String, port: u16, user: String },
    Eks { cluster: String },
}

fn rds() -> impl Strategy<Value = What> {
    let host = "[a-z][a-z0-9-]{0,20}[a-z0-9](\\.[a-z0-9]{1,12}){1,3}";
    // What PostgreSQL takes for a name, all of it: beyond ASCII, and what an address has to encode.
    let user = prop_oneof!["[a-z_][a-z0-9_$]{0,30}", "[ -~]{1,40}", "[a-zäßあ𝄞+%&=/?# ]{1,12}"];
    (host, 1..=u16::MAX, user).prop_map(|(host, port, user)| What::Rds { host, port, user })
}

fn eks() -> impl Strategy<Value = What> {
    "[0-9A-Za-z][A-Za-z0-9_-]{0,99}".prop_map(|cluster| What::Eks { cluster })
}

fn case(what: impl Strategy<Value = What>) -> impl Strategy<Value = Case> {
    let region = prop::sample::select(vec![
        "us-east-1",
        "us-east-2",
        "eu-central-1",
        "ap-southeast-3",
        "us-gov-west-1",
        "cn-north-1",
    ]);
    let session = prop::option::weighted(0.8, "[A-Za-z0-9/+]{100,900}={0,2}");
    // 2020 to 2038, and the ends of days.
    let time =
        prop_oneof![1_577_836_800..2_147_483_647_u64, (18_262..24_855_u64).prop_map(|day| day * 86_400 - 1)];
    let secret = "[A-Za-z0-9/+]{40}";
    (what, region, "A[KS]IA[A-Z2-7]{16}", secret, session, time).prop_map(
        |(what, region, key, secret, session, time)| Case {
            what,
            region: region.to_owned(),
            key,
            secret,
            session,
            time,
        },
    )
}

/// The same ones in every run.
fn cases(what: impl Strategy<Value = What>) -> Vec<Case> {
    let (strategy, mut runner) = (case(what), TestRunner::deterministic());
    (0..CASES).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// What botocore signs.
fn theirs(cases: &[Case]) -> Vec<String> {
    let mut child = conformance::python("tokens.py")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3, as setup has seen it");
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(cases).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "botocore does not sign");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What a binary signs in an environment that has nothing but credentials, at a time that stands still.
fn ours(binary: &str, cases: &[Case], args: impl Fn(&What) -> Vec<String>) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let clock = folder.path().join("frozen_clock.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("frozen_clock.c");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&clock).arg(source).status();
    assert!(built.expect("a C compiler, as ring needs one too").success());
    let sign = |case: &Case| {
        let site = Site::bare(conformance::binary(binary), Worlds::TWO_ACCOUNTS)
            .env("AWS_ACCESS_KEY_ID", &case.key)
            .env("AWS_SECRET_ACCESS_KEY", &case.secret)
            .env("AWS_SESSION_TOKEN", case.session.as_deref().unwrap_or_default())
            .env("AWS_REGION", &case.region)
            .env("LD_PRELOAD", clock.display().to_string())
            .env("FROZEN_CLOCK", case.time.to_string());
        let outcome = site.start(args(&case.what)).with_secret_result().finish();
        assert_eq!(outcome.code, 0, "{case:?}: {}", outcome.stderr);
        assert!(site.sandbox.calls().is_empty(), "signing needs nobody");
        for secret in [&case.secret, case.session.as_ref().unwrap_or(&case.secret)] {
            assert!(!outcome.stderr.contains(secret), "a secret is told: {}", outcome.stderr);
        }
        outcome.text().trim_end().to_owned()
    };
    cases.iter().map(sign).collect()
}

/// Everything before the query, and the parameters, of which the order is anybody's.
fn parts(address: &str) -> (&str, BTreeMap<&str, &str>) {
    let (place, query) = address.split_once('?').expect(address);
    (place, query.split('&').map(|pair| pair.split_once('=').expect(address)).collect())
}

#[test]
fn an_rds_token_is_the_one_of_botocore() {
    let cases = cases(rds());
    let ours = ours("rds-connect", &cases, |what| {
        let What::Rds { host, port, user } = what else { panic!("a case of RDS") };
        let (host, port, user) =
            (format!("--host={host}"), format!("--port={port}"), format!("--user={user}"));
        ["token".to_owned(), "--iam".to_owned(), host, port, user].to_vec()
    });
    for ((case, ours), theirs) in cases.iter().zip(&ours).zip(&theirs(&cases)) {
        assert_eq!(parts(ours), parts(theirs), "{case:?}");
    }
}

#[test]
fn an_eks_token_is_the_one_of_the_aws_cli() {
    let cases = cases(eks());
    let ours = ours("eks-token", &cases, |what| {
        let What::Eks { cluster } = what else { panic!("a case of EKS") };
        ["token", "--output=text", "--cluster-name", cluster].map(str::to_owned).to_vec()
    });
    let address = |token: &str| {
        let encoded = token.strip_prefix("k8s-aws-v1.").expect(token);
        String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).expect(token)).unwrap()
    };
    for ((case, ours), theirs) in cases.iter().zip(&ours).zip(&theirs(&cases)) {
        assert_eq!(parts(&address(ours)), parts(&address(theirs)), "{case:?}");
    }
}

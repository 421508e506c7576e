//! Each way in which a hop can be refused, and the policy to paste.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Site, Worlds};

use crate::{BINARY, ROLE_A, ROLE_B, altered, assert_only_walked, hop, site};

const TRUST: &str = "trust = [{ principal = \"arn:aws:iam::111111111111:role/cats-glue\" }]";

/// The policies of a hop: whose, of which kind, and their one statement.
fn policies(hop: &Value) -> Vec<(String, String, Value)> {
    let list = hop["policies"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    list.iter()
        .map(|policy| {
            (text(&policy["kind"]), text(&policy["of"]), policy["document"]["Statement"][0].clone())
        })
        .collect()
}

#[test]
fn a_service_account_that_is_not_trusted() {
    let site = site();
    site.write_token("system:serviceaccount:team-ns:other", "sts.amazonaws.com", Duration::from_hours(1));
    let outcome = site.run::<&str>([]);
    outcome.assert_exit(77).assert_says("hop 1 of 2");
    let first = hop(&outcome, 1);
    assert_eq!((&first["outcome"], &first["failure"]["code"]), (&"denied".into(), &"AccessDenied".into()));
    assert!(first["failure"]["request_id"].is_string());
    let [(kind, of, statement)] = &policies(&first)[..] else { panic!("{first}") };
    assert_eq!((kind.as_str(), of.as_str()), ("trust", ROLE_A));
    let equals = &statement["Condition"]["StringEquals"];
    let provider = "oidc.eks.us-east-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE";
    assert_eq!(equals[format!("{provider}:sub")], "system:serviceaccount:team-ns:other");
    assert_eq!(equals[format!("{provider}:aud")], "sts.amazonaws.com");
    let principal = format!("arn:aws:iam::111111111111:oidc-provider/{provider}");
    assert_eq!(statement["Principal"]["Federated"], principal);
    assert_eq!(hop(&outcome, 2)["outcome"], "not_reached");
    assert_only_walked(&site);
}

#[test]
fn a_role_that_does_not_trust_the_one_before() {
    let outcome = altered(TRUST, &TRUST.replace("cats-glue", "somebody-else")).run::<&str>([]);
    outcome.assert_exit(77).assert_says("hop 2 of 2");
    assert_eq!(hop(&outcome, 1)["outcome"], "ok");
    let told = policies(&hop(&outcome, 2));
    let trust = told.iter().find(|(kind, ..)| kind == "trust").expect("the trust policy");
    assert_eq!(trust.1, ROLE_B);
    assert_eq!(
        trust.2,
        json!({ "Effect": "Allow", "Principal": { "AWS": ROLE_A }, "Action": "sts:AssumeRole" })
    );
}

#[test]
fn a_role_that_may_not_assume_the_next() {
    let outcome = altered(&format!("allow = [\"sts:AssumeRole on {ROLE_B}\"]"), "allow = []").run::<&str>([]);
    outcome.assert_exit(77).assert_says("the identity policy of");
    // Between two accounts AWS does not tell which side it is: both are shown, that of the caller first.
    let told = policies(&hop(&outcome, 2));
    let (kind, of, statement) = &told[0];
    assert_eq!((told.len(), kind.as_str(), of.as_str()), (2, "permissions", ROLE_A));
    assert_eq!(*statement, json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ROLE_B }));
}

/// What is printed mends it: the world with that trust lets the chain through.
#[test]
fn an_external_id_that_is_asked_for() {
    let with_id = TRUST.replace(" }]", ", external_id = \"handshake-1\" }]");
    let site = altered(TRUST, &with_id);
    let config = std::fs::read_to_string(site.path("aws-config")).unwrap();
    let sent = |id: &str| {
        config.replace("source_profile = cats", &format!("source_profile = cats\nexternal_id = {id}"))
    };
    site.write("aws-config", &sent("other-1"));
    let outcome = site.run(["--output", "text"]);
    outcome.assert_exit(77);
    assert!(
        outcome.text().contains("\"sts:ExternalId\": \"THE-EXTERNAL-ID-OF-THIS-HOP\""),
        "{}",
        outcome.text()
    );
    assert!(!outcome.text().contains("other-1"));
    let outcome = site.run(["--output", "text", "--show-external-id"]);
    assert!(outcome.assert_exit(77).text().contains("\"sts:ExternalId\": \"other-1\""));
    site.write("aws-config", &sent("handshake-1"));
    site.run::<&str>([]).assert_exit(0);
}

#[test]
fn a_token_too_old_and_one_for_somebody_else() {
    for (aud, life, says) in
        [("sts.amazonaws.com", 0, "kubelet"), ("kubernetes.default.svc", 3600, "kubernetes.default.svc")]
    {
        let site = site();
        site.write_token("system:serviceaccount:team-ns:glue-trigger", aud, Duration::from_secs(life));
        if life == 0 {
            std::thread::sleep(Duration::from_millis(1100));
        }
        let outcome = site.run::<&str>([]);
        outcome.assert_exit(77);
        let first = hop(&outcome, 1);
        assert!(first["failure"]["to_mend"][0].as_str().expect("advice").contains(says), "{first}");
        assert!(policies(&first).is_empty(), "no policy mends a token");
    }
}

#[test]
fn a_token_that_is_not_there() {
    let site = site();
    std::fs::remove_file(site.path("token")).unwrap();
    let outcome = site.run::<&str>([]);
    outcome.assert_exit(78).assert_says("hop 1 of 2").assert_says("does not exist");
    assert!(hop(&outcome, 1)["token"]["problem"].as_str().unwrap().contains("serviceAccountName"));
    assert!(site.sandbox.calls().is_empty());
    assert!(site.run(["--output", "text"]).text().contains("token: web_identity_token_file names"));
}

#[test]
fn the_tags_of_a_pod_identity_are_let_in_by_name() {
    let site = Site::pod(BINARY, &Worlds::pod_identity()).with_pod_identity();
    let outcome = site.run(["--assume-role", ROLE_B]);
    outcome.assert_exit(77).assert_says("sts:TagSession");
    // The agent does not tell whose session it hands out: STS does.
    outcome.assert_says(" by arn:aws:sts::111111111111:assumed-role/cats-glue/eks-cluster-pod-1 was refused");
    let told = policies(&hop(&outcome, 2));
    assert!(
        !told.is_empty()
            && told.iter().all(|(.., allow)| allow["Action"] == json!(["sts:AssumeRole", "sts:TagSession"]))
    );
    assert_eq!(told[0].1, ROLE_A, "the agent's session tells its role");
}

#[test]
fn keys_that_nobody_has() {
    let site = Site::bare(BINARY, Worlds::TWO_ACCOUNTS)
        .env("AWS_REGION", "us-east-2")
        .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    let outcome = site.run::<&str>([]);
    outcome
        .assert_exit(77)
        .assert_says("hop 1 of 1")
        .assert_says("sts:GetCallerIdentity")
        .assert_says("to mend");
    outcome.assert_does_not_say("wJalr");
}

/// The worst of several chains decides, and its request id is in the termination message.
#[test]
fn one_of_several_chains_is_refused() {
    let outcome = altered(TRUST, &TRUST.replace("cats-glue", "somebody-else")).run(["cats", "external"]);
    let found = outcome.assert_exit(77).json();
    assert_eq!(
        (&found["chains"][0]["outcome"], &found["chains"][1]["outcome"]),
        (&"ok".into(), &"denied".into())
    );
    let id = found["chains"][1]["hops"][1]["failure"]["request_id"].clone();
    assert_eq!(outcome.termination()["request_id"], id);
}

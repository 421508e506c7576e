//! The `CloudFormation` templates: linted, and the same as the JSON.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::io::Write as _;
use std::process::Stdio;

use deploy::cloudformation::Stack;
use deploy::iam::{NAMES, filled, statements, templates};
use deploy::manifest::documents;
use deploy::{judge, read, root, run};
use serde_json::{Value, json};

const ROLE: [(&str, &str); 2] =
    [("RoleName", "external-glue"), ("TrustedRoleArn", "arn:aws:iam::111111111111:role/cats-glue")];

fn template(file: &str) -> Value {
    documents(&read(&format!("k8s/iam/{file}"))).remove(0)
}

#[test]
fn the_templates_are_linted() {
    for file in ["account-a.yaml", "account-b.yaml"] {
        let said = run(judge("cfn-lint")
            .args(["--non-zero-exit-code", "informational"])
            .arg(root().join("k8s/iam").join(file)));
        assert_eq!(said, Ok(String::new()), "{file}");
    }
}

/// With every name given, the role of a binary is its JSON template; with none, nothing that names something.
#[test]
fn the_role_of_account_b_is_the_same_as_json() {
    let template = template("account-b.yaml");
    for file in templates() {
        let Some(binary) = file.strip_prefix("permissions/").and_then(|file| file.strip_suffix(".json"))
        else {
            continue;
        };
        // The first one counts.
        let given: Vec<(&str, &str)> = [&ROLE[..], &[("Binary", binary)], &NAMES].concat();
        let role = Stack::new(&template, "222222222222", &given);
        assert_eq!(
            role.role("Policies")[0]["PolicyDocument"]["Statement"],
            json!(statements(&file)),
            "{file}"
        );
        assert_eq!(role.role("AssumeRolePolicyDocument"), parsed("account-b-trust.json"));

        let bare = Stack::new(&template, "222222222222", &[&ROLE[..], &[("Binary", binary)]].concat());
        for statement in bare.role("Policies")[0]["PolicyDocument"]["Statement"].as_array().expect("a list") {
            let named = NAMES.iter().filter(|(name, _)| !["AccountB", "Binary", "Region"].contains(name));
            let template: Value = serde_json::from_str(&read(&format!("k8s/iam/{file}"))).expect("JSON");
            let origin = template["Statement"]
                .as_array()
                .expect("a list")
                .iter()
                .find(|one| one["Sid"] == statement["Sid"]);
            let origin = origin.expect("the statement").to_string();
            for (name, _) in named {
                assert!(
                    !origin.contains(&format!("${{{name}}}")),
                    "{binary}: {} without {name}",
                    statement["Sid"]
                );
            }
        }
    }
    let check = Stack::new(&template, "222222222222", &[&ROLE[..], &[("Binary", "chain-check")]].concat());
    assert!(std::panic::catch_unwind(|| check.role("Policies")).is_err(), "chain-check needs no policy");
}

#[test]
fn the_role_of_account_a_is_the_same_as_json() {
    let template = template("account-a.yaml");
    for (taker, trust, permissions) in [
        ("irsa", "account-a-trust.json", "account-a-permissions.json"),
        ("pod-identity", "account-a-trust-pod-identity.json", "account-a-permissions-pod-identity.json"),
        ("ecs", "account-a-trust-ecs.json", "account-a-permissions.json"),
    ] {
        let given = [&NAMES[..], &[("RoleName", "cats-glue"), ("TakenBy", taker)]].concat();
        let role = Stack::new(&template, "111111111111", &given);
        // The keys of its conditions hold the issuer, so that it is a text.
        let document: Value =
            serde_json::from_str(role.role("AssumeRolePolicyDocument").as_str().expect("a text"))
                .expect("JSON");
        assert_eq!(document, parsed(trust), "{taker}");
        let policy = &role.role("Policies")[0]["PolicyDocument"]["Statement"][0];
        let expected = &statements(permissions)[0];
        assert_eq!(
            (&policy["Action"], &policy["Resource"]),
            (&expected["Action"], &expected["Resource"]),
            "{taker}"
        );
    }
}

/// A value of a parameter becomes a part of a resource or of a trust policy's text: no wildcard, quote or policy variable may
/// come in with it.
#[test]
fn a_parameter_cannot_widen_a_policy() {
    const JUDGE: &str = "import json, re, sys\n\
        for pattern, value in json.load(sys.stdin): print(int(bool(re.fullmatch(pattern, value))))";
    let hostile = ["*", "etl*", "e?l", "${aws:userid}", "a\"b", "a\nb", "a\\b", "{}"];
    let mut asked = Vec::new();
    for file in ["account-a.yaml", "account-b.yaml"] {
        let template = template(file);
        for (name, parameter) in template["Parameters"].as_object().expect("parameters") {
            if parameter["AllowedValues"].is_array() {
                continue;
            }
            let pattern = parameter["AllowedPattern"].as_str();
            let pattern = pattern.unwrap_or_else(|| panic!("{file}: {name} has no AllowedPattern"));
            let good = NAMES.iter().chain(&ROLE).find(|(key, _)| key == name).expect("a value").1;
            let default = parameter["Default"].as_str();
            let all = hostile.iter().map(|bad| (*bad, false)).chain([(good, true)]);
            for (value, allowed) in all.chain(default.map(|value| (value, true))) {
                asked.push((format!("{file}: {name}={value:?}"), json!([pattern, value]), allowed));
            }
        }
    }
    let input: Vec<&Value> = asked.iter().map(|(_, input, _)| input).collect();
    let mut python = judge("python");
    let mut python =
        python.args(["-c", JUDGE]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python");
    python.stdin.take().expect("piped").write_all(json!(input).to_string().as_bytes()).expect("it reads");
    let output = python.wait_with_output().expect("it ends").stdout;
    let answers: Vec<bool> =
        String::from_utf8(output).expect("UTF-8").lines().map(|line| line == "1").collect();
    assert_eq!(answers.len(), asked.len());
    let wrong: Vec<&String> = asked
        .iter()
        .zip(answers)
        .filter(|(asked, allowed)| asked.2 != *allowed)
        .map(|(asked, _)| &asked.0)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// China and `GovCloud` have partitions of their own.
#[test]
fn no_template_is_of_one_partition() {
    for file in ["account-a.yaml", "account-b.yaml"] {
        let text = template(file).to_string();
        assert!(!text.contains("arn:aws:"), "{file}: {}", text.split("arn:aws:").nth(1).unwrap_or_default());
    }
}

fn parsed(file: &str) -> Value {
    serde_json::from_str(&filled(file)).expect("JSON")
}

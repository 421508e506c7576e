//! The `CloudFormation` templates: linted, and the same as the JSON.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

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

fn parsed(file: &str) -> Value {
    serde_json::from_str(&filled(file)).expect("JSON")
}

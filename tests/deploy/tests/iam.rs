//! The policies: linted, sufficient, and none of their actions too many.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Stdio;

use deploy::cloudformation::Stack;
use deploy::container::binary;
use deploy::iam::{NAMES, Permission, filled, permissions, statements, texts};
use deploy::manifest::documents;
use deploy::{binaries, judge, read, root, run as run_command};
use serde_json::{Value, json};
use testkit::{Outcome, Postgres, Signal, Site, Worlds};

/// Needs nothing: everybody may ask who they are.
const WITHOUT_POLICY: [&str; 1] = ["chain-check"];

/// Their scenarios are in their own tests; here their policies are linted.
const PROVEN_ELSEWHERE: [&str; 3] = ["eks-token", "mwaa-token", "rds-connect"];

fn templates() -> Vec<String> {
    let mut all = Vec::new();
    for folder in ["", "permissions/"] {
        for entry in std::fs::read_dir(root().join("k8s/iam").join(folder)).expect("a folder") {
            let file = deploy::name(entry.expect("an entry").path());
            if std::path::Path::new(&file).extension().is_some_and(|end| end == "json") {
                all.push(format!("{folder}{file}"));
            }
        }
    }
    all.sort();
    all
}

#[test]
fn every_binary_has_a_policy() {
    let all = templates();
    for binary in binaries() {
        let there = all.contains(&format!("permissions/{binary}.json"));
        assert_eq!(there, !WITHOUT_POLICY.contains(&&*binary), "{binary}");
    }
}

#[test]
fn no_statement_is_a_wildcard() {
    for file in templates() {
        for statement in statements(&file) {
            let sid = statement["Sid"].as_str().expect("a Sid");
            assert!(!texts(&statement["Action"]).iter().any(|action| action.contains('*')), "{file}: {sid}");
            // Only what takes no resource; a condition narrows it where there is one.
            let no_resource = ["Follow", "OnceForAKey", "Cancel", "Environments", "Clusters"];
            let any = statement.get("Resource").is_some_and(|resource| texts(resource).contains(&"*"));
            let sids: &[&str] = if any { &no_resource } else { &[sid] };
            assert!(sids.contains(&sid), "{file}: {sid} on any resource");
        }
    }
}

/// Actions that are newer than the linter's list of them; they are in the Lambda API of November 2025.
const NEWER: [&str; 3] =
    ["lambda:GetDurableExecution", "lambda:ListDurableExecutionsByFunction", "lambda:StopDurableExecution"];

/// What the linter finds in a policy, a JSON object a line.
fn lint(policy: &str) -> Vec<Value> {
    let mut linter = judge("parliament")
        .arg("--json")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("parliament");
    linter.stdin.take().expect("piped").write_all(policy.as_bytes()).expect("it reads");
    let output = linter.wait_with_output().expect("it ends");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let found: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(output.status.success(), found.is_empty(), "{text}");
    found
}

#[test]
fn a_linter_finds_nothing() {
    for file in templates().iter().filter(|file| !file.contains("trust")) {
        for finding in lint(&filled(file)) {
            let action = finding["location"]["string"].as_str().unwrap_or("");
            let newer = finding["issue"] == "UNKNOWN_ACTION" && NEWER.contains(&action);
            assert!(newer, "{file}: {finding}");
        }
    }
    // The documented policy for Redshift, as it stands: actions on resources that they do not take.
    let documented = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Action": ["redshift:GetClusterCredentials", "redshift:DescribeClusters", "redshift-data:DescribeStatement"],
        "Resource": ["arn:aws:redshift:us-east-2:222222222222:dbuser:analytics/etl"]}]}"#;
    assert!(
        lint(documented).iter().any(|finding| finding["issue"] == "RESOURCE_MISMATCH"),
        "{:?}",
        lint(documented)
    );
}

#[test]
fn the_role_of_account_a_is_one_service_accounts() {
    let trust = &statements("account-a-trust.json")[0];
    let provider = "oidc.eks.us-east-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE";
    let pinned = &trust["Condition"]["StringEquals"];
    assert_eq!(pinned[format!("{provider}:sub")], "system:serviceaccount:team-ns:glue-trigger");
    assert_eq!(pinned[format!("{provider}:aud")], "sts.amazonaws.com");
    assert_eq!(
        trust["Principal"]["Federated"],
        format!("arn:aws:iam::111111111111:oidc-provider/{provider}")
    );
    assert_eq!(trust["Action"], "sts:AssumeRoleWithWebIdentity");
}

/// What the crate's documentation lists is what the policy allows.
#[test]
fn the_documentation_lists_the_same_actions() {
    for binary in binaries() {
        if WITHOUT_POLICY.contains(&&*binary) {
            continue;
        }
        let docs = read(&format!("crates/{binary}/src/lib.rs"));
        let listed: BTreeSet<&str> = docs
            .lines()
            .filter_map(|line| line.strip_prefix("//! |"))
            .flat_map(|line| line.split('`'))
            .filter(|word| {
                word.split_once(':').is_some_and(|(service, action)| {
                    !service.is_empty()
                        && service.bytes().all(|b| b.is_ascii_lowercase() || b == b'-' || b.is_ascii_digit())
                        && action.chars().next().is_some_and(char::is_alphabetic)
                        && action.bytes().all(|b| b.is_ascii_alphanumeric())
                })
            })
            // A kind of resource, and the right of every chain.
            .filter(|word| !word.starts_with("cluster:") && *word != "sts:AssumeRole")
            .collect();
        let file = format!("permissions/{binary}.json");
        let allowed = permissions(&file);
        let allowed: BTreeSet<&str> = allowed.iter().map(|one| one.action.as_str()).collect();
        let beyond: Vec<_> = allowed.difference(&listed).collect();
        assert!(
            beyond.is_empty(),
            "{file} allows {beyond:?}, of which crates/{binary}/src/lib.rs has nothing"
        );
        let lacking: Vec<_> = listed.difference(&allowed).collect();
        assert!(
            lacking.is_empty(),
            "crates/{binary}/src/lib.rs lists {lacking:?}, which {file} does not allow"
        );
    }
}

// --- CloudFormation ---------------------------------------------------------------------------------------------

const ROLE: [(&str, &str); 2] =
    [("RoleName", "external-glue"), ("TrustedRoleArn", "arn:aws:iam::111111111111:role/cats-glue")];

fn template(file: &str) -> Value {
    documents(&read(&format!("k8s/iam/{file}"))).remove(0)
}

#[test]
fn the_templates_are_linted() {
    for file in ["account-a.yaml", "account-b.yaml"] {
        let said = run_command(
            judge("cfn-lint")
                .args(["--non-zero-exit-code", "informational"])
                .arg(root().join("k8s/iam").join(file)),
        );
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

// --- sufficient and necessary -----------------------------------------------------------------------------------

/// A feature in use, and the statements that it takes.
struct Feature {
    binary: &'static str,
    /// Statements of the binary's policy that it needs as well as those that it proves.
    with: &'static [&'static str],
    /// Statements each of whose actions it needs.
    proves: &'static [&'static str],
    /// Runs it, and asserts that it worked.
    works: fn(&Site) -> Result<(), String>,
}

/// The documented world, in which the role of account B has exactly `rules`.
fn world(rules: &[String], more: &str) -> String {
    let documented = Worlds::TWO_ACCOUNTS;
    let (before, role) =
        documented.split_once("[accounts.222222222222.roles.external-glue]").expect("the role");
    let (_, after) = role.split_once("]\ntrust").expect("its trust");
    let after =
        after.replace("name = \"adhoc\"", "name = \"adhoc\"\nid = \"11111111-2222-4333-8444-555555555555\"");
    format!(
        "{before}[accounts.222222222222.roles.external-glue]\nallow = [{}]\ntrust{after}{more}",
        rules.join(", ")
    )
}

/// What is in the world beside the documented: endless and quick work of every kind.
const MORE: &str = r#"
[[sagemaker.training_courses]]
steps = [{ secondary = "Training" }, { status = "Completed", secondary = "Completed", after = "300ms" }]
logs = [{ instance = 1, text = "epoch 1" }]

[[redshift.courses]]
when = "select 'slow'"
hold = "1m"
"#;

fn ended(outcome: &Outcome, code: i32) -> Result<(), String> {
    if outcome.code == code { Ok(()) } else { Err(format!("{}: {}", outcome.code, outcome.stderr)) }
}

/// Runs to the end and expects 0.
fn run(site: &Site, args: &[&str]) -> Result<(), String> {
    ended(&site.run(args), 0)
}

/// Runs until the remote work was looked at, sends SIGTERM, and expects that the work was stopped.
fn cancel(site: &Site, args: &[&str], seen: (&str, &str), stop: &str) -> Result<(), String> {
    let running = site.start(args);
    running.wait_for_calls(seen.0, seen.1, 1);
    running.signal(Signal::TERM);
    let outcome = running.finish();
    // The end of a cancelled run is a signal's; a refusal is told.
    let refused = outcome.stderr.contains(stop) && outcome.stderr.contains("not authorized");
    if outcome.code == 143 && !refused {
        Ok(())
    } else {
        Err(format!("{}: {}", outcome.code, outcome.stderr))
    }
}

fn log_is_there(site: &Site, args: &[&str], line: &str) -> Result<(), String> {
    let outcome = site.run(args);
    ended(&outcome, 0)?;
    if outcome.stderr.contains(line) { Ok(()) } else { Err(format!("denied: {}", outcome.stderr)) }
}

const SPEC: &str = r#"{"TrainingJobName": "churn", "RoleArn": "arn:aws:iam::222222222222:role/sagemaker-trainer",
    "OutputDataConfig": {"S3OutputPath": "s3://team-data/models"},
    "AlgorithmSpecification": {"TrainingImage": "222222222222.dkr.ecr.us-east-2.amazonaws.com/churn:1", "TrainingInputMode": "File"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600}}"#;

fn train(site: &Site, more: &[&str]) -> Result<(), String> {
    site.write("spec.json", SPEC);
    run(site, &[&["train", "--spec-file", "spec.json", "--poll-interval", "100ms"], more].concat())
}

const ASYNC: [&str; 7] = [
    "async",
    "--endpoint-name",
    "scoring-async",
    "--input-location",
    "s3://team-data/in/one.json",
    "--poll-interval",
    "100ms",
];
const CLUSTER: [&str; 4] = ["--cluster-identifier", "analytics", "--database", "sales"];
const BY_USER: [&str; 2] = ["--db-user", "etl"];
const WORKGROUP: [&str; 4] = ["--workgroup-name", "adhoc", "--database", "dev"];
const SECRET: [&str; 2] =
    ["--secret-arn", "arn:aws:secretsmanager:us-east-2:222222222222:secret:analytics-etl-AbCdEf"];
const KEY: [&str; 2] = ["--idempotency-key", "k-1"];

const FEATURES: &[Feature] = &[
    Feature {
        binary: "glue-trigger",
        with: &[],
        proves: &["StartAndFollow"],
        works: |site| run(site, &["--job-name", "nightly-etl", "--poll-interval", "200ms"]),
    },
    Feature {
        binary: "glue-trigger",
        with: &["StartAndFollow"],
        proves: &["OnceForAKey"],
        works: |site| {
            run(site, &[&["--job-name", "nightly-etl", "--poll-interval", "200ms"], &KEY[..]].concat())
        },
    },
    Feature {
        binary: "glue-trigger",
        with: &["StartAndFollow"],
        proves: &["Cancel"],
        works: |site| {
            cancel(
                site,
                &["--job-name", "nightly-etl", "--poll-interval", "100ms"],
                ("glue", "GetJobRun"),
                "BatchStopJobRun",
            )
        },
    },
    Feature {
        binary: "glue-trigger",
        with: &["StartAndFollow"],
        proves: &["Logs"],
        works: |site| {
            log_is_there(
                site,
                &["--job-name", "nightly-etl", "--poll-interval", "200ms", "--logs"],
                "wrote 1204 rows",
            )
        },
    },
    Feature {
        binary: "lambda-invoke",
        with: &[],
        proves: &["Invoke"],
        works: |site| run(site, &["--function-name", "workflow", "--qualifier", "live"]),
    },
    Feature {
        binary: "lambda-invoke",
        with: &["Invoke"],
        proves: &["DurableFollow"],
        works: |site| {
            let event =
                ["--invocation-type", "Event", "--poll-interval", "100ms", "--durable-execution-name", "n-1"];
            run(site, &[&["--function-name", "workflow", "--qualifier", "live"], &event[..]].concat())
        },
    },
    Feature {
        binary: "lambda-invoke",
        with: &["Invoke"],
        proves: &["DurableOnceForAKey", "DurableCancel"],
        works: |site| {
            let args = ["--function-name", "workflow", "--qualifier", "live", "--on-terminate", "cancel"];
            cancel_durable(site, &[&args[..], &KEY].concat())
        },
    },
    Feature {
        binary: "sagemaker-invoke",
        with: &[],
        proves: &["Invoke"],
        works: |site| run(site, &["endpoint", "--endpoint-name", "scoring", "--body", "{}"]),
    },
    Feature {
        binary: "sagemaker-invoke",
        with: &[],
        proves: &["Stream"],
        works: |site| run(site, &["endpoint", "--endpoint-name", "scoring", "--body", "{}", "--stream"]),
    },
    Feature {
        binary: "sagemaker-invoke",
        with: &[],
        proves: &["Async", "AsyncAnswer"],
        works: |site| run(site, &ASYNC),
    },
    Feature {
        binary: "sagemaker-invoke",
        with: &["Async", "AsyncAnswer"],
        proves: &["AsyncOnceForAKey"],
        works: |site| run(site, &[&ASYNC[..], &["--claim-location", "s3://team-data/claims"], &KEY].concat()),
    },
    Feature {
        binary: "sagemaker-invoke",
        with: &["Async", "AsyncAnswer"],
        proves: &["AsyncAnswerDenied"],
        // Without it, a place with no object looks like one that may not be read.
        works: |site| {
            let outcome = site.run(ASYNC);
            ended(&outcome, 0)?;
            if outcome.stderr.contains("s3:ListBucket") {
                Err(format!("denied: {}", outcome.stderr))
            } else {
                Ok(())
            }
        },
    },
    Feature {
        binary: "sagemaker-invoke",
        with: &[],
        proves: &["Train", "TrainRole"],
        works: |site| train(site, &KEY),
    },
    Feature {
        binary: "sagemaker-invoke",
        with: &["Train", "TrainRole"],
        proves: &["TrainCancel"],
        works: |site| {
            site.write("spec.json", SPEC);
            cancel(
                site,
                &["train", "--spec-file", "spec.json", "--poll-interval", "100ms"],
                ("sagemaker", "DescribeTrainingJob"),
                "StopTrainingJob",
            )
        },
    },
    Feature {
        binary: "sagemaker-invoke",
        with: &["Train", "TrainRole"],
        proves: &["TrainLogsFind", "TrainLogs"],
        works: |site| {
            site.write("spec.json", SPEC);
            log_is_there(
                site,
                &["train", "--spec-file", "spec.json", "--poll-interval", "100ms", "--logs"],
                "epoch 1",
            )
        },
    },
    Feature {
        binary: "redshift-query",
        with: &[],
        proves: &["Run", "Follow", "ClusterByUser"],
        works: |site| {
            run(site, &[&CLUSTER[..], &BY_USER, &["--sql", "select 1"]].concat())?;
            run(site, &[&CLUSTER[..], &BY_USER, &["--sql", "select 1; select 2"]].concat())
        },
    },
    Feature {
        binary: "redshift-query",
        with: &["Run", "Follow", "ClusterByUser"],
        proves: &["OnceForAKey"],
        works: |site| {
            run(site, &[&CLUSTER[..], &BY_USER, &KEY, &["--sql", "select 1; select 2"]].concat())?;
            run(site, &[&CLUSTER[..], &BY_USER, &KEY, &["--sql", "select 1"]].concat())
        },
    },
    Feature {
        binary: "redshift-query",
        with: &["Run", "Follow"],
        proves: &["ClusterByIam"],
        works: |site| {
            run(site, &[&CLUSTER[..], &["--sql", "select 1; select 2"]].concat())?;
            run(site, &[&CLUSTER[..], &["--sql", "select 1"]].concat())
        },
    },
    Feature {
        binary: "redshift-query",
        with: &["Run", "Follow"],
        proves: &["WorkgroupByIam"],
        works: |site| {
            run(site, &[&WORKGROUP[..], &["--sql", "select 1; select 2"]].concat())?;
            run(site, &[&WORKGROUP[..], &["--sql", "select 1"]].concat())
        },
    },
    Feature {
        binary: "redshift-query",
        with: &["Run", "Follow"],
        proves: &["BySecret"],
        works: |site| {
            run(site, &[&WORKGROUP[..], &SECRET, &["--sql", "select 1; select 2"]].concat())?;
            run(site, &[&WORKGROUP[..], &SECRET, &["--sql", "select 1"]].concat())
        },
    },
    Feature {
        binary: "redshift-query",
        with: &["Run", "Follow", "ClusterByUser"],
        proves: &["Cancel"],
        works: |site| {
            let args = [&CLUSTER[..], &BY_USER, &["--sql", "select 'slow'"]].concat();
            cancel(site, &args, ("redshift-data", "DescribeStatement"), "CancelStatement")
        },
    },
    Feature {
        binary: "redshift-query",
        with: &["ClusterByUser"],
        proves: &["Browse"],
        works: |site| {
            for command in ["databases", "schemas", "tables"] {
                run(site, &[&[command], &CLUSTER[..], &BY_USER].concat())?;
            }
            run(site, &[&["describe-table", "--table", "t"], &CLUSTER[..], &BY_USER].concat())
        },
    },
];

/// An execution that goes on is found by its name and stopped.
fn cancel_durable(site: &Site, args: &[&str]) -> Result<(), String> {
    let running = site.start(args);
    running.wait_for_calls("lambda", "Invoke", 1);
    running.signal(Signal::TERM);
    let outcome = running.finish();
    if outcome.stderr.contains("has accepted to stop") {
        Ok(())
    } else {
        Err(format!("{}: {}", outcome.code, outcome.stderr))
    }
}

/// Each feature works with exactly its statements, and with no action less.
fn prove(binary_name: &str, postgres: &str) {
    let all = permissions(&format!("permissions/{binary_name}.json"));
    let mut used = BTreeSet::new();
    for feature in FEATURES.iter().filter(|feature| feature.binary == binary_name) {
        let whole = [feature.with, feature.proves].concat();
        let of =
            |sids: &[&str]| all.iter().filter(|one| sids.contains(&one.sid.as_str())).collect::<Vec<_>>();
        let needed: Vec<&Permission> = of(&whole);
        let site = |without: Option<&Permission>| {
            let rules = needed.iter().filter(|one| Some(**one) != without).flat_map(|one| one.rules());
            Site::pod(binary(binary_name), &world(&rules.collect::<Vec<_>>(), &format!("{MORE}{postgres}")))
        };
        if let Err(said) = (feature.works)(&site(None)) {
            panic!("{binary_name} with {whole:?}: {said}");
        }
        for permission in of(feature.proves) {
            let action = &permission.action;
            let place = format!("{binary_name} with {whole:?} less {action}");
            let said = (feature.works)(&site(Some(permission))).expect_err(&place);
            // Named, whether it ends the run with 77 or only leaves out what it was for.
            assert!(said.contains(action.as_str()), "{place}: {said}");
            used.insert(format!("{}: {action}", permission.sid));
        }
    }
    let whole: BTreeSet<String> = all.iter().map(|one| format!("{}: {}", one.sid, one.action)).collect();
    let unproven: Vec<_> = whole.difference(&used).collect();
    assert!(unproven.is_empty(), "no feature of {binary_name} needs {unproven:?}");
}

/// The two roles of account A and B, as the templates have them: with both policies the chain leads to account B, and
/// without the permission, or for another service account or audience, it ends at the hop that is refused.
#[test]
fn the_chain_is_one_service_accounts_and_one_roles() {
    let assume =
        permissions("account-a-permissions.json").iter().flat_map(Permission::rules).collect::<Vec<_>>();
    let trust = &statements("account-a-trust.json")[0]["Condition"]["StringEquals"];
    let pinned = |key: &str| {
        let mut found = trust.as_object().expect("conditions").iter().filter(|(name, _)| name.ends_with(key));
        found.next().expect("a condition").1.as_str().expect("a text").to_owned()
    };
    let (sub, aud) = (pinned(":sub"), pinned(":aud"));
    let worker =
        permissions("permissions/glue-trigger.json").iter().flat_map(Permission::rules).collect::<Vec<_>>();
    let site = |allow: &[String], sub: &str, aud: &str| {
        let (before, role) =
            Worlds::TWO_ACCOUNTS.split_once("[accounts.111111111111.roles.cats-glue]").expect("the role");
        let (_, after) = role.split_once("]\n\n[accounts.222222222222]").expect("the other account");
        let of_a = format!(
            "{before}[accounts.111111111111.roles.cats-glue]\nallow = [{}]\n\
             trust = [{{ federated = \"cluster\", sub = \"{sub}\", aud = \"{aud}\" }}]\n\n[accounts.222222222222]{after}",
            allow.join(", ")
        );
        let (before, role) =
            of_a.split_once("[accounts.222222222222.roles.external-glue]").expect("the role");
        let (_, after) = role.split_once("]\ntrust").expect("its trust");
        let both = format!(
            "{before}[accounts.222222222222.roles.external-glue]\nallow = [{}]\ntrust{after}",
            worker.join(", ")
        );
        Site::pod(binary("glue-trigger"), &both)
    };
    let args = ["--job-name", "nightly-etl", "--check"];
    site(&assume, &sub, &aud).run(args).assert_exit(0);
    site(&[], &sub, &aud).run(args).assert_exit(77).assert_says("hop 2 of 2");
    site(&assume, "system:serviceaccount:team-ns:other", &aud)
        .run(args)
        .assert_exit(77)
        .assert_says("hop 1 of 2");
    // The token is meant for somebody else.
    let site = site(&assume, &sub, &aud);
    site.write_token(&sub, "https://kubernetes.default.svc", std::time::Duration::from_hours(1));
    site.run(args).assert_exit(77).assert_says("hop 1 of 2");
}

#[test]
fn glue_triggers_policy_is_sufficient_and_necessary() {
    prove("glue-trigger", "");
}

#[test]
fn lambda_invokes_policy_is_sufficient_and_necessary() {
    prove("lambda-invoke", "");
}

#[test]
fn sagemaker_invokes_policy_is_sufficient_and_necessary() {
    prove("sagemaker-invoke", "");
}

#[test]
fn redshift_querys_policy_is_sufficient_and_necessary() {
    let postgres = Postgres::start();
    prove("redshift-query", &postgres.world());
}

/// What moto can tell of it, whose enforcement is not ours.
#[test]
fn another_implementation_of_iam_agrees() {
    let mut moto = judge("python");
    moto.arg(root().join("tests/deploy/second_opinion.py"))
        .arg(root().join("target/image"))
        .arg(root().join("k8s/iam"));
    let said = run_command(&mut moto).unwrap_or_else(|said| panic!("{said}"));
    assert_eq!(said.lines().filter(|line| line.starts_with("ok: ")).count(), 6, "{said}");
}

#[test]
fn every_policy_is_proven_here_or_there() {
    for binary in binaries() {
        let here = FEATURES.iter().any(|feature| feature.binary == binary);
        let there = PROVEN_ELSEWHERE.contains(&&*binary) || WITHOUT_POLICY.contains(&&*binary);
        assert!(here != there, "{binary}");
    }
}

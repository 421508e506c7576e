//! What each feature of a binary does, and which statements it takes.

use testkit::{Outcome, Signal, Site, Worlds};

/// A feature in use, and the statements that it takes.
pub(crate) struct Feature {
    pub(crate) binary: &'static str,
    /// Statements of the binary's policy that it needs as well as those that it proves.
    pub(crate) with: &'static [&'static str],
    /// Statements each of whose actions it needs.
    pub(crate) proves: &'static [&'static str],
    /// Runs it, and asserts that it worked.
    pub(crate) works: fn(&Site) -> Result<(), String>,
}

/// The documented world, in which the role of account B has exactly `rules`.
pub(crate) fn world(rules: &[String], more: &str) -> String {
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
pub(crate) const MORE: &str = r#"
[[sagemaker.training_courses]]
steps = [{ secondary = "Training" }, { status = "Completed", secondary = "Completed", after = "300ms" }]
logs = [{ instance = 1, text = "epoch 1" }]

[[redshift.courses]]
when = "select 'slow'"
hold = "1m"

[[mwaa.environments]]
account = "222222222222"
name = "analytics"
bucket = "team-data"

[[mwaa.environments.dags]]
id = "nightly"

[[secretsmanager.secrets]]
account = "222222222222"
name = "analytics-etl"
string = '{"username": "app", "password": "pa55-of-app-in-mydb"}'

# Another one that the policy's name fits: its key is not the account's own.
[[secretsmanager.secrets]]
account = "222222222222"
name = "analytics-etl"
suffix = "OwnKey"
string = '{"username": "app", "password": "pa55-of-app-in-mydb"}'
kms_key = "arn:aws:kms:us-east-2:222222222222:key/12345678-1234-4123-8123-123456789012"
"#;

pub(crate) fn ended(outcome: &Outcome, code: i32) -> Result<(), String> {
    if outcome.code == code { Ok(()) } else { Err(format!("{}: {}", outcome.code, outcome.stderr)) }
}

/// Runs to the end and expects 0.
pub(crate) fn run(site: &Site, args: &[&str]) -> Result<(), String> {
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

pub(crate) const FEATURES: &[Feature] = &[
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
        proves: &["DurableOnceForAKey"],
        // A run without the right waits for the response instead, and may end well.
        works: |site| {
            let args =
                ["--function-name", "workflow", "--qualifier", "live", "--durable-execution-name", "k-1"];
            run(site, &[&args[..], &["--check"]].concat())
        },
    },
    Feature {
        binary: "lambda-invoke",
        with: &["Invoke", "DurableOnceForAKey"],
        proves: &["DurableCancel"],
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

//! The same for what talks to databases, environments and clusters: rds-connect, mwaa-token, eks-token.

use testkit::{Database, DatabaseSettings, Site};

use crate::features::{Feature, ended, run};

/// Checks the way into a database of the site, as a login has it.
fn check(site: &Site, login: &[&str]) -> Result<(), String> {
    let database = Database::start(&site.sandbox, DatabaseSettings::default());
    // The user whom the policy names.
    database.psql(&["-c", "create role etl login in role rds_iam"]);
    let (port, ca) = (database.port().to_string(), database.ca().display().to_string());
    let way = [
        "check",
        "--host",
        Database::HOST,
        "--hostaddr",
        "127.0.0.1",
        "--port",
        &port,
        "--ssl-root-cert",
        &ca,
    ];
    run(site, &[&way[..], &["--database", Database::NAME], login].concat())
}

/// Runs what prints a secret, as it was asked to.
fn print_secret(site: &Site, args: &[&str]) -> Result<(), String> {
    ended(&site.start(args).with_secret_result().finish(), 0)
}

/// Starts a run once, and waits for its end.
fn trigger(site: &Site, channel: &[&str]) -> Result<(), String> {
    let once = ["trigger", "nightly", "--idempotency-key", "k-1", "--poll-interval", "100ms"];
    run(site, &[&once[..], &ENVIRONMENT, channel].concat())
}

const ENVIRONMENT: [&str; 2] = ["--environment-name", "analytics"];
const CLUSTER: [&str; 2] = ["--cluster-name", "target"];

pub(crate) const FEATURES: &[Feature] = &[
    Feature {
        binary: "rds-connect",
        with: &[],
        proves: &["ByIam"],
        works: |site| check(site, &["--iam", "--user", "etl"]),
    },
    Feature {
        binary: "rds-connect",
        with: &[],
        proves: &["BySecret"],
        works: |site| check(site, &["--secret-id", "analytics-etl"]),
    },
    Feature {
        binary: "rds-connect",
        with: &["BySecret"],
        proves: &["BySecretOfOwnKey"],
        works: |site| {
            let arn = "arn:aws:secretsmanager:us-east-2:222222222222:secret:analytics-etl-OwnKey";
            check(site, &["--secret-id", arn])
        },
    },
    Feature {
        binary: "mwaa-token",
        with: &[],
        proves: &["Describe"],
        works: |site| run(site, &[&["describe"], &ENVIRONMENT[..]].concat()),
    },
    Feature {
        binary: "mwaa-token",
        with: &[],
        proves: &["Environments"],
        works: |site| run(site, &["environments"]),
    },
    Feature {
        binary: "mwaa-token",
        with: &[],
        proves: &["Cli"],
        works: |site| print_secret(site, &[&["cli"], &ENVIRONMENT[..]].concat()),
    },
    Feature {
        binary: "mwaa-token",
        with: &[],
        proves: &["Cli"],
        works: |site| run(site, &[&["run"], &ENVIRONMENT[..], &["--", "version"]].concat()),
    },
    Feature {
        binary: "mwaa-token",
        with: &["Describe"],
        proves: &["Web"],
        works: |site| print_secret(site, &[&["web"], &ENVIRONMENT[..]].concat()),
    },
    Feature {
        binary: "mwaa-token",
        with: &[],
        proves: &["Rest"],
        works: |site| run(site, &[&["rest", "GET", "/dags/nightly"], &ENVIRONMENT[..]].concat()),
    },
    Feature {
        binary: "mwaa-token",
        with: &["Describe"],
        proves: &["Rest"],
        works: |site| trigger(site, &[]),
    },
    Feature {
        binary: "mwaa-token",
        with: &["Describe"],
        proves: &["Cli"],
        works: |site| trigger(site, &["--channel", "cli"]),
    },
    Feature {
        binary: "mwaa-token",
        with: &["Describe"],
        proves: &["DagsList"],
        works: |site| run(site, &[&["dags", "list"], &ENVIRONMENT[..]].concat()),
    },
    Feature {
        binary: "mwaa-token",
        with: &["Describe"],
        proves: &["DagsChange"],
        works: |site| {
            site.write("one.py", "from airflow import DAG");
            run(site, &[&["dags", "upload", "one.py"], &ENVIRONMENT[..]].concat())?;
            run(site, &[&["dags", "delete", "one.py"], &ENVIRONMENT[..]].concat())
        },
    },
    // The cluster asks who has signed it; no policy lets one in.
    Feature {
        binary: "eks-token",
        with: &[],
        proves: &[],
        works: |site| print_secret(site, &[&["token"], &CLUSTER[..]].concat()),
    },
    Feature {
        binary: "eks-token",
        with: &[],
        proves: &["Kubeconfig"],
        works: |site| run(site, &[&["kubeconfig", "--kubeconfig", "config"], &CLUSTER[..]].concat()),
    },
    Feature {
        binary: "eks-token",
        with: &[],
        proves: &["Kubeconfig"],
        works: |site| run(site, &[&["describe"], &CLUSTER[..]].concat()),
    },
    Feature { binary: "eks-token", with: &[], proves: &["Clusters"], works: |site| run(site, &["clusters"]) },
];

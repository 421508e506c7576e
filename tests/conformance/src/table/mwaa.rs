//! Rows of mwaa-token.

use testkit::{Sandbox, Site, Worlds};

use super::{KEY, OFTEN, Part, READ, Row, WAY};

fn mwaa_world() -> String {
    format!(
        "{}\n[[mwaa.environments]]\naccount = '222222222222'\nname = 'flow'\n[[mwaa.environments.dags]]\nid = 'etl'\n\
         courses = [{{ steps = [{{ state = 'running' }}, {{ state = 'success', after = '500ms' }}] }}]\n",
        Worlds::TWO_ACCOUNTS
    )
}

/// The way to MWAA and its web servers, which have hosts of their own.
fn behind_proxy(site: Site) -> Site {
    let ca = site.write("ca.pem", site.sandbox.ca_pem()).display().to_string();
    site.write("one.py", "from airflow import DAG");
    let proxy = site.sandbox.proxy_url();
    site.env("HTTPS_PROXY", proxy)
        .env("AWS_CA_BUNDLE", ca)
        .env("AWS_ENDPOINT_URL_MWAA", "https://airflow.us-east-2.amazonaws.com")
        .env("MWAA_ENVIRONMENT_NAME", "flow")
}

fn truth(sandbox: &Sandbox) -> Option<i32> {
    match sandbox.dag_runs("flow").first()?.state.as_str() {
        "success" => Some(0),
        "failed" => Some(10),
        _ => None,
    }
}

pub(super) fn rows() -> Vec<Row> {
    let mwaa = Row { binary: "mwaa-token", world: mwaa_world, place: behind_proxy, ..READ };
    let files = Row { place: |site| behind_proxy(site).env("MWAA_ENVIRONMENT_NAME", "orchestrator"), ..mwaa };
    vec![
        Row {
            name: "mwaa-token-trigger",
            args: &["trigger", "etl", KEY, OFTEN],
            work: |sandbox| sandbox.dag_runs("flow").len(),
            works: 1,
            result: "\"state\":\"success\"",
            truth,
            ids: |sandbox| sandbox.dag_runs("flow").into_iter().map(|run| run.run_id).collect(),
            otherwise: &[("'success'", "'failed'", 10)],
            way: WAY,
            calls: &[("mwaa:GetEnvironment", Part::Read), ("mwaa:InvokeRestApi", Part::Start)],
            ..mwaa
        },
        Row {
            name: "mwaa-token-rest",
            args: &["rest", "GET", "/dags/etl"],
            calls: &[("mwaa:InvokeRestApi", Part::Read)],
            ..mwaa
        },
        Row {
            name: "mwaa-token-run",
            args: &["run"],
            after: &["--", "version"],
            calls: &[("mwaa:CreateCliToken", Part::Read), ("mwaa-web-server:Cli", Part::Blind)],
            ..mwaa
        },
        Row {
            name: "mwaa-token-web",
            args: &["web"],
            secret_result: true,
            calls: &[("mwaa:CreateWebLoginToken", Part::Read)],
            ..mwaa
        },
        Row {
            name: "mwaa-token-environments",
            args: &["environments"],
            calls: &[("mwaa:ListEnvironments", Part::Read)],
            ..mwaa
        },
        Row {
            name: "mwaa-token-dags-list",
            args: &["dags", "list"],
            calls: &[("mwaa:GetEnvironment", Part::Read), ("s3:ListObjectsV2", Part::Read)],
            ..files
        },
        Row {
            name: "mwaa-token-dags-upload",
            args: &["dags", "upload", "one.py"],
            calls: &[("s3:PutObject", Part::Read)],
            ..files
        },
        Row {
            name: "mwaa-token-dags-delete",
            args: &["dags", "delete", "nightly.py"],
            calls: &[("s3:DeleteObject", Part::Read)],
            ..files
        },
    ]
}

//! The floor: the least that a program can do for the work of one short run of a product.
//!
//! The hops through STS (`AssumeRoleWithWebIdentity`, then `AssumeRole`), then what the first argument names –
//! `glue`: a `StartJobRun` and one `GetJobRun`; `lambda`: an `Invoke`; `sagemaker`: an `InvokeEndpoint`; `redshift`: an
//! `ExecuteStatement`, a `DescribeStatement` that is held until the end, and one `GetStatementResult`; `rds-token` and
//! `eks-token`: an address signed here – over TLS to two hosts, one connection each. No SDK, no async runtime, no
//! options, no retries, answers searched instead of parsed.
//! What a product spends above this is the price of everything that makes it fit for use; the benchmark holds that
//! price to a budget.
//!
//! `redshift-pages ID` is another floor: it fetches every page of a statement's result and has `serde_json` make a
//! `Value` of each, which is what a bare program would do to get at the rows.
//!
//! Everything else comes from the environment: `AWS_ENDPOINT_URL_STS`, `AWS_CA_BUNDLE` (not where the endpoints are
//! `http://`), `AWS_WEB_IDENTITY_TOKEN_FILE`, `AWS_REGION`, `ROLES` (ARNs in their order, with a space between), and of the
//! work itself its
//! `AWS_ENDPOINT_URL_GLUE` and `GLUE_JOB_NAME`, or `AWS_ENDPOINT_URL_LAMBDA`, `LAMBDA_FUNCTION_NAME` and
//! `LAMBDA_PAYLOAD`, or `AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME`, `SAGEMAKER_ENDPOINT_NAME` and `SAGEMAKER_BODY`, or
//! `AWS_ENDPOINT_URL_REDSHIFT_DATA`, `REDSHIFT_WORKGROUP_NAME`, `REDSHIFT_DATABASE` and `REDSHIFT_SQL`, or `RDS_HOST`
//! (with the port) and `RDS_USER`, or `EKS_CLUSTER_NAME`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "shares no code with the product, so reads its own environment and clock and prints by itself"
)]

mod host;
mod pick;
mod service;
mod sigv4;

use std::io::{self, Error};
use std::process::ExitCode;
use std::sync::Arc;

use host::Host;
use pick::{json_number, json_text, xml_text};
use rustls::ClientConfig;
use serde_json::{Value, json};
use service::Service;
use sigv4::Keys;

fn main() -> ExitCode {
    match run() {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(err) => {
            eprintln!("floor: {err}");
            ExitCode::FAILURE
        }
    }
}

/// What comes after the chain: with the region, the TLS and the keys to use; gives what to print.
type Work = fn(&str, Tls, &Keys) -> io::Result<String>;

/// What TLS needs, where the endpoints have it.
type Tls = Option<Arc<ClientConfig>>;

/// The whole work; gives what to print.
fn run() -> io::Result<String> {
    let work: Work = match std::env::args().nth(1).as_deref() {
        Some("glue") => glue,
        Some("lambda") => lambda,
        Some("sagemaker") => sagemaker,
        Some("redshift") => redshift,
        Some("redshift-pages") => redshift_pages,
        Some("rds-token") => rds_token,
        Some("eks-token") => eks_token,
        _ => return Err(Error::other("the first argument names no work")),
    };
    let region = variable("AWS_REGION")?;
    let token = std::fs::read_to_string(variable("AWS_WEB_IDENTITY_TOKEN_FILE")?)?;
    let tls = std::env::var("AWS_CA_BUNDLE").ok().map(|bundle| host::trusting(&bundle)).transpose()?;

    let mut sts = service("sts", "AWS_ENDPOINT_URL_STS", &region, tls.clone())?;
    let roles = variable("ROLES")?;
    let mut session: Option<Keys> = None;
    for role in roles.split(' ') {
        let arn = ("RoleArn", role.to_owned());
        let answer = match &session {
            None => {
                let token = ("WebIdentityToken", token.trim().to_owned());
                sts.query(None, "AssumeRoleWithWebIdentity", &[arn, token])?
            }
            before => sts.query(before.as_ref(), "AssumeRole", &[arn])?,
        };
        session = Some(keys(&answer)?);
    }
    let session = session.ok_or_else(|| Error::other("ROLES is empty"))?;
    work(&region, tls, &session)
}

/// Starts a run and looks at it once; gives its id and state.
fn glue(region: &str, tls: Tls, keys: &Keys) -> io::Result<String> {
    let job = variable("GLUE_JOB_NAME")?;
    let mut glue = service("glue", "AWS_ENDPOINT_URL_GLUE", region, tls)?;
    let started = glue.json(keys, "AWSGlue.StartJobRun", &format!(r#"{{"JobName":"{job}"}}"#))?;
    let id = json_text(&started, "JobRunId")?;
    let asked = format!(r#"{{"JobName":"{job}","RunId":"{id}"}}"#);
    let looked = glue.json(keys, "AWSGlue.GetJobRun", &asked)?;
    match json_text(&looked, "JobRunState")? {
        "SUCCEEDED" => Ok(format!("{id} SUCCEEDED")),
        state => Err(Error::other(format!("run {id} is {state} at the first look"))),
    }
}

/// Invokes a function; gives its answer.
fn lambda(region: &str, tls: Tls, keys: &Keys) -> io::Result<String> {
    let path = format!("/2015-03-31/functions/{}/invocations", variable("LAMBDA_FUNCTION_NAME")?);
    let mut lambda = service("lambda", "AWS_ENDPOINT_URL_LAMBDA", region, tls)?;
    lambda.rest(keys, &path, &variable("LAMBDA_PAYLOAD")?)
}

/// Asks an endpoint's model; gives its answer.
fn sagemaker(region: &str, tls: Tls, keys: &Keys) -> io::Result<String> {
    let path = format!("/endpoints/{}/invocations", variable("SAGEMAKER_ENDPOINT_NAME")?);
    let mut runtime = service("sagemaker", "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", region, tls)?;
    runtime.rest(keys, &path, &variable("SAGEMAKER_BODY")?)
}

/// Runs a statement of one number; gives its row.
fn redshift(region: &str, tls: Tls, keys: &Keys) -> io::Result<String> {
    let [workgroup, database, sql] =
        ["REDSHIFT_WORKGROUP_NAME", "REDSHIFT_DATABASE", "REDSHIFT_SQL"].map(variable);
    let wish = format!(r#"{{"WorkgroupName":"{}","Database":"{}","Sql":"{}"}}"#, workgroup?, database?, sql?);
    let mut data = service("redshift-data", "AWS_ENDPOINT_URL_REDSHIFT_DATA", region, tls)?;
    let begun = data.json(keys, "RedshiftData.ExecuteStatement", &wish)?;
    let id = json_text(&begun, "Id")?;
    let held = format!(r#"{{"Id":"{id}","WaitTimeSeconds":30}}"#);
    let ended = data.json(keys, "RedshiftData.DescribeStatement", &held)?;
    let status = json_text(&ended, "Status")?;
    if status != "FINISHED" {
        return Err(Error::other(format!("statement {id} is {status}")));
    }
    let page = data.json(keys, "RedshiftData.GetStatementResult", &format!(r#"{{"Id":"{id}"}}"#))?;
    Ok(format!(r#"{{"{}":{}}}"#, json_text(&page, "label")?, json_number(&page, "longValue")?))
}

/// Reads all pages of the result of the statement that the second argument names; gives how many rows there were.
fn redshift_pages(region: &str, tls: Tls, keys: &Keys) -> io::Result<String> {
    let id = std::env::args().nth(2).ok_or_else(|| Error::other("the second argument is a statement"))?;
    let mut data = service("redshift-data", "AWS_ENDPOINT_URL_REDSHIFT_DATA", region, tls)?;
    let mut asked = json!({ "Id": id });
    let mut rows = 0;
    loop {
        let page = data.json(keys, "RedshiftData.GetStatementResult", &asked.to_string())?;
        let page: Value = serde_json::from_str(&page)?;
        rows += page["Records"].as_array().map_or(0, Vec::len);
        match page["NextToken"].as_str() {
            Some(next) if !next.is_empty() => asked["NextToken"] = next.into(),
            _ => return Ok(rows.to_string()),
        }
    }
}

/// Signs what RDS takes as a password.
fn rds_token(region: &str, _: Tls, keys: &Keys) -> io::Result<String> {
    let (host, user) = (variable("RDS_HOST")?, variable("RDS_USER")?);
    let query = [("Action", "connect"), ("DBUser", &user)];
    sigv4::presigned(keys, ("rds-db", region), &host, &query, 900, None)
}

/// Signs the request that EKS sends to STS, and wraps it up.
fn eks_token(region: &str, _: Tls, keys: &Keys) -> io::Result<String> {
    let host = format!("sts.{region}.amazonaws.com");
    let query = [("Action", "GetCallerIdentity"), ("Version", "2011-06-15")];
    let cluster = variable("EKS_CLUSTER_NAME")?;
    let url = sigv4::presigned(keys, ("sts", region), &host, &query, 60, Some(("x-k8s-aws-id", &cluster)))?;
    Ok(format!("k8s-aws-v1.{}", base64url(format!("https://{url}").as_bytes())))
}

/// Base64 for addresses, without padding.
fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::with_capacity(bytes.len() * 4 / 3 + 3);
    for group in bytes.chunks(3) {
        let at = |place: usize| u32::from(group.get(place).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        let sextets = [18, 12, 6, 0].map(|shift| DIGITS[(bits >> shift & 63) as usize]);
        out.extend(sextets.iter().take(group.len() + 1).map(|digit| char::from(*digit)));
    }
    out
}

fn variable(name: &str) -> io::Result<String> {
    std::env::var(name).map_err(|err| Error::other(format!("{name}: {err}")))
}

/// A service by its name in signatures, at the endpoint that a variable holds.
fn service<'a>(name: &'static str, endpoint: &str, region: &'a str, tls: Tls) -> io::Result<Service<'a>> {
    Ok(Service { host: Host::connect(&variable(endpoint)?, tls)?, region, name })
}

/// The credentials in an answer of STS.
fn keys(answer: &str) -> io::Result<Keys> {
    let text = |tag| xml_text(answer, tag).map(str::to_owned);
    Ok(Keys { id: text("AccessKeyId")?, secret: text("SecretAccessKey")?, token: text("SessionToken")? })
}

//! The floor: the least that a program can do for the work of one short run of a product.
//!
//! Two hops through STS (`AssumeRoleWithWebIdentity`, then `AssumeRole`), then what the first argument names –
//! `glue`: a `StartJobRun` and one `GetJobRun`; `lambda`: an `Invoke`; `sagemaker`: an `InvokeEndpoint` – over TLS to
//! two hosts, one connection each. No SDK, no async runtime, no options, no retries, answers searched instead of
//! parsed. What a product spends above this is the price of everything that makes it fit for use; the benchmark holds
//! that price to a budget.
//!
//! Everything else comes from the environment: `AWS_ENDPOINT_URL_STS`, `AWS_CA_BUNDLE`, `AWS_WEB_IDENTITY_TOKEN_FILE`,
//! `AWS_REGION`, `ROLE_A`, `ROLE_B`, and of the work itself its `AWS_ENDPOINT_URL_GLUE` and `GLUE_JOB_NAME`, or
//! `AWS_ENDPOINT_URL_LAMBDA`, `LAMBDA_FUNCTION_NAME` and `LAMBDA_PAYLOAD`, or `AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME`,
//! `SAGEMAKER_ENDPOINT_NAME` and `SAGEMAKER_BODY`.
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
use pick::{json_text, xml_text};
use rustls::ClientConfig;
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
type Work = fn(&str, Arc<ClientConfig>, &Keys) -> io::Result<String>;

/// The whole work; gives what to print.
fn run() -> io::Result<String> {
    let work: Work = match std::env::args().nth(1).as_deref() {
        Some("glue") => glue,
        Some("lambda") => lambda,
        Some("sagemaker") => sagemaker,
        _ => return Err(Error::other("the first argument is glue, lambda or sagemaker")),
    };
    let region = variable("AWS_REGION")?;
    let token = std::fs::read_to_string(variable("AWS_WEB_IDENTITY_TOKEN_FILE")?)?;
    let tls = host::trusting(&variable("AWS_CA_BUNDLE")?)?;

    let mut sts = service("sts", "AWS_ENDPOINT_URL_STS", &region, Arc::clone(&tls))?;
    let first_role = [("RoleArn", variable("ROLE_A")?), ("WebIdentityToken", token.trim().to_owned())];
    let first = keys(&sts.query(None, "AssumeRoleWithWebIdentity", &first_role)?)?;
    let second = keys(&sts.query(Some(&first), "AssumeRole", &[("RoleArn", variable("ROLE_B")?)])?)?;
    work(&region, tls, &second)
}

/// Starts a run and looks at it once; gives its id and state.
fn glue(region: &str, tls: Arc<ClientConfig>, keys: &Keys) -> io::Result<String> {
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
fn lambda(region: &str, tls: Arc<ClientConfig>, keys: &Keys) -> io::Result<String> {
    let path = format!("/2015-03-31/functions/{}/invocations", variable("LAMBDA_FUNCTION_NAME")?);
    let mut lambda = service("lambda", "AWS_ENDPOINT_URL_LAMBDA", region, tls)?;
    lambda.rest(keys, &path, &variable("LAMBDA_PAYLOAD")?)
}

/// Asks an endpoint's model; gives its answer.
fn sagemaker(region: &str, tls: Arc<ClientConfig>, keys: &Keys) -> io::Result<String> {
    let path = format!("/endpoints/{}/invocations", variable("SAGEMAKER_ENDPOINT_NAME")?);
    let mut runtime = service("sagemaker", "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", region, tls)?;
    runtime.rest(keys, &path, &variable("SAGEMAKER_BODY")?)
}

fn variable(name: &str) -> io::Result<String> {
    std::env::var(name).map_err(|err| Error::other(format!("{name}: {err}")))
}

/// A service by its name in signatures, at the endpoint that a variable holds.
fn service<'a>(
    name: &'static str,
    endpoint: &str,
    region: &'a str,
    tls: Arc<ClientConfig>,
) -> io::Result<Service<'a>> {
    Ok(Service { host: Host::connect(&variable(endpoint)?, tls)?, region, name })
}

/// The credentials in an answer of STS.
fn keys(answer: &str) -> io::Result<Keys> {
    let text = |tag| xml_text(answer, tag).map(str::to_owned);
    Ok(Keys { id: text("AccessKeyId")?, secret: text("SecretAccessKey")?, token: text("SessionToken")? })
}

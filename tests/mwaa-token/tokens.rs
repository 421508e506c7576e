//! `cli` and `web`: what is printed is good at the web server, and told nowhere else.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use testkit::{FaultKind, Outcome, Site};

use super::{THREE, calls, fault, in_world, pod, spoil, status, world_without};

/// Runs what prints a secret.
fn secret(site: &Site, args: &[&str]) -> Outcome {
    site.start(args).with_secret_result().finish()
}

/// Sends a form to a web server, past all TLS; the status line and the rest.
fn post(site: &Site, host: &str, path: &str, form: &str) -> String {
    let address = site.sandbox.url();
    let mut stream = TcpStream::connect(address.trim_start_matches("http://")).unwrap();
    let length = form.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{form}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Logs in as the page of the address does.
fn log_in(site: &Site, url: &str, login: &str) -> String {
    let (address, token) = url.split_once('#').unwrap();
    let host = address.trim_start_matches("https://").split('/').next().unwrap();
    post(site, host, login, &format!("token={token}"))
}

#[test]
fn the_address_logs_in_to_airflow_2_and_3() {
    for (environment, page, login, cookie) in [
        (
            "",
            ".us-east-2.airflow.amazonaws.com/aws_mwaa/aws-console-sso?login=true#",
            "/aws_mwaa/login",
            "session=",
        ),
        (
            THREE,
            ".airflow.us-east-2.on.aws/pluginsv2/aws_mwaa/aws-console-sso?login=true#",
            "/pluginsv2/aws_mwaa/login",
            "_token=",
        ),
    ] {
        let site = pod(environment, "");
        let outcome = secret(&site, &["web", "--output", "text"]);
        outcome.assert_exit(0);
        let url = outcome.text().trim();
        assert!(url.contains(page), "{url}");
        let answer = log_in(&site, url, login);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(cookie), "{answer}");
        // A minute later it is dead.
        site.sandbox.advance(Duration::from_secs(61));
        assert!(log_in(&site, url, login).starts_with("HTTP/1.1 403"));
    }
}

#[test]
fn a_login_as_json_tells_who_one_is() {
    let site = pod("", "");
    let outcome = secret(&site, &["web"]);
    let told = outcome.assert_exit(0).json();
    assert_eq!(told["expires_in_seconds"], 60);
    assert_eq!(told["account"], "222222222222");
    assert!(told["iam_identity"].as_str().unwrap().starts_with("assumed-role/external-glue/"), "{told}");
    let (url, token) = (told["login_url"].as_str().unwrap(), told["web_token"].as_str().unwrap());
    assert!(url.ends_with(&format!("#{token}")));
    outcome.assert_does_not_say(token);
}

#[test]
fn a_token_for_the_command_line() {
    let site = pod("", "");
    let told = secret(&site, &["cli"]).assert_exit(0).json();
    assert!(told["web_server_host"].as_str().unwrap().ends_with(".airflow.amazonaws.com"));
    let text = secret(&site, &["cli", "--output", "text"]);
    text.assert_exit(0);
    let token = text.text().trim();
    assert!(token.len() > 40 && token != told["cli_token"], "{token}");
    assert!(site.sandbox.secrets().iter().any(|secret| secret == token), "the sandbox counts it as a secret");
}

/// At the loudest level: the search for secrets is in every outcome, and these may be on standard output alone.
#[test]
fn tokens_are_told_nowhere_else() {
    for args in [["cli", "--log-format=json"], ["web", "--log-format=text"]] {
        let site = pod("", "").env("RUST_LOG", "trace");
        secret(&site, &args).assert_exit(0);
        let site = pod("", "").env("RUST_LOG", "trace");
        site.run(["run", "--", "version"]).assert_exit(0);
    }
}

#[test]
fn a_private_web_server_is_told_of() {
    let site = pod("access_mode = 'PRIVATE_ONLY'", "");
    secret(&site, &["web"]).assert_exit(0).assert_says("private");
}

/// The old address is the better guess: Airflow 3 has it as well.
#[test]
fn without_the_right_to_look_the_address_is_that_of_airflow_2() {
    let site = in_world(&world_without("airflow:GetEnvironment", "", ""));
    let outcome = secret(&site, &["web", "--output", "text"]);
    outcome.assert_exit(0).assert_says("airflow:GetEnvironment");
    assert!(outcome.text().contains("amazonaws.com/aws_mwaa/aws-console-sso"));
}

#[test]
fn refusals_name_the_action() {
    for (command, action, operation, told) in [
        ("cli", "airflow:CreateCliToken", "CreateCliToken", "airflow:CreateCliToken"),
        ("web", "airflow:CreateWebLoginToken", "CreateWebLoginToken", "No Airflow role granted in IAM"),
    ] {
        let site = in_world(&world_without(action, "", ""));
        let outcome = site.run([command]);
        outcome.assert_exit(77).assert_says(action).assert_says(told);
        assert_eq!(outcome.termination()["request_id"], calls(&site, operation)[0].request_id.as_str());
        assert!(outcome.stdout.is_empty());
    }
    let site = pod("", "");
    site.run(["cli", "--environment-name", "flaw"])
        .assert_exit(65)
        .assert_says("there is no MWAA environment flaw in account 222222222222, region us-east-2");
}

#[test]
fn troubles_of_the_service_are_borne_and_then_told() {
    for operation in ["CreateCliToken", "CreateWebLoginToken"] {
        let command = if operation == "CreateCliToken" { "cli" } else { "web" };
        for kind in [
            FaultKind::Throttle,
            FaultKind::ResetBefore,
            FaultKind::ResetAfter,
            status(500, "InternalServerException", ""),
        ] {
            let site = pod("", "");
            spoil(&site, fault(operation, kind));
            secret(&site, &[command]).assert_exit(0);
            assert_eq!(calls(&site, operation).len(), 2);
        }
        let site = pod("", "");
        spoil(&site, fault(operation, status(500, "InternalServerException", "no")).for_ever());
        site.run([command]).assert_exit(75).assert_says("InternalServerException");
        let site = pod("", "");
        spoil(&site, fault(operation, FaultKind::Garbage).for_ever());
        site.run([command]).assert_exit(75);
    }
}

/// A token, and the host that it is sent to, come in one response.
#[test]
fn a_token_is_only_sent_to_the_name_of_a_host() {
    for host in ["user@evil.example/x?y=", "evil.example/x", "evil.example:8443", "evil"] {
        let site = pod(&format!("web_server = '{host}'"), "");
        for args in [&["run", "--", "dags", "list"][..], &["cli"], &["web"]] {
            let outcome = site.run(args);
            outcome.assert_exit(75).assert_says("WebServerHostname").assert_does_not_say("evil");
        }
        let services: Vec<_> = site.sandbox.calls().into_iter().map(|call| call.service).collect();
        assert!(!services.iter().any(|service| service == "mwaa-web-server"), "{services:?}");
    }
}

//! TLS, roots and proxies, for STS and the service alike.

use testkit::Site;

use super::{BINARY, NIGHTLY, calls, nightly};

/// A pod that reaches AWS over TLS, with a certificate of an authority that no public bundle has.
fn secure() -> Site {
    let site = Site::documented(BINARY);
    let url = site.sandbox.https_url();
    site.env("AWS_ENDPOINT_URL", url)
}

fn ca(site: &Site) -> String {
    site.write("ca.pem", site.sandbox.ca_pem()).display().to_string()
}

#[test]
fn a_ca_bundle_is_added_to_the_roots() {
    let site = secure();
    let path = ca(&site);
    let site = site.env("AWS_CA_BUNDLE", path);
    site.run(NIGHTLY).assert_exit(0);
    assert!(site.sandbox.calls().iter().all(|call| call.secure));
    // One host, one connection: STS and the service share the pool.
    let mut connections: Vec<_> = site.sandbox.calls().iter().map(|call| call.connection).collect();
    connections.dedup();
    assert_eq!(connections.len(), 1, "{connections:?}");

    let site = secure();
    let path = ca(&site);
    site.run(nightly(&["--ca-bundle", &path])).assert_exit(0);
}

#[test]
fn the_system_s_bundle_is_tried_where_the_issuer_is_unknown() {
    let site = secure();
    let path = ca(&site);
    site.env("SSL_CERT_FILE", path).run(NIGHTLY).assert_exit(0);
}

#[test]
fn an_unknown_issuer_names_host_and_bundle() {
    let site = secure();
    let outcome = site.run(NIGHTLY);
    outcome.assert_exit(78).assert_says("hop 1 of 2").assert_says("localhost").assert_says("AWS_CA_BUNDLE");
    assert!(site.sandbox.calls().is_empty());
}

#[test]
fn a_bundle_that_cannot_be_used_is_refused_before_any_request() {
    for (name, text) in [
        ("empty.pem", ""),
        ("text.pem", "no certificate"),
        ("bad.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    ] {
        let site = secure();
        let path = site.write(name, text).display().to_string();
        site.run(nightly(&["--ca-bundle", &path])).assert_exit(78).assert_says(name);
        assert!(site.sandbox.calls().is_empty());
    }
    secure()
        .env("AWS_CA_BUNDLE", "/nowhere/ca.pem")
        .run(NIGHTLY)
        .assert_exit(78)
        .assert_says("/nowhere/ca.pem");
}

#[test]
fn proxies_are_used_for_what_they_are_named_for() {
    // Through CONNECT for https.
    let site = secure();
    let (path, proxy) = (ca(&site), site.sandbox.proxy_url());
    let site = site.env("AWS_CA_BUNDLE", path).env("HTTPS_PROXY", &proxy);
    site.run(NIGHTLY).assert_exit(0);
    assert!(
        site.sandbox.proxied().iter().all(|line| line.starts_with("CONNECT localhost:")),
        "{:?}",
        site.sandbox.proxied()
    );
    assert!(!site.sandbox.proxied().is_empty());

    // In absolute form for http.
    let site = Site::documented(BINARY);
    let proxy = site.sandbox.proxy_url();
    let site = site.env("http_proxy", &proxy);
    site.run(NIGHTLY).assert_exit(0);
    assert!(calls(&site, "StartJobRun").iter().all(|call| call.proxied));

    // Not where NO_PROXY says so.
    let site = Site::documented(BINARY);
    let proxy = site.sandbox.proxy_url();
    let site = site.env("HTTP_PROXY", &proxy).env("NO_PROXY", "127.0.0.1,example.com");
    site.run(NIGHTLY).assert_exit(0);
    assert!(site.sandbox.calls().iter().all(|call| !call.proxied));
}

#[test]
fn nobody_listening_is_75_and_names_the_address() {
    let site = Site::documented(BINARY).env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    site.run(NIGHTLY).assert_exit(75).assert_says("hop 1 of 2").assert_says("127.0.0.1:9");
}

#[test]
fn without_settings_the_hosts_are_those_of_aws_and_fips_and_dual_stack_are_obeyed() {
    for (variable, sts, glue) in [
        ("UNRELATED", "sts.us-east-2.amazonaws.com", "glue.us-east-2.amazonaws.com"),
        ("AWS_USE_FIPS_ENDPOINT", "sts-fips.us-east-2.amazonaws.com", "glue-fips.us-east-2.amazonaws.com"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "sts.us-east-2.api.aws", "glue.us-east-2.api.aws"),
    ] {
        // The proxy tells which hosts were asked for, and leads all of them to the sandbox.
        let site = Site::documented(BINARY).without("AWS_ENDPOINT_URL").env(variable, "true");
        let (path, proxy) = (ca(&site), site.sandbox.proxy_url());
        let site = site.env("AWS_CA_BUNDLE", path).env("HTTPS_PROXY", proxy);
        let outcome = site.run(NIGHTLY);
        for host in [sts, glue] {
            let line = format!("CONNECT {host}:443");
            let proxied = site.sandbox.proxied();
            assert!(
                proxied.iter().any(|seen| seen.starts_with(&line)),
                "no {line} in {proxied:?}\n{}",
                outcome.stderr
            );
        }
        outcome.assert_exit(0);
    }
}

#[test]
fn an_endpoint_of_one_service_comes_before_the_endpoint_of_all() {
    let nowhere = "http://127.0.0.1:9";
    let site = Site::documented(BINARY);
    let url = site.sandbox.url();
    let site = site
        .env("AWS_ENDPOINT_URL", nowhere)
        .env("AWS_ENDPOINT_URL_STS", &url)
        .env("AWS_ENDPOINT_URL_GLUE", &url);
    site.run(NIGHTLY).assert_exit(0);

    // The option comes before both.
    let site = Site::documented(BINARY).env("AWS_ENDPOINT_URL_STS", nowhere);
    let url = site.sandbox.url();
    site.run(nightly(&["--endpoint-url", &url])).assert_exit(0);

    // The section that the profile names.
    let site = Site::documented(BINARY).without("AWS_ENDPOINT_URL");
    let url = site.sandbox.url();
    let config = std::fs::read_to_string(site.path("aws-config")).unwrap();
    let services = format!(
        "services = local\n\n[services local]\nsts =\n  endpoint_url = {url}\nglue =\n  endpoint_url = {url}\n"
    );
    site.write("aws-config", &format!("{}{services}", config.trim_end().to_owned() + "\n"));
    site.run(NIGHTLY).assert_exit(0);
}

/// Who pins the authority of an inspecting proxy does not want the public roots, or those of the system.
#[test]
fn only_the_bundle_is_trusted_where_the_user_says_so() {
    // Good certificates, none of which has anything to do with the server.
    let theirs = concat!(env!("CARGO_MANIFEST_DIR"), "/../rds-connect/data/rds-ca-bundle.pem");
    let site = secure();
    let path = ca(&site);
    let site = site.env("SSL_CERT_FILE", path);
    // The system's roots vouch for the server, and do not count.
    site.run(nightly(&["--ca-bundle", theirs])).assert_exit(0);
    let before = site.sandbox.calls().len();
    let outcome = site.run(nightly(&["--ca-bundle", theirs, "--ca-bundle-only"]));
    outcome.assert_exit(78).assert_says("localhost");
    assert_eq!(site.sandbox.calls().len(), before);

    let ours = site.path("ca.pem").display().to_string();
    let site = site.env("AWS_CA_BUNDLE", ours).env("CA_BUNDLE_ONLY", "true");
    site.run(NIGHTLY).assert_exit(0);
    let outcome = site.without("AWS_CA_BUNDLE").run(NIGHTLY);
    outcome.assert_exit(78).assert_says("--ca-bundle-only").assert_says("AWS_CA_BUNDLE");
}

/// Whoever can write the settings can redirect the calls, tokens and keys included: a reader of the log sees it.
#[test]
fn every_configured_endpoint_is_in_the_log() {
    let site = Site::documented(BINARY);
    let url = site.sandbox.url();
    let config = std::fs::read_to_string(site.path("aws-config")).unwrap();
    let config = config.replace(
        "[profile external]\n",
        "[profile external]\nservices = there\nendpoint_url = https://profile.example\n",
    );
    let config = format!("{config}\n[services there]\nlambda =\n  endpoint_url = https://lambda.example\n");
    site.write("aws-config", &config);
    let site = site.env("AWS_ENDPOINT_URL_STS", &url).env("AWS_ENDPOINT_URL_S3", "https://s3.example:8443/x");
    let outcome = site.run(NIGHTLY);
    outcome
        .assert_exit(0)
        .assert_says(&format!("{url} (from AWS_ENDPOINT_URL)"))
        .assert_says(&format!("{url} (from AWS_ENDPOINT_URL_STS)"))
        .assert_says("https://s3.example:8443/x (from AWS_ENDPOINT_URL_S3)")
        .assert_says(
            "https://lambda.example (from endpoint_url of lambda in the services of profile `external`)",
        )
        .assert_says("https://profile.example (from ");
    // This machine.
    outcome.assert_does_not_say("clear text");

    let site = site.env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
    let outcome = site.run(nightly(&["--endpoint-url", &url]));
    outcome.assert_exit(0).assert_says(&format!("{url} (from --endpoint-url)"));
    outcome.assert_does_not_say("AWS_ENDPOINT_URL").assert_does_not_say("profile.example");

    // A user before the host makes one host look like another.
    let outcome = site.run(nightly(&["--endpoint-url", "https://sts.amazonaws.com@evil.example"]));
    outcome.assert_exit(78).assert_says("is not an address");
}

#[test]
fn sts_is_not_called_in_clear_text_over_a_network() {
    let site = Site::documented(BINARY);
    let url = site.sandbox.url();
    let redirected = site.env("AWS_ENDPOINT_URL_STS", "http://sts.invalid:4566");
    let outcome = redirected.run(NIGHTLY);
    outcome.assert_exit(78).assert_says("AWS_ENDPOINT_URL_STS is `http://sts.invalid:4566`");
    outcome.assert_says("--allow-http");
    assert!(redirected.sandbox.calls().is_empty());
    let outcome = redirected.run(nightly(&["--allow-http", "--timeout", "500ms"]));
    outcome
        .assert_exit(75)
        .assert_says("sent in clear text: AWS_ENDPOINT_URL_STS is http://sts.invalid:4566");

    // Other services: a warning.
    let site = redirected.env("AWS_ENDPOINT_URL_STS", url).env("AWS_ENDPOINT_URL_S3", "http://s3.invalid");
    let outcome = site.run(NIGHTLY);
    outcome.assert_exit(0).assert_says("sent in clear text: AWS_ENDPOINT_URL_S3 is http://s3.invalid");
}

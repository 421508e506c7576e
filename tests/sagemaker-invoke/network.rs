//! Where the services are that have no client of the SDK's here: the hosts of AWS, and the user's endpoints.

use testkit::Site;

use super::train::{QUICK, spec, with, world as training};
use super::{BINARY, assert_stdout, keyed, train, world};

const ASYNC: &str = "async = { output = 's3://team-data/async' }\ncourses = [{ body = '7' }]";

/// The proxy tells which hosts were asked for, and leads all of them to the sandbox.
fn behind_a_proxy(site: Site, variable: &str) -> Site {
    let site = site.without("AWS_ENDPOINT_URL").env(variable, "true");
    let ca = site.write("ca.pem", site.sandbox.ca_pem()).display().to_string();
    let proxy = site.sandbox.proxy_url();
    site.env("AWS_CA_BUNDLE", ca).env("HTTPS_PROXY", proxy)
}

#[track_caller]
fn assert_proxied(site: &Site, host: &str) {
    let line = format!("CONNECT {host}:443");
    let proxied = site.sandbox.proxied();
    assert!(proxied.iter().any(|seen| seen.starts_with(&line)), "no {line} in {proxied:?}");
}

#[test]
fn without_settings_the_hosts_are_those_of_aws_and_fips_and_dual_stack_are_obeyed() {
    for (variable, sagemaker, s3) in [
        ("UNRELATED", "api.sagemaker.us-east-2.amazonaws.com", "s3.us-east-2.amazonaws.com"),
        (
            "AWS_USE_FIPS_ENDPOINT",
            "api-fips.sagemaker.us-east-2.amazonaws.com",
            "s3-fips.us-east-2.amazonaws.com",
        ),
        (
            "AWS_USE_DUALSTACK_ENDPOINT",
            "api.sagemaker.us-east-2.api.aws",
            "s3.dualstack.us-east-2.amazonaws.com",
        ),
    ] {
        let site = behind_a_proxy(with(&training(&[QUICK]), &spec()), variable);
        // The sandbox's certificate is not for all of the others: that they are asked for is enough.
        let plain = variable == "UNRELATED";
        let outcome = site.run(train::train(&[]));
        assert_proxied(&site, sagemaker);
        if plain {
            outcome.assert_exit(0);
        }

        // A bucket is a part of the host's name.
        let site = behind_a_proxy(Site::pod(BINARY, &world(ASYNC)), variable);
        let outcome = site.run(keyed(&[]));
        assert_proxied(&site, &format!("team-data.{s3}"));
        if plain {
            assert_stdout(outcome.assert_exit(0), "7");
        }
    }
}

/// No certificate fits a bucket's name with dots in it.
#[test]
fn a_bucket_with_dots_is_in_the_path() {
    let dotted = world(ASYNC).replace("team-data", "team.data");
    let site = behind_a_proxy(Site::pod(BINARY, &dotted), "UNRELATED");
    let args = keyed(&[]).into_iter().map(|arg| arg.replace("team-data", "team.data"));
    assert_stdout(site.run(args).assert_exit(0), "7");
    assert_proxied(&site, "s3.us-east-2.amazonaws.com");
}

/// Keys are signed and sent as they are: spaces, plus signs, umlauts, empty parts.
#[test]
fn every_key_is_found() {
    let odd = "s3://team-data/a b/ü+(1)//~/=&?#%25";
    let site = Site::pod(BINARY, &world(&ASYNC.replace("s3://team-data/async", odd)));
    assert_stdout(site.run(keyed(&[])).assert_exit(0), "7");
}

#[test]
fn an_endpoint_of_one_service_comes_before_the_endpoint_of_all() {
    let nowhere = "http://127.0.0.1:9";
    let site = with(&training(&[QUICK]), &spec());
    let url = site.sandbox.url();
    let site = site
        .env("AWS_ENDPOINT_URL", nowhere)
        .env("AWS_ENDPOINT_URL_STS", &url)
        .env("AWS_ENDPOINT_URL_SAGEMAKER", &url);
    site.run(train::train(&[])).assert_exit(0);

    let site = Site::pod(BINARY, &world(ASYNC));
    let url = site.sandbox.url();
    let site = site
        .env("AWS_ENDPOINT_URL", nowhere)
        .env("AWS_ENDPOINT_URL_STS", &url)
        .env("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", &url)
        .env("AWS_ENDPOINT_URL_S3", &url);
    assert_stdout(site.run(keyed(&[])).assert_exit(0), "7");
}

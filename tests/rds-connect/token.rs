//! `token`, and what tokens are made of.

use std::time::Duration;

use testkit::{Database, DatabaseSettings, Shutdown, Site, Worlds};

use crate::{BINARY, replaced, without, world, world_of};

#[test]
fn it_prints_what_psql_logs_in_with() {
    let world = world();
    let outcome = world.site.run(without(world.by_token(&["token"]), "--hostaddr"));
    outcome.assert_exit(0);
    let token = outcome.text().trim_end();
    assert_eq!(outcome.text(), format!("{token}\n"));
    let endpoint =
        format!("{}:{}/?Action=connect&DBUser=iam_demo_user&", Database::HOST, world.database.port());
    assert!(token.starts_with(&endpoint), "{token}");
    assert!(token.contains("X-Amz-Expires=900&") && token.contains("%2Fus-east-2%2Frds-db%2Faws4_request"));
    outcome.assert_does_not_say("X-Amz-Signature");
    let mut psql = world.database.client("psql", Database::IAM_USER, token);
    let output = psql.args(["-X", "-At", "-c", "select current_user"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "iam_demo_user\n", "{output:?}");
}

#[test]
fn json_tells_what_it_is_for_and_until_when() {
    let world = world();
    let args = world.by_token(&["token", "--output", "json"]);
    let outcome = world.site.run(replaced(args, "--user", "user+x@corp"));
    outcome.assert_exit(0);
    let told = outcome.json();
    assert_eq!(told["host"], Database::HOST);
    assert_eq!(told["region"], "us-east-2");
    assert_eq!(told["user"], "user+x@corp");
    assert!(told["session_expires"].as_str().unwrap().ends_with('Z'));
    assert!(told["token"].as_str().unwrap().contains("&DBUser=user%2Bx%40corp&"));
}

#[test]
fn the_region_is_the_option_s_then_the_host_s_then_the_chain_s() {
    let world = world();
    for (host, more, region, warned) in [
        ("db.abc.eu-central-1.rds.amazonaws.com", &[][..], "eu-central-1", false),
        ("db.abc.eu-central-1.rds.amazonaws.com", &["--sign-region", "eu-west-3"], "eu-west-3", true),
        ("db.corp.example", &[], "us-east-2", false),
        ("db.corp.example", &["--sign-region", "eu-west-3"], "eu-west-3", false),
        ("db.corp.example", &["--sign-host", "db.abc.eu-north-1.rds.amazonaws.com"], "eu-north-1", false),
    ] {
        let args = world.by_token(&["token", "--output", "json"]);
        let mut args = replaced(without(args, "--hostaddr"), "--host", host);
        args.extend(more.iter().map(|arg| (*arg).to_owned()));
        let outcome = world.site.run(args);
        outcome.assert_exit(0);
        assert_eq!(outcome.json()["region"], region, "{host} {more:?}");
        assert_eq!(outcome.stderr.contains("but the host is in eu-central-1"), warned, "{}", outcome.stderr);
    }
}

#[test]
fn tokens_of_any_length_get_through() {
    // Sessions of chained roles are long: the whole token has more than 2,000 characters.
    let text = format!("session_token_length = 2000\n{}", Worlds::TWO_ACCOUNTS);
    let world = world_of(Site::pod(BINARY, &text), DatabaseSettings::default());
    world.run(&["check"]).assert_exit(0);
    assert!(world.site.sandbox.logins()[0].token_length > 2000);
}

#[test]
fn a_session_that_is_about_to_end_signs_nothing() {
    // Sessions of three minutes are always too short for five.
    let text = format!("session_seconds = 180\n{}", Worlds::TWO_ACCOUNTS);
    let world = world_of(Site::pod(BINARY, &text), DatabaseSettings::default());
    let outcome = world.run(&["token"]);
    outcome
        .assert_exit(78)
        .assert_says("could not sign a token: the session at the end of the chain ends in 1");
    assert!(outcome.stdout.is_empty());
    world.run(&["token", "--min-session", "1m"]).assert_exit(0);
}

#[test]
fn a_session_that_is_about_to_end_is_renewed() {
    let text = format!("session_seconds = 15\n{}", Worlds::TWO_ACCOUNTS);
    let mut world = world_of(Site::pod(BINARY, &text), DatabaseSettings::default());
    world.database.stop(Shutdown::Fast);
    let args = world.by_token(&["check", "--wait", "30s", "--min-session", "12s"]);
    let running = world.site.start(args);
    running.wait_for_log("not connected; trying again");
    // It has less than twelve seconds by now, and more than the third of its life that it is renewed at anyway.
    std::thread::sleep(Duration::from_secs(4));
    world.database.resume();
    running.finish().assert_exit(0);
    assert!(world.site.sandbox.count("sts", "AssumeRole") >= 2);
}

#[test]
fn other_logins_make_no_token() {
    let world = world();
    let mut args = world.way();
    args.extend(["token", "--user", "u", "--secret-id", "orders-db"].map(str::to_owned));
    let outcome = world.site.run(args);
    outcome.assert_exit(2).assert_says("--iam and --secret-id are several ways to log in");
    assert!(world.site.sandbox.calls().is_empty());
}

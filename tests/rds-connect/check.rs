//! `check`, where all is well.

use serde_json::Value;
use testkit::Database;

use crate::{replaced, world};

#[test]
fn every_stage_is_passed_and_timed() {
    let world = world();
    let outcome = world.run(&["check"]);
    outcome.assert_exit(0);
    let checked = outcome.json();
    assert_eq!(checked["host"], Database::HOST);
    assert_eq!(checked["address"], "127.0.0.1");
    assert_eq!(checked["port"], world.database.port());
    assert_eq!(checked["user"], Database::IAM_USER);
    assert_eq!(checked["database"], Database::NAME);
    assert_eq!(checked["in_recovery"], false);
    assert_eq!(checked["read_only"], false);
    assert_eq!(checked["tls"]["version"], "TLSv1.3");
    let names = checked["tls"]["certificate_names"].as_array().unwrap();
    assert!(names.contains(&Value::from(Database::HOST)), "{names:?}");
    assert_eq!(checked["tls"]["issuer"], "RDS of the sandbox");
    let identity = checked["identity"].as_str().unwrap();
    assert!(identity.starts_with("arn:aws:sts::222222222222:assumed-role/external-glue/"), "{identity}");
    let stages: Vec<&str> =
        checked["stages"].as_array().unwrap().iter().map(|row| row["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["dns", "tcp", "tls", "startup", "auth", "query"]);
    for row in checked["stages"].as_array().unwrap() {
        assert_eq!(row["result"], "ok");
        assert!(row["milliseconds"].as_f64().unwrap() >= 0.0);
    }
    // The database itself says that somebody came with a token it believed.
    let login = &world.site.sandbox.logins()[0];
    assert_eq!((login.user.as_str(), &login.refused), (Database::IAM_USER, &None));
}

#[test]
fn it_is_what_is_done_where_nothing_is_named_and_with_the_flag() {
    let world = world();
    for more in [&[][..], &["--check", "token"], &["--check", "exec", "--", "false"]] {
        let outcome = world.run(more);
        outcome.assert_exit(0);
        assert_eq!(outcome.json()["stages"][5]["result"], "ok", "{more:?}");
    }
}

#[test]
fn people_get_a_table() {
    let world = world();
    let outcome = world.run(&["check", "--output", "text"]);
    outcome.assert_exit(0);
    let lines: Vec<&str> = outcome.text().lines().collect();
    assert_eq!(lines.len(), 6, "{lines:?}");
    assert!(lines[0].starts_with("dns      ok "), "{lines:?}");
    assert!(
        lines[2].contains("TLSv1.3 TLS13_") && lines[2].contains("signed by RDS of the sandbox"),
        "{lines:?}"
    );
    assert!(lines[4].contains("user iam_demo_user, asked for the password itself"), "{lines:?}");
    assert!(lines[5].contains("PostgreSQL"), "{lines:?}");
}

#[test]
fn the_fitting_server_of_a_list_is_taken() {
    let world = world();
    let reader = world.database.reader();
    let ports = format!("{},{}", reader.port(), world.database.port());
    let hosts = format!("{},{}", Database::READER, Database::HOST);
    let list = |attributes| {
        let args = world.by_token(&["check", "--target-session-attrs", attributes]);
        let args = replaced(replaced(args, "--host", &hosts), "--port", &ports);
        let outcome = world.site.run(replaced(args, "--hostaddr", "127.0.0.1,127.0.0.1"));
        outcome.assert_exit(0);
        let checked = outcome.json();
        (checked["host"].as_str().unwrap().to_owned(), checked["in_recovery"].as_bool().unwrap())
    };
    for (attributes, reads) in [
        ("any", true),
        ("read-write", false),
        ("read-only", true),
        ("primary", false),
        ("standby", true),
        ("prefer-standby", true),
    ] {
        let host = if reads { Database::READER } else { Database::HOST };
        assert_eq!(list(attributes), (host.to_owned(), reads), "{attributes}");
    }
}

#[test]
fn a_server_that_is_down_is_passed_over() {
    let world = world();
    // Of a port that nobody listens on any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let args = world.by_token(&["check"]);
    let args = replaced(args, "--host", &format!("{},{}", Database::READER, Database::HOST));
    let args = replaced(args, "--port", &format!("{gone},{}", world.database.port()));
    let outcome = world.site.run(replaced(args, "--hostaddr", "127.0.0.1,127.0.0.1"));
    outcome.assert_exit(0).assert_says("this server is passed over");
    assert_eq!(outcome.json()["host"], Database::HOST);
}

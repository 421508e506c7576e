//! `exec`: a program in our place.

use std::collections::BTreeSet;
use std::fs;

use testkit::{Database, Signal};

use crate::{World, without, world};

#[test]
fn psql_finds_everything_in_its_variables() {
    let world = world();
    let sql = "select current_user || ' ' || current_database() || ' ' || ssl from pg_stat_ssl where pid = pg_backend_pid()";
    let psql = "/usr/bin/psql";
    let outcome = world.run(&["exec", "--", psql, "-X", "-At", "-c", sql]);
    outcome.assert_exit(0);
    assert_eq!(outcome.text(), "iam_demo_user mydb true\n");
}

#[test]
fn the_program_s_end_is_ours() {
    let world = world();
    for (script, code) in [("exit 0", 0), ("exit 3", 3), ("exit 200", 200), ("kill -KILL $$", 137)] {
        let outcome = world.run(&["exec", "--", "/bin/sh", "-c", script]);
        outcome.assert_exit(code);
        let told = outcome.termination();
        assert_eq!(told["outcome"], if code == 0 { "ok" } else { "failed" });
    }
    let outcome = world.run(&["exec", "--", "/nowhere/psql"]);
    outcome.assert_exit(78).assert_says("could not start `/nowhere/psql`: No such file");
    world.run(&["exec"]).assert_exit(2);
}

#[test]
fn signals_are_passed_on_and_the_program_has_its_time() {
    let world = world();
    for (signal, name, code) in [
        (Signal::TERM, "TERM", 5),
        (Signal::INT, "INT", 5),
        (Signal::HUP, "HUP", 5),
        (Signal::USR1, "USR1", 5),
    ] {
        // Longer than the runtime would leave a job of its own.
        let script =
            format!("trap 'sleep 6; exit {code}' {name}; echo ready >&2; while :; do sleep 0.05; done");
        let running = world.site.start(world.by_token(&["exec", "--", "/bin/sh", "-c", &script]));
        running.wait_for_log("ready");
        running.signal(signal);
        running.finish().assert_exit(code);
    }
    // One that does not listen dies of it, though nobody else would end it.
    let running = world.site.start(world.by_token(&["exec", "--", "/bin/sleep", "60"]));
    running.wait_for_log("starting");
    running.wait_for_handler(Signal::TERM);
    std::thread::sleep(std::time::Duration::from_millis(200));
    running.signal(Signal::TERM);
    running.finish().assert_exit(143);
}

#[test]
fn the_built_in_roots_are_a_file_to_the_program() {
    let world = world();
    let args =
        without(world.by_token(&["exec", "--", "/bin/sh", "-c", "cat $PGSSLROOTCERT"]), "--ssl-root-cert");
    let outcome = world.site.run(args);
    outcome.assert_exit(0);
    assert!(outcome.text().matches("BEGIN CERTIFICATE").count() > 80);
    assert!(outcome.text().contains("Amazon RDS us-east-2 Root CA"));
    // Of RDS Proxy.
    assert!(outcome.text().contains("Amazon Root CA 1"));
}

#[test]
fn a_password_of_before_is_not_left_to_the_program() {
    let world = world();
    let args = world.by_token(&[
        "exec",
        "--",
        "/bin/sh",
        "-c",
        "test \"$PGUSER\" = iam_demo_user -a ${#PGPASSWORD} -gt 500",
    ]);
    world.site.run(args).assert_exit(0);
    let mut args = world.way();
    args.extend(
        ["--user", Database::USER, "exec", "--", "/bin/sh", "-c", "echo ${PGPASSWORD-none}"]
            .map(str::to_owned),
    );
    let outcome = world.site.run(args);
    outcome.assert_exit(0);
    assert_eq!(outcome.text(), "none\n");
    // Nothing was signed, so that nothing of AWS was asked.
}

/// A login by password.
fn by_password(world: &World, more: &[&str]) -> Vec<String> {
    let password = world.site.write("password", Database::PASSWORD).display().to_string();
    let mut args = world.way();
    args.extend(["--user", Database::USER, "--password-file", &password].map(str::to_owned));
    args.extend(more.iter().map(|arg| (*arg).to_owned()));
    args
}

#[test]
fn a_service_of_before_does_not_lead_the_program_elsewhere() {
    let world = world();
    // Nothing listens there.
    let service = "[elsewhere]\nhost=127.0.0.1\nhostaddr=127.0.0.1\nport=1\nsslmode=disable\n";
    let file = world.site.write("services", service).display().to_string();
    let world = world.env("PGSERVICE", "elsewhere").env("PGSERVICEFILE", file).env("PGGSSENCMODE", "require");
    let outcome = world.run(&[
        "exec",
        "--",
        "/usr/bin/psql",
        "-X",
        "-At",
        "-c",
        "select current_user || ' ' || ssl from pg_stat_ssl where pid = pg_backend_pid()",
    ]);
    outcome.assert_exit(0).assert_says("PGSERVICE");
    assert_eq!(outcome.text(), "iam_demo_user true\n");
}

/// Variables of libpq that this program reads itself, so that their values are the connection's.
const OWN: [&str; 11] = [
    "PGAPPNAME",
    "PGCHANNELBINDING",
    "PGDATABASE",
    "PGHOST",
    "PGHOSTADDR",
    "PGPASSWORD",
    "PGPORT",
    "PGSSLMODE",
    "PGSSLROOTCERT",
    "PGTARGETSESSIONATTRS",
    "PGUSER",
];

/// Those that may stay: they lead nowhere else, and weaken nothing.
const HARMLESS: [&str; 20] = [
    "PGCLIENTENCODING",
    "PGCONNECT_TIMEOUT",
    "PGDATESTYLE",
    "PGGEQO",
    "PGGSSLIB",
    "PGKRBSRVNAME",
    "PGLOCALEDIR",
    "PGOPTIONS",
    "PGREQUIREPEER",
    "PGSERVICEFILE",
    "PGSSLCERT",
    "PGSSLCOMPRESSION",
    "PGSSLCRL",
    "PGSSLCRLDIR",
    "PGSSLKEY",
    "PGSSLMAXPROTOCOLVERSION",
    "PGSSLMINPROTOCOLVERSION",
    "PGSSLSNI",
    "PGSYSCONFDIR",
    "PGTZ",
];

#[test]
fn every_variable_of_libpq_is_decided_about() {
    let library = fs::read("/usr/lib/x86_64-linux-gnu/libpq.so.5").unwrap();
    let names: BTreeSet<&str> = library
        .split(|byte| *byte == 0)
        .filter_map(|text| std::str::from_utf8(text).ok())
        .filter(|text| {
            text.starts_with("PG") && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        })
        .filter(|text| !text.starts_with("PGRES_") && text.len() > 3)
        .collect();
    assert!(names.len() > 30, "{names:?}");
    let mut world = world();
    for name in names.iter().filter(|name| !OWN.contains(name)) {
        world = world.env(name, "inherited");
    }
    let outcome =
        world.site.run(by_password(&world, &["exec", "--password-by", "file", "--", "/usr/bin/env"]));
    outcome.assert_exit(0);
    let left: BTreeSet<&str> =
        outcome.text().lines().filter_map(|line| line.strip_suffix("=inherited")).collect();
    let unexpected: Vec<_> = left.iter().filter(|name| !HARMLESS.contains(name)).collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
    for line in ["PGSSLMODE=verify-full", "PGGSSENCMODE=disable", "PGCHANNELBINDING=prefer"] {
        assert!(outcome.text().lines().any(|it| it == line), "no {line} in\n{}", outcome.text());
    }
}

#[test]
fn what_the_options_say_of_safety_is_told_to_the_program() {
    let world = world();
    let options = ["--channel-binding", "require", "--require-auth", "scram-sha-256", "exec", "--"];
    let script = ["/bin/sh", "-c", "echo $PGCHANNELBINDING $PGREQUIREAUTH"];
    let outcome = world.site.run(by_password(&world, &[&options[..], &script[..]].concat()));
    assert_eq!(outcome.assert_exit(0).text(), "require scram-sha-256\n");
    // Below verify-full no password goes out in clear text, to whoever it is.
    let outcome =
        world.site.run(by_password(&world, &[&["--sslmode", "require", "exec", "--"][..], &script].concat()));
    assert_eq!(outcome.assert_exit(0).text(), "prefer !password\n");
}

#[test]
fn secrets_of_aws_are_kept_from_the_program() {
    let world = world()
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "of-the-agent")
        .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "of-somebody")
        .env("AWS_SESSION_TOKEN", "of-a-session");
    let script = "echo ${AWS_ACCESS_KEY_ID-} ${AWS_SECRET_ACCESS_KEY-} ${AWS_SESSION_TOKEN-} ${AWS_CONTAINER_AUTHORIZATION_TOKEN-}";
    let exec = |more: &[&str]| {
        let outcome = world
            .site
            .run(by_password(&world, &[&["exec"], more, &["--", "/bin/sh", "-c", script]].concat()));
        outcome.assert_exit(0);
        outcome.text().trim().to_owned()
    };
    assert_eq!(exec(&[]), "");
    assert_eq!(exec(&["--keep-aws-credentials"]), "AKIAEXAMPLE of-somebody of-a-session of-the-agent");
}

#[test]
fn programs_of_postgresql_get_the_password_in_a_file() {
    let world = world();
    // psql runs a shell that looks at what it has got.
    let look = "\\! echo ${PGPASSWORD-none}; stat -L -c %a $PGPASSFILE; sed 's/[^:]*$//' $PGPASSFILE";
    let psql = ["exec", "--", "/usr/bin/psql", "-X", "-At", "-c", "select current_user", "-c", look];
    let outcome = world.site.run(by_password(&world, &psql));
    outcome.assert_exit(0);
    let told: Vec<&str> = outcome.text().lines().collect();
    assert_eq!(told[..3], ["app", "none", "600"], "{}", outcome.text());
    let line = format!("{}:{}:*:app:", Database::HOST, world.database.port());
    assert_eq!(told[3..], [line], "the line but for the password");
    // A token as well, where it is asked for.
    let psql =
        ["exec", "--password-by", "file", "--", "/usr/bin/psql", "-X", "-At", "-c", "select current_user"];
    assert_eq!(world.run(&psql).assert_exit(0).text(), "iam_demo_user\n");
    let script = ["--", "/bin/sh", "-c", "echo ${#PGPASSWORD}"];
    let length = Database::PASSWORD.len();
    for (by, expected) in [("auto", length), ("variable", length), ("file", 0)] {
        let outcome =
            world.site.run(by_password(&world, &[&["exec", "--password-by", by][..], &script].concat()));
        assert_eq!(outcome.assert_exit(0).text(), format!("{expected}\n"));
    }
}

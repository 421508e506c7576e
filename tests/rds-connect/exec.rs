//! `exec`: a program in our place.

use testkit::{Database, Signal};

use crate::{without, world};

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

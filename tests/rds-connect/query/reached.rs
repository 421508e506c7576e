//! By token and role, as a job of another account comes; and results that nobody takes.

use std::process::{Command, Stdio};

use testkit::Database;

use super::super::BINARY;
use super::desk;

#[test]
fn a_token_of_the_external_role_runs_a_file() {
    let desk = desk();
    let site = desk.site.without("PGPASSWORD").env("PGUSER", Database::IAM_USER).env("RDS_IAM", "true");
    let outcome = site.run(["query", "--sql", "select current_user as u, 1 as n", "--output", "csv"]);
    outcome.assert_exit(0);
    assert_eq!(outcome.text(), "u,n\niam_demo_user,1\n");
}

#[test]
fn the_cron_job_of_the_readme_runs_its_folder() {
    let readme = include_str!("../../../README.md");
    let args = readme
        .lines()
        .find_map(|line| line.trim().strip_prefix("args: ").filter(|args| args.contains("--sql-dir")));
    let args: Vec<String> = serde_json::from_str(args.unwrap()).unwrap();
    let desk = desk();
    desk.look(&format!("create table t (i int); grant insert on t to {}", Database::IAM_USER));
    std::fs::create_dir(desk.path("sql")).unwrap();
    desk.write("sql/10.sql", "insert into t values (1);");
    desk.write("sql/20.sql", "insert into t values (2);");
    let folder = desk.path("sql").display().to_string();
    let args = args.into_iter().map(|arg| if arg == "/sql" { folder.clone() } else { arg });
    let site = desk.site.without("PGPASSWORD").env("PGUSER", Database::IAM_USER);
    site.run(args).assert_exit(0);
    assert_eq!(desk.database.psql(&["-At", "-d", Database::NAME, "-c", "select count(*) from t"]), "2\n");
}

#[test]
fn a_reader_that_is_gone_is_no_success() {
    let desk = desk();
    desk.sql("create table t (i int)").assert_exit(0);
    for (sql, code) in [
        // Another run does no harm.
        ("select repeat('x', 100) from generate_series(1, 100000)", 1),
        ("insert into t values (1); select repeat('x', 100) from generate_series(1, 100000)", 80),
    ] {
        let read_only: &[&str] = if code == 1 { &["--read-only"] } else { &[] };
        let mut command = Command::new(BINARY);
        command.env_clear().envs([
            ("PGHOST", Database::HOST),
            ("PGHOSTADDR", "127.0.0.1"),
            ("PGPORT", &desk.database.port().to_string()),
            ("PGDATABASE", Database::NAME),
            ("PGUSER", Database::USER),
            ("PGPASSWORD", Database::PASSWORD),
        ]);
        command.env("PGSSLROOTCERT", desk.database.ca());
        command.args(["query", "--output", "csv", "--sql", sql]).args(read_only);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(told.contains("could not write the result to stdout"), "{told}");
    }
}

#[test]
fn what_is_committed_and_cannot_be_shown_is_not_for_a_retry() {
    let desk = desk();
    desk.sql("create table t (i int)").assert_exit(0);
    for more in [&[][..], &["--single-transaction"]] {
        let sql = ["--output-file", "/dev/full", "--sql", "insert into t values (1)"];
        let options: Vec<&str> = sql.iter().chain(more).copied().collect();
        let outcome = desk.query(&options);
        outcome.assert_exit(80).assert_says("could not write the result to /dev/full");
        assert_eq!(desk.look("with gone as (delete from t returning i) select count(*) from gone"), "1");
    }
}

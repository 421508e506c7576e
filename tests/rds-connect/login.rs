//! Logins by secret, by files and by the environment.

use std::fs;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use testkit::{Database, DatabaseSettings, Fault, FaultKind, Site, Worlds};

use crate::{BINARY, World, replaced, world, world_of};

/// The options of a login that the secret names whole, but for the address and the roots.
fn by_secret(world: &World, more: &[&str]) -> Vec<String> {
    let ca = world.database.ca().display().to_string();
    let args = ["--secret-id", "orders-db", "--ssl-root-cert", &ca];
    args.iter().chain(more).map(|arg| (*arg).to_owned()).collect()
}

/// The same with the address, which no secret has.
fn addressed(world: &World, more: &[&str]) -> Vec<String> {
    let mut args = world.way();
    args.extend(["--secret-id", "orders-db"].map(str::to_owned));
    args.extend(more.iter().map(|arg| (*arg).to_owned()));
    args
}

#[test]
fn a_secret_of_the_other_account_logs_in() {
    let world = world();
    let outcome = world.site.run(addressed(&world, &["check"]));
    outcome.assert_exit(0);
    assert_eq!(outcome.json()["user"], Database::USER);
    assert_eq!(world.site.sandbox.count("secretsmanager", "GetSecretValue"), 1);
}

#[test]
fn a_secret_names_host_port_user_and_database() {
    let world = world();
    world.site.sandbox.rotate_secret("orders-db", world.database.secret()).unwrap();
    let outcome = world
        .site
        .run(by_secret(&world, &["exec", "--", "/bin/sh", "-c", "echo $PGHOST $PGPORT $PGUSER $PGDATABASE"]));
    outcome.assert_exit(0);
    let expected = format!("{} {} app mydb\n", Database::HOST, world.database.port());
    assert_eq!(outcome.text(), expected);
}

#[test]
fn any_names_of_keys_will_do() {
    let world = world();
    let password = Database::PASSWORD;
    for (secret, more) in [
        (format!(r#"{{"rds_username":"app","rds_password":"{password}"}}"#), &[][..]),
        (
            format!(r#"{{"login":"app","pw":"{password}","password":"another"}}"#),
            &["--secret-user-key", "login", "--secret-password-key", "pw"],
        ),
        // One that RDS manages has no host.
        (format!(r#"{{"username":"app","password":"{password}"}}"#), &[]),
    ] {
        world.site.sandbox.rotate_secret("orders-db", secret).unwrap();
        let args: Vec<&str> = ["check"].iter().chain(more).copied().collect();
        world.site.run(addressed(&world, &args)).assert_exit(0);
    }
    world
        .site
        .sandbox
        .rotate_secret("orders-db", r#"{"username":"app","secret":"value-of-another-kind"}"#)
        .unwrap();
    let outcome = world.site.run(addressed(&world, &["check"]));
    outcome.assert_exit(78).assert_says("it has no key for the password").assert_says("`secret`, `username`");
}

#[test]
fn a_secret_without_a_host_needs_one() {
    let world = world();
    let secret = format!(r#"{{"username":"app","password":"{}"}}"#, Database::PASSWORD);
    world.site.sandbox.rotate_secret("orders-db", secret).unwrap();
    let outcome = world.site.run(by_secret(&world, &["check"]));
    outcome.assert_exit(78).assert_says("there is no host: give --host");
}

#[test]
fn the_version_before_can_be_asked_for() {
    let world = world();
    let other = r#"{"username":"app","password":"of-tomorrow"}"#;
    world.site.sandbox.rotate_secret("orders-db", other).unwrap();
    let outcome = world.site.run(addressed(&world, &["check"]));
    outcome
        .assert_exit(77)
        .assert_says("stage auth: ")
        .assert_says("whether the password in the secret orders-db");
    world.site.run(addressed(&world, &["check", "--secret-stage", "AWSPREVIOUS"])).assert_exit(0);
}

#[test]
fn a_refused_password_makes_it_read_the_secret_once_more() {
    let world = world();
    let wrong = r#"{"username":"app","password":"of-yesterday"}"#;
    world.site.sandbox.rotate_secret("orders-db", wrong).unwrap();
    let outcome = world.site.run(addressed(&world, &["check"]));
    outcome.assert_exit(77).assert_says("the secret is read again");
    assert_eq!(world.site.sandbox.count("secretsmanager", "GetSecretValue"), 2, "once, and once more");
}

#[test]
fn a_secret_that_was_rotated_meanwhile_logs_in() {
    let world = world();
    let secret = |password: &str| format!(r#"{{"username":"app","password":"{password}"}}"#);
    world.site.sandbox.rotate_secret("orders-db", secret("of-yesterday")).unwrap();
    // On the way to the database: between the secret's first reading and its refusal.
    let way = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = way.local_addr().unwrap().port().to_string();
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..2 {
                let client = way.accept().unwrap().0;
                world.site.sandbox.rotate_secret("orders-db", secret(Database::PASSWORD)).unwrap();
                let server = TcpStream::connect(("127.0.0.1", world.database.port())).unwrap();
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    std::thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Write);
                    });
                }
            }
        });
        let outcome = world.site.run(replaced(addressed(&world, &["check"]), "--port", &port));
        // Where the second never came, the thread still waits for it.
        let _ = TcpStream::connect(way.local_addr().unwrap());
        outcome
    });
    outcome.assert_exit(0).assert_says("the secret is read again");
}

#[test]
fn refusals_of_secrets_manager_are_told_apart() {
    let world = world();
    let deny = |code: &str, message: &str| {
        let kind = FaultKind::Status { status: 400, code: code.into(), message: message.into() };
        world.site.sandbox.add_fault(Fault::new("secretsmanager", "GetSecretValue", kind)).unwrap();
    };
    let outcome = world.site.run(addressed(&world, &["--secret-stage", "NOSUCH", "check"]));
    outcome.assert_exit(65).assert_says("could not read the secret orders-db");
    let mut args = world.way();
    args.extend(["--secret-id", "orders-db-2", "check"].map(str::to_owned));
    let outcome = world.site.run(args);
    assert!([65, 77].contains(&outcome.code), "{}", outcome.stderr);
    outcome.assert_says("secretsmanager:GetSecretValue").assert_says("request id");
    deny("AccessDeniedException", "no");
    let outcome = world.site.run(addressed(&world, &["check"]));
    outcome.assert_exit(77).assert_says("kms:Decrypt").assert_says("secretsmanager:GetSecretValue");
    deny("DecryptionFailure", "no");
    world.site.run(addressed(&world, &["check"])).assert_exit(77).assert_says("kms:Decrypt");
}

#[test]
fn files_of_a_mounted_secret_log_in_without_aws() {
    let world = world();
    let folder = world.site.path("mounted");
    fs::create_dir(&folder).unwrap();
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    write("username", "app");
    write("password", &format!("{}\n", Database::PASSWORD));
    let mut args = world.way();
    args.extend(["--secret-dir", folder.to_str().unwrap(), "check"].map(str::to_owned));
    world.site.run(&args).assert_exit(0);
    assert!(world.site.sandbox.calls().is_empty(), "nothing of AWS is needed");
    write("password", "another");
    let outcome = world.site.run(&args);
    outcome.assert_exit(77).assert_says("the files in ");
    fs::remove_file(folder.join("password")).unwrap();
    world.site.run(&args).assert_exit(78).assert_says("it has no file for the password");
}

#[test]
fn a_password_of_the_environment_or_a_file_logs_in_without_aws() {
    let mut args = Vec::new();
    let world = world().env("PGPASSWORD", Database::PASSWORD);
    args.extend(world.way());
    args.extend(["--user", Database::USER, "check"].map(str::to_owned));
    let outcome = world.site.run(&args);
    outcome.assert_exit(0).assert_does_not_say(Database::PASSWORD);
    assert!(world.site.sandbox.calls().is_empty());
    let file = world.site.write("password", Database::PASSWORD).display().to_string();
    args.extend(["--password-file", &file].map(str::to_owned));
    let outcome = world.site.run(&args);
    outcome.assert_exit(2).assert_says("--password-file and PGPASSWORD are several ways to log in");
    let World { site, database } = world;
    let world = World { site: site.without("PGPASSWORD"), database };
    world.site.run(&args).assert_exit(0);
}

#[test]
fn libpq_s_variables_say_it_all() {
    let world = world();
    let port = world.database.port().to_string();
    let ca = world.database.ca().display().to_string();
    let world = world
        .env("PGHOST", Database::HOST)
        .env("PGHOSTADDR", "127.0.0.1")
        .env("PGPORT", port)
        .env("PGUSER", Database::USER)
        .env("PGDATABASE", Database::NAME)
        .env("PGPASSWORD", Database::PASSWORD)
        .env("PGSSLROOTCERT", ca);
    let none: [&str; 0] = [];
    let outcome = world.site.run(none);
    outcome.assert_exit(0);
    assert_eq!(outcome.json()["sslmode"], "verify-full");
}

#[test]
fn bad_input_is_refused_before_any_call() {
    let world = world_of(Site::pod(BINARY, Worlds::TWO_ACCOUNTS), DatabaseSettings::default());
    for (args, text) in [
        (&["check"][..], "there is no host"),
        (&["check", "--host", "h"], "there is no user"),
        (&["check", "--host", "postgres://h", "--user", "u"], "no name of a host"),
        (&["check", "--host", "h", "--user", "u", "--port", "x"], "`x` is no port"),
        (&["check", "--host", "h", "--user", "u", "--sslmode", "prefer"], "--sslmode"),
        (&["check", "--host", "h", "--user", "u", "--sign-host", "x"], "add --iam"),
        (&["check", "--secret-id", "s", "--port", "1"], "go with --host"),
        (
            &["check", "--secret-id", "s", "--secret-dir", "/x"],
            "--secret-id and --secret-dir are several ways",
        ),
        (&["proxy", "--host", "h", "--user", "u", "--listen", "0.0.0.0:5432"], "--listen-public"),
        (&["proxy", "--host", "h", "--user", "u", "--listen", "localhost"], "an address with a port"),
    ] {
        let outcome = world.site.run(args);
        outcome.assert_exit(2).assert_says(text);
        assert!(world.site.sandbox.calls().is_empty());
    }
    let outcome = world.site.run([
        "check",
        "--host",
        "h",
        "--user",
        "u",
        "--iam",
        "--ssl-root-cert",
        "/nowhere/ca.pem",
    ]);
    outcome.assert_exit(78).assert_says("/nowhere/ca.pem");
}

/// A pipe waits for its writer, and a secret is read more than once: it is asked for in a regular file.
#[test]
fn a_pipe_in_place_of_a_secret_file_is_refused() {
    let site = Site::documented(BINARY);
    let directory = site.path("mounted");
    fs::create_dir(&directory).unwrap();
    let (pipe, password) = (site.path("pipe"), directory.join("password"));
    for path in [&pipe, &password] {
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    }
    for (option, path) in
        [("--password-file", &pipe), ("--secret-dir", &directory), ("--ssl-root-cert", &pipe)]
    {
        let args = ["check", "--host", "127.0.0.1", "--port", "1", "--user", "app", option];
        let outcome = site.run(args.iter().copied().chain(path.to_str()));
        outcome.assert_exit(78).assert_says("not a regular file").assert_says(path.to_str().unwrap());
    }
}

#[test]
fn a_login_that_does_not_come_is_not_waited_for_beyond_the_timeout() {
    let world = world();
    let hang = Fault::new("secretsmanager", "GetSecretValue", FaultKind::Hang).for_ever();
    world.site.sandbox.add_fault(hang).unwrap();
    for work in [&["check"][..], &["exec", "--", "true"], &["query", "--sql", "select 1"]] {
        let more: Vec<&str> = ["--timeout", "2s"].iter().chain(work).copied().collect();
        let outcome = world.site.run(addressed(&world, &more));
        outcome.assert_exit(75).assert_says("--timeout was over").assert_says("nothing was run");
        assert!(outcome.elapsed < Duration::from_secs(6), "{work:?} {:?}", outcome.elapsed);
    }
}

//! Every stage fails for its own reason, is named, and says what to look at.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use testkit::{Database, DatabaseSettings, LoginRefusal, Outcome, Shutdown, Site, Tls};

use crate::{BINARY, World, replaced, without, world, world_of, world_with};

/// Asserts the end, the stage, and that the texts are among what is said of it.
#[track_caller]
fn assert_failed(outcome: &Outcome, exit: i32, stage: &str, texts: &[&str]) {
    outcome.assert_exit(exit).assert_says(&format!("stage {stage}: "));
    let checked = outcome.json();
    let rows = checked["stages"].as_array().unwrap();
    assert_eq!(rows.len(), 6);
    let mut failed = false;
    for row in rows {
        let is_it = row["stage"] == stage;
        let expected = if is_it {
            "failed"
        } else if failed {
            "not reached"
        } else {
            "ok"
        };
        assert_eq!(row["result"], expected, "{rows:#?}");
        failed |= is_it;
        if is_it {
            let told = row.to_string();
            for text in texts {
                assert!(told.contains(text), "no `{text}` in {row:#}");
                // The termination message may be cut, the log is not.
                outcome.assert_says(text);
            }
        }
    }
    assert!(failed);
}

#[test]
fn dns_a_name_that_nobody_knows() {
    let world = world();
    let args = without(world.by_token(&["check"]), "--hostaddr");
    // RFC 6761: never there.
    let args = replaced(args, "--host", "mydb.invalid");
    let outcome = world.site.run(args);
    // A machine without a resolver has the one answer, all others the other.
    let passing = outcome.stderr.contains("Temporary failure in name resolution");
    outcome.assert_exit(if passing { 75 } else { 78 }).assert_says("stage dns: ");
    let told = outcome.json()["stages"][0].to_string();
    for text in ["mydb.invalid", "private hosted zone"] {
        assert!(told.contains(text), "{told}");
    }
}

#[test]
fn tcp_a_closed_port() {
    let mut world = world();
    world.database.stop(Shutdown::Fast);
    let address = format!("127.0.0.1:{}", world.database.port());
    assert_failed(&world.run(&["check"]), 75, "tcp", &[&address, "Connection refused", "listens on port"]);
}

#[test]
fn tcp_a_port_that_says_nothing() {
    let world = world();
    // A listener whose queue is full: the kernel drops what comes on top.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    full.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    let _first = std::net::TcpStream::connect(address).unwrap();
    let args = world.by_token(&["check", "--connect-timeout", "1s"]);
    let outcome = world.site.run(replaced(args, "--port", &address.port().to_string()));
    outcome.assert_exit(75).assert_says("stage tcp: ").assert_says("no answer within 1s");
    outcome.assert_says("security group").assert_says("route");
    assert!(outcome.elapsed < Duration::from_secs(10));
}

#[test]
fn tls_a_server_that_takes_the_connection_and_is_silent() {
    let world = world();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let args = replaced(world.by_token(&["check", "--read-timeout", "1s"]), "--port", &port);
    assert_failed(&world.site.run(args), 75, "tls", &["no answer within 1s"]);
}

/// Runs a server that answers the first bytes of each client with `answer` and closes.
fn answering(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let _ = client.read(&mut [0; 1024]);
            let _ = client.write_all(answer);
        }
    });
    port
}

#[test]
fn tls_something_that_is_no_postgresql() {
    let world = world();
    for (answer, exit, text) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], 78, "no PostgreSQL server"),
        (b"S\x15\x03\x01\x00\x02\x02\x28", 78, "does not speak TLS as it should"),
        (b"Snonsense that is no TLS record at all", 78, "does not speak TLS as it should"),
        (b"", 75, "closed the connection"),
        (b"S", 75, "closed the connection during the TLS handshake"),
        (b"E\0\0\0\x10C53300\0Mno\0\0", 75, "no (SQLSTATE 53300)"),
        (b"E\xff\xff\xff\xff", 78, "claims"),
    ] {
        let port = answering(answer).to_string();
        let outcome = world.site.run(replaced(world.by_token(&["check"]), "--port", &port));
        assert_failed(&outcome, exit, "tls", &[text]);
    }
}

#[test]
fn tls_a_server_without_it() {
    let world = world_with(Tls::Off);
    assert_failed(&world.run(&["check"]), 78, "tls", &["the server speaks no TLS"]);
}

#[test]
fn tls_a_certificate_of_another_authority() {
    let world = world_with(Tls::OtherAuthority);
    assert_failed(
        &world.run(&["check"]),
        78,
        "tls",
        &["signed by nobody", "which is not in ", "global-bundle.pem"],
    );
    // With the roots that are built in, of an authority that they do not hold.
    let args = without(world.by_token(&["check"]), "--ssl-root-cert");
    assert_failed(&world.site.run(args), 78, "tls", &["not among the built-in roots", "--ssl-root-cert"]);
}

#[test]
fn tls_a_certificate_for_another_name() {
    let world = world_with(Tls::OtherName);
    let other = "other.cluster-abc123.us-east-2.rds.amazonaws.com";
    assert_failed(&world.run(&["check"]), 78, "tls", &[Database::HOST, other, "--hostaddr"]);
    let outcome = world.run(&["check", "--sslmode", "verify-ca", "--require-auth", "password"]);
    outcome.assert_exit(0).assert_says("sslmode verify-ca");
}

#[test]
fn tls_a_certificate_that_has_expired() {
    let world = world_with(Tls::Expired);
    assert_failed(
        &world.run(&["check"]),
        78,
        "tls",
        &["has expired on ", "rotate the instance's certificate"],
    );
    // It is the authority that verify-ca is about, and an expired certificate has none.
    world.run(&["check", "--sslmode", "verify-ca"]).assert_exit(78);
}

#[test]
fn tls_whoever_answers_where_nobody_is_asked() {
    let world = world_with(Tls::OtherAuthority);
    let options = ["check", "--sslmode", "require", "--require-auth", "password"];
    let args = without(world.by_token(&options), "--ssl-root-cert");
    world.site.run(args).assert_exit(0).assert_says("sslmode require: the server may be anyone");
    // As libpq: where there are roots, they are asked.
    world.run(&["check", "--sslmode", "require"]).assert_exit(78);
}

#[test]
fn startup_a_server_that_does_not_take_the_session() {
    let world = world();
    let at = |port: u16| {
        let args = world.by_token(&["check", "--sslmode", "disable", "--read-timeout", "1s"]);
        world.site.run(replaced(args, "--port", &port.to_string()))
    };
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let outcome = at(silent.local_addr().unwrap().port());
    assert_failed(&outcome, 75, "startup", &["no answer within 1s", "--wait 60s"]);
    for (answer, exit, stage, text) in [
        (&b""[..], 75, "startup", "the server closed the connection"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", 78, "startup", "this is no PostgreSQL server"),
        (b"Z\0\0\0\x05I", 78, "startup", "out of turn"),
        (b"R\0\0\0\x08\0\0\0\x07", 78, "auth", "asks for GSSAPI, which is not supported"),
        (b"R\0\0\0\x0c\0\0\0\x05saltE\0\0\0\x10C28P01\0Mno\0\0", 77, "auth", "which asked for MD5: no"),
    ] {
        assert_failed(&at(answering(answer)), exit, stage, &[text]);
    }
}

#[test]
fn auth_without_a_password() {
    let world = world();
    let mut args = world.way();
    args.extend(["--user", Database::USER, "check"].map(str::to_owned));
    let outcome = world.site.run(args);
    assert_failed(&outcome, 78, "auth", &["no password is configured", "--secret-id"]);
}

#[test]
fn startup_too_many_connections() {
    let site = Site::documented(BINARY);
    let settings = DatabaseSettings { max_connections: 4, ..DatabaseSettings::default() };
    let world = world_of(site, settings);
    let held = world.database.hold_the_last_place();
    let outcome = world.run(&["check"]);
    assert_failed(&outcome, 75, "startup", &["SQLSTATE 53300", "pg_stat_activity", "max_connections"]);
    drop(held);
}

#[test]
fn startup_no_such_database() {
    let world = world();
    let args = replaced(world.by_token(&["check"]), "--database", "mydv");
    let outcome = world.site.run(args);
    assert_failed(&outcome, 65, "startup", &["SQLSTATE 3D000", "`mydv`"]);
}

/// The refusals of a token, which RDS does not tell apart.
#[track_caller]
fn assert_token_refused(world: &World, outcome: &Outcome, user: &str, why: Option<LoginRefusal>) {
    let arn = "rds-db:connect on arn:aws:rds-db:us-east-2:222222222222:dbuser:";
    let allowed = format!("/{user} (the resource id, not the name");
    let grant = format!("GRANT rds_iam TO \\\"{user}\\\"");
    outcome.assert_exit(77).assert_says("stage auth: ");
    let row = outcome.json()["stages"][4].to_string();
    for text in
        [arn, &allowed, &grant, "authentication failed for user", "222222222222, where the chain ends"]
    {
        assert!(row.contains(text), "no `{text}` in {row}");
    }
    let login = world.site.sandbox.logins().into_iter().next_back().and_then(|login| login.refused);
    assert_eq!(login, why);
}

#[test]
fn auth_a_user_that_the_policy_leaves_out() {
    let world = world();
    let user = Database::UNALLOWED_USER;
    let outcome = world.site.run(replaced(world.by_token(&["check"]), "--user", user));
    assert_token_refused(&world, &outcome, user, Some(LoginRefusal::NotAllowed));
    let row = &outcome.json()["stages"][4];
    assert!(row["detail"].as_str().unwrap().contains(", which asked for the password itself"), "{row:#}");
    assert!(row["look_at"][0].as_str().unwrap().starts_with("the policy of "), "{row:#}");
}

#[test]
fn auth_a_user_without_the_grant() {
    let world = world();
    let user = Database::UNGRANTED_USER;
    let outcome = world.site.run(replaced(world.by_token(&["check"]), "--user", user));
    // The database asks for a password then, so that the sandbox is not even asked.
    assert_token_refused(&world, &outcome, user, None);
    let row = &outcome.json()["stages"][4];
    assert!(row["detail"].as_str().unwrap().contains(", which asked for SCRAM-SHA-256: "), "{row:#}");
    assert!(row["look_at"][0].as_str().unwrap().starts_with("`GRANT rds_iam"), "{row:#}");
}

#[test]
fn auth_a_token_for_another_endpoint_or_region() {
    let world = world();
    let user = Database::IAM_USER;
    let outcome = world.run(&["check", "--sign-region", "us-west-1"]);
    outcome.assert_exit(77).assert_says("the token is signed for us-west-1, but the host is in us-east-2");
    let why = world.site.sandbox.logins().into_iter().next_back().and_then(|login| login.refused);
    assert_eq!(why, Some(LoginRefusal::WrongRegion));
    let outcome = world.run(&["check", "--sign-host", "alias.us-east-2.rds.amazonaws.com"]);
    assert_token_refused(&world, &outcome, user, Some(LoginRefusal::WrongHost));
    outcome.assert_says("the token is signed for alias.us-east-2.rds.amazonaws.com:");
}

/// A token that was made before, as a password: what becomes of one that is kept.
#[track_caller]
fn kept_token(spoil: impl Fn(&Site)) -> (Outcome, Option<LoginRefusal>) {
    let world = world();
    let endpoint = format!("{}:{}", Database::HOST, world.database.port());
    let role = "arn:aws:iam::222222222222:role/external-glue";
    let token = world.site.sandbox.rds_token(role, &endpoint, Database::IAM_USER).unwrap();
    let file = world.site.write("kept", &token).display().to_string();
    spoil(&world.site);
    let mut args = world.way();
    args.extend(["check", "--user", Database::IAM_USER, "--password-file", &file].map(str::to_owned));
    let outcome = world.site.run(args);
    let refused = world.site.sandbox.logins().into_iter().next_back().unwrap().refused;
    (outcome, refused)
}

#[test]
fn auth_a_token_that_is_too_old_or_whose_session_is_dead() {
    let (outcome, refused) = kept_token(|_| {});
    outcome.assert_exit(0);
    assert_eq!(refused, None);
    for (spoil, why) in [
        ((|site: &Site| site.sandbox.advance(Duration::from_mins(16))) as fn(&Site), LoginRefusal::Expired),
        (|site: &Site| site.sandbox.expire_sessions(), LoginRefusal::SessionDead),
    ] {
        let (outcome, refused) = kept_token(spoil);
        assert_eq!(refused, Some(why));
        assert_failed(
            &outcome,
            77,
            "auth",
            &["PAM authentication failed", "iam_demo_user has rds_iam", "--iam"],
        );
    }
}

#[test]
fn a_replica_is_not_what_a_writer_is() {
    let world = world();
    let reader = world.database.reader();
    let args = world.by_token(&["check", "--target-session-attrs", "read-write"]);
    let args = replaced(replaced(args, "--host", Database::READER), "--port", &reader.port().to_string());
    let outcome = world.site.run(args);
    assert_failed(&outcome, 75, "query", &["it is a replica in recovery", ".cluster-ro-"]);
}

#[test]
fn a_failover_is_borne_where_that_is_asked_for() {
    let mut world = world();
    world.database.stop(Shutdown::Fast);
    let args = world.by_token(&["check", "--wait", "30s"]);
    let outcome = std::thread::scope(|scope| {
        let World { site, database } = &mut world;
        let running = site.start(args);
        running.wait_for_log("not connected; trying again");
        scope.spawn(|| database.resume()).join().unwrap();
        running.finish()
    });
    outcome.assert_exit(0);
    assert!(outcome.elapsed < Duration::from_secs(30));
}

#[test]
fn it_is_borne_no_longer_than_the_timeout() {
    let mut world = world();
    world.database.stop(Shutdown::Fast);
    let outcome = world.run(&["check", "--wait", "5m", "--timeout", "4s"]);
    assert_failed(&outcome, 75, "tcp", &["Connection refused"]);
    assert!(outcome.elapsed < Duration::from_secs(8), "{:?}", outcome.elapsed);
    // A signal ends it as well.
    let running = world.site.start(world.by_token(&["check", "--wait", "5m"]));
    running.wait_for_log("not connected; trying again");
    running.signal(testkit::Signal::TERM);
    let outcome = running.finish();
    outcome.assert_exit(143);
    assert!(outcome.elapsed < Duration::from_secs(4), "{:?}", outcome.elapsed);
}

#[test]
fn what_is_not_going_to_pass_is_not_waited_for() {
    let world = world_with(Tls::OtherAuthority);
    let outcome = world.run(&["check", "--wait", "60s"]);
    outcome.assert_exit(78);
    assert!(outcome.elapsed < Duration::from_secs(10), "{:?}", outcome.elapsed);
}

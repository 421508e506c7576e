//! Programs and drivers that know nothing of a proxy.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use testkit::{Database, LoginRefusal, Signal};

use super::wire::{GSS, TLS, VERSION, packet};
use super::{Proxy, complaint, text};
use crate::{replaced, world, world_of};

#[test]
fn psql_works_and_every_session_has_a_token_of_its_own() {
    let world = world();
    let proxy = Proxy::by_token(&world, &[]);
    let who = "select current_user || ' ' || current_database() || ' ' || ssl || ' ' || application_name \
               from pg_stat_ssl join pg_stat_activity using (pid) where pid = pg_backend_pid()";
    for _ in 0..3 {
        let told = text(&proxy.psql(&world.database, who));
        assert_eq!(told, "iam_demo_user mydb true psql");
    }
    let logins = world.site.sandbox.logins();
    assert_eq!(logins.iter().map(|login| login.refused).collect::<Vec<_>>(), [None; 3]);
    // A database of the client's choice, and its other wishes.
    let mut psql = proxy.client(&world.database, "psql");
    psql.env("PGDATABASE", "postgres").env("PGOPTIONS", "-c work_mem=123kB");
    let asked =
        psql.args(["-X", "-At", "-c", "select current_database(), current_setting('work_mem')"]).output();
    assert_eq!(text(&asked.unwrap()), "postgres|123kB");
    let counts = proxy.counts();
    for (name, count) in [("clients", 4), ("sessions", 4), ("refused", 0), ("broken", 0)] {
        assert_eq!(counts[name], count, "{name} in {counts}");
    }
    assert!(counts["bytes_up"].as_u64() > Some(100) && counts["bytes_down"].as_u64() > Some(100));
}

#[test]
fn data_goes_through_in_both_directions_unchanged() {
    let world = world();
    let proxy = Proxy::by_token(&world, &[]);
    let script = "create temp table t (n int, x text); \
                  copy t from program 'seq 3' (format csv, header false)";
    // A file of the server is the superuser's: that error is passed on, and the session goes on.
    let mut psql = proxy.client(&world.database, "psql");
    let told = psql.args(["-X", "-c", script, "-c", "select 1/0"]).output().unwrap();
    let told = complaint(&told);
    assert!(told.contains("to COPY to or from an external program"), "{told}");
    assert!(told.contains("division by zero"), "{told}");
    // Some megabytes up and down again.
    let rows: Vec<String> = (0..60_000).map(|n| format!("{n}\t{}\n", "x".repeat(n % 90))).collect();
    let rows = rows.concat();
    let script = format!(
        "create temp table t (n int, x text);\ncopy t from stdin;\n{rows}\\.\ncopy (select * from t order by n) to stdout;\n"
    );
    let file = world.site.write("copy.sql", &script);
    let mut psql = proxy.client(&world.database, "psql");
    let printed = psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"]).arg(file).output().unwrap();
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    let printed = String::from_utf8(printed.stdout).unwrap();
    let differ = printed.lines().zip(rows.lines()).find(|(one, other)| one != other);
    assert!(printed == rows, "{} and not {} bytes, {differ:?}", printed.len(), rows.len());
    proxy.counts();
}

#[test]
fn pgbench_works_in_every_protocol() {
    let world = world();
    world.database.psql(&["-d", "mydb", "-c", "grant create on schema public to iam_demo_user"]);
    let proxy = Proxy::by_token(&world, &[]);
    let pgbench =
        |args: &[&str]| text(&proxy.client(&world.database, "pgbench").args(args).output().unwrap());
    pgbench(&["-i", "-q", "-s", "1"]);
    for protocol in ["simple", "extended", "prepared"] {
        let told = pgbench(&["-n", "-c", "4", "-t", "50", "-M", protocol]);
        assert!(told.contains("number of transactions actually processed: 200/200"), "{told}");
        assert!(told.contains("number of failed transactions: 0"), "{told}");
    }
    let counts = proxy.counts();
    assert_eq!(counts["broken"], 0, "{counts}");
}

/// Runs Python with a driver that Debian has.
fn python(proxy: &Proxy<'_>, script: &str) -> String {
    let mut python = Command::new("/usr/bin/python3");
    python.env_clear().args(["-c", script]);
    proxy.lead(&mut python);
    python.env("PGUSER", Database::IAM_USER).env("PGDATABASE", Database::NAME);
    text(&python.output().expect("python3: `make setup` installs it"))
}

#[test]
fn drivers_of_python_work() {
    let world = world();
    let proxy = Proxy::by_token(&world, &[]);
    let psycopg2 = "
import psycopg2, psycopg2.errors
connection = psycopg2.connect('')
cursor = connection.cursor()
cursor.execute('select %s::int + 1, %s::text, %s::bytea', (41, 'ä', b'\\0\\xff'))
number, word, data = cursor.fetchone()
print(number, word, bytes(data))
try:
    cursor.execute('select no_such_column')
except psycopg2.errors.UndefinedColumn as error:
    print(error.pgcode)
connection.rollback()
named = connection.cursor('rows')
named.execute('select generate_series(1, 5000)')
print(sum(row[0] for row in named))
connection.close()
try:
    psycopg2.connect('dbname=nowhere')
except psycopg2.OperationalError as error:
    print('does not exist' in str(error))
";
    assert_eq!(python(&proxy, psycopg2), "42 ä b'\\x00\\xff'\n42703\n12502500\nTrue");
    // Not of libpq: the protocol as someone else has written it.
    let pg8000 = "
import os, pg8000
connection = pg8000.connect(user=os.environ['PGUSER'], host='127.0.0.1', port=int(os.environ['PGPORT']),
                            database='mydb', password='whatever')
cursor = connection.cursor()
cursor.execute('select %s + 1, current_user', (41,))
print(*cursor.fetchone())
connection.close()
";
    assert_eq!(python(&proxy, pg8000), "42 iam_demo_user");
    let counts = proxy.counts();
    assert_eq!(counts["broken"], 0, "{counts}");
}

#[test]
fn a_client_begins_as_pgjdbc_does() {
    let world = world();
    let proxy = Proxy::by_token(&world, &[]);
    let wishes = [
        ("user", Database::IAM_USER),
        ("database", Database::NAME),
        ("client_encoding", "UTF8"),
        ("DateStyle", "ISO"),
        ("TimeZone", "Europe/Berlin"),
        ("extra_float_digits", "2"),
        ("application_name", "PostgreSQL JDBC Driver"),
    ];
    let mut wire = proxy.wire();
    wire.decline(GSS);
    wire.decline(TLS);
    wire.begin(&wishes);
    let greeting = wire.ready();
    assert_eq!(greeting.first(), Some(&(b'R', vec![0, 0, 0, 0])));
    let parameter = |text: &[u8]| greeting.iter().any(|(kind, body)| *kind == b'S' && body == text);
    assert!(parameter(b"TimeZone\0Europe/Berlin\0"));
    assert!(parameter(b"application_name\0PostgreSQL JDBC Driver\0"));
    assert_eq!(greeting.iter().filter(|(kind, _)| *kind == b'K').count(), 1);
    assert_eq!(wire.ask("show extra_float_digits"), "2");
    assert_eq!(wire.ask("show datestyle"), "ISO, MDY");
    // Newer versions and extensions are negotiated away, in the words of the server itself.
    let mut newer = proxy.wire();
    newer.begin_as(VERSION + 2, &[("user", Database::IAM_USER), ("database", "mydb"), ("_pq_.some", "1")]);
    let (kind, body) = newer.next().unwrap();
    assert_eq!((kind, &body[..]), (b'v', &b"\0\x03\0\0\0\0\0\x01_pq_.some\0"[..]));
    newer.ready();
    assert_eq!(newer.ask("select 1"), "1");
    // An end as it should be.
    newer.send(b"X\0\0\0\x04");
    assert_eq!(newer.next(), None);
    drop((wire, newer));
    let counts = proxy.counts();
    assert_eq!(counts["broken"], 0, "{counts}");
}

#[test]
fn a_cancel_request_cancels_and_another_s_does_not() {
    let world = world();
    let proxy = Proxy::by_token(&world, &[]);
    let mut psql = proxy.client(&world.database, "psql");
    let sleeping = psql.args(["-X", "-c", "select pg_sleep(60)"]).stderr(Stdio::piped()).spawn().unwrap();
    let held =
        "select count(*) from pg_stat_activity where query = 'select pg_sleep(60)' and state = 'active'";
    super::wait_until("the query runs", || world.database.psql(&["-At", "-c", held]) == "1\n");
    // With a key that nobody has.
    let mut stranger = proxy.wire();
    stranger.send(&packet(super::wire::CANCEL, &[0x7f; 8]));
    assert_eq!(stranger.next(), None);
    assert_eq!(world.database.psql(&["-At", "-c", held]), "1\n");
    // Ctrl-C.
    let since = Instant::now();
    rustix::process::kill_process(rustix::process::Pid::from_child(&sleeping), Signal::INT).unwrap();
    let told = complaint(&sleeping.wait_with_output().unwrap());
    assert!(told.contains("canceling statement due to user request"), "{told}");
    assert!(since.elapsed() < Duration::from_secs(20));
    assert_eq!(proxy.counts()["cancels"], 1);
}

#[test]
fn another_user_is_refused_whether_an_option_or_a_secret_names_ours() {
    let world = world();
    let mut secret = world.way();
    secret.extend(["--secret-id", "orders-db"].map(str::to_owned));
    for (args, ours) in [(world.by_token(&[]), Database::IAM_USER), (secret, Database::USER)] {
        let proxy = Proxy::start(&world.site, args, &[]);
        let mut wire = proxy.wire();
        wire.begin(&[("user", "postgres"), ("database", "mydb")]);
        let told = wire.last_words();
        assert!(told.contains("C28000"), "{told}");
        assert!(told.contains(&format!("connects as \"{ours}\", not as \"postgres\"")), "{told}");
        assert_eq!(proxy.psql_as(&world.database, ours), ours);
        let counts = proxy.counts();
        assert_eq!((&counts["refused"], &counts["sessions"]), (&1.into(), &1.into()), "{counts}");
    }
}

impl Proxy<'_> {
    fn psql_as(&self, database: &Database, user: &str) -> String {
        let mut psql = self.client(database, "psql");
        let psql = psql.env("PGUSER", user).args(["-X", "-At", "-c", "select current_user"]);
        text(&psql.output().unwrap())
    }
}

#[test]
fn the_database_s_own_errors_are_passed_on() {
    let world = world();
    let proxy = Proxy::by_token(&world, &[]);
    let user = ("user", Database::IAM_USER);
    for (parameters, expected) in [
        (&[user, ("database", "nowhere")][..], ["C3D000", "database \"nowhere\" does not exist"]),
        (&[user, ("database", "mydb"), ("no_such", "1")], ["C42704", "unrecognized configuration parameter"]),
        (
            &[user, ("database", "mydb"), ("options", "-c work_mem=x")],
            ["C22023", "invalid value for parameter"],
        ),
    ] {
        let mut wire = proxy.wire();
        wire.begin(parameters);
        let told = wire.last_words();
        assert!(expected.iter().all(|text| told.contains(text)), "{told}");
    }
    assert_eq!(text(&proxy.psql(&world.database, "select 1")), "1");
    assert_eq!(proxy.counts()["refused"], 3);
}

#[test]
fn a_refused_token_comes_with_what_to_look_at() {
    let world = world();
    let user = Database::UNALLOWED_USER;
    let proxy = Proxy::start(&world.site, replaced(world.by_token(&[]), "--user", user), &[]);
    let mut psql = proxy.client(&world.database, "psql");
    let told = complaint(&psql.env("PGUSER", user).args(["-X", "-c", "select 1"]).output().unwrap());
    for text in [
        "PAM authentication failed for user \"iam_other_user\"",
        "look at: ",
        "rds-db:connect on arn:aws:rds-db:us-east-2:222222222222:dbuser:",
        "GRANT rds_iam TO",
    ] {
        assert!(told.contains(text), "no `{text}` in {told}");
    }
    let login = world.site.sandbox.logins().pop().unwrap();
    assert_eq!(login.refused, Some(LoginRefusal::NotAllowed));
    proxy.counts();
}

#[test]
fn too_many_connections_of_the_database_are_its_own_error() {
    let settings = testkit::DatabaseSettings { max_connections: 4, ..testkit::DatabaseSettings::default() };
    let world = world_of(testkit::Site::documented(crate::BINARY), settings);
    let proxy = Proxy::by_token(&world, &[]);
    let mut holder = None;
    // The superuser's session that made the database may not have gone yet.
    super::wait_until("the one place is ours", || {
        let mut wire = proxy.wire();
        wire.begin(&[("user", Database::IAM_USER), ("database", "mydb")]);
        let stands = wire.next().is_some_and(|(kind, _)| kind == b'R');
        if stands {
            wire.ready();
            holder = Some(wire);
        }
        stands
    });
    let mut wire = proxy.wire();
    wire.begin(&[("user", Database::IAM_USER), ("database", "mydb")]);
    let told = wire.last_words();
    assert!(told.contains("C53300") && told.contains("remaining connection slots"), "{told}");
    drop(holder);
    proxy.counts();
}

#[test]
fn a_session_outlives_its_token() {
    let world = world();
    let proxy = Proxy::by_token(&world, &[]);
    let mut old = proxy.session();
    world.site.sandbox.expire_sessions();
    world.site.sandbox.advance(Duration::from_mins(16));
    assert_eq!(old.ask("select current_user"), Database::IAM_USER);
    drop(old);
    proxy.counts();
}

//! A database as RDS runs it: TLS, IAM authentication, a reader.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sandbox::Sandbox;

use crate::authority::Authority;
use crate::server::{self, Home, Server, Shutdown, as_owner, binary};

/// What `pg_hba.conf` says on RDS, and that tests may look in from beside. `rds.force_ssl` is on.
const ACCESS: &str = "\
local   all          all      trust
local   replication  all      trust
hostssl all          +rds_iam all pam pamservice=rdsiam
hostssl all          all      all scram-sha-256
";
/// The same of a server without TLS, where nobody logs in with a token.
const ACCESS_WITHOUT_TLS: &str = "\
local   all          all      trust
local   replication  all      trust
host    all          +rds_iam all reject
host    all          all      all scram-sha-256
";
/// Below the ports that the kernel gives to whoever connects, so that none of them is in the way of a restart.
const PORTS: std::ops::Range<u16> = 10_000..30_000;

/// What is to be said about a database before it starts.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// What the sandbox's world calls it, in `[[rds.databases]]`.
    pub resource_id: String,
    /// How it presents itself.
    pub tls: Tls,
    /// How many sessions there may be; three of them are for the superuser.
    pub max_connections: u16,
    /// Further settings of the server, `NAME=VALUE`.
    pub settings: Vec<String>,
}

impl Default for DatabaseSettings {
    fn default() -> Self {
        let resource_id = Database::RESOURCE_ID.to_owned();
        Self { resource_id, tls: Tls::Right, max_connections: 100, settings: Vec::new() }
    }
}

/// How a server presents itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// A certificate for [`Database::HOST`] and [`Database::READER`], of the authority in [`Database::ca`].
    Right,
    /// One for other names.
    OtherName,
    /// One whose time is over.
    Expired,
    /// One of an authority that nobody knows.
    OtherAuthority,
    /// No TLS.
    Off,
}

/// A `PostgreSQL` server as RDS runs it, on a port of the loopback interface.
///
/// Users with `rds_iam` log in by a token that the sandbox judges, all others by password, all of them by TLS. Its
/// superuser is `postgres`, who gets in on the Unix socket alone ([`Database::psql`]). It is gone when this is dropped,
/// and when the process ends in any other way.
#[derive(Debug)]
pub struct Database {
    server: Server,
    ca: PathBuf,
    /// What the server is started with.
    settings: Vec<String>,
    variables: Vec<String>,
}

impl Database {
    /// The name in its certificate; nobody resolves it (libpq: `hostaddr=127.0.0.1`).
    pub const HOST: &'static str = "mydb.cluster-abc123.us-east-2.rds.amazonaws.com";
    /// The name of the reader, in the same certificate.
    pub const READER: &'static str = "mydb.cluster-ro-abc123.us-east-2.rds.amazonaws.com";
    /// What policies call it in the documented world.
    pub const RESOURCE_ID: &'static str = "cluster-EXAMPLEABCDEFGHIJKLMNOPQRS";
    /// The database in it, owned by [`Self::USER`].
    pub const NAME: &'static str = "mydb";
    /// Has `rds_iam`, and in the documented world the external role may connect as this user.
    pub const IAM_USER: &'static str = "iam_demo_user";
    /// Has `rds_iam`, but the role may not connect as this user.
    pub const UNALLOWED_USER: &'static str = "iam_other_user";
    /// The role may connect as this user, who lacks `rds_iam`.
    pub const UNGRANTED_USER: &'static str = "iam_plain_user";
    /// Has a password.
    pub const USER: &'static str = "app";
    /// The password of [`Self::USER`], which the secret `orders-db` of the documented world holds.
    pub const PASSWORD: &'static str = "pa55-of-app-in-mydb";

    /// Starts a database of a sandbox; it takes connections when this returns.
    pub fn start(sandbox: &Sandbox, wish: DatabaseSettings) -> Self {
        let (home, port) = (Home::with_database(), free_port());
        let authority = Authority::new("RDS of the sandbox");
        let mut settings = vec![
            "listen_addresses=127.0.0.1".to_owned(),
            format!("max_connections={}", wish.max_connections),
            "log_connections=on".to_owned(),
        ];
        settings.extend(wish.settings);
        home.write("ca.pem", &authority.pem);
        if let Some((certificate, key)) = certify(&authority, wish.tls) {
            home.write("server.crt", &certificate);
            home.write("server.key", &key);
            home.write("pg_hba.conf", ACCESS);
            settings.push("ssl=on".into());
        } else {
            home.write("pg_hba.conf", ACCESS_WITHOUT_TLS);
        }
        let sandbox = sandbox.url();
        let address = sandbox.trim_start_matches("http://");
        let ask = format!("{address}/_sandbox/rds-logins?resource={}&port={port}", wish.resource_id);
        let variables =
            vec![format!("LD_PRELOAD={}/rds_pam.so", env!("OUT_DIR")), format!("RDS_IAM_ASK={ask}")];
        let database = Self::new(home, port, settings, variables);
        database.psql(&[
            "-c",
            &users(),
            "-c",
            &format!("create database {} owner {}", Self::NAME, Self::USER),
        ]);
        database
    }

    fn new(home: Home, port: u16, settings: Vec<String>, variables: Vec<String>) -> Self {
        let server = Server::start(home, port, &settings, &variables);
        let ca = server.folder.join("data/ca.pem");
        Self { server, ca, settings, variables }
    }

    /// A reader of this database: a hot standby, on a port of its own.
    #[must_use]
    pub fn reader(&self) -> Self {
        let (home, port) = (Home::empty(), free_port());
        let mut copy = as_owner(binary("pg_basebackup"));
        copy.arg("-h").arg(&self.server.folder).args(["-p", &self.port().to_string(), "-U", "postgres"]);
        copy.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "-D"]).arg(home.data());
        server::run(&mut copy);
        let ask =
            |variable: &String| variable.replace(&format!("port={}", self.port()), &format!("port={port}"));
        Self::new(home, port, self.settings.clone(), self.variables.iter().map(ask).collect())
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// The certificate of the authority that is to be trusted.
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// What psql prints, as the superuser and on the Unix socket; it must end well. Its arguments name the database
    /// (`-d mydb`) unless it is `postgres`.
    pub fn psql(&self, args: &[&str]) -> String {
        self.server.psql(args)
    }

    /// A program of `PostgreSQL` (`psql`, `pgbench`) that comes as everybody does, by TLS that is verified and with a
    /// password or a token. Its environment says all of it, and can be changed.
    pub fn client(&self, program: &str, user: &str, password: &str) -> Command {
        let mut client = Command::new(binary(program));
        client.env_clear().envs([
            ("PGHOST", Self::HOST),
            ("PGHOSTADDR", "127.0.0.1"),
            ("PGPORT", &self.port().to_string()),
            ("PGDATABASE", Self::NAME),
            ("PGUSER", user),
            ("PGPASSWORD", password),
            ("PGSSLMODE", "verify-full"),
        ]);
        client.env("PGSSLROOTCERT", &self.ca);
        client
    }

    /// Holds the one place that is left beside the superuser's three, where there are four, until it is dropped.
    pub fn hold_the_last_place(&self) -> Held {
        let mut holder = self.client("psql", Self::USER, Self::PASSWORD);
        holder.args(["-X", "-c", "select pg_sleep(600)"]);
        holder.stdout(Stdio::null()).stderr(Stdio::null());
        let mut held = Held(holder.spawn().expect("psql"));
        let holds = "select count(*) from pg_stat_activity where usename = 'app' and state = 'active'";
        while self.psql(&["-At", "-c", holds]) != "1\n" {
            // It may come while the session that made the database, or this look, is still in the place.
            if held.0.try_wait().expect("psql is our child").is_some() {
                held = Held(holder.spawn().expect("psql"));
            }
        }
        held
    }

    /// What Secrets Manager keeps for [`Self::USER`], as RDS writes it.
    pub fn secret(&self) -> String {
        let (host, port, name) = (Self::HOST, self.port(), Self::NAME);
        let (user, password) = (Self::USER, Self::PASSWORD);
        format!(
            r#"{{"engine":"postgres","host":"{host}","port":{port},"dbname":"{name}","username":"{user}","password":"{password}"}}"#
        )
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// Ends the server; [`Self::resume`] starts it on the same port.
    pub fn stop(&mut self, how: Shutdown) {
        self.server.stop(how);
    }

    /// Starts a server that was stopped.
    pub fn resume(&mut self) {
        self.server.resume();
    }
}

/// A session that does nothing. See [`Database::hold_the_last_place`].
#[derive(Debug)]
pub struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        // One that has ended is none.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn certify(authority: &Authority, tls: Tls) -> Option<(String, String)> {
    let names = [Database::HOST, Database::READER];
    match tls {
        Tls::Right => Some(authority.certify(&names, false)),
        Tls::OtherName => {
            Some(authority.certify(&["other.cluster-abc123.us-east-2.rds.amazonaws.com"], false))
        }
        Tls::Expired => Some(authority.certify(&names, true)),
        Tls::OtherAuthority => Some(Authority::new("nobody").certify(&names, false)),
        Tls::Off => None,
    }
}

fn users() -> String {
    let (iam, unallowed, ungranted) =
        (Database::IAM_USER, Database::UNALLOWED_USER, Database::UNGRANTED_USER);
    let (user, password) = (Database::USER, Database::PASSWORD);
    format!(
        "create role rds_iam; create role {iam} login in role rds_iam; create role {unallowed} login in role rds_iam; \
         create role {ungranted} login; create role {user} login password '{password}'"
    )
}

/// A port that nobody listens on, by chance another one each time.
fn free_port() -> u16 {
    let span = u64::from(PORTS.end - PORTS.start);
    let random = || u16::try_from(RandomState::new().hash_one(()) % span).expect("it is below the span");
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    std::iter::repeat_with(|| PORTS.start + random()).take(100).find(free).expect("a free port")
}

#[cfg(test)]
mod tests {
    use sandbox::{LoginRefusal, World};

    use super::*;
    use crate::Worlds;

    const ROLE: &str = "arn:aws:iam::222222222222:role/external-glue";
    /// Who is logged in, over TLS or not, on a writer or a reader.
    const WHO: &str =
        "select current_user, ssl, pg_is_in_recovery() from pg_stat_ssl where pid = pg_backend_pid()";

    fn sandbox() -> Sandbox {
        Sandbox::start(World::from_toml(Worlds::TWO_ACCOUNTS).unwrap()).unwrap()
    }

    fn start(sandbox: &Sandbox, tls: Tls) -> Database {
        Database::start(sandbox, DatabaseSettings { tls, ..DatabaseSettings::default() })
    }

    /// What psql says to [`WHO`], or what it complains of.
    fn ask(mut psql: Command) -> Result<String, String> {
        let output = psql.args(["-X", "-At", "-c", WHO]).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    fn log_in(database: &Database, user: &str, password: &str) -> Result<String, String> {
        ask(database.client("psql", user, password))
    }

    #[track_caller]
    fn assert_refused(end: Result<String, String>, text: &str) {
        let error = end.unwrap_err();
        assert!(error.contains(text), "no `{text}` in {error}");
    }

    #[test]
    fn it_lets_in_by_token_and_by_password() {
        let sandbox = sandbox();
        let database = start(&sandbox, Tls::Right);
        let endpoint = format!("{}:{}", Database::HOST, database.port());
        let token = |user| sandbox.rds_token(ROLE, &endpoint, user).unwrap();
        let good = token(Database::IAM_USER);
        // More than pam_exec would pass on.
        assert!(good.len() > 800);
        assert_eq!(log_in(&database, Database::IAM_USER, &good), Ok("iam_demo_user|t|f".into()));
        assert_eq!(log_in(&database, Database::USER, Database::PASSWORD), Ok("app|t|f".into()));

        let refused = |user, password: &str, text| assert_refused(log_in(&database, user, password), text);
        let (unallowed, ungranted) = (Database::UNALLOWED_USER, Database::UNGRANTED_USER);
        refused(Database::IAM_USER, &token("app"), "PAM authentication failed for user \"iam_demo_user\"");
        refused(unallowed, &token(unallowed), "PAM authentication failed for user \"iam_other_user\"");
        refused(ungranted, &token(ungranted), "password authentication failed for user");
        refused(Database::USER, "wrong", "password authentication failed for user");

        let ends: Vec<_> = sandbox.logins().into_iter().map(|login| login.refused).collect();
        assert_eq!(ends, [None, Some(LoginRefusal::WrongUser), Some(LoginRefusal::NotAllowed)]);
        assert!(sandbox.secrets().contains(&good));

        let mut plain = database.client("psql", Database::USER, Database::PASSWORD);
        plain.env("PGSSLMODE", "disable");
        assert_refused(ask(plain), "no pg_hba.conf entry for host");
    }

    #[test]
    fn it_presents_itself_as_it_is_told() {
        let sandbox = sandbox();
        for (tls, text) in [
            (Tls::OtherName, "certificate for \"other.cluster-abc123.us-east-2.rds.amazonaws.com\""),
            (Tls::Expired, "certificate verify failed"),
            (Tls::OtherAuthority, "certificate verify failed"),
            (Tls::Off, "server does not support SSL"),
        ] {
            let database = start(&sandbox, tls);
            assert_refused(log_in(&database, Database::USER, Database::PASSWORD), text);
            let mut easy = database.client("psql", Database::USER, Database::PASSWORD);
            easy.env("PGSSLMODE", "prefer").env_remove("PGSSLROOTCERT");
            let secure = if tls == Tls::Off { "app|f|f" } else { "app|t|f" };
            assert_eq!(ask(easy), Ok(secure.into()), "{tls:?}");
        }
    }

    #[test]
    fn a_reader_follows_and_cannot_be_written_to() {
        let sandbox = sandbox();
        let database = start(&sandbox, Tls::Right);
        let reader = database.reader();
        let endpoint = format!("{}:{}", Database::READER, reader.port());
        let token = sandbox.rds_token(ROLE, &endpoint, Database::IAM_USER).unwrap();
        let mut psql = reader.client("psql", Database::IAM_USER, &token);
        psql.env("PGHOST", Database::READER);
        assert_eq!(ask(psql), Ok("iam_demo_user|t|t".into()));
        let mut psql = reader.client("psql", Database::USER, Database::PASSWORD);
        psql.env("PGTARGETSESSIONATTRS", "read-write");
        assert_refused(ask(psql), "session is read-only");
        database.psql(&["-c", "create table followed as select 1"]);
        let follows = || reader.psql(&["-At", "-c", "select to_regclass('followed') is not null"]) == "t\n";
        assert!((0..200).any(|_| follows()));
    }

    #[test]
    fn it_ends_and_starts_on_the_same_port() {
        let sandbox = sandbox();
        let settings = DatabaseSettings { max_connections: 4, ..DatabaseSettings::default() };
        let mut database = Database::start(&sandbox, settings);
        for how in [Shutdown::Fast, Shutdown::Immediate] {
            database.stop(how);
            let end = log_in(&database, Database::USER, Database::PASSWORD);
            assert_refused(end, "Connection refused");
            database.resume();
            let end = log_in(&database, Database::USER, Database::PASSWORD);
            assert_eq!(end, Ok("app|t|f".into()), "{}", database.log());
        }
        let held = database.hold_the_last_place();
        let end = log_in(&database, Database::USER, Database::PASSWORD);
        assert_refused(end, "remaining connection slots are reserved");
        drop(held);
    }
}

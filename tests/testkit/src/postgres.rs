//! A throw-away `PostgreSQL`: what the sandbox runs SQL on, and what its answers are compared with.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// The user that runs the server where the tests run as root, which `PostgreSQL` does not want to be.
const NOBODY: &str = "65534";
/// How long a path of a Unix socket may be, less the socket's own name.
const LONGEST_FOLDER: usize = 80;
/// Files in memory, where the machine has them: a server has a thousand files, and disks are slow to make them.
const MEMORY: &str = "/dev/shm";
/// Less room than this is left to others.
const ROOM: u64 = 1 << 30;
/// Nothing that is written here is to outlive the test, and nothing is to be anywhere but in its folder.
const SETTINGS: &[&str] = &[
    "listen_addresses=",
    "dynamic_shared_memory_type=mmap",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_wal_size=1GB",
    "max_connections=100",
    "shared_buffers=32MB",
    "autovacuum=off",
    "timezone=UTC",
    "log_timezone=UTC",
];
/// Runs the server until its own standard input ends, as it does whenever this process ends, and leaves nothing.
const KEEPER: &str = r#"
trap '' INT TERM HUP
folder=$1; shift
"$@" </dev/null >"$folder/log" 2>&1 &
server=$!
read -r _
kill -QUIT $server
wait $server
rm -rf "$folder"
"#;

/// A `PostgreSQL` server on a Unix socket, with the superuser `postgres`, whom it trusts. It is gone when this is
/// dropped, and when the process ends in any other way.
#[derive(Debug)]
pub struct Postgres {
    folder: PathBuf,
    keeper: Child,
}

impl Postgres {
    /// Starts a server; it takes connections when this returns.
    pub fn start() -> Self {
        let folder = new_folder();
        let data = folder.join("data");
        run(Command::new("cp").arg("-a").arg(template()).arg(&data));
        if is_root() {
            run(Command::new("chown").arg(format!("{NOBODY}:{NOBODY}")).arg(&folder));
        }
        let mut server = as_owner(binary("postgres"));
        server.arg("-D").arg(&data).arg("-k").arg(&folder);
        server.args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
        let mut keeper = Command::new("/bin/sh");
        keeper.args(["-c", KEEPER, "sh"]).arg(&folder).arg(server.get_program()).args(server.get_args());
        keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let keeper = keeper.spawn().expect("a shell");
        let server = Self { folder, keeper };
        server.wait();
        server
    }

    /// How to reach it, as a world's `[redshift] postgres` says it.
    pub fn address(&self) -> String {
        format!("host={} dbname=postgres user=postgres", self.folder.display())
    }

    /// The part of a world that names this server; keys of `[redshift]` may follow.
    pub fn world(&self) -> String {
        format!("\n[redshift]\npostgres = \"{}\"\n", self.address())
    }

    /// What psql prints, which must end well. Its arguments name the database (`-d dev`) unless it is `postgres`.
    pub fn psql(&self, args: &[&str]) -> String {
        let mut psql = Command::new(binary("psql"));
        psql.env_clear().arg("-X").arg("-h").arg(&self.folder).args(["-U", "postgres"]).args(args);
        let output = psql.output().expect("psql runs");
        assert!(output.status.success(), "psql {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("psql speaks UTF-8")
    }

    /// What the server has logged.
    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Waits until it takes connections.
    #[allow(clippy::disallowed_methods)] // the test waits for a process; there is no clock to pause
    fn wait(&self) {
        let pid = self.folder.join("data/postmaster.pid");
        for _ in 0..2000 {
            if fs::read_to_string(&pid).is_ok_and(|text| text.contains("ready")) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("PostgreSQL does not start:\n{}", self.log());
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // The keeper ends with the server; there is nobody to tell if it does not.
        let _ = self.keeper.wait();
    }
}

/// A database folder that has been initialized once for all tests of this machine.
fn template() -> PathBuf {
    let version = binary("postgres").components().nth_back(2).map(|name| name.as_os_str().to_owned());
    let version = version.expect("the version is a folder above the programs");
    let folder = format!("testkit-postgres-{}-{}", version.display(), user());
    let folder = std::env::temp_dir().join(folder);
    let lock =
        OpenOptions::new().create(true).truncate(false).write(true).open(folder.with_extension("lock"));
    let lock = lock.expect("a lock file in the temporary folder");
    lock.lock().expect("the lock is free some time");
    let (data, ready) = (folder.join("data"), folder.join("ready"));
    if !ready.exists() {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).expect("a folder for the template");
        if is_root() {
            run(Command::new("chown").arg(format!("{NOBODY}:{NOBODY}")).arg(&folder));
        }
        let mut initdb = as_owner(binary("initdb"));
        initdb.args([
            "--no-sync",
            "--auth=trust",
            "--locale=C.UTF-8",
            "--encoding=UTF8",
            "--username=postgres",
        ]);
        run(initdb.arg("--wal-segsize=1").arg("-D").arg(&data));
        fs::write(&ready, "").expect("the template can be marked");
    }
    data
}

/// A folder whose path leaves room for the name of a socket.
fn new_folder() -> PathBuf {
    let has_room = |of: rustix::fs::StatVfs| of.f_bavail.saturating_mul(of.f_frsize) >= ROOM;
    let in_memory = rustix::fs::statvfs(MEMORY).is_ok_and(has_room);
    if let Some(folder) = in_memory.then(|| TempDir::new_in(MEMORY)).and_then(Result::ok) {
        return folder.keep();
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    if folder.path().as_os_str().len() <= LONGEST_FOLDER {
        return folder.keep();
    }
    TempDir::new_in("/tmp").expect("a folder in /tmp").keep()
}

/// A program that runs as the owner of the databases.
fn as_owner(program: impl AsRef<Path>) -> Command {
    if !is_root() {
        return Command::new(program.as_ref());
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]).arg(program.as_ref());
    command
}

fn is_root() -> bool {
    user() == 0
}

/// Who runs the tests.
fn user() -> u32 {
    rustix::process::getuid().as_raw()
}

/// A program of the newest `PostgreSQL` that Debian has put on this machine.
fn binary(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL: `make setup` installs it");
    let mut found: Vec<PathBuf> = versions
        .filter_map(Result::ok)
        .map(|version| version.path().join("bin").join(name))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found.pop().expect("PostgreSQL: `make setup` installs it")
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_answers_and_is_gone() {
        let server = Postgres::start();
        assert_eq!(server.psql(&["-At", "-c", "select 1 + 1"]), "2\n");
        let folder = server.folder.clone();
        assert!(server.world().contains(folder.to_str().unwrap()));
        drop(server);
        assert!(!folder.exists());
    }
}

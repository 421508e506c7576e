//! A throw-away `PostgreSQL` server: a folder, a process, and nothing left of either.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// The user that runs the server where the tests run as root, which `PostgreSQL` does not want to be.
const NOBODY: u32 = 65534;
/// How long a path of a Unix socket may be, less the socket's own name.
const LONGEST_FOLDER: usize = 80;
/// Files in memory, where the machine has them: a server has a thousand files, and disks are slow to make them.
const MEMORY: &str = "/dev/shm";
/// Less room than this is left to others.
const ROOM: u64 = 1 << 30;
/// Nothing that is written here is to outlive the test, and nothing is to be anywhere but in its folder.
const SETTINGS: &[&str] = &[
    "dynamic_shared_memory_type=mmap",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_wal_size=1GB",
    "shared_buffers=32MB",
    "autovacuum=off",
    "timezone=UTC",
    "log_timezone=UTC",
];
/// Runs the server until its own standard input ends, as it does whenever this process ends, and leaves nothing.
/// Lines on it before that are orders: `start`, or the signal that ends the server.
const KEEPER: &str = r#"
trap '' INT TERM HUP
folder=$1; shift
start() { "$@" </dev/null >>"$folder/log" 2>&1 & server=$!; }
end() { kill -"$1" $server && wait $server; server=; }
start "$@"
while read -r order; do
  case $order in
    start) start "$@" ;;
    *) end "$order" ;;
  esac
done
end QUIT
rm -rf "$folder"
"#;

/// A folder that a server can be started in.
#[derive(Debug)]
pub(crate) struct Home(TempDir);

impl Home {
    /// A folder with nothing in it, whose path leaves room for the name of a socket.
    pub(crate) fn empty() -> Self {
        let home = Self(new_folder());
        give(home.0.path());
        home
    }

    /// A folder with a database in it.
    pub(crate) fn with_database() -> Self {
        let home = Self::empty();
        run(Command::new("cp").arg("-a").arg(template()).arg(home.data()));
        home
    }

    /// Where the database is.
    pub(crate) fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// Writes a file of the database, which nobody but its owner may read.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.data().join(name);
        fs::write(&path, text).expect("a file in the temporary folder");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("the file is ours");
        give(&path);
    }
}

/// How a running server is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Every session is told, transactions are rolled back.
    Fast,
    /// Every session is cut off, as in a crash.
    Immediate,
}

/// A server with the superuser `postgres`, whom it trusts on its Unix socket. It is gone when this is dropped, and
/// when the process ends in any other way.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) folder: PathBuf,
    /// Also where there is no TCP: the socket is named after it.
    pub(crate) port: u16,
    keeper: Child,
}

impl Server {
    /// Starts a server with settings (`NAME=VALUE`) and variables; it takes connections when this returns.
    pub(crate) fn start(home: Home, port: u16, settings: &[String], variables: &[String]) -> Self {
        let mut server = as_owner("env");
        server.args(variables).arg(binary("postgres")).arg("-D").arg(home.data());
        server.arg("-k").arg(home.0.path()).args(["-p", &port.to_string()]);
        let settings = SETTINGS.iter().copied().chain(settings.iter().map(String::as_str));
        server.args(settings.flat_map(|setting| ["-c", setting]));
        let mut keeper = Command::new("/bin/sh");
        keeper
            .args(["-c", KEEPER, "sh"])
            .arg(home.0.path())
            .arg(server.get_program())
            .args(server.get_args());
        keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let keeper = keeper.spawn().expect("a shell");
        // From here on the keeper takes the folder away.
        let server = Self { folder: home.0.keep(), port, keeper };
        server.wait_until(true);
        server
    }

    /// Ends the server; its folder stays.
    pub(crate) fn stop(&mut self, how: Shutdown) {
        self.order(match how {
            Shutdown::Fast => "INT",
            Shutdown::Immediate => "QUIT",
        });
        self.wait_until(false);
    }

    /// Starts the server anew, as it was.
    pub(crate) fn resume(&mut self) {
        self.order("start");
        self.wait_until(true);
    }

    /// What psql prints, which must end well.
    pub(crate) fn psql(&self, args: &[&str]) -> String {
        let mut psql = Command::new(binary("psql"));
        psql.env_clear().arg("-X").arg("-h").arg(&self.folder).args(["-p", &self.port.to_string()]);
        let output = psql.args(["-U", "postgres"]).args(args).output().expect("psql runs");
        assert!(output.status.success(), "psql {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("psql speaks UTF-8")
    }

    /// What the server has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn order(&mut self, order: &str) {
        let stdin = self.keeper.stdin.as_mut().expect("it is piped, and open until the drop");
        writeln!(stdin, "{order}").expect("the keeper runs");
    }

    /// Waits until it takes connections, or until it is gone.
    #[allow(clippy::disallowed_methods)] // the test waits for a process; there is no clock to pause
    fn wait_until(&self, up: bool) {
        let pid = self.folder.join("data/postmaster.pid");
        for _ in 0..2000 {
            let is = match fs::read_to_string(&pid) {
                Ok(text) => up && text.contains("ready"),
                Err(_) => !up,
            };
            if is {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("PostgreSQL does not {}:\n{}", if up { "start" } else { "end" }, self.log());
    }
}

impl Drop for Server {
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
        give(&folder);
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

fn new_folder() -> TempDir {
    let has_room = |of: rustix::fs::StatVfs| of.f_bavail.saturating_mul(of.f_frsize) >= ROOM;
    let in_memory = rustix::fs::statvfs(MEMORY).is_ok_and(has_room);
    if let Some(folder) = in_memory.then(|| TempDir::new_in(MEMORY)).and_then(Result::ok) {
        return folder;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    if folder.path().as_os_str().len() <= LONGEST_FOLDER {
        return folder;
    }
    TempDir::new_in("/tmp").expect("a folder in /tmp")
}

/// A program that runs as the owner of the databases.
pub(crate) fn as_owner(program: impl AsRef<Path>) -> Command {
    if !is_root() {
        return Command::new(program.as_ref());
    }
    let mut command = Command::new("setpriv");
    let nobody = NOBODY.to_string();
    command.args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups"]).arg(program.as_ref());
    command
}

/// Makes a file or folder the databases' owner's.
fn give(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).expect("root may give files away");
    }
}

fn is_root() -> bool {
    user() == 0
}

/// Who runs the tests.
fn user() -> u32 {
    rustix::process::getuid().as_raw()
}

/// A program of the newest `PostgreSQL` that Debian has put on this machine.
pub(crate) fn binary(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL: `make setup` installs it");
    let mut found: Vec<PathBuf> = versions
        .filter_map(Result::ok)
        .map(|version| version.path().join("bin").join(name))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found.pop().expect("PostgreSQL: `make setup` installs it")
}

pub(crate) fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

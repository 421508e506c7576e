//! Containers without a daemon: podman and buildah over runc, with a storage in the target folder.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{root, run};

/// The version of the workspace, which is the tag of its images.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// No container of a test needs longer.
const PATIENCE: Duration = Duration::from_secs(90);

/// podman or buildah, with the storage and settings of `make test-images`.
pub fn engine(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("CONTAINERS_CONF", root().join("tests/deploy/containers.conf"));
    command.env("CONTAINERS_STORAGE_CONF", root().join("target/containers/storage.conf"));
    command.current_dir(root());
    command
}

/// The image of a binary that `make test-images` has made of its debug build.
pub fn image(binary: &str) -> String {
    let image = format!("localhost/{binary}:{VERSION}");
    let there = run(engine("podman").args(["image", "exists", &image])).is_ok();
    assert!(there, "{image} is missing: `make test-images` builds it");
    image
}

/// The static binary that an image was made of.
pub fn binary(name: &str) -> PathBuf {
    root().join("target/image").join(name)
}

/// A container that runs.
pub struct Container {
    /// Its name.
    pub name: String,
    child: Child,
}

/// How a container ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code of its process 1; 137 where it was killed.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// How long it took from the call to its end.
    pub elapsed: Duration,
}

impl Container {
    /// Starts a container; it is removed at its end.
    pub fn start(name: &str, arguments: &[String]) -> Self {
        let mut command = engine("podman");
        command.args(["run", "--rm", "--pull=never", "--log-driver=none", "--name", name]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("podman runs");
        Self { name: name.to_owned(), child }
    }

    /// What the kubelet does to a pod that has to go: SIGTERM, and SIGKILL after its grace period, in seconds.
    pub fn stop(&self, grace: u64) {
        let grace = grace.to_string();
        run(engine("podman").args(["stop", "--time", &grace, &self.name])).expect("podman stops it");
    }

    /// What a node that dies does to it.
    pub fn kill(&self) {
        run(engine("podman").args(["kill", "--signal", "KILL", &self.name])).expect("podman kills it");
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Ended {
        let since = Instant::now();
        let mut out = self.child.stdout.take().expect("piped");
        let stdout = std::thread::spawn(move || {
            let mut text = String::new();
            out.read_to_string(&mut text).expect("UTF-8");
            text
        });
        let mut stderr = String::new();
        self.child.stderr.take().expect("piped").read_to_string(&mut stderr).expect("UTF-8");
        let status = self.child.wait().expect("podman ends");
        assert!(since.elapsed() < PATIENCE, "{} took {:?}", self.name, since.elapsed());
        let stdout = stdout.join().expect("the reader of stdout does not panic");
        let code = status.code().expect("podman tells an exit code");
        Ended { code, stdout, stderr, elapsed: since.elapsed() }
    }
}

/// A test that fails leaves no container behind.
impl Drop for Container {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // It may end by itself just now.
            let _ = run(engine("podman").args(["kill", "--signal", "KILL", &self.name]));
            let _ = self.child.wait();
        }
    }
}

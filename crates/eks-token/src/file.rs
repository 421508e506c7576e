//! A kubeconfig on disk: changed by one process at a time, and replaced as a whole.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use job_runtime::file::{
    check_regular, not_regular, off_the_thread, read_regular_text, read_text, replace, resolve, with_suffix,
};
use tokio::time::{Instant, sleep};

use crate::Error;

/// How long another process may take to write the file.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is left of a process that was killed while it wrote: nobody takes so long.
const STALE: Duration = Duration::from_mins(1);
/// Between two looks at the lock of another process.
const PAUSE: Duration = Duration::from_millis(20);

/// The longest kubeconfig: kubectl reads one with thousands of clusters in far less.
const LONGEST: usize = 16 * 1024 * 1024;

/// Checks that a kubeconfig can be written to `path`: it is a regular file, or there is none yet.
///
/// # Errors
/// What is wrong with it, as a fragment.
pub(crate) fn check(path: &Path) -> Result<(), String> {
    match check_regular(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        // The kernel says only what it is.
        Err(error) if error.kind() == ErrorKind::IsADirectory => Err(not_regular().to_string()),
        checked => checked.map_err(|error| error.to_string()),
    }
}

/// The text in the file; one that is not there is empty. What is only shown may come from a pipe or a device.
pub(crate) async fn read(path: &Path, only_shown: bool) -> Result<String, Error> {
    let text =
        if only_shown { read_text(path, LONGEST).await } else { read_regular_text(path, LONGEST).await };
    match text {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        text => text.map_err(failed("read", path)),
    }
}

/// Replaces the text in the file by what `change` makes of it, and returns what else `change` returns.
pub(crate) async fn update<T>(
    path: &Path,
    change: impl FnOnce(&str) -> Result<(String, T), Error>,
) -> Result<T, Error> {
    // A link stays one: the file that it leads to is replaced, or created.
    let link = path.to_owned();
    let path = &off_the_thread(move || resolve(&link)).await.map_err(failed("find", path))?;
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(failed("create the directory", directory))?;
    }
    let lock = Lock::take(with_suffix(path, ".lock")).await?;
    let (text, told) = change(&read(path, false).await?)?;
    replace(path, text.as_bytes()).map_err(failed("write", path))?;
    drop(lock);
    Ok(told)
}

/// The lock of client-go: kubectl makes the same file before it changes a kubeconfig.
struct Lock(PathBuf);

impl Lock {
    async fn take(path: PathBuf) -> Result<Self, Error> {
        let since = Instant::now();
        loop {
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(_) => return Ok(Self(path)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed("make", &path)(error)),
            }
            if is_stale(&path) {
                tracing::warn!(lock = %path.display(), "left behind by a process that is gone; taken away");
                let _ = fs::remove_file(&path);
            } else if since.elapsed() > PATIENCE {
                return Err(Error::Locked { path, waited: since.elapsed() });
            }
            sleep(PAUSE).await;
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Whoever took it away meanwhile has thought it stale.
        let _ = fs::remove_file(&self.0);
    }
}

fn is_stale(lock: &Path) -> bool {
    // Not opened: it can be a pipe as well, which would wait for its writer.
    let age = fs::symlink_metadata(lock).and_then(|found| found.modified());
    age.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > STALE))
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { what, path, source }
}

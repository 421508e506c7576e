//! A kubeconfig on disk: changed by one process at a time, replaced as a whole, readable by its owner alone.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::Error;

/// How long another process may take to write the file.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is left of a process that was killed while it wrote: nobody takes so long.
const STALE: Duration = Duration::from_mins(1);
/// Between two looks at the lock of another process.
const PAUSE: Duration = Duration::from_millis(20);

/// The text in the file; one that is not there is empty.
pub(crate) fn read(path: &Path) -> Result<String, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// Replaces the text in the file by what `change` makes of it, together with what `change` has to tell.
pub(crate) async fn update<T>(
    path: &Path,
    change: impl FnOnce(&str) -> Result<(String, T), Error>,
) -> Result<T, Error> {
    // A link stays one: what it leads to is replaced.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed("make the folder", folder))?;
    }
    let lock = Lock::take(with_suffix(path, ".lock")).await?;
    let (text, told) = change(&read(path)?)?;
    replace(path, &text).map_err(failed("write", path))?;
    drop(lock);
    Ok(told)
}

/// Written beside the file and put in its place: a reader sees the old text or the new one, whatever happens to us.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let beside = with_suffix(path, &format!(".{}.tmp", std::process::id()));
    // Of an earlier process of this number that was killed.
    let _ = fs::remove_file(&beside);
    let written =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
    written.and_then(|()| fs::rename(&beside, path)).inspect_err(|_| {
        // What went wrong first is told.
        let _ = fs::remove_file(&beside);
    })
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
    let age = File::open(lock).and_then(|file| file.metadata()?.modified());
    age.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > STALE))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { what, path, source }
}

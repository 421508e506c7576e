//! Reading files without blocking the runtime.
//!
//! Opening a named pipe waits for its writer, and a file of a network mount can wait for ever. On the thread of the
//! runtime, such a read would keep signals and deadlines from being seen.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

use tokio::task::spawn_blocking;

/// Reads a text file of any kind, a pipe or a device included: `AWS_CONFIG_FILE=<(...)` and `/dev/null` are in use.
/// Dropping the future gives up the read.
///
/// # Errors
/// The file cannot be read, is longer than `limit` bytes, or is not UTF-8.
pub async fn read_text(path: &Path, limit: usize) -> io::Result<String> {
    let path = path.to_owned();
    off_the_thread(move || text(&path, limit)).await
}

/// The same of a regular file. For what is read more than once, or is never anything else.
///
/// # Errors
/// Those of [`read_text`], and [`ErrorKind::InvalidInput`] for a file that is not regular.
pub async fn read_regular_text(path: &Path, limit: usize) -> io::Result<String> {
    let path = path.to_owned();
    off_the_thread(move || {
        check_regular(&path)?;
        text(&path, limit)
    })
    .await
}

/// Checks that `path` leads to a regular file, without opening it.
///
/// # Errors
/// There is none, or it is not regular.
pub fn check_regular(path: &Path) -> io::Result<()> {
    let found = fs::metadata(path)?;
    if found.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    if found.is_file() { Ok(()) } else { Err(not_regular()) }
}

/// The error for a pipe, a device or a socket where a regular file is needed.
pub fn not_regular() -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, "it is not a regular file")
}

/// Runs file operations that may block on a thread of their own.
///
/// # Errors
/// Those of `read`.
pub async fn off_the_thread<T: Send + 'static>(
    read: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(read).await.unwrap_or_else(|_| Err(io::Error::other("the read was given up")))
}

fn text(path: &Path, limit: usize) -> io::Result<String> {
    let file = File::open(path)?;
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    // At once as long as it will be: no part of a secret stays behind in a shorter buffer.
    let mut bytes = Vec::with_capacity(length.min(limit) + 1);
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it has more than {limit} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn texts_have_a_kind_and_a_limit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "four").unwrap();
        assert_eq!(read_regular_text(&path, 4).await.unwrap(), "four");
        assert_eq!(read_text(&path, 3).await.unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert_eq!(read_text(Path::new("/dev/zero"), 3).await.unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert_eq!(read_text(Path::new("/dev/null"), 3).await.unwrap(), "");
        for (path, kind) in [
            (Path::new("/dev/null"), ErrorKind::InvalidInput),
            (directory.path(), ErrorKind::IsADirectory),
            (Path::new("/nowhere"), ErrorKind::NotFound),
        ] {
            assert_eq!(read_regular_text(path, 3).await.unwrap_err().kind(), kind, "{}", path.display());
        }
        fs::write(&path, [0xff]).unwrap();
        assert_eq!(read_text(&path, 4).await.unwrap_err().kind(), ErrorKind::InvalidData);
    }
}

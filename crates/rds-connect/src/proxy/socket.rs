//! Unix sockets to listen on, and their files.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::process::{geteuid, umask};
use tokio::net::UnixListener;

/// The file of a socket that this process has made. It is removed when this is dropped, unless another has taken its
/// place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    id: (u64, u64),
}

impl SocketFile {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let found = self.path.symlink_metadata();
        if found.is_ok_and(|found| (found.dev(), found.ino()) == self.id) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Listens on a socket at `path`, in the place of one that a killed proxy has left there. As with PostgreSQL's own
/// socket, it is the directory that says who may use it: in a pod, containers of several users do.
///
/// # Errors
/// Something else is there, or the directory cannot be written.
pub(super) fn listen(path: &Path) -> io::Result<(SocketFile, UnixListener)> {
    remove_stale(path)?;
    // The socket is made with its mode. To change the mode of a path could change that of another file, to which
    // somebody has put a link there. Nothing else in this process makes files yet.
    let before = umask(Mode::empty());
    let bound = UnixListener::bind(path);
    umask(before);
    let listener = bound?;
    let found = path.symlink_metadata()?;
    Ok((SocketFile { path: path.to_owned(), id: (found.dev(), found.ino()) }, listener))
}

/// Removes a socket of this user that nobody listens on.
fn remove_stale(path: &Path) -> io::Result<()> {
    let Ok(found) = path.symlink_metadata() else { return Ok(()) };
    let is_stale = found.file_type().is_socket()
        && std::os::unix::net::UnixStream::connect(path)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    if !is_stale {
        return Ok(());
    }
    if found.uid() != geteuid().as_raw() {
        let owner = found.uid();
        return Err(io::Error::other(format!("a socket of user {owner} is there, and is not replaced")));
    }
    std::fs::remove_file(path)
}

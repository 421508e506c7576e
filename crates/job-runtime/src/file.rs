//! Files that a program writes: results, the termination message, a kubeconfig.
//!
//! Three rules hold for all of them. Only a regular file is ever replaced. A new file is its owner's alone. As root, a
//! link is not followed into a file of another owner than the link's: in a shared directory any user can put one
//! there.

mod links;

use rustix::fs::{Access, AtFlags, CWD, OFlags, accessat, fchmod, fchown, fcntl_getfl, fcntl_setfl};
use rustix::fs::{Gid, Mode, Uid};
use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

pub use self::links::resolve;
pub use chained_credentials::file::{
    check_regular, not_regular, off_the_thread, read_regular_text, read_text,
};

/// Checks a place where a result is to go, as the value of an option: nothing is opened for a pipe, and nothing
/// created. `/dev/stdout`, pipes and other devices than disks can be written to.
///
/// # Errors
/// What keeps a result from being written there, as a sentence for the user.
pub fn destination(path: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(path);
    match check_destination(&path) {
        Ok(()) => Ok(path),
        // The parser of the command line does not show the value, which can be a secret elsewhere.
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn check_destination(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() {
        return Err(ErrorKind::NotFound.into());
    }
    let target = links::trusted_target(path)?;
    match fs::metadata(path) {
        Ok(found) => {
            check_kind(&found)?;
            accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS)?;
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let directory = match target.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            if !fs::metadata(directory)?.is_dir() {
                return Err(ErrorKind::NotADirectory.into());
            }
            accessat(CWD, directory, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?;
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Refuses what a result is never meant for.
fn check_kind(found: &Metadata) -> io::Result<()> {
    let kind = found.file_type();
    if kind.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    if kind.is_block_device() || kind.is_socket() {
        return Err(not_regular());
    }
    Ok(())
}

/// Opens a file for writing, or creates it for its owner alone; what is in it stays. Never waits: a named pipe without a
/// reader is an error.
fn open_at_once(path: &Path, read: bool) -> io::Result<File> {
    let target = links::trusted_target(path)?;
    let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    if target != path {
        // It was a link, and every link has been followed.
        flags |= OFlags::NOFOLLOW;
    }
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let mut options = OpenOptions::new();
    options.write(true).read(read).create(true).truncate(false).mode(0o600).custom_flags(flags);
    let file = options.open(&target)?;
    check_kind(&file.metadata()?)?;
    Ok(file)
}

/// Opens a file for writing, or creates it for its owner alone; what is in it stays. Writes to it wait for a slow reader.
pub(crate) fn open(path: &Path, read: bool) -> io::Result<File> {
    let file = open_at_once(path, read)?;
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(file)
}

/// Puts `text` into a file in place of what is in it, and waits for nothing: a pipe without a reader is an error.
pub(crate) fn write_at_once(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = open_at_once(path, false)?;
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    file.write_all(text)
}

/// Replaces a regular file as a whole, or makes a new one: a reader sees the old text or the new one, whatever happens
/// to this process. Owner and mode are kept. A file that is a mount of its own, and one whose owner cannot be kept, is
/// written in place. `path` is one that [`resolve`] has returned.
///
/// Blocks for as long as the file system does: a signal must not come between the new file and its place.
///
/// # Errors
/// It cannot be written, or is not a regular file.
pub fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let before = match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => Some(found),
        Ok(_) => return Err(not_regular()),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let beside = with_suffix(path, &format!(".{}.tmp", std::process::id()));
    // Of an earlier process of this number that was killed.
    let _ = fs::remove_file(&beside);
    let replaced = write_beside(&beside, text, before.as_ref()).and_then(|kept| match kept {
        Kept::All => match fs::rename(&beside, path) {
            Err(error) if error.kind() == ErrorKind::ResourceBusy => Ok(false),
            renamed => renamed.map(|()| true),
        },
        Kept::NotTheOwner => Ok(false),
    });
    if !matches!(replaced, Ok(true)) {
        // The first error is the one to report.
        let _ = fs::remove_file(&beside);
    }
    if replaced? { Ok(()) } else { write_in_place(path, text) }
}

/// What a new file has of the one that it replaces.
enum Kept {
    All,
    NotTheOwner,
}

fn write_beside(beside: &Path, text: &[u8], before: Option<&Metadata>) -> io::Result<Kept> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(beside)?;
    if let Some(before) = before {
        let made = file.metadata()?;
        let is_owner = (made.uid(), made.gid()) == (before.uid(), before.gid());
        let (uid, gid) = (Uid::from_raw(before.uid()), Gid::from_raw(before.gid()));
        if !is_owner && fchown(&file, Some(uid), Some(gid)).is_err() {
            return Ok(Kept::NotTheOwner);
        }
        fchmod(&file, Mode::from_raw_mode(before.mode() & 0o7777))?;
    }
    file.write_all(text)?;
    file.sync_all()?;
    Ok(Kept::All)
}

fn write_in_place(path: &Path, text: &[u8]) -> io::Result<()> {
    let flags = i32::try_from(OFlags::NOFOLLOW.bits()).map_err(io::Error::other)?;
    let mut file = OpenOptions::new().write(true).custom_flags(flags).open(path)?;
    file.write_all(text)?;
    file.set_len(u64::try_from(text.len()).map_err(io::Error::other)?)?;
    file.sync_all()
}

/// `path` with `suffix` at the end of its name.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn destinations() {
        let directory = tempfile::tempdir().unwrap();
        let inside = |name: &str| directory.path().join(name).display().to_string();
        fs::write(inside("there"), "").unwrap();
        for path in [&inside("there"), &inside("new"), "/dev/null", "/dev/stdout", "new"] {
            assert!(destination(path).is_ok(), "{path}");
        }
        assert!(!directory.path().join("new").exists(), "nothing is created");
        for (path, problem) in [
            ("", "not found"),
            (&inside(""), "is a directory"),
            (&inside("no/such"), "No such file"),
            (&inside("there/x"), "Not a directory"),
        ] {
            let told = destination(path).unwrap_err();
            assert!(told.contains(problem), "{path}: {told}");
        }
        let _socket = std::os::unix::net::UnixListener::bind(inside("socket")).unwrap();
        assert!(destination(&inside("socket")).unwrap_err().contains("not a regular file"));
    }

    #[test]
    fn a_replaced_file_keeps_its_mode_and_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        replace(&path, b"new").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        replace(&path, b"newer").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "newer");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o644);
        write_in_place(&path, b"short").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "short");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        assert!(replace(directory.path(), b"").is_err());
    }
}

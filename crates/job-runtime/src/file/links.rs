//! Symbolic links at the end of a path: where they lead, and whose they are.

use rustix::io::Errno;
use rustix::process::geteuid;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// As many links as the kernel follows.
const MOST_LINKS: usize = 40;

/// Where the links at the end of `path` lead: to a file, or to the place of one that is not there yet.
///
/// # Errors
/// The path cannot be read, or its links have no end.
pub fn resolve(path: &Path) -> io::Result<PathBuf> {
    follow(path, |_, _| Ok(()))
}

/// Follows the links at the end of `path`, and shows each of them to `visit`.
fn follow(path: &Path, mut visit: impl FnMut(&Path, &Metadata) -> io::Result<()>) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_symlink() => {
                visit(&path, &found)?;
                let next = fs::read_link(&path)?;
                path = path.parent().unwrap_or(Path::new("")).join(next);
            }
            Ok(_) => return Ok(path),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(path),
            Err(error) => return Err(error),
        }
    }
    Err(Errno::LOOP.into())
}

/// The file to open in place of `path`. As root that is where its links lead, if each of them belongs to the owner of
/// the file, or of the directory that a new file comes into; directories may also be linked by root. For other users
/// the kernel refuses what they may not write.
///
/// # Errors
/// A link of another owner, or one that cannot be followed.
pub(super) fn trusted_target(path: &Path) -> io::Result<PathBuf> {
    if !geteuid().is_root() {
        return Ok(path.to_owned());
    }
    let found = match fs::metadata(path) {
        // A pipe or a device is written to and never replaced; `/dev/stdout` is a link to what this process was given.
        Ok(found) if !found.is_file() || is_own_stream(&found) => return Ok(path.to_owned()),
        Ok(found) => Some(found),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let owner = match found {
        Some(found) => found.uid(),
        None => match resolve(path)?.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => fs::metadata(parent)?.uid(),
            _ => fs::metadata(".")?.uid(),
        },
    };
    let foreign = |link: &Path| {
        let problem = format!("the link {} leads to a file of another owner", link.display());
        Err(io::Error::new(ErrorKind::PermissionDenied, problem))
    };
    let check_directories = |path: &Path| {
        for directory in std::path::absolute(path)?.ancestors().skip(1) {
            let found = fs::symlink_metadata(directory)?;
            if found.is_symlink() && found.uid() != owner && found.uid() != 0 {
                return foreign(directory);
            }
        }
        Ok(())
    };
    let target = follow(path, |link, found| {
        if found.uid() != owner {
            return foreign(link);
        }
        check_directories(link)
    })?;
    check_directories(&target)?;
    Ok(target)
}

/// Whether a file is the standard output or the standard error of this process.
fn is_own_stream(found: &Metadata) -> bool {
    ["/proc/self/fd/1", "/proc/self/fd/2"].iter().any(|stream| {
        fs::metadata(stream).is_ok_and(|stream| (stream.dev(), stream.ino()) == (found.dev(), found.ino()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{lchown, symlink};

    #[test]
    fn links_lead_to_their_end() {
        let directory = tempfile::tempdir().unwrap();
        let inside = |name: &str| directory.path().join(name);
        symlink("second", inside("first")).unwrap();
        symlink("new/file", inside("second")).unwrap();
        assert_eq!(resolve(&inside("first")).unwrap(), inside("new/file"));
        assert_eq!(resolve(&inside("plain")).unwrap(), inside("plain"));
        symlink("loop", inside("loop")).unwrap();
        assert_eq!(resolve(&inside("loop")).unwrap_err().raw_os_error(), Some(Errno::LOOP.raw_os_error()));
    }

    #[test]
    fn as_root_a_link_leads_to_files_of_its_owner() {
        if !geteuid().is_root() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let inside = |name: &str| directory.path().join(name);
        fs::write(inside("file"), "").unwrap();
        symlink("file", inside("link")).unwrap();
        symlink("new", inside("dangling")).unwrap();
        symlink("link", inside("two")).unwrap();
        for name in ["link", "dangling", "two", "file", "new"] {
            assert!(trusted_target(&inside(name)).is_ok(), "{name}");
        }
        for name in ["link", "dangling"] {
            lchown(inside(name), Some(65532), None).unwrap();
        }
        for name in ["link", "dangling", "two"] {
            let error = trusted_target(&inside(name)).unwrap_err();
            assert!(error.to_string().contains("another owner"), "{name}: {error}");
        }
        lchown(inside("file"), Some(65532), None).unwrap();
        assert!(trusted_target(&inside("link")).is_ok());
        // Root's own link does not make a file of another user root's to write.
        assert!(trusted_target(&inside("two")).is_err());
        symlink(directory.path(), inside("directory")).unwrap();
        assert!(trusted_target(&inside("directory/file")).is_ok());
        lchown(inside("directory"), Some(65531), None).unwrap();
        assert!(trusted_target(&inside("directory/file")).is_err());
    }
}

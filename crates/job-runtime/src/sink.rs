//! Where results go that are too long, or too early, for the end of the run: stdout or a file, piece by piece.

use crate::Failure;
use crate::exit::Exit;
use crate::file;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use tokio::task::spawn_blocking;

/// So many bytes are gathered before they are handed to the kernel.
const BUFFER: usize = 64 * 1024;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// What is in it goes, once there is something new to write.
    Replace,
    /// What is in it stays, but for a last line without its end: that is the mark of a killed writer.
    Append,
}

/// A result could not be written.
#[derive(Debug, thiserror::Error)]
#[error("could not write the result to {place}: {source}")]
pub struct SinkError {
    place: String,
    #[source]
    source: io::Error,
}

/// The work was done, and its result is lost: to do it again is not for a Job's retry to decide.
impl Failure for SinkError {
    fn exit(&self) -> Exit {
        Exit::Unknown
    }
}

/// Writes without holding up anything else, however slow the reader is.
pub struct Sink {
    place: String,
    buffer: Vec<u8>,
    /// Away while a thread writes; a write that was given up takes it along.
    out: Option<Box<dyn Write + Send>>,
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink")
            .field("place", &self.place)
            .field("buffered", &self.buffer.len())
            .finish_non_exhaustive()
    }
}

impl Sink {
    /// Standard output.
    #[expect(
        clippy::disallowed_methods,
        reason = "one of the two writers of stdout; the other is the report"
    )]
    pub fn stdout() -> Self {
        Self::new("stdout".to_owned(), Box::new(io::stdout()))
    }

    /// A file; a new one is its owner's alone. A named pipe is opened with the first write, because that waits for a
    /// reader.
    ///
    /// # Errors
    /// It cannot be opened for writing.
    pub fn file(path: &Path, open: Open) -> Result<Self, String> {
        let failed = |err: io::Error| format!("could not open {} for writing: {err}", path.display());
        if path.metadata().is_ok_and(|found| found.file_type().is_fifo()) {
            let pipe = Pipe { path: path.to_owned(), file: None };
            return Ok(Self::new(path.display().to_string(), Box::new(pipe)));
        }
        let out: Box<dyn Write + Send> = match open {
            Open::Replace => {
                Box::new(Fresh { file: file::open(path, false).map_err(failed)?, emptied: false })
            }
            Open::Append => {
                let mut file = file::open(path, true).map_err(failed)?;
                drop_torn_line(&mut file).map_err(failed)?;
                Box::new(file)
            }
        };
        Ok(Self::new(path.display().to_string(), out))
    }

    fn new(place: String, out: Box<dyn Write + Send>) -> Self {
        Self { place, buffer: Vec::new(), out: Some(out) }
    }

    /// Takes `bytes`, and hands them on once there are enough.
    ///
    /// # Errors
    /// The writing failed.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        // A large value is not copied as a whole.
        for part in bytes.chunks(BUFFER) {
            self.buffer.extend_from_slice(part);
            if self.buffer.len() >= BUFFER {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Hands on everything that was taken.
    ///
    /// # Errors
    /// The writing failed.
    pub async fn flush(&mut self) -> Result<(), SinkError> {
        if self.buffer.is_empty() { Ok(()) } else { self.hand_on().await }
    }

    /// Ends it: hands on everything that was taken, and empties a file that was to be replaced by nothing.
    ///
    /// # Errors
    /// The writing failed.
    pub async fn finish(mut self) -> Result<(), SinkError> {
        self.hand_on().await
    }

    async fn hand_on(&mut self) -> Result<(), SinkError> {
        let failed = |source| SinkError { place: self.place.clone(), source };
        let gone = || io::Error::other("an earlier write was given up");
        let mut out = self.out.take().ok_or_else(|| failed(gone()))?;
        let buffer = std::mem::take(&mut self.buffer);
        let writing = spawn_blocking(move || {
            let written = out.write_all(&buffer).and_then(|()| out.flush());
            (out, buffer, written)
        });
        let (out, mut buffer, written) = writing.await.map_err(|_| failed(gone()))?;
        buffer.clear();
        self.buffer = buffer;
        self.out = Some(out);
        written.map_err(failed)
    }
}

/// A file that keeps what is in it until there is something to put there, or it is known that there is nothing.
struct Fresh {
    file: File,
    emptied: bool,
}

impl Fresh {
    /// A pipe or a device has no length to set.
    fn empty(&mut self) -> io::Result<()> {
        if !self.emptied && self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        self.emptied = true;
        Ok(())
    }
}

impl Write for Fresh {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.empty()?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.empty()?;
        self.file.flush()
    }
}

/// A named pipe that may have no reader yet.
struct Pipe {
    path: PathBuf,
    file: Option<File>,
}

impl Pipe {
    fn file(&mut self) -> io::Result<&mut File> {
        match &mut self.file {
            Some(file) => Ok(file),
            none => Ok(none.insert(File::options().write(true).open(&self.path)?)),
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file()?.write(bytes)
    }

    /// A reader that gets nothing is told so by the end.
    fn flush(&mut self) -> io::Result<()> {
        self.file()?.flush()
    }
}

/// Cuts off what follows the last line end, and leaves the position at the end.
fn drop_torn_line(file: &mut File) -> io::Result<()> {
    let mut end = file.seek(SeekFrom::End(0))?;
    let mut chunk = [0; 8 * 1024];
    let whole = loop {
        let start = end.saturating_sub(chunk.len() as u64);
        if start == end {
            break 0;
        }
        file.seek(SeekFrom::Start(start))?;
        let part = &mut chunk[..usize::try_from(end - start).unwrap_or_default()];
        file.read_exact(part)?;
        if let Some(at) = part.iter().rposition(|byte| *byte == b'\n') {
            break start + at as u64 + 1;
        }
        end = start;
    };
    if file.metadata()?.is_file() {
        file.set_len(whole)?;
    }
    file.seek(SeekFrom::End(0))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn write(path: &Path, open: Open, texts: &[&str]) {
        let mut sink = Sink::file(path, open).unwrap();
        for text in texts {
            sink.write(text.as_bytes()).await.unwrap();
        }
        sink.flush().await.unwrap();
    }

    #[tokio::test]
    async fn a_file_is_replaced_by_the_first_byte_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        std::fs::write(&path, "old and long").unwrap();
        write(&path, Open::Replace, &[]).await;
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old and long");
        write(&path, Open::Replace, &["new", "er"]).await;
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "newer");
        Sink::file(&path, Open::Replace).unwrap().finish().await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "", "an empty answer is an answer");
    }

    #[tokio::test]
    async fn appending_begins_on_a_line_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let long = "x".repeat(20_000);
        for (before, after) in [
            ("", "c\n".to_owned()),
            ("a\nb\n", "a\nb\nc\n".to_owned()),
            ("a\nto", "a\nc\n".to_owned()),
            ("torn", "c\n".to_owned()),
            (&format!("a\n{long}"), "a\nc\n".to_owned()),
            (&format!("{long}\n{long}"), format!("{long}\nc\n")),
        ] {
            std::fs::write(&path, before).unwrap();
            write(&path, Open::Append, &["c\n"]).await;
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
    }

    #[tokio::test]
    async fn what_cannot_be_opened_or_written_is_told() {
        let refused = Sink::file(Path::new("/nowhere/out"), Open::Replace).unwrap_err();
        assert!(refused.contains("/nowhere/out"), "{refused}");
        let mut full = Sink::file(Path::new("/dev/full"), Open::Replace).unwrap();
        full.write(b"x").await.unwrap();
        let told = full.flush().await.unwrap_err().to_string();
        assert!(told.contains("/dev/full") && told.contains("space"), "{told}");
    }
}

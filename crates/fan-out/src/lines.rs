//! Lines of a file or of standard input, one at a time, none of them longer than it may be.

use crate::args::Source;
use crate::error::Error;
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::Path;
use tokio::task::{JoinHandle, spawn_blocking};

/// So much is read at once.
const CHUNK: usize = 256 * 1024;

/// One line of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its number, from 1.
    pub line: u64,
    /// What it says, without its line end.
    pub text: Vec<u8>,
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Whole(Item),
    /// The line of this number has more bytes than it may have.
    TooLong(u64),
}

type Input = Box<dyn Read + Send>;

/// What a thread brings back: the input, the buffer, and how much is in it.
type Chunk = (Input, Vec<u8>, io::Result<usize>);

/// Reads in another thread, so that nothing waits for a slow pipe. A future of [`next`](Self::next) may be
/// dropped and nothing is lost.
pub(crate) struct Lines {
    place: String,
    longest: usize,
    /// Away while a thread reads, and after the end.
    input: Option<Input>,
    reading: Option<JoinHandle<Chunk>>,
    chunk: Vec<u8>,
    /// What of the chunk is still to be looked at.
    at: usize,
    filled: usize,
    /// Number of the line that is being read, or was read last.
    number: u64,
    state: State,
    text: Vec<u8>,
    seen: u64,
    total: Option<u64>,
}

/// Where within a line the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before it.
    Between,
    /// Within a line that is held.
    Held,
    /// Within a line that nobody wants.
    Unwanted,
    /// Within a line that has become too long to be held.
    TooLong,
}

/// Reads the lines of `bytes`.
pub(crate) async fn fuzz(bytes: Vec<u8>, longest: usize) -> Vec<Vec<u8>> {
    let mut lines = Lines::new(Box::new(io::Cursor::new(bytes)), longest);
    let mut found = Vec::new();
    while let Ok(Some(line)) = lines.next(|_| true).await {
        if let Line::Whole(item) = line {
            found.push(item.text);
        }
    }
    found
}

impl Lines {
    /// Lines of at most `longest` bytes.
    pub(crate) async fn open(source: &Source, longest: usize) -> Result<Self, Error> {
        let (input, total): (Input, _) = match source {
            Source::Stdin => (Box::new(io::stdin()), None),
            Source::File(path) => {
                let failed = |source| Error::Open { place: path.display().to_string(), source };
                let (file, total) = open_file(path).await.map_err(failed)?;
                (Box::new(file), total)
            }
        };
        let place = match source {
            Source::Stdin => "standard input".to_owned(),
            Source::File(path) => path.display().to_string(),
        };
        Ok(Self { place, total, ..Self::new(input, longest) })
    }

    pub(crate) fn new(input: Input, longest: usize) -> Self {
        Self {
            place: String::new(),
            longest,
            input: Some(input),
            reading: None,
            chunk: vec![0; CHUNK],
            at: 0,
            filled: 0,
            number: 0,
            state: State::Between,
            text: Vec::new(),
            seen: 0,
            total: None,
        }
    }

    /// The next line that is `wanted` and not blank; every line is asked for once. `None` at the end.
    pub(crate) async fn next(&mut self, mut wanted: impl FnMut(u64) -> bool) -> Result<Option<Line>, Error> {
        loop {
            if self.at == self.filled && !self.fill().await? {
                // The last line may lack its end.
                return Ok(if self.state == State::Between { None } else { self.end_line() });
            }
            if self.state == State::Between {
                self.number += 1;
                self.state = if wanted(self.number) { State::Held } else { State::Unwanted };
            }
            if self.advance()
                && let Some(line) = self.end_line()
            {
                return Ok(Some(line));
            }
        }
    }

    /// How much of the input has been used up, from 0 to 1, where its length is known.
    pub(crate) fn fraction(&self) -> Option<f64> {
        let total = self.total.filter(|total| *total > 0)?;
        #[allow(clippy::cast_precision_loss, reason = "for the eye")]
        Some((self.seen as f64 / total as f64).min(1.0))
    }

    /// What is wrong with a line that is too long.
    pub(crate) fn limit(&self) -> String {
        format!("it has more than {} bytes", self.longest)
    }

    /// Whether there is certainly no further line.
    pub(crate) fn is_at_end(&self) -> bool {
        let ended = self.input.is_none() && self.reading.is_none();
        self.at == self.filled && (ended || self.total == Some(self.seen))
    }

    /// Goes on to the end of the line or of the chunk; whether it was the line's.
    fn advance(&mut self) -> bool {
        let rest = &self.chunk[self.at..self.filled];
        let length = match self.state {
            State::Held => {
                // Room for a line end of two bytes.
                let room = self.longest.saturating_add(2) - self.text.len();
                let mut part = &rest[..rest.len().min(room)];
                // A slice in memory can always be read.
                part.read_until(b'\n', &mut self.text).unwrap_or_default()
            }
            State::Between | State::Unwanted | State::TooLong => {
                let mut part = rest;
                part.skip_until(b'\n').unwrap_or_default()
            }
        };
        let ended = length > 0 && rest[length - 1] == b'\n';
        self.at += length;
        self.seen += length as u64;
        if !ended && self.state == State::Held && self.text.len() > self.longest.saturating_add(1) {
            self.state = State::TooLong;
            self.text = Vec::new();
        }
        ended
    }

    /// What the line is that was just read.
    fn end_line(&mut self) -> Option<Line> {
        match std::mem::replace(&mut self.state, State::Between) {
            State::Between | State::Unwanted => None,
            State::TooLong => Some(Line::TooLong(self.number)),
            State::Held => {
                let mut text = std::mem::take(&mut self.text);
                if text.last() == Some(&b'\n') {
                    text.pop();
                    if text.last() == Some(&b'\r') {
                        text.pop();
                    }
                }
                if text.len() > self.longest {
                    Some(Line::TooLong(self.number))
                } else if text.trim_ascii().is_empty() {
                    None
                } else {
                    Some(Line::Whole(Item { line: self.number, text }))
                }
            }
        }
    }

    /// Reads the next chunk; whether there was one.
    async fn fill(&mut self) -> Result<bool, Error> {
        if self.reading.is_none() {
            let Some(mut input) = self.input.take() else { return Ok(false) };
            let mut chunk = std::mem::take(&mut self.chunk);
            self.reading = Some(spawn_blocking(move || {
                let read = loop {
                    match input.read(&mut chunk) {
                        Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                        read => break read,
                    }
                };
                (input, chunk, read)
            }));
        }
        let Some(reading) = &mut self.reading else { return Ok(false) };
        let read = reading.await;
        self.reading = None;
        let failed = |source| Error::Read { place: self.place.clone(), source, repeats: false };
        let (input, chunk, read) = read.map_err(|_| failed(io::Error::other("the reading broke off")))?;
        self.chunk = chunk;
        (self.at, self.filled) = (0, read.map_err(failed)?);
        if self.filled > 0 {
            self.input = Some(input);
        }
        Ok(self.filled > 0)
    }
}

/// A file and its length, where it has one. To open a pipe may take as long as the other side likes.
pub(crate) async fn open_file(path: &Path) -> io::Result<(File, Option<u64>)> {
    let path = path.to_owned();
    let opening = spawn_blocking(move || {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok((file, metadata.is_file().then_some(metadata.len())))
    });
    opening.await.map_err(|_| io::Error::other("the opening broke off"))?
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time.
    struct Drip(Vec<u8>, usize);

    impl Read for Drip {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0.drain(..count);
            Ok(count)
        }
    }

    /// Lines as `number:text`, or `number!` where they are too long.
    async fn read(input: &[u8], at_once: usize, longest: usize, wanted: fn(u64) -> bool) -> Vec<String> {
        let mut lines = Lines::new(Box::new(Drip(input.to_owned(), at_once)), longest);
        let mut found = Vec::new();
        while let Some(line) = lines.next(wanted).await.unwrap() {
            found.push(match line {
                Line::Whole(Item { line, text }) => format!("{line}:{}", String::from_utf8_lossy(&text)),
                Line::TooLong(line) => format!("{line}!"),
            });
            assert!(lines.text.capacity() <= 2 * (longest + 2), "no more is held than may be");
        }
        assert!(lines.is_at_end());
        found
    }

    #[tokio::test]
    async fn lines_and_their_ends() {
        for (input, expected) in [
            ("", &[][..]),
            ("\n", &[]),
            ("a", &["1:a"]),
            ("a\n", &["1:a"]),
            ("a\nb", &["1:a", "2:b"]),
            ("a\r\nb\r\n", &["1:a", "2:b"]),
            ("a\rb\r", &["1:a\rb\r"]),
            ("\n\n a \n \t \r\n\r\nb\n\n", &["3: a ", "6:b"]),
            ("1234\n12345\n", &["1:1234", "2:12345"]),
            ("123456\nb\n", &["1!", "2:b"]),
            ("12345\r\n123456\r\n1234567\r\n12345678\r\nb", &["1:12345", "2!", "3!", "4!", "5:b"]),
            ("a\n123456", &["1:a", "2!"]),
            ("a\n1234567890123", &["1:a", "2!"]),
            ("a\n12345\r", &["1:a", "2!"]),
        ] {
            for at_once in [1, 2, 3, 7, 1000] {
                assert_eq!(
                    read(input.as_bytes(), at_once, 5, |_| true).await,
                    expected,
                    "{input:?} {at_once}"
                );
            }
        }
    }

    #[tokio::test]
    async fn unwanted_lines_are_passed_over_unread() {
        for at_once in [1, 5, 1000] {
            let read =
                read(b"a\nlonger than five\n\nd\ne\nf", at_once, 5, |line| line > 3 && line != 5).await;
            assert_eq!(read, ["4:d", "6:f"]);
        }
    }

    #[tokio::test]
    async fn bytes_are_handed_on_as_they_are() {
        let mut lines = Lines::new(Box::new(&[0xff, 0, b'\n'][..]), 5);
        let line = lines.next(|_| true).await.unwrap();
        assert_eq!(line, Some(Line::Whole(Item { line: 1, text: vec![0xff, 0] })));
    }

    #[tokio::test]
    async fn a_dropped_future_loses_nothing() {
        let mut lines = Lines::new(Box::new(Drip(b"one\ntwo\nthree".to_vec(), 1)), 5);
        let mut asked = Vec::new();
        let mut found = Vec::new();
        loop {
            let next = lines.next(|line| {
                asked.push(line);
                true
            });
            tokio::select! {
                biased;
                line = next => match line.unwrap() {
                    Some(line) => found.push(line),
                    None => break,
                },
                () = tokio::task::yield_now() => {}
            }
        }
        assert_eq!((found.len(), asked), (3, vec![1, 2, 3]));
    }

    #[tokio::test]
    async fn a_file_has_a_length_and_a_folder_has_no_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in");
        std::fs::write(&path, "ab\ncd\n").unwrap();
        let mut lines = Lines::open(&Source::File(path), 5).await.unwrap();
        assert_eq!((lines.fraction(), lines.is_at_end()), (Some(0.0), false));
        lines.next(|_| true).await.unwrap();
        assert_eq!((lines.fraction(), lines.is_at_end()), (Some(0.5), false));
        lines.next(|_| true).await.unwrap();
        assert_eq!((lines.fraction(), lines.is_at_end()), (Some(1.0), true));
        for path in [folder.path().to_owned(), folder.path().join("no")] {
            let place = path.display().to_string();
            let told = Lines::open(&Source::File(path), 5).await.err().unwrap().to_string();
            assert!(told.contains(&place), "{told}");
        }
    }

    #[tokio::test]
    async fn what_breaks_in_the_middle_is_told() {
        struct Broken(bool);
        impl Read for Broken {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                if std::mem::replace(&mut self.0, true) {
                    return Err(io::Error::other("disk"));
                }
                buffer[..4].copy_from_slice(b"a\nb\n");
                Ok(4)
            }
        }
        let mut lines = Lines::new(Box::new(Broken(false)), 5);
        assert!(lines.next(|_| true).await.unwrap().is_some());
        assert!(lines.next(|_| true).await.unwrap().is_some());
        assert!(matches!(lines.next(|_| true).await, Err(Error::Read { .. })));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            cases: 500,
            rng_seed: proptest::test_runner::RngSeed::Fixed(8),
            failure_persistence: None,
            ..Default::default()
        })]

        /// The same lines come of any bytes, however they arrive.
        #[test]
        fn any_bytes_are_the_lines_that_split_finds(
            input in proptest::collection::vec(
                proptest::prop_oneof![proptest::sample::select(&b"\n\r \t{}\""[..]), proptest::num::u8::ANY],
                0..80,
            ),
            at_once in 1_usize..90,
            longest in 1_usize..20,
        ) {
            // A carriage return belongs to the end of a line, where it has one.
            let text = |line: &[u8]| match line.strip_suffix(b"\n") {
                Some(line) => line.strip_suffix(b"\r").unwrap_or(line).to_vec(),
                None => line.to_vec(),
            };
            let told = |(line, number): (Vec<u8>, u64)| match line.len() {
                length if length > longest => format!("{number}!"),
                _ => format!("{number}:{}", String::from_utf8_lossy(&line)),
            };
            let lines = input.split_inclusive(|byte| *byte == b'\n').map(text).zip(1..);
            let blank = |line: &[u8]| line.len() <= longest && line.iter().all(u8::is_ascii_whitespace);
            let expected: Vec<String> = lines.filter(|(line, _)| !blank(line)).map(told).collect();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            assert_eq!(runtime.block_on(read(&input, at_once, longest, |_| true)), expected);
        }
    }
}

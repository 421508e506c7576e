//! The options of a batch.

use crate::error::Error;
use crate::selection::Shard;
use job_runtime::{Open, Sink};
use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The longest line where a binary names none.
const LONGEST_LINE: usize = 6 * 1024 * 1024;

/// Options of a batch, to be flattened. Their ids are the names of the options with underscores: `batch`,
/// `concurrency`, `max_failures`, `resume`, `shard`, `shard_count`.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
#[allow(clippy::doc_markdown, reason = "the comments are the help text, where backticks would show")]
#[command(next_help_heading = "Batch")]
pub struct BatchArgs {
    /// A file of JSON Lines, one call a line; "-" is standard input
    ///
    /// Answers are JSON Lines in the order of the input: {"line":7,"status":"ok","payload":…}. A line that fails is
    /// in the answers and decides the exit code. What was throttled is sent again, by all calls together less
    /// often.
    #[arg(long, env = "BATCH_FILE", value_name = "FILE", value_parser = source)]
    batch: Option<Source>,

    /// At most so many calls in flight
    ///
    /// An answer waits for those of earlier lines: at most four times so many lines, and 32 MiB of answers, lie
    /// between the oldest line without an answer and the newest that was taken. Each call in flight takes the memory
    /// of its line and about three times that of its answer.
    #[arg(
        long,
        env = "BATCH_CONCURRENCY",
        value_name = "N",
        default_value_t = 16,
        requires = "batch",
        value_parser = clap::value_parser!(u16).range(1..=1024)
    )]
    concurrency: u16,

    /// Take no more lines once so many have failed
    #[arg(
        long,
        env = "BATCH_MAX_FAILURES",
        value_name = "N",
        requires = "batch",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    max_failures: Option<u64>,

    /// Responses of an earlier run: lines that are "ok" there are skipped
    ///
    /// It may be the file that the responses go to, which is then appended to. A file that does not exist yet is a
    /// first run. A response belongs to its line by the digest of the line and of what it was sent to, wherever the line
    /// stands: lines of another file, or for another function or endpoint, are sent. A line that was last seen "unknown"
    /// may have run. It is not sent again, and the batch ends with exit code 80, unless --repeatable is given.
    #[arg(long, env = "BATCH_RESUME", value_name = "FILE", requires = "batch")]
    resume: Option<PathBuf>,

    /// Take only this share of the lines, from 0; auto takes JOB_COMPLETION_INDEX of an Indexed Job
    #[arg(
        long,
        env = "BATCH_SHARD",
        value_name = "auto|INDEX",
        requires_all = ["batch", "shard_count"],
        value_parser = shard_index
    )]
    shard: Option<ShardIndex>,

    /// Number of shares
    #[arg(
        long,
        env = "BATCH_SHARD_COUNT",
        value_name = "N",
        requires_all = ["batch", "shard"],
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    shard_count: Option<u64>,
}

impl BatchArgs {
    /// The batch, where one was asked for.
    ///
    /// # Errors
    /// There is no such shard, as a sentence for the user.
    pub fn into_batch(self) -> Result<Option<Batch>, String> {
        let Self { batch, concurrency, max_failures, resume, shard, shard_count } = self;
        let Some(source) = batch else { return Ok(None) };
        let shard = shard.zip(shard_count);
        if let Some((ShardIndex::Fixed(index), count)) = shard
            && Shard::new(index, count).is_none()
        {
            return Err(Error::NoSuchShard { index, count }.to_string());
        }
        if let Source::File(path) = &source
            && let Some(problem) = unreadable(path)
        {
            return Err(format!("--batch {}: {problem}", path.display()));
        }
        let concurrency = concurrency.into();
        Ok(Some(Batch {
            source,
            concurrency,
            max_failures,
            resume,
            shard,
            longest_line: LONGEST_LINE,
            has_expect: false,
        }))
    }
}

/// What [`run`](crate::run) works through.
#[derive(Clone, Debug)]
pub struct Batch {
    pub(crate) source: Source,
    pub(crate) concurrency: usize,
    pub(crate) max_failures: Option<u64>,
    pub(crate) resume: Option<PathBuf>,
    shard: Option<(ShardIndex, u64)>,
    pub(crate) longest_line: usize,
    pub(crate) has_expect: bool,
}

impl Batch {
    /// The same batch for a service that takes lines of at most so many bytes; without it, 6 MiB. A longer line is
    /// answered `usage` and never held in memory.
    #[must_use]
    pub fn longest_line(self, bytes: usize) -> Self {
        Self { longest_line: bytes, ..self }
    }

    /// The same batch with a condition on each response. Where it could not be evaluated on a response of an earlier run, the
    /// call is not made again, and the run does not end with 0.
    #[must_use]
    pub fn with_expect(self, has_expect: bool) -> Self {
        Self { has_expect, ..self }
    }

    /// Where the answers go: a file, else stdout. A file is appended to where it is the one of `--resume`, whose
    /// answers would be lost otherwise.
    ///
    /// # Errors
    /// It cannot be opened, or it is the file of the lines: a batch would then read its own answers.
    pub fn sink(&self, answers: Option<&Path>) -> Result<Sink, String> {
        let place = answers.unwrap_or_else(|| Path::new("/dev/stdout"));
        if let Source::File(lines) = &self.source
            && is_same(lines, place)
        {
            return Err(format!(
                "the answers would go into {}, the file that --batch reads",
                lines.display()
            ));
        }
        let Some(path) = answers else { return Ok(Sink::stdout()) };
        Sink::file(path, self.mode(path))
    }

    fn mode(&self, answers: &Path) -> Open {
        let resumes =
            self.resume.as_deref().is_some_and(|resume| resume == answers || is_same(resume, answers));
        if resumes { Open::Append } else { Open::Replace }
    }

    /// Which share of the lines is taken; `completion_index` is that of an Indexed Job.
    pub(crate) fn shard(&self, completion_index: Option<&str>) -> Result<Shard, Error> {
        let Some((index, count)) = self.shard else { return Ok(Shard::WHOLE) };
        let index = match index {
            ShardIndex::Fixed(index) => index,
            ShardIndex::Auto => {
                let given = completion_index.ok_or(Error::NoCompletionIndex)?;
                given.parse().map_err(|_| Error::BadCompletionIndex { given: given.to_owned() })?
            }
        };
        Shard::new(index, count).ok_or(Error::NoSuchShard { index, count })
    }

    /// The file of the lines, where it can be read twice.
    pub(crate) fn regular_file(&self) -> Option<&Path> {
        match &self.source {
            Source::File(path) if path.metadata().is_ok_and(|found| found.is_file()) => Some(path),
            Source::File(_) | Source::Stdin => None,
        }
    }
}

/// Why the lines cannot be read, as far as can be seen without opening: a pipe waits for its writer.
fn unreadable(path: &Path) -> Option<String> {
    match path.metadata() {
        Ok(found) if found.is_dir() => Some("it is a directory".to_owned()),
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}

/// Whether two paths lead to one file. What is not there is no file, and a pipe or a terminal is never read back.
fn is_same(one: &Path, other: &Path) -> bool {
    let file = |path: &Path| path.metadata().ok().filter(Metadata::is_file).map(|it| (it.dev(), it.ino()));
    file(one).is_some_and(|one| file(other) == Some(one))
}

/// Where the lines come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Stdin,
    File(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("from standard input"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

fn source(text: &str) -> Result<Source, &'static str> {
    match text {
        "" => Err("a file name is missing"),
        "-" => Ok(Source::Stdin),
        path => Ok(Source::File(path.into())),
    }
}

/// `--shard`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ShardIndex {
    Auto,
    Fixed(u64),
}

fn shard_index(text: &str) -> Result<ShardIndex, &'static str> {
    if text == "auto" {
        return Ok(ShardIndex::Auto);
    }
    text.parse().map(ShardIndex::Fixed).map_err(|_| "it is a number from 0, or auto")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        batch: BatchArgs,
    }

    fn parse(line: &str) -> Result<Option<Batch>, String> {
        let args = ["test"].into_iter().chain(line.split_whitespace());
        Cli::try_parse_from(args).map_err(|err| err.to_string())?.batch.into_batch()
    }

    fn batch(line: &str) -> Batch {
        parse(line).unwrap().unwrap()
    }

    #[test]
    fn without_batch_there_is_none_and_nothing_else_is_taken() {
        assert!(parse("").unwrap().is_none());
        for line in ["--concurrency 2", "--max-failures 1", "--resume f", "--shard 0 --shard-count 2"] {
            let told = parse(line).unwrap_err();
            assert!(told.contains("--batch"), "{line}: {told}");
        }
    }

    #[test]
    fn values_and_their_ranges() {
        let default = batch("--batch Cargo.toml");
        assert_eq!((default.concurrency, default.max_failures), (16, None));
        assert_eq!(default.source, Source::File("Cargo.toml".into()));
        let all = batch("--batch - --concurrency 1024 --max-failures 3 --resume out");
        assert_eq!((all.source, all.concurrency, all.max_failures), (Source::Stdin, 1024, Some(3)));
        assert_eq!(all.resume, Some("out".into()));
        for line in [
            "--concurrency 0",
            "--concurrency 1025",
            "--max-failures 0",
            "--shard 1",
            "--shard-count 2",
            "--shard -1 --shard-count 2",
            "--shard x --shard-count 2",
            "--shard 0 --shard-count 0",
        ] {
            assert!(parse(&format!("--batch - {line}")).is_err(), "{line}");
        }
    }

    #[test]
    fn earlier_answers_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let batch = batch(&format!("--batch - --resume {}", path.display()));
        let other_name =
            folder.path().join(".").join("..").join(folder.path().file_name().unwrap()).join("out");
        assert_eq!(batch.mode(&path), Open::Append, "it is not there yet");
        std::fs::write(&path, "").unwrap();
        for (answers, open) in [
            (&path, Open::Append),
            (&other_name, Open::Append),
            (&folder.path().join("other"), Open::Replace),
        ] {
            assert_eq!(batch.mode(answers), open, "{}", answers.display());
        }
        assert_eq!(self::batch("--batch -").mode(&path), Open::Replace);
    }

    #[test]
    fn a_batch_does_not_read_its_own_answers() {
        let folder = tempfile::tempdir().unwrap();
        let (lines, link) = (folder.path().join("lines"), folder.path().join("link"));
        std::fs::write(&lines, "1\n").unwrap();
        std::fs::hard_link(&lines, &link).unwrap();
        let batch = batch(&format!("--batch {}", lines.display()));
        for answers in [&lines, &link] {
            assert!(batch.sink(Some(answers)).unwrap_err().contains("the file that --batch reads"));
        }
        assert!(batch.sink(Some(&folder.path().join("other"))).is_ok() && batch.sink(None).is_ok());
        assert_eq!(std::fs::read_to_string(&lines).unwrap(), "1\n");
    }

    #[test]
    fn lines_that_cannot_be_read_are_told_at_once() {
        let folder = tempfile::tempdir().unwrap();
        for (path, problem) in
            [(folder.path().join("none"), "No such file"), (folder.path().to_owned(), "directory")]
        {
            let told = parse(&format!("--batch {}", path.display())).unwrap_err();
            assert!(told.contains(problem), "{told}");
        }
    }

    #[test]
    fn shards() {
        let takes = |line: &str, index: Option<&str>| {
            let batch = parse(line)?.expect("a batch");
            let shard = batch.shard(index).map_err(|err| err.to_string())?;
            Ok::<_, String>((1..=6).filter(|line| shard.holds(*line)).collect::<Vec<u64>>())
        };
        assert_eq!(takes("--batch -", Some("1")), Ok(vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(takes("--batch - --shard 1 --shard-count 3", Some("0")), Ok(vec![2, 5]));
        assert_eq!(takes("--batch - --shard auto --shard-count 4", Some("0")), Ok(vec![1, 5]));
        let missing = takes("--batch - --shard auto --shard-count 4", None).unwrap_err();
        assert!(missing.contains("JOB_COMPLETION_INDEX") && missing.contains("Indexed Job"), "{missing}");
        let odd = takes("--batch - --shard auto --shard-count 4", Some("x")).unwrap_err();
        assert!(odd.contains("JOB_COMPLETION_INDEX"), "{odd}");
        for (line, index) in
            [("--shard 3 --shard-count 3", None), ("--shard auto --shard-count 3", Some("3"))]
        {
            let beyond = takes(&format!("--batch - {line}"), index).unwrap_err();
            assert!(beyond.contains("shard 3") && beyond.contains("0 to 2"), "{beyond}");
        }
    }
}

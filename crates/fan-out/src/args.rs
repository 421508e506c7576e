//! The options of a batch.

use crate::error::Error;
use crate::selection::{Selection, Shard};
use job_runtime::Open;
use std::fmt;
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
    /// A JSON Lines file, one call a line; "-" is standard input
    ///
    /// Answers are JSON Lines in the order of the input: {"line":7,"status":"ok","payload":…}. A line that fails is
    /// in the answers and decides the exit code. What was throttled is sent again, by all calls together less
    /// often.
    #[arg(long, env = "BATCH_FILE", value_name = "FILE|-", value_parser = source)]
    batch: Option<Source>,

    /// At most so many calls in flight
    ///
    /// An answer waits for those of earlier lines: at most four times so many lines, and 32 MiB of answers, lie
    /// between the oldest line without an answer and the newest that was taken.
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

    /// Answers of an earlier run: lines that are "ok" there are skipped
    ///
    /// It may be the file that the answers go to, which is then appended to. A file that does not exist yet is a
    /// first run.
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
        let concurrency = concurrency.into();
        Ok(Some(Batch { source, concurrency, max_failures, resume, shard, longest_line: LONGEST_LINE }))
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
}

impl Batch {
    /// The same batch for a service that takes lines of at most so many bytes; without it, 6 MiB. A longer line is
    /// answered `usage` and never held in memory.
    #[must_use]
    pub fn longest_line(self, bytes: usize) -> Self {
        Self { longest_line: bytes, ..self }
    }

    /// How to open the file that the answers go to: it is appended to where it is the one of `--resume`, whose
    /// answers would be lost otherwise.
    pub fn open(&self, answers: &Path) -> Open {
        let same = |resume: &Path| match (resume.canonicalize(), answers.canonicalize()) {
            (Ok(resume), Ok(answers)) => resume == answers,
            // What is not there has nothing to lose.
            _ => resume == answers,
        };
        if self.resume.as_deref().is_some_and(same) { Open::Append } else { Open::Replace }
    }

    /// Which lines are taken; `completion_index` is that of an Indexed Job.
    pub(crate) fn selection(&self, completion_index: Option<&str>) -> Result<Selection, Error> {
        let Some((index, count)) = self.shard else { return Ok(Selection::new(Shard::WHOLE)) };
        let index = match index {
            ShardIndex::Fixed(index) => index,
            ShardIndex::Auto => {
                let given = completion_index.ok_or(Error::NoCompletionIndex)?;
                given.parse().map_err(|_| Error::BadCompletionIndex { given: given.to_owned() })?
            }
        };
        let shard = Shard::new(index, count).ok_or(Error::NoSuchShard { index, count })?;
        Ok(Selection::new(shard))
    }
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
        let default = batch("--batch in.jsonl");
        assert_eq!((default.concurrency, default.max_failures), (16, None));
        assert_eq!(default.source, Source::File("in.jsonl".into()));
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
            assert!(parse(&format!("--batch in {line}")).is_err(), "{line}");
        }
    }

    #[test]
    fn earlier_answers_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let batch = batch(&format!("--batch in --resume {}", path.display()));
        let other_name =
            folder.path().join(".").join("..").join(folder.path().file_name().unwrap()).join("out");
        assert_eq!(batch.open(&path), Open::Append, "it is not there yet");
        std::fs::write(&path, "").unwrap();
        for (answers, open) in [
            (&path, Open::Append),
            (&other_name, Open::Append),
            (&folder.path().join("other"), Open::Replace),
        ] {
            assert_eq!(batch.open(answers), open, "{}", answers.display());
        }
        assert_eq!(self::batch("--batch in").open(&path), Open::Replace);
    }

    #[test]
    fn shards() {
        let takes = |line: &str, index: Option<&str>| {
            let batch = parse(line)?.expect("a batch");
            let mut selection = batch.selection(index).map_err(|err| err.to_string())?;
            Ok::<_, String>((1..=6).filter(|line| selection.takes(*line)).collect::<Vec<u64>>())
        };
        assert_eq!(takes("--batch in", Some("1")), Ok(vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(takes("--batch in --shard 1 --shard-count 3", Some("0")), Ok(vec![2, 5]));
        assert_eq!(takes("--batch in --shard auto --shard-count 4", Some("0")), Ok(vec![1, 5]));
        let missing = takes("--batch in --shard auto --shard-count 4", None).unwrap_err();
        assert!(missing.contains("JOB_COMPLETION_INDEX") && missing.contains("Indexed Job"), "{missing}");
        let odd = takes("--batch in --shard auto --shard-count 4", Some("x")).unwrap_err();
        assert!(odd.contains("JOB_COMPLETION_INDEX"), "{odd}");
        for (line, index) in
            [("--shard 3 --shard-count 3", None), ("--shard auto --shard-count 3", Some("3"))]
        {
            let beyond = takes(&format!("--batch in {line}"), index).unwrap_err();
            assert!(beyond.contains("shard 3") && beyond.contains("0 to 2"), "{beyond}");
        }
    }
}

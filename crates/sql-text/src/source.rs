//! Where SQL comes from: options, files, standard input, the folder of a `ConfigMap`.

use std::fs;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use job_runtime::input::{self, InputParser};

use crate::lexer::Dialect;
use crate::statement::{Fault, Statement, split};

/// One place to take SQL from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `--sql`.
    Text(String),
    /// `--sql-file`; `-` is standard input.
    File(String),
    /// `--sql-dir`.
    Folder(PathBuf),
}

impl Source {
    /// The sources that the options `sql`, `sql_file` and `sql_dir` name, in the order in which they stand on the command
    /// line. Variables count where there is none.
    fn in_order(matches: &ArgMatches) -> Vec<Self> {
        let mut sources = Self::that_came(ValueSource::CommandLine, matches);
        sources.sort_by_key(|(place, _)| *place);
        if sources.is_empty() {
            sources = Self::that_came(ValueSource::EnvVariable, matches);
        }
        sources.into_iter().map(|(_, source)| source).collect()
    }

    /// Those among `matches` that came `from` there, with their places.
    fn that_came(from: ValueSource, matches: &ArgMatches) -> Vec<(usize, Self)> {
        let there = |id: &str| matches.value_source(id) == Some(from);
        let places = |id: &str| matches.indices_of(id).into_iter().flatten();
        let mut sources = Vec::new();
        for (id, kind) in [("sql", Self::Text as fn(String) -> Self), ("sql_file", Self::File)] {
            let values = matches.get_many::<String>(id).into_iter().flatten().cloned().map(kind);
            sources.extend(places(id).zip(values).filter(|_| there(id)));
        }
        let folders = matches.get_many::<PathBuf>("sql_dir").into_iter().flatten().cloned().map(Self::Folder);
        sources.extend(places("sql_dir").zip(folders).filter(|_| there("sql_dir")));
        sources
    }
}

/// The sources of SQL in their order, as clap's `Args`: `A` declares the options `sql`, `sql_file` and `sql_dir`, with the
/// names and variables of its binary.
#[derive(Debug)]
pub struct Sources<A> {
    /// As they stand on the command line, or in the variables where none stands there.
    pub list: Vec<Source>,
    options: PhantomData<A>,
}

impl<A> Default for Sources<A> {
    fn default() -> Self {
        Self { list: Vec::new(), options: PhantomData }
    }
}

impl<A> FromArgMatches for Sources<A> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self { list: Source::in_order(matches), options: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<A: Args> Args for Sources<A> {
    fn augment_args(command: Command) -> Command {
        A::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        A::augment_args_for_update(command)
    }
}

/// Parses the value of `--sql`; a file that is named as in the AWS CLI may have `longest` bytes.
pub fn sql_value(longest: usize) -> InputParser<String> {
    input::value(longest, |bytes| input::utf_8(bytes).map(str::to_owned))
}

/// Reads the statements of all sources, in their order. A file may have `longest` bytes.
///
/// # Errors
/// Whatever is wrong with one of them.
pub fn read(sources: &[Source], dialect: Dialect, longest: usize) -> Result<Vec<Statement>, Fault> {
    let is_stdin = |source: &&Source| matches!(source, Source::File(path) if path == "-");
    if sources.iter().filter(is_stdin).count() > 1 {
        return Err(Fault::Unreadable("standard input can be read once: give --sql-file - once".to_owned()));
    }
    let mut statements = Vec::new();
    for source in sources {
        match source {
            Source::Text(text) => statements.extend(split(text, "--sql", dialect)?),
            Source::File(path) => statements.extend(file(path, dialect, longest)?),
            Source::Folder(folder) => {
                for path in files(folder).map_err(Fault::Unreadable)? {
                    statements.extend(file(&path.to_string_lossy(), dialect, longest)?);
                }
            }
        }
    }
    Ok(statements)
}

fn file(path: &str, dialect: Dialect, longest: usize) -> Result<Vec<Statement>, Fault> {
    let (place, name) = match path {
        "-" => ("standard input", "standard input"),
        path => (path, Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or(path)),
    };
    let failed = |error| Fault::Unreadable(format!("could not read {place}: {error}"));
    let text = input::text(path, longest).map_err(failed)?;
    split(&text, name, dialect)
}

/// The files of a folder, in the order of their names. A mounted `ConfigMap` has its files as links into `..data`, a
/// link of its own: what begins with a dot is not the user's.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error: std::io::Error| format!("could not read the folder {}: {error}", folder.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        // Through the link.
        if !hidden && fs::metadata(entry.path()).map_err(failed)?.is_file() {
            paths.push(entry.path());
        }
    }
    if paths.is_empty() {
        return Err(format!("there is no file in the folder {}", folder.display()));
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_config_map_is_read_in_the_order_of_names() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("..2026_11_24");
        fs::create_dir(&data).unwrap();
        for (name, text) in
            [("20-second.sql", "select 2"), ("10-first.sql", "select 1; select 11"), (".swp", "x")]
        {
            fs::write(data.join(name), text).unwrap();
        }
        symlink(&data, folder.path().join("..data")).unwrap();
        for name in ["20-second.sql", "10-first.sql", ".swp"] {
            symlink(Path::new("..data").join(name), folder.path().join(name)).unwrap();
        }
        fs::create_dir(folder.path().join("15-folder")).unwrap();
        let sources = [Source::Text("select 0".to_owned()), Source::Folder(folder.path().to_owned())];
        let statements = read(&sources, Dialect::Redshift, 100).unwrap();
        let told: Vec<String> =
            statements.iter().map(|statement| format!("{} @ {}", statement.sql, statement.origin)).collect();
        let expected = [
            "select 0 @ --sql line 1",
            "select 1 @ 10-first.sql line 1",
            "select 11 @ 10-first.sql line 1",
            "select 2 @ 20-second.sql line 1",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let empty = tempfile::tempdir().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let long = folder.path().join("long.sql");
        fs::write(&long, "select 1").unwrap();
        let stdin = Source::File("-".to_owned());
        for (sources, expected) in [
            (vec![Source::File("/nowhere/a.sql".to_owned())], "could not read /nowhere/a.sql: No such file"),
            (vec![Source::Folder("/nowhere".into())], "could not read the folder /nowhere"),
            (vec![Source::Folder(empty.path().to_owned())], "there is no file"),
            (vec![stdin.clone(), stdin], "once"),
            (vec![Source::File(long.to_str().unwrap().to_owned())], "long.sql: it has more than 3 bytes"),
        ] {
            let error = read(&sources, Dialect::PostgreSql, 3).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}

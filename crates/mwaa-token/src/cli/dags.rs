//! Options of `dags`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::dags::{Dags, Upload};

/// Names of folders and files that no scheduler reads.
const LEFT_OUT: [&str; 2] = ["__pycache__", "node_modules"];

#[derive(Debug, Subcommand)]
#[allow(clippy::doc_markdown, reason = "the comments are the help text, where backticks would show")]
pub(super) enum DagsArgs {
    /// List the files
    #[command(after_help = "\
Examples:
  mwaa-token dags list --environment-name data --output text")]
    List(ListArgs),
    /// Upload files, and directories with all that is in them; what is there already is replaced
    #[command(after_help = "\
Examples:
  mwaa-token dags upload --environment-name data dags/nightly.py --into team")]
    Upload(UploadArgs),
    /// Delete files; S3 says the same of one that is not there
    #[command(after_help = "\
Examples:
  mwaa-token dags delete --environment-name data team/nightly.py")]
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct ListArgs {
    /// Only files whose paths begin with this
    #[arg(env = "MWAA_DAGS_PREFIX", value_name = "PREFIX", value_parser = name, default_value = "", hide_default_value = true)]
    prefix: String,
}

#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct UploadArgs {
    /// Files and directories of this machine; hidden ones, __pycache__ and the like are left out of a directory
    #[arg(required = true, env = "MWAA_DAGS_FILES", value_delimiter = ',', value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Path below the DAG folder to put them into
    #[arg(
        long,
        env = "MWAA_DAGS_INTO",
        value_name = "PATH",
        value_parser = name,
        default_value = "",
        hide_default_value = true
    )]
    into: String,
}

#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct DeleteArgs {
    /// Paths below the DAG folder, as list shows them
    #[arg(
        required = true,
        env = "MWAA_DAGS_NAMES",
        value_delimiter = ',',
        value_name = "PATH",
        value_parser = file_name
    )]
    names: Vec<String>,
}

impl DagsArgs {
    pub(super) fn into_dags(self) -> Result<Dags, String> {
        match self {
            Self::List(args) => Ok(Dags::List(args.prefix)),
            Self::Delete(args) => Ok(Dags::Delete(args.names)),
            Self::Upload(args) => {
                let mut uploads = Vec::new();
                for file in &args.files {
                    let name = file.file_name().and_then(|name| name.to_str());
                    let metadata = fs::metadata(file).map_err(|error| unreadable(file, &error))?;
                    match name {
                        // `.` and the like: what is in it, not itself.
                        None if metadata.is_dir() => collect(file, &args.into, &mut uploads)?,
                        None => return Err(format!("{} has no name in UTF-8", file.display())),
                        Some(name) if metadata.is_dir() => {
                            collect(file, &joined(&args.into, name), &mut uploads)?;
                        }
                        Some(name) => {
                            uploads.push(Upload { file: file.clone(), name: joined(&args.into, name) });
                        }
                    }
                }
                if uploads.is_empty() {
                    return Err("there is no file to upload in what was given".to_owned());
                }
                Ok(Dags::Upload(uploads))
            }
        }
    }
}

/// All files below a folder, in the order of their names.
fn collect(folder: &Path, into: &str, uploads: &mut Vec<Upload>) -> Result<(), String> {
    let read = || fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>();
    let mut entries = read().map_err(|error| unreadable(folder, &error))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let Ok(name) = entry.file_name().into_string() else {
            return Err(format!("{} has no name in UTF-8", path.display()));
        };
        if name.starts_with('.') || LEFT_OUT.contains(&name.as_str()) {
            continue;
        }
        let name = joined(into, &name);
        if fs::metadata(&path).map_err(|error| unreadable(&path, &error))?.is_dir() {
            collect(&path, &name, uploads)?;
        } else {
            uploads.push(Upload { file: path, name });
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> String {
    format!("could not read {}: {error}", path.display())
}

fn joined(folder: &str, name: &str) -> String {
    match folder.trim_end_matches('/') {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    }
}

/// A path below the DAG folder: none that leads out of it.
fn name(text: &str) -> Result<String, &'static str> {
    let leads_out = text.starts_with('/') || text.split('/').any(|part| matches!(part, "." | ".."));
    if leads_out {
        Err("it is a path below the DAG folder, without a slash in front")
    } else {
        Ok(text.to_owned())
    }
}

fn file_name(text: &str) -> Result<String, &'static str> {
    match name(text)? {
        name if name.is_empty() || name.ends_with('/') => Err("it is the path of a file"),
        name => Ok(name),
    }
}

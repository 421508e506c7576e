//! `dags`: the files in the folder that an environment takes its DAGs from.

use std::path::PathBuf;

use aws_wire::s3::{Condition, Location, S3};
use job_runtime::{CallError, Context, Output, Report, json};
use serde::Serialize;

use crate::error::Error;
use crate::mwaa::{GET, Mwaa};

/// What to do with the folder.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Dags {
    /// Show what is in it, below a prefix.
    List(String),
    /// Put files into it.
    Upload(Vec<Upload>),
    /// Take files out of it.
    Delete(Vec<String>),
}

/// A file to upload, read when its turn comes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Upload {
    pub(crate) file: PathBuf,
    /// Its place in the folder.
    pub(crate) name: String,
}

/// A file of the folder.
#[derive(Debug, Serialize)]
struct File {
    name: String,
    size: Option<u64>,
    last_modified: Option<String>,
}

/// The result.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    /// `s3://bucket/folder`.
    folder: String,
    /// What was done: `listed`, `uploaded`, `deleted`.
    #[serde(skip)]
    done: &'a str,
    files: Vec<File>,
}

impl Shown<'_> {
    fn report(&self, output: Output) -> Report {
        Report::ok(match output {
            Output::Json => json(&serde_json::json!({ "folder": self.folder, self.done: self.files })),
            Output::Text => self.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>().join("\n"),
        })
    }
}

/// Does it. A run that ends in the middle has done what its log tells; both uploads and deletions may be done again.
pub(crate) async fn dags(
    mwaa: &Mwaa<'_>,
    dags: &Dags,
    output: Output,
    ctx: &Context,
) -> Result<Report, Error> {
    let folder = folder(mwaa, ctx).await?;
    let s3 = S3::new(ctx.sdk_config());
    let shown = |done, files| Shown { folder: folder.to_string(), done, files };
    let shown = match dags {
        Dags::List(prefix) => {
            // The folder's own slash: dags-old is no part of dags.
            let below = folder.join(prefix);
            let listed = s3.list(&below).await.map_err(|source| Error::folder(&folder, source))?;
            let beginning = folder.join("").key;
            let file = |listed: aws_wire::s3::Listed| {
                let name = listed.key.strip_prefix(&beginning)?.to_owned();
                let (size, last_modified) = (Some(listed.size), Some(listed.last_modified));
                // The console makes empty objects of folders.
                (!name.is_empty() && !name.ends_with('/')).then_some(File { name, size, last_modified })
            };
            shown("listed", listed.into_iter().filter_map(file).collect())
        }
        Dags::Upload(uploads) => {
            let mut files = Vec::new();
            for Upload { file, name } in uploads {
                if ctx.is_cancelled() {
                    return Err(cut_short(ctx));
                }
                let bytes = tokio::fs::read(file)
                    .await
                    .map_err(|source| Error::File { file: file.clone(), source })?;
                let size = u64::try_from(bytes.len()).ok();
                let at = folder.join(name);
                let put = s3.put(&at, "application/octet-stream", bytes, &Condition::Always).await;
                put.map_err(|source| Error::folder(&at, source))?;
                tracing::info!(file = %at, size, "uploaded");
                files.push(File { name: name.clone(), size, last_modified: None });
            }
            shown("uploaded", files)
        }
        Dags::Delete(names) => {
            let mut files = Vec::new();
            for name in names {
                if ctx.is_cancelled() {
                    return Err(cut_short(ctx));
                }
                let at = folder.join(name);
                s3.delete(&at).await.map_err(|source| Error::folder(&at, source))?;
                tracing::info!(file = %at, "deleted");
                files.push(File { name: name.clone(), size: None, last_modified: None });
            }
            shown("deleted", files)
        }
    };
    Ok(shown.report(output))
}

/// A signal between two files.
fn cut_short(ctx: &Context) -> Error {
    ctx.interrupted("what is done is in the log").into()
}

/// Where the environment takes its DAGs from.
pub(crate) async fn folder(mwaa: &Mwaa<'_>, ctx: &Context) -> Result<Location, Error> {
    let environment = mwaa.describe().await.map_err(|source| Error::environment(mwaa.name, ctx, source))?;
    match (environment.bucket, environment.dag_folder) {
        (Some(bucket), Some(folder)) => {
            let unusable = || {
                let problem = "its SourceBucketArn does not name a bucket";
                Error::environment(mwaa.name, ctx, CallError::unusable(GET, problem))
            };
            Location::new(&bucket, folder.trim_matches('/')).ok_or_else(unusable)
        }
        _ => Err(Error::NoFolder { name: mwaa.name.to_owned() }),
    }
}

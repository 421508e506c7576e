//! The options of `train`.

use clap::Args;

use crate::fields;
use crate::train::{NAMELESS, Request, Spec};

/// Options of `train`.
#[derive(Debug, Args)]
#[group(skip)]
#[allow(clippy::doc_markdown, reason = "the comments are the help text, where backticks would show")]
#[command(next_help_heading = "Training job")]
pub(super) struct TrainArgs {
    /// A file with the job's specification; "-" is standard input
    ///
    /// The JSON that "aws sagemaker create-training-job --cli-input-json" takes. It is sent as it is, but for the name.
    #[arg(long, env = "SAGEMAKER_SPEC_FILE", value_name = "FILE", value_parser = Spec::file())]
    spec_file: Spec,

    /// Name of the job
    ///
    /// Else the specification's TrainingJobName, with a part of the key's digest behind it where there is a key.
    #[arg(long, env = "SAGEMAKER_JOB_NAME", value_name = "NAME", value_parser = fields::name)]
    job_name: Option<String>,

    /// Show what the job's instances write to CloudWatch on stderr
    ///
    /// Logs that are missing or refused never fail the job. Once it has ended, late lines are waited for, 10 s at most.
    #[arg(long, env = "SAGEMAKER_LOGS")]
    logs: bool,
}

impl TrainArgs {
    /// The request; `keyed` says whether there is a key to make a name of.
    pub(super) fn into_request(self, keyed: bool) -> Result<Request, String> {
        if self.job_name.is_none() && self.spec_file.name().is_none() && !keyed {
            return Err(NAMELESS.to_owned());
        }
        Ok(Request { spec: self.spec_file, job_name: self.job_name, logs: self.logs })
    }
}

//! Invokes an Amazon `SageMaker` endpoint or trains a model, and tells the truth about how it ended.
//!
//! It takes the place of `aws sagemaker-runtime invoke-endpoint` in a script, which has to write the answer to a file,
//! sends a request again whose answer is late – the model then works twice – and says no more than 254 of everything
//! that goes wrong; of `invoke-endpoint-async`, which returns before the model has begun and leaves the caller to look
//! for an answer that may never come; and of `aws sagemaker create-training-job` with its waiter, for which a job that
//! was stopped has succeeded.
//!
//! # `endpoint`
//!
//! `sagemaker-invoke endpoint --endpoint-name churn --body-file features.csv --content-type text/csv`
//!
//! 1. `InvokeEndpoint`, sent once; again only after an answer that proves that no model was asked: no connection, a
//!    throttle, `ModelNotReadyException`. Those are waited out until `--timeout`.
//! 2. The answer on stdout, to the byte, or in `--output-file`; with `--stream` part by part as it comes.
//! 3. A model that failed ends it with 10 and says with what, and where its logs are. A request without a clear answer
//!    ends it with 80: the model may have been asked.
//!
//! With `--batch` it does this for each line of a file; see [`fan_out`].
//!
//! # `async`
//!
//! `sagemaker-invoke async --endpoint-name ocr --input-location s3://in/7.pdf --content-type application/pdf`
//!
//! 1. `InvokeEndpointAsync`, sent once.
//! 2. `GetObject` of the answer's place and of the failure's until one of them is there. Without `s3:ListBucket` S3
//!    does not tell "not there" from "not allowed": that is waited on with a warning.
//! 3. The answer on stdout or in `--output-file`; a failure ends it with 10.
//!
//! There is no way to ask `SageMaker` whether a request was made. So with an idempotency key an object at
//! `--claim-location` is put before the request, under the condition that nobody else has put it, and again with the
//! places to look at. The next process of the key waits at those. One key stands for one piece of work: the claim holds
//! a digest of endpoint, input, content type, accept and custom attributes, and what asks for anything else ends with
//! 65. A process that was killed between the two leaves a claim that says nothing more: the next one ends with 80, and
//! a person has to look.
//!
//! # `train`
//!
//! `sagemaker-invoke train --spec-file job.json --logs`
//!
//! 1. With a key: `DescribeTrainingJob` of the names that the key makes, one for each attempt. The wait for a job of the
//!    same specification is resumed; a job with another one is refused with 65 and the field that differs.
//! 2. Else `CreateTrainingJob` with the specification as it is written. A name is taken once, so that a start without a
//!    clear response is sent again: where the first one was carried out, the second is refused, and the job is found by
//!    its name.
//! 3. `DescribeTrainingJob` until the job has ended. `Stopped` counts as stopped by someone, and as a failure where the
//!    job reached its own limits; a state unknown to this version is waited on.
//! 4. The job on stdout, the exit code by its end.
//!
//! # IAM
//!
//! | action | on | for |
//! | --- | --- | --- |
//! | `sagemaker:InvokeEndpoint` | the endpoint (and the inference component) | `endpoint` |
//! | `sagemaker:InvokeEndpointWithResponseStream` | the same | `endpoint --stream` |
//! | `sagemaker:InvokeEndpointAsync` | the endpoint | `async` |
//! | `s3:GetObject` | the endpoint's output and failure path | `async`, unless `--no-wait` |
//! | `s3:ListBucket` | their bucket | `async`, to be told that an answer may not be read |
//! | `s3:GetObject`, `s3:PutObject` | `--claim-location` | `async` with a key |
//! | `sagemaker:CreateTrainingJob`, `sagemaker:DescribeTrainingJob` | `training-job/NAME*` | `train` |
//! | `iam:PassRole` | the role of the specification | `train` |
//! | `sagemaker:StopTrainingJob` | `training-job/NAME*` | `train --on-terminate cancel`, the default without a key |
//! | `logs:DescribeLogStreams`, `logs:GetLogEvents` | `/aws/sagemaker/TrainingJobs` | `train --logs` |
//!
//! # Exit codes
//!
//! Every code of [`job_runtime::Exit`]. 0 for an answer or `Completed`; 10 for a model that failed, a failure
//! object, `Failed`, `MaxRuntimeExceeded` and `MaxWaitTimeExceeded`; 11 for `Stopped`; 12 where the account's
//! quota of training instances is in use; 65 where there is no such
//! endpoint, or the key's claim or a job of that name is another piece of work; 75 where nothing reached a model or was
//! queued for it, also because another process held the claim until `--timeout`, or a start with a key got no answer
//! and no job of it was seen; 79 where the work goes on unseen; 80 where a request got no clear answer,
//! an endpoint none by `--timeout`, or a claim says no more than that somebody had it. After a signal it is 130 or 143, unless the answer came in
//! time, or the job has ended by itself: then its end is the result; 80 where work without a key is left running. An
//! invocation cannot be called back.

mod cli;
mod endpoint;
mod error;
mod fields;
mod payload;
mod queued;
mod sagemaker;
mod train;

use job_runtime::{Context, Output, Report};

pub use crate::cli::Cli;
pub use crate::error::{AsyncError, EndpointError, Error, Interrupted, ModelFailure, S3Error};

/// Who this program is.
pub const BINARY: job_runtime::Binary = job_runtime::binary!("24h");

/// What is asked for.
#[derive(Debug)]
pub struct Request {
    /// What to do.
    pub(crate) work: Work,
    /// Form of the result.
    pub(crate) output: Output,
}

/// What there is to do.
#[derive(Debug)]
pub(crate) enum Work {
    /// Invoke an endpoint.
    Endpoint(Box<endpoint::Request>),
    /// Invoke an asynchronous endpoint.
    Async(Box<queued::Request>),
    /// Train a model.
    Train(Box<train::Request>),
}

/// Runs the program: from what is asked for to the report.
///
/// # Errors
/// Everything that leaves no result to report.
pub async fn run(request: Request, ctx: &Context) -> Result<Report, Error> {
    let Request { work, output } = request;
    match work {
        Work::Endpoint(request) => Box::pin(endpoint::execute(&request, output, ctx)).await,
        Work::Async(request) => Box::pin(queued::execute(&request, output, ctx)).await,
        Work::Train(request) => Box::pin(train::execute(&request, output, ctx)).await,
    }
}

//! Invokes an endpoint once, and hands on what its model answers.

mod batch;
mod check;
mod send;
mod stream;

use std::path::{Path, PathBuf};
use std::time::Duration;

use fan_out::Batch;
use job_runtime::{
    Abandoned, CallError, CallOnce, Context, Effect, Open, Output, Place, Remote, Report, Sink, aligned, json,
};
use serde::Serialize;

use self::send::{Endpoint, Reply};
use crate::error::{EndpointError, Error, ModelFailure};
use crate::payload::Body;

/// How long an answer in flight may take once a signal has come: the model has done its work for it. The runtime ends
/// everything four seconds after the signal.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) call: Call,
    pub(crate) input: Input,
    /// What a signal means for a request that is with the model.
    pub(crate) once: CallOnce,
    /// Where the answer goes, if not to stdout.
    pub(crate) output_file: Option<PathBuf>,
}

/// Everything of a request but its body.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) endpoint_name: String,
    pub(crate) content_type: String,
    pub(crate) accept: Option<String>,
    pub(crate) custom_attributes: Option<String>,
    pub(crate) inference_id: Option<String>,
    pub(crate) target_model: Option<String>,
    pub(crate) target_variant: Option<String>,
    pub(crate) target_container_hostname: Option<String>,
    pub(crate) inference_component: Option<String>,
    pub(crate) enable_explanations: Option<String>,
    pub(crate) session_id: Option<String>,
    pub(crate) prefix_aware_id: Option<String>,
}

/// What the model is asked with, and how it answers.
#[derive(Debug)]
pub(crate) enum Input {
    /// One body, one answer.
    Single(Body),
    /// One body, an answer in parts.
    Stream(Body),
    /// A body a line, an answer a line.
    Batch(Batch),
}

/// What an answer says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct About {
    pub(crate) content_type: Option<String>,
    pub(crate) invoked_production_variant: Option<String>,
    pub(crate) custom_attributes: Option<String>,
    pub(crate) new_session_id: Option<String>,
    pub(crate) closed_session_id: Option<String>,
    pub(crate) request_id: Option<String>,
}

/// Does what is asked for.
///
/// # Errors
/// Everything but an answer of the model.
pub(crate) async fn execute(request: &Request, output: Output, ctx: &Context) -> Result<Report, Error> {
    let Request { call, input, once, output_file } = request;
    if ctx.check() {
        return Ok(check::check(call, output, ctx));
    }
    if ctx.key().is_some() {
        tracing::info!(
            "a synchronous inference has no way to be found again: the idempotency key settles nothing"
        );
    }
    let place = ctx.place();
    ctx.remember(Remote {
        id: call.endpoint_name.clone(),
        state: None,
        console: Some(console(&place, &call.endpoint_name)),
    });
    let run = Invocation { call, place: &place, ctx, once: *once };
    // A batch's file may be one to append to.
    let single = !matches!(input, Input::Batch(_));
    let file = open(output_file.as_deref().filter(|_| single)).map_err(|problem| Error::Input { problem })?;
    match input {
        Input::Single(body) => run.single(body, file, output).await,
        Input::Stream(body) => run.stream(body, file, output).await,
        Input::Batch(lines) => {
            Box::pin(batch::run(lines, call, *once, output_file.as_deref(), output, ctx)).await
        }
    }
}

/// Opens the file for the answer, before the call: an answer without a place would have been paid for in vain.
pub(crate) fn open(file: Option<&Path>) -> Result<Option<Sink>, String> {
    file.map(|path| Sink::file(path, Open::Replace)).transpose()
}

/// Address of the endpoint in the AWS console.
fn console(place: &Place, endpoint: &str) -> String {
    let (region, domain) = (&place.region, place.console_domain());
    format!("https://{region}.console.{domain}/sagemaker/home?region={region}#/endpoints/{endpoint}")
}

/// One invocation on its way.
struct Invocation<'a> {
    call: &'a Call,
    place: &'a Place,
    ctx: &'a Context,
    once: CallOnce,
}

impl Invocation<'_> {
    /// One request, one answer.
    async fn single(&self, body: &Body, mut file: Option<Sink>, output: Output) -> Result<Report, Error> {
        let endpoint = Endpoint::new(self.call, send::ANSWER_LIMIT, self.ctx);
        let asking = async {
            let deadline = self.ctx.deadline();
            let ask = async || endpoint.send(body.bytes()).await;
            let asked = self.ctx.start_until(send::INVOKE, deadline, ask).await;
            let (body, about) = match asked.map_err(|source| self.failed(source))? {
                Reply::Answer { body, about } => (body, about),
                Reply::Failed(failure) => return Err(self.model(failure).into()),
            };
            // A part of the wait: until the answer has been written, a signal would lose it.
            let Some(mut file) = file.take() else { return Ok(Report::ok("").with_bytes(body)) };
            file.write(&body).await?;
            file.finish().await?;
            Ok(Report::ok(self.told(&about, body.len() as u64, output)))
        };
        self.awaited(asking).await
    }

    /// One request, an answer in parts: each is handed on as it comes.
    async fn stream(&self, body: &Body, file: Option<Sink>, output: Output) -> Result<Report, Error> {
        let endpoint = Endpoint::new(self.call, stream::ANSWER_LIMIT, self.ctx);
        let to_file = file.is_some();
        let mut sink = file.unwrap_or_else(Sink::stdout);
        let mut bytes = 0;
        let asking = async move {
            let deadline = self.ctx.deadline();
            let ask = async || endpoint.open(body.bytes()).await;
            let opened = self.ctx.start_until(stream::INVOKE, deadline, ask).await;
            let mut answer = match opened.map_err(|source| self.failed(source))? {
                stream::Reply::Answer(answer) => answer,
                stream::Reply::Failed(failure) => return Err(self.model(failure).into()),
            };
            while let Some(part) = answer.next().await.map_err(|broken| self.broken(broken, bytes))? {
                sink.write(part.as_ref()).await?;
                sink.flush().await?;
                bytes += part.as_ref().len() as u64;
            }
            sink.finish().await?;
            Ok(Report::ok(if to_file { self.told(&answer.about, bytes, output) } else { String::new() }))
        };
        self.awaited(asking).await
    }

    /// Waits for `asking` until `--timeout` is over, or a signal has come and it has had its time.
    async fn awaited<T>(&self, asking: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        // No key finds what a model has answered.
        let findable = async || false;
        let why = match self.ctx.call_once(self.once, Box::pin(asking), findable).await {
            Ok(asked) => return asked,
            Err(why) => why,
        };
        let endpoint = self.call.endpoint_name.clone();
        Err(match why {
            Abandoned::Deadline { .. } => {
                EndpointError::NoAnswer { endpoint, timeout: self.ctx.elapsed() }.into()
            }
            Abandoned::NotSent { signal } => EndpointError::not_sent(&endpoint, signal).into(),
            Abandoned::Signal { exit, .. } => EndpointError::Abandoned { endpoint, why, exit }.into(),
        })
    }

    /// What a failed call means.
    fn failed(&self, source: CallError) -> EndpointError {
        let endpoint = self.call.endpoint_name.clone();
        match (source.effect(), self.ctx.interruption()) {
            (Effect::MayHaveStarted, _) => EndpointError::Unclear { endpoint, source },
            // The signal came in the pause between two attempts.
            (Effect::NotStarted, Some(exit)) => EndpointError::not_sent(&endpoint, exit),
            (Effect::NotStarted | Effect::Refused, _) => {
                EndpointError::NotInvoked { endpoint, place: self.place.clone(), source }
            }
        }
    }

    fn model(&self, failure: Box<ModelFailure>) -> EndpointError {
        EndpointError::Model { endpoint: self.call.endpoint_name.clone(), failure }
    }

    fn broken(&self, broken: stream::Broken, bytes: u64) -> EndpointError {
        let endpoint = self.call.endpoint_name.clone();
        match broken {
            stream::Broken::Model(failure) => self.model(failure),
            stream::Broken::Cut(source) => EndpointError::Cut { endpoint, bytes, source },
        }
    }

    /// What stdout tells of an answer that went to a file.
    fn told(&self, about: &About, bytes: u64, output: Output) -> String {
        let told = Told { endpoint_name: &self.call.endpoint_name, status: 200, about, bytes };
        match output {
            Output::Json => json(&told),
            Output::Text => told.text(),
        }
    }
}

/// What stdout tells of an answer that went to a file.
#[derive(Debug, Serialize)]
struct Told<'a> {
    endpoint_name: &'a str,
    /// Of HTTP; anything else is no answer of the model.
    status: u16,
    #[serde(flatten)]
    about: &'a About,
    bytes: u64,
}

impl Told<'_> {
    /// A few aligned lines for people; what is not known is left out.
    fn text(&self) -> String {
        let About { content_type, invoked_production_variant, custom_attributes, new_session_id, .. } =
            self.about;
        let (status, bytes) = (self.status.to_string(), self.bytes.to_string());
        let lines = [
            ("endpoint", Some(self.endpoint_name)),
            ("status", Some(&status)),
            ("content type", content_type.as_deref()),
            ("variant", invoked_production_variant.as_deref()),
            ("attributes", custom_attributes.as_deref()),
            ("new session", new_session_id.as_deref()),
            ("closed session", self.about.closed_session_id.as_deref()),
            ("request id", self.about.request_id.as_deref()),
            ("bytes", Some(&bytes)),
        ];
        aligned(lines.iter().filter_map(|(name, value)| Some((*name, (*value)?))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_are_always_there() {
        let about = About { content_type: Some("text/csv".to_owned()), ..About::default() };
        let told = Told { endpoint_name: "e", status: 200, about: &about, bytes: 3 };
        assert_eq!(
            json(&told),
            r#"{"endpoint_name":"e","status":200,"content_type":"text/csv","invoked_production_variant":null,"custom_attributes":null,"new_session_id":null,"closed_session_id":null,"request_id":null,"bytes":3}"#
        );
        assert_eq!(
            told.text(),
            "endpoint      e\nstatus        200\ncontent type  text/csv\nbytes         3"
        );
    }

    #[test]
    fn console_addresses() {
        for (region, expected) in [
            (
                "us-east-2",
                "https://us-east-2.console.aws.amazon.com/sagemaker/home?region=us-east-2#/endpoints/e",
            ),
            (
                "cn-north-1",
                "https://cn-north-1.console.amazonaws.cn/sagemaker/home?region=cn-north-1#/endpoints/e",
            ),
        ] {
            let place = Place { region: region.to_owned(), account: None };
            assert_eq!(console(&place, "e"), expected);
        }
    }
}

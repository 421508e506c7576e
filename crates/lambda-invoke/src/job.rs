//! What is asked for, and the way from there to an answer.

use std::cell::Cell;
use std::path::PathBuf;

use aws_sdk_lambda::Client;
use fan_out::Batch;
use job_runtime::{
    ALWAYS, Abandoned, CallError, CallOnce, Check, Context, Details, Effect, Exit, Expect, OnTerminate, Open,
    Output, Remote, Report, Sink, Survey, aligned, json, percent_encoded,
};
use serde::Serialize;

use crate::answer::{self, Answer};
use crate::batch;
use crate::durable::{self, Naming};
use crate::error::Error;
use crate::lambda::{Function, INVOKE, Kind, Part, Settings};
use crate::target::Target;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    pub(crate) target: Target,
    pub(crate) settings: Settings,
    pub(crate) work: Work,
    pub(crate) once: CallOnce,
    pub(crate) durable_name: Option<String>,
    pub(crate) expect: Option<Expect>,
    pub(crate) output_file: Option<PathBuf>,
    /// Form of what is known about an answer, where the answer itself is not on stdout.
    pub(crate) output: Output,
}

/// How often, and with what.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    /// Once.
    One(Option<Vec<u8>>),
    /// Once, with an answer that is handed on as it comes.
    Stream(Option<Vec<u8>>),
    /// Once for each line.
    Batch(Batch),
}

/// A function with what its errors need to say.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) function: Function<'a>,
    pub(crate) console: String,
    ctx: &'a Context,
}

impl Call<'_> {
    /// A failed invocation of which nothing more can be learnt.
    pub(crate) fn error(&self, source: CallError, name: Option<&str>) -> Error {
        let function = self.function.target.to_string();
        if source.effect() == Effect::NotStarted
            && source.exit() == Exit::Unavailable
            && self.ctx.is_cancelled()
        {
            // The signal came in the pause between two attempts.
            return self.ctx.interrupted(format!("function {function} was not invoked: {source}")).into();
        }
        match (source.effect(), source.code(), name) {
            (Effect::MayHaveStarted, ..) => {
                Error::Unknown { function, console: self.console.clone(), source }
            }
            (_, Some("ResourceNotFoundException"), _) => {
                Error::NoSuchFunction { function, place: self.ctx.place(), source }
            }
            (_, Some("DurableExecutionAlreadyStartedException"), Some(name)) => {
                Error::OtherPayload { function, name: name.to_owned(), source }
            }
            _ => Error::NotInvoked { function, place: self.ctx.place(), source },
        }
    }

    /// What becomes of a function that nobody can stop.
    pub(crate) fn left(&self) -> String {
        format!("function {} may still be running, and its response is lost", self.function.target)
    }
}

/// Does what is asked for.
///
/// # Errors
/// Everything that leaves no answer to report. A function that failed is a report.
pub(crate) async fn execute(client: &Client, request: &Request, ctx: &Context) -> Result<Report, Error> {
    let Request { target, settings, .. } = request;
    let place = ctx.place();
    if let Some(arn) = target.region.as_ref().filter(|region| **region != place.region) {
        let (function, arn) = (target.to_string(), arn.clone());
        return Err(Error::Region { function, arn, region: place.region });
    }
    let console = format!(
        "https://console.{}/lambda/home?region={}#/functions/{}?tab=monitoring",
        place.console_domain(),
        place.region,
        percent_encoded(&target.name)
    );
    let call = Call { function: Function { client, target, settings }, console, ctx };
    if ctx.check() {
        return Ok(check(&call, request, ctx).await);
    }
    if ctx.no_wait() && settings.kind == Kind::RequestResponse {
        let text = "--no-wait needs --invocation-type Event: the answer of RequestResponse is the end of the function";
        return Err(Error::Usage(text.to_owned()));
    }
    let naming = Naming::new(request.durable_name.as_deref(), ctx);
    ctx.remember(Remote { id: target.to_string(), state: None, console: Some(call.console.clone()) });
    match &request.work {
        Work::Batch(batch) => batch::run(&call, batch, request, &naming, ctx).await,
        Work::Stream(payload) => stream(&call, payload.as_deref(), request, ctx).await,
        Work::One(payload) => one(&call, payload.as_deref(), request, naming, ctx).await,
    }
}

/// One invocation.
async fn one(
    call: &Call<'_>,
    payload: Option<&[u8]>,
    request: &Request,
    naming: Naming,
    ctx: &Context,
) -> Result<Report, Error> {
    let sink = open(request).map_err(Error::Usage)?;
    let naming = durable::settle_name(call, naming, ctx).await.map_err(|source| Error::Lookup { source })?;
    let nameless = Cell::new(false);
    // The answer of a function that is waited for, else that of its durable execution.
    let (mut file, sink) = match request.settings.kind {
        Kind::RequestResponse => (sink, None),
        Kind::Event | Kind::DryRun => (None, sink),
    };
    let written = file.is_some();
    // Boxed, as in the runtime: the futures of SDK calls are large, and would be carried in every frame above.
    let invoking = Box::pin(async {
        let answer = durable::invoke(call, payload, &naming, &nameless, ctx).await?;
        // A part of the wait: until the answer has been written, a signal would lose it.
        if let Some(mut file) = file.take() {
            file.write(&answer.payload).await?;
            file.finish().await?;
        }
        Ok(answer)
    });
    let sent_as = || if nameless.get() { &Naming::Plain } else { &naming };
    let answer = awaited(invoking, call, sent_as, request.once, ctx).await?;
    if let Some(id) = answer.durable_execution.as_ref().or(answer.request_id.as_ref()) {
        let state = answer.function_error.clone();
        ctx.remember(Remote { id: id.clone(), state, console: Some(call.console.clone()) });
    }
    match &answer.durable_execution {
        Some(arn) if request.settings.kind == Kind::Event && !ctx.no_wait() => {
            let (execution, verdict) = durable::follow(call, arn, sent_as(), ctx).await?;
            let failure = verdict.exit().filter(|exit| *exit != Exit::Ok).map(|exit| {
                let why = execution.error.map(|why| format!(": {why}")).unwrap_or_default();
                (exit, format!("the durable execution {arn} ended {}{why}", execution.status))
            });
            let answer = Answer { payload: execution.result.unwrap_or_default(), ..answer };
            finish(call, &answer, failure, false, Show::Payload, sink, request).await
        }
        _ => {
            let failure = judge(call, &answer, request.expect.as_ref());
            show_stack(failure.as_ref().map_or(&[], |failure| &failure.stack));
            let not_evaluated = failure.as_ref().is_some_and(|failure| failure.not_evaluated);
            let failure = failure.map(|failure| (Exit::Failed, failure.error));
            let show = match request.settings.kind {
                Kind::RequestResponse if !written => Show::Payload,
                _ => Show::Facts,
            };
            let report = finish(call, &answer, failure, not_evaluated, show, None, request).await?;
            Ok(report.with_expect_not_evaluated(not_evaluated))
        }
    }
}

/// One invocation with a streamed answer.
async fn stream(
    call: &Call<'_>,
    payload: Option<&[u8]>,
    request: &Request,
    ctx: &Context,
) -> Result<Report, Error> {
    if ctx.key().is_some() {
        tracing::warn!("a streamed invocation has no name: the idempotency key settles nothing");
    }
    let to_file = request.output_file.is_some();
    let mut sink = open(request).map_err(Error::Usage)?.unwrap_or_else(Sink::stdout);
    let streaming = async move {
        let send = async || call.function.stream(payload, ctx).await;
        let begun = ctx.start_until(INVOKE, ctx.deadline(), send).await;
        let mut streamed = begun.map_err(|error| call.error(error, None))?;
        let mut answer = streamed.head();
        let cut = |problem: String| Error::Cut {
            function: call.function.target.to_string(),
            console: call.console.clone(),
            problem,
            request_id: answer.request_id.clone(),
        };
        loop {
            match streamed.next().await.map_err(cut)? {
                Some(Part::Chunk(chunk)) => {
                    sink.write(&chunk).await?;
                    sink.flush().await?;
                }
                Some(Part::End { error, log_tail }) => {
                    let failure = error.map(|(code, details)| {
                        let told = answer::told(details.as_bytes());
                        show_stack(&told.stack);
                        let what = if told.stack.is_empty() { details } else { told.what };
                        (Exit::Failed, format!("function {} failed: {code}: {what}", call.function.target))
                    });
                    answer.log_tail = log_tail;
                    sink.finish().await?;
                    return Ok((answer, failure));
                }
                None => return Err(cut("the answer ended without saying so".to_owned())),
            }
        }
    };
    let (answer, failure) = awaited(Box::pin(streaming), call, || &Naming::Plain, request.once, ctx).await?;
    let show = if to_file { Show::Facts } else { Show::Nothing };
    finish(call, &answer, failure, false, show, None, request).await
}

/// Waits for `calling` until it has ended, `--timeout` has passed, or a signal has come and it has had its time.
/// `naming` tells by which name the invocation in flight is found again.
async fn awaited<'n, T>(
    calling: impl Future<Output = Result<T, Error>>,
    call: &Call<'_>,
    naming: impl Fn() -> &'n Naming,
    once: CallOnce,
    ctx: &Context,
) -> Result<T, Error> {
    let findable = async || durable::is_findable(call, naming()).await;
    let why = match ctx.call_once(once, calling, findable).await {
        Ok(ended) => return ended,
        Err(why) => why,
    };
    let function = call.function.target.to_string();
    Err(match why {
        Abandoned::Deadline { findable: true } => {
            Error::Deadline { what: format!("function {function}"), timeout: ctx.elapsed() }
        }
        Abandoned::Deadline { findable: false } => {
            Error::NoAnswer { function, console: call.console.clone(), timeout: ctx.elapsed() }
        }
        Abandoned::NotSent { .. } => ctx.interrupted(format!("function {function} was not invoked")).into(),
        Abandoned::Signal { findable: false, exit, .. } => {
            Error::Abandoned { function, console: call.console.clone(), why, exit }
        }
        Abandoned::Signal { findable: true, .. } => {
            let naming = naming();
            let name = naming.name().unwrap_or_default();
            let stopped = match naming.on_terminate(ctx) {
                OnTerminate::Cancel => durable::stop_named(call, name, ctx).await,
                OnTerminate::Detach => None,
            };
            // What was not stopped is running, or has ended by itself: the next process gets its result by the name.
            let left = || {
                ctx.interrupted_leaving(
                    true,
                    format!(
                        "the durable execution {name} of function {function} was left as it is; the same command \
                         resumes waiting for it"
                    ),
                )
            };
            stopped.unwrap_or_else(left).into()
        }
    })
}

/// Why an answer is none to be content with.
pub(crate) struct Failure {
    pub(crate) error: String,
    /// `Handled` or `Unhandled`, where the function said so itself.
    pub(crate) kind: Option<String>,
    pub(crate) stack: Vec<String>,
    /// Whether the function succeeded, and the condition is neither true nor false of its response.
    pub(crate) not_evaluated: bool,
}

/// Whether the answer is one to be content with.
pub(crate) fn judge(call: &Call<'_>, answer: &Answer, expect: Option<&Expect>) -> Option<Failure> {
    let target = call.function.target;
    let Some(kind) = &answer.function_error else {
        let judged = expect?.judge(&answer.payload);
        let error = format!("function {target} returned, but {}", judged.problem()?);
        let not_evaluated = judged.is_not_evaluated();
        return Some(Failure { error, kind: None, stack: Vec::new(), not_evaluated });
    };
    let told = answer::told(&answer.payload);
    let id = answer.request_id.as_deref().unwrap_or("?");
    let error = format!("function {target} failed ({kind}): {} (request id {id})", told.what);
    Some(Failure { error, kind: Some(kind.clone()), stack: told.stack, not_evaluated: false })
}

fn show_stack(stack: &[String]) {
    for line in stack {
        tracing::info!(target: ALWAYS, "{line}");
    }
}

/// What goes to stdout.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Show {
    /// The answer's payload, unless it goes to a file.
    Payload,
    /// What is known about the answer.
    Facts,
    /// The answer was there already.
    Nothing,
}

/// What is known about an answer.
#[derive(Debug, Serialize)]
struct Facts<'a> {
    function: String,
    status_code: i32,
    function_error: Option<&'a str>,
    executed_version: Option<&'a str>,
    durable_execution_arn: Option<&'a str>,
    request_id: Option<&'a str>,
    region: String,
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
}

impl Facts<'_> {
    fn text(&self) -> String {
        let status = self.status_code.to_string();
        let lines = [
            ("function", Some(self.function.as_str())),
            ("status", Some(status.as_str())),
            ("error", self.function_error),
            ("version", self.executed_version),
            ("execution", self.durable_execution_arn),
            ("request id", self.request_id),
            ("region", Some(self.region.as_str())),
            ("account", self.account.as_deref()),
        ];
        aligned(lines.iter().filter_map(|(name, value)| Some((*name, (*value)?))))
    }
}

/// Writes the answer where it belongs, and makes the report.
async fn finish(
    call: &Call<'_>,
    answer: &Answer,
    failure: Option<(Exit, String)>,
    not_evaluated: bool,
    show: Show,
    sink: Option<Sink>,
    request: &Request,
) -> Result<Report, Error> {
    for line in answer.log_tail.iter().flat_map(|log| log.lines()) {
        tracing::info!(target: ALWAYS, stream = "tail", "{line}");
    }
    let place = call.ctx.place();
    let facts = || {
        let facts = Facts {
            function: call.function.target.to_string(),
            status_code: answer.status,
            function_error: answer.function_error.as_deref(),
            executed_version: answer.executed_version.as_deref(),
            durable_execution_arn: answer.durable_execution.as_deref(),
            request_id: answer.request_id.as_deref(),
            region: place.region.clone(),
            account: place.account.clone(),
            details: not_evaluated.then_some(Details::NOT_EVALUATED),
        };
        match request.output {
            Output::Json => json(&facts),
            Output::Text => facts.text(),
        }
    };
    let report = |result: String| match failure {
        Some((exit, error)) => Report::failed(exit, result, error),
        None => Report::ok(result),
    };
    Ok(match (show, sink) {
        (Show::Payload, Some(mut sink)) => {
            sink.write(&answer.payload).await?;
            sink.finish().await?;
            report(facts())
        }
        (Show::Payload, None) => report(String::new()).with_bytes(answer.payload.clone()),
        (Show::Facts, _) => report(facts()),
        (Show::Nothing, _) => report(String::new()),
    })
}

/// The file of `--output-file`, opened before anything is sent.
fn open(request: &Request) -> Result<Option<Sink>, String> {
    request.output_file.as_deref().map(|path| Sink::file(path, Open::Replace)).transpose()
}

/// Looks at everything that `request` would need.
async fn check(call: &Call<'_>, request: &Request, ctx: &Context) -> Report {
    const LIST: &str = "lambda:ListDurableExecutionsByFunction";
    let mut survey = Survey::new(("function", &request.target.to_string()), ctx);
    survey.extend([match call.function.dry_run().await {
        Ok(()) => Check::ok(INVOKE, "the function exists and may be invoked"),
        Err(error) => Check::failed(INVOKE, &error),
    }]);
    if let Some(name) = Naming::new(request.durable_name.as_deref(), ctx).name() {
        survey.extend([match call.function.execution_named(name).await {
            Ok(None) => Check::ok(LIST, format!("there is no durable execution {name} yet")),
            Ok(Some((_, status))) => Check::ok(LIST, format!("the durable execution {name} is {status}")),
            Err(error) if request.durable_name.is_some() => Check::failed(LIST, &error),
            Err(error) => Check::warning(LIST, format!("needed for a durable function only: {error}")),
        }]);
    }
    survey.report(request.output)
}

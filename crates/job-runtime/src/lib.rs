//! How a run starts, waits, is cancelled, reports and ends; the same in every binary.
//!
//! A binary says what it does:
//!
//! ```no_run
//! use job_runtime::{CallError, Context, Ended, Exit, Judged, Options, Remote, Report};
//! use std::process::ExitCode;
//! use std::time::Duration;
//!
//! /// Its own options. `--timeout`, `--profile` and their like come from here.
//! #[derive(clap::Args)]
//! struct Cli {
//!     /// What to run
//!     #[arg(long, env = "EXAMPLE_NAME")]
//!     name: String,
//! }
//!
//! impl Options for Cli {
//!     type Request = String;
//!
//!     fn into_request(self) -> Result<String, String> {
//!         if self.name.is_empty() { Err("--name is empty".to_owned()) } else { Ok(self.name) }
//!     }
//! }
//!
//! async fn run(name: String, ctx: &Context) -> Result<Report, CallError> {
//!     // A service's client is made from `ctx.sdk_config()`, the work begun under `ctx.start(..)`.
//!     ctx.remember(Remote { id: format!("{name}-1"), ..Remote::default() });
//!     if ctx.no_wait() {
//!         return Ok(Report::ok("{}"));
//!     }
//!     let look = async || Ok(Judged::Done("SUCCEEDED"));
//!     match ctx.poll(Duration::from_secs(5), look).await {
//!         Ended::Done(state) => Ok(Report::ok(format!(r#"{{"state":"{state}"}}"#))),
//!         Ended::Deadline(_) => Ok(Report::failed(Exit::Timeout, "", "it still runs")),
//!         Ended::Cancelled(exit) => Ok(Report::failed(exit, "", "left running")),
//!         Ended::Lost(err) => Err(err),
//!     }
//! }
//!
//! fn main() -> ExitCode {
//!     job_runtime::main::<Cli, _>(job_runtime::binary!("1h"), run)
//! }
//! ```
//!
//! [`main`] does the rest, in this order: the environment is read, the handlers of SIGTERM and SIGINT put in
//! place, the command line parsed, logging set up, the chain of credentials resolved and walked, the job run, its
//! result written to stdout and its last word to the termination log. No binary touches signals, stdout, the
//! process environment, the set-up of logs or a number of [`Exit`].
//!
//! - A call that begins work goes through [`Context::start`], which never sends it twice blindly.
//! - A call that holds its result and that nothing can find again goes through [`Context::call_once`], which waits on
//!   after a signal.
//! - A wait goes through [`Context::poll`], which knows pace, deadline, cancel and patience.
//! - Any other call is retried by the SDK; its failure becomes a [`CallError`], which knows what it means.

mod call_once;
mod check;
pub mod child;
mod cli;
mod context;
mod core_dump;
pub mod duration;
mod entry;
pub mod env;
mod error;
mod exit;
mod expect;
pub mod file;
mod http;
pub mod input;
mod interrupted;
mod origin;
mod place;
mod poll;
mod progress;
pub mod remote;
mod report;
mod signal;
mod sink;
pub mod size;
mod start;
mod stop;
mod telemetry;
mod time;

pub use call_once::{Abandoned, CallOnce, CallOnceArgs, Holding};
pub use check::{Check, Survey};
pub use cli::{OnDifference, OnPriorFailure, OnTerminate, Output, OutputArgs};
pub use context::{Context, Remote, digest};
pub use entry::{Binary, Credentials, Options, main};
pub use error::{CallError, Effect, Failure};
pub use exit::{Exit, PodFailureAction};
pub use expect::{Expect, Expectation};
pub use http::add_bundle;
pub use interrupted::Interrupted;
pub use origin::{Handover, PlanError};
pub use place::{Place, percent_encoded};
pub use poll::{Ended, Judged, Verdict};
pub use report::{Details, Report, aligned, json};
pub use sink::{Open, Sink, SinkError};
pub use telemetry::ALWAYS;
pub use time::rfc3339;

//! From what is asked for to who does it.

use job_runtime::{Context, Output, Report};

use crate::check::check;
use crate::connection::{Auth, SslMode};
use crate::error::Error;
use crate::exec::exec;
use crate::token::token;
use crate::{Request, Work, proxy, query};

/// Does what is asked for; with `--check` it only looks whether it could be done.
///
/// # Errors
/// Whatever ends the run without a result.
pub(crate) async fn execute(request: &Request, ctx: &Context) -> Result<Report, Error> {
    let Request { connection, work } = request;
    warn(request);
    match work {
        Work::Check(output) => check(connection, *output, ctx).await,
        Work::Token(_) | Work::Exec(_) | Work::Query(_) | Work::Proxy(_) if ctx.check() => {
            check(connection, Output::Json, ctx).await
        }
        Work::Token(output) => token(connection, *output, ctx).await,
        Work::Exec(program) => exec(connection, program, ctx).await,
        Work::Query(query) => query::run(connection, query, ctx).await,
        Work::Proxy(proxy) => Box::pin(proxy::serve(connection, proxy, ctx)).await,
    }
}

/// Says loudly what is less than safe.
fn warn(request: &Request) {
    let connection = &request.connection;
    let mode = connection.tls.mode.name();
    match connection.tls.mode {
        SslMode::VerifyFull => {}
        SslMode::VerifyCa => {
            tracing::warn!("sslmode {mode}: any server with a certificate of these authorities is believed");
        }
        SslMode::Require => tracing::warn!(
            "sslmode {mode}: the server may be anyone, and every row goes to it; use verify-full outside of tests"
        ),
        SslMode::Disable => {
            tracing::warn!("sslmode {mode}: every row goes over the network as it is; use verify-full");
        }
    }
    if connection.tls.mode == SslMode::Disable && matches!(connection.auth, Auth::Iam(_)) {
        tracing::warn!("RDS takes IAM tokens over TLS only");
    }
}

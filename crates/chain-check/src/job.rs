//! The walk: each chain, hop by hop, as far as it leads.

use std::time::SystemTime;

use aws_smithy_types::DateTime;
use chained_credentials::{Chain, ChainError, Hop, HopKind, TokenClaims, Visit, role_of_session};
use job_runtime::{Context, Exit, Failure, Output, Report, json, rfc3339};
use tokio::time::timeout_at;

use crate::Error;
use crate::policy::{Baggage, needed, to_mend};
use crate::report::{ChainFound, FailureFound, Findings, HopFound, TokenFound};
use crate::show;

/// What is asked for.
#[derive(Debug)]
pub struct Request {
    /// `None`: the chain of the options and the environment.
    pub(crate) profiles: Vec<Option<String>>,
    pub(crate) explain: bool,
    pub(crate) show_external_id: bool,
    pub(crate) output: Output,
}

/// Walks the chains, within `--timeout`.
///
/// # Errors
/// Only a signal: a hop that fails, or does not answer in time, is part of the result.
pub async fn run(request: Request, ctx: &Context) -> Result<Report, Error> {
    let findings = tokio::select! {
        findings = walk_all(&request, ctx) => findings,
        () = ctx.cancelled() => {
            return Err(Error::Interrupted(ctx.interruption().unwrap_or(Exit::Terminated)));
        }
    };
    let result = match request.output {
        Output::Json => json(&findings),
        Output::Text => show::text(&findings),
    };
    Ok(match findings.worst() {
        None => Report::ok(result),
        Some(worst) => {
            let error = worst.error.clone().unwrap_or_default();
            Report::failed(worst.exit, result, error).with_request_id(worst.request_id.clone())
        }
    })
}

async fn walk_all(request: &Request, ctx: &Context) -> Findings {
    let mut chains = Vec::with_capacity(request.profiles.len());
    for profile in &request.profiles {
        let planned = ctx.plan(profile.as_deref()).await;
        let found = match planned {
            Ok(chain) => walk(&chain, request, ctx).await,
            Err(error) => ChainFound {
                profile: None,
                outcome: error.exit().name(),
                chain: None,
                region: None,
                error: Some(error.to_string()),
                hops: Vec::new(),
                exit: error.exit(),
                request_id: None,
            },
        };
        chains.push(ChainFound { profile: profile.clone(), ..found });
    }
    Findings { chains }
}

/// Visits the hops of a chain until one fails; the hops behind it are told as planned.
async fn walk(chain: &Chain, request: &Request, ctx: &Context) -> ChainFound {
    let hops = chain.hops().await;
    let mut found = Vec::with_capacity(hops.len());
    let mut failed: Option<Broken> = None;
    let (mut caller, mut baggage) = (None, Baggage::default());
    for hop in &hops {
        let visited = match failed {
            Some(_) => None,
            None => Some(in_time(hop, hops.len(), ctx, chain.visit(hop)).await),
        };
        let me = role_of(hop, visited.as_ref().and_then(|visited| visited.as_ref().ok()));
        let policies = || needed(hop, (caller.as_deref(), me.as_deref()), baggage, request.show_external_id);
        let mut told = planned(hop, hops.len());
        match visited {
            None => {}
            Some(Ok(visit)) => visit_told(&mut told, visit),
            Some(Err(error)) => {
                told.outcome = error.exit.name();
                if let Some(failure) = &error.failure {
                    told.policies = to_mend(policies(), failure.code.as_deref(), &failure.message);
                    told.failure = Some(failure.clone());
                }
                failed = Some(error);
            }
        }
        if request.explain {
            told.policies = policies();
        }
        found.push(told);
        baggage = baggage.and(hop);
        caller = me;
    }
    if failed.is_none()
        && let Some(last) = hops.last()
    {
        // All sessions are there: what is left to see is the account that the chain ends in.
        failed = in_time(last, hops.len(), ctx, chain.walk()).await.err();
    }
    let exit = failed.as_ref().map_or(Exit::Ok, |failed| failed.exit);
    ChainFound {
        profile: None,
        outcome: exit.name(),
        chain: Some(chain.describe().to_owned()),
        region: Some(chain.region().to_owned()),
        error: failed.as_ref().map(|failed| failed.error.clone()),
        hops: found,
        exit,
        request_id: failed.and_then(|failed| failed.request_id),
    }
}

/// Why a chain leads no further.
struct Broken {
    exit: Exit,
    error: String,
    request_id: Option<String>,
    /// What a hop says of it.
    failure: Option<FailureFound>,
}

impl From<ChainError> for Broken {
    fn from(error: ChainError) -> Self {
        let failure = if let ChainError::Hop(hop) = &error {
            Some(FailureFound {
                code: hop.code.clone(),
                message: hop.message.clone(),
                request_id: hop.request_id.clone(),
                to_mend: hop.advice.clone(),
            })
        } else {
            None
        };
        let request_id = error.request_id().map(str::to_owned);
        Self { exit: error.exit(), error: error.to_string(), request_id, failure }
    }
}

/// What comes of a step of the walk; after `--timeout`, at which hop it had to end.
async fn in_time<T>(
    hop: &Hop,
    of: usize,
    ctx: &Context,
    step: impl Future<Output = Result<T, ChainError>>,
) -> Result<T, Broken> {
    let Ok(done) = timeout_at(ctx.deadline(), step).await else {
        let message = "no answer within --timeout".to_owned();
        let to_mend = vec!["the way to STS: endpoint, proxy, security group".to_owned()];
        return Err(Broken {
            exit: Exit::Unavailable,
            error: format!("hop {} of {of}: {} got {message}; check {}", hop.number, hop.action, to_mend[0]),
            request_id: None,
            failure: Some(FailureFound { code: None, message, request_id: None, to_mend }),
        });
    };
    done.map_err(Broken::from)
}

/// The role that a hop becomes, as policies name it: from the plan, which has its path, else from its session.
fn role_of(hop: &Hop, visit: Option<&Visit>) -> Option<String> {
    match &hop.kind {
        HopKind::AssumeRole(role) | HopKind::WebIdentity { role, .. } => Some(role.arn.clone()),
        HopKind::Keys
        | HopKind::PodIdentity
        | HopKind::Container
        | HopKind::InstanceMetadata
        | HopKind::Process => visit.map(|visit| role_of_session(&visit.identity.arn)),
    }
}

/// A hop that nobody has visited.
fn planned(hop: &Hop, of: usize) -> HopFound {
    let token = match &hop.kind {
        HopKind::WebIdentity { token_file, claims, .. } => {
            Some(token_found(token_file.display().to_string(), claims))
        }
        HopKind::Keys
        | HopKind::PodIdentity
        | HopKind::Container
        | HopKind::InstanceMetadata
        | HopKind::Process
        | HopKind::AssumeRole(_) => None,
    };
    HopFound {
        hop: hop.number,
        of,
        profile: hop.profile.clone(),
        action: hop.action.clone(),
        outcome: "not_reached",
        arn: None,
        account: None,
        user_id: None,
        expires: None,
        expires_in_seconds: None,
        milliseconds: None,
        token,
        failure: None,
        policies: Vec::new(),
    }
}

fn token_found(file: String, claims: &Result<TokenClaims, String>) -> TokenFound {
    let (claims, problem) = match claims {
        Ok(claims) => (claims.clone(), None),
        Err(problem) => (TokenClaims::default(), Some(problem.clone())),
    };
    let TokenClaims { iss, sub, aud, exp } = claims;
    TokenFound { file, iss, sub, aud, exp: exp.and_then(rfc3339), problem }
}

fn visit_told(told: &mut HopFound, visit: Visit) {
    let Visit { identity, expires, taken_in } = visit;
    told.outcome = Exit::Ok.name();
    told.arn = Some(identity.arn);
    told.account = Some(identity.account);
    told.user_id = Some(identity.user_id);
    told.expires = expires.and_then(|end| rfc3339(DateTime::from(end)));
    told.expires_in_seconds = expires.map(seconds_until);
    told.milliseconds = Some((taken_in.as_secs_f64() * 10_000.0).round() / 10.0);
}

#[expect(
    clippy::disallowed_methods,
    reason = "sessions end by the wall clock; this is what is left, for people"
)]
fn seconds_until(end: SystemTime) -> u64 {
    end.duration_since(SystemTime::now()).map_or(0, |left| left.as_secs())
}

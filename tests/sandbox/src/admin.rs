//! The sandbox's own API, below `/_sandbox/`: what the library offers, for tests that run it as a process.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::cloud::Cloud;
use crate::dispatch::Incoming;
use crate::rds::{self, Knock, LoginRefusal};
use crate::work::WorkKind;

/// Paths below this are the sandbox's own.
pub(crate) const PREFIX: &str = "/_sandbox/";

/// The parameters in the query of any of these requests.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Query {
    job: String,
    function: String,
    endpoint: String,
    environment: String,
    machine: String,
    bucket: String,
    key: String,
    secret: String,
    id: String,
    kind: String,
    resource: String,
    port: String,
    issuer: String,
    sub: String,
    aud: String,
    #[serde(with = "humantime_serde", default = "an_hour")]
    lifetime: Duration,
    #[serde(with = "humantime_serde")]
    by: Duration,
}

/// How long a token lives where nobody says.
const fn an_hour() -> Duration {
    Duration::from_hours(1)
}

/// Why a request is not answered as it wishes.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("no such request")]
    Unknown,
    #[error("not readable: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("refused: {0}")]
    Login(LoginRefusal),
    #[error(transparent)]
    Sandbox(#[from] crate::Error),
}

/// Answers one request.
pub(crate) fn answer(cloud: &Cloud, incoming: &Incoming) -> Response<Bytes> {
    let (status, body) = match work(cloud, incoming) {
        Ok(body) => (StatusCode::OK, body),
        Err(refused) => {
            let status = match refused {
                Refused::Unknown => StatusCode::NOT_FOUND,
                Refused::Login(_) => StatusCode::FORBIDDEN,
                Refused::Unreadable(_) | Refused::Sandbox(_) => StatusCode::BAD_REQUEST,
            };
            (status, json!({ "error": refused.to_string() }).to_string().into())
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

fn work(cloud: &Cloud, incoming: &Incoming) -> Result<Bytes, Refused> {
    let query: BTreeMap<_, _> = form_urlencoded::parse(incoming.query.as_bytes()).collect();
    let query = Query::deserialize(json!(query))?;
    let path = incoming.path.strip_prefix(PREFIX).unwrap_or_default();
    match (incoming.method.as_str(), path) {
        ("GET", "calls") => written(&cloud.record().calls),
        ("GET", "proxied") => written(&cloud.record().proxied),
        ("GET", "secrets") => written(&cloud.record().secrets),
        ("GET", "runs") => written(&cloud.runs(&query.job).ok_or(Refused::Unknown)?),
        ("POST", "runs") => {
            let id = cloud.start_run(&query.job, serde_json::from_slice(&incoming.body)?)?;
            written(&json!({ "id": id }))
        }
        ("DELETE", "runs") => {
            cloud.stop_run(&query.job, &query.id)?;
            done()
        }
        ("GET", "invocations") => written(&cloud.invocations(&query.function).ok_or(Refused::Unknown)?),
        ("GET", "inferences") => written(&cloud.inferences(&query.endpoint).ok_or(Refused::Unknown)?),
        ("GET", "training-jobs") => written(&cloud.training_jobs()),
        ("DELETE", "training-jobs") => {
            cloud.stop_training_job(&query.job)?;
            done()
        }
        ("GET", "statements") => written(&cloud.redshift().list()),
        ("DELETE", "statements") => {
            cloud.cancel_statement(&query.id)?;
            done()
        }
        ("GET", "rds-logins") => written(&cloud.record().logins),
        // The body is the user's name, a line's end, and what came in place of a password.
        ("POST", "rds-logins") => {
            let body = String::from_utf8_lossy(&incoming.body);
            let port = serde_json::from_str(&query.port)?;
            let (user, token) = body.split_once('\n').unwrap_or((&body, ""));
            rds::login(cloud, Knock { resource_id: &query.resource, port, user, token })
                .map_err(Refused::Login)?;
            done()
        }
        ("PUT", "secret") => {
            let value = String::from_utf8_lossy(&incoming.body).into_owned();
            written(&json!({ "version": cloud.rotate_secret(&query.secret, value)? }))
        }
        ("GET", "work") => {
            let kind = WorkKind::deserialize(json!(query.kind))?;
            written(&cloud.work(kind))
        }
        ("GET", "executions") => written(&cloud.machine_executions(&query.machine).ok_or(Refused::Unknown)?),
        ("DELETE", "executions") => {
            cloud.stop_execution(&query.id)?;
            done()
        }
        ("GET", "dag-runs") => written(&cloud.dag_runs(&query.environment).ok_or(Refused::Unknown)?),
        ("GET", "objects") => written(&cloud.objects(&query.bucket).ok_or(Refused::Unknown)?),
        ("GET", "object") => cloud.object(&query.bucket, &query.key).ok_or(Refused::Unknown),
        ("PUT", "object") => {
            cloud.put_object(&query.bucket, &query.key, incoming.body.clone())?;
            done()
        }
        ("DELETE", "object") => {
            cloud.delete_object(&query.bucket, &query.key)?;
            done()
        }
        ("POST", "faults") => {
            cloud.add_fault(serde_json::from_slice(&incoming.body)?)?;
            done()
        }
        ("DELETE", "faults") => {
            cloud.faults().clear();
            done()
        }
        ("GET", "token") => {
            let token = cloud.token(&query.issuer, &query.sub, &query.aud, query.lifetime)?;
            written(&json!({ "token": token }))
        }
        ("POST", "advance") => {
            cloud.clock.advance(query.by);
            done()
        }
        ("POST", "expire-sessions") => {
            cloud.expire_sessions();
            done()
        }
        _ => Err(Refused::Unknown),
    }
}

fn written(value: &impl Serialize) -> Result<Bytes, Refused> {
    Ok(serde_json::to_vec(value)?.into())
}

fn done() -> Result<Bytes, Refused> {
    written(&json!({}))
}

//! The sandbox's own API, below `/_sandbox/`: what the library offers, for tests that run it as a process.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::cloud::Cloud;
use crate::dispatch::Incoming;

/// Paths below this are the sandbox's own.
pub(crate) const PREFIX: &str = "/_sandbox/";

/// The parameters in the query of any of these requests.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct Query {
    job: String,
    function: String,
    endpoint: String,
    environment: String,
    bucket: String,
    key: String,
    id: String,
    issuer: String,
    sub: String,
    aud: String,
    #[serde(with = "humantime_serde")]
    lifetime: Duration,
    #[serde(with = "humantime_serde")]
    by: Duration,
}

impl Default for Query {
    fn default() -> Self {
        let none = String::new;
        let (lifetime, by) = (Duration::from_hours(1), Duration::ZERO);
        let (job, id, function, endpoint) = (none(), none(), none(), none());
        let (bucket, key, issuer, sub, aud, environment) = (none(), none(), none(), none(), none(), none());
        Self { job, function, endpoint, environment, bucket, key, id, issuer, sub, aud, lifetime, by }
    }
}

/// Why a request is not answered as it wishes.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("no such request")]
    Unknown,
    #[error("not readable: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error(transparent)]
    Sandbox(#[from] crate::Error),
}

/// Answers one request.
pub(crate) fn answer(cloud: &Cloud, incoming: &Incoming) -> Response<Bytes> {
    let (status, body) = match work(cloud, incoming) {
        Ok(body) => (StatusCode::OK, body),
        Err(refused) => {
            let unknown = matches!(refused, Refused::Unknown);
            let status = if unknown { StatusCode::NOT_FOUND } else { StatusCode::BAD_REQUEST };
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

//! The API server of a cluster: who one is, and lists of namespaces and pods, as `kubectl get` asks for them.

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::KnownCluster;
use super::token::{bearer, verify};
use crate::answer::Content;
use crate::cloud::Cloud;
use crate::crypto::uuid;
use crate::dispatch::Incoming;
use crate::record::Call;

/// Answers one request to the API server of the cluster at `index`, and writes it down as one of the service
/// `kubernetes`.
pub(crate) fn answer(cloud: &Cloud, index: usize, incoming: &Incoming) -> Response<Content> {
    let eks = cloud.eks();
    let Some(known) = eks.at(index) else { return respond(404, &status(404, "NotFound", "no such cluster")) };
    let caller = bearer(incoming.header("authorization"))
        .ok_or_else(|| "no bearer token".to_owned())
        .and_then(|token| verify(cloud, known, &token))
        .and_then(|caller| {
            let let_in = known.cluster.access.contains(&caller.principal);
            if let_in { Ok(caller) } else { Err(format!("{} has no access entry", caller.principal)) }
        });
    let (code, body) = match &caller {
        // Why a token is refused is in the control plane's own log and nowhere else.
        Err(_) => (401, status(401, "Unauthorized", "Unauthorized")),
        Ok(_) => look(known, incoming),
    };
    cloud.called(Call {
        service: "kubernetes".into(),
        operation: format!("{} {}", incoming.method, incoming.path),
        account: known.cluster.account.clone(),
        region: known.region.clone(),
        caller: caller.as_ref().map_or_else(|_| String::new(), |caller| caller.arn.clone()),
        access_key: String::new(),
        status: Some(code),
        error: caller.err(),
        request_id: uuid(),
        fault: None,
        at: cloud.clock.elapsed(),
        connection: incoming.connection.number,
        secure: true,
        proxied: false,
        user_agent: incoming.header("user-agent").unwrap_or_default().into(),
        parameters: Value::Null,
    });
    respond(code, &body)
}

fn look(known: &KnownCluster, incoming: &Incoming) -> (u16, Value) {
    let pods = &known.cluster.pods;
    let segments: Vec<&str> = incoming.path.split('/').filter(|segment| !segment.is_empty()).collect();
    let found = match segments[..] {
        ["api"] => json!({ "kind": "APIVersions", "versions": ["v1"] }),
        ["apis"] => json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": [] }),
        ["api", "v1"] => json!({ "kind": "APIResourceList", "groupVersion": "v1", "resources": [
            { "name": "namespaces", "singularName": "", "namespaced": false, "kind": "Namespace", "verbs": ["get", "list"], "shortNames": ["ns"] },
            { "name": "pods", "singularName": "", "namespaced": true, "kind": "Pod", "verbs": ["get", "list"], "shortNames": ["po"] },
        ] }),
        ["version"] => {
            json!({ "major": "1", "minor": "34", "gitVersion": format!("v{}.0-eks", known.cluster.version) })
        }
        ["api", "v1", "namespaces"] => list("Namespace", pods.keys().map(|name| json!({ "name": name }))),
        ["api", "v1", "pods"] => {
            let all =
                pods.iter().flat_map(|(namespace, names)| names.iter().map(move |name| (namespace, name)));
            list("Pod", all.map(|(namespace, name)| json!({ "name": name, "namespace": namespace })))
        }
        ["api", "v1", "namespaces", namespace, "pods"] => {
            let names = pods.get(namespace).into_iter().flatten();
            list("Pod", names.map(|name| json!({ "name": name, "namespace": namespace })))
        }
        _ => return (404, status(404, "NotFound", "the server could not find the requested resource")),
    };
    (200, found)
}

fn list(kind: &str, metadata: impl Iterator<Item = Value>) -> Value {
    let items: Vec<Value> =
        metadata.map(|metadata| json!({ "kind": kind, "apiVersion": "v1", "metadata": metadata })).collect();
    json!({ "kind": format!("{kind}List"), "apiVersion": "v1", "metadata": { "resourceVersion": "1" }, "items": items })
}

fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason,
        "code": code,
    })
}

fn respond(code: u16, body: &Value) -> Response<Content> {
    let mut response = Response::new(Content::Whole(Bytes::from(body.to_string())));
    *response.status_mut() =
        http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}

//! Amazon EKS: which clusters there are, and the API server of each.

mod cluster;
pub(crate) mod kubernetes;
mod token;

use serde::Deserialize;
use serde_json::{Value, json};

pub use cluster::{Cluster as EksCluster, EksWorld};
pub(crate) use cluster::{Eks, KnownCluster};

use crate::cloud::Cloud;
use crate::crypto::{base64url, from_base64url};
use crate::refusal::{Constraints, Refusal};
use crate::rest::Place::{List, Query};
use crate::rest::{Route, members, number};
use crate::service::Request;

/// What this service can do.
pub(crate) const OPERATIONS: &[&str] = &["DescribeCluster", "ListClusters"];

/// All errors of EKS spell the member with their text alike.
pub(crate) const LOWER_CASE: &[&str] = &[
    "AccessDeniedException",
    "ClientException",
    "InvalidParameterException",
    "ResourceNotFoundException",
    "ServerException",
    "ServiceUnavailableException",
    "ThrottlingException",
];

pub(crate) const ROUTES: &[Route] = &[
    Route {
        operation: "DescribeCluster",
        method: "GET",
        path: "/clusters/*",
        label: "name",
        members: &[],
        body: None,
    },
    Route {
        operation: "ListClusters",
        method: "GET",
        path: "/clusters",
        label: "",
        members: &[
            ("maxResults", Query("maxResults")),
            ("nextToken", Query("nextToken")),
            ("include", List("include")),
        ],
        body: None,
    },
];

/// The largest page, which is also the usual one.
const PAGE: i64 = 100;

/// Answers one authenticated request.
pub(crate) fn answer(cloud: &Cloud, request: &Request<'_>) -> Result<Value, Refusal> {
    match request.operation {
        "DescribeCluster" => describe(cloud, request),
        "ListClusters" => list(cloud, request),
        _ => Err(request.unknown_operation()),
    }
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

fn describe(cloud: &Cloud, request: &Request<'_>) -> Result<Value, Refusal> {
    let Named { name } = members(request.parameters)?;
    let caller = request.caller()?;
    let (partition, region, account) = (caller.partition(), request.region, &caller.account);
    request.authorize(&format!("arn:{partition}:eks:{region}:{account}:cluster/{name}"))?;
    let eks = cloud.eks();
    let known = eks.of(account, region).find(|known| known.cluster.name == name);
    let Some(known) = known else {
        let text = format!("No cluster found for name: {name}.");
        return Err(Refusal::new(404, "ResourceNotFoundException", text).member("clusterName", name));
    };
    Ok(json!({ "cluster": known.describe() }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    max_results: Option<String>,
    next_token: Option<String>,
}

fn list(cloud: &Cloud, request: &Request<'_>) -> Result<Value, Refusal> {
    let Page { max_results, next_token } = members(request.parameters)?;
    let size = number("maxResults", max_results.as_deref())?.unwrap_or(PAGE);
    let mut constraints = Constraints::default();
    constraints.range("maxResults", size, 1, PAGE);
    constraints.finish("InvalidParameterException")?;
    let caller = request.caller()?;
    let (partition, region, account) = (caller.partition(), request.region, &caller.account);
    // ListClusters knows no resource; policies that allow it name `*`.
    request.authorize(&format!("arn:{partition}:eks:{region}:{account}:cluster/*"))?;
    let unknown = || Refusal::new(400, "InvalidParameterException", "Invalid nextToken");
    let after = match &next_token {
        Some(token) => {
            from_base64url(token).and_then(|name| String::from_utf8(name).ok()).ok_or_else(unknown)?
        }
        None => String::new(),
    };
    let eks = cloud.eks();
    let mut names: Vec<&str> = eks.of(account, region).map(|known| known.cluster.name.as_str()).collect();
    names.sort_unstable();
    names.retain(|name| *name > after.as_str());
    let size = usize::try_from(size).unwrap_or_default();
    let more = names.len() > size;
    names.truncate(size);
    let next = names.last().filter(|_| more).map(|last| base64url(last.as_bytes()));
    Ok(json!({ "clusters": names, "nextToken": next }))
}

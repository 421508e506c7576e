//! The container credentials endpoint: ECS task roles and EKS Pod Identity.

use serde_json::json;

use crate::clock::iso;
use crate::cloud::Cloud;
use crate::identity::Wish;
use crate::refusal::Refusal;
use crate::service::Request;
use crate::world::ContainerCredentials;

/// What this service can do.
pub(crate) const OPERATIONS: &[&str] = &["GetCredentials"];

/// Is there an endpoint at this path?
pub(crate) fn is_at(cloud: &Cloud, path: &str) -> bool {
    endpoint(cloud, path).is_some()
}

fn endpoint<'a>(cloud: &'a Cloud, path: &str) -> Option<&'a ContainerCredentials> {
    cloud.world.container_credentials.iter().find(|endpoint| endpoint.path == path)
}

/// Answers one request.
pub(crate) fn answer(cloud: &Cloud, request: &Request<'_>) -> Result<String, Refusal> {
    let endpoint = endpoint(cloud, &request.incoming.path).ok_or_else(|| request.unknown_operation())?;
    if request.incoming.method != "GET" {
        return Err(Refusal::new(405, "MethodNotAllowed", "Method Not Allowed"));
    }
    let given = request.incoming.header("authorization");
    if endpoint.authorization.is_some() && endpoint.authorization.as_deref() != given {
        return Err(Refusal::new(
            403,
            "AccessDeniedException",
            "Unauthorized Exception! EKS does not have permissions to assume the associated role.",
        ));
    }
    let role = cloud.directory().role(&endpoint.role).ok_or_else(|| request.unknown_operation())?;
    let wish = Wish {
        session_name: endpoint.session_name.clone(),
        seconds: u32::try_from(endpoint.lifetime.as_secs()).unwrap_or(u32::MAX),
        transitive_tags: endpoint.transitive_tags.clone(),
        ..Wish::default()
    };
    let issued = cloud.issue(&role, wish);
    Ok(json!({
        "RoleArn": endpoint.role,
        "AccessKeyId": issued.access_key,
        "SecretAccessKey": issued.secret,
        "Token": issued.token,
        "Expiration": iso(issued.expires),
    })
    .to_string())
}

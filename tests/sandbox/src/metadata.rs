//! The instance metadata service, version 2 only.

use serde_json::json;

use crate::clock::iso;
use crate::cloud::Cloud;
use crate::crypto::{base64url, random};
use crate::dispatch::Incoming;
use crate::identity::Wish;
use crate::refusal::Refusal;
use crate::service::Request;

/// What this service can do.
pub(crate) const OPERATIONS: &[&str] = &["GetCredentials", "GetRoleName", "GetToken"];

const TOKEN_PATH: &str = "/latest/api/token";
const ROLE_PATH: &str = "/latest/meta-data/iam/security-credentials/";
/// How this service's tokens begin, which tells them from all other secrets.
const TOKEN_MARK: &str = "AQAEA";
/// How long a token shall live and lives, in seconds.
pub(crate) const LIFE_HEADER: &str = "x-aws-ec2-metadata-token-ttl-seconds";
/// Six hours, as real ones.
const SESSION_SECONDS: u32 = 6 * 3600;

/// Which operation a request means, if it means this service.
pub(crate) fn operation(cloud: &Cloud, incoming: &Incoming) -> Option<&'static str> {
    cloud.world.instance_metadata.as_ref()?;
    match incoming.path.as_str() {
        TOKEN_PATH => Some("GetToken"),
        ROLE_PATH => Some("GetRoleName"),
        path if path.starts_with(ROLE_PATH) => Some("GetCredentials"),
        _ => None,
    }
}

/// Answers one request.
pub(crate) fn answer(cloud: &Cloud, request: &Request<'_>) -> Result<String, Refusal> {
    let not_found = || Refusal::new(404, "NotFound", "Not Found");
    let metadata = cloud.world.instance_metadata.as_ref().ok_or_else(not_found)?;
    let incoming = request.incoming;
    if request.operation == "GetToken" {
        let life = incoming.header(LIFE_HEADER).and_then(|life| life.parse().ok());
        if incoming.method != "PUT" || !life.is_some_and(|life: u32| (1..=21_600).contains(&life)) {
            return Err(Refusal::new(400, "BadRequest", "Bad Request"));
        }
        let token = format!("{TOKEN_MARK}{}", base64url(&random::<36>()));
        cloud.record().secret(&token);
        return Ok(token);
    }
    let token = incoming.header("x-aws-ec2-metadata-token").unwrap_or_default();
    let known = token.starts_with(TOKEN_MARK) && cloud.record().secrets.contains(token);
    if incoming.method != "GET" || !known {
        return Err(Refusal::new(401, "Unauthorized", "Unauthorized"));
    }
    let name = metadata.role.rsplit('/').next().unwrap_or_default();
    if request.operation == "GetRoleName" {
        return Ok(name.to_owned());
    }
    let role = cloud.directory().role(&metadata.role).ok_or_else(not_found)?;
    if incoming.path != format!("{ROLE_PATH}{name}") {
        return Err(not_found());
    }
    let wish =
        Wish { session_name: metadata.instance_id.clone(), seconds: SESSION_SECONDS, ..Wish::default() };
    let issued = cloud.issue(&role, wish);
    Ok(json!({
        "Code": "Success",
        "LastUpdated": iso(request.now),
        "Type": "AWS-HMAC",
        "AccessKeyId": issued.access_key,
        "SecretAccessKey": issued.secret,
        "Token": issued.token,
        "Expiration": iso(issued.expires),
    })
    .to_string())
}

//! Secrets Manager (awsJson1.1, `secretsmanager.*`): what reads a secret.

mod store;

use serde::Deserialize;
use serde_json::{Value, json};

pub use store::{Secret, SecretsManagerWorld};
pub(crate) use store::{SecretValue, Secrets};

use self::store::{CURRENT, KnownSecret, Version};
use crate::clock::epoch_seconds;
use crate::cloud::Cloud;
use crate::crypto::base64;
use crate::refusal::{Constraints, Refusal};
use crate::service::Request;

/// What this service can do.
pub(crate) const OPERATIONS: &[&str] = &["DescribeSecret", "GetSecretValue"];

/// Answers one authenticated request.
pub(crate) fn answer(cloud: &Cloud, request: &Request<'_>) -> Result<Value, Refusal> {
    match request.operation {
        "GetSecretValue" => get_secret_value(cloud, request),
        "DescribeSecret" => describe_secret(cloud, request),
        _ => Err(request.unknown_operation()),
    }
}

/// The members of both requests.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Members {
    secret_id: Option<String>,
    version_id: Option<String>,
    version_stage: Option<String>,
}

impl Members {
    fn read(parameters: &Value) -> Result<(String, Self), Refusal> {
        let mut members = Self::deserialize(parameters)
            .map_err(|error| Refusal::at_the_door(400, "SerializationException", error.to_string()))?;
        let mut constraints = Constraints::default();
        constraints.present("secretId", members.secret_id.as_ref());
        for (member, value, min, max) in [
            ("secretId", &members.secret_id, 1, 2048),
            ("versionId", &members.version_id, 32, 64),
            ("versionStage", &members.version_stage, 1, 256),
        ] {
            if let Some(value) = value {
                constraints.length(member, value, min, max, false);
            }
        }
        constraints.finish("ValidationException")?;
        Ok((members.secret_id.take().unwrap_or_default(), members))
    }
}

fn get_secret_value(cloud: &Cloud, request: &Request<'_>) -> Result<Value, Refusal> {
    let (id, members) = Members::read(request.parameters)?;
    let secrets = cloud.secrets();
    let known = find(&secrets, request, &id)?;
    if known.secret.deleted {
        let text = "You can't perform this operation on the secret because it was marked for deletion.";
        return Err(Refusal::new(400, "InvalidRequestException", text));
    }
    let version = version(known, &members)?;
    decrypt(known, request)?;
    let mut answer = json!({
        "ARN": known.arn,
        "Name": known.secret.name,
        "VersionId": version.id,
        "VersionStages": version.stages,
        "CreatedDate": epoch_seconds(version.created),
    });
    match &version.value {
        SecretValue::Text(text) => answer["SecretString"] = json!(text),
        SecretValue::Binary(data) => answer["SecretBinary"] = json!(base64(data)),
    }
    Ok(answer)
}

fn describe_secret(cloud: &Cloud, request: &Request<'_>) -> Result<Value, Refusal> {
    let (id, _) = Members::read(request.parameters)?;
    let secrets = cloud.secrets();
    let known = find(&secrets, request, &id)?;
    // Versions without a stage are on their way out and not told.
    let told = known.versions.iter().filter(|version| !version.stages.is_empty());
    let stages: serde_json::Map<String, Value> =
        told.map(|version| (version.id.clone(), json!(version.stages))).collect();
    let mut answer = json!({
        "ARN": known.arn,
        "Name": known.secret.name,
        "CreatedDate": epoch_seconds(known.created),
        "LastChangedDate": epoch_seconds(known.versions.last().map_or(known.created, |version| version.created)),
        "VersionIdsToStages": stages,
    });
    if let Some(key) = &known.secret.kms_key {
        answer["KmsKeyId"] = json!(key);
    }
    if known.secret.deleted {
        answer["DeletedDate"] = json!(epoch_seconds(known.created));
    }
    Ok(answer)
}

/// The secret that a name of the caller's own account or an ARN means, if the caller may do this with it.
fn find<'a>(secrets: &'a Secrets, request: &Request<'_>, id: &str) -> Result<&'a KnownSecret, Refusal> {
    let caller = request.caller()?;
    let (partition, region, account) = (caller.partition(), request.region, &caller.account);
    let (arn, known) = if id.starts_with("arn:") {
        (id.to_owned(), secrets.by_arn(id))
    } else {
        let arn = format!("arn:{partition}:secretsmanager:{region}:{account}:secret:{id}");
        (arn, secrets.by_name(account, id))
    };
    let Some(known) = known.filter(|known| known.region == region) else {
        // Where there is none, what was asked for stands in the text as it was.
        let action = format!("secretsmanager:{}", request.operation);
        return Err(match caller.lacks(&action, &arn) {
            Some(reason) => request.service.protocol().denied(caller, &action, id, reason),
            None => missing("Secrets Manager can't find the specified secret."),
        });
    };
    request.authorize(&known.arn)?;
    if known.secret.account != *account && !known.secret.allow_accounts.contains(account) {
        let action = format!("secretsmanager:{}", request.operation);
        return Err(request.service.protocol().denied(caller, &action, &known.arn, "resource-based"));
    }
    Ok(known)
}

fn version<'a>(known: &'a KnownSecret, members: &Members) -> Result<&'a Version, Refusal> {
    let stage = match (&members.version_id, &members.version_stage) {
        (Some(_), None) => None,
        (_, stage) => Some(stage.as_deref().unwrap_or(CURRENT)),
    };
    let is = |version: &&Version| {
        members.version_id.as_ref().is_none_or(|id| *id == version.id)
            && stage.is_none_or(|stage| version.stages.iter().any(|own| own == stage))
    };
    known.versions.iter().find(is).ok_or_else(|| {
        let what = match (&members.version_id, stage) {
            (Some(id), None) => format!("VersionId: {id}"),
            // The service's own words where both are given are not documented.
            (Some(id), Some(stage)) => format!("VersionId: {id} and staging label: {stage}"),
            (None, stage) => format!("staging label: {}", stage.unwrap_or(CURRENT)),
        };
        missing(format!("Secrets Manager can't find the specified secret value for {what}"))
    })
}

/// Whoever reads a secret uses its key; the account's own key serves everybody in the account and nobody else.
fn decrypt(known: &KnownSecret, request: &Request<'_>) -> Result<(), Refusal> {
    let caller = request.caller()?;
    match &known.secret.kms_key {
        None if known.secret.account != caller.account => {
            let text = "You can't access a secret from a different AWS account if you encrypt the secret with the \
                        default KMS service key.";
            Err(Refusal::new(400, "InvalidRequestException", text))
        }
        Some(key) if caller.lacks("kms:Decrypt", key).is_some() => {
            Err(Refusal::new(400, "AccessDeniedException", "Access to KMS is not allowed"))
        }
        _ if known.secret.undecryptable => {
            let text = "Secrets Manager can't decrypt the protected secret text using the provided KMS key.";
            Err(Refusal::new(400, "DecryptionFailure", text))
        }
        _ => Ok(()),
    }
}

fn missing(text: impl Into<String>) -> Refusal {
    Refusal::new(400, "ResourceNotFoundException", text)
}

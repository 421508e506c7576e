//! `SageMaker` itself: training jobs (awsJson1.1, `SageMaker.*`).

use serde_json::{Value, json};

use super::is_dashed;
use crate::cloud::Cloud;
use crate::refusal::{Constraints, Refusal};
use crate::service::Request;

/// What this service can do.
pub(crate) const OPERATIONS: &[&str] = &["CreateTrainingJob", "DescribeTrainingJob", "StopTrainingJob"];

const NAME: &str = "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}";
const ROLE: &str = r"arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+";
const S3_URI: &str = "(https|s3)://([^/]+)/?(.*)";
const CHANNEL: &str = r"[A-Za-z0-9\.\-_]+";

/// Answers one authenticated request.
pub(crate) fn answer(cloud: &Cloud, request: &Request<'_>) -> Result<Value, Refusal> {
    match request.operation {
        "CreateTrainingJob" => create(cloud, request),
        "DescribeTrainingJob" => describe(cloud, request),
        "StopTrainingJob" => stop(cloud, request),
        _ => Err(request.unknown_operation()),
    }
}

fn create(cloud: &Cloud, request: &Request<'_>) -> Result<Value, Refusal> {
    let spec = request.parameters;
    let mut constraints = Constraints::default();
    let name = named(&mut constraints, spec)?;
    let role = required(&mut constraints, spec, "RoleArn", "roleArn")?;
    if let Some(role) = role {
        constraints.length("roleArn", role, 20, 2048, false);
        constraints.form("roleArn", role, ROLE, is_role(role));
    }
    check_output(&mut constraints, spec)?;
    check_data(&mut constraints, spec)?;
    check_maps(&mut constraints, spec)?;
    check_resources(&mut constraints, spec);
    constraints.finish("ValidationException")?;
    let (name, role) = (name.unwrap_or_default(), role.unwrap_or_default());
    let caller = request.caller()?;
    let arn = arn(request, name)?;
    request.authorize(&arn)?;
    if role.split(':').nth(4) != Some(caller.account.as_str()) {
        return Err(invalid("RoleArn: Cross-account pass role is not allowed."));
    }
    request.authorize_as("iam:PassRole", role)?;
    let mut sagemaker = cloud.sagemaker();
    let place = (caller.account.as_str(), request.region, name, arn.as_str());
    if sagemaker.training.find(place.0, place.1, name).is_some() {
        let text = format!(
            "Job name must be unique within an AWS account and region, and a job with this name already exists ({arn})"
        );
        return Err(Refusal::new(400, "ResourceInUse", text));
    }
    sagemaker.training.create(place, spec.clone(), &mut cloud.logs(), request.now);
    Ok(json!({ "TrainingJobArn": arn }))
}

fn describe(cloud: &Cloud, request: &Request<'_>) -> Result<Value, Refusal> {
    let (name, _) = authorized(request)?;
    let sagemaker = cloud.sagemaker();
    let job = sagemaker.training.find(&request.caller()?.account, request.region, &name);
    job.and_then(|job| sagemaker.training.describe(job, request.now)).ok_or_else(unknown)
}

fn stop(cloud: &Cloud, request: &Request<'_>) -> Result<Value, Refusal> {
    let (name, arn) = authorized(request)?;
    let mut sagemaker = cloud.sagemaker();
    sagemaker.training.find(&request.caller()?.account, request.region, &name).ok_or_else(unknown)?;
    sagemaker.training.stop(&arn, &mut cloud.logs(), request.now).map_err(|status| {
        invalid(&format!("The request was rejected because the training job is in status {status}."))
    })?;
    Ok(json!({}))
}

/// Name and ARN of the job that is meant, if the caller may do this to it.
fn authorized(request: &Request<'_>) -> Result<(String, String), Refusal> {
    let mut constraints = Constraints::default();
    let name = named(&mut constraints, request.parameters)?;
    constraints.finish("ValidationException")?;
    let name = name.unwrap_or_default().to_owned();
    let arn = arn(request, &name)?;
    request.authorize(&arn)?;
    Ok((name, arn))
}

/// A training job's ARN has its name in lower case.
fn arn(request: &Request<'_>, name: &str) -> Result<String, Refusal> {
    let caller = request.caller()?;
    let (partition, region, account) = (caller.partition(), request.region, &caller.account);
    Ok(format!("arn:{partition}:sagemaker:{region}:{account}:training-job/{}", name.to_lowercase()))
}

fn named<'a>(constraints: &mut Constraints, spec: &'a Value) -> Result<Option<&'a str>, Refusal> {
    let name = required(constraints, spec, "TrainingJobName", "trainingJobName")?;
    if let Some(name) = name {
        constraints.length("trainingJobName", name, 1, 63, false);
        constraints.form("trainingJobName", name, NAME, is_dashed(name));
    }
    Ok(name)
}

/// A text that must be there; `path` is how refusals name it.
fn required<'a>(
    constraints: &mut Constraints,
    parent: &'a Value,
    member: &str,
    path: &str,
) -> Result<Option<&'a str>, Refusal> {
    let value = Some(&parent[member]).filter(|value| !value.is_null());
    constraints.present(path, value);
    value.map(|value| value.as_str().ok_or_else(|| wrong_type(member, "string"))).transpose()
}

fn check_output(constraints: &mut Constraints, spec: &Value) -> Result<(), Refusal> {
    let output = &spec["OutputDataConfig"];
    if output.is_null() {
        constraints.present::<()>("outputDataConfig", None);
        return Ok(());
    }
    if !output.is_object() {
        return Err(wrong_type("OutputDataConfig", "structure"));
    }
    let path = "outputDataConfig.s3OutputPath";
    if let Some(uri) = required(constraints, output, "S3OutputPath", path)? {
        constraints.length(path, uri, 0, 1024, false);
        constraints.form(path, uri, S3_URI, is_uri(uri));
    }
    Ok(())
}

fn check_data(constraints: &mut Constraints, spec: &Value) -> Result<(), Refusal> {
    let algorithm = &spec["AlgorithmSpecification"];
    if algorithm.is_object() {
        let path = "algorithmSpecification.trainingInputMode";
        if let Some(mode) = required(constraints, algorithm, "TrainingInputMode", path)? {
            constraints.one_of(path, mode, &["Pipe", "File", "FastFile"]);
        }
    }
    let channels = match &spec["InputDataConfig"] {
        Value::Null => return Ok(()),
        Value::Array(channels) => channels,
        _ => return Err(wrong_type("InputDataConfig", "list")),
    };
    constraints.count("inputDataConfig", channels.len(), 1, 20);
    for (index, channel) in channels.iter().enumerate() {
        let path = |member: &str| format!("inputDataConfig.{}.member.{member}", index + 1);
        if let Some(name) = required(constraints, channel, "ChannelName", &path("channelName"))? {
            constraints.length(&path("channelName"), name, 1, 64, false);
            constraints.pattern(&path("channelName"), name, CHANNEL, |character| {
                character.is_ascii_alphanumeric() || ".-_".contains(character)
            });
        }
        constraints
            .present(&path("dataSource"), Some(&channel["DataSource"]).filter(|source| source.is_object()));
    }
    Ok(())
}

/// Hyperparameters and environment: names and values are text.
fn check_maps(constraints: &mut Constraints, spec: &Value) -> Result<(), Refusal> {
    for (member, path, longest) in
        [("HyperParameters", "hyperParameters", 2500), ("Environment", "environment", 512)]
    {
        let map = match &spec[member] {
            Value::Null => continue,
            Value::Object(map) => map,
            _ => return Err(wrong_type(member, "map")),
        };
        constraints.count(path, map.len(), 0, 100);
        for (key, value) in map {
            let value = value.as_str().ok_or_else(|| wrong_type(&format!("{member}.{key}"), "string"))?;
            constraints.length(&format!("{path}.{key}"), value, 0, longest, false);
        }
    }
    Ok(())
}

fn check_resources(constraints: &mut Constraints, spec: &Value) {
    if let Some(count) = spec["ResourceConfig"]["InstanceCount"].as_i64() {
        constraints.range("resourceConfig.instanceCount", count, 0, i64::MAX);
    }
    if let Some(seconds) = spec["StoppingCondition"]["MaxRuntimeInSeconds"].as_i64() {
        constraints.range("stoppingCondition.maxRuntimeInSeconds", seconds, 1, i64::MAX);
    }
}

fn is_role(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, resource] = parts[..] else { return false };
    let name = resource.strip_prefix("role/").or_else(|| resource.strip_prefix("role"));
    partition.starts_with("aws")
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && name.is_some_and(|name| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-/".contains(c))
        })
}

fn is_uri(text: &str) -> bool {
    let path = text.strip_prefix("s3://").or_else(|| text.strip_prefix("https://"));
    path.is_some_and(|path| !path.is_empty() && !path.starts_with('/'))
}

fn wrong_type(member: &str, kind: &str) -> Refusal {
    Refusal::at_the_door(400, "SerializationException", format!("{member} is no {kind}"))
}

fn unknown() -> Refusal {
    invalid("Requested resource not found.")
}

fn invalid(text: &str) -> Refusal {
    Refusal::new(400, "ValidationException", text)
}

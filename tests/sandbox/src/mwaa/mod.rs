//! Amazon MWAA: environments (restJson1), and Airflow behind them – its REST API, its command line, its logins.

mod airflow;
mod command;
mod store;
pub(crate) mod web;
mod world;

pub use store::DagRun;
pub(crate) use store::Mwaa;
pub use world::{AirflowEnvironment, CliAnswer, Dag, DagCourse, DagStep, MwaaWorld};

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use self::airflow::Ask;
use self::store::{Known, TokenKind};
use crate::answer::Answer;
use crate::clock::epoch_seconds;
use crate::cloud::Cloud;
use crate::dispatch::Incoming;
use crate::refusal::{Constraints, Refusal};
use crate::rest::number;
use crate::service::Request;

/// What this service can do.
pub(crate) const OPERATIONS: &[&str] =
    &["CreateCliToken", "CreateWebLoginToken", "GetEnvironment", "InvokeRestApi", "ListEnvironments"];

/// Errors of these codes spell the member with the text in lower case.
pub(crate) const LOWER_CASE: &[&str] =
    &["InternalServerException", "ResourceNotFoundException", "ValidationException"];

/// The value of a configuration option, which is a secret where it is a password.
const OPTION: &str = "a-password-of-the-mail-server";

/// The roles of Airflow that IAM can grant, mightiest first.
const AIRFLOW_ROLES: [&str; 5] = ["Admin", "Op", "User", "Viewer", "Public"];

/// The operation of a request, and the label in its path.
fn meant(incoming: &Incoming) -> Option<(&'static str, String)> {
    let segments: Vec<&str> = incoming.path.trim_start_matches('/').split('/').collect();
    let (operation, label) = match (incoming.method.as_str(), segments.as_slice()) {
        ("GET", ["environments"]) => ("ListEnvironments", ""),
        ("GET", ["environments", name]) => ("GetEnvironment", *name),
        ("POST", ["clitoken", name]) => ("CreateCliToken", *name),
        ("POST", ["webtoken", name]) => ("CreateWebLoginToken", *name),
        ("POST", ["restapi", name]) => ("InvokeRestApi", *name),
        _ => return None,
    };
    Some((operation, percent_decode_str(label).decode_utf8_lossy().into_owned()))
}

/// The operation of a request, if it means one of these.
pub(crate) fn operation(incoming: &Incoming) -> Option<&'static str> {
    meant(incoming).map(|(operation, _)| operation)
}

/// The members of a request by their names in the model, and the host that was asked.
pub(crate) fn parameters(incoming: &Incoming) -> Result<Value, Refusal> {
    let mut members = if incoming.body.is_empty() {
        json!({})
    } else {
        serde_json::from_slice(&incoming.body)
            .map_err(|_| Refusal::at_the_door(400, "SerializationException", "the body is no JSON"))?
    };
    if let Some((_, name)) = meant(incoming).filter(|(_, name)| !name.is_empty()) {
        members["Name"] = json!(name);
    }
    for (name, value) in form_urlencoded::parse(incoming.query.as_bytes()) {
        members[name.as_ref()] = json!(value);
    }
    members["Host"] = json!(incoming.header("host"));
    Ok(members)
}

/// Answers one authenticated request.
pub(crate) fn answer(cloud: &Cloud, request: &Request<'_>) -> Result<Answer, Refusal> {
    let caller = request.caller()?;
    let text = |member: &str| request.parameters[member].as_str().unwrap_or_default();
    let (account, region, name) = (caller.account.as_str(), request.region, text("Name"));
    if request.operation == "ListEnvironments" {
        return list(cloud, request);
    }
    let mut constraints = Constraints::default();
    constraints.length("name", name, 1, 80, false);
    let named = |name: &str| {
        let mut characters = name.chars();
        characters.next().is_some_and(|first| first.is_ascii_alphabetic())
            && characters.all(|character| character.is_ascii_alphanumeric() || "-_".contains(character))
    };
    constraints.form("name", name, "[a-zA-Z][0-9a-zA-Z-_]*", named(name));
    if request.operation == "InvokeRestApi" {
        // That the length is enforced is what the model says; nobody has told of it.
        constraints.length("path", text("Path"), 1, 64, false);
        constraints.one_of("method", text("Method"), &["GET", "PUT", "POST", "PATCH", "DELETE"]);
    }
    constraints.finish("ValidationException")?;

    let arn = |rest: &str| format!("arn:{}:airflow:{region}:{account}:{rest}", caller.partition());
    match request.operation {
        "GetEnvironment" | "CreateCliToken" => request.authorize(&arn(&format!("environment/{name}")))?,
        // Any role of Airflow will do.
        _ => {
            let granted = AIRFLOW_ROLES
                .iter()
                .any(|role| request.authorize(&arn(&format!("role/{name}/{role}"))).is_ok());
            if !granted {
                return Err(Refusal::new(403, "AccessDeniedException", "No Airflow role granted in IAM"));
            }
        }
    }
    let mut mwaa = cloud.mwaa();
    let Some(known) = mwaa.at(account, region, name) else {
        let text = format!("Environment {name} not found");
        return Err(Refusal::new(404, "ResourceNotFoundException", text));
    };
    let (host, life) = (known.host(), known.environment.token_life);
    let body = match request.operation {
        "GetEnvironment" => {
            cloud.record().secret(OPTION);
            json!({ "Environment": described(known, &arn(&format!("environment/{name}")), request) })
        }
        "CreateCliToken" => {
            let token = mwaa.issue(TokenKind::Cli, &host, life, request.now);
            cloud.record().secret(&token);
            json!({ "CliToken": token, "WebServerHostname": host })
        }
        "CreateWebLoginToken" => {
            let token = mwaa.issue(TokenKind::Web, &host, life, request.now);
            cloud.record().secret(&token);
            let who = caller.arn.split_once(":assumed-").map_or(caller.arn.as_str(), |(_, role)| role);
            json!({ "WebToken": token, "WebServerHostname": host, "IamIdentity": format!("assumed-{who}"), "AirflowIdentity": "assumed-user" })
        }
        _ => return invoke(known, request),
    };
    Ok(Answer::new("application/json", body.to_string()))
}

fn list(cloud: &Cloud, request: &Request<'_>) -> Result<Answer, Refusal> {
    // The action takes no resource.
    request.authorize("*")?;
    let caller = request.caller()?;
    let parameters = request.parameters;
    let most = number("MaxResults", parameters["MaxResults"].as_str())?;
    let mut constraints = Constraints::default();
    constraints.range("maxResults", most.unwrap_or(25), 1, 25);
    constraints.finish("ValidationException")?;
    let begin = parameters["NextToken"].as_str().map_or(Ok(0), str::parse::<usize>);
    let begin = begin.map_err(|_| Refusal::new(400, "ValidationException", "Invalid NextToken"))?;
    let most = usize::try_from(most.unwrap_or(25)).unwrap_or(25);
    let mwaa = cloud.mwaa();
    let here = |known: &&Known| known.environment.account == caller.account && known.region == request.region;
    let names: Vec<&str> =
        mwaa.environments.iter().filter(here).map(|known| known.environment.name.as_str()).collect();
    let page: Vec<&&str> = names.iter().skip(begin).take(most).collect();
    let mut body = json!({ "Environments": page });
    if begin + page.len() < names.len() {
        body["NextToken"] = json!((begin + page.len()).to_string());
    }
    Ok(Answer::new("application/json", body.to_string()))
}

fn described(known: &Known, arn: &str, request: &Request<'_>) -> Value {
    let environment = &known.environment;
    json!({
        "Name": environment.name,
        "Arn": arn,
        "Status": environment.status,
        "AirflowVersion": environment.airflow_version,
        "WebserverUrl": known.host(),
        "WebserverAccessMode": environment.access_mode,
        "SourceBucketArn": format!("arn:aws:s3:::{}", environment.bucket),
        "DagS3Path": environment.dag_folder,
        "ExecutionRoleArn": format!("arn:aws:iam::{}:role/mwaa-execution", environment.account),
        "EnvironmentClass": "mw1.small",
        "MinWorkers": 1,
        "MaxWorkers": 10,
        "Schedulers": 2,
        "CreatedAt": epoch_seconds(request.now),
        "LastUpdate": { "Status": "SUCCESS", "CreatedAt": epoch_seconds(request.now) },
        "AirflowConfigurationOptions": { "smtp.smtp_password": OPTION },
    })
}

/// Errors of Airflow arrive as two exceptions, with status 400 both.
fn invoke(known: &mut Known, request: &Request<'_>) -> Result<Answer, Refusal> {
    if !known.environment.rest_api {
        // The text is documented, the code is not.
        return Err(Refusal::new(400, "ValidationException", "Update your environment to use InvokeRestApi"));
    }
    let parameters = request.parameters;
    let text = |member: &str| parameters[member].as_str().unwrap_or_default();
    let ask = Ask {
        method: text("Method"),
        path: text("Path"),
        query: &parameters["QueryParameters"],
        body: &parameters["Body"],
    };
    let (status, response) = airflow::answer(known, &ask, request.now);
    if status < 400 {
        let body = json!({ "RestApiStatusCode": status, "RestApiResponse": response });
        return Ok(Answer::new("application/json", body.to_string()));
    }
    Err(rest_error(status, response))
}

fn rest_error(status: u16, response: Value) -> Refusal {
    let code = if status < 500 { "RestApiClientException" } else { "RestApiServerException" };
    Refusal::new(400, code, "").member("RestApiStatusCode", status).member("RestApiResponse", response)
}

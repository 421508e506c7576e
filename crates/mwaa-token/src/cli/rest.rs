//! Options of `rest`.

use clap::{Args, ValueEnum};
use job_runtime::input;
use serde_json::{Map, Value};

use crate::mwaa::{self, Ask, PATH_MAX};

/// The largest body that is read. The service's own limit is lower.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

#[derive(Debug, Args)]
#[group(skip)]
#[allow(clippy::doc_markdown, reason = "the comments are the help text, where backticks would show")]
#[command(next_help_heading = "Request")]
pub(super) struct RestArgs {
    /// Method of the request
    #[arg(env = "MWAA_REST_METHOD", value_name = "METHOD", ignore_case = true)]
    method: Method,

    /// Path below /api/v1 (Airflow 2) or /api/v2 (Airflow 3), such as /dags; 64 characters at most
    #[arg(env = "MWAA_REST_PATH", value_name = "PATH", value_parser = path)]
    path: String,

    /// Body as a JSON object; "-" is standard input; file://FILE is read as by the AWS CLI
    #[arg(env = "MWAA_REST_BODY", value_name = "BODY", value_parser = input::value(BODY_LIMIT, body))]
    body: Option<Map<String, Value>>,

    /// A query parameter; repeatable
    ///
    /// [env: MWAA_QUERY_PARAMETERS, as a JSON object]
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    query: Vec<(String, String)>,

    /// Query parameters as a JSON object
    ///
    /// Where a name is also given with --query, that one counts.
    #[arg(
        long,
        env = "MWAA_QUERY_PARAMETERS",
        value_name = "JSON",
        value_parser = input::value(BODY_LIMIT, query_parameters)
    )]
    query_parameters: Option<Map<String, Value>>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "UPPER")]
enum Method {
    Get,
    Put,
    Post,
    Patch,
    Delete,
}

impl RestArgs {
    pub(super) fn into_ask(self) -> Ask {
        let mut query = self.query_parameters.unwrap_or_default();
        query.extend(self.query.into_iter().map(|(name, value)| (name, Value::String(value))));
        Ask {
            reads: matches!(self.method, Method::Get),
            method: match self.method {
                Method::Get => mwaa::Method::Get,
                Method::Put => mwaa::Method::Put,
                Method::Post => mwaa::Method::Post,
                Method::Patch => mwaa::Method::Patch,
                Method::Delete => mwaa::Method::Delete,
            },
            path: self.path,
            query,
            body: self.body.map(Value::Object),
        }
    }
}

fn body(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let text = match bytes {
        b"-" => input::text("-", BODY_LIMIT),
        bytes => input::utf_8(bytes).map(str::to_owned),
    };
    let object = text.and_then(|text| object(&text));
    object.map_err(|problem| format!("the body is not a JSON object: {problem}"))
}

fn query_parameters(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    input::utf_8(bytes).and_then(object).map_err(|problem| format!("it is not a JSON object: {problem}"))
}

/// What is no object is told, and nothing of it.
pub(super) fn object(text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(text).map_err(|fault| input::json_fault(&fault))? {
        Value::Object(members) => Ok(members),
        _ => Err("it is something else".to_owned()),
    }
}

fn path(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err("a path begins with a slash".to_owned());
    }
    if text.starts_with("/api/") {
        return Err("the path is relative to /api/v1 or /api/v2: leave that out".to_owned());
    }
    if text.contains('?') {
        return Err("query parameters have an option of their own, --query".to_owned());
    }
    if text.chars().count() > PATH_MAX {
        return Err(format!(
            "InvokeRestApi takes paths of {PATH_MAX} characters at most; the lists below /dags/~ take ids in their body"
        ));
    }
    Ok(text.to_owned())
}

fn pair(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("a query parameter is NAME=VALUE")?;
    if name.is_empty() {
        Err("a query parameter has a name")
    } else {
        Ok((name.to_owned(), value.to_owned()))
    }
}

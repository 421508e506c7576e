//! The record of every call, and of every secret there is.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::rds::Login;

/// One request, as the sandbox saw it.
#[derive(Clone, Debug, Serialize)]
pub struct Call {
    /// Service in lower case: `sts`, `glue`, `logs`, `lambda`, `s3`, `sagemaker-runtime`, `sagemaker`,
    /// `redshift-data`, `stepfunctions`, `secretsmanager`, `mwaa`, `mwaa-web-server`, `container-credentials`, `instance-metadata`;
    /// `unknown` otherwise.
    pub service: String,
    /// Operation, as the service names it; method and path where no service is known.
    pub operation: String,
    /// Account of the caller; empty where nobody is known.
    pub account: String,
    /// Region the request was signed for; empty where it was not signed.
    pub region: String,
    /// ARN of the caller; empty where nobody is known.
    pub caller: String,
    /// Access key that signed; empty where none did.
    pub access_key: String,
    /// HTTP status sent; `None` where a fault kept the answer back.
    pub status: Option<u16>,
    /// AWS error code of the answer.
    pub error: Option<String>,
    /// Request id of the answer.
    pub request_id: String,
    /// The fault that struck, by its name.
    pub fault: Option<&'static str>,
    /// When it arrived, since the sandbox started.
    #[serde(with = "humantime_serde")]
    pub at: Duration,
    /// Which accepted connection carried it, counted from 1.
    pub connection: u64,
    /// It came over TLS.
    pub secure: bool,
    /// It came through the proxy port in the clear.
    pub proxied: bool,
    /// `User-Agent` header.
    pub user_agent: String,
    /// Parameters in the service's own spelling. The web identity token is left out; of a body that is long or no
    /// text there is the length only.
    pub parameters: Value,
}

/// What has happened so far.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) calls: Vec<Call>,
    /// Request lines that the proxy port saw.
    pub(crate) proxied: Vec<String>,
    /// Logins to databases.
    pub(crate) logins: Vec<Login>,
    pub(crate) secrets: BTreeSet<String>,
}

impl Record {
    pub(crate) fn secret(&mut self, secret: impl Into<String>) {
        let secret = secret.into();
        if !secret.is_empty() {
            self.secrets.insert(secret);
        }
    }

    /// Puts right what was written down before an answer had come about.
    pub(crate) fn conclude(&mut self, request_id: &str, status: u16, error: Option<&str>) {
        let call = self.calls.iter_mut().rev().find(|call| call.request_id == request_id);
        if let Some(call) = call.filter(|call| call.status.is_some()) {
            (call.status, call.error) = (Some(status), error.map(str::to_owned));
        }
    }

    pub(crate) fn count(&self, service: &str, operation: &str) -> usize {
        self.calls.iter().filter(|call| call.service == service && call.operation == operation).count()
    }
}

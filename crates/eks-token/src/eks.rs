//! The two operations of EKS that are needed, made without `aws-sdk-eks`: JSON in the answers, nothing in the requests.

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use aws_wire::{Client, Failed, JsonReader, Resend, Service, domains};
use job_runtime::{CallError, percent_encoded};
use serde_json::Value;

pub(crate) const DESCRIBE: &str = "eks:DescribeCluster";
pub(crate) const LIST: &str = "eks:ListClusters";

/// The largest page.
const PAGE: usize = 100;
/// Pages after which a list ends; an account has a quota of a hundred clusters in a region.
const MOST_PAGES: usize = 1000;

static SERVICE: Service = Service { id: "EKS", signing_name: "eks", signing: aws_wire::signing };

/// EKS in the region of a configuration.
#[derive(Debug)]
pub(crate) struct Eks<'a> {
    client: Client<'a>,
    endpoint: String,
}

impl<'a> Eks<'a> {
    pub(crate) fn new(sdk: &'a SdkConfig) -> Self {
        let client = Client::new(sdk, &SERVICE);
        let aws = || aws_endpoint(client.region(), client.variant());
        let endpoint = client.configured_endpoint().unwrap_or_else(aws);
        Self { client, endpoint }
    }

    /// The names of all clusters, in the order of the answers.
    pub(crate) async fn list(&self) -> Result<Vec<String>, CallError> {
        let mut names = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let after =
                next.map(|token| format!("&nextToken={}", percent_encoded(&token))).unwrap_or_default();
            let path = format!("/clusters?maxResults={PAGE}{after}");
            let page = self.get("ListClusters", &path).await.map_err(|error| CallError::new(LIST, &error))?;
            let page_names = page.get("clusters").and_then(Value::as_array);
            let page_names =
                page_names.ok_or_else(|| CallError::unusable(LIST, "the answer has no clusters"))?;
            names.extend(page_names.iter().filter_map(Value::as_str).map(str::to_owned));
            next = page.get("nextToken").and_then(Value::as_str).map(str::to_owned);
            if next.is_none() {
                return Ok(names);
            }
        }
        Err(CallError::unusable(LIST, "the list has no end"))
    }

    /// What `DescribeCluster` says of a cluster.
    pub(crate) async fn describe(&self, name: &str) -> Result<Value, CallError> {
        let path = format!("/clusters/{}", percent_encoded(name));
        let answer =
            self.get("DescribeCluster", &path).await.map_err(|error| CallError::new(DESCRIBE, &error))?;
        match answer {
            Value::Object(mut members) => members.remove("cluster").filter(Value::is_object),
            _ => None,
        }
        .ok_or_else(|| CallError::unusable(DESCRIBE, "the answer has no cluster"))
    }

    async fn get(&self, operation: &'static str, path: &str) -> Result<Value, Failed> {
        let request =
            http::Request::get(path).body(SdkBody::empty()).map_err(SdkError::construction_failure)?;
        let request = HttpRequest::try_from(request).map_err(SdkError::construction_failure)?;
        self.client.send((operation, Resend::Read), &self.endpoint, request, JsonReader).await
    }
}

/// Where AWS has EKS, by botocore's `endpoint-rule-set-1.json`.
fn aws_endpoint(region: &str, (fips, dual_stack): (bool, bool)) -> String {
    let (domain, dual_stack_domain) = domains(region);
    match (fips, dual_stack) {
        (true, true) => format!("https://eks-fips.{region}.{dual_stack_domain}"),
        (true, false) if region.starts_with("us-gov-") => format!("https://eks.{region}.{domain}"),
        (true, false) if domain == "amazonaws.com" => format!("https://fips.eks.{region}.{domain}"),
        (true, false) => format!("https://eks-fips.{region}.{domain}"),
        (false, true) => format!("https://eks.{region}.{dual_stack_domain}"),
        (false, false) => format!("https://eks.{region}.{domain}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_aws() {
        for (region, fips, dual_stack, expected) in [
            ("us-east-2", false, false, "https://eks.us-east-2.amazonaws.com"),
            ("us-east-2", true, false, "https://fips.eks.us-east-2.amazonaws.com"),
            ("us-gov-west-1", true, false, "https://eks.us-gov-west-1.amazonaws.com"),
            ("us-east-2", false, true, "https://eks.us-east-2.api.aws"),
            ("us-east-2", true, true, "https://eks-fips.us-east-2.api.aws"),
            ("cn-north-1", false, false, "https://eks.cn-north-1.amazonaws.com.cn"),
            ("cn-north-1", true, false, "https://eks-fips.cn-north-1.amazonaws.com.cn"),
        ] {
            assert_eq!(aws_endpoint(region, (fips, dual_stack)), expected);
        }
    }
}

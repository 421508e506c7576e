//! The operations of `SageMaker` on training jobs: JSON in, JSON out (awsJson1.1).

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use aws_wire::{Client, Failed, JsonReader, Resend, Service, domains};
use serde_json::Value;

static SERVICE: Service = Service { id: "SageMaker", signing_name: "sagemaker", signing: aws_wire::signing };

/// `SageMaker` in the region of a configuration.
#[derive(Debug)]
pub(crate) struct SageMaker<'a> {
    client: Client<'a>,
    endpoint: String,
}

impl<'a> SageMaker<'a> {
    pub(crate) fn new(sdk: &'a SdkConfig) -> Self {
        let client = Client::new(sdk, &SERVICE);
        let aws = || aws_endpoint(client.region(), client.variant());
        let endpoint = client.configured_endpoint().unwrap_or_else(aws);
        Self { client, endpoint }
    }

    /// Sends `CreateTrainingJob`, once; returns the ARN of the job, if the answer has it.
    pub(crate) async fn create_training_job(&self, spec: String) -> Result<Option<String>, Failed> {
        let answer = self.call("CreateTrainingJob", Resend::Never, spec).await?;
        Ok(answer.get("TrainingJobArn").and_then(Value::as_str).map(str::to_owned))
    }

    /// What `DescribeTrainingJob` says of a job.
    pub(crate) async fn describe_training_job(&self, name: &str) -> Result<Value, Failed> {
        self.call("DescribeTrainingJob", Resend::Read, named(name)).await
    }

    /// Asks `SageMaker` to stop a job, once.
    pub(crate) async fn stop_training_job(&self, name: &str) -> Result<(), Failed> {
        self.call("StopTrainingJob", Resend::Never, named(name)).await.map(|_| ())
    }

    async fn call(&self, operation: &'static str, resend: Resend, body: String) -> Result<Value, Failed> {
        let request = http::Request::post("/")
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("SageMaker.{operation}"))
            .header("content-length", body.len())
            .body(SdkBody::from(body))
            .map_err(SdkError::construction_failure)?;
        let request = HttpRequest::try_from(request).map_err(SdkError::construction_failure)?;
        self.client.send((operation, resend), &self.endpoint, request, JsonReader).await
    }
}

fn named(name: &str) -> String {
    serde_json::json!({ "TrainingJobName": name }).to_string()
}

/// Where AWS has `SageMaker`, by botocore's `endpoint-rule-set-1.json`.
fn aws_endpoint(region: &str, (fips, dual_stack): (bool, bool)) -> String {
    let (domain, dual_stack_domain) = domains(region);
    match (fips, dual_stack) {
        (true, true) => format!("https://api.sagemaker-fips.{region}.{dual_stack_domain}"),
        (true, false) if domain == "amazonaws.com" => format!("https://api-fips.sagemaker.{region}.{domain}"),
        (true, false) => format!("https://api.sagemaker-fips.{region}.{domain}"),
        (false, true) => format!("https://api.sagemaker.{region}.{dual_stack_domain}"),
        (false, false) => format!("https://api.sagemaker.{region}.{domain}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_aws() {
        for (region, fips, dual_stack, expected) in [
            ("us-east-2", false, false, "https://api.sagemaker.us-east-2.amazonaws.com"),
            ("us-east-2", true, false, "https://api-fips.sagemaker.us-east-2.amazonaws.com"),
            ("us-gov-west-1", true, false, "https://api-fips.sagemaker.us-gov-west-1.amazonaws.com"),
            ("us-east-2", false, true, "https://api.sagemaker.us-east-2.api.aws"),
            ("us-east-2", true, true, "https://api.sagemaker-fips.us-east-2.api.aws"),
            ("cn-north-1", false, false, "https://api.sagemaker.cn-north-1.amazonaws.com.cn"),
            ("cn-north-1", true, false, "https://api.sagemaker-fips.cn-north-1.amazonaws.com.cn"),
        ] {
            assert_eq!(aws_endpoint(region, (fips, dual_stack)), expected);
        }
    }
}

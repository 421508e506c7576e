//! The token of a cluster, and how kubectl is told. Pure.

use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use aws_wire::domains;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// The header with the cluster's name: a token for one cluster is none for another.
pub(crate) const CLUSTER_HEADER: &str = "x-k8s-aws-id";
/// What the AWS CLI asks for. STS does not look at it: what it has presigned lives for 15 minutes.
pub(crate) const EXPIRES_IN: Duration = Duration::from_mins(1);
/// A session with less left gives no token: kubectl has to come to use it.
pub(crate) const SHORTEST_LIFE: Duration = Duration::from_mins(1);
/// What kubectl is told of a token's life, as by the AWS CLI: a minute less than it has.
const ADVERTISED: Duration = Duration::from_mins(14);
/// Control planes refuse longer ones (`maxTokenLenBytes` of aws-iam-authenticator).
pub(crate) const LONGEST: usize = 4096;

/// A version of `client.authentication.k8s.io`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ApiVersion {
    /// Since Kubernetes 1.22.
    V1,
    /// What the AWS CLI answers where kubectl does not say what it wants.
    #[default]
    V1beta1,
}

impl ApiVersion {
    /// As it stands in a kubeconfig and in an answer.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V1 => "client.authentication.k8s.io/v1",
            Self::V1beta1 => "client.authentication.k8s.io/v1beta1",
        }
    }

    /// What `KUBERNETES_EXEC_INFO` asks for.
    pub(crate) fn asked(exec_info: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Asked {
            api_version: String,
        }
        let Asked { api_version } = serde_json::from_str(exec_info)
            .map_err(|error| format!("KUBERNETES_EXEC_INFO: {}", job_runtime::input::json_fault(&error)))?;
        [Self::V1, Self::V1beta1].into_iter().find(|version| version.name() == api_version).ok_or_else(|| {
            format!(
                "KUBERNETES_EXEC_INFO asks for {api_version}, but there are {} and {}: set apiVersion of `exec` in the \
                 kubeconfig to one of them (`eks-token kubeconfig` writes it)",
                Self::V1.name(),
                Self::V1beta1.name()
            )
        })
    }
}

/// The address that is signed. Always AWS's own: the control plane asks it, and takes no other name of STS; how this
/// process reaches STS is another matter. Those for IPv6 are left out because older control planes do not know them.
pub(crate) fn url(region: &str, fips: bool) -> String {
    let (domain, _) = domains(region);
    let host = if fips { "sts-fips" } else { "sts" };
    format!("https://{host}.{region}.{domain}/?Action=GetCallerIdentity&Version=2011-06-15")
}

/// The token of a signed address.
pub(crate) fn token(signed_url: &str) -> String {
    format!("k8s-aws-v1.{}", URL_SAFE_NO_PAD.encode(signed_url))
}

/// Until when kubectl may use a token that was signed at `signed_at` by a session that ends at `session_expires`.
pub(crate) fn expiration(signed_at: SystemTime, session_expires: Option<SystemTime>) -> SystemTime {
    let advertised = signed_at + ADVERTISED;
    session_expires.map_or(advertised, |end| advertised.min(end))
}

/// What a credential plugin answers.
pub(crate) fn exec_credential(version: ApiVersion, token: &str, expires: SystemTime) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Credential<'a> {
        kind: &'static str,
        api_version: &'static str,
        spec: Spec,
        status: Status<'a>,
    }
    #[derive(Serialize)]
    struct Spec {
        /// v1 has it always.
        #[serde(skip_serializing_if = "Option::is_none")]
        interactive: Option<bool>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Status<'a> {
        expiration_timestamp: String,
        token: &'a str,
    }
    let seconds = DateTime::from_secs(DateTime::from(expires).secs());
    job_runtime::json(&Credential {
        kind: "ExecCredential",
        api_version: version.name(),
        spec: Spec { interactive: (version == ApiVersion::V1).then_some(false) },
        status: Status { expiration_timestamp: seconds.fmt(Format::DateTime).unwrap_or_default(), token },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-01T02:00:00Z
    const NOW: Duration = Duration::from_hours(492_314);

    #[test]
    fn addresses_of_sts() {
        for (region, fips, host) in [
            ("us-east-2", false, "sts.us-east-2.amazonaws.com"),
            ("us-east-2", true, "sts-fips.us-east-2.amazonaws.com"),
            ("cn-north-1", false, "sts.cn-north-1.amazonaws.com.cn"),
        ] {
            let expected = format!("https://{host}/?Action=GetCallerIdentity&Version=2011-06-15");
            assert_eq!(url(region, fips), expected);
        }
    }

    /// What the AWS CLI 1.46.3 with botocore 1.43.11 (`aws eks get-token`) makes at [`NOW`] for the cluster `prod` with
    /// the keys of AWS's own examples: the address, and the token.
    const OF_THE_CLI: (&str, &str) = (
        "https://sts.us-east-2.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS\
         4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260301%2Fus-east-2%2Fsts%2Faws4_request&X-Amz-Date=20\
         260301T020000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&X-Amz-Signature=0ab1dffefacf\
         436fc09ed10706da58665266a0f1f782f506e70b08028de2e81a",
        "k8s-aws-v1.aHR0cHM6Ly9zdHMudXMtZWFzdC0yLmFtYXpvbmF3cy5jb20vP0FjdGlvbj1HZXRDYWxsZXJJZGVudGl0eSZWZXJza\
         W9uPTIwMTEtMDYtMTUmWC1BbXotQWxnb3JpdGhtPUFXUzQtSE1BQy1TSEEyNTYmWC1BbXotQ3JlZGVudGlhbD1BS0lERVhBTVBMR\
         SUyRjIwMjYwMzAxJTJGdXMtZWFzdC0yJTJGc3RzJTJGYXdzNF9yZXF1ZXN0JlgtQW16LURhdGU9MjAyNjAzMDFUMDIwMDAwWiZYL\
         UFtei1FeHBpcmVzPTYwJlgtQW16LVNpZ25lZEhlYWRlcnM9aG9zdCUzQngtazhzLWF3cy1pZCZYLUFtei1TaWduYXR1cmU9MGFiM\
         WRmZmVmYWNmNDM2ZmMwOWVkMTA3MDZkYTU4NjY1MjY2YTBmMWY3ODJmNTA2ZTcwYjA4MDI4ZGUyZTgxYQ",
    );

    #[test]
    fn a_token_is_the_one_of_the_aws_cli() {
        let (address, expected) = OF_THE_CLI;
        assert!(address.starts_with(&url("us-east-2", false)));
        assert_eq!(token(address), expected);
    }

    #[test]
    fn a_token_is_never_said_to_outlive_its_session() {
        let now = SystemTime::UNIX_EPOCH + NOW;
        let minutes = |minutes| now + Duration::from_mins(minutes);
        for (session, expected) in [(None, 14), (Some(60), 14), (Some(14), 14), (Some(5), 5)] {
            assert_eq!(expiration(now, session.map(minutes)), minutes(expected));
        }
    }

    #[test]
    fn answers_of_both_versions() {
        let expires = SystemTime::UNIX_EPOCH + NOW + Duration::from_millis(900);
        let expected = r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1","spec":{},"status":{"expirationTimestamp":"2026-03-01T02:00:00Z","token":"t"}}"#;
        assert_eq!(exec_credential(ApiVersion::V1beta1, "t", expires), expected);
        let v1 = exec_credential(ApiVersion::V1, "t", expires);
        assert!(
            v1.contains(r#""apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":false}"#),
            "{v1}"
        );
    }

    #[test]
    fn what_kubectl_asks_for() {
        let info = |version: &str| {
            format!(r#"{{"kind":"ExecCredential","apiVersion":"{version}","spec":{{"interactive":true}}}}"#)
        };
        for version in [ApiVersion::V1, ApiVersion::V1beta1] {
            assert_eq!(ApiVersion::asked(&info(version.name())), Ok(version));
        }
        for (text, problem) in [
            (info("client.authentication.k8s.io/v1alpha1"), "v1alpha1, but there are"),
            ("{".to_owned(), "it ends too early"),
            ("[]".to_owned(), "it is something else"),
        ] {
            let refused = ApiVersion::asked(&text).unwrap_err();
            assert!(refused.contains(problem), "{refused}");
        }
    }
}

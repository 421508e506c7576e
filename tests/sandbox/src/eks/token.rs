//! Tokens of a cluster, checked as aws-iam-authenticator checks them in a control plane: the token is the address of a
//! presigned `GetCallerIdentity`, and whoever STS says that it is, is the user.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use percent_encoding::percent_decode_str;

use crate::clock;
use crate::cloud::Cloud;
use crate::crypto::from_base64url;
use crate::eks::KnownCluster;
use crate::identity::Caller;
use crate::sigv4::{Claim, Signed};

/// What every token begins with; the rest is base64url without padding.
const PREFIX: &str = "k8s-aws-v1.";
/// The longest token, in bytes.
const LONGEST: usize = 1024 * 4;
/// The header with the name of the cluster that a token is for.
const CLUSTER_HEADER: &str = "x-k8s-aws-id";
/// A token lives so long from its date on, whatever it says of its life.
const LIFE: time::Duration = time::Duration::minutes(15);
/// The largest `X-Amz-Expires`, in seconds.
const LARGEST_EXPIRES: i64 = 900;
/// All the parameters that the address may have.
const PARAMETERS: [&str; 10] = [
    "action",
    "version",
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
    "x-amz-user-agent",
];

/// Who has made a token for a cluster; else why it is none.
pub(crate) fn verify(cloud: &Cloud, known: &KnownCluster, token: &str) -> Result<Arc<Caller>, String> {
    if token.len() > LONGEST {
        return Err("token is too large".into());
    }
    let encoded =
        token.strip_prefix(PREFIX).ok_or_else(|| format!("token is missing expected \"{PREFIX}\" prefix"))?;
    let url = from_base64url(encoded).and_then(|bytes| String::from_utf8(bytes).ok());
    let url = url.ok_or("token cannot be decoded")?;
    let rest = url.strip_prefix("https://").ok_or("unexpected scheme in pre-signed URL")?;
    let (host, rest) = rest.split_once('/').ok_or("unexpected path in pre-signed URL")?;
    let region = sts_region(host, &known.partition)
        .ok_or_else(|| format!("unexpected hostname {host:?} in pre-signed URL"))?;
    let query = rest.strip_prefix('?').ok_or("unexpected path in pre-signed URL")?;
    check_parameters(query, cloud)?;
    ask_sts(cloud, (host, region), query, &known.cluster.name)
}

/// The region of an endpoint of STS in a partition; nothing else may be asked who somebody is.
fn sts_region<'h>(host: &'h str, partition: &str) -> Option<&'h str> {
    if (host, partition) == ("sts.amazonaws.com", "aws") {
        return Some("us-east-1");
    }
    let rest = host.strip_prefix("sts.").or_else(|| host.strip_prefix("sts-fips."))?;
    let suffix = if partition == "aws-cn" { ".amazonaws.com.cn" } else { ".amazonaws.com" };
    let region = rest.strip_suffix(suffix)?;
    let prefix = match partition {
        "aws-cn" => "cn-",
        "aws-us-gov" => "us-gov-",
        _ => "",
    };
    let is_name = region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (is_name && region.starts_with(prefix)).then_some(region)
}

fn check_parameters(query: &str, cloud: &Cloud) -> Result<(), String> {
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.into_owned()))
        .collect();
    for (index, (name, _)) in pairs.iter().enumerate() {
        if !PARAMETERS.contains(&name.as_str()) {
            return Err(format!("non-whitelisted query parameter {name:?}"));
        }
        if pairs[..index].iter().any(|(earlier, _)| earlier == name) {
            return Err(format!("query parameter with multiple values not supported: {name:?}"));
        }
    }
    let get = |name: &str| pairs.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    if get("action") != "GetCallerIdentity" {
        return Err("unexpected action parameter in pre-signed URL".into());
    }
    if !get("x-amz-signedheaders").split(';').any(|name| name.eq_ignore_ascii_case(CLUSTER_HEADER)) {
        return Err(format!("client did not sign the {CLUSTER_HEADER} header in the pre-signed URL"));
    }
    let expires: Option<i64> = get("x-amz-expires").parse().ok();
    if !expires.is_some_and(|expires| (0..=LARGEST_EXPIRES).contains(&expires)) {
        return Err("invalid X-Amz-Expires parameter in pre-signed URL".into());
    }
    let date = clock::from_amz(get("x-amz-date")).ok_or("error parsing X-Amz-Date parameter")?;
    if cloud.clock.now() > date + LIFE {
        return Err("X-Amz-Date parameter is expired (15 minute expiration)".into());
    }
    Ok(())
}

/// What STS says to the address when the control plane asks it with the name of its own cluster in the header.
fn ask_sts(
    cloud: &Cloud,
    (host, region): (&str, &str),
    query: &str,
    cluster: &str,
) -> Result<Arc<Caller>, String> {
    let header = |text: &str| HeaderValue::from_str(text).map_err(|_| "no header".to_owned());
    let mut headers = HeaderMap::new();
    headers.insert("host", header(host)?);
    headers.insert(CLUSTER_HEADER, header(cluster)?);
    let signed = Signed { method: "GET", path: "/", query, headers: &headers, body: b"", secure: true };
    let refused = |what: &str| format!("sts getCallerIdentity failed: error from AWS: {what}");
    let claim = Claim::find(signed).map_err(|_| refused("IncompleteSignature"))?;
    let credential =
        cloud.directory().credential(&claim.access_key).ok_or_else(|| refused("InvalidClientTokenId"))?;
    if credential.token != claim.token {
        return Err(refused("InvalidClientTokenId"));
    }
    let now = cloud.clock.now();
    if credential.expires.is_some_and(|expires| expires <= now) {
        return Err(refused("ExpiredToken"));
    }
    let key = cloud.signing_keys().of(&claim, &credential.secret);
    claim.verify(signed, &key, "sts", Some(region), now).map_err(|_| refused("SignatureDoesNotMatch"))?;
    Ok(credential.caller)
}

/// The bearer token of a request.
pub(crate) fn bearer(header: Option<&str>) -> Option<String> {
    let token = header?.strip_prefix("Bearer ")?;
    percent_decode_str(token).decode_utf8().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use time::OffsetDateTime;

    use super::*;
    use crate::crypto::base64url;
    use crate::world::World;

    /// The token of `aws eks get-token --cluster-name prod` by the AWS CLI 1.46.3 with botocore 1.43.11, made at
    /// 2026-03-01T02:00:00Z with the keys of the user below.
    const OF_THE_CLI: &str = "k8s-aws-v1.aHR0cHM6Ly9zdHMudXMtZWFzdC0yLmFtYXpvbmF3cy5jb20vP0FjdGlvbj1HZXRDYWxsZXJJZGVudGl0eSZWZXJza\
         W9uPTIwMTEtMDYtMTUmWC1BbXotQWxnb3JpdGhtPUFXUzQtSE1BQy1TSEEyNTYmWC1BbXotQ3JlZGVudGlhbD1BS0lERVhBTVBMR\
         SUyRjIwMjYwMzAxJTJGdXMtZWFzdC0yJTJGc3RzJTJGYXdzNF9yZXF1ZXN0JlgtQW16LURhdGU9MjAyNjAzMDFUMDIwMDAwWiZYL\
         UFtei1FeHBpcmVzPTYwJlgtQW16LVNpZ25lZEhlYWRlcnM9aG9zdCUzQngtazhzLWF3cy1pZCZYLUFtei1TaWduYXR1cmU9MGFiM\
         WRmZmVmYWNmNDM2ZmMwOWVkMTA3MDZkYTU4NjY1MjY2YTBmMWY3ODJmNTA2ZTcwYjA4MDI4ZGUyZTgxYQ";

    /// A world in which it is some time after that.
    fn cloud(after: Duration) -> Cloud {
        let made = OffsetDateTime::from_unix_timestamp(1_772_330_400).unwrap();
        let ahead = (made + after - OffsetDateTime::now_utc()).whole_seconds();
        let world = format!(
            "region = 'us-east-2'\nclock_ahead_seconds = {ahead}\n\
             [accounts.111111111111.users.ops]\naccess_key_id = 'AKIDEXAMPLE'\n\
             secret_access_key = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'\n\
             [[eks.clusters]]\naccount = '111111111111'\nname = 'prod'\n\
             [[eks.clusters]]\naccount = '111111111111'\nname = 'other'\n"
        );
        Cloud::new(World::from_toml(&world).unwrap(), None).unwrap()
    }

    /// Who has made a token for the cluster at a place of that world.
    fn who(cloud: &Cloud, cluster: usize, token: &str) -> Result<String, String> {
        let eks = cloud.eks();
        verify(cloud, eks.at(cluster).unwrap(), token).map(|caller| caller.arn.clone())
    }

    fn refusal(cloud: &Cloud, token: &str) -> String {
        who(cloud, 0, token).expect_err(token)
    }

    #[test]
    fn the_token_of_the_aws_cli_is_good_for_its_cluster_for_a_quarter_of_an_hour() {
        let arn = Ok("arn:aws:iam::111111111111:user/ops".to_owned());
        assert_eq!(who(&cloud(Duration::from_secs(5)), 0, OF_THE_CLI), arn);
        assert_eq!(who(&cloud(Duration::from_mins(14)), 0, OF_THE_CLI), arn);
        let late = refusal(&cloud(Duration::from_mins(16)), OF_THE_CLI);
        assert!(late.contains("expired (15 minute"), "{late}");
        let elsewhere = who(&cloud(Duration::from_secs(5)), 1, OF_THE_CLI).unwrap_err();
        assert!(elsewhere.contains("SignatureDoesNotMatch"), "{elsewhere}");
    }

    #[test]
    fn what_is_changed_in_a_token_makes_it_none() {
        let cloud = cloud(Duration::from_secs(5));
        let encoded = OF_THE_CLI.strip_prefix(PREFIX).unwrap();
        let url = String::from_utf8(from_base64url(encoded).unwrap()).unwrap();
        for (from, to, problem) in [
            ("https:", "http:", "unexpected scheme"),
            ("sts.us-east-2", "sts.evil", "SignatureDoesNotMatch"),
            ("amazonaws.com", "amazonaws.com.evil.example", "unexpected hostname"),
            ("/?", "/x?", "unexpected path"),
            ("GetCallerIdentity", "AssumeRole", "unexpected action"),
            ("?", "?RoleArn=x&", "non-whitelisted query parameter"),
            ("?", "?action=GetCallerIdentity&", "multiple values"),
            ("%3Bx-k8s-aws-id", "", "did not sign the x-k8s-aws-id header"),
            ("Expires=60", "Expires=901", "invalid X-Amz-Expires"),
            ("Date=2026", "Date=x", "error parsing X-Amz-Date"),
            ("Expires=60", "Expires=61", "SignatureDoesNotMatch"),
            ("AKIDEXAMPLE", "AKIDOTHER", "InvalidClientTokenId"),
        ] {
            assert!(url.contains(from));
            let changed = format!("{PREFIX}{}", base64url(url.replacen(from, to, 1).as_bytes()));
            let refused = refusal(&cloud, &changed);
            assert!(refused.contains(problem), "{from} -> {to}: {refused}");
        }
        assert!(refusal(&cloud, encoded).contains("prefix"));
        assert!(refusal(&cloud, &format!("{OF_THE_CLI}!")).contains("cannot be decoded"));
        assert!(refusal(&cloud, &format!("{OF_THE_CLI}{}", "A".repeat(4096))).contains("too large"));
    }

    #[test]
    fn only_sts_says_who_somebody_is() {
        for (host, partition, expected) in [
            ("sts.us-east-2.amazonaws.com", "aws", Some("us-east-2")),
            ("sts-fips.us-east-2.amazonaws.com", "aws", Some("us-east-2")),
            ("sts.amazonaws.com", "aws", Some("us-east-1")),
            ("sts.cn-north-1.amazonaws.com.cn", "aws-cn", Some("cn-north-1")),
            ("sts.us-east-2.amazonaws.com", "aws-us-gov", None),
            ("sts.us-east-2.amazonaws.com", "aws-cn", None),
            ("vpce-1.sts.us-east-2.vpce.amazonaws.com", "aws", None),
            ("sts.evil.com/.amazonaws.com", "aws", None),
            ("127.0.0.1:4566", "aws", None),
        ] {
            assert_eq!(sts_region(host, partition), expected, "{host}");
        }
    }
}

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
    use super::*;

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

//! The services, asked as clients ask them: signed requests into `dispatch`, without the wire.

mod dispatch;
mod eks;
mod glue;
mod lambda;
mod logs;
mod mwaa;
mod rds;
mod redshift;
mod s3;
mod sagemaker;
mod secretsmanager;
mod stepfunctions;
mod sts;
mod training;
mod wire;
mod work;

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use crate::clock::amz;
use crate::cloud::Cloud;
use crate::dispatch::{Connection, Incoming, Reply, dispatch};
use crate::sigv4::tests::sign;
use crate::world::World;

const TWO_ACCOUNTS: &str = include_str!("../../worlds/two-accounts.toml");
const FIRST: &str = "arn:aws:iam::111111111111:role/cats-glue";
const SECOND: &str = "arn:aws:iam::222222222222:role/external-glue";
const SUBJECT: &str = "system:serviceaccount:team-ns:glue-trigger";
const AUDIENCE: &str = "sts.amazonaws.com";

/// A key to sign with.
#[derive(Clone, Debug)]
struct Keys {
    id: String,
    secret: String,
    token: Option<String>,
}

/// A world and its clients.
struct Bench {
    cloud: Cloud,
}

/// The documented world.
fn two_accounts() -> Bench {
    bench(TWO_ACCOUNTS)
}

fn bench(world: &str) -> Bench {
    Bench { cloud: Cloud::new(World::from_toml(world).unwrap(), None).unwrap() }
}

impl Bench {
    fn advance(&self, time: Duration) {
        self.cloud.clock.advance(time);
    }

    /// Sends a request as it is.
    fn send(&self, method: &str, path: &str, headers: HeaderMap, body: &str) -> Reply {
        self.send_bytes(method, path, headers, body.as_bytes())
    }

    fn send_bytes(&self, method: &str, path: &str, headers: HeaderMap, body: &[u8]) -> Reply {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let connection = Connection { number: 1, secure: true, proxied: false };
        let body = Bytes::from(body.to_vec());
        let incoming = Incoming {
            method: method.into(),
            path: path.into(),
            query: query.into(),
            headers,
            body,
            connection,
        };
        dispatch(&self.cloud, &incoming)
    }

    /// The headers of a request of now, signed if there are keys.
    fn headers(&self, service: &str, target: Option<&str>, keys: Option<&Keys>, body: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &str| headers.insert(name, value.parse().unwrap());
        set("host", "127.0.0.1:4566");
        match target {
            Some(target) => {
                let version = if service == "states" { "1.0" } else { "1.1" };
                set("content-type", &format!("application/x-amz-json-{version}"));
                set("x-amz-target", target);
            }
            None => {
                set("content-type", "application/x-www-form-urlencoded");
            }
        }
        if let Some(Keys { id, secret, token }) = keys {
            set("x-amz-date", &amz(self.cloud.clock.now()));
            if let Some(token) = token {
                set("x-amz-security-token", token);
            }
            sign(&mut headers, ("POST", "/", body.as_bytes()), ("us-east-2", service), (id, secret));
        }
        headers
    }

    /// A call of a REST service with these headers besides the usual ones.
    fn rest(
        &self,
        keys: &Keys,
        service: &str,
        (method, path): (&str, &str),
        extra: &[(&'static str, &str)],
        body: &[u8],
    ) -> Reply {
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &str| headers.insert(name, value.parse().unwrap());
        set("host", "127.0.0.1:4566");
        set("x-amz-date", &amz(self.cloud.clock.now()));
        if let Some(token) = &keys.token {
            set("x-amz-security-token", token);
        }
        for (name, value) in extra {
            set(name, value);
        }
        sign(&mut headers, (method, path, body), ("us-east-2", service), (&keys.id, &keys.secret));
        self.send_bytes(method, path, headers, body)
    }

    /// A call of a JSON service: status and answer.
    fn json(&self, keys: &Keys, target: &str, parameters: &Value) -> (u16, Value) {
        let reply = self.json_reply(keys, target, parameters);
        let answer = serde_json::from_slice(&reply.response.body().bytes()).unwrap_or_default();
        (reply.response.status().as_u16(), answer)
    }

    fn json_reply(&self, keys: &Keys, target: &str, parameters: &Value) -> Reply {
        let service = match target.split('.').next() {
            Some("AWSGlue") => "glue",
            Some("SageMaker") => "sagemaker",
            Some("RedshiftData") => "redshift-data",
            Some("secretsmanager") => "secretsmanager",
            Some("AWSStepFunctions") => "states",
            _ => "logs",
        };
        let body = parameters.to_string();
        self.send("POST", "/", self.headers(service, Some(target), Some(keys), &body), &body)
    }

    /// A call of a JSON service whose answer can take its time: status and answer.
    async fn json_later(&self, keys: &Keys, target: &str, parameters: &Value) -> (u16, Value) {
        let Reply { mut response, ready, .. } = self.json_reply(keys, target, parameters);
        ready.wait(&self.cloud).await;
        ready.conclude(&self.cloud, &mut response);
        let answer = serde_json::from_slice(&response.body().bytes()).unwrap_or_default();
        (response.status().as_u16(), answer)
    }

    /// A call of STS: status and XML.
    fn sts(&self, keys: Option<&Keys>, action: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", action)
            .append_pair("Version", "2011-06-15")
            .extend_pairs(fields)
            .finish();
        let reply = self.send("POST", "/", self.headers("sts", None, keys, &body), &body);
        let answer = String::from_utf8_lossy(&reply.response.body().bytes()).into_owned();
        (reply.response.status().as_u16(), answer)
    }

    fn token(&self) -> String {
        self.cloud.token("cluster", SUBJECT, AUDIENCE, Duration::from_hours(1)).unwrap()
    }

    /// Keys of the pod's role.
    fn first(&self) -> Keys {
        let token = self.token();
        let fields = [("RoleArn", FIRST), ("RoleSessionName", "pod"), ("WebIdentityToken", &token)];
        keys(&self.sts(None, "AssumeRoleWithWebIdentity", &fields).1)
    }

    /// Keys of the team's role, by way of the pod's.
    fn second(&self) -> Keys {
        let fields = [("RoleArn", SECOND), ("RoleSessionName", "pod")];
        keys(&self.sts(Some(&self.first()), "AssumeRole", &fields).1)
    }
}

/// The text of the first element of a name.
fn element(xml: &str, name: &str) -> String {
    let open = format!("<{name}>");
    let tail = xml.split_once(&open).unwrap_or_else(|| panic!("no {name} in {xml}")).1;
    tail.split_once("</").unwrap().0.to_owned()
}

fn keys(xml: &str) -> Keys {
    Keys {
        id: element(xml, "AccessKeyId"),
        secret: element(xml, "SecretAccessKey"),
        token: Some(element(xml, "SessionToken")),
    }
}

//! A login with a token, judged as RDS judges it.
//!
//! A token is a presigned GET of the action `connect`, without its scheme. RDS tells nobody why it refuses one, and
//! not in which order it looks; here the reason is kept, for tests.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use serde::Serialize;

use super::RdsDatabase;
use crate::Error;
use crate::cloud::Cloud;
use crate::identity::{Caller, Wish};
use crate::sigv4::{Claim, Presigned, Signed, query_pairs};

/// As signatures name the service.
const SERVICE: &str = "rds-db";
/// The longest life of a token, whatever it says itself.
const LONGEST_SECONDS: i64 = 900;
/// How far the clocks may be apart.
const SKEW_SECONDS: i64 = 300;
/// Shorter ones are no tokens, and would be found in innocent text.
const SHORTEST_TOKEN: usize = 32;

/// One attempt to log in with a token.
#[derive(Clone, Debug, Serialize)]
pub struct Login {
    /// The database it was for.
    pub resource_id: String,
    /// The user that it was to be.
    pub user: String,
    /// ARN of who signed the token; empty where nobody is known.
    pub caller: String,
    /// Length of the token in bytes.
    pub token_length: usize,
    /// Why it was refused.
    pub refused: Option<LoginRefusal>,
    /// When it was, since the sandbox started.
    #[serde(with = "humantime_serde")]
    pub at: Duration,
}

/// Why a login is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoginRefusal {
    /// The world has no such database.
    NoSuchDatabase,
    /// It is no presigned request.
    NotAToken,
    /// It is one of another service or action.
    NotForRds,
    /// It is for another host name.
    WrongHost,
    /// It is for another port, or for none.
    WrongPort,
    /// It is for another user.
    WrongUser,
    /// It is for another region.
    WrongRegion,
    /// It was made too long ago.
    Expired,
    /// It is of the future.
    NotYetValid,
    /// Nobody has the key, or its session token is another.
    UnknownKey,
    /// The session that signed it is over.
    SessionDead,
    /// The signature is wrong.
    WrongSignature,
    /// Who signed it is of another account.
    WrongAccount,
    /// Who signed it may not do `rds-db:connect` as this user of this database.
    NotAllowed,
}

impl fmt::Display for LoginRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// What a server asks about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Knock<'a> {
    pub(crate) resource_id: &'a str,
    /// The port that the server listens on.
    pub(crate) port: u16,
    pub(crate) user: &'a str,
    pub(crate) token: &'a str,
}

/// Judges a login and writes it down.
pub(crate) fn login(cloud: &Cloud, knock: Knock<'_>) -> Result<(), LoginRefusal> {
    let mut caller = String::new();
    let end = judge(cloud, knock, &mut caller);
    let mut record = cloud.record();
    if knock.token.len() >= SHORTEST_TOKEN {
        record.secret(knock.token);
    }
    record.logins.push(Login {
        resource_id: knock.resource_id.into(),
        user: knock.user.into(),
        caller,
        token_length: knock.token.len(),
        refused: end.err(),
        at: cloud.clock.elapsed(),
    });
    end
}

/// Who signed the token is put into `signer` as soon as that is known.
fn judge(cloud: &Cloud, knock: Knock<'_>, signer: &mut String) -> Result<(), LoginRefusal> {
    let databases = &cloud.world.rds.databases;
    let database = databases.iter().find(|database| database.resource_id == knock.resource_id);
    let database = database.ok_or(LoginRefusal::NoSuchDatabase)?;
    let region = database.region.as_deref().unwrap_or(&cloud.world.region);

    let (authority, query) = knock.token.split_once("/?").ok_or(LoginRefusal::NotAToken)?;
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_str(authority).map_err(|_| LoginRefusal::NotAToken)?);
    let request = Signed { method: "GET", path: "/", query, headers: &headers, body: b"", secure: true };
    let claim = Claim::find(request).map_err(|_| LoginRefusal::NotAToken)?;

    let pairs = query_pairs(query);
    let says = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    if claim.service != SERVICE || says("Action") != Some("connect") {
        return Err(LoginRefusal::NotForRds);
    }
    let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
    if !database.endpoints.iter().any(|endpoint| endpoint == host) {
        return Err(LoginRefusal::WrongHost);
    }
    if port != database.port.unwrap_or(knock.port).to_string() {
        return Err(LoginRefusal::WrongPort);
    }
    if says("DBUser") != Some(knock.user) {
        return Err(LoginRefusal::WrongUser);
    }
    if claim.region != region {
        return Err(LoginRefusal::WrongRegion);
    }
    let now = cloud.clock.now();
    let (age, life) = claim.age_and_life(now).ok_or(LoginRefusal::NotAToken)?;
    if age > life.min(LONGEST_SECONDS) {
        return Err(LoginRefusal::Expired);
    }
    if age < -SKEW_SECONDS {
        return Err(LoginRefusal::NotYetValid);
    }

    let credential = cloud.directory().credential(&claim.access_key).ok_or(LoginRefusal::UnknownKey)?;
    if credential.token != claim.token {
        return Err(LoginRefusal::UnknownKey);
    }
    signer.clone_from(&credential.caller.arn);
    if credential.expires.is_some_and(|expires| expires <= now) {
        return Err(LoginRefusal::SessionDead);
    }
    let key = cloud.signing_keys().of(&claim, &credential.secret);
    let verified = claim.verify(request, &key, SERVICE, Some(region), now);
    verified.map_err(|_| LoginRefusal::WrongSignature)?;
    may_connect(cloud, &credential.caller, database, region, knock.user)
}

fn may_connect(
    cloud: &Cloud,
    caller: &Caller,
    database: &RdsDatabase,
    region: &str,
    user: &str,
) -> Result<(), LoginRefusal> {
    let RdsDatabase { account, resource_id, .. } = database;
    if caller.account != *account {
        return Err(LoginRefusal::WrongAccount);
    }
    let partition = cloud.world.partition(account);
    let arn = format!("arn:{partition}:rds-db:{region}:{account}:dbuser:{resource_id}/{user}");
    match caller.lacks("rds-db:connect", &arn) {
        None => Ok(()),
        Some(_) => Err(LoginRefusal::NotAllowed),
    }
}

/// A token as a client makes it, signed by a new session of a role.
pub(crate) fn token(cloud: &Cloud, role: &str, endpoint: &str, user: &str) -> Result<String, Error> {
    let known = cloud.directory().role(role);
    let known = known.ok_or_else(|| Error::World(format!("no role `{role}`")))?;
    let wish = Wish { session_name: "token".into(), seconds: 3600, ..Wish::default() };
    let issued = cloud.issue(&known, wish);
    let query = Presigned {
        host: endpoint,
        parameters: &[("Action", "connect"), ("DBUser", user)],
        region: &cloud.world.region,
        service: SERVICE,
        access_key: &issued.access_key,
        token: Some(&issued.token),
        seconds: LONGEST_SECONDS,
    }
    .sign(&issued.secret, cloud.clock.now());
    Ok(format!("{endpoint}/?{query}"))
}

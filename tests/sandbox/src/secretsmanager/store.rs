//! Secrets, as a world describes them and as they are rotated.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;

use crate::Error;
use crate::crypto::{from_base64, uuid};
use crate::record::Record;
use crate::world::World;

/// The stage of the version that is in use.
pub(super) const CURRENT: &str = "AWSCURRENT";
/// The stage of the version that was in use before.
const PREVIOUS: &str = "AWSPREVIOUS";

/// `[secretsmanager]` of a world.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecretsManagerWorld {
    /// The secrets.
    pub secrets: Vec<Secret>,
}

/// A secret.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// Its account.
    pub account: String,
    /// Its region; the world's where it names none.
    pub region: Option<String>,
    /// Its name.
    pub name: String,
    /// The six characters after its name in its ARN.
    #[serde(default = "default_suffix")]
    pub suffix: String,
    /// Its value as text.
    pub string: Option<String>,
    /// Its value as bytes, in base64.
    pub binary: Option<String>,
    /// The text that was its value before.
    pub previous: Option<String>,
    /// ARN of its key, which readers need `kms:Decrypt` for; without one it is the account's own.
    pub kms_key: Option<String>,
    /// Its key is disabled.
    #[serde(default)]
    pub undecryptable: bool,
    /// It is marked for deletion.
    #[serde(default)]
    pub deleted: bool,
    /// Other accounts that its resource policy lets in.
    #[serde(default)]
    pub allow_accounts: Vec<String>,
}

fn default_suffix() -> String {
    "AbCdEf".into()
}

impl SecretsManagerWorld {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong =
            |secret: &Secret, text: &str| Err(Error::World(format!("secret {}: {text}", secret.name)));
        for secret in &self.secrets {
            if secret.string.is_some() && secret.binary.is_some() {
                return wrong(secret, "it has one of `string` and `binary`");
            }
            if secret.binary.as_deref().is_some_and(|binary| from_base64(binary).is_none()) {
                return wrong(secret, "`binary` is not base64");
            }
        }
        Ok(())
    }
}

/// What a version holds.
#[derive(Clone, Debug)]
pub(crate) enum SecretValue {
    Text(String),
    Binary(Bytes),
}

impl SecretValue {
    /// Puts on record what nobody may tell: passwords and tokens in an object, else all of it.
    pub(crate) fn record(&self, record: &mut Record) {
        let Self::Text(text) = self else { return };
        let Ok(Value::Object(members)) = serde_json::from_str(text) else { return record.secret(text) };
        for (name, value) in members {
            let name = name.to_ascii_lowercase();
            let is_secret = ["password", "secret", "token"].iter().any(|word| name.contains(word));
            if let Some(text) = value.as_str().filter(|_| is_secret) {
                record.secret(text);
                // As it stands in JSON, without the quotes around it.
                let quoted = value.to_string();
                record.secret(&quoted[1..quoted.len() - 1]);
            }
        }
    }
}

/// One value that a secret has or had.
#[derive(Debug)]
pub(crate) struct Version {
    pub(super) id: String,
    pub(super) value: SecretValue,
    pub(super) stages: Vec<String>,
    pub(super) created: OffsetDateTime,
}

/// A secret with its versions.
#[derive(Debug)]
pub(crate) struct KnownSecret {
    pub(super) secret: Secret,
    pub(super) region: String,
    pub(super) arn: String,
    /// Oldest first.
    pub(super) versions: Vec<Version>,
    pub(super) created: OffsetDateTime,
}

impl KnownSecret {
    fn new(secret: &Secret, world: &World, now: OffsetDateTime) -> Self {
        let Secret { account, name, suffix, .. } = secret;
        let region = secret.region.as_ref().unwrap_or(&world.region).clone();
        let partition = world.partition(account);
        let arn = format!("arn:{partition}:secretsmanager:{region}:{account}:secret:{name}-{suffix}");
        let mut known = Self { secret: secret.clone(), region, arn, versions: Vec::new(), created: now };
        let text = |text: &Option<String>| text.clone().map(SecretValue::Text);
        let binary = secret.binary.as_deref().and_then(from_base64);
        let binary = binary.map(|data| SecretValue::Binary(data.into()));
        for value in [text(&secret.previous), text(&secret.string), binary].into_iter().flatten() {
            known.put(value, now);
        }
        known
    }

    /// Makes a value the current one, and gives the id of its version.
    fn put(&mut self, value: SecretValue, now: OffsetDateTime) -> String {
        for version in &mut self.versions {
            version.stages = if version.stages.iter().any(|stage| stage == CURRENT) {
                vec![PREVIOUS.into()]
            } else {
                Vec::new()
            };
        }
        let id = uuid();
        self.versions.push(Version { id: id.clone(), value, stages: vec![CURRENT.into()], created: now });
        id
    }
}

/// All secrets.
#[derive(Debug)]
pub(crate) struct Secrets(Vec<KnownSecret>);

impl Secrets {
    pub(crate) fn new(world: &World, now: OffsetDateTime) -> Self {
        let secrets = &world.secretsmanager.secrets;
        Self(secrets.iter().map(|secret| KnownSecret::new(secret, world, now)).collect())
    }

    /// Every value there is.
    pub(crate) fn values(&self) -> impl Iterator<Item = &SecretValue> {
        self.0.iter().flat_map(|known| &known.versions).map(|version| &version.value)
    }

    /// The secret of an ARN, which may lack the six characters at its end.
    pub(super) fn by_arn(&self, arn: &str) -> Option<&KnownSecret> {
        let short = |known: &KnownSecret| known.arn.len().saturating_sub(known.secret.suffix.len() + 1);
        self.0.iter().find(|known| known.arn == arn || known.arn[..short(known)] == *arn)
    }

    /// The secret of a name in an account.
    pub(super) fn by_name(&self, account: &str, name: &str) -> Option<&KnownSecret> {
        self.0.iter().find(|known| known.secret.account == account && known.secret.name == name)
    }

    /// Makes a value the current one of the secret of a name, whichever account it is in.
    pub(crate) fn rotate(&mut self, name: &str, value: SecretValue, now: OffsetDateTime) -> Option<String> {
        let known = self.0.iter_mut().find(|known| known.secret.name == name)?;
        Some(known.put(value, now))
    }
}

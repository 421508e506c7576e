//! A world: everything there is before the first request, read from TOML.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;

use crate::Error;
use crate::eks::EksWorld;
use crate::fault::Fault;
use crate::glue::GlueWorld;
use crate::lambda::LambdaWorld;
use crate::logs::LogsWorld;
use crate::mwaa::MwaaWorld;
use crate::policy::Rule;
use crate::rds::RdsWorld;
use crate::redshift::RedshiftWorld;
use crate::s3::S3World;
use crate::sagemaker::{Endpoint, SageMakerWorld};
use crate::secretsmanager::SecretsManagerWorld;
use crate::stepfunctions::StepFunctionsWorld;

/// The AWS that a sandbox plays: accounts, identity providers, roles, services, faults.
///
/// The format is described in this crate's `README.md`; unknown keys are errors.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// Region of resources that name none.
    #[serde(default = "default_region")]
    pub region: String,
    /// Life of every role session in seconds, whatever was asked for.
    pub session_seconds: Option<u32>,
    /// Length of every session token in characters.
    #[serde(default = "default_token_length")]
    pub session_token_length: usize,
    /// How far the sandbox's clock is ahead of the machine's, in seconds.
    #[serde(default)]
    pub clock_ahead_seconds: i64,
    /// OIDC issuers by short name.
    #[serde(default)]
    pub issuers: BTreeMap<String, Issuer>,
    /// Accounts by their twelve digits.
    pub accounts: BTreeMap<String, Account>,
    /// Managed policies that `PolicyArns` may name, by ARN.
    #[serde(default)]
    pub policies: BTreeMap<String, Vec<Rule>>,
    /// Container credentials endpoints (ECS task roles, EKS Pod Identity).
    #[serde(default)]
    pub container_credentials: Vec<ContainerCredentials>,
    /// The instance metadata service, where there is one.
    pub instance_metadata: Option<InstanceMetadata>,
    /// Glue jobs.
    #[serde(default)]
    pub glue: GlueWorld,
    /// Lambda functions.
    #[serde(default)]
    pub lambda: LambdaWorld,
    /// `SageMaker` endpoints, and the courses of training jobs.
    #[serde(default)]
    pub sagemaker: SageMakerWorld,
    /// Redshift clusters and workgroups, and what becomes of statements.
    #[serde(default)]
    pub redshift: RedshiftWorld,
    /// Step Functions state machines.
    #[serde(default)]
    pub stepfunctions: StepFunctionsWorld,
    /// Databases with IAM authentication.
    #[serde(default)]
    pub rds: RdsWorld,
    /// Secrets.
    #[serde(default)]
    pub secretsmanager: SecretsManagerWorld,
    /// MWAA environments.
    #[serde(default)]
    pub mwaa: MwaaWorld,
    /// EKS clusters.
    #[serde(default)]
    pub eks: EksWorld,
    /// S3 buckets.
    #[serde(default)]
    pub s3: S3World,
    /// `CloudWatch` log groups.
    #[serde(default)]
    pub logs: LogsWorld,
    /// Faults that are there from the start.
    #[serde(default)]
    pub faults: Vec<Fault>,
}

/// An OIDC issuer, as a cluster is one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// The `iss` claim: an https address.
    pub url: String,
}

/// One AWS account.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// What people call it.
    #[serde(default)]
    pub alias: String,
    /// `aws`, `aws-cn` or `aws-us-gov`.
    #[serde(default = "default_partition")]
    pub partition: String,
    /// Regions in which this account has switched STS off.
    #[serde(default)]
    pub disabled_regions: Vec<String>,
    /// Issuers this account trusts: issuer name to the audiences registered with it.
    #[serde(default)]
    pub oidc_providers: BTreeMap<String, Vec<String>>,
    /// Users with long-lived keys, by name.
    #[serde(default)]
    pub users: BTreeMap<String, User>,
    /// Roles, by name.
    #[serde(default)]
    pub roles: BTreeMap<String, Role>,
}

/// A user with static keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// `AKIA…`.
    pub access_key_id: String,
    /// The key's secret half.
    pub secret_access_key: String,
    /// Identity policy.
    #[serde(default)]
    pub allow: Vec<Rule>,
}

/// A role.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// IAM path; part of the role's ARN, not of its sessions'.
    #[serde(default = "default_path")]
    pub path: String,
    /// `MaxSessionDuration`, one to twelve hours.
    #[serde(default = "default_max_session", with = "humantime_serde")]
    pub max_session: Duration,
    /// Identity policy.
    #[serde(default)]
    pub allow: Vec<Rule>,
    /// Trust policy: one satisfied statement is enough.
    #[serde(default)]
    pub trust: Vec<Trust>,
}

/// One statement of a trust policy. Names either a `principal` or a `federated` issuer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// An account (twelve digits or its `:root` ARN), or the ARN of a user, role or role session.
    pub principal: Option<String>,
    /// An issuer's name: allows `sts:AssumeRoleWithWebIdentity`.
    pub federated: Option<String>,
    /// Pattern for the token's `sub`.
    pub sub: Option<String>,
    /// Pattern for the token's `aud`.
    pub aud: Option<String>,
    /// `sts:ExternalId` that must be given.
    pub external_id: Option<String>,
    /// `sts:SourceIdentity` that must be given.
    pub source_identity: Option<String>,
    /// Session tags (`aws:RequestTag`) that must be given, with their values.
    #[serde(default)]
    pub required_tags: BTreeMap<String, String>,
    /// The statement also allows `sts:TagSession`.
    #[serde(default)]
    pub tag_session: bool,
    /// The statement also allows `sts:SetSourceIdentity`.
    #[serde(default)]
    pub set_source_identity: bool,
}

/// A container credentials endpoint on the sandbox's HTTP port.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainerCredentials {
    /// Path of the endpoint, such as `/v2/credentials/task-1` or `/v1/credentials`.
    pub path: String,
    /// ARN of the role whose session it hands out.
    pub role: String,
    /// Name of that session.
    #[serde(default = "default_session_name")]
    pub session_name: String,
    /// What the `Authorization` header must be; EKS Pod Identity has one, ECS has none.
    pub authorization: Option<String>,
    /// Transitive session tags, as Pod Identity sets them.
    #[serde(default)]
    pub transitive_tags: BTreeMap<String, String>,
    /// Life of the session, unless the world sets `session_seconds`.
    #[serde(default = "default_container_session", with = "humantime_serde")]
    pub lifetime: Duration,
}

/// The instance metadata service (version 2) on the sandbox's HTTP port.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceMetadata {
    /// ARN of the instance profile's role.
    pub role: String,
    /// Id of the instance; the name of the role session.
    #[serde(default = "default_instance")]
    pub instance_id: String,
}

impl World {
    /// Reads a world and checks that its parts fit together.
    ///
    /// # Errors
    /// [`Error::Toml`] where the text is not TOML of this format, [`Error::World`] where a name leads nowhere.
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        let world: Self = toml::from_str(text)?;
        world.check()?;
        Ok(world)
    }

    /// Account and region of everything that lives in one.
    fn homes(&self) -> Vec<(&str, Option<&str>)> {
        let jobs = self.glue.jobs.iter().map(|job| (&job.account, &job.region));
        let functions = self.lambda.functions.iter().map(|function| (&function.account, &function.region));
        let endpoints = self.sagemaker.endpoints.iter().map(|endpoint| (&endpoint.account, &endpoint.region));
        let buckets = self.s3.buckets.iter().map(|bucket| (&bucket.account, &bucket.region));
        let clusters = self.redshift.clusters.iter().map(|cluster| (&cluster.account, &cluster.region));
        let workgroups =
            self.redshift.workgroups.iter().map(|workgroup| (&workgroup.account, &workgroup.region));
        let databases = self.rds.databases.iter().map(|database| (&database.account, &database.region));
        let secrets = self.secretsmanager.secrets.iter().map(|secret| (&secret.account, &secret.region));
        let eks = self.eks.clusters.iter().map(|cluster| (&cluster.account, &cluster.region));
        let groups = self.logs.groups.iter().map(|group| (&group.account, &group.region));
        let homes = jobs.chain(functions).chain(endpoints).chain(buckets).chain(groups);
        let environments = self.mwaa.environments.iter().map(|one| (&one.account, &one.region));
        let homes = homes.chain(clusters).chain(workgroups).chain(databases).chain(secrets);
        let machines = self.stepfunctions.state_machines.iter().map(|one| (&one.account, &one.region));
        let homes = homes.chain(environments).chain(eks).chain(machines);
        homes.map(|(account, region)| (account.as_str(), region.as_deref())).collect()
    }

    /// Every region in which there is something.
    pub(crate) fn regions(&self) -> BTreeSet<&str> {
        self.homes().into_iter().filter_map(|(_, region)| region).chain([self.region.as_str()]).collect()
    }

    /// The partition of an account.
    pub(crate) fn partition(&self, account: &str) -> &str {
        self.accounts.get(account).map_or("aws", |account| account.partition.as_str())
    }

    fn check(&self) -> Result<(), Error> {
        let wrong = |text: String| Err(Error::World(text));
        let mut roles = BTreeSet::new();
        for (id, account) in &self.accounts {
            if id.len() != 12 || !id.bytes().all(|byte| byte.is_ascii_digit()) {
                return wrong(format!("account `{id}` is not twelve digits"));
            }
            if let Some(name) = account.oidc_providers.keys().find(|name| !self.issuers.contains_key(*name)) {
                return wrong(format!("account {id}: no issuer `{name}`"));
            }
            for (name, role) in &account.roles {
                roles.insert(role_arn(&account.partition, id, &role.path, name));
                for trust in &role.trust {
                    if trust.principal.is_some() == trust.federated.is_some() {
                        return wrong(format!(
                            "role {name}: a trust needs one of `principal` and `federated`"
                        ));
                    }
                    if let Some(issuer) = trust.federated.as_ref().filter(|i| !self.issuers.contains_key(*i))
                    {
                        return wrong(format!("role {name}: no issuer `{issuer}`"));
                    }
                }
            }
        }
        let named = self.container_credentials.iter().map(|endpoint| &endpoint.role);
        let missing = named.chain(self.instance_metadata.iter().map(|metadata| &metadata.role));
        if let Some(arn) = missing.into_iter().find(|arn| !roles.contains(*arn)) {
            return wrong(format!("no role `{arn}`"));
        }
        let homes = self.homes();
        if let Some((id, _)) = homes.iter().find(|(id, _)| !self.accounts.contains_key(*id)) {
            return wrong(format!("no account `{id}`"));
        }
        self.redshift.check()?;
        self.rds.check()?;
        self.secretsmanager.check()?;
        self.mwaa.check()?;
        self.stepfunctions.check()?;
        self.sagemaker.endpoints.iter().try_for_each(Endpoint::check)?;
        if self.sagemaker.training_courses.iter().any(|course| course.steps.is_empty()) {
            return wrong("a training course needs a step".into());
        }
        for function in &self.lambda.functions {
            if let Some(version) =
                function.aliases.values().find(|version| !function.versions.contains(version))
            {
                return wrong(format!("function {}: no version `{version}`", function.name));
            }
        }
        match self.glue.jobs.iter().find(|job| job.courses.iter().any(|course| course.steps.is_empty())) {
            Some(job) => wrong(format!("job {}: a course needs a step", job.name)),
            None => self.faults.iter().try_for_each(Fault::check),
        }
    }
}

/// ARN of a role.
pub(crate) fn role_arn(partition: &str, account: &str, path: &str, name: &str) -> String {
    format!("arn:{partition}:iam::{account}:role{path}{name}")
}

fn default_region() -> String {
    "us-east-2".into()
}

fn default_partition() -> String {
    "aws".into()
}

fn default_path() -> String {
    "/".into()
}

/// Real tokens are this long or longer.
fn default_token_length() -> usize {
    528
}

/// IAM's default `MaxSessionDuration`.
fn default_max_session() -> Duration {
    Duration::from_hours(1)
}

/// What ECS and EKS Pod Identity give.
fn default_container_session() -> Duration {
    Duration::from_hours(6)
}

fn default_session_name() -> String {
    "container-session".into()
}

fn default_instance() -> String {
    "i-0123456789abcdef0".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_worlds() {
        let readme = include_str!("../README.md");
        let example = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        for text in [example, include_str!("../worlds/two-accounts.toml")] {
            World::from_toml(text).unwrap();
        }
    }

    #[test]
    fn worlds_that_do_not_hold_together() {
        for (text, expected) in [
            ("", "missing field `accounts`"),
            ("[accounts.1]", "`1` is not twelve digits"),
            ("colour = 1\n[accounts]", "unknown field `colour`"),
            ("[accounts.111111111111.oidc_providers]\nx = []", "no issuer `x`"),
            (
                "[accounts.111111111111.roles.r]\ntrust = [{ sub = 'x' }]",
                "one of `principal` and `federated`",
            ),
            ("[accounts.111111111111.roles.r]\ntrust = [{ federated = 'x' }]", "no issuer `x`"),
            ("[accounts.111111111111.roles.r]\nallow = ['glue']", "not of the form"),
            ("instance_metadata = { role = 'r' }\n[accounts]", "no role `r`"),
            (
                "[accounts]\n[[faults]]\nservice = 'glue'\noperation = 'Get'\nkind = 'hang'",
                "no operation `glue:Get`",
            ),
            ("[accounts]\n[[glue.jobs]]\nname = 'j'\naccount = '222222222222'", "no account"),
            (
                "[accounts.111111111111]\n[[lambda.functions]]\nname = 'f'\naccount = '111111111111'\naliases = { a = '1' }",
                "no version `1`",
            ),
        ] {
            let error = World::from_toml(text).unwrap_err();
            let text = format!(
                "{error}: {}",
                std::error::Error::source(&error).map_or_else(String::new, ToString::to_string)
            );
            assert!(text.contains(expected), "{text}");
        }
    }
}

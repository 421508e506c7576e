//! Where a statement is to run and as whom: the combinations that there are, and the permissions that each needs.

use serde::Deserialize;

use super::invalid;
use super::store::Redshift;
use super::world::{Cluster, Workgroup};
use crate::refusal::{Constraints, Refusal};
use crate::rest::members;
use crate::service::Request;

const CLUSTER: &str = "[a-z][a-z0-9]*(-[a-z0-9]+)*";
const WORKGROUP: &str = "([a-z0-9-]{3,63}|arn:(aws(-[a-z]+)*):redshift-serverless:…:workgroup/…)";

/// The members that say where and as whom.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Given {
    pub(super) cluster_identifier: Option<String>,
    pub(super) workgroup_name: Option<String>,
    pub(super) database: Option<String>,
    pub(super) connected_database: Option<String>,
    pub(super) db_user: Option<String>,
    pub(super) secret_arn: Option<String>,
    pub(super) session_id: Option<String>,
}

impl Given {
    pub(super) fn read(request: &Request<'_>, constraints: &mut Constraints) -> Result<Self, Refusal> {
        let given: Self = members(request.parameters)?;
        if let Some(cluster) = &given.cluster_identifier {
            constraints.length("clusterIdentifier", cluster, 1, 63, false);
            constraints.form("clusterIdentifier", cluster, CLUSTER, is_cluster(cluster));
        }
        if let Some(workgroup) = &given.workgroup_name {
            constraints.length("workgroupName", workgroup, 3, 128, false);
            let is_name = workgroup.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
            let is_arn = workgroup.starts_with("arn:") && workgroup.contains(":workgroup/");
            constraints.form("workgroupName", workgroup, WORKGROUP, is_name || is_arn);
        }
        Ok(given)
    }

    /// Is anything given but a session?
    fn names_a_place(&self) -> bool {
        [&self.cluster_identifier, &self.workgroup_name, &self.database, &self.db_user, &self.secret_arn]
            .into_iter()
            .any(Option::is_some)
    }
}

fn is_cluster(text: &str) -> bool {
    let part =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.split('-').all(part) && text.starts_with(|c: char| c.is_ascii_lowercase())
}

/// What runs a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Cluster(String),
    /// Its name, and how it was named.
    Workgroup(String, String),
}

/// Where a statement runs and as whom.
#[derive(Clone, Debug)]
pub(super) struct Target {
    place: Place,
    arn: String,
    pub(super) database: String,
    /// As it is told; nothing where it is in a secret.
    pub(super) db_user: Option<String>,
    pub(super) secret: Option<String>,
    /// The database is one of the world's.
    pub(super) known_database: bool,
    /// What connecting fails with.
    pub(super) fatal: Option<String>,
    /// Databases of this place.
    pub(super) databases: Vec<String>,
}

impl Target {
    pub(super) fn cluster(&self) -> Option<&str> {
        match &self.place {
            Place::Cluster(identifier) => Some(identifier),
            Place::Workgroup(..) => None,
        }
    }

    /// As it was named.
    pub(super) fn workgroup(&self) -> Option<&str> {
        match &self.place {
            Place::Cluster(_) => None,
            Place::Workgroup(_, named) => Some(named),
        }
    }

    pub(super) fn arn(&self) -> &str {
        &self.arn
    }

    /// Is it the same cluster or workgroup?
    pub(super) fn is_same_place(&self, other: &Self) -> bool {
        self.arn == other.arn
    }

    /// Is it this cluster, or this workgroup by its name or ARN?
    pub(super) fn is_at(&self, cluster: Option<&str>, workgroup: Option<&str>) -> bool {
        let by_name = match &self.place {
            Place::Cluster(_) => None,
            Place::Workgroup(name, _) => Some(name.as_str()),
        };
        cluster.is_none_or(|cluster| self.cluster() == Some(cluster))
            && workgroup.is_none_or(|workgroup| by_name == Some(workgroup) || self.arn == workgroup)
    }

    /// The target of a request without a session, if the caller may use it.
    pub(super) fn find(redshift: &Redshift, request: &Request<'_>, given: &Given) -> Result<Self, Refusal> {
        match (&given.cluster_identifier, &given.workgroup_name) {
            (Some(_), Some(_)) => {
                Err(invalid("ClusterIdentifier and WorkgroupName cannot be specified together."))
            }
            (None, None) => Err(invalid("Either ClusterIdentifier or WorkgroupName must be specified.")),
            _ if given.db_user.is_some() && given.secret_arn.is_some() => {
                Err(invalid("DbUser and SecretArn cannot be specified together."))
            }
            (Some(identifier), None) => Self::on_cluster(redshift, request, given, identifier),
            (None, Some(_)) if given.db_user.is_some() => {
                Err(invalid("DbUser cannot be specified with WorkgroupName."))
            }
            (None, Some(named)) => Self::on_workgroup(redshift, request, given, named),
        }
    }

    fn database(given: &Given) -> Result<String, Refusal> {
        let database = given.connected_database.as_ref().or(given.database.as_ref());
        let database = database.filter(|database| !database.is_empty());
        database.cloned().ok_or_else(|| invalid("Database must be specified."))
    }

    fn on_cluster(
        redshift: &Redshift,
        request: &Request<'_>,
        given: &Given,
        identifier: &str,
    ) -> Result<Self, Refusal> {
        let caller = request.caller()?;
        let (partition, region, account) = (caller.partition(), request.region, &caller.account);
        let arn =
            |kind: &str, name: &str| format!("arn:{partition}:redshift:{region}:{account}:{kind}:{name}");
        let cluster_arn = arn("cluster", identifier);
        request.authorize(&cluster_arn)?;
        let database = Self::database(given)?;
        let is_meant = |cluster: &&Cluster| {
            cluster.identifier == identifier
                && cluster.account == *account
                && cluster.region.as_deref().unwrap_or(region) == region
        };
        let known = redshift.settings.clusters.iter().find(is_meant).ok_or_else(no_endpoint)?;
        let database_arn = arn("dbname", &format!("{identifier}/{database}"));
        let (db_user, fatal) = match (&given.secret_arn, &given.db_user) {
            (Some(secret), _) => (check_secret(redshift, request, secret).map(|()| None)?, None),
            (None, Some(user)) => {
                let action = "redshift:GetClusterCredentials";
                behind(request, action, &arn("dbuser", &format!("{identifier}/{user}")), "Redshift")?;
                behind(request, action, &database_arn, "Redshift")?;
                let is_there = known.db_users.is_empty() || known.db_users.contains(user);
                let fatal = format!("FATAL: user \"IAM:{user}\" does not exist");
                (Some(user.clone()), Some(fatal).filter(|_| !is_there))
            }
            (None, None) => {
                behind(request, "redshift:GetClusterCredentialsWithIAM", &database_arn, "Redshift")?;
                (Some(iam_user(&caller.principal)), None)
            }
        };
        Ok(Self {
            place: Place::Cluster(identifier.into()),
            arn: cluster_arn,
            known_database: known.databases.contains(&database),
            databases: known.databases.clone(),
            database,
            db_user,
            secret: given.secret_arn.clone(),
            fatal,
        })
    }

    fn on_workgroup(
        redshift: &Redshift,
        request: &Request<'_>,
        given: &Given,
        named: &str,
    ) -> Result<Self, Refusal> {
        let caller = request.caller()?;
        let (partition, region) = (caller.partition(), request.region);
        let home = |workgroup: &Workgroup| {
            let region = workgroup.region.as_deref().unwrap_or(region);
            let (account, id) = (&workgroup.account, workgroup.id());
            format!("arn:{partition}:redshift-serverless:{region}:{account}:workgroup/{id}")
        };
        let is_meant = |workgroup: &&Workgroup| {
            let by_name = workgroup.name == named && workgroup.account == caller.account;
            by_name && workgroup.region.as_deref().unwrap_or(region) == region || home(workgroup) == named
        };
        let known = redshift.settings.workgroups.iter().find(is_meant);
        let arn = match known {
            Some(known) => home(known),
            None if named.starts_with("arn:") => named.to_owned(),
            // Nobody knows the id of what is not there.
            None => {
                let account = &caller.account;
                format!("arn:{partition}:redshift-serverless:{region}:{account}:workgroup/{named}")
            }
        };
        request.authorize(&arn)?;
        let database = Self::database(given)?;
        let known = known.ok_or_else(no_endpoint)?;
        if known.account != caller.account && !known.allow_accounts.contains(&caller.account) {
            let action = format!("redshift-data:{}", request.operation);
            return Err(request.service.protocol().denied(caller, &action, &arn, "resource-based"));
        }
        let db_user = if let Some(secret) = &given.secret_arn {
            check_secret(redshift, request, secret)?;
            None
        } else {
            behind(request, "redshift-serverless:GetCredentials", &arn, "RedshiftServerless")?;
            Some(iam_user(&caller.principal))
        };
        Ok(Self {
            place: Place::Workgroup(known.name.clone(), named.into()),
            arn,
            known_database: known.databases.contains(&database),
            databases: known.databases.clone(),
            database,
            db_user,
            secret: given.secret_arn.clone(),
            fatal: None,
        })
    }

    /// The session that a request names instead of a place.
    pub(super) fn session(given: &Given) -> Result<Option<&str>, Refusal> {
        let Some(session) = given.session_id.as_deref() else { return Ok(None) };
        if given.names_a_place() {
            return Err(invalid(
                "SessionId cannot be specified with ClusterIdentifier, WorkgroupName, Database, DbUser or SecretArn.",
            ));
        }
        Ok(Some(session))
    }
}

/// The user that stands for an IAM identity: `IAM:name` of a user, `IAMR:name` of a role.
fn iam_user(principal: &str) -> String {
    let prefix = if principal.contains(":role/") { "IAMR" } else { "IAM" };
    format!("{prefix}:{}", principal.rsplit('/').next().unwrap_or_default())
}

/// Is it a secret with a user in it, which the caller may read?
fn check_secret(redshift: &Redshift, request: &Request<'_>, name: &str) -> Result<(), Refusal> {
    let known = redshift.settings.secrets.iter().find(|secret| secret.is(name));
    let caller = request.caller()?;
    let arn = match known {
        Some(secret) => secret.arn.clone(),
        None if name.starts_with("arn:") => name.into(),
        None => {
            let (partition, region, account) = (caller.partition(), request.region, &caller.account);
            format!("arn:{partition}:secretsmanager:{region}:{account}:secret:{name}")
        }
    };
    behind(request, "secretsmanager:GetSecretValue", &arn, "AWSSecretsManager")?;
    match known {
        None => Err(invalid("Secrets Manager can't find the specified secret.")),
        Some(secret) if secret.username.is_empty() => {
            Err(invalid("username and password in secret cannot be empty"))
        }
        Some(_) => Ok(()),
    }
}

/// May the caller do this in the service behind? What that one refuses comes wrapped.
fn behind(request: &Request<'_>, action: &str, resource: &str, service: &str) -> Result<(), Refusal> {
    request.authorize_as(action, resource).map_err(|refusal| {
        let (text, id) = (refusal.message, request.id);
        invalid(format!("{text} (Service: {service}, Status Code: 403, Request ID: {id})"))
    })
}

fn no_endpoint() -> Refusal {
    invalid("Redshift endpoint doesn't exist in this region.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(is_cluster("analytics-1") && !is_cluster("1a") && !is_cluster("a--b") && !is_cluster("A"));
        assert_eq!(iam_user("arn:aws:iam::1:role/team/x"), "IAMR:x");
        assert_eq!(iam_user("arn:aws:iam::1:user/x"), "IAM:x");
    }
}

//! An environment as this program sees it: whether it can be used, and which Airflow it has.

use job_runtime::Place;
use serde::Serialize;

/// An environment. Its configuration options are left out on purpose: passwords can be among them.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Environment {
    /// Its name.
    #[serde(rename = "environment_name")]
    pub(crate) name: String,
    /// `Status` as MWAA names it.
    pub(crate) status: String,
    /// Such as 2.10.3.
    pub(crate) airflow_version: Option<String>,
    pub(crate) arn: Option<String>,
    /// Name of the web server's host.
    pub(crate) web_server_host: Option<String>,
    /// `WebserverAccessMode` as MWAA names it.
    pub(crate) web_server_access: Option<String>,
    /// Bucket of the DAG folder.
    pub(crate) bucket: Option<String>,
    /// The DAG folder in it.
    pub(crate) dag_folder: Option<String>,
    #[serde(rename = "environment_class")]
    pub(crate) class: Option<String>,
    pub(crate) execution_role: Option<String>,
    /// RFC 3339.
    pub(crate) created_at: Option<String>,
    pub(crate) last_update: Option<LastUpdate>,
}

/// What became of the newest change to an environment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct LastUpdate {
    pub(crate) status: Option<String>,
    /// RFC 3339.
    pub(crate) at: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) error: Option<String>,
}

/// Whether an environment can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usable {
    Yes,
    /// It may be unavailable for a while.
    Perhaps,
    /// Later.
    NotYet,
    /// Not without somebody's help.
    Never,
}

/// Judges an `EnvironmentStatus`; `None` for one that this program does not know.
pub(crate) fn judge(status: &str) -> Option<Usable> {
    match status {
        // After a failed update the old state is back.
        "AVAILABLE" | "UPDATE_FAILED" => Some(Usable::Yes),
        "UPDATING" | "MAINTENANCE" | "CREATING_SNAPSHOT" | "ROLLING_BACK" => Some(Usable::Perhaps),
        // PENDING waits for somebody to make VPC endpoints; the creation then goes on by itself.
        "CREATING" | "PENDING" => Some(Usable::NotYet),
        "CREATE_FAILED" | "DELETING" | "DELETED" | "UNAVAILABLE" => Some(Usable::Never),
        _ => None,
    }
}

/// The generations of Airflow, which differ in paths, options and addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generation {
    Two,
    /// And whatever comes after it.
    Three,
}

impl Environment {
    pub(crate) fn usable(&self) -> Option<Usable> {
        judge(&self.status)
    }

    /// Which generation it has. Every version before 3 is treated as 2.
    pub(crate) fn generation(&self) -> Generation {
        let major = self
            .airflow_version
            .as_deref()
            .and_then(|version| version.split('.').next()?.parse::<u32>().ok());
        if major.is_some_and(|major| major >= 3) { Generation::Three } else { Generation::Two }
    }

    /// Whether its web server can be reached from within its VPC alone.
    pub(crate) fn is_private(&self) -> bool {
        self.web_server_access.as_deref() == Some("PRIVATE_ONLY")
    }

    /// Address of the environment in the AWS console.
    pub(crate) fn console(name: &str, place: &Place) -> String {
        let Place { region, .. } = place;
        format!(
            "https://{region}.console.{}/mwaa/home?region={region}#environments/{name}",
            place.console_domain()
        )
    }

    /// A few lines for people; what is not known is left out.
    pub(crate) fn lines(&self) -> Vec<(&'static str, String)> {
        let folder = self
            .bucket
            .as_ref()
            .map(|bucket| format!("s3://{bucket}/{}", self.dag_folder.as_deref().unwrap_or_default()));
        let update = self.last_update.as_ref().map(|update| {
            let parts = [&update.status, &update.at, &update.source, &update.error];
            parts.into_iter().flatten().cloned().collect::<Vec<_>>().join(", ")
        });
        [
            ("environment", Some(self.name.clone())),
            ("status", Some(self.status.clone())),
            ("airflow", self.airflow_version.clone()),
            ("class", self.class.clone()),
            ("web server", self.web_server_host.clone()),
            ("access", self.web_server_access.clone()),
            ("dags", folder),
            ("role", self.execution_role.clone()),
            ("created", self.created_at.clone()),
            ("last update", update),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        for (status, usable) in [
            ("AVAILABLE", Some(Usable::Yes)),
            ("UPDATE_FAILED", Some(Usable::Yes)),
            ("UPDATING", Some(Usable::Perhaps)),
            ("MAINTENANCE", Some(Usable::Perhaps)),
            ("CREATING_SNAPSHOT", Some(Usable::Perhaps)),
            ("ROLLING_BACK", Some(Usable::Perhaps)),
            ("CREATING", Some(Usable::NotYet)),
            ("PENDING", Some(Usable::NotYet)),
            ("CREATE_FAILED", Some(Usable::Never)),
            ("DELETING", Some(Usable::Never)),
            ("DELETED", Some(Usable::Never)),
            ("UNAVAILABLE", Some(Usable::Never)),
            ("SLEEPING", None),
        ] {
            assert_eq!(judge(status), usable, "{status}");
        }
    }

    #[test]
    fn generations() {
        for (version, expected) in [
            (Some("2.10.3"), Generation::Two),
            (Some("1.10.12"), Generation::Two),
            (Some("3.0.6"), Generation::Three),
            (Some("4"), Generation::Three),
            (Some("new"), Generation::Two),
            (None, Generation::Two),
        ] {
            let environment =
                Environment { airflow_version: version.map(str::to_owned), ..Environment::default() };
            assert_eq!(environment.generation(), expected, "{version:?}");
        }
    }
}

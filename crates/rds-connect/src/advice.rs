//! What a refusal means, and what to look at: with the values in use, the likeliest first.

use std::net::SocketAddr;

use aws_smithy_types::DateTime;
use job_runtime::{Context, Exit, rfc3339};

use crate::connection::{Auth, Connection, resource_of};
use crate::login::{Endpoint, Login, Signed};
use crate::stages::{Failed, Stage, Way, trouble_in_words};
use crate::startup::{Method, ServerError, Trouble};

/// One attempt at a session, for what is said of its failure.
#[derive(Clone, Copy)]
pub(crate) struct Attempt<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) address: SocketAddr,
    pub(crate) login: &'a Login,
    pub(crate) database: &'a str,
    pub(crate) tls: bool,
    /// How the server wanted the user to be proved, as far as it came.
    pub(crate) asked: Method,
}

/// How a run ends that an error of the server ends, by its SQLSTATE; at `stage` the session has not begun, or has.
pub(crate) fn exit_of(code: &str, stage: Stage) -> Exit {
    match (code, stage) {
        // Too many connections, shutting down, crashed, starting up, out of memory or disk, an idle session ended.
        ("53300" | "53200" | "53100" | "53000" | "57P01" | "57P02" | "57P03" | "57P05", _) => {
            Exit::Unavailable
        }
        // Connection failures, as a pooler between here and the server reports them.
        (code, _) if code.starts_with("08") => Exit::Unavailable,
        // Wrong user, password or token; no line of pg_hba.conf.
        (code, _) if code.starts_with("28") => Exit::Denied,
        // No such database.
        ("3D000", _) => Exit::Rejected,
        // May not connect to this database.
        ("42501", Stage::Startup | Stage::Auth) => Exit::Denied,
        (_, Stage::Query) => Exit::Failed,
        (_, Stage::Dns | Stage::Tcp | Stage::Tls | Stage::Startup | Stage::Auth) => Exit::Rejected,
    }
}

impl Attempt<'_> {
    /// What a startup that failed with `trouble` means.
    pub(crate) fn failed(
        self,
        trouble: Trouble,
        way: &Way,
        connection: &Connection,
        ctx: &Context,
    ) -> Failed {
        let (stage, exit, advice) = match &trouble {
            Trouble::Refused(error) => self.refused(error, connection, ctx),
            Trouble::Closed | Trouble::Broken(_) => (
                Stage::Startup,
                Exit::Unavailable,
                vec![
                    "whether the database is up (restarting, failing over, scaling), and its log".to_owned(),
                    "whether something between here and the database cuts connections".to_owned(),
                ],
            ),
            Trouble::Silent(_) => (
                Stage::Startup,
                Exit::Unavailable,
                vec![
                    "an Aurora Serverless that wakes up takes half a minute: --wait 60s".to_owned(),
                    "the server's load: it takes connections and does not answer".to_owned(),
                ],
            ),
            Trouble::Foreign(_) => (
                Stage::Startup,
                Exit::Config,
                vec!["whether host and port are those of the database".to_owned()],
            ),
            Trouble::NoPassword(_) => (
                Stage::Auth,
                Exit::Config,
                vec!["--iam, --secret-id, --secret-dir, --password-file or PGPASSWORD".to_owned()],
            ),
            Trouble::Unsupported(_) => (
                Stage::Auth,
                Exit::Config,
                vec!["the server's pg_hba.conf, or the user's directory".to_owned()],
            ),
            Trouble::NotAllowed(method) => (Stage::Auth, Exit::Config, not_allowed(*method, connection)),
            Trouble::Unbound(_) => (
                Stage::Auth,
                Exit::Config,
                vec![
                    "only SCRAM-SHA-256-PLUS over TLS can be bound: IAM tokens and MD5 passwords cannot"
                        .to_owned(),
                    "--channel-binding prefer binds where the server offers it".to_owned(),
                ],
            ),
            Trouble::Unproved(_) => (
                Stage::Auth,
                Exit::Denied,
                vec!["whether this is the server that the password is for".to_owned()],
            ),
        };
        let Endpoint { host, port } = self.endpoint;
        let asked = match self.asked {
            Method::Trust => String::new(),
            method => format!(", which asked for {method}"),
        };
        let tried = format!(
            "user {} on database {} at {}:{port} ({}){asked}",
            self.login.user,
            self.database,
            host.name,
            self.address.ip()
        );
        let failed = way.fail(stage, exit, tried, trouble_in_words(&trouble)).with_advice(advice);
        match trouble {
            Trouble::Refused(error) => Failed { server: Some(*error), ..failed },
            _ => failed,
        }
    }

    fn refused(
        self,
        error: &ServerError,
        connection: &Connection,
        ctx: &Context,
    ) -> (Stage, Exit, Vec<String>) {
        let user = &self.login.user;
        let exit = exit_of(&error.code, Stage::Startup);
        let no_line = error.message.contains("pg_hba.conf");
        let advice = match error.code.as_str() {
            "28000" | "28P01" if no_line && !self.tls => {
                vec!["the server takes this user over TLS only: --sslmode verify-full".to_owned()]
            }
            // "pg_hba.conf rejects", "no pg_hba.conf entry".
            "28000" | "28P01" if no_line => vec![
                format!("whether the user {user} may connect to the database {} from here", self.database),
                "rds.force_ssl and pg_hba.conf of the server".to_owned(),
            ],
            "28000" | "28P01" => match &self.login.signed {
                Some(signed) => token_refused(signed, user, self.asked, connection, ctx),
                None => self.password_refused(error, connection),
            },
            "3D000" => vec![
                format!("--database: there is none named `{}` on this server (`\\l` in psql lists them)", self.database),
                "where --database is not given, the database is the one named as the user".to_owned(),
            ],
            "53300" => vec![
                "connections that were left open: `select usename, application_name, count(*) from pg_stat_activity \
                 group by 1, 2`"
                    .to_owned(),
                "max_connections of the instance, or RDS Proxy in front of it; --wait bears a peak".to_owned(),
            ],
            "57P03" => vec!["the server starts up or fails over: --wait 60s bears it".to_owned()],
            "42501" => vec![format!("`GRANT CONNECT ON DATABASE \"{}\" TO \"{user}\"`", self.database)],
            _ => Vec::new(),
        };
        let stage = match exit {
            Exit::Denied => Stage::Auth,
            _ => Stage::Startup,
        };
        (stage, exit, advice)
    }

    fn password_refused(self, error: &ServerError, connection: &Connection) -> Vec<String> {
        let user = &self.login.user;
        let from = match &connection.auth {
            Auth::Iam(_) => "the token".to_owned(),
            Auth::Secret(secret) => format!("the secret {}", secret.id),
            Auth::Folder { path, .. } => format!("the files in {}", path.display()),
            Auth::PasswordFile(path) => format!("the file {}", path.display()),
            Auth::Password(_) => "PGPASSWORD".to_owned(),
        };
        let mut advice = vec![
            format!("whether the password in {from} is that of {user} on this server"),
            format!("whether the user {user} exists, and may log in"),
        ];
        if error.message.starts_with("PAM") {
            let hint = format!("{user} has rds_iam, and so takes an IAM token instead of a password: --iam");
            advice.insert(0, hint);
        }
        advice
    }
}

/// A server that asks for another proof than it may have.
fn not_allowed(method: Method, connection: &Connection) -> Vec<String> {
    if connection.policy.require.is_explicit() {
        return vec![format!("--require-auth is `{}`", connection.policy.require.text())];
    }
    let mode = connection.tls.mode.name();
    let mut advice = vec![format!(
        "--sslmode verify-full: with --sslmode {mode} the server may be anyone, so it gets no {} in clear text",
        if matches!(connection.auth, Auth::Iam(_)) { "token" } else { "password" }
    )];
    advice.push(format!("--require-auth {} sends it all the same, in tests", method.libpq_name()));
    advice
}

/// "PAM authentication failed" has many causes, and RDS tells none apart.
fn token_refused(
    signed: &Signed,
    user: &str,
    asked: Method,
    connection: &Connection,
    ctx: &Context,
) -> Vec<String> {
    let Signed { host, port, region, session_expires } = signed;
    let identity = ctx.identity();
    let account = identity.account.as_deref().unwrap_or("ACCOUNT");
    let partition = match region.split('-').next() {
        Some("cn") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    let role = identity.arn.as_deref().unwrap_or("the identity at the end of the chain");
    let mut advice = vec![
        format!(
            "the policy of {role}: it must allow rds-db:connect on \
             arn:{partition}:rds-db:{region}:{account}:dbuser:{}/{user} (the resource id, not the name: cluster-… of Aurora, db-… \
             of RDS, prx-… of a proxy; `aws rds describe-db-clusters` shows it as DbClusterResourceId, \
             describe-db-instances as DbiResourceId)",
            resource_of(host)
        ),
        format!("`GRANT rds_iam TO \"{user}\"`, run in the database: without it the token is taken for a password"),
        format!("the account: the database must be in {account}, where the chain ends"),
        format!("the region: the token is signed for {region} (--sign-region, else the host's)"),
        format!(
            "the endpoint: the token is signed for {host}:{port}, which must be the database's own (--sign-host where a \
             CNAME or a tunnel is dialled)"
        ),
        "whether IAM database authentication is switched on for the instance, cluster or proxy".to_owned(),
        "in ECS, that these are rights of the task role and not of the execution role; the clock of this machine"
            .to_owned(),
    ];
    match asked {
        Method::Trust | Method::Cleartext => {}
        // Of nobody who has the grant.
        Method::Md5 | Method::Scram => advice.swap(0, 1),
    }
    if let Some(end) = session_expires.and_then(|end| rfc3339(DateTime::from(end))) {
        advice.push(format!("the session that has signed ends at {end}, and the token with it"));
    }
    if connection.hosts.len() > 1 {
        advice.push("each host of the list needs the grant and the policy".to_owned());
    }
    advice
}

/// What a failed question for TLS means.
pub(crate) fn no_tls(trouble: Trouble, tried: &str, way: &Way) -> Failed {
    let (exit, advice) = match &trouble {
        Trouble::Refused(error) => (exit_of(&error.code, Stage::Startup), Vec::new()),
        Trouble::Foreign(_) => {
            (Exit::Config, vec!["whether host and port are those of the database".to_owned()])
        }
        Trouble::Closed
        | Trouble::Broken(_)
        | Trouble::Silent(_)
        | Trouble::NoPassword(_)
        | Trouble::Unsupported(_)
        | Trouble::NotAllowed(_)
        | Trouble::Unbound(_)
        | Trouble::Unproved(_) => (
            Exit::Unavailable,
            vec![
                "whether host and port are those of the database".to_owned(),
                "whether the database is up, and its load".to_owned(),
            ],
        ),
    };
    let failed = way.fail(Stage::Tls, exit, tried, trouble_in_words(&trouble)).with_advice(advice);
    match trouble {
        Trouble::Refused(error) => Failed { server: Some(*error), ..failed },
        _ => failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_by_sqlstate() {
        for (code, stage, exit) in [
            ("28000", Stage::Startup, Exit::Denied),
            ("28P01", Stage::Startup, Exit::Denied),
            ("3D000", Stage::Startup, Exit::Rejected),
            ("53300", Stage::Startup, Exit::Unavailable),
            ("57P03", Stage::Startup, Exit::Unavailable),
            ("57P01", Stage::Query, Exit::Unavailable),
            ("08006", Stage::Startup, Exit::Unavailable),
            ("42501", Stage::Startup, Exit::Denied),
            ("42501", Stage::Query, Exit::Failed),
            ("22012", Stage::Query, Exit::Failed),
            ("08P01", Stage::Startup, Exit::Unavailable),
            ("22023", Stage::Startup, Exit::Rejected),
        ] {
            assert_eq!(exit_of(code, stage), exit, "{code}");
        }
    }
}

//! `exec`: runs a program with the connection in libpq's variables.

mod environment;
mod password;

use std::ffi::OsString;
use std::process::Command;

use job_runtime::child::{self, MemoryFile};
use job_runtime::{Context, Report};

use self::environment::Environment;
pub(crate) use self::password::PasswordBy;
use crate::connection::{Connection, SslMode};
use crate::error::Error;
use crate::login::Logins;
use crate::session::in_time;
use crate::tls::{self, Tls};

/// What is to be run.
#[derive(Debug)]
pub(crate) struct Exec {
    /// Program and arguments; at least the program.
    pub(crate) command: Vec<OsString>,
    pub(crate) password_by: PasswordBy,
    /// Whether the program gets the AWS credentials of this process's environment.
    pub(crate) keep_aws_credentials: bool,
}

/// Runs the command with the first server of the connection in its environment; its end is the run's.
///
/// # Errors
/// There is no server, no login, or no such program.
pub(crate) async fn exec(connection: &Connection, exec: &Exec, ctx: &Context) -> Result<Report, Error> {
    // The roots are read, so that a mistake in them is told here and not by the program.
    Tls::new(&connection.tls, &connection.hosts).map_err(Error::Roots)?;
    let logins = Logins::new(connection, ctx);
    let (endpoint, login) = in_time(ctx, Box::pin(logins.first())).await?;
    if connection.hosts.len() > 1 {
        tracing::warn!(host = endpoint.host.name, "the login is for one server: the program gets the first");
    }
    let [program, args @ ..] = exec.command.as_slice() else {
        return Err(Error::Usage("there is no program to run: exec -- PROGRAM ARGUMENTS".to_owned()));
    };
    let shown = program.to_string_lossy().into_owned();
    let failed = |source| Error::Exec { program: shown.clone(), source };
    let mut environment = Environment::default();
    environment.connect(connection, &endpoint, &login);
    if !exec.keep_aws_credentials {
        environment.drop_aws_credentials();
    }
    // Both are held until the program ends.
    let password_file = match &login.password {
        Some(password) if exec.password_by.is_file(program, password) => {
            let line = password::line(&endpoint, &login.user, password);
            let file = MemoryFile::new("pgpass", line.as_bytes()).map_err(failed)?;
            environment.set("PGPASSFILE", file.path()).remove("PGPASSWORD");
            Some(file)
        }
        Some(password) => {
            environment.set("PGPASSWORD", password.reveal()).remove("PGPASSFILE");
            None
        }
        None => None,
    };
    let roots = match (&connection.tls.root_cert, connection.tls.mode) {
        (Some(path), _) => {
            environment.set("PGSSLROOTCERT", path);
            None
        }
        (None, SslMode::VerifyCa | SslMode::VerifyFull) => {
            let bundle = tls::bundle_pem().as_bytes();
            let file = MemoryFile::new("rds-ca-bundle.pem", bundle).map_err(failed)?;
            environment.set("PGSSLROOTCERT", file.path());
            Some(file)
        }
        (None, SslMode::Disable | SslMode::Require) => {
            environment.remove("PGSSLROOTCERT");
            None
        }
    };
    let mut run = Command::new(program);
    run.args(args);
    let removed = environment.apply(&mut run);
    if !removed.is_empty() {
        let variables = removed.join(", ");
        tracing::info!(variables, "variables removed from the program's environment");
    }
    tracing::info!(program = shown, host = endpoint.host.name, user = login.user, "starting");
    let report = child::run(run, ctx).await.map_err(failed)?;
    drop((password_file, roots));
    Ok(report)
}

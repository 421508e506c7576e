//! `exec`: runs a program with the connection in libpq's variables.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::process::Command;

use job_runtime::{Context, Report, child};
use rustix::fs::{MemfdFlags, memfd_create};

use crate::connection::{Connection, SslMode};
use crate::error::Error;
use crate::login::Logins;
use crate::session::in_time;
use crate::tls::{self, Tls};

/// Runs `command` with the first server of the connection in its environment; its end is the run's.
///
/// # Errors
/// There is no server, no login, or no such program.
pub(crate) async fn exec(
    connection: &Connection,
    command: &[OsString],
    ctx: &Context,
) -> Result<Report, Error> {
    // The roots are read, so that a mistake in them is told here and not by the program.
    Tls::new(&connection.tls, &connection.hosts).map_err(Error::Roots)?;
    let logins = Logins::new(connection, ctx);
    let (endpoint, login) = in_time(ctx, Box::pin(logins.first())).await?;
    if connection.hosts.len() > 1 {
        tracing::warn!(host = endpoint.host.name, "the login is for one server: the program gets the first");
    }
    let [program, args @ ..] = command else {
        return Err(Error::Usage("there is no program to run: exec -- PROGRAM ARGUMENTS".to_owned()));
    };
    let shown = program.to_string_lossy().into_owned();
    let failed = |source| Error::Exec { program: shown.clone(), source };
    let mut run = Command::new(program);
    run.args(args)
        .env("PGHOST", &endpoint.host.name)
        .env("PGPORT", endpoint.port.to_string())
        .env("PGUSER", &login.user)
        .env("PGDATABASE", &login.database)
        .env("PGSSLMODE", connection.tls.mode.name());
    match endpoint.host.address {
        Some(address) => run.env("PGHOSTADDR", address.to_string()),
        None => run.env_remove("PGHOSTADDR"),
    };
    if let Some(password) = &login.password {
        run.env("PGPASSWORD", password.reveal());
    }
    // Held until the program ends.
    let bundle = match (&connection.tls.root_cert, connection.tls.mode) {
        (Some(path), _) => {
            run.env("PGSSLROOTCERT", path);
            None
        }
        (None, SslMode::VerifyCa | SslMode::VerifyFull) => {
            let file = bundle().map_err(failed)?;
            run.env("PGSSLROOTCERT", format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()));
            Some(file)
        }
        (None, SslMode::Disable | SslMode::Require) => {
            run.env_remove("PGSSLROOTCERT");
            None
        }
    };
    tracing::info!(program = shown, host = endpoint.host.name, user = login.user, "starting");
    let report = child::run(run, ctx).await.map_err(failed)?;
    drop(bundle);
    Ok(report)
}

/// The built-in roots as a file, which is what libpq wants: one in memory, since a container may have no place to write
/// to. The child opens it, from its beginning, by way of our process.
fn bundle() -> io::Result<File> {
    let mut file = File::from(memfd_create("rds-ca-bundle.pem", MemfdFlags::CLOEXEC)?);
    file.write_all(tls::bundle_pem().as_bytes())?;
    Ok(file)
}

//! `run`: one command of Airflow's own command line.

use job_runtime::{ALWAYS, CallError, Context, Effect, Exit, Report};

use crate::error::Error;
use crate::job::ANSWER_LIMIT;
use crate::mwaa::Mwaa;
use crate::web_server::{self, Printed, Sending};

/// Runs the command and hands on what it has printed: its standard output as the result, its standard error as log.
pub(crate) async fn run(mwaa: &Mwaa<'_>, command: &str, ctx: &Context) -> Result<Report, Error> {
    let running = Box::pin(web_server::run(mwaa, command, Sending::Start, ctx));
    let printed = tokio::select! {
        printed = running => printed,
        _ = ctx.out_of_patience(ANSWER_LIMIT) => {
            let what = "the Airflow command may have been run, and may still be running";
            return Err(ctx.interrupted_call(what).into());
        }
    };
    let printed = match printed {
        Ok(printed) => printed,
        Err(source) => return Err(not_run(mwaa, source).await),
    };
    for line in printed.stderr.lines().filter(|line| !line.trim().is_empty()) {
        tracing::info!(target: ALWAYS, stream = "stderr", "{line}");
    }
    let report = match failure(&printed) {
        None => Report::ok(""),
        Some(why) => Report::failed(Exit::Failed, "", format!("the Airflow command failed: {why}")),
    };
    Ok(report.with_bytes(printed.stdout))
}

/// What it means that a command got no answer.
async fn not_run(mwaa: &Mwaa<'_>, source: CallError) -> Error {
    if source.operation() == web_server::POST && source.effect() == Effect::MayHaveStarted {
        return Error::CommandUnknown { source };
    }
    Error::unreached(mwaa, source).await
}

/// Why a command has failed; `None` where it has not.
///
/// The service does not say what the status of a command's failure is; in practice it is 400. Airflow's own warnings
/// are on standard error whatever comes of a command, so that only what ends one counts there: a usage error, or an
/// exception that is the last there is, with nothing but lines of the log on standard output.
pub(crate) fn failure(printed: &Printed) -> Option<String> {
    let Printed { status, stdout, stderr } = printed;
    let last = stderr.lines().map(str::trim_end).rfind(|line| !line.is_empty());
    if !(200..300).contains(status) {
        return Some(last.map_or_else(|| format!("the web server says {status}"), str::to_owned));
    }
    let last = last?;
    let silent =
        stdout.split(|byte| *byte == b'\n').all(|line| line.trim_ascii().is_empty() || is_logged(line));
    let usage = last.starts_with("airflow command error:")
        || last.starts_with("airflow ") && last.contains(": error: ");
    let raised = silent && ends_in_exception(stderr);
    (usage || raised).then(|| last.to_owned())
}

/// Whether Airflow has logged this line: `[2026-01-31T06:00:00.000+0000] {plugins.py:37} INFO - …`.
fn is_logged(line: &[u8]) -> bool {
    matches!(line, [b'[', year @ ..] if year.first().is_some_and(u8::is_ascii_digit) && year.get(4) == Some(&b'-'))
}

/// Whether the last thing is a Python exception: a traceback, of which only the last line is not indented.
fn ends_in_exception(stderr: &str) -> bool {
    let Some((_, trace)) = stderr.rsplit_once("Traceback (most recent call last):") else { return false };
    let mut lines = trace.lines().skip(1).skip_while(|line| line.starts_with(' '));
    let kind = lines.next().and_then(|line| line.split(':').next()).unwrap_or_default();
    let named = !kind.is_empty() && kind.chars().all(|c| c.is_ascii_alphanumeric() || "._".contains(c));
    // The text of an exception may go on for some lines; a line of the log begins with a bracket.
    named && lines.all(|line| !line.starts_with('['))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "Traceback (most recent call last):\n  File \"x\", line 1, in <module>\n    main()\n";

    #[test]
    fn failures() {
        let warning = "x.py:1 DeprecationWarning: it is old\n";
        let usage = "usage: airflow [-h] GROUP\n\nairflow command error: argument X: invalid choice, see help above.\n";
        let raised = format!("{warning}{TRACE}airflow.exceptions.DagNotFound: Dag id x not found\n");
        let logged = format!("{TRACE}KeyError: 'x'\n[2026-01-01T00:00:00] INFO - broken DAG left out\n");
        for (status, stdout, stderr, expected) in [
            (200, "out", "", None),
            (200, "", "", None),
            (200, "out", warning, None),
            (200, "", warning, None),
            (200, "", usage, Some("airflow command error: argument X: invalid choice, see help above.")),
            (200, "", "airflow dags: error: no such\n", Some("airflow dags: error: no such")),
            (200, "", raised.as_str(), Some("airflow.exceptions.DagNotFound: Dag id x not found")),
            (
                200,
                "[2026-01-01T00:00:00.000+0000] {x.py:1} INFO - y\n\n",
                raised.as_str(),
                Some("airflow.exceptions.DagNotFound: Dag id x not found"),
            ),
            // An exception that the command has survived.
            (200, "[{\"dag_id\": \"x\"}]", raised.as_str(), None),
            (200, "rows", raised.as_str(), None),
            (200, "", logged.as_str(), None),
            (400, "", raised.as_str(), Some("airflow.exceptions.DagNotFound: Dag id x not found")),
            (400, "out", "", Some("the web server says 400")),
            (500, "", "gone\n\n", Some("gone")),
        ] {
            let printed = Printed { status, stdout: stdout.into(), stderr: stderr.to_owned() };
            assert_eq!(failure(&printed).as_deref(), expected, "{status} {stdout} {stderr}");
        }
    }
}

//! The options, and the [`Request`] they make.

use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use job_runtime::{Options, OutputArgs};

use crate::arguments::{self, Arguments};
use crate::request::{Request, Start, Work};

/// Options of glue-trigger.
#[derive(Debug, Args)]
#[group(skip)]
#[allow(clippy::doc_markdown, reason = "the comments are the help text, where backticks would show")]
#[command(next_help_heading = "Glue job")]
#[command(after_help = "\
Examples:
  Start a run with the credentials of a profile, follow its log and wait for its end:
    glue-trigger --profile external --job-name nightly-etl --argument day=2026-01-31 --logs

  In a Fargate task, whose role is the first hop:
    glue-trigger --assume-role arn:aws:iam::222222222222:role/external-glue --job-name nightly-etl

  See whether all is in place, and start nothing:
    glue-trigger --profile external --job-name nightly-etl --check")]
pub struct Cli {
    /// Name of the job
    #[arg(long, env = "GLUE_JOB_NAME", value_name = "NAME", value_parser = name)]
    job_name: String,

    /// An argument for the run; repeatable
    ///
    /// The "--" that Glue wants in front of the name may be left out. For this run it takes the place of the job's
    /// own default. Glue logs arguments, and shows them to whoever may look at the run: pass no secrets, pass the
    /// name of a secret.
    ///
    /// [env: GLUE_ARGUMENTS, as a JSON object]
    #[arg(long, value_name = "NAME=VALUE", value_parser = arguments::pair, allow_hyphen_values = true)]
    argument: Vec<(String, String)>,

    /// Arguments as a JSON object of strings, as the AWS CLI takes them
    ///
    /// Where a name is also given with --argument, that one counts. file://FILE is read as by the AWS CLI.
    #[arg(long, env = "GLUE_ARGUMENTS", value_name = "JSON", value_parser = arguments::json())]
    arguments: Option<Arguments>,

    /// A file with arguments as a JSON object of strings; "-" is standard input
    ///
    /// Where a name is also given with --argument or --arguments, that one counts.
    #[arg(long, env = "GLUE_ARGUMENTS_FILE", value_name = "FILE", value_parser = arguments::file())]
    arguments_file: Option<Arguments>,

    /// Refuse arguments that Glue itself reads, such as --extra-py-files, --scriptLocation or --conf
    ///
    /// With those, whoever writes the arguments runs code in the role of the job. Set this where arguments come from
    /// someone who may not do that. With --retry-run it exits with 2, because the arguments of the earlier run are not
    /// checked.
    #[arg(long, env = "GLUE_DENY_RESERVED_ARGUMENTS")]
    deny_reserved_arguments: bool,

    /// Type of the workers: G.1X, G.2X, … Z.2X
    #[arg(long, env = "GLUE_WORKER_TYPE", value_name = "TYPE", value_parser = NonEmptyStringValueParser::new())]
    worker_type: Option<String>,

    /// How many workers of that type
    #[arg(
        long,
        env = "GLUE_NUMBER_OF_WORKERS",
        value_name = "N",
        requires = "worker_type",
        value_parser = clap::value_parser!(i32).range(1..)
    )]
    number_of_workers: Option<i32>,

    /// Capacity in DPUs, for Python shell jobs (0.0625 or 1) and Glue 1.0
    ///
    /// Not together with a worker type.
    #[arg(
        long,
        env = "GLUE_MAX_CAPACITY",
        value_name = "DPUS",
        conflicts_with = "worker_type",
        value_parser = capacity
    )]
    max_capacity: Option<f64>,

    /// When Glue ends the run by itself (state TIMEOUT): whole minutes, up to 7d
    ///
    /// Without it the job's own. --timeout is how long this program waits, and ends no run.
    #[arg(long, env = "GLUE_JOB_TIMEOUT", value_name = "DURATION", value_parser = job_timeout)]
    job_timeout: Option<i32>,

    /// Security configuration (encryption) of the run
    #[arg(
        long,
        env = "GLUE_SECURITY_CONFIGURATION",
        value_name = "NAME",
        value_parser = NonEmptyStringValueParser::new()
    )]
    security_configuration: Option<String>,

    /// Execution class; FLEX runs on spare capacity: cheaper, may wait and take longer
    #[arg(long, env = "GLUE_EXECUTION_CLASS", value_name = "CLASS", ignore_case = true)]
    execution_class: Option<ExecutionClass>,

    /// After this long Glue sends a delay notification: whole minutes
    #[arg(long, env = "GLUE_NOTIFY_DELAY_AFTER", value_name = "DURATION", value_parser = notify_delay)]
    notify_delay_after: Option<i32>,

    /// Let the run wait in Glue's queue (state WAITING) where a limit stands in its way
    #[arg(long, env = "GLUE_JOB_RUN_QUEUING")]
    job_run_queuing: bool,

    /// A policy that narrows the rights of the job's role for this run: JSON, or a file with it
    #[arg(
        long,
        env = "GLUE_EXECUTION_ROLE_SESSION_POLICY",
        value_name = "JSON|FILE",
        value_parser = arguments::policy()
    )]
    execution_role_session_policy: Option<String>,

    /// Retry this earlier run, with its arguments
    ///
    /// Where a name is also given here, that one counts. With a key, the retry is the work that is done once.
    #[arg(long, env = "GLUE_RETRY_RUN", value_name = "RUN_ID", value_parser = name)]
    retry_run: Option<String>,

    /// Start nothing: wait for this run and report it
    ///
    /// A signal leaves it running, unless --on-terminate cancel is given.
    #[arg(
        long,
        env = "GLUE_ATTACH",
        value_name = "RUN_ID",
        value_parser = name,
        conflicts_with_all = [
            "argument", "arguments", "arguments_file", "worker_type", "number_of_workers", "max_capacity",
            "job_timeout", "security_configuration", "execution_class", "notify_delay_after", "job_run_queuing",
            "execution_role_session_policy", "retry_run", "wait_for_slot", "runtime.no-wait",
        ]
    )]
    attach: Option<String>,

    /// How long to try where as many runs as the job allows are going
    ///
    /// Without it, Glue's ConcurrentRunsExceeded ends the program with exit code 12.
    #[arg(
        long,
        env = "GLUE_WAIT_FOR_SLOT",
        value_name = "DURATION",
        value_parser = job_runtime::duration::parse_positive
    )]
    wait_for_slot: Option<Duration>,

    /// Show what the run writes to CloudWatch (output and error) on stderr
    ///
    /// Logs that are missing or refused never fail the run. Once it has ended, late lines are waited for,
    /// 10 s at most.
    #[arg(long, env = "GLUE_LOGS")]
    logs: bool,

    #[command(flatten)]
    output: OutputArgs,
}

/// The execution classes of Glue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExecutionClass {
    #[value(name = "STANDARD")]
    Standard,
    #[value(name = "FLEX")]
    Flex,
}

impl Options for Cli {
    type Request = Request;

    fn into_request(self) -> Result<Request, String> {
        let mut arguments = self.arguments_file.unwrap_or_default();
        arguments.extend(self.arguments.unwrap_or_default());
        arguments.extend(self.argument);
        if self.deny_reserved_arguments {
            refuse_reserved(&arguments, self.retry_run.is_some())?;
        }
        let start = Start {
            arguments,
            worker_type: self.worker_type,
            number_of_workers: self.number_of_workers,
            max_capacity: self.max_capacity,
            timeout_minutes: self.job_timeout,
            security_configuration: self.security_configuration,
            flex: self.execution_class.map(|class| class == ExecutionClass::Flex),
            notify_delay_minutes: self.notify_delay_after,
            queuing: self.job_run_queuing,
            role_session_policy: self.execution_role_session_policy,
            retry_run: self.retry_run,
            wait_for_slot: self.wait_for_slot,
        };
        let work = self.attach.map_or_else(|| Work::Start(Box::new(start)), Work::Attach);
        Ok(Request { job_name: self.job_name, work, logs: self.logs, output: self.output.output })
    }
}

/// Keeps code from coming in with the arguments.
fn refuse_reserved(arguments: &Arguments, is_retry: bool) -> Result<(), String> {
    if let Some(name) = arguments::reserved(arguments) {
        return Err(format!(
            "{name} is an argument that Glue itself reads, and --deny-reserved-arguments is set: set it in the job's \
             default arguments"
        ));
    }
    if is_retry {
        return Err("--retry-run takes the arguments of the earlier run, which --deny-reserved-arguments does not check: \
                    start a new run with --argument"
            .to_owned());
    }
    Ok(())
}

/// A job name or run id: 1 to 255 characters on one line (`NameString` and `IdString` of the Glue API).
fn name(text: &str) -> Result<String, String> {
    match text.chars().count() {
        0 => Err("it is empty".to_owned()),
        1..=255 if !text.contains(['\r', '\n']) => Ok(text.to_owned()),
        1..=255 => Err("it has more than one line".to_owned()),
        length => Err(format!("it has {length} characters, 255 are allowed")),
    }
}

/// Which capacities a job may have depends on its kind; Glue knows.
fn capacity(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(dpus) if dpus.is_finite() && dpus > 0.0 => Ok(dpus),
        _ => Err("it should be a number of DPUs such as 0.0625, 1 or 10".to_owned()),
    }
}

/// `StartJobRun` refuses a timeout of more than 7 days.
fn job_timeout(text: &str) -> Result<i32, String> {
    whole_minutes(text, 7 * 24 * 60)
}

fn notify_delay(text: &str) -> Result<i32, String> {
    whole_minutes(text, i32::MAX)
}

fn whole_minutes(text: &str, most: i32) -> Result<i32, String> {
    let duration = job_runtime::duration::parse(text).map_err(|error| error.to_string())?;
    if duration.subsec_nanos() != 0 || duration.as_secs() % 60 != 0 {
        return Err("Glue counts in whole minutes".to_owned());
    }
    i32::try_from(duration.as_secs() / 60)
        .ok()
        .filter(|minutes| (1..=most).contains(minutes))
        .ok_or_else(|| format!("it should be from 1 to {most} minutes"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    /// The options with the one of the runtime that they name.
    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        cli: Cli,
        #[arg(id = "runtime.no-wait", long = "no-wait")]
        no_wait: bool,
    }

    fn parse(options: &str) -> Result<Request, String> {
        let words = ["glue-trigger", "--job-name=etl"].into_iter().chain(options.split_whitespace());
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        line.cli.into_request()
    }

    fn start(options: &str) -> Start {
        match parse(options).map(|request| request.work) {
            Ok(Work::Start(start)) => *start,
            other => panic!("{options}: {other:?}"),
        }
    }

    #[test]
    fn every_parameter_of_a_start() {
        let expected = Start {
            arguments: Arguments::from([("--day".to_owned(), "monday".to_owned())]),
            worker_type: Some("G.1X".into()),
            number_of_workers: Some(3),
            max_capacity: None,
            timeout_minutes: Some(90),
            security_configuration: Some("sec".into()),
            flex: Some(true),
            notify_delay_minutes: Some(5),
            queuing: true,
            role_session_policy: Some("{}".into()),
            retry_run: Some("jr_1".into()),
            wait_for_slot: Some(Duration::from_secs(90)),
        };
        let options = "--argument day=monday --worker-type G.1X --number-of-workers 3 --job-timeout 1h30m \
            --security-configuration sec --execution-class flex --notify-delay-after 5m --job-run-queuing \
            --execution-role-session-policy {} --retry-run jr_1 --wait-for-slot 90s";
        assert_eq!(start(options), expected);
        assert_eq!(start(""), Start::default());
        assert_eq!(start("--max-capacity 0.0625").max_capacity, Some(0.0625));
        assert_eq!(start("--execution-class STANDARD").flex, Some(false));
    }

    #[test]
    fn the_nearer_argument_counts() {
        let file = std::env::temp_dir().join(format!("glue-trigger-{}.json", std::process::id()));
        std::fs::write(&file, r#"{"--a": "file", "--b": "file", "--c": "file"}"#).unwrap();
        let options = format!(
            r#"--arguments-file {} --arguments {{"a":"json","b":"json"}} --argument a=option"#,
            file.display()
        );
        let given = start(&options).arguments.into_iter().collect::<Vec<_>>();
        std::fs::remove_file(&file).unwrap();
        let expected = [("--a", "option"), ("--b", "json"), ("--c", "file")];
        assert_eq!(given, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn attach_starts_nothing() {
        assert_eq!(parse("--attach jr_1").map(|request| request.work), Ok(Work::Attach("jr_1".into())));
    }

    #[test]
    fn refused_before_any_call() {
        let cases = [
            ("--max-capacity 2 --worker-type G.1X", "cannot be used with"),
            ("--number-of-workers 2", "required"),
            ("--number-of-workers 0 --worker-type G.1X", "not in 1.."),
            ("--max-capacity many", "number of DPUs"),
            ("--max-capacity -1", "unexpected argument"),
            ("--max-capacity nan", "number of DPUs"),
            ("--job-timeout 90", "needs a unit"),
            ("--job-timeout 90s", "whole minutes"),
            ("--job-timeout 8d", "10080"),
            ("--job-timeout 0m", "from 1"),
            ("--notify-delay-after 10s", "whole minutes"),
            ("--execution-class fast", "invalid value"),
            ("--wait-for-slot 0s", "longer than zero"),
            ("--worker-type=", "required"),
            ("--argument day", "NAME=VALUE"),
            ("--argument glue-trigger-key=1", "--idempotency-key"),
            ("--arguments-file /nowhere/arguments.json", "No such file"),
            ("--attach jr_1 --argument day=monday", "cannot be used with"),
            ("--attach jr_1 --retry-run jr_0", "cannot be used with"),
            ("--attach jr_1 --wait-for-slot 5m", "cannot be used with"),
            ("--attach jr_1 --worker-type G.1X", "cannot be used with"),
            ("--attach jr_1 --no-wait", "cannot be used with"),
            ("--attach=", "empty"),
            ("--output csv", "invalid value"),
        ];
        for (options, expected) in cases {
            let error = parse(options).unwrap_err();
            assert!(error.contains(expected), "{options}: {error}");
        }
        let long = parse(&format!("--retry-run {}", "x".repeat(256))).unwrap_err();
        assert!(long.contains("255 are allowed"), "{long}");
        assert!(Line::try_parse_from(["glue-trigger"]).unwrap_err().to_string().contains("--job-name"));
    }
}

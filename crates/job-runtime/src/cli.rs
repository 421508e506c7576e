//! The options that every binary has, and how a command line becomes them.

#![allow(clippy::doc_markdown, reason = "the doc comments of options are help texts")]

mod help;
mod house;
mod refusal;

pub(crate) use self::house::with_exit_codes;
use self::house::{with_house_rules, with_work_where_it_begins};
use self::refusal::without_value;
use crate::Binary;
use crate::duration;
use crate::entry::Options;
use crate::env;
use crate::http::Roots;
use chained_credentials::{Env, RoleSpec, RoleSpecError, Settings};
use clap::error::ErrorKind;
use clap::{Args, Command, CommandFactory, FromArgMatches, Parser, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Heading of the options about work that goes on without this process: how it is started once, left and looked at.
const WORK: &str = "Remote work";

/// The longest idempotency key, in bytes.
const KEY_MAX: usize = 255;

/// What a binary's command line is made of: the common options and its own.
#[derive(Parser)]
#[group(skip)]
struct Line<C: Args> {
    // First in the help.
    #[command(flatten)]
    own: C,
    #[command(flatten)]
    common: Common,
}

/// The options that every binary has. Their ids begin with `runtime.`, so that a binary can name its own
/// fields as it likes.
#[derive(Args, Clone, Debug)]
#[group(skip)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(crate) struct Common {
    /// Profile to take credentials from; else AWS_PROFILE, AWS_DEFAULT_PROFILE
    ///
    /// The option goes before static keys in the environment, the variables go after them. Profiles are those of the AWS
    /// CLI, in ~/.aws/config and ~/.aws/credentials, or AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE.
    #[arg(id = "runtime.profile", long = "profile", value_name = "NAME", help_heading = "Credentials")]
    profile: Option<String>,

    /// AWS region; else AWS_REGION, AWS_DEFAULT_REGION, the profile's
    #[arg(id = "runtime.region", long = "region", value_name = "REGION", help_heading = "Credentials")]
    region: Option<String>,

    /// Role to assume on top of the first credentials; repeatable, in order
    ///
    /// An ARN, or a list in the shorthand of the AWS CLI, such as arn=ARN,external-id=ID,duration=1h: of arn, external-id,
    /// session-name, duration, source-identity, tag.KEY, transitive-tag and policy-arn.
    ///
    /// [env: ASSUME_ROLE, several separated by white space]
    #[arg(
        id = "runtime.assume-role",
        long = "assume-role",
        value_name = "ROLE",
        value_parser = role,
        help_heading = "Credentials"
    )]
    assume_role: Vec<RoleSpec>,

    /// Name of every role session that names none of its own
    ///
    /// Else the profile's, else made of the binary's name and the idempotency key or the host name.
    #[arg(
        id = "runtime.role-session-name", long = "role-session-name", value_name = "NAME",
        env = env::ROLE_SESSION_NAME, help_heading = "Credentials"
    )]
    role_session_name: Option<String>,

    /// The account that the last hop must land in; checked before any other call
    #[arg(
        id = "runtime.expect-account", long = "expect-account", value_name = "ID",
        env = env::EXPECT_ACCOUNT, value_parser = account, help_heading = "Credentials"
    )]
    expect_account: Option<String>,

    /// Take credentials from instance metadata where nothing else is configured
    #[arg(
        id = "runtime.allow-instance-metadata", long = "allow-instance-metadata",
        env = env::ALLOW_INSTANCE_METADATA, help_heading = "Credentials"
    )]
    allow_instance_metadata: bool,

    /// Refuse profiles with a credential_process
    ///
    /// Whoever can write the config file can otherwise name a program to run.
    #[arg(
        id = "runtime.no-credential-process", long = "no-credential-process",
        env = env::NO_CREDENTIAL_PROCESS, help_heading = "Credentials"
    )]
    no_credential_process: bool,

    /// Address to send every call to; else AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL, the profile's
    #[arg(
        id = "runtime.endpoint-url",
        long = "endpoint-url",
        value_name = "URL",
        help_heading = "Credentials"
    )]
    endpoint_url: Option<String>,

    /// Allow an STS endpoint with http: on another machine
    ///
    /// Tokens and session keys are then sent in clear text. Loopback and link-local addresses are always allowed.
    #[arg(
        id = "runtime.allow-http", long = "allow-http", env = env::ALLOW_HTTP, help_heading = "Credentials"
    )]
    allow_http: bool,

    /// PEM file of root certificates, added to those built in
    #[arg(
        id = "runtime.ca-bundle", long = "ca-bundle", value_name = "FILE", env = env::CA_BUNDLE,
        help_heading = "Credentials"
    )]
    ca_bundle: Option<PathBuf>,

    /// Trust the certificates of --ca-bundle only, not the built-in ones and not the system's
    #[arg(
        id = "runtime.ca-bundle-only", long = "ca-bundle-only", env = env::CA_BUNDLE_ONLY,
        help_heading = "Credentials"
    )]
    ca_bundle_only: bool,

    /// Start, print the id, exit 0
    #[arg(id = "runtime.no-wait", long = "no-wait", env = env::NO_WAIT, help_heading = WORK)]
    no_wait: bool,

    /// Names this piece of work, so that it is started once
    ///
    /// However often the process is killed and run again with the same key, the work is started once and the
    /// next process takes over the wait. In an Indexed Job the completion index (JOB_COMPLETION_INDEX) is
    /// appended. 1 to 255 printable ASCII characters without spaces.
    #[arg(
        id = "runtime.idempotency-key", long = "idempotency-key", value_name = "KEY",
        env = env::IDEMPOTENCY_KEY, value_parser = key, help_heading = WORK
    )]
    idempotency_key: Option<String>,

    /// What to do where the key's earlier run has already failed
    #[arg(
        id = "runtime.on-prior-failure", long = "on-prior-failure", value_name = "ACTION",
        env = env::ON_PRIOR_FAILURE, default_value = "report", help_heading = WORK
    )]
    on_prior_failure: OnPriorFailure,

    /// Appended to the idempotency key: names one of several pieces of work in one Job
    ///
    /// Two commands of one pod that share an idempotency key are the same work, and the second one is refused if it asks
    /// for something else. Give each its own step.
    #[arg(id = "runtime.step", long = "step", value_name = "NAME", env = env::STEP, help_heading = WORK)]
    step: Option<String>,

    /// What to do where the key's pending or succeeded work differs from what is asked for now
    ///
    /// refuse exits with 65 and names the fields that differ. resume takes that work all the same.
    #[arg(
        id = "runtime.on-difference", long = "on-difference", value_name = "ACTION",
        env = env::ON_DIFFERENCE, default_value = "refuse", help_heading = WORK
    )]
    on_difference: OnDifference,

    /// Stop the work of the idempotency key and wait for its end; start nothing
    ///
    /// Exits with 0 when the work has ended, with 65 if none was found, with 2 if the service has no stop.
    #[arg(
        id = "runtime.cancel", long = "cancel", env = env::CANCEL, conflicts_with = "runtime.no-wait",
        help_heading = WORK
    )]
    cancel: bool,

    /// What SIGTERM and SIGINT do to the remote work [default: detach with a key, cancel without]
    ///
    /// Work that this process only attached to, and a DAG run, is stopped only if cancel is given. Work that is left
    /// running without a key exits with 80, because a retry would repeat it. A second signal ends at once.
    #[arg(
        id = "runtime.on-terminate", long = "on-terminate", value_name = "ACTION", env = env::ON_TERMINATE,
        help_heading = WORK
    )]
    on_terminate: Option<OnTerminate>,

    /// First interval between two looks at the remote work; grows to a minute [default: 1s to 15s, by service]
    #[arg(
        id = "runtime.poll-interval", long = "poll-interval", value_name = "DURATION",
        env = env::POLL_INTERVAL, value_parser = duration::parse_positive, help_heading = WORK
    )]
    poll_interval: Option<Duration>,

    /// How long to wait for the end
    ///
    /// A duration has units: 500ms, 90s, 15m, 2h30m, 1d. What has not ended by then ends the run with exit code 79, or 75
    /// where nothing was begun.
    #[arg(
        id = "runtime.timeout", long = "timeout", value_name = "DURATION", env = env::TIMEOUT,
        value_parser = duration::parse_positive, help_heading = "Running"
    )]
    timeout: Option<Duration>,

    /// Check configuration, credentials and permissions as far as can be, and start nothing
    #[arg(id = "runtime.check", long = "check", env = env::CHECK, help_heading = "Running")]
    check: bool,

    /// Limit of one attempt to connect: name lookup, TCP, proxy and TLS together
    #[arg(
        id = "runtime.connect-timeout", long = "connect-timeout", value_name = "DURATION",
        env = env::CONNECT_TIMEOUT, value_parser = duration::parse_positive, default_value = "5s",
        help_heading = "Running"
    )]
    connect_timeout: Duration,

    /// Limit of the wait for an answer, and for each next part of it
    #[arg(
        id = "runtime.read-timeout", long = "read-timeout", value_name = "DURATION",
        env = env::READ_TIMEOUT, value_parser = duration::parse_positive, default_value = "30s",
        help_heading = "Running"
    )]
    read_timeout: Duration,

    /// Of an Indexed Job; not an option.
    #[arg(skip)]
    completion_index: Option<String>,

    /// Form of the log on stderr; auto is text for a terminal, else one JSON object a line
    ///
    /// How much is logged is up to RUST_LOG: warn, info (the default), debug.
    #[arg(
        id = "runtime.log-format", long = "log-format", value_name = "FORMAT", env = env::LOG_FORMAT,
        default_value = "auto", help_heading = "Output"
    )]
    pub(crate) log_format: LogFormat,

    /// File for the last word, one JSON object [default: /dev/termination-log where it exists]
    #[arg(
        id = "runtime.termination-log", long = "termination-log", value_name = "FILE",
        env = env::TERMINATION_LOG, help_heading = "Output"
    )]
    pub(crate) termination_log: Option<PathBuf>,
}

/// `--output json|text`, for a binary whose result has both forms. Flatten it:
///
/// ```
/// #[derive(clap::Args)]
/// struct Cli {
///     #[command(flatten)]
///     output: job_runtime::OutputArgs,
/// }
/// ```
#[derive(Args, Clone, Copy, Debug)]
#[group(skip)]
pub struct OutputArgs {
    /// Form of the result on stdout
    #[arg(
        id = "runtime.output", long = "output", value_name = "FORMAT", env = env::OUTPUT,
        default_value = "json", help_heading = "Output"
    )]
    pub output: Output,
}

/// Form of the result on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// One JSON object.
    Json,
    /// Text for people.
    Text,
}

/// Form of the log on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Text for a terminal, else JSON.
    Auto,
    /// Text for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What to do where the key's earlier run has already failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnPriorFailure {
    /// Report that failure.
    Report,
    /// Start again.
    Rerun,
}

/// What to do about work of the key that is other work than what is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnDifference {
    /// Exit with 65.
    Refuse,
    /// Take it all the same.
    Resume,
}

/// What SIGTERM and SIGINT do to the remote work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnTerminate {
    /// Stop it.
    Cancel,
    /// Leave it for the next process.
    Detach,
}

/// What the job learns of the common options.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) timeout: Duration,
    pub(crate) poll_interval: Option<Duration>,
    pub(crate) no_wait: bool,
    pub(crate) check: bool,
    pub(crate) key: Option<String>,
    pub(crate) on_prior_failure: OnPriorFailure,
    pub(crate) on_difference: OnDifference,
    pub(crate) on_terminate: OnTerminate,
    /// As the user has said, if they have.
    pub(crate) on_terminate_typed: Option<OnTerminate>,
    pub(crate) cancel: bool,
    pub(crate) connect_timeout: Duration,
    pub(crate) read_timeout: Duration,
    pub(crate) completion_index: Option<String>,
}

impl Common {
    /// Takes from the environment what clap cannot: the list of roles and the completion index.
    fn complete(&mut self, vars: &Env) -> Result<(), String> {
        if self.assume_role.is_empty()
            && let Some(roles) = vars.get(env::ASSUME_ROLE)
        {
            self.assume_role = roles
                .split_whitespace()
                .map(|role| self::role(role).map_err(|problem| format!("{}: {problem}", env::ASSUME_ROLE)))
                .collect::<Result<_, _>>()?;
        }
        self.completion_index = vars.get(env::COMPLETION_INDEX).map(str::to_owned);
        if self.cancel && self.idempotency_key.is_none() {
            return Err("--cancel stops the work of an idempotency key: give --idempotency-key".to_owned());
        }
        if let Some(base) = &self.idempotency_key {
            let index = self.completion_index.as_ref().map(|index| format!("-{index}")).unwrap_or_default();
            let step = self.step.as_ref().map(|step| format!("/{step}")).unwrap_or_default();
            let whole = key(&format!("{base}{index}{step}")).map_err(|err| {
                format!("--idempotency-key with {} and --step: {err}", env::COMPLETION_INDEX)
            })?;
            self.idempotency_key = Some(whole);
        }
        Ok(())
    }

    /// What the credential chain is resolved from.
    pub(crate) fn settings(&self, default_session_name: String) -> Settings {
        Settings {
            profile: self.profile.clone(),
            region: self.region.clone(),
            endpoint_url: self.endpoint_url.clone(),
            assume_roles: self.assume_role.clone(),
            role_session_name: self.role_session_name.clone(),
            default_session_name,
            expect_account: self.expect_account.clone(),
            allow_instance_metadata: self.allow_instance_metadata,
            allow_http: self.allow_http,
            no_credential_process: self.no_credential_process,
        }
    }

    /// The options of this process that decide about credentials, for another one. The region is not among them:
    /// whoever hands over knows where to.
    pub(crate) fn handover_args(&self) -> Vec<String> {
        let mut args = Vec::new();
        if let Some(profile) = &self.profile {
            args.extend(["--profile".to_owned(), profile.clone()]);
        }
        if let Some(url) = &self.endpoint_url {
            args.extend(["--endpoint-url".to_owned(), url.clone()]);
        }
        if !self.roles_fit_a_variable() {
            let roles = self.assume_role.iter().map(ToString::to_string);
            args.extend(roles.flat_map(|role| ["--assume-role".to_owned(), role]));
        }
        args
    }

    /// The same of those that have a variable of their own.
    pub(crate) fn handover_env(&self) -> Vec<(&'static str, String)> {
        let mut vars = Vec::new();
        if !self.assume_role.is_empty() && self.roles_fit_a_variable() {
            let roles: Vec<String> = self.assume_role.iter().map(ToString::to_string).collect();
            vars.push((env::ASSUME_ROLE, roles.join(" ")));
        }
        vars.extend(self.ca_bundle.as_ref().map(|file| (env::CA_BUNDLE, file.display().to_string())));
        vars.extend(self.role_session_name.clone().map(|name| (env::ROLE_SESSION_NAME, name)));
        vars.extend(self.expect_account.clone().map(|account| (env::EXPECT_ACCOUNT, account)));
        let flags = [
            (env::ALLOW_INSTANCE_METADATA, self.allow_instance_metadata),
            (env::ALLOW_HTTP, self.allow_http),
            (env::NO_CREDENTIAL_PROCESS, self.no_credential_process),
            (env::CA_BUNDLE_ONLY, self.ca_bundle_only),
        ];
        vars.extend(
            flags.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| (name, "true".to_owned())),
        );
        vars
    }

    /// The variable takes roles apart at white space, which only the value of a tag can have.
    fn roles_fit_a_variable(&self) -> bool {
        !self.assume_role.iter().any(|role| role.to_string().contains(char::is_whitespace))
    }

    /// The common options where nothing is said.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        #[derive(Parser)]
        struct Plain {
            #[command(flatten)]
            common: Common,
        }
        Plain::parse_from(["plain"]).common
    }

    /// Which root certificates to trust beside those built in, or in place of them.
    pub(crate) fn roots(&self) -> Roots {
        Roots { bundle: self.ca_bundle.clone(), bundle_only: self.ca_bundle_only }
    }

    /// What the job learns, with its defaults.
    pub(crate) fn running(&self) -> Running {
        let by_key = if self.idempotency_key.is_some() { OnTerminate::Detach } else { OnTerminate::Cancel };
        Running {
            // Always there: `command` gives the option the binary's default.
            timeout: self.timeout.unwrap_or(Duration::MAX),
            poll_interval: self.poll_interval,
            no_wait: self.no_wait,
            check: self.check,
            key: self.idempotency_key.clone(),
            on_prior_failure: self.on_prior_failure,
            on_difference: self.on_difference,
            on_terminate: self.on_terminate.unwrap_or(by_key),
            on_terminate_typed: self.on_terminate,
            cancel: self.cancel,
            connect_timeout: self.connect_timeout,
            read_timeout: self.read_timeout,
            completion_index: self.completion_index.clone(),
        }
    }
}

/// A command line that was understood.
pub(crate) struct Parsed<R> {
    pub(crate) common: Common,
    pub(crate) request: R,
}

/// Builds the command of `binary`. Variables named in `blank` are not looked at, nor are those of `vars` that
/// switch a flag off.
pub(crate) fn command<C: Options>(binary: &Binary, blank: &[String], vars: &Env) -> Command {
    let command = Line::<C>::command()
        .name(binary.name)
        .version(binary.version)
        .about(binary.about)
        .mut_arg("runtime.timeout", |timeout| timeout.default_value(binary.default_timeout));
    let work = command.get_arguments().filter(|arg| house::is_about_work(arg)).cloned().collect::<Vec<_>>();
    let command = help::with_own_h(with_work_where_it_begins(command, &work, C::begins_work));
    with_house_rules(command, blank, vars)
}

/// Parses `args`, of which the first is the program's name.
///
/// # Errors
/// What clap has to say: a refusal, or the text of `--help` and `--version`.
pub(crate) fn parse<C: Options>(
    command: &mut Command,
    args: &[OsString],
    vars: &Env,
) -> Result<Parsed<C::Request>, clap::Error> {
    let with_summary = help::with_summary(command, args);
    let mut matches = command.try_get_matches_from_mut(&with_summary).map_err(|err| {
        let err = without_value(err, command);
        help::refuse_beside_work(err, command, args)
    })?;
    let mut line = Line::<C>::from_arg_matches_mut(&mut matches).map_err(|err| err.format(command))?;
    line.common.complete(vars).map_err(|text| command.error(ErrorKind::ValueValidation, text))?;
    let request = line.own.into_request().map_err(|text| command.error(ErrorKind::ValueValidation, text))?;
    Ok(Parsed { common: line.common, request })
}

/// Where the last word of a refused command line goes: clap stops at the first mistake, so that the option may
/// stand behind it unseen.
pub(crate) fn termination_log(args: &[OsString], vars: &Env) -> Option<PathBuf> {
    unparsed("--termination-log", args).or_else(|| vars.get(env::TERMINATION_LOG)).map(PathBuf::from)
}

/// How long reading the command line may take, with the files that it names. What is wrong with the option is found by
/// the parser.
pub(crate) fn timeout(binary: &Binary, args: &[OsString], vars: &Env) -> Duration {
    let given = unparsed("--timeout", args).or_else(|| vars.get(env::TIMEOUT));
    duration::parse_positive(given.unwrap_or(binary.default_timeout)).unwrap_or(Duration::MAX)
}

/// The value of an option of a command line that has not been parsed.
fn unparsed<'a>(option: &str, args: &'a [OsString]) -> Option<&'a str> {
    let mut args = args.iter().filter_map(|arg| arg.to_str());
    let rest = args
        .find_map(|arg| arg.strip_prefix(option).filter(|rest| rest.is_empty() || rest.starts_with('=')))?;
    rest.strip_prefix('=').or_else(|| args.next())
}

/// As [`RoleSpec`] reads it. Of what is refused only keys are quoted: an external id is half a secret.
fn role(text: &str) -> Result<RoleSpec, String> {
    text.parse().map_err(|err| match err {
        RoleSpecError::NotAPair(_) => "an item of the list is not of the form key=value".to_owned(),
        RoleSpecError::NotARole(_) => {
            "there is no ARN of a role (arn:aws:iam::123456789012:role/name)".to_owned()
        }
        RoleSpecError::BadValue { key, problem, .. } => format!("{key} {problem}"),
        other => other.to_string(),
    })
}

fn account(text: &str) -> Result<String, &'static str> {
    let digits = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { Ok(text.to_owned()) } else { Err("an account id has 12 digits") }
}

fn key(text: &str) -> Result<String, &'static str> {
    let fits = (1..=KEY_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        Ok(text.to_owned())
    } else {
        Err("a key has 1 to 255 printable ASCII characters and no spaces")
    }
}

#[cfg(test)]
mod tests;

//! Command lines and what becomes of them.

use super::*;

const BINARY: Binary = Binary { name: "test-job", version: "1.2.3", about: "Tests", default_timeout: "24h" };

/// A binary's own options, with the names of common ones for fields, and a sub-command.
#[derive(Args, Debug)]
struct Own {
    /// A field that is called like a common one.
    #[arg(long = "job-timeout", env = "TEST_JOB_TIMEOUT")]
    timeout: Option<u32>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(subcommand)]
    action: Option<Action>,
}

impl Options for Own {
    type Request = Self;

    fn begins_work(command: &str) -> bool {
        command != "status"
    }

    fn into_request(self) -> Result<Self, String> {
        if self.timeout == Some(0) { Err("zero and no time".to_owned()) } else { Ok(self) }
    }
}

#[derive(clap::Subcommand, Debug)]
enum Action {
    Status {
        #[arg(long)]
        region_name: Option<String>,
    },
}

fn vars(vars: &[(&str, &str)]) -> Env {
    vars.iter().copied().collect()
}

fn parsed(args: &[&str], vars: &Env) -> Result<Parsed<Own>, String> {
    let args: Vec<OsString> = ["test-job"].iter().chain(args).map(OsString::from).collect();
    let mut command = command::<Own>(&BINARY, &[], &Env::default());
    parse::<Own>(&mut command, &args, vars).map_err(|err| err.to_string())
}

#[test]
fn the_command_is_sound() {
    command::<Own>(&BINARY, &[], &Env::default()).debug_assert();
}

#[test]
fn defaults() {
    let Parsed { common, request: own } = parsed(&[], &Env::default()).unwrap();
    let running = common.running();
    assert_eq!(running.timeout, Duration::from_hours(24));
    assert_eq!((running.poll_interval, running.no_wait, running.check), (None, false, false));
    assert_eq!(running.on_prior_failure, OnPriorFailure::Report);
    assert_eq!(running.on_terminate, OnTerminate::Cancel);
    assert_eq!(common.connect_timeout, Duration::from_secs(5));
    assert_eq!(common.read_timeout, Duration::from_secs(30));
    assert_eq!(common.log_format, LogFormat::Auto);
    assert_eq!((own.output.output, own.timeout), (Output::Json, None));
}

#[test]
fn a_key_decides_what_a_signal_does_unless_told() {
    for (args, expected) in [
        (&["--idempotency-key", "k"][..], OnTerminate::Detach),
        (&["--idempotency-key", "k", "--on-terminate", "cancel"], OnTerminate::Cancel),
        (&["--on-terminate", "detach"], OnTerminate::Detach),
        (&[], OnTerminate::Cancel),
    ] {
        assert_eq!(parsed(args, &Env::default()).unwrap().common.running().on_terminate, expected);
    }
}

#[test]
fn the_completion_index_is_part_of_the_key() {
    let indexed = vars(&[(env::COMPLETION_INDEX, "7")]);
    let key = |args: &[&str], vars: &Env| parsed(args, vars).map(|parsed| parsed.common.running().key);
    assert_eq!(key(&["--idempotency-key", "uid"], &indexed).unwrap().as_deref(), Some("uid-7"));
    assert_eq!(key(&[], &indexed).unwrap(), None);
    let long = "k".repeat(254);
    assert!(key(&["--idempotency-key", &long], &Env::default()).is_ok());
    assert!(key(&["--idempotency-key", &long], &indexed).unwrap_err().contains("JOB_COMPLETION_INDEX"));
}

#[test]
fn options_may_follow_a_sub_command() {
    let Parsed { common, request: own } =
        parsed(&["status", "--timeout", "5m", "--output", "text"], &Env::default()).unwrap();
    assert_eq!(common.running().timeout, Duration::from_mins(5));
    assert_eq!(own.output.output, Output::Text);
    assert!(matches!(own.action, Some(Action::Status { region_name: None })));
}

#[test]
fn roles_come_from_options_or_the_environment() {
    let arn = |name: &str| format!("arn:aws:iam::222222222222:role/{name}");
    let two = vars(&[(env::ASSUME_ROLE, &format!(" {}\n{} ", arn("a"), arn("b")))]);
    let roles = |args: &[&str], vars| {
        let settings = parsed(args, vars).unwrap().common.settings(String::new());
        settings.assume_roles.into_iter().map(|role| role.arn).collect::<Vec<_>>()
    };
    assert_eq!(roles(&[], &two), [arn("a"), arn("b")]);
    assert_eq!(roles(&["--assume-role", &arn("c"), "--assume-role", &arn("d")], &two), [arn("c"), arn("d")]);
    let err = parsed(&[], &vars(&[(env::ASSUME_ROLE, "nonsense")])).err().unwrap();
    assert!(err.contains("ASSUME_ROLE"), "{err}");
}

#[test]
fn refusals_show_the_form() {
    for (args, expected) in [
        (&["--timeout", "90"][..], "90s, 15m, 2h30m"),
        (&["--timeout", "0s"], "longer than zero"),
        (&["--expect-account", "12345"], "12 digits"),
        (&["--idempotency-key", "a b"], "no spaces"),
        (&["--idempotency-key", ""], "1 to 255"),
        (&["--idempotency-key", &"k".repeat(256)], "1 to 255"),
        (&["--on-terminate", "stop"], "[possible values: cancel, detach]"),
        (&["--assume-role", "x"], "--assume-role"),
        (&["--no-such-option"], "unexpected argument '--no-such-option'"),
    ] {
        let text = parsed(args, &Env::default()).err().unwrap();
        assert!(text.contains(expected), "{text}");
    }
}

/// Neither on stderr nor in the termination message, which take the same text.
#[test]
fn what_is_refused_is_not_quoted() {
    let role = "arn=arn:aws:iam::222222222222:role/a";
    for (args, expected) in [
        (
            &["--timeout", "s3cret"][..],
            "error: invalid value for --timeout <DURATION> (JOB_TIMEOUT): a number is missing",
        ),
        (&["--job-timeout=s3cret"], "error: invalid value for --job-timeout <TIMEOUT> (TEST_JOB_TIMEOUT): "),
        (&["--on-terminate", "s3cret"], "(JOB_ON_TERMINATE) [possible values: cancel, detach]"),
        (&["--assume-role", &format!("{role},external-id=s3cret !")], "external-id must be 2 to 1224"),
        (&["--assume-role", &format!("{role},external-id=x,s3cret")], "external-id must be 2 to 1224"),
        (&["--assume-role", &format!("{role},s3cret")], "not of the form key=value"),
        (&["--assume-role", "s3cret"], "not of the form key=value"),
        (&["--assume-role", "arn=s3cret"], "no ARN of a role"),
        (&["--no-wait=s3cret"], "--no-wait (JOB_NO_WAIT): it takes none"),
        (&["--profile", "a", "status", "--region-name", "b", "s3cret"], "belongs to no option"),
        (&["--job-timeout", "0"], "zero and no time"),
        (&["--timeout="], "invalid value for --timeout <DURATION> (JOB_TIMEOUT): a number is missing"),
        (&["--no-such=s3cret"], "unexpected argument '--no-such'"),
        (&["--timeout"], "a value is required for '--timeout <DURATION>'"),
    ] {
        let text = parsed(args, &Env::default()).err().unwrap();
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
        assert!(text.contains("--help"), "{text}");
    }
    let elsewhere = vars(&[(env::ASSUME_ROLE, &format!("{role},external-id=s3cret!"))]);
    let text = parsed(&[], &elsewhere).err().unwrap();
    assert!(text.contains("ASSUME_ROLE: external-id must be") && !text.contains("s3cret"), "{text}");
}

#[test]
fn help_beside_other_options_is_refused() {
    for args in [&["-h"][..], &["--help"], &["status", "-h"], &["-h", "status"], &["help", "status"], &["-V"]]
    {
        let text = parsed(args, &Env::default()).err().unwrap();
        assert!(!text.starts_with("error"), "{args:?}: {text}");
    }
    for args in [
        &["--timeout", "5m", "-h"][..],
        &["-h", "--timeout", "5m"],
        &["status", "--region-name", "x", "--help"],
        &["--output=text", "status", "-h"],
        &["--timeout", "5m", "--version"],
    ] {
        let text = parsed(args, &Env::default()).err().unwrap();
        assert!(text.starts_with("error: nothing was run: "), "{args:?}: {text}");
        assert!(text.contains("Usage: test-job") || text.contains("test-job 1.2.3"), "{text}");
    }
}

/// As psql has it.
#[derive(Args, Debug)]
struct WithHost {
    #[arg(short = 'h', long, env = "TEST_HOST", global = true)]
    host: Option<String>,
    #[command(subcommand)]
    action: Option<Action>,
}

impl Options for WithHost {
    type Request = Self;

    fn into_request(self) -> Result<Self, String> {
        Ok(self)
    }
}

#[test]
fn an_option_of_the_program_may_be_called_h() {
    let parsed = |args: &[&str]| {
        let args: Vec<OsString> = ["test-job"].iter().chain(args).map(OsString::from).collect();
        let mut command = command::<WithHost>(&BINARY, &[], &Env::default());
        command.clone().debug_assert();
        parse::<WithHost>(&mut command, &args, &Env::default()).map_err(|err| err.to_string())
    };
    for args in [&["-h", "db"][..], &["status", "-h", "db"], &["-hdb", "status"]] {
        assert_eq!(parsed(args).unwrap().request.host.as_deref(), Some("db"), "{args:?}");
    }
    for args in [&["-h"][..], &["status", "-h"], &["--help"], &["status", "--help"]] {
        let text = parsed(args).err().unwrap();
        assert!(text.contains("Usage: test-job") && !text.starts_with("error"), "{args:?}: {text}");
    }
    for (args, says) in [
        (&["--timeout", "5m", "-h"][..], "a value is required for '--host <HOST>'"),
        (&["-h", "db", "--help"], "nothing was run"),
    ] {
        let text = parsed(args).err().unwrap();
        assert!(text.contains(says), "{args:?}: {text}");
    }
}

#[test]
fn help_begins_with_the_binarys_own_options() {
    let help = command::<Own>(&BINARY, &[], &Env::default()).render_help().to_string();
    let place = |text: &str| help.find(text).unwrap_or_else(|| panic!("{text} is not in\n{help}"));
    assert!(place("--job-timeout") < place("--profile"), "{help}");
}

#[test]
fn help_says_everything_and_shows_no_value() {
    let mut command = with_exit_codes(command::<Own>(&BINARY, &[], &Env::default()));
    let help = command.render_long_help().to_string();
    for text in [
        "Credentials:",
        "Running:",
        "Output:",
        "--assume-role <ROLE>",
        "[env: JOB_TIMEOUT]",
        "[env: JOB_NO_WAIT]",
        "[env: TEST_JOB_TIMEOUT]",
        "[default: 24h]",
        "143  interrupted",
    ] {
        assert!(help.contains(text), "{text} is not in\n{help}");
    }
    assert_eq!(command.render_version(), "test-job 1.2.3\n");
}

#[test]
fn options_about_work_are_shown_where_work_begins_and_taken_everywhere() {
    let mut command = command::<Own>(&BINARY, &[], &Env::default());
    command.build();
    for (name, shown) in [("test-job", true), ("status", false)] {
        let page = command.find_subcommand(name).unwrap_or(&command).clone().render_long_help().to_string();
        for text in ["--no-wait", "--idempotency-key", "JOB_ON_TERMINATE", "Remote work:"] {
            assert_eq!(page.contains(text), shown, "{name}: {text}\n{page}");
        }
        assert!(page.contains("--check"), "{page}");
    }
    for args in [["--no-wait", "status"], ["status", "--no-wait"]] {
        assert!(parsed(&args, &Env::default()).unwrap().common.running().no_wait, "{args:?}");
    }
}

#[test]
fn examples_stand_before_the_exit_codes_of_every_page() {
    let plain = Command::new("x").after_help("Examples:\n  x y").subcommand(Command::new("y"));
    let mut command = with_exit_codes(plain);
    let help = command.render_help().to_string();
    assert!(help.contains("Examples:\n  x y\n\nExit codes:\n"), "{help}");
    let sub = command.find_subcommand_mut("y").unwrap().render_help().to_string();
    assert!(sub.contains("Exit codes:\n"), "{sub}");
}

/// Every option of ours names its twin in the help, or says why it has none.
#[test]
fn every_option_has_a_twin() {
    let command = command::<Own>(&BINARY, &[], &Env::default());
    for arg in command.get_arguments().filter(|arg| arg.get_id().as_str().starts_with("runtime.")) {
        let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
        assert!(arg.get_env().is_some() || help.contains("AWS_") || help.contains("[env: "), "{help}");
    }
}

/// The process environment cannot be set here; PATH stands for a variable that is there.
#[test]
fn a_blank_variable_is_no_value() {
    let with_path = || Command::new("x").arg(clap::Arg::new("path").long("path").env("PATH"));
    let value = |command: Command| {
        let matches = command.try_get_matches_from(["x"]).unwrap();
        matches.get_one::<String>("path").cloned()
    };
    assert!(value(with_house_rules(with_path(), &[], &Env::default())).is_some());
    assert_eq!(value(with_house_rules(with_path(), &["PATH".to_owned()], &Env::default())), None);
    let sub = Command::new("y").subcommand(with_path());
    let sub = with_house_rules(sub, &["PATH".to_owned()], &Env::default());
    let matches = sub.try_get_matches_from(["y", "x"]).unwrap();
    assert_eq!(matches.subcommand_matches("x").unwrap().get_one::<String>("path"), None);
}

#[test]
fn a_flag_that_is_switched_off_was_not_given() {
    for (value, looked_at) in [("false", false), ("0", false), ("true", true), ("1", true), ("maybe", true)] {
        let command = command::<Own>(&BINARY, &[], &vars(&[("JOB_NO_WAIT", value), ("JOB_TIMEOUT", "0")]));
        let twin = |id| command.get_arguments().find(|arg| arg.get_id() == id).and_then(clap::Arg::get_env);
        assert_eq!(twin("runtime.no-wait").is_some(), looked_at, "{value}");
        assert!(twin("runtime.timeout").is_some(), "it is no flag");
    }
}

#[test]
fn a_refused_line_still_says_where_its_last_word_goes() {
    let elsewhere = vars(&[(env::TERMINATION_LOG, "/tmp/y")]);
    for (args, expected) in [
        (&["--termination-log", "/tmp/x", "--nonsense"][..], "/tmp/x"),
        (&["--nonsense", "--termination-log=/tmp/x"], "/tmp/x"),
        (&["--timeout", "90", "--termination-log", "/tmp/x"], "/tmp/x"),
        (&["--nonsense"], "/tmp/y"),
        (&["--nonsense", "--termination-log"], "/tmp/y"),
    ] {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        assert_eq!(termination_log(&args, &elsewhere), Some(PathBuf::from(expected)), "{args:?}");
    }
    assert_eq!(termination_log(&[], &Env::default()), None);
}

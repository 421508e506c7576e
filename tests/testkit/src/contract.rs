//! The promises that every binary of this workspace keeps; declared by [`contract!`](crate::contract!).

use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::time::Duration;

use sandbox::{Fault, FaultKind};
use serde_json::Value;

use crate::site::{AUDIENCE, SUBJECT};
use crate::{Outcome, Signal, Site};

/// A binary under test.
pub struct Subject<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where Cargo built it.
    pub path: &'a str,
    /// Arguments with which it does some work in the documented world.
    pub args: &'a [&'a str],
    /// What else its place needs.
    pub place: fn(Site) -> Site,
}

impl Subject<'_> {
    fn site(&self) -> Site {
        self.site_in(crate::Worlds::TWO_ACCOUNTS)
    }

    fn site_in(&self, world: &str) -> Site {
        (self.place)(Site::pod(self.path, world))
    }

    fn run(&self, site: &Site, more: &[&str]) -> Outcome {
        site.run(self.args.iter().chain(more))
    }
}

/// Asserts that nothing at all was sent.
#[track_caller]
fn assert_nothing_sent(site: &Site) {
    assert!(site.sandbox.calls().is_empty(), "{:#?}", site.sandbox.calls());
}

/// `--help` is on stdout, and names a variable for every option that has a value of its own.
pub fn help_shows_every_option_with_its_variable(subject: &Subject<'_>) {
    let outcome = subject.site().run(["--help"]);
    assert_eq!(outcome.code, 0);
    let help = outcome.text();
    // Long help: an entry goes from its `--option` line to the next; behind them are examples.
    let options = help.split("\nExamples:\n").next().unwrap_or_default();
    let entries: Vec<&str> = options.split("\n      --").skip(1).collect();
    assert!(entries.len() > 10, "{help}");
    for entry in entries {
        let own_place =
            ["profile", "region", "endpoint-url", "help"].iter().any(|name| entry.starts_with(name));
        assert!(own_place || entry.contains("[env: "), "no variable for --{entry}");
    }
    for expected in ["Exit codes:", "77", "JOB_TIMEOUT", "AWS_PROFILE"] {
        assert!(help.contains(expected), "no {expected} in:\n{help}");
    }
}

/// `--version` tells name and version.
pub fn version_is_told(subject: &Subject<'_>) {
    let outcome = subject.site().run(["--version"]);
    assert_eq!(outcome.code, 0);
    assert!(outcome.text().starts_with(subject.name), "{}", outcome.text());
}

/// A command line that asks for work never exits 0 without doing it.
pub fn help_beside_other_options_ends_in_2_before_any_call(subject: &Subject<'_>) {
    let site = subject.site();
    for flag in ["-h", "--help"] {
        let outcome = site.run([flag]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        assert!(outcome.text().contains("Usage: "), "{}", outcome.text());
    }
    // rds-connect's -h is psql's, and lacks its value here.
    for (flag, says) in [("--help", "Usage: "), ("-h", "error: ")] {
        let outcome = subject.run(&site, &["--timeout", "5m", flag]);
        outcome.assert_exit(2).assert_says(says);
        assert!(outcome.stdout.is_empty(), "{}", outcome.text());
        assert_eq!(outcome.termination()["outcome"], "usage");
    }
    assert_nothing_sent(&site);
}

/// An option that does not exist: 2, a termination message, no request.
pub fn a_wrong_option_ends_in_2_before_any_call(subject: &Subject<'_>) {
    let site = subject.site();
    let outcome = subject.run(&site, &["--no-such-option"]);
    outcome.assert_exit(2).assert_says("--no-such-option");
    assert_eq!(outcome.termination()["outcome"], "usage");
    assert!(outcome.stdout.is_empty());
    assert_nothing_sent(&site);
}

/// A variable with a value that the option would refuse: the same.
pub fn a_wrong_variable_ends_in_2_and_is_named(subject: &Subject<'_>) {
    let site = subject.site().env("JOB_TIMEOUT", "90");
    subject.run(&site, &[]).assert_exit(2).assert_says("90").assert_says("--timeout");
    assert_nothing_sent(&site);
}

/// A manifest often sets variables to nothing.
pub fn an_empty_variable_counts_as_unset(subject: &Subject<'_>) {
    let site = subject.site().env("JOB_TIMEOUT", "").env("IDEMPOTENCY_KEY", "").env("AWS_REGION", "");
    subject.run(&site, &[]).assert_exit(0);
}

/// Misspelt, absent or malformed: 78 and no request, though the pod has a good identity of its own.
pub fn a_profile_that_is_not_there_never_means_another_identity(subject: &Subject<'_>) {
    let site = || subject.site().with_irsa_variables();
    let with_config = |text: &str| {
        let site = site();
        let path = site.write("other-config", text).display().to_string();
        site.env("AWS_CONFIG_FILE", path)
    };
    let role = "role_arn = arn:aws:iam::222222222222:role/external-glue";
    let folder = site();
    let folder_path = folder.path("").display().to_string();
    for (site, expected) in [
        (site().env("AWS_PROFILE", "externl"), "profile `externl`"),
        (site().env("AWS_CONFIG_FILE", "/nowhere/config"), "does not exist"),
        (folder.env("AWS_CONFIG_FILE", folder_path), "is a directory"),
        (
            with_config(&format!("[external]\n{role}\nsource_profile = cats\n")),
            "must read [profile external]",
        ),
        (with_config(&format!("[profile external]\n{role}\nsource_profile = cats\n")), "profile `cats`"),
        (with_config("[profile external]\nregion = us-east-2\n"), "leads to no credentials"),
        (
            with_config(&format!("[profile external]\n{role}\nsource_profile = external\n")),
            "its own source_profile",
        ),
        (
            with_config(&format!(
                "[profile external]\n{role}\nsource_profile = cats\n[profile cats]\n{role}\nsource_profile = external\n"
            )),
            "cycle: external -> cats -> external",
        ),
        (
            with_config(&format!("[profile external]\n{role}\nweb_identity_token_file = /nowhere/token.\n")),
            "ends in a dot",
        ),
    ] {
        let outcome = subject.run(&site, &[]);
        outcome.assert_exit(78).assert_says(expected);
        assert_eq!(outcome.termination()["outcome"], "config");
        assert_nothing_sent(&site);
    }
}

/// A token of another service account, for another audience, too old: 77, hop 1, role, request id, remedy.
pub fn the_first_hop_is_named(subject: &Subject<'_>) {
    for (sub, aud, lifetime, remedy) in [
        ("system:serviceaccount:team-ns:other", AUDIENCE, 3600, "system:serviceaccount:team-ns:other"),
        (SUBJECT, "kubernetes.default.svc", 3600, "kubernetes.default.svc"),
        (SUBJECT, AUDIENCE, 0, "kubelet"),
    ] {
        let site = subject.site();
        site.write_token(sub, aud, Duration::from_secs(lifetime));
        if lifetime == 0 {
            wait_past_second();
        }
        let outcome = subject.run(&site, &[]);
        outcome
            .assert_exit(77)
            .assert_says("hop 1 of 2")
            .assert_says("arn:aws:iam::111111111111:role/cats-glue")
            .assert_says(remedy);
        assert_refused(&site, &outcome, "AssumeRoleWithWebIdentity");
    }
}

/// The second role does not trust the first: 77, hop 2, both roles, request id, remedy.
pub fn the_second_hop_is_named(subject: &Subject<'_>) {
    let world = crate::Worlds::TWO_ACCOUNTS.replace("role/cats-glue\"", "role/somebody-else\"");
    let site = subject.site_in(&world);
    let outcome = subject.run(&site, &[]);
    outcome
        .assert_exit(77)
        .assert_says("hop 2 of 2")
        .assert_says("arn:aws:iam::222222222222:role/external-glue")
        .assert_says("assumed-role/cats-glue/")
        .assert_says("to mend: ");
    assert_refused(&site, &outcome, "AssumeRole");
}

/// The last call was a refusal of `operation`, and its request id is in the termination message.
#[track_caller]
fn assert_refused(site: &Site, outcome: &Outcome, operation: &str) {
    let calls = site.sandbox.calls();
    let last = calls.last().expect("a call");
    assert_eq!(last.operation, operation, "{calls:#?}");
    assert_eq!(outcome.termination()["request_id"], last.request_id.as_str());
    assert_eq!(outcome.termination()["outcome"], "denied");
    outcome.assert_says(&last.request_id);
}

/// `--expect-account` is checked from the answer of STS.
pub fn another_account_than_expected_is_refused_before_any_other_call(subject: &Subject<'_>) {
    let site = subject.site();
    let outcome = subject.run(&site, &["--expect-account", "333333333333"]);
    outcome.assert_exit(78).assert_says("222222222222").assert_says("333333333333");
    assert!(site.sandbox.calls().iter().all(|call| call.service == "sts"), "{:#?}", site.sandbox.calls());
    subject.run(&site, &["--expect-account", "222222222222"]).assert_exit(0);
}

/// SIGTERM while STS is silent: 143, soon, with a termination message.
pub fn a_signal_while_credentials_are_awaited_ends_in_143(subject: &Subject<'_>) {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let site = subject.site();
        spoil(&site, Fault::new("sts", "AssumeRole", FaultKind::Hang).for_ever());
        let running = site.start(subject.args);
        running.wait_for_calls("sts", "AssumeRole", 1);
        running.signal(signal);
        let outcome = running.finish();
        outcome.assert_exit(code);
        assert_eq!(outcome.termination()["outcome"], "interrupted");
        assert!(outcome.elapsed < Duration::from_secs(5), "{:?}", outcome.elapsed);
    }
}

/// A container's first process has no default handlers: without one of its own, SIGTERM does nothing to it.
pub fn a_signal_reaches_process_1_of_a_container(subject: &Subject<'_>) {
    let site = subject.site();
    site.sandbox.add_fault(Fault::new("sts", "AssumeRole", FaultKind::Hang).for_ever()).expect("a fault");
    let running = site.start_as_process_1(subject.args);
    running.wait_for_calls("sts", "AssumeRole", 1);
    running.signal_child(Signal::TERM);
    let outcome = running.finish();
    outcome.assert_exit(143);
    assert!(outcome.elapsed < Duration::from_secs(5), "{:?}", outcome.elapsed);
}

/// The second signal is obeyed at once, whatever the first one set in motion.
pub fn a_second_signal_ends_at_once(subject: &Subject<'_>) {
    let site = subject.site();
    spoil(&site, Fault::new("sts", "AssumeRole", FaultKind::Hang).for_ever());
    let running = site.start(subject.args);
    running.wait_for_calls("sts", "AssumeRole", 1);
    running.signal(Signal::TERM);
    running.signal(Signal::TERM);
    let outcome = running.finish();
    assert_eq!(outcome.code, 143, "{}", outcome.stderr);
}

/// A process that crashes leaves its memory, which has credentials in it, nowhere.
pub fn no_core_dump_is_written(subject: &Subject<'_>) {
    let site = subject.site().with_binary("/bin/sh");
    spoil(&site, Fault::new("sts", "AssumeRole", FaultKind::Hang).for_ever());
    let line = ["-c", "ulimit -S -c unlimited; exec \"$0\" \"$@\"", subject.path];
    let running = site.start(line.iter().chain(subject.args));
    running.wait_for_calls("sts", "AssumeRole", 1);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", running.id())).expect("the process runs");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect(&limits);
    // No file is that short, and a program that cores are piped to gets none.
    assert_eq!(core.split_whitespace().nth(4), Some("1"), "{core}");
    running.signal(Signal::ABORT);
    assert_eq!(running.finish().code, 134);
    let left: Vec<_> = std::fs::read_dir(site.path("")).expect("the site's folder").flatten().collect();
    assert!(!left.iter().any(|file| file.file_name().to_string_lossy().starts_with("core")), "{left:?}");
}

/// The last word fits, tells who and what, and a place it cannot be written to changes nothing.
pub fn the_termination_message_is_short_and_its_failure_is_harmless(subject: &Subject<'_>) {
    let site = subject.site();
    let outcome = subject.run(&site, &[]);
    let message = outcome.assert_exit(0).termination();
    assert_eq!(message["binary"], subject.name);
    assert_eq!(message["outcome"], "ok");
    assert!(message["duration_seconds"].is_number(), "{message}");

    let site = subject.site().env("JOB_TERMINATION_LOG", "/nowhere/at/all");
    assert_eq!(subject.run(&site, &[]).code, 0);
}

/// At the loudest level; the search itself is in every [`Outcome`].
pub fn no_secret_is_told_at_any_level(subject: &Subject<'_>) {
    let site = subject.site().env("RUST_LOG", "trace");
    subject.run(&site, &[]).assert_exit(0);
    assert!(site.sandbox.secrets().len() >= 5, "a world without secrets proves nothing");

    // The SDK's own text for an address without a scheme quotes the whole request, token included.
    let site = subject.site().env("RUST_LOG", "trace").env("AWS_ENDPOINT_URL", "127.0.0.1:5600");
    subject.run(&site, &[]).assert_exit(78).assert_says("AWS_ENDPOINT_URL");

    for kind in [FaultKind::Garbage, FaultKind::Truncated, FaultKind::ResetAfter] {
        let site = subject.site().env("RUST_LOG", "trace");
        spoil(&site, Fault::new("sts", "AssumeRole", kind));
        subject.run(&site, &[]).assert_exit(0);
    }
}

/// One line with source, roles and region, before anything is done.
pub fn the_resolved_chain_is_logged(subject: &Subject<'_>) {
    let site = subject.site();
    let outcome = subject.run(&site, &["--log-format", "json"]);
    let lines: Vec<Value> =
        outcome.assert_exit(0).stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let chain = lines
        .iter()
        .map(Value::to_string)
        .find(|line| line.contains("external-glue"))
        .expect("a line with the chain");
    for part in ["cats-glue", "profile `external`", "us-east-2", "token"] {
        assert!(chain.contains(part), "no {part} in {chain}");
    }
}

/// The endpoint of a task role or a pod identity sees us directly; the proxy does not see its token.
pub fn credentials_of_the_container_are_never_fetched_through_a_proxy(subject: &Subject<'_>) {
    let site = subject.site_in(&crate::Worlds::pod_identity()).with_pod_identity();
    let proxy = site.sandbox.proxy_url();
    let site = site
        .env("HTTP_PROXY", &proxy)
        .env("HTTPS_PROXY", &proxy)
        .env("ASSUME_ROLE", "arn:aws:iam::222222222222:role/external-tagged");
    subject.run(&site, &[]).assert_exit(0);
    let calls = site.sandbox.calls();
    let of = |service: &str| calls.iter().filter(|call| call.service == service).collect::<Vec<_>>();
    assert_eq!(of("container-credentials").len(), 1);
    assert!(of("container-credentials").iter().all(|call| !call.proxied), "{calls:#?}");
    assert!(of("sts").iter().all(|call| call.proxied), "{calls:#?}");
}

/// Spoils calls.
fn spoil(site: &Site, fault: Fault) {
    site.sandbox.add_fault(fault).expect("the sandbox plays what is spoilt");
}

/// Tokens live by whole seconds.
#[allow(clippy::disallowed_methods)] // another clock's second has to pass
fn wait_past_second() {
    std::thread::sleep(Duration::from_millis(1100));
}

/// Makes a named pipe that no process ever writes to.
fn silent_pipe(site: &Site, name: &str) -> String {
    let path = site.path(name);
    let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo runs");
    assert!(made.success());
    path.display().to_string()
}

/// Opening a named pipe waits for its writer: a token is asked for in a regular file, and refused otherwise.
pub fn a_pipe_in_place_of_a_token_file_is_refused(subject: &Subject<'_>) {
    let site = subject.site();
    std::fs::remove_file(site.path("token")).expect("the token is there");
    silent_pipe(&site, "token");
    let outcome = subject.run(&site, &[]);
    outcome.assert_exit(78).assert_says("web_identity_token_file").assert_says("is not a regular file");
    assert_nothing_sent(&site);

    let site = subject.site_in(&crate::Worlds::pod_identity()).with_pod_identity();
    let pipe = silent_pipe(&site, "token-pipe");
    let site = site.env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", pipe);
    let outcome = subject.run(&site, &[]);
    outcome
        .assert_exit(78)
        .assert_says("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
        .assert_says("is not a regular file");
}

/// A config file or a CA bundle may come from a pipe of the shell. One that never comes ends with `--timeout` or a signal.
pub fn a_configuration_file_that_blocks_does_not_block_the_signals(subject: &Subject<'_>) {
    for variable in ["AWS_CONFIG_FILE", "AWS_CA_BUNDLE"] {
        let site = subject.site();
        let pipe = silent_pipe(&site, "pipe");
        let site = site.env(variable, pipe).env("JOB_TIMEOUT", "500ms");
        subject.run(&site, &[]).assert_exit(75);
        let site = site.without("JOB_TIMEOUT");
        let running = site.start(subject.args);
        let writer = wait_for_reader(&site.path("pipe"));
        running.signal(Signal::TERM);
        let outcome = running.finish();
        drop(writer);
        outcome.assert_exit(143);
        assert!(outcome.elapsed < Duration::from_secs(5), "{variable}: {:?}", outcome.elapsed);
        assert_nothing_sent(&site);
    }
}

/// Waits until a process reads the pipe, and returns the other end, on which nothing comes for as long as it is held.
#[allow(clippy::disallowed_methods)] // the test waits for a process; there is no clock to pause
fn wait_for_reader(pipe: &std::path::Path) -> std::fs::File {
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).expect("a flag");
    for _ in 0..2000 {
        // Without a reader a pipe cannot be opened like this.
        if let Ok(file) = std::fs::File::options().write(true).custom_flags(nonblocking).open(pipe) {
            return file;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("no process reads {}", pipe.display());
}

/// A pipe without a reader, a directory, a place that is not there: logged, and the exit stays what it was.
pub fn a_termination_log_that_cannot_be_written_is_logged(subject: &Subject<'_>) {
    let site = subject.site();
    let pipe = silent_pipe(&site, "pipe");
    let directory = site.path("").display().to_string();
    for path in [pipe.as_str(), &directory, "/nowhere/at/all"] {
        let outcome = subject.run(&site, &["--termination-log", path]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        outcome.assert_says("termination message").assert_says(path.trim_end_matches('/'));
    }
    // What the kubelet or a log collector reads is not for every user of the machine.
    subject.run(&site, &[]).assert_exit(0);
    let mode = std::fs::metadata(site.path("termination-log")).expect("it was written").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// As root, a link that another user has put there does not lead to a file of someone else.
pub fn a_termination_log_is_not_written_through_the_link_of_another_user(subject: &Subject<'_>) {
    let site = subject.site();
    let theirs = site.write("precious", "kept");
    let link = site.path("link");
    std::os::unix::fs::symlink(&theirs, &link).expect("a link");
    let path = link.display().to_string();
    // Both of one owner: followed.
    assert_eq!(subject.run(&site, &["--termination-log", &path]).code, 0);
    assert_ne!(std::fs::read_to_string(&theirs).expect("it is there"), "kept");

    if !rustix::process::geteuid().is_root() {
        return;
    }
    std::fs::write(&theirs, "kept").expect("it is there");
    std::os::unix::fs::lchown(&link, Some(65532), Some(65532)).expect("root may");
    let outcome = subject.run(&site, &["--termination-log", &path]);
    assert_eq!(outcome.code, 0);
    outcome.assert_says("termination message").assert_says("another owner");
    assert_eq!(std::fs::read_to_string(&theirs).expect("it is there"), "kept");
}

//! What a new user reads first: the examples are right, the texts plain, and each page is about its command.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;

use clap::Command;
use manual::{Example, examples, programs};

/// Every command of every binary, with its name in full.
fn commands() -> Vec<(String, Command)> {
    fn collect(name: &str, command: &Command, all: &mut Vec<(String, Command)>) {
        all.push((name.to_owned(), command.clone()));
        for sub in command.get_subcommands() {
            collect(&format!("{name} {}", sub.get_name()), sub, all);
        }
    }
    let mut all = Vec::new();
    for program in programs() {
        let mut command = program.command;
        command.build();
        collect(program.binary.name, &command, &mut all);
    }
    all
}

/// Files that examples name, and that are read when the command line is.
const FILES: [(&str, &str); 8] = [
    ("event.json", "{}"),
    ("orders.jsonl", "{}\n"),
    ("rows.jsonl", "{}\n"),
    (
        "job.json",
        r#"{"TrainingJobName": "churn", "RoleArn": "arn:aws:iam::222222222222:role/training",
            "OutputDataConfig": {"S3OutputPath": "s3://out/"}}"#,
    ),
    ("sql/1.sql", "select 1"),
    ("nightly.sql", "select 1"),
    ("dags/nightly.py", ""),
    ("answers.jsonl", ""),
];

/// All in one test: a process has one current directory.
#[test]
fn every_example_is_a_command_line_that_is_understood() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in FILES {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().expect("a parent")).expect("a folder");
        fs::write(file, content).expect("a file");
    }
    std::env::set_current_dir(folder.path()).expect("the folder");

    let programs = programs();
    let mut seen = 0;
    for (name, command) in commands() {
        let examples = examples(&command);
        let runs = !command.is_subcommand_required_set();
        assert_eq!(!examples.is_empty(), runs, "{name}: examples are for what can be run, and that has some");
        let lines: Vec<String> = examples.iter().flat_map(Example::commands).collect();
        for line in &lines {
            let words = shlex::split(line).unwrap_or_else(|| panic!("{name}: no command line: {line}"));
            let Some(program) = programs.iter().find(|program| program.binary.name == words[0]) else {
                assert!(["kubectl", "psql"].contains(&words[0].as_str()), "{name}: {line}");
                continue;
            };
            let matches = program.command.clone().try_get_matches_from(&words);
            let judged = matches.map_err(|err| err.to_string()).and_then(|matches| (program.judge)(&matches));
            assert_eq!(judged, Ok(()), "{line}");
            seen += 1;
        }
        // A sub-command that need not be named has its examples without it.
        let own = |line: &String| line.starts_with(&format!("{name} "));
        assert!(lines.is_empty() || lines.iter().any(own), "{name}: {lines:?}");
        for line in examples.iter().flat_map(|example| &example.lines) {
            assert!(line.chars().count() <= 110, "{name}: too long for a page: {line}");
        }
    }
    assert!(seen > 40, "{seen} examples");
}

/// How work is started once, left and looked at is shown where work is begun, and nowhere else.
#[test]
fn a_key_is_shown_where_it_means_something() {
    let shown: BTreeSet<String> = commands()
        .into_iter()
        .filter(|(_, command)| {
            let mut key = command.get_arguments().filter(|arg| arg.get_long() == Some("idempotency-key"));
            key.next().is_some_and(|key| !key.is_hide_set())
        })
        .map(|(name, _)| name)
        .collect();
    let expected = [
        "glue-trigger",
        "lambda-invoke",
        "mwaa-token trigger",
        "redshift-query",
        "redshift-query cancel",
        "redshift-query result",
        "redshift-query run",
        "sagemaker-invoke",
        "sagemaker-invoke async",
        "sagemaker-invoke train",
    ];
    assert_eq!(shown.into_iter().collect::<Vec<_>>(), expected);
}

/// Every option has a text and, but for the three whose variables go after static keys, a variable in it or beside it.
#[test]
fn every_option_has_a_text_and_a_variable() {
    for (name, command) in commands() {
        for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
            let id = arg.get_id().as_str();
            let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
            assert!(!help.is_empty(), "{name}: {id}");
            let elsewhere = ["help", "version", "runtime.profile", "runtime.region", "runtime.endpoint-url"];
            // A program to run is no setting.
            let variable = elsewhere.contains(&id) || (name.as_str(), id) == ("rds-connect exec", "command");
            assert!(variable || arg.get_env().is_some() || help.contains("[env: "), "{name}: {id}");
        }
    }
}

#[test]
fn texts_are_plain_and_of_one_form() {
    for (name, mut command) in commands() {
        for text in [command.render_help().to_string(), command.render_long_help().to_string()] {
            assert!(!text.contains('`'), "{name}: backticks show\n{text}");
            for foreign in ["<FOLDER>", "|ARN> ARN", "e.g.", "TODO"] {
                assert!(!text.contains(foreign), "{name}: {foreign}\n{text}");
            }
        }
        for arg in command.get_arguments().filter(|arg| !arg.is_positional() && arg.get_id() != "help") {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(!help.ends_with('.'), "{name}: a first line is no sentence: {help}");
        }
    }
}

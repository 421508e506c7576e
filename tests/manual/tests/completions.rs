//! Completions: each shell takes its script, and completes what is typed.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

use manual::programs;
use tempfile::TempDir;

/// What `make docs` writes.
fn written() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let made = Command::new(env!("CARGO_BIN_EXE_manual")).arg(folder.path()).arg("2026-01-31").status();
    assert!(made.expect("the program").success());
    folder
}

#[track_caller]
fn said(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|err| panic!("{command:?}: {err}: make setup"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).expect("text")
}

fn bash(folder: &Path, name: &str) -> PathBuf {
    folder.join("bash-completion/completions").join(name)
}

#[test]
fn shells_take_them() {
    let folder = written();
    for program in programs() {
        let name = program.binary.name;
        said(Command::new("bash").arg("-n").arg(bash(folder.path(), name)));
        said(Command::new("zsh").arg("-n").arg(folder.path().join(format!("zsh/site-functions/_{name}"))));
        let fish = folder.path().join(format!("fish/vendor_completions.d/{name}.fish"));
        said(Command::new("fish").arg("--no-execute").arg(fish));
    }
}

/// As bash does when the tab key is pressed behind `words`.
fn in_bash(folder: &Path, words: &[&str]) -> Vec<String> {
    let script = r#"
        source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        function=$(complete -p "$1"); function=${function#*-F }; function=${function%% *}
        "$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let answer = said(
        Command::new("bash").args(["--norc", "-c", script, "bash"]).arg(bash(folder, words[0])).args(words),
    );
    answer.lines().map(str::to_owned).collect()
}

/// As fish does.
fn in_fish(folder: &Path, line: &str) -> Vec<String> {
    let name = line.split(' ').next().unwrap_or_default();
    let file = folder.join(format!("fish/vendor_completions.d/{name}.fish"));
    let script = format!("source {}; complete --do-complete '{line}'", file.display());
    let home = tempfile::tempdir().expect("a folder");
    let mut fish = Command::new("fish");
    let answer = said(fish.args(["--no-config", "-c", &script]).env("HOME", home.path()));
    answer.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn bash_completes_options_commands_and_values() {
    let folder = written();
    for (words, expected) in [
        (&["glue-trigger", "--job-n"][..], &["--job-name"][..]),
        (&["glue-trigger", "--execution-class", ""], &["STANDARD", "FLEX"]),
        (&["rds-connect", "pro"], &["proxy"]),
        (&["rds-connect", "proxy", "--lis"], &["--listen", "--listen-public"]),
        (&["mwaa-token", "dags", "up"], &["upload"]),
        (&["mwaa-token", "trigger", "--idem"], &["--idempotency-key"]),
        (&["chain-check", "--log-format", ""], &["auto", "text", "json"]),
    ] {
        assert_eq!(in_bash(folder.path(), words), expected, "{words:?}");
    }
}

#[test]
fn fish_completes_the_same() {
    let folder = written();
    for (line, expected) in [
        ("glue-trigger --job-n", &["--job-name"][..]),
        ("rds-connect pro", &["proxy"]),
        ("rds-connect proxy --lis", &["--listen", "--listen-public"]),
        ("mwaa-token dags up", &["upload"]),
    ] {
        assert_eq!(in_fish(folder.path(), line), expected, "{line}");
    }
}

//! Manual pages: there is one for each command, with all that belongs into it, and without a fault of form.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use manual::{Page, pages, programs};

fn all() -> Vec<Page> {
    programs().iter().flat_map(|program| pages(program, "2026-01-31")).collect()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn no_binary_is_missing() {
    let crates = fs::read_dir(repository().join("crates")).expect("the crates");
    let binaries: BTreeSet<String> = crates
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.join("src/main.rs").exists())
        .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
        .collect();
    let named: BTreeSet<String> = programs().iter().map(|program| program.binary.name.to_owned()).collect();
    assert_eq!(binaries, named);
}

#[test]
fn every_command_has_a_page() {
    let names: Vec<String> = all().into_iter().map(|page| page.file_name).collect();
    for expected in ["glue-trigger.1", "rds-connect.1", "rds-connect-proxy.1", "mwaa-token-dags-upload.1"] {
        assert!(names.iter().any(|name| name == expected), "no {expected} in {names:?}");
    }
    assert!(!names.iter().any(|name| name.contains("help")), "{names:?}");
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
}

#[test]
fn every_page_has_its_sections_in_order() {
    for page in all() {
        let sections: Vec<&str> = page.text.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
        let group = page.text.contains("SUBCOMMANDS");
        let expected = ["NAME", "SYNOPSIS", "DESCRIPTION", "SUBCOMMANDS", "OPTIONS", "EXIT STATUS"];
        let expected = expected.into_iter().chain(["ENVIRONMENT", "FILES", "EXAMPLES", "SEE ALSO"]);
        let mut expected: Vec<&str> = expected.filter(|section| group || *section != "SUBCOMMANDS").collect();
        // What cannot be run by itself has no example of its own.
        if group && !page.text.contains("EXAMPLES") {
            expected.retain(|section| *section != "EXAMPLES");
        }
        let sections: Vec<&str> = sections.iter().map(|section| section.trim_matches('"')).collect();
        assert_eq!(sections, expected, "{}", page.file_name);
    }
}

#[test]
fn the_codes_are_those_of_the_enum() {
    for page in all() {
        let (_, status) = page.text.split_once("EXIT STATUS").expect("the section");
        for exit in job_runtime::Exit::ALL {
            let head = format!("\\fB{}\\fR {}", exit.code(), exit.name());
            assert!(status.contains(&head), "{} does not explain {head}", page.file_name);
        }
    }
}

/// Names of variables in a module of constants, as its source has them.
fn names(source: &str) -> Vec<&str> {
    let constants = source.lines().filter(|line| line.contains(" const ") && line.starts_with("pub"));
    constants.flat_map(|line| line.split('"').skip(1).step_by(2)).collect()
}

/// A variable that is new is on the pages, or this fails.
#[test]
fn every_page_names_every_variable_that_is_read() {
    let own_place = ["HOME"]; // where ~ is, which nobody has to be told
    for source in ["crates/job-runtime/src/env.rs", "crates/chained-credentials/src/env.rs"] {
        let text = fs::read_to_string(repository().join(source)).expect("the module");
        let names = names(&text);
        assert!(names.len() > 20, "{source}: {names:?}");
        for page in all() {
            // Three stand for options that not every command shows.
            let shown = page.text.replace("\\-", "-");
            let begins_work = shown.contains("--idempotency-key");
            for name in names.iter().filter(|name| !own_place.contains(name)) {
                let of_work = [
                    "JOB_NO_WAIT",
                    "IDEMPOTENCY_KEY",
                    "JOB_STEP",
                    "JOB_ON_PRIOR_FAILURE",
                    "JOB_ON_DIFFERENCE",
                    "JOB_CANCEL",
                    "JOB_ON_TERMINATE",
                ];
                // Of commands that make calls which nothing can find again.
                let of_calls = [("JOB_GRACE_PERIOD", "--grace-period"), ("JOB_REPEATABLE", "--repeatable")];
                if let Some((_, option)) = of_calls.iter().find(|(of_calls, _)| of_calls == name) {
                    assert_eq!(shown.contains(name), shown.contains(option), "{}: {name}", page.file_name);
                } else if of_work.contains(name) || *name == "JOB_POLL_INTERVAL" {
                    assert_eq!(shown.contains(name), begins_work, "{}: {name}", page.file_name);
                } else if *name != "JOB_OUTPUT" || shown.contains("--output ") {
                    assert!(shown.contains(name), "{} does not name {name}", page.file_name);
                }
            }
        }
    }
}

#[test]
fn they_are_well_formed() {
    let folder = tempfile::tempdir().expect("a folder");
    for page in all() {
        let file = folder.path().join(&page.file_name);
        fs::write(&file, &page.text).expect("a page");
        let lint = Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).arg(&file).output();
        let lint = lint.expect("mandoc: make setup");
        let said = String::from_utf8_lossy(&lint.stdout);
        assert!(lint.status.success() && said.is_empty(), "{}: {said}", page.file_name);
        let shown = Command::new("mandoc").args(["-T", "utf8"]).arg(&file).output().expect("mandoc");
        let shown = String::from_utf8_lossy(&shown.stdout);
        assert!(shown.contains("2026-01-31") && shown.contains("AWS job runners"), "{shown}");
    }
}

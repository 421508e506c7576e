//! `manual DIR [DATE]` writes the manual pages and the shell completions of every binary below `DIR`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a program for contributors, without a runtime"
)]

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let (folder, date) = match args.as_slice() {
        [_, folder] => (folder, ""),
        [_, folder, date] => (folder, date.as_str()),
        _ => {
            eprintln!("usage: manual DIR [DATE]");
            return ExitCode::from(2);
        }
    };
    match manual::write(Path::new(folder), date) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("{err}");
            ExitCode::FAILURE
        }
    }
}

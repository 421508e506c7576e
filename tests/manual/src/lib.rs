//! Manual pages and shell completions of every binary, made of the command lines that they have and of [`Exit`].
//!
//! [`write()`] lays them out as they are found below `/usr/local/share`.
//!
//! [`Exit`]: job_runtime::Exit

mod example;
mod page;
mod surroundings;

use std::fs;
use std::io::{self, Error};
use std::path::Path;

use clap::builder::Str;
use clap::{ArgMatches, Command, ValueHint};
use clap_complete::Shell;
use job_runtime::{Binary, Options};

pub use crate::example::{Example, examples};
pub use crate::page::{Page, pages};

/// A binary with its command line.
pub struct Program {
    /// Who it is.
    pub binary: Binary,
    /// Its options and sub-commands.
    pub command: Command,
    /// Whether options that were understood one by one make a request, and what is wrong with them if not.
    pub judge: fn(&ArgMatches) -> Result<(), String>,
}

impl Program {
    fn new<C: Options>(binary: Binary) -> Self {
        let command = with_hints(binary.command::<C>()).disable_help_subcommand(true);
        Self { binary, command, judge: judge::<C> }
    }
}

/// All of them.
pub fn programs() -> [Program; 8] {
    [
        Program::new::<glue_trigger::Cli>(glue_trigger::BINARY),
        Program::new::<lambda_invoke::Cli>(lambda_invoke::BINARY),
        Program::new::<sagemaker_invoke::Cli>(sagemaker_invoke::BINARY),
        Program::new::<redshift_query::Cli>(redshift_query::BINARY),
        Program::new::<rds_connect::Cli>(rds_connect::BINARY),
        Program::new::<mwaa_token::Cli>(mwaa_token::BINARY),
        Program::new::<eks_token::Cli>(eks_token::BINARY),
        Program::new::<chain_check::Cli>(chain_check::BINARY),
    ]
}

fn judge<C: Options>(matches: &ArgMatches) -> Result<(), String> {
    let options = C::from_arg_matches(matches).map_err(|err| err.to_string())?;
    options.into_request().map(drop)
}

/// Tells shells which values are files: what they are written as says so.
fn with_hints(command: Command) -> Command {
    command
        .mut_args(|arg| match arg.get_value_names().and_then(|names| names.first()).map(Str::as_str) {
            Some("FILE") => arg.value_hint(ValueHint::FilePath),
            Some("DIR") => arg.value_hint(ValueHint::DirPath),
            _ => arg,
        })
        .mut_subcommands(with_hints)
}

/// Writes all pages and completions below `folder`. `date` stands at the foot of each page.
///
/// # Errors
/// The file that cannot be written.
pub fn write(folder: &Path, date: &str) -> io::Result<()> {
    for program in programs() {
        for page in pages(&program, date) {
            put(&folder.join("man/man1"), &page.file_name, page.text.as_bytes())?;
        }
        let name = program.binary.name;
        for (shell, place, file_name) in [
            (Shell::Bash, "bash-completion/completions", name.to_owned()),
            (Shell::Zsh, "zsh/site-functions", format!("_{name}")),
            (Shell::Fish, "fish/vendor_completions.d", format!("{name}.fish")),
        ] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut program.command.clone(), name, &mut script);
            let script = match shell {
                Shell::Bash => with_one_label(name, &String::from_utf8_lossy(&script)).into_bytes(),
                _ => script,
            };
            put(&folder.join(place), &file_name, &script)?;
        }
    }
    Ok(())
}

/// `clap_complete` writes the label of a sub-command in two ways where the name of the binary has a hyphen, so that bash
/// never gets there (clap issue 6421).
fn with_one_label(name: &str, script: &str) -> String {
    let jump = format!("{}__subcmd__", name.replace('-', "__"));
    let label = format!("{}__subcmd__", name.replace('-', "__subcmd__"));
    script.replace(&label, &jump)
}

fn put(folder: &Path, file_name: &str, content: &[u8]) -> io::Result<()> {
    let file = folder.join(file_name);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&file, content))
        .map_err(|err| Error::new(err.kind(), format!("could not write {}: {err}", file.display())))
}

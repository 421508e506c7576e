//! When `-h`, `--help` and `--version` are answered. A command line that asks for work never exits 0 without doing it.

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command};
use std::ffi::OsString;

/// What clap answers by itself.
const FLAGS: [&str; 4] = ["-h", "--help", "-V", "--version"];

/// Takes the place of an `-h` that stands alone where the program has an option of that name.
const SUMMARY: &str = "help-summary";

/// Gives `-h` to the program where one of its options has that name, as psql's host has. `--help` stays, and so does an
/// `-h` that stands alone ([`with_summary`]).
pub(super) fn with_own_h(command: Command) -> Command {
    if !has_own_h(&command) {
        return command;
    }
    let help = Arg::new("help").long("help").action(ArgAction::Help).global(true);
    let summary = Arg::new("runtime.help-summary").long(SUMMARY).action(ArgAction::HelpShort).hide(true);
    command.disable_help_flag(true).arg(help.help("Print help; -h alone prints a summary")).arg(summary)
}

fn has_own_h(command: &Command) -> bool {
    command.get_arguments().any(|arg| arg.get_short() == Some('h'))
        || command.get_subcommands().any(has_own_h)
}

/// The arguments with an `-h` that stands alone, beside names of sub-commands, as a request for help.
pub(super) fn with_summary(command: &Command, args: &[OsString]) -> Vec<OsString> {
    let mut args = args.to_vec();
    if has_own_h(command)
        && !asks_for_work(command, &args)
        && let Some(last) = args.last_mut()
        && last == "-h"
    {
        *last = format!("--{SUMMARY}").into();
    }
    args
}

/// Refuses a request for help or the version that stands beside other options: in a manifest or a script it looks like
/// work that was done.
pub(super) fn refuse_beside_work(err: clap::Error, command: &Command, args: &[OsString]) -> clap::Error {
    if !matches!(err.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)
        || !asks_for_work(command, args)
    {
        return err;
    }
    let flag = args.iter().filter_map(|arg| arg.to_str()).find(|arg| FLAGS.contains(arg));
    let flag = flag.unwrap_or("--help");
    let message = format!(
        "nothing was run: {flag} prints this text and cannot be combined with other options: remove {flag} to run the \
         command\n\n{}",
        err.to_string().trim_end()
    );
    clap::Error::raw(ErrorKind::ArgumentConflict, format!("{message}\n"))
}

/// Whether the command line holds more than names of sub-commands and requests for help.
fn asks_for_work(command: &Command, args: &[OsString]) -> bool {
    let mut command = command;
    for arg in args.iter().skip(1) {
        let Some(arg) = arg.to_str() else { return true };
        // Names and topics follow it, and no options.
        if arg == "help" {
            return false;
        }
        match command.find_subcommand(arg) {
            Some(sub) => command = sub,
            None if FLAGS.contains(&arg) => {}
            None => return true,
        }
    }
    false
}

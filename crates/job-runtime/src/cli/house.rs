//! What all commands have in common, beside their options.

use super::WORK;
use crate::exit::Exit;
use chained_credentials::Env;
use clap::builder::{BoolishValueParser, Resettable, TypedValueParser};
use clap::{Arg, ArgAction, Command};
use std::ffi::OsStr;

/// The house's rules. Common options may follow a sub-command; what has no `--` stands before all that has. An environment twin that is empty is none, `1`
/// and `0` are booleans too, and help never shows a twin's value. A flag that its twin switches off was not
/// given: clap would say that it contradicts the options that it cannot be used with.
pub(super) fn with_house_rules(command: Command, blank: &[String], vars: &Env) -> Command {
    command
        .mut_args(|arg| {
            let common = arg.get_id().as_str().starts_with("runtime.");
            let arg = if common { arg.global(true) } else { arg };
            let arg = if arg.is_positional() { arg.help_heading(None::<&'static str>) } else { arg };
            let Some(name) = arg.get_env() else { return arg };
            let is_flag = matches!(arg.get_action(), ArgAction::SetTrue);
            let value = name.to_str().and_then(|name| vars.get(name));
            let none =
                blank.iter().any(|blank| name == blank.as_str()) || is_flag && value.is_some_and(is_off);
            let arg = if none { arg.env(Resettable::Reset) } else { arg.hide_env_values(true) };
            if is_flag { arg.value_parser(BoolishValueParser::new()) } else { arg }
        })
        .mut_subcommands(|sub| with_house_rules(sub, blank, vars))
}

/// Whether a flag's twin says no.
fn is_off(value: &str) -> bool {
    let parsed = BoolishValueParser::new().parse_ref(&Command::default(), None, OsStr::new(value));
    parsed.is_ok_and(|on| !on)
}

/// Whether it is one of the options about work that goes on without this process.
pub(super) fn is_about_work(arg: &Arg) -> bool {
    arg.get_help_heading() == Some(WORK)
}

/// Hides the options about `work` from the help of a command that begins none: they are taken there as everywhere, so
/// that one set of variables does for all commands. A sub-command has its own, because it would show its parent's.
pub(super) fn with_work_where_it_begins(command: Command, work: &[Arg], begins: fn(&str) -> bool) -> Command {
    let shown = begins(command.get_name());
    command
        .mut_args(|arg| if is_about_work(&arg) { arg.hide(!shown) } else { arg })
        .mut_subcommands(|sub| with_work_where_it_begins(sub.args(work), work, begins))
}

/// Puts the exit codes at the end of every help, behind the command's examples.
pub(crate) fn with_exit_codes(command: Command) -> Command {
    let examples = command.get_after_help().map(|text| format!("{text}\n\n")).unwrap_or_default();
    command.after_help(format!("{examples}{}", Exit::help())).mut_subcommands(with_exit_codes)
}

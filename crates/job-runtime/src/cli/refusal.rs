//! What a refused command line is told.

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::error::Error;

/// `err` without the words of the user that it quotes: a value can be a secret, and so can what was split off one
/// for want of quotes. What is wrong with a value is said by the option's own parser, which knows what it may quote.
pub(super) fn without_value(err: clap::Error, command: &mut Command) -> clap::Error {
    let text = |kind| match err.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let option = text(ContextKind::InvalidArg);
    let message = match (err.kind(), option) {
        (ErrorKind::UnknownArgument, Some(word)) if !word.starts_with('-') => {
            "a word was given that belongs to no option; is a value with spaces in quotes?".to_owned()
        }
        // Where a sub-command may stand, any word looks like one.
        (ErrorKind::InvalidSubcommand, _) => {
            let known: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
            format!(
                "a word was given that is no sub-command and belongs to no option; is a value with spaces in quotes? \
                 [subcommands: {}]",
                known.join(", ")
            )
        }
        // An option at the end of the line, without its value.
        (ErrorKind::InvalidValue, _) if text(ContextKind::InvalidValue) == Some("") => return err,
        (kind, Some(option)) if text(ContextKind::InvalidValue).is_some() => {
            let twin = twin(command, option).map(|twin| format!(" ({twin})")).unwrap_or_default();
            let problem = match (kind, err.source()) {
                (_, Some(reason)) => format!(": {reason}"),
                (ErrorKind::TooManyValues, None) => ": it takes none".to_owned(),
                _ => String::new(),
            };
            let allowed = match err.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(allowed)) if !allowed.is_empty() => {
                    format!(" [possible values: {}]", allowed.join(", "))
                }
                _ => String::new(),
            };
            format!("invalid value for {option}{twin}{problem}{allowed}")
        }
        _ => return err,
    };
    command.error(err.kind(), message)
}

/// The variable that stands for `option`, which is written as in the help: `--timeout <DURATION>`.
fn twin(command: &Command, option: &str) -> Option<String> {
    let name = option.strip_prefix("--")?.split([' ', '=', '[']).next();
    let here = command.get_arguments().find(|arg| arg.get_long() == name);
    let here = here.and_then(|arg| Some(arg.get_env()?.to_string_lossy().into_owned()));
    here.or_else(|| command.get_subcommands().find_map(|sub| twin(sub, option)))
}

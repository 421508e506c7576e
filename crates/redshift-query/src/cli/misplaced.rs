//! Options of `run` that stand in front of a sub-command, where nobody reads them.

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

/// The first option of `run` on the command line that a sub-command follows, and that sub-command.
#[derive(Debug)]
pub(super) struct Misplaced(Option<(String, String)>);

impl Misplaced {
    pub(super) fn check(self) -> Result<(), String> {
        match self.0 {
            None => Ok(()),
            Some((option, sub)) => {
                Err(format!("--{option} stands in front of {sub}: write it behind, if it is meant for it"))
            }
        }
    }
}

impl FromArgMatches for Misplaced {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let Some(sub) = matches.subcommand_name() else { return Ok(Self(None)) };
        // Common options may stand anywhere. Variables are set for whatever runs, and mean nobody in particular.
        let of_run = |id: &&str| {
            let common = id.starts_with("runtime.") || *id == "output";
            !common && matches.value_source(id) == Some(ValueSource::CommandLine)
        };
        let option = matches.ids().map(clap::Id::as_str).find(of_run);
        Ok(Self(option.map(|id| (id.replace('_', "-"), sub.to_owned()))))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Misplaced {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

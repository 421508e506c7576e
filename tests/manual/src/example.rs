//! The examples at the end of a command's help.

use clap::Command;

/// What some commands do, and the commands.
#[derive(Debug, PartialEq, Eq)]
pub struct Example {
    /// In a sentence, without a colon; empty where the page has said it.
    pub about: String,
    /// As they are typed: a line that ends with a backslash goes on in the next.
    pub lines: Vec<String>,
}

impl Example {
    /// The commands, one each, without the ends of lines.
    pub fn commands(&self) -> Vec<String> {
        self.lines.join("\n").replace("\\\n", " ").lines().map(str::to_owned).collect()
    }
}

/// The examples of `command`: after "Examples:" a paragraph each, of which a first line that ends with a colon tells
/// what the others do.
pub fn examples(command: &Command) -> Vec<Example> {
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let text = text.strip_prefix("Examples:\n").unwrap_or_default();
    text.split("\n\n")
        .filter(|paragraph| !paragraph.is_empty())
        .map(|paragraph| {
            let mut lines: Vec<&str> = paragraph.lines().collect();
            let about = lines.first().and_then(|line| line.strip_suffix(':'));
            let about = about.map(|about| about.trim().to_owned());
            if about.is_some() {
                lines.remove(0);
            }
            // Continuations keep what they are indented by beyond the command.
            let indent = lines.first().map_or(0, |line| line.len() - line.trim_start().len());
            let lines = lines.iter().map(|line| line.get(indent..).unwrap_or_default().to_owned()).collect();
            Example { about: about.unwrap_or_default(), lines }
        })
        .collect()
}

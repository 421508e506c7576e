//! One manual page for each command, as man(7) has it.

use std::io::Write as _;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use job_runtime::Exit;

use crate::Program;
use crate::example::examples;
use crate::surroundings::{FILES, OWN_VARIABLES, VARIABLES};

/// A manual page.
pub struct Page {
    /// Such as `rds-connect-proxy.1`.
    pub file_name: String,
    /// In the language of roff.
    pub text: String,
}

/// The pages of a program and of each of its sub-commands.
pub fn pages(program: &Program, date: &str) -> Vec<Page> {
    let mut command = program.command.clone();
    command.build();
    let version = program.binary.version.split(' ').next().unwrap_or_default();
    let foot = Foot { date, source: format!("{} {version}", program.binary.name) };
    let mut pages = Vec::new();
    collect(&command, None, &foot, &mut pages);
    pages
}

/// What stands at the foot of each page.
struct Foot<'a> {
    date: &'a str,
    source: String,
}

fn collect(command: &Command, parent: Option<&str>, foot: &Foot<'_>, pages: &mut Vec<Page>) {
    let title = title(command);
    pages.push(Page { file_name: format!("{title}.1"), text: render(command, parent, foot) });
    for sub in command.get_subcommands() {
        collect(sub, Some(title), foot, pages);
    }
}

fn title(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn render(command: &Command, parent: Option<&str>, foot: &Foot<'_>) -> String {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim().to_owned();
    let man = Man::new(command.clone().override_usage(usage))
        .date(foot.date)
        .source(&foot.source)
        .manual("AWS job runners");
    let mut page = Vec::new();
    // Writing to memory does not fail.
    let _ = man.render_title(&mut page);
    // Neither stretched nor hyphenated: names of roles and variables are longer than a line likes.
    page.extend(b".nh\n.ad l\n");
    let _ = man.render_name_section(&mut page);
    let _ = man.render_synopsis_section(&mut page);
    let _ = man.render_description_section(&mut page);
    if command.has_subcommands() {
        let _ = man.render_subcommands_section(&mut page);
    }
    let mut options = Vec::new();
    let _ = man.render_options_section(&mut options);
    page.extend(below_one_heading(&String::from_utf8_lossy(&options), command).into_bytes());

    let mut rest = Roff::new();
    exit_status(&mut rest);
    environment(&mut rest, title(command));
    files(&mut rest);
    show_examples(&mut rest, command);
    see_also(&mut rest, command, parent);
    let _ = page.write_all(rest.to_roff().as_bytes());
    tidy(&String::from_utf8_lossy(&page))
}

/// Makes the headings of options sub-headings of OPTIONS, as they are written in the help: the others of a page are
/// known by their names.
fn below_one_heading(options: &str, command: &Command) -> String {
    let mut lines = String::new();
    for line in options.lines() {
        let heading = line.strip_prefix(".SH ").map(|heading| heading.trim_matches('"'));
        let written = command.get_arguments().filter_map(|arg| arg.get_help_heading());
        match written.into_iter().find(|written| heading == Some(&written.to_uppercase())) {
            Some(written) => lines.extend([".SS \"", written, "\"\n"]),
            None => lines.extend([line, "\n"]),
        }
    }
    lines
}

/// Puts the sections together: what each begins with is needed once, and space between paragraphs is said in one way.
fn tidy(page: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in page.lines().map(str::trim_end) {
        let line = if line.is_empty() { ".sp" } else { line };
        let preamble = line.starts_with(".ie ") || line.starts_with(".el ");
        if line == ".sp" && lines.last() == Some(&".br") {
            lines.pop();
        }
        let said = preamble && lines.contains(&line)
            || matches!(line, ".sp" | ".br") && lines.last() == Some(&".sp");
        if !said {
            lines.push(line);
        }
    }
    lines.join("\n") + "\n"
}

fn exit_status(roff: &mut Roff) {
    roff.control("SH", ["EXIT STATUS"]);
    for exit in Exit::ALL {
        roff.control("TP", []);
        roff.text([bold(exit.code().to_string()), roman(format!(" {}", exit.name()))]);
        let meaning = sentence(exit.meaning().trim_end_matches('…'));
        let retry = match exit.retry() {
            "–" => String::new(),
            retry => format!(" A retry: {retry}."),
        };
        roff.text([roman(format!("{meaning}.{retry}"))]);
    }
}

/// With a capital letter.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn environment(roff: &mut Roff, title: &str) {
    roff.control("SH", ["ENVIRONMENT"]);
    roff.text([roman(
        "Each option names its variable. The option counts more than the variable; a variable that is set and empty \
         is none. These have no option:",
    )]);
    let own =
        OWN_VARIABLES.iter().filter(|(page, ..)| *page == title).map(|(_, name, text)| (vec![*name], *text));
    for (names, text) in own.chain(VARIABLES.iter().map(|(names, text)| (names.to_vec(), *text))) {
        roff.control("TP", []);
        roff.text([bold(names.join(", "))]);
        roff.text([roman(text)]);
    }
}

fn files(roff: &mut Roff) {
    roff.control("SH", ["FILES"]);
    for (names, text) in FILES {
        roff.control("TP", []);
        roff.text([roman(names)]);
        roff.text([roman(text)]);
    }
}

fn show_examples(roff: &mut Roff, command: &Command) {
    let examples = examples(command);
    if examples.is_empty() {
        return;
    }
    roff.control("SH", ["EXAMPLES"]);
    for (number, example) in examples.into_iter().enumerate() {
        if number > 0 {
            roff.control("PP", []);
        }
        if !example.about.is_empty() {
            roff.text([roman(format!("{}:", example.about))]);
            roff.control("PP", []);
        }
        roff.control("RS", ["4"]);
        roff.control("nf", []);
        for line in example.lines {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
        roff.control("RE", []);
    }
}

/// The page above, those below, and the one that helps where credentials do not.
fn see_also(roff: &mut Roff, command: &Command, parent: Option<&str>) {
    let below = command.get_subcommands().map(title);
    let mut names: Vec<&str> = parent.into_iter().chain(below).collect();
    if title(command) != "chain-check" {
        names.push("chain-check");
    }
    roff.control("SH", ["SEE ALSO"]);
    let mut line = Vec::new();
    for name in names {
        line.extend([bold(name), roman("(1), ")]);
    }
    line.extend([bold("aws"), roman("(1)")]);
    roff.text(line);
}

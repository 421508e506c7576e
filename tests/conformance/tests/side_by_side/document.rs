//! The document: what it says, and where in it a cell is.

use std::fmt::{self, Write as _};

use regex_lite::Regex;
use serde_json::Value;

use crate::circumstance::Circumstance;
use crate::place::Seen;
use crate::systems::{Side, System, systems};

pub(crate) const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/side-by-side.md");

/// What somebody says in more is cut.
const LONGEST: usize = 220;

const HEAD: &str = include_str!("head.md");

/// The document with these cells.
pub(crate) fn render(mut cell: impl FnMut(&System, Circumstance, Side) -> String) -> String {
    let mut sum = Sum::default();
    let tables = tables(|system, circumstance| {
        let [old, new] = [Side::Old, Side::New].map(|side| cell(system, circumstance, side));
        sum.add(system, circumstance, &old, &new);
        [old, new]
    });
    let mut text = HEAD.replace("{sum}", &sum.to_string());
    for circumstance in Circumstance::ALL {
        let (name, meaning) = (circumstance.name(), circumstance.meaning());
        writeln!(text, "| {name} | {meaning} |").expect("a String takes it");
    }
    text + &tables
}

/// A section for each system.
fn tables(mut cells: impl FnMut(&System, Circumstance) -> [String; 2]) -> String {
    let mut text = String::new();
    for system in systems() {
        let System { title, about, old, new, binary, .. } = system;
        write!(
            text,
            "\n## {title}\n\n{about}\n\n```sh\n{old}\n```\n\n```sh\n{new}\n```\n\n| | the documented line | {binary} |\n| --- | --- | --- |\n"
        )
        .expect("a String takes it");
        for circumstance in Circumstance::ALL {
            let name = circumstance.name();
            if let Some(why) = system.never(circumstance) {
                if !why.is_empty() {
                    writeln!(text, "| {name} | – *({why})* | – |").expect("a String takes it");
                }
            } else {
                let [old, new] = cells(&system, circumstance);
                writeln!(text, "| {name} | {old} | {new} |").expect("a String takes it");
            }
        }
    }
    text
}

/// What the tables say, in numbers.
#[derive(Default)]
struct Sum {
    /// Rows in which the work failed or was not begun, and in how many of these the end is 0: each side's.
    bad: [(usize, usize); 2],
    /// Rows in which it was begun more than once.
    doubled: [usize; 2],
}

impl Sum {
    fn add(&mut self, system: &System, circumstance: Circumstance, old: &str, new: &str) {
        for (side, cell) in [old, new].into_iter().enumerate() {
            // `exit **0**, 2 runs`; what is said stands below.
            let begun = cell.split("<br>").next().unwrap_or_default();
            let counts = !system.unit.is_empty();
            let none = counts && begun.contains(&format!(", no {}", system.unit));
            if none || circumstance == Circumstance::Fails {
                self.bad[side].0 += 1;
                self.bad[side].1 += usize::from(cell.starts_with("exit **0**"));
            }
            self.doubled[side] += usize::from(counts && begun.contains(&format!(" {}s", system.unit)));
        }
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [(old_bad, old_zero), (new_bad, new_zero)] = self.bad;
        let [old_doubled, new_doubled] = self.doubled;
        write!(
            f,
            "Where the work failed or was never begun, the documented lines end with 0 in {old_zero} of {old_bad} rows, the \
             programs in {new_zero} of {new_bad}. The work is begun more than once in {old_doubled} rows by the lines, in \
             {new_doubled} by the programs."
        )
    }
}

/// What a document has in a cell.
pub(crate) fn cell(document: &str, system: &System, circumstance: Circumstance, side: Side) -> String {
    let section = document.split("\n## ").find(|section| section.starts_with(system.title));
    let row = format!("\n| {} | ", circumstance.name());
    let cells = section.and_then(|section| section.split_once(&row)).map(|(_, rest)| rest);
    let mut cells = cells.and_then(|rest| rest.lines().next()).unwrap_or_default().split(" | ");
    let cell = match side {
        Side::Old => cells.next(),
        Side::New => cells.nth(1),
    };
    cell.unwrap_or("nothing").trim_end_matches(" |").to_owned()
}

/// A cell, from what was seen.
pub(crate) fn told(system: &System, side: Side, seen: &Seen) -> String {
    let exits: Vec<_> = seen.exits.iter().map(|code| format!("**{code}**")).collect();
    let mut text = format!("exit {}", exits.join(", then "));
    let (started, running) = (seen.work.started, seen.work.running);
    if !system.unit.is_empty() {
        let unit = system.unit;
        match started {
            0 => write!(text, ", no {unit}"),
            1 => write!(text, ", 1 {unit}"),
            many => write!(text, ", {many} {unit}s"),
        }
        .expect("a String takes it");
    }
    match (started, running) {
        (_, 0) => {}
        (1, 1) => text.push_str(" that goes on"),
        (_, running) => write!(text, ", {running} of them going on").expect("a String takes it"),
    }
    let log = String::from_utf8_lossy(&seen.outcome.stdout);
    let said = match side {
        Side::Old => last_words(&log),
        Side::New => match termination(&seen.outcome.termination()) {
            // The program behind it has the last word.
            ok if ok == "ok" && system.new.contains("&&") => last_words(&log),
            told => told,
        },
    };
    let said = shortened(&same_each_time(&said.replace(&seen.folder, "/tmp/")));
    if said.is_empty() { text } else { format!("{text}<br>`{}`", said.replace('|', "¦").replace('`', "'")) }
}

/// The end of a log: its last line, or all of the JSON that ends with it.
fn last_words(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines.last().copied().unwrap_or_default();
    let from = lines.iter().rposition(|line| *line == "{").filter(|_| last == "}");
    let json = from.and_then(|from| serde_json::from_str::<Value>(&lines[from..].concat()).ok());
    json.map_or_else(|| last.trim().to_owned(), |json| json.to_string())
}

/// What our termination message says.
fn termination(message: &Value) -> String {
    let text = |key: &str| message[key].as_str().unwrap_or_default();
    if text("error").is_empty() {
        text("outcome").to_owned()
    } else {
        format!("{}: {}", text("outcome"), text("error"))
    }
}

/// Ids, times and ports are others in each run.
fn same_each_time(text: &str) -> String {
    const VARIES: &[(&str, &str)] = &[
        (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "…"),
        (r"\b(jr_)?[0-9a-f]{32,64}\b", "$1…"),
        (r"\b[0-9A-F]{32}\b", "…"),
        (r"botocore-session-\d+", "botocore-session-…"),
        (r"\bA[KRS][OI]A[A-Z0-9]{12,}", "A…"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:…"),
        (r"\bport \d{4,5}\b", "port …"),
        (r":\d{5}\b", ":…"),
        (r"\b\d+(\.\d+)? ?(ms|s)\b", "… s"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.0-9]*(Z|[+-]\d\d:\d\d)", "…"),
    ];
    VARIES.iter().fold(text.to_owned(), |text, (pattern, instead)| {
        Regex::new(pattern).expect("a pattern").replace_all(&text, *instead).into_owned()
    })
}

/// The beginning of a long text, up to the end of a word.
fn shortened(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    let start: String = text.chars().take(LONGEST).collect();
    let end = start.rfind(' ').unwrap_or(start.len());
    format!("{} …", &start[..end])
}

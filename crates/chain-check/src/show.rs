//! The findings for people: a table for each chain, and below it what to mend. Pure.

use std::fmt::Write as _;
use std::time::Duration;

use job_runtime::duration::Human;

use crate::policy::Kind;
use crate::report::{ChainFound, Findings, HopFound, TokenFound};

const HEAD: [&str; 6] = ["HOP", "OUTCOME", "PROFILE", "IDENTITY", "EXPIRES IN", "TOOK"];

pub(crate) fn text(findings: &Findings) -> String {
    findings.chains.iter().map(chain).collect::<Vec<_>>().join("\n")
}

fn chain(found: &ChainFound) -> String {
    let mut text = match (&found.profile, &found.region) {
        (Some(profile), Some(region)) => format!("profile {profile}, region {region}\n"),
        (Some(profile), None) => format!("profile {profile}\n"),
        (None, Some(region)) => format!("region {region}\n"),
        (None, None) => String::new(),
    };
    if !found.hops.is_empty() {
        text.push_str(&table(&found.hops));
    }
    if let Some(error) = &found.error {
        line(&mut text, format_args!("\nerror: {error}"));
    }
    for policy in found.hops.iter().flat_map(|hop| &hop.policies) {
        let kind = match policy.kind {
            Kind::Trust => "trust policy",
            Kind::Permissions => "a permission policy",
        };
        let document = serde_json::to_string_pretty(&policy.document).unwrap_or_default();
        line(&mut text, format_args!("\n{kind} of {}:\n{document}", policy.of));
    }
    text
}

/// One line a hop, the columns under each other; the claims of a token stand below its hop.
fn table(hops: &[HopFound]) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(hops.iter().map(row));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        line(&mut text, format_args!("{}", cells.collect::<Vec<_>>().join("  ").trim_end()));
        let token = index.checked_sub(1).and_then(|hop| hops[hop].token.as_ref());
        if let Some(token) = token {
            line(&mut text, format_args!("     {}", claims(token)));
        }
    }
    text
}

fn row(hop: &HopFound) -> [String; 6] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let identity = hop.arn.clone().unwrap_or_else(|| hop.action.clone());
    [
        format!("{}/{}", hop.hop, hop.of),
        hop.outcome.replace('_', " "),
        or_dash(hop.profile.clone()),
        identity,
        or_dash(hop.expires_in_seconds.map(|seconds| Human(Duration::from_secs(seconds)).to_string())),
        or_dash(hop.milliseconds.map(|time| format!("{time} ms"))),
    ]
}

fn claims(token: &TokenFound) -> String {
    let TokenFound { file, iss, sub, aud, exp, problem } = token;
    if let Some(problem) = problem {
        return format!("token: {problem}");
    }
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let (iss, sub, aud, exp) = (or_dash(iss), or_dash(sub), aud.join(", "), or_dash(exp));
    format!("token {file}: iss {iss}, sub {sub}, aud {aud}, exp {exp}")
}

/// Writing to a String cannot fail.
fn line(text: &mut String, what: std::fmt::Arguments<'_>) {
    let _ = writeln!(text, "{what}");
}

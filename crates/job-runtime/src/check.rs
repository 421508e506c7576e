//! `--check`: what can be known without starting anything, and how it is shown.

use crate::cli::Output;
use crate::context::Context;
use crate::error::CallError;
use crate::exit::Exit;
use crate::place::Place;
use crate::report::{Report, aligned, json};
use chained_credentials::Chain;
use serde::Serialize;
use std::collections::BTreeMap;

/// Everything that was looked at. Begins with the credentials: a job is only reached if they led somewhere.
#[derive(Debug, Serialize)]
pub struct Survey {
    #[serde(flatten)]
    subject: BTreeMap<&'static str, String>,
    region: String,
    account: Option<String>,
    checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub struct Check {
    /// An IAM action, or `credentials`.
    name: &'static str,
    result: Finding,
    detail: String,
    #[serde(skip)]
    exit: Exit,
}

/// What a look showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Finding {
    /// As it should be.
    Ok,
    /// Not as it should be, but the job can do without.
    Warning,
    /// The job would fail on it.
    Failed,
    /// Cannot be known without doing it.
    NotChecked,
}

impl Check {
    fn new(name: &'static str, result: Finding, detail: impl Into<String>) -> Self {
        Self { name, result, detail: detail.into(), exit: Exit::Ok }
    }

    /// All is well, as `detail` says.
    pub fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self::new(name, Finding::Ok, detail)
    }

    /// Not as it should be, but the job can do without.
    pub fn warning(name: &'static str, detail: impl Into<String>) -> Self {
        Self::new(name, Finding::Warning, detail)
    }

    /// The job would end like this.
    pub fn failed(name: &'static str, error: &CallError) -> Self {
        Self { exit: error.exit(), ..Self::new(name, Finding::Failed, error.to_string()) }
    }

    /// Cannot be known without doing it.
    pub fn untold(name: &'static str) -> Self {
        Self::new(name, Finding::NotChecked, "cannot be checked without doing it")
    }
}

impl Survey {
    /// A survey of `subject`, a member of the result and its value: `("job_name", "nightly-etl")`. A job that wants
    /// no credentials has none to show.
    pub fn new(subject: (&'static str, &str), ctx: &Context) -> Self {
        let Place { region, account } = ctx.place();
        let caller = ctx.identity().arn.as_deref().unwrap_or("an identity that was not asked for its name");
        let by = |chain: &Chain| Check::ok("credentials", format!("{caller}, by {}", chain.describe()));
        let subject = BTreeMap::from([(subject.0, subject.1.to_owned())]);
        Self { subject, region, account, checks: ctx.chain().map(by).into_iter().collect() }
    }

    /// Adds what was looked at.
    pub fn extend(&mut self, checks: impl IntoIterator<Item = Check>) {
        self.checks.extend(checks);
    }

    /// The result; the exit is that of the worst finding: one that no retry helps, then the one with the higher
    /// code.
    pub fn report(&self, output: Output) -> Report {
        let result = match output {
            Output::Json => json(self),
            Output::Text => {
                let lines = self.checks.iter().map(|check| {
                    let found = match check.result {
                        Finding::Ok => "ok",
                        Finding::Warning => "warning",
                        Finding::Failed => "failed",
                        Finding::NotChecked => "not checked",
                    };
                    (format!("{found:11}  {}", check.name), check.detail.as_str())
                });
                let lines: Vec<_> = lines.collect();
                aligned(lines.iter().map(|(name, detail)| (name.as_str(), *detail)))
            }
        };
        let worst = self.checks.iter().max_by_key(|check| (check.exit.fails_job(), check.exit.code()));
        match worst.filter(|check| check.exit != Exit::Ok) {
            Some(worst) => Report::failed(worst.exit, result, format!("check failed: {}", worst.detail)),
            None => Report::ok(result),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survey(checks: Vec<Check>) -> Survey {
        let subject = BTreeMap::from([("job_name", "etl".to_owned())]);
        Survey { subject, region: "us-east-2".to_owned(), account: None, checks }
    }

    #[test]
    fn the_worst_finding_decides() {
        let cases: [(&[Exit], Exit); 5] = [
            (&[Exit::Ok, Exit::Ok], Exit::Ok),
            (&[Exit::Ok, Exit::Denied, Exit::Ok], Exit::Denied),
            (&[Exit::Unavailable, Exit::Rejected], Exit::Rejected),
            (&[Exit::Denied, Exit::Rejected], Exit::Denied),
            (&[Exit::Unavailable], Exit::Unavailable),
        ];
        for (exits, expected) in cases {
            let checks = exits.iter().map(|exit| Check { exit: *exit, ..Check::ok("glue:GetJobRuns", "") });
            assert_eq!(survey(checks.collect()).report(Output::Json).exit, expected, "{exits:?}");
        }
    }

    #[test]
    fn text_has_a_line_for_each() {
        let checks = vec![
            Check::ok("credentials", "arn"),
            Check::warning("glue:GetJobRuns", "refused"),
            Check::untold("glue:StartJobRun"),
        ];
        let expected = "\
ok           credentials       arn
warning      glue:GetJobRuns   refused
not checked  glue:StartJobRun  cannot be checked without doing it
";
        assert_eq!(survey(checks).report(Output::Text).text(), expected);
    }

    #[test]
    fn json_names_the_subject() {
        let shown = survey(vec![Check::ok("credentials", "arn")]).report(Output::Json);
        let expected = r#"{"job_name":"etl","region":"us-east-2","account":null,"checks":[{"name":"credentials","result":"ok","detail":"arn"}]}"#;
        assert_eq!(shown.text().trim_end(), expected);
    }
}

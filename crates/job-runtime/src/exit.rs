//! The exit codes: one enum that every binary, the README, the help text and the pod failure policies take
//! them from.

use std::fmt::Write as _;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// The remote work succeeded.
    Ok,
    /// A defect of this program.
    Internal,
    /// Bad option or input, found before any call.
    Usage,
    /// The remote work ran and failed.
    Failed,
    /// The remote work was stopped by someone.
    Stopped,
    /// It runs already and may not run twice.
    Busy,
    /// The service refuses the request as invalid, or what it names does not exist.
    Rejected,
    /// Throttled, 5xx or network; nothing was started. Also the end of a start without a clear answer that a key settles:
    /// the retry looks for its work before it starts any.
    Unavailable,
    /// Credentials or permission refused.
    Denied,
    /// Something in the configuration: profile, region, token file, CA bundle, secret keys.
    Config,
    /// The wait ended; the remote work goes on.
    Timeout,
    /// The work may have started, or is still running, and nothing lets a retry find it.
    Unknown,
    /// Ended by SIGINT.
    Interrupted,
    /// Ended by SIGTERM.
    Terminated,
}

/// What the Job controller does with a pod that failed, by a rule of a `podFailurePolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodFailureAction {
    /// Starts the next pod, and does not count this one.
    Ignore,
    /// Counts it toward `backoffLimit`.
    Count,
    /// Fails the whole Job, or the index of an Indexed Job.
    FailJob,
}

impl Exit {
    /// Every way to end, in the order of the codes.
    pub const ALL: [Self; 14] = [
        Self::Ok,
        Self::Internal,
        Self::Usage,
        Self::Failed,
        Self::Stopped,
        Self::Busy,
        Self::Rejected,
        Self::Unavailable,
        Self::Denied,
        Self::Config,
        Self::Timeout,
        Self::Unknown,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The process's exit code. 65 to 78 follow `sysexits.h`, 130 and 143 the shell (128 + signal).
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Internal => 1,
            Self::Usage => 2,
            Self::Failed => 10,
            Self::Stopped => 11,
            Self::Busy => 12,
            Self::Rejected => 65,
            Self::Unavailable => 75,
            Self::Denied => 77,
            Self::Config => 78,
            Self::Timeout => 79,
            Self::Unknown => 80,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// One word for logs and the termination message. Both signals share one.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Internal => "internal",
            Self::Usage => "usage",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Busy => "busy",
            Self::Rejected => "rejected",
            Self::Unavailable => "unavailable",
            Self::Denied => "denied",
            Self::Config => "config",
            Self::Timeout => "timeout",
            Self::Unknown => "unknown",
            Self::Interrupted | Self::Terminated => "interrupted",
        }
    }

    /// What it means, in a phrase.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "the remote work succeeded",
            Self::Internal => "a defect of ours",
            Self::Usage => "bad option or input, found before any call",
            Self::Failed => "the remote work ran and failed",
            Self::Stopped => "the remote work was stopped by someone",
            Self::Busy => "it runs already and may not run twice",
            Self::Rejected => "the service refuses the request as invalid, or what it names does not exist",
            Self::Unavailable => "throttled, 5xx, network: nothing was started",
            Self::Denied => "credentials or permission refused; the text names the hop",
            Self::Config => "profile, region, token file, CA bundle, secret keys…",
            Self::Timeout => "our wait ended; the remote work goes on",
            Self::Unknown => {
                "the work may have started, or is still running, and nothing lets a retry find it"
            }
            Self::Interrupted | Self::Terminated => "ended by SIGINT / SIGTERM",
        }
    }

    /// What running the same command again would do.
    pub const fn retry(self) -> &'static str {
        match self {
            Self::Ok => "–",
            Self::Internal => "may help",
            Self::Usage | Self::Rejected | Self::Denied | Self::Config => "never helps",
            Self::Failed | Self::Stopped => "re-runs the work",
            Self::Busy => "later",
            Self::Unavailable => "helps",
            Self::Timeout => "with a key: takes over the wait",
            Self::Unknown => "not blindly",
            Self::Interrupted | Self::Terminated => "with a key: takes over",
        }
    }

    /// Whether a `podFailurePolicy` fails the whole Job on this code. The other failures count toward
    /// `backoffLimit`.
    pub const fn fails_job(self) -> bool {
        match self {
            Self::Usage
            | Self::Failed
            | Self::Stopped
            | Self::Rejected
            | Self::Denied
            | Self::Config
            | Self::Unknown => true,
            Self::Ok
            | Self::Internal
            | Self::Busy
            | Self::Unavailable
            | Self::Timeout
            | Self::Interrupted
            | Self::Terminated => false,
        }
    }

    /// What a `podFailurePolicy` does with this code where a key, or a batch's `--resume`, finds the work again. A pod that
    /// was drained is ignored where it would be counted.
    pub const fn pod_failure_action(self) -> PodFailureAction {
        if self.fails_job() { PodFailureAction::FailJob } else { PodFailureAction::Count }
    }

    /// The same where nothing finds the work again: a single call of a function or an endpoint, SQL without an idempotency
    /// table. Only what has provably not been done is tried again.
    pub const fn pod_failure_action_without_key(self) -> PodFailureAction {
        match self {
            // Nothing was sent yet, or a repeat does no harm; else the program waits for the response or ends with another
            // code.
            Self::Terminated => PodFailureAction::Ignore,
            Self::Busy | Self::Unavailable => PodFailureAction::Count,
            Self::Ok
            | Self::Internal
            | Self::Usage
            | Self::Failed
            | Self::Stopped
            | Self::Rejected
            | Self::Denied
            | Self::Config
            | Self::Timeout
            | Self::Unknown
            | Self::Interrupted => PodFailureAction::FailJob,
        }
    }

    /// The table of the README, as Markdown.
    #[cfg(test)]
    pub(crate) fn markdown() -> String {
        let mut table = String::from("| code | name | meaning | a retry |\n| --- | --- | --- | --- |\n");
        for (codes, exit) in rows() {
            let (name, meaning, retry) = (exit.name(), exit.meaning(), exit.retry());
            // Writing to a String cannot fail.
            let _ = writeln!(table, "| {codes} | {name} | {meaning} | {retry} |");
        }
        table
    }

    /// The list at the end of every `--help`.
    pub(crate) fn help() -> String {
        let mut list = String::from("Exit codes:\n");
        for (codes, exit) in rows() {
            let codes = codes.replace(' ', "");
            let _ = writeln!(list, "  {codes:>7}  {:<11}  {}", exit.name(), exit.meaning());
        }
        list
    }
}

/// One row for each name, with its codes.
fn rows() -> Vec<(String, Exit)> {
    let mut rows: Vec<(String, Exit)> = Vec::with_capacity(Exit::ALL.len());
    for exit in Exit::ALL {
        match rows.last_mut() {
            Some((codes, last)) if last.name() == exit.name() => {
                let _ = write!(codes, " / {}", exit.code());
            }
            _ => rows.push((exit.code().to_string(), exit)),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_contract_and_rise() {
        let codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 10, 11, 12, 65, 75, 77, 78, 79, 80, 130, 143]);
    }

    #[test]
    fn the_pod_failure_policy_fails_what_no_retry_mends() {
        let fails: Vec<u8> =
            Exit::ALL.iter().filter(|exit| exit.fails_job()).map(|exit| exit.code()).collect();
        assert_eq!(fails, [2, 10, 11, 65, 77, 78, 80]);
    }

    const README: &str = include_str!("../../../README.md");

    #[test]
    fn the_readme_has_this_table_and_these_policies() {
        assert!(README.contains(&Exit::markdown()), "README.md must have:\n{}", Exit::markdown());
        assert_policies("README.md", README);
    }

    fn codes(is_listed: impl Fn(Exit) -> bool) -> String {
        let listed = Exit::ALL.into_iter().filter(|exit| *exit != Exit::Ok && is_listed(*exit));
        listed.map(|exit| exit.code().to_string()).collect::<Vec<_>>().join(", ")
    }

    /// The rules of a policy as the manifests have them, for a container.
    fn policies(container: &str) -> [String; 2] {
        let on_codes = |action: &str, operator: &str, values: &str| {
            format!(
                "- action: {action}\n  onExitCodes:\n    containerName: {container}\n    operator: {operator}\n    \
                 values: [{values}]\n"
            )
        };
        let on_disruption = |action: &str| {
            format!(
                "- action: {action}\n  onPodConditions:\n    - type: DisruptionTarget\n      status: \"True\"\n"
            )
        };
        let without_key =
            |action: PodFailureAction| codes(|exit| exit.pod_failure_action_without_key() == action);
        let others = codes(|exit| exit.pod_failure_action_without_key() != PodFailureAction::FailJob);
        [
            on_codes("FailJob", "In", &codes(Exit::fails_job)) + &on_disruption("Ignore"),
            on_codes("Ignore", "In", &without_key(PodFailureAction::Ignore))
                + &on_codes("Count", "In", &without_key(PodFailureAction::Count))
                + &on_codes("FailJob", "NotIn", &others)
                + &on_disruption("FailJob"),
        ]
    }

    /// Each `podFailurePolicy` in `text` is one of the two; both are there.
    fn assert_policies(place: &str, text: &str) {
        let mut seen = [false; 2];
        for policy in text.split("podFailurePolicy:\n").skip(1) {
            let mut lines = policy.lines();
            let indent = lines.next().expect("rules").find("rules:").expect("rules") + 2;
            let mut rules = String::new();
            for line in lines.take_while(|line| line.len() > indent && line[..indent].trim().is_empty()) {
                rules.push_str(line[indent..].split(" #").next().unwrap_or_default().trim_end());
                rules.push('\n');
            }
            let container = rules.split("containerName: ").nth(1).expect("a container").lines().next();
            let expected = policies(container.expect("a name"));
            let found = expected.iter().position(|policy| *policy == rules);
            let found = found
                .unwrap_or_else(|| panic!("{place} has\n{rules}\nand neither of\n{}", expected.join("\n")));
            seen[found] = true;
        }
        assert_eq!(seen, [true; 2], "{place}: policies with and without a key");
    }

    #[test]
    fn both_signals_share_a_row() {
        let table = Exit::markdown();
        assert!(table.contains(
            "\n| 130 / 143 | interrupted | ended by SIGINT / SIGTERM | with a key: takes over |\n"
        ));
        assert_eq!(table.lines().count(), 2 + 13);
        assert!(Exit::help().contains("  130/143  interrupted  ended by SIGINT"));
    }
}

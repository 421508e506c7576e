//! Which credentials files and environments lead to: ours and botocore's, over generated ones.
//!
//! Both walk the chain against a sandbox of their own, in which every role lets everybody in. Compared is what STS sees:
//! who asks for which role, by which call, with what, in which region; and who one is in the end. Where the two differ,
//! the difference must be one of [`differences`], and each of those must come up.

// Tests: a panic is how a test fails.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::disallowed_methods)]

mod case;
mod differences;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

use case::{ACCOUNTS, Case, FOLDER, USERS, keys_of};
use differences::{Aspect, DIFFERENCES};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use testkit::{Call, Site};

/// So many cases of one seed.
const CASES: usize = 800;
/// So many seeds in `make test`; three times as many more in `make conformance`.
const SEEDS: u8 = 4;

/// How it ended for one of the two.
#[derive(Debug)]
enum End {
    /// What STS saw, the last being who one is.
    Walked(Vec<Step>),
    /// In these words.
    Refused(String),
}

/// A call, as far as the two can be the same in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    operation: String,
    /// Without the name of the session.
    caller: String,
    role: Option<String>,
    /// `None`: the program's own default.
    session: Option<String>,
    external_id: Option<String>,
    duration: Option<String>,
    region: String,
}

impl Step {
    fn of(call: &Call) -> Self {
        let text = |name: &str| call.parameters[name].as_str().map(str::to_owned);
        let is_default = |name: &String| name.starts_with("botocore-session-") || name == "chain-check-pod-1";
        let role = |arn: &str| arn.splitn(3, '/').take(2).collect::<Vec<_>>().join("/");
        Self {
            operation: call.operation.clone(),
            caller: role(&call.caller),
            role: text("RoleArn"),
            session: text("RoleSessionName").filter(|name| !is_default(name)),
            external_id: text("ExternalId"),
            duration: text("DurationSeconds"),
            region: call.region.clone(),
        }
    }

    /// Who asks whom for what.
    fn link(&self) -> (&str, &str, Option<&str>) {
        (&self.operation, &self.caller, self.role.as_deref())
    }
}

/// What was sent since `before`. Looks at oneself on the way are left out, and so are repetitions: botocore takes a
/// session of 15 minutes anew for every request.
fn steps(calls: &[Call]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let last = calls.len().saturating_sub(1);
    for (index, call) in calls.iter().enumerate() {
        let step = Step::of(call);
        if !(steps.contains(&step) || (call.operation == "GetCallerIdentity" && index != last)) {
            steps.push(step);
        }
    }
    steps
}

/// Two accounts whose roles let in everybody of them, and every service account.
fn world() -> String {
    let mut world = String::from(
        "region = 'us-east-2'\n[issuers.cluster]\nurl = 'https://oidc.eks.us-east-2.amazonaws.com/id/EXAMPLE'\n\
         [[container_credentials]]\npath = '/v1/credentials'\nrole = 'arn:aws:iam::111111111111:role/r0'\nsession_name = 'task'\n",
    );
    let [a, b] = ACCOUNTS.map(|account| format!("{{ principal = '{account}' }}"));
    for account in ACCOUNTS {
        writeln!(world, "[accounts.{account}]\noidc_providers = {{ cluster = ['sts.amazonaws.com'] }}")
            .unwrap();
        for number in 0..3 {
            let trust =
                format!("[{a}, {b}, {{ federated = 'cluster', sub = '*', aud = 'sts.amazonaws.com' }}]");
            writeln!(
                world,
                "[accounts.{account}.roles.r{number}]\nmax_session = '12h'\nallow = ['*']\ntrust = {trust}"
            )
            .unwrap();
        }
    }
    for user in USERS {
        let (id, secret) = keys_of(user);
        let account = ACCOUNTS[0];
        writeln!(world, "[accounts.{account}.users.{user}]\naccess_key_id = '{id}'\nsecret_access_key = '{secret}'\nallow = ['*']").unwrap();
    }
    world
}

/// A place of one of the two, in which case follows case.
struct Place {
    site: Site,
    /// Calls that belong to cases before.
    before: usize,
}

impl Place {
    fn new() -> Self {
        let site = Site::bare(conformance::binary("chain-check"), &world());
        site.write_token("system:serviceaccount:ns:sa", "sts.amazonaws.com", Duration::from_hours(10));
        let (id, secret) = keys_of("process");
        let keys = json!({ "Version": 1, "AccessKeyId": id, "SecretAccessKey": secret });
        site.write("process.json", &keys.to_string());
        std::fs::create_dir(site.path(".aws")).unwrap();
        Self { site, before: 0 }
    }

    /// Writes the files of a case; its environment.
    fn prepare(&self, case: &Case) -> BTreeMap<&'static str, String> {
        let here = self.site.path("").display().to_string();
        let put = |text: &str| {
            text.replace(FOLDER, here.trim_end_matches('/')).replace("{sandbox}", &self.site.sandbox.url())
        };
        for file in [".aws/config", ".aws/credentials"] {
            match case.files.get(file) {
                Some(text) => drop(self.site.write(file, &put(text))),
                None => drop(std::fs::remove_file(self.site.path(file))),
            }
        }
        let fixed = [
            ("HOME", FOLDER.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("AWS_ENDPOINT_URL", "{sandbox}".to_owned()),
        ];
        case.env.clone().into_iter().chain(fixed).map(|(name, value)| (name, put(&value))).collect()
    }

    /// What was sent since the last look.
    fn sent(&mut self) -> Vec<Call> {
        let calls = self.site.sandbox.calls();
        let new = calls[self.before..].to_vec();
        self.before = calls.len();
        new
    }

    /// Ours: the real binary.
    fn ours(mut self, cases: &[Case]) -> Vec<End> {
        let mut ends = Vec::new();
        for case in cases {
            let env = self.prepare(case);
            self.site = env.iter().fold(self.site, |site, (name, value)| site.env(name, value));
            let option = case.option.map(|name| format!("--profile={name}"));
            let outcome = self.site.run(option.iter().map(String::as_str).chain(["--output=json"]));
            let sent = self.sent();
            ends.push(match outcome.code {
                0 => End::Walked(steps(&sent)),
                code => {
                    let said = outcome.termination()["error"].as_str().unwrap_or_default().to_owned();
                    // Said by STS, or found before anything is sent.
                    let found = sent.iter().all(|call| call.error.is_none());
                    let its_own = code == 78 || said.contains("credential_process");
                    assert!(
                        !found || (its_own && sent.is_empty()),
                        "{code} after {sent:#?}: {said}
{case:#?}"
                    );
                    End::Refused(said)
                }
            });
            self.site = env.keys().fold(self.site, |site, name| site.without(name));
        }
        ends
    }

    /// botocore's.
    fn theirs(mut self, cases: &[Case]) -> Vec<End> {
        let mut judge = Judge::start();
        let mut ends = Vec::new();
        for case in cases {
            let answer = judge.ask(&json!({ "env": self.prepare(case), "profile": case.option }));
            let sent = self.sent();
            ends.push(match answer["refused"].as_str() {
                None => End::Walked(steps(&sent)),
                Some(said) => End::Refused(said.to_owned()),
            });
        }
        ends
    }
}

/// `plan.py`.
struct Judge {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Judge {
    fn start() -> Self {
        let mut command = conformance::python("plan.py");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3, as setup has seen it");
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdin, stdout }
    }

    fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.stdin, "{question}").expect("the judge runs");
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("the judge answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the two ends differ.
fn aspects(ours: &End, theirs: &End) -> Vec<Aspect> {
    let (ours, theirs) = match (ours, theirs) {
        (End::Refused(_), End::Refused(_)) => return Vec::new(),
        (End::Refused(_), End::Walked(_)) => return vec![Aspect::OnlyWeRefuse],
        (End::Walked(_), End::Refused(_)) => return vec![Aspect::OnlyTheyRefuse],
        (End::Walked(ours), End::Walked(theirs)) => (ours, theirs),
    };
    if !ours.iter().map(Step::link).eq(theirs.iter().map(Step::link)) {
        return vec![Aspect::Chain];
    }
    let differs = |of: fn(&Step) -> &Option<String>| ours.iter().map(of).ne(theirs.iter().map(of));
    [
        (Aspect::SessionName, differs(|step| &step.session)),
        (Aspect::ExternalId, differs(|step| &step.external_id)),
        (Aspect::Duration, differs(|step| &step.duration)),
        (Aspect::Region, ours.iter().map(|step| &step.region).ne(theirs.iter().map(|step| &step.region))),
    ]
    .into_iter()
    .filter_map(|(aspect, differs)| differs.then_some(aspect))
    .collect()
}

/// The differences that come up in the cases of a seed, and in how many cases there is none.
fn compare(seed: u8) -> (BTreeSet<&'static str>, usize) {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = case::case();
    let cases: Vec<Case> = (0..CASES).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect();
    let (ours, theirs) = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| Place::new().theirs(&cases));
        (Place::new().ours(&cases), theirs.join().unwrap())
    });
    let (mut known, mut alike, mut unexplained) = (BTreeSet::new(), 0, String::new());
    for ((case, ours), theirs) in cases.iter().zip(&ours).zip(&theirs) {
        let aspects = aspects(ours, theirs);
        alike += usize::from(aspects.is_empty() && matches!(ours, End::Walked(_)));
        for aspect in aspects {
            let difference = differences::Difference { aspect, case, ours, theirs };
            match DIFFERENCES.iter().find(|reason| (reason.is)(&difference)) {
                Some(reason) => drop(known.insert(reason.what)),
                None => writeln!(unexplained, "{difference:#?}").unwrap(),
            }
        }
    }
    assert!(unexplained.is_empty(), "differences without a reason:\n{unexplained}");
    (known, alike)
}

#[test]
fn botocore_takes_the_same_way_but_for_what_is_told() {
    let (mut seen, mut same) = (BTreeSet::new(), 0);
    for seed in 0..SEEDS {
        let (of, walked) = compare(seed);
        seen.extend(of);
        same += walked;
    }
    assert!(same > CASES / 2, "only {same} cases lead anywhere");
    let unseen: Vec<_> =
        DIFFERENCES.iter().map(|known| known.what).filter(|name| !seen.contains(name)).collect();
    assert!(unseen.is_empty(), "told, but do not come up: {unseen:?}");
}

#[test]
#[ignore = "minutes: `make conformance`"]
fn botocore_takes_the_same_way_for_long() {
    for seed in SEEDS..4 * SEEDS {
        compare(seed);
    }
}

/// What the README says of it is what is tested.
#[test]
fn the_readme_has_every_difference() {
    let mut table = String::from("| written | botocore | ours | why |\n| --- | --- | --- | --- |\n");
    for known in DIFFERENCES {
        writeln!(table, "| {} | {} | {} | {} |", known.what, known.botocore, known.ours, known.why).unwrap();
    }
    let readme = include_str!("../../README.md");
    assert!(readme.contains(&table), "the table of README.md should be:\n{table}");
}

//! Generated files and environments: what people write into them, and what slips in.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::select;

/// Stands for the folder of a case in everything that is generated.
pub(crate) const FOLDER: &str = "{folder}";
/// The accounts of the world.
pub(crate) const ACCOUNTS: [&str; 2] = ["111111111111", "222222222222"];
/// Its users: who the keys of the environment, of profiles, and those that a process prints belong to.
pub(crate) const USERS: [&str; 5] = ["env", "process", "ka", "kb", "kc"];

/// Keys of a user; both are made of its name.
pub(crate) fn keys_of(user: &str) -> (String, String) {
    (format!("AKIA{:X<16}", user.to_uppercase()), format!("{user:/<40}"))
}

/// What a process is started with.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// By their paths in the folder.
    pub(crate) files: BTreeMap<&'static str, String>,
    pub(crate) env: BTreeMap<&'static str, String>,
    /// `--profile`.
    pub(crate) option: Option<&'static str>,
}

/// A section of a file.
#[derive(Clone, Debug)]
struct Section {
    name: &'static str,
    keys: BTreeMap<&'static str, String>,
}

const NAMES: [&str; 5] = ["default", "a", "b", "c", "two words"];

/// A profile's name; now and then one that nobody has.
fn name() -> impl Strategy<Value = &'static str> {
    prop_oneof![20 => select(&NAMES[..]), 1 => Just("gone")]
}

fn role() -> impl Strategy<Value = String> {
    let good = (select(&ACCOUNTS[..]), 0..3)
        .prop_map(|(account, number)| format!("arn:aws:iam::{account}:role/r{number}"));
    prop_oneof![30 => good, 1 => Just("arn:aws:iam::111111111111:user/env".to_owned()), 1 => Just("r1".to_owned())]
}

fn token_file() -> impl Strategy<Value = String> {
    prop_oneof![8 => Just(format!("{FOLDER}/token")), 1 => Just(format!("{FOLDER}/no-token"))]
}

type Keys = Vec<(&'static str, String)>;

fn pair(key: &'static str, value: impl Into<String>) -> (&'static str, String) {
    (key, value.into())
}

/// A pair of which one is missing now and then.
fn all_but(missing: usize, mut pair: Keys) -> Keys {
    if missing < pair.len() {
        pair.remove(missing);
    }
    pair
}

/// Access keys in a profile, whole but for a few.
fn access_keys() -> impl Strategy<Value = Keys> {
    (select(&USERS[2..]), 0..30usize).prop_map(|(user, half)| {
        let (id, secret) = keys_of(user);
        let keys = vec![pair("aws_access_key_id", id), pair("aws_secret_access_key", secret)];
        all_but(half, keys)
    })
}

fn process() -> impl Strategy<Value = Keys> {
    Just(vec![pair("credential_process", format!("/bin/cat {FOLDER}/process.json"))])
}

fn web_identity() -> impl Strategy<Value = Keys> {
    (role(), token_file())
        .prop_map(|(role, file)| vec![pair("role_arn", role), pair("web_identity_token_file", file)])
}

fn source_profile() -> impl Strategy<Value = Keys> {
    (role(), name()).prop_map(|(role, name)| vec![pair("role_arn", role), pair("source_profile", name)])
}

fn credential_source() -> impl Strategy<Value = Keys> {
    let source = prop_oneof![
        6 => Just("Environment"), 6 => Just("EcsContainer"), 2 => Just("environment"), 2 => Just("ecscontainer"),
        1 => Just("Ec2Container"),
    ];
    (role(), source)
        .prop_map(|(role, source)| vec![pair("role_arn", role), pair("credential_source", source)])
}

/// What gives a profile its credentials, or does not.
fn body() -> impl Strategy<Value = Keys> {
    let one = || {
        prop_oneof![
            5 => access_keys().boxed(), 8 => source_profile().boxed(), 4 => web_identity().boxed(),
            3 => credential_source().boxed(), 2 => process().boxed(), 1 => Just(Vec::new()).boxed(),
            1 => role().prop_map(|role| vec![pair("role_arn", role)]).boxed(),
            1 => token_file().prop_map(|file| vec![pair("web_identity_token_file", file)]).boxed(),
        ]
    };
    prop_oneof![6 => one().boxed(), 2 => (one(), one()).prop_map(|(one, other)| [one, other].concat()).boxed()]
}

fn session_name() -> impl Strategy<Value = String> {
    prop_oneof![12 => select(vec!["nightly", "s-1", "a.b@c=d,e+f"]).prop_map(str::to_owned), 2 => Just("two words".to_owned()), 1 => Just("x".to_owned())]
}

/// What a profile may say besides.
fn more() -> impl Strategy<Value = Keys> {
    let maybe = |key: &'static str, chance, values: BoxedStrategy<String>| {
        prop::option::weighted(chance, values).prop_map(move |value| value.map(|value| (key, value)))
    };
    let text = |values: Vec<&'static str>| select(values).prop_map(str::to_owned).boxed();
    let duration = prop_oneof![
        12 => text(vec!["900", "1800", "3600"]), 1 => text(vec!["7200", "43200"]), 1 => text(vec!["899", "soon", "1h"]),
    ];
    (
        maybe("role_session_name", 0.3, session_name().boxed()),
        maybe(
            "external_id",
            0.25,
            prop_oneof![9 => text(vec!["ticket-7", "a:b/c"]), 1 => text(vec!["two words"])].boxed(),
        ),
        maybe("duration_seconds", 0.2, duration.boxed()),
        maybe("region", 0.4, text(vec!["us-east-2", "eu-central-1"])),
        maybe("mfa_serial", 0.02, text(vec!["arn:aws:iam::111111111111:mfa/me"])),
        maybe("output", 0.1, text(vec!["json"])),
    )
        .prop_map(|(name, id, duration, region, mfa, output)| {
            [name, id, duration, region, mfa, output].into_iter().flatten().collect()
        })
}

fn section() -> impl Strategy<Value = Section> {
    (select(&NAMES[..]), body(), more())
        .prop_map(|(name, body, more)| Section { name, keys: body.into_iter().chain(more).collect() })
}

/// How a file is written, where it is not as everybody writes it.
#[derive(Clone, Copy, Debug)]
enum Style {
    Plain,
    /// `key=value`, blanks around headers and at ends of lines.
    Terse,
    /// `"value"`
    Quoted,
    /// A comment behind a value.
    Comment,
    /// Lines of comments between all others.
    Comments,
    /// `KEY = value`
    Capitals,
    /// `key: value`
    Colons,
    /// `\r\n`
    Windows,
    /// A section of its own below a key.
    Nested,
    /// All but the first key are indented.
    Indented,
    /// A header without `profile `, or with it where it does not belong.
    Prefix,
    /// The first section comes twice.
    Twice,
}

fn style() -> impl Strategy<Value = Style> {
    use Style::{
        Capitals, Colons, Comment, Comments, Indented, Nested, Plain, Prefix, Quoted, Terse, Twice, Windows,
    };
    let odd = select(vec![
        Terse, Quoted, Comment, Comments, Capitals, Colons, Windows, Nested, Indented, Prefix, Twice,
    ]);
    prop_oneof![3 => Just(Plain), 2 => odd]
}

/// The text of a file.
fn file(sections: &[Section], config: bool, style: Style) -> String {
    let mut seen = Vec::new();
    let once = sections.iter().filter(|section| {
        let new = !seen.contains(&section.name);
        seen.push(section.name);
        new
    });
    let again = sections.first().filter(|_| matches!(style, Style::Twice));
    let mut text = String::new();
    for section in once.chain(again) {
        let prefix = config && section.name != "default";
        let name = if section.name.contains(' ') && config {
            format!("\"{}\"", section.name)
        } else {
            section.name.to_owned()
        };
        let header = match (prefix != matches!(style, Style::Prefix), style) {
            (true, Style::Terse) => format!("[ profile {name} ]  "),
            (true, _) => format!("[profile {name}]"),
            (false, _) => format!("[{name}]"),
        };
        writeln!(text, "{header}").unwrap();
        if matches!(style, Style::Nested) {
            text += "s3 =\n  role_arn = nested\n  max_queue_size = 10\n";
        }
        for (index, (key, value)) in section.keys.iter().enumerate() {
            match style {
                Style::Terse => writeln!(text, "{key}={value} \t"),
                Style::Quoted => writeln!(text, "{key} = \"{value}\""),
                Style::Comment => writeln!(text, "{key} = {value} # what it is"),
                Style::Comments => writeln!(text, "# {key} = x\n{key} = {value}\n; {key} = x\n"),
                Style::Capitals => writeln!(text, "{} = {value}", key.to_uppercase()),
                Style::Colons => writeln!(text, "{key}: {value}"),
                Style::Indented if index > 0 => writeln!(text, "  {key} = {value}"),
                _ => writeln!(text, "{key} = {value}"),
            }
            .unwrap();
        }
        text.push('\n');
    }
    if matches!(style, Style::Windows) { text.replace('\n', "\r\n") } else { text }
}

/// Variables of the environment, each there or not.
fn env() -> impl Strategy<Value = BTreeMap<&'static str, String>> {
    let keys = prop::option::weighted(0.25, 0..25usize).prop_map(|half| {
        let (id, secret) = keys_of("env");
        let both = [("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret)];
        half.map_or_else(Vec::new, |half| all_but(half, both.to_vec()))
    });
    let web_identity = prop::option::weighted(0.3, (0..20usize, role(), token_file())).prop_map(|some| {
        some.map_or_else(Vec::new, |(half, role, file)| {
            let both = [("AWS_ROLE_ARN", role), ("AWS_WEB_IDENTITY_TOKEN_FILE", file)];
            all_but(half, both.to_vec())
        })
    });
    let one = |variable: &'static str, chance, values: BoxedStrategy<String>| {
        prop::option::weighted(chance, values).prop_map(move |value| value.map(|value| (variable, value)))
    };
    let text = |values: Vec<&'static str>| select(values).prop_map(str::to_owned).boxed();
    let named = prop_oneof![40 => name(), 1 => Just("")].prop_map(str::to_owned).boxed();
    let others = (
        one("AWS_PROFILE", 0.6, named.clone()),
        one("AWS_DEFAULT_PROFILE", 0.08, named),
        one("AWS_ROLE_SESSION_NAME", 0.08, session_name().boxed()),
        one("AWS_DEFAULT_REGION", 0.85, text(vec!["us-east-2", "us-east-1", "eu-west-1"])),
        one("AWS_REGION", 0.1, text(vec!["us-east-2", "eu-west-3"])),
        one("AWS_CONTAINER_CREDENTIALS_FULL_URI", 0.2, Just("{sandbox}/v1/credentials".to_owned()).boxed()),
        one(
            "AWS_CONFIG_FILE",
            0.3,
            prop_oneof![8 => Just("config"), 1 => Just("gone")]
                .prop_map(|file| format!("{FOLDER}/.aws/{file}"))
                .boxed(),
        ),
    )
        .prop_map(|(a, b, c, d, e, f, g)| [a, b, c, d, e, f, g].into_iter().flatten().collect::<Vec<_>>());
    (keys, web_identity, others)
        .prop_map(|(keys, web, others)| [keys, web, others].concat().into_iter().collect())
}

pub(crate) fn case() -> impl Strategy<Value = Case> {
    let sections = |most| prop::collection::vec(section(), 0..=most);
    let option = prop::option::weighted(0.12, name());
    (sections(5), sections(2), style(), style(), env(), option).prop_map(
        |(config, credentials, style, other, env, option)| {
            let mut files = BTreeMap::new();
            if !config.is_empty() {
                files.insert(".aws/config", file(&config, true, style));
            }
            if !credentials.is_empty() {
                files.insert(".aws/credentials", file(&credentials, false, other));
            }
            Case { files, env, option }
        },
    )
}

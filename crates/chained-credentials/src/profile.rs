//! The AWS CLI's two files and the profiles in them. Fails closed: whatever is named and not there is an error,
//! never a reason to look elsewhere.

use std::io::ErrorKind as Io;
use std::path::{Path, PathBuf};

use aws_config::profile::{self, ProfileSet};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_runtime::env_config::property::PropertiesKey;
use aws_types::os_shim_internal::{Env as NoEnv, Fs};

use crate::env::{self, Env};
use crate::error::ConfigError;
use crate::file;

/// No config file is longer; one that never ends is not read to the end of the memory.
const LONGEST_FILE: usize = 16 * 1024 * 1024;

/// Keys that mark a profile as made for people.
const FOR_PEOPLE: [&str; 5] =
    ["sso_session", "sso_start_url", "sso_account_id", "sso_role_name", "login_session"];

/// Keys that are read here and in the plan, and whose values are one line.
const LINES: [&str; 14] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "credential_process",
    "credential_source",
    "duration_seconds",
    "endpoint_url",
    "external_id",
    "region",
    "role_arn",
    "role_session_name",
    "services",
    "source_profile",
    "web_identity_token_file",
];

/// The config file and the credentials file, as far as they are there.
pub(crate) struct ProfileFiles {
    /// The credentials file first: where both have a key of a profile, it wins, as for the AWS CLI.
    files: Vec<ProfileFile>,
}

struct ProfileFile {
    path: PathBuf,
    sections: ProfileSet,
    /// Names in `[name]` headers of a config file, which only `[profile name]` makes profiles.
    bare_sections: Vec<String>,
}

/// One profile over both files.
#[derive(Clone, Copy)]
pub(crate) struct Profile<'f> {
    pub(crate) name: &'f str,
    files: &'f ProfileFiles,
}

impl ProfileFiles {
    /// Reads both files. One that a variable names must be there; one at its usual place need not be.
    pub(crate) async fn read(env: &Env) -> Result<Self, ConfigError> {
        let mut files = Vec::new();
        for (variable, usual, kind) in [
            (env::SHARED_CREDENTIALS_FILE, ".aws/credentials", EnvConfigFileKind::Credentials),
            (env::CONFIG_FILE, ".aws/config", EnvConfigFileKind::Config),
        ] {
            let (path, named) = match (env.get(variable), env.get(env::HOME)) {
                (Some(path), home) => (expand_home(path, home), true),
                (None, Some(home)) => (Path::new(home).join(usual), false),
                (None, None) => continue,
            };
            match file::read_text(&path, LONGEST_FILE).await {
                Ok(text) => files.push(ProfileFile::parse(path, kind, &text).await?),
                Err(error) if !named && matches!(error.kind(), Io::NotFound | Io::NotADirectory) => {}
                Err(error) => return Err(unreadable(if named { variable } else { "HOME" }, &path, &error)),
            }
        }
        Ok(Self { files })
    }

    /// The profile `name`, asked for by `asked_by`.
    pub(crate) fn profile<'f>(&'f self, name: &'f str, asked_by: &str) -> Result<Profile<'f>, ConfigError> {
        if self.files.iter().any(|file| file.sections.get_profile(name).is_some()) {
            let profile = Profile { name, files: self };
            // Not shown: the lines that were swallowed can be secret.
            return match LINES.iter().find(|key| profile.get(key).is_some_and(|value| value.contains('\n'))) {
                Some(key) => Err(profile.wrong(format!(
                    "has a {key} that goes on in the next line: an indented line belongs to the one before it"
                ))),
                None => Ok(profile),
            };
        }
        let bare = self.files.iter().find(|file| file.bare_sections.iter().any(|section| section == name));
        let hint = match bare {
            Some(file) => {
                format!("; {} has a section [{name}], which must read [profile {name}]", file.path.display())
            }
            None => match self.names().as_slice() {
                [] => "; no profile is defined there".to_owned(),
                names => format!("; profiles there: {}", names.join(", ")),
            },
        };
        Err(ConfigError::NoProfile {
            name: name.into(),
            asked_by: asked_by.into(),
            files: self.describe(),
            hint,
        })
    }

    /// The profile `default`, if one of its keys leads to credentials.
    pub(crate) fn default_with_credentials(&self) -> Option<Profile<'_>> {
        let profile = Profile { name: "default", files: self };
        let leads = |key: &&str| profile.get(key).is_some();
        [
            "role_arn",
            "aws_access_key_id",
            "aws_secret_access_key",
            "credential_process",
            "web_identity_token_file",
        ]
        .iter()
        .chain(&FOR_PEOPLE)
        .any(leads)
        .then_some(profile)
    }

    /// The paths, for messages.
    pub(crate) fn describe(&self) -> String {
        match self.files.as_slice() {
            [] => "any file (neither ~/.aws/config nor ~/.aws/credentials is there)".to_owned(),
            files => {
                files.iter().map(|file| file.path.display().to_string()).collect::<Vec<_>>().join(" or ")
            }
        }
    }

    fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.files.iter().flat_map(|file| file.sections.profiles()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// Reads a config file, and every profile in it.
pub(crate) async fn fuzz(text: &str) {
    let Ok(file) = ProfileFile::parse(PathBuf::new(), EnvConfigFileKind::Config, text).await else { return };
    let files = ProfileFiles { files: vec![file] };
    for name in files.names() {
        if let Ok(profile) = files.profile(name, "") {
            let _ = (
                profile.refuse_interactive(),
                profile.get("role_arn"),
                profile.service("sts", "endpoint_url"),
            );
        }
    }
}

impl ProfileFile {
    /// The SDK's parser knows the format; it is given the text, so that it looks nowhere by itself.
    async fn parse(path: PathBuf, kind: EnvConfigFileKind, text: &str) -> Result<Self, ConfigError> {
        let bare_sections = match kind {
            EnvConfigFileKind::Config => bare_sections(text),
            EnvConfigFileKind::Credentials => Vec::new(),
        };
        let files = EnvConfigFiles::builder().with_contents(kind, text).build();
        let sections = profile::load(&Fs::real(), &NoEnv::from_slice(&[]), &files, None).await;
        let sections = sections.map_err(|error| ConfigError::Format {
            path: path.display().to_string(),
            // The parser's texts have lines, and a place for the path that it was not given.
            problem: crate::container::innermost(&error).split_whitespace().collect::<Vec<_>>().join(" "),
        })?;
        Ok(Self { path, sections, bare_sections })
    }
}

impl<'f> Profile<'f> {
    /// The value of `key`, unless absent or empty.
    pub(crate) fn get(&self, key: &str) -> Option<&'f str> {
        self.lookup(key).map(|(value, _)| value)
    }

    fn lookup(&self, key: &str) -> Option<(&'f str, &'f ProfileFile)> {
        self.files.files.iter().find_map(|file| {
            let value = file.sections.get_profile(self.name)?.get(key)?.trim();
            (!value.is_empty()).then_some((value, file))
        })
    }

    /// The value of `key` of service `id` in the section that the profile's `services` key names.
    pub(crate) fn service(&self, id: &str, key: &str) -> Option<&'f str> {
        let section = self.get("services")?;
        let key = PropertiesKey::builder()
            .section_key("services")
            .section_name(section)
            .property_name(id.to_lowercase().replace(' ', "_"))
            .sub_property_name(key)
            .build()
            .ok()?;
        self.files.files.iter().find_map(|file| file.sections.other_sections().get(&key)).map(String::as_str)
    }

    /// Where `key` stands, for messages.
    pub(crate) fn place(&self, key: &str) -> String {
        let file = self
            .lookup(key)
            .map_or_else(|| self.files.describe(), |(_, file)| file.path.display().to_string());
        format!("{file}, profile `{}`, key {key}", self.name)
    }

    /// An error about the whole profile.
    pub(crate) fn wrong(&self, problem: impl Into<String>) -> ConfigError {
        let holds = |file: &&ProfileFile| file.sections.get_profile(self.name).is_some();
        let file = self.files.files.iter().rfind(holds).map(|file| file.path.display().to_string());
        ConfigError::Profile {
            name: self.name.into(),
            file: file.unwrap_or_default(),
            problem: problem.into(),
        }
    }

    /// Refuses what only a person can answer.
    pub(crate) fn refuse_interactive(&self) -> Result<(), ConfigError> {
        if let Some(key) = FOR_PEOPLE.iter().find(|key| self.get(key).is_some()) {
            return Err(self.wrong(format!(
                "has {key}: single sign-on is for people and its session ends; a job needs a web identity, a container \
                 role or a source_profile that leads to one"
            )));
        }
        if self.get("mfa_serial").is_some() {
            return Err(
                self.wrong("has mfa_serial, but nobody is there to type a code; use a role without MFA")
            );
        }
        Ok(())
    }
}

/// `~` as the AWS CLI expands it.
fn expand_home(path: &str, home: Option<&str>) -> PathBuf {
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => Path::new(home).join(rest),
        _ => PathBuf::from(path),
    }
}

fn unreadable(variable: &'static str, path: &Path, error: &std::io::Error) -> ConfigError {
    let hint = match error.kind() {
        Io::IsADirectory => {
            "; a ConfigMap mounted with subPath becomes a directory when the key is absent: mount the directory and \
             name the file in it"
        }
        Io::NotFound => "; is the volume mounted, and is the key's name right?",
        _ => "",
    };
    ConfigError::File { variable, path: path.display().to_string(), problem: io_problem(error), hint }
}

/// What a file system error means for a reader.
pub(crate) fn io_problem(error: &std::io::Error) -> String {
    match error.kind() {
        Io::NotFound => "does not exist".to_owned(),
        Io::IsADirectory => "is a directory".to_owned(),
        Io::PermissionDenied => "may not be read by this user".to_owned(),
        Io::InvalidData => "is not UTF-8 text".to_owned(),
        Io::NotADirectory => "goes through something that is not a directory".to_owned(),
        Io::InvalidInput => "is not a regular file".to_owned(),
        _ => format!("cannot be read ({error})"),
    }
}

/// Names in `[name]` headers: the prefix `profile ` is forgotten easily, and then the section counts for nothing.
fn bare_sections(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix('[')?.split_once(']').map(|(name, _)| name.trim()))
        .filter(|name| *name != "default" && !name.contains(char::is_whitespace))
        .map(str::to_owned)
        .collect()
}

//! Where we differ from botocore, and why: what [`README.md`](../../README.md) has a table of.

use std::fmt;

use crate::End;
use crate::case::Case;

/// What is not the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aspect {
    OnlyWeRefuse,
    OnlyTheyRefuse,
    /// Other roles, or others who take them.
    Chain,
    SessionName,
    ExternalId,
    Duration,
    Region,
}

/// Something that is not the same, and what led to it.
pub(crate) struct Difference<'a> {
    pub(crate) aspect: Aspect,
    pub(crate) case: &'a Case,
    pub(crate) ours: &'a End,
    pub(crate) theirs: &'a End,
}

impl Difference<'_> {
    /// Only we refuse, in these words.
    fn we_refuse(&self, words: &str) -> bool {
        self.aspect == Aspect::OnlyWeRefuse && matches!(self.ours, End::Refused(said) if said.contains(words))
    }

    /// Only botocore refuses, in these words.
    fn they_refuse(&self, words: &str) -> bool {
        self.aspect == Aspect::OnlyTheyRefuse
            && matches!(self.theirs, End::Refused(said) if said.contains(words))
    }

    /// Somewhere in the files.
    fn is_written(&self, text: &str) -> bool {
        self.case.files.values().any(|file| file.contains(text))
    }

    fn is_set(&self, variable: &str) -> bool {
        self.case.env.get(variable).is_some_and(|value| !value.is_empty())
    }

    /// botocore takes a role with the token of the environment, or fails with it.
    fn they_take_the_pods_identity(&self) -> bool {
        let theirs = match self.theirs {
            End::Walked(steps) => steps[0].operation == "AssumeRoleWithWebIdentity",
            End::Refused(said) => {
                ["AssumeRoleWithWebIdentity", "No such file", "web identity", "ParamValidationError"]
                    .iter()
                    .any(|words| said.contains(words))
            }
        };
        theirs
            && (self.is_set("AWS_WEB_IDENTITY_TOKEN_FILE") || self.is_set("AWS_ROLE_ARN"))
            && self.case.option.is_none()
            && !self.has_keys()
    }

    /// The environment has access keys, and no option names a profile that would come before them.
    fn has_keys(&self) -> bool {
        self.case.option.is_none() && self.is_set("AWS_ACCESS_KEY_ID") && self.is_set("AWS_SECRET_ACCESS_KEY")
    }
}

impl fmt::Debug for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { aspect, case, ours, theirs } = self;
        writeln!(f, "===== {aspect:?}, --profile {:?}, {:?}", case.option, case.env)?;
        for (name, text) in &case.files {
            writeln!(f, "--- {name}\n{text}")?;
        }
        writeln!(f, "--- we: {ours:?}\n--- botocore: {theirs:?}")
    }
}

/// A difference that is wanted, or borne. The first that fits a case is the one.
pub(crate) struct Known {
    /// What is written there.
    pub(crate) what: &'static str,
    pub(crate) botocore: &'static str,
    pub(crate) ours: &'static str,
    pub(crate) why: &'static str,
    pub(crate) is: fn(&Difference<'_>) -> bool,
}

pub(crate) const DIFFERENCES: &[Known] = &[
    Known {
        what: "more than one of `source_profile`, `credential_source`, `web_identity_token_file`",
        botocore: "takes one of them",
        ours: "refused",
        why: "a job must not choose whose work it does",
        is: |it| {
            it.we_refuse("has more than one of source_profile, credential_source and web_identity_token_file")
        },
    },
    Known {
        what: "a profile that is named and leads to no credentials",
        botocore: "goes on to web identity or the container",
        ours: "refused",
        why: "in a pod that is the pod's own role, in the wrong account",
        is: |it| it.we_refuse("leads to no credentials"),
    },
    Known {
        what: "web identity in the environment beside a profile, or `default`, that has other credentials than by `source_profile`",
        botocore: "the environment's",
        ours: "the profile's",
        why: "a webhook puts it into every pod; the profile was written on purpose",
        is: |it| {
            matches!(it.aspect, Aspect::Chain | Aspect::OnlyTheyRefuse | Aspect::OnlyWeRefuse)
                && !it.we_refuse("AWS_CONFIG_FILE names")
                && it.they_take_the_pods_identity()
        },
    },
    Known {
        what: "access keys in a profile beside `credential_process` or `web_identity_token_file`",
        botocore: "takes one of them, by the file that each stands in",
        ours: "refused",
        why: "which of them is meant, one file does not say",
        is: |it| it.we_refuse(" beside aws_access_key_id"),
    },
    Known {
        what: "`web_identity_token_file` without `role_arn`, beside `credential_process`",
        botocore: "refused",
        ours: "the process",
        why: "a token without a role is nobody",
        is: |it| it.they_refuse("has no role ARN configured"),
    },
    Known {
        what: "half of a pair: a key id without its secret, or the other way round",
        botocore: "goes on, where it is the id that is missing, or where it needs neither",
        ours: "refused",
        why: "a secret is not mounted",
        is: |it| it.we_refuse("is set, but ") || it.we_refuse(", but no aws_"),
    },
    Known {
        what: "`mfa_serial` where no role is assumed with it",
        botocore: "does not look at it",
        ours: "refused",
        why: "the profile was made for a person",
        is: |it| it.we_refuse("has mfa_serial"),
    },
    Known {
        what: "an indented line below `key = value`",
        botocore: "takes it for part of the value, and a `duration_seconds` that is no number for none",
        ours: "refused",
        why: "the keys on the lines below are lost",
        is: |it| it.we_refuse("goes on in the next line"),
    },
    Known {
        what: "a value that STS would not take, where botocore does not send it",
        botocore: "does not look at it",
        ours: "refused",
        why: "it is found before the day that it is needed",
        is: |it| it.we_refuse(" must be "),
    },
    Known {
        what: "`AWS_CONFIG_FILE` names a file that is not there",
        botocore: "counts it as empty",
        ours: "refused",
        why: "a volume is not mounted",
        is: |it| it.we_refuse("AWS_CONFIG_FILE names"),
    },
    Known {
        what: "a profile's name with a blank in it",
        botocore: "takes it, in quotes",
        ours: "not found",
        why: "the SDK's reader has none; it is refused by its name",
        is: |it| {
            it.we_refuse("profile `two words` (")
                // Its region is not found.
                || (it.we_refuse("no region") && it.case.env.values().any(|value| value == "two words"))
        },
    },
    Known {
        what: "`[ profile a ]`",
        botocore: "no profile",
        ours: "profile `a`",
        why: "so does the SDK that reads the files here",
        is: |it| {
            it.is_written("[ profile ")
                && ["could not be found", "does not exist"].iter().any(|words| it.they_refuse(words))
                || ((it.we_refuse("is not in ") || it.we_refuse("but neither AWS_CONTAINER"))
                    && it.is_written("[ profile "))
        },
    },
    Known {
        what: "`credential_source = environment`",
        botocore: "knows `Environment` only",
        ours: "in any case",
        why: "so does the SDK that reads the files here",
        is: |it| it.they_refuse("The credential source"),
    },
    Known {
        what: "`key: value`",
        botocore: "as `key = value`",
        ours: "refused",
        why: "the SDK's reader has none, nor has AWS's description of the format",
        is: |it| it.we_refuse("is not an AWS config file"),
    },
    Known {
        what: "a section that comes twice",
        botocore: "refused",
        ours: "merged",
        why: "so does the SDK that reads the files here",
        is: |it| it.they_refuse("ConfigParseError"),
    },
    Known {
        what: "`value # comment`",
        botocore: "takes the comment for part of the value",
        ours: "leaves it out",
        why: "so does the SDK that reads the files here",
        is: |it| {
            it.they_refuse("# what it is")
                || (it.they_refuse("InvalidClientTokenId") && it.is_written("# what it is"))
                || it.they_refuse("/bin/cat: what")
        },
    },
    Known {
        what: "access keys in the environment beside the name of a profile that is not there",
        botocore: "refused",
        ours: "the keys",
        why: "they come before the profile, and a line of the log says so",
        is: |it| it.has_keys() && it.they_refuse("ProfileNotFound"),
    },
    Known {
        what: "`AWS_PROFILE` or `AWS_DEFAULT_PROFILE` is empty",
        botocore: "looks for a profile without a name",
        ours: "as if it were not set",
        why: "manifests unset variables so",
        is: |it| it.they_refuse("profile () could not be found"),
    },
    Known {
        what: "`AWS_PROFILE` and `AWS_DEFAULT_PROFILE` are set, and differ",
        botocore: "`AWS_DEFAULT_PROFILE`",
        ours: "`AWS_PROFILE`",
        why: "one name for one thing; the SDK knows no other",
        is: |it| {
            let [one, other] = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"].map(|name| it.case.env.get(name));
            it.case.option.is_none() && one.is_some() && other.is_some() && one != other
        },
    },
    Known {
        what: "`AWS_REGION`, or `region` in a `source_profile` only",
        botocore: "does not know it",
        ours: "comes before `AWS_DEFAULT_REGION` and the profile's",
        why: "so does the SDK; where two disagree, the log says which won",
        is: |it| (it.is_set("AWS_REGION") && it.aspect == Aspect::Region) || it.they_refuse("NoRegionError"),
    },
    Known {
        what: "`duration_seconds` beside `web_identity_token_file`",
        botocore: "does not send it",
        ours: "sent",
        why: "STS takes it",
        is: |it| it.aspect == Aspect::Duration,
    },
    Known {
        what: "`AWS_ROLE_SESSION_NAME`, or a profile's `role_session_name` beside web identity of the environment",
        botocore: "either names the session of web identity, and no other",
        ours: "the variable names all sessions, the key those of its profile",
        why: "so that one trail has one name",
        is: |it| {
            it.aspect == Aspect::SessionName
                && (it.is_set("AWS_ROLE_SESSION_NAME") || it.they_take_the_pods_identity())
        },
    },
];

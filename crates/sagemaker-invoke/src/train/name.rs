//! The name of a training job, which is what makes starting it once possible: `SageMaker` takes each name once.

use job_runtime::digest;

use super::spec::Spec;

/// The longest name of a job.
const LONGEST: usize = 63;

/// How many digits of the key's digest are in a name. Names last for ever, and two keys must not share one.
const DIGITS: usize = 16;

/// The base of a name that neither the options nor the specification give.
const NAMELESS: &str = "sagemaker-invoke";

/// The name of the job, in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    base: String,
    /// The key's digest, where the key is what makes the name its own.
    digest: Option<String>,
}

impl Name {
    /// The name given, else the specification's, which the key makes its own. Without any of them there is none.
    pub(crate) fn new(given: Option<&str>, spec: &Spec, key: Option<&str>) -> Option<Self> {
        let (base, digest) = match (given, key) {
            (Some(given), _) => (given, None),
            (None, Some(key)) => (spec.name().unwrap_or(NAMELESS), Some(digest(key, DIGITS))),
            (None, None) => (spec.name()?, None),
        };
        Some(Self { base: base.to_owned(), digest })
    }

    /// The name of the `n`-th attempt at the same work, counted from 1. The base makes room for what follows it.
    pub(crate) fn numbered(&self, n: u32) -> String {
        let digest = self.digest.as_ref().map(|digest| format!("-{digest}")).unwrap_or_default();
        let number = if n > 1 { format!("-{n}") } else { String::new() };
        let room = LONGEST - digest.len() - number.len();
        let base: String = self.base.chars().take(room).collect();
        format!("{}{digest}{number}", base.trim_end_matches('-'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::spec::tests::spec;

    /// What one process writes and the next one reads: public interface.
    #[test]
    fn golden_names() {
        let (named, nameless) = (spec("train"), spec(""));
        // echo -n k | sha256sum
        for (given, spec, key, expected) in [
            (Some("mine"), &named, Some("k"), Some("mine")),
            (Some("mine"), &nameless, None, Some("mine")),
            (None, &named, Some("k"), Some("train-8254c329a92850f6")),
            (None, &nameless, Some("k"), Some("sagemaker-invoke-8254c329a92850f6")),
            (None, &named, None, Some("train")),
            (None, &nameless, None, None),
        ] {
            assert_eq!(Name::new(given, spec, key).map(|name| name.numbered(1)).as_deref(), expected);
        }
    }

    #[test]
    fn a_long_name_makes_room() {
        let name = Name::new(None, &spec(&"x".repeat(63)), Some("k")).unwrap();
        assert_eq!(name.numbered(1), format!("{}-8254c329a92850f6", "x".repeat(46)));
        assert_eq!(name.numbered(12), format!("{}-8254c329a92850f6-12", "x".repeat(43)));
        let hyphens = format!("{}--------------x", "x".repeat(48));
        let name = Name::new(Some(&hyphens), &spec("t"), None).unwrap();
        assert_eq!(name.numbered(1), hyphens);
        assert_eq!(name.numbered(2), format!("{}-2", "x".repeat(48)));
    }
}

//! The responses of earlier runs, by digest and count.

use crate::digest::Digest;
use std::collections::BTreeSet;

/// The part of a digest that is kept.
type Short = [u8; 12];

/// What the responses of earlier runs say of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// It has a good response.
    Ok,
    /// Its work has succeeded, and `--expect` could not be evaluated on the response.
    NotEvaluated,
    /// It was sent, and it is not known whether it ran.
    Unknown,
    /// It is still to be sent.
    No,
}

/// Good responses take 16 bytes each, the few unknown ones somewhat more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Earlier {
    ok: Counted,
    not_evaluated: Counted,
    /// Responses that were last seen unknown, by digest and number of the line.
    unknown_lines: BTreeSet<(Short, u64)>,
    /// Once all have been read.
    unknown: Counted,
}

impl Earlier {
    /// Takes note of a response, in the order of the file. Where a line has several, the last one says whether it is
    /// unknown.
    pub(crate) fn note(&mut self, digest: Digest, line: u64, seen: Done) {
        let short = digest.short();
        if seen == Done::Unknown {
            self.unknown_lines.insert((short, line));
            return;
        }
        if !self.unknown_lines.is_empty() {
            self.unknown_lines.remove(&(short, line));
        }
        match seen {
            Done::Ok => self.ok.push(short),
            Done::NotEvaluated => self.not_evaluated.push(short),
            Done::Unknown | Done::No => {}
        }
    }

    /// All have been noted.
    pub(crate) fn complete(&mut self) {
        for (short, _) in std::mem::take(&mut self.unknown_lines) {
            self.unknown.push(short);
        }
        for counted in [&mut self.ok, &mut self.not_evaluated, &mut self.unknown] {
            counted.complete();
        }
    }

    /// What there is of a line with this digest, which is used up by that: of lines that are the same, as many are done
    /// as there are good responses.
    pub(crate) fn take(&mut self, digest: Digest) -> Done {
        let short = digest.short();
        if self.ok.take(short) {
            Done::Ok
        } else if self.not_evaluated.take(short) {
            Done::NotEvaluated
        } else if self.unknown.take(short) {
            Done::Unknown
        } else {
            Done::No
        }
    }

    /// How many good responses belong to none of the lines that were taken.
    pub(crate) fn unused(&self) -> u64 {
        self.ok.left() + self.not_evaluated.left()
    }
}

/// How often there is each of some digests: sorted, each once, after [`complete`](Self::complete).
#[derive(Clone, Debug, Default)]
struct Counted(Vec<(Short, u32)>);

impl Counted {
    fn push(&mut self, short: Short) {
        self.0.push((short, 1));
    }

    fn complete(&mut self) {
        self.0.sort_unstable();
        self.0.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            kept.1 += if same { later.1 } else { 0 };
            same
        });
    }

    /// Takes one of a digest, if there is one left.
    fn take(&mut self, short: Short) -> bool {
        let Ok(place) = self.0.binary_search_by(|(other, _)| other.cmp(&short)) else { return false };
        let (_, left) = &mut self.0[place];
        let taken = *left > 0;
        *left -= u32::from(taken);
        taken
    }

    fn left(&self) -> u64 {
        self.0.iter().map(|(_, left)| u64::from(*left)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Target;

    fn digest(text: &str) -> Digest {
        Target::new(&"t").digest(text.as_bytes())
    }

    /// What the responses say of these lines.
    fn done(responses: &[(&str, u64, Done)], lines: &[&str]) -> Vec<Done> {
        let mut earlier = Earlier::default();
        for (text, line, status) in responses {
            earlier.note(digest(text), *line, *status);
        }
        earlier.complete();
        lines.iter().map(|text| earlier.take(digest(text))).collect()
    }

    #[test]
    fn by_digest_and_count() {
        use Done::{No, NotEvaluated, Ok, Unknown};
        for (responses, lines, expected) in [
            (&[][..], &["a"][..], &[No][..]),
            (&[("a", 1, Ok)], &["a", "b"], &[Ok, No]),
            // At another place.
            (&[("a", 1, Ok)], &["b", "a"], &[No, Ok]),
            // The same line several times.
            (&[("a", 1, Ok), ("a", 4, Ok)], &["a", "a", "a"], &[Ok, Ok, No]),
            (&[("a", 1, No), ("a", 2, No)], &["a"], &[No]),
            // Appended: what failed at first went well later.
            (&[("a", 1, No), ("a", 1, Ok)], &["a"], &[Ok]),
            (&[("a", 1, Unknown)], &["a", "a"], &[Unknown, No]),
            (&[("a", 1, Unknown), ("a", 1, Unknown)], &["a", "a"], &[Unknown, No]),
            (&[("a", 1, Unknown), ("a", 1, Ok)], &["a"], &[Ok]),
            (&[("a", 1, Unknown), ("a", 1, No)], &["a"], &[No]),
            (&[("a", 1, NotEvaluated)], &["a", "a"], &[NotEvaluated, No]),
            (&[("a", 1, Ok), ("a", 2, Unknown)], &["a", "a", "a"], &[Ok, Unknown, No]),
            // Sent again from another place, and well: of one line nothing is unknown.
            (&[("a", 1, Unknown), ("a", 7, Ok)], &["a"], &[Ok]),
        ] {
            assert_eq!(done(responses, lines), expected, "{responses:?} {lines:?}");
        }
    }

    #[test]
    fn responses_of_other_lines_are_counted() {
        let mut earlier = Earlier::default();
        for text in ["a", "b", "b"] {
            earlier.note(digest(text), 1, Done::Ok);
        }
        earlier.complete();
        assert_eq!((earlier.take(digest("b")), earlier.unused()), (Done::Ok, 2));
    }

    #[test]
    fn a_good_response_takes_16_bytes() {
        assert_eq!(size_of::<(Short, u32)>(), 16);
    }
}

//! Durations as people write them: `90s`, `15m`, `2h30m`, `500ms`, `1d`.

use std::fmt;
use std::time::Duration;

/// Why a duration could not be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// A number without a unit.
    #[error("`{0}` needs a unit: 90s, 15m, 2h30m, 500ms or 1d")]
    NoUnit(String),
    /// A unit that is none of the five.
    #[error("`{0}` is not a unit of time; the form is 90s, 15m, 2h30m, 500ms or 1d")]
    UnknownUnit(String),
    /// A unit without a number in front of it, or nothing at all.
    #[error("a number is missing; the form is 90s, 15m, 2h30m, 500ms or 1d")]
    NoNumber,
    /// More than ten years.
    #[error("the duration is longer than ten years")]
    TooLong,
    /// Zero where that makes no sense.
    #[error("the duration must be longer than zero")]
    Zero,
}

/// The longest duration. Whatever is meant by more, it is no wait; and every clock can add this much.
const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

/// Parses a duration made of whole numbers with units: `d`, `h`, `m`, `s`, `ms`.
///
/// ```
/// # use std::time::Duration;
/// assert_eq!(job_runtime::duration::parse("2h30m"), Ok(Duration::from_secs(9000)));
/// assert!(job_runtime::duration::parse("90").is_err());
/// ```
///
/// # Errors
/// A bare number, an unknown unit, a missing number, or more than ten years.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(DurationError::NoNumber);
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (digits, after) = split_at_first(rest, |c| !c.is_ascii_digit());
        let (unit, after) = split_at_first(after, |c| c.is_ascii_digit());
        if digits.is_empty() {
            return Err(DurationError::NoNumber);
        }
        let millis: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "" => return Err(DurationError::NoUnit(digits.to_owned())),
            unknown => return Err(DurationError::UnknownUnit(unknown.to_owned())),
        };
        let part = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(millis));
        total = part
            .and_then(|part| total.checked_add(Duration::from_millis(part)))
            .filter(|total| *total <= LONGEST)
            .ok_or(DurationError::TooLong)?;
        rest = after;
    }
    Ok(total)
}

/// As [`parse`], but zero is refused.
///
/// # Errors
/// Those of [`parse`], and zero.
pub fn parse_positive(text: &str) -> Result<Duration, DurationError> {
    match parse(text)? {
        Duration::ZERO => Err(DurationError::Zero),
        duration => Ok(duration),
    }
}

/// Shows a duration in whole seconds as [`parse`] reads it: `42s`, `3m05s`, `2h03m`.
#[derive(Clone, Copy, Debug)]
pub struct Human(pub Duration);

impl fmt::Display for Human {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        match (hours, minutes) {
            (0, 0) if seconds == 0 && !self.0.is_zero() => write!(f, "{}ms", self.0.as_millis()),
            (0, 0) => write!(f, "{seconds}s"),
            (0, _) => write!(f, "{minutes}m{:02}s", seconds % 60),
            _ => write!(f, "{hours}h{minutes:02}m"),
        }
    }
}

fn split_at_first(text: &str, stop: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(stop).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let millis = |ms| Ok(Duration::from_millis(ms));
        for (text, expected) in [
            ("90s", millis(90_000)),
            ("15m", millis(900_000)),
            ("2h30m", millis(9_000_000)),
            ("500ms", millis(500)),
            ("1d", millis(86_400_000)),
            ("1m500ms", millis(60_500)),
            (" 5s ", millis(5_000)),
            ("0s", millis(0)),
            ("3650d", millis(315_360_000_000)),
            ("90", Err(DurationError::NoUnit("90".to_owned()))),
            ("2h30", Err(DurationError::NoUnit("30".to_owned()))),
            ("", Err(DurationError::NoNumber)),
            ("s", Err(DurationError::NoNumber)),
            ("-5s", Err(DurationError::NoNumber)),
            ("1.5h", Err(DurationError::UnknownUnit(".".to_owned()))),
            ("5 s", Err(DurationError::UnknownUnit(" s".to_owned()))),
            ("5M", Err(DurationError::UnknownUnit("M".to_owned()))),
            ("3650d1ms", Err(DurationError::TooLong)),
            ("200000000000d", Err(DurationError::TooLong)),
            ("99999999999999999999s", Err(DurationError::TooLong)),
            ("18446744073709551615d", Err(DurationError::TooLong)),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
        assert_eq!(parse_positive("0ms"), Err(DurationError::Zero));
        assert_eq!(parse_positive("1ms"), millis(1));
    }

    #[test]
    fn shown_as_people_write_them() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (65, "1m05s"), (3600, "1h00m"), (90_061, "25h01m")] {
            assert_eq!(Human(Duration::from_secs(seconds)).to_string(), text);
        }
        assert_eq!(Human(Duration::from_millis(250)).to_string(), "250ms");
    }
}

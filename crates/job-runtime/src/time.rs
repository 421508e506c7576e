//! Times of the services, for people and programs.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

/// RFC 3339, in UTC, to the millisecond: services send times as floating-point numbers, which end in noise. `None`
/// where there is no such year.
pub fn rfc3339(time: DateTime) -> Option<String> {
    let millis = i64::try_from((time.as_nanos() + 500_000).div_euclid(1_000_000)).ok()?;
    DateTime::from_millis(millis).fmt(Format::DateTime).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_lose_their_noise() {
        for (time, expected) in [
            (DateTime::from_secs(0), "1970-01-01T00:00:00Z"),
            (DateTime::from_millis(1_772_330_400_250), "2026-03-01T02:00:00.25Z"),
            (DateTime::from_secs_f64(1_772_330_400.0), "2026-03-01T02:00:00Z"),
            (DateTime::from_secs_and_nanos(1_772_330_400, 625_999_928), "2026-03-01T02:00:00.626Z"),
        ] {
            assert_eq!(rfc3339(time).as_deref(), Some(expected));
        }
    }
}

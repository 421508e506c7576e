//! The sandbox's clock, and the spellings of a moment on the wire.
//!
//! The only file that reads the wall clock. A world can set the sandbox's clock ahead of (or behind) the
//! machine's, so that tests can see what a client does about it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use time::{Date, Month, OffsetDateTime, Time};
use tokio::sync::watch;

/// Wall time (shifted as the world wants it) and time since the start.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    /// The sandbox's own time at its start.
    origin: OffsetDateTime,
    /// Milliseconds before the machine's clock.
    ahead: AtomicI64,
    stir: watch::Sender<()>,
}

impl Clock {
    /// A clock that runs `ahead_seconds` before the machine's (negative: behind).
    pub(crate) fn new(ahead_seconds: i64) -> Self {
        let origin = OffsetDateTime::now_utc() + time::Duration::seconds(ahead_seconds);
        let (started, ahead) = (Instant::now(), AtomicI64::new(ahead_seconds * 1000));
        Self { started, origin, ahead, stir: watch::Sender::new(()) }
    }

    /// The moment it is in the sandbox.
    pub(crate) fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc() + time::Duration::milliseconds(self.ahead.load(Ordering::Relaxed))
    }

    /// Goes on by so much at once.
    pub(crate) fn advance(&self, time: Duration) {
        self.ahead.fetch_add(i64::try_from(time.as_millis()).unwrap_or_default(), Ordering::Relaxed);
        self.stir();
    }

    /// Has everybody who waits for a moment look again: it has come nearer.
    pub(crate) fn stir(&self) {
        self.stir.send_replace(());
    }

    /// Tells of every [`Self::stir`] from now on.
    pub(crate) fn stirred(&self) -> watch::Receiver<()> {
        self.stir.subscribe()
    }

    /// Time since the sandbox started.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// A moment as time since the sandbox started.
    pub(crate) fn offset(&self, moment: OffsetDateTime) -> Duration {
        (moment - self.origin).try_into().unwrap_or_default()
    }
}

/// A moment as `X-Amz-Date` spells it: `20150830T123600Z`.
pub(crate) fn amz(moment: OffsetDateTime) -> String {
    iso(moment).replace(['-', ':'], "")
}

/// Reads what [`amz`] writes.
pub(crate) fn from_amz(text: &str) -> Option<OffsetDateTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    if date.len() != 8
        || time.len() != 6
        || !date.bytes().chain(time.bytes()).all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    let two = |digits: &str, at: usize| digits[at..at + 2].parse::<u8>().ok();
    let month = Month::try_from(two(date, 4)?).ok()?;
    let date = Date::from_calendar_date(date[..4].parse().ok()?, month, two(date, 6)?).ok()?;
    Some(date.with_time(Time::from_hms(two(time, 0)?, two(time, 2)?, two(time, 4)?).ok()?).assume_utc())
}

/// A moment as STS answers and credential documents spell it: `2015-08-30T12:36:00Z`.
pub(crate) fn iso(moment: OffsetDateTime) -> String {
    let (year, month, day) = moment.to_calendar_date();
    let (hour, minute, second) = moment.to_hms();
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z", u8::from(month))
}

/// Reads a moment in ISO 8601, in UTC, to the second.
pub(crate) fn from_iso(text: &str) -> Option<OffsetDateTime> {
    let whole = text.strip_suffix('Z')?.split('.').next()?;
    from_amz(&format!("{}Z", whole.replace(['-', ':'], "")))
}

/// A moment as the `Date` header spells it: `Sun, 30 Aug 2015 12:36:00 GMT`.
pub(crate) fn http_date(moment: OffsetDateTime) -> String {
    let (year, month, day) = moment.to_calendar_date();
    let (hour, minute, second) = moment.to_hms();
    let (weekday, month) = (moment.weekday().to_string(), month.to_string());
    format!("{weekday:.3}, {day:02} {month:.3} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// Seconds since 1970 with milliseconds, as JSON services send times.
#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit a double exactly")]
pub(crate) fn epoch_seconds(moment: OffsetDateTime) -> f64 {
    epoch_millis(moment) as f64 / 1000.0
}

/// Milliseconds since 1970, as `CloudWatch` Logs sends times.
pub(crate) fn epoch_millis(moment: OffsetDateTime) -> i64 {
    moment.unix_timestamp() * 1000 + i64::from(moment.millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        let moment = from_amz("20150830T123600Z").unwrap();
        assert_eq!(amz(moment), "20150830T123600Z");
        assert_eq!(iso(moment), "2015-08-30T12:36:00Z");
        assert_eq!((from_iso("2015-08-30T12:36:00.123Z"), from_iso("2015")), (Some(moment), None));
        assert_eq!(http_date(moment), "Sun, 30 Aug 2015 12:36:00 GMT");
        assert_eq!(epoch_millis(moment), 1_440_938_160_000);
        for bad in [
            "2015-08-30T12:36:00Z",
            "20151330T123600Z",
            "20150830T123600",
            "20150830T1236",
            "2015083éT123600Z",
        ] {
            assert!(from_amz(bad).is_none(), "{bad}");
        }
    }
}

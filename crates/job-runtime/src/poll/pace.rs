//! The time between two polls.

use std::time::Duration;

/// Each interval is this much longer than the one before.
const GROWTH: f64 = 1.5;
/// The longest interval, unless the first is longer.
const CAP: Duration = Duration::from_mins(1);
/// By how much an interval may be shorter or longer, so that a fleet does not look in step.
const JITTER: f64 = 0.2;
/// What the first of several throttles in a row adds to the interval; each further one adds twice as much.
const FIRST_THROTTLE: Duration = Duration::from_secs(1);
/// The most that a throttle adds to the interval of a wait.
const MOST_THROTTLE: Duration = Duration::from_secs(10);
/// The most that a throttle adds to the interval of a read.
const MOST_READ_THROTTLE: Duration = Duration::from_secs(5);
/// First interval between two attempts of a read.
const READ_PAUSE: Duration = Duration::from_secs(1);

/// How long to wait for the next look.
pub(super) struct Pace {
    first: Duration,
    interval: Duration,
    cap: Duration,
    /// In a row.
    throttles: u32,
    most_throttle: Duration,
}

impl Pace {
    /// That of a wait, with its first interval.
    pub(super) fn of_wait(first: Duration) -> Self {
        Self::new(first, MOST_THROTTLE)
    }

    /// That of a read.
    pub(super) fn of_read() -> Self {
        Self::new(READ_PAUSE, MOST_READ_THROTTLE)
    }

    fn new(first: Duration, most_throttle: Duration) -> Self {
        Self { first, interval: first, cap: first.max(CAP), throttles: 0, most_throttle }
    }

    /// The next interval; `random` is between 0 and 1.
    pub(super) fn next(&mut self, random: f64) -> Duration {
        let interval = self.interval.mul_f64(1.0 - JITTER + 2.0 * JITTER * random);
        if self.throttles > 0 {
            // Less at random, never more: the most is a promise.
            return interval + self.throttle().mul_f64(1.0 - JITTER * random);
        }
        self.interval = self.interval.mul_f64(GROWTH).min(self.cap);
        interval
    }

    fn throttle(&self) -> Duration {
        let doublings = self.throttles.saturating_sub(1);
        FIRST_THROTTLE.saturating_mul(2_u32.saturating_pow(doublings)).min(self.most_throttle)
    }

    /// The service asks for patience; returns how often in a row.
    pub(super) fn throttled(&mut self) -> u32 {
        self.throttles = self.throttles.saturating_add(1);
        self.throttles
    }

    /// The service has answered.
    pub(super) fn succeeded(&mut self) {
        self.throttles = 0;
    }

    /// Begins with the first interval again.
    pub(super) fn restart(&mut self) {
        *self = Self::new(self.first, self.most_throttle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_grow_to_the_cap() {
        let mut pace = Pace::of_wait(Duration::from_secs(5));
        let seconds: Vec<f64> = (0..9).map(|_| pace.next(0.5).as_secs_f64()).collect();
        assert_eq!(seconds, [5.0, 7.5, 11.25, 16.875, 25.3125, 37.96875, 56.953_125, 60.0, 60.0]);
        let mut pace = Pace::of_wait(Duration::from_mins(5));
        assert_eq!([pace.next(0.5), pace.next(0.5)], [Duration::from_mins(5); 2]);
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        for (random, seconds) in [(0.0, 8.0), (0.5, 10.0), (1.0, 12.0)] {
            let mut pace = Pace::of_wait(Duration::from_secs(10));
            assert_eq!(pace.next(random), Duration::from_secs_f64(seconds));
        }
    }

    #[test]
    fn a_throttle_adds_a_little_until_a_poll_succeeds() {
        for (most, added) in [(MOST_THROTTLE, [1, 2, 4, 8, 10, 10]), (MOST_READ_THROTTLE, [1, 2, 4, 5, 5, 5])]
        {
            let mut pace = Pace::new(Duration::from_secs(20), most);
            for (throttles, added) in (1..).zip(added) {
                assert_eq!(pace.throttled(), throttles);
                assert_eq!(pace.next(0.0), Duration::from_secs(16 + added), "{throttles}");
                assert!(pace.next(1.0) <= Duration::from_secs(24 + added), "{throttles}");
            }
            pace.succeeded();
            assert_eq!([pace.next(0.5), pace.next(0.5)], [Duration::from_secs(20), Duration::from_secs(30)]);
        }
    }
}

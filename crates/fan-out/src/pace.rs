//! How many calls may be in flight, and when the next may begin: one pace for all of them.

use crate::answer::Again;
use std::time::Duration;
use tokio::time::Instant;

/// The pause after the first setback; each further one is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// After so long in pauses without any contact, the other side is taken to be down.
const PATIENCE: Duration = Duration::from_mins(5);

/// Additive increase, multiplicative decrease.
#[derive(Debug)]
pub(crate) struct Pace {
    most: usize,
    limit: usize,
    /// Successes since the limit was last looked at.
    successes: usize,
    /// How long the next pause takes.
    pause: Duration,
    last: Option<Pause>,
    /// Time in pauses since there was any contact.
    alone: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Pause {
    begins: Instant,
    ends: Instant,
}

impl Pace {
    /// At most `most` calls in flight.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, limit: most, successes: 0, pause: FIRST_PAUSE, last: None, alone: Duration::ZERO }
    }

    /// Whether a further call may begin.
    pub(crate) fn has_room(&self, now: Instant, in_flight: usize) -> bool {
        in_flight < self.limit && self.pause_end(now).is_none()
    }

    /// The end of the pause, while there is one.
    pub(crate) fn pause_end(&self, now: Instant) -> Option<Instant> {
        self.last.map(|pause| pause.ends).filter(|ends| now < *ends)
    }

    /// A call that began at `begun` has started nothing and can be made again; `random` is between 0 and 1.
    ///
    /// Calls that were in flight together tell the same news: only the first of them opens a pause.
    pub(crate) fn set_back(&mut self, now: Instant, begun: Instant, why: Again, random: f64) {
        let news = self.is_news(begun);
        match why {
            Again::Busy => self.alone = Duration::ZERO,
            Again::Unreached if news => self.alone += self.pause,
            Again::Unreached => {}
        }
        if news {
            self.limit = (self.limit / 2).max(1);
            self.successes = 0;
            // Half to whole of the pause, so that a fleet does not come back in step.
            self.last = Some(Pause { begins: now, ends: now + self.pause.mul_f64(0.5 + random / 2.0) });
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// A call that began at `begun` has been answered by the remote work.
    pub(crate) fn answered(&mut self, begun: Instant) {
        self.reached();
        if !self.is_news(begun) {
            return;
        }
        self.successes += 1;
        if self.successes >= self.limit {
            self.successes = 0;
            self.limit = (self.limit + 1).min(self.most);
            self.pause = (self.pause / 2).max(FIRST_PAUSE);
        }
    }

    /// The service was reached, whatever it said.
    pub(crate) fn reached(&mut self) {
        self.alone = Duration::ZERO;
    }

    /// Whether it is no longer to be expected that the service is reached.
    pub(crate) fn is_lost(&self) -> bool {
        self.alone >= PATIENCE
    }

    /// Whether the call began after the last pause.
    fn is_news(&self, begun: Instant) -> bool {
        self.last.is_none_or(|pause| begun > pause.begins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: f64 = 0.0;
    const WHOLE: f64 = 1.0;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn one_cut_for_all_that_were_in_flight_together() {
        let mut pace = Pace::new(64);
        let start = Instant::now();
        for _ in 0..64 {
            pace.set_back(start + millis(10), start, Again::Busy, WHOLE);
        }
        assert_eq!(pace.limit, 32);
        assert_eq!(pace.pause_end(start + millis(10)), Some(start + millis(210)));
        assert!(!pace.has_room(start + millis(209), 0), "no call begins in a pause");
        assert!(pace.has_room(start + millis(210), 31) && !pace.has_room(start + millis(210), 32));
    }

    #[test]
    fn pauses_double_to_the_longest_and_the_limit_stays_above_zero() {
        let mut pace = Pace::new(16);
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for random in [WHOLE; 9].into_iter().chain([HALF]) {
            let begun = now;
            now += millis(1);
            pace.set_back(now, begun, Again::Busy, random);
            let end = pace.pause_end(now).unwrap();
            pauses.push((end - now).as_millis());
            now = end;
        }
        assert_eq!(pauses, [200, 400, 800, 1600, 3200, 6400, 12_800, 20_000, 20_000, 10_000]);
        assert_eq!(pace.limit, 1);
        assert!(pace.has_room(now, 0));
    }

    #[test]
    fn successes_raise_the_limit_and_shrink_the_pause() {
        let mut pace = Pace::new(16);
        let start = Instant::now();
        for round in [0, 1, 2] {
            let begun = start + round * millis(1000);
            pace.set_back(begun + millis(1), begun, Again::Busy, WHOLE);
        }
        assert_eq!((pace.limit, pace.pause), (2, millis(1600)));
        // What began before the cut says nothing about the pace after it.
        (0..100).for_each(|_| pace.answered(start + millis(2000)));
        assert_eq!((pace.limit, pace.pause), (2, millis(1600)));
        let begun = start + millis(5000);
        (0..2).for_each(|_| pace.answered(begun));
        assert_eq!((pace.limit, pace.pause), (3, millis(800)));
        (0..3 + 4).for_each(|_| pace.answered(begun));
        assert_eq!((pace.limit, pace.pause), (5, millis(200)));
        (0..1000).for_each(|_| pace.answered(begun));
        assert_eq!((pace.limit, pace.pause), (16, millis(200)));
    }

    /// For how long it is tried, with an answer of another kind after so many setbacks.
    fn tried(contact_after: Option<usize>, contact: fn(&mut Pace, Instant)) -> Option<u64> {
        let mut pace = Pace::new(16);
        let start = Instant::now();
        let mut now = start;
        for round in 0..100 {
            pace.set_back(now + millis(1), now, Again::Unreached, WHOLE);
            if pace.is_lost() {
                return Some((now - start).as_secs());
            }
            now = pace.pause_end(now + millis(1)).unwrap();
            if contact_after == Some(round) {
                contact(&mut pace, now);
            }
        }
        None
    }

    #[test]
    fn five_minutes_without_contact_are_enough() {
        let alone = tried(None, |_, _| {}).unwrap();
        assert!((280..=300).contains(&alone), "{alone} s");
        for contact in [
            |pace: &mut Pace, _| pace.reached(),
            |pace: &mut Pace, now| pace.answered(now),
            |pace: &mut Pace, now| pace.set_back(now + millis(1), now, Again::Busy, WHOLE),
        ] {
            let longer = tried(Some(12), contact).unwrap();
            assert!((400..=460).contains(&longer), "{longer} s");
        }
        let mut pace = Pace::new(16);
        (0..100_000).for_each(|_| pace.set_back(Instant::now(), Instant::now(), Again::Busy, WHOLE));
        assert!(!pace.is_lost(), "a throttle is a contact");
    }
}

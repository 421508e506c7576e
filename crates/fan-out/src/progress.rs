//! What is shown while a batch goes on.

use crate::summary::Tally;
use job_runtime::Context;
use std::time::Duration;

/// How often the line for people is drawn.
const FRAME: Duration = Duration::from_millis(100);
/// How often the log says that the batch goes on.
const STILL_THERE: Duration = Duration::from_mins(1);
/// Characters of the bar.
const BAR: usize = 24;

/// How often [`show`] is to be called.
pub(crate) fn interval(ctx: &Context) -> Duration {
    if ctx.is_watched() { FRAME } else { STILL_THERE }
}

/// Shows how far it is: on a terminal as a line that is drawn again and again, else in the log.
pub(crate) fn show(ctx: &Context, tally: &Tally, fraction: Option<f64>) {
    if ctx.is_watched() {
        ctx.show_progress(&line(tally.ok(), tally.not_ok(), tally.per_second(), fraction));
    } else {
        let percent = fraction.map(|fraction| (fraction * 100.0).floor());
        tracing::info!(
            ok = tally.ok(),
            failed = tally.not_ok(),
            throttled = tally.throttled(),
            per_second = tally.per_second(),
            percent,
            "the batch goes on"
        );
    }
}

/// `[#####-------------------]  20%  1234 ok, 3 failed, 250/s`
fn line(ok: u64, failed: u64, per_second: f64, fraction: Option<f64>) -> String {
    let counts = format!("{ok} ok, {failed} failed, {per_second:.0}/s");
    let Some(fraction) = fraction else { return counts };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 100")]
    let percent = (fraction * 100.0) as usize;
    let full = (percent * BAR / 100).min(BAR);
    let bar = "#".repeat(full) + &"-".repeat(BAR - full);
    format!("[{bar}] {percent:>3}%  {counts}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_for_people() {
        for (fraction, expected) in [
            (None, "12 ok, 3 failed, 251/s"),
            (Some(0.0), "[------------------------]   0%  12 ok, 3 failed, 251/s"),
            (Some(0.255), "[######------------------]  25%  12 ok, 3 failed, 251/s"),
            (Some(0.999), "[#######################-]  99%  12 ok, 3 failed, 251/s"),
            (Some(1.0), "[########################] 100%  12 ok, 3 failed, 251/s"),
        ] {
            assert_eq!(line(12, 3, 250.7, fraction), expected);
        }
    }
}

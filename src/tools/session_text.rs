//! Sessions, times and durations as text.
//!
//! What Verifa or the organization wrote is data, and is quoted. Durations are for reading, never for computing.

use jiff::{
    SignedDuration, Timestamp,
    fmt::friendly::{Designator, Spacing, SpanPrinter},
};

use super::resumability::Resumability;
use crate::{
    untrusted::UntrustedText,
    verifa::{DateTime, Session},
};

const PRINTER: SpanPrinter =
    SpanPrinter::new().designator(Designator::Verbose).spacing(Spacing::BetweenUnitsAndDesignators);

/// A duration without its sign, rounded down to what matters: seconds up to two minutes, then minutes, days from two days
/// on.
pub(super) fn format_duration(duration: SignedDuration) -> String {
    let seconds = duration.abs().as_secs();
    let step = match seconds {
        0..120 => 1,
        120..172_800 => 60,
        _ => return format!("{} days", seconds / 86_400),
    };
    PRINTER.duration_to_string(&SignedDuration::from_secs(seconds - seconds % step))
}

/// A time, absolute and relative.
pub(super) fn format_time(time: &DateTime, now: Timestamp) -> String {
    let time = time.instant();
    format!("{} ({})", time.strftime("%Y-%m-%d %H:%M UTC"), relative(time, now))
}

fn relative(time: Timestamp, now: Timestamp) -> String {
    let remaining = time.duration_since(now);
    // From minute to minute, so that all times of an answer agree on what time it is now.
    let minutes = SignedDuration::from_secs(60 * (minute(time) - minute(now)));
    let duration = format_duration(if remaining.abs().as_secs() < 120 { remaining } else { minutes });
    if remaining.is_positive() { format!("in {duration}") } else { format!("{duration} ago") }
}

fn minute(time: Timestamp) -> i64 {
    time.as_second().div_euclid(60)
}

/// When the session's link expires or expired, if that is known.
pub(super) fn link_expiry(session: &Session, now: Timestamp) -> Option<String> {
    let expiry = session.token_expires_at.as_ref()?;
    let verb = if expiry.remaining(now).is_positive() { "expires" } else { "expired" };
    Some(format!("link {verb} {}", format_time(expiry, now)))
}

pub(super) fn resumability(session: &Session, now: Timestamp) -> Resumability {
    Resumability::of(
        session.status.as_ref().map(UntrustedText::as_str),
        session.retention_status.as_ref().map(UntrustedText::as_str),
        session.token_expires_at.as_ref().is_some_and(|expiry| !expiry.remaining(now).is_positive()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_times_of_an_answer_agree_on_what_time_it_is() {
        let now: Timestamp = "2026-07-10T10:00:40Z".parse().unwrap();
        for (time, expected) in [
            ("2026-07-10T09:30:20Z", "30 minutes ago"),
            ("2026-07-10T09:30:59Z", "30 minutes ago"),
            ("2026-07-10T10:20:00Z", "in 20 minutes"),
            ("2026-07-10T10:20:59Z", "in 20 minutes"),
            ("2026-07-10T10:01:10Z", "in 30 seconds"),
            ("2026-07-10T09:58:41Z", "1 minute 59 seconds ago"),
        ] {
            assert_eq!(relative(time.parse().unwrap(), now), expected, "{time}");
        }
    }

    #[test]
    fn durations_are_rounded_to_what_matters() {
        let cases = [
            (0, "0 seconds"),
            (1, "1 second"),
            (-45, "45 seconds"),
            (119, "1 minute 59 seconds"),
            (1_199, "19 minutes"),
            (1_200, "20 minutes"),
            (3_700, "1 hour 1 minute"),
            (90_000, "25 hours"),
            (172_799, "47 hours 59 minutes"),
            (604_800, "7 days"),
        ];
        for (seconds, text) in cases {
            assert_eq!(format_duration(SignedDuration::from_secs(seconds)), text);
        }
    }
}

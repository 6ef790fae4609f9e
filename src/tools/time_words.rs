//! Lengths of time in words that a person would use.
//!
//! They are for reading, never for reckoning.

use jiff::{
    SignedDuration,
    fmt::friendly::{Designator, Spacing, SpanPrinter},
};

const PRINTER: SpanPrinter =
    SpanPrinter::new().designator(Designator::Verbose).spacing(Spacing::BetweenUnitsAndDesignators);

/// A length without its sign, rounded down to what matters: seconds up to two minutes, then minutes, from two days on
/// days.
pub(super) fn in_words(duration: SignedDuration) -> String {
    let seconds = duration.abs().as_secs();
    let step = match seconds {
        0..120 => 1,
        120..172_800 => 60,
        _ => return format!("{} days", seconds / 86_400),
    };
    PRINTER.duration_to_string(&SignedDuration::from_secs(seconds - seconds % step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_rounded_to_what_matters() {
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
        for (seconds, words) in cases {
            assert_eq!(in_words(SignedDuration::from_secs(seconds)), words);
        }
    }
}

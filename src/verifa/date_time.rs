//! Dates and times as Verifa writes them, read tolerantly and written as in RFC 3339.
//!
//! A time without an offset is taken as UTC, which is an assumption. What cannot be read is rejected, never guessed.

use jiff::{SignedDuration, Timestamp, civil, tz::Offset};

/// A date and time of Verifa's, as `expires_at` or `created_at`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DateTime {
    text: String,
    instant: Timestamp,
}

impl DateTime {
    /// Reads RFC 3339. A date and time without an offset is taken as UTC: the documentation says no more than
    /// "datetime" and shows a `Z`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let as_utc = || Offset::UTC.to_timestamp(text.parse::<civil::DateTime>().ok()?).ok();
        let instant = text.parse::<Timestamp>().ok().or_else(as_utc)?;
        // The library reads more forms than clients do that check `format: date-time`.
        let text = if is_rfc3339(text) { text.to_owned() } else { instant.to_string() };
        Some(Self { text, instant })
    }

    /// The time in RFC 3339, as Verifa wrote it where it did so in this form.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The instant.
    pub(crate) fn instant(&self) -> Timestamp {
        self.instant
    }

    /// How long it is until then, seen from `now`; negative when it has passed.
    pub(crate) fn remaining(&self, now: Timestamp) -> SignedDuration {
        self.instant.duration_since(now)
    }
}

/// Whether a time that the library could read has the one form of RFC 3339: full, with separators and an offset.
fn is_rfc3339(text: &str) -> bool {
    let byte = |index: usize| text.as_bytes().get(index).copied();
    let separated = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    let sign = text.len().checked_sub(6).and_then(byte);
    let has_offset = text.ends_with('Z') || matches!(sign, Some(b'+' | b'-'));
    has_offset && !text.contains('[') && separated.into_iter().all(|(index, separator)| byte(index) == Some(separator))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_out_in_the_one_form_of_rfc_3339() {
        let cases = [
            ("2099-01-01T00:00:00Z", "2099-01-01T00:00:00Z"),
            ("2099-01-01T00:00:00.123456Z", "2099-01-01T00:00:00.123456Z"),
            ("2099-01-01T00:00:00+02:00", "2099-01-01T00:00:00+02:00"),
            ("2099-01-01T00:00:00", "2099-01-01T00:00:00Z"),
            ("2099-01-01T00:00:00.5", "2099-01-01T00:00:00.5Z"),
            ("2099-01-01 00:00:00Z", "2099-01-01T00:00:00Z"),
            ("20990101T000000Z", "2099-01-01T00:00:00Z"),
            ("2099-01-01T00Z", "2099-01-01T00:00:00Z"),
            ("2099-01-01T00:00:00+01:00[Europe/Berlin]", "2098-12-31T23:00:00Z"),
        ];
        for (text, expected) in cases {
            assert_eq!(DateTime::read(text).map(|it| it.as_str().to_owned()).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "tomorrow", "2099-13-01T00:00:00Z", "4070908800"] {
            assert_eq!(DateTime::read(text), None, "{text}");
        }
    }
}

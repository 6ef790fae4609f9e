//! How a session that was looked up is put into words, for the tools that look sessions up.
//!
//! What Verifa or the organization wrote is data, and is quoted.

use jiff::Timestamp;

use super::{time_words::in_words, verdict::Verdict};
use crate::untrusted::UntrustedText;
use crate::verifa::{DateTime, Session};

/// A time in absolute and in relative words.
pub(super) fn moment(time: &DateTime, now: Timestamp) -> String {
    let remaining = time.remaining(now);
    let words = in_words(remaining);
    let relative = if remaining.is_positive() { format!("in {words}") } else { format!("{words} ago") };
    format!("{} ({relative})", time.instant().strftime("%Y-%m-%d %H:%M UTC"))
}

/// When the session's link dies or died, where that is known.
pub(super) fn link_expiry(session: &Session, now: Timestamp) -> Option<String> {
    let expiry = session.token_expires_at.as_ref()?;
    let verb = if expiry.remaining(now).is_positive() { "expires" } else { "expired" };
    Some(format!("link {verb} {}", moment(expiry, now)))
}

/// Whether the session can be resumed, seen from `now`.
pub(super) fn verdict(session: &Session, now: Timestamp) -> Verdict {
    Verdict::of(
        session.status.as_ref().map(UntrustedText::as_str),
        session.retention_status.as_ref().map(UntrustedText::as_str),
        session.token_expires_at.as_ref().is_some_and(|expiry| !expiry.remaining(now).is_positive()),
    )
}

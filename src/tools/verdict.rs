//! Whether a session can be resumed, as far as the documentation says: one pure function, and the words for it.
//!
//! What the documentation leaves open stays open here: then only trying tells.

use schemars::JsonSchema;
use serde::Serialize;

/// The statuses that the documentation's words on resuming are about.
const COMPLETED: &str = "completed";
const EXPIRED: &str = "expired";
/// The retention status of a session whose data is gone.
const REDACTED: &str = "redacted";

/// Whether a session can be resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(super) enum Resumable {
    Yes,
    No,
    Unknown,
}

impl Resumable {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

/// Whether a session can be resumed, and why, in a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) resumable: Resumable,
    pub(super) reason: &'static str,
}

impl Verdict {
    /// Judges by a session's `status` and `retention_status`; whether its link is dead changes the words alone.
    pub(super) fn of(status: Option<&str>, retention_status: Option<&str>, link_is_dead: bool) -> Self {
        use Resumable::{No, Unknown, Yes};

        let (resumable, reason) = match (status.unwrap_or_default(), retention_status.unwrap_or_default()) {
            (COMPLETED, _) | (_, REDACTED) => {
                (No, "A completed or redacted session can never be resumed; the person needs a new one.")
            }
            (EXPIRED, "" | "active") => (Yes, "It has expired, which is what resume_session is for."),
            (EXPIRED, _) => {
                (Unknown, "It has expired, but part of its data is gone, and Verifa does not say what follows: try it.")
            }
            ("pending" | "capturing", _) if link_is_dead => {
                (Unknown, "Its link has died. Whether it can be resumed then is not documented, but likely: try it.")
            }
            ("pending" | "capturing", _) => {
                (Unknown, "Its link may still work. If the person is stuck all the same, try resume_session.")
            }
            ("processing" | "awaiting_external" | "under_review" | "sandbox_pending", _) => (
                Unknown,
                "Verifa is at work on it, so the person may have nothing to do. Whether it can be resumed is not \
                 documented: try it only if they have to start again.",
            ),
            _ => (Unknown, "Whether a session in this state can be resumed is not documented: try it."),
        };
        Self { resumable, reason }
    }

    /// What is most likely behind Verifa's refusal to resume a session.
    pub(super) fn of_refused() -> Self {
        Self::of(Some(COMPLETED), Some(REDACTED), true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verifa::SessionStatus;

    #[test]
    fn only_what_is_documented_is_certain() {
        let cases = [
            (Some("completed"), None, Resumable::No),
            (Some("completed"), Some("active"), Resumable::No),
            (Some("expired"), Some("redacted"), Resumable::No),
            (None, Some("redacted"), Resumable::No),
            (Some("expired"), None, Resumable::Yes),
            (Some("expired"), Some("active"), Resumable::Yes),
            (Some("expired"), Some("sensitive_redacted"), Resumable::Unknown),
            (Some("pending"), Some("active"), Resumable::Unknown),
            (Some("capturing"), None, Resumable::Unknown),
            (Some("processing"), None, Resumable::Unknown),
            (Some("failed"), None, Resumable::Unknown),
            (Some("brand_new"), None, Resumable::Unknown),
            (None, None, Resumable::Unknown),
        ];
        for (status, retention_status, expected) in cases {
            for link_is_dead in [false, true] {
                let verdict = Verdict::of(status, retention_status, link_is_dead);
                assert_eq!(verdict.resumable, expected, "{status:?} {retention_status:?}");
                assert!(!(link_is_dead && verdict.reason.contains("may still work")));
            }
        }
        assert_eq!(Verdict::of_refused().resumable, Resumable::No);
    }

    #[test]
    fn every_documented_status_is_known_here_or_open() {
        let certain = SessionStatus::DOCUMENTED.map(|status| Verdict::of(Some(status), None, false).resumable);
        assert_eq!(certain.iter().filter(|it| **it != Resumable::Unknown).count(), 2);
    }
}

//! Whether a session can be resumed, as far as the documentation says: one pure function, with the reason as text.
//!
//! Where the documentation does not say, the result is unknown, and only an attempt shows it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::verifa::{COMPLETED, EXPIRED};

/// The retention status of a session whose data was deleted.
const REDACTED: &str = "redacted";

/// The likely reason when Verifa refuses to resume a session.
pub(super) const LIKELY_REJECTION: &str = "its state: a completed or redacted session can never be resumed; then the person \
    needs a new session, which Verifa's dashboard or its own MCP server creates, not this server";

/// Whether a session can be resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, strum::IntoStaticStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
#[schemars(inline)]
pub(super) enum Resumable {
    Yes,
    No,
    Unknown,
}

/// Whether a session can be resumed, and why, in a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Resumability {
    pub(super) resumable: Resumable,
    pub(super) reason: &'static str,
}

impl Resumability {
    /// Decides by `status` and `retention_status`; whether the link has expired changes only the reason.
    pub(super) fn of(status: Option<&str>, retention_status: Option<&str>, link_has_expired: bool) -> Self {
        use Resumable::{No, Unknown, Yes};

        let (resumable, reason) = match (status.unwrap_or_default(), retention_status.unwrap_or_default()) {
            (COMPLETED, _) | (_, REDACTED) => (
                No,
                "A completed or redacted session can never be resumed. If the person must verify again, they need a new \
                 session, which Verifa's dashboard or its own MCP server creates, not this server.",
            ),
            (EXPIRED, "" | "active") => (Yes, "It has expired, which is what resume_session is for."),
            (EXPIRED, _) => (
                Unknown,
                "It has expired, but part of its data was deleted, and whether it can still be resumed is not documented: \
                 try it.",
            ),
            ("pending" | "capturing", _) if link_has_expired => {
                (Unknown, "Its link has expired. Whether it can be resumed now is likely, but not documented: try it.")
            }
            ("pending" | "capturing", _) => (
                Unknown,
                "Its link may still work. Ask the person first, and resume it only if the link does not work: a new link \
                 may end the old one, or what they are doing.",
            ),
            ("processing" | "awaiting_external" | "under_review" | "sandbox_pending", _) => (
                Unknown,
                "Verifa is processing it, so the person may have nothing to do. Whether it can be resumed is not \
                 documented: try it only if they have to start again.",
            ),
            _ => (Unknown, "Whether a session in this state can be resumed is not documented: try it."),
        };
        Self { resumable, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_documented_states_are_certain() {
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
            for link_has_expired in [false, true] {
                let resumability = Resumability::of(status, retention_status, link_has_expired);
                assert_eq!(resumability.resumable, expected, "{status:?} {retention_status:?}");
                assert!(!(link_has_expired && resumability.reason.contains("may still work")));
            }
        }
    }

    #[test]
    fn every_documented_status_is_certain_or_unknown() {
        let documented = [
            "pending",
            "capturing",
            "processing",
            "awaiting_external",
            "under_review",
            "sandbox_pending",
            "completed",
            "expired",
            "failed",
        ];
        let all = documented.map(|status| Resumability::of(Some(status), None, false).resumable);
        assert_eq!(all.iter().filter(|it| **it != Resumable::Unknown).count(), 2);
    }
}

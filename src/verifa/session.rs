//! Sessions as they are found and looked at (`GET /api/v1/sessions`, `GET /api/v1/sessions/{session_id}`).
//!
//! Read sparingly: what is not needed to help somebody whose link has died (metadata, checks, IP addresses, documents, the
//! link itself) never gets past here. The fields of a list's items are not documented, so every field but `id` may be
//! missing.

use std::str::FromStr;

use serde_json::Value;

use super::{BodyError, DateTime, SessionId};
use crate::untrusted::{SECRET_PREFIXES, UntrustedText};

/// How much of a text field is kept, in characters.
const TEXT: usize = 128;
/// How many tags are kept.
const TAGS: usize = 20;

/// A session, as far as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// `id`
    pub id: SessionId,
    /// `status`. New values may come, so it is text.
    pub status: Option<UntrustedText>,
    /// `external_ref`: what the organization calls the person or the case.
    pub external_ref: Option<UntrustedText>,
    /// `created_at`
    pub created_at: Option<DateTime>,
    /// `updated_at`
    pub updated_at: Option<DateTime>,
    /// `token_expires_at`: when the link dies.
    pub token_expires_at: Option<DateTime>,
    /// `environment`, in Verifa's words.
    pub environment: Option<UntrustedText>,
    /// `workflow_id`
    pub workflow_id: Option<UntrustedText>,
    /// `case_id`
    pub case_id: Option<UntrustedText>,
    /// `case_status`
    pub case_status: Option<UntrustedText>,
    /// `retention_status`: `active`, `sensitive_redacted` or `redacted`.
    pub retention_status: Option<UntrustedText>,
    /// `processing_attempts`
    pub processing_attempts: Option<u64>,
    /// `tags`
    pub tags: Vec<UntrustedText>,
}

impl Session {
    /// Reads one session, its keys in snake case.
    ///
    /// # Errors
    /// Where there is no `id` that can be used.
    pub(super) fn read(body: &Value) -> Result<Self, BodyError> {
        let id = body.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok());
        let text = |field| body.get(field).and_then(Value::as_str).and_then(outside);
        let time = |field| body.get(field).and_then(Value::as_str).and_then(DateTime::read);
        let tags = body.get("tags").and_then(Value::as_array).into_iter().flatten();
        Ok(Self {
            id: id.ok_or(BodyError::Field("id"))?,
            status: text("status"),
            external_ref: text("external_ref"),
            created_at: time("created_at"),
            updated_at: time("updated_at"),
            token_expires_at: time("token_expires_at"),
            environment: text("environment"),
            workflow_id: text("workflow_id"),
            case_id: text("case_id"),
            case_status: text("case_status"),
            retention_status: text("retention_status"),
            processing_attempts: body.get("processing_attempts").and_then(Value::as_u64),
            tags: tags.filter_map(Value::as_str).filter_map(outside).take(TAGS).collect(),
        })
    }
}

fn outside(text: &str) -> Option<UntrustedText> {
    UntrustedText::truncated(text, TEXT).non_empty()
}

/// Some of the sessions that a search finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPage {
    /// The sessions, in Verifa's order.
    pub sessions: Vec<Session>,
    /// How many items were left out because their `id` cannot be used.
    pub left_out: usize,
    /// `pagination.total`: how many there are in all.
    pub total: Option<u64>,
}

impl SessionPage {
    /// Reads the answer, its keys in snake case, and no more items than were asked for.
    ///
    /// # Errors
    /// Where there is no list.
    pub(super) fn read(body: &Value, limit: u32) -> Result<Self, BodyError> {
        let items = body.get("data").and_then(Value::as_array).ok_or(BodyError::Field("data"))?;
        let limit = items.len().min(usize::try_from(limit).unwrap_or(usize::MAX));
        let items = items.get(..limit).unwrap_or(items);
        let sessions: Vec<_> = items.iter().filter_map(|item| Session::read(item).ok()).collect();
        let total = body.get("pagination").and_then(|it| it.get("total")).and_then(Value::as_u64);
        Ok(Self { left_out: items.len() - sessions.len(), sessions, total })
    }
}

/// What is searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSearch {
    /// `status`
    pub status: Option<SessionStatus>,
    /// `q`: a session id or an external reference.
    pub query: Option<SearchText>,
    /// `limit`, from 1 to [`MAX_LIST_LIMIT`](super::wire::MAX_LIST_LIMIT).
    pub limit: u32,
    /// `offset`, from 0.
    pub offset: u32,
}

impl SessionSearch {
    /// The query parameters.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (&'static str, String)> {
        let status = self.status.as_ref().map(|status| ("status", status.0.clone()));
        let query = self.query.as_ref().map(|query| ("q", query.0.clone()));
        let page = [("limit", self.limit.to_string()), ("offset", self.offset.to_string())];
        status.into_iter().chain(query).chain(page)
    }
}

/// Text that cannot be searched for; says what is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be {0}")]
pub struct InvalidSearch(&'static str);

/// A status to search for. The documented ones are in [`Self::DOCUMENTED`]; new ones may come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionStatus(String);

impl SessionStatus {
    /// The documented statuses: the active ones, then those that end a session.
    pub const DOCUMENTED: [&str; 9] = [
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
    /// The longest status, in characters. Verifa documents none.
    pub const MAX_LENGTH: usize = 64;
    /// What a status may be, in words.
    pub const ALLOWED: &str = "a status such as expired or pending: lower-case letters, digits and underscores";
}

impl FromStr for SessionStatus {
    type Err = InvalidSearch;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_word = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        let allowed = is_word && (1..=Self::MAX_LENGTH).contains(&text.len());
        allowed.then(|| Self(text.to_owned())).ok_or(InvalidSearch(Self::ALLOWED))
    }
}

/// A session id or an external reference to search for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchText(String);

impl SearchText {
    /// The longest text, in characters. Verifa documents none.
    pub const MAX_LENGTH: usize = 200;
    /// What the text may be, in words.
    pub const ALLOWED: &str = "1 to 200 characters of a session id or an external reference, never a link or a key";
}

impl FromStr for SearchText {
    type Err = InvalidSearch;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let plain = !text.is_empty() && text.chars().count() <= Self::MAX_LENGTH && !text.contains(char::is_control);
        // It stands in a URL, which others log.
        let secret = text.contains("://") || SECRET_PREFIXES.iter().any(|prefix| text.contains(prefix));
        (plain && !secret).then(|| Self(text.to_owned())).ok_or(InvalidSearch(Self::ALLOWED))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_session_is_read_sparingly_and_all_but_its_id_may_be_missing() {
        let full = Session::read(&json!({
            "id": "ses_1", "status": "expired", "external_ref": "a\u{202e}b", "created_at": "2026-01-01T00:00:00Z",
            "metadata": {"name": "Jane"}, "tags": ["a", 1, "", "b"], "processing_attempts": 2, "case_id": null,
        }))
        .unwrap();
        assert_eq!(full.external_ref.unwrap().as_str(), "ab");
        assert_eq!(full.tags.iter().map(UntrustedText::as_str).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((full.processing_attempts, full.case_id), (Some(2), None));
        let bare = Session::read(&json!({"id": "ses_1", "status": 7, "created_at": "soon"})).unwrap();
        assert_eq!((bare.status, bare.created_at), (None, None));
        assert_eq!(Session::read(&json!({"status": "expired"})), Err(BodyError::Field("id")));
        assert_eq!(Session::read(&json!({"id": "../x"})), Err(BodyError::Field("id")));
    }

    #[test]
    fn one_bad_item_does_not_spoil_a_page() {
        let body = json!({"data": [{"id": "ses_1"}, {"id": "a/b"}, 3, {"id": "ses_2"}], "pagination": {"total": 9}});
        let page = SessionPage::read(&body, 3).unwrap();
        assert_eq!((page.sessions.len(), page.left_out, page.total), (1, 2, Some(9)));
        assert_eq!(SessionPage::read(&json!({"data": []}), 10).unwrap().total, None);
        assert_eq!(SessionPage::read(&json!([]), 10), Err(BodyError::Field("data")));
    }

    #[test]
    fn a_search_takes_what_can_be_searched_for_and_nothing_else() {
        for status in SessionStatus::DOCUMENTED.into_iter().chain(["new_status_2"]) {
            assert!(status.parse::<SessionStatus>().is_ok(), "{status}");
        }
        for status in ["", "Expired", "a b", "a&limit=1", &"a".repeat(65)] {
            assert!(status.parse::<SessionStatus>().is_err(), "{status}");
        }
        for text in ["ses_1", "customer 1001 & co", "Zoë", &"ä".repeat(200)] {
            assert!(text.parse::<SearchText>().is_ok(), "{text}");
        }
        for text in ["", "  ", "a\nb", &"ä".repeat(201), "https://app.example/verify/x", "tok_abc", "vk_live_x"] {
            assert!(text.parse::<SearchText>().is_err(), "{text}");
        }
    }
}

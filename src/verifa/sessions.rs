//! Sessions as they are listed and looked up: `GET /api/v1/sessions` and `GET /api/v1/sessions/{session_id}`.
//!
//! What is not needed to help someone whose link has expired (metadata, checks, IP addresses, documents, the link itself)
//! is never read. The fields of a list's items are not documented, so every field but `id` may be missing.

use reqwest::{Method, Request};
use serde_json::Value;

use super::{
    BaseUrl, BodyError, DateTime, Endpoint, SessionId,
    text::{InvalidText, Rule, Text, allowed},
};
use crate::untrusted::{UntrustedText, contains_secret};

/// The longest text that is kept of a field, in characters.
const MAX_TEXT_LENGTH: usize = 128;
const MAX_TAGS: usize = 20;

/// The terminal statuses that Verifa documents.
pub(crate) const COMPLETED: &str = "completed";
pub(crate) const EXPIRED: &str = "expired";
pub(crate) const FAILED: &str = "failed";

/// A session, as far as it is read. The fields have the API's names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    /// New values may come, so it is text.
    pub(crate) status: Option<UntrustedText>,
    /// What the organization calls the person or the case.
    pub(crate) external_ref: Option<UntrustedText>,
    pub(crate) created_at: Option<DateTime>,
    pub(crate) updated_at: Option<DateTime>,
    /// When the capture link expires.
    pub(crate) token_expires_at: Option<DateTime>,
    pub(crate) environment: Option<UntrustedText>,
    pub(crate) workflow_id: Option<UntrustedText>,
    pub(crate) case_id: Option<UntrustedText>,
    pub(crate) case_status: Option<UntrustedText>,
    /// `active`, `sensitive_redacted` or `redacted`.
    pub(crate) retention_status: Option<UntrustedText>,
    pub(crate) processing_attempts: Option<u64>,
    pub(crate) tags: Vec<UntrustedText>,
}

impl Session {
    fn read(body: &Value) -> Result<Self, BodyError> {
        let id = body.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok());
        let text = |field| body.get(field).and_then(Value::as_str).and_then(cleaned);
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
            tags: tags.filter_map(Value::as_str).filter_map(cleaned).take(MAX_TAGS).collect(),
        })
    }
}

/// Whether a session in this status has ended.
pub(crate) fn is_terminal(status: &str) -> bool {
    matches!(status, COMPLETED | EXPIRED | FAILED)
}

fn cleaned(text: &str) -> Option<UntrustedText> {
    UntrustedText::truncated(text, MAX_TEXT_LENGTH).non_empty()
}

#[derive(Debug, Clone)]
pub(crate) struct GetSession {
    pub(crate) session_id: SessionId,
}

impl Endpoint for GetSession {
    type Response = Session;

    fn request(&self, base_url: &BaseUrl) -> Request {
        Request::new(Method::GET, base_url.endpoint(&["sessions", self.session_id.as_str()]))
    }

    fn read(&self, body: &Value, _base_url: &BaseUrl) -> Result<Session, BodyError> {
        match Session::read(body)? {
            session if session.id == self.session_id => Ok(session),
            _ => Err(BodyError::OtherSession),
        }
    }

    fn session_id(&self) -> Option<&SessionId> {
        Some(&self.session_id)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct ListSessions {
    pub(crate) status: Option<SessionStatus>,
    /// A session id or an external reference.
    pub(crate) query: Option<SearchText>,
    /// From 1 to [`MAX_LIST_LIMIT`](super::wire::MAX_LIST_LIMIT).
    pub(crate) limit: u32,
    pub(crate) offset: u32,
}

impl Endpoint for ListSessions {
    type Response = SessionPage;

    fn request(&self, base_url: &BaseUrl) -> Request {
        let mut url = base_url.endpoint(&["sessions"]);
        let status = self.status.as_ref().map(|status| ("status", status.as_str()));
        let query = self.query.as_ref().map(|query| ("q", query.as_str()));
        url.query_pairs_mut()
            .extend_pairs(status.into_iter().chain(query))
            .extend_pairs([("limit", self.limit.to_string()), ("offset", self.offset.to_string())]);
        Request::new(Method::GET, url)
    }

    fn read(&self, body: &Value, _base_url: &BaseUrl) -> Result<SessionPage, BodyError> {
        SessionPage::read(body, self.limit)
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SessionPage {
    /// In the API's order.
    pub(crate) sessions: Vec<Session>,
    /// Items that were skipped because their `id` is invalid.
    pub(crate) skipped: usize,
    /// `pagination.total`: the number of sessions on all pages.
    pub(crate) total: Option<u64>,
}

impl SessionPage {
    /// Reads at most `limit` items.
    fn read(body: &Value, limit: u32) -> Result<Self, BodyError> {
        let items = body.get("data").and_then(Value::as_array).ok_or(BodyError::Field("data"))?;
        let limit = items.len().min(usize::try_from(limit).unwrap_or(usize::MAX));
        let items = items.get(..limit).unwrap_or(items);
        let sessions: Vec<_> = items.iter().filter_map(|item| Session::read(item).ok()).collect();
        let total = body.get("pagination").and_then(|it| it.get("total")).and_then(Value::as_u64);
        Ok(Self { skipped: items.len() - sessions.len(), sessions, total })
    }
}

/// A status to filter by. New ones may come, so any word is accepted.
pub(crate) type SessionStatus = Text<SessionStatusRule>;

pub(crate) struct SessionStatusRule;

impl Rule for SessionStatusRule {
    const ALLOWED: &'static str = "a status such as expired or pending: lower-case letters, digits and underscores";

    fn check(text: &str) -> Result<(), InvalidText> {
        let is_word = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        allowed::<Self>(is_word && (1..=SessionStatus::MAX_LENGTH).contains(&text.len()))
    }
}

impl SessionStatus {
    /// In characters. Verifa documents no limit.
    pub(crate) const MAX_LENGTH: usize = 64;
}

/// A session id or an external reference to search for.
pub(crate) type SearchText = Text<SearchTextRule>;

pub(crate) struct SearchTextRule;

impl Rule for SearchTextRule {
    const ALLOWED: &'static str = "1 to 200 characters of a session id or an external reference, never a link or a key";

    fn check(text: &str) -> Result<(), InvalidText> {
        let plain =
            !text.is_empty() && text.chars().count() <= SearchText::MAX_LENGTH && !text.contains(char::is_control);
        // It becomes part of a URL, and URLs are logged.
        let secret = text.contains("://") || contains_secret(text);
        allowed::<Self>(plain && !secret)
    }
}

impl SearchText {
    /// In characters. Verifa documents no limit.
    pub(crate) const MAX_LENGTH: usize = 200;
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
        assert_eq!((page.sessions.len(), page.skipped, page.total), (1, 2, Some(9)));
        assert_eq!(SessionPage::read(&json!({"data": []}), 10).unwrap().total, None);
        assert_eq!(SessionPage::read(&json!([]), 10), Err(BodyError::Field("data")));
    }

    #[test]
    fn a_search_takes_what_can_be_searched_for_and_nothing_else() {
        for status in ["pending", "sandbox_pending", "new_status_2"] {
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

//! What a link endpoint responds with, and its parts: the session's id and the link that a person opens.
//!
//! Anyone who has the link can act as the applicant, so it never shows in `Debug`; only `expose` returns it.

use std::fmt;

use serde_json::Value;
use url::Url;

use super::{
    BaseUrl, BodyError, DateTime, QrCode,
    text::{InvalidText, Rule, Text, allowed},
};
use crate::{
    hosts::{has_user_info, is_loopback},
    untrusted::{UntrustedText, contains_secret},
};

/// A session's id, safe to be one segment of a URL's path.
///
/// The reference page writes `ses_*`, some guides `session_…`; no prefix is required.
pub(crate) type SessionId = Text<SessionIdRule>;

pub struct SessionIdRule;

impl Rule for SessionIdRule {
    const ALLOWED: &'static str = "1 to 128 characters of A-Z, a-z, 0-9, _ and -, for example ses_abc123";

    fn check(text: &str) -> Result<(), InvalidText> {
        if contains_secret(text) {
            return Err(InvalidText::Secret("the session's id, for example ses_abc123"));
        }
        let is_safe = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        allowed::<Self>(is_safe && (1..=SessionId::MAX_LENGTH).contains(&text.len()))
    }
}

impl SessionId {
    /// In characters. Verifa documents no limit.
    pub(crate) const MAX_LENGTH: usize = 128;
}

/// A new capture link: the fields that both link endpoints respond with.
#[derive(Debug, Clone)]
pub(crate) struct CaptureLink {
    pub(crate) session_id: SessionId,
    /// Usually `pending`. The documentation lists no values, so it is text.
    pub(crate) status: UntrustedText,
    pub(crate) capture_url: CaptureUrl,
    pub(crate) expires_at: DateTime,
    /// `None` where the field is null or holds no picture that can be used.
    pub(crate) qr_code: Option<QrCode>,
}

impl CaptureLink {
    /// Reads a response whose keys are in snake case; `id` is the field that holds the session's id.
    ///
    /// # Errors
    /// Names the first field that is missing or invalid. Only the picture may be.
    pub(super) fn read(
        body: &Value,
        id: &'static str,
        requested: &SessionId,
        base_url: &BaseUrl,
    ) -> Result<Self, BodyError> {
        let text = |field| body.get(field).and_then(Value::as_str).ok_or(BodyError::Field(field));
        let session_id: SessionId = text(id)?.parse().map_err(|_| BodyError::Field(id))?;
        if session_id != *requested {
            return Err(BodyError::OtherSession);
        }
        Ok(Self {
            session_id,
            status: UntrustedText::truncated(text("status")?, 64).non_empty().ok_or(BodyError::Field("status"))?,
            capture_url: CaptureUrl::parse(text("capture_url")?, base_url).ok_or(BodyError::UnsafeLink)?,
            expires_at: DateTime::read(text("expires_at")?).ok_or(BodyError::Field("expires_at"))?,
            qr_code: text("qr_code_data_url").ok().and_then(QrCode::from_data_url),
        })
    }
}

/// The link that a person opens to be verified. It holds a single-use token that is itself the credential.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct CaptureUrl(String);

impl CaptureUrl {
    /// In characters; the QR code of such a link still fits. Verifa documents no limit.
    const MAX_LENGTH: usize = 2_000;

    /// The whole link, exactly as Verifa sent it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CaptureUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CaptureUrl(…)")
    }
}

impl CaptureUrl {
    /// The link, if it is safe to return: https, or plain http to this computer if the API is there too; without user
    /// information; and exactly what a browser makes of it, so that no one opens another link than was checked.
    fn parse(text: &str, base_url: &BaseUrl) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let is_local = url.scheme() == "http" && is_loopback(&url) && base_url.is_plain_loopback();
        let is_safe = (url.scheme() == "https" || is_local) && url.has_host() && !has_user_info(&url);
        let is_exact = url.as_str() == text && text.len() <= Self::MAX_LENGTH && text.bytes().all(is_plain);
        (is_safe && is_exact).then(|| Self(text.to_owned()))
    }
}

/// Whether a URL holds this character as it is.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_session_id_is_one_harmless_path_segment() {
        for id in ["ses_abc123", "session_1", "a", "A-Z_09", "ses_stok_1", &"x".repeat(128)] {
            assert!(id.parse::<SessionId>().is_ok(), "{id}");
        }
        for id in [
            "",
            "../x",
            "a/b",
            "a b",
            "a%2e",
            "ses_é",
            "a\nb",
            "ses_\u{200b}1",
            "vk_live_abc",
            "tok_abc",
            &"x".repeat(129),
        ] {
            assert!(id.parse::<SessionId>().is_err(), "{id}");
        }
        for id in [" ses_1", "ses_1\n", "\u{a0}ses_1 "] {
            assert_eq!(id.parse::<SessionId>().unwrap().as_str(), "ses_1", "{id:?}");
        }
    }

    #[test]
    fn only_safe_links_become_capture_urls() {
        let (live, local) = (BaseUrl::DEFAULT.parse().unwrap(), "http://127.0.0.1:8788".parse().unwrap());
        let parse =
            |link: &str, base_url: &BaseUrl| CaptureUrl::parse(link, base_url).map(|url| url.expose().to_owned());
        for link in [
            "https://app.withverifa.com/verify/tok_abc",
            "https://app.withverifa.com:8443/verify/tok_abc?lang=de#start",
        ] {
            assert_eq!(parse(link, &live).as_deref(), Some(link));
        }
        for link in
            ["http://127.0.0.1:8788/verify/tok_abc", "http://localhost/verify/tok_abc", "http://[::1]:1/verify/tok_abc"]
        {
            assert_eq!(parse(link, &local).as_deref(), Some(link));
            assert_eq!(parse(link, &live), None, "{link}");
        }
        for link in [
            "",
            "string",
            "http://app.withverifa.com/verify/tok_abc",
            "http://localhost.example/verify/tok_abc",
            "https://user@app.withverifa.com/verify/tok_abc",
            "https://app.withverifa.com@evil.example/verify/tok_abc",
            "https:/\\evil.example",
            "https:///verify/x",
            "https:////evil.example/",
            "https:evil.example/",
            "https://EVIL.example/",
            "https://evil.example:443/",
            "https://evil.example/a/../b",
            "https://evil.example",
            "https://app.withverifa.com/\nverify",
            " https://app.withverifa.com/verify",
            "https://app.withverifa.com/ verify",
            "https://app.withverifa.com/\u{202e}verify",
            "javascript:alert(1)",
            "data:text/html,hello",
            "//app.withverifa.com/verify",
            &format!("https://app.withverifa.com/{}", "x".repeat(2_000)),
        ] {
            assert_eq!(parse(link, &live).or(parse(link, &local)), None, "{link}");
        }
    }

    #[test]
    fn links_do_not_show_in_debug_output() {
        let base_url = BaseUrl::DEFAULT.parse().unwrap();
        let link = CaptureUrl::parse("https://app.withverifa.com/verify/tok_abc", &base_url).unwrap();
        assert_eq!(format!("{link:?}"), "CaptureUrl(…)");
    }

    proptest! {
        #[test]
        fn a_session_id_is_kept_without_white_space_around_it_or_rejected(text in any::<String>()) {
            if let Ok(id) = text.parse::<SessionId>() {
                prop_assert_eq!(id.as_str(), text.trim());
                prop_assert!(text.trim().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
            }
        }

        #[test]
        fn safe_characters_make_a_session_id(text in "[A-Za-z0-9_-]{1,128}") {
            prop_assume!(!contains_secret(&text));
            prop_assert!(text.parse::<SessionId>().is_ok());
        }
    }
}

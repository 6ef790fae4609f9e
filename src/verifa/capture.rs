//! What a link endpoint responds with: the session's id, the link that a person opens, and the QR code of that link.
//!
//! Whoever holds the link can act as the applicant, so link and QR code never show in `Debug`; only the methods named
//! `expose…` return them.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;
use url::Url;

use super::{
    BodyError, DateTime,
    text::{InvalidText, Rule, Text, allowed},
};
use crate::{
    hosts::{has_user_info, is_loopback},
    untrusted::{SECRET_PREFIXES, UntrustedText},
};

/// A session's id, safe to be one segment of a URL's path.
///
/// The reference page writes `ses_*`, some guides `session_…`; no prefix is required.
pub type SessionId = Text<SessionIdRule>;

pub struct SessionIdRule;

impl Rule for SessionIdRule {
    const ALLOWED: &'static str = "1 to 128 characters of A-Z, a-z, 0-9, _ and -, for example ses_abc123";

    fn check(text: &str) -> Result<(), InvalidText> {
        if SECRET_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
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
pub struct CaptureLink {
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
    pub(super) fn read(body: &Value, id: &'static str) -> Result<Self, BodyError> {
        let text = |field| body.get(field).and_then(Value::as_str).ok_or(BodyError::Field(field));
        Ok(Self {
            session_id: text(id)?.parse().map_err(|_| BodyError::Field(id))?,
            status: UntrustedText::truncated(text("status")?, 64).non_empty().ok_or(BodyError::Field("status"))?,
            capture_url: text("capture_url")?.parse().map_err(|_| BodyError::UnsafeLink)?,
            expires_at: DateTime::read(text("expires_at")?).ok_or(BodyError::Field("expires_at"))?,
            qr_code: text("qr_code_data_url").ok().and_then(QrCode::from_data_url),
        })
    }
}

/// The link that a person opens to be verified. It holds a single-use token that is itself the credential.
#[derive(Clone, PartialEq, Eq)]
pub struct CaptureUrl(String);

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

/// Text that must not be returned as a capture link: not https (plain http only to this computer), with user
/// information, with characters that do not belong into a URL, or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a safe link")]
pub struct UnsafeCaptureUrl;

impl FromStr for CaptureUrl {
    type Err = UnsafeCaptureUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = text.len() <= Self::MAX_LENGTH && text.bytes().all(is_plain);
        let url = Url::parse(text).map_err(|_| UnsafeCaptureUrl)?;
        let encrypted = text.starts_with("https://");
        let local = text.starts_with("http://") && is_loopback(&url);
        let safe = plain && (encrypted || local) && url.has_host() && !has_user_info(&url);
        safe.then(|| Self(text.to_owned())).ok_or(UnsafeCaptureUrl)
    }
}

/// Whether a URL holds this character as it is.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

/// The QR code of a capture link: a PNG, kept as the data URL that it came in.
#[derive(Clone, PartialEq, Eq)]
pub struct QrCode(String);

impl QrCode {
    const DATA_URL: &str = "data:image/png;base64,";
    const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
    /// The largest picture that is accepted, in bytes.
    const MAX_SIZE: usize = 64 * 1024;

    /// Reads `data:image/png;base64,…`; `None` where it is not a PNG of at most 64 KiB.
    pub fn from_data_url(data_url: &str) -> Option<Self> {
        let base64 = data_url.strip_prefix(Self::DATA_URL)?;
        if base64.len() > Self::MAX_SIZE.div_ceil(3) * 4 {
            return None;
        }
        let png = BASE64_STANDARD.decode(base64).ok()?;
        (png.starts_with(Self::PNG_SIGNATURE) && png.len() <= Self::MAX_SIZE).then(|| Self(data_url.to_owned()))
    }

    /// Wraps a picture that this program drew.
    pub(crate) fn from_png(png: &[u8]) -> Self {
        let mut data_url = Self::DATA_URL.to_owned();
        BASE64_STANDARD.encode_string(png, &mut data_url);
        Self(data_url)
    }

    /// The PNG in base64.
    pub(crate) fn expose_base64(&self) -> &str {
        self.0.strip_prefix(Self::DATA_URL).unwrap_or_default()
    }

    /// The PNG as a data URL.
    pub(crate) fn expose_data_url(&self) -> &str {
        &self.0
    }

    /// The PNG itself.
    pub(crate) fn expose_png(&self) -> Vec<u8> {
        BASE64_STANDARD.decode(self.expose_base64()).unwrap_or_default()
    }
}

impl fmt::Debug for QrCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("QrCode(…)")
    }
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
        for link in [
            "https://app.withverifa.com/verify/tok_abc",
            "https://app.withverifa.com:8443/verify/tok_abc?lang=de#start",
            "http://127.0.0.1:8788/verify/tok_abc",
            "http://localhost/verify/tok_abc",
            "http://[::1]:1/verify/tok_abc",
        ] {
            assert_eq!(link.parse::<CaptureUrl>().map(|url| url.expose().to_owned()), Ok(link.to_owned()));
        }
        for link in [
            "",
            "string",
            "http://app.withverifa.com/verify/tok_abc",
            "http://localhost.example/verify/tok_abc",
            "https://user@app.withverifa.com/verify/tok_abc",
            "https://app.withverifa.com@evil.example/verify/tok_abc",
            "https:/\\evil.example",
            "https://app.withverifa.com/\nverify",
            "https://app.withverifa.com/ verify",
            "https://app.withverifa.com/\u{202e}verify",
            "javascript:alert(1)",
            "data:text/html,hello",
            "//app.withverifa.com/verify",
            &format!("https://app.withverifa.com/{}", "x".repeat(2_000)),
        ] {
            assert_eq!(link.parse::<CaptureUrl>(), Err(UnsafeCaptureUrl), "{link}");
        }
    }

    #[test]
    fn only_small_png_data_urls_become_qr_codes() {
        let png = |size: usize| {
            let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
            bytes.resize(size, 0);
            format!("data:image/png;base64,{}", BASE64_STANDARD.encode(bytes))
        };
        assert_eq!(QrCode::from_data_url(&png(100)).as_ref().map(QrCode::expose_data_url), Some(&*png(100)));
        assert!(QrCode::from_data_url(&png(QrCode::MAX_SIZE)).is_some());
        for bad in [
            String::new(),
            png(QrCode::MAX_SIZE + 1),
            png(7),
            "data:image/png;base64,".to_owned(),
            "data:image/png;base64,!!!!".to_owned(),
            "data:image/svg+xml;base64,PHN2Zy8+".to_owned(),
            "https://example.com/qr.png".to_owned(),
        ] {
            assert!(QrCode::from_data_url(&bad).is_none(), "{bad:.60}");
        }
    }

    #[test]
    fn links_and_pictures_do_not_show_in_debug_output() {
        let link: CaptureUrl = "https://app.withverifa.com/verify/tok_abc".parse().expect("a link");
        let picture = QrCode::from_png(b"secret");
        assert_eq!(format!("{link:?} {picture:?}"), "CaptureUrl(…) QrCode(…)");
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
            prop_assume!(!SECRET_PREFIXES.iter().any(|prefix| text.starts_with(prefix)));
            prop_assert!(text.parse::<SessionId>().is_ok());
        }

        #[test]
        fn any_data_url_is_read_without_a_panic(text in "(data:image/png;base64,)?.*") {
            if let Some(qr) = QrCode::from_data_url(&text) {
                prop_assert_eq!(qr.expose_data_url(), text);
            }
        }
    }
}

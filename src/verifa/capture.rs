//! What a capture is about: the session's id, the link that a person opens, and the QR code of that link.
//!
//! Whoever holds the link can act as the applicant, so the link and the picture never show in `Debug`; the methods
//! named `expose…` are the only ways to them.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_STANDARD};
use url::Url;

use crate::{
    hosts::{has_user_info, is_loopback},
    untrusted::SECRET_PREFIXES,
};

/// A session's id, safe to be one segment of a URL's path.
///
/// The reference page writes `ses_*`, some guides `session_…`; no prefix is insisted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionId(String);

impl SessionId {
    /// The longest id, in characters. Verifa documents none.
    pub const MAX_LENGTH: usize = 128;
    /// What an id may be, in words.
    pub const ALLOWED: &str = "1 to 128 characters of A-Z, a-z, 0-9, _ and -, for example ses_abc123";

    /// The id as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Text that is no session id; says what one looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSessionId {
    /// Too long, or a character that is not safe in a path.
    #[error("must be {}", SessionId::ALLOWED)]
    Unsafe,
    /// A key or a capture token in the wrong place: ids are logged, and these must not be.
    #[error("looks like an API key or a capture token; it must be the session's id, for example ses_abc123")]
    Secret,
}

impl FromStr for SessionId {
    type Err = InvalidSessionId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let safe = (1..=Self::MAX_LENGTH).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if SECRET_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
            return Err(InvalidSessionId::Secret);
        }
        safe.then(|| Self(text.to_owned())).ok_or(InvalidSessionId::Unsafe)
    }
}

/// The link that a person opens to be verified. It holds a single-use token that is itself the credential.
#[derive(Clone, PartialEq, Eq)]
pub struct CaptureUrl(String);

impl CaptureUrl {
    /// The longest link, in characters; its QR code still fits. Verifa documents none.
    pub const MAX_LENGTH: usize = 2_000;

    /// The whole link, exactly as Verifa gave it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CaptureUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CaptureUrl(…)")
    }
}

/// Text that must not be handed out as a capture link: not https (plain http only to this computer), with user
/// information, with characters that no URL holds, or too long.
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

/// The QR code that Verifa drew of a capture link: a PNG, kept as the data URL that it came in.
#[derive(Clone, PartialEq, Eq)]
pub struct QrCode(String);

impl QrCode {
    const DATA_URL: &str = "data:image/png;base64,";
    const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
    /// The largest picture that is accepted, in bytes.
    pub const MAX_SIZE: usize = 64 * 1024;

    /// Reads `data:image/png;base64,…`; `None` where it is not a PNG of at most [`Self::MAX_SIZE`] bytes.
    pub fn from_data_url(data_url: &str) -> Option<Self> {
        let base64 = data_url.strip_prefix(Self::DATA_URL)?;
        if base64.len() > Self::MAX_SIZE.div_ceil(3) * 4 {
            return None;
        }
        let png = BASE64_STANDARD.decode(base64).ok()?;
        (png.starts_with(Self::PNG_SIGNATURE) && png.len() <= Self::MAX_SIZE).then(|| Self(data_url.to_owned()))
    }

    /// Wraps a picture that was drawn here.
    pub(crate) fn from_png(png: &[u8]) -> Self {
        let mut data_url = Self::DATA_URL.to_owned();
        BASE64_STANDARD.encode_string(png, &mut data_url);
        Self(data_url)
    }

    /// The PNG in base64.
    pub fn expose_base64(&self) -> &str {
        self.0.strip_prefix(Self::DATA_URL).unwrap_or_default()
    }

    /// The PNG as a data URL.
    pub fn expose_data_url(&self) -> &str {
        &self.0
    }

    /// The PNG itself.
    pub fn expose_png(&self) -> Vec<u8> {
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
        for id in ["", "../x", "a/b", "a b", "a%2e", "ses_é", "a\n", "vk_live_abc", "tok_abc", &"x".repeat(129)] {
            assert!(id.parse::<SessionId>().is_err(), "{id}");
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
        fn a_session_id_is_kept_as_it_is_or_refused(text in any::<String>()) {
            if let Ok(id) = text.parse::<SessionId>() {
                prop_assert_eq!(id.as_str(), &text);
                prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
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

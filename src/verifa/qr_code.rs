//! The QR code of a capture link, as a PNG in a data URL.
//!
//! It is as secret as the link, so it never shows in `Debug`; only the methods named `expose…` return it.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};

/// The QR code of a capture link: a PNG, kept as the data URL that it came in.
#[derive(Clone, PartialEq, Eq)]
pub struct QrCode(String);

impl QrCode {
    const DATA_URL: &str = "data:image/png;base64,";
    /// The largest picture that is accepted, in bytes.
    const MAX_SIZE: usize = 64 * 1024;
    /// The longest side that is accepted, in pixels: a few bytes can claim more pixels than a client has memory.
    const MAX_SIDE: u32 = 2_048;

    /// Reads `data:image/png;base64,…`; `None` where it is not a whole PNG within these limits.
    pub fn from_data_url(data_url: &str) -> Option<Self> {
        let base64 = data_url.strip_prefix(Self::DATA_URL)?;
        if base64.len() > Self::MAX_SIZE.div_ceil(3) * 4 {
            return None;
        }
        let png = BASE64_STANDARD.decode(base64).ok().filter(|png| png.len() <= Self::MAX_SIZE)?;
        let (header, rest) = png.split_first_chunk()?;
        let (width, height) = sides(header)?;
        let is_small = [width, height].iter().all(|side| (1..=Self::MAX_SIDE).contains(side));
        (is_small && rest.ends_with(PNG_END)).then(|| Self(data_url.to_owned()))
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

/// Signature, and the length and name of the first chunk, which holds the sides.
const PNG_START: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR";
/// The last chunk.
const PNG_END: &[u8] = b"\0\0\0\0IEND\xaeB`\x82";

/// Width and height in a PNG's header, if it is one.
fn sides(header: &[u8; 24]) -> Option<(u32, u32)> {
    let (width, height) = header.strip_prefix(PNG_START)?.split_first_chunk()?;
    Some((u32::from_be_bytes(*width), u32::from_be_bytes(height.try_into().ok()?)))
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

    /// A PNG with these sides that is filled up to this size.
    fn png(width: u32, height: u32, size: usize) -> Vec<u8> {
        let mut bytes = [PNG_START, &width.to_be_bytes(), &height.to_be_bytes()].concat();
        bytes.resize(size - PNG_END.len(), 0);
        [&bytes, PNG_END].concat()
    }

    fn data_url(png: &[u8]) -> String {
        format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png))
    }

    #[test]
    fn only_small_whole_png_data_urls_become_qr_codes() {
        for good in [png(1, 1, 100), png(2_048, 2_048, QrCode::MAX_SIZE)] {
            let url = data_url(&good);
            assert_eq!(QrCode::from_data_url(&url).map(|code| code.expose_data_url().to_owned()), Some(url));
        }
        let whole = png(300, 300, 100);
        for bad in [
            String::new(),
            data_url(&png(300, 300, QrCode::MAX_SIZE + 1)),
            data_url(&png(20_000, 20_000, 1_000)),
            data_url(&png(2_049, 1, 100)),
            data_url(&png(0, 300, 100)),
            data_url(&whole[..whole.len() - 1]),
            data_url(&whole[..20]),
            data_url(&whole[1..]),
            "data:image/png;base64,".to_owned(),
            "data:image/png;base64,!!!!".to_owned(),
            "data:image/svg+xml;base64,PHN2Zy8+".to_owned(),
            "https://example.com/qr.png".to_owned(),
        ] {
            assert!(QrCode::from_data_url(&bad).is_none(), "{bad:.60}");
        }
    }

    #[test]
    fn a_qr_code_does_not_show_in_debug_output() {
        assert_eq!(format!("{:?}", QrCode::from_png(b"secret")), "QrCode(…)");
    }

    proptest! {
        #[test]
        fn any_data_url_is_read_without_a_panic(text in "(data:image/png;base64,)?.*") {
            if let Some(qr) = QrCode::from_data_url(&text) {
                prop_assert_eq!(qr.expose_data_url(), text);
            }
        }
    }
}

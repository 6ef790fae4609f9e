//! Reads the body of a response as JSON, with its keys in snake case.
//!
//! A text with half of a character that JSON escapes as two (a lone surrogate) does not spoil the rest of the body.

use serde_json::Value;

use super::KeyInflection;

/// The body; `None` where it is not JSON.
pub(super) fn read(body: &[u8]) -> Option<Value> {
    let value = serde_json::from_slice(body).or_else(|_| serde_json::from_slice(&without_lone_surrogates(body)));
    value.ok().map(|value| KeyInflection::Snake.inflect_keys(value))
}

/// The body with each escaped surrogate that has no partner replaced by U+FFFD.
fn without_lone_surrogates(body: &[u8]) -> Vec<u8> {
    let mut repaired = Vec::with_capacity(body.len());
    let mut rest = body;
    while let [byte, after @ ..] = rest {
        let length = match (escaped(rest), escaped(rest.get(6..).unwrap_or_default())) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => 12,
            (Some(0xd800..0xe000), _) => {
                repaired.extend_from_slice(br"\ufffd");
                rest = rest.get(6..).unwrap_or_default();
                continue;
            }
            // An escaped backslash is not the beginning of the next escape.
            (None, _) if *byte == b'\\' && !after.is_empty() => 2,
            (Some(_), _) => 6,
            (None, _) => 1,
        };
        let (whole, others) = rest.split_at(length.min(rest.len()));
        repaired.extend_from_slice(whole);
        rest = others;
    }
    repaired
}

/// The number in the `\uXXXX` that a text begins with.
fn escaped(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(br"\u")?.get(..4)?;
    u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_lone_surrogate_spoils_nothing_but_itself() {
        for (text, expected) in [
            (r"a\ud83db", "a\u{fffd}b"),
            (r"a\ude00b", "a\u{fffd}b"),
            (r"\ud83d\ud83d\ude00", "\u{fffd}\u{1f600}"),
            (r"\ud83d", "\u{fffd}"),
            (r"\\ud83d \ud83d", "\\ud83d \u{fffd}"),
            (r"\ud83d\n", "\u{fffd}\n"),
            (r"\u00e9\ud83d", "\u{e9}\u{fffd}"),
        ] {
            let body = format!("[{{\"sessionRef\": \"{text}\"}}, 1]");
            assert_eq!(read(body.as_bytes()), Some(json!([{"session_ref": expected}, 1])), "{text}");
        }
        for broken in ["", "<html>", r#"{"a": "\ud83d"#, r#"{"a": "\ud8"}"#] {
            assert_eq!(read(broken.as_bytes()), None, "{broken}");
        }
    }
}

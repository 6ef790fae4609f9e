//! Reads JSON in which nothing may be ambiguous: the headers and claims of tokens.
//!
//! Text that another reader might understand in another way (repeated members, bytes that are not UTF-8, `null` for
//! absent) must be an error here, since a token is checked by several programs.

use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::IgnoredAny};

/// Parses a JSON object. A repeated field of `T` is an error.
pub(super) fn object<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    // serde skips unknown fields without checking that they are UTF-8, and takes an array for a struct.
    let text = str::from_utf8(bytes).ok()?;
    text.trim_start().starts_with('{').then(|| serde_json::from_str(text).ok()).flatten()
}

/// A field that is `Some` whenever it is present: serde takes `null` for an absent `Option`.
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Whether a field is present, whatever its value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Presence(bool);

impl Presence {
    pub(super) fn is_present(self) -> bool {
        self.0
    }
}

impl<'de> Deserialize<'de> for Presence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Example {
        #[serde(default, deserialize_with = "present")]
        text: Option<String>,
        #[serde(default)]
        flag: Presence,
    }

    fn example(text: Option<&str>, flag: bool) -> Option<Example> {
        Some(Example { text: text.map(str::to_owned), flag: Presence(flag) })
    }

    #[test]
    fn only_an_unambiguous_object_is_read() {
        let deep = format!("{{\"x\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        let cases: [(&[u8], Option<Example>); 13] = [
            (b"{}", example(None, false)),
            (br#" {"text": "a", "flag": null, "other": 1}"#, example(Some("a"), true)),
            (br#"{"text": null}"#, None),
            (br#"{"text": 1}"#, None),
            (br#"{"text": "a", "text": "a"}"#, None),
            (br#"{"flag": 1, "flag": null}"#, None),
            (br#"["a", 1]"#, None),
            (b"\"text\"", None),
            (b"{} {}", None),
            (b"\xef\xbb\xbf{}", None),
            (b"{\"other\": \"\xff\"}", None),
            (b"", None),
            (deep.as_bytes(), example(None, false)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(
                object::<Example>(bytes),
                expected,
                "{:?}",
                String::from_utf8_lossy(bytes.get(..40).unwrap_or(bytes))
            );
        }
    }
}

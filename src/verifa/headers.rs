//! The three optional headers of Verifa's endpoints, each a type that refuses a bad value when it is made.
//!
//! `Verifa-Version`, `Key-Inflection` and `Idempotency-Key`, as on the endpoint's reference page. They are parsed here
//! and nowhere else, and hold no secret.

use std::{fmt, str::FromStr};

use heck::{ToKebabCase, ToLowerCamelCase, ToSnakeCase};
use serde_json::Value;
use uuid::Uuid;

/// A value that a header cannot take; says what is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be {0}")]
pub struct InvalidHeader(&'static str);

/// `Idempotency-Key`: the same key with the same parameters gives the original answer again for 24 hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The longest key, in characters (the endpoint's page: "<=255 characters").
    pub const MAX_LENGTH: usize = 255;
    /// What a key may be, in words.
    pub const ALLOWED: &str = "1 to 255 visible ASCII characters, no spaces";

    /// A key that nobody has used: a random UUID.
    pub fn generate() -> Self {
        Self(Uuid::new_v4().to_string())
    }

    /// The key as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = InvalidHeader;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = (1..=Self::MAX_LENGTH).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        allowed.then(|| Self(text.to_owned())).ok_or(InvalidHeader(Self::ALLOWED))
    }
}

/// `Verifa-Version`: the date of an API version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiVersion(String);

impl ApiVersion {
    /// What a version may be, in words.
    pub const ALLOWED: &str = "a date of the form YYYY-MM-DD, for example 2026-01-01";

    /// The version as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ApiVersion {
    type Err = InvalidHeader;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The calendar library reads other forms too (20260101, +002026-01-01); the length leaves this one.
        let date = (text.len() == 10).then(|| text.parse::<jiff::civil::Date>().ok()).flatten();
        match date {
            Some(date) if date.to_string() == text => Ok(Self(text.to_owned())),
            _ => Err(InvalidHeader(Self::ALLOWED)),
        }
    }
}

/// `Key-Inflection`: the casing of the keys in an answer's body.
///
/// An organization may have another default than the documented `snake`, so the header is always sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeyInflection {
    /// `capture_url`
    #[default]
    Snake,
    /// `captureUrl`
    Camel,
    /// `capture-url`
    Kebab,
}

impl KeyInflection {
    /// Every casing, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::Snake, Self::Camel, Self::Kebab];
    /// What an inflection may be, in words.
    pub const ALLOWED: &str = "one of snake, camel, kebab";

    /// The inflection as it is sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Snake => "snake",
            Self::Camel => "camel",
            Self::Kebab => "kebab",
        }
    }

    /// A key in this casing.
    pub fn inflect(self, key: &str) -> String {
        match self {
            Self::Snake => key.to_snake_case(),
            Self::Camel => key.to_lower_camel_case(),
            Self::Kebab => key.to_kebab_case(),
        }
    }

    /// The value with all keys of its objects, at any depth, in this casing.
    pub fn inflect_keys(self, value: Value) -> Value {
        // The common case, since this casing was asked for: nothing is to be done, which is soon seen.
        if self == Self::Snake && is_snake(&value) { value } else { self.rename_keys(value) }
    }

    fn rename_keys(self, value: Value) -> Value {
        match value {
            Value::Object(fields) => {
                fields.into_iter().map(|(key, field)| (self.inflect(&key), self.rename_keys(field))).collect()
            }
            Value::Array(items) => items.into_iter().map(|item| self.rename_keys(item)).collect(),
            other => other,
        }
    }
}

/// Whether all keys are snake case beyond doubt.
fn is_snake(value: &Value) -> bool {
    let is_word =
        |word: &[u8]| !word.is_empty() && word.iter().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit());
    let plain = |key: &str| key.as_bytes().split(|it| *it == b'_').all(is_word);
    match value {
        Value::Object(fields) => fields.iter().all(|(key, field)| plain(key) && is_snake(field)),
        Value::Array(items) => items.iter().all(is_snake),
        _ => true,
    }
}

impl fmt::Display for KeyInflection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for KeyInflection {
    type Err = InvalidHeader;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|inflection| inflection.as_str() == text).ok_or(InvalidHeader(Self::ALLOWED))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_version_is_a_date_in_one_form() {
        for date in ["2026-01-01", "2024-02-29"] {
            assert_eq!(date.parse::<ApiVersion>().map(|version| version.as_str().to_owned()), Ok(date.to_owned()));
        }
        for text in
            ["", "newest", "20260101", "2026-13-01", "2026-02-29", "2026-1-1", "2026-01-01T00:00", "+002026-01-01"]
        {
            assert!(text.parse::<ApiVersion>().is_err(), "{text}");
        }
    }

    #[test]
    fn keys_are_inflected_at_any_depth_and_back() {
        let snake = json!({"capture_url": "a_b", "qr_code_data_url": null, "nested": [{"status_code": 1}]});
        let camel = json!({"captureUrl": "a_b", "qrCodeDataUrl": null, "nested": [{"statusCode": 1}]});
        let kebab = json!({"capture-url": "a_b", "qr-code-data-url": null, "nested": [{"status-code": 1}]});
        for (inflection, expected) in KeyInflection::ALL.into_iter().zip([&snake, &camel, &kebab]) {
            assert_eq!(&inflection.inflect_keys(snake.clone()), expected);
            assert_eq!(KeyInflection::Snake.inflect_keys(expected.clone()), snake);
            assert_eq!(inflection.as_str().parse(), Ok(inflection));
        }
        assert!("Snake".parse::<KeyInflection>().is_err());
    }

    #[test]
    fn a_generated_key_is_new_each_time_and_one_that_would_be_accepted() {
        let (first, second) = (IdempotencyKey::generate(), IdempotencyKey::generate());
        assert_ne!(first, second);
        assert_eq!(first.as_str().parse(), Ok(first));
    }

    proptest! {
        #[test]
        fn visible_ascii_makes_an_idempotency_key(text in "[!-~]{1,255}") {
            prop_assert_eq!(text.parse::<IdempotencyKey>().map(|key| key.as_str().to_owned()), Ok(text));
        }

        #[test]
        fn an_idempotency_key_is_kept_as_it_is_or_refused(text in any::<String>()) {
            let allowed = (1..=255).contains(&text.len()) && text.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
            prop_assert_eq!(text.parse::<IdempotencyKey>().is_ok(), allowed);
        }

        #[test]
        fn keys_that_are_left_as_they_are_would_have_become_the_same(key in "[A-Za-z0-9_-]{1,12}") {
            let value = serde_json::json!([{ (key): {} }]);
            prop_assert_eq!(KeyInflection::Snake.inflect_keys(value.clone()), KeyInflection::Snake.rename_keys(value));
        }

        #[test]
        fn a_key_that_is_too_long_is_refused(text in "[!-~]{256,300}") {
            prop_assert!(text.parse::<IdempotencyKey>().is_err());
        }
    }
}

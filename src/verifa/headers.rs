//! The three optional headers of Verifa's endpoints, each a type that rejects an invalid value when it is parsed.
//!
//! `Verifa-Version`, `Key-Inflection` and `Idempotency-Key`, as on the endpoint's reference page. They are parsed here
//! and nowhere else, and hold no secret.

use std::str::FromStr;

use heck::{ToKebabCase, ToLowerCamelCase, ToSnakeCase};
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::Value;
use strum::VariantArray;
use uuid::Uuid;

use super::{
    text::{InvalidText, Rule, Text, allowed},
    wire,
};
use crate::untrusted::contains_secret;

/// `Idempotency-Key`: the same key with the same parameters returns the original response again for 24 hours.
pub(crate) type IdempotencyKey = Text<IdempotencyKeyRule>;

/// 1 to 255 visible ASCII characters (the endpoint's page: "<=255 characters").
pub struct IdempotencyKeyRule;

impl Rule for IdempotencyKeyRule {
    const ALLOWED: &'static str = "1 to 255 visible ASCII characters, no spaces";

    fn check(text: &str) -> Result<(), InvalidText> {
        if contains_secret(text) {
            return Err(InvalidText::Secret(Self::ALLOWED));
        }
        let length = 1..=IdempotencyKey::MAX_LENGTH;
        allowed::<Self>(length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()))
    }
}

impl IdempotencyKey {
    pub(crate) const MAX_LENGTH: usize = 255;

    /// A key that no one has used: a random UUID.
    pub(crate) fn generate() -> Self {
        // Visible ASCII, and without anything that a secret begins with.
        Self::certain(Uuid::new_v4().to_string())
    }
}

/// `Verifa-Version`: the date of an API version.
pub(crate) type ApiVersion = Text<ApiVersionRule>;

/// A date in one form, `YYYY-MM-DD`.
pub struct ApiVersionRule;

impl Rule for ApiVersionRule {
    const ALLOWED: &'static str = "a date of the form YYYY-MM-DD, for example 2026-01-01";

    fn check(text: &str) -> Result<(), InvalidText> {
        // The calendar library reads other forms too (20260101, +002026-01-01); the length leaves this one.
        let date = (text.len() == 10).then(|| text.parse::<jiff::civil::Date>().ok()).flatten();
        allowed::<Self>(date.is_some_and(|date| date.to_string() == text))
    }
}

/// The three optional headers of a request, as on the endpoint's page.
#[derive(Debug, Clone, Default)]
pub(crate) struct RequestHeaders {
    /// Sent with requests that change something, the same in every attempt.
    pub idempotency_key: Option<IdempotencyKey>,
    /// `None` leaves the version to the one pinned to the key.
    pub version: Option<ApiVersion>,
    /// Always sent: an organization may have another default than the documented `snake`.
    pub key_inflection: KeyInflection,
}

impl RequestHeaders {
    pub(super) fn apply(&self, headers: &mut HeaderMap) {
        let version = self.version.as_ref().map(|version| (wire::VERIFA_VERSION, version.as_str()));
        let key = self.idempotency_key.as_ref().map(|key| (wire::IDEMPOTENCY_KEY, key.as_str()));
        let inflection = Some((wire::KEY_INFLECTION, self.key_inflection.into()));
        for (name, value) in [inflection, version, key].into_iter().flatten() {
            // Each type has made sure that a header can carry its values.
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
    }
}

/// `Key-Inflection`: the casing of the keys in a response's body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, strum::Display, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "lowercase")]
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
    /// What an inflection may be, as the rest of a sentence that begins with "must be".
    pub(crate) const ALLOWED: &str = "one of snake, camel, kebab";

    /// The inflection as it is sent.
    pub(crate) fn as_str(self) -> &'static str {
        self.into()
    }

    /// A key in this casing.
    pub(crate) fn inflect(self, key: &str) -> String {
        match self {
            Self::Snake => key.to_snake_case(),
            Self::Camel => key.to_lower_camel_case(),
            Self::Kebab => key.to_kebab_case(),
        }
    }

    /// The value with all keys of its objects, at any depth, in this casing.
    pub(crate) fn inflect_keys(self, value: Value) -> Value {
        // Usual, since this casing was asked for, and quickly found out.
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

/// Whether all keys are certainly snake case.
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

impl FromStr for KeyInflection {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::VARIANTS.iter().find(|inflection| inflection.as_str() == text.trim());
        named.copied().ok_or(InvalidText::NotAllowed(Self::ALLOWED))
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
        for (inflection, expected) in KeyInflection::VARIANTS.iter().copied().zip([&snake, &camel, &kebab]) {
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
            let text = text.trim();
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

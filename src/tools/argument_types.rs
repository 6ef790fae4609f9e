//! The types that arguments can have: how each is parsed, and its JSON Schema.
//!
//! The schema promises what the parser accepts. Which arguments a tool has is in the tool's file.

use std::{fmt::Display, str::FromStr};

use serde_json::{Value, json};
use strum::VariantArray;

use crate::verifa::{ApiVersion, IdempotencyKey, KeyInflection, SearchText, SessionId, SessionStatus};

/// A type that an argument can have.
pub(super) trait ArgumentType: Sized {
    /// The JSON Schema without the parts that belong to one argument.
    fn schema() -> Value;

    /// # Errors
    /// What is allowed.
    fn parse(value: &Value) -> Result<Self, String>;
}

/// A type that is sent as text.
pub(super) trait AllowedText: FromStr<Err: Display> {
    const ALLOWED: &'static str;

    /// Everything but the type.
    fn constraints() -> Value;
}

impl<T: AllowedText> ArgumentType for T {
    fn schema() -> Value {
        let mut schema = json!({"type": "string"});
        if let (Some(schema), Value::Object(constraints)) = (schema.as_object_mut(), Self::constraints()) {
            schema.extend(constraints);
        }
        schema
    }

    fn parse(value: &Value) -> Result<Self, String> {
        let text = value.as_str().ok_or_else(|| format!("must be text: {}", Self::ALLOWED))?;
        text.parse().map_err(|error: T::Err| error.to_string())
    }
}

impl AllowedText for SessionId {
    const ALLOWED: &'static str = Self::ALLOWED;

    fn constraints() -> Value {
        let pattern = "^[A-Za-z0-9_-]+$";
        json!({"minLength": 1, "maxLength": Self::MAX_LENGTH, "pattern": pattern, "examples": ["ses_abc123"]})
    }
}

impl AllowedText for IdempotencyKey {
    const ALLOWED: &'static str = Self::ALLOWED;

    fn constraints() -> Value {
        json!({"minLength": 1, "maxLength": Self::MAX_LENGTH, "pattern": "^[!-~]+$", "examples": ["ticket-4711-1"]})
    }
}

impl AllowedText for ApiVersion {
    const ALLOWED: &'static str = Self::ALLOWED;

    fn constraints() -> Value {
        json!({"pattern": r"^\d{4}-\d{2}-\d{2}$", "examples": ["2026-01-01"]})
    }
}

impl AllowedText for KeyInflection {
    const ALLOWED: &'static str = Self::ALLOWED;

    fn constraints() -> Value {
        json!({"enum": Self::VARIANTS.iter().map(|it| it.as_str()).collect::<Vec<_>>()})
    }
}

impl AllowedText for SessionStatus {
    const ALLOWED: &'static str = Self::ALLOWED;

    fn constraints() -> Value {
        json!({"minLength": 1, "maxLength": Self::MAX_LENGTH, "pattern": "^[a-z0-9_]+$"})
    }
}

impl AllowedText for SearchText {
    const ALLOWED: &'static str = Self::ALLOWED;

    fn constraints() -> Value {
        json!({"minLength": 1, "maxLength": Self::MAX_LENGTH})
    }
}

/// A whole number from `MIN` to `MAX`. A maximum of `u32::MAX` is not in the schema: Verifa documents none then.
#[derive(Debug, Clone, Copy)]
pub(super) struct WholeNumber<const MIN: u32, const MAX: u32>(pub(super) u32);

impl<const MIN: u32, const MAX: u32> ArgumentType for WholeNumber<MIN, MAX> {
    fn schema() -> Value {
        match MAX {
            u32::MAX => json!({"type": "integer", "minimum": MIN}),
            _ => json!({"type": "integer", "minimum": MIN, "maximum": MAX}),
        }
    }

    /// What JSON Schema calls an integer may be written `10.0`.
    fn parse(value: &Value) -> Result<Self, String> {
        let whole = value.as_f64().filter(|number| number.fract() == 0.0).map(|number| number.to_string());
        let number = whole.and_then(|digits| digits.parse().ok()).filter(|number| (MIN..=MAX).contains(number));
        number.map(Self).ok_or_else(|| format!("must be a whole number from {MIN} to {MAX}"))
    }
}

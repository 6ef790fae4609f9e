//! Reads a tool's arguments and says what is wrong with them in our own words, all faults at once.
//!
//! The SDK checks types only, in its parser's words, and no lengths, patterns or unknown names.

use std::str::FromStr;

use rmcp::model::JsonObject;
use serde_json::Value;

use super::Fault;
use crate::verifa::{ApiVersion, IdempotencyKey, KeyInflection, OutsideText, SessionId};

/// How much of a wrong value is repeated, in characters.
const REPEATED: usize = 60;

/// An argument that is sent as text.
pub(super) trait TextArgument: FromStr {
    /// What is allowed, in words.
    const ALLOWED: &'static str;
}

impl TextArgument for SessionId {
    const ALLOWED: &'static str = Self::ALLOWED;
}

impl TextArgument for IdempotencyKey {
    const ALLOWED: &'static str = Self::ALLOWED;
}

impl TextArgument for ApiVersion {
    const ALLOWED: &'static str = Self::ALLOWED;
}

impl TextArgument for KeyInflection {
    const ALLOWED: &'static str = Self::ALLOWED;
}

/// Takes arguments out of an object one by one.
pub(super) struct Arguments {
    remaining: JsonObject,
    known: Vec<&'static str>,
    faults: Vec<String>,
}

impl Arguments {
    pub(super) fn new(arguments: JsonObject) -> Self {
        Self { remaining: arguments, known: Vec::new(), faults: Vec::new() }
    }

    /// Takes an argument that may be absent; `null` counts as absent.
    pub(super) fn optional<T: TextArgument>(&mut self, name: &'static str) -> Option<T> {
        self.known.push(name);
        let value = self.remaining.shift_remove(name).filter(|value| !value.is_null())?;
        let parsed = value.as_str().and_then(|text| text.parse().ok());
        if parsed.is_none() {
            self.faults.push(format!("{name}: must be text, {}; sent: {}", T::ALLOWED, repeated(&value)));
        }
        parsed
    }

    /// Takes an argument that must be there.
    pub(super) fn required<T: TextArgument>(&mut self, name: &'static str) -> Option<T> {
        let missing = self.remaining.get(name).is_none_or(Value::is_null);
        if missing {
            self.faults.push(format!("{name}: is missing; {}", T::ALLOWED));
        }
        self.optional(name)
    }

    /// Ends the reading: what is left over is unknown.
    pub(super) fn finish(mut self) -> Result<(), Fault> {
        let known = self.known.join(", ");
        self.faults.extend(self.remaining.keys().map(|name| {
            format!("{}: there is no such argument; there are {known}", OutsideText::capped(name, REPEATED))
        }));
        if self.faults.is_empty() { Ok(()) } else { Err(Fault::Arguments(self.faults)) }
    }
}

fn repeated(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), |text| format!("\"{text}\""));
    OutsideText::capped(&text, REPEATED).to_string()
}

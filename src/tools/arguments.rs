//! Reads a tool's arguments and says what is wrong with them in our own words, all faults at once.
//!
//! The SDK checks types only, in its parser's words, and no lengths, patterns or unknown names.

use std::{fmt::Display, str::FromStr};

use rmcp::model::JsonObject;
use serde_json::Value;

use super::Fault;
use crate::verifa::{ApiVersion, IdempotencyKey, KeyInflection, OutsideText, SessionId};

/// How much of a wrong value is repeated, in characters.
const REPEATED: usize = 60;

/// How many unknown arguments are named.
const NAMED: usize = 5;

/// An argument that is sent as text.
pub(super) trait TextArgument: FromStr<Err: Display> {
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
        let parsed = match value.as_str() {
            Some(text) => text.parse().map_err(|fault: T::Err| fault.to_string()),
            None => Err(format!("must be text: {}", T::ALLOWED)),
        };
        parsed.map_err(|fault| self.faults.push(format!("{name}: {fault}; sent: {}", repeated(&value)))).ok()
    }

    /// Takes an argument that must be there.
    pub(super) fn required<T: TextArgument>(&mut self, name: &'static str) -> Option<T> {
        let missing = self.remaining.get(name).is_none_or(Value::is_null);
        if missing {
            self.faults.push(format!("{name}: is missing; it must be {}", T::ALLOWED));
        }
        self.optional(name)
    }

    /// Ends the reading: what is left over is unknown.
    pub(super) fn finish(mut self) -> Result<(), Fault> {
        let unknown: Vec<_> =
            self.remaining.keys().take(NAMED).map(|name| OutsideText::capped(name, REPEATED).to_string()).collect();
        if !unknown.is_empty() {
            let more = self.remaining.len() - unknown.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let (unknown, known) = (unknown.join(", "), self.known.join(", "));
            self.faults.push(format!("{unknown}{more}: there is no such argument; there are {known}"));
        }
        if self.faults.is_empty() { Ok(()) } else { Err(Fault::Arguments(self.faults)) }
    }
}

fn repeated(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), |text| format!("\"{text}\""));
    OutsideText::capped(&text, REPEATED).to_string()
}

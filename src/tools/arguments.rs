//! Reads a tool's arguments and says what is wrong with them in our own words, all faults at once.
//!
//! The SDK checks types only, in its parser's words, and no lengths, patterns or unknown names.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr};

use rmcp::model::JsonObject;
use serde_json::Value;

use super::{Circumstances, Fault, ToolError, ToolName};
use crate::call::Caller;
use crate::untrusted::UntrustedText;
use crate::verifa::{ApiVersion, IdempotencyKey, KeyInflection, SearchText, SessionId, SessionStatus};

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

impl TextArgument for SessionStatus {
    const ALLOWED: &'static str = Self::ALLOWED;
}

impl TextArgument for SearchText {
    const ALLOWED: &'static str = Self::ALLOWED;
}

/// Takes arguments out of an object one by one.
pub(super) struct Arguments {
    tool: ToolName,
    remaining: JsonObject,
    known: Vec<&'static str>,
    faults: Vec<String>,
}

impl Arguments {
    /// The arguments of a call that its caller may make.
    ///
    /// # Errors
    /// Where the caller's permissions do not allow the tool.
    pub(super) fn of(tool: ToolName, arguments: JsonObject, caller: &Caller) -> Result<Self, ToolError> {
        if !tool.is_allowed(&caller.permissions) {
            return Err(nothing_sent(tool, Fault::NotAllowed));
        }
        Ok(Self { tool, remaining: arguments, known: Vec::new(), faults: Vec::new() })
    }

    /// Takes an argument that may be absent; `null` counts as absent.
    pub(super) fn optional<T: TextArgument>(&mut self, name: &'static str) -> Option<T> {
        self.take(name, |value| match value.as_str() {
            Some(text) => text.parse().map_err(|fault: T::Err| fault.to_string()),
            None => Err(format!("must be text: {}", T::ALLOWED)),
        })
    }

    /// Takes a whole number that may be absent. A schema's `integer` may be written `10.0`.
    pub(super) fn number(&mut self, name: &'static str, allowed: RangeInclusive<u32>) -> Option<u32> {
        self.take(name, |value| {
            let whole = value.as_f64().filter(|number| number.fract() == 0.0).map(|number| number.to_string());
            whole.and_then(|digits| digits.parse().ok()).filter(|number| allowed.contains(number)).ok_or_else(
                || match (allowed.start(), allowed.end()) {
                    (start, &u32::MAX) => format!("must be a whole number, at least {start}"),
                    (start, end) => format!("must be a whole number from {start} to {end}"),
                },
            )
        })
    }

    fn take<T>(&mut self, name: &'static str, read: impl FnOnce(&Value) -> Result<T, String>) -> Option<T> {
        self.known.push(name);
        let value = self.remaining.shift_remove(name).filter(|value| !value.is_null())?;
        read(&value).map_err(|fault| self.faults.push(format!("{name}: {fault}; sent: {}", repeated(&value)))).ok()
    }

    /// Takes an argument that must be there.
    pub(super) fn required<T: TextArgument>(&mut self, name: &'static str) -> Option<T> {
        let missing = self.remaining.get(name).is_none_or(Value::is_null);
        if missing {
            self.faults.push(format!("{name}: is missing; it must be {}", T::ALLOWED));
        }
        self.optional(name)
    }

    /// Ends the reading: what is left over is unknown. Gives what was read, which is there unless something is wrong.
    pub(super) fn finish<T>(mut self, read: Option<T>) -> Result<T, ToolError> {
        let unknown: Vec<_> = self
            .remaining
            .keys()
            .take(NAMED)
            .map(|name| UntrustedText::truncated(name, REPEATED).to_string())
            .collect();
        if !unknown.is_empty() {
            let more = self.remaining.len() - unknown.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let (unknown, known) = (unknown.join(", "), self.known.join(", "));
            self.faults.push(format!("{unknown}{more}: there is no such argument; there are {known}"));
        }
        read.filter(|_| self.faults.is_empty()).ok_or_else(|| nothing_sent(self.tool, Fault::Arguments(self.faults)))
    }
}

fn nothing_sent(tool: ToolName, fault: Fault) -> ToolError {
    tracing::info!(%fault, "nothing sent");
    ToolError { fault, circumstances: Circumstances::of(tool) }
}

fn repeated(value: &Value) -> String {
    match value.as_str() {
        Some(text) => UntrustedText::truncated(text, REPEATED).quoted(),
        None => UntrustedText::truncated(&value.to_string(), REPEATED).to_string(),
    }
}

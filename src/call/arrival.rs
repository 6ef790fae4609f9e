//! When a call arrived, and which trace of the client it belongs to (W3C Trace Context).
//!
//! Of `traceparent` only the trace ID is kept: hexadecimal digits, so that nothing else of a client gets into a log by it.

use std::{fmt, str::FromStr, time::Instant};

/// When a call arrived, and which trace it belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) time: Instant,
    pub(crate) trace_id: Option<TraceId>,
}

impl Arrival {
    /// A call that arrives now and belongs to no trace.
    pub(crate) fn now() -> Self {
        Self { time: Instant::now(), trace_id: None }
    }
}

/// The trace ID of a `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceId(u128);

impl fmt::Display for TraceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidTraceparent;

impl FromStr for TraceId {
    type Err = InvalidTraceparent;

    /// Reads a `traceparent`: version, trace ID, parent ID, flags; a later version may append more.
    fn from_str(traceparent: &str) -> Result<Self, Self::Err> {
        let mut parts = traceparent.split('-');
        let mut digits = |length| {
            let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            parts.next().filter(|part| part.len() == length && part.bytes().all(is_digit)).ok_or(InvalidTraceparent)
        };
        let (version, id, parent, _flags) = (digits(2)?, digits(32)?, digits(16)?, digits(2)?);
        let is_complete = version != "00" || parts.next().is_none();
        let id = u128::from_str_radix(id, 16).ok().filter(|id| *id != 0);
        let is_valid = version != "ff" && is_complete && parent.bytes().any(|digit| digit != b'0');
        id.filter(|_| is_valid).map(Self).ok_or(InvalidTraceparent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_valid_traceparent_has_a_trace_id() {
        let id = "0af7651916cd43dd8448eb211c80319c";
        for (text, expected) in [
            (format!("00-{id}-b7ad6b7169203331-01"), Some(id)),
            (format!("01-{id}-b7ad6b7169203331-01-more"), Some(id)),
            (format!("00-{id}-b7ad6b7169203331-01-more"), None),
            (format!("ff-{id}-b7ad6b7169203331-01"), None),
            (format!("00-{id}-0000000000000000-01"), None),
            (format!("00-{}-b7ad6b7169203331-01", id.to_uppercase()), None),
            (format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)), None),
            (format!("00-{id}-b7ad6b7169203331"), None),
            (format!("00-{id}0-b7ad6b7169203331-01"), None),
            ("é".repeat(20), None),
            (String::new(), None),
        ] {
            let found = text.parse::<TraceId>().ok().map(|id| id.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }
}

//! Counts the requests of each key in the current minute.
//!
//! It never rejects a request.

use std::collections::HashMap;

use jiff::Timestamp;

use super::{CAPACITY, assumptions::CALLS_PER_MINUTE};

pub(super) const WINDOW_SECONDS: i64 = 60;

/// How many requests a key has left, and when the next minute begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allowance {
    pub(super) remaining: u32,
    /// In Unix seconds.
    pub(super) reset: i64,
}

pub(super) struct RateLimits {
    minute: i64,
    calls: HashMap<String, u32>,
}

impl RateLimits {
    pub(super) fn new() -> Self {
        Self { minute: 0, calls: HashMap::new() }
    }

    /// Counts one request; one without a valid key is not counted.
    pub(super) fn count(&mut self, api_key: Option<&str>, now: Timestamp) -> Allowance {
        let minute = now.as_second().div_euclid(WINDOW_SECONDS);
        if minute != self.minute || self.calls.len() >= CAPACITY {
            self.calls.clear();
            self.minute = minute;
        }
        let used = match api_key {
            Some(api_key) => {
                let calls = self.calls.entry(api_key.to_owned()).or_default();
                *calls = calls.saturating_add(1);
                *calls
            }
            None => 0,
        };
        Allowance { remaining: CALLS_PER_MINUTE.saturating_sub(used), reset: (minute + 1) * WINDOW_SECONDS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn each_key_counts_down_to_zero_and_no_further() {
        let mut limits = RateLimits::new();
        assert_eq!(limits.count(Some("a"), at(61)), Allowance { remaining: 299, reset: 120 });
        for _ in 0..400 {
            limits.count(Some("a"), at(62));
        }
        assert_eq!(limits.count(Some("a"), at(119)).remaining, 0);
        assert_eq!(limits.count(Some("b"), at(119)).remaining, 299);
        assert_eq!(limits.count(None, at(119)).remaining, 300);
    }

    #[test]
    fn a_new_minute_begins_anew() {
        let mut limits = RateLimits::new();
        limits.count(Some("a"), at(119));
        assert_eq!(limits.count(Some("a"), at(120)), Allowance { remaining: 299, reset: 180 });
    }
}

//! The responses kept for each idempotency key, for 24 hours from the first request.
//!
//! Pure: the time is passed in. Which responses are kept and what counts as a parameter are assumptions.

use axum::http::StatusCode;
use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::insert_bounded;

const RETENTION: SignedDuration = SignedDuration::from_hours(24);

/// A key in its scope.
pub(super) type ScopedKey = (String, String);

/// A response, its body in snake case whatever casing it was sent in.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kept {
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

#[derive(Debug, PartialEq)]
pub(super) enum Recall {
    New,
    Replay(Kept),
    OtherParameters,
}

struct Entry {
    since: Timestamp,
    parameters: String,
    kept: Kept,
}

impl Entry {
    fn is_over(&self, now: Timestamp) -> bool {
        now.duration_since(self.since) >= RETENTION
    }
}

pub(super) struct Idempotency {
    entries: IndexMap<ScopedKey, Entry>,
}

impl Idempotency {
    pub(super) fn new() -> Self {
        Self { entries: IndexMap::new() }
    }

    pub(super) fn recall(&self, key: &ScopedKey, parameters: &str, now: Timestamp) -> Recall {
        match self.entries.get(key).filter(|entry| !entry.is_over(now)) {
            None => Recall::New,
            Some(entry) if entry.parameters == parameters => Recall::Replay(entry.kept.clone()),
            Some(_) => Recall::OtherParameters,
        }
    }

    pub(super) fn keep(&mut self, key: ScopedKey, parameters: String, kept: Kept, now: Timestamp) {
        self.entries.retain(|_, entry| !entry.is_over(now));
        insert_bounded(&mut self.entries, key, Entry { since: now, parameters, kept });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> ScopedKey {
        ("vk_sandbox_a".to_owned(), text.to_owned())
    }

    fn kept() -> Kept {
        Kept { status: StatusCode::OK, body: Value::from("the first response") }
    }

    fn store() -> Idempotency {
        let mut store = Idempotency::new();
        store.keep(key("one"), "POST /a".to_owned(), kept(), Timestamp::UNIX_EPOCH);
        store
    }

    fn after(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn the_same_key_and_parameters_return_the_first_response_for_24_hours() {
        let store = store();
        assert_eq!(store.recall(&key("one"), "POST /a", after(24 * 3600 - 1)), Recall::Replay(kept()));
        assert_eq!(store.recall(&key("one"), "POST /a", after(24 * 3600)), Recall::New);
    }

    #[test]
    fn other_parameters_are_detected_while_the_key_is_kept() {
        let store = store();
        assert_eq!(store.recall(&key("one"), "POST /b", after(1)), Recall::OtherParameters);
        assert_eq!(store.recall(&key("one"), "POST /b", after(24 * 3600)), Recall::New);
    }

    #[test]
    fn each_key_of_each_scope_is_separate() {
        let store = store();
        assert_eq!(store.recall(&key("two"), "POST /a", after(1)), Recall::New);
        let elsewhere = ("vk_sandbox_b".to_owned(), "one".to_owned());
        assert_eq!(store.recall(&elsewhere, "POST /a", after(1)), Recall::New);
    }

    #[test]
    fn expired_entries_are_removed_when_one_is_added() {
        let mut store = store();
        store.keep(key("two"), "POST /a".to_owned(), kept(), after(24 * 3600));
        assert!(store.entries.get(&key("one")).is_none());
        assert!(store.entries.get(&key("two")).is_some());
    }
}

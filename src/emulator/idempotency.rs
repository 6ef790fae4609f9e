//! What was answered under which idempotency key, for 24 hours from the first request.
//!
//! A pure store: the time is passed in. It never decides which answers are kept nor what counts as a parameter; those
//! are assumptions.

use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::ledger::Ledger;

const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// A key in its scope.
pub(super) type ScopedKey = (String, String);

/// The answer, its body in snake case whatever casing it was sent in.
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
        now.duration_since(self.since) >= KEPT
    }
}

pub(super) struct Idempotency {
    entries: Ledger<ScopedKey, Entry>,
}

impl Idempotency {
    pub(super) fn new() -> Self {
        Self { entries: Ledger::new() }
    }

    pub(super) fn recall(&self, key: &ScopedKey, parameters: &str, now: Timestamp) -> Recall {
        match self.entries.get(key).filter(|entry| !entry.is_over(now)) {
            None => Recall::New,
            Some(entry) if entry.parameters == parameters => Recall::Replay(entry.kept.clone()),
            Some(_) => Recall::OtherParameters,
        }
    }

    pub(super) fn keep(&mut self, key: ScopedKey, parameters: String, kept: Kept, now: Timestamp) {
        self.entries.forget_oldest_while(|entry| entry.is_over(now));
        self.entries.insert(key, Entry { since: now, parameters, kept });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> ScopedKey {
        ("vk_sandbox_a".to_owned(), text.to_owned())
    }

    fn kept() -> Kept {
        Kept { status: StatusCode::OK, body: Value::from("the first answer") }
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
    fn the_same_key_and_parameters_give_the_first_answer_until_24_hours_have_passed() {
        let store = store();
        assert_eq!(store.recall(&key("one"), "POST /a", after(24 * 3600 - 1)), Recall::Replay(kept()));
        assert_eq!(store.recall(&key("one"), "POST /a", after(24 * 3600)), Recall::New);
    }

    #[test]
    fn other_parameters_are_noticed_only_while_the_key_is_kept() {
        let store = store();
        assert_eq!(store.recall(&key("one"), "POST /b", after(1)), Recall::OtherParameters);
        assert_eq!(store.recall(&key("one"), "POST /b", after(24 * 3600)), Recall::New);
    }

    #[test]
    fn keys_are_told_apart_and_so_are_their_scopes() {
        let store = store();
        assert_eq!(store.recall(&key("two"), "POST /a", after(1)), Recall::New);
        let elsewhere = ("vk_sandbox_b".to_owned(), "one".to_owned());
        assert_eq!(store.recall(&elsewhere, "POST /a", after(1)), Recall::New);
    }

    #[test]
    fn what_is_over_is_forgotten_when_something_new_is_kept() {
        let mut store = store();
        store.keep(key("two"), "POST /a".to_owned(), kept(), after(24 * 3600));
        assert!(store.entries.get(&key("one")).is_none());
        assert!(store.entries.get(&key("two")).is_some());
    }
}

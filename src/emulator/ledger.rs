//! A map that forgets its oldest entries, so that an emulator that runs for weeks does not grow.
//!
//! Knows nothing of what it holds, and never of the time: callers say what is out of date.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

/// At most this many entries are remembered.
pub(super) const CAPACITY: usize = 10_000;

pub(super) struct Ledger<K, V> {
    entries: HashMap<K, V>,
    oldest_first: VecDeque<K>,
}

impl<K: Clone + Eq + Hash, V> Ledger<K, V> {
    pub(super) fn new() -> Self {
        Self { entries: HashMap::new(), oldest_first: VecDeque::new() }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.entries.insert(key.clone(), value).is_none() {
            self.oldest_first.push_back(key);
        }
        if self.entries.len() > CAPACITY {
            self.forget_oldest();
        }
    }

    pub(super) fn forget_oldest_while(&mut self, out_of_date: impl Fn(&V) -> bool) {
        while self.oldest_first.front().and_then(|key| self.entries.get(key)).is_some_and(&out_of_date) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(key) = self.oldest_first.pop_front() {
            self.entries.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entries_make_room_for_new_ones() {
        let mut ledger = Ledger::new();
        for number in 0..=CAPACITY {
            ledger.insert(number, ());
        }
        assert!(ledger.get(&0).is_none());
        assert!(ledger.get(&1).is_some() && ledger.get(&CAPACITY).is_some());
        assert_eq!(ledger.entries.len(), ledger.oldest_first.len());
    }
}

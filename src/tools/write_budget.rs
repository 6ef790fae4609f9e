//! Limits how many calls that change something one caller may send: against an agent that loops.
//!
//! Counted in this process alone, so `n` replicas allow `n` times as much. Verifa's own limits stay as they are.

use std::{
    collections::{HashMap, VecDeque},
    str::FromStr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::SignedDuration;

use crate::call::Identity;

const MAX_COUNT: usize = 1_000;
const MAX_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);
/// Callers that are remembered. Beyond it, the one who has been silent for longest is forgotten.
const MAX_CALLERS: usize = 10_000;

/// So many calls in any period of this length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WriteLimit {
    pub(crate) count: usize,
    pub(crate) window: Duration,
}

impl WriteLimit {
    pub(crate) const DEFAULT: Self = Self { count: 60, window: Duration::from_secs(60 * 60) };
}

#[derive(Debug, thiserror::Error)]
#[error("must be a number from 1 to 1000 and a period of up to a day, for example 60/1h")]
pub(crate) struct InvalidWriteLimit;

impl FromStr for WriteLimit {
    type Err = InvalidWriteLimit;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (count, window) = text.split_once('/').ok_or(InvalidWriteLimit)?;
        let count = count.trim().parse().ok().filter(|count| (1..=MAX_COUNT).contains(count));
        let window: Option<SignedDuration> = window.trim().parse().ok();
        let window = window.and_then(|window| Duration::try_from(window).ok());
        let window = window.filter(|window| !window.is_zero() && *window <= MAX_WINDOW);
        count.zip(window).map(|(count, window)| Self { count, window }).ok_or(InvalidWriteLimit)
    }
}

/// The calls of each caller within the window.
#[derive(Debug)]
pub(super) struct WriteBudget {
    pub(super) limit: WriteLimit,
    sent: Mutex<HashMap<Identity, VecDeque<Instant>>>,
}

impl WriteBudget {
    pub(super) fn new(limit: WriteLimit) -> Self {
        Self { limit, sent: Mutex::default() }
    }

    /// Counts a call that is sent now.
    ///
    /// # Errors
    /// The time until the caller may send one more.
    pub(super) fn spend(&self, caller: Identity, now: Instant) -> Result<(), Duration> {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        if sent.len() >= MAX_CALLERS && !sent.contains_key(&caller) {
            let silent = sent.iter().min_by_key(|(_, times)| times.back().copied()).map(|(caller, _)| caller.clone());
            silent.and_then(|caller| sent.remove(&caller));
        }
        let times = sent.entry(caller).or_default();
        while times.front().is_some_and(|first| now.saturating_duration_since(*first) >= self.limit.window) {
            times.pop_front();
        }
        match times.front() {
            Some(first) if times.len() >= self.limit.count => {
                Err(self.limit.window.saturating_sub(now.saturating_duration_since(*first)))
            }
            _ => {
                times.push_back(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Caller;

    fn caller(name: impl Into<String>) -> Identity {
        Caller { name: Some(name.into()), ..Caller::default() }.identity()
    }

    #[test]
    fn a_limit_is_a_number_and_a_period() {
        let limit = |count, seconds| Some(WriteLimit { count, window: Duration::from_secs(seconds) });
        for (text, expected) in [
            ("60/1h", limit(60, 3_600)),
            ("1 / 10s", limit(1, 10)),
            ("1000/24h", limit(1_000, 86_400)),
            ("0/1h", None),
            ("1001/1h", None),
            ("60/25h", None),
            ("60/0s", None),
            ("60/-1h", None),
            ("60", None),
            ("none", None),
        ] {
            assert_eq!(text.parse().ok(), expected, "{text}");
        }
    }

    #[test]
    fn each_caller_may_send_so_many_calls_in_any_period() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let budget = WriteBudget::new("2/10s".parse().unwrap());
        assert_eq!(budget.spend(caller("ann"), start), Ok(()));
        assert_eq!(budget.spend(caller("ann"), start + 4 * second), Ok(()));
        assert_eq!(budget.spend(caller("ann"), start + 5 * second), Err(5 * second));
        assert_eq!(budget.spend(caller("bob"), start + 5 * second), Ok(()));
        assert_eq!(budget.spend(caller("ann"), start + 10 * second), Ok(()));
        assert_eq!(budget.spend(caller("ann"), start + 10 * second), Err(4 * second));
    }

    #[test]
    fn the_caller_who_was_silent_for_longest_is_forgotten() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let budget = WriteBudget::new("1/1h".parse().unwrap());
        for number in 0..MAX_CALLERS {
            assert_eq!(
                budget.spend(caller(number.to_string()), start + second.saturating_mul(number as u32 % 9)),
                Ok(())
            );
        }
        let later = start + 10 * second;
        assert_eq!(budget.spend(caller("new"), later), Ok(()));
        assert_eq!(budget.sent.lock().unwrap().len(), MAX_CALLERS);
        assert!(budget.spend(caller("8"), later).is_err(), "one of the last to call is remembered");
    }
}

//! Limits what one caller may use, so that no caller can use up everything.
//!
//! A permit is held for as long as what it allows lasts, wherever that happens. Only a count is kept for each owner.

use std::{
    collections::HashMap,
    hash::Hash,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

use crate::call::{Caller, Identity};

/// Limits the permits that one owner holds.
#[derive(Debug)]
pub(super) struct Limiter<Owner> {
    /// `None`: unlimited.
    max: Option<usize>,
    held: Mutex<HashMap<Owner, usize>>,
    released: Notify,
}

/// Released on drop.
#[derive(Debug)]
pub(super) struct Permit<Owner: Clone + Eq + Hash> {
    counted: Option<(Arc<Limiter<Owner>>, Owner)>,
}

#[derive(Debug)]
pub(super) struct LimitReached;

impl<Owner: Clone + Eq + Hash> Limiter<Owner> {
    pub(super) fn new(max: Option<usize>) -> Arc<Self> {
        Arc::new(Self { max, held: Mutex::default(), released: Notify::new() })
    }

    pub(super) fn try_acquire(self: &Arc<Self>, owner: Owner) -> Result<Permit<Owner>, LimitReached> {
        let Some(max) = self.max else { return Ok(Permit { counted: None }) };
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(owner.clone()).or_default();
        if *count >= max {
            return Err(LimitReached);
        }
        *count += 1;
        Ok(Permit { counted: Some((self.clone(), owner)) })
    }
}

impl<Owner: Clone + Eq + Hash> Permit<Owner> {
    /// `None`: unlimited.
    pub(super) fn owner(&self) -> Option<&Owner> {
        self.counted.as_ref().map(|(_, owner)| owner)
    }
}

impl<Owner: Clone + Eq + Hash> Drop for Permit<Owner> {
    fn drop(&mut self) {
        let Some((limiter, owner)) = &self.counted else { return };
        let mut held = limiter.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(owner) {
            *count -= 1;
            if *count == 0 {
                held.remove(owner);
            }
        }
        drop(held);
        limiter.released.notify_waiters();
    }
}

/// Limits the concurrent calls of one caller, and tracks those of all callers.
#[derive(Debug)]
pub(super) struct CallerLimiter {
    limiter: Arc<Limiter<Identity>>,
    tracker: TaskTracker,
}

/// The right to one concurrent call.
#[derive(Debug)]
pub(super) struct CallPermit {
    _permit: Permit<Identity>,
    _tracked: TaskTrackerToken,
}

#[derive(Debug, thiserror::Error)]
#[error("You have reached the limit of concurrent calls per caller. Retry in a second.")]
pub(super) struct TooManyConcurrentCalls;

impl CallerLimiter {
    pub(super) fn new(max: Option<usize>, tracker: TaskTracker) -> Self {
        Self { limiter: Limiter::new(max), tracker }
    }

    pub(super) fn try_acquire(&self, caller: &Caller) -> Result<CallPermit, TooManyConcurrentCalls> {
        let _permit = self.limiter.try_acquire(caller.identity()).map_err(|LimitReached| TooManyConcurrentCalls)?;
        Ok(CallPermit { _permit, _tracked: self.tracker.token() })
    }

    /// Waits until the caller may run one more call.
    pub(super) async fn acquire(&self, caller: &Caller) -> CallPermit {
        loop {
            let mut released = pin!(self.limiter.released.notified());
            // From here on no release is missed.
            released.as_mut().enable();
            if let Ok(permit) = self.try_acquire(caller) {
                return permit;
            }
            released.await;
        }
    }
}

//! Limits what one caller may use, so that no caller can use up everything.
//!
//! A permit is held for as long as its request is served, wherever that happens. Nothing but a count is kept of a caller.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

use crate::call::{Caller, Identity};

/// Counts running calls by caller.
#[derive(Debug)]
pub(super) struct CallerLimiter {
    /// `None`: unlimited.
    max: Option<usize>,
    running: Mutex<HashMap<Identity, usize>>,
    tracker: TaskTracker,
    released: Notify,
}

impl CallerLimiter {
    /// Allows each caller `max` concurrent calls; `tracker` tracks the calls of all callers.
    pub(super) fn new(max: Option<usize>, tracker: TaskTracker) -> Arc<Self> {
        Arc::new(Self { max, running: Mutex::default(), tracker, released: Notify::new() })
    }

    /// Waits until the caller may run one more call.
    pub(super) async fn acquire(self: &Arc<Self>, caller: &Caller) -> CallPermit {
        loop {
            let mut released = pin!(self.released.notified());
            // From here on no release is missed.
            released.as_mut().enable();
            if let Ok(permit) = self.try_acquire(caller) {
                return permit;
            }
            released.await;
        }
    }

    pub(super) fn try_acquire(self: &Arc<Self>, caller: &Caller) -> Result<CallPermit, TooManyConcurrentCalls> {
        let _tracked = self.tracker.token();
        let Some(max) = self.max else { return Ok(CallPermit { counted: None, _tracked }) };
        let identity = caller.identity();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let count = running.entry(identity.clone()).or_default();
        if *count >= max {
            return Err(TooManyConcurrentCalls);
        }
        *count += 1;
        Ok(CallPermit { counted: Some((self.clone(), identity)), _tracked })
    }
}

/// The right to one concurrent call, released on drop.
#[derive(Debug)]
pub(super) struct CallPermit {
    counted: Option<(Arc<CallerLimiter>, Identity)>,
    _tracked: TaskTrackerToken,
}

impl Drop for CallPermit {
    fn drop(&mut self) {
        let Some((limiter, identity)) = &self.counted else { return };
        let mut running = limiter.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = running.get_mut(identity) {
            *count -= 1;
            if *count == 0 {
                running.remove(identity);
            }
        }
        drop(running);
        limiter.released.notify_waiters();
    }
}

#[derive(Debug, thiserror::Error)]
#[error("You have reached the limit of concurrent calls per caller. Retry in a second.")]
pub(super) struct TooManyConcurrentCalls;

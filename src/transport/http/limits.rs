//! Nobody may take everything: a bound on the calls that one caller runs at once.
//!
//! A call's place is held for as long as its request is worked on, wherever that happens.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};

use tokio::sync::Notify;
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

use super::refusal::refuse_for_now;
use crate::tools::{Caller, Identity};

/// The calls that run, by caller.
#[derive(Debug)]
pub(super) struct CallLimit {
    most: usize,
    running: Mutex<HashMap<Identity, usize>>,
    all: TaskTracker,
    freed: Notify,
}

impl CallLimit {
    /// At most so many calls for each caller; `all` knows when none runs.
    pub(super) fn new(most: usize, all: TaskTracker) -> Arc<Self> {
        Arc::new(Self { most, running: Mutex::default(), all, freed: Notify::new() })
    }

    /// A place for one more call of this caller, as soon as there is one.
    pub(super) async fn wait(self: &Arc<Self>, caller: &Caller) -> Place {
        loop {
            let mut freed = pin!(self.freed.notified());
            // From here on no place that becomes free is missed.
            freed.as_mut().enable();
            if let Ok(place) = self.take(caller) {
                return place;
            }
            freed.await;
        }
    }

    /// A place for one more call of this caller.
    pub(super) fn take(self: &Arc<Self>, caller: &Caller) -> Result<Place, TooManyCalls> {
        let identity = caller.identity();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let count = running.entry(identity.clone()).or_default();
        if *count >= self.most {
            return Err(TooManyCalls);
        }
        *count += 1;
        Ok(Place { limit: self.clone(), identity, _runs: self.all.token() })
    }
}

/// A call's place; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    limit: Arc<CallLimit>,
    identity: Identity,
    _runs: TaskTrackerToken,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut running = self.limit.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = running.get_mut(&self.identity) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.identity);
            }
        }
        drop(running);
        self.limit.freed.notify_waiters();
    }
}

/// The caller has as many calls running as one caller may.
#[derive(Debug)]
pub(super) struct TooManyCalls;

impl IntoResponse for TooManyCalls {
    fn into_response(self) -> Response {
        let text = "As many of your calls run here as one caller may run at once. Try again in a second.";
        refuse_for_now(StatusCode::TOO_MANY_REQUESTS, 1, text)
    }
}

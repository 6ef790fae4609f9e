//! Nobody may take everything: a bound on the calls that one caller runs at once.
//!
//! A call's place is held for as long as its request is worked on, wherever that happens, but not while its user thinks.

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
use crate::call::{Caller, Identity};

/// The calls that run, by caller.
#[derive(Debug)]
pub(super) struct CallLimit {
    /// `None` is any number.
    most: Option<usize>,
    running: Mutex<HashMap<Identity, usize>>,
    all: TaskTracker,
    freed: Notify,
}

impl CallLimit {
    /// At most so many calls for each caller; `all` knows when none runs.
    pub(super) fn new(most: Option<usize>, all: TaskTracker) -> Arc<Self> {
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
        let _runs = self.all.token();
        let Some(most) = self.most else { return Ok(Place { counted: None, _runs }) };
        let identity = caller.identity();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let count = running.entry(identity.clone()).or_default();
        if *count >= most {
            return Err(TooManyCalls);
        }
        *count += 1;
        Ok(Place { counted: Some((self.clone(), identity)), _runs })
    }
}

/// A call's place; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    counted: Option<(Arc<CallLimit>, Identity)>,
    _runs: TaskTrackerToken,
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((limit, identity)) = &self.counted else { return };
        let mut running = limit.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = running.get_mut(identity) {
            *count -= 1;
            if *count == 0 {
                running.remove(identity);
            }
        }
        drop(running);
        limit.freed.notify_waiters();
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

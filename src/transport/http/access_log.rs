//! The access log: a count for every request, and a log line for each that was not rejected like the last.
//!
//! It holds no query, no body and no header but the request ID: they may hold secrets.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, HeaderName, Method};
use tokio::{runtime::Handle, time::sleep};

use crate::{metrics::Metrics, untrusted::contains_secret};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The time for which lines about rejected requests of one kind are summed up after the first.
const SUMMARY_INTERVAL: Duration = Duration::from_secs(1);

/// Path and status of rejected requests.
type Kind = (&'static str, u16);

pub(super) struct AccessLog {
    metrics: Metrics,
    /// Requests without a line of their own. A kind is in it from its first line to its summary.
    omitted: Mutex<HashMap<Kind, u64>>,
}

/// One request, recorded on drop: also when the client left before the response.
pub(super) struct AccessLine<'a> {
    log: &'a Arc<AccessLog>,
    method: &'static str,
    path: &'static str,
    pub(super) request_id: &'a str,
    pub(super) caller: Option<String>,
    pub(super) status: u16,
    /// Whether clients ask for this to find out what the server supports.
    pub(super) is_probe: bool,
    started: Instant,
}

impl AccessLog {
    pub(super) fn new(metrics: Metrics) -> Arc<Self> {
        Arc::new(Self { metrics, omitted: Mutex::default() })
    }

    /// Counts a rejected request. Returns whether it gets a line: the first of its kind does, so that clients cannot fill
    /// the disk.
    fn admits(self: &Arc<Self>, kind: Kind) -> bool {
        // Without a runtime the process ends.
        let Ok(runtime) = Handle::try_current() else { return true };
        match self.omitted().entry(kind) {
            Entry::Occupied(mut omitted) => {
                *omitted.get_mut() += 1;
                return false;
            }
            Entry::Vacant(first) => first.insert(0),
        };
        let log = self.clone();
        runtime.spawn(async move {
            sleep(SUMMARY_INTERVAL).await;
            let omitted = log.omitted().remove(&kind);
            sum_up(kind, omitted.unwrap_or_default());
        });
        true
    }

    /// Writes the summaries that are due later, before the process ends.
    pub(super) fn finish(&self) {
        let omitted = std::mem::take(&mut *self.omitted());
        omitted.into_iter().for_each(|(kind, omitted)| sum_up(kind, omitted));
    }

    fn omitted(&self) -> MutexGuard<'_, HashMap<Kind, u64>> {
        self.omitted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sum_up((path, status): Kind, requests: u64) {
    if requests > 0 {
        tracing::info!(path, status, requests, "more requests like this within a second");
    }
}

impl<'a> AccessLine<'a> {
    /// What proxies log for a client that closed the connection before the response.
    const CLIENT_LEFT: u16 = 499;

    pub(super) fn new(log: &'a Arc<AccessLog>, method: &Method, path: &'static str, request_id: &'a str) -> Self {
        let (method, started) = (known_method(method), Instant::now());
        Self { log, method, path, request_id, caller: None, status: Self::CLIENT_LEFT, is_probe: false, started }
    }
}

impl Drop for AccessLine<'_> {
    fn drop(&mut self) {
        let Self { method, path, request_id, status, .. } = self;
        let (time, caller) = (self.started.elapsed(), self.caller.as_deref());
        self.log.metrics.http_responded(path, *status, time);
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        if *status < 400 || self.is_probe && matches!(status, 404 | 405) {
            // A call that was served has a line of its own, and clients must be told what is not supported.
            tracing::debug!(method, path, status, milliseconds, request_id, caller, "answered");
        } else if self.log.admits((*path, *status)) {
            tracing::info!(method, path, status, milliseconds, request_id, caller, "answered");
        }
    }
}

/// Whether clients request this to find out what a server supports: a stream, the end of a session, OAuth metadata, and
/// the paths of OAuth in the revision 2025-03-26.
pub(super) fn is_probe(method: &Method, path: &str) -> bool {
    match path {
        "/mcp" | "/mcp/" => matches!(*method, Method::GET | Method::DELETE),
        "/authorize" | "/register" | "/token" => true,
        _ => path.contains("/.well-known/"),
    }
}

fn known_method(method: &Method) -> &'static str {
    const KNOWN: [Method; 5] = [Method::GET, Method::POST, Method::DELETE, Method::HEAD, Method::OPTIONS];
    let index = KNOWN.iter().position(|known| known == method);
    index.and_then(|index| ["GET", "POST", "DELETE", "HEAD", "OPTIONS"].get(index).copied()).unwrap_or("other")
}

/// The client's own ID if it is harmless, so that one ID follows a request through all logs; otherwise a new one.
pub(super) fn request_id(headers: &HeaderMap) -> String {
    let harmless = |id: &&str| {
        let safe = id.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-'));
        safe && !contains_secret(id) && (1..=64).contains(&id.len())
    };
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(harmless);
    // It is for logs and may be easy to guess, so it needs no entropy from the system.
    let random = || uuid::Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid().to_string();
    given.map_or_else(random, str::to_owned)
}

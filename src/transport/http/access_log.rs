//! The access log: a log line and a count for every request.
//!
//! It holds no query, no body and no header but the request ID: they may hold secrets.

use std::time::Instant;

use axum::http::{HeaderMap, HeaderName, Method};

use crate::{
    metrics::Metrics,
    untrusted::{JWT_PREFIX, SECRET_PREFIXES},
};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// One request, recorded on drop: also when the client left before the response.
pub(super) struct AccessLine<'a> {
    metrics: &'a Metrics,
    method: &'static str,
    path: &'static str,
    pub(super) request_id: &'a str,
    pub(super) caller: Option<String>,
    pub(super) status: u16,
    started: Instant,
}

impl<'a> AccessLine<'a> {
    /// What proxies log for a client that closed the connection before the response.
    const CLIENT_LEFT: u16 = 499;

    pub(super) fn new(metrics: &'a Metrics, method: &Method, path: &'static str, request_id: &'a str) -> Self {
        let (method, started) = (known_method(method), Instant::now());
        Self { metrics, method, path, request_id, caller: None, status: Self::CLIENT_LEFT, started }
    }
}

impl Drop for AccessLine<'_> {
    fn drop(&mut self) {
        let Self { method, path, request_id, status, .. } = self;
        let (time, caller) = (self.started.elapsed(), self.caller.as_deref());
        self.metrics.http_responded(path, *status, time);
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        if *status < 400 {
            // A call that was served has a line of its own.
            tracing::debug!(method, path, status, milliseconds, request_id, caller, "answered");
        } else {
            tracing::info!(method, path, status, milliseconds, request_id, caller, "answered");
        }
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
        let secret = SECRET_PREFIXES.iter().chain([&JWT_PREFIX]).any(|prefix| id.contains(prefix));
        let safe = id.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-'));
        safe && !secret && (1..=64).contains(&id.len())
    };
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(harmless);
    // It is for logs and may be easy to guess, so it needs no entropy from the system.
    let random = || uuid::Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid().to_string();
    given.map_or_else(random, str::to_owned)
}

//! Health probes and metrics: is the server alive, is it ready, what has it done.
//!
//! An outage at Verifa or, later than the start, at the authorization server must not make a replica unready, since all
//! replicas would be at once: it is a metric or a log line, and callers read it in their responses.

use axum::{
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};

use crate::metrics::Metrics;

pub(super) fn alive() -> Response {
    "alive\n".into_response()
}

/// `has_keys`: whether the keys of the authorization server were loaded once.
pub(super) fn ready(is_stopping: bool, has_keys: bool) -> Response {
    match (is_stopping, has_keys) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response(),
        (false, false) => (StatusCode::SERVICE_UNAVAILABLE, "waiting for the authorization server\n").into_response(),
        (false, true) => "ready\n".into_response(),
    }
}

/// The metrics in the OpenMetrics text format.
pub(super) fn metrics(metrics: &Metrics) -> Response {
    match metrics.render() {
        Ok(text) => {
            ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

//! Health probes and metrics: is the server alive, is it ready, what has it done.
//!
//! An outage at Verifa must not make a replica unready, since all replicas would be at once: it is a metric, and agents
//! are told in the results of their calls.

use axum::{
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};

use crate::metrics::Metrics;

pub(super) fn alive() -> Response {
    "alive\n".into_response()
}

pub(super) fn ready(is_stopping: bool) -> Response {
    if is_stopping {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response()
    } else {
        "ready\n".into_response()
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

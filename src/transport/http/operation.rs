//! What an operator's machines ask: is it alive, is it ready, what has it done.
//!
//! An outage at Verifa makes no replica unready, or all would go at once; it is a metric, and agents are told.

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// `/healthz`: the process answers. `/readyz`: it is not stopping.
pub(super) fn health(stopping: CancellationToken) -> Router {
    let ready = move || {
        let answer = if stopping.is_cancelled() {
            (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
        } else {
            (StatusCode::OK, "ready\n")
        };
        std::future::ready(answer)
    };
    Router::new().route("/healthz", get(async || "alive\n")).route("/readyz", get(ready))
}

/// `/metrics`, in the OpenMetrics text form.
pub(super) fn metrics(metrics: Metrics) -> Router {
    let render = move || {
        let answer = match metrics.render() {
            Ok(text) => {
                ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
            }
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        };
        std::future::ready(answer)
    };
    Router::new().route("/metrics", get(render))
}

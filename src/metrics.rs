//! Counters of what the server does, for Prometheus.
//!
//! Labels come from short fixed lists: never a session id, a key, a caller or any other text from outside.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use reqwest::StatusCode;

/// Upper bounds of the latency buckets, in seconds: from a local response to the end of a retry budget.
const SECONDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0];

/// The process's counters. Clones share them.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Arc<Registry>,
    calls: Family<CallLabels, Counter>,
    call_seconds: Family<ToolLabel, Histogram, fn() -> Histogram>,
    running_calls: Gauge,
    upstream_requests: Family<UpstreamLabel, Counter>,
    retries: Counter,
    http_requests: Family<HttpLabels, Counter>,
    http_seconds: Family<PathLabel, Histogram, fn() -> Histogram>,
    live_streams: Gauge,
    /// Without a value unless there is a tokens file.
    tokens_file_valid: Family<[(&'static str, &'static str); 0], Gauge>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    tool: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ToolLabel {
    tool: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UpstreamLabel {
    /// 0 if there was no response.
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HttpLabels {
    path: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PathLabel {
    path: &'static str,
}

impl Metrics {
    /// Counters at zero.
    pub(crate) fn new() -> Self {
        let histograms = || Histogram::new(SECONDS);
        let mut metrics = Self {
            registry: Arc::default(),
            calls: Family::default(),
            call_seconds: Family::new_with_constructor(histograms),
            running_calls: Gauge::default(),
            upstream_requests: Family::default(),
            retries: Counter::default(),
            http_requests: Family::default(),
            http_seconds: Family::new_with_constructor(histograms),
            live_streams: Gauge::default(),
            tokens_file_valid: Family::default(),
        };
        let mut registry = Registry::with_prefix("verifa_mcp");
        registry.register("calls", "Tool calls by outcome", metrics.calls.clone());
        registry.register("call_seconds", "Duration of tool calls", metrics.call_seconds.clone());
        registry.register("running_calls", "Tool calls that are running", metrics.running_calls.clone());
        let upstream = "Requests to Verifa by HTTP status, 0 for no response";
        registry.register("upstream_requests", upstream, metrics.upstream_requests.clone());
        registry.register("retries", "Requests to Verifa that were retried", metrics.retries.clone());
        registry.register("http_requests", "HTTP requests by path and status", metrics.http_requests.clone());
        registry.register("http_seconds", "Time until an HTTP response begins", metrics.http_seconds.clone());
        registry.register("live_streams", "Classic SSE streams that are open", metrics.live_streams.clone());
        let tokens = "1 if the tokens file is valid, 0 if it is missing or the tokens read before are used";
        registry.register("tokens_file_valid", tokens, metrics.tokens_file_valid.clone());
        metrics.registry = Arc::new(registry);
        metrics
    }

    /// Counts a tool call: as running while the returned value exists, and by its outcome when that is dropped.
    pub(crate) fn start_call(&self, tool: &'static str, started: Instant) -> CallTimer<'_> {
        let running = GaugeGuard::new(&self.running_calls);
        CallTimer { metrics: self, tool, outcome: "cancelled", started, _running: running }
    }

    /// Counts a request to Verifa, by the status of its response if there was one.
    pub(crate) fn upstream_responded(&self, status: Option<StatusCode>) {
        let status = status.map_or(0, |status| status.as_u16());
        self.upstream_requests.get_or_create(&UpstreamLabel { status }).inc();
    }

    /// Counts a request to Verifa that will be retried.
    pub(crate) fn upstream_retried(&self) {
        self.retries.inc();
    }

    /// Counts an HTTP request that got its response.
    pub(crate) fn http_responded(&self, path: &'static str, status: u16, time: Duration) {
        self.http_requests.get_or_create(&HttpLabels { path, status }).inc();
        self.http_seconds.get_or_create(&PathLabel { path }).observe(time.as_secs_f64());
    }

    pub(crate) fn set_tokens_file_valid(&self, is_valid: bool) {
        self.tokens_file_valid.get_or_create(&[]).set(is_valid.into());
    }

    /// Counts a classic SSE stream as open while the returned value exists.
    pub(crate) fn stream_opened(&self) -> GaugeGuard {
        GaugeGuard::new(&self.live_streams)
    }

    /// Everything in the OpenMetrics text format, which Prometheus reads.
    ///
    /// # Errors
    /// Never: writing to a string does not fail.
    pub(crate) fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Metrics")
    }
}

/// Counts something while it lasts.
#[derive(Debug)]
pub(crate) struct GaugeGuard(Gauge);

impl GaugeGuard {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A running tool call. Dropped before its outcome is known, it was cancelled.
#[derive(Debug)]
pub(crate) struct CallTimer<'a> {
    metrics: &'a Metrics,
    tool: &'static str,
    outcome: &'static str,
    started: Instant,
    _running: GaugeGuard,
}

impl CallTimer<'_> {
    pub(crate) fn stop(mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl Drop for CallTimer<'_> {
    fn drop(&mut self) {
        let Self { metrics, tool, outcome, started, .. } = self;
        metrics.calls.get_or_create(&CallLabels { tool, outcome }).inc();
        metrics.call_seconds.get_or_create(&ToolLabel { tool }).observe(started.elapsed().as_secs_f64());
    }
}

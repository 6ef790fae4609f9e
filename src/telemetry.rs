//! Logs, on stderr alone: stdout belongs to the protocol.
//!
//! Whatever is asked for, other people's crates are heard from `warn` up: below it they print whole messages, with keys
//! and links. `RUST_LOG` is not read.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{Layer, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// Starts logging for the process; a second start is ignored.
pub fn start(level: LevelFilter, format: Format) {
    let ceiling = level.min(LevelFilter::WARN);
    let targets = Targets::new().with_default(ceiling).with_target(env!("CARGO_CRATE_NAME"), level);
    let layer = fmt::layer().with_writer(io::stderr);
    let layer = match format {
        Format::Text => layer.with_ansi(false).boxed(),
        Format::Json => layer.json().boxed(),
    };
    // Only the tests of one process could start it twice.
    let _ = tracing_subscriber::registry().with(layer.with_filter(targets)).try_init();
}

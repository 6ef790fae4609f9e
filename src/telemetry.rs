//! Logs, on stderr alone: stdout belongs to the protocol.
//!
//! A client that does not read stderr must not delay the server: lines that do not fit into the buffer are dropped. At any
//! level, other people's crates are logged from `warn` up: below it they print whole messages, with keys and links.
//! `RUST_LOG` is not read.

use std::{
    io::{self, BufWriter, Write},
    thread,
    time::Duration,
};

use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{Layer, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// The format of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// Lines that wait to be written; further ones are dropped.
const MAX_BUFFERED_LINES: usize = 8_192;

/// How long the writer waits after it has written. Waking it for every line costs more than the line.
const BATCH_INTERVAL: Duration = Duration::from_millis(10);

/// Starts logging for the process; a second start is ignored. Buffered lines are written when the returned value is dropped.
pub(crate) fn start(level: LevelFilter, format: Format) -> WorkerGuard {
    let ceiling = level.min(LevelFilter::WARN);
    let targets = Targets::new()
        .with_default(ceiling)
        .with_target(env!("CARGO_CRATE_NAME"), level)
        // It takes every client that leaves during its call for an error.
        .with_target("rmcp::service", LevelFilter::OFF);
    let stderr = BatchingWriter(BufWriter::new(io::stderr()));
    let (writer, guard) =
        NonBlockingBuilder::default().lossy(true).buffered_lines_limit(MAX_BUFFERED_LINES).finish(stderr);
    let layer = fmt::layer().with_writer(writer);
    let layer = match format {
        Format::Text => layer.with_ansi(false).boxed(),
        Format::Json => layer.json().boxed(),
    };
    // Only the tests of one process could start it twice.
    let _ = tracing_subscriber::registry().with(targets).with(layer).try_init();
    guard
}

/// Writes a line at once, and those that come during the interval after it together.
struct BatchingWriter<W: Write>(BufWriter<W>);

impl<W: Write> Write for BatchingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        let has_written = !self.0.buffer().is_empty();
        self.0.flush()?;
        if has_written {
            thread::sleep(BATCH_INTERVAL);
        }
        Ok(())
    }
}

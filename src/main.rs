//! The program: reads the command line and the settings, starts logging, runs the command, gives the exit code.
//!
//! What the commands do is in `cli`. Nothing is decided here but on how many threads they run, and how a fault becomes
//! an exit code.

use std::{
    io::{self, Write},
    num::NonZero,
    process::ExitCode,
    thread::available_parallelism,
    time::Duration,
};

use clap::Parser;
use tokio::runtime::Builder;
use tracing::level_filters::LevelFilter;
use verifa_mcp::{
    cli::Cli,
    config::{Config, Faults},
    telemetry,
};

/// Wrong usage or wrong settings.
const WRONG: u8 = 2;
/// How long what still runs in the background may take to end.
const GRACE: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(ended) = cli.run_without_settings() {
        return ended.unwrap_or_else(failed);
    }
    let config = match Config::read(cli.settings(), cli.is_emulated(), |name| std::env::var_os(name)) {
        Ok(config) => config,
        Err(faults) => return complain(&faults, WRONG),
    };
    let default_level = if cli.is_brief() { LevelFilter::OFF } else { LevelFilter::INFO };
    let _logs = telemetry::start(config.log.unwrap_or(default_level), config.log_format);

    let runtime = match runtime(cli.is_for_many()).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error, 1),
    };
    let ended = runtime.block_on(cli.run(config));
    // Blocking reads of stdin cannot be stopped, only left behind.
    runtime.shutdown_timeout(GRACE);
    ended.unwrap_or_else(failed)
}

/// A thread for each core where many call at once, else one.
fn runtime(for_many: bool) -> Builder {
    let threads = if for_many { available_parallelism().map_or(1, NonZero::get) } else { 1 };
    // On a single core, several would only wake each other.
    if threads == 1 {
        return Builder::new_current_thread();
    }
    let mut runtime = Builder::new_multi_thread();
    runtime.worker_threads(threads);
    runtime
}

fn failed(error: anyhow::Error) -> ExitCode {
    let wrong_settings = error.is::<Faults>();
    complain(&format!("{error:#}"), if wrong_settings { WRONG } else { 1 })
}

fn complain(error: &dyn std::fmt::Display, code: u8) -> ExitCode {
    // Without stderr there is nobody to tell.
    let _ = writeln!(io::stderr(), "verifa-mcp: {error}");
    ExitCode::from(code)
}

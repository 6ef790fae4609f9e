//! The process around a command: its runtime, its logs, its errors and its exit code.
//!
//! Errors go to stderr, and a key, token or link that the command line or a variable contained is masked in them.

use std::{
    env,
    io::{self, Write},
    num::NonZero,
    process::ExitCode,
    thread::available_parallelism,
    time::Duration,
};

use anyhow::bail;
use clap::{
    Parser,
    error::{Error, ErrorKind},
};
use tokio::runtime::Builder;
use tracing::level_filters::LevelFilter;

use super::Cli;
use crate::{
    config::{Config, ConfigErrors, Settings},
    telemetry,
    untrusted::mask_secrets,
};

/// The exit code of wrong usage and invalid settings.
const USAGE: u8 = 2;
/// How long tasks in the background may take to end.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(500);

/// A command line that cannot be carried out, for a reason that only the command knows.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct UsageError(pub(super) String);

pub(crate) fn run() -> ExitCode {
    Cli::try_parse().map_or_else(|error| explain(&error), |cli| cli.run().unwrap_or_else(|error| fail(&error)))
}

/// Runs a server for one client.
pub(super) fn serve(
    settings: &Settings,
    command: impl AsyncFnOnce(Config) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    execute(settings, LevelFilter::INFO, 1, command)
}

/// Runs a server for many clients, with a thread for each core.
pub(super) fn serve_many(
    settings: &Settings,
    command: impl AsyncFnOnce(Config) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    execute(settings, LevelFilter::INFO, available_parallelism().map_or(1, NonZero::get), command)
}

/// Runs a command that prints its result to a person, whom logs would only disturb.
pub(super) fn run_once(
    settings: &Settings,
    command: impl AsyncFnOnce(Config) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    execute(settings, LevelFilter::OFF, 1, command)
}

fn execute(
    settings: &Settings,
    default_level: LevelFilter,
    threads: usize,
    command: impl AsyncFnOnce(Config) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    let config = Config::read(settings, settings.emulator, |name| env::var_os(name))?;
    let _logs = telemetry::start(config.log.unwrap_or(default_level), config.log_format);
    let mut builder = if threads == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    let runtime = builder.worker_threads(threads).enable_all().build()?;
    let result = runtime.block_on(command(config));
    // Blocking reads of stdin cannot be stopped, only left behind.
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    result
}

fn fail(error: &anyhow::Error) -> ExitCode {
    let is_usage = error.is::<ConfigErrors>() || error.is::<UsageError>();
    report(&format!("verifa-mcp: {error:#}\n"));
    if is_usage { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
}

/// Prints the help or the version, or what is wrong with the command line.
fn explain(error: &Error) -> ExitCode {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = io::stdout().write_all(text.as_bytes());
            return ExitCode::SUCCESS;
        }
        ErrorKind::InvalidUtf8 => report(&format!("{}{text}", not_utf8())),
        _ => report(&text),
    }
    ExitCode::from(USAGE)
}

/// The variables that are not valid UTF-8: clap does not name them.
fn not_utf8() -> String {
    let names =
        env::vars_os().filter(|(_, value)| value.to_str().is_none()).filter_map(|(name, _)| name.into_string().ok());
    names
        .filter(|name| name.starts_with("VERIFA_"))
        .map(|name| format!("verifa-mcp: {name} is not valid UTF-8\n"))
        .collect()
}

/// For commands whose output exists only once: checks that there is a stdout before they do anything.
///
/// # Errors
/// When stdout is closed.
pub(super) fn require_stdout(consequence: &str) -> anyhow::Result<()> {
    if is_closed(&io::stdout()) {
        bail!("stdout is closed: {consequence}");
    }
    Ok(())
}

/// Whether the process began without this stream: Rust then opens `/dev/null` in its place, for reading and writing.
#[cfg(unix)]
fn is_closed(stream: &impl std::os::fd::AsFd) -> bool {
    use rustix::fs::{OFlags, fcntl_getfl, fstat, stat};

    let is_null = || Some(fstat(stream).ok()?.st_rdev == stat("/dev/null").ok()?.st_rdev);
    let opened_for = fcntl_getfl(stream).map(|flags| flags & OFlags::RWMODE);
    opened_for == Ok(OFlags::RDWR) && is_null() == Some(true)
}

/// Whether a path leads to this process's stdout or stderr.
#[cfg(unix)]
pub(super) fn is_standard_stream(path: &str) -> bool {
    let identity = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_ino);
    let streams = [rustix::fs::fstat(io::stdout()), rustix::fs::fstat(io::stderr())];
    let file = rustix::fs::stat(path).map(identity);
    file.is_ok() && streams.into_iter().any(|stream| stream.map(identity) == file)
}

#[cfg(not(unix))]
pub(super) const fn is_standard_stream(_path: &str) -> bool {
    false
}

#[cfg(not(unix))]
const fn is_closed<T>(_stream: &T) -> bool {
    false
}

fn report(text: &str) {
    // If stderr is closed, there is no one to tell.
    let _ = io::stderr().write_all(mask_secrets(text).as_bytes());
}

//! verifa-mcp: an MCP server that resumes stuck Verifa identity verifications.
//!
//! # The map
//!
//! Each module uses only those that stand before it in this list; `tests/it/modules.rs` holds it.
//!
//! - `untrusted` (text from outside, secrets in texts), `private_file`, `hosts` (allowed hosts and origins), `qr`,
//!   `telemetry` (logs), `metrics`, `app` (the card), `http_client`: leaves.
//! - `verifa`: Verifa's REST API as a client. It knows nothing of MCP.
//! - `call`: the facts of one call: tool, caller, permissions, key.
//! - `audit`: a file with two lines for each call.
//! - `tools`: what an agent sees: a file per tool, the registry, arguments, results, error texts.
//! - `prompts`: the prompt that a user picks.
//! - `server`: the MCP server: identity, instructions, confirmation by the user.
//! - `tokens`: the tokens of callers, kept as hashes in a file.
//! - `transport`: stdio, and HTTP with its routes, authentication and limits.
//! - `emulator`: a local Verifa API, to develop, demonstrate and test against.
//! - `install`: entries in the configuration of MCP clients.
//! - `config`: settings; `cli`: commands; [`run`]: the program.

mod app;
mod audit;
mod call;
mod cli;
mod config;
mod emulator;
mod hosts;
mod http_client;
mod install;
#[doc(hidden)]
pub mod internals;
mod metrics;
mod private_file;
mod prompts;
mod qr;
mod server;
mod telemetry;
mod tokens;
mod tools;
mod transport;
mod untrusted;
mod verifa;

/// Runs the program: parses the command line, runs the command, and returns the exit code.
#[must_use]
pub fn run() -> std::process::ExitCode {
    cli::run()
}

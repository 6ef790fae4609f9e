//! verifa-mcp: an MCP server that brings stuck Verifa identity verifications back to life.
//!
//! # The map
//!
//! - [`verifa`]: Verifa's REST API as a Rust client. Knows nothing of MCP.
//! - [`tools`]: what an agent sees: arguments in; sessions, a fresh capture link or words out.
//! - [`prompts`]: what a person picks: the whole errand as a prompt for their assistant.
//! - [`app`]: what a person sees: the card that shows a capture link, in hosts that show such things.
//! - [`server`]: the MCP server: identity, capabilities, which tool a call goes to.
//! - [`transport`]: how messages come in: stdio; HTTP with its door, its callers and its limits.
//! - [`emulator`]: a local Verifa API with real HTTP, to develop, demonstrate and test against.
//! - `cli`: commands and flags; `config`: settings, checked; [`telemetry`]: logs on stderr; [`metrics`]: counters.
//! - [`audit`]: a file that says who asked for what and what became of it.
//! - [`tokens`]: who may call a deployment that owns the key: tokens, kept as hashes in a file.
//! - `install`: adds this server to the configuration of MCP clients.
//! - `qr`: draws QR codes.
//!
//! Arrows point one way: `transport → server → tools → audit → verifa`. A call reads like a sentence: bytes → tool
//! arguments → [`SessionId`](verifa::SessionId) → one HTTP request → [`FreshLink`](verifa::FreshLink) →
//! [`CaptureLink`](tools::CaptureLink) → content blocks → bytes.

pub mod app;
pub mod audit;
pub mod call;
mod cli;
mod config;
pub mod emulator;
mod hosts;
mod http_client;
mod install;
pub mod metrics;
#[allow(dead_code, unused_imports, reason = "the last users move here with audit, install and resume")]
mod private_file;
pub mod prompts;
mod qr;
pub mod server;
pub mod telemetry;
pub mod tokens;
pub mod tools;
pub mod transport;
mod untrusted;
pub mod verifa;

/// Runs the program: parses the command line, runs the command, and returns the exit code.
#[must_use]
pub fn run() -> std::process::ExitCode {
    cli::run()
}

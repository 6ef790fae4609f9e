//! Measures whole processes from outside: `verifa-mcp` and the floor, each against a local upstream.
//!
//! `benches/run` builds both and starts this. docs/performance.md describes the measurements and contains the results.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "as in tests: anything unexpected ends the run"
)]

mod authentication;
mod authority;
mod client;
mod first_call;
mod measure;
mod report;
mod server;
mod soak;
mod upstream;

use std::path::PathBuf;

use clap::Parser;

use self::server::{Program, Transport};

/// Selects a measurement and where to write the results.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The release build of verifa-mcp
    #[arg(long, global = true, default_value = "target/release/verifa-mcp")]
    program: PathBuf,
    /// The release build of benches/floor.rs
    #[arg(long, global = true, default_value = "floor")]
    floor: PathBuf,
    /// Document in which to replace the results of this command
    #[arg(long, global = true)]
    into: Option<PathBuf>,
    /// Passed by `cargo bench`; ignored
    #[arg(long, global = true, hide = true)]
    bench: bool,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Starts, calls, memory and CPU time, compared with the floor
    Measure {
        /// Number of rounds; the best one counts
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Calls per round with 64 outstanding
        #[arg(long, default_value_t = 20_000)]
        calls: usize,
        /// Measure only this transport; may be repeated
        #[arg(long, alias = "wire", default_values = ["pipes", "socket-pair", "http"])]
        transport: Vec<Transport>,
    },
    /// The first call after a start: TLS to an API 50 ms away, one second after `initialize`
    FirstCall {
        /// Number of rounds; the best one counts
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Also measure verifa-mcp with this setting; may be repeated
        #[arg(long, value_name = "NAME=VALUE")]
        setting: Vec<String>,
    },
    /// HTTP calls with a token of this server and with OAuth access tokens
    Authentication {
        /// Number of rounds; the best one counts
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Sequential calls per round
        #[arg(long, default_value_t = 5_000)]
        calls: usize,
    },
    /// Hundreds of thousands of calls, some with injected errors: no lost calls, no leaks
    Soak {
        /// Calls over each of stdio and HTTP
        #[arg(long, default_value_t = 500_000)]
        calls: usize,
    },
}

fn main() {
    let arguments = Arguments::parse();
    let Some(command) = arguments.command else {
        return println!("processes: start it with benches/run");
    };
    server::pin_to_client_core();
    let verifa_mcp = Program { path: arguments.program, environment: Vec::new() };
    let floor = Program { path: arguments.floor, environment: Vec::new() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (name, results) = runtime.block_on(async {
        match command {
            Command::Measure { rounds, calls, transport } => {
                ("measure", measure::run(&verifa_mcp, &floor, rounds, calls, &transport).await)
            }
            Command::FirstCall { rounds, setting } => {
                ("first-call", first_call::run(&verifa_mcp, &floor, rounds, &setting).await)
            }
            Command::Authentication { rounds, calls } => {
                ("authentication", authentication::run(&verifa_mcp, rounds, calls).await)
            }
            Command::Soak { calls } => ("soak", soak::run(&verifa_mcp, calls).await),
        }
    });
    let results = format!("{}\n\n{results}", report::environment());
    println!("{results}");
    if let Some(document) = arguments.into {
        report::write_into(&document, name, &results);
    }
}

//! Whole processes, measured from outside: `verifa-mcp` beside the floor, against a local upstream.
//!
//! `benches/run` builds everything and starts this. docs/performance.md says what is measured and holds the results.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "as in tests: whatever is unexpected ends the run"
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

/// What is measured, and where the results go.
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
    /// A document whose block for this command gets the results
    #[arg(long, global = true)]
    into: Option<PathBuf>,
    /// Given by `cargo bench`
    #[arg(long, global = true, hide = true)]
    bench: bool,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Starts, calls, memory and processor time, beside the floor
    Measure {
        /// The best of so many rounds counts
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Calls in a round, with 64 outstanding
        #[arg(long, default_value_t = 20_000)]
        calls: usize,
        /// Only over this transport; may be repeated
        #[arg(long, default_values = ["pipes", "socket-pair", "http"])]
        transport: Vec<Transport>,
    },
    /// The first call of a day: TLS to an API that is 50 ms away, a second after the start
    FirstCall {
        /// The best of so many rounds counts
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// A setting to measure verifa-mcp with as well, as NAME=VALUE; may be repeated
        #[arg(long, value_name = "NAME=VALUE")]
        setting: Vec<String>,
    },
    /// HTTP calls with a token of this server and with OAuth access tokens
    Authentication {
        /// The best of so many rounds counts
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Calls in a round, one after the other
        #[arg(long, default_value_t = 5_000)]
        calls: usize,
    },
    /// Very many calls with faults mixed in: nothing may be lost or left behind
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
    server::leave_the_servers_core();
    let ours = Program { path: arguments.program, environment: Vec::new() };
    let floor = Program { path: arguments.floor, environment: Vec::new() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (name, results) = runtime.block_on(async {
        match command {
            Command::Measure { rounds, calls, transport } => {
                ("measure", measure::run(&ours, &floor, rounds, calls, &transport).await)
            }
            Command::FirstCall { rounds, setting } => {
                ("first-call", first_call::run(&ours, &floor, rounds, &setting).await)
            }
            Command::Authentication { rounds, calls } => {
                ("authentication", authentication::run(&ours, rounds, calls).await)
            }
            Command::Soak { calls } => ("soak", soak::run(&ours, calls).await),
        }
    });
    let results = format!("{}\n\n{results}", report::circumstances());
    println!("{results}");
    if let Some(document) = arguments.into {
        report::write_into(&document, name, &results);
    }
}

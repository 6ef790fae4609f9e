//! The flags of every command. The comments are the help text.
//!
//! Settings are kept as text here, each with its environment variable; [`crate::config`] decides what they mean, so that
//! all faults are told at once.

#![allow(rustdoc::bare_urls, reason = "in the help, angle brackets would show")]

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use clap_complete::Shell;

use crate::{
    call::Toolset,
    config::{addresses, duration},
    install::Client,
};

#[derive(Debug, Args)]
pub(super) struct Resume {
    /// The session's id, for example ses_abc123
    pub(super) session_id: String,
    /// A key of your own for this request; the same key repeats the first answer for 24 hours [default: a random one]
    #[arg(long, value_name = "KEY")]
    pub(super) idempotency_key: Option<String>,
    /// Print the endpoint's fields as JSON and nothing else
    #[arg(long)]
    pub(super) json: bool,
    /// Write the QR code as a PNG file, readable by you alone
    #[arg(long, value_name = "FILE.png")]
    pub(super) qr_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Check {
    /// Print the findings as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Install {
    /// The client
    #[arg(required_unless_present = "list")]
    pub(super) client: Option<Client>,
    /// Print the clients and where each keeps its configuration
    #[arg(long, conflicts_with = "client")]
    pub(super) list: bool,
    /// Name of the entry; with two names, two accounts stand side by side [default: verifa-mcp]
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Write the key in VERIFA_API_KEY into the client's configuration, where others may read it
    #[arg(long)]
    pub(super) key_in_clear: bool,
    /// Show the change and make none
    #[arg(long)]
    pub(super) print: bool,
    /// Make the change without asking
    #[arg(long)]
    pub(super) yes: bool,
    /// Take the entry out again
    #[arg(long)]
    pub(super) uninstall: bool,
}

#[derive(Debug, Args)]
pub(super) struct EmulatorFlags {
    /// Address to listen on; loopback only, port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", default_value_t = crate::emulator::DEFAULT_LISTEN, value_parser = address)]
    pub(super) listen: SocketAddr,
    /// How long a capture link lives, for example 20m or 30s
    #[arg(long, value_name = "DURATION", default_value = "20m", value_parser = duration)]
    pub(super) link_lifetime: Duration,
}

fn address(value: &str) -> Result<SocketAddr, String> {
    addresses(value)?.first().copied().ok_or_else(String::new)
}

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell that is to complete
    pub(super) shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct Man {
    /// The folder, which must exist
    pub(super) folder: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Token {
    /// File that holds the names, permissions and hashes
    #[arg(long, env = "VERIFA_MCP_TOKENS_FILE", value_name = "FILE", global = true, hide_env_values = true)]
    pub(super) tokens_file: Option<String>,
    #[command(subcommand)]
    pub(super) command: TokenCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token and print it, this once
    New {
        /// Who will hold it: 1 to 64 characters of A-Z, a-z, 0-9, _, ., @ and -
        name: String,
        /// What it is good for, for example resume [default: every toolset]
        #[arg(long, value_name = "TOOLSET,…", value_delimiter = ',')]
        toolsets: Option<Vec<Toolset>>,
        /// Withhold the tools that change something
        #[arg(long)]
        read_only: bool,
    },
    /// Print who holds a token, with which permissions and since when
    List,
    /// Take a token back
    Revoke {
        /// Who holds it
        name: String,
    },
}

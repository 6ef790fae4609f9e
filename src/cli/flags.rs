//! The flags of single commands. The doc comments are the help text.
//!
//! The settings that all commands share are in [`crate::config`].

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
    /// Session ID, for example ses_abc123
    pub(super) session_id: String,
    /// Your own idempotency key: a used key returns its first response for 24 hours [default: a random key]
    #[arg(long, value_name = "KEY")]
    pub(super) idempotency_key: Option<String>,
    /// Print only the endpoint's fields, as JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Then print a line whenever the session's status changes, until the session ends or the link expires
    #[arg(long)]
    pub(super) watch: bool,
    /// Write the QR code to a PNG file that only you can read
    #[arg(long, value_name = "FILE.png")]
    pub(super) qr_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Check {
    /// URL of a server with --auth oauth: check it as an MCP client would, from here
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<String>,
    /// File that contains an access token to check too
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(super) token_file: Option<PathBuf>,
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
    /// Name of the entry; use two names for two accounts [default: verifa-mcp]
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Write the key in VERIFA_API_KEY into the client's configuration in plain text
    #[arg(long, alias = "key-in-clear")]
    pub(super) plaintext_key: bool,
    /// Show the change without making it
    #[arg(long)]
    pub(super) print: bool,
    /// Make the change without asking
    #[arg(long)]
    pub(super) yes: bool,
    /// Remove the entry
    #[arg(long)]
    pub(super) uninstall: bool,
}

#[derive(Debug, Args)]
pub(super) struct EmulatorFlags {
    /// Loopback address to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", default_value_t = crate::emulator::DEFAULT_LISTEN, value_parser = address)]
    pub(super) listen: SocketAddr,
    /// Lifetime of a capture link, for example 20m or 30s
    #[arg(long, value_name = "DURATION", default_value = "20m", value_parser = duration)]
    pub(super) link_lifetime: Duration,
}

fn address(value: &str) -> Result<SocketAddr, String> {
    addresses(value)?.first().copied().ok_or_else(String::new)
}

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// Shell to print the script for
    pub(super) shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct Man {
    /// Folder to write to; it must exist
    pub(super) folder: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Token {
    /// File of the callers' names, permissions and token hashes
    #[arg(long, env = "VERIFA_MCP_TOKENS_FILE", value_name = "FILE", global = true, hide_env_values = true)]
    pub(super) tokens_file: Option<String>,
    #[command(subcommand)]
    pub(super) command: TokenCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Issue a token and print it, only this once
    New {
        /// Name of the caller: 1 to 64 characters of A-Z, a-z, 0-9, _, ., @ and -
        name: String,
        /// Toolsets that the token may use, for example resume [default: every toolset]
        #[arg(long, value_name = "TOOLSET,…", value_delimiter = ',')]
        toolsets: Option<Vec<Toolset>>,
        /// Do not offer the tools that change something
        #[arg(long)]
        read_only: bool,
    },
    /// Print the name, permissions and creation time of each token
    List,
    /// Revoke a token
    Revoke {
        /// Name of the caller
        name: String,
    },
}

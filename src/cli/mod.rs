//! The command line: commands, their help, and which module runs each of them.
//!
//! [`crate::config`] decides what a setting means. Only a command's result goes to stdout.

mod check;
mod check_url;
mod emulator;
mod flags;
mod generated;
mod http;
mod install;
mod process;
mod resume;
mod token;
mod watch;

use std::{env, process::ExitCode};

use clap::{Parser, Subcommand};

pub(crate) use self::process::run;
use self::{
    flags::{Check, Completions, EmulatorFlags, Install, Man, Resume, Token},
    process::{UsageError, is_standard_stream},
};
use crate::{
    config::{Config, HttpSettings, Settings},
    emulator::{Emulator, Options},
    server::Server,
    transport,
};

#[derive(Debug, Parser)]
#[command(name = "verifa-mcp", version, about = ABOUT, after_help = AFTER_HELP, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Option<Command>,
}

const ABOUT: &str = "\
An MCP server that resumes stuck Verifa identity verifications: its tool resume_session creates a new capture link and \
QR code for an expired session. Unofficial; not affiliated with Verifa.

Without a command, it speaks MCP over stdin and stdout: this is what MCP clients launch.";

const AFTER_HELP: &str = "\
Environment only:
  VERIFA_API_KEY         Your organization's secret key, vk_sandbox_… or vk_live_…
                         It has no flag: other users of a computer can read command lines.
  VERIFA_MCP_TOOLSETS    Toolsets to offer: any of lookup, resume and links [default: all]
  VERIFA_MCP_READ_ONLY   true disables every tool that changes something, whatever else is set
  HTTPS_PROXY, NO_PROXY  The usual proxy variables. Loopback addresses are never reached through
                         a proxy.

Try it without an account:
  verifa-mcp resume ses_demo_expired --emulator

Exit codes: 0 success, 1 failure, 2 invalid usage or settings.";

// The flags of a command are only built if it is used: building all of them is a good part of the start-up time.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
enum Command {
    /// Speak MCP over stdin and stdout (the default)
    Stdio,
    /// Speak MCP over HTTP, for teams and for clients that need a URL
    Http(Box<HttpSettings>),
    /// Resume one session and print its new link, expiry and QR code
    Resume(Resume),
    /// Check the key, the connection and the clock, without changing anything
    Check(Check),
    /// Add this server to an MCP client's configuration, or remove it
    Install(Install),
    /// Run a local Verifa API for development and tests
    Emulator(EmulatorFlags),
    /// Issue, list and revoke caller tokens, in a file that contains only their hashes
    Token(Token),
    /// Print a shell script that completes commands and flags
    Completions(Completions),
    /// Write a manual page for each command into a folder
    #[command(hide = true)]
    Man(Man),
}

const AUDIT_LOG_IN_THE_WAY: &str = "VERIFA_MCP_AUDIT_LOG leads to stdout or stderr, which carry the protocol and the \
    logs here; name a file";

impl Cli {
    fn run(self) -> anyhow::Result<ExitCode> {
        let settings = &self.settings;
        match self.command.unwrap_or(Command::Stdio) {
            Command::Stdio => process::serve(settings, async |config| {
                if settings.audit_log.as_deref().is_some_and(is_standard_stream) {
                    return Err(UsageError(AUDIT_LOG_IN_THE_WAY.to_owned()).into());
                }
                let config = with_emulator(config).await?;
                if config.tools.emulated {
                    tracing::info!("calls go to the emulator inside this process, not to Verifa");
                }
                let has_key = config.caller.key.is_some();
                transport::stdio::serve(Server::new(config.server_state(), config.caller, has_key)).await?;
                Ok(ExitCode::SUCCESS)
            }),
            Command::Http(http) => process::serve_many(settings, async |config| {
                let config = with_emulator(config).await?;
                http::run(config.read_http(&http, |name| env::var_os(name))?, config).await
            }),
            Command::Resume(flags) => {
                process::run_once(settings, async |config| resume::run(&flags, &with_emulator(config).await?).await)
            }
            Command::Check(flags) => process::run_once(settings, async |config| match &flags.url {
                Some(url) => check_url::run(&flags, url, config).await,
                None => check::run(&flags, with_emulator(config).await?).await,
            }),
            Command::Emulator(flags) => {
                let settings = Settings { emulator: true, ..settings.clone() };
                process::serve(&settings, async |_| emulator::run(&flags).await)
            }
            Command::Install(flags) => install::run(&flags, settings),
            Command::Token(flags) => token::run(&flags),
            Command::Completions(flags) => generated::print_completions(&flags),
            Command::Man(flags) => generated::write_manual_pages(&flags),
        }
    }
}

/// Starts the emulator inside this process, if it is asked for.
async fn with_emulator(mut config: Config) -> anyhow::Result<Config> {
    if config.tools.emulated {
        let emulator = Emulator::bind(Options::on_a_free_port()).await?;
        config.use_emulator(&emulator.url())?;
        tokio::spawn(emulator.serve(std::future::pending()));
    }
    Ok(config)
}

//! The command line: commands and flags, and the help that a person reads first.
//!
//! What a flag means is decided in [`crate::config`]; each command that is more than a server has a file here. Nothing
//! but a command's result goes to stdout.

mod check;
mod emulator;
mod flags;
mod generated;
mod http;
mod install;
mod process;
mod resume;
mod token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::flags::{Check, Completions, EmulatorFlags, Install, Man, Resume, Token};
pub(crate) use self::process::run;
use crate::{
    config::{Config, HttpSettings, Settings},
    emulator::{Emulator, Options},
    server::Server,
    transport,
};

/// What the program was asked to do.
#[derive(Debug, Parser)]
#[command(name = "verifa-mcp", version, about = ABOUT, after_help = AFTER_HELP, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Option<Command>,
}

const ABOUT: &str = "\
An MCP server that brings stuck Verifa identity verifications back to life: its tool resume_session gives an expired \
session a fresh capture link and QR code. Unofficial; not affiliated with Verifa.

Without a command it speaks MCP over stdin and stdout, which is what MCP clients launch.";

const AFTER_HELP: &str = "\
Environment only:
  VERIFA_API_KEY         Your organization's secret key, vk_sandbox_… or vk_live_…
                         It has no flag: other users of a computer can read command lines.
  VERIFA_MCP_TOOLSETS    Toolsets to offer, of lookup, resume and links [default: all]
  VERIFA_MCP_READ_ONLY   true withholds every tool that changes something; it wins over all else
  HTTPS_PROXY, NO_PROXY  The usual proxy variables. This computer's own addresses never go
                         through a proxy.

Try it without an account:
  verifa-mcp resume ses_demo_expired --emulator

Exit codes: 0 success, 1 failure, 2 wrong usage or wrong settings.";

// A command's own flags are only made when it is asked for: making all of them is a good part of the start.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
enum Command {
    /// Speak MCP over stdin and stdout (the default)
    Stdio,
    /// Speak MCP over HTTP: for teams, and for clients that want a URL
    Http(HttpSettings),
    /// Resume one session by hand: print its fresh link, expiry and QR code
    Resume(Resume),
    /// Check the key, the connection and the clock; change nothing
    Check(Check),
    /// Put this server into an MCP client's configuration, or take it out
    Install(Install),
    /// Run a local Verifa API to develop and test against
    Emulator(EmulatorFlags),
    /// Make, list and revoke the tokens of callers, in a file that holds only their hashes
    Token(Token),
    /// Print a script that lets a shell complete commands and flags
    Completions(Completions),
    /// Write the manual pages, one for each command, into a folder
    #[command(hide = true)]
    Man(Man),
}

impl Cli {
    fn run(self) -> anyhow::Result<ExitCode> {
        let settings = &self.settings;
        match self.command.unwrap_or(Command::Stdio) {
            Command::Stdio => process::serve(settings, async |config| {
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
                http::run(config.read_http(&http)?, config).await
            }),
            Command::Resume(flags) => {
                process::run_once(settings, async |config| resume::run(&flags, &with_emulator(config).await?).await)
            }
            Command::Check(flags) => {
                process::run_once(settings, async |config| check::run(&flags, with_emulator(config).await?).await)
            }
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

//! The clients, and how each is configured.
//!
//! A client is one entry in [`Client::spec`]. No other module may ask which client it is.

use std::path::PathBuf;

use super::paths::{ConfigPaths, RelativeFolder};

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Client {
    ClaudeDesktop,
    ClaudeCode,
    #[value(name = "vscode")]
    VsCode,
    Cursor,
    Codex,
    GeminiCli,
    #[value(name = "opencode")]
    OpenCode,
    Windsurf,
    Zed,
}

/// What is different from client to client.
pub(crate) struct ClientSpec {
    pub(crate) title: &'static str,
    /// What the user must do once the entry is there.
    pub(crate) next_step: &'static str,
    /// The file with the servers for every project.
    pub(super) path: fn(&ConfigPaths) -> Result<PathBuf, RelativeFolder>,
    pub(crate) mechanism: Mechanism,
    /// The key in that file with the servers.
    pub(super) servers: &'static str,
    pub(super) format: EntryFormat,
    /// Whether the client can prompt for a key and keep it out of its configuration.
    pub(crate) prompts_for_key: bool,
}

/// The fields of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryFormat {
    /// `command`, `args` and `env`.
    Untyped,
    /// The same, with the `type` `stdio`.
    Typed,
    /// The `type` `local`, a `command` with its arguments, and `environment`.
    OpenCode,
}

/// How a client's configuration is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mechanism {
    /// The file, JSON with comments, is edited.
    File,
    /// The command `claude` changes the file, which is JSON.
    Claude,
    /// The command `codex` changes the file, which is TOML, and says what is in it.
    Codex,
}

impl EntryFormat {
    /// The field with the environment variables.
    pub(super) const fn environment(self) -> &'static str {
        match self {
            Self::Untyped | Self::Typed => "env",
            Self::OpenCode => "environment",
        }
    }
}

impl Mechanism {
    /// The client's own command.
    pub(crate) const fn command(self) -> Option<&'static str> {
        match self {
            Self::File => None,
            Self::Claude => Some("claude"),
            Self::Codex => Some("codex"),
        }
    }
}

impl Client {
    pub(crate) const fn spec(self) -> ClientSpec {
        match self {
            Self::ClaudeDesktop => ClientSpec {
                title: "Claude Desktop",
                next_step: "Quit Claude Desktop, not only its window, and open it again.",
                path: ConfigPaths::claude_desktop,
                mechanism: Mechanism::File,
                servers: "mcpServers",
                format: EntryFormat::Untyped,
                prompts_for_key: false,
            },
            Self::ClaudeCode => ClientSpec {
                title: "Claude Code",
                next_step: "Sessions that start from now on have it; `/mcp` shows the servers of a session.",
                path: ConfigPaths::claude_code,
                mechanism: Mechanism::Claude,
                servers: "mcpServers",
                format: EntryFormat::Typed,
                prompts_for_key: false,
            },
            Self::VsCode => ClientSpec {
                title: "VS Code",
                next_step: "`MCP: List Servers` in the command palette shows it, starts it and stops it.",
                path: |paths| Ok(paths.settings()?.join("Code").join("User").join("mcp.json")),
                mechanism: Mechanism::File,
                servers: "servers",
                format: EntryFormat::Typed,
                prompts_for_key: true,
            },
            Self::Cursor => ClientSpec {
                title: "Cursor",
                next_step: "Cursor's settings show it under its MCP tools, where it can be enabled and disabled.",
                path: |paths| Ok(paths.home.join(".cursor").join("mcp.json")),
                mechanism: Mechanism::File,
                servers: "mcpServers",
                format: EntryFormat::Typed,
                prompts_for_key: false,
            },
            Self::Codex => ClientSpec {
                title: "Codex",
                next_step: "Sessions that start from now on have it; `/mcp` shows the servers of a session.",
                path: |paths| Ok(paths.set_by_user("CODEX_HOME", paths.home.join(".codex"))?.join("config.toml")),
                mechanism: Mechanism::Codex,
                servers: "mcp_servers",
                format: EntryFormat::Untyped,
                prompts_for_key: false,
            },
            Self::GeminiCli => ClientSpec {
                title: "Gemini CLI",
                next_step: "Sessions that start from now on have it; `/mcp` shows the servers of a session.",
                path: |paths| {
                    let home = paths.set_by_user("GEMINI_CLI_HOME", paths.home.clone())?;
                    Ok(home.join(".gemini").join("settings.json"))
                },
                mechanism: Mechanism::File,
                servers: "mcpServers",
                format: EntryFormat::Untyped,
                prompts_for_key: false,
            },
            Self::OpenCode => ClientSpec {
                title: "opencode",
                next_step: "Sessions that start from now on have it; `opencode mcp list` shows the servers.",
                path: ConfigPaths::opencode,
                mechanism: Mechanism::File,
                servers: "mcp",
                format: EntryFormat::OpenCode,
                prompts_for_key: false,
            },
            Self::Windsurf => ClientSpec {
                title: "Windsurf",
                next_step: "Its Cascade panel shows it among the MCP servers, after a refresh there.",
                path: |paths| Ok(paths.home.join(".codeium").join("windsurf").join("mcp_config.json")),
                mechanism: Mechanism::File,
                servers: "mcpServers",
                format: EntryFormat::Untyped,
                prompts_for_key: false,
            },
            Self::Zed => ClientSpec {
                title: "Zed",
                next_step: "The settings of its Agent Panel show it, and whether it runs.",
                path: ConfigPaths::zed,
                mechanism: Mechanism::File,
                servers: "context_servers",
                format: EntryFormat::Untyped,
                prompts_for_key: false,
            },
        }
    }
}

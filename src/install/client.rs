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
    /// Whether an entry says that it is for stdio.
    pub(super) has_type: bool,
    /// Whether the client can prompt for a key and keep it out of its configuration.
    pub(crate) prompts_for_key: bool,
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
                has_type: false,
                prompts_for_key: false,
            },
            Self::ClaudeCode => ClientSpec {
                title: "Claude Code",
                next_step: "Sessions that start from now on have it; `/mcp` shows the servers of a session.",
                path: ConfigPaths::claude_code,
                mechanism: Mechanism::Claude,
                servers: "mcpServers",
                has_type: true,
                prompts_for_key: false,
            },
            Self::VsCode => ClientSpec {
                title: "VS Code",
                next_step: "`MCP: List Servers` in the command palette shows it, starts it and stops it.",
                path: |paths| Ok(paths.settings()?.join("Code").join("User").join("mcp.json")),
                mechanism: Mechanism::File,
                servers: "servers",
                has_type: true,
                prompts_for_key: true,
            },
            Self::Cursor => ClientSpec {
                title: "Cursor",
                next_step: "Cursor's settings show it under its MCP tools, where it can be enabled and disabled.",
                path: |paths| Ok(paths.home.join(".cursor").join("mcp.json")),
                mechanism: Mechanism::File,
                servers: "mcpServers",
                has_type: true,
                prompts_for_key: false,
            },
            Self::Codex => ClientSpec {
                title: "Codex",
                next_step: "Sessions that start from now on have it; `/mcp` shows the servers of a session.",
                path: |paths| Ok(paths.set_by_user("CODEX_HOME", paths.home.join(".codex"))?.join("config.toml")),
                mechanism: Mechanism::Codex,
                servers: "mcp_servers",
                has_type: false,
                prompts_for_key: false,
            },
        }
    }
}

//! The clients, and where each keeps its configuration on Linux, macOS and Windows.
//!
//! What depends on the computer comes in from outside, so that every platform's paths can be tested on any.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

/// A client that an entry can be put into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Client {
    /// The app, for whoever works without an editor.
    ClaudeDesktop,
    /// The command `claude`.
    ClaudeCode,
    /// Visual Studio Code.
    #[value(name = "vscode")]
    VsCode,
    /// The editor.
    Cursor,
    /// The command `codex`, and the apps that share its configuration.
    Codex,
}

/// How a client's configuration file is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// JSON, with the servers under this key.
    Json { servers: &'static str },
    /// TOML, with the servers as tables.
    Toml,
}

impl Client {
    /// Every client, in the order of the list.
    pub const ALL: [Self; 5] = [Self::ClaudeDesktop, Self::ClaudeCode, Self::VsCode, Self::Cursor, Self::Codex];

    /// What the command line calls it.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => "claude-desktop",
            Self::ClaudeCode => "claude-code",
            Self::VsCode => "vscode",
            Self::Cursor => "cursor",
            Self::Codex => "codex",
        }
    }

    /// What people call it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => "Claude Desktop",
            Self::ClaudeCode => "Claude Code",
            Self::VsCode => "VS Code",
            Self::Cursor => "Cursor",
            Self::Codex => "Codex",
        }
    }

    /// The client's own command, where it has one that adds servers.
    pub const fn own_command(self) -> Option<&'static str> {
        match self {
            Self::ClaudeCode => Some("claude"),
            Self::VsCode => Some("code"),
            Self::Codex => Some("codex"),
            Self::ClaudeDesktop | Self::Cursor => None,
        }
    }

    /// What is left to do once the entry is in.
    pub const fn next_step(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => "Quit Claude Desktop, not only its window, and open it again.",
            Self::ClaudeCode => "Sessions that start from now on know it; `/mcp` shows the servers of a session.",
            Self::VsCode => "`MCP: List Servers` in the command palette shows it, starts it and stops it.",
            Self::Cursor => "Cursor's settings show it under its MCP tools, where it can be switched on and off.",
            Self::Codex => "Sessions that start from now on know it; `/mcp` shows the servers of a session.",
        }
    }

    /// Whether it can ask for a key itself and keep it out of its configuration.
    pub const fn asks_for_secrets(self) -> bool {
        matches!(self, Self::VsCode)
    }

    pub(super) const fn format(self) -> Format {
        match self {
            Self::ClaudeDesktop | Self::ClaudeCode | Self::Cursor => Format::Json { servers: "mcpServers" },
            Self::VsCode => Format::Json { servers: "servers" },
            Self::Codex => Format::Toml,
        }
    }
}

/// Where clients keep things in different places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// And every other system that follows the XDG folders.
    Linux,
    /// Apple's.
    MacOs,
    /// Microsoft's.
    Windows,
}

impl Platform {
    /// The one that this program was built for.
    pub const THIS: Self = if cfg!(windows) {
        Self::Windows
    } else if cfg!(target_os = "macos") {
        Self::MacOs
    } else {
        Self::Linux
    };
}

/// What of a computer decides where its clients keep their configuration.
#[derive(Debug)]
pub struct Computer {
    home: PathBuf,
    /// Where apps keep their settings.
    settings: PathBuf,
    claude_desktop: PathBuf,
    claude_code: PathBuf,
    codex: PathBuf,
}

impl Computer {
    /// This computer, for the user who runs the program; none where the system names no home folder.
    pub fn this() -> Option<Self> {
        let variable = |name: &str| std::env::var_os(name);
        Some(Self::new(Platform::THIS, std::env::home_dir()?, variable, folders_in))
    }

    /// A computer of this platform; `variable` looks an environment variable up, `folders` lists a folder's folders.
    pub fn new(
        platform: Platform,
        home: PathBuf,
        variable: impl Fn(&str) -> Option<OsString>,
        folders: impl Fn(&Path) -> Vec<PathBuf>,
    ) -> Self {
        let folder = |name: &str| variable(name).map(PathBuf::from).filter(|path| !path.as_os_str().is_empty());
        let settings = match platform {
            Platform::Linux => folder("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config")),
            Platform::MacOs => home.join("Library").join("Application Support"),
            Platform::Windows => folder("APPDATA").unwrap_or_else(|| home.join("AppData").join("Roaming")),
        };
        // The packaged app sees a copy of the usual folder that nobody else sees.
        let packaged = (platform == Platform::Windows).then(|| {
            let local = folder("LOCALAPPDATA").unwrap_or_else(|| home.join("AppData").join("Local"));
            let mut packages = folders(&local.join("Packages"));
            packages.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("Claude_")));
            packages.sort();
            packages.pop()
        });
        let claude_desktop = match packaged.flatten() {
            Some(package) => package.join("LocalCache").join("Roaming").join("Claude"),
            None => settings.join("Claude"),
        };
        Self {
            claude_desktop,
            claude_code: folder("CLAUDE_CONFIG_DIR").unwrap_or_else(|| home.clone()),
            codex: folder("CODEX_HOME").unwrap_or_else(|| home.join(".codex")),
            settings,
            home,
        }
    }

    /// The file in which the client keeps its servers, for every project.
    pub fn file_of(&self, client: Client) -> PathBuf {
        match client {
            Client::ClaudeDesktop => self.claude_desktop.join("claude_desktop_config.json"),
            Client::ClaudeCode => self.claude_code.join(".claude.json"),
            Client::VsCode => self.settings.join("Code").join("User").join("mcp.json"),
            Client::Cursor => self.home.join(".cursor").join("mcp.json"),
            Client::Codex => self.codex.join("config.toml"),
        }
    }
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(listed) = fs::read_dir(folder) else { return Vec::new() };
    listed.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(platform: Platform, variables: &[(&str, &str)], packages: &[&str]) -> Vec<String> {
        let variable = |name: &str| variables.iter().find(|it| it.0 == name).map(|it| OsString::from(it.1));
        let folders = |within: &Path| packages.iter().map(|package| within.join(package)).collect();
        let computer = Computer::new(platform, PathBuf::from("~"), variable, folders);
        Client::ALL.map(|client| computer.file_of(client).to_string_lossy().replace('\\', "/")).into()
    }

    #[test]
    fn every_platform_has_its_places() {
        let linux = [
            "~/.config/Claude/claude_desktop_config.json",
            "~/.claude.json",
            "~/.config/Code/User/mcp.json",
            "~/.cursor/mcp.json",
            "~/.codex/config.toml",
        ];
        assert_eq!(files(Platform::Linux, &[("APPDATA", "/no"), ("XDG_CONFIG_HOME", "")], &["Claude_x"]), linux);
        let macos = [
            "~/Library/Application Support/Claude/claude_desktop_config.json",
            "~/.claude.json",
            "~/Library/Application Support/Code/User/mcp.json",
            "~/.cursor/mcp.json",
            "~/.codex/config.toml",
        ];
        assert_eq!(files(Platform::MacOs, &[("XDG_CONFIG_HOME", "/no")], &["Claude_x"]), macos);
        let windows = [
            "~/AppData/Roaming/Claude/claude_desktop_config.json",
            "~/.claude.json",
            "~/AppData/Roaming/Code/User/mcp.json",
            "~/.cursor/mcp.json",
            "~/.codex/config.toml",
        ];
        assert_eq!(files(Platform::Windows, &[("XDG_CONFIG_HOME", "/no")], &["Other_x", "NotClaude_"]), windows);
    }

    #[test]
    fn a_user_may_have_moved_them() {
        let moved = [("XDG_CONFIG_HOME", "/x"), ("CLAUDE_CONFIG_DIR", "/c"), ("CODEX_HOME", "/d")];
        let [desktop, code, vscode, _, codex] = &files(Platform::Linux, &moved, &[])[..] else { panic!("five") };
        assert_eq!(desktop, "/x/Claude/claude_desktop_config.json");
        assert_eq!(code, "/c/.claude.json");
        assert_eq!(vscode, "/x/Code/User/mcp.json");
        assert_eq!(codex, "/d/config.toml");
        let [desktop, _, vscode, ..] = &files(Platform::Windows, &[("APPDATA", "D:/Roaming")], &[])[..] else {
            panic!("five")
        };
        assert_eq!(desktop, "D:/Roaming/Claude/claude_desktop_config.json");
        assert_eq!(vscode, "D:/Roaming/Code/User/mcp.json");
    }

    #[test]
    fn on_windows_the_packaged_claude_desktop_reads_a_file_of_its_own() {
        let inside = "Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude/claude_desktop_config.json";
        let packages = ["Claude_pzs8sxrjxfjjc", "Microsoft.Notes_x"];
        assert_eq!(files(Platform::Windows, &[], &packages)[0], format!("~/AppData/Local/{inside}"));
        assert_eq!(files(Platform::Windows, &[("LOCALAPPDATA", "D:/L")], &packages)[0], format!("D:/L/{inside}"));
    }
}

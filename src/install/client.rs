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

    /// Whether a path means the same wherever it is read on this platform.
    fn is_absolute(self, path: &Path) -> bool {
        match (self, path.as_os_str().as_encoded_bytes()) {
            (Self::Windows, [drive, b':', b'\\' | b'/', ..]) => drive.is_ascii_alphabetic(),
            (Self::Windows, [b'\\' | b'/', b'\\' | b'/', ..]) => true,
            (Self::Windows, _) => false,
            (Self::Linux | Self::MacOs, path) => path.starts_with(b"/"),
        }
    }
}

/// What of a computer decides where its clients keep their configuration.
#[derive(Debug)]
pub struct Computer {
    claude_desktop: Place,
    claude_code: Place,
    vscode: Place,
    cursor: Place,
    codex: Place,
}

type Place = Result<PathBuf, RelativeFolder>;

/// A variable that says where a client keeps its configuration, but not from where on. XDG has such a path ignored, and the
/// clients take it from the folder in which each of them is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is a relative path, which means another folder wherever a client is started; set it to a whole path")]
pub struct RelativeFolder(&'static str);

impl Computer {
    /// This computer, for the user who runs the program; none where the system names no home folder.
    pub fn this() -> Option<Self> {
        let variable = |name: &str| std::env::var_os(name);
        Some(Self::new(Platform::THIS, std::env::home_dir()?, variable, listed_in))
    }

    /// A computer of this platform; `variable` looks an environment variable up, `listed` says what is in a folder.
    pub fn new(
        platform: Platform,
        home: PathBuf,
        variable: impl Fn(&str) -> Option<OsString>,
        listed: impl Fn(&Path) -> Vec<PathBuf>,
    ) -> Self {
        let folder = |name: &str| variable(name).map(PathBuf::from).filter(|path| !path.as_os_str().is_empty());
        // As users set it, unlike those that Windows sets.
        let moved_to = |name: &'static str, usual: PathBuf| match folder(name) {
            None => Ok(usual),
            Some(path) if platform.is_absolute(&path) => Ok(path),
            Some(_) => Err(RelativeFolder(name)),
        };
        let settings = match platform {
            Platform::Linux => moved_to("XDG_CONFIG_HOME", home.join(".config")),
            Platform::MacOs => Ok(home.join("Library").join("Application Support")),
            Platform::Windows => Ok(folder("APPDATA").unwrap_or_else(|| home.join("AppData").join("Roaming"))),
        };
        // The packaged app sees a copy of the usual folder that nobody else sees.
        let packaged = (platform == Platform::Windows).then(|| {
            let local = folder("LOCALAPPDATA").unwrap_or_else(|| home.join("AppData").join("Local"));
            let mut packages = listed(&local.join("Packages"));
            packages.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("Claude_")));
            packages.sort();
            packages.pop()
        });
        let claude_desktop = match packaged.flatten() {
            Some(package) => Ok(package.join("LocalCache").join("Roaming").join("Claude")),
            None => settings.clone().map(|settings| settings.join("Claude")),
        };
        // The file had another name and place once, and where it is there still, Claude Code goes on with it.
        let claude_code = moved_to("CLAUDE_CONFIG_DIR", home.join(".claude")).and_then(|folder| {
            let old = folder.join(".config.json");
            if listed(&folder).contains(&old) {
                return Ok(old);
            }
            moved_to("CLAUDE_CONFIG_DIR", home.clone()).map(|folder| folder.join(".claude.json"))
        });
        Self {
            claude_desktop: claude_desktop.map(|folder| folder.join("claude_desktop_config.json")),
            claude_code,
            vscode: settings.map(|folder| folder.join("Code").join("User").join("mcp.json")),
            cursor: Ok(home.join(".cursor").join("mcp.json")),
            codex: moved_to("CODEX_HOME", home.join(".codex")).map(|folder| folder.join("config.toml")),
        }
    }

    /// The file in which the client keeps its servers, for every project.
    ///
    /// # Errors
    /// A variable moves it to no certain place.
    pub fn file_of(&self, client: Client) -> Result<PathBuf, RelativeFolder> {
        match client {
            Client::ClaudeDesktop => &self.claude_desktop,
            Client::ClaudeCode => &self.claude_code,
            Client::VsCode => &self.vscode,
            Client::Cursor => &self.cursor,
            Client::Codex => &self.codex,
        }
        .clone()
    }
}

fn listed_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(listed) = fs::read_dir(folder) else { return Vec::new() };
    listed.flatten().map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(platform: Platform, variables: &[(&str, &str)], listed: &[&str]) -> Vec<String> {
        let variable = |name: &str| variables.iter().find(|it| it.0 == name).map(|it| OsString::from(it.1));
        let listed = |within: &Path| listed.iter().map(|name| within.join(name)).collect();
        let computer = Computer::new(platform, PathBuf::from("~"), variable, listed);
        let file = |client| match computer.file_of(client) {
            Ok(path) => path.to_string_lossy().replace('\\', "/"),
            Err(fault) => fault.to_string(),
        };
        Client::ALL.map(file).into()
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
    fn claude_code_goes_on_with_an_old_file() {
        let old = [".config.json"];
        assert_eq!(files(Platform::MacOs, &[], &old)[1], "~/.claude/.config.json");
        assert_eq!(files(Platform::Linux, &[("CLAUDE_CONFIG_DIR", "/c")], &old)[1], "/c/.config.json");
    }

    #[test]
    fn a_place_that_depends_on_where_a_client_is_started_is_none() {
        let moved = [("XDG_CONFIG_HOME", "x"), ("CLAUDE_CONFIG_DIR", "~/c"), ("CODEX_HOME", "./d")];
        let [desktop, code, vscode, cursor, codex] = &files(Platform::Linux, &moved, &[])[..] else { panic!("five") };
        for (file, variable) in [
            (desktop, "XDG_CONFIG_HOME"),
            (vscode, "XDG_CONFIG_HOME"),
            (code, "CLAUDE_CONFIG_DIR"),
            (codex, "CODEX_HOME"),
        ] {
            assert!(file.starts_with(&format!("{variable} is a relative path")), "{file}");
        }
        assert_eq!(cursor, "~/.cursor/mcp.json");
        assert_eq!(files(Platform::MacOs, &moved[..1], &[])[2], "~/Library/Application Support/Code/User/mcp.json");
    }

    #[test]
    fn what_is_a_whole_path_is_the_platforms_to_say() {
        for (platform, folder, file) in [
            (Platform::Windows, r"D:\x", "D:/x/config.toml"),
            (Platform::Windows, "d:/x", "d:/x/config.toml"),
            (Platform::Windows, r"\\server\share", "//server/share/config.toml"),
            (Platform::Windows, r"\\?\D:\x", "//?/D:/x/config.toml"),
            (Platform::Windows, "x", "CODEX_HOME is a relative path"),
            (Platform::Windows, r"\x", "CODEX_HOME is a relative path"),
            (Platform::Windows, "/x", "CODEX_HOME is a relative path"),
            (Platform::Windows, "D:x", "CODEX_HOME is a relative path"),
            (Platform::MacOs, "/x", "/x/config.toml"),
            (Platform::Linux, r"D:\x", "CODEX_HOME is a relative path"),
        ] {
            let found = &files(platform, &[("CODEX_HOME", folder)], &[])[4];
            assert!(found.starts_with(file), "{platform:?} {folder}: {found}");
        }
    }

    #[test]
    fn on_windows_the_packaged_claude_desktop_reads_a_file_of_its_own() {
        let inside = "Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude/claude_desktop_config.json";
        let packages = ["Claude_pzs8sxrjxfjjc", "Microsoft.Notes_x"];
        assert_eq!(files(Platform::Windows, &[], &packages)[0], format!("~/AppData/Local/{inside}"));
        assert_eq!(files(Platform::Windows, &[("LOCALAPPDATA", "D:/L")], &packages)[0], format!("D:/L/{inside}"));
    }
}

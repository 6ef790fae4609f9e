//! Where clients keep their configuration on Linux, macOS and Windows.
//!
//! What depends on the computer is passed in, so that every platform's paths can be tested on any. Reads no file.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use super::client::Client;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Platform {
    /// And every other system with XDG folders.
    Linux,
    MacOs,
    Windows,
}

impl Platform {
    /// The platform that this program was built for.
    pub(crate) const THIS: Self = if cfg!(windows) {
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

/// A variable that moves a client's configuration to a relative path. Clients take it from the folder in which each of them
/// is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is a relative path, which is another folder wherever a client is started; set it to an absolute path")]
pub(crate) struct RelativeFolder(&'static str);

type Lookup = Box<dyn Fn(&str) -> Option<OsString>>;
type Listing = Box<dyn Fn(&Path) -> Vec<PathBuf>>;

/// Where clients on a computer keep their configuration.
pub(crate) struct ConfigPaths {
    platform: Platform,
    pub(super) home: PathBuf,
    variable: Lookup,
    /// The paths of what is in a folder.
    list: Listing,
}

impl ConfigPaths {
    /// For the user who runs this program; none if the system names no home folder.
    pub(crate) fn of_this_user() -> Option<Self> {
        let list = |folder: &Path| {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).collect()
        };
        let variable = Box::new(|name: &str| std::env::var_os(name));
        Some(Self { platform: Platform::THIS, home: std::env::home_dir()?, variable, list: Box::new(list) })
    }

    pub(crate) fn file(&self, client: Client) -> Result<PathBuf, RelativeFolder> {
        (client.spec().path)(self)
    }

    pub(super) fn claude_desktop(&self) -> Result<PathBuf, RelativeFolder> {
        let folder = match self.packaged_claude_desktop() {
            // The packaged app sees its own copy of the usual folder.
            Some(package) => package.join("LocalCache").join("Roaming"),
            None => self.settings()?,
        };
        Ok(folder.join("Claude").join("claude_desktop_config.json"))
    }

    fn packaged_claude_desktop(&self) -> Option<PathBuf> {
        if self.platform != Platform::Windows {
            return None;
        }
        let local = self.folder("LOCALAPPDATA").unwrap_or_else(|| self.home.join("AppData").join("Local"));
        let is_claude =
            |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("Claude_"));
        (self.list)(&local.join("Packages")).into_iter().filter(is_claude).max()
    }

    pub(super) fn claude_code(&self) -> Result<PathBuf, RelativeFolder> {
        let folder = self.set_by_user("CLAUDE_CONFIG_DIR", self.home.join(".claude"))?;
        // An earlier name and location, which Claude Code still prefers.
        let old = folder.join(".config.json");
        if (self.list)(&folder).contains(&old) {
            return Ok(old);
        }
        Ok(self.set_by_user("CLAUDE_CONFIG_DIR", self.home.clone())?.join(".claude.json"))
    }

    /// On every platform below `.config`. If there are two files, the one with comments has the last word.
    pub(super) fn opencode(&self) -> Result<PathBuf, RelativeFolder> {
        let folder = self.set_by_user("XDG_CONFIG_HOME", self.home.join(".config"))?.join("opencode");
        let with_comments = folder.join("opencode.jsonc");
        let exists = (self.list)(&folder).contains(&with_comments);
        Ok(if exists { with_comments } else { folder.join("opencode.json") })
    }

    pub(super) fn zed(&self) -> Result<PathBuf, RelativeFolder> {
        let folder = match self.platform {
            Platform::Linux => self.settings()?.join("zed"),
            Platform::MacOs => self.home.join(".config").join("zed"),
            Platform::Windows => self.settings()?.join("Zed"),
        };
        Ok(folder.join("settings.json"))
    }

    /// Where applications keep their settings.
    pub(super) fn settings(&self) -> Result<PathBuf, RelativeFolder> {
        match self.platform {
            Platform::Linux => self.set_by_user("XDG_CONFIG_HOME", self.home.join(".config")),
            Platform::MacOs => Ok(self.home.join("Library").join("Application Support")),
            Platform::Windows => {
                Ok(self.folder("APPDATA").unwrap_or_else(|| self.home.join("AppData").join("Roaming")))
            }
        }
    }

    /// A folder that users set, unlike those that Windows sets.
    pub(super) fn set_by_user(&self, variable: &'static str, default: PathBuf) -> Result<PathBuf, RelativeFolder> {
        match self.folder(variable) {
            None => Ok(default),
            Some(path) if self.platform.is_absolute(&path) => Ok(path),
            Some(_) => Err(RelativeFolder(variable)),
        }
    }

    fn folder(&self, variable: &str) -> Option<PathBuf> {
        (self.variable)(variable).map(PathBuf::from).filter(|path| !path.as_os_str().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Client::{ClaudeCode, ClaudeDesktop, Codex, Cursor, GeminiCli, OpenCode, VsCode, Windsurf, Zed},
        Platform::{Linux, MacOs, Windows},
        *,
    };

    const CLAUDE: &str = "Claude/claude_desktop_config.json";
    const CODE: &str = "Code/User/mcp.json";
    const PACKAGE: &str = "Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude/claude_desktop_config.json";

    /// Fails unless this client's file, or the error about it, begins like this. `variable` is `NAME=value`.
    fn check(platform: Platform, variable: &str, listed: &'static [&str], client: Client, expected: &str) {
        let (set, value) = variable.split_once('=').map(|(set, value)| (set.to_owned(), OsString::from(value))).unzip();
        let paths = ConfigPaths {
            platform,
            home: PathBuf::from("~"),
            variable: Box::new(move |name| value.clone().filter(|_| set.as_deref() == Some(name))),
            list: Box::new(|folder| listed.iter().map(|name| folder.join(name)).collect()),
        };
        let file =
            paths.file(client).map_or_else(|error| error.to_string(), |path| path.to_string_lossy().into_owned());
        assert!(file.replace('\\', "/").starts_with(expected), "{platform:?} {variable} {client:?}: {file}");
    }

    #[test]
    fn every_platform_has_its_paths() {
        for (platform, other_variable, settings, zed) in [
            (Linux, "APPDATA=/no", "~/.config", "~/.config/zed"),
            (MacOs, "APPDATA=/no", "~/Library/Application Support", "~/.config/zed"),
            (Windows, "CODEX=/no", "~/AppData/Roaming", "~/AppData/Roaming/Zed"),
        ] {
            for (client, file) in [
                (ClaudeDesktop, format!("{settings}/{CLAUDE}")),
                (ClaudeCode, "~/.claude.json".to_owned()),
                (VsCode, format!("{settings}/{CODE}")),
                (Cursor, "~/.cursor/mcp.json".to_owned()),
                (Codex, "~/.codex/config.toml".to_owned()),
                (GeminiCli, "~/.gemini/settings.json".to_owned()),
                (OpenCode, "~/.config/opencode/opencode.json".to_owned()),
                (Windsurf, "~/.codeium/windsurf/mcp_config.json".to_owned()),
                (Zed, format!("{zed}/settings.json")),
            ] {
                let listed: &[_] = if platform == Windows { &["Other_x", "NotClaude_"] } else { &["Claude_x"] };
                check(platform, other_variable, listed, client, &file);
                check(platform, "XDG_CONFIG_HOME=", &[], client, &file);
            }
        }
    }

    #[test]
    fn the_user_can_move_them_to_an_absolute_path() {
        for (platform, variable, client, expected) in [
            (Linux, "XDG_CONFIG_HOME=/x", ClaudeDesktop, "/x/Claude/claude_desktop_config.json"),
            (Linux, "XDG_CONFIG_HOME=/x", VsCode, "/x/Code/User/mcp.json"),
            (Windows, "APPDATA=D:/R", ClaudeDesktop, "D:/R/Claude/claude_desktop_config.json"),
            (Windows, "APPDATA=D:/R", VsCode, "D:/R/Code/User/mcp.json"),
            (Linux, "CLAUDE_CONFIG_DIR=/c", ClaudeCode, "/c/.claude.json"),
            (MacOs, "CODEX_HOME=/x", Codex, "/x/config.toml"),
            (Windows, r"CODEX_HOME=D:\x", Codex, "D:/x/config.toml"),
            (Windows, "CODEX_HOME=d:/x", Codex, "d:/x/config.toml"),
            (Windows, r"CODEX_HOME=\\server\share", Codex, "//server/share/config.toml"),
            (Windows, r"CODEX_HOME=\\?\D:\x", Codex, "//?/D:/x/config.toml"),
            (MacOs, "GEMINI_CLI_HOME=/g", GeminiCli, "/g/.gemini/settings.json"),
            (MacOs, "XDG_CONFIG_HOME=/x", OpenCode, "/x/opencode/opencode.json"),
            (MacOs, "XDG_CONFIG_HOME=/x", ClaudeDesktop, "~/Library/Application Support/Claude"),
            (Windows, "XDG_CONFIG_HOME=/no", VsCode, "~/AppData/Roaming"),
            (Linux, "XDG_CONFIG_HOME=/x", Zed, "/x/zed/settings.json"),
            (Windows, "APPDATA=D:/R", Zed, "D:/R/Zed/settings.json"),
            (Linux, "XDG_CONFIG_HOME=x", ClaudeDesktop, "XDG_CONFIG_HOME is a relative path"),
            (Linux, "XDG_CONFIG_HOME=x", VsCode, "XDG_CONFIG_HOME is a relative path"),
            (Linux, "XDG_CONFIG_HOME=x", Cursor, "~/.cursor/mcp.json"),
            (Linux, "CLAUDE_CONFIG_DIR=~/c", ClaudeCode, "CLAUDE_CONFIG_DIR is a relative path"),
            (Linux, "GEMINI_CLI_HOME=g", GeminiCli, "GEMINI_CLI_HOME is a relative path"),
            (Linux, "CODEX_HOME=./d", Codex, "CODEX_HOME is a relative path"),
            (Linux, r"CODEX_HOME=D:\x", Codex, "CODEX_HOME is a relative path"),
            (Windows, "CODEX_HOME=x", Codex, "CODEX_HOME is a relative path"),
            (Windows, r"CODEX_HOME=\x", Codex, "CODEX_HOME is a relative path"),
            (Windows, "CODEX_HOME=/x", Codex, "CODEX_HOME is a relative path"),
            (Windows, "CODEX_HOME=D:x", Codex, "CODEX_HOME is a relative path"),
        ] {
            check(platform, variable, &[], client, expected);
        }
    }

    #[test]
    fn an_old_or_packaged_file_is_preferred() {
        let (old, packages) = (&[".config.json"], &["Claude_pzs8sxrjxfjjc", "Microsoft.Notes_x"]);
        check(MacOs, "", old, ClaudeCode, "~/.claude/.config.json");
        check(Linux, "CLAUDE_CONFIG_DIR=/c", old, ClaudeCode, "/c/.config.json");
        check(Linux, "", &["opencode.json", "opencode.jsonc"], OpenCode, "~/.config/opencode/opencode.jsonc");
        check(Windows, "", packages, ClaudeDesktop, &format!("~/AppData/Local/{PACKAGE}"));
        check(Windows, "LOCALAPPDATA=D:/L", packages, ClaudeDesktop, &format!("D:/L/{PACKAGE}"));
    }
}

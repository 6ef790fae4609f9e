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

/// Where clients on a computer keep their configuration.
pub(crate) struct ConfigPaths {
    platform: Platform,
    pub(super) home: PathBuf,
    variable: Box<dyn Fn(&str) -> Option<OsString>>,
    /// The paths of what is in a folder.
    list: Box<dyn Fn(&Path) -> Vec<PathBuf>>,
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
        // An earlier name and place, which Claude Code still prefers.
        let old = folder.join(".config.json");
        if (self.list)(&folder).contains(&old) {
            return Ok(old);
        }
        Ok(self.set_by_user("CLAUDE_CONFIG_DIR", self.home.clone())?.join(".claude.json"))
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
    use clap::ValueEnum;

    use super::*;

    fn files(platform: Platform, variables: &[(&str, &str)], listed: &[&str]) -> Vec<String> {
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect();
        let listed: Vec<_> = listed.iter().map(PathBuf::from).collect();
        let paths = ConfigPaths {
            platform,
            home: PathBuf::from("~"),
            variable: Box::new(move |name| variables.iter().find(|it| it.0 == name).map(|it| it.1.clone())),
            list: Box::new(move |folder| listed.iter().map(|name| folder.join(name)).collect()),
        };
        let file = |client: &Client| match paths.file(*client) {
            Ok(path) => path.to_string_lossy().replace('\\', "/"),
            Err(error) => error.to_string(),
        };
        Client::value_variants().iter().map(file).collect()
    }

    #[test]
    fn every_platform_has_its_paths() {
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
    fn a_user_can_move_them() {
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
    fn claude_code_keeps_using_an_old_file() {
        let old = [".config.json"];
        assert_eq!(files(Platform::MacOs, &[], &old)[1], "~/.claude/.config.json");
        assert_eq!(files(Platform::Linux, &[("CLAUDE_CONFIG_DIR", "/c")], &old)[1], "/c/.config.json");
    }

    #[test]
    fn a_path_that_depends_on_where_a_client_is_started_is_an_error() {
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
    fn the_platform_decides_what_an_absolute_path_is() {
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
    fn on_windows_the_packaged_claude_desktop_has_its_own_file() {
        let inside = "Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude/claude_desktop_config.json";
        let packages = ["Claude_pzs8sxrjxfjjc", "Microsoft.Notes_x"];
        assert_eq!(files(Platform::Windows, &[], &packages)[0], format!("~/AppData/Local/{inside}"));
        assert_eq!(files(Platform::Windows, &[("LOCALAPPDATA", "D:/L")], &packages)[0], format!("D:/L/{inside}"));
    }
}

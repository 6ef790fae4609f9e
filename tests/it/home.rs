//! A user's home folder in which `verifa-mcp install` finds clients' configurations.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use tempfile::TempDir;
use tokio::process::Command;

use crate::program::{program_at, stderr, stdout};

/// Where applications keep their settings in it.
#[cfg(not(windows))]
pub(crate) const SETTINGS: &str = ".config";
#[cfg(windows)]
pub(crate) const SETTINGS: &str = "AppData/Roaming";

/// A user's home folder, and the clients' commands on their `PATH`.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        fs::create_dir(home.path("bin")).unwrap();
        home
    }

    pub(crate) fn path(&self, within: &str) -> PathBuf {
        self.0.path().join(within)
    }

    pub(crate) fn write(&self, within: &str, text: &str) -> String {
        let path = self.path(within);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn read(&self, within: &str) -> String {
        fs::read_to_string(self.path(within)).unwrap()
    }

    /// A key file that only the user can read, where files have modes.
    pub(crate) fn key_file(&self, name: &str, key: &str) -> String {
        let path = self.write(name, &format!("{key}\n"));
        #[cfg(unix)]
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path
    }

    pub(crate) async fn install(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let mut command =
            self.command_of(env!("CARGO_BIN_EXE_verifa-mcp").as_ref(), &[&["install"], arguments].concat());
        command.envs(environment.iter().copied()).output().await.unwrap()
    }

    /// This program, run by the user of this home folder.
    pub(crate) fn command_of(&self, path: &Path, arguments: &[&str]) -> Command {
        let mut command = program_at(path, arguments.iter().copied());
        command.env("HOME", self.0.path()).env("PATH", self.path("bin")).current_dir(self.0.path());
        #[cfg(windows)]
        command.env("USERPROFILE", self.0.path()).env("APPDATA", self.path(SETTINGS));
        command
    }
}

pub(crate) fn succeeded(output: &Output) -> &str {
    assert!(output.status.success(), "{}", stderr(output));
    stdout(output)
}

//! How a client is to start this program: by its whole path, or through `npx` where that has brought it along for a while.
//!
//! It looks at the path alone, never at the system.

use std::path::Path;

use super::client::Platform;

/// The command with its first arguments.
#[derive(Debug, PartialEq, Eq)]
pub struct Launch {
    /// The command.
    pub command: String,
    /// What comes before the program's own arguments.
    pub arguments: Vec<&'static str>,
}

impl Launch {
    /// Of the program that lies there. What `npx` runs is in its cache, which it may empty.
    pub fn of(executable: &str, platform: Platform) -> Self {
        const PACKAGE: &str = concat!(env!("CARGO_PKG_NAME"), "@", env!("CARGO_PKG_VERSION"));
        let is_in_cache_of_npx = Path::new(executable).components().any(|part| part.as_os_str() == "_npx");
        let (command, arguments) = match platform {
            _ if !is_in_cache_of_npx => (executable, vec![]),
            // There it is a script, which not every client can start by itself.
            Platform::Windows => ("cmd", vec!["/c", "npx", "-y", PACKAGE]),
            Platform::Linux | Platform::MacOs => ("npx", vec!["-y", PACKAGE]),
        };
        Self { command: command.to_owned(), arguments }
    }

    /// Whether something else than the program itself is started, which starts it in turn.
    pub fn is_through_npx(&self) -> bool {
        !self.arguments.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_npx_has_brought_along_is_started_through_npx() {
        let version = env!("CARGO_PKG_VERSION");
        let program = "node_modules/@verifa-mcp/linux-x64/bin/verifa-mcp";
        for (folder, platform, expected) in [
            ("/usr/lib", Platform::Linux, format!("/usr/lib/{program}")),
            ("/home/a_npx", Platform::MacOs, format!("/home/a_npx/{program}")),
            ("/home/a/.npm/_npx/0ab1", Platform::Linux, format!("npx -y verifa-mcp@{version}")),
            ("/home/a/.npm/_npx/0ab1", Platform::Windows, format!("cmd /c npx -y verifa-mcp@{version}")),
        ] {
            let launch = Launch::of(&format!("{folder}/{program}"), platform);
            let words: Vec<_> = [launch.command.as_str()].into_iter().chain(launch.arguments.iter().copied()).collect();
            assert_eq!(words.join(" "), expected);
            assert_eq!(launch.is_through_npx(), expected.contains("npx -y"));
        }
    }
}

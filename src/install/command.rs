//! A client's own command: shown as a person would type it, and run.
//!
//! It decides nothing: `plan` says which commands are run.

use std::{
    fmt, io,
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
};

/// A command with its arguments. None of them is a key: others can read command lines.
#[derive(Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The program, by name.
    pub program: &'static str,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// What is shown for the last one, where that holds what is not to be seen.
    pub(super) last_shown: Option<String>,
}

impl Invocation {
    pub(super) fn new<const N: usize>(program: &'static str, arguments: [&str; N]) -> Self {
        Self { program, arguments: arguments.map(str::to_owned).into(), last_shown: None }
    }

    /// Where the program lies, if it can be run. What lies in the current folder alone is not meant.
    pub fn find(program: &str) -> Option<PathBuf> {
        which::which_global(program).ok()
    }

    /// Runs the command to its end; what it says goes where this program's words go.
    ///
    /// # Errors
    /// It is not there, or cannot be started.
    pub fn run(&self) -> io::Result<ExitStatus> {
        // By its whole path: on Windows these programs are scripts, which are not found by name.
        let program = Self::find(self.program).ok_or(io::ErrorKind::NotFound)?;
        Command::new(program).args(&self.arguments).stdin(Stdio::null()).status()
    }
}

impl fmt::Debug for Invocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Invocation({self})")
    }
}

/// As in a shell.
impl fmt::Display for Invocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.program)?;
        let whole = self.arguments.len() - usize::from(self.last_shown.is_some());
        for argument in self.arguments.iter().take(whole).chain(&self.last_shown) {
            let quoted = shlex::try_quote(argument).map_err(|_| fmt::Error)?;
            write!(formatter, " {quoted}")?;
        }
        Ok(())
    }
}

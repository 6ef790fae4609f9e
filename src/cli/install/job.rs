//! Carries a plan out: says what is to be done, keeps a copy, runs the client's command or edits its file, and says what
//! has become of it.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use anyhow::{Context, anyhow};
use serde_json::Value;
use tempfile::TempPath;

use crate::install::{ConfigFile, FileError, Invocation, Lock, Plan, Situation, holds_key};

/// What is done to which file.
pub(super) struct Job<'a> {
    pub(super) situation: Situation<'a>,
    /// Where the client looks for the file, which may be a link to it.
    pub(super) path: &'a Path,
    pub(super) file: &'a ConfigFile,
    pub(super) uninstall: bool,
}

impl Job<'_> {
    /// What would be done.
    pub(super) fn announcement(&self, plan: &Plan) -> String {
        let (name, client, path) = (self.situation.name, self.situation.client.title(), self.file.path().display());
        match plan {
            Plan::Nothing if self.uninstall => format!("{client} has no entry \"{name}\" in {path}.\n"),
            Plan::Nothing => format!("{client} has this entry already, \"{name}\" in {path}.\n"),
            Plan::Edit { change, .. } if self.file.text().is_none() => format!("Make {path}:\n\n{change}\n"),
            Plan::Edit { change, .. } => {
                format!("Change {path}:\n\n{change}\nEverything else in it stays as it is.\n")
            }
            Plan::Run { commands, change, .. } => {
                let commands: String = commands.iter().map(|command| format!("  {command}\n")).collect();
                let what_goes = if self.uninstall { "This goes:" } else { "In the place of:" };
                let old = if change.is_empty() { String::new() } else { format!("\n{what_goes}\n\n{change}") };
                format!("Run:\n\n{commands}{old}")
            }
        }
    }

    pub(super) fn carry_out(&self, plan: &Plan) -> anyhow::Result<()> {
        let Situation { client, name, .. } = self.situation;
        match plan {
            Plan::Nothing => return Ok(()),
            Plan::Edit { text, .. } => {
                let _lock = self.lock()?;
                let now = ConfigFile::read(self.path)?;
                if now != *self.file {
                    return Err(now.changed().into());
                }
                let backup = now.back_up()?;
                now.replace(text)?;
                keep(&now, backup)?;
            }
            Plan::Run { commands, undo, .. } => {
                commands.iter().try_for_each(find)?;
                let _lock = self.lock()?;
                let now = ConfigFile::read(self.path)?;
                // Clients write down much else in these files while they run.
                if self.entry_in(&now)? != self.entry_in(self.file)? {
                    return Err(now.changed().into());
                }
                let mut backup = now.back_up()?;
                // Between two commands the entry is nowhere else, and Ctrl-C may end this program there.
                let kept = if commands.len() > 1 { keep(&now, backup.take())? } else { None };
                let is_as_it_was = || ConfigFile::read(self.path).is_ok_and(|after| after == now);
                for (done, command) in commands.iter().enumerate() {
                    let Err(error) = run_one(command) else { continue };
                    if is_as_it_was() {
                        return Err(error);
                    }
                    keep(&now, backup)?;
                    let aftermath = if done == 0 { None } else { self.put_back(undo.as_ref(), kept.as_deref()) };
                    return Err(match aftermath {
                        Some(words) => error.context(words),
                        None => error,
                    });
                }
                if !is_as_it_was() {
                    keep(&now, backup)?;
                }
                self.look_again()?;
            }
        }
        let title = client.title();
        let said = if self.uninstall {
            format!("\"{name}\" is out of {title}'s configuration. A server that runs ends with the client.")
        } else {
            format!("\"{name}\" is in {title}'s configuration. {}", client.next_step())
        };
        tell(&said);
        Ok(())
    }

    fn lock(&self) -> Result<Lock, FileError> {
        let path = self.file.path().display();
        patiently(&format!("another `verifa-mcp install` to be done with {path}"), || self.file.lock())
    }

    fn entry_in(&self, file: &ConfigFile) -> anyhow::Result<Option<Value>> {
        Ok(Situation { text: file.text(), ..self.situation }.existing()?)
    }

    /// Puts the entry back that a command has taken out; says how it went.
    fn put_back(&self, undo: Option<&Invocation>, backup: Option<&Path>) -> Option<String> {
        let old = self.entry_in(self.file).ok()??;
        let ran = undo.is_some_and(|undo| run_one(undo).is_ok());
        let now = ConfigFile::read(self.path).ok().and_then(|now| self.entry_in(&now).ok()?);
        let (name, path) = (self.situation.name, self.file.path().display());
        Some(match backup {
            _ if ran && now == Some(old) => format!("nothing was changed: the old entry \"{name}\" is back"),
            Some(backup) => format!(
                "the old entry \"{name}\" is out of {path}, and no new one is in; to have it back, copy it from {}",
                backup.display()
            ),
            None => format!("the old entry \"{name}\" is out of {path}, and no new one is in"),
        })
    }

    /// A command may end well and have written somewhere else.
    fn look_again(&self) -> anyhow::Result<()> {
        let (name, path) = (self.situation.name, self.path.display());
        let now = ConfigFile::read(self.path)?;
        let there = self.entry_in(&now).with_context(|| format!("{path} is not as it should be now"))?.is_some();
        match (there, self.uninstall) {
            (true, true) => Err(anyhow!("the command ended well, but \"{name}\" is in {path} still")),
            (false, false) => Err(anyhow!(
                "the command ended well, but \"{name}\" is not in {path}; it may keep its configuration elsewhere"
            )),
            _ => Ok(()),
        }
    }
}

/// The copy stays, and the user is told where it is.
fn keep(file: &ConfigFile, backup: Option<TempPath>) -> anyhow::Result<Option<PathBuf>> {
    let backup = backup.map(TempPath::keep).transpose()?;
    if let Some(backup) = &backup {
        tell(&format!("Backup: {}", backup.display()));
        if file.text().is_some_and(holds_key) {
            tell("The backup holds a key in clear; delete it once you do not need it.");
        }
    }
    Ok(backup)
}

/// Says how it goes. Whoever has stopped listening has the change all the same.
fn tell(words: &str) {
    let _ = writeln!(io::stdout(), "{words}");
}

fn find(command: &Invocation) -> anyhow::Result<()> {
    Invocation::find(command.program)
        .map(drop)
        .ok_or_else(|| anyhow!("`{}` is not found; run the above where it is, or put it on your PATH", command.program))
}

fn run_one(command: &Invocation) -> anyhow::Result<()> {
    let program = command.program;
    let status = patiently(&format!("`{program}` to end; Ctrl-C gives it up"), || command.run())
        .map_err(|error| anyhow!("`{program}` cannot be run ({}); run the above yourself", error.kind()))?;
    if status.success() { Ok(()) } else { Err(anyhow!("`{program}` ended with {status}; its own words are above")) }
}

/// How long nothing is said while others are waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Does what may take as long as others like, and says what is waited for where it does.
fn patiently<T>(what: &str, act: impl FnOnce() -> T) -> T {
    let (done, waiting) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            if waiting.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let _ = writeln!(io::stderr(), "Waiting for {what}.");
            }
        });
        let result = act();
        drop(done);
        result
    })
}

//! Announces a change, makes it, and says whether it worked.

use std::{
    io::{self, Write},
    path::PathBuf,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use serde_json::Value;
use tempfile::TempPath;

use crate::{
    install::{Client, ClientCommand, ConfigFile, Plan, ServerName, current_entry},
    verifa::Environment,
};

pub(super) struct Change<'a> {
    pub(super) client: Client,
    pub(super) name: &'a ServerName,
    pub(super) executable: &'a str,
    pub(super) uninstall: bool,
    pub(super) existing: Option<Value>,
}

impl Change<'_> {
    pub(super) fn entry_in(&self, file: &ConfigFile) -> anyhow::Result<Option<Value>> {
        let program = self.client.spec().mechanism.command().unwrap_or_default();
        let entry = || current_entry(self.client, self.name, file, self.executable);
        Ok(patiently(&format!("`{program}` to end; Ctrl-C cancels"), entry)?)
    }

    /// What will be done.
    pub(super) fn announcement(&self, plan: &Plan, file: &ConfigFile) -> String {
        let (name, title, path) = (self.name, self.client.spec().title, file.path().display());
        match plan {
            Plan::Nothing if self.uninstall => format!("{title} has no entry \"{name}\" in {path}.\n"),
            Plan::Nothing => format!("{title} already has this entry, \"{name}\" in {path}.\n"),
            Plan::Edit { .. } if self.uninstall => {
                format!("Remove the entry \"{name}\" from {path}. Everything else in it stays as it is.\n")
            }
            Plan::Edit { shown, .. } if file.text().is_none() => format!("Create {path}:\n\n{shown}\n"),
            Plan::Edit { shown, make_private, .. } => {
                let replaced = match &self.existing {
                    Some(_) => "Of the old entry, fields and variables of your own stay; comments do not. ",
                    None => "",
                };
                let private = match make_private {
                    true => "The file will contain the key, so only you will be able to read it (mode 0600).\n",
                    false => "",
                };
                format!("Change {path}:\n\n{shown}\n{replaced}Everything else in it stays as it is.\n{private}")
            }
            Plan::Run(commands) => {
                let commands: String = commands.iter().map(|command| format!("  {command}\n")).collect();
                let replaced = match &self.existing {
                    Some(_) if !self.uninstall => {
                        "\nThis replaces the old entry; fields and variables that you added to it are lost.\n"
                    }
                    _ => "",
                };
                format!("Run:\n\n{commands}{replaced}")
            }
            Plan::Manual(text) => text.clone(),
        }
    }

    pub(super) fn make(&self, plan: &Plan, file: &ConfigFile) -> anyhow::Result<()> {
        match plan {
            Plan::Nothing | Plan::Manual(_) => return Ok(()),
            Plan::Edit { text, make_private, .. } => {
                let _lock = lock(file)?;
                let backup = file.back_up()?;
                file.replace(text, *make_private)?;
                keep(file, backup)?;
            }
            Plan::Run(commands) => {
                let _lock = lock(file)?;
                self.run(commands, file.reread()?)?;
            }
        }
        let (name, spec) = (self.name, self.client.spec());
        tell(&match self.uninstall {
            true => format!("\"{name}\" was removed from {}. A server that runs ends with the client.", spec.title),
            false => format!("\"{name}\" was added to {}. {}", spec.title, spec.next_step),
        });
        Ok(())
    }

    fn run(&self, commands: &[ClientCommand], file: ConfigFile) -> anyhow::Result<()> {
        // Clients write much else into these files while they run.
        if self.entry_in(&file)? != self.existing {
            return Err(file.changed().into());
        }
        let mut backup = file.back_up()?;
        // Between two commands the entry is only in the backup, and Ctrl-C may end this program there.
        let kept = if commands.len() > 1 { keep(&file, backup.take())? } else { None };
        let result = commands.iter().try_for_each(run_one);
        let now = file.reread()?;
        if now != file {
            keep(&file, backup)?;
        }
        let is_there = self.entry_in(&now).with_context(|| format!("{} is not as expected", now.path().display()));
        let (name, path) = (self.name, now.path().display());
        match (result, is_there.map(|entry| entry.is_some()), kept) {
            (Err(error), Ok(false), Some(backup)) => Err(error.context(format!(
                "the old entry \"{name}\" was removed and no new one was added; to restore it, copy it from {}",
                backup.display()
            ))),
            (Err(error), ..) | (Ok(()), Err(error), _) => Err(error),
            (Ok(()), Ok(true), _) if self.uninstall => {
                bail!("the command succeeded, but \"{name}\" is still in {path}")
            }
            (Ok(()), Ok(false), _) if !self.uninstall => {
                bail!("the command succeeded, but \"{name}\" is not in {path}; it may keep its configuration elsewhere")
            }
            (Ok(()), Ok(_), _) => Ok(()),
        }
    }
}

fn lock(file: &ConfigFile) -> anyhow::Result<impl Drop> {
    let path = file.path().display();
    Ok(patiently(&format!("another `verifa-mcp install` that changes {path}"), || file.lock())?)
}

/// Keeps the backup and says where it is.
fn keep(file: &ConfigFile, backup: Option<TempPath>) -> anyhow::Result<Option<PathBuf>> {
    let backup = backup.map(TempPath::keep).transpose()?;
    if let Some(backup) = &backup {
        tell(&format!("Backup: {}", backup.display()));
        let holds_key =
            |text: &str| [Environment::Sandbox, Environment::Live].iter().any(|it| text.contains(it.key_prefix()));
        if file.text().is_some_and(holds_key) {
            tell("The backup contains a key in plain text; delete it when you no longer need it.");
        }
    }
    Ok(backup)
}

/// If no one reads the output any more, the change is made anyway.
fn tell(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

fn run_one(command: &ClientCommand) -> anyhow::Result<()> {
    let program = command.program;
    let status = patiently(&format!("`{program}` to end; Ctrl-C cancels"), || command.run())
        .map_err(|error| anyhow!("`{program}` cannot be run ({}); run the above yourself", error.kind()))?;
    if status.success() { Ok(()) } else { bail!("`{program}` ended with {status}; its error message is above") }
}

/// How long others may take without a word.
const PATIENCE: Duration = Duration::from_secs(5);

/// Does what can take as long as others like, and then says what it waits for.
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

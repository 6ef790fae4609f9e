//! Announces a change, makes it, and says whether it worked.

use std::{
    io::{self, Write},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use serde_json::Value;
use tempfile::TempPath;

use crate::install::{ClientCommand, ConfigFile, InstallRequest, Plan, current_entry};

const KEPT: &str = "Fields and variables that you added to the old entry stay; comments in it are lost. ";
const LOST: &str = "\nThis replaces the old entry: fields and variables that you added to it are lost.\n";
const PRIVATE: &str = "The file will contain the key, so only you will be able to read it (mode 0600).\n";
const RESTORE: &str = "the old entry may be gone; the backup named above has it";
/// How long to wait for others before telling the user.
const PATIENCE: Duration = Duration::from_secs(5);

/// What will be done.
pub(super) fn announcement(request: &InstallRequest, plan: &Plan) -> String {
    let (name, title, path) = (&request.name, request.client.spec().title, request.file.path.display());
    let replaces = request.existing.is_some();
    match plan {
        Plan::Nothing if request.is_uninstall() => format!("{title} has no entry \"{name}\" in {path}.\n"),
        Plan::Nothing => format!("{title} already has this entry, \"{name}\" in {path}.\n"),
        Plan::Edit { .. } if request.is_uninstall() => {
            format!("Remove the entry \"{name}\" from {path}. Everything else in the file stays as it is.\n")
        }
        Plan::Edit { shown, .. } if request.file.text.is_none() => format!("Create {path}:\n\n{shown}\n"),
        Plan::Edit { shown, make_private, .. } => {
            let (kept, private) = (if replaces { KEPT } else { "" }, if *make_private { PRIVATE } else { "" });
            format!("Change {path}:\n\n{shown}\n{kept}Everything else in the file stays as it is.\n{private}")
        }
        Plan::Run(commands) => {
            let commands: String = commands.iter().map(|command| format!("  {command}\n")).collect();
            format!("Run:\n\n{commands}{}", if replaces && !request.is_uninstall() { LOST } else { "" })
        }
        Plan::Manual(text) => text.clone(),
    }
}

pub(super) fn make(request: &InstallRequest, plan: &Plan) -> anyhow::Result<()> {
    let (name, file, spec) = (&request.name, &request.file, request.client.spec());
    let lock = || {
        let path = file.path.display();
        patiently(format!("another `verifa-mcp install` that changes {path}"), || file.lock())
    };
    match plan {
        Plan::Nothing | Plan::Manual(_) => return Ok(()),
        Plan::Edit { text, make_private, .. } => {
            let _lock = lock()?;
            let backup = file.back_up()?;
            file.replace(text, *make_private)?;
            keep(file, backup)?;
        }
        Plan::Run(commands) => {
            let _lock = lock()?;
            run(request, commands, &file.reread()?)?;
        }
    }
    tell(&if request.is_uninstall() {
        format!("\"{name}\" was removed from {}. A server that runs ends with the client.", spec.title)
    } else {
        format!("\"{name}\" was added to {}. {}", spec.title, spec.next_step)
    });
    Ok(())
}

fn run(request: &InstallRequest, commands: &[ClientCommand], file: &ConfigFile) -> anyhow::Result<()> {
    // Clients write much else into these files while they run.
    if find_entry(request, file)? != request.existing {
        return Err(file.changed().into());
    }
    let mut backup = file.back_up()?;
    // Between two commands the entry is only in the backup, and Ctrl-C may end this program there.
    let is_replaced = commands.len() > 1;
    if is_replaced {
        keep(file, backup.take())?;
    }
    let result = commands.iter().try_for_each(run_one);
    let now = file.reread();
    if now.as_ref().ok() != Some(file) {
        keep(file, backup)?;
    }
    result.map_err(|error| if is_replaced { error.context(RESTORE) } else { error })?;
    let now = now?;
    let (name, path) = (&request.name, now.path.display());
    let entry = find_entry(request, &now).with_context(|| format!("{path} is not as expected"))?;
    if entry.is_some() == request.is_uninstall() {
        let there = if request.is_uninstall() { "still" } else { "not" };
        bail!(
            "the command succeeded, but \"{name}\" is {there} in {path}; the client may keep its configuration elsewhere"
        );
    }
    Ok(())
}

/// The client's entry of this name.
pub(super) fn find_entry(request: &InstallRequest, file: &ConfigFile) -> anyhow::Result<Option<Value>> {
    let program = request.client.spec().mechanism.command().unwrap_or_default();
    let entry = || current_entry(request.client, &request.name, file, &request.executable);
    Ok(patiently(format!("`{program}` to end; Ctrl-C cancels"), entry)?)
}

fn run_one(command: &ClientCommand) -> anyhow::Result<()> {
    let program = command.program;
    let status = patiently(format!("`{program}` to end; Ctrl-C cancels"), || command.run())
        .map_err(|error| anyhow!("`{program}` cannot be run ({}); run the above yourself", error.kind()))?;
    if status.success() { Ok(()) } else { bail!("`{program}` ended with {status}; its error message is above") }
}

/// Keeps the backup, if there is one, and says where it is.
fn keep(file: &ConfigFile, backup: Option<TempPath>) -> anyhow::Result<()> {
    let Some(backup) = backup.map(TempPath::keep).transpose()? else { return Ok(()) };
    tell(&format!("Backup: {}", backup.display()));
    let holds_key = |text: &String| text.contains("vk_sandbox_") || text.contains("vk_live_");
    if file.text.as_ref().is_some_and(holds_key) {
        tell("The backup contains a key in plain text; delete it when you no longer need it.");
    }
    Ok(())
}

/// If no one reads the output any more, the change is made anyway.
fn tell(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Does what others can delay, and after a while says what it waits for.
fn patiently<T>(what: String, act: impl FnOnce() -> T) -> T {
    let (_done, waiting) = mpsc::channel::<()>();
    thread::spawn(move || {
        if waiting.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            let _ = writeln!(io::stderr(), "Waiting for {what}.");
        }
    });
    act()
}

//! `verifa-mcp resume`: the tool's work by hand, through the tool's own code.
//!
//! The link goes to stdout and to the file that was asked for, and nowhere else.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::Context;
use rmcp::model::JsonObject;
use serde_json::json;
use tracing::Instrument;

use super::flags::Resume;
use crate::call::Caller;
use crate::{
    config::Config,
    qr,
    tools::{CaptureLink, Fault, QrMode, Setup, ToolError, environment_label, resume_session},
    verifa::Wait,
};

pub(super) async fn run(flags: &Resume, config: &Config) -> anyhow::Result<ExitCode> {
    let mut arguments = JsonObject::from_iter([("session_id".to_owned(), json!(flags.session_id))]);
    if let Some(key) = &flags.idempotency_key {
        arguments.insert("idempotency_key".to_owned(), json!(key));
    }
    let setup = config.setup();
    match resume(arguments, &setup, &config.caller).await {
        Ok(mut link) => {
            if flags.json {
                // The endpoint's five fields, whatever agents are given.
                link.qr = QrMode::Full;
            }
            let output = if flags.json { format!("{}\n", link.structured()) } else { describe(&link) };
            // The link first: it must not be lost when the picture cannot be written.
            let printed = io::stdout().write_all(output.as_bytes()).and_then(|()| io::stdout().flush());
            printed.context("the session was resumed, but its link cannot be printed")?;
            if let Some(path) = &flags.qr_file {
                write_picture(&link, path)?;
                if !flags.json {
                    writeln!(io::stdout(), "QR code written to {}", path.display())?;
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            writeln!(io::stderr(), "{error}")?;
            let wrong_usage = matches!(error.fault, Fault::Arguments(_));
            Ok(if wrong_usage { ExitCode::from(2) } else { ExitCode::FAILURE })
        }
    }
}

async fn resume(arguments: JsonObject, setup: &Setup, caller: &Caller) -> Result<CaptureLink, ToolError> {
    let call = resume_session::read(arguments, setup, caller)?;
    let span = tracing::error_span!("call", session_id = call.session_id().as_str());
    call.send(setup, caller, report_wait).instrument(span).await
}

async fn report_wait(wait: Wait) {
    let seconds = wait.delay.as_secs_f64();
    // Nobody to tell: the call goes on all the same.
    let _ = writeln!(io::stderr(), "Attempt {} failed ({}); next attempt in {seconds:.1} s", wait.attempt, wait.error);
}

fn describe(link: &CaptureLink) -> String {
    let url = link.fresh.capture_url.expose();
    let mut text = format!(
        "Session  {} ({})\nStatus   {}\nLink     {url}\nExpiry   {}\n",
        link.fresh.session_id,
        environment_label(link.environment, link.emulated),
        link.fresh.status,
        link.expiry(),
    );
    if let Some(warning) = link.warning() {
        text += &format!("\n{warning}\n");
    }
    if let (Some(code), false) = (qr::terminal(url), link.qr == QrMode::None) {
        text += &format!("\n{code}");
    }
    text += if link.emulated {
        "\nThis was a demonstration: the link ended with this command. `verifa-mcp emulator` keeps one alive on this \
         computer.\n"
    } else {
        "\nThe link works once. Pass it on whole and unchanged, to the person being verified and nobody else.\n"
    };
    text
}

fn write_picture(link: &CaptureLink, path: &Path) -> anyhow::Result<()> {
    let picture = link.picture().context("no QR code could be drawn")?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| {
        // The mode above is for a new file alone.
        #[cfg(unix)]
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        file.write_all(&picture.expose_png())
    });
    written.with_context(|| format!("the QR code cannot be written to {}", path.display()))
}

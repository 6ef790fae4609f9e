//! `verifa-mcp resume`: the tool's work by hand, through the tool's own code.
//!
//! The link goes to stdout and to the requested file, and nowhere else.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context, anyhow};
use rmcp::model::JsonObject;
use serde_json::json;
use tracing::{Instrument, field::Empty};

use super::{
    flags::Resume,
    process::{UsageError, require_stdout},
    watch::watch,
};
use crate::{
    call::{Arrival, Caller},
    config::Config,
    private_file, qr,
    tools::{Consent, GetSession, LinkResult, Prepared, QrMode, ResumeSession, ServerState, Tool, ToolError, prepare},
    verifa::Retry,
};

pub(super) async fn run(flags: &Resume, config: &Config) -> anyhow::Result<ExitCode> {
    let mut arguments = JsonObject::from_iter([("session_id".to_owned(), json!(flags.session_id))]);
    if let Some(key) = &flags.idempotency_key {
        arguments.insert("idempotency_key".to_owned(), json!(key));
    }
    if flags.watch && !config.caller.permissions.allows(GetSession::SPEC) {
        let why = "--watch looks the session up, which VERIFA_MCP_TOOLSETS does not allow; nothing was sent";
        return Err(UsageError(why.to_owned()).into());
    }
    // A program that throws stdout away may have asked for the file.
    if flags.qr_file.is_none() {
        require_stdout("the new link would be lost; nothing was sent, and the session was not resumed")?;
    }
    let state = config.server_state();
    match call::<ResumeSession>(arguments, &state, &config.caller).await {
        Ok(mut link) => {
            if flags.json {
                // The endpoint's five fields, whatever agents are given.
                link.qr = QrMode::Full;
            }
            let output = if flags.json { format!("{}\n", link.structured()) } else { describe(&link, flags.watch) };
            // The link first: it must not be lost when the QR code cannot be written.
            let printed = anstream::stdout().write_all(output.as_bytes()).and_then(|()| io::stdout().flush());
            printed.context("the session was resumed, but its link cannot be printed")?;
            if let Some(path) = &flags.qr_file {
                write_qr_code(&link, path)?;
                if !flags.json {
                    writeln!(io::stdout(), "QR code written to {}", path.display())?;
                }
            }
            if flags.watch {
                return watch(&link, flags.json, &state, &config.caller).await;
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            if error.is_invalid_arguments() {
                return Err(UsageError(error.text().to_owned()).into());
            }
            writeln!(io::stderr(), "{}", error.text())?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Calls a tool as an agent would, with the consent of whoever typed the command.
pub(super) async fn call<T: Tool>(
    arguments: JsonObject,
    state: &ServerState,
    caller: &Caller,
) -> Result<T::Output, ToolError> {
    let call = async {
        let call = match prepare::<T, T::Output>(arguments, state, caller, Arrival::now())? {
            Prepared::Ready(call) => call,
            Prepared::Unconfirmed(call) => call.confirmed(Consent::Typed),
        };
        call.send(&report_retry).await
    };
    call.instrument(tracing::error_span!("call", session_id = Empty)).await
}

fn report_retry(retry: &Retry) {
    let seconds = retry.delay.as_secs_f64();
    // The call continues even if there is no stderr.
    let _ =
        writeln!(io::stderr(), "Attempt {} failed ({}); next attempt in {seconds:.1} s", retry.attempt, retry.error);
}

fn describe(result: &LinkResult, watches: bool) -> String {
    let url = result.link.capture_url.expose();
    let mut text = format!(
        "Session  {} ({})\nStatus   {}\nLink     {url}\nExpiry   {}\n",
        result.link.session_id,
        result.environment_label,
        result.link.status,
        result.expiry(),
    );
    if let (Some(code), false) = (qr::terminal(url), result.qr == QrMode::None) {
        text += &format!("\n{code}");
    }
    text + match (result.emulated, watches) {
        (true, true) => {
            "\nThis is a demonstration: open the link on this computer, and its page takes the session on.\n"
        }
        (true, false) => {
            "\nThis was a demonstration: the link stopped working when this command ended. To open a link, run \
             `verifa-mcp emulator`.\n"
        }
        (false, _) => "\nThe link works once. Send it complete and unchanged, only to the person being verified.\n",
    }
}

fn write_qr_code(result: &LinkResult, path: &Path) -> anyhow::Result<()> {
    let qr_code = result.qr_code().context("no QR code could be drawn")?;
    let written = private_file::write_private(path, &qr_code.expose_png());
    written.map_err(|error| {
        anyhow!("the QR code cannot be written to {} ({})", path.display(), private_file::reason(&error))
    })
}

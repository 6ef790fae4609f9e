//! `verifa-mcp resume --watch`: a line for each change of the session's status, once its link was printed.
//!
//! It looks the session up with `get_session`, so permissions and the audit log apply. It never prints the link.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use jiff::Timestamp;
use rmcp::model::JsonObject;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout_at};

use super::resume::call;
use crate::{
    call::Caller,
    tools::{GetSession, LinkResult, ServerState},
    untrusted::UntrustedText,
    verifa::{FAILED, SessionId, is_terminal},
};

/// From one lookup to the next: 20 a minute, of the 300 that Verifa's smallest plan allows.
const INTERVAL: Duration = Duration::from_secs(3);
/// After Ctrl-C, as a shell has it: 128 and the number of the signal.
const INTERRUPTED: u8 = 130;

/// Watches until the session ends, the link expires or Ctrl-C.
///
/// # Errors
/// When stdout cannot be written.
pub(super) async fn watch(
    link: &LinkResult,
    json: bool,
    state: &ServerState,
    caller: &Caller,
) -> anyhow::Result<ExitCode> {
    tokio::select! {
        biased; // so that Ctrl-C is listened for before anything is printed
        _ = tokio::signal::ctrl_c() => Ok(ExitCode::from(INTERRUPTED)),
        exit_code = follow(link, json, state, caller) => Ok(exit_code?),
    }
}

async fn follow(link: &LinkResult, json: bool, state: &ServerState, caller: &Caller) -> io::Result<ExitCode> {
    let expiry = Instant::now() + link.remaining().try_into().unwrap_or_default();
    let id = &link.link.session_id;
    let arguments = JsonObject::from_iter([("session_id".to_owned(), json!(id.as_str()))]);
    let mut status = link.link.status.clone();
    if !json {
        writeln!(
            io::stdout(),
            "\nWatching the session's status until it ends or the link expires. Ctrl-C stops this."
        )?;
    }
    let mut wait = INTERVAL;
    loop {
        let has_expired = timeout_at(expiry, sleep(wait)).await.is_err();
        wait = INTERVAL;
        match call::<GetSession>(arguments.clone(), state, caller).await {
            Ok(found) => {
                let found = found.session.status.unwrap_or_else(|| UntrustedText::new("unknown"));
                if found != status {
                    status = found;
                    report(id, &status, false, json)?;
                }
            }
            Err(error) => {
                writeln!(io::stderr(), "{}", error.text())?;
                match error.retry_after() {
                    Some(delay) => wait = delay.max(INTERVAL),
                    None => return Ok(ExitCode::FAILURE),
                }
            }
        }
        if is_terminal(status.as_str()) {
            return Ok(if status.as_str() == FAILED { ExitCode::FAILURE } else { ExitCode::SUCCESS });
        }
        if has_expired {
            report(id, &status, true, json)?;
            return Ok(ExitCode::SUCCESS);
        }
    }
}

fn report(id: &SessionId, status: &UntrustedText, link_expired: bool, json: bool) -> io::Result<()> {
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    let line = match (json, link_expired) {
        (true, _) => {
            let (id, status, now) = (id.as_str(), status.as_str(), now.to_string());
            json!({"id": id, "status": status, "link_expired": link_expired, "observed_at": now}).to_string()
        }
        (false, false) => format!("{now}  {status}"),
        (false, true) => format!("{now}  the link has expired; the status is {status}"),
    };
    writeln!(io::stdout(), "{line}")
}

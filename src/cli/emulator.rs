//! `verifa-mcp emulator`: runs a local Verifa API until it is interrupted.
//!
//! How it responds is decided in `emulator`. Nothing here talks to Verifa.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use super::flags::EmulatorFlags;
use crate::{
    emulator::{Emulator, MORE_SESSIONS, Options, SANDBOX_KEY, demo_sessions},
    transport::Signals,
};

pub(super) async fn run(flags: &EmulatorFlags) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let emulator = Emulator::bind(Options { listen: flags.listen, link_lifetime: flags.link_lifetime }).await?;
    match introduce(&emulator.url()) {
        // A script may close the pipe after the first line, which has the address.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    tokio::select! {
        served = emulator.serve(std::future::pending()) => served?,
        () = signals.next() => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn introduce(url: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "Verifa emulator listening on {url}")?;
    writeln!(out, "This is not Verifa but an emulator on this computer, with made-up sessions. Ctrl-C stops it.\n")?;
    writeln!(out, "In another terminal:")?;
    writeln!(out, "  export VERIFA_API_URL={url} VERIFA_API_KEY={SANDBOX_KEY}")?;
    writeln!(out, "  verifa-mcp resume ses_demo_expired\n")?;
    writeln!(out, "Sessions:")?;
    for (id, about) in demo_sessions() {
        writeln!(out, "  {id:<28}{about}")?;
    }
    writeln!(out, "and {MORE_SESSIONS} more to page through, ses_demo_more_01 and so on")?;
    out.flush()
}

//! `verifa-mcp token`: issues, lists and revokes caller tokens.
//!
//! A new token is the only text on stdout, so that a script can read it; it is never shown again.

use std::{
    fmt,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::Context;

use super::{
    flags::{Token, TokenCommand},
    process::{UsageError, require_stdout},
};
use crate::{
    call::{Permissions, Toolset},
    tokens::{self, CallerName, TokenRecord},
};

pub(super) fn run(flags: &Token) -> anyhow::Result<ExitCode> {
    let Some(path) = flags.tokens_file.as_deref().map(str::trim).filter(|path| !path.is_empty()) else {
        return Err(usage("name the tokens file with --tokens-file or VERIFA_MCP_TOKENS_FILE"));
    };
    let path = Path::new(path);
    let parsed = |name: &str| name.parse::<CallerName>().map_err(usage);
    match &flags.command {
        TokenCommand::New { name, toolsets, read_only } => {
            let toolsets = toolsets.as_ref().map(|toolsets| toolsets.iter().copied().collect());
            let permissions = Permissions { toolsets, read_only: *read_only };
            new(path, parsed(name)?, permissions)
        }
        TokenCommand::List => list(path),
        TokenCommand::Revoke { name } => revoke(path, &parsed(name)?),
    }
}

fn new(path: &Path, name: CallerName, permissions: Permissions) -> anyhow::Result<ExitCode> {
    require_stdout("the token would be lost; none was issued")?;
    let token = tokens::issue(path, name.clone(), permissions)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}", token.expose()).and_then(|()| out.flush()).with_context(|| {
        format!("the token of {name} was issued but could not be printed; revoke it and issue another")
    })?;
    writeln!(
        io::stderr(),
        "This is the token of {name}. It is shown only once: the file keeps its hash.\n\
         Add it to {name}'s client as the header `Authorization: Bearer vmt_…`, and nowhere else."
    )?;
    Ok(ExitCode::SUCCESS)
}

fn list(path: &Path) -> anyhow::Result<ExitCode> {
    let entries = tokens::list(path)?;
    if entries.is_empty() {
        writeln!(io::stderr(), "There are no tokens in {}.", path.display())?;
    }
    io::stdout().write_all(table(&entries).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn revoke(path: &Path, name: &CallerName) -> anyhow::Result<ExitCode> {
    if tokens::revoke(path, name)? {
        writeln!(io::stdout(), "The token of {name} was revoked; servers that use the file reject it from now on.")?;
        Ok(ExitCode::SUCCESS)
    } else {
        writeln!(io::stderr(), "{name} has no token; `verifa-mcp token list` prints who has one.")?;
        Ok(ExitCode::FAILURE)
    }
}

fn usage(error: impl fmt::Display) -> anyhow::Error {
    UsageError(error.to_string()).into()
}

fn table(entries: &[TokenRecord]) -> String {
    let rows: Vec<_> =
        entries.iter().map(|entry| (entry.name.as_str(), permissions_text(&entry.permissions), entry)).collect();
    let name_width = rows.iter().map(|(name, ..)| name.len()).max().unwrap_or_default();
    let rights_width = rows.iter().map(|(_, permissions, _)| permissions.len()).max().unwrap_or_default();
    let row = |(name, permissions, entry): &(&str, String, &TokenRecord)| {
        let created = entry.created.strftime("%Y-%m-%d %H:%M:%S UTC");
        format!("{name:<name_width$}  {permissions:<rights_width$}  {created}\n")
    };
    rows.iter().map(row).collect()
}

fn permissions_text(permissions: &Permissions) -> String {
    let toolsets = match &permissions.toolsets {
        None => "every toolset".to_owned(),
        Some(toolsets) if toolsets.is_empty() => "no toolset".to_owned(),
        Some(toolsets) => toolsets.iter().copied().map(Toolset::as_str).collect::<Vec<_>>().join(","),
    };
    if permissions.read_only { toolsets + ", read-only" } else { toolsets }
}

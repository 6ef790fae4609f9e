//! Adds an entry for this program to an MCP client's configuration, or removes it.
//!
//! `plan` decides what to do: edit the client's `file`, a `json` text, or run the client's own `command`. `detect` finds the
//! entry that is there, `entry` is the one to write. Never asks and never prints: `cli::install` does.

mod client;
mod command;
mod detect;
mod entry;
mod file;
mod json;
mod paths;
mod plan;

pub(crate) use self::{
    client::Client,
    command::{ClientCommand, is_in_npx_cache, launch},
    detect::current_entry,
    entry::{API_KEY, Entry, KeySource, ServerName},
    file::ConfigFile,
    paths::{ConfigPaths, Platform},
    plan::{InstallRequest, Plan},
};

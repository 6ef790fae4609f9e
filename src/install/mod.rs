//! Puts an entry for this program into the configuration of an MCP client, and takes it out again.
//!
//! `client` knows the clients and where each keeps its configuration, `entry` what is put there, `launch` how it starts this
//! program, and `plan` decides from the `situation` what to do, or `refusal` why nothing: run the client's own command, or
//! edit its file. `ours` knows an entry of ours, `json` and `toml` edit a text and keep all else in it as it was, `file` is
//! the file on disk and `lock` keeps others of us away from it, `command` runs a client's command, `shown` is what a person
//! sees of it all: never a key.

mod client;
mod command;
mod entry;
mod file;
mod json;
mod launch;
mod lock;
mod ours;
mod plan;
mod refusal;
mod shown;
mod situation;
mod toml;

pub use self::{
    client::{Client, Computer, Platform, RelativeFolder},
    command::Invocation,
    entry::{Entry, InvalidServerName, Key, ServerName},
    file::{ConfigFile, FileError},
    launch::Launch,
    lock::Lock,
    plan::{Plan, to_install, to_remove},
    refusal::Refusal,
    shown::{Change, holds_key},
    situation::Situation,
};

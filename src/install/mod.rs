//! Puts an entry for this program into the configuration of an MCP client, and takes it out again.
//!
//! `client` knows the clients and where each keeps its configuration, `entry` what is put there, and `plan` decides what
//! to do: run the client's own command, or edit its file. `json` and `toml` edit a text and keep all else in it as it
//! was, `file` is the file on disk, `command` runs a client's command, `shown` is what a person sees of it all: never a
//! key.

mod client;
mod command;
mod entry;
mod file;
mod json;
mod plan;
mod shown;
mod toml;

pub use self::{
    client::{Client, Computer, Platform},
    command::Invocation,
    entry::{Entry, InvalidServerName, Key, ServerName},
    file::{ConfigFile, FileError},
    plan::{Plan, Refusal, Situation, to_install, to_remove},
    shown::{difference, masked},
};

//! Puts an entry for this program into the configuration of an MCP client, and takes it out again.
//!
//! `plan` decides from the `situation` what to do, or `refusal` why nothing: run a `client`'s own `command`, or edit its
//! `file`, a `json` or a `toml` text whose other `lines` stay, under a `lock` against others of us. `entry` is what is put
//! there, `launch` how it starts this program, `ours` knows one again, and `shown` is what a person sees: never a key.

mod client;
mod command;
mod entry;
mod file;
mod json;
mod launch;
mod lines;
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
    entry::{API_KEY, Entry, InvalidServerName, Key, ServerName},
    file::{ConfigFile, FileError},
    launch::Launch,
    lock::Lock,
    plan::{Plan, to_install, to_remove},
    refusal::Refusal,
    shown::{Change, holds_key},
    situation::Situation,
};

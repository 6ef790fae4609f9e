//! Transports: MCP over stdio and over HTTP.
//!
//! A transport moves messages, identifies callers and decides when to stop. It never interprets a message: that is
//! `server`'s part. `message` reads one, the same for all.

pub(crate) mod http;
mod message;
mod shutdown;
pub(crate) mod stdio;

pub(crate) use shutdown::Signals;

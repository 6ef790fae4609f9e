//! Transports: MCP over stdio and over HTTP.
//!
//! A transport moves messages, identifies callers and decides when to stop. It never interprets a message: that is
//! `server`'s part.

pub(crate) mod http;
mod shutdown;
pub(crate) mod stdio;

pub(crate) use shutdown::Signals;

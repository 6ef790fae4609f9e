//! How requests come in.
//!
//! A transport moves messages and knows when to stop; what a message means is the server's part.

pub mod http;
mod shutdown;
pub mod stdio;

pub(crate) use shutdown::Signals;

//! verifa-mcp.
pub mod emulator;
pub mod server;
pub mod tools;
pub mod verifa;

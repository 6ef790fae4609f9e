//! verifa-mcp.
pub mod emulator;
pub mod verifa;

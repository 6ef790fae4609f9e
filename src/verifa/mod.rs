//! Verifa's REST API as a Rust client, a library in itself: it knows nothing of MCP, of tools or of settings.

pub mod wire;

mod credentials;
mod headers;

pub use credentials::{ApiKey, Environment, InvalidApiKey, UnknownEnvironment};
pub use headers::{ApiVersion, IdempotencyKey, InvalidHeader, KeyInflection};

//! Verifa's REST API as a Rust client, a library in itself: it knows nothing of MCP, of tools or of settings.
//!
//! `client` sends and reads (through `http`), `retry` decides what is repeated, `fresh_link`, `session` and `rate_limits`
//! are the endpoints; `credentials`, `headers`, `capture`, `base_url` and `outside_text` are values that refuse to be wrong.

pub mod wire;

mod base_url;
mod capture;
mod client;
mod credentials;
mod date_time;
mod endpoint;
mod error;
mod fresh_link;
mod headers;
mod rate_limits;
mod retry;
mod session;
mod transport_error;

pub use base_url::{BaseUrl, InvalidBaseUrl};
pub use capture::{CaptureUrl, InvalidSessionId, QrCode, SessionId, UnsafeCaptureUrl};
pub use client::{Client, ClientSettings, Wait};
pub use credentials::{ApiKey, Environment, InvalidApiKey, UnknownEnvironment};
pub use date_time::DateTime;
pub use endpoint::ApiResponse;
pub use error::{BodyError, ConnectError, Error, ErrorResponse, Failure};
pub use fresh_link::{FreshLink, LinkEndpoint, LinkRequest};
pub use headers::{ApiVersion, IdempotencyKey, InvalidHeader, KeyInflection};
pub use rate_limits::RateLimits;
pub use session::{InvalidSearch, SearchText, Session, SessionPage, SessionSearch, SessionStatus};

//! Verifa's REST API as a Rust client. It knows nothing of MCP, of tools or of settings.
//!
//! `client` sends the requests of `endpoint` and its implementations (`resume_session`, `generate_one_time_link`,
//! `sessions`, `rate_limits`); `retry` decides what is retried; `error` and `error_response` say why there is no response.
//! `json` reads bodies. The rest are values that cannot be invalid.

pub(crate) mod wire;

mod base_url;
mod capture;
mod client;
mod credentials;
mod date_time;
mod endpoint;
mod error;
mod error_response;
mod generate_one_time_link;
mod headers;
mod json;
mod qr_code;
mod rate_limits;
mod resume_session;
mod retry;
mod sessions;
mod text;

pub(crate) use base_url::BaseUrl;
pub(crate) use capture::{CaptureLink, SessionId};
pub use client::{Client, ClientSettings};
pub(crate) use client::{OnRetry, Retry};
pub(crate) use credentials::{ApiKey, Environment, InvalidApiKey};
pub(crate) use date_time::DateTime;
pub(crate) use endpoint::{ApiResponse, Endpoint};
pub(crate) use error::{BodyError, ConnectError, Error, Failure};
pub(crate) use error_response::{ErrorBody, ErrorResponse};
pub(crate) use generate_one_time_link::GenerateOneTimeLink;
pub(crate) use headers::{ApiVersion, IdempotencyKey, KeyInflection, RequestHeaders};
pub use qr_code::QrCode;
pub(crate) use rate_limits::{GetRateLimits, RateLimits};
pub(crate) use resume_session::ResumeSession;
pub(crate) use sessions::{
    COMPLETED, EXPIRED, FAILED, GetSession, ListSessions, SearchText, Session, SessionPage, SessionStatus, is_terminal,
};
pub(crate) use text::InvalidText;

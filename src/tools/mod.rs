//! The tools, as an agent sees them: a file per tool, and what they share.
//!
//! `tool` says what a tool is, `registry` lists them, `prepared_call` (with `context` and `write_budget`) sends a call. `arguments` (with
//! `argument_types`) reads what an agent sent; `schema`, `link_result`, `session_text` and `resumability` make results;
//! `confirmation` is what the user is asked; `error` is why there is no result, and `error_text` (with `status_text` and `connection_text`)
//! the text for it. Nothing here knows how a call came in.

mod argument_types;
mod arguments;
mod confirmation;
mod connection_text;
mod context;
mod error;
mod error_text;
mod generate_one_time_link;
mod get_session;
mod link_result;
mod list_sessions;
mod prepared_call;
mod registry;
mod resumability;
mod resume_session;
mod schema;
mod session_text;
mod status_text;
mod tool;
mod write_budget;

pub use confirmation::Confirm;
pub(crate) use confirmation::{CONFIRMATION_TIMEOUT, Consent, NotConfirmed};
pub(crate) use connection_text::connection_text;
pub(crate) use error::{CallFailed, NotSent, ToolError};
pub(crate) use generate_one_time_link::GenerateOneTimeLink;
pub(crate) use get_session::GetSession;
pub use link_result::LinkResult;
pub(crate) use list_sessions::ListSessions;
pub use prepared_call::ServerState;
pub(crate) use prepared_call::{Prepared, ReadyCall, UnconfirmedCall, prepare};
pub(crate) use registry::{Entry, TOOLS, find};
pub(crate) use resume_session::ResumeSession;
pub(crate) use tool::Tool;
pub(crate) use write_budget::WriteLimit;

use crate::verifa::{ApiVersion, KeyInflection};

/// What the operator chose for all tools.
#[derive(Debug, Clone, Default)]
pub struct ToolSettings {
    /// `Verifa-Version` of calls that name none.
    pub api_version: Option<ApiVersion>,
    /// `Key-Inflection` of calls that name none.
    pub key_inflection: KeyInflection,
    pub qr: QrMode,
    /// Whether the API is the emulator inside this process.
    pub emulated: bool,
}

/// How a QR code is returned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, strum::IntoStaticStr, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum QrMode {
    /// As an image block and as `qr_code_data_url`.
    #[default]
    Full,
    /// As an image block; the field is in neither the result nor the schema.
    Image,
    None,
}

//! The tools, as an agent sees them: a file per tool, and what they share.
//!
//! `tool_name` says which there are, `definition` how they are shown, `call` carries one out. `arguments` reads what an
//! agent sent, `exchange` surrounds the request to Verifa, `link_call` and `capture_link` are for the tools that make a
//! link, `session_words` and `verdict` for those that look sessions up; `confirmation` is what the user agrees to first;
//! `failure` is why there is no result, and `advice` (with `deed`) the words for it. Nothing here knows how a call came in.

mod advice;
mod arguments;
mod call;
mod capture_link;
mod confirmation;
mod deed;
mod definition;
mod exchange;
mod failure;
mod generate_one_time_link;
mod get_session;
mod link_call;
mod list_sessions;
pub mod resume_session;
mod schema;
mod session_words;
mod time_words;
mod tool_name;
mod verdict;

use std::{fmt, sync::Arc};

pub(crate) use advice::connect_words;
pub use call::Call;
pub use capture_link::{CaptureLink, META_KEY};
pub use confirmation::{Confirm, NotConfirmed, TIME_TO_ANSWER};
pub use definition::definitions;
pub use failure::{ApiVersionSource, Circumstances, Fault, IdempotencyKeySource, ToolError};
pub use get_session::GetCall;
pub use link_call::LinkCall;
pub use list_sessions::ListCall;
pub use tool_name::ToolName;

use crate::{
    audit::AuditLog,
    metrics::Metrics,
    verifa::{ApiVersion, Client, Environment, KeyInflection},
};

/// What every tool works with, one for the process.
#[derive(Debug)]
pub struct Setup {
    /// Verifa's API.
    pub client: Client,
    /// `Verifa-Version` where a call names none.
    pub verifa_version: Option<ApiVersion>,
    /// `Key-Inflection` where a call names none.
    pub key_inflection: KeyInflection,
    /// How a QR code is handed over.
    pub qr: QrMode,
    /// Before which calls the user is asked.
    pub confirm: Confirm,
    /// Whether the API is the emulator inside this process.
    pub emulated: bool,
    /// Where calls are counted.
    pub metrics: Metrics,
    /// Where each call is recorded, if anywhere.
    pub audit: Option<Arc<AuditLog>>,
}

/// How a QR code is handed over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum QrMode {
    /// As an image block and as `qr_code_data_url`.
    #[default]
    Full,
    /// As an image block; the field is in neither the answer nor the schema.
    Image,
    /// Not at all.
    None,
}

impl QrMode {
    /// Every mode, the default first.
    pub const ALL: [Self; 3] = [Self::Full, Self::Image, Self::None];

    /// The mode's name in the settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Image => "image",
            Self::None => "none",
        }
    }
}

/// The environment in words that nobody can mistake, for titles and texts.
pub(crate) fn environment_label(environment: Environment, emulated: bool) -> impl fmt::Display {
    if emulated { "local emulator" } else { environment.as_str() }
}

//! The facts of one call: which tool, who calls, with which key, about which session.
//!
//! `spec` is what a tool declares, `caller` who calls, `arrival` when, `permissions` what they may use. Nothing here knows a particular
//! tool, sends anything or writes a text.

mod arrival;
mod caller;
mod permissions;
mod spec;

pub(crate) use arrival::{Arrival, TraceId};
pub use caller::Caller;
pub(crate) use caller::{AccessToken, Identity};
pub use permissions::Permissions;
pub use spec::Toolset;
pub(crate) use spec::UnknownToolset;
pub(crate) use spec::{Effect, OutcomePhrases, Phrases, ToolSpec};

use crate::verifa::{ApiKey, Environment, RequestHeaders, SessionId};

/// The facts of one call. Audit log, error texts, results and the log line all read them here.
#[derive(Debug)]
pub(crate) struct CallContext<'a> {
    pub(crate) tool: &'static ToolSpec,
    pub(crate) caller: &'a Caller,
    /// The key that the call is sent with.
    pub(crate) key: &'a ApiKey,
    /// Whether the API is the emulator inside this process.
    pub(crate) emulated: bool,
    pub(crate) arrival: Arrival,
    pub(crate) session_id: Option<SessionId>,
    pub(crate) headers: RequestHeaders,
    pub(crate) idempotency_key_source: IdempotencyKeySource,
    pub(crate) api_version_source: ApiVersionSource,
}

/// Where the idempotency key of a call comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum IdempotencyKeySource {
    /// Generated for this call.
    #[default]
    Generated,
    /// An argument.
    Agent,
    /// The user's confirmation, which may have been sent before.
    Confirmation,
}

/// Where the `Verifa-Version` of a call comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ApiVersionSource {
    /// None is sent.
    #[default]
    Unset,
    /// An argument.
    Agent,
    /// The operator's setting.
    Setting,
}

impl CallContext<'_> {
    pub(crate) fn environment(&self) -> Environment {
        self.key.environment()
    }

    pub(crate) fn environment_label(&self) -> &'static str {
        environment_label(self.environment(), self.emulated)
    }

    pub(crate) fn elapsed_milliseconds(&self) -> u64 {
        u64::try_from(self.arrival.time.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The environment, for titles and texts.
pub(crate) fn environment_label(environment: Environment, emulated: bool) -> &'static str {
    if emulated { "local emulator" } else { environment.as_str() }
}

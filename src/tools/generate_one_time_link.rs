//! For when 20 minutes are too short: `POST /api/v1/sessions/{session_id}/generate-one-time-link`, as an agent calls it.
//!
//! How the call is made and told is in `link_call` and `capture_link`.

use std::num::NonZeroU32;

use rmcp::model::JsonObject;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{CaptureLink, LinkCall, Setup, ToolError, ToolName, arguments::Arguments, definition::Parts, schema};
use crate::call::Caller;
use crate::verifa::LinkEndpoint;

const DESCRIPTION: &str = "Makes a one-time capture link and QR code with a lifetime of your choice for a Verifa session. \
    Use it instead of resume_session when about 20 minutes are too short, for example because the link goes by e-mail. An \
    earlier one-time link of the session stops working. Completed, failed or redacted sessions get none.\n\
    The link works once: the first visit uses it up, even a messenger's link preview. Pass capture_url on whole and \
    unchanged, to the person being verified and nobody else; never open or fetch it yourself.";

/// What an agent may send.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "describes the arguments; `read` takes them")]
struct Input {
    /// Session ID (ses_*).
    #[schemars(schema_with = "schema::session_id")]
    session_id: String,
    /// How long the link is to live, in minutes. Left out: Verifa decides.
    #[schemars(default, skip_serializing_if = "Option::is_none", schema_with = "minutes")]
    expires_in_minutes: Option<NonZeroU32>,
    /// Leave out, or a new unique key: the same key repeats the first answer for 24 hours.
    #[schemars(default, skip_serializing_if = "Option::is_none", schema_with = "schema::idempotency_key")]
    idempotency_key: Option<String>,
}

/// Without a maximum: Verifa documents none.
fn minutes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "minimum": 1, "examples": [1440]})
}

pub(super) fn parts(setup: &Setup) -> Parts {
    Parts {
        title: "Make a one-time Verifa link",
        description: DESCRIPTION,
        input: schema::input::<Input>(),
        output: CaptureLink::schema_of_one_time(setup.qr),
    }
}

/// Reads a call's arguments.
///
/// # Errors
/// Where the caller may not use the tool, and every argument that is not valid.
pub(super) fn read(arguments: JsonObject, setup: &Setup, caller: &Caller) -> Result<LinkCall, ToolError> {
    let mut arguments = Arguments::of(ToolName::GenerateOneTimeLink, arguments, caller)?;
    let session_id = arguments.required("session_id");
    let expires_in_minutes = arguments.number("expires_in_minutes", 1..=u32::MAX).and_then(NonZeroU32::new);
    let idempotency_key = arguments.optional("idempotency_key");
    let session_id = arguments.finish(session_id)?;
    let endpoint = LinkEndpoint::OneTimeLink { expires_in_minutes };
    Ok(LinkCall::new(session_id, endpoint, setup).with_idempotency_key(idempotency_key))
}

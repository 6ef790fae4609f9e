//! The tool that this project exists for: `POST /api/v1/sessions/{session_id}/resume`, as an agent calls it.
//!
//! Its input mirrors the endpoint: the path parameter and the three optional headers.

use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde_json::{Value, json};

use super::{CaptureLink, LinkCall, Setup, ToolError, ToolName, arguments::Arguments, definition::Parts, schema};
use crate::call::Caller;
use crate::verifa::{ApiVersion, KeyInflection, LinkEndpoint};

const DESCRIPTION: &str = "Brings a stuck Verifa identity verification back to life: gives an expired or abandoned \
    session a fresh capture link and QR code, keeping the person's progress. Use it when somebody's verification link \
    has expired or no longer works. Completed or redacted sessions cannot be resumed.\n\
    The link works once and dies after about 20 minutes. Pass capture_url on whole and unchanged, to the person being \
    verified and nobody else; never open or fetch it yourself. If it dies again, call again without the old \
    idempotency_key.";

/// What an agent may send.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "describes the arguments; `read` takes them")]
struct Input {
    /// Session ID (ses_*).
    #[schemars(schema_with = "schema::session_id")]
    session_id: String,
    /// Leave out, or a new unique key: the same key repeats the first answer, old link included, for 24 hours.
    #[schemars(default, skip_serializing_if = "Option::is_none", schema_with = "schema::idempotency_key")]
    idempotency_key: Option<String>,
    /// API version date; normally left out.
    #[schemars(
        default,
        skip_serializing_if = "Option::is_none",
        with = "String",
        regex(pattern = r"^\d{4}-\d{2}-\d{2}$"),
        example = &"2026-01-01"
    )]
    verifa_version: Option<String>,
    /// Casing of the answer's keys: snake (capture_url), camel (captureUrl) or kebab (capture-url).
    #[schemars(
        default,
        skip_serializing_if = "Option::is_none",
        with = "String",
        extend("enum" = KeyInflection::ALL.map(KeyInflection::as_str))
    )]
    key_inflection: Option<String>,
}

pub(super) fn parts(setup: &Setup) -> Parts {
    let mut input = schema::input::<Input>();
    let defaults = [
        ("verifa_version", setup.verifa_version.as_ref().map(ApiVersion::as_str)),
        ("key_inflection", Some(setup.key_inflection.as_str())),
    ];
    for (name, default) in defaults {
        if let (Some(Value::Object(property)), Some(default)) =
            (input.get_mut("properties").and_then(|all| all.get_mut(name)), default)
        {
            property.insert("default".to_owned(), json!(default));
        }
    }
    Parts {
        title: "Resume a Verifa session",
        description: DESCRIPTION,
        input,
        output: CaptureLink::schema_of_resumed(setup.qr),
    }
}

/// Reads a call's arguments.
///
/// # Errors
/// Where the caller may not use the tool, and every argument that is not valid.
pub fn read(arguments: JsonObject, setup: &Setup, caller: &Caller) -> Result<LinkCall, ToolError> {
    let mut arguments = Arguments::of(ToolName::ResumeSession, arguments, caller)?;
    let session_id = arguments.required("session_id");
    let idempotency_key = arguments.optional("idempotency_key");
    let verifa_version = arguments.optional("verifa_version");
    let key_inflection = arguments.optional("key_inflection");
    let session_id = arguments.finish(session_id)?;
    Ok(LinkCall::new(session_id, LinkEndpoint::Resume, setup)
        .with_idempotency_key(idempotency_key)
        .with_version(verifa_version)
        .with_key_inflection(key_inflection.unwrap_or(setup.key_inflection)))
}

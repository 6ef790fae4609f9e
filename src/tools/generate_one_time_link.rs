//! For when 20 minutes is too short: `POST /api/v1/sessions/{session_id}/generate-one-time-link`.
//!
//! What its result has in common with that of `resume_session` is in `link_result`.

use std::num::NonZeroU32;

use rmcp::model::JsonObject;
use serde_json::{Value, json};

use super::{
    CallFailed, Tool, ToolSettings,
    argument_types::{ArgumentType, WholeNumber},
    arguments::{Argument, Arguments, Declaration, SESSION_ID, idempotency_key},
    confirmation::Question,
    link_result::{LinkResult, LinkTool},
};
use crate::{
    call::{CallContext, Effect, OutcomePhrases, Phrases, ToolSpec, Toolset},
    verifa::{self, ApiResponse, CaptureLink, IdempotencyKey},
};

pub(crate) struct GenerateOneTimeLink;

const LINK: LinkTool =
    LinkTool { name: GenerateOneTimeLink::SPEC.name, done: "has a new one-time link", id_field: "session_id" };

/// Verifa documents no maximum.
struct Minutes(NonZeroU32);

impl ArgumentType for Minutes {
    fn schema() -> Value {
        json!({"type": "integer", "minimum": 1, "examples": [1440]})
    }

    fn parse(value: &Value) -> Result<Self, String> {
        let WholeNumber(minutes) = WholeNumber::<1, { u32::MAX }>::parse(value)?;
        NonZeroU32::new(minutes).map(Self).ok_or_else(|| "must be at least 1".to_owned())
    }
}

const EXPIRES_IN_MINUTES: Argument<Minutes> =
    Argument::optional("expires_in_minutes", "Link lifetime in minutes. Default: chosen by Verifa.");

const IDEMPOTENCY_KEY: Argument<IdempotencyKey> =
    idempotency_key("Omit or use a new unique key: a used key returns its first response for 24 hours.");

impl Tool for GenerateOneTimeLink {
    const SPEC: &'static ToolSpec = &ToolSpec {
        name: "generate_one_time_link",
        title: "Create a one-time Verifa link",
        description: "Creates a one-time capture link and QR code for a Verifa session, with a lifetime you choose. Use it \
            instead of resume_session when about 20 minutes is too short, for example if the link is emailed. Any earlier \
            one-time link for the session stops working. Not available for completed, failed or redacted sessions.\n\
            The link works once: the first visit uses it up, even a messaging app's link preview. Send capture_url complete \
            and unchanged, only to the person being verified; never open or fetch it yourself.",
        instruction: "generate_one_time_link creates a link with a lifetime you choose, if about 20 minutes is too short.",
        toolset: Toolset::Links,
        effect: Effect::CreatesLink,
        scope: "sessions:write",
        outcome: "linked",
        phrases: Phrases {
            action: "create a one-time link for session",
            ability: "create one-time links",
            done: "created the link",
            withheld: "the new link is",
            likely_reason: "the session's state: completed, failed and redacted sessions get no link. Or expires_in_minutes \
                is more or less than Verifa allows",
            outcome: Some(OutcomePhrases {
                not_done: "No link was created",
                maybe_done: "A link may have been created",
                and_maybe_done: "may have created a link",
                probably_done: "A link was probably created",
            }),
        },
    };

    const ARGUMENTS: &'static [&'static dyn Declaration] = &[&SESSION_ID, &EXPIRES_IN_MINUTES, &IDEMPOTENCY_KEY];

    type Endpoint = verifa::GenerateOneTimeLink;
    type Output = LinkResult;

    fn output_schema(settings: &ToolSettings) -> JsonObject {
        LinkResult::schema(LINK, settings)
    }

    fn endpoint(arguments: &Arguments) -> Option<Self::Endpoint> {
        Some(verifa::GenerateOneTimeLink {
            session_id: arguments.get(&SESSION_ID)?,
            expires_in_minutes: arguments.get(&EXPIRES_IN_MINUTES).map(|minutes| minutes.0),
        })
    }

    fn question(endpoint: &Self::Endpoint) -> Question {
        let lifetime = match endpoint.expires_in_minutes.map(NonZeroU32::get) {
            Some(1) => "valid for 1 minute".to_owned(),
            Some(minutes) => format!("valid for {minutes} minutes"),
            None => "valid for as long as Verifa decides".to_owned(),
        };
        Question {
            title: format!("Create a one-time link for the Verifa session {}?", endpoint.session_id),
            consequence: format!(
                "The agent (tool generate_one_time_link) gets a link, {lifetime}, with which a person continues this \
                 verification. An earlier one-time link of the session stops working."
            ),
        }
    }

    fn output(
        response: ApiResponse<CaptureLink>,
        _endpoint: &Self::Endpoint,
        call: &CallContext<'_>,
        settings: &ToolSettings,
    ) -> Result<LinkResult, CallFailed> {
        LinkResult::new(LINK, response, call, settings)
    }
}

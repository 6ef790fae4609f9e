//! The tool that this project exists for: `POST /api/v1/sessions/{session_id}/resume`.
//!
//! Its arguments mirror the endpoint: the path parameter and the three optional headers.

use rmcp::model::JsonObject;

use super::{
    CallFailed, Tool, ToolSettings,
    arguments::{Argument, Arguments, Declaration, KEY_INFLECTION, SESSION_ID, VERIFA_VERSION, idempotency_key},
    confirmation::Question,
    link_result::{LinkResult, LinkTool},
    resumability::LIKELY_REJECTION,
    schema,
};
use crate::{
    call::{CallContext, Effect, OutcomePhrases, Phrases, ToolSpec, Toolset},
    verifa::{self, ApiResponse, CaptureLink, IdempotencyKey},
};

pub(crate) struct ResumeSession;

const LINK: LinkTool = LinkTool { name: ResumeSession::SPEC.name, done: "was resumed", id_field: "id" };

const IDEMPOTENCY_KEY: Argument<IdempotencyKey> = idempotency_key(
    "Omit or use a new unique key: a used key returns its first response, old link included, for 24 hours.",
);

impl Tool for ResumeSession {
    const SPEC: &'static ToolSpec = &ToolSpec {
        name: "resume_session",
        title: "Resume a Verifa session",
        description: "Resumes a stuck Verifa identity verification: creates a new capture link and QR code for an expired \
            or abandoned session, keeping the person's progress. Use it when someone's verification link has expired or no \
            longer works. Completed or redacted sessions cannot be resumed.\n\
            The link works once (even a messaging app's link preview may use it up) and expires after about 20 minutes; an \
            older link may stop working. Send capture_url complete and unchanged, only to the person being verified; never \
            open or fetch it yourself. If it expires again, call again without the old idempotency_key.",
        instruction: "resume_session creates a new link.",
        toolset: Toolset::Resume,
        effect: Effect::CreatesLink,
        scope: "sessions:write",
        outcome: "resumed",
        phrases: Phrases {
            action: "resume session",
            ability: "resume sessions",
            done: "resumed the session",
            withheld: "the new link is",
            likely_reason: LIKELY_REJECTION,
            outcome: Some(OutcomePhrases {
                not_done: "The session was not resumed",
                maybe_done: "The session may have been resumed",
                and_maybe_done: "may have resumed the session",
                probably_done: "The session was probably resumed",
            }),
        },
    };

    const ARGUMENTS: &'static [&'static dyn Declaration] =
        &[&SESSION_ID, &IDEMPOTENCY_KEY, &VERIFA_VERSION, &KEY_INFLECTION];

    type Endpoint = verifa::ResumeSession;
    type Output = LinkResult;

    fn output_schema(settings: &ToolSettings) -> JsonObject {
        schema::in_every_casing(LinkResult::schema(LINK, settings))
    }

    fn endpoint(arguments: &Arguments) -> Option<Self::Endpoint> {
        Some(verifa::ResumeSession { session_id: arguments.get(&SESSION_ID)? })
    }

    fn question(endpoint: &Self::Endpoint) -> Question {
        Question {
            title: format!("Resume the Verifa session {}?", endpoint.session_id),
            consequence:
                "The agent (tool resume_session) gets a new link with which a person continues this verification. \
                An older link may stop working."
                    .to_owned(),
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

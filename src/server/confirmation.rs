//! Asks the user before a call that changes something is sent, by MCP elicitation, in the form that their client supports.
//!
//! From revision 2026-07-28 on the question is the call's result, and the client repeats the call with the answer; nothing
//! is kept in between. Older clients are asked while their call waits, where a request can reach them: over stdio and
//! classic SSE. Before a yes nothing is sent to Verifa and nothing is written to the audit log.

use std::time::Duration;

use rmcp::{
    RoleServer,
    model::{
        BooleanSchema, CallToolRequestParams, ClientResult, ElicitRequest, ElicitRequestParams, ElicitResult,
        ElicitationAction, ElicitationSchema, InputRequest, InputRequests, InputRequiredResult, InputResponses,
        PrimitiveSchemaDefinition, ProtocolVersion, ServerRequest,
    },
    service::{ElicitationMode, Peer, PeerRequestOptions, RequestContext, ServiceError},
};
use serde_json::Value;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::request_state::{InvalidState, RequestState};
use crate::tools::{CONFIRMATION_TIMEOUT, Consent, NotConfirmed, NotSent, ReadyCall, UnconfirmedCall};

/// The question's name among a call's input requests.
const QUESTION: &str = "confirmation";
/// The field of the form that must be true.
const FIELD: &str = "confirm";

/// What a repeated call sends back.
pub(super) struct Reply {
    state: Option<String>,
    responses: Option<InputResponses>,
}

impl Reply {
    pub(super) fn take(request: &mut CallToolRequestParams) -> Self {
        Self { state: request.request_state.take(), responses: request.input_responses.take() }
    }
}

/// What follows for a call.
pub(super) enum Confirmed<'a> {
    Yes(ReadyCall<'a>),
    /// The user is asked by this result.
    Ask(InputRequiredResult),
}

/// Asks the user, unless the reply holds their consent. No question stays open once `stop` is cancelled.
///
/// # Errors
/// For everything but a clear yes.
pub(super) async fn confirm<'a>(
    call: UnconfirmedCall<'a>,
    reply: &Reply,
    context: &RequestContext<RoleServer>,
    stop: &CancellationToken,
) -> Result<Confirmed<'a>, NotSent> {
    let consent = if is_modern(context) {
        consent_in_reply(&call, reply, context)
    } else {
        ask_and_wait(&call, context, stop).await.map(|()| Some(Consent::Answered))
    };
    match consent {
        Ok(Some(consent)) => {
            tracing::info!("the user consented");
            Ok(Confirmed::Yes(call.confirmed(consent)))
        }
        Ok(None) => {
            tracing::info!("asking the user");
            Ok(Confirmed::Ask(input_required(&call)))
        }
        Err(why) => {
            tracing::info!(%why, "nothing sent");
            Err(NotSent::NotConfirmed(why))
        }
    }
}

/// Whether a request is of a revision in which servers send no requests.
fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
}

/// The consent that came with the call; `None` if the user has to be asked first.
fn consent_in_reply(
    call: &UnconfirmedCall<'_>,
    reply: &Reply,
    context: &RequestContext<RoleServer>,
) -> Result<Option<Consent>, NotConfirmed> {
    let capability = context.client_capabilities().and_then(|capabilities| capabilities.elicitation);
    if !capability.is_some_and(|capability| capability.form.is_some() || capability.url.is_none()) {
        return Err(call.cannot_ask());
    }
    let answer = reply.responses.as_ref().and_then(|responses| responses.get(QUESTION));
    let (Some(answer), Some(state)) = (answer, &reply.state) else { return Ok(None) };
    // Declining counts for any call.
    consent_in(answer)?;
    match RequestState::new(call.key(), call.subject()).verify(state) {
        Ok(key) => Ok(Some(Consent::AnsweredEarlier(key))),
        Err(InvalidState::Expired) => Ok(None),
        Err(InvalidState::Mismatch) => Err(NotConfirmed::StateMismatch),
    }
}

fn input_required(call: &UnconfirmedCall<'_>) -> InputRequiredResult {
    let question = InputRequest::Elicitation(ElicitRequest::new(form(call)));
    let questions = InputRequests::from([(QUESTION.to_owned(), question)]);
    let state = RequestState::new(call.key(), call.subject());
    InputRequiredResult::new(Some(questions), call.idempotency_key().map(|key| state.sign(key)))
}

fn form(call: &UnconfirmedCall<'_>) -> ElicitRequestParams {
    // Without a default: a form that is submitted unchanged must not be a yes.
    let yes = PrimitiveSchemaDefinition::Boolean(BooleanSchema::new().title("Yes, create the link"));
    let form = ElicitationSchema::new([(FIELD.to_owned(), yes)].into()).with_required(vec![FIELD.to_owned()]);
    ElicitRequestParams::FormElicitationParams { meta: None, message: call.question(), requested_schema: form }
}

async fn ask_and_wait(
    call: &UnconfirmedCall<'_>,
    context: &RequestContext<RoleServer>,
    stop: &CancellationToken,
) -> Result<(), NotConfirmed> {
    // A client's capabilities are only known where a request can reach it.
    if !context.peer.supported_elicitation_modes().contains(&ElicitationMode::Form) {
        return Err(call.cannot_ask());
    }
    tracing::info!("asking the user");
    let cancelled = async {
        tokio::select! {
            () = context.ct.cancelled() => {}
            () = stop.cancelled() => {}
        }
    };
    wait_for_yes(&context.peer, form(call), CONFIRMATION_TIMEOUT, call.cannot_ask(), cancelled).await?;
    // A server that stops waits only for the calls that it knows of by then.
    if stop.is_cancelled() { Err(NotConfirmed::CallCancelled) } else { Ok(()) }
}

/// Asks a client of an older revision and waits for a yes, until `timeout` or until the call is `cancelled`. Then the
/// question is withdrawn.
async fn wait_for_yes(
    peer: &Peer<RoleServer>,
    question: ElicitRequestParams,
    timeout: Duration,
    cannot_ask: NotConfirmed,
    cancelled: impl Future<Output = ()>,
) -> Result<(), NotConfirmed> {
    let request = ServerRequest::ElicitRequest(ElicitRequest::new(question));
    let asked = peer.send_cancellable_request(request, PeerRequestOptions::no_options()).await;
    // The client has disconnected, and no one will read the error.
    let Ok(mut asked) = asked else { return Err(NotConfirmed::Dismissed) };
    let (why, reason) = tokio::select! {
        biased;
        answer = &mut asked.rx => return match answer {
            Ok(Ok(ClientResult::ElicitResult(answer))) => consent(&answer),
            Ok(Ok(_)) => Err(NotConfirmed::InvalidResponse),
            Ok(Err(ServiceError::McpError(_))) => Err(cannot_ask),
            _ => Err(NotConfirmed::Dismissed),
        },
        () = cancelled => (NotConfirmed::CallCancelled, "the call has ended"),
        () = sleep(timeout) => (NotConfirmed::TimedOut, "no answer in time"),
    };
    // Not awaited: if the connection ends too, no one takes it.
    tokio::spawn(asked.cancel(Some(reason.to_owned())));
    Err(why)
}

fn consent_in(answer: &Value) -> Result<(), NotConfirmed> {
    serde_json::from_value(answer.clone()).map_or(Err(NotConfirmed::InvalidResponse), |answer| consent(&answer))
}

/// Whether an answer is consent: accepted, with the form's field true.
fn consent(answer: &ElicitResult) -> Result<(), NotConfirmed> {
    match answer.action {
        ElicitationAction::Accept => {
            match answer.content.as_ref().and_then(|content| content.get(FIELD)).and_then(Value::as_bool) {
                Some(true) => Ok(()),
                Some(false) => Err(NotConfirmed::Declined),
                None => Err(NotConfirmed::InvalidResponse),
            }
        }
        ElicitationAction::Decline => Err(NotConfirmed::Declined),
        ElicitationAction::Cancel => Err(NotConfirmed::Dismissed),
        _ => Err(NotConfirmed::InvalidResponse),
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use rmcp::{ServerHandler, service::serve_directly};
    use serde_json::json;

    use super::*;
    use crate::tools::Confirm;

    #[test]
    fn only_a_clear_yes_is_consent() {
        let cases = [
            (json!({"action": "accept", "content": {"confirm": true}}), Ok(())),
            (json!({"action": "accept", "content": {"confirm": true, "more": 1}, "_meta": {}}), Ok(())),
            (json!({"action": "accept", "content": {"confirm": false}}), Err(NotConfirmed::Declined)),
            (json!({"action": "accept", "content": {"confirm": "true"}}), Err(NotConfirmed::InvalidResponse)),
            (json!({"action": "accept", "content": {"confirm": 1}}), Err(NotConfirmed::InvalidResponse)),
            (json!({"action": "accept", "content": {"confirm": null}}), Err(NotConfirmed::InvalidResponse)),
            (json!({"action": "accept", "content": {}}), Err(NotConfirmed::InvalidResponse)),
            (json!({"action": "accept", "content": null}), Err(NotConfirmed::InvalidResponse)),
            (json!({"action": "accept", "content": true}), Err(NotConfirmed::InvalidResponse)),
            (json!({"action": "accept"}), Err(NotConfirmed::InvalidResponse)),
            (json!({"action": "decline"}), Err(NotConfirmed::Declined)),
            (json!({"action": "decline", "content": {"confirm": true}}), Err(NotConfirmed::Declined)),
            (json!({"action": "cancel", "content": {"confirm": true}}), Err(NotConfirmed::Dismissed)),
            (json!({"action": "ACCEPT", "content": {"confirm": true}}), Err(NotConfirmed::InvalidResponse)),
            (json!({"content": {"confirm": true}}), Err(NotConfirmed::InvalidResponse)),
            (json!({"confirm": true}), Err(NotConfirmed::InvalidResponse)),
            (json!([]), Err(NotConfirmed::InvalidResponse)),
            (json!(true), Err(NotConfirmed::InvalidResponse)),
            (Value::Null, Err(NotConfirmed::InvalidResponse)),
        ];
        for (answer, expected) in cases {
            assert_eq!(consent_in(&answer), expected, "{answer}");
        }
    }

    #[tokio::test]
    async fn no_answer_is_no_consent() {
        struct Silent;
        impl ServerHandler for Silent {}
        let (_never_answers, stream) = tokio::io::duplex(4_096);
        let running = serve_directly(Silent, tokio::io::split(stream), None);
        let question = ElicitRequestParams::FormElicitationParams {
            meta: None,
            message: "Yes?".to_owned(),
            requested_schema: ElicitationSchema::new([].into()),
        };
        let cannot_ask = NotConfirmed::CannotAsk(Confirm::Always);
        let answer = wait_for_yes(running.peer(), question, Duration::from_millis(1), cannot_ask, pending()).await;
        assert_eq!(answer, Err(NotConfirmed::TimedOut));
    }
}

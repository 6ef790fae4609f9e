//! Asks the user before a call that writes is sent, in the way that their client knows.
//!
//! From revision 2026-07-28 on the question is the call's answer, and the call comes again with what the user said;
//! nothing is kept in between. Older clients are asked while their call waits, where there is a way to them: over stdio
//! and classic SSE. Until the yes nothing is sent to Verifa and nothing is written to the audit log.

use std::time::Duration;

use rmcp::{
    RoleServer,
    model::{
        BooleanSchema, CallToolRequestParams, ClientResult, ElicitRequest, ElicitRequestParams, ElicitResult,
        ElicitationAction, ElicitationSchema, InputRequest, InputRequests, InputRequiredResult, InputResponses,
        JsonObject, PrimitiveSchemaDefinition, ProtocolVersion, ServerRequest,
    },
    service::{ElicitationMode, Peer, PeerRequestOptions, RequestContext, ServiceError},
};
use serde_json::Value;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::seal::{Broken, Seal};
use crate::call::Caller;
use crate::{
    tools::{Circumstances, Fault, LinkCall, NotConfirmed, Setup, TIME_TO_ANSWER, ToolError, ToolName},
    verifa::Environment,
};

/// The question's name among a call's input requests.
const QUESTION: &str = "confirmation";
/// The field of the form that must be true.
const FIELD: &str = "confirm";

/// The user's say in one call.
pub(super) struct Confirmation<'a> {
    setup: &'a Setup,
    tool: ToolName,
    environment: Environment,
    seal: Seal,
    reply: Reply,
}

/// What a call that comes again brings along.
struct Reply {
    state: Option<String>,
    responses: Option<InputResponses>,
}

impl<'a> Confirmation<'a> {
    /// The user's say in a call that writes; none where they have none, and where there is no key to send it with.
    pub(super) fn of(
        tool: ToolName,
        request: &CallToolRequestParams,
        setup: &'a Setup,
        caller: &Caller,
    ) -> Option<Self> {
        let key = caller.key.as_ref().filter(|key| setup.confirm.covers(key.environment()))?;
        let nothing = JsonObject::new();
        let seal = Seal::new(key, caller, tool, request.arguments.as_ref().unwrap_or(&nothing));
        let reply = Reply { state: request.request_state.clone(), responses: request.input_responses.clone() };
        Some(Self { setup, tool, environment: key.environment(), seal, reply })
    }

    /// Has the user agree to a call. Where they are to be asked by the call's answer, that is returned. No question stays
    /// open once `stop` is cancelled.
    ///
    /// # Errors
    /// Everything but a clear yes, in words for the agent.
    pub(super) async fn ask(
        self,
        call: &mut LinkCall,
        context: &RequestContext<RoleServer>,
        stop: &CancellationToken,
    ) -> Result<Option<InputRequiredResult>, ToolError> {
        let asked = if is_modern(context) {
            self.ask_by_answer(call, context)
        } else {
            self.ask_and_wait(call, context, stop).await.map(|()| None)
        };
        match &asked {
            Ok(Some(_)) => tracing::info!("asking the user"),
            Ok(None) => tracing::info!("the user said yes"),
            Err(why) => tracing::info!(%why, "nothing sent"),
        }
        let circumstances = Circumstances::of(self.tool);
        asked.map_err(|why| ToolError { fault: Fault::NotConfirmed(why), circumstances })
    }

    async fn ask_and_wait(
        &self,
        call: &LinkCall,
        context: &RequestContext<RoleServer>,
        stop: &CancellationToken,
    ) -> Result<(), NotConfirmed> {
        let cannot_ask = NotConfirmed::CannotAsk(self.setup.confirm);
        // What a client said of itself is only known where there is a way to it.
        if !context.peer.supported_elicitation_modes().contains(&ElicitationMode::Form) {
            return Err(cannot_ask);
        }
        tracing::info!("asking the user");
        let over = async || {
            tokio::select! {
                () = context.ct.cancelled() => {}
                () = stop.cancelled() => {}
            }
        };
        wait_for_yes(&context.peer, self.question(call), TIME_TO_ANSWER, cannot_ask, over()).await
    }

    fn ask_by_answer(
        &self,
        call: &mut LinkCall,
        context: &RequestContext<RoleServer>,
    ) -> Result<Option<InputRequiredResult>, NotConfirmed> {
        let capability = context.client_capabilities().and_then(|capabilities| capabilities.elicitation);
        if !capability.is_some_and(|capability| capability.form.is_some() || capability.url.is_none()) {
            return Err(NotConfirmed::CannotAsk(self.setup.confirm));
        }
        let answer = self.reply.responses.as_ref().and_then(|responses| responses.get(QUESTION));
        let (Some(answer), Some(state)) = (answer, &self.reply.state) else {
            return Ok(Some(self.input_required(call)));
        };
        // A no is a no, whatever it is the answer to.
        consent_in(answer)?;
        match self.seal.open(state) {
            Ok(key) => call.confirm(key),
            Err(Broken::Expired) => return Ok(Some(self.input_required(call))),
            Err(Broken::Foreign) => return Err(NotConfirmed::Foreign),
        }
        Ok(None)
    }

    fn input_required(&self, call: &LinkCall) -> InputRequiredResult {
        let question = InputRequest::Elicitation(ElicitRequest::new(self.question(call)));
        let questions = InputRequests::from([(QUESTION.to_owned(), question)]);
        InputRequiredResult::new(Some(questions), Some(self.seal.seal(call.idempotency_key())))
    }

    fn question(&self, call: &LinkCall) -> ElicitRequestParams {
        // Without a default: a form that is sent as it came must not be a yes.
        let yes = PrimitiveSchemaDefinition::Boolean(BooleanSchema::new().title("Yes, make the link"));
        let form = ElicitationSchema::new([(FIELD.to_owned(), yes)].into()).with_required(vec![FIELD.to_owned()]);
        let message = call.question(self.environment, self.setup);
        ElicitRequestParams::FormElicitationParams { meta: None, message, requested_schema: form }
    }
}

/// Whether a request is of a revision in which servers do not send requests.
fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
}

/// Asks a client of an older revision and waits for a yes, for so long and until it is `over`. A question that nobody
/// waits for any more is taken back.
async fn wait_for_yes(
    peer: &Peer<RoleServer>,
    question: ElicitRequestParams,
    time: Duration,
    cannot_ask: NotConfirmed,
    over: impl Future<Output = ()>,
) -> Result<(), NotConfirmed> {
    let request = ServerRequest::ElicitRequest(ElicitRequest::new(question));
    let asked = peer.send_cancellable_request(request, PeerRequestOptions::no_options()).await;
    // The client has left, and nobody will read it.
    let Ok(mut asked) = asked else { return Err(NotConfirmed::Dismissed) };
    let (why, reason) = tokio::select! {
        biased;
        answer = &mut asked.rx => return match answer {
            Ok(Ok(ClientResult::ElicitResult(answer))) => consent(&answer),
            Ok(Ok(_)) => Err(NotConfirmed::Unclear),
            Ok(Err(ServiceError::McpError(_))) => Err(cannot_ask),
            _ => Err(NotConfirmed::Dismissed),
        },
        () = over => (NotConfirmed::Withdrawn, "the call is over"),
        () = sleep(time) => (NotConfirmed::Silent, "no answer in time"),
    };
    // Not waited for: where the connection ends too, nobody takes it.
    tokio::spawn(asked.cancel(Some(reason.to_owned())));
    Err(why)
}

fn consent_in(answer: &Value) -> Result<(), NotConfirmed> {
    serde_json::from_value(answer.clone()).map_or(Err(NotConfirmed::Unclear), |answer| consent(&answer))
}

/// Whether an answer is a yes: accepted, with the form's field true.
fn consent(answer: &ElicitResult) -> Result<(), NotConfirmed> {
    match answer.action {
        ElicitationAction::Accept => {
            match answer.content.as_ref().and_then(|content| content.get(FIELD)).and_then(Value::as_bool) {
                Some(true) => Ok(()),
                Some(false) => Err(NotConfirmed::Declined),
                None => Err(NotConfirmed::Unclear),
            }
        }
        ElicitationAction::Decline => Err(NotConfirmed::Declined),
        ElicitationAction::Cancel => Err(NotConfirmed::Dismissed),
        _ => Err(NotConfirmed::Unclear),
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
    fn nothing_but_a_clear_yes_is_one() {
        let cases = [
            (json!({"action": "accept", "content": {"confirm": true}}), Ok(())),
            (json!({"action": "accept", "content": {"confirm": true, "more": 1}, "_meta": {}}), Ok(())),
            (json!({"action": "accept", "content": {"confirm": false}}), Err(NotConfirmed::Declined)),
            (json!({"action": "accept", "content": {"confirm": "true"}}), Err(NotConfirmed::Unclear)),
            (json!({"action": "accept", "content": {"confirm": 1}}), Err(NotConfirmed::Unclear)),
            (json!({"action": "accept", "content": {"confirm": null}}), Err(NotConfirmed::Unclear)),
            (json!({"action": "accept", "content": {}}), Err(NotConfirmed::Unclear)),
            (json!({"action": "accept", "content": null}), Err(NotConfirmed::Unclear)),
            (json!({"action": "accept", "content": true}), Err(NotConfirmed::Unclear)),
            (json!({"action": "accept"}), Err(NotConfirmed::Unclear)),
            (json!({"action": "decline"}), Err(NotConfirmed::Declined)),
            (json!({"action": "decline", "content": {"confirm": true}}), Err(NotConfirmed::Declined)),
            (json!({"action": "cancel", "content": {"confirm": true}}), Err(NotConfirmed::Dismissed)),
            (json!({"action": "ACCEPT", "content": {"confirm": true}}), Err(NotConfirmed::Unclear)),
            (json!({"content": {"confirm": true}}), Err(NotConfirmed::Unclear)),
            (json!({"confirm": true}), Err(NotConfirmed::Unclear)),
            (json!([]), Err(NotConfirmed::Unclear)),
            (json!(true), Err(NotConfirmed::Unclear)),
            (Value::Null, Err(NotConfirmed::Unclear)),
        ];
        for (answer, expected) in cases {
            assert_eq!(consent_in(&answer), expected, "{answer}");
        }
    }

    #[tokio::test]
    async fn silence_is_no_yes() {
        struct Nobody;
        impl ServerHandler for Nobody {}
        let (_never_answers, stream) = tokio::io::duplex(4_096);
        let running = serve_directly(Nobody, tokio::io::split(stream), None);
        let question = ElicitRequestParams::FormElicitationParams {
            meta: None,
            message: "Yes?".to_owned(),
            requested_schema: ElicitationSchema::new([].into()),
        };
        let cannot_ask = NotConfirmed::CannotAsk(Confirm::Always);
        let answer = wait_for_yes(running.peer(), question, Duration::from_millis(1), cannot_ask, pending()).await;
        assert_eq!(answer, Err(NotConfirmed::Silent));
    }
}

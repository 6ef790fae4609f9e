//! The user's yes from revision 2026-07-28 on: the question is the call's answer, and the call comes again with the yes.

use serde_json::{Value, json};

use crate::{
    confirmation::{ALWAYS, yes},
    http::json_of,
    oauth::{authorization_server::AuthorizationServer, server_for},
    program::{Client, Emulator, HttpServer, SANDBOX_KEY, Streams, fetch, text, with_stable_values},
    upstream::{Reply, Upstream, resumed},
};

fn params(tool: &str, arguments: &Value, capabilities: &Value) -> Value {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": capabilities,
        "io.modelcontextprotocol/clientInfo": {"name": "integration tests", "version": "1"},
    });
    json!({"name": tool, "arguments": arguments, "_meta": meta})
}

fn can_ask() -> Value {
    json!({"elicitation": {"form": {}}})
}

/// A call as a caller makes it, the first time and again.
#[derive(Clone)]
struct Call<'a> {
    server: &'a HttpServer,
    key: &'a str,
    tool: &'a str,
    arguments: Value,
}

impl<'a> Call<'a> {
    fn resume(server: &'a HttpServer, session_id: &str) -> Self {
        Self { server, key: SANDBOX_KEY, tool: "resume_session", arguments: json!({"session_id": session_id}) }
    }

    async fn send(&self, more: Value) -> Value {
        let mut params = params(self.tool, &self.arguments, &can_ask());
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", self.tool)];
        let request = self.server.post("/mcp", &message).bearer_auth(self.key);
        let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        json_of(request).await["result"].take()
    }

    /// Makes the call and returns the state that comes with the question.
    async fn ask(&self) -> String {
        state_in(&self.send(json!({})).await)
    }

    async fn again(&self, state: &str, answer: Value) -> Value {
        self.send(json!({"requestState": state, "inputResponses": {"confirmation": answer}})).await
    }
}

fn state_in(result: &Value) -> String {
    assert_eq!(result["resultType"], "input_required", "{result}");
    assert_eq!(result["inputRequests"]["confirmation"]["method"], "elicitation/create");
    result["requestState"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_question_is_the_answer_and_the_yes_comes_with_the_call_again() {
    let upstream = Upstream::always([Reply::resumed()]).await;
    let server = HttpServer::of_api(&upstream.url, &[ALWAYS]).await;
    let call = Call::resume(&server, "ses_1");
    let asked = call.send(json!({})).await;
    assert!(upstream.received().is_empty());
    let result = call.again(&state_in(&asked), yes()).await;
    assert_eq!((&result["resultType"], &result["isError"]), (&json!("complete"), &json!(false)), "{result}");
    assert_eq!(upstream.received().len(), 1);
    let mut shown = asked;
    shown["requestState"] = json!("[sealed]");
    with_stable_values(|| insta::assert_snapshot!("input_required", format!("{shown:#}")));
}

#[tokio::test]
async fn a_yes_that_is_repeated_repeats_the_same_call_and_no_other() {
    let emulator = Emulator::start(&[]).await;
    let server = HttpServer::of_api(&emulator.url, &[ALWAYS]).await;
    let call = Call::resume(&server, "ses_demo_expired");
    let state = call.ask().await;
    let first = call.again(&state, yes()).await;
    let second = call.again(&state, yes()).await;
    assert_eq!(first["isError"], false, "{first}");
    assert_eq!(first["structuredContent"]["capture_url"], second["structuredContent"]["capture_url"]);
    assert_eq!(first["_meta"], second["_meta"]);

    let another = call.again(&call.ask().await, yes()).await;
    assert_ne!(first["structuredContent"]["capture_url"], another["structuredContent"]["capture_url"]);
}

#[tokio::test]
async fn a_yes_that_is_repeated_after_its_link_has_died_is_told_to_ask_anew() {
    let mut expired = resumed();
    expired["expires_at"] = json!("2020-01-01T00:00:00Z");
    let upstream = Upstream::always([Reply::json(200, &expired)]).await;
    let server = HttpServer::of_api(&upstream.url, &[ALWAYS]).await;
    let call = Call::resume(&server, "ses_1");
    let result = call.again(&call.ask().await, yes()).await;
    let message = text(&result).split("\nRequest id").next().unwrap();
    with_stable_values(|| insta::assert_snapshot!("dead_link_of_a_confirmation", message));
}

#[tokio::test]
async fn any_replica_takes_the_yes_to_a_question_of_another() {
    let upstream = Upstream::always([Reply::resumed()]).await;
    let [one, other] =
        [HttpServer::of_api(&upstream.url, &[ALWAYS]).await, HttpServer::of_api(&upstream.url, &[ALWAYS]).await];
    let state = Call::resume(&one, "ses_1").ask().await;
    let result = Call::resume(&other, "ses_1").again(&state, yes()).await;
    assert_eq!(result["isError"], false, "{result}");
}

#[tokio::test]
async fn a_yes_to_another_call_sends_nothing() {
    let upstream = Upstream::always([Reply::resumed()]).await;
    let server = HttpServer::of_api(&upstream.url, &[ALWAYS]).await;
    let call = Call::resume(&server, "ses_1");
    let state = call.ask().await;
    let tampered = if state.ends_with('A') { "B" } else { "A" };
    let cases = [
        (Call { key: "vk_sandbox_somebodyElse", ..call.clone() }, state.clone()),
        (Call { key: "vk_live_somebodyElse", ..call.clone() }, state.clone()),
        (Call { tool: "generate_one_time_link", ..call.clone() }, state.clone()),
        (Call { arguments: json!({"session_id": "ses_2"}), ..call.clone() }, state.clone()),
        (Call { arguments: json!({"session_id": "ses_1", "idempotency_key": "k"}), ..call.clone() }, state.clone()),
        (Call { arguments: json!({"session_id": "ses_1", "key_inflection": null}), ..call.clone() }, state.clone()),
        (call.clone(), format!("{}{tampered}", &state[..40]) + &state[41..]),
        (call.clone(), String::new()),
        (call.clone(), "rs1.AAAA.AAAA".to_owned()),
    ];
    for (call, state) in cases {
        let result = call.again(&state, yes()).await;
        assert_eq!(result["isError"], true, "{} {state} {result}", call.arguments);
        let message = text(&result).split("\nRequest id").next().unwrap();
        insta::with_settings!({prepend_module_to_snapshot => false}, { insta::assert_snapshot!("foreign", message) });
    }
    assert!(upstream.received().is_empty());
}

#[tokio::test]
async fn a_yes_counts_for_the_caller_who_was_asked_whatever_token_they_have_now() {
    let (upstream, issuer) = (Upstream::always([Reply::resumed()]).await, AuthorizationServer::start().await);
    let server = server_for(&issuer, &upstream.url, &[ALWAYS]).await;
    let token = |subject, id| issuer.token(&json!({"sub": subject, "jti": id}));
    let (janes_token, renewed, johns_token) = (token("jane", 1), token("jane", 2), token("john", 3));
    let janes = Call { key: &janes_token, ..Call::resume(&server, "ses_1") };
    let state = janes.ask().await;
    let johns = Call { key: &johns_token, ..janes.clone() };
    let result = johns.again(&state, yes()).await;
    let message = text(&result).split("\nRequest id").next().unwrap();
    insta::with_settings!({prepend_module_to_snapshot => false}, { insta::assert_snapshot!("foreign", message) });
    assert!(upstream.received().is_empty());
    let result = Call { key: &renewed, ..janes.clone() }.again(&state, yes()).await;
    assert_eq!(result["isError"], false, "{result}");
}

#[tokio::test]
async fn an_answer_without_its_question_is_asked_for_anew() {
    let upstream = Upstream::always([Reply::resumed()]).await;
    let server = HttpServer::of_api(&upstream.url, &[ALWAYS]).await;
    let call = Call::resume(&server, "ses_1");
    let state = call.ask().await;
    for more in [
        json!({"inputResponses": {"confirmation": yes()}}),
        json!({"requestState": state}),
        json!({"requestState": state, "inputResponses": {}}),
        json!({"requestState": state, "inputResponses": {"another": yes()}}),
    ] {
        state_in(&call.send(more).await);
    }
    assert!(upstream.received().is_empty());
}

#[tokio::test]
async fn a_no_and_an_unclear_answer_are_told_and_counted() {
    let upstream = Upstream::always([Reply::resumed()]).await;
    let server = HttpServer::of_api(&upstream.url, &[ALWAYS]).await;
    let call = Call::resume(&server, "ses_1");
    let state = call.ask().await;
    for (answer, message) in [
        (json!({"action": "decline"}), "The user declined"),
        (json!({"action": "accept", "content": {"confirm": false}}), "The user declined"),
        (json!({"action": "cancel"}), "dismissed the confirmation prompt"),
        (json!({"action": "accept"}), "no clear yes"),
        (json!("yes"), "no clear yes"),
        (json!({"action": "perhaps"}), "no clear yes"),
    ] {
        let result = call.again(&state, answer).await;
        assert!(result["isError"] == true && text(&result).contains(message), "{result}");
    }
    assert!(upstream.received().is_empty());
    assert_eq!(call.again(&state, yes()).await["isError"], false);
    let metrics = fetch(&format!("{}/metrics", server.url)).await.text().await.unwrap();
    for (outcome, count) in [("asked", 1), ("declined", 2), ("unanswered", 1), ("not_confirmed", 3), ("success", 1)] {
        let line = format!(r#"verifa_mcp_calls_total{{tool="resume_session",outcome="{outcome}"}} {count}"#);
        assert!(metrics.lines().any(|it| it == line), "{line} in\n{metrics}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_say_that_it_can_ask_is_refused() {
    let mut client = Client::connect(Streams::Pipes, &["--emulator"], &[ALWAYS]);
    let arguments = json!({"session_id": "ses_demo_expired"});
    for capabilities in [json!({}), json!({"elicitation": {"url": {}}}), json!({"sampling": {}})] {
        let answer = client.request("tools/call", params("resume_session", &arguments, &capabilities)).await;
        assert!(text(&answer["result"]).contains("their client cannot ask them"), "{answer}");
    }
}

#[tokio::test]
async fn over_stdio_it_is_asked_in_the_same_way() {
    let mut client = Client::connect(Streams::Pipes, &["--emulator"], &[ALWAYS]);
    let mut call = params("resume_session", &json!({"session_id": "ses_demo_expired"}), &can_ask());
    let asked = client.request("tools/call", call.clone()).await;
    call["requestState"] = json!(state_in(&asked["result"]));
    call["inputResponses"] = json!({"confirmation": yes()});
    let answer = client.request("tools/call", call).await;
    assert_eq!(answer["result"]["structuredContent"]["status"], "pending", "{answer}");
}

#[tokio::test]
async fn whose_the_idempotency_key_is_survives_the_question() {
    let mismatch = Reply::error(422, "idempotency_mismatch", "Used before");
    let upstream = Upstream::always([mismatch]).await;
    let server = HttpServer::of_api(&upstream.url, &[ALWAYS]).await;
    let ours = Call::resume(&server, "ses_1");
    let agents = Call { arguments: json!({"session_id": "ses_1", "idempotency_key": "mine"}), ..ours.clone() };
    for (call, message) in
        [(ours, "this call's random idempotency key"), (agents, "This idempotency_key was used before")]
    {
        let result = call.again(&call.ask().await, yes()).await;
        assert!(text(&result).contains(message), "{result}");
    }
    let keys: Vec<_> = upstream.received().iter().map(|request| request.headers["idempotency-key"].clone()).collect();
    assert_eq!((keys[0].len(), keys[1].as_str()), (36, "mine"));
}

//! The user's yes before a call that writes: when it is asked for, and how clients with `initialize` are asked over
//! stdio. `confirmation_classic_sse` is about streams, `confirmation_modern` about newer clients.

use serde_json::{Value, json};

use crate::{
    http::json_of,
    program::{Client, HttpServer, SANDBOX_KEY, Streams, resume_message, run, stderr, text, with_stable_values},
    upstream::{Reply, Upstream},
};

pub(crate) const ALWAYS: (&str, &str) = ("VERIFA_MCP_CONFIRM", "always");

/// What clients declare that can show a form; before forms had a name of their own, and since.
pub(crate) const CAN_ASK: [&str; 2] = [r#"{"elicitation": {}}"#, r#"{"elicitation": {"form": {}, "url": {}}}"#];

pub(crate) fn yes() -> Value {
    json!({"action": "accept", "content": {"confirm": true}})
}

pub(crate) fn initialize(capabilities: &str) -> Value {
    let capabilities: Value = serde_json::from_str(capabilities).unwrap();
    let client = json!({"name": "integration tests", "version": "1"});
    json!({"protocolVersion": "2025-06-18", "capabilities": capabilities, "clientInfo": client})
}

/// The program for calls to this API, and a client of it with these capabilities.
async fn client_of(url: &str, capabilities: &str, environment: &[(&str, &str)]) -> Client {
    let settings = [&[("VERIFA_API_KEY", SANDBOX_KEY), ("VERIFA_API_URL", url)], environment].concat();
    let mut client = Client::connect(Streams::Pipes, &[], &settings);
    client.request("initialize", initialize(capabilities)).await;
    client.notify("notifications/initialized", json!({})).await;
    client
}

fn resume(session_id: &str) -> Value {
    json!({"name": "resume_session", "arguments": {"session_id": session_id}})
}

/// Calls a tool and returns the question that comes back.
async fn asked(client: &mut Client, call: Value) -> Value {
    client.send("tools/call", call).await;
    let question = client.receive().await.expect("a question");
    assert_eq!(question["method"], "elicitation/create", "{question}");
    question
}

/// Answers a question and returns the result of the call that it was about.
async fn answered(client: &mut Client, question: &Value, answer: Value) -> Value {
    let mut message = json!({"jsonrpc": "2.0", "id": question["id"]});
    message.as_object_mut().unwrap().extend(answer.as_object().unwrap().clone());
    client.write(&message).await;
    client.receive().await.expect("the call's answer")["result"].take()
}

#[tokio::test]
async fn a_yes_sends_the_call_and_nothing_is_sent_or_written_down_before() {
    let folder = tempfile::tempdir().unwrap();
    let audit = folder.path().join("audit.jsonl");
    let upstream = Upstream::always([Reply::resumed()]).await;
    for capabilities in CAN_ASK {
        let before = upstream.received().len();
        let environment = [ALWAYS, ("VERIFA_MCP_AUDIT_LOG", audit.to_str().unwrap())];
        let mut client = client_of(&upstream.url, capabilities, &environment).await;
        let question = asked(&mut client, resume("ses_1")).await;
        assert_eq!(upstream.received().len(), before);
        assert_eq!(std::fs::read_to_string(&audit).unwrap().lines().count(), before * 2);
        let result = answered(&mut client, &question, json!({"result": yes()})).await;
        assert_eq!(result["isError"], false, "{result}");
        assert_eq!(upstream.received().len(), before + 1);
        with_stable_values(|| insta::assert_snapshot!("elicitation", format!("{:#}", question["params"])));
    }
}

#[tokio::test]
async fn the_question_says_what_happens_to_which_session_in_which_environment() {
    let link = |arguments: Value| json!({"name": "generate_one_time_link", "arguments": arguments});
    let calls = [
        resume("ses_1"),
        link(json!({"session_id": "ses_1", "expires_in_minutes": 1440})),
        link(json!({"session_id": "ses_1", "expires_in_minutes": 1})),
        link(json!({"session_id": "ses_1"})),
    ];
    let mut texts = String::new();
    for key in ["vk_live_x", "vk_sandbox_x"] {
        let mut client = client_of("http://127.0.0.1:1", CAN_ASK[0], &[ALWAYS, ("VERIFA_API_KEY", key)]).await;
        for call in &calls {
            let question = asked(&mut client, call.clone()).await;
            texts += &format!("{}\n\n", question["params"]["message"].as_str().unwrap());
        }
    }
    let mut client = Client::connect(Streams::Pipes, &["--emulator"], &[ALWAYS]);
    client.request("initialize", initialize(CAN_ASK[0])).await;
    let question = asked(&mut client, resume("ses_demo_expired")).await;
    texts += question["params"]["message"].as_str().unwrap();
    with_stable_values(|| insta::assert_snapshot!("questions", texts));
}

#[tokio::test]
async fn nothing_but_a_clear_yes_sends_anything() {
    let upstream = Upstream::always([Reply::resumed()]).await;
    let mut client = client_of(&upstream.url, CAN_ASK[0], &[ALWAYS]).await;
    let mut texts = String::new();
    for answer in [
        json!({"result": {"action": "decline"}}),
        json!({"result": {"action": "accept", "content": {"confirm": false}}}),
        json!({"result": {"action": "cancel"}}),
        json!({"result": {"action": "accept"}}),
        json!({"result": {"action": "accept", "content": {}}}),
        json!({"result": {"action": "accept", "content": {"confirm": "true"}}}),
        json!({"result": {}}),
        json!({"result": {"confirm": true}}),
        json!({"error": {"code": -32601, "message": "Method not found"}}),
    ] {
        let question = asked(&mut client, resume("ses_1")).await;
        let result = answered(&mut client, &question, answer.clone()).await;
        assert_eq!(result["isError"], true, "{answer} {result}");
        assert!(result.get("structuredContent").is_none());
        texts += &format!("{answer}\n{}\n\n", text(&result));
    }
    assert!(upstream.received().is_empty());
    with_stable_values(|| insta::assert_snapshot!("not_confirmed", texts));
}

#[tokio::test]
async fn a_client_that_cannot_ask_is_refused_and_its_operator_told_the_setting() {
    let upstream = Upstream::always([Reply::resumed()]).await;
    for capabilities in ["{}", r#"{"elicitation": {"url": {}}}"#] {
        let mut client = client_of(&upstream.url, capabilities, &[ALWAYS]).await;
        let result = client.resume(json!({"session_id": "ses_1"})).await;
        assert_eq!(result["isError"], true);
        insta::with_settings!({prepend_module_to_snapshot => false}, {
            insta::assert_snapshot!("cannot_ask", text(&result));
        });
    }
    assert!(upstream.received().is_empty());
}

#[tokio::test]
async fn over_stateless_http_an_older_client_is_refused_whatever_it_declares() {
    let upstream = Upstream::always([Reply::resumed()]).await;
    let server = HttpServer::of_api(&upstream.url, &[ALWAYS]).await;
    let mut call = resume_message("ses_1");
    call["params"]["_meta"] = json!({"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}});
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        for message in [&resume_message("ses_1"), &call] {
            let request = server.post("/mcp", message).bearer_auth(SANDBOX_KEY).header("mcp-protocol-version", version);
            let result = json_of(request).await["result"].take();
            assert!(text(&result).contains("set VERIFA_MCP_CONFIRM=never"), "{version} {result}");
        }
    }
    assert!(upstream.received().is_empty());
}

#[tokio::test]
async fn live_asks_with_a_live_key_alone_and_never_is_the_default() {
    let upstream = Upstream::always([Reply::resumed()]).await;
    for (setting, key, is_asked) in [
        ("", "vk_live_x", false),
        ("never", "vk_live_x", false),
        ("live", "vk_sandbox_x", false),
        ("live", "vk_live_x", true),
        ("always", "vk_sandbox_x", true),
        ("always", "vk_live_x", true),
    ] {
        let environment = [("VERIFA_MCP_CONFIRM", setting), ("VERIFA_API_KEY", key)];
        let mut client = client_of(&upstream.url, CAN_ASK[0], &environment).await;
        client.send("tools/call", resume("ses_1")).await;
        let message = client.receive().await.unwrap();
        assert_eq!(message["method"] == "elicitation/create", is_asked, "{setting} {key} {message}");
    }
}

#[tokio::test]
async fn only_a_call_that_could_be_sent_and_writes_is_asked_about() {
    let upstream = Upstream::always([Reply::error(404, "not_found", "None")]).await;
    let mut client = client_of(&upstream.url, CAN_ASK[0], &[ALWAYS]).await;
    for (tool, arguments, expected) in [
        ("get_session", json!({"session_id": "ses_1"}), "(404 not_found)"),
        ("list_sessions", json!({}), "(404 not_found)"),
        ("resume_session", json!({"session_id": "../x"}), "The arguments are invalid"),
        ("generate_one_time_link", json!({"session_id": "ses_1", "minutes": 5}), "The arguments are invalid"),
    ] {
        let answer = client.request("tools/call", json!({"name": tool, "arguments": arguments})).await;
        assert!(text(&answer["result"]).contains(expected), "{answer}");
    }
    for (environment, expected) in
        [([("", "")], "No Verifa API key"), ([("VERIFA_MCP_READ_ONLY", "true")], "disabled for you")]
    {
        let environment = [&environment[..], &[ALWAYS]].concat();
        let environment: Vec<_> = environment.into_iter().filter(|(name, _)| !name.is_empty()).collect();
        let mut client = Client::connect(Streams::Pipes, &[], &environment);
        client.request("initialize", initialize(CAN_ASK[0])).await;
        let answer = client.request("tools/call", resume("ses_1")).await;
        assert!(text(&answer["result"]).contains(expected), "{answer}");
    }
}

#[tokio::test]
async fn by_hand_no_one_is_asked() {
    let output = run(["resume", "ses_demo_expired", "--emulator"], &[ALWAYS]).await;
    assert!(output.status.success(), "{}", stderr(&output));
}

#[tokio::test]
async fn a_wrong_setting_is_told_at_the_start() {
    let output = run([], &[("VERIFA_MCP_CONFIRM", "yes")]).await;
    assert_eq!(output.status.code(), Some(2));
    let fault = "invalid setting: VERIFA_MCP_CONFIRM must be one of never, live, always; it is \"yes\"";
    assert!(stderr(&output).contains(fault), "{}", stderr(&output));
}

#[tokio::test]
async fn a_yes_after_the_call_was_cancelled_sends_nothing() {
    let upstream = Upstream::always([Reply::resumed()]).await;
    let mut client = client_of(&upstream.url, CAN_ASK[0], &[ALWAYS]).await;
    let id = client.send("tools/call", resume("ses_1")).await;
    let question = client.receive().await.unwrap();
    client.notify("notifications/cancelled", json!({"requestId": id})).await;
    client.write(&json!({"jsonrpc": "2.0", "id": question["id"], "result": yes()})).await;
    client.request("ping", json!({})).await;
    client.close_stdin();
    assert!(client.end().await.0.success());
    assert!(upstream.received().is_empty());
}

#[tokio::test]
async fn a_cancelled_call_takes_its_question_back() {
    let mut client = client_of("http://127.0.0.1:1", CAN_ASK[0], &[ALWAYS]).await;
    let id = client.send("tools/call", resume("ses_1")).await;
    let question = client.receive().await.unwrap();
    client.notify("notifications/cancelled", json!({"requestId": id})).await;
    let back = client.receive().await.unwrap();
    assert_eq!(back["method"], "notifications/cancelled", "{back}");
    assert_eq!(back["params"]["requestId"], question["id"]);
}

#[tokio::test]
async fn a_client_that_leaves_without_an_answer_has_not_agreed() {
    let upstream = Upstream::always([Reply::resumed()]).await;
    let mut client = client_of(&upstream.url, CAN_ASK[0], &[ALWAYS]).await;
    asked(&mut client, resume("ses_1")).await;
    client.close_stdin();
    let answer = client.receive().await.expect("the call's answer before the end");
    assert!(text(&answer["result"]).contains("before the user confirmed, so nothing was sent"), "{answer}");
    let (status, log) = client.end().await;
    assert!(status.success() && log.contains("asking the user") && !log.contains("consented"), "{log}");
    assert!(upstream.received().is_empty());
}

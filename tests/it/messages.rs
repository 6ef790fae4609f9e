//! Invalid messages: each gets the same error over every transport, and the next call still works.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    http_classic_sse::Stream,
    program::{Client, HttpServer, SANDBOX_KEY, Streams, resume_message},
};

/// A message, and the code, id and text of the error that answers it; `None` if nothing does.
type Case = (Vec<u8>, Option<(i32, Value, &'static str)>);

fn request(id: &Value, method: &str, params: &Value) -> Vec<u8> {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string().into_bytes()
}

fn cases() -> Vec<Case> {
    let invalid_params = |id: Value, method, params, text| (request(&id, method, &params), Some((-32602, id, text)));
    let nested = format!(r#"{{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{}1"#, "[".repeat(50_000));
    let long_method = "m".repeat(300);
    vec![
        invalid_params(json!(1), "tools/call", json!({"name": "resume_session", "arguments": []}), "params.arguments"),
        invalid_params(json!("é"), "tools/call", json!({"name": 5}), "params.name must be a string"),
        invalid_params(json!(-3), "tools/call", json!("x"), "params must be an object"),
        invalid_params(json!(""), "prompts/get", json!({"arguments": {}}), "params.name is missing"),
        invalid_params(json!(5), "resources/read", json!({}), "params.uri is missing"),
        invalid_params(json!(6), "tools/list", json!({"cursor": 7}), "params.cursor must be a string"),
        invalid_params(json!(7), "initialize", json!({"capabilities": {}}), "params.protocolVersion is missing"),
        (nested.into_bytes(), Some((-32700, json!(8), "not valid JSON"))),
        (br#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"\ud83d"}}"#.into(), {
            Some((-32700, json!(9), "not valid JSON"))
        }),
        (b"{\"id\":10,\"x\":\"\xff\"}".into(), Some((-32700, json!(10), "invalid UTF-8"))),
        (b"nonsense".into(), Some((-32700, json!(null), "not valid JSON"))),
        (b"{\"jsonrpc\":\"2.0\"\0}".into(), Some((-32700, json!(null), "not valid JSON"))),
        (br#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#.into(), Some((-32600, json!(null), "batches"))),
        (br#"{"id":11,"method":"ping"}"#.into(), Some((-32600, json!(11), "jsonrpc"))),
        (request(&json!(null), "ping", &json!({})), Some((-32600, json!(null), "id must be"))),
        (request(&json!(1.5), "ping", &json!({})), Some((-32600, json!(null), "id must be"))),
        (request(&json!(12), "nonsense/call", &json!([])), Some((-32601, json!(12), "\"nonsense/call\""))),
        (request(&json!(13), &long_method, &json!({})), Some((-32601, json!(13), "m…\""))),
        (br#"{"jsonrpc":"2.0","id":99,"result":{}}"#.into(), None),
        (br#"{"jsonrpc":"2.0","method":"notifications/unknown","params":[]}"#.into(), None),
        (br#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":{}}}"#.into(), None),
    ]
}

fn check(answer: &Value, (code, id, text): &(i32, Value, &str), sent: &[u8]) {
    let sent = String::from_utf8_lossy(sent.get(..200).unwrap_or(sent));
    assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(code), id), "{sent}: {answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains(text), "{sent}: {answer}");
    assert!(answer.as_object().unwrap().contains_key("id"));
}

async fn body(response: reqwest::Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

/// A test that fails instead of waiting for an answer that never comes.
async fn answered<T>(answer: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), answer).await.expect("an answer")
}

#[tokio::test]
async fn over_stdio_every_wrong_message_is_answered_and_the_next_call_works() {
    for streams in Streams::ALL {
        let mut client = Client::connect(streams, &["--emulator"], &[]);
        for (message, expected) in cases() {
            // Before initialize the SDK accepts no other request.
            if expected.as_ref().is_none_or(|(code, ..)| *code == -32601) {
                continue;
            }
            client.write_bytes(&[&message, &b"\n"[..]].concat()).await;
            check(&answered(client.receive()).await.unwrap(), &expected.unwrap(), &message);
        }
        client.initialize("2025-11-25").await;
        for (message, expected) in cases() {
            client.write_bytes(&[&message, &b"\r\n \n"[..]].concat()).await;
            if let Some(expected) = expected {
                check(&answered(client.receive()).await.unwrap(), &expected, &message);
            }
            let result = answered(client.resume(json!({"session_id": "ses_demo_expired"}))).await;
            assert_ne!(result["isError"], true, "{result}");
        }
    }
}

#[tokio::test]
async fn over_stdio_a_line_that_is_too_long_is_answered_and_skipped() {
    let mut client = Client::start(&["--emulator"], &[]).await;
    let expected = (-32600, json!(null), "1048576 bytes");
    // One that has no end yet is answered too.
    for end in ["", "x\"}\n", "\n"] {
        let long = vec![b'x'; 1024 * 1024 + 1];
        client.write_bytes(&long).await;
        check(&answered(client.receive()).await.unwrap(), &expected, b"");
        client.write_bytes(&long).await;
        client.write_bytes(end.as_bytes()).await;
        client.write_bytes(b"\n").await;
        assert!(answered(client.request("ping", json!({}))).await["result"].is_object());
    }
    let fits = format!("{}{}\n", r#"{"jsonrpc":"2.0","id":"fits","method":"ping"}"#, " ".repeat(1024 * 1024 - 45));
    assert_eq!(fits.len(), 1024 * 1024 + 1);
    client.write_bytes(fits.as_bytes()).await;
    assert_eq!(answered(client.receive()).await.unwrap()["id"], "fits");
}

#[tokio::test]
async fn over_http_every_wrong_message_is_answered_in_json_and_the_next_call_works() {
    let server = HttpServer::start(&["--emulator"], &[]).await;
    for (message, expected) in cases() {
        let sent = server.post("/mcp", &json!({})).body(message.clone()).send();
        let response = answered(sent).await.unwrap();
        let status = response.status();
        match expected {
            None => assert_eq!(status, 202),
            Some(expected) => {
                let is_valid_request = matches!(expected.0, -32602 | -32601);
                assert_eq!(status, if is_valid_request { 200 } else { 400 });
                assert_eq!(response.headers()["content-type"], "application/json");
                check(&body(response).await, &expected, &message);
            }
        }
        let call = server.post("/mcp", &resume_message("ses_demo_expired")).send();
        let result: Value = body(answered(call).await.unwrap()).await;
        assert!(result["result"]["structuredContent"]["capture_url"].is_string(), "{result}");
    }
}

#[tokio::test]
async fn over_classic_sse_every_wrong_message_is_answered_and_the_next_call_works() {
    let server = HttpServer::start(&["--emulator"], &[]).await;
    let mut stream = Stream::open(&server, SANDBOX_KEY).await;
    stream.initialize().await;
    for (message, expected) in cases() {
        let sent = server.post(&stream.endpoint, &json!({})).body(message.clone()).send();
        let response = answered(sent).await.unwrap();
        let status = response.status();
        match expected {
            None => assert_eq!(status, 202),
            // On the stream no client would recognize it.
            Some(expected) if expected.1.is_null() => {
                assert_eq!(status, 400);
                check(&body(response).await, &expected, &message);
            }
            Some(expected) => {
                assert_eq!(status, 202);
                check(&answered(stream.message()).await, &expected, &message);
            }
        }
        let call = server.post(&stream.endpoint, &resume_message("ses_demo_expired")).send();
        assert_eq!(answered(call).await.unwrap().status(), 202);
        let result = answered(stream.message()).await;
        assert!(result["result"]["structuredContent"]["capture_url"].is_string(), "{result}");
    }
}

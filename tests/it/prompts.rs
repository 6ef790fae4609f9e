//! The prompt as a client meets it: how it is offered, what it says for each channel, how its arguments are completed.

use serde_json::{Value, json};

use crate::{
    http::json_of,
    program::{Client, HttpServer},
};

const NAME: &str = "resume-verification";

async fn prompt(client: &mut Client, arguments: Value) -> Value {
    client.request("prompts/get", json!({"name": NAME, "arguments": arguments})).await
}

#[tokio::test]
async fn the_prompt_stays_as_it_is_in_every_channel() {
    let mut client = Client::start(&["--emulator"], &[]).await;
    let listed = client.request("prompts/list", json!({})).await;
    let mut texts = format!("{:#}\n\n", listed["result"]);
    for (channel, language) in [("email", "German"), ("sms", "English"), ("chat", "Polish")] {
        let arguments = json!({"who": "customer-1001", "channel": channel, "language": language});
        let answer = prompt(&mut client, arguments).await;
        assert_eq!(answer["result"]["messages"].as_array().unwrap().len(), 1, "{answer}");
        texts += &format!("## {channel}\n{}\n\n", answer["result"]["messages"][0]["content"]["text"].as_str().unwrap());
    }
    insta::with_settings!({prepend_module_to_snapshot => false}, { insta::assert_snapshot!("prompts", texts) });
}

#[tokio::test]
async fn it_names_no_tool_that_its_caller_may_not_use() {
    for (toolsets, named, hidden) in [
        ("resume", "resume_session", &["list_sessions", "get_session", "generate_one_time_link"][..]),
        ("resume,links", "generate_one_time_link", &["list_sessions", "get_session"]),
        ("resume,lookup", "list_sessions", &["generate_one_time_link"]),
    ] {
        let mut client = Client::start(&["--emulator"], &[("VERIFA_MCP_TOOLSETS", toolsets)]).await;
        let text = prompt(&mut client, json!({"who": "Jane"})).await.to_string();
        assert!(text.contains(named) && hidden.iter().all(|tool| !text.contains(tool)), "{toolsets}: {text}");
    }
    let mut reader = Client::start(&["--emulator"], &[("VERIFA_MCP_READ_ONLY", "true")]).await;
    let listed = reader.request("prompts/list", json!({})).await;
    assert_eq!(listed["result"]["prompts"], json!([]));
    assert_eq!(prompt(&mut reader, json!({"who": "Jane"})).await["error"]["code"], -32602);
}

#[tokio::test]
async fn wrong_prompts_are_protocol_errors_that_explain_themselves() {
    let mut client = Client::start(&["--emulator"], &[]).await;
    for (params, expected) in [
        (json!({"name": "other"}), "unknown prompt"),
        (json!({"name": NAME}), "who is missing"),
        (json!({"name": NAME, "arguments": {"who": "Jane", "channel": "fax"}}), "email, sms, chat"),
    ] {
        let answer = client.request("prompts/get", params).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(expected), "{answer}");
    }
}

#[tokio::test]
async fn arguments_are_completed_over_stdio_and_http() {
    let params = |name: &str, argument: &str, typed: &str| json!({"ref": {"type": "ref/prompt", "name": name}, "argument": {"name": argument, "value": typed}});
    let mut client = Client::start(&["--emulator"], &[]).await;
    let answer = client.request("completion/complete", params(NAME, "channel", "")).await;
    assert_eq!(answer["result"]["completion"]["values"], json!(["email", "sms", "chat"]), "{answer}");
    let unknown = client.request("completion/complete", params("other", "channel", "")).await;
    assert_eq!(unknown["error"]["code"], -32602);

    let server = HttpServer::start(&["--emulator"], &[]).await;
    let message = json!({
        "jsonrpc": "2.0", "id": 1, "method": "completion/complete", "params": params(NAME, "language", "ger"),
    });
    let answer = json_of(server.post("/mcp", &message)).await;
    assert_eq!(answer["result"]["completion"]["values"], json!(["German"]), "{answer}");
}

//! Tables of messages, and damaged ones, with how each is answered.

use proptest::prelude::*;
use rmcp::model::{ClientRequest, GetMeta};
use serde_json::Value;

use super::*;

fn refused(text: impl AsRef<[u8]>) -> (i32, Value, String) {
    let invalid = read(text.as_ref()).unwrap_err();
    let response: Value = serde_json::from_str(&invalid.response()).unwrap();
    (invalid.error.code().0, response["id"].clone(), invalid.error.to_string())
}

#[test]
fn wrong_parameters_are_named_with_what_they_must_be() {
    for (method, params, text) in [
        ("tools/call", json!({"name": "x", "arguments": []}), "params.arguments must be an object"),
        ("tools/call", json!({"name": "x", "arguments": 7}), "params.arguments must be an object"),
        ("tools/call", json!({"arguments": {}}), "params.name is missing"),
        ("tools/call", json!({"name": null}), "params.name must be a string"),
        ("tools/call", json!(["x"]), "params must be an object"),
        ("tools/call", json!(null), "params must be an object"),
        ("tools/call", json!({"name": "x", "_meta": "x"}), "params._meta must be an object"),
        ("tools/list", json!({"cursor": 7}), "params.cursor must be a string"),
        ("tools/list", json!({"_meta": []}), "params._meta must be an object"),
        ("tools/list", json!("x"), "params must be an object"),
        ("ping", json!({"_meta": 1}), "params._meta must be an object"),
        ("ping", json!(true), "params must be an object"),
        ("prompts/get", json!({}), "params.name is missing"),
        ("prompts/get", json!({"name": "x", "arguments": []}), "params.arguments must be an object"),
        ("resources/read", json!({}), "params.uri is missing"),
        ("completion/complete", json!({"argument": {"name": "a", "value": ""}}), "params.ref is missing"),
        ("completion/complete", json!({"ref": {"type": "ref/prompt", "name": "x"}}), "params.argument is missing"),
        ("initialize", json!({"protocolVersion": "2025-11-25", "capabilities": {}}), "params.clientInfo is missing"),
        (
            "initialize",
            json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x"}}),
            "params.clientInfo.version is missing",
        ),
        (
            "initialize",
            json!({"protocolVersion": "2025-11-25", "capabilities": null, "clientInfo": {}}),
            "params.capabilities must be an object",
        ),
        (
            "initialize",
            json!({"protocolVersion": 5, "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}),
            "params.protocolVersion must be a string",
        ),
    ] {
        let message = json!({"jsonrpc": "2.0", "id": "7", "method": method, "params": params}).to_string();
        assert_eq!(refused(&message), (-32602, json!("7"), String::from(text)), "{message}");
    }
    // The client chose a name on this path.
    let capabilities = json!({"experimental": {"vk_live_0123456789": 7}});
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": {}});
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}).to_string();
    let text = refused(&message).2;
    assert!(text.starts_with("params.capabilities.experimental.") && !text.contains("vk_live_0"), "{text}");
    let twice = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}"#;
    assert_eq!(refused(twice), (-32602, json!(1), "params.name occurs twice".into()));
}

#[test]
fn what_is_no_request_is_an_invalid_request_and_what_is_no_json_a_parse_error() {
    let ping = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
    let nested = format!(r#"{{"id":1,"jsonrpc":"2.0","method":"tools/call","params":{}1"#, "[".repeat(100_000));
    for (text, code, id) in [
        (ping("null"), -32600, json!(null)),
        (ping("{}"), -32600, json!(null)),
        (ping("1.5"), -32600, json!(null)),
        (ping("1e3"), -32600, json!(null)),
        (ping("92233720368547758070"), -32600, json!(null)),
        (r#"{"id":1,"method":"ping"}"#.into(), -32600, json!(1)),
        (r#"{"jsonrpc":"1.0","id":"a","method":"ping"}"#.into(), -32600, json!("a")),
        (r#"{"jsonrpc":2.0,"id":"a","method":"ping"}"#.into(), -32600, json!("a")),
        (r#"{"jsonrpc":"2.0","id":1}"#.into(), -32600, json!(1)),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#.into(), -32600, json!(1)),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#.into(), -32600, json!(1)),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#.into(), -32600, json!(null)),
        (r#"{"jsonrpc":"2.0"}"#.into(), -32600, json!(null)),
        ("[]".into(), -32600, json!(null)),
        (format!("[{}]", ping("1")), -32600, json!(null)),
        ("7".into(), -32600, json!(null)),
        ("\"x\"".into(), -32600, json!(null)),
        (String::new(), -32700, json!(null)),
        ("{".into(), -32700, json!(null)),
        ("[1".into(), -32700, json!(null)),
        ("\u{feff}{}".into(), -32700, json!(null)),
        (format!("{}\0", ping("1")), -32700, json!(1)),
        (ping("1") + "{}", -32700, json!(1)),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"na"#.into(), -32700, json!(1)),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\ud83d"}}"#.into(), -32700, json!(1)),
        (r#"{"jsonrpc":"2.0","id":1,"method":"\ud83d"}"#.into(), -32700, json!(1)),
        (nested, -32700, json!(1)),
    ] {
        let (refused_code, refused_id, _) = refused(&text);
        assert_eq!((refused_code, refused_id), (code, id), "{:.200}", text);
    }
    let invalid_utf_8 = b"{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tools/call\",\"params\":{\"name\":\"\xff\"}}";
    assert_eq!(refused(invalid_utf_8).0, -32700);
    assert_eq!(refused("[{}]").2, MessageError::Batch.to_string());
}

#[test]
fn ids_are_kept_exactly_and_metadata_is_found() {
    for id in [json!(0), json!(-5), json!(i64::MAX), json!(""), json!("1"), json!("é\"\\"), json!("x".repeat(10_000))]
    {
        let meta = json!({"progressToken": 1});
        let message = json!({"jsonrpc": "2.0", "id": id, "method": "tools/list", "params": {"_meta": meta}});
        let Some(JsonRpcMessage::Request(request)) = read(message.to_string().as_bytes()).unwrap() else { panic!() };
        assert_eq!(request.id.into_json_value(), id);
        assert!(request.request.get_meta().get_progress_token().is_some());
    }
}

#[test]
fn parameters_do_not_matter_for_what_is_not_offered() {
    let newest = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"});
    for (method, params) in [
        ("nonsense", json!([])),
        ("logging/setLevel", json!({})),
        ("resources/subscribe", json!({"_meta": newest})),
        ("resources/unsubscribe", json!(7)),
        ("initialize", json!({"_meta": newest})),
    ] {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let Some(JsonRpcMessage::Request(request)) = read(message.to_string().as_bytes()).unwrap() else { panic!() };
        assert!(matches!(request.request, ClientRequest::CustomRequest(_)), "{message}");
        assert_eq!(request.request.get_meta().protocol_version().is_some(), params.get("_meta").is_some());
    }
}

#[test]
fn an_unknown_notification_or_response_is_no_error() {
    for text in [
        r#"{"jsonrpc":"2.0","method":"notifications/unknown","params":[]}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":"x"}"#,
        r#"{"jsonrpc":"2.0","id":9,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":9,"error":{"code":1,"message":"x"}}"#,
        r#"{"jsonrpc":"2.0","id":9,"error":7}"#,
    ] {
        assert!(read(text.as_bytes()).is_ok(), "{text}");
    }
}

fn requests() -> impl Strategy<Value = Value> {
    let client = json!({"name": "x", "version": "1"});
    prop::sample::select(vec![
        ("tools/call", json!({"name": "resume_session", "arguments": {"session_id": "ses_1"}, "_meta": {}})),
        ("tools/list", json!({"cursor": "x"})),
        ("initialize", json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client})),
        ("prompts/get", json!({"name": "x", "arguments": {"a": "b"}})),
        ("resources/read", json!({"uri": "ui://x"})),
        (
            "completion/complete",
            json!({"ref": {"type": "ref/prompt", "name": "x"}, "argument": {"name": "a", "value": ""}}),
        ),
        ("ping", json!({})),
        ("nonsense", json!({"a": [1]})),
    ])
    .prop_map(|(method, params)| json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}))
}

/// Puts another value in the place of one field, or removes it.
fn damaged(message: &mut Value, path: &[prop::sample::Index], replacement: Option<Value>) {
    let (Some((first, rest)), Some(fields)) = (path.split_first(), message.as_object_mut()) else { return };
    if fields.is_empty() {
        return;
    }
    let field = fields.keys().nth(first.index(fields.len())).unwrap().clone();
    if !rest.is_empty() && fields[&field].is_object() {
        return damaged(&mut fields[&field], rest, replacement);
    }
    match replacement {
        Some(value) => drop(fields.insert(field, value)),
        None => drop(fields.remove(&field)),
    }
}

proptest! {
    #[test]
    fn a_damaged_request_keeps_its_id(
        mut message in requests(),
        path in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        replacement in prop::option::of(prop::sample::select(vec![
            json!(null), json!(7), json!("x"), json!([]), json!({}), json!(true), json!({"a": {"b": []}}),
        ])),
    ) {
        damaged(&mut message, &path, replacement);
        let id = &message["id"];
        match read(message.to_string().as_bytes()) {
            Ok(Some(JsonRpcMessage::Request(request))) => prop_assert_eq!(&request.id.into_json_value(), id),
            // Only what has no id is a notification.
            Ok(_) => prop_assert!(message.get("id").is_none()),
            Err(invalid) => {
                let is_readable = id.is_i64() || id.is_string();
                let expected = if is_readable { id.clone() } else { json!(null) };
                prop_assert_eq!(json!(invalid.id), expected);
                prop_assert!(!invalid.error.to_string().contains(" at line "));
            }
        }
    }

    #[test]
    fn a_cut_request_is_a_parse_error(message in requests(), end in any::<prop::sample::Index>()) {
        let text = message.to_string();
        let cut = text.as_bytes().get(..end.index(text.len())).unwrap();
        prop_assert_eq!(read(cut).unwrap_err().error, MessageError::NotJson);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }
}

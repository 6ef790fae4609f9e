//! `resume_session` as an agent meets it: its definition, its arguments, its success in every casing and QR mode.

use base64::{Engine, prelude::BASE64_STANDARD};
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    program::{Client, SANDBOX_KEY, text, with_stable_values},
    qr::decode_png,
    upstream::{Reply, Upstream, resumed},
};

const CASINGS: [(&str, &str, &str); 3] = [
    ("snake", "capture_url", "qr_code_data_url"),
    ("camel", "captureUrl", "qrCodeDataUrl"),
    ("kebab", "capture-url", "qr-code-data-url"),
];

const TOOL: &str = "resume_session";

pub(crate) fn validator(schema: &Value) -> Validator {
    jsonschema::draft202012::options().should_validate_formats(true).build(schema).unwrap()
}

#[tokio::test]
async fn the_list_of_tools_stays_as_it_is() {
    for qr in ["full", "image", "none"] {
        let mut client = Client::start(&["--emulator", "--qr", qr], &[]).await;
        let listed = client.request("tools/list", json!({})).await;
        with_stable_values(|| {
            insta::assert_snapshot!(format!("tools_list_qr_{qr}"), format!("{:#}", listed["result"]))
        });
    }
}

#[tokio::test]
async fn the_title_names_the_environment() {
    for (key, title) in
        [("vk_sandbox_x", "Resume a Verifa session (sandbox)"), ("vk_live_x", "Resume a Verifa session (live)")]
    {
        let tool = Client::start(&[], &[("VERIFA_API_KEY", key)]).await.definition(TOOL).await;
        assert_eq!((&tool["title"], &tool["annotations"]["title"]), (&json!(title), &json!(title)));
    }
}

#[tokio::test]
async fn what_an_agent_pays_for_the_definitions_stays_small() {
    let listed = Client::start(&["--emulator"], &[]).await.request("tools/list", json!({})).await;
    let paid = |tool: &Value| -> usize {
        ["name", "description", "inputSchema"].map(|part| tool[part].to_string().len()).iter().sum()
    };
    let tools = listed["result"]["tools"].as_array().unwrap();
    let resume = tools.iter().find(|tool| tool["name"] == TOOL).map(paid).unwrap();
    let all: usize = tools.iter().map(paid).sum();
    // Some four bytes make a token; the budgets are 400 tokens for this tool and 1,200 for all four.
    assert_eq!(tools.len(), 4);
    assert!(resume <= 1_600 && all <= 4_800, "{resume} and {all} bytes");
}

#[tokio::test]
async fn a_success_has_four_parts_in_every_casing_and_qr_mode() {
    for qr in ["full", "image", "none"] {
        let mut client = Client::start(&["--emulator", "--qr", qr], &[]).await;
        let output = validator(&client.definition(TOOL).await["outputSchema"]);
        for (casing, capture_url, qr_code_data_url) in CASINGS {
            let result = client.resume(json!({"session_id": "ses_demo_expired", "key_inflection": casing})).await;
            let structured = &result["structuredContent"];
            output.validate(structured).unwrap();

            let link = structured[capture_url].as_str().unwrap();
            assert!(text(&result).lines().any(|line| line == link), "the link alone on its line: {result}");
            assert!(!text(&result).contains("base64"));
            let pictures: Vec<_> =
                result["content"].as_array().unwrap().iter().filter(|it| it["type"] == "image").collect();
            if qr == "none" {
                assert!(pictures.is_empty());
            } else {
                assert_eq!(pictures.len(), 1);
                assert_eq!(pictures[0]["mimeType"], "image/png");
                let png = BASE64_STANDARD.decode(pictures[0]["data"].as_str().unwrap()).unwrap();
                assert_eq!(decode_png(&png), link);
            }
            match structured.get(qr_code_data_url) {
                Some(field) => {
                    assert_eq!(qr, "full");
                    let base64 = field.as_str().unwrap().strip_prefix("data:image/png;base64,").unwrap();
                    assert_eq!(decode_png(&BASE64_STANDARD.decode(base64).unwrap()), link);
                }
                None => assert_ne!(qr, "full"),
            }
            let about = &result["_meta"]["io.github.verifa-mcp/capture-link"];
            assert_eq!((&about["environment"], &about["emulator"]), (&json!("sandbox"), &json!(true)));
            assert_eq!((&about["tool"], &about["session_id"]), (&json!(TOOL), &json!("ses_demo_expired")));
            assert!(!text(&result).contains(about["idempotency_key"].as_str().unwrap()));
            assert_eq!(text(&result).contains("The image is its QR code"), qr != "none");
            // Some four bytes make a token; the budget is 150 tokens.
            assert!(text(&result).len() <= 600, "{}", text(&result));
            let name = format!("success_{casing}_qr_{qr}");
            with_stable_values(|| insta::assert_snapshot!(name, format!("{:#}", result)));
        }
    }
}

#[tokio::test]
async fn the_output_schema_refuses_what_is_missing_mixed_or_more() {
    let mut client = Client::start(&["--emulator"], &[]).await;
    let output = validator(&client.definition(TOOL).await["outputSchema"]);
    let good = client.resume(json!({"session_id": "ses_demo_expired"})).await["structuredContent"].take();
    assert!(output.is_valid(&good));
    let changed = |change: fn(&mut serde_json::Map<String, Value>)| {
        let mut value = good.clone();
        change(value.as_object_mut().unwrap());
        value
    };
    let bad = [
        changed(|fields| drop(fields.remove("capture_url"))),
        changed(|fields| drop(fields.remove("qr_code_data_url"))),
        changed(|fields| {
            let link = fields.remove("capture_url").unwrap();
            fields.insert("captureUrl".to_owned(), link);
        }),
        changed(|fields| drop(fields.insert("workflow_id".to_owned(), json!("w")))),
        changed(|fields| drop(fields.insert("capture_url".to_owned(), Value::Null))),
        changed(|fields| drop(fields.insert("expires_at".to_owned(), json!("tomorrow")))),
    ];
    for value in bad {
        assert!(!output.is_valid(&value), "{value}");
    }
    let null_picture = changed(|fields| drop(fields.insert("qr_code_data_url".to_owned(), Value::Null)));
    assert!(output.is_valid(&null_picture));
}

#[tokio::test]
async fn any_2xx_unknown_fields_and_every_casing_of_an_answer_are_read() {
    let mut extended = resumed();
    extended["workflow_id"] = json!({"nested": [1, 2]});
    let camel = json!({
        "id": "ses_1", "status": "pending", "captureUrl": extended["capture_url"], "expiresAt": "2099-01-01T00:00:00+01:00",
    });
    let kebab = json!({
        "id": "ses_1", "status": "a_new_status", "capture-url": extended["capture_url"], "expires-at": "2099-01-01T00:00:00.5",
        "qr-code-data-url": "data:image/svg+xml;base64,PHN2Zy8+",
    });
    let upstream = Upstream::start().await;
    upstream.plan("ses_extended", [Reply::json(201, &extended)]);
    upstream.plan("ses_camel", [Reply::json(202, &camel)]);
    upstream.plan("ses_kebab", [Reply::json(200, &kebab)]);
    let mut client = Client::of_api(&upstream.url, &[]).await;
    for (id, expires_at) in [
        ("ses_extended", "2099-01-01T00:00:00Z"),
        ("ses_camel", "2099-01-01T00:00:00+01:00"),
        ("ses_kebab", "2099-01-01T00:00:00.5Z"),
    ] {
        let result = client.resume(json!({"session_id": id})).await;
        let structured = &result["structuredContent"];
        assert_eq!(structured["capture_url"], extended["capture_url"], "{result}");
        assert_eq!(structured["expires_at"], expires_at);
        assert_eq!(structured["qr_code_data_url"], Value::Null);
        assert_eq!(structured.as_object().unwrap().len(), 5);
        let png = BASE64_STANDARD.decode(result["content"][1]["data"].as_str().unwrap()).unwrap();
        assert_eq!(decode_png(&png), extended["capture_url"].as_str().unwrap());
    }
}

#[tokio::test]
async fn the_endpoints_headers_are_sent_as_the_arguments_say() {
    let upstream = Upstream::always([Reply::resumed()]).await;
    let mut client = Client::of_api(&upstream.url, &[]).await;
    let all = json!({"session_id": "ses_1", "idempotency_key": "k!1", "verifa_version": "2026-02-01", "key_inflection": "kebab"});
    client.resume(all).await;
    client.resume(json!({"session_id": "ses_1", "idempotency_key": null, "verifa_version": null})).await;
    let received = upstream.received();
    let sent = |call: usize, name: &str| received[call].headers.get(name).cloned();
    assert_eq!(received[0].line, "POST /api/v1/sessions/ses_1/resume HTTP/1.1");
    assert_eq!(sent(0, "x-api-key").as_deref(), Some(SANDBOX_KEY));
    assert_eq!(sent(0, "idempotency-key").as_deref(), Some("k!1"));
    assert_eq!(sent(0, "verifa-version").as_deref(), Some("2026-02-01"));
    assert_eq!(sent(0, "key-inflection").as_deref(), Some("kebab"));
    assert_eq!(sent(1, "verifa-version"), None);
    assert_eq!(
        sent(1, "key-inflection").as_deref(),
        Some("snake"),
        "always sent: an organization's default may be kebab"
    );
    assert_eq!(sent(1, "idempotency-key").map(|key| key.len()), Some(36));
}

#[tokio::test]
async fn wrong_arguments_are_all_told_at_once_and_nothing_is_sent() {
    let upstream = Upstream::always([Reply::resumed()]).await;
    let mut client = Client::of_api(&upstream.url, &[]).await;
    let long = "x".repeat(300);
    let cases = [
        json!({}),
        json!({"session_id": null}),
        json!({"session_id": 7, "key_inflection": "pascal", "verifa_version": "2026-13-01", "idempotency_key": ""}),
        json!({"session_id": "../sessions/ses_2", "idempotency_key": long}),
        json!({"session_id": "ses_1", "sesion": "x", "a\u{202e}b": 1}),
        json!({"session_id": ["ses_1"], "idempotency_key": {"a": "b"}, "verifa_version": true}),
        json!({"session_id": "vk_live_pastedInTheWrongPlace"}),
        json!({"session_id": "VK_SANDBOX_shouted", "idempotency_key": "retry-Tok_abc"}),
        json!({"session_id": "ses_tok_abc"}),
    ];
    let mut texts = String::new();
    for arguments in cases {
        let result = client.resume(arguments.clone()).await;
        assert_eq!(result["isError"], true);
        assert!(result.get("structuredContent").is_none());
        texts += &format!("{arguments:.80}\n{}\n\n", text(&result));
    }
    assert!(upstream.received().is_empty());
    with_stable_values(|| insta::assert_snapshot!("invalid_arguments", texts));
}

#[tokio::test]
async fn however_many_arguments_are_wrong_the_answer_stays_short() {
    let mut client = Client::start(&["--emulator"], &[]).await;
    let many: serde_json::Map<_, _> = (0..20_000).map(|number| (format!("argument_{number}"), json!(1))).collect();
    let result = client.resume(Value::Object(many)).await;
    assert!(text(&result).len() < 1_000 && text(&result).contains("and 19995 more"), "{}", text(&result));
}

#[tokio::test]
async fn a_link_for_another_session_is_withheld() {
    let mut other = resumed();
    other["id"] = json!("ses_other");
    other["session_id"] = json!("ses_other");
    let upstream = Upstream::always([Reply::json(200, &other)]).await;
    let mut client = Client::of_api(&upstream.url, &[]).await;
    for (tool, outcome) in
        [("resume_session", "may have been resumed"), ("generate_one_time_link", "may have been created")]
    {
        let result = client.call(tool, json!({"session_id": "ses_1"})).await;
        assert_eq!(result["isError"], true, "{result}");
        assert!(text(&result).contains("about another session and is withheld"), "{result}");
        assert!(text(&result).contains(outcome) && !result.to_string().contains("/verify/"), "{result}");
    }
}

#[tokio::test]
async fn white_space_around_an_id_is_removed_and_what_cannot_be_seen_is_shown() {
    let mut client = Client::start(&["--emulator"], &[]).await;
    let result = client.resume(json!({"session_id": " ses_demo_expired\u{a0}\n"})).await;
    assert_eq!(result["isError"], false, "{result}");
    let result = client.resume(json!({"session_id": "ses_demo\u{200b}_expired"})).await;
    assert!(text(&result).contains(r#"sent: "ses_demo\u{200b}_expired""#), "{result}");
}

/// What the parser accepts, the schema that agents are shown accepts too; where only one of the two refuses, an agent
/// that obeys the schema would be told that it is wrong.
#[test]
fn the_input_schema_and_the_parser_agree() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut client, input) = runtime.block_on(async {
        let mut client = Client::start(&[], &[]).await;
        let input = validator(&client.definition(TOOL).await["inputSchema"]);
        (client, input)
    });
    let text_or_not = |pattern: &'static str| prop_oneof![8 => pattern.prop_map(Value::from), 1 => Just(json!(1)), 1 => any::<String>().prop_map(Value::from)];
    let arguments = (
        text_or_not("[A-Za-z0-9_-]{1,130}"),
        text_or_not("[!-~]{1,260}"),
        text_or_not("20[0-9]{2}-0[1-9]-1[0-9]"),
        text_or_not("snake|camel|kebab|Snake"),
        proptest::option::weighted(0.1, "[a-z]{1,9}"),
    );
    let arguments = arguments.prop_map(|(session_id, key, version, inflection, unknown)| {
        let mut arguments = json!({
            "session_id": session_id, "idempotency_key": key, "verifa_version": version, "key_inflection": inflection,
        });
        if let Some(unknown) = unknown {
            arguments[unknown] = json!("x");
        }
        arguments
    });
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(300));
    let client = std::cell::RefCell::new(&mut client);
    runner
        .run(&arguments, |arguments| {
            let result = runtime.block_on(client.borrow_mut().resume(arguments.clone()));
            // Without a key, valid arguments get as far as the missing key.
            let accepted = text(&result).starts_with("No Verifa API key");
            prop_assert_eq!(accepted, input.is_valid(&arguments), "{} {}", arguments, text(&result));
            Ok(())
        })
        .unwrap();
}

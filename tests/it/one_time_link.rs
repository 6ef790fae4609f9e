//! `generate_one_time_link` as an agent meets it: the same success and the same care as `resume_session`.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    program::{Client, text, with_stable_values},
    qr::decode_png,
    tool::validator,
    upstream::{Reply, Upstream},
};

const TOOL: &str = "generate_one_time_link";
const LINK: &str = "https://app.withverifa.com/verify/tok_00112233445566778899aabbccddeeff";

fn link() -> Value {
    json!({
        "id": "otl_1", "session_id": "ses_1", "status": "pending", "created_at": "2026-01-01T00:00:00Z",
        "capture_url": LINK, "expires_at": "2099-01-01T00:00:00Z", "qr_code_data_url": null,
    })
}

#[tokio::test]
async fn the_request_says_how_long_the_link_is_to_live_or_leaves_it_to_verifa() {
    let upstream = Upstream::always([Reply::json(201, &link())]).await;
    let mut client = Client::of_api(&upstream.url, &[]).await;
    for (minutes, body) in
        [(json!(1440), r#"{"expires_in_minutes":1440}"#), (json!(null), r#"{"expires_in_minutes":null}"#)]
    {
        let arguments = json!({"session_id": "ses_1", "expires_in_minutes": minutes, "idempotency_key": "k-1"});
        assert_eq!(client.call(TOOL, arguments).await["isError"], false);
        let received = upstream.received().pop().unwrap();
        assert_eq!(received.line, "POST /api/v1/sessions/ses_1/generate-one-time-link HTTP/1.1");
        assert_eq!((received.body.as_str(), received.headers["content-type"].as_str()), (body, "application/json"));
        assert_eq!((&*received.headers["idempotency-key"], &*received.headers["key-inflection"]), ("k-1", "snake"));
    }
}

#[tokio::test]
async fn a_success_has_the_four_parts_of_a_resumed_session_in_every_qr_mode() {
    let upstream = Upstream::always([Reply::json(200, &link())]).await;
    for qr in ["full", "image", "none"] {
        let environment = [("VERIFA_MCP_QR", qr), ("VERIFA_KEY_INFLECTION", "kebab")];
        let mut client = Client::of_api(&upstream.url, &environment).await;
        let output = validator(&client.definition(TOOL).await["outputSchema"]);
        let result = client.call(TOOL, json!({"session_id": "ses_1"})).await;
        output.validate(&result["structuredContent"]).unwrap();
        assert!(text(&result).lines().any(|line| line == LINK), "{result}");
        match result["content"].get(1) {
            Some(image) => {
                let png = BASE64_STANDARD.decode(image["data"].as_str().unwrap()).unwrap();
                assert_eq!(decode_png(&png), LINK);
            }
            None => assert_eq!(qr, "none"),
        }
        let about = &result["_meta"]["io.github.verifa-mcp/capture-link"];
        assert_eq!((&about["tool"], &about["session_id"]), (&json!(TOOL), &json!("ses_1")));
        with_stable_values(|| insta::assert_snapshot!(format!("one_time_link_qr_{qr}"), format!("{result:#}")));
    }
}

#[tokio::test]
async fn it_repeats_with_the_same_key_and_reports_its_failures_in_its_own_terms() {
    let upstream = Upstream::start().await;
    let mut client = Client::of_api(&upstream.url, &[("VERIFA_MCP_RETRY_BUDGET", "5s")]).await;
    upstream.plan("ses_1", [Reply::Close, Reply::error(503, "unavailable", ""), Reply::json(200, &link())]);
    assert_eq!(client.call(TOOL, json!({"session_id": "ses_1"})).await["isError"], false);
    let keys: Vec<_> = upstream.received().iter().map(|it| it.headers["idempotency-key"].clone()).collect();
    assert!(keys.len() == 3 && keys.iter().all(|key| *key == keys[0]), "{keys:?}");

    let changed = |field: &str, value: Value| {
        let mut body = link();
        body[field] = value;
        Reply::json(200, &body)
    };
    let mut texts = String::new();
    for (case, replies) in [
        ("400_state", vec![Reply::error(400, "invalid_state", "Session is failed.")]),
        (
            "422_lifetime",
            vec![Reply::error(
                422,
                "validation_error",
                json!([{"loc": ["body", "expires_in_minutes"], "msg": "too long"}]),
            )],
        ),
        ("403", vec![Reply::error(403, "forbidden", "Missing scope")]),
        ("404", vec![Reply::error(404, "not_found", "Session not found")]),
        ("409_after_an_unknown_outcome", vec![Reply::Close, Reply::error(409, "conflict", "In progress")]),
        ("500", vec![Reply::error(500, "internal", "Oops")]),
        ("200_html", vec![Reply::new(200, &[], "<html>")]),
        ("200_without_session_id", vec![changed("session_id", Value::Null)]),
        ("200_unsafe_link", vec![changed("capture_url", json!("http://evil.example/tok_x"))]),
        ("200_dead_link", vec![changed("expires_at", json!("2020-01-01T00:00:00Z"))]),
    ] {
        upstream.plan("ses_2", replies);
        let result = client.call(TOOL, json!({"session_id": "ses_2"})).await;
        assert_eq!(result["isError"], true, "{result}");
        assert!(!text(&result).contains("resumed"), "{result}");
        texts += &format!("## {case}\n{}\n\n", text(&result));
    }
    with_stable_values(|| insta::assert_snapshot!("failures_of_one_time_links", texts));
}

//! The emulator's capture links: one-time links over real HTTP, and what opening any link does.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, StatusCode, header::ALLOW};
use serde_json::{Value, json};

use crate::{
    emulator::{KEY, LIVE_KEY, answer, keys, snake},
    program::{Emulator, program},
};

impl Emulator {
    fn one_time_link(&self, session_id: &str) -> RequestBuilder {
        let path = format!("/api/v1/sessions/{session_id}/generate-one-time-link");
        self.request(Method::POST, &path).header("X-API-Key", KEY)
    }

    async fn linked(&self, session_id: &str, body: &Value) -> Value {
        let (status, link) = snake(self.one_time_link(session_id).body(body.to_string())).await;
        assert_eq!(status, StatusCode::CREATED, "{link}");
        link
    }
}

fn minutes_of(link: &Value) -> i64 {
    let time = |field: &str| link[field].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    // Both are whole seconds, one rounded down and the other up.
    time("expires_at").duration_since(time("created_at")).as_secs() / 60
}

#[tokio::test]
async fn a_one_time_link_has_the_documented_fields_and_the_asked_lifetime() {
    let emulator = Emulator::start(&[]).await;
    let link = emulator.linked("ses_demo_expired", &json!({"expires_in_minutes": 90})).await;
    let fields = ["id", "session_id", "capture_url", "status", "expires_at", "created_at", "qr_code_data_url"];
    assert_eq!(keys(&link), fields);
    assert_eq!((&link["session_id"], &link["status"]), (&json!("ses_demo_expired"), &json!("active")));
    assert!(link["capture_url"].as_str().unwrap().starts_with(&format!("{}/verify/tok_", emulator.url)));
    assert!(link["qr_code_data_url"].as_str().unwrap().starts_with("data:image/png;base64,"));
    assert_eq!(minutes_of(&link), 90);

    let session = emulator.session("ses_demo_expired").await;
    assert_eq!((&session["status"], &session["capture_url"]), (&json!("pending"), &link["capture_url"]));
    assert_eq!(session["token_expires_at"], link["expires_at"]);
    assert_eq!(emulator.linked("ses_demo_null_qr", &json!({})).await["qr_code_data_url"], Value::Null);
}

#[tokio::test]
async fn a_lifetime_may_be_left_out_and_is_the_emulators_then() {
    let emulator = Emulator::start(&["--link-lifetime", "30m"]).await;
    for body in [json!({"expires_in_minutes": null}), json!({}), Value::Null] {
        assert_eq!(minutes_of(&emulator.linked("ses_demo_expired", &body).await), 30, "{body}");
    }
    let (status, link) = snake(emulator.one_time_link("ses_demo_expired")).await;
    assert_eq!((status, minutes_of(&link)), (StatusCode::CREATED, 30));
}

#[tokio::test]
async fn a_body_that_cannot_be_used_is_rejected_with_an_explanation_and_changes_nothing() {
    let emulator = Emulator::start(&[]).await;
    let before = emulator.session("ses_demo_expired").await;
    let ask = |body: String| snake(emulator.one_time_link("ses_demo_expired").body(body));
    for value in ["0", "10081", "1.5", "\"60\"", "true", "[]"] {
        let (status, body) = ask(format!("{{\"expires_in_minutes\": {value}}}")).await;
        assert_eq!((status, &body["error"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("validation_error")), "{value}");
        let message = "must be a whole number from 1 to 10080, or null";
        assert_eq!(body["detail"], json!([{"loc": ["body", "expires_in_minutes"], "msg": message}]), "{value}");
        assert_eq!(body["status_code"], 422);
    }
    for (text, expected) in
        [("{", "not valid JSON"), ("expires_in_minutes=5", "not valid JSON"), ("[]", "a JSON object")]
    {
        let (status, body) = ask(text.to_owned()).await;
        assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &json!("bad_request")), "{text}");
        assert!(body["detail"].as_str().unwrap().contains(expected), "{body}");
    }
    let (status, body) = ask(" ".repeat(16 * 1024 + 1)).await;
    assert_eq!((status, &body["error"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!("payload_too_large")));
    assert_eq!(emulator.session("ses_demo_expired").await, before);
}

#[tokio::test]
async fn completed_failed_and_redacted_sessions_have_no_one_time_link_and_all_others_do() {
    let emulator = Emulator::start(&[]).await;
    for (session, word) in [("completed", "completed"), ("failed", "failed"), ("redacted", "redacted")] {
        let (status, body) = snake(emulator.one_time_link(&format!("ses_demo_{session}"))).await;
        assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_state")), "{session}");
        let detail = body["detail"].as_str().unwrap();
        assert!(detail.contains(word) && detail.contains("one-time link"), "{body}");
    }
    let others = ["expired", "pending", "capturing", "processing", "awaiting_external", "under_review"];
    for session in others {
        emulator.linked(&format!("ses_demo_{session}"), &json!({})).await;
    }
    let (status, body) = snake(emulator.one_time_link("ses_demo_live")).await;
    assert_eq!((status, &body["error"]), (StatusCode::NOT_FOUND, &json!("not_found")));
}

#[tokio::test]
async fn a_one_time_link_revokes_the_earlier_one() {
    let emulator = Emulator::start(&[]).await;
    let first = emulator.session("ses_demo_pending").await;
    let resumed = emulator.resumed("ses_demo_pending").await;
    let older = emulator.linked("ses_demo_pending", &json!({"expires_in_minutes": 60})).await;
    let newer = emulator.linked("ses_demo_pending", &json!({"expires_in_minutes": 60})).await;
    for expired in [first, resumed, older] {
        let page = emulator.open(&expired["capture_url"]).await;
        assert_eq!(page.status(), StatusCode::GONE);
        assert!(page.text().await.unwrap().contains("replaced"));
    }
    assert_eq!(emulator.open(&newer["capture_url"]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn an_idempotency_key_brings_a_one_time_link_back_only_with_the_same_lifetime() {
    let emulator = Emulator::start(&[]).await;
    let ask = |session, body: Value| {
        snake(emulator.one_time_link(session).header("Idempotency-Key", "same").body(body.to_string()))
    };
    let first = ask("ses_demo_expired", json!({"expires_in_minutes": 60})).await;
    assert_eq!(first.0, StatusCode::CREATED);
    assert_eq!(ask("ses_demo_expired", json!({"expires_in_minutes": 60, "more": 1})).await, first);
    for (session, body) in [
        ("ses_demo_expired", json!({"expires_in_minutes": 61})),
        ("ses_demo_expired", json!({})),
        ("ses_demo_pending", json!({"expires_in_minutes": 60})),
    ] {
        let (status, answer) = ask(session, body).await;
        assert_eq!((status, &answer["error"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("idempotency_mismatch")));
    }
    let resume = emulator.resume("ses_demo_expired").header("Idempotency-Key", "same");
    assert_eq!(snake(resume).await.1["error"], "idempotency_mismatch");
    assert_eq!(emulator.open(&first.1["capture_url"]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_one_time_link_comes_in_the_asked_casing_and_after_the_quirks() {
    let emulator = Emulator::start(&[]).await;
    let (_, link) = answer(emulator.one_time_link("ses_demo_expired").header("Key-Inflection", "camel")).await;
    assert!(link["captureUrl"].is_string() && link["qrCodeDataUrl"].is_string() && link["sessionId"].is_string());
    let (_, link) = answer(emulator.one_time_link("ses_demo_expired")).await;
    assert!(link["capture-url"].is_string());

    for expected in [429, 429, 201] {
        assert_eq!(snake(emulator.one_time_link("ses_demo_rate_limited")).await.0, expected);
    }
    for expected in [503, 201] {
        assert_eq!(snake(emulator.one_time_link("ses_demo_unavailable")).await.0, expected);
    }
}

#[tokio::test]
async fn opening_a_link_moves_its_session_to_capturing_and_looking_does_not() {
    let emulator = Emulator::start(&[]).await;
    let link = &emulator.resumed("ses_demo_expired").await["capture_url"];
    let head = emulator.client.head(link.as_str().unwrap()).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    let before = emulator.session("ses_demo_expired").await;
    assert_eq!((&before["status"], &before["capture_url"]), (&json!("pending"), link));

    emulator.open(link).await;
    let after = emulator.session("ses_demo_expired").await;
    assert_eq!((&after["status"], &after["capture_url"]), (&json!("capturing"), &Value::Null));
    for field in keys(&before) {
        let changes = ["status", "updated_at", "capture_url"].contains(&field);
        assert!(changes || after[field] == before[field], "{field}");
    }
}

#[tokio::test]
async fn the_page_of_an_opened_link_takes_its_session_to_the_end_step_by_step() {
    let emulator = Emulator::start(&[]).await;
    let link = emulator.resumed("ses_demo_expired").await["capture_url"].take();
    let press = |step: &str| emulator.client.post(format!("{}/{step}", link.as_str().unwrap())).send();
    assert_eq!(press("submit").await.unwrap().status(), StatusCode::CONFLICT, "not opened yet");

    let mut page = emulator.open(&link).await.text().await.unwrap();
    for (step, other, status) in [("submit", "complete", "processing"), ("complete", "submit", "completed")] {
        assert!(
            page.contains(&format!("/{step}\"><button>")) && !page.contains(&format!("/{other}\"><button>")),
            "{page}"
        );
        page = press(step).await.unwrap().text().await.unwrap();
        assert!(page.contains(status), "{page}");
        assert_eq!(emulator.session("ses_demo_expired").await["status"], status);
    }
    assert!(!page.contains("<button>"), "{page}");
    let older = emulator.resumed("ses_demo_null_qr").await["capture_url"].take();
    emulator.open(&older).await;
    emulator.resumed("ses_demo_null_qr").await;
    let step = emulator.client.post(format!("{}/submit", older.as_str().unwrap())).send().await.unwrap();
    assert_eq!(step.status(), StatusCode::GONE, "the session has a newer link");
    for step in ["nonsense", "submit/more"] {
        let page = press(step).await.unwrap();
        assert_eq!(page.status(), StatusCode::NOT_FOUND);
        assert!(!page.text().await.unwrap().contains("nonsense"), "nothing from a request is shown");
    }
}

#[tokio::test]
async fn opening_a_link_never_moves_a_session_back() {
    let emulator = Emulator::start(&[]).await;
    let link = emulator.linked("ses_demo_under_review", &json!({})).await;
    assert_eq!(emulator.open(&link["capture_url"]).await.status(), StatusCode::OK);
    assert_eq!(emulator.session("ses_demo_under_review").await["status"], "under_review");
}

#[tokio::test]
async fn no_key_token_or_link_is_logged() {
    let mut command = program(["emulator", "--listen", "127.0.0.1:0"]);
    let mut child = command
        .env("VERIFA_MCP_LOG", "trace")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut stdout = tokio::io::BufReader::new(child.stdout.take().unwrap());
    tokio::io::AsyncBufReadExt::read_line(&mut stdout, &mut first).await.unwrap();
    let url = first.trim().strip_prefix("Verifa emulator listening on ").unwrap();
    let client = crate::program::http_client().build().unwrap();
    let ask = |method, path: &str| {
        let request = client.request(method, format!("{url}/api/v1{path}"));
        snake(request.header("X-API-Key", LIVE_KEY).header("Idempotency-Key", "mine"))
    };
    let (_, link) = ask(Method::POST, "/sessions/ses_demo_live/generate-one-time-link").await;
    let capture_url = link["capture_url"].as_str().unwrap();
    assert_eq!(ask(Method::GET, "/sessions/ses_demo_live").await.1["capture_url"], capture_url);
    assert_eq!(ask(Method::GET, "/sessions?q=live").await.1["data"][0]["capture_url"], capture_url);
    assert_eq!(client.get(capture_url).send().await.unwrap().status(), StatusCode::OK);

    child.kill().await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    let log = str::from_utf8(&output.stderr).unwrap();
    assert!(log.contains("emulator responded"), "{log}");
    for secret in [LIVE_KEY, "tok_", "otl_", "ses_demo_live", "mine"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

#[tokio::test]
async fn a_capture_link_opens_once() {
    let emulator = Emulator::start(&[]).await;
    let link = &emulator.resumed("ses_demo_expired").await["capture_url"];

    let head = emulator.client.head(link.as_str().unwrap()).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    let post = emulator.client.post(link.as_str().unwrap()).send().await.unwrap();
    assert_eq!(
        (post.status(), &post.headers()[ALLOW]),
        (StatusCode::METHOD_NOT_ALLOWED, &"GET, HEAD".parse().unwrap())
    );

    let page = emulator.open(link).await;
    assert_eq!(page.status(), StatusCode::OK);
    assert_eq!(page.headers()["cache-control"], "no-store");
    assert_eq!(page.headers()["referrer-policy"], "no-referrer");
    assert!(page.text().await.unwrap().contains("Emulator, not Verifa"));

    let page = emulator.open(link).await;
    assert_eq!(page.status(), StatusCode::GONE);
    assert!(page.text().await.unwrap().contains("already used"));
}

#[tokio::test]
async fn a_capture_link_expires_when_it_was_announced_to() {
    let emulator = Emulator::start(&["--link-lifetime", "1s"]).await;
    let link = &emulator.resumed("ses_demo_expired").await["capture_url"];
    tokio::time::sleep(Duration::from_secs(2)).await;
    let page = emulator.open(link).await;
    assert_eq!(page.status(), StatusCode::GONE);
    assert!(page.text().await.unwrap().contains("expired"));
}

#[tokio::test]
async fn a_newer_link_replaces_the_older_and_an_unknown_one_is_not_found() {
    let emulator = Emulator::start(&[]).await;
    let older = emulator.resumed("ses_demo_expired").await;
    let newer = emulator.resumed("ses_demo_expired").await;
    let page = emulator.open(&older["capture_url"]).await;
    assert_eq!(page.status(), StatusCode::GONE);
    assert!(page.text().await.unwrap().contains("replaced"));
    assert_eq!(emulator.open(&newer["capture_url"]).await.status(), StatusCode::OK);
    let unknown = emulator.request(Method::GET, "/verify/tok_unknown").send().await.unwrap();
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
}

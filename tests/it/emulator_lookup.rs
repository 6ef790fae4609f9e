//! The emulator's lookups over real HTTP: one session, and lists of them.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    emulator::{KEY, LIVE_KEY, answer, keys, snake},
    program::Emulator,
};

impl Emulator {
    async fn list(&self, query: &str) -> Value {
        let (status, body) = snake(self.get(&format!("/sessions{query}"))).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }
}

fn ids(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|session| session["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_session_has_every_documented_field() {
    let emulator = Emulator::start(&[]).await;
    let session = emulator.session("ses_demo_under_review").await;
    let fields = [
        "id",
        "status",
        "is_sandbox",
        "environment",
        "created_at",
        "updated_at",
        "external_ref",
        "metadata",
        "country",
        "checks",
        "workflow_id",
        "document_type",
        "retention_status",
        "processing_attempts",
        "consent_ip",
        "capture_url",
        "token_expires_at",
        "case_id",
        "case_status",
        "tags",
    ];
    assert_eq!(keys(&session), fields);
    assert_eq!((&session["is_sandbox"], &session["environment"]), (&json!(true), &json!("sandbox")));
    assert_eq!((&session["external_ref"], &session["case_status"]), (&json!("customer-1006"), &json!("open")));
    assert_eq!(session["retention_status"], "active");
    assert!(session["consent_ip"].as_str().unwrap().starts_with("192.0.2."));
    assert!(session["metadata"].is_object() && session["checks"].is_array() && session["tags"].is_array());
    assert_eq!(session["capture_url"], Value::Null);
}

#[tokio::test]
async fn the_sessions_show_every_status_and_redaction() {
    let emulator = Emulator::start(&[]).await;
    let statuses = [
        "expired",
        "pending",
        "capturing",
        "processing",
        "awaiting_external",
        "under_review",
        "sandbox_pending",
        "completed",
        "failed",
    ];
    for status in statuses {
        assert_eq!(emulator.session(&format!("ses_demo_{status}")).await["status"], status);
    }
    let redacted = emulator.session("ses_demo_redacted").await;
    assert_eq!((&redacted["status"], &redacted["retention_status"]), (&json!("completed"), &json!("redacted")));
    assert_eq!((&redacted["consent_ip"], &redacted["metadata"]), (&Value::Null, &json!({})));
}

#[tokio::test]
async fn the_pending_session_has_a_link_that_works() {
    let emulator = Emulator::start(&[]).await;
    let session = emulator.session("ses_demo_pending").await;
    assert_eq!(emulator.open(&session["capture_url"]).await.status(), StatusCode::OK);
    assert_eq!(emulator.session("ses_demo_pending").await["status"], "capturing");
}

#[tokio::test]
async fn a_session_is_found_in_its_own_environment_alone_and_in_the_asked_casing() {
    let emulator = Emulator::start(&[]).await;
    let live = |path| emulator.request(Method::GET, path).header("X-API-Key", LIVE_KEY);
    let (status, body) = snake(live("/api/v1/sessions/ses_demo_live")).await;
    assert_eq!((status, &body["is_sandbox"], &body["environment"]), (StatusCode::OK, &json!(false), &json!("live")));
    for (request, id) in [
        (live("/api/v1/sessions/ses_demo_expired"), "ses_demo_expired"),
        (emulator.get("/sessions/ses_demo_live"), "ses_demo_live"),
        (emulator.get("/sessions/ses_demo_unknown"), "ses_demo_unknown"),
    ] {
        let (status, body) = snake(request).await;
        assert_eq!((status, &body["error"]), (StatusCode::NOT_FOUND, &json!("not_found")), "{id}");
    }
    let (_, camel) = answer(emulator.get("/sessions/ses_demo_expired").header("Key-Inflection", "camel")).await;
    assert!(camel["externalRef"].is_string() && camel["createdAt"].is_string());
    let (status, list) = answer(live("/api/v1/sessions")).await;
    assert_eq!((status, ids(&list)), (StatusCode::OK, vec!["ses_demo_live"]));
    assert!(list["data"][0]["external-ref"].is_string());
}

#[tokio::test]
async fn pages_together_hold_every_session_once_and_the_newest_first() {
    let emulator = Emulator::start(&[]).await;
    let all = emulator.list("").await;
    let total = all["pagination"]["total"].as_u64().unwrap();
    assert_eq!(all["pagination"], json!({"total": total, "limit": 50, "offset": 0}));
    assert_eq!(ids(&all).len() as u64, total);
    assert!((15..=30).contains(&total), "{total}");
    let created: Vec<_> = all["data"].as_array().unwrap().iter().map(|it| it["created_at"].as_str().unwrap()).collect();
    assert!(created.is_sorted_by(|one, next| one > next), "{created:?}");
    assert_eq!(all["data"][0], emulator.session(ids(&all)[0]).await);

    let mut paged = Vec::new();
    for offset in (0..total + 10).step_by(10) {
        let page = emulator.list(&format!("?limit=10&offset={offset}")).await;
        assert_eq!(page["pagination"], json!({"total": total, "limit": 10, "offset": offset}));
        paged.extend(ids(&page).into_iter().map(str::to_owned));
    }
    assert_eq!(paged, ids(&all));
}

#[tokio::test]
async fn a_list_is_narrowed_by_status_and_by_id_or_external_reference() {
    let emulator = Emulator::start(&[]).await;
    let failed = emulator.list("?status=failed").await;
    assert!(failed["data"].as_array().unwrap().iter().all(|session| session["status"] == "failed"));
    assert!(ids(&failed).contains(&"ses_demo_failed"));
    assert_eq!(failed["pagination"]["total"], ids(&failed).len());

    for (query, expected) in [
        ("?q=ses_demo_capturing", vec!["ses_demo_capturing"]),
        ("?q=customer-1003", vec!["ses_demo_capturing"]),
        ("?q=CUSTOMER-1003", vec!["ses_demo_capturing"]),
        ("?q=customer-1003&status=capturing", vec!["ses_demo_capturing"]),
        ("?q=customer-1003&status=failed", vec![]),
        ("?q=ignore%20all+earlier", vec!["ses_demo_outside_text"]),
        ("?q=nobody", vec![]),
        ("?q=ses_demo_live", vec![]),
    ] {
        let list = emulator.list(query).await;
        assert_eq!(ids(&list), expected, "{query}");
        assert_eq!(list["pagination"]["total"], expected.len(), "{query}");
    }
    assert_eq!(ids(&emulator.list("?q=customer-11&limit=5").await).len(), 5);
}

#[tokio::test]
async fn a_list_tells_what_has_become_of_its_sessions() {
    let emulator = Emulator::start(&[]).await;
    assert!(ids(&emulator.list("?status=expired").await).contains(&"ses_demo_expired"));
    let link = emulator.resumed("ses_demo_expired").await;
    let pending = emulator.list("?status=pending&q=ses_demo_expired").await;
    assert_eq!(pending["data"][0]["capture_url"], link["capture_url"]);
    emulator.open(&link["capture_url"]).await;
    assert_eq!(ids(&emulator.list("?status=capturing&q=ses_demo_expired").await), ["ses_demo_expired"]);
}

#[tokio::test]
async fn bad_values_of_a_list_are_refused_field_by_field() {
    let emulator = Emulator::start(&[]).await;
    let (status, body) = snake(emulator.get("/sessions?limit=101&offset=-1&status=lost")).await;
    assert_eq!((status, &body["error"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("validation_error")));
    assert_eq!(body["status_code"], 422);
    let places: Vec<_> = body["detail"].as_array().unwrap().iter().map(|error| &error["loc"]).collect();
    assert_eq!(places, [&json!(["query", "limit"]), &json!(["query", "offset"]), &json!(["query", "status"])]);
    assert_eq!(body["detail"][0]["msg"], "must be a whole number from 1 to 100");
    assert!(body["detail"][2]["msg"].as_str().unwrap().contains("under_review"), "{body}");
}

#[tokio::test]
async fn a_lookup_needs_a_key_and_counts_as_a_call() {
    let emulator = Emulator::start(&[]).await;
    for path in ["/api/v1/sessions", "/api/v1/sessions/ses_demo_expired"] {
        let (status, body) = snake(emulator.request(Method::GET, path)).await;
        assert_eq!((status, &body["error"]), (StatusCode::UNAUTHORIZED, &json!("unauthorized")), "{path}");
        let response = emulator.request(Method::GET, path).header("X-API-Key", KEY).send().await.unwrap();
        let left: u32 = response.headers()["x-ratelimit-remaining"].to_str().unwrap().parse().unwrap();
        assert!(left < 300, "{path}: {left}");
    }
}

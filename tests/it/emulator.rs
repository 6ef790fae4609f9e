//! The emulator over real HTTP: what Verifa documents, and each deviation that the emulator states.

use std::time::Duration;

use reqwest::{
    Method, RequestBuilder, Response, StatusCode,
    header::{HOST, RETRY_AFTER},
};
use serde_json::{Value, json};

use crate::program::Emulator;

pub(crate) const KEY: &str = "vk_sandbox_test";
pub(crate) const LIVE_KEY: &str = "vk_live_test";

impl Emulator {
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub(crate) fn resume(&self, session_id: &str) -> RequestBuilder {
        self.request(Method::POST, &format!("/api/v1/sessions/{session_id}/resume")).header("X-API-Key", KEY)
    }

    pub(crate) async fn resumed(&self, session_id: &str) -> Value {
        snake(self.resume(session_id)).await.1
    }

    /// A session as `GET` tells it.
    pub(crate) async fn session(&self, session_id: &str) -> Value {
        let (status, body) = snake(self.get(&format!("/sessions/{session_id}"))).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, &format!("/api/v1{path}")).header("X-API-Key", KEY)
    }

    pub(crate) async fn open(&self, link: &Value) -> Response {
        self.client.get(link.as_str().unwrap()).send().await.unwrap()
    }
}

pub(crate) async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
}

pub(crate) async fn snake(request: RequestBuilder) -> (StatusCode, Value) {
    answer(request.header("Key-Inflection", "snake")).await
}

pub(crate) fn keys(body: &Value) -> Vec<&str> {
    body.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn a_resumed_session_has_the_documented_fields() {
    let emulator = Emulator::start(&[]).await;
    let (status, body) = snake(emulator.resume("ses_demo_expired")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(keys(&body), ["id", "status", "capture_url", "expires_at", "qr_code_data_url"]);
    assert_eq!((&body["id"], &body["status"]), (&json!("ses_demo_expired"), &json!("pending")));
    assert!(body["capture_url"].as_str().unwrap().starts_with(&format!("{}/verify/tok_", emulator.url)));

    let expires_at = body["expires_at"].as_str().unwrap();
    assert_eq!(expires_at.len(), "2024-01-15T09:30:00Z".len());
    let left = expires_at.parse::<jiff::Timestamp>().unwrap().duration_since(jiff::Timestamp::now());
    assert!((19 * 60..=20 * 60 + 1).contains(&left.as_secs()), "{left}");
}

#[tokio::test]
async fn the_casing_is_the_asked_one_and_kebab_when_none_is_asked() {
    let emulator = Emulator::start(&[]).await;
    let kebab = ["id", "status", "capture-url", "expires-at", "qr-code-data-url"];
    let camel = ["id", "status", "captureUrl", "expiresAt", "qrCodeDataUrl"];
    for (inflection, expected) in [(None, kebab), (Some("kebab"), kebab), (Some("camel"), camel)] {
        let mut request = emulator.resume("ses_demo_expired");
        if let Some(inflection) = inflection {
            request = request.header("Key-Inflection", inflection);
        }
        assert_eq!(keys(&answer(request).await.1), expected, "{inflection:?}");
    }
    let (_, error) = answer(emulator.resume("ses_demo_unknown")).await;
    assert_eq!(keys(&error), ["error", "detail", "status-code"]);
}

#[tokio::test]
async fn expired_and_abandoned_sessions_are_resumed_and_all_others_refused() {
    let emulator = Emulator::start(&[]).await;
    for session in ["ses_demo_expired", "ses_demo_pending", "ses_demo_capturing"] {
        assert_eq!(snake(emulator.resume(session)).await.0, StatusCode::OK, "{session}");
    }
    let refused = ["processing", "awaiting_external", "under_review", "sandbox_pending", "completed", "failed"];
    for state in refused {
        let (status, body) = snake(emulator.resume(&format!("ses_demo_{state}"))).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{state}");
        assert_eq!((&body["error"], &body["status_code"]), (&json!("invalid_state"), &json!(400)), "{state}");
        assert!(body["detail"].as_str().unwrap().contains(state), "{body}");
    }
    let (status, body) = snake(emulator.resume("ses_demo_redacted")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body["detail"].as_str().unwrap().contains("redacted"), "{body}");
}

#[tokio::test]
async fn a_key_finds_only_the_sessions_of_its_own_environment() {
    let emulator = Emulator::start(&[]).await;
    let resume = |key, session| {
        let path = format!("/api/v1/sessions/{session}/resume");
        snake(emulator.request(Method::POST, &path).header("X-API-Key", key))
    };
    let (status, body) = resume(KEY, "ses_demo_live").await;
    assert_eq!((status, &body["error"]), (StatusCode::NOT_FOUND, &json!("not_found")));
    assert_eq!(resume(LIVE_KEY, "ses_demo_expired").await.0, StatusCode::NOT_FOUND);
    assert_eq!(resume(LIVE_KEY, "ses_demo_live").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_missing_revoked_or_strange_key_is_unauthorized() {
    let emulator = Emulator::start(&[]).await;
    for path in ["/api/v1/sessions/ses_demo_expired/resume", "/api/v1/rate-limits", "/api/v1/nothing"] {
        for key in [None, Some("vk_sandbox_revoked"), Some("vk_pub_test"), Some("")] {
            let mut request = emulator.request(Method::POST, path);
            if let Some(key) = key {
                request = request.header("X-API-Key", key);
            }
            let (status, body) = snake(request).await;
            assert_eq!((status, &body["error"]), (StatusCode::UNAUTHORIZED, &json!("unauthorized")), "{path} {key:?}");
        }
    }
}

#[tokio::test]
async fn a_retired_version_is_told_to_upgrade_and_others_are_served() {
    let emulator = Emulator::start(&[]).await;
    let resume = |version| snake(emulator.resume("ses_demo_expired").header("Verifa-Version", version));
    let (status, body) = resume("2020-01-01").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body["detail"].as_str().unwrap().contains("upgrade"), "{body}");
    assert_eq!(resume("2026-01-01").await.0, StatusCode::OK);
}

#[tokio::test]
async fn malformed_headers_are_bad_requests_that_say_what_is_allowed() {
    let emulator = Emulator::start(&[]).await;
    let too_long = "k".repeat(256);
    for (name, value, allowed) in [
        ("Verifa-Version", "yesterday", "YYYY-MM-DD"),
        ("Idempotency-Key", "two words", "visible ASCII"),
        ("Idempotency-Key", &too_long, "1 to 255"),
    ] {
        let (status, body) = snake(emulator.resume("ses_demo_expired").header(name, value)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{name}: {value}");
        assert!(body["detail"].as_str().unwrap().contains(allowed), "{body}");
    }
    let (status, body) = answer(emulator.resume("ses_demo_expired").header("Key-Inflection", "shouting")).await;
    assert_eq!((status, &body["status-code"]), (StatusCode::BAD_REQUEST, &json!(400)));
}

#[tokio::test]
async fn an_idempotency_key_brings_the_same_answer_back_in_the_casing_of_the_repeat() {
    let emulator = Emulator::start(&[]).await;
    let resume = || emulator.resume("ses_demo_expired").header("Idempotency-Key", "same");
    let first = snake(resume()).await;
    assert_eq!(snake(resume()).await, first);
    let (_, camel) = answer(resume().header("Key-Inflection", "camel").header("Verifa-Version", "2026-01-01")).await;
    assert_eq!(camel["captureUrl"], first.1["capture_url"]);
    assert_ne!(emulator.resumed("ses_demo_expired").await["capture_url"], first.1["capture_url"]);
}

#[tokio::test]
async fn an_idempotency_key_with_another_session_is_a_mismatch_for_that_api_key_alone() {
    let emulator = Emulator::start(&[]).await;
    let resume = |session| snake(emulator.resume(session).header("Idempotency-Key", "same"));
    assert_eq!(resume("ses_demo_expired").await.0, StatusCode::OK);
    let (status, body) = resume("ses_demo_pending").await;
    assert_eq!((status, &body["error"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("idempotency_mismatch")));

    let path = "/api/v1/sessions/ses_demo_pending/resume";
    let others = emulator.request(Method::POST, path).header("X-API-Key", "vk_sandbox_other");
    assert_eq!(snake(others.header("Idempotency-Key", "same")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn an_error_leaves_the_idempotency_key_free() {
    let emulator = Emulator::start(&[]).await;
    let resume = |session| snake(emulator.resume(session).header("Idempotency-Key", "same"));
    assert_eq!(resume("ses_demo_completed").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(resume("ses_demo_unavailable").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(resume("ses_demo_unavailable").await.0, StatusCode::OK);
}

#[tokio::test]
async fn two_calls_are_rate_limited_and_the_third_succeeds() {
    let emulator = Emulator::start(&[]).await;
    for _ in 0..2 {
        let response = emulator.resume("ses_demo_rate_limited").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[RETRY_AFTER], "1");
        let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        assert_eq!(body["error"], "rate_limited");
    }
    assert_eq!(snake(emulator.resume("ses_demo_rate_limited")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn one_call_finds_the_service_unavailable_and_the_next_succeeds() {
    let emulator = Emulator::start(&[]).await;
    let response = emulator.resume("ses_demo_unavailable").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(!response.headers().contains_key(RETRY_AFTER));
    assert_eq!(snake(emulator.resume("ses_demo_unavailable")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_qr_code_shows_the_link_or_is_null() {
    use base64::{Engine, engine::general_purpose::STANDARD};

    let emulator = Emulator::start(&[]).await;
    let body = emulator.resumed("ses_demo_expired").await;
    let picture = body["qr_code_data_url"].as_str().unwrap().strip_prefix("data:image/png;base64,").unwrap();
    let png = image::load_from_memory(&STANDARD.decode(picture).unwrap()).unwrap().to_luma8();
    let (width, height) = (png.width() as usize, png.height() as usize);
    let pixel = |x, y| png.get_pixel(x as u32, y as u32)[0];
    let mut photo = rqrr::PreparedImage::prepare_from_greyscale(width, height, pixel);
    let grids = photo.detect_grids();
    assert_eq!(grids[0].decode().unwrap().1, body["capture_url"].as_str().unwrap());

    let body = emulator.resumed("ses_demo_null_qr").await;
    assert_eq!(body["qr_code_data_url"], Value::Null);
    assert!(body["capture_url"].is_string());
}

#[tokio::test]
async fn every_answer_says_that_it_is_the_emulators() {
    let emulator = Emulator::start(&[]).await;
    for method in [Method::GET, Method::POST, Method::HEAD] {
        for path in ["/", "/nothing", "/verify/tok_x", "/verify/%ff", "/api/v1", "/api/v1/", "/api/v1/rate-limits"] {
            let response = emulator.request(method.clone(), path).send().await.unwrap();
            assert_eq!(response.headers()["x-emulator"], "verifa-mcp emulator, not Verifa", "{method} {path}");
            assert!(response.headers().contains_key("date"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn the_index_page_lists_the_endpoints_and_the_sessions() {
    let emulator = Emulator::start(&[]).await;
    let page = emulator.request(Method::GET, "/").send().await.unwrap().text().await.unwrap();
    for (id, about) in verifa_mcp::internals::demo_sessions() {
        assert!(page.contains(id) && page.contains(about), "{id}");
    }
    for endpoint in
        ["GET /sessions?", "GET /sessions/{session_id}", "/resume", "/generate-one-time-link", "/rate-limits"]
    {
        assert!(page.contains(endpoint), "{endpoint}");
    }
}

#[tokio::test]
async fn every_api_answer_tells_the_rate_limit_and_counts_down() {
    let emulator = Emulator::start(&[]).await;
    let mut resets = Vec::new();
    for (session, status) in [("ses_demo_expired", 200), ("ses_demo_completed", 400), ("ses_demo_nobody", 404)] {
        let response = emulator.resume(session).send().await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["x-ratelimit-limit"], "300");
        let number = |name| response.headers()[name].to_str().unwrap().parse::<i64>().unwrap();
        resets.push((number("x-ratelimit-reset"), number("x-ratelimit-remaining")));
    }
    // Within one minute of the clock each call leaves one less; a new minute may begin in between.
    assert!(resets.windows(2).all(|pair| pair[0].0 < pair[1].0 || pair[0].1 == pair[1].1 + 1), "{resets:?}");

    let nobody = emulator.request(Method::GET, "/api/v1/rate-limits").send().await.unwrap();
    assert_eq!(nobody.headers()["x-ratelimit-remaining"], "300");
}

#[tokio::test]
async fn the_rate_limits_endpoint_tells_the_environment_and_changes_nothing() {
    let emulator = Emulator::start(&[]).await;
    for (key, environment) in [(KEY, "sandbox"), (LIVE_KEY, "live")] {
        let (status, body) = snake(emulator.request(Method::GET, "/api/v1/rate-limits").header("X-API-Key", key)).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(keys(&body), ["rate_limit", "quotas", "plan", "environment"]);
        assert_eq!(keys(&body["rate_limit"]), ["limit", "remaining", "reset_in_seconds", "window_seconds"]);
        assert_eq!(body["environment"], environment);
        assert!((1..=60).contains(&body["rate_limit"]["reset_in_seconds"].as_i64().unwrap()));
    }
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_have_verifas_error_body() {
    let emulator = Emulator::start(&[]).await;
    for (method, path, expected, code) in [
        (Method::GET, "/api/v1/sessions/ses_demo_expired/resume", 405, "method_not_allowed"),
        (Method::POST, "/api/v1/rate-limits", 405, "method_not_allowed"),
        (Method::POST, "/api/v1/sessions", 405, "method_not_allowed"),
        (Method::DELETE, "/api/v1/sessions/ses_demo_expired", 405, "method_not_allowed"),
        (Method::GET, "/api/v1/sessions/ses_demo_expired/generate-one-time-link", 405, "method_not_allowed"),
        (Method::GET, "/api/v1/sessions/", 404, "not_found"),
        (Method::POST, "/api/v1/sessions/ses_demo_expired/resume/", 404, "not_found"),
        (Method::POST, "/api/v1/sessions//resume", 404, "not_found"),
        (Method::GET, "/api/v1/nothing", 404, "not_found"),
        (Method::GET, "/api/v1", 404, "not_found"),
        (Method::GET, "/api/v1/", 404, "not_found"),
    ] {
        let (status, body) = snake(emulator.request(method, path).header("X-API-Key", KEY)).await;
        assert_eq!((status.as_u16(), &body["error"]), (expected, &json!(code)), "{path}");
        assert_eq!(body["status_code"], expected);
    }
}

#[tokio::test]
async fn a_foreign_host_name_is_refused_and_changes_nothing() {
    let emulator = Emulator::start(&[]).await;
    let (status, body) = answer(emulator.resume("ses_demo_unavailable").header(HOST, "evil.example")).await;
    assert_eq!((status, &body["error"]), (StatusCode::FORBIDDEN, &json!("forbidden")));
    let localhost = emulator.resume("ses_demo_unavailable").header(HOST, "localhost:1");
    assert_eq!(snake(localhost).await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn other_addresses_than_loopback_are_not_bound() {
    use verifa_mcp::internals::{BindError, Emulator, EmulatorOptions as Options};

    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let options = Options { listen: listen.parse().unwrap(), ..Options::default() };
        assert!(matches!(Emulator::bind(options).await, Err(BindError::NotLoopback(_))), "{listen}");
    }
}

#[tokio::test]
async fn a_shutdown_lets_it_end() {
    use verifa_mcp::internals::{Emulator, EmulatorOptions as Options};

    let options = Options { listen: "127.0.0.1:0".parse().unwrap(), ..Options::default() };
    let emulator = Emulator::bind(options).await.unwrap();
    let (url, (stop, stopped)) = (emulator.url(), tokio::sync::oneshot::channel::<()>());
    let serving = tokio::spawn(emulator.serve(async { drop(stopped.await) }));
    // Browsers open connections in advance, and say nothing on them.
    let _silent = tokio::net::TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    let client = crate::program::http_client().build().unwrap();
    assert_eq!(client.get(&url).send().await.unwrap().status(), StatusCode::OK);
    drop(stop);
    tokio::time::timeout(Duration::from_secs(5), serving).await.unwrap().unwrap().unwrap();
}

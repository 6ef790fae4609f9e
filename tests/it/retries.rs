//! Repeating, waiting, cancelling and the bound on requests at once, seen from both ends.

use std::time::Duration;

use serde_json::json;

use crate::{
    program::{Client, text},
    upstream::{Reply, Upstream},
};

fn call(session_id: &str) -> serde_json::Value {
    json!({"name": "resume_session", "arguments": {"session_id": session_id}})
}

#[tokio::test]
async fn every_attempt_of_a_call_carries_the_same_idempotency_key_and_every_call_another() {
    let faults = [
        Reply::Close,
        Reply::new(503, &[], ""),
        Reply::error(429, "rate_limited", "Slow down"),
        Reply::error(500, "internal", "Oops"),
    ];
    let upstream = Upstream::start().await;
    let mut client = Client::of_api(&upstream.url, &[]).await;
    for _ in 0..2 {
        upstream.plan("", faults.clone().into_iter().chain([Reply::resumed()]));
        let result = client.resume(json!({"session_id": "ses_1"})).await;
        assert_eq!(result["isError"], false, "{result}");
    }
    let keys: Vec<_> = upstream.received().iter().map(|request| request.headers["idempotency-key"].clone()).collect();
    assert_eq!(keys.len(), 10);
    assert!(keys[..5].iter().all(|key| *key == keys[0]));
    assert!(keys[5..].iter().all(|key| *key == keys[5]));
    assert_ne!(keys[0], keys[5]);
}

#[tokio::test]
async fn a_conflict_after_a_lost_answer_is_repeated() {
    let upstream = Upstream::always([Reply::Close, Reply::error(409, "conflict", "Busy"), Reply::resumed()]).await;
    let mut client = Client::of_api(&upstream.url, &[]).await;
    assert_eq!(client.resume(json!({"session_id": "ses_1"})).await["isError"], false);
    assert_eq!(upstream.received().len(), 3);
}

#[tokio::test]
async fn a_refusal_is_not_repeated() {
    let upstream = Upstream::always([Reply::error(400, "invalid_state", "Completed"), Reply::resumed()]).await;
    let mut client = Client::of_api(&upstream.url, &[]).await;
    assert_eq!(client.resume(json!({"session_id": "ses_1"})).await["isError"], true);
    assert_eq!(upstream.received().len(), 1);
}

#[tokio::test]
async fn a_refusal_that_came_late_and_without_its_body_is_still_a_refusal() {
    let head = b"HTTP/1.1 404 X\r\ncontent-length: 100\r\n\r\n".to_vec();
    let late = Reply::LateUnfinished(Duration::from_millis(1_700), head);
    let upstream = Upstream::always([late, Reply::resumed()]).await;
    let mut client = Client::of_api(&upstream.url, &[("VERIFA_MCP_ATTEMPT_TIMEOUT", "2s")]).await;
    let result = client.resume(json!({"session_id": "ses_1"})).await;
    assert!(text(&result).contains("404"), "{result}");
    assert_eq!(upstream.received().len(), 1);
}

#[tokio::test]
async fn a_wait_beyond_the_budget_is_reported_and_not_waited_for() {
    for retry_after in ["retry-after: 3600", "retry-after: Fri, 31 Dec 9999 23:59:59 GMT"] {
        let upstream = Upstream::always([Reply::new(429, &[retry_after], ""), Reply::resumed()]).await;
        let mut client = Client::of_api(&upstream.url, &[]).await;
        let result = client.resume(json!({"session_id": "ses_1"})).await;
        assert!(text(&result).contains("Retry in ") && !text(&result).contains("Tried"), "{result}");
        assert_eq!(upstream.received().len(), 1);
    }
}

#[tokio::test]
async fn progress_is_reported_to_clients_that_ask_for_it_while_a_call_waits() {
    let upstream = Upstream::always([Reply::new(429, &["retry-after: 1"], ""), Reply::resumed()]).await;
    let mut client = Client::of_api(&upstream.url, &[]).await;
    let mut params = call("ses_1");
    params["_meta"] = json!({"progressToken": "token-7"});
    let id = client.send("tools/call", params).await;
    let progress = client.receive().await.unwrap();
    assert_eq!(progress["method"], "notifications/progress");
    assert_eq!(progress["params"]["progressToken"], "token-7");
    assert_eq!(progress["params"]["message"], "Attempt 1 failed (status 429); next attempt in 1.0 s");
    assert_eq!(client.receive().await.unwrap()["id"], id);

    upstream.plan("", [Reply::new(429, &["retry-after: 1"], ""), Reply::resumed()]);
    let id = client.send("tools/call", call("ses_1")).await;
    assert_eq!(client.receive().await.unwrap()["id"], id, "no progress for a client that did not ask");
}

#[tokio::test]
async fn a_cancelled_call_stops_its_request() {
    let upstream = Upstream::start().await;
    upstream.plan("ses_slow", [Reply::Hang]);
    upstream.plan("ses_fast", [Reply::resumed()]);
    let mut client = Client::of_api(&upstream.url, &[]).await;
    let id = client.send("tools/call", call("ses_slow")).await;
    upstream.arrival().await;
    client.notify("notifications/cancelled", json!({"requestId": id, "reason": "changed my mind"})).await;
    upstream.hang_up().await;
    assert_eq!(client.resume(json!({"session_id": "ses_fast"})).await["isError"], false);
    assert_eq!(upstream.received().len(), 2);
}

#[tokio::test]
async fn no_more_requests_run_at_once_than_allowed() {
    let upstream = Upstream::always([Reply::resumed().late()]).await;
    let mut client = Client::of_api(&upstream.url, &[("VERIFA_MCP_MAX_UPSTREAM", "3")]).await;
    for _ in 0..12 {
        client.send("tools/call", call("ses_1")).await;
    }
    for _ in 0..12 {
        assert_eq!(client.receive().await.unwrap()["result"]["isError"], false);
    }
    assert_eq!((upstream.most_at_once(), upstream.received().len()), (3, 12));
}

#[tokio::test]
async fn a_call_that_finds_no_room_in_time_says_that_nothing_was_sent() {
    let upstream = Upstream::always([Reply::Hang]).await;
    let settings = [("VERIFA_MCP_MAX_UPSTREAM", "1"), ("VERIFA_MCP_RETRY_BUDGET", "1s")];
    let mut client = Client::of_api(&upstream.url, &settings).await;
    client.send("tools/call", call("ses_1")).await;
    let second = client.send("tools/call", call("ses_2")).await;
    let answer = client.receive().await.unwrap();
    assert_eq!(answer["id"], second);
    assert!(text(&answer["result"]).contains("reached its limit of concurrent requests"), "{answer}");
    assert!(text(&answer["result"]).contains("The session was not resumed."));
    assert_eq!(upstream.received().len(), 1);
}

#[tokio::test]
async fn a_permit_is_free_while_a_call_waits_between_two_attempts() {
    let upstream = Upstream::start().await;
    upstream.plan("ses_waiting", [Reply::new(503, &["retry-after: 2"], ""), Reply::resumed()]);
    upstream.plan("ses_fast", [Reply::resumed()]);
    let mut client = Client::of_api(&upstream.url, &[("VERIFA_MCP_MAX_UPSTREAM", "1")]).await;
    let waiting = client.send("tools/call", call("ses_waiting")).await;
    upstream.arrival().await;
    let fast = client.send("tools/call", call("ses_fast")).await;
    assert_eq!(client.receive().await.unwrap()["id"], fast);
    assert_eq!(client.receive().await.unwrap()["id"], waiting);
}

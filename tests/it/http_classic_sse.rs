//! The classic HTTP+SSE transport: a round trip, who may use a stream, how many there may be, and how they end.

use std::collections::VecDeque;

use reqwest::Url;
use serde_json::{Value, json};

use crate::{
    program::{HttpServer, SANDBOX_KEY, eventually, resume_message, run, stdout, tool_names},
    upstream::{Reply, Upstream},
};

/// The path that clients resolve an endpoint event to, which came from this path.
pub(crate) fn resolved(endpoint: &str, sse: &str) -> String {
    let url = Url::parse("http://localhost").unwrap().join(sse).unwrap().join(endpoint).unwrap();
    format!("{}?{}", url.path(), url.query().unwrap())
}

/// A client's end of a stream.
pub(crate) struct Stream<'a> {
    server: &'a HttpServer,
    key: &'a str,
    response: reqwest::Response,
    pub(crate) endpoint: String,
    buffer: String,
    events: VecDeque<(String, String)>,
}

impl<'a> Stream<'a> {
    pub(crate) async fn open(server: &'a HttpServer, key: &'a str) -> Self {
        let response = server.get("/sse").bearer_auth(key).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let (endpoint, buffer, events) = Default::default();
        let mut stream = Self { server, key, response, endpoint, buffer, events };
        let (event, endpoint) = stream.event().await.unwrap();
        assert_eq!(event, "endpoint");
        stream.endpoint = resolved(&endpoint, "/sse");
        stream
    }

    async fn event(&mut self) -> Option<(String, String)> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let chunk = self.response.chunk().await.ok()??;
            self.buffer += str::from_utf8(&chunk).unwrap();
            while let Some((event, rest)) = self.buffer.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                if let (Some(kind), Some(data)) = (field("event: "), field("data: ")) {
                    self.events.push_back((kind, data));
                }
                self.buffer = rest.to_owned();
            }
        }
    }

    pub(crate) async fn message(&mut self) -> Value {
        let (event, data) = self.event().await.unwrap();
        assert_eq!(event, "message");
        serde_json::from_str(&data).unwrap()
    }

    async fn send(&self, message: &Value) -> u16 {
        let request = self.server.post(&self.endpoint, message).bearer_auth(self.key);
        request.send().await.unwrap().status().as_u16()
    }

    pub(crate) async fn initialize(&mut self) {
        let client = json!({"name": "integration tests", "version": "1"});
        let params = json!({"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": client});
        let initialize = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        assert_eq!(self.send(&initialize).await, 202);
        assert_eq!(self.message().await["result"]["protocolVersion"], "2024-11-05");
        assert_eq!(self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await, 202);
    }
}

#[tokio::test]
async fn a_call_is_posted_to_messages_and_its_result_is_sent_on_the_stream() {
    let upstream = Upstream::always([Reply::resumed()]).await;
    let server = HttpServer::of_api(&upstream.url, &[]).await;
    let mut stream = Stream::open(&server, "vk_live_mine").await;
    assert_eq!(stream.endpoint.len(), "/messages?sessionId=".len() + 32);
    stream.initialize().await;
    assert_eq!(stream.send(&resume_message("ses_1")).await, 202);
    let answer = stream.message().await;
    assert_eq!(answer["result"]["structuredContent"]["status"], "pending", "{answer}");
    assert_eq!(upstream.received()[0].headers["x-api-key"], "vk_live_mine");
    let mut wrong = resume_message("../x");
    wrong["id"] = json!("second");
    assert_eq!(stream.send(&wrong).await, 202);
    let error = stream.message().await;
    assert!(error["result"]["content"][0]["text"].as_str().unwrap().contains("Request id: "), "{error}");
}

#[tokio::test]
async fn behind_a_path_prefix_messages_go_below_the_prefix() {
    let server = HttpServer::start(&[], &[]).await;
    let mut stream = Stream::open(&server, SANDBOX_KEY).await;
    stream.response = server.get("/sse?toolsets=lookup").bearer_auth(SANDBOX_KEY).send().await.unwrap();
    let endpoint = stream.event().await.unwrap().1;
    let below = |sse| resolved(&endpoint, sse).split('?').next().unwrap().to_owned();
    assert_eq!(below("/verifa/sse"), "/verifa/messages");
    assert_eq!(below("/sse?toolsets=lookup"), "/messages");
}

#[tokio::test]
async fn a_stream_accepts_messages_with_its_own_credentials_only() {
    let server = HttpServer::start(&[], &[]).await;
    let stream = Stream::open(&server, "vk_live_mine").await;
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    for (path, key, status) in [
        (stream.endpoint.as_str(), Some("vk_live_other"), 401),
        (&stream.endpoint, None, 401),
        ("/messages?sessionId=00000000000000000000000000000000", Some("vk_live_mine"), 404),
        ("/messages", Some("vk_live_mine"), 404),
    ] {
        let mut request = server.post(path, &ping);
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        assert_eq!(request.send().await.unwrap().status(), status, "{path} {key:?}");
    }
    let nonsense = server.post(&stream.endpoint, &json!("nonsense")).bearer_auth("vk_live_mine").send().await.unwrap();
    assert_eq!(nonsense.status(), 400);
    let closed = stream.endpoint.clone();
    drop(stream);
    eventually(async || server.post(&closed, &ping).bearer_auth("vk_live_mine").send().await.unwrap().status() == 404)
        .await;
}

#[tokio::test]
async fn calls_beyond_a_callers_limit_wait_for_a_permit() {
    let upstream = Upstream::always([Reply::resumed().late()]).await;
    let server = HttpServer::of_api(&upstream.url, &[("VERIFA_MCP_MAX_UPSTREAM", "8")]).await;
    let mut stream = Stream::open(&server, SANDBOX_KEY).await;
    stream.initialize().await;
    for id in 1..=10 {
        let mut message = resume_message("ses_1");
        message["id"] = json!(id);
        assert_eq!(stream.send(&message).await, 202);
    }
    for _ in 0..10 {
        assert_eq!(stream.message().await["result"]["isError"], false);
    }
    assert!(upstream.most_at_once() <= 2);
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_calls() {
    let upstream = Upstream::always([Reply::Hang]).await;
    let server = HttpServer::of_api(&upstream.url, &[]).await;
    let mut stream = Stream::open(&server, SANDBOX_KEY).await;
    stream.initialize().await;
    stream.send(&resume_message("ses_1")).await;
    upstream.arrival().await;
    drop(stream);
    upstream.hang_up().await;
}

#[tokio::test]
async fn streams_are_limited_and_a_permit_is_released_when_one_ends() {
    let server = HttpServer::start(&["--max-streams", "8"], &[]).await;
    let status = async |key: &str| {
        let response = server.get("/sse").bearer_auth(key).send().await.unwrap();
        let retry_after = response.headers().get("retry-after").is_some_and(|seconds| seconds == "5");
        (response.status().as_u16(), retry_after)
    };
    let first = Stream::open(&server, "vk_live_a").await;
    let _second = Stream::open(&server, "vk_live_a").await;
    assert_eq!(status("vk_live_a").await, (503, true), "one caller has a quarter");
    let mut others = Vec::new();
    for key in ["vk_live_b", "vk_live_c", "vk_live_d"] {
        others.extend([Stream::open(&server, key).await, Stream::open(&server, key).await]);
    }
    assert_eq!(status("vk_live_e").await, (503, true), "all permits are in use");
    drop(first);
    eventually(async || status("vk_live_e").await.0 == 200).await;
}

#[tokio::test]
async fn a_stream_ends_when_its_token_is_revoked_or_narrowed_and_never_widens() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    let path = file.to_str().unwrap();
    for change in ["revoked", "narrowed", "widened"] {
        let arguments: &[&str] = if change == "widened" { &["--read-only"] } else { &[] };
        let arguments = ["token", "new", change, "--tokens-file", path].into_iter().chain(arguments.iter().copied());
        let token = stdout(&run(arguments, &[]).await).trim().to_owned();
        let upstream = Upstream::always([Reply::resumed()]).await;
        let environment =
            [("VERIFA_API_KEY", SANDBOX_KEY), ("VERIFA_API_URL", &upstream.url), ("VERIFA_MCP_TOKENS_FILE", path)];
        let server = HttpServer::start(&["--auth", "token"], &environment).await;
        let mut stream = Stream::open(&server, &token).await;
        stream.initialize().await;
        let text = std::fs::read_to_string(&file).unwrap();
        let changed = match change {
            "revoked" => text.lines().filter(|line| !line.contains(change)).collect::<Vec<_>>().join("\n"),
            "narrowed" => text.replace("\"read_only\":false", "\"read_only\":true"),
            _ => text.replace("\"read_only\":true", "\"read_only\":false"),
        };
        assert_ne!(changed, text);
        std::fs::write(&file, changed).unwrap();
        stream.send(&resume_message("ses_1")).await;
        if change == "widened" {
            assert_eq!(stream.message().await["result"]["isError"], true);
            continue;
        }
        while let Some((_, data)) = stream.event().await {
            assert!(data.contains(r#""isError":true"#), "{data}");
        }
        assert!(upstream.received().is_empty(), "{change}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_its_stream_waits_with_its_messages() {
    let server = HttpServer::start(&["--emulator"], &[("VERIFA_MCP_RETRY_BUDGET", "10ms")]).await;
    let mut stream = Stream::open(&server, SANDBOX_KEY).await;
    stream.initialize().await;
    let ping = json!({"jsonrpc": "2.0", "id": "x".repeat(60_000), "method": "ping"});
    eventually(async || {
        let response = server.post(&stream.endpoint, &ping).bearer_auth(SANDBOX_KEY).send().await.unwrap();
        response.status() == 504 && response.text().await.unwrap().contains("your stream is not read")
    })
    .await;
}

#[tokio::test]
async fn the_permissions_of_a_stream_are_those_it_was_opened_with() {
    let server = HttpServer::start(&[], &[]).await;
    let response = server.get("/sse?read_only=true").bearer_auth(SANDBOX_KEY).send().await.unwrap();
    let (endpoint, buffer, events) = Default::default();
    let mut stream = Stream { server: &server, key: SANDBOX_KEY, response, endpoint, buffer, events };
    stream.endpoint = resolved(&stream.event().await.unwrap().1, "/sse") + "&read_only=false";
    stream.initialize().await;
    stream.send(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})).await;
    assert_eq!(tool_names(&stream.message().await), ["list_sessions", "get_session"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_stream_ends_when_the_server_stops_after_the_result_of_its_call() {
    let upstream = Upstream::always([Reply::new(503, &["retry-after: 2"], ""), Reply::resumed()]).await;
    let server = HttpServer::of_api(&upstream.url, &[]).await;
    let mut stream = Stream::open(&server, SANDBOX_KEY).await;
    stream.initialize().await;
    stream.send(&resume_message("ses_1")).await;
    upstream.arrival().await;
    server.signal("TERM").await;
    assert_eq!(stream.message().await["result"]["isError"], false);
    assert!(stream.event().await.is_none());
    drop(stream);
    assert!(server.end().await.0.success());
}

#[cfg(unix)]
#[tokio::test]
async fn a_message_that_waits_for_a_permit_starts_no_call_once_the_server_stops() {
    let upstream = Upstream::always([Reply::new(503, &["retry-after: 2"], ""), Reply::resumed()]).await;
    let server = HttpServer::of_api(&upstream.url, &[("VERIFA_MCP_MAX_UPSTREAM", "1")]).await;
    let mut stream = Stream::open(&server, SANDBOX_KEY).await;
    stream.initialize().await;
    assert_eq!(stream.send(&resume_message("ses_1")).await, 202);
    upstream.arrival().await;
    let waits = server.post(&stream.endpoint, &resume_message("ses_2")).bearer_auth(SANDBOX_KEY);
    let waits = tokio::spawn(waits.send());
    // It is read before this one is answered.
    assert_eq!(stream.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await, 202);
    server.signal("TERM").await;
    assert_eq!(stream.message().await["result"]["isError"], false);
    let refused = waits.await.unwrap().unwrap();
    assert_eq!(refused.status(), 503);
    assert!(refused.text().await.unwrap().contains("This server is stopping"));
    assert!(upstream.received().iter().all(|request| request.line.contains("/ses_1/")));
}

#[tokio::test]
async fn it_can_be_disabled() {
    let server = HttpServer::start(&["--no-classic-sse"], &[]).await;
    assert_eq!(server.get("/sse").bearer_auth(SANDBOX_KEY).send().await.unwrap().status(), 404);
    let message = server.post("/messages?sessionId=x", &json!({})).bearer_auth(SANDBOX_KEY).send().await.unwrap();
    assert_eq!(message.status(), 404);
}

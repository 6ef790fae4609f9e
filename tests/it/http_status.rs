//! `docs/http.md` compared with the program: its HTTP statuses and its metrics.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    documents::{document, section},
    http_classic_sse::resolved,
    program::{HttpServer, SANDBOX_KEY, resume_message},
    tokens::Place,
    upstream::{Reply, Upstream},
};

const PAGE: &str = "docs/http.md";
/// The status of a timeout, which has a test of its own. Never 408: that invites clients to resend, and the call may have
/// been made.
const TIMEOUT: u16 = 504;

/// The first cell of every row of the table in this part of the page.
fn first_cells(part: &str) -> Vec<&str> {
    let rows = part.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.trim_start_matches('|').split('|').next().unwrap().trim()).collect()
}

async fn status(request: reqwest::RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

/// Sends these bytes with the headers of a call, and returns the connection.
async fn send_raw(server: &HttpServer, path: &str, headers: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
    let usual = "host: localhost\r\naccept: application/json, text/event-stream\r\ncontent-type: application/json\r\n";
    let request =
        format!("POST {path} HTTP/1.1\r\n{usual}authorization: Bearer {SANDBOX_KEY}\r\n{headers}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn raw_status(server: &HttpServer, path: &str, headers: &str, body: &str) -> u16 {
    let mut answer = [0; 12];
    send_raw(server, path, headers, body).await.read_exact(&mut answer).await.unwrap();
    str::from_utf8(&answer[9..]).unwrap().parse().unwrap()
}

#[tokio::test]
async fn the_table_of_statuses_lists_those_that_the_server_sends() {
    let server = HttpServer::start(&["--max-streams", "1"], &[]).await;
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let post = |path: &str, message: &Value| server.post(path, message).bearer_auth(SANDBOX_KEY);
    let bare = || server.client.post(format!("{}/mcp", server.url)).bearer_auth(SANDBOX_KEY).body(list.to_string());
    let newest = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let unknown = json!({"jsonrpc": "2.0", "id": 1, "method": "unknown", "params": {"_meta": newest}});
    let preflight = server.client.request(reqwest::Method::OPTIONS, format!("{}/mcp", server.url));
    let many_headers =
        (0..200).fold(server.get("/healthz"), |request, number| request.header(format!("x-{number}"), 1));

    let mut seen = BTreeSet::new();
    let mut stream = server.get("/sse").bearer_auth(SANDBOX_KEY).send().await.unwrap();
    let first = String::from_utf8(stream.chunk().await.unwrap().unwrap().to_vec()).unwrap();
    let endpoint = first.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let endpoint = &resolved(endpoint, "/sse");
    for (expected, request) in [
        (200, post("/mcp", &list)),
        (200, server.get("/readyz")),
        (200, preflight.header("origin", "http://localhost:1").header("access-control-request-method", "POST")),
        (202, post("/mcp", &json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))),
        (202, post(endpoint, &list)),
        (400, post("/mcp?read_only=perhaps", &list)),
        (400, post("/mcp", &list).header("mcp-protocol-version", "1999-01-01")),
        (400, post("/mcp", &unknown).header("mcp-protocol-version", "2026-07-28").header("mcp-method", "tools/list")),
        (400, post("/mcp", &json!("nonsense"))),
        (400, post(endpoint, &json!("nonsense"))),
        (401, server.post("/mcp", &list)),
        (401, server.post("/mcp", &list).bearer_auth("nonsense")),
        (401, server.post(endpoint, &list).bearer_auth("vk_sandbox_other")),
        (403, post("/mcp", &list).header("host", "evil.example")),
        (403, post("/mcp", &list).header("origin", "https://evil.example")),
        (404, server.get("/nothing")),
        (404, post("/messages?sessionId=unknown", &list)),
        (404, post("/mcp", &unknown).header("mcp-protocol-version", "2026-07-28").header("mcp-method", "unknown")),
        (405, server.get("/mcp").bearer_auth(SANDBOX_KEY)),
        (405, server.post("/readyz", &list)),
        (406, bare().header("content-type", "application/json").header("accept", "application/json")),
        (413, post("/mcp", &json!("x".repeat(70_000)))),
        (413, post("/messages", &json!("x".repeat(70_000)))),
        (415, bare().header("accept", "application/json, text/event-stream")),
        (431, many_headers),
        (503, server.get("/sse").bearer_auth(SANDBOX_KEY)),
    ] {
        let sent = format!("{request:?}");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), expected, "{sent}");
        // hyper itself rejects what it cannot read, without a body.
        if expected >= 400 && expected != 431 {
            assert_eq!(response.headers()["content-type"], "application/json", "{sent}");
            let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
            assert!(body["error"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{sent}: {body}");
        }
        seen.insert(expected);
    }
    let long = format!("/mcp?{}", "x".repeat(70_000));
    for (expected, path, headers, body) in
        [(414, long.as_str(), "content-length: 0", ""), (400, "/mcp", "transfer-encoding: chunked", "no chunk\r\n")]
    {
        assert_eq!(raw_status(&server, path, headers, body).await, expected);
        seen.insert(expected);
    }

    let upstream = Upstream::always([Reply::Hang]).await;
    let narrow = HttpServer::of_api(&upstream.url, &[("VERIFA_MCP_MAX_UPSTREAM", "1")]).await;
    let slow = tokio::spawn(narrow.resume(SANDBOX_KEY, "ses_1").send());
    upstream.arrival().await;
    assert_eq!(status(narrow.resume(SANDBOX_KEY, "ses_1")).await, 429);
    seen.insert(429);
    slow.abort();

    let page = document(PAGE);
    let table = first_cells(section(&page, "HTTP status codes"));
    let documented: BTreeSet<u16> = table.iter().map(|cell| cell.parse().unwrap()).collect();
    assert_eq!(documented.len(), table.len(), "a status is in the table twice");
    // What only an error in the server causes.
    seen.insert(500);
    seen.insert(TIMEOUT);
    assert_eq!(documented, seen);
}

#[tokio::test]
async fn a_request_that_does_not_end_in_time_gets_504() {
    let server = HttpServer::start(&[], &[("VERIFA_MCP_RETRY_BUDGET", "10ms")]).await;
    let mut answer = String::new();
    send_raw(&server, "/mcp", "content-length: 100", "{").await.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with(&format!("HTTP/1.1 {TIMEOUT} ")), "{answer}");
    assert!(answer.contains("No response in time. What was requested may still have been done"), "{answer}");
}

#[tokio::test]
async fn a_client_that_uses_another_path_is_told_the_right_one() {
    let server = HttpServer::start(&[], &[]).await;
    for path in ["/", "/mcp//", "/MCP", "/api/v1/mcp"] {
        let response = server.post(path, &resume_message("ses_1")).bearer_auth(SANDBOX_KEY).send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
        assert!(response.text().await.unwrap().contains("No such path. MCP is at /mcp."), "{path}");
    }
}

#[tokio::test]
async fn the_metrics_on_the_page_are_those_of_the_server() {
    let upstream = Upstream::always([Reply::error(500, "internal", "Oops"), Reply::resumed()]).await;
    let place = Place::new();
    let token = place.issue("jane");
    let environment = [("VERIFA_API_KEY", SANDBOX_KEY), ("VERIFA_MCP_TOKENS_FILE", place.file.to_str().unwrap())];
    let arguments = ["--auth", "token", "--api-url", &upstream.url];
    let server = HttpServer::start(&arguments, &environment).await;
    assert_eq!(status(server.post("/mcp", &resume_message("ses_1")).bearer_auth(token)).await, 200);
    let text = server.get("/metrics").send().await.unwrap().text().await.unwrap();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let suffix = |kind: &str| if kind == "counter" { "_total" } else { "" };
    let served: BTreeSet<String> = types.map(|(name, kind)| format!("`{name}{}`", suffix(kind))).collect();
    let page = document(PAGE);
    let table = first_cells(section(&page, "Logs, audit and metrics"));
    assert_eq!(table.iter().map(|cell| (*cell).to_owned()).collect::<BTreeSet<_>>(), served);
}

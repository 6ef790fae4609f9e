//! Streamable HTTP at `/mcp`: both eras, streams, cancelling, and what an operator sees in logs and metrics.

use std::process::Stdio;

use futures_util::future::join_all;
#[cfg(target_os = "linux")]
#[cfg(unix)]
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use crate::{
    documents::{blocks, document},
    program::{HttpServer, SANDBOX_KEY, eventually, fetch, program, resume_message, run, stderr},
    upstream::{Reply, Upstream},
};

pub(crate) async fn json_of(request: reqwest::RequestBuilder) -> Value {
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

#[tokio::test]
async fn every_older_revision_is_spoken_statelessly() {
    let server = HttpServer::start(&["--emulator"], &[]).await;
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let client = json!({"name": "integration tests", "version": "1"});
        let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": client});
        let initialize = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        let response = server.post("/mcp", &initialize).send().await.unwrap();
        assert!(response.headers().get("mcp-session-id").is_none());
        let answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        assert_eq!(answer["result"]["protocolVersion"], version);
        let call = server.post("/mcp", &resume_message("ses_demo_expired")).header("mcp-protocol-version", version);
        let result = json_of(call).await["result"].take();
        assert_eq!(result["structuredContent"]["status"], "pending", "{result}");
        assert_eq!(result["content"][1]["type"], "image");
    }
}

#[tokio::test]
async fn the_newest_revision_is_spoken_without_initialize() {
    let server = HttpServer::start(&["--emulator"], &[]).await;
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let mut call = resume_message("ses_demo_expired");
    call["params"]["_meta"] = meta.clone();
    let discover = json!({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": meta}});
    for (method, name, message) in [("server/discover", "", discover), ("tools/call", "resume_session", call)] {
        let mut request =
            server.post("/mcp", &message).header("mcp-protocol-version", "2026-07-28").header("mcp-method", method);
        if !name.is_empty() {
            request = request.header("mcp-name", name);
        }
        let answer = json_of(request).await;
        assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
    }
}

#[tokio::test]
async fn wildcards_in_accept_or_no_accept_and_a_trailing_slash_are_served() {
    let server = HttpServer::start(&["--emulator"], &[]).await;
    for path in ["/mcp", "/mcp/", "/mcp/?read_only=false"] {
        let message = resume_message("ses_demo_expired").to_string();
        for accept in ["*/*", "application/*", "text/html, */*;q=0.8"] {
            let request = server.client.post(format!("{}{path}", server.url)).body(message.clone());
            let request = request.header("content-type", "application/json").header("accept", accept);
            assert_eq!(json_of(request).await["result"]["isError"], false, "{path} {accept}");
        }
        let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
        let length = format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n", message.len());
        let mut connection = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
        connection.write_all((head + &length + &message).as_bytes()).await.unwrap();
        let mut response = String::new();
        connection.read_to_string(&mut response).await.unwrap();
        assert!(response.starts_with("HTTP/1.1 200") && response.contains(r#""isError":false"#), "{response}");
    }
}

#[tokio::test]
async fn progress_makes_the_response_an_event_stream() {
    let upstream = Upstream::always([Reply::new(429, &["retry-after: 1"], ""), Reply::resumed()]).await;
    let server = HttpServer::of_api(&upstream.url, &[]).await;
    let mut message = resume_message("ses_1");
    message["params"]["_meta"] = json!({"progressToken": 5});
    let response = server.post("/mcp", &message).bearer_auth(SANDBOX_KEY).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    let text = response.text().await.unwrap();
    let events: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .filter_map(|data| serde_json::from_str(data).ok())
        .collect();
    assert_eq!(events[0]["params"]["progressToken"], 5, "{text}");
    assert_eq!(events[1]["result"]["isError"], false, "{text}");
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_request_to_verifa() {
    let upstream = Upstream::always([Reply::Hang]).await;
    let server = HttpServer::of_api(&upstream.url, &[]).await;
    let call = tokio::spawn(server.resume(SANDBOX_KEY, "ses_1").send());
    upstream.arrival().await;
    call.abort();
    upstream.hang_up().await;
}

#[tokio::test]
async fn it_listens_on_several_addresses_and_on_ipv6() {
    let mut command = program(["http", "--emulator", "--listen", "127.0.0.1:0,[::1]:0", "--listen", "127.0.0.1:0"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut text = String::new();
    while text.lines().count() < 3 || !text.ends_with('\n') {
        text.push(stdout.read_u8().await.unwrap().into());
    }
    for line in text.lines() {
        let url = line.strip_prefix("MCP server listening on ").unwrap().replace("/mcp", "/readyz");
        assert_eq!(fetch(&url).await.text().await.unwrap(), "ready\n");
    }
    assert!(text.contains("http://[::1]:"));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn on_a_single_core_a_call_that_hangs_delays_no_other() {
    let cores = sched_getaffinity(None).unwrap();
    let mut core = CpuSet::new();
    core.set((0..CpuSet::MAX_CPU).find(|core| cores.is_set(*core)).unwrap());
    // The server starts from this thread, and keeps to its core.
    sched_setaffinity(None, &core).unwrap();
    let upstream = Upstream::always([Reply::resumed()]).await;
    upstream.plan("ses_hangs", [Reply::Hang]);
    let server = HttpServer::of_api(&upstream.url, &[]).await;
    let hanging = tokio::spawn(server.resume(SANDBOX_KEY, "ses_hangs").send());
    upstream.arrival().await;
    let answers = join_all((0..10).map(|_| json_of(server.resume(SANDBOX_KEY, "ses_1")))).await;
    assert!(answers.iter().all(|answer| answer["result"]["isError"] == false), "{answers:?}");
    assert!(!hanging.is_finished());
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let server = HttpServer::start(&["--emulator"], &[]).await;
    let address = server.url.strip_prefix("http://").unwrap();
    let output = run(["http", "--emulator", "--listen", address], &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&format!("cannot listen on {address}")), "{}", stderr(&output));
}

#[tokio::test]
async fn metrics_count_calls_and_name_no_caller_and_no_session() {
    let upstream = Upstream::always([Reply::error(500, "internal", "Oops"), Reply::resumed()]).await;
    let server = HttpServer::of_api(&upstream.url, &[]).await;
    let mut stream = server.get("/sse").bearer_auth(SANDBOX_KEY).send().await.unwrap();
    stream.chunk().await.unwrap();
    json_of(server.resume(SANDBOX_KEY, "ses_metrics")).await;
    json_of(server.resume(SANDBOX_KEY, "../x")).await;
    let response = server.get("/metrics").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = response.text().await.unwrap();
    for line in [
        r#"verifa_mcp_calls_total{tool="resume_session",outcome="success"} 1"#,
        r#"verifa_mcp_calls_total{tool="resume_session",outcome="invalid_arguments"} 1"#,
        r#"verifa_mcp_upstream_requests_total{status="500"} 1"#,
        r#"verifa_mcp_upstream_requests_total{status="200"} 1"#,
        "verifa_mcp_retries_total 1",
        "verifa_mcp_running_calls 0",
        "verifa_mcp_live_streams 1",
        r#"verifa_mcp_http_requests_total{path="/mcp",status="200"} 2"#,
        r#"verifa_mcp_call_seconds_count{tool="resume_session"} 2"#,
    ] {
        assert!(text.lines().any(|it| it == line), "{line} in\n{text}");
    }
    assert!(!text.contains("ses_") && !text.contains("vk_"));
}

#[tokio::test]
async fn a_request_that_the_retry_budget_ends_is_counted_as_without_response() {
    let upstream = Upstream::always([Reply::error(503, "unavailable", "busy"), Reply::Hang]).await;
    let server = HttpServer::of_api(&upstream.url, &[("VERIFA_MCP_RETRY_BUDGET", "2s")]).await;
    let answer = json_of(server.resume(SANDBOX_KEY, "ses_1")).await;
    assert!(answer["result"]["content"][0]["text"].as_str().unwrap().contains("503"), "{answer}");
    let text = server.get("/metrics").send().await.unwrap().text().await.unwrap();
    for status in ["503", "0"] {
        let line = format!("verifa_mcp_upstream_requests_total{{status=\"{status}\"}} 1");
        assert!(text.lines().any(|it| it == line), "{line} in\n{text}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_call_whose_client_left_is_counted_and_logged() {
    let upstream = Upstream::always([Reply::Hang]).await;
    let server = HttpServer::of_api(&upstream.url, &[]).await;
    let call = tokio::spawn(server.resume(SANDBOX_KEY, "ses_1").send());
    upstream.arrival().await;
    call.abort();
    upstream.hang_up().await;
    let metrics = format!("{}/metrics", server.url);
    eventually(async || {
        let text = fetch(&metrics).await.text().await.unwrap();
        text.contains(r#"verifa_mcp_calls_total{tool="resume_session",outcome="cancelled"} 1"#)
            && text.contains(r#"verifa_mcp_http_requests_total{path="/mcp",status="499"} 1"#)
    })
    .await;
    server.signal("TERM").await;
    let log = server.end().await.1;
    assert!(log.contains("status=499") && !log.contains("ERROR"), "{log}");
}

#[tokio::test]
async fn it_prints_where_it_listens_as_the_page_shows() {
    let mut child = program(["http", "--emulator", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (first, second) = (lines.next_line().await.unwrap().unwrap(), lines.next_line().await.unwrap().unwrap());
    let port = first.strip_suffix("/mcp").unwrap().rsplit(':').next().unwrap();
    let printed = format!("{first}\n{second}\n").replace(port, "8787");
    assert!(blocks(&document("docs/http.md"), "text").contains(&printed.as_str()), "{printed}");
}

#[tokio::test]
async fn metrics_are_not_served_where_others_can_reach_them() {
    let arguments = ["--listen", "0.0.0.0:0", "--metrics-listen", "127.0.0.1:0"];
    let mut command = program(["http"].into_iter().chain(arguments));
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut text = String::new();
    while text.lines().count() < 2 || !text.ends_with('\n') {
        text.push(stdout.read_u8().await.unwrap().into());
    }
    let mut lines = text.lines();
    let main = lines.next().unwrap().strip_prefix("MCP server listening on ").unwrap();
    let main = main.replace("0.0.0.0", "127.0.0.1").replace("/mcp", "/metrics");
    assert_eq!(fetch(&main).await.status(), 404);
    let metrics = lines.next().unwrap().strip_prefix("Metrics on ").unwrap();
    assert!(fetch(metrics).await.text().await.unwrap().contains("verifa_mcp_retries_total 0"));
}

#[cfg(unix)]
#[tokio::test]
async fn a_request_has_one_id_in_its_response_its_error_and_the_log() {
    let server = HttpServer::start(&[], &[]).await;
    let mut ids = vec!["mine-1_A".to_owned()];
    let given = server.resume(SANDBOX_KEY, "../x").header("x-request-id", "mine-1_A").send().await.unwrap();
    assert_eq!(given.headers()["x-request-id"], "mine-1_A");
    assert!(given.text().await.unwrap().contains("Request id: mine-1_A"));
    for strange in ["a b", "", &"x".repeat(65), "a\u{7f}b", "<script>", "VK_LIVE_x", "x-Tok_x"] {
        let Ok(value) = reqwest::header::HeaderValue::from_str(strange) else { continue };
        let response = server.resume(SANDBOX_KEY, "../x").header("x-request-id", value).send().await.unwrap();
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        assert_eq!(id.len(), 36);
        assert!(response.text().await.unwrap().contains(&format!("Request id: {id}")));
        ids.push(id);
    }
    server.signal("TERM").await;
    let (_, log) = server.end().await;
    for id in ids {
        assert!(log.lines().any(|line| line.contains(&format!("request_id=\"{id}\""))), "{id} in {log}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn rejected_requests_are_summed_up_in_the_log() {
    let server = HttpServer::start(&[], &[]).await;
    for _ in 0..300 {
        assert_eq!(server.post("/mcp", &json!({})).send().await.unwrap().status(), 401);
        assert_eq!(server.get("/nothing").send().await.unwrap().status(), 404);
    }
    server.signal("TERM").await;
    let log = server.end().await.1;
    for status in ["status=401", "status=404"] {
        let lines = log.lines().filter(|line| line.contains(status));
        let (sums, single): (Vec<_>, Vec<_>) = lines.partition(|line| line.contains("more requests"));
        let summed_up = sums.iter().map(|line| line.split_once("requests=").unwrap().1);
        let summed_up: usize = summed_up.map(|rest| rest.split(' ').next().unwrap().parse::<usize>().unwrap()).sum();
        assert_eq!(single.len() + summed_up, 300, "{log}");
        assert!(single[0].contains("request_id="), "{log}");
        // A line of each kind a second.
        assert!(single.len() < 100 && sums.len() <= single.len(), "{log}");
    }
}

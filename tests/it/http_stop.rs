//! How the HTTP server stops: running calls end, new ones are sent to other replicas, slow clients delay nothing.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    program::{HttpServer, SANDBOX_KEY},
    upstream::{Reply, Upstream},
};

#[tokio::test]
async fn on_sigterm_running_calls_end_and_new_ones_are_sent_to_other_replicas() {
    let upstream = Upstream::always([Reply::new(503, &["retry-after: 2"], ""), Reply::resumed()]).await;
    let server = HttpServer::of_api(&upstream.url, &[]).await;
    assert_eq!(server.get("/readyz").send().await.unwrap().status(), 200);
    let running = tokio::spawn(server.resume(SANDBOX_KEY, "ses_1").send());
    upstream.arrival().await;
    server.begin_to_stop().await;
    let late = server.resume(SANDBOX_KEY, "ses_2").send().await.unwrap();
    assert_eq!((late.status().as_u16(), &late.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    let answer = running.await.unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await.unwrap().contains(r#""isError":false"#));
    let (status, log) = server.end().await;
    assert!(status.success(), "{log}");
}

#[tokio::test]
async fn a_second_signal_ends_it_although_a_call_runs() {
    let upstream = Upstream::always([Reply::Hang]).await;
    let server =
        HttpServer::of_api(&upstream.url, &[("VERIFA_MCP_ATTEMPT_TIMEOUT", "1h"), ("VERIFA_MCP_RETRY_BUDGET", "1h")])
            .await;
    let _running = tokio::spawn(server.resume(SANDBOX_KEY, "ses_1").send());
    upstream.arrival().await;
    server.begin_to_stop().await;
    server.signal("TERM").await;
    assert!(server.end().await.0.success());
}

#[tokio::test]
async fn clients_that_stall_do_not_delay_its_end() {
    let server = HttpServer::start(&["--emulator"], &[("VERIFA_MCP_RETRY_BUDGET", "1h")]).await;
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    let mut stalled = Vec::new();
    for begun in
        ["", "PRI * HT", "GET /healthz HT", "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{"]
    {
        let mut connection = TcpStream::connect(&address).await.unwrap();
        connection.write_all(begun.as_bytes()).await.unwrap();
        stalled.push(connection);
    }
    // All have been accepted when a later one has been answered.
    assert_eq!(server.get("/healthz").send().await.unwrap().status(), 200);
    server.begin_to_stop().await;
    server.signal("TERM").await;
    assert!(server.end().await.0.success());
}

#[tokio::test]
async fn a_server_at_its_connection_limit_still_says_that_it_stops() {
    let upstream = Upstream::always([Reply::Hang]).await;
    let environment = [("VERIFA_API_KEY", SANDBOX_KEY), ("VERIFA_API_URL", &upstream.url)];
    let server = HttpServer::start(&["--max-connections", "2"], &environment).await;
    let stream = server.get("/sse").bearer_auth(SANDBOX_KEY).send().await.unwrap();
    let call = tokio::spawn(server.resume(SANDBOX_KEY, "ses_1").send());
    upstream.arrival().await;
    server.begin_to_stop().await;
    assert!(!call.is_finished());
    drop(stream);
}

#[tokio::test]
async fn it_ends_at_once_on_a_signal_when_nothing_runs() {
    for signal in ["TERM", "INT"] {
        let server = HttpServer::start(&["--emulator"], &[]).await;
        let mut idle = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
        idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let mut first = [0; 15];
        idle.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200 OK");
        server.signal(signal).await;
        assert!(server.end().await.0.success());
    }
}

//! Connections over HTTP: how many one caller may hold, how slow clients are cut off, and what follows a rejected request.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::program::{HttpServer, SANDBOX_KEY, eventually};

#[tokio::test]
async fn connections_are_limited_and_the_next_ones_wait() {
    let server = HttpServer::start(&["--emulator", "--max-connections", "1"], &[]).await;
    let address = server.url.strip_prefix("http://").unwrap();
    let mut first = TcpStream::connect(address).await.unwrap();
    first.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = [0; 15];
    first.read_exact(&mut answer).await.unwrap();

    let mut second = TcpStream::connect(address).await.unwrap();
    second.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    // A second answer on the first shows that the second connection had its chance, and waits.
    first.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut rest = [0; 64];
    assert!(first.read(&mut rest).await.unwrap() > 0);
    assert!(second.try_read(&mut rest).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock));
    drop(first);
    second.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}

/// A connection that is kept open after a request without or with this key, and the response's status.
async fn keep_open(socket: TcpSocket, server: &HttpServer, key: Option<&str>) -> std::io::Result<(TcpStream, String)> {
    let mut connection = socket.connect(server.url.strip_prefix("http://").unwrap().parse().unwrap()).await?;
    let key = key.map_or_else(String::new, |key| format!("x-api-key: {key}\r\n"));
    connection.write_all(format!("GET /mcp HTTP/1.1\r\nhost: localhost\r\n{key}\r\n").as_bytes()).await?;
    let mut status = [0; 12];
    connection.read_exact(&mut status).await?;
    Ok((connection, str::from_utf8(&status[9..]).unwrap().to_owned()))
}

#[tokio::test]
async fn one_caller_holds_at_most_a_quarter_of_the_connections() {
    let server = HttpServer::start(&["--max-connections", "8"], &[]).await;
    let mut kept = Vec::new();
    for (key, expected) in
        [("vk_live_a", "405"), ("vk_live_a", "405"), ("vk_live_a", "429"), ("vk_live_b", "405"), ("vk_live_b", "405")]
    {
        let (connection, status) = keep_open(TcpSocket::new_v4().unwrap(), &server, Some(key)).await.unwrap();
        assert_eq!(status, expected, "{key}");
        kept.push(connection);
    }
    kept.remove(0);
    let again = async || keep_open(TcpSocket::new_v4().unwrap(), &server, Some("vk_live_a")).await.unwrap();
    eventually(async || again().await.1 == "405").await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn one_address_holds_at_most_a_quarter_of_the_connections_before_it_authenticates() {
    let server = HttpServer::start(&["--max-connections", "8"], &[]).await;
    let from = |address: &str| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
        socket
    };
    let mut kept = Vec::new();
    for _ in 0..2 {
        kept.push(keep_open(from("127.0.0.9"), &server, None).await.unwrap());
    }
    assert!(keep_open(from("127.0.0.9"), &server, None).await.is_err(), "closed without a response");
    assert_eq!(keep_open(from("127.0.0.8"), &server, None).await.unwrap().1, "401");
}

#[tokio::test]
async fn connections_without_a_request_are_cut_off() {
    let server = HttpServer::start(&["--emulator", "--max-connections", "3"], &[]).await;
    let address = server.url.strip_prefix("http://").unwrap();
    let mut silent = Vec::new();
    for begun in ["", "PRI * HT", "GET /healthz HTTP/1.1\r\nhost: loc"] {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(begun.as_bytes()).await.unwrap();
        silent.push(connection);
    }
    assert_eq!(server.get("/healthz").send().await.unwrap().status(), 200, "when the silent ones are gone");
}

#[tokio::test]
async fn connections_whose_client_reads_nothing_are_cut_off() {
    let server = HttpServer::start(&["--emulator", "--max-connections", "2"], &[]).await;
    let address = server.url.strip_prefix("http://").unwrap().parse().unwrap();
    let requests = "GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(10_000);
    let mut unread = Vec::new();
    for _ in 0..2 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let (reader, mut writer) = socket.connect(address).await.unwrap().into_split();
        let requests = requests.clone();
        unread.push((reader, tokio::spawn(async move { writer.write_all(requests.as_bytes()).await })));
    }
    eventually(async || server.get("/healthz").send().await.is_ok()).await;
}

/// Sends a request whose body comes late, and returns the response's head, and whether the connection then serves another.
async fn reject_then_reuse(server: &HttpServer, head: &str, body: &[u8]) -> (String, bool) {
    let mut connection = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!("{head}content-length: {}\r\n", body.len().max(1_000));
    connection.write_all(format!("{head}content-type: application/json\r\n\r\n").as_bytes()).await.unwrap();
    // The server has the head alone in the meantime.
    assert_eq!(server.get("/healthz").send().await.unwrap().status(), 200);
    let _ = connection.write_all(body).await;
    let mut received = Vec::new();
    while !received.windows(4).any(|end| end == b"\r\n\r\n") {
        received.push(connection.read_u8().await.unwrap());
    }
    let head = String::from_utf8(received).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    connection.read_exact(&mut vec![0; length]).await.unwrap();
    let _ = connection.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    let mut next = String::new();
    let _ = connection.read_to_string(&mut next).await;
    (head.to_lowercase(), next.starts_with("HTTP/1.1 200"))
}

#[tokio::test]
async fn a_rejected_request_leaves_its_connection_usable_or_says_that_it_is_closed() {
    let server = HttpServer::start(&[], &[]).await;
    let post = |path: &str, rest: &str| format!("POST {path} HTTP/1.1\r\nhost: localhost\r\n{rest}");
    let key = format!("x-api-key: {SANDBOX_KEY}\r\n");
    for (status, head) in [
        (401, post("/mcp", "")),
        (403, post("/mcp", "origin: https://evil.example\r\n")),
        (404, post("/nothing", "")),
        (405, post("/sse", &key)),
        (400, post("/mcp?x=1", &key)),
        (406, post("/mcp", &(key.clone() + "content-type: text/plain\r\naccept: text/html\r\n"))),
        (415, post("/mcp", &(key.clone() + "content-type: text/plain\r\n"))),
        (400, post("/mcp", &(key.clone() + "content-type: application/json\r\n"))),
    ] {
        let (answer, is_reusable) = reject_then_reuse(&server, &head, &[b' '; 1_000]).await;
        assert!(answer.starts_with(&format!("http/1.1 {status}")), "{answer}");
        assert!(is_reusable && !answer.contains("connection: close"), "{answer}");
    }
    for (status, head, body) in [
        (401, post("/mcp", ""), &[b' '; 100_000][..]),
        (401, post("/mcp", ""), b""),
        (401, post("/mcp", "expect: 100-continue\r\n"), b""),
        (413, post("/mcp", &(key.clone() + "accept: */*\r\n")), &[b' '; 100_000]),
        (413, post("/messages", &key), &[b' '; 100_000]),
    ] {
        let (answer, is_reusable) = reject_then_reuse(&server, &head, body).await;
        assert!(answer.starts_with(&format!("http/1.1 {status}")), "{answer}");
        assert!(!is_reusable && answer.contains("connection: close"), "{answer}");
    }
}

//! What HTTP requests pass before they are handled: credentials, `Host`, `Origin`, limits.

use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};
use verifa_mcp::internals::routes;

use crate::program::{HttpServer, SANDBOX_KEY, eventually, resume_message, run};

#[tokio::test]
async fn every_route_that_is_not_public_requires_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    let tokens = tokens.to_str().unwrap();
    assert!(run(["token", "new", "support", "--tokens-file", tokens], &[]).await.status.success());
    let token_mode = [("VERIFA_API_KEY", SANDBOX_KEY), ("VERIFA_MCP_TOKENS_FILE", tokens)];
    for (mode, environment) in [("api-key", &[][..]), ("token", &token_mode)] {
        let server = HttpServer::start(&["--auth", mode], environment).await;
        let mut closed = Vec::new();
        for (path, methods, is_public) in routes() {
            // Also those that the route does not have: clients discover how to authenticate with a GET of /mcp.
            let others = [Method::GET, Method::POST, Method::DELETE, Method::PUT, Method::HEAD];
            for method in methods.iter().chain(&others) {
                let request = server.client.request(method.clone(), format!("{}{path}", server.url));
                let status = request.send().await.unwrap().status();
                assert_eq!(status == 401, !is_public, "{mode}: {method} {path}: {status}");
            }
            closed.extend((!is_public).then_some(path));
        }
        assert!(["/mcp", "/sse", "/messages"].iter().all(|path| closed.contains(path)), "{closed:?}");
    }
}

#[tokio::test]
async fn a_foreign_host_is_refused_with_the_setting_to_change() {
    let server = HttpServer::start(&["--emulator"], &[]).await;
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "192.168.0.1:8787"] {
        for path in ["/mcp", "/sse", "/metrics", "/"] {
            let response = server.get(path).header("host", host).send().await.unwrap();
            assert_eq!(response.status(), 403, "{host} {path}");
            let text = response.text().await.unwrap();
            assert!(text.contains(host) && text.contains("VERIFA_MCP_ALLOWED_HOSTS"), "{text}");
        }
    }
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1:8787", "[::1]"] {
        let response =
            server.post("/mcp", &resume_message("ses_demo_expired")).header("host", host).send().await.unwrap();
        assert_eq!(response.status(), 200, "{host}");
    }
    let probe = server.get("/readyz").header("host", "10.0.0.7:8787").send().await.unwrap();
    assert_eq!(probe.status(), 200, "probes name whatever address they found");
}

#[tokio::test]
async fn hosts_can_be_allowed() {
    let server = HttpServer::start(&["--emulator", "--allowed-host", "mcp.example.com,other.example:8443"], &[]).await;
    for (host, status) in [
        ("mcp.example.com", 200),
        ("MCP.example.com:443", 200),
        ("other.example:8443", 200),
        ("other.example", 403),
        ("localhost", 403),
    ] {
        let response =
            server.post("/mcp", &resume_message("ses_demo_expired")).header("host", host).send().await.unwrap();
        assert_eq!(response.status(), status, "{host}");
    }
}

#[tokio::test]
async fn a_foreign_origin_is_refused_although_the_host_is_right() {
    let server = HttpServer::start(&["--emulator"], &[]).await;
    for (origin, status) in [
        ("http://evil.example", 403),
        ("https://localhost.evil.example", 403),
        ("null", 403),
        ("http://localhost@evil.example", 403),
        ("nonsense", 403),
        ("http://localhost:5173", 200),
        ("http://127.0.0.1", 200),
        ("http://[::1]:9", 200),
    ] {
        let call = server.post("/mcp", &resume_message("ses_demo_expired"));
        let response = call.header("origin", origin).send().await.unwrap();
        assert_eq!(response.status(), status, "{origin}");
        if status == 403 {
            assert!(response.text().await.unwrap().contains("VERIFA_MCP_ALLOWED_ORIGINS"));
        }
        let stream = server.get("/sse").header("origin", origin).send().await.unwrap();
        assert_eq!(stream.status(), status, "{origin}");
    }
}

#[tokio::test]
async fn a_request_from_a_page_of_another_site_is_rejected_although_it_has_no_origin() {
    let server = HttpServer::start(&["--emulator"], &[]).await;
    // As a browser sends it for an <img> or a link.
    for (site, status) in
        [("cross-site", 403), ("Cross-Site", 403), ("new-value", 403), ("same-origin", 200), ("none", 200)]
    {
        let stream = server.get("/sse").header("sec-fetch-site", site).send().await.unwrap();
        assert_eq!(stream.status(), status, "{site}");
        if status == 403 {
            assert!(stream.text().await.unwrap().contains("VERIFA_MCP_ALLOWED_ORIGINS"));
        }
    }
    let allowed = server.get("/sse").header("sec-fetch-site", "cross-site").header("origin", "http://localhost:5173");
    assert_eq!(allowed.send().await.unwrap().status(), 200);
    let public = server.get("/metrics").header("sec-fetch-site", "cross-site").send().await.unwrap();
    assert_eq!(public.status(), 200);
}

#[tokio::test]
async fn browsers_of_allowed_origins_may_call() {
    let server = HttpServer::start(&["--allowed-origin", "https://app.example.com"], &[]).await;
    let preflight = |origin: &str| {
        let request = server.client.request(Method::OPTIONS, format!("{}/mcp", server.url));
        request.header("origin", origin).header("access-control-request-method", "POST").header(
            "access-control-request-headers",
            "authorization,content-type,mcp-protocol-version,mcp-method,mcp-name",
        )
    };
    let allowed = preflight("https://app.example.com").send().await.unwrap();
    assert!(allowed.status().is_success());
    assert_eq!(allowed.headers()["access-control-allow-origin"], "https://app.example.com");
    let headers = allowed.headers()["access-control-allow-headers"].to_str().unwrap();
    assert!(
        ["authorization", "mcp-protocol-version", "mcp-method"].iter().all(|name| headers.contains(name)),
        "{headers}"
    );
    for foreign in
        ["https://evil.example", "http://app.example.com", "https://app.example.com:8443", "http://localhost:1"]
    {
        let refused = preflight(foreign).send().await.unwrap();
        assert!(refused.headers().get("access-control-allow-origin").is_none(), "{foreign}");
    }
    let unauthorized =
        server.post("/mcp", &json!({})).header("origin", "https://app.example.com").send().await.unwrap();
    assert_eq!(unauthorized.status(), 401);
    assert_eq!(
        unauthorized.headers()["access-control-allow-origin"],
        "https://app.example.com",
        "the page may read why"
    );
}

#[tokio::test]
async fn bodies_are_bounded_on_every_path() {
    let server = HttpServer::start(&[], &[]).await;
    let large = json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"x": "x".repeat(100_000)}});
    for path in ["/mcp", "/messages?sessionId=x"] {
        let response = server.post(path, &large).bearer_auth(SANDBOX_KEY).send().await.unwrap();
        assert_eq!(response.status(), 413, "{path}");
    }
}

#[tokio::test]
async fn answers_show_no_version_and_are_not_held_back_by_proxies() {
    let server = HttpServer::start(&["--emulator"], &[]).await;
    for path in ["/healthz", "/nothing", "/mcp"] {
        let response = server.get(path).send().await.unwrap();
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        for name in ["server", "x-powered-by", "via"] {
            assert!(response.headers().get(name).is_none(), "{name} of {path}");
        }
    }
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
    ] {
        let (answer, is_reusable) = reject_then_reuse(&server, &head, &[b' '; 1_000]).await;
        assert!(answer.starts_with(&format!("http/1.1 {status}")), "{answer}");
        assert!(is_reusable && !answer.contains("connection: close"), "{answer}");
    }
    for (status, head, body) in [
        (401, post("/mcp", ""), &[b' '; 100_000][..]),
        (401, post("/mcp", ""), b""),
        (401, post("/mcp", "expect: 100-continue\r\n"), b""),
        (406, post("/mcp", &(key.clone() + "accept: text/html\r\n")), &[b' '; 100_000]),
        (413, post("/mcp", &(key.clone() + "accept: */*\r\n")), &[b' '; 100_000]),
        (413, post("/messages", &key), &[b' '; 100_000]),
    ] {
        let (answer, is_reusable) = reject_then_reuse(&server, &head, body).await;
        assert!(answer.starts_with(&format!("http/1.1 {status}")), "{answer}");
        assert!(!is_reusable && answer.contains("connection: close"), "{answer}");
    }
}

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

#[tokio::test]
async fn connections_are_bounded_and_the_next_ones_wait() {
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
async fn connections_that_say_nothing_are_cut() {
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
async fn connections_whose_client_reads_nothing_are_cut() {
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

#[tokio::test]
async fn a_request_with_two_names_is_refused() {
    let server = HttpServer::start(&["--emulator"], &[]).await;
    for head in [
        "GET /mcp HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n",
        "GET http://evil.example/mcp HTTP/1.1\r\nhost: localhost\r\n",
        "GET /mcp HTTP/1.1\r\nhost: evil.example@localhost\r\n",
        "GET /mcp HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost\r\norigin: http://evil.example\r\n",
        "GET /mcp HTTP/1.0\r\n",
    ] {
        let mut connection = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
        connection.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 403") || answer.starts_with("HTTP/1.0 403"), "{head}: {answer}");
    }
}

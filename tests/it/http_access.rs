//! What HTTP requests pass before they are handled: credentials, `Host`, `Origin`, limits.

use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use verifa_mcp::internals::routes;

use crate::program::{HttpServer, SANDBOX_KEY, resume_message, run};

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
async fn a_foreign_host_is_rejected_with_the_setting_to_change() {
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
async fn a_foreign_origin_is_rejected_although_the_host_is_allowed() {
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
async fn bodies_are_limited_on_every_path() {
    let server = HttpServer::start(&[], &[]).await;
    let large = json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"x": "x".repeat(100_000)}});
    for path in ["/mcp", "/messages?sessionId=x"] {
        let response = server.post(path, &large).bearer_auth(SANDBOX_KEY).send().await.unwrap();
        assert_eq!(response.status(), 413, "{path}");
    }
}

#[tokio::test]
async fn responses_show_no_version_and_are_not_buffered_by_proxies() {
    let server = HttpServer::start(&["--emulator"], &[]).await;
    for path in ["/healthz", "/nothing", "/mcp"] {
        let response = server.get(path).send().await.unwrap();
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        for name in ["server", "x-powered-by", "via"] {
            assert!(response.headers().get(name).is_none(), "{name} of {path}");
        }
    }
}

#[tokio::test]
async fn a_request_with_two_hosts_or_origins_is_rejected() {
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

#[cfg(unix)]
#[tokio::test]
async fn what_clients_ask_to_find_out_what_is_supported_is_logged_at_debug() {
    for (level, are_logged) in [("info", false), ("debug", true)] {
        let server = HttpServer::start(&["--log", level], &[]).await;
        let get = |path: &str| server.get(path).bearer_auth(SANDBOX_KEY);
        for (expected, request) in [
            (405, get("/mcp")),
            (405, server.client.delete(format!("{}/mcp/", server.url)).bearer_auth(SANDBOX_KEY)),
            (404, get("/.well-known/oauth-authorization-server")),
            (404, get("/mcp/.well-known/openid-configuration")),
            (404, server.post("/register", &json!({}))),
            (401, server.get("/mcp")),
            (404, get("/nothing")),
        ] {
            assert_eq!(request.send().await.unwrap().status(), expected);
        }
        server.signal("TERM").await;
        let (_, log) = server.end().await;
        let lines = |text: &str| log.lines().filter(|line| line.contains(text)).count();
        assert_eq!((lines("status=405"), lines("status=401")), (if are_logged { 2 } else { 0 }, 1), "{log}");
        assert_eq!(lines("status=404"), if are_logged { 4 } else { 1 }, "{log}");
    }
}

//! What OAuth clients meet on their way to a call: metadata, challenges, scopes; and who the caller is then.

use std::fs;

use reqwest::Method;
use serde_json::{Value, json};
use verifa_mcp::internals::routes;

use super::{
    answer,
    authorization_server::{AuthorizationServer, PUBLIC_URL},
    list_tools, server_for,
};
use crate::{
    http::json_of,
    program::{HttpServer, SANDBOX_KEY, resume_message, text, tool_names},
    upstream::{Reply as ApiReply, Upstream},
};

const METADATA_URL: &str = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";
const ALL: &str = "verifa:read verifa:resume verifa:links";
const NOWHERE: &str = "http://127.0.0.1:1";

#[tokio::test]
async fn both_metadata_addresses_have_the_same_document_for_every_web_page() {
    let authorization_server = AuthorizationServer::start().await;
    let server = server_for(&authorization_server, NOWHERE, &[]).await;
    let well_known = "/.well-known/oauth-protected-resource";
    let mut documents = Vec::new();
    for path in ["", "/", "/mcp", "/mcp/"] {
        let path = format!("{well_known}{path}");
        let response = server.get(&path).header("origin", "https://anywhere.example").send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("access-control-allow-origin"), "*");
        assert_eq!(header("cache-control"), "public, max-age=300");
        assert_eq!(header("content-type"), "application/json");
        documents.push(response.text().await.unwrap());
        let head = server.client.head(format!("{}{path}", server.url)).send().await.unwrap();
        assert_eq!(head.status(), 200);
        let preflight = server.client.request(Method::OPTIONS, format!("{}{path}", server.url));
        let preflight = preflight.header("origin", "https://anywhere.example");
        let preflight = preflight.header("access-control-request-method", "GET").send().await.unwrap();
        assert_eq!(preflight.status(), 204);
        assert_eq!(preflight.headers()["access-control-allow-origin"], "*");
        assert_eq!(preflight.headers()["access-control-allow-methods"], "GET");
        let headers = preflight.headers()["access-control-allow-headers"].to_str().unwrap();
        assert!(headers.contains("mcp-protocol-version"), "{headers}");
        assert_eq!(server.post(&path, &json!({})).send().await.unwrap().status(), 405);
    }
    assert!(documents.iter().all(|document| *document == documents[0]));
    let document: Value = serde_json::from_str(&documents[0]).unwrap();
    assert_eq!(document["resource"], PUBLIC_URL);
    assert_eq!(document["authorization_servers"], json!([authorization_server.issuer]));
    assert_eq!(document["scopes_supported"], json!(ALL.split(' ').collect::<Vec<_>>()));
    assert_eq!(document["bearer_methods_supported"], json!(["header"]));
    for path in ["/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource/other"] {
        assert_eq!(server.get(path).send().await.unwrap().status(), 404, "{path}");
    }
    let foreign = server.get(well_known).header("host", "evil.example").send().await.unwrap();
    assert_eq!(foreign.status(), 403);
    let public = server.get(well_known).header("host", "mcp.example.com").send().await.unwrap();
    assert_eq!(public.status(), 200, "the public URL's host is allowed");
}

#[tokio::test]
async fn a_public_url_may_have_a_path_in_front_and_a_deployment_fewer_scopes() {
    let authorization_server = AuthorizationServer::start().await;
    let environment = [
        ("VERIFA_MCP_PUBLIC_URL", "https://example.com/verifa/mcp"),
        ("VERIFA_MCP_READ_ONLY", "true"),
        ("VERIFA_MCP_OAUTH_SCOPE_PREFIX", "api://mcp/"),
    ];
    let server = server_for(&authorization_server, NOWHERE, &environment).await;
    let path = "/.well-known/oauth-protected-resource/verifa/mcp";
    let document = json_of(server.get(path)).await;
    assert_eq!(document["resource"], "https://example.com/verifa/mcp");
    assert_eq!(document["scopes_supported"], json!(["api://mcp/verifa:read"]));
    let (status, challenge, _) = answer(&server, "", &list_tools()).await;
    let expected = format!("Bearer resource_metadata=\"https://example.com{path}\", scope=\"api://mcp/verifa:read\"");
    assert_eq!((status, challenge), (401, expected));
}

#[tokio::test]
async fn every_route_that_is_not_public_challenges_whatever_the_method() {
    let authorization_server = AuthorizationServer::start().await;
    let server = server_for(&authorization_server, NOWHERE, &[]).await;
    let expected = format!("Bearer resource_metadata=\"{METADATA_URL}\", scope=\"{ALL}\"");
    for (path, methods, is_public) in routes() {
        // Classic SSE is not served in this mode.
        if ["/sse", "/messages"].contains(&path) {
            assert_eq!(server.get(path).send().await.unwrap().status(), 404);
            continue;
        }
        let others = [Method::GET, Method::POST, Method::DELETE, Method::PUT];
        for method in methods.iter().chain(&others) {
            let request = server.client.request(method.clone(), format!("{}{path}", server.url));
            let response = request.send().await.unwrap();
            assert_eq!(response.status() == 401, !is_public, "{method} {path}");
            if !is_public {
                assert_eq!(response.headers()["www-authenticate"], expected.as_str(), "{method} {path}");
            }
        }
    }
    for (name, value) in [("authorization", "Basic dXNlcjpwYXNz"), ("authorization", "Bearer "), ("authorization", "x")]
    {
        let response = server.post("/mcp", &list_tools()).header(name, value).send().await.unwrap();
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()["www-authenticate"], expected.as_str(), "{value}");
    }
}

#[tokio::test]
async fn a_token_belongs_into_one_authorization_header() {
    let authorization_server = AuthorizationServer::start().await;
    let server = server_for(&authorization_server, NOWHERE, &[]).await;
    let token = authorization_server.token(&json!({}));
    let post = |path: &str| server.post(path, &list_tools());
    let bearer = format!("Bearer {token}");
    for request in [
        post(&format!("/mcp?access_token={token}")),
        post(&format!("/mcp?access_token={token}")).bearer_auth(&token),
        post("/mcp").header("x-api-key", SANDBOX_KEY),
        post("/mcp").header("x-api-key", &token).bearer_auth(&token),
        post("/mcp").header("authorization", &bearer).header("authorization", &bearer),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 400);
        assert!(response.headers().get("www-authenticate").is_none());
        assert!(!response.text().await.unwrap().contains("eyJ"));
    }
    assert_eq!(post("/mcp/").bearer_auth(&token).send().await.unwrap().status(), 200, "a slash at the end");
}

#[tokio::test]
async fn scopes_decide_which_tools_are_listed_and_the_others_ask_for_more() {
    let authorization_server = AuthorizationServer::start().await;
    let upstream = Upstream::always([ApiReply::resumed()]).await;
    let server = server_for(&authorization_server, &upstream.url, &[]).await;
    let token = authorization_server.token(&json!({"scope": "openid verifa:read"}));
    let listed = json_of(server.post("/mcp", &list_tools()).bearer_auth(&token)).await;
    assert_eq!(tool_names(&listed), ["list_sessions", "get_session"]);

    let client = json!({"name": "integration tests", "version": "1"});
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": client,
    });
    let mut modern = resume_message("ses_1");
    modern["params"]["_meta"] = meta;
    let expected = format!(
        "Bearer error=\"insufficient_scope\", error_description=\"resume_session needs verifa:resume\", \
         scope=\"verifa:read verifa:resume\", resource_metadata=\"{METADATA_URL}\""
    );
    for (message, version) in [(resume_message("ses_1"), "2025-11-25"), (modern, "2026-07-28")] {
        let request = server.post("/mcp", &message).bearer_auth(&token).header("mcp-protocol-version", version);
        let request = request.header("mcp-method", "tools/call").header("mcp-name", "resume_session");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 403, "{version}");
        assert_eq!(response.headers()["www-authenticate"], expected.as_str());
        assert!(response.text().await.unwrap().contains("Reconnect to this server and allow it"));
    }
    // A new token would not help against the URL or the operator.
    let narrowed = server.post("/mcp?toolsets=lookup", &resume_message("ses_1")).bearer_auth(&token);
    let narrowed = json_of(narrowed).await;
    assert!(text(&narrowed["result"]).contains("disabled for you"), "{narrowed}");

    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
    let initialized = json_of(server.post("/mcp", &initialize).bearer_auth(&token)).await;
    let instructions = initialized["result"]["instructions"].as_str().unwrap();
    let withheld = "Not permitted by your token: resume_session (verifa:resume), generate_one_time_link (verifa:links)";
    assert!(instructions.contains(withheld), "{instructions}");

    for claims in [json!({"scope": "openid"}), json!({"scope": ""}), json!({"scope": "verifa:write"})] {
        let (status, challenge, _) = answer(&server, &authorization_server.token(&claims), &list_tools()).await;
        assert_eq!(status, 403);
        let start = "Bearer error=\"insufficient_scope\", error_description=\"The token has no scope of this server\"";
        assert!(challenge.starts_with(&format!("{start}, scope=\"{ALL}\"")), "{challenge}");
    }
    assert_eq!(upstream.received().len(), 0);
    let all = authorization_server.token(&json!({}));
    let resumed = json_of(server.post("/mcp", &resume_message("ses_1")).bearer_auth(&all)).await;
    assert_eq!(resumed["result"]["isError"], false, "{resumed}");
    assert_eq!(upstream.received()[0].headers["x-api-key"], SANDBOX_KEY);
    assert!(upstream.received().iter().all(|request| !format!("{request:?}").contains("eyJ")), "no token is passed on");
}

#[cfg(unix)]
#[tokio::test]
async fn a_log_and_an_audit_entry_name_the_subject_and_never_the_token() {
    let authorization_server = AuthorizationServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit");
    let environment = [("VERIFA_MCP_AUDIT_LOG", path.to_str().unwrap()), ("VERIFA_MCP_LOG", "debug")];
    let upstream = Upstream::always([ApiReply::resumed()]).await;
    let server = server_for(&authorization_server, &upstream.url, &environment).await;
    let claims = json!({"sub": "jane\n@example.com eyJhbGciOiJub25lIn0.e30.", "azp": "claude\u{202e}"});
    let token = authorization_server.token(&claims);
    let call = json_of(server.post("/mcp", &resume_message("ses_1")).bearer_auth(&token)).await;
    assert_eq!(call["result"]["isError"], false, "{call}");
    let entries = fs::read_to_string(&path).unwrap();
    let start: Value = serde_json::from_str(entries.lines().next().unwrap()).unwrap();
    assert_eq!(start["caller"], "jane @example.com [secret removed]");
    assert_eq!(start["issuer"], authorization_server.issuer.as_str());
    assert_eq!(start["client"], "claude");
    let metrics = server.get("/metrics").send().await.unwrap().text().await.unwrap();
    server.signal("TERM").await;
    let (_, log) = server.end().await;
    assert!(log.contains("caller=\"jane @example.com [secret removed]\""), "{log}");
    for text in [entries, log, metrics] {
        assert!(!text.contains("eyJ") && !text.contains(token.rsplit('.').next().unwrap()), "{text}");
    }
}

#[tokio::test]
async fn two_subjects_share_neither_idempotency_keys_nor_limits() {
    let authorization_server = AuthorizationServer::start().await;
    let upstream = Upstream::always([ApiReply::resumed()]).await;
    let server = server_for(&authorization_server, &upstream.url, &[]).await;
    let mut message = resume_message("ses_1");
    message["params"]["arguments"]["idempotency_key"] = json!("1");
    for subject in ["jane", "john", "jane"] {
        let token = authorization_server.token(&json!({"sub": subject}));
        json_of(server.post("/mcp", &message).bearer_auth(&token)).await;
    }
    let keys: Vec<_> = upstream.received().iter().map(|it| it.headers["idempotency-key"].clone()).collect();
    assert!(keys[0] == keys[2] && keys[0] != keys[1] && keys[0].ends_with("-1"), "{keys:?}");
}

#[tokio::test]
async fn without_oauth_there_is_no_metadata() {
    let server = HttpServer::start(&["--emulator"], &[]).await;
    for path in ["", "/mcp"] {
        let path = format!("/.well-known/oauth-protected-resource{path}");
        assert_eq!(server.get(&path).send().await.unwrap().status(), 404);
    }
}

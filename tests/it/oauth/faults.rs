//! An authorization server that fails or misbehaves: what stops the start, what is waited for, and what a token gets.

use futures_util::{StreamExt, stream};
use serde_json::json;
use tokio::net::TcpListener;

use super::{
    answer,
    authorization_server::{AuthorizationServer, INTROSPECTION, JWKS, METADATA, PUBLIC_URL, Reply},
    list_tools, server_for,
};
use crate::program::{HttpServer, SANDBOX_KEY, eventually, run, stderr};

const NOWHERE: &str = "http://127.0.0.1:1";

async fn start_error(authorization_server: &AuthorizationServer, environment: &[(&str, &str)]) -> String {
    let oauth = [
        ("VERIFA_API_KEY", SANDBOX_KEY),
        ("VERIFA_MCP_PUBLIC_URL", PUBLIC_URL),
        ("VERIFA_MCP_OAUTH_ISSUER", &authorization_server.issuer),
    ];
    let environment = [&oauth[..], environment].concat();
    let output = run(["http", "--listen", "127.0.0.1:0", "--auth", "oauth"], &environment).await;
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    stderr(&output).to_owned()
}

async fn is_ready(server: &HttpServer) -> bool {
    server.get("/readyz").send().await.unwrap().status() == 200
}

#[tokio::test]
async fn a_contradictory_authorization_server_stops_the_start() {
    let server = AuthorizationServer::start().await;
    let issuer = server.issuer.clone();
    let metadata = |name: &str, value: serde_json::Value| {
        let mut metadata = server.metadata();
        metadata[name] = value;
        server.reply(METADATA, Reply::Json(200, metadata));
    };
    metadata("issuer", json!("https://evil.example"));
    let error = start_error(&server, &[]).await;
    let expected = format!(
        "VERIFA_MCP_OAUTH_ISSUER is \"{issuer}\", but the metadata at {issuer}{METADATA} says issuer \"https://evil.example\""
    );
    assert!(error.contains(&expected), "{error}");
    metadata("issuer", json!(format!("{issuer}/")));
    let error = start_error(&server, &[]).await;
    assert!(!error.contains("WARN") && error.contains("they differ only in a slash at the end"), "{error}");
    metadata("jwks_uri", json!(null));
    assert!(start_error(&server, &[]).await.contains("has no jwks_uri"));
    metadata("jwks_uri", json!("http://keys.example.com/jwks"));
    assert!(start_error(&server, &[]).await.contains("has a jwks_uri that is not https"));
    let secret = [("VERIFA_MCP_OAUTH_CLIENT_ID", "rs"), ("VERIFA_MCP_OAUTH_CLIENT_SECRET", "hunter2")];
    metadata("introspection_endpoint", json!(null));
    assert!(start_error(&server, &secret).await.contains("has no introspection_endpoint"));
    server.reply(METADATA, Reply::Json(200, server.metadata()));
    let keys = json!({"keys": [{"kty": "oct", "kid": "a"}, {"kty": "RSA", "kid": "b", "use": "enc"}, {"kid": "c"}]});
    server.reply(JWKS, Reply::Json(200, keys));
    let error = start_error(&server, &[]).await;
    for reason in ["\"a\" is of a type that is not supported", "\"b\" is not for signatures", "\"c\" is not a JWK"] {
        assert!(error.contains(reason), "{error}");
    }
}

#[tokio::test]
async fn an_authorization_server_that_comes_up_later_is_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let issuer = format!("http://{address}");
    let environment =
        [("VERIFA_API_KEY", SANDBOX_KEY), ("VERIFA_MCP_PUBLIC_URL", PUBLIC_URL), ("VERIFA_MCP_OAUTH_ISSUER", &issuer)];
    let server = HttpServer::start(&["--auth", "oauth"], &environment).await;
    assert!(!is_ready(&server).await);
    let authorization_server = AuthorizationServer::on(TcpListener::bind(address).await.unwrap());
    let token = authorization_server.token(&json!({}));
    let response = server.post("/mcp", &list_tools()).bearer_auth(&token).send().await.unwrap();
    assert_eq!(response.status(), 503, "never 401: the client would discard its token");
    assert_eq!(response.headers()["retry-after"], "10");
    assert!(response.headers().get("www-authenticate").is_none());
    eventually(async || is_ready(&server).await).await;
    assert_eq!(answer(&server, &token, &list_tools()).await.0, 200);
}

#[tokio::test]
async fn what_is_no_usable_response_makes_the_server_wait_and_not_end() {
    for (path, reply) in [
        (METADATA, Reply::Text(500, "down".to_owned())),
        (METADATA, Reply::Text(200, "<html>".to_owned())),
        (METADATA, Reply::Redirect("https://evil.example/".to_owned())),
        (JWKS, Reply::Text(502, String::new())),
        (JWKS, Reply::Text(200, "<html>".to_owned())),
        (JWKS, Reply::Text(200, format!("{{\"keys\": []{}}}", " ".repeat(65 * 1_024)))),
        (JWKS, Reply::Redirect("/other".to_owned())),
    ] {
        let authorization_server = AuthorizationServer::start().await;
        authorization_server.reply(path, reply);
        let server = server_for(&authorization_server, NOWHERE, &[]).await;
        assert!(!is_ready(&server).await);
        let token = authorization_server.token(&json!({}));
        assert_eq!(answer(&server, &token, &list_tools()).await.0, 503);
        assert_eq!(answer(&server, "", &list_tools()).await.0, 401, "clients can still find the authorization server");
    }
}

#[tokio::test]
async fn a_slow_authorization_server_does_not_hold_up_the_start() {
    let authorization_server = AuthorizationServer::start().await;
    authorization_server.reply(JWKS, Reply::Hang);
    let server = server_for(&authorization_server, NOWHERE, &[]).await;
    assert!(!is_ready(&server).await);
}

#[tokio::test]
async fn a_new_key_is_accepted_after_one_request_and_unknown_ones_cause_no_more() {
    let authorization_server = AuthorizationServer::start().await;
    let server = server_for(&authorization_server, NOWHERE, &[]).await;
    let keys = &authorization_server.keys;
    let rotated = json!({"keys": [keys.p256_jwk("new")]});
    authorization_server.reply(JWKS, Reply::Json(200, rotated));
    let token = |algorithm: &str, kid: &str| {
        let header = format!(r#"{{"alg":"{algorithm}","kid":"{kid}"}}"#);
        keys.token(algorithm, &header, authorization_server.claims().to_string())
    };
    assert_eq!(answer(&server, &token("EdDSA", "ed25519"), &list_tools()).await.0, 200, "its key is known");
    assert_eq!(answer(&server, &token("ES256", "new"), &list_tools()).await.0, 200);
    assert_eq!(authorization_server.requests(JWKS).len(), 2);
    assert_eq!(answer(&server, &token("EdDSA", "ed25519"), &list_tools()).await.0, 401, "its key is gone");
    for hundred in 0..10 {
        let unknown = (0..100).map(|number| token("ES256", &format!("unknown-{hundred}-{number}")));
        let unknown = stream::iter(unknown.map(|token| {
            let server = &server;
            async move { answer(server, &token, &list_tools()).await.0 }
        }));
        let statuses: Vec<_> = unknown.buffer_unordered(10).collect().await;
        assert!(statuses.iter().all(|status| *status == 401), "{statuses:?}");
    }
    assert_eq!(authorization_server.requests(JWKS).len(), 2);
}

#[tokio::test]
async fn keys_stay_while_the_authorization_server_is_down_or_has_none() {
    let authorization_server = AuthorizationServer::start().await;
    let server = server_for(&authorization_server, NOWHERE, &[]).await;
    let token = authorization_server.token(&json!({}));
    let unknown = authorization_server.keys.token(
        "ES256",
        r#"{"alg":"ES256","kid":"x"}"#,
        authorization_server.claims().to_string(),
    );
    authorization_server.reply(JWKS, Reply::Json(200, json!({"keys": []})));
    assert_eq!(answer(&server, &unknown, &list_tools()).await.0, 401, "causes a request");
    assert_eq!(authorization_server.requests(JWKS).len(), 2);
    assert_eq!(answer(&server, &token, &list_tools()).await.0, 200);
    assert!(is_ready(&server).await);
}

#[cfg(unix)]
#[tokio::test]
async fn opaque_tokens_are_introspected_and_the_response_is_checked_like_a_token() {
    let authorization_server = AuthorizationServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "s:cr/t\n").unwrap();
    let environment =
        [("VERIFA_MCP_OAUTH_CLIENT_ID", "rs"), ("VERIFA_MCP_OAUTH_CLIENT_SECRET_FILE", file.to_str().unwrap())];
    let server = server_for(&authorization_server, NOWHERE, &environment).await;
    let active = |other: serde_json::Value| {
        let mut claims = authorization_server.claims_with(&other);
        claims["active"] = json!(true);
        claims
    };
    for (number, (reply, status)) in [
        (Reply::Json(200, active(json!({}))), 200),
        (Reply::Json(200, active(json!({"scope": "openid"}))), 403),
        (Reply::Json(200, json!({"active": false})), 401),
        (Reply::Json(200, active(json!({"active": "true"}))), 200),
        (Reply::Json(200, active(json!({"aud": "other"}))), 401),
        (Reply::Json(200, active(json!({"iss": "https://evil.example"}))), 401),
        (Reply::Json(400, json!({"error": "unsupported_token_type"})), 401),
        (Reply::Json(401, json!({"error": "invalid_client"})), 503),
        (Reply::Text(403, String::new()), 503),
        (Reply::Text(500, String::new()), 503),
        (Reply::Text(200, "<html>".to_owned()), 503),
        (Reply::Redirect("/other".to_owned()), 503),
    ]
    .into_iter()
    .enumerate()
    {
        authorization_server.reply(INTROSPECTION, reply);
        let token = format!("opaque~{number}+/=");
        let (found, _, body) = answer(&server, &token, &list_tools()).await;
        assert_eq!(found, status, "{number}: {body}");
    }
    let asked = authorization_server.requests(INTROSPECTION);
    assert!(asked[0].contains("Basic cnM6cyUzQWNyJTJGdA=="), "{}", asked[0]);
    assert!(asked[0].ends_with("token=opaque%7E0%2B%2F%3D&token_type_hint=access_token"), "{}", asked[0]);
    // A positive response is kept for a while, a negative one is not, and keys are never sent.
    assert_eq!(answer(&server, "opaque~0+/=", &list_tools()).await.0, 200);
    for credentials in [SANDBOX_KEY, "VK_LIVE_x", "vmt_0123456789abcdef"] {
        assert_eq!(answer(&server, credentials, &list_tools()).await.0, 401);
    }
    assert_eq!(authorization_server.requests(INTROSPECTION).len(), asked.len());
    server.signal("TERM").await;
    let (_, log) = server.end().await;
    assert!(log.contains("rejects VERIFA_MCP_OAUTH_CLIENT_ID or its secret"), "{log}");
    assert!(!log.contains("opaque") && !log.contains("s:cr/t") && !log.contains("cnM6"), "{log}");
}

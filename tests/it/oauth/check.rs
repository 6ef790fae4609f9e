//! `verifa-mcp check --url`, and `check` with the settings of `--auth oauth`.

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::authorization_server::{AuthorizationServer, JWKS, METADATA, PUBLIC_URL, Reply};
use crate::{
    program::{Emulator, HttpServer, SANDBOX_KEY, run, stdout},
    upstream::{Reply as HttpReply, Upstream},
};

/// A server whose public URL is where it listens, so that its metadata fits.
async fn server_at(authorization_server: &AuthorizationServer) -> (HttpServer, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let url = format!("http://{address}/mcp");
    let environment = [
        ("VERIFA_API_KEY", SANDBOX_KEY),
        ("VERIFA_MCP_PUBLIC_URL", &*url),
        ("VERIFA_MCP_OAUTH_ISSUER", &authorization_server.issuer),
    ];
    let server = HttpServer::start_on(&address, &["--auth", "oauth"], &environment).await;
    (server, url)
}

async fn check(arguments: &[&str]) -> (Option<i32>, Value, String) {
    let json = run(["check", "--json"].into_iter().chain(arguments.iter().copied()), &[]).await;
    let text = run(["check"].into_iter().chain(arguments.iter().copied()), &[]).await;
    assert_eq!(json.status.code(), text.status.code());
    (json.status.code(), serde_json::from_str(stdout(&json)).unwrap(), stdout(&text).to_owned())
}

fn texts(findings: &Value, name: &str) -> Vec<String> {
    let of = |it: &Value| format!("{} -> {}", it["fault"].as_str().unwrap(), it["fix"].as_str().unwrap());
    findings[name].as_array().unwrap().iter().map(of).collect()
}

#[tokio::test]
async fn it_walks_the_way_of_a_client_and_says_what_works() {
    let authorization_server = AuthorizationServer::start().await;
    let (_server, url) = server_at(&authorization_server).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, authorization_server.token(&json!({"aud": url, "scope": "verifa:read"})) + "\n").unwrap();
    let (code, findings, text) = check(&["--url", &url, "--token-file", file.to_str().unwrap()]).await;
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(findings["faults"], json!([]));
    let notes = texts(&findings, "notes");
    assert!(notes.len() == 1 && notes[0].contains("only private addresses"), "{notes:?}");
    assert!(text.contains("the token is valid; its scopes are \"verifa:read\""), "{text}");
    assert!(text.contains("with the token the server offers list_sessions, get_session"), "{text}");
    assert!(!text.contains("eyJ"));
}

#[tokio::test]
async fn it_names_what_is_wrong_with_a_token() {
    let authorization_server = AuthorizationServer::start().await;
    let (_server, url) = server_at(&authorization_server).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, authorization_server.token(&json!({"aud": "account"}))).unwrap();
    let (code, findings, _) = check(&["--url", &url, "--token-file", file.to_str().unwrap()]).await;
    assert_eq!(code, Some(1));
    let faults = texts(&findings, "faults");
    assert!(faults[0].contains("another audience") && faults[0].contains("aud \"account\""), "{faults:?}");
    assert!(faults[0].ends_with(&format!("Its aud must be {url}.")), "{faults:?}");
    assert!(faults[1].contains("the server responds with 401"), "{faults:?}");
}

#[tokio::test]
async fn it_names_what_is_wrong_with_the_authorization_server() {
    let authorization_server = AuthorizationServer::start().await;
    let (_server, url) = server_at(&authorization_server).await;
    let issuer = &authorization_server.issuer;
    for (name, value, words) in [
        ("issuer", json!("https://evil.example"), "says issuer \"https://evil.example\""),
        ("authorization_endpoint", json!(null), "has no authorization_endpoint"),
        (
            "token_endpoint",
            json!("http://auth.example.com/token"),
            "token_endpoint of the authorization server is not https",
        ),
        ("code_challenge_methods_supported", json!(["plain"]), "PKCE"),
        ("jwks_uri", json!(null), "has no jwks_uri"),
        ("jwks_uri", json!(format!("{issuer}/nothing")), "cannot be read: status 404"),
    ] {
        let mut metadata = authorization_server.metadata();
        metadata[name] = value;
        authorization_server.reply(METADATA, Reply::Json(200, metadata));
        let (code, findings, _) = check(&["--url", &url]).await;
        let faults = texts(&findings, "faults");
        assert_eq!(code, Some(1), "{name}");
        assert!(faults.len() == 1 && faults[0].contains(words), "{faults:?}");
    }
    let mut metadata = authorization_server.metadata();
    metadata.as_object_mut().unwrap().remove("registration_endpoint");
    metadata["token_endpoint_auth_methods_supported"] = json!(["client_secret_basic"]);
    metadata["authorization_response_iss_parameter_supported"] = json!(false);
    metadata["scopes_supported"] = json!(["openid", "verifa:read"]);
    authorization_server.reply(METADATA, Reply::Json(200, metadata));
    let notes = texts(&check(&["--url", &url]).await.1, "notes").join("\n");
    for words in ["cannot register", "without a secret", "RFC 9207", "verifa:resume, verifa:links"] {
        assert!(notes.contains(words), "{notes}");
    }
    authorization_server.reply(JWKS, Reply::Json(200, json!({"keys": [{"kty": "oct", "kid": "a"}]})));
    let faults = texts(&check(&["--url", &url]).await.1, "faults");
    assert!(faults[0].contains("key \"a\" is of a type that is not supported"), "{faults:?}");
    authorization_server.reply(METADATA, Reply::Text(404, String::new()));
    let faults = texts(&check(&["--url", &url]).await.1, "faults");
    assert!(faults[0].contains("has no metadata"), "{faults:?}");
}

#[tokio::test]
async fn it_names_what_is_wrong_with_the_server() {
    let fault = async |url: &str| {
        let (code, findings, _) = check(&["--url", url]).await;
        assert_eq!(code, Some(1), "{findings}");
        texts(&findings, "faults").join("\n")
    };
    let open = HttpServer::start(&["--emulator"], &[]).await;
    let words = "the server responds without a token: everyone may call -> set VERIFA_MCP_AUTH=oauth";
    assert_eq!(fault(&format!("{}/mcp", open.url)).await, words);
    let keyed = HttpServer::start(&[], &[]).await;
    assert!(fault(&format!("{}/mcp", keyed.url)).await.contains("WWW-Authenticate does not begin with Bearer"));
    assert!(fault(&format!("{}/other", keyed.url)).await.contains("gets 404, not 401"));
    assert!(fault("http://mcp.example.com/mcp").await.contains("is not https"));
    assert!(fault("https://verifa.invalid/mcp").await.contains("has no address"));
    assert!(fault("http://127.0.0.1:1/mcp").await.contains("cannot be reached"));
    for (reply, words) in [
        (
            HttpReply::new(302, &["location: https://other.example/"], ""),
            "redirects (302) to \"https://other.example/\"",
        ),
        (
            HttpReply::new(502, &["content-type: text/html", "server: nginx"], ""),
            "gets 502, as a web page by \"nginx\"",
        ),
        (HttpReply::new(200, &["content-type: text/html"], ""), "is a web page"),
        (HttpReply::new(401, &[], ""), "has no WWW-Authenticate"),
        (HttpReply::new(401, &["www-authenticate: Basic realm=\"x\""], ""), "does not begin with Bearer"),
        (
            HttpReply::new(401, &["www-authenticate: Bearer error=\"invalid_token\", resource_metadata=\"/x\""], ""),
            "names an error although no token was sent",
        ),
    ] {
        let server = Upstream::always([reply]).await;
        let fault = fault(&format!("{}/mcp", server.url)).await;
        assert!(fault.contains(words), "{fault}");
    }
    let usage = run(["check", "--url", "mcp"], &[]).await;
    assert_eq!(usage.status.code(), Some(2));
    let usage = run(["check", "--token-file", "x"], &[]).await;
    assert_eq!(usage.status.code(), Some(2));
}

#[tokio::test]
async fn it_compares_the_resource_with_the_url() {
    let authorization_server = AuthorizationServer::start().await;
    let server = super::server_for(&authorization_server, "http://127.0.0.1:1", &[]).await;
    let url = format!("{}/mcp", server.url);
    let (_, findings, _) = check(&["--url", &url]).await;
    let faults = texts(&findings, "faults").join("\n");
    assert!(faults.contains("resource_metadata is of another origin"), "{faults}");
    assert!(
        faults.contains(&format!("the metadata says resource \"{PUBLIC_URL}\", but the URL is \"{url}\"")),
        "{faults}"
    );
}

#[tokio::test]
async fn without_a_url_it_checks_the_settings() {
    let emulator = Emulator::start(&[]).await;
    let authorization_server = AuthorizationServer::start().await;
    let environment = [
        ("VERIFA_API_KEY", SANDBOX_KEY),
        ("VERIFA_API_URL", &emulator.url),
        ("VERIFA_MCP_AUTH", "oauth"),
        ("VERIFA_MCP_PUBLIC_URL", PUBLIC_URL),
        ("VERIFA_MCP_OAUTH_ISSUER", &authorization_server.issuer),
    ];
    let fine = run(["check"], &environment).await;
    assert!(fine.status.success(), "{}", stdout(&fine));
    authorization_server.reply(JWKS, Reply::Text(500, String::new()));
    let down = run(["check"], &environment).await;
    assert_eq!(down.status.code(), Some(1));
    assert!(stdout(&down).contains("the authorization server does not respond as it should"), "{}", stdout(&down));
    let mut metadata = authorization_server.metadata();
    metadata["issuer"] = json!("https://evil.example");
    authorization_server.reply(METADATA, Reply::Json(200, metadata));
    let contradictory = run(["check"], &environment).await;
    assert!(stdout(&contradictory).contains("says issuer \"https://evil.example\""), "{}", stdout(&contradictory));
    let invalid = run(["check"], &environment[..4]).await;
    assert_eq!(invalid.status.code(), Some(2));
}

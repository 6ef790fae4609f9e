//! The settings of `--auth oauth`: what is an error at the start, all at once, and what is a warning.

use super::authorization_server::{AuthorizationServer, PUBLIC_URL};
use crate::program::{HttpServer, SANDBOX_KEY, run, stderr};

const ISSUER: (&str, &str) = ("VERIFA_MCP_OAUTH_ISSUER", "https://auth.example.com");
const URL: (&str, &str) = ("VERIFA_MCP_PUBLIC_URL", PUBLIC_URL);

async fn errors(mode: &str, environment: &[(&str, &str)]) -> String {
    let environment = [&[("VERIFA_API_KEY", SANDBOX_KEY)], environment].concat();
    let output = run(["http", "--listen", "127.0.0.1:0", "--auth", mode], &environment).await;
    assert_eq!(output.status.code(), Some(2), "{environment:?} {}", stderr(&output));
    assert!(!stderr(&output).contains("hunter2"), "{}", stderr(&output));
    stderr(&output).to_owned()
}

#[tokio::test]
async fn each_invalid_setting_is_an_error_with_its_fix() {
    let required = [URL, ISSUER];
    for (environment, words) in [
        (&[][..], "VERIFA_MCP_PUBLIC_URL is not set, and VERIFA_MCP_AUTH is oauth"),
        (&[URL], "VERIFA_MCP_OAUTH_ISSUER is not set, and VERIFA_MCP_AUTH is oauth"),
        (&[ISSUER, ("VERIFA_MCP_PUBLIC_URL", "http://mcp.example.com/mcp")], "must be https"),
        (&[ISSUER, ("VERIFA_MCP_PUBLIC_URL", "https://mcp.example.com/mcp/")], "must not end in a slash"),
        (&[ISSUER, ("VERIFA_MCP_PUBLIC_URL", "https://mcp.example.com/")], "must not end in a slash"),
        (&[ISSUER, ("VERIFA_MCP_PUBLIC_URL", "https://mcp.example.com/x")], "must end in /mcp"),
        (&[ISSUER, ("VERIFA_MCP_PUBLIC_URL", "https://mcp.example.com/mcp?a=b")], "must have no query"),
        (&[ISSUER, ("VERIFA_MCP_PUBLIC_URL", "https://u:hunter2@mcp.example.com/mcp")], "must hold no user name"),
        (&[URL, ("VERIFA_MCP_OAUTH_ISSUER", "http://auth.example.com")], "must be https"),
        (&[URL, ("VERIFA_MCP_OAUTH_ISSUER", "https://auth.example.com#x")], "must have no query and no fragment"),
        (&[URL, ("VERIFA_MCP_OAUTH_ISSUER", "https://a.example,https://a.example")], "names an issuer twice"),
        (
            &[
                URL,
                (
                    "VERIFA_MCP_OAUTH_ISSUER",
                    "https://a.example,https://b.example,https://c.example,https://d.example,https://e.example",
                ),
            ],
            "more than 4",
        ),
        (
            &[URL, ("VERIFA_MCP_OAUTH_ISSUER", "https://login.microsoftonline.com/{tenantid}/v2.0")],
            "must name one tenant",
        ),
        (&[("VERIFA_MCP_OAUTH_AUDIENCE", "*")], "every token would do otherwise"),
        (&[("VERIFA_MCP_OAUTH_AUDIENCE", ",")], "is a list without entries"),
        (&[("VERIFA_MCP_OAUTH_SCOPE_PREFIX", "a b")], "must be visible ASCII"),
        (&[("VERIFA_MCP_OAUTH_DEFAULT_SCOPES", "read")], "must be one of verifa:read, verifa:resume, verifa:links"),
        (&[("VERIFA_MCP_OAUTH_LEEWAY", "6m")], "at most 5m"),
        (
            &[URL, ISSUER, ("VERIFA_MCP_OAUTH_JWKS_URL", "http://auth.example.com/keys")],
            "VERIFA_MCP_OAUTH_JWKS_URL is not https",
        ),
        (
            &[
                URL,
                ("VERIFA_MCP_OAUTH_ISSUER", "https://a.example,https://b.example"),
                ("VERIFA_MCP_OAUTH_JWKS_URL", "https://a.example/keys"),
            ],
            "is for one authorization server",
        ),
        (&[URL, ISSUER, ("VERIFA_MCP_OAUTH_CLIENT_ID", "rs")], "is set without a secret"),
        (&[URL, ISSUER, ("VERIFA_MCP_OAUTH_CLIENT_SECRET", "hunter2")], "is set without VERIFA_MCP_OAUTH_CLIENT_ID"),
        (
            &[
                URL,
                ISSUER,
                ("VERIFA_MCP_OAUTH_CLIENT_SECRET", "hunter2"),
                ("VERIFA_MCP_OAUTH_CLIENT_SECRET_FILE", "/nonexistent"),
            ],
            "are both set",
        ),
        (
            &[
                URL,
                ISSUER,
                ("VERIFA_MCP_OAUTH_CLIENT_ID", "rs"),
                ("VERIFA_MCP_OAUTH_CLIENT_SECRET_FILE", "/nonexistent"),
            ],
            "cannot be read",
        ),
        (
            &[URL, ISSUER, ("VERIFA_MCP_OAUTH_INTROSPECTION_URL", "https://auth.example.com/i")],
            "is set without VERIFA_MCP_OAUTH_CLIENT_ID",
        ),
        (&[URL, ISSUER, ("VERIFA_MCP_TOKENS_FILE", "/nonexistent")], "VERIFA_MCP_TOKENS_FILE is set, but"),
    ] {
        let error = errors("oauth", environment).await;
        assert!(error.contains(words), "{environment:?}: {error}");
    }
    let keyless = run(["http", "--auth", "oauth"], &required).await;
    assert_eq!(keyless.status.code(), Some(2));
    assert!(stderr(&keyless).contains("set VERIFA_API_KEY"), "{}", stderr(&keyless));
}

#[tokio::test]
async fn a_setting_that_another_mode_would_ignore_is_an_error() {
    for name in [
        "VERIFA_MCP_PUBLIC_URL",
        "VERIFA_MCP_OAUTH_ISSUER",
        "VERIFA_MCP_OAUTH_AUDIENCE",
        "VERIFA_MCP_OAUTH_SCOPE_PREFIX",
        "VERIFA_MCP_OAUTH_DEFAULT_SCOPES",
        "VERIFA_MCP_OAUTH_LEEWAY",
        "VERIFA_MCP_OAUTH_JWKS_URL",
        "VERIFA_MCP_OAUTH_CLIENT_ID",
        "VERIFA_MCP_OAUTH_CLIENT_SECRET",
        "VERIFA_MCP_OAUTH_CLIENT_SECRET_FILE",
        "VERIFA_MCP_OAUTH_INTROSPECTION_URL",
    ] {
        for mode in ["none", "api-key"] {
            let error = errors(mode, &[(name, "hunter2")]).await;
            assert!(error.contains(&format!("{name} is set, but VERIFA_MCP_AUTH is not oauth")), "{error}");
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn what_works_only_with_some_clients_is_a_warning() {
    let authorization_server = AuthorizationServer::start().await;
    let environment = [
        ("VERIFA_MCP_PUBLIC_URL", "https://example.com/verifa/mcp"),
        ("VERIFA_MCP_OAUTH_ISSUER", &*authorization_server.issuer),
        ("VERIFA_MCP_OAUTH_DEFAULT_SCOPES", "verifa:read,verifa:links"),
    ];
    let server = HttpServer::start(&["--emulator", "--auth", "oauth"], &environment).await;
    server.signal("TERM").await;
    let (_, log) = server.end().await;
    assert!(log.contains("is not exactly /mcp") && log.contains("lets every valid token create links"), "{log}");
}

//! `--auth oauth`: the real program against an authorization server that issues and misbehaves on demand.

mod access;
pub(crate) mod authorization_server;
mod check;
mod faults;
mod settings;
mod tokens;

use serde_json::{Value, json};

use self::authorization_server::{AuthorizationServer, PUBLIC_URL};
use crate::program::{HttpServer, SANDBOX_KEY};

/// A server that takes this authorization server's tokens, for calls to this API.
pub(crate) async fn server_for(
    authorization_server: &AuthorizationServer,
    api: &str,
    environment: &[(&str, &str)],
) -> HttpServer {
    let oauth = [
        ("VERIFA_API_KEY", SANDBOX_KEY),
        ("VERIFA_API_URL", api),
        ("VERIFA_MCP_PUBLIC_URL", PUBLIC_URL),
        ("VERIFA_MCP_OAUTH_ISSUER", &authorization_server.issuer),
    ];
    HttpServer::start(&["--auth", "oauth"], &[&oauth[..], environment].concat()).await
}

fn list_tools() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
}

/// The status, the challenge and the body of the response to a token.
async fn answer(server: &HttpServer, token: &str, message: &Value) -> (u16, String, String) {
    let response = server.post("/mcp", message).bearer_auth(token).send().await.unwrap();
    let status = response.status().as_u16();
    let challenge = response.headers().get("www-authenticate").map(|it| it.to_str().unwrap().to_owned());
    (status, challenge.unwrap_or_default(), response.text().await.unwrap())
}

//! The card as a resource: what a host is told of it, and what must never be in it. How it looks and works is for the
//! browser below `tests/clients`.

use serde_json::{Value, json};

use crate::{
    http::json_of,
    program::{Client, HttpServer, with_stable_values},
};

const URI: &str = "ui://verifa/capture-link.html";

async fn ask(client: &mut Client, method: &str, params: Value) -> Value {
    client.request(method, params).await["result"].take()
}

async fn html() -> String {
    let mut client = Client::start(&[], &[]).await;
    let read = ask(&mut client, "resources/read", json!({"uri": URI})).await;
    read["contents"][0]["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_a_host_is_told_of_the_card_stays_as_it_is() {
    let mut client = Client::start(&["--emulator"], &[]).await;
    let listed = ask(&mut client, "resources/list", json!({})).await;
    let mut read = ask(&mut client, "resources/read", json!({"uri": URI})).await;
    assert!(read["contents"][0]["text"].take().as_str().unwrap().starts_with("<!doctype html>"));
    let templates = ask(&mut client, "resources/templates/list", json!({})).await;
    assert_eq!(templates["resourceTemplates"], json!([]));
    with_stable_values(|| insta::assert_snapshot!("card", format!("{listed:#}\n{read:#}")));
}

#[tokio::test]
async fn every_tool_names_a_card_that_exists() {
    let mut client = Client::start(&["--emulator"], &[]).await;
    let tools = ask(&mut client, "tools/list", json!({})).await["tools"].take();
    let cards: Vec<_> = tools.as_array().unwrap().iter().filter(|tool| !tool["_meta"]["ui"].is_null()).collect();
    assert!(!cards.is_empty());
    for tool in cards {
        assert_eq!(tool["_meta"]["ui/resourceUri"], tool["_meta"]["ui"]["resourceUri"]);
        let read = ask(&mut client, "resources/read", json!({"uri": tool["_meta"]["ui"]["resourceUri"]})).await;
        assert_eq!(read["contents"][0]["mimeType"], "text/html;profile=mcp-app", "{tool}");
    }
}

#[tokio::test]
async fn the_card_is_read_over_http_in_both_eras() {
    let server = HttpServer::start(&["--emulator"], &[]).await;
    let mut message = json!({"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": URI}});
    let older = json_of(server.post("/mcp", &message)).await;
    assert_eq!(older["result"]["contents"][0]["text"], html().await);

    message["params"]["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "resources/read"), ("mcp-name", URI)];
    let request = server.post("/mcp", &message);
    let newest = json_of(headers.into_iter().fold(request, |request, (name, value)| request.header(name, value))).await;
    assert_eq!(newest["result"]["contents"], older["result"]["contents"]);
    assert_eq!((&newest["result"]["ttlMs"], &newest["result"]["cacheScope"]), (&json!(0), &json!("public")));
}

#[tokio::test]
async fn another_resource_is_refused_and_its_address_not_logged() {
    let link = "https://app.withverifa.com/verify/tok_leak1";
    let environment = [("VERIFA_MCP_LOG", "trace"), ("RUST_LOG", "trace")];
    let mut client = Client::start(&["--emulator"], &environment).await;
    for uri in ["ui://verifa/other.html", link] {
        let answer = client.request("resources/read", json!({"uri": uri})).await;
        assert_eq!(answer["error"]["code"], -32002, "{answer}");
        assert_eq!(answer["error"]["data"]["uri"], uri);
    }
    client.close_stdin();
    let (_, log) = client.end().await;
    assert!(!log.contains("tok_leak1"), "{log}");
}

#[tokio::test]
async fn the_card_needs_no_network_and_makes_no_markup_of_what_it_reads() {
    let html = html().await;
    for (pattern, why) in [
        ("<a ", "the link is never an anchor"),
        ("href", "the same"),
        ("http:", "nothing is loaded"),
        ("https:", "nothing is loaded"),
        ("url(", "nothing is loaded"),
        ("@import", "nothing is loaded"),
        ("import(", "nothing is loaded"),
        ("fetch(", "nothing is sent"),
        ("innerHTML", "text only"),
        ("outerHTML", "text only"),
        ("insertAdjacent", "text only"),
        ("document.write", "text only"),
        ("eval(", "no code but its own"),
        ("Function(", "no code but its own"),
        ("localStorage", "nothing is kept"),
        ("window.open", "nothing is opened"),
        ("ui/open-link", "nothing is opened"),
        ("{script", "put together"),
        ("{style", "put together"),
        ("{version", "put together"),
        ("\r", "its script has another hash otherwise"),
    ] {
        assert!(!html.contains(pattern), "{pattern}: {why}");
    }
    assert_eq!(html.matches("<script").count(), 1);
    assert!(html.contains("default-src 'none'; script-src 'sha256-"));
    assert!(html.contains(concat!("content=\"", env!("CARGO_PKG_VERSION"), "\"")));
    assert!(html.len() < 48 * 1024, "{} bytes for each card", html.len());
}

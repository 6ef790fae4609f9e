//! Who may call over HTTP, with whose key, and that no caller gets another caller's results.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::{
    http::json_of,
    program::{HttpServer, SANDBOX_KEY, eventually, run, stderr, stdout, tool_names},
    upstream::{Reply, Upstream, resumed},
};

/// The tools that change nothing.
const LOOKUP: [&str; 2] = ["list_sessions", "get_session"];

fn list_tools() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
}

async fn tokens_file(folder: &tempfile::TempDir, names: &[(&str, &[&str])]) -> (String, HashMap<String, String>) {
    let path = folder.path().join("tokens").to_str().unwrap().to_owned();
    let mut tokens = HashMap::new();
    for (name, permissions) in names {
        let arguments = ["token", "new", name, "--tokens-file", &path].into_iter().chain(permissions.iter().copied());
        let output = run(arguments, &[]).await;
        assert!(output.status.success(), "{}", stderr(&output));
        tokens.insert((*name).to_owned(), stdout(&output).trim().to_owned());
    }
    (path, tokens)
}

#[tokio::test]
async fn callers_use_their_own_key_and_the_configured_one_is_never_lent() {
    let upstream = Upstream::always([Reply::resumed()]).await;
    let environment = [("VERIFA_API_KEY", "vk_live_ofthedeployment"), ("VERIFA_API_URL", &upstream.url)];
    let server = HttpServer::start(&["--auth", "api-key"], &environment).await;
    for (header, value, key) in [
        ("authorization", "Bearer vk_sandbox_a", "vk_sandbox_a"),
        ("authorization", "bearer vk_live_b", "vk_live_b"),
        ("x-api-key", "vk_sandbox_c", "vk_sandbox_c"),
    ] {
        let message = crate::program::resume_message("ses_1");
        let answer = json_of(server.post("/mcp", &message).header(header, value)).await;
        assert_eq!(answer["result"]["isError"], false, "{answer}");
        assert_eq!(upstream.received().last().unwrap().headers["x-api-key"], key);
    }
    for (header, value, expected) in [
        ("x-nothing", "", "the request has none"),
        ("authorization", "Bearer vk_pub_abc", "publishable key"),
        ("authorization", "Bearer nonsense", "must begin with vk_sandbox_ or vk_live_"),
        ("authorization", "Bearer ${VERIFA_API_KEY}", "placeholder"),
        ("authorization", "Basic dXNlcjpwYXNz", "the request has none"),
    ] {
        for message in [
            crate::program::resume_message("ses_1"),
            list_tools(),
            json!({"jsonrpc": "2.0", "id": 1, "method": "initialize"}),
        ] {
            let response = server.post("/mcp", &message).header(header, value).send().await.unwrap();
            assert_eq!(response.status(), 401);
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
            let text = response.text().await.unwrap();
            assert!(
                text.contains(expected) && text.contains("Authorization: Bearer vk_") && !text.contains("abc"),
                "{text}"
            );
        }
    }
    assert_eq!(upstream.received().len(), 3);
    let discovery = server.get("/.well-known/oauth-protected-resource").send().await.unwrap();
    assert_eq!(discovery.status(), 404);
}

#[cfg(unix)]
#[tokio::test]
async fn without_a_configured_key_callers_bring_theirs_and_with_one_loopback_is_open() {
    let upstream = Upstream::always([Reply::resumed()]).await;
    let keyless = HttpServer::of_api(&upstream.url, &[]).await;
    assert_eq!(keyless.post("/mcp", &list_tools()).send().await.unwrap().status(), 401);
    let open = HttpServer::of_api(&upstream.url, &[("VERIFA_API_KEY", "vk_live_ours")]).await;
    let answer = json_of(open.post("/mcp", &crate::program::resume_message("ses_1"))).await;
    assert_eq!(answer["result"]["isError"], false);
    assert_eq!(upstream.received()[0].headers["x-api-key"], "vk_live_ours");
    open.signal("TERM").await;
    assert!(open.end().await.1.contains("No authentication"));
}

#[tokio::test]
async fn settings_that_would_lend_a_key_to_a_network_are_errors() {
    let key = ("VERIFA_API_KEY", "vk_live_x");
    const EMULATOR: &str = "--emulator is for listeners that only this computer reaches";
    let any = "0.0.0.0:0";
    for (arguments, environment, expected) in [
        (&["--listen", any][..], &[key][..], "--auth token"),
        (&["--listen", any, "--emulator"], &[], EMULATOR),
        (&["--listen", any, "--emulator", "--auth", "api-key"], &[], EMULATOR),
        (&["--listen", "127.0.0.1:0,[::]:0", "--emulator", "--auth", "token"], &[], EMULATOR),
        (&["--listen", any, "--emulator", "--auth", "oauth"], &[], EMULATOR),
        (&["--listen", any, "--emulator", "--auth", "none"], &[], EMULATOR),
        (&["--listen", any, "--auth", "none"], &[key], "for listeners that only this computer reaches"),
        (&["--auth", "none"], &[], "set VERIFA_API_KEY"),
        (&["--auth", "token", "--tokens-file", "/nonexistent"], &[], "set VERIFA_API_KEY"),
        (&["--auth", "token"], &[key], "verifa-mcp token new"),
        (&["--auth", "token", "--tokens-file", "/nonexistent/tokens"], &[key], "verifa-mcp token new"),
        (&["--auth", "basic"], &[key], "must be one of none, api-key, token, oauth"),
        (&["--listen", "nonsense"], &[], "must be an address and a port"),
        (&["--allowed-host", "a b"], &[], "must be a host name"),
        (&["--allowed-origin", "app.example.com"], &[], "must be an origin"),
        (&["--max-connections", "0"], &[], "from 1 to 100000"),
    ] {
        let output = run(["http"].into_iter().chain(arguments.iter().copied()), environment).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?} {}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{arguments:?}: {}", stderr(&output));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn tokens_name_callers_and_the_deployments_key_makes_their_calls() {
    let folder = tempfile::tempdir().unwrap();
    let (path, tokens) = tokens_file(&folder, &[("support", &[]), ("watcher", &["--read-only"])]).await;
    let upstream = Upstream::always([Reply::resumed()]).await;
    let environment =
        [("VERIFA_API_KEY", "vk_live_ours"), ("VERIFA_API_URL", &upstream.url), ("VERIFA_MCP_TOKENS_FILE", &path)];
    let server = HttpServer::start(&["--auth", "token"], &environment).await;

    let answer = json_of(server.resume(&tokens["support"], "ses_1")).await;
    assert_eq!(answer["result"]["isError"], false, "{answer}");
    assert_eq!(upstream.received()[0].headers["x-api-key"], "vk_live_ours");

    let hidden = json_of(server.post("/mcp", &list_tools()).bearer_auth(&tokens["watcher"])).await;
    assert_eq!(tool_names(&hidden), LOOKUP);
    let refused = json_of(server.resume(&tokens["watcher"], "ses_1")).await;
    assert!(refused["result"]["content"][0]["text"].as_str().unwrap().contains("disabled for you"), "{refused}");

    for wrong in ["", "vmt_0000", SANDBOX_KEY, "vk_live_ours", &tokens["support"][..20]] {
        assert_eq!(server.resume(wrong, "ses_1").send().await.unwrap().status(), 401, "{wrong}");
    }
    let revoked = run(["token", "revoke", "support", "--tokens-file", &path], &[]).await;
    assert!(revoked.status.success());
    assert_eq!(server.resume(&tokens["support"], "ses_1").send().await.unwrap().status(), 401);
    assert_eq!(upstream.received().len(), 1);

    server.signal("TERM").await;
    let log = server.end().await.1;
    assert!(log.contains("caller=\"support\""), "{log}");
    assert!(!log.contains(&tokens["support"]) && !log.contains("vk_live_ours"));
}

#[tokio::test]
async fn the_query_narrows_and_never_widens() {
    let server = HttpServer::start(&[], &[]).await;
    for (query, tools) in [
        ("", 4),
        ("?read_only=false", 4),
        ("?toolsets=resume", 1),
        ("?toolsets=lookup,links", 3),
        ("?read_only=true", 2),
        ("?toolsets=resume&read_only=1", 0),
    ] {
        let answer = json_of(server.post(&format!("/mcp{query}"), &list_tools()).bearer_auth(SANDBOX_KEY)).await;
        assert_eq!(tool_names(&answer).len(), tools, "{query}");
    }
    for (query, expected) in [
        ("read_only=perhaps", "read_only=true or read_only=false"),
        ("Read_Only=1", r#"unknown parameter \"Read_Only\". Known here: toolsets, read_only"#),
        ("toolsets[]=resume", r#"unknown parameter \"toolsets[]\""#),
        ("sessionId=1", r#"unknown parameter \"sessionId\""#),
        ("read_only", "read_only without a value"),
        ("toolsets=lookup&toolsets=resume", "toolsets twice"),
        ("toolsets=,", "names no toolset"),
        ("toolsets=resume,cases", "names no toolset; the toolsets are lookup, resume, links"),
    ] {
        let request = server.post(&format!("/mcp?{query}"), &list_tools()).bearer_auth(SANDBOX_KEY);
        let strange = request.send().await.unwrap();
        assert_eq!(strange.status(), 400);
        let text = strange.text().await.unwrap();
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test]
async fn the_deployment_can_restrict_the_tools_of_all_callers() {
    for environment in [("VERIFA_MCP_READ_ONLY", "true"), ("VERIFA_MCP_READ_ONLY", "1")] {
        let server = HttpServer::start(&[], &[environment]).await;
        let query = "/mcp?read_only=false&toolsets=resume,lookup";
        let listed = json_of(server.post(query, &list_tools()).bearer_auth(SANDBOX_KEY)).await;
        assert_eq!(tool_names(&listed), LOOKUP);
        let open = HttpServer::start(&["--emulator"], &[environment]).await;
        let refused = json_of(open.post("/mcp", &crate::program::resume_message("ses_demo_expired"))).await;
        assert!(refused["result"]["content"][0]["text"].as_str().unwrap().contains("disabled for you"), "{refused}");
    }
    let unknown = run(["http"], &[("VERIFA_MCP_TOOLSETS", "resume,cases"), ("VERIFA_MCP_READ_ONLY", "perhaps")]).await;
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        stderr(&unknown)
            .contains("VERIFA_MCP_TOOLSETS names no toolset; the toolsets are lookup, resume, links; it is \"cases\"")
    );
    assert!(stderr(&unknown).contains("VERIFA_MCP_READ_ONLY must be true or false"), "{}", stderr(&unknown));
}

#[tokio::test]
async fn different_credentials_in_one_request_are_rejected() {
    let server = HttpServer::start(&[], &[]).await;
    let request = server.post("/mcp", &list_tools()).header("x-api-key", "vk_sandbox_a").bearer_auth("vk_sandbox_b");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert!(response.text().await.unwrap().contains("several different credentials"));
}

#[cfg_attr(windows, ignore = "Wine closes connections under load")]
#[tokio::test]
async fn two_callers_never_get_each_others_results_under_load() {
    let upstream = Upstream::start().await;
    for caller in ["a", "b"] {
        let mut body = resumed();
        body["id"] = json!(format!("ses_{caller}"));
        body["capture_url"] = json!(format!("https://app.withverifa.com/verify/tok_{caller}"));
        upstream.plan(&format!("ses_{caller}"), [Reply::json(200, &body)]);
    }
    let server = HttpServer::of_api(
        &upstream.url,
        &[("VERIFA_MCP_MAX_UPSTREAM", "400"), ("VERIFA_MCP_WRITES_PER_CALLER", "1000/1h")],
    )
    .await;
    let calls = (0..200).map(|number| {
        let caller = if number % 2 == 0 { "a" } else { "b" };
        let call = server.resume(&format!("vk_sandbox_{caller}"), &format!("ses_{caller}"));
        async move { (caller, json_of(call).await["result"]["structuredContent"].take()) }
    });
    for (caller, answer) in futures_util::future::join_all(calls).await {
        assert_eq!(answer["capture_url"], format!("https://app.withverifa.com/verify/tok_{caller}"));
    }
    for request in upstream.received() {
        let caller = request.headers["x-api-key"].strip_prefix("vk_sandbox_").unwrap();
        assert!(request.line.contains(&format!("/ses_{caller}/")), "{request:?}");
    }
}

#[tokio::test]
async fn one_caller_cannot_use_all_permits() {
    let upstream = Upstream::start().await;
    upstream.plan("ses_slow", [Reply::Hang]);
    upstream.plan("ses_fast", [Reply::resumed()]);
    let server = HttpServer::of_api(&upstream.url, &[("VERIFA_MCP_MAX_UPSTREAM", "4")]).await;
    let slow = tokio::spawn(server.resume("vk_sandbox_a", "ses_slow").send());
    upstream.arrival().await;
    let second = server.resume("vk_sandbox_a", "ses_fast").send().await.unwrap();
    assert_eq!((second.status().as_u16(), &second.headers()["retry-after"]), (429, &"1".parse().unwrap()));
    assert_eq!(json_of(server.resume("vk_sandbox_b", "ses_fast")).await["result"]["isError"], false);
    slow.abort();
    upstream.hang_up().await;
    eventually(async || server.resume("vk_sandbox_a", "ses_fast").send().await.unwrap().status() == 200).await;
}

#[tokio::test]
async fn the_instructions_name_the_callers_environment() {
    let server = HttpServer::start(&["--auth", "api-key"], &[]).await;
    let client = json!({"name": "integration tests", "version": "1"});
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": client,
    });
    let initialize = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
    for (method, version, params) in
        [("initialize", "2025-11-25", initialize), ("server/discover", "2026-07-28", json!({"_meta": meta}))]
    {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        for (key, environment) in [("vk_live_a", "live"), ("vk_sandbox_a", "sandbox")] {
            let request = server.post("/mcp", &message).bearer_auth(key);
            let request = request.header("mcp-protocol-version", version).header("mcp-method", method);
            let answer = json_of(request).await;
            let instructions = answer["result"]["instructions"].as_str().unwrap_or_else(|| panic!("{answer}"));
            assert!(instructions.contains(&format!("Environment: {environment}.")), "{method} {instructions}");
        }
    }
}

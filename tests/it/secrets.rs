//! Nothing that the program says, at its most talkative, holds a key, a link, a token or a QR code.

use serde_json::{Value, json};

use crate::{
    http::json_of,
    program::{Client, Emulator, HttpServer, run, stderr, text},
    upstream::{Reply, Upstream, resumed},
};

const KEY: &str = "vk_sandbox_leaksearch0123456789";
const TALKATIVE: [(&str, &str); 2] = [("RUST_LOG", "trace"), ("VERIFA_MCP_LOG", "trace")];

fn assert_free_of(haystack: &str, secrets: &[&str]) {
    for secret in secrets {
        assert!(!secret.is_empty() && !haystack.contains(secret), "{secret} in {haystack}");
    }
}

fn token(link: &str) -> &str {
    link.rsplit('/').next().unwrap()
}

#[tokio::test]
async fn a_success_leaves_no_secret_in_the_logs() {
    let emulator = Emulator::start(&["--log", "trace"]).await;
    for format in ["text", "json"] {
        let mut environment = vec![("VERIFA_MCP_LOG_FORMAT", format), ("VERIFA_API_KEY", KEY)];
        environment.extend(TALKATIVE);
        environment.push(("VERIFA_API_URL", &emulator.url));
        let mut client = Client::start(&[], &environment).await;
        let mut secrets = vec![KEY.to_owned()];
        for id in ["ses_demo_expired", "ses_demo_null_qr", "ses_demo_unavailable"] {
            let result = client.resume(json!({"session_id": id})).await;
            let link = result["structuredContent"]["capture_url"].as_str().unwrap();
            let picture = result["content"][1]["data"].as_str().unwrap();
            secrets.extend([
                link.to_owned(),
                token(link).to_owned(),
                picture[..60].to_owned(),
                picture[100..160].to_owned(),
            ]);
            assert_free_of(&result.to_string(), &[KEY]);
        }
        client.close_stdin();
        let (_, log) = client.end().await;
        assert!(log.contains("ses_demo_expired"), "the log is there: {log}");
        assert_free_of(&log, &secrets.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_failure_leaves_no_secret_in_its_text_or_the_logs() {
    let link = resumed()["capture_url"].as_str().unwrap().to_owned();
    let with = |field: &str, value: Value| {
        let mut body = resumed();
        body[field] = value;
        Reply::json(200, &body)
    };
    let upstream = Upstream::start().await;
    let cases = [
        Reply::error(400, KEY, format!("bad key {KEY} for {link}")),
        Reply::error(401, "unauthorized", json!({"key": KEY, "link": link})),
        Reply::new(500, &[], format!("{{\"detail\": [{{\"loc\": [\"{KEY}\"], \"msg\": \"{link}\"}}]}}")),
        Reply::new(200, &[], format!("not JSON {KEY} {link}")),
        Reply::new(302, &[&format!("location: {link}")], ""),
        Reply::Bytes(format!("{KEY} {link}\r\n\r\n").into_bytes()),
        with("expires_at", json!("2020-01-01T00:00:00Z")),
        with("expires_at", json!(link)),
        with("capture_url", json!(format!("http{}", link.strip_prefix("https").unwrap()))),
        with("status", Value::Null),
        Reply::Close,
        Reply::Hang,
    ];
    let mut environment = vec![("VERIFA_API_KEY", KEY), ("VERIFA_MCP_RETRY_BUDGET", "200ms")];
    environment.extend(TALKATIVE);
    let mut client = Client::of_api(&upstream.url, &environment).await;
    for reply in cases {
        upstream.plan("", [reply]);
        let result = client.resume(json!({"session_id": "ses_1"})).await;
        assert_eq!(result["isError"], true, "{result}");
        assert_free_of(text(&result), &[KEY, &link, token(&link)]);
    }
    client.close_stdin();
    assert_free_of(&client.end().await.1, &[KEY, &link, token(&link)]);
}

#[tokio::test]
async fn secrets_in_the_wrong_place_are_not_repeated() {
    let mut environment = vec![("VERIFA_API_KEY", KEY)];
    environment.extend(TALKATIVE);
    let mut client = Client::start(&[], &environment).await;
    for arguments in [
        json!({"session_id": KEY}),
        json!({"session_id": "https://app.withverifa.com/verify/tok_leak1"}),
        json!({"session_id": "tok_leak1", "idempotency_key": format!("{KEY} ")}),
        json!({"session_id": "ses_1", KEY: 1}),
    ] {
        let result = client.resume(arguments).await;
        assert_eq!(result["isError"], true);
        assert_free_of(text(&result), &[KEY, "tok_leak1"]);
    }
    client.close_stdin();
    assert_free_of(&client.end().await.1, &[KEY, "tok_leak1"]);
}

#[tokio::test]
async fn the_commands_leave_no_secret_on_stderr() {
    let emulator = Emulator::start(&[]).await;
    let mut environment = vec![("VERIFA_API_KEY", KEY), ("VERIFA_API_URL", emulator.url.as_str())];
    environment.extend(TALKATIVE);
    for arguments in [&["resume", "ses_demo_expired", "--json"][..], &["check"], &["resume", "ses_demo_failed"]] {
        let output = run(arguments.iter().copied(), &environment).await;
        assert_free_of(stderr(&output), &[KEY, "tok_", "/verify/"]);
        assert_free_of(str::from_utf8(&output.stdout).unwrap(), &[KEY]);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn over_http_no_secret_is_left_anywhere_either() {
    let emulator = Emulator::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (tokens, audit) = (path("tokens"), path("audit"));
    let made = run(["token", "new", "support", "--tokens-file", &tokens], &[]).await;
    let caller = str::from_utf8(&made.stdout).unwrap().trim().to_owned();
    for format in ["text", "json"] {
        let mut environment = vec![("VERIFA_API_KEY", KEY), ("VERIFA_API_URL", emulator.url.as_str())];
        environment.extend([("VERIFA_MCP_TOKENS_FILE", tokens.as_str()), ("VERIFA_MCP_AUDIT_LOG", &audit)]);
        environment.extend([("VERIFA_MCP_LOG_FORMAT", format), TALKATIVE[0], TALKATIVE[1]]);
        let server = HttpServer::start(&["--auth", "token"], &environment).await;
        let mut secrets = vec![KEY.to_owned(), caller.clone()];
        let result = json_of(server.resume(&caller, "ses_demo_expired")).await["result"].take();
        let link = result["structuredContent"]["capture_url"].as_str().unwrap();
        secrets.extend([link.to_owned(), token(link).to_owned()]);
        secrets.push(result["content"][1]["data"].as_str().unwrap()[60..120].to_owned());
        assert_free_of(&result.to_string(), &[KEY, &caller]);
        for wrong in [KEY, &caller[..30], "vk_pub_wrong"] {
            let refused = server.resume(wrong, "ses_demo_expired").send().await.unwrap();
            assert_eq!(refused.status(), 401);
            assert_free_of(&refused.text().await.unwrap(), &[wrong, KEY]);
        }
        for query in [format!("toolsets={KEY}"), format!("other={KEY}"), format!("{KEY}=true")] {
            let strange = server.get(&format!("/sse?{query}")).bearer_auth(&caller).send().await.unwrap();
            assert_eq!(strange.status(), 400);
            assert_free_of(&strange.text().await.unwrap(), &[KEY]);
        }
        let mut stream = server.get("/sse").bearer_auth(&caller).send().await.unwrap();
        let endpoint = stream.chunk().await.unwrap().unwrap();
        let id = str::from_utf8(&endpoint).unwrap().split("sessionId=").nth(1).unwrap().trim().to_owned();
        let method = reqwest::Method::from_bytes(KEY.as_bytes()).unwrap();
        server.client.request(method, &server.url).header("x-request-id", KEY).send().await.unwrap();
        server.get(&format!("/{caller}?key={KEY}")).header("host", format!("{KEY}.example")).send().await.unwrap();
        drop(stream);
        let metrics = server.get("/metrics").send().await.unwrap().text().await.unwrap();
        server.signal("TERM").await;
        let (_, log) = server.end().await;
        assert!(log.contains("support"), "{log}");
        secrets.push(id);
        let secrets: Vec<_> = secrets.iter().map(String::as_str).collect();
        assert_free_of(&log, &secrets);
        assert_free_of(&metrics, &secrets);
        let audited = std::fs::read_to_string(&audit).unwrap();
        assert!(audited.contains(r#""caller":"support""#), "{audited}");
        assert_free_of(&audited, &secrets);
    }
}

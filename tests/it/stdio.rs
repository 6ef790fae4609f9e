//! MCP over stdin and stdout, as clients launch it: both protocol eras, pipes and socket pairs, concurrency, the end.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::{
    program::{Client, Streams, text, with_stable_values},
    upstream::{Reply, Upstream},
};

const ERAS_WITH_INITIALIZE: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// What every request of the 2026-07-28 revision carries.
fn modern(mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "integration tests", "version": "1"},
    });
    params
}

fn resume_expired() -> Value {
    json!({"name": "resume_session", "arguments": {"session_id": "ses_demo_expired"}})
}

#[tokio::test]
async fn every_older_revision_is_spoken_over_pipes_and_socket_pairs() {
    for streams in Streams::ALL {
        for version in ERAS_WITH_INITIALIZE {
            let mut client = Client::connect(streams, &["stdio", "--emulator"], &[]);
            let answer = client.initialize(version).await;
            assert_eq!(answer["result"]["protocolVersion"], version);
            assert_eq!(answer["result"]["serverInfo"]["name"], "verifa-mcp");
            let result = client.resume(json!({"session_id": "ses_demo_expired"})).await;
            assert_eq!(result["isError"], false, "{version} {streams:?}");
            client.close_stdin();
            assert!(client.end().await.0.success());
        }
    }
}

#[tokio::test]
async fn the_newest_revision_is_spoken_without_initialize() {
    for streams in Streams::ALL {
        let mut client = Client::connect(streams, &["--emulator"], &[]);
        let discovered = client.request("server/discover", modern(json!({}))).await;
        let versions = discovered["result"]["supportedVersions"].as_array().unwrap();
        assert!(versions.contains(&json!("2026-07-28")), "{discovered}");
        let listed = client.request("tools/list", modern(json!({}))).await;
        assert_eq!(listed["result"]["cacheScope"], "private");
        assert_eq!(listed["result"]["resultType"], "complete");
        let called = client.request("tools/call", modern(resume_expired())).await;
        assert_eq!(called["result"]["structuredContent"]["status"], "pending", "{called}");
    }
}

#[tokio::test]
async fn initialize_and_discover_responses_stay_as_they_are() {
    let mut client = Client::connect(Streams::Pipes, &["--emulator"], &[]);
    let initialized = client.initialize("2025-11-25").await;
    let discovered = client.request("server/discover", modern(json!({}))).await;
    with_stable_values(|| insta::assert_snapshot!("initialize", format!("{:#}", initialized["result"])));
    with_stable_values(|| insta::assert_snapshot!("discover", format!("{:#}", discovered["result"])));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_stream_is_read_by_a_blocking_thread() {
    let upstream = Upstream::always([Reply::resumed()]).await;
    for streams in Streams::ALL {
        let key = ("VERIFA_API_KEY", "vk_sandbox_x");
        let mut client = Client::connect(streams, &[], &[key, ("VERIFA_API_URL", &upstream.url)]);
        client.initialize("2025-11-25").await;
        assert_eq!(client.resume(json!({"session_id": "ses_1"})).await["isError"], false);
        let threads = std::fs::read_dir(format!("/proc/{}/task", client.pid())).unwrap();
        let names = threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("comm")).unwrap());
        let mut names: Vec<_> = names.map(|name| name.trim().to_owned()).collect();
        names.sort();
        assert_eq!(names, ["tracing-appende", "verifa-mcp"], "{streams:?}");
    }
}

#[tokio::test]
async fn results_are_sent_as_calls_finish() {
    let upstream = Upstream::start().await;
    upstream.plan("ses_slow", [Reply::Hang]);
    upstream.plan("ses_fast", [Reply::resumed()]);
    let mut client = Client::of_api(&upstream.url, &[]).await;
    let call = |id: &str| json!({"name": "resume_session", "arguments": {"session_id": id}});
    client.send("tools/call", call("ses_slow")).await;
    upstream.arrival().await;
    let mut fast = Vec::new();
    for _ in 0..10 {
        fast.push(client.send("tools/call", call("ses_fast")).await);
    }
    let mut answered = Vec::new();
    for _ in 0..10 {
        answered.push(client.receive().await.unwrap()["id"].as_u64().unwrap());
    }
    answered.sort_unstable();
    assert_eq!(answered, fast);
}

#[tokio::test]
async fn it_ends_when_stdin_ends() {
    for streams in Streams::ALL {
        let mut before_a_word = Client::connect(streams, &["--emulator"], &[]);
        before_a_word.close_stdin();
        let (status, stderr) = before_a_word.end().await;
        assert!(status.success(), "{streams:?}: {stderr}");

        let mut client = Client::connect(streams, &["--emulator"], &[]);
        client.initialize("2025-11-25").await;
        client.close_stdin();
        assert!(client.receive().await.is_none());
        assert!(client.end().await.0.success());
    }
}

#[tokio::test]
async fn a_call_that_runs_when_stdin_ends_still_gets_its_result() {
    let upstream = Upstream::always([Reply::new(503, &["retry-after: 1"], ""), Reply::resumed()]).await;
    let mut client = Client::of_api(&upstream.url, &[]).await;
    let id = client.send("tools/call", json!({"name": "resume_session", "arguments": {"session_id": "ses_1"}})).await;
    upstream.arrival().await;
    client.close_stdin();
    let answer = client.receive().await.expect("the call's answer");
    assert_eq!((&answer["id"], &answer["result"]["isError"]), (&json!(id), &json!(false)));
    assert!(client.end().await.0.success());
}

#[cfg(unix)]
#[tokio::test]
async fn it_ends_on_a_signal_although_stdin_stays_open() {
    for streams in Streams::ALL {
        for signal in ["TERM", "INT"] {
            let mut client = Client::connect(streams, &["--emulator"], &[]);
            client.initialize("2025-11-25").await;
            client.signal(signal).await;
            assert!(client.end().await.0.success(), "{streams:?} {signal}");
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn it_ends_on_a_signal_although_a_call_runs() {
    let upstream = Upstream::always([Reply::Hang]).await;
    for (streams, signal) in [(Streams::Pipes, "TERM"), (Streams::SocketPair, "INT")] {
        let environment = [("VERIFA_API_KEY", "vk_sandbox_x"), ("VERIFA_API_URL", upstream.url.as_str())];
        let mut client = Client::connect(streams, &[], &environment);
        client.initialize("2025-11-25").await;
        client.send("tools/call", json!({"name": "resume_session", "arguments": {"session_id": "ses_1"}})).await;
        upstream.arrival().await;
        client.signal(signal).await;
        assert!(client.end().await.0.success(), "{streams:?} {signal}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn it_ends_although_the_client_does_not_read_stdout() {
    let endings = [Streams::Pipes, Streams::SocketPair].map(|streams| [(streams, "TERM"), (streams, "stdin")]);
    let ends = endings.into_iter().flatten().map(async |(streams, ending)| {
        let mut client = Client::connect(streams, &["--emulator"], &[]);
        client.initialize("2025-11-25").await;
        for _ in 0..300 {
            client.send("tools/call", resume_expired()).await;
        }
        match ending {
            "stdin" => client.close_stdin(),
            signal => client.signal(signal).await,
        }
        assert!(client.end_unread().await.success(), "{streams:?} {ending}");
    });
    futures_util::future::join_all(ends).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_client_that_does_not_read_stderr_delays_nothing() {
    let mut command = crate::program::program(["--emulator", "--log", "debug"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let unread = child.stderr.take().unwrap();
    let (mut stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut lines = BufReader::new(stdout).lines();
    let mut send = async |message: Value| stdin.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    for number in 0..2_000 {
        let params = modern(resume_expired());
        send(json!({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})).await;
        assert!(lines.next_line().await.unwrap().is_some());
    }
    drop(stdin);
    assert!(child.wait().await.unwrap().success());
    drop(unread);
}

#[tokio::test]
async fn without_a_key_it_starts_lists_its_tools_and_says_how_to_set_one() {
    let mut client = Client::start(&[], &[]).await;
    assert_eq!(client.definition("resume_session").await["title"], "Resume a Verifa session");
    let result = client.resume(json!({"session_id": "ses_1"})).await;
    assert_eq!(result["isError"], true);
    assert!(text(&result).contains("set VERIFA_API_KEY"), "{result}");
}

#[tokio::test]
async fn protocol_violations_are_protocol_errors() {
    let mut client = Client::start(&["--emulator"], &[]).await;
    let unknown_tool = client.request("tools/call", json!({"name": "resume", "arguments": {}})).await;
    assert_eq!(unknown_tool["error"]["code"], -32602, "{unknown_tool}");
    assert!(unknown_tool["error"]["message"].as_str().unwrap().contains("unknown tool"));
    let unknown_method = client.request("nonsense/call", json!({})).await;
    assert_eq!(unknown_method["error"]["code"], -32601, "{unknown_method}");
}

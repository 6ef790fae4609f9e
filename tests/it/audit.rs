//! The audit log: two lines per call, written before anything is sent and before anything is handed out, or neither is.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

#[cfg(unix)]
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    program::{Client, Emulator, SANDBOX_KEY, run, stderr, stdout, text, with_stable_values},
    upstream::{Reply, Upstream, resumed},
};

/// Where a log is to be, in a folder of its own.
struct Log {
    folder: TempDir,
    path: PathBuf,
}

impl Log {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        Self { folder, path }
    }

    fn setting(&self) -> (&str, &str) {
        ("VERIFA_MCP_AUDIT_LOG", self.path.to_str().unwrap())
    }

    fn lines(&self) -> Vec<Value> {
        lines_of(&self.path)
    }

    /// The lines, once there are so many.
    async fn once_there_are(&self, count: usize) -> Vec<Value> {
        for _ in 0..500 {
            if self.lines().len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let lines = self.lines();
        assert_eq!(lines.len(), count, "{lines:?}");
        lines
    }

    /// Puts something else at the log's path, as a rotation does; returns where the log is now.
    #[cfg(unix)]
    fn replace_with(&self, target: &str) -> PathBuf {
        let aside = self.rotate();
        symlink(target, &self.path).unwrap();
        aside
    }

    fn rotate(&self) -> PathBuf {
        let aside = self.folder.path().join("audit.jsonl.1");
        fs::rename(&self.path, &aside).unwrap();
        aside
    }
}

fn lines_of(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"))).collect()
}

fn names(line: &Value) -> Vec<&str> {
    line.as_object().unwrap().keys().map(String::as_str).collect()
}

fn call(session_id: &str) -> Value {
    json!({"name": "resume_session", "arguments": {"session_id": session_id}})
}

#[tokio::test]
async fn a_call_is_two_lines_joined_by_its_id() {
    let log = Log::new();
    let upstream = Upstream::always([Reply::new(503, &["retry-after: 1"], ""), Reply::resumed()]).await;
    let mut client = Client::of_api(&upstream.url, &[log.setting()]).await;
    client.resume(json!({"session_id": "ses_1", "idempotency_key": "ticket-4711"})).await;

    let [start, end] = log.lines().try_into().unwrap();
    let identity =
        ["time", "event", "call", "caller", "key", "environment", "emulator", "tool", "session_id", "idempotency_key"];
    assert_eq!(names(&start), identity);
    let outcome = ["time", "event", "call", "tool", "session_id", "outcome", "status", "attempts", "milliseconds"];
    assert_eq!(names(&end), outcome);

    assert_eq!((&start["event"], &end["event"]), (&json!("start"), &json!("end")));
    assert_eq!(start["call"], end["call"]);
    assert!(uuid(&start["call"]), "{start}");
    let key = start["key"].as_str().unwrap();
    assert!(key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{start}");
    assert_eq!((&start["caller"], &start["environment"]), (&Value::Null, &json!("sandbox")));
    assert_eq!((&start["emulator"], &start["idempotency_key"]), (&json!(false), &json!("ticket-4711")));
    for line in [&start, &end] {
        assert_eq!((&line["tool"], &line["session_id"]), (&json!("resume_session"), &json!("ses_1")));
        let time = line["time"].as_str().unwrap();
        assert!(time.parse::<jiff::Timestamp>().is_ok() && time.len() == "2026-01-01T00:00:00.000Z".len(), "{time}");
    }
    assert_eq!((&end["outcome"], &end["status"], &end["attempts"]), (&json!("resumed"), &json!(200), &json!(2)));
    assert!((1_000..20_000).contains(&end["milliseconds"].as_u64().unwrap()), "{end}");
}

fn uuid(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() == 36 && text.bytes().filter(|byte| *byte == b'-').count() == 4)
}

#[tokio::test]
async fn the_outcome_says_what_became_of_the_session() {
    let expired = || {
        let mut body = resumed();
        body["expires_at"] = json!("2020-01-01T00:00:00Z");
        Reply::json(200, &body)
    };
    let conflict = || Reply::error(409, "conflict", "In progress");
    let cases = [
        ("resumed", json!(200), vec![Reply::resumed()]),
        ("refused", json!(404), vec![Reply::error(404, "not_found", "Session not found")]),
        ("refused", json!(409), vec![conflict()]),
        ("refused", json!(422), vec![Reply::error(422, "validation_error", "No")]),
        ("failed", json!(403), vec![Reply::new(403, &[], "<html>")]),
        ("failed", json!(302), vec![Reply::new(302, &["location: /elsewhere"], "")]),
        ("unknown", json!(409), vec![Reply::Close, conflict()]),
        ("unknown", json!(500), vec![Reply::error(500, "internal", "Oops")]),
        ("unknown", Value::Null, vec![Reply::Hang]),
        ("unknown", json!(200), vec![Reply::new(200, &[], "<html>")]),
        ("withheld", json!(200), vec![expired()]),
    ];
    let log = Log::new();
    let upstream = Upstream::start().await;
    let budget = [("VERIFA_MCP_RETRY_BUDGET", "1s"), ("VERIFA_MCP_ATTEMPT_TIMEOUT", "500ms"), log.setting()];
    let mut client = Client::of_api(&upstream.url, &budget).await;
    for (outcome, status, replies) in cases {
        upstream.plan("", replies);
        client.resume(json!({"session_id": "ses_1"})).await;
        let end = log.lines().pop().unwrap();
        assert_eq!((&end["event"], &end["outcome"], &end["status"]), (&json!("end"), &json!(outcome), &status));
    }

    let mut client = Client::of_api("http://127.0.0.1:1", &budget).await;
    client.resume(json!({"session_id": "ses_1"})).await;
    let end = log.lines().pop().unwrap();
    assert_eq!((&end["outcome"], &end["status"]), (&json!("failed"), &Value::Null));
}

#[tokio::test]
async fn a_call_that_sends_nothing_is_not_in_it() {
    let log = Log::new();
    let mut client = Client::start(&[], &[log.setting()]).await;
    for arguments in [json!({}), json!({"session_id": "ses_1"})] {
        assert_eq!(client.resume(arguments).await["isError"], true);
    }
    assert_eq!(log.lines(), [] as [Value; 0]);
}

#[tokio::test]
async fn no_secret_is_in_it() {
    let log = Log::new();
    let emulator = Emulator::start(&[]).await;
    let mut client = Client::of_api(&emulator.url, &[log.setting()]).await;
    let result = client.resume(json!({"session_id": "ses_demo_expired"})).await;
    let link = result["structuredContent"]["capture_url"].as_str().unwrap().to_owned();
    let picture = result["content"][1]["data"].as_str().unwrap().to_owned();
    for idempotency_key in [link.as_str(), SANDBOX_KEY] {
        let arguments = json!({"session_id": "ses_demo_expired", "idempotency_key": idempotency_key});
        let rejected = client.resume(arguments).await;
        assert!(text(&rejected).contains("looks like an API key or a capture token"), "{rejected}");
    }

    assert_eq!(log.lines().len(), 2);
    let text = fs::read_to_string(&log.path).unwrap();
    let token = link.rsplit('/').next().unwrap();
    for secret in [SANDBOX_KEY, &link, token, &picture[..60], &picture[100..160], "tok_", "vk_"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn nothing_is_sent_when_the_start_cannot_be_written() {
    let upstream = Upstream::always([Reply::resumed()]).await;
    let full = ("VERIFA_MCP_AUDIT_LOG", "/dev/full");
    let mut client = Client::of_api(&upstream.url, &[full]).await;
    let result = client.resume(json!({"session_id": "ses_1"})).await;
    with_stable_values(|| insta::assert_snapshot!("audit_without_start", text(&result)));

    let log = Log::new();
    let mut client = Client::of_api(&upstream.url, &[log.setting()]).await;
    fs::remove_file(&log.path).unwrap();
    fs::create_dir(&log.path).unwrap();
    let result = client.resume(json!({"session_id": "ses_1"})).await;
    assert!(text(&result).contains("nothing was sent to Verifa"), "{result}");
    assert_eq!(upstream.received().len(), 0);

    fs::remove_dir(&log.path).unwrap();
    assert_eq!(client.resume(json!({"session_id": "ses_1"})).await["isError"], false, "mended without a restart");
    assert_eq!((upstream.received().len(), log.lines().len()), (1, 2));
}

#[cfg(unix)]
#[tokio::test]
async fn the_link_is_withheld_when_the_end_cannot_be_written() {
    let upstream = Upstream::start().await;
    for (arguments, snapshot) in [
        (json!({"session_id": "ses_1"}), "audit_without_end"),
        (json!({"session_id": "ses_1", "idempotency_key": "mine"}), "audit_without_end_own_key"),
    ] {
        upstream.plan("", [Reply::new(503, &["retry-after: 1"], ""), Reply::resumed()]);
        let log = Log::new();
        let mut client = Client::of_api(&upstream.url, &[log.setting()]).await;
        client.send("tools/call", json!({"name": "resume_session", "arguments": arguments})).await;
        upstream.arrival().await;
        let aside = log.replace_with("/dev/full");
        let result = client.receive().await.unwrap()["result"].take();
        upstream.arrival().await;

        assert_eq!(result["isError"], true, "{result}");
        assert!(!result.to_string().contains("tok_"), "{result}");
        with_stable_values(|| insta::assert_snapshot!(snapshot, text(&result)));
        let [start] = lines_of(&aside).try_into().unwrap();
        assert_eq!(start["event"], "start");
        client.close_stdin();
        let (_, told) = client.end().await;
        assert!(told.contains("ERROR") && told.contains("the audit log cannot be written"), "{told}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_failure_keeps_its_own_text_when_the_end_cannot_be_written() {
    let refusal = Reply::error(404, "not_found", "Session not found");
    let upstream = Upstream::always([Reply::new(503, &["retry-after: 1"], ""), refusal]).await;
    let log = Log::new();
    let mut client = Client::of_api(&upstream.url, &[log.setting()]).await;
    client.send("tools/call", call("ses_1")).await;
    upstream.arrival().await;
    log.replace_with("/dev/full");
    let result = client.receive().await.unwrap()["result"].take();
    assert!(text(&result).starts_with("Verifa knows no session ses_1"), "{result}");
    client.close_stdin();
    let (_, told) = client.end().await;
    assert!(told.contains("ERROR") && told.contains("the audit log could not record the end of a call"), "{told}");
}

#[tokio::test]
async fn it_follows_its_path_when_the_file_is_rotated() {
    let log = Log::new();
    let mut client = Client::start(&["--emulator", "--audit-log", log.path.to_str().unwrap()], &[]).await;
    client.resume(json!({"session_id": "ses_demo_expired"})).await;
    let aside = log.rotate();
    client.resume(json!({"session_id": "ses_demo_expired"})).await;
    assert_eq!((lines_of(&aside).len(), log.lines().len()), (2, 2));
    assert_eq!(log.lines()[0]["emulator"], true);

    fs::remove_file(&log.path).unwrap();
    fs::write(&log.path, "").unwrap();
    client.resume(json!({"session_id": "ses_demo_expired"})).await;
    assert_eq!(log.lines().len(), 2, "a file of the same name is another file");

    fs::OpenOptions::new().write(true).open(&log.path).unwrap().set_len(0).unwrap();
    client.resume(json!({"session_id": "ses_demo_expired"})).await;
    assert_eq!(log.lines().len(), 2, "emptied in place, it has no hole");
}

#[cfg(unix)]
#[tokio::test]
async fn it_is_its_owners_alone_and_is_appended_to() {
    let log = Log::new();
    let arguments = ["resume", "ses_demo_expired", "--emulator", "--audit-log", log.path.to_str().unwrap()];
    for times in 1..=2 {
        assert!(run(arguments, &[]).await.status.success());
        assert_eq!(log.lines().len(), 2 * times);
    }
    assert_eq!(fs::metadata(&log.path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_cancelled_call_has_its_end() {
    let log = Log::new();
    let upstream = Upstream::always([Reply::Hang]).await;
    let mut client = Client::of_api(&upstream.url, &[log.setting()]).await;
    let id = client.send("tools/call", call("ses_1")).await;
    upstream.arrival().await;
    client.notify("notifications/cancelled", json!({"requestId": id})).await;
    let lines = log.once_there_are(2).await;
    assert_eq!((&lines[1]["outcome"], &lines[1]["call"]), (&json!("cancelled"), &lines[0]["call"]));
    assert_eq!((&lines[1]["status"], &lines[1]["attempts"]), (&Value::Null, &Value::Null));
}

#[cfg(unix)]
#[tokio::test]
async fn a_call_that_a_signal_ends_has_its_end() {
    let log = Log::new();
    let upstream = Upstream::always([Reply::Hang]).await;
    let mut client = Client::of_api(&upstream.url, &[log.setting()]).await;
    client.send("tools/call", call("ses_1")).await;
    upstream.arrival().await;
    client.signal("TERM").await;
    assert!(client.end().await.0.success());
    let lines = log.once_there_are(2).await;
    assert_eq!(lines[1]["outcome"], "cancelled");
}

#[tokio::test]
async fn processes_may_share_it() {
    const CALLS: usize = 60;
    let log = Log::new();
    let upstream = Upstream::always([Reply::resumed()]).await;
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = Client::of_api(&upstream.url, &[log.setting()]).await;
        for _ in 0..CALLS {
            client.send("tools/call", call("ses_1")).await;
        }
        clients.push(client);
    }
    for client in &mut clients {
        for _ in 0..CALLS {
            assert_eq!(client.receive().await.unwrap()["result"]["isError"], false);
        }
    }
    let mut calls: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in log.lines() {
        let part = |name: &str| line[name].as_str().unwrap().to_owned();
        calls.entry(part("call")).or_default().push(part("event"));
    }
    assert_eq!(calls.len(), 2 * CALLS);
    assert!(calls.values().all(|events| events == &["start", "end"]), "{calls:?}");
}

#[tokio::test]
async fn one_that_cannot_be_opened_is_a_wrong_setting() {
    for path in ["/nonexistent/audit.jsonl", "/"] {
        let output = run([], &[("VERIFA_MCP_AUDIT_LOG", path), ("VERIFA_API_KEY", "nonsense")]).await;
        assert_eq!(output.status.code(), Some(2));
        let expected = format!("VERIFA_MCP_AUDIT_LOG names the file {path}, which cannot be opened for writing (");
        assert!(stderr(&output).contains(&expected), "{}", stderr(&output));
        assert!(stderr(&output).contains("2 invalid settings"), "with the others: {}", stderr(&output));
    }
    assert!(run([], &[("VERIFA_MCP_AUDIT_LOG", " ")]).await.status.success(), "empty counts as not set");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn over_stdio_it_cannot_be_stdout_or_stderr() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link");
    symlink("/dev/stdout", &link).unwrap();
    for path in ["/dev/stdout", "/dev/stderr", "/proc/self/fd/1", "/dev/fd/2", link.to_str().unwrap()] {
        let output = run(["--emulator", "--audit-log", path], &[]).await;
        assert_eq!(output.status.code(), Some(2), "{path}: {output:?}");
        assert!(stderr(&output).contains("VERIFA_MCP_AUDIT_LOG leads to stdout or stderr"), "{}", stderr(&output));
        assert_eq!(stdout(&output), "", "{path}");
    }
}

#[tokio::test]
async fn a_log_at_a_long_path_is_written() {
    let log = Log::new();
    let folder = log.folder.path().join(["a".repeat(100), "b".repeat(100), "c".repeat(100)].join("/"));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("audit.jsonl");
    let mut client = Client::start(&["--emulator"], &[("VERIFA_MCP_AUDIT_LOG", path.to_str().unwrap())]).await;
    assert_ne!(client.resume(json!({"session_id": "ses_demo_expired"})).await["isError"], true);
    assert_eq!(lines_of(&path).len(), 2);
}

#[cfg(windows)]
#[tokio::test]
async fn a_log_that_another_program_keeps_to_itself_is_an_error_that_names_it() {
    use std::os::windows::fs::OpenOptionsExt;

    let log = Log::new();
    let held = fs::OpenOptions::new().append(true).create(true).share_mode(0).open(&log.path).unwrap();
    let output = run(["stdio", "--emulator"], &[log.setting()]).await;
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("VERIFA_MCP_AUDIT_LOG"), "{}", stderr(&output));
    drop(held);
    assert!(run(["stdio", "--emulator"], &[log.setting()]).await.status.success());
}

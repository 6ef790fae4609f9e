//! The settings: what is accepted and rejected, and that all errors are reported at once.

mod secrets;
mod values;

use serde_json::json;

use crate::{
    program::{Client, run, stderr, stdout},
    upstream::{Reply, Upstream},
};

/// Runs the stdio server with these settings; it ends at once, since its stdin is empty.
async fn start(environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = run([], environment).await;
    assert_eq!(stdout(&output), "");
    (output.status.code(), stderr(&output).to_owned())
}

#[tokio::test]
async fn a_key_that_is_no_secret_key_is_rejected_in_one_line_that_does_not_repeat_it() {
    for (key, expected) in [
        ("${VERIFA_API_KEY}", "unexpanded placeholder"),
        ("${input:verifa_key}", "unexpanded placeholder"),
        ("vk_pub_abc123", "publishable key"),
        ("sk_live_abc123", "must begin with vk_sandbox_ or vk_live_"),
        ("vk_live_", "is damaged"),
        ("vk_live_abc 123", "is damaged"),
        ("vk_live_abc\u{e9}", "is damaged"),
    ] {
        let (code, stderr) = start(&[("VERIFA_API_KEY", key)]).await;
        assert_eq!(code, Some(2), "{key}");
        assert!(stderr.contains(expected), "{stderr}");
        assert!(stderr.starts_with("verifa-mcp: invalid setting: VERIFA_API_KEY ") && stderr.lines().count() == 1);
        assert!(!stderr.contains("abc"), "{stderr}");
    }
}

#[tokio::test]
async fn an_empty_setting_counts_as_not_set() {
    let empty = [
        "VERIFA_API_KEY",
        "VERIFA_API_KEY_FILE",
        "VERIFA_ENV",
        "VERIFA_API_URL",
        "VERIFA_API_VERSION",
        "VERIFA_KEY_INFLECTION",
        "VERIFA_MCP_QR",
        "VERIFA_MCP_RETRY_BUDGET",
        "VERIFA_MCP_CONNECT_TIMEOUT",
        "VERIFA_MCP_ATTEMPT_TIMEOUT",
        "VERIFA_MCP_MAX_UPSTREAM",
        "VERIFA_MCP_CONNECT_AHEAD",
        "VERIFA_CA_FILE",
        "VERIFA_MCP_LOG",
        "VERIFA_MCP_LOG_FORMAT",
        "VERIFA_MCP_TOOLSETS",
        "VERIFA_MCP_READ_ONLY",
        "VERIFA_MCP_CONFIRM",
    ];
    let environment: Vec<_> = empty.iter().map(|name| (*name, " ")).collect();
    let (code, stderr) = start(&environment).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn all_errors_are_reported_at_once_each_with_its_fix() {
    let (code, stderr) = start(&[
        ("VERIFA_API_KEY", "vk_live_x"),
        ("VERIFA_ENV", "sandbox"),
        ("VERIFA_API_URL", "http://api.withverifa.com"),
        ("VERIFA_API_VERSION", "newest"),
        ("VERIFA_KEY_INFLECTION", "pascal"),
        ("VERIFA_MCP_QR", "svg"),
        ("VERIFA_MCP_RETRY_BUDGET", "-1s"),
        ("VERIFA_MCP_CONNECT_TIMEOUT", "soon"),
        ("VERIFA_MCP_ATTEMPT_TIMEOUT", "2h"),
        ("VERIFA_MCP_MAX_UPSTREAM", "0"),
        ("VERIFA_MCP_CONNECT_AHEAD", "perhaps"),
        ("VERIFA_CA_FILE", "/nonexistent/ca.pem"),
        ("VERIFA_MCP_LOG", "loud"),
        ("VERIFA_MCP_LOG_FORMAT", "xml"),
    ])
    .await;
    assert_eq!(code, Some(2));
    insta::with_settings!({prepend_module_to_snapshot => false}, { insta::assert_snapshot!("settings_errors", stderr) });
}

#[tokio::test]
async fn the_key_can_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "  vk_live_fromafile\n").unwrap();
    let path = file.to_str().unwrap();
    let upstream = Upstream::always([Reply::resumed()]).await;
    let mut client = Client::start(&["--api-key-file", path], &[("VERIFA_API_URL", &upstream.url)]).await;
    client.resume(json!({"session_id": "ses_1"})).await;
    assert_eq!(upstream.received()[0].headers["x-api-key"], "vk_live_fromafile");

    let both = start(&[("VERIFA_API_KEY", "vk_live_x"), ("VERIFA_API_KEY_FILE", path)]).await;
    assert_eq!(both.0, Some(2));
    assert!(both.1.contains("both set"), "{}", both.1);

    std::fs::write(&file, "\n").unwrap();
    let empty = start(&[("VERIFA_API_KEY_FILE", path)]).await;
    assert_eq!(empty.0, Some(2));
    assert!(empty.1.contains("which is empty"), "{}", empty.1);

    std::fs::write(&file, "vk_pub_abc").unwrap();
    let publishable = start(&[("VERIFA_API_KEY_FILE", path)]).await;
    assert_eq!(publishable.0, Some(2));
    assert!(publishable.1.contains("publishable key") && !publishable.1.contains("abc"), "{}", publishable.1);
}

#[tokio::test]
async fn a_password_in_the_url_is_not_repeated() {
    let (code, stderr) = start(&[("VERIFA_API_URL", "https://user:hunter2@api.withverifa.com")]).await;
    assert_eq!(code, Some(2));
    assert!(stderr.contains("must hold no user name") && !stderr.contains("hunter2"), "{stderr}");
}

#[tokio::test]
async fn a_certificate_file_that_cannot_be_used_is_reported_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    for content in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        std::fs::write(&file, content).unwrap();
        let (code, stderr) = start(&[("VERIFA_CA_FILE", file.to_str().unwrap())]).await;
        assert_eq!(code, Some(2), "{content}");
        assert!(stderr.contains("contains no usable PEM certificate"), "{stderr}");
    }
}

#[tokio::test]
async fn with_the_emulator_what_is_set_for_verifa_is_ignored() {
    let environment = [("VERIFA_API_KEY", "nonsense"), ("VERIFA_ENV", "live"), ("VERIFA_API_URL", "nonsense")];
    let output = run(["resume", "ses_demo_expired", "--emulator"], &environment).await;
    assert!(output.status.success(), "{}", stderr(&output));
}

#[tokio::test]
async fn durations_may_be_written_in_several_ways() {
    for value in ["20", "20s", "20 s", "1m 30s", "500ms", "1h"] {
        assert_eq!(start(&[("VERIFA_MCP_RETRY_BUDGET", value)]).await.0, Some(0), "{value}");
    }
}

#[tokio::test]
async fn logs_are_one_json_object_a_line_when_asked_for() {
    let mut client = Client::start(&["--emulator", "--log-format", "json", "--log", "debug"], &[]).await;
    client.resume(json!({"session_id": "ses_demo_expired"})).await;
    client.close_stdin();
    let (_, log) = client.end().await;
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let resumed = lines.iter().find(|line| line["fields"]["message"] == "resumed").unwrap();
    let (span, fields) = (&resumed["span"], &resumed["fields"]);
    assert_eq!((&span["tool"], &span["session_id"]), (&json!("resume_session"), &json!("ses_demo_expired")));
    assert_eq!((&fields["attempts"], &fields["status"]), (&json!(1), &json!(200)));
    assert!(fields["milliseconds"].is_number());
}

#[tokio::test]
async fn a_failure_is_logged_with_its_session_at_every_level_that_shows_it() {
    for level in ["warn", "info"] {
        let mut client = Client::start(&["--emulator", "--log", level], &[]).await;
        client.resume(json!({"session_id": "ses_nobody"})).await;
        client.close_stdin();
        let (_, log) = client.end().await;
        let line = log.lines().find(|line| line.contains("no result")).unwrap();
        assert!(line.contains(r#"call{tool="resume_session" session_id="ses_nobody"}"#), "{line}");
    }
}

#[tokio::test]
async fn the_default_log_is_a_line_a_call() {
    let mut client = Client::start(&["--emulator"], &[]).await;
    for _ in 0..3 {
        client.resume(json!({"session_id": "ses_demo_expired"})).await;
    }
    client.resume(json!({"session_id": "not an id"})).await;
    client.close_stdin();
    let (_, log) = client.end().await;
    assert_eq!(log.lines().count(), 5, "{log}");
    assert!(log.contains("nothing sent why=invalid arguments"), "{log}");
}

//! `verifa-mcp resume`: resuming a session from the command line.

use serde_json::Value;

#[cfg(unix)]
use crate::program::{run_without_stdout, shell};
use crate::{
    program::{Emulator, SANDBOX_KEY, fetch, run, stderr, stdout},
    qr::{BLACK_ON_WHITE, decode_png, decode_terminal},
    upstream::{Reply, Upstream},
};

fn link_in(text: &str) -> &str {
    text.lines().find_map(|line| line.strip_prefix("Link ")).unwrap().trim()
}

#[tokio::test]
async fn a_newcomer_sees_a_session_resumed_in_one_command() {
    let output = run(["resume", "ses_demo_expired", "--emulator"], &[]).await;
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    let link = link_in(text);
    assert!(link.starts_with("http://127.0.0.1:"), "{link}");
    assert_eq!(decode_terminal(text), link);
    assert!(text.contains("Status   pending\n"));
    assert!(text.contains("in 20 minutes\n") || text.contains("in 19 minutes\n"));
    assert!(text.contains(
        "demonstration: the link stopped working when this command ended. To open a link, run `verifa-mcp emulator`"
    ));
    assert_eq!(stderr(&output), "");
}

#[tokio::test]
async fn only_a_terminal_that_shows_colors_gets_them() {
    for (variables, colors) in [
        (&[][..], false),
        (&[("CLICOLOR_FORCE", "1")], true),
        (&[("CLICOLOR_FORCE", "1"), ("TERM", "xterm-256color")], true),
        (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
        (&[("TERM", "dumb")], false),
    ] {
        let output = run(["resume", "ses_demo_expired", "--emulator"], variables).await;
        let text = stdout(&output);
        assert_eq!(text.contains(BLACK_ON_WHITE[0]), colors, "{variables:?}");
        assert_eq!(text.contains('\u{1b}'), colors, "{variables:?}");
        assert_eq!(decode_terminal(text), link_in(text));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn without_a_stdout_nothing_is_resumed() {
    let upstream = Upstream::always([Reply::resumed()]).await;
    let environment = [("VERIFA_API_URL", upstream.url.as_str()), ("VERIFA_API_KEY", SANDBOX_KEY)];
    for more in [&[][..], &["--json"]] {
        let arguments = ["resume", "ses_1"].iter().chain(more).copied();
        let output = run_without_stdout(arguments, &environment).await;
        assert_eq!(output.status.code(), Some(1));
        let error = stderr(&output);
        assert!(error.contains("stdout is closed") && error.contains("the session was not resumed"), "{error}");
    }
    assert!(upstream.received().is_empty());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_link_that_cannot_be_printed_is_an_error_that_says_that_the_session_was_resumed() {
    for more in ["", "--json"] {
        let command = format!("exec \"$0\" resume ses_demo_expired --emulator {more} >/dev/full");
        let output = shell(&command, &[]).await;
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("the session was resumed, but its link cannot be printed"), "{output:?}");
    }
    // Someone who throws the output away has a reason.
    assert!(shell("exec \"$0\" resume ses_demo_expired --emulator >/dev/null", &[]).await.status.success());
}

#[tokio::test]
async fn its_log_names_the_session() {
    let output = run(["resume", "ses_demo_expired", "--emulator", "--log", "info"], &[]).await;
    let line = stderr(&output).lines().find(|line| line.contains("resumed")).unwrap();
    assert!(line.contains(r#"call{session_id="ses_demo_expired"}"#), "{line}");
}

#[tokio::test]
async fn it_works_behind_a_dead_proxy() {
    let unreachable = "http://127.0.0.1:9";
    let proxies = [
        ("HTTP_PROXY", unreachable),
        ("http_proxy", unreachable),
        ("HTTPS_PROXY", unreachable),
        ("ALL_PROXY", unreachable),
    ];
    let output = run(["resume", "ses_demo_expired", "--emulator"], &proxies).await;
    assert!(output.status.success(), "{}", stderr(&output));
}

#[cfg(unix)]
#[tokio::test]
async fn json_is_the_five_fields_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("qr.png");
    let arguments = ["resume", "ses_demo_expired", "--emulator", "--json", "--qr-file", file.to_str().unwrap()];
    std::fs::write(&file, "an older picture that everybody may read").unwrap();
    // The command's JSON is the endpoint's, whatever agents are given.
    let output = run(arguments, &[("VERIFA_MCP_QR", "none")]).await;
    let fields: Value = serde_json::from_str(stdout(&output)).unwrap();
    let names: Vec<_> = fields.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["id", "status", "capture_url", "expires_at", "qr_code_data_url"]);
    assert_eq!(decode_png(&std::fs::read(&file).unwrap()), fields["capture_url"].as_str().unwrap());
    assert_eq!(stderr(&output), "");

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_picture_is_drawn_where_verifa_gives_none() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("qr.png");
    let arguments = ["resume", "ses_demo_null_qr", "--emulator", "--json", "--qr-file", file.to_str().unwrap()];
    let output = run(arguments, &[]).await;
    let fields: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!(fields["qr_code_data_url"], Value::Null);
    assert_eq!(decode_png(&std::fs::read(&file).unwrap()), fields["capture_url"].as_str().unwrap());
}

#[tokio::test]
async fn the_emulator_keeps_a_link_alive_for_a_browser() {
    let emulator = Emulator::start(&[]).await;
    let environment = [("VERIFA_API_URL", emulator.url.as_str()), ("VERIFA_API_KEY", SANDBOX_KEY)];
    let output = run(["resume", "ses_demo_expired"], &environment).await;
    let text = stdout(&output);
    assert!(text.contains("(sandbox)") && !text.contains("demonstration"), "{text}");
    let page = fetch(link_in(text)).await;
    assert_eq!(page.status(), 200);
}

#[tokio::test]
async fn a_failure_has_the_text_that_agents_get_and_exit_code_1() {
    let output = run(["resume", "ses_demo_completed", "--emulator", "--json"], &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "");
    assert!(stderr(&output).starts_with("Verifa refused to resume session ses_demo_completed (400"));
}

#[tokio::test]
async fn a_link_is_not_lost_when_its_picture_cannot_be_written() {
    let output = run(["resume", "ses_demo_expired", "--emulator", "--qr-file", "/nonexistent/qr.png"], &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(link_in(stdout(&output)).starts_with("http://"));
    assert!(stderr(&output).contains("the QR code cannot be written to /nonexistent/qr.png"), "{}", stderr(&output));
}

#[tokio::test]
async fn without_a_key_it_says_how_to_set_one() {
    let output = run(["resume", "ses_1"], &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("set VERIFA_API_KEY"));
}

#[tokio::test]
async fn wrong_usage_is_exit_code_2() {
    for arguments in
        [&["resume"][..], &["resume", "../x", "--emulator"], &["resume", "ses_1", "--nonsense"], &["nonsense"]]
    {
        let output = run(arguments.iter().copied(), &[]).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(stdout(&output), "");
        assert!(!stderr(&output).is_empty());
    }
}

#[tokio::test]
async fn waiting_is_told_while_it_lasts() {
    let output = run(["resume", "ses_demo_rate_limited", "--emulator"], &[]).await;
    assert!(output.status.success());
    let waits: Vec<_> = stderr(&output).lines().collect();
    assert_eq!(waits.len(), 2, "{waits:?}");
    assert_eq!(waits[0], "Attempt 1 failed (status 429 rate_limited); next attempt in 1.0 s");
}

#[tokio::test]
async fn settings_reach_the_request() {
    let upstream = Upstream::always([Reply::resumed()]).await;
    let environment = [
        ("VERIFA_API_URL", upstream.url.as_str()),
        ("VERIFA_API_KEY", " vk_live_x\n"),
        ("VERIFA_API_VERSION", "2026-01-01"),
        ("VERIFA_KEY_INFLECTION", "camel"),
    ];
    let output = run(["resume", "ses_1", "--json", "--idempotency-key", "mine"], &environment).await;
    assert!(stdout(&output).contains("captureUrl"), "{}", stderr(&output));
    let [request] = &upstream.received()[..] else { panic!("one request") };
    assert_eq!(request.line, "POST /api/v1/sessions/ses_1/resume HTTP/1.1");
    let sent = |name: &str| request.headers.get(name).map(String::as_str);
    assert_eq!(sent("x-api-key"), Some("vk_live_x"));
    assert_eq!(sent("verifa-version"), Some("2026-01-01"));
    assert_eq!(sent("key-inflection"), Some("camel"));
    assert_eq!(sent("idempotency-key"), Some("mine"));
    assert_eq!(sent("content-length"), Some("0"));
}

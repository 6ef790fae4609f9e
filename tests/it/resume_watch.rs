//! `verifa-mcp resume --watch`: what is printed while a session goes on, and how it ends.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout},
};

#[cfg(unix)]
use crate::program::shell;
use crate::{
    program::{Emulator, SANDBOX_KEY, fetch, http_client, program, run, stderr, stdout},
    upstream::{Reply, Upstream},
};

/// What is printed while the command runs.
struct Watching {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watching {
    fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = program(["resume", "ses_demo_expired", "--watch"].iter().chain(arguments).copied());
        let mut child = command.envs(environment.iter().copied()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn line(&mut self) -> String {
        self.lines.next_line().await.unwrap().expect("a line")
    }

    async fn line_with(&mut self, text: &str) -> String {
        loop {
            let line = self.line().await;
            if line.contains(text) {
                return line;
            }
        }
    }

    async fn link(&mut self) -> String {
        self.line_with("Link ").await.split_whitespace().last().unwrap().to_owned()
    }

    async fn exit_code(mut self) -> Option<i32> {
        assert_eq!(self.lines.next_line().await.unwrap(), None);
        self.child.wait().await.unwrap().code()
    }
}

async fn press(link: &str, step: &str) {
    let page = http_client().build().unwrap().post(format!("{link}/{step}")).send().await.unwrap();
    assert_eq!(page.status(), 200);
}

#[tokio::test]
async fn it_watches_a_session_to_its_end() {
    let mut watching = Watching::start(&["--emulator"], &[]);
    let link = watching.link().await;
    watching.line_with("open the link on this computer").await;
    watching.line_with("Watching the session's status").await;
    assert_eq!(fetch(&link).await.status(), 200);
    assert!(watching.line().await.ends_with("Z  capturing"));
    press(&link, "submit").await;
    assert!(watching.line().await.ends_with("Z  processing"));
    press(&link, "complete").await;
    assert!(watching.line().await.ends_with("Z  completed"));
    assert_eq!(watching.exit_code().await, Some(0));
}

#[tokio::test]
async fn it_watches_in_json_and_a_session_that_fails_is_exit_code_1() {
    let emulator = Emulator::start(&[]).await;
    let environment = [("VERIFA_API_URL", emulator.url.as_str()), ("VERIFA_API_KEY", SANDBOX_KEY)];
    let mut watching = Watching::start(&["--json"], &environment);
    let link: Value = serde_json::from_str(&watching.line().await).unwrap();
    let link = link["capture_url"].as_str().unwrap();
    assert_eq!(fetch(link).await.status(), 200);
    press(link, "submit").await;
    press(link, "fail").await;
    let line: Value = serde_json::from_str(&watching.line_with("failed").await).unwrap();
    assert_eq!((&line["id"], &line["status"]), (&"ses_demo_expired".into(), &"failed".into()));
    assert_eq!(line["link_expired"], false);
    assert!(line["observed_at"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    assert_eq!(watching.exit_code().await, Some(1));
}

#[tokio::test]
async fn it_watches_until_the_link_expires() {
    let emulator = Emulator::start(&["--link-lifetime", "2s"]).await;
    let environment = [("VERIFA_API_URL", emulator.url.as_str()), ("VERIFA_API_KEY", SANDBOX_KEY)];
    // The person has opened it, so the session goes on.
    let mut watching = Watching::start(&[], &environment);
    let link = watching.link().await;
    assert_eq!(fetch(&link).await.status(), 200);
    watching.line_with("the link has expired; the status is capturing").await;
    assert_eq!(watching.exit_code().await, Some(0));
    // Nobody opens it, so the session expires with it.
    let mut watching = Watching::start(&["--json"], &environment);
    assert!(watching.line_with("observed_at").await.contains(r#""status":"expired""#));
    assert_eq!(watching.exit_code().await, Some(0));
}

#[cfg(unix)]
#[tokio::test]
async fn it_watches_until_ctrl_c() {
    let mut watching = Watching::start(&["--emulator"], &[]);
    watching.line_with("Watching the session's status").await;
    let id = watching.child.id().unwrap();
    assert!(shell(&format!("kill -INT {id}"), &[]).await.status.success());
    assert_eq!(watching.exit_code().await, Some(130));
}

#[tokio::test]
async fn it_does_not_resume_what_it_may_not_watch() {
    let upstream = Upstream::always([Reply::resumed()]).await;
    let environment =
        [("VERIFA_API_URL", upstream.url.as_str()), ("VERIFA_API_KEY", SANDBOX_KEY), ("VERIFA_MCP_TOOLSETS", "resume")];
    let output = run(["resume", "ses_1", "--watch"], &environment).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("VERIFA_MCP_TOOLSETS"), "{}", stderr(&output));
    assert!(upstream.received().is_empty());
}

#[tokio::test]
async fn a_fault_that_may_pass_is_waited_out_and_any_other_ends_the_watch() {
    let upstream = Upstream::start().await;
    let session = |status| Reply::json(200, &json!({"id": "ses_1", "status": status}));
    let limited = || Reply::new(429, &["Retry-After: 1"], r#"{"error": "rate_limited", "status_code": 429}"#);
    let forbidden = Reply::error(403, "forbidden", "no");
    upstream.plan("resume", [Reply::resumed()]);
    upstream.plan("ses_1", [session("pending"), limited(), limited(), limited(), session("capturing"), forbidden]);
    let environment = [("VERIFA_API_URL", upstream.url.as_str()), ("VERIFA_API_KEY", SANDBOX_KEY)];
    let output = run(["resume", "ses_1", "--watch", "--json"], &environment).await;
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let lines: Vec<_> = stdout(&output).lines().collect();
    assert_eq!(lines.len(), 2, "the link and one change: {lines:?}");
    assert!(lines[1].contains(r#""status":"capturing""#), "{lines:?}");
    assert!(stderr(&output).contains("sessions:read"), "{}", stderr(&output));
}

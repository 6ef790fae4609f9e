//! The tokens file as a running server sees it: tokens added and revoked, and a file that becomes invalid or is removed.

use std::{
    fs,
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::sleep;

#[cfg(unix)]
use super::make_pipe;
use super::{Place, name};
use crate::program::{HttpServer, SANDBOX_KEY};

#[test]
fn only_the_whole_token_counts() {
    let place = Place::new();
    let token = place.issue("jane");
    place.issue("joe");
    let tokens = place.open();
    assert_eq!(name(tokens.find(&token)).as_deref(), Some("jane"));
    let upper = token.to_uppercase();
    for wrong in ["", "vmt_", &token[..67], &token[4..], &format!("{token} "), &format!("{token}0"), &upper] {
        assert_eq!(tokens.find(wrong), None, "{wrong}");
    }
}

#[test]
fn a_running_server_sees_what_is_added_and_revoked() {
    let place = Place::new();
    let jane = place.issue("jane");
    let tokens = place.open();
    let joe = place.issue("joe");
    assert_eq!(name(tokens.find(&joe)).as_deref(), Some("joe"));
    assert!(place.revoke("jane"));
    assert_eq!(tokens.find(&jane), None);
    assert_eq!(name(tokens.find(&joe)).as_deref(), Some("joe"));
    assert!(place.revoke("joe"));
    assert_eq!(tokens.find(&joe), None, "an empty file is valid");
}

#[test]
fn a_file_that_becomes_invalid_leaves_the_tokens_read_before_and_is_logged_once() {
    let place = Place::new();
    let jane = place.issue("jane");
    let good = place.text();
    let tokens = place.open();
    let find = || name(tokens.find(&jane));
    let log = logged(|| {
        place.append("{\"name\": \"half a li");
        assert_eq!(find().as_deref(), Some("jane"));
        assert_eq!(find().as_deref(), Some("jane"));
        place.append("ne\"");
        assert_eq!(find().as_deref(), Some("jane"));
    });
    assert_eq!(log.matches("ERROR").count(), 2, "{log}");
    assert!(log.contains("line 2") && log.contains("stay valid"), "{log}");

    fs::write(&place.file, &good).unwrap();
    let log = logged(|| assert_eq!(find().as_deref(), Some("jane")));
    assert!(log.contains("read the tokens file again"), "{log}");
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_write_changes_nothing() {
    let place = Place::new();
    let jane = place.issue("jane");
    let tokens = place.open();
    let joe = place.issue("joe");
    place.set_mode(0o666);
    let log = logged(|| {
        assert_eq!(tokens.find(&joe), None);
        assert_eq!(name(tokens.find(&jane)).as_deref(), Some("jane"));
    });
    assert_eq!(log.matches("ERROR").count(), 1, "{log}");
    place.set_mode(0o600);
    assert_eq!(name(tokens.find(&joe)).as_deref(), Some("joe"));
}

#[cfg(unix)]
#[test]
fn a_pipe_in_place_of_the_file_changes_nothing_and_is_not_waited_for() {
    let place = Place::new();
    let jane = place.issue("jane");
    let tokens = place.open();
    fs::remove_file(&place.file).unwrap();
    make_pipe(&place.file);
    let log = logged(|| assert_eq!(name(tokens.find(&jane)).as_deref(), Some("jane")));
    assert!(log.contains("not a regular file"), "{log}");
}

#[test]
fn no_token_is_valid_while_the_file_is_missing() {
    let place = Place::new();
    let jane = place.issue("jane");
    let good = place.text();
    let tokens = place.open();
    fs::remove_file(&place.file).unwrap();
    let log = logged(|| {
        assert_eq!(tokens.find(&jane), None);
        assert_eq!(tokens.find(&jane), None);
    });
    assert_eq!(log.matches("ERROR").count(), 1, "{log}");
    assert!(log.contains("every token is rejected"), "{log}");

    fs::write(&place.file, "broken").unwrap();
    assert_eq!(tokens.find(&jane), None, "an invalid file brings no token back");
    fs::write(&place.file, good).unwrap();
    assert_eq!(name(tokens.find(&jane)).as_deref(), Some("jane"));
}

#[tokio::test]
async fn a_removal_is_seen_although_no_one_calls_and_a_broken_file_brings_nothing_back() {
    let place = Place::new();
    let (jane, joe) = (place.issue("jane"), place.issue("joe"));
    let environment = [("VERIFA_API_KEY", SANDBOX_KEY), ("VERIFA_MCP_TOKENS_FILE", place.file.to_str().unwrap())];
    let server = HttpServer::start(&["--auth", "token"], &environment).await;
    let valid = async || {
        let text = server.get("/metrics").send().await.unwrap().text().await.unwrap();
        text.lines().find_map(|line| line.strip_prefix("verifa_mcp_tokens_file_valid{} ")).map(str::to_owned)
    };
    let becomes = async |expected: &str| {
        while valid().await.as_deref() != Some(expected) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let status = async |token: &str| {
        let list = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
        server.post("/mcp", &list).bearer_auth(token).send().await.unwrap().status().as_u16()
    };
    becomes("1").await;
    assert_eq!((status(&jane).await, status(&joe).await), (200, 200));

    assert!(place.revoke("jane"));
    // No call shows that the file was read again; the log does.
    while !server.log().contains("read the tokens file again") {
        sleep(Duration::from_millis(20)).await;
    }
    place.append("broken");
    becomes("0").await;
    assert_eq!((status(&jane).await, status(&joe).await), (401, 200));
    assert_eq!(server.get("/readyz").send().await.unwrap().status(), 200);
    assert_eq!(server.log().matches("the tokens read before stay valid").count(), 1, "{}", server.log());

    fs::remove_file(&place.file).unwrap();
    place.issue("jim");
    becomes("1").await;
    assert_eq!((status(&jane).await, status(&joe).await), (401, 401));
}

/// What this thread logs meanwhile.
fn logged(act: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, act);
    let bytes = log.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

//! Caller tokens: the command that issues them, and the file that it keeps.

mod running;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output},
};

#[cfg(unix)]
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use futures_util::future::join_all;
use serde_json::Value;
use tempfile::TempDir;
use verifa_mcp::internals::{
    Permissions, Toolset,
    tokens::{self, TokenOwner, Tokens, TokensError},
};

#[cfg(unix)]
use crate::program::{program_on_a_full_disk, run_without_stdout};
use crate::program::{run, stderr, stdout};

/// A folder for a tokens file.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) file: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { file: folder.path().join("tokens"), folder }
    }

    /// Runs `verifa-mcp token` on the file.
    async fn token(&self, arguments: &[&str]) -> Output {
        let arguments = ["token"].iter().chain(arguments).copied();
        run(arguments, &[("VERIFA_MCP_TOKENS_FILE", self.file.to_str().unwrap())]).await
    }

    pub(crate) fn issue(&self, name: &str) -> String {
        let token = tokens::issue(&self.file, name.parse().unwrap(), Permissions::default()).unwrap();
        token.expose().to_owned()
    }

    fn revoke(&self, name: &str) -> bool {
        tokens::revoke(&self.file, &name.parse().unwrap()).unwrap()
    }

    fn open(&self) -> Tokens {
        Tokens::open(self.file.clone()).unwrap()
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.file).unwrap()
    }

    fn append(&self, text: &str) {
        fs::OpenOptions::new().append(true).open(&self.file).unwrap().write_all(text.as_bytes()).unwrap();
    }

    #[cfg(unix)]
    fn mode(&self) -> u32 {
        fs::metadata(&self.file).unwrap().mode() & 0o777
    }

    #[cfg(unix)]
    fn set_mode(&self, mode: u32) {
        fs::set_permissions(&self.file, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Every file of the folder, to see that nothing is left behind.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        // There, the lock's file stays, since an open file cannot be removed.
        #[cfg(windows)]
        names.retain(|name| !name.ends_with(".lock"));
        names.sort();
        names
    }
}

fn name(owner: Option<TokenOwner>) -> Option<String> {
    owner.map(|owner| owner.name.to_string())
}

#[cfg(unix)]
fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[cfg(unix)]
#[tokio::test]
async fn without_a_stdout_no_token_is_issued() {
    let place = Place::new();
    let environment = [("VERIFA_MCP_TOKENS_FILE", place.file.to_str().unwrap())];
    let output = run_without_stdout(["token", "new", "ann"], &environment).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("stdout is closed: the token would be lost; none was issued"), "{output:?}");
    assert!(!place.file.exists());
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_token_is_printed_alone_and_kept_as_a_hash_in_a_private_file() {
    let place = Place::new();
    let output = place.token(&["new", "jane@example.com", "--toolsets", "resume", "--read-only"]).await;
    assert!(output.status.success(), "{}", stderr(&output));
    let token = stdout(&output).strip_suffix('\n').unwrap();
    assert!(token.len() == 68 && token.starts_with("vmt_") && !token.contains('\n'), "{token}");
    assert!(stderr(&output).contains("shown only once") && stderr(&output).contains("Authorization: Bearer"));
    assert!(!stderr(&output).contains(token));

    assert_eq!(place.mode(), 0o600);
    assert_eq!(place.names(), ["tokens"]);
    let text = place.text();
    assert!(text.ends_with('\n') && !text.contains(&token[4..]));
    let line: Value = serde_json::from_str(&text).unwrap();
    let keys: Vec<_> = line.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["name", "sha256", "toolsets", "read_only", "created"]);

    let owner = place.open().find(token).unwrap();
    assert_eq!(owner.name.as_str(), "jane@example.com");
    assert_eq!(owner.permissions, Permissions { toolsets: Some([Toolset::Resume].into()), read_only: true });
}

#[tokio::test]
async fn the_list_shows_names_permissions_and_times_and_no_hash() {
    let place = Place::new();
    place.token(&["new", "jane"]).await;
    place.token(&["new", "reader", "--read-only", "--toolsets", "resume"]).await;
    let output = place.token(&["list"]).await;
    assert!(output.status.success(), "{}", stderr(&output));
    let rows: Vec<_> = stdout(&output).lines().collect();
    assert_eq!(rows.len(), 2);
    assert!(rows[0].starts_with("jane    every toolset      20") && rows[0].ends_with(" UTC"), "{rows:?}");
    assert!(rows[1].starts_with("reader  resume, read-only  20"), "{rows:?}");
    for line in place.text().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(!stdout(&output).contains(&line["sha256"].as_str().unwrap()[..8]));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_revoked_token_is_gone_and_the_others_stay() {
    let place = Place::new();
    for name in ["a", "b", "c"] {
        place.issue(name);
    }
    place.set_mode(0o640);
    let output = place.token(&["revoke", "b"]).await;
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output).lines().count(), 1);
    let names: Vec<_> = tokens::list(&place.file).unwrap().into_iter().map(|record| record.name.to_string()).collect();
    assert_eq!(names, ["a", "c"]);
    assert_eq!(place.mode(), 0o640, "whoever can read the old file must be able to read the new one");
    assert_eq!(place.names(), ["tokens"]);

    let again = place.token(&["revoke", "b"]).await;
    assert_eq!((again.status.code(), stdout(&again)), (Some(1), ""));
    assert!(stderr(&again).starts_with("b has no token"), "{}", stderr(&again));
    assert_eq!(place.names(), ["tokens"]);
}

#[tokio::test]
async fn a_name_has_one_token() {
    let place = Place::new();
    place.issue("jane");
    let before = place.text();
    let output = place.token(&["new", "jane"]).await;
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""));
    assert!(stderr(&output).contains("jane already has a token"), "{}", stderr(&output));
    assert_eq!(place.text(), before);
    assert!(place.revoke("jane"));
    place.issue("jane");
}

#[tokio::test]
async fn wrong_usage_is_exit_code_2_and_says_what_is_right() {
    let place = Place::new();
    let secret = format!("vmt_{}", "0".repeat(64));
    for (arguments, expected) in [
        (&["new", "jane", "--toolsets", "resume,everything"][..], "the toolsets are lookup, resume, links"),
        (&["new", "jane", "--toolsets", ""], "the toolsets are lookup, resume, links"),
        (&["new", "two words"], "1 to 64 characters"),
        (&["new", &secret], "neither a key nor a token"),
        (&["new", "VK_LIVE_0000"], "neither a key nor a token"),
        (&["revoke", &secret], "neither a key nor a token"),
        (&["new"], "<NAME>"),
        (&[], if cfg!(windows) { "Usage: verifa-mcp.exe token" } else { "Usage: verifa-mcp token" }),
    ] {
        let output = place.token(arguments).await;
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""), "{arguments:?}");
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
        assert!(!stderr(&output).contains("0000"));
    }
    assert!(place.names().is_empty());

    for environment in [&[][..], &[("VERIFA_MCP_TOKENS_FILE", " ")]] {
        let output = run(["token", "list"], environment).await;
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("--tokens-file or VERIFA_MCP_TOKENS_FILE"), "{}", stderr(&output));
    }
}

#[tokio::test]
async fn the_commands_look_at_no_other_setting() {
    let place = Place::new();
    let environment = [("VERIFA_API_KEY", "nonsense"), ("VERIFA_MCP_QR", "svg"), ("VERIFA_MCP_LOG", "loud")];
    let output = run(["token", "new", "jane", "--tokens-file", place.file.to_str().unwrap()], &environment).await;
    assert!(output.status.success(), "{}", stderr(&output));
}

#[tokio::test]
async fn commands_at_the_same_time_lose_no_token() {
    let place = Place::new();
    place.issue("jane");
    let names: Vec<_> = (0..8).map(|number| format!("caller-{number}")).collect();
    let new = names.iter().map(|name| async { place.token(&["new", name]).await.status.success() });
    let (issued, revoked) = tokio::join!(join_all(new), place.token(&["revoke", "jane"]));
    assert!(issued.into_iter().all(|success| success) && revoked.status.success());
    let mut listed: Vec<_> =
        tokens::list(&place.file).unwrap().into_iter().map(|record| record.name.to_string()).collect();
    listed.sort();
    assert_eq!(listed, names);
    assert_eq!(place.names(), ["tokens"]);
}

#[test]
fn a_lock_file_that_a_killed_command_left_is_no_obstacle() {
    let place = Place::new();
    fs::write(place.folder.path().join("tokens.verifa-mcp.lock"), "").unwrap();
    place.issue("jane");
    assert_eq!(place.names(), ["tokens"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_tokens_file_that_is_no_regular_file_is_an_error_at_once() {
    let place = Place::new();
    make_pipe(&place.file);
    let device = place.folder.path().join("device");
    symlink("/dev/zero", &device).unwrap();
    for file in [&place.file, &device] {
        for command in [&["list"][..], &["new", "jane"], &["revoke", "jane"]] {
            let arguments = [&["token", "--tokens-file", file.to_str().unwrap()], command].concat();
            let output = run(arguments, &[]).await;
            assert_eq!(output.status.code(), Some(1));
            assert!(stderr(&output).contains("cannot be read (not a regular file"), "{}", stderr(&output));
        }
    }
}

#[test]
fn a_file_as_editors_on_windows_write_it_is_read() {
    let place = Place::new();
    let token = place.issue("jane");
    let text = format!("\u{feff}{}\r\n", place.text().trim_end());
    fs::write(&place.file, &text).unwrap();
    assert_eq!(name(place.open().find(&token)).as_deref(), Some("jane"));
    place.issue("joe");
    assert_eq!(name(place.open().find(&token)).as_deref(), Some("jane"));

    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(&place.file, wide).unwrap();
    let error = Tokens::open(place.file.clone()).unwrap_err().to_string();
    assert!(error.contains("UTF-16"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_file_behind_a_link_is_changed_where_it_is() {
    let place = Place::new();
    let token = place.issue("jane");
    let link = place.folder.path().join("link");
    symlink("tokens", &link).unwrap();
    tokens::issue(&link, "joe".parse().unwrap(), Permissions::default()).unwrap();
    assert!(tokens::revoke(&link, &"joe".parse().unwrap()).unwrap());
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(name(Tokens::open(link).unwrap().find(&token)).as_deref(), Some("jane"));
    assert_eq!(place.names(), ["link", "tokens"]);
}

#[test]
fn a_token_is_added_after_a_last_line_without_an_end() {
    let place = Place::new();
    place.issue("jane");
    fs::write(&place.file, format!("\n{}", place.text().trim_end())).unwrap();
    place.issue("joe");
    assert_eq!(tokens::list(&place.file).unwrap().len(), 2);
}

#[cfg(unix)]
#[tokio::test]
async fn a_token_that_cannot_be_written_completely_leaves_the_file_as_it_was() {
    let place = Place::new();
    // One of them ends just below the limit, so that the beginning of a line still fits.
    for length in [500, 1_000] {
        let before = "\n".repeat(length);
        fs::write(&place.file, &before).unwrap();
        let mut command = program_on_a_full_disk(["token", "new", "jane"]);
        let output = command.env("VERIFA_MCP_TOKENS_FILE", &place.file).output().await.unwrap();
        assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""), "{}", stderr(&output));
        assert_eq!(place.text(), before);
        assert_eq!(place.names(), ["tokens"]);
    }
}

#[cfg(unix)]
#[test]
fn a_server_does_not_start_with_a_file_that_it_cannot_trust() {
    let place = Place::new();
    let open = || Tokens::open(place.file.clone()).unwrap_err();
    assert!(open().to_string().contains("`verifa-mcp token new"), "{}", open());

    place.issue("jane");
    for mode in [0o620, 0o602, 0o666] {
        place.set_mode(mode);
        assert!(matches!(open(), TokensError::Untrusted(..)));
        assert!(tokens::issue(&place.file, "joe".parse().unwrap(), Permissions::default()).is_err());
        assert!(tokens::revoke(&place.file, &"jane".parse().unwrap()).is_err());
    }
    place.set_mode(0o644);
    place.open();
    let folder = place.folder.path();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o770)).unwrap();
    let expected = format!("{0} can be written by others than its owner; run `chmod go-w {0}`", folder.display());
    assert!(open().to_string().contains(&expected), "{}", open());
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
    place.open();

    let good = place.text();
    for (wrong, expected) in [
        ("vmt_0123456789 is no JSON", "line 2 of the tokens file"),
        (good.as_str(), "its name is on an earlier line"),
        (&good.replace("jane", "joe"), "its token is on an earlier line"),
        (&good.replace("read_only", "readonly"), "unknown field `readonly`"),
        (&good.replace("false", "\"vmt_0123456789\""), "[secret removed]"),
    ] {
        fs::write(&place.file, format!("{good}{wrong}")).unwrap();
        let error = open().to_string();
        assert!(error.contains(expected) && !error.contains("0123456789"), "{error}");
        assert!(tokens::revoke(&place.file, &"jane".parse().unwrap()).is_err());
    }
    assert_eq!(place.names(), ["tokens"]);
}

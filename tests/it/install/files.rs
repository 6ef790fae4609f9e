//! The file on disk: what is in it stays to the byte, and what cannot be changed is left as it is.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
};

use super::{CURSOR, Home, OTHERS, succeeded};
use crate::program::{SANDBOX_KEY, program_on_a_full_disk, stderr, stdout};

#[tokio::test]
async fn what_others_wrote_stays_and_is_there_again_to_the_byte() {
    let home = Home::new();
    home.write(CURSOR, OTHERS);
    fs::set_permissions(home.path(CURSOR), fs::Permissions::from_mode(0o640)).unwrap();
    let key_file = home.key_file("key", SANDBOX_KEY);
    let output = home.install(&["cursor", "--api-key-file", &key_file, "--yes"], &[]).await;
    let said = succeeded(&output);
    assert!(said.contains("+     \"verifa-mcp\": {") && !said.contains("ghp_x"), "{said}");
    assert!(home.read(CURSOR).contains("ghp_x\" }, // secret\n"));
    assert_eq!(fs::metadata(home.path(CURSOR)).unwrap().mode() & 0o777, 0o640);
    assert_eq!(home.backups(CURSOR), [OTHERS]);
    assert_eq!(home.backups_of(CURSOR).len(), 1);

    let again = home.install(&["cursor", "--api-key-file", &key_file], &[]).await;
    assert!(succeeded(&again).contains("has this entry already"));
    succeeded(&home.install(&["cursor", "--uninstall", "--yes"], &[]).await);
    assert_eq!(home.read(CURSOR), OTHERS);
    assert!(succeeded(&home.install(&["cursor", "--uninstall"], &[]).await).contains("has no entry \"verifa-mcp\""));
}

#[tokio::test]
async fn a_file_that_is_broken_or_a_name_that_is_taken_stops_it() {
    let home = Home::new();
    let taken = r#"{"mcpServers": {"verifa-mcp": {"command": "npx", "args": ["other"]}}}"#;
    for (text, fault) in [
        ("{\n  \"mcpServers\": {\n    oops\n", "is left as it is: it is not JSON that can be read, at line 3"),
        (
            r#"{"mcpServers": {}, "mcpServers": {}}"#,
            "it has \"mcpServers\" twice, of which only the last counts; correct",
        ),
        (taken, "its entry \"verifa-mcp\" is another server's: it starts \"npx\""),
    ] {
        home.write(CURSOR, text);
        for arguments in [&["cursor", "--emulator", "--yes"][..], &["cursor", "--uninstall", "--yes"]] {
            let output = home.install(arguments, &[]).await;
            assert_eq!(output.status.code(), Some(1));
            assert!(stderr(&output).contains(fault), "{}", stderr(&output));
        }
        assert_eq!(home.read(CURSOR), text);
    }
    fs::write(home.path(CURSOR), b"{\"a\": \"\xff\"}").unwrap();
    let output = home.install(&["cursor", "--emulator", "--yes"], &[]).await;
    assert!(stderr(&output).contains("cannot be read (invalid data); nothing was changed"), "{}", stderr(&output));
}

#[tokio::test]
async fn a_link_stays_a_link() {
    let home = Home::new();
    home.write("dotfiles/mcp.json", "{}\n");
    fs::create_dir(home.path(".cursor")).unwrap();
    symlink(home.path("dotfiles/mcp.json"), home.path(CURSOR)).unwrap();
    succeeded(&home.install(&["cursor", "--emulator", "--yes"], &[]).await);
    assert!(fs::symlink_metadata(home.path(CURSOR)).unwrap().is_symlink());
    assert!(home.read("dotfiles/mcp.json").contains("--emulator"));
    assert_eq!(home.backups("dotfiles/mcp.json"), ["{}\n"]);
}

#[tokio::test]
async fn uninstall_gives_back_the_bytes_from_before() {
    const CODEX: &str = ".codex/config.toml";
    const VSCODE: &str = ".config/Code/User/mcp.json";
    for (client, file, before) in [
        ("cursor", CURSOR, "{}"),
        ("cursor", CURSOR, "{\"theme\":\"dark\"}"),
        ("cursor", CURSOR, "{\n    \"theme\": \"dark\",\n}\n"),
        ("cursor", CURSOR, "{ \"mcpServers\": { \"a\": { \"command\": \"x\" }, } }\n"),
        ("cursor", CURSOR, "\u{feff}{\r\n\t\"mcpServers\": {\r\n\t\t\"a\": {}\r\n\r\n\t}\r\n}"),
        ("vscode", VSCODE, "{\n\t\"servers\": {},\n\t\"inputs\": []\n}"),
        ("vscode", VSCODE, "{\n\t\"inputs\": [\n\t\t{ \"id\": \"mine\" }, // mine\n\t],\n\t\"servers\": {},\n}\n"),
        (
            "codex",
            CODEX,
            "\u{feff}# mine\r\nmodel = \"x\" # why\r\n\r\n[mcp_servers.a] # a\r\ncommand = 'x'\r\n# the end",
        ),
        ("codex", CODEX, "[mcp_servers]\na = { command = \"x\" }\r\n"),
    ] {
        let home = Home::new();
        home.write(file, before);
        let key_file = home.key_file("key", SANDBOX_KEY);
        let key = if client == "vscode" { vec![] } else { vec!["--api-key-file", &key_file] };
        succeeded(&home.install(&[&[client, "--yes"], &key[..]].concat(), &[]).await);
        let second = [client, "--emulator", "--name", "verifa-second", "--yes"];
        succeeded(&home.install(&second, &[]).await);
        let with_both = home.read(file);
        assert!(with_both.contains("verifa-mcp") && with_both.contains("verifa-second"), "{with_both}");
        succeeded(&home.install(&[client, "--name", "verifa-second", "--uninstall", "--yes"], &[]).await);
        succeeded(&home.install(&[client, "--uninstall", "--yes"], &[]).await);
        assert_eq!(home.read(file), before);
    }
}

#[tokio::test]
async fn what_is_no_plain_file_is_refused_and_not_read() {
    let home = Home::new();
    fs::create_dir_all(home.path(".cursor")).unwrap();
    let path = home.path(CURSOR);
    let is_made = |made: &str| match made {
        "folder" => fs::create_dir(&path).is_ok(),
        "device" => symlink("/dev/zero", &path).is_ok(),
        _ => std::process::Command::new("mkfifo").arg(&path).status().unwrap().success(),
    };
    for made in ["pipe", "device", "folder"] {
        assert!(is_made(made));
        for arguments in [&["cursor", "--emulator", "--yes"][..], &["cursor", "--uninstall", "--yes"]] {
            let output = home.install(arguments, &[]).await;
            assert_eq!(output.status.code(), Some(1));
            let fault = format!("{} is not a plain file but a folder, a pipe, a device or the like", path.display());
            assert!(stderr(&output).contains(&fault), "{made}: {}", stderr(&output));
        }
        if made != "folder" {
            fs::remove_file(&path).unwrap();
        }
    }
}

#[tokio::test]
async fn a_write_that_fails_leaves_nothing_behind() {
    let home = Home::new();
    // The first fits there, but not with an entry in it; the second does not even fit.
    for length in [400, 600] {
        let before = format!("{{\"a\": \"{}\"}}", "x".repeat(length));
        home.write(CURSOR, &before);
        let mut command = program_on_a_full_disk(["install", "cursor", "--emulator", "--yes"]);
        let output = command.env("HOME", home.path("")).output().await.unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(stderr(&output).contains("cannot be changed (file too large); it is as it was"), "{}", stderr(&output));
        assert!(!stdout(&output).contains("Backup"), "{}", stdout(&output));
        assert_eq!(home.read(CURSOR), before);
        assert_eq!(home.backups(CURSOR), [""; 0]);
    }
}

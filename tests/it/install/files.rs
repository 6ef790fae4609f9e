//! The file on disk: everything but the entry stays to the byte, and a file that cannot be changed is left as it is.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
};

use super::{CURSOR, Home, OTHERS, VSCODE, succeeded};
use crate::program::{SANDBOX_KEY, program_on_a_full_disk, stderr, stdout};

#[tokio::test]
async fn what_others_wrote_stays_to_the_byte() {
    let home = Home::new();
    home.write(CURSOR, OTHERS);
    fs::set_permissions(home.path(CURSOR), fs::Permissions::from_mode(0o640)).unwrap();
    let key_file = home.key_file("key", SANDBOX_KEY);
    let output = home.install(&["cursor", "--api-key-file", &key_file, "--yes"], &[]).await;
    let said = succeeded(&output);
    assert!(said.contains("    \"verifa-mcp\": {") && !said.contains("ghp_x"), "{said}");
    assert!(home.read(CURSOR).contains("ghp_x\" }, // secret\n"));
    assert_eq!(fs::metadata(home.path(CURSOR)).unwrap().mode() & 0o777, 0o640);
    assert_eq!(home.backups(CURSOR), [OTHERS]);
    assert_eq!(home.backups_of(CURSOR).len(), 1);

    let again = home.install(&["cursor", "--api-key-file", &key_file], &[]).await;
    assert!(succeeded(&again).contains("already has this entry"));
    succeeded(&home.install(&["cursor", "--uninstall", "--yes"], &[]).await);
    assert_eq!(home.read(CURSOR), OTHERS);
    assert!(succeeded(&home.install(&["cursor", "--uninstall"], &[]).await).contains("has no entry \"verifa-mcp\""));
}

#[tokio::test]
async fn a_file_that_is_broken_or_a_name_that_is_taken_is_an_error() {
    let home = Home::new();
    let taken = r#"{"mcpServers": {"verifa-mcp": {"command": "npx", "args": ["other"]}}}"#;
    let twice = r#"{"mcpServers": {}, "mcpServers": {"verifa-mcp": {"command": "verifa-mcp"}}}"#;
    for (text, error) in [
        ("{\n  \"mcpServers\": {\n    oops\n", "was not changed: it is not valid JSON, at line 3; correct it first"),
        (twice, "was not changed: the change would have no effect: most likely a key occurs twice"),
        (taken, "its entry \"verifa-mcp\" is another server's: it starts \"npx\""),
    ] {
        home.write(CURSOR, text);
        for arguments in [&["cursor", "--emulator", "--yes"][..], &["cursor", "--uninstall", "--yes"]] {
            let output = home.install(arguments, &[]).await;
            assert_eq!(output.status.code(), Some(1));
            assert!(stderr(&output).contains(error), "{}", stderr(&output));
        }
        assert_eq!(home.read(CURSOR), text);
    }
    fs::write(home.path(CURSOR), b"{\"a\": \"\xff\"}").unwrap();
    let output = home.install(&["cursor", "--emulator", "--yes"], &[]).await;
    assert!(stderr(&output).contains("cannot be read (not UTF-8 text); nothing was changed"), "{}", stderr(&output));
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
async fn uninstalling_removes_the_entry_and_nothing_else() {
    for (client, file, before) in [
        ("cursor", CURSOR, "{\n    \"mcpServers\": {},\n    \"theme\": \"dark\",\n}\n"),
        ("cursor", CURSOR, "\u{feff}{\r\n\t\"mcpServers\": {\r\n\t\t\"a\": {}\r\n\t}\r\n}"),
        ("vscode", VSCODE, "{\n\t// mine\n\t\"servers\": {\n\t\t\"other\": {}\n\t}\n}"),
        ("vscode", VSCODE, "{\n\t\"inputs\": [\n\t\t{ \"id\": \"mine\" }, // mine\n\t],\n\t\"servers\": {},\n}\n"),
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
        for name in ["verifa-second", "verifa-mcp"] {
            let output = home.install(&[client, "--name", name, "--uninstall", "--yes"], &[]).await;
            assert!(succeeded(&output).contains("\nBackup: "), "{}", stdout(&output));
        }
        assert_eq!(home.read(file), before);
        assert_eq!(home.backups_of(file).len(), 4);
    }
}

#[tokio::test]
async fn vs_code_prompts_for_the_key_and_its_file_is_edited() {
    let home = Home::new();
    home.command("code", "");
    succeeded(&home.install(&["vscode", "--yes"], &[("VERIFA_API_KEY", SANDBOX_KEY)]).await);
    let text = home.read(VSCODE);
    assert!(text.contains("\"${input:verifa-mcp-key}\"") && text.contains("\"password\": true"), "{text}");
    assert!(!text.contains(SANDBOX_KEY) && home.called().is_empty(), "{text}");
}

#[tokio::test]
async fn a_lock_that_is_a_link_is_not_followed() {
    let home = Home::new();
    home.write(CURSOR, "{}");
    symlink(home.path("elsewhere"), home.path(&format!("{CURSOR}.verifa-mcp.lock"))).unwrap();
    let output = home.install(&["cursor", "--emulator", "--yes"], &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("mcp.json cannot be changed"), "{}", stderr(&output));
    assert!(!home.path("elsewhere").exists());
    assert_eq!(home.read(CURSOR), "{}");
}

#[tokio::test]
async fn what_is_not_a_regular_file_is_an_error_and_not_read() {
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
            let error = format!("{} cannot be read (not a regular file", path.display());
            assert!(stderr(&output).contains(&error), "{made}: {}", stderr(&output));
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
        assert!(
            stderr(&output).contains("cannot be changed (file too large); its content is as before"),
            "{}",
            stderr(&output)
        );
        assert!(!stdout(&output).contains("Backup"), "{}", stdout(&output));
        assert_eq!(home.read(CURSOR), before);
        assert_eq!(home.backups(CURSOR), [""; 0]);
    }
}

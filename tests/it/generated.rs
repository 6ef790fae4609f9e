//! What the program makes of its own command line: completions for shells, and manual pages.

use std::{collections::BTreeSet, path::Path, process::Stdio};

use tokio::{io::AsyncWriteExt, process::Command};

use crate::{
    documents::{flags, variables},
    program::{run, stderr, stdout},
};

/// The commands that the help names.
async fn commands() -> BTreeSet<String> {
    let output = run(["--help"], &[]).await;
    let (_, rest) = stdout(&output).split_once("Commands:\n").unwrap();
    let (list, _) = rest.split_once("\n\n").unwrap();
    list.lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .filter(|name| name != "help")
        .collect()
}

#[tokio::test]
async fn the_help_of_a_command_begins_with_its_description() {
    let output = run(["--help"], &[]).await;
    let list = stdout(&output);
    for command in commands().await {
        let output = run([command.as_str(), "--help"], &[]).await;
        let help = stdout(&output);
        let description = help.lines().next().unwrap();
        assert!(list.contains(&format!("  {command} ")) && list.contains(description), "{help}");
        assert!(!help.contains("[`") && !help.contains("crate::"), "a note for developers: {help}");
    }
}

/// What bash offers after these words, once it has read the script.
async fn offered(script: &str, words: &[&str]) -> BTreeSet<String> {
    let ask = format!(
        "\nCOMP_WORDS=({words}); COMP_CWORD={last}; _verifa__mcp verifa-mcp {current:?} {previous:?}
        printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words = words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" "),
        last = words.len() - 1,
        current = words[words.len() - 1],
        previous = words[words.len() - 2],
    );
    let mut bash = Command::new("bash")
        .args(["--norc", "-eu"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    bash.stdin.take().unwrap().write_all(format!("{script}{ask}").as_bytes()).await.unwrap();
    let output = bash.wait_with_output().await.unwrap();
    assert_eq!(stderr(&output), "");
    stdout(&output).lines().map(str::to_owned).collect()
}

#[cfg(unix)]
#[tokio::test]
async fn bash_completes_commands_and_flags() {
    let output = run(["completions", "bash"], &[]).await;
    let script = stdout(&output);
    let offers = offered(script, &["verifa-mcp", ""]).await;
    let offered_commands: BTreeSet<_> = offers.iter().filter(|word| !word.starts_with('-')).cloned().collect();
    let help = BTreeSet::from(["help".to_owned()]);
    assert_eq!(offered_commands, &commands().await | &help, "{offers:?}");
    assert_eq!(offered(script, &["verifa-mcp", "resu"]).await, BTreeSet::from(["resume".to_owned()]));
    assert_eq!(offered(script, &["verifa-mcp", "resume", "--qr-"]).await, BTreeSet::from(["--qr-file".to_owned()]));
}

#[tokio::test]
async fn every_shell_gets_a_script_that_knows_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = run(["completions", shell], &[("VERIFA_ENV", "an invalid setting is no obstacle")]).await;
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
        for command in commands().await {
            assert!(stdout(&output).contains(&command), "{shell}: {command}");
        }
        assert!(!stdout(&output).contains("manual"), "{shell} offers a command that the help does not list");
        assert!(stdout(&output).contains("audit-log") && stdout(&output).contains("version"), "{shell}");
    }
}

/// A manual page's text, near enough: without the marks for hyphens, quotes and typefaces.
fn page(folder: &Path, name: &str) -> String {
    let page = std::fs::read_to_string(folder.join(name)).unwrap();
    ["\\fB", "\\fI", "\\fR"].iter().fold(page.replace("\\-", "-"), |text, mark| text.replace(mark, ""))
}

#[tokio::test]
async fn the_manual_pages_say_what_the_help_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let output = run(["man", path], &[("VERIFA_ENV", "an invalid setting is no obstacle")]).await;
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));

    let help = run(["--help"], &[]).await;
    let main = page(folder.path(), "verifa-mcp.1");
    assert!(main.starts_with(".ie") && main.contains("\n.TH verifa-mcp 1"), "{main}");
    assert_eq!(variables(&main), variables(stdout(&help)));
    assert_eq!(flags(&main), flags(stdout(&help)));
    let (_, after_name) = main.split_once("\n.SH NAME\n").unwrap();
    let (name, rest) = after_name.split_once("\n.SH SYNOPSIS\n").unwrap();
    assert_eq!(name, "verifa-mcp - An MCP server that resumes stuck Verifa identity verifications");
    assert!(rest.contains("resume_session creates a new") && rest.contains("Without a command, it speaks MCP"));

    for command in commands().await {
        assert!(main.contains(&format!("verifa-mcp-{command}(1)")), "{command}");
        let help = run(["help", &command], &[]).await;
        let text = page(folder.path(), &format!("verifa-mcp-{command}.1"));
        assert_eq!(flags(&text), flags(stdout(&help)), "{command}");
    }
}

#[tokio::test]
async fn manual_pages_that_cannot_be_written_are_an_error_that_says_where() {
    let output = run(["man", "/nowhere/at/all"], &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot be written to /nowhere/at/all"), "{}", stderr(&output));
}

//! Keys, tokens and links in the wrong place: no error repeats them.

use crate::program::{run, stderr, stdout};

const SECRETS: [&str; 5] = [
    "vk_live_0123456789abcdef",
    "VK_SANDBOX_0123456789abcdef",
    "vmt_0123456789abcdef",
    "tok_0123456789abcdef",
    "https://app.withverifa.example/verify/0123456789abcdef",
];

/// Command lines in which `SECRET` is in the wrong place.
const COMMAND_LINES: [&[&str]; 18] = [
    &["SECRET"],
    &["--SECRET"],
    &["--unknown=SECRET"],
    &["--key", "SECRET"],
    &["stdio", "SECRET"],
    &["--env", "SECRET"],
    &["--api-version", "SECRET"],
    &["--api-key-file", "SECRET"],
    &["--audit-log", "/nonexistent/SECRET"],
    &["http", "--listen", "SECRET"],
    &["http", "--allowed-origin", "SECRET"],
    &["http", "--no-classic-sse=SECRET"],
    &["emulator", "--listen", "SECRET"],
    &["emulator", "--link-lifetime", "SECRET"],
    &["install", "SECRET"],
    &["install", "cursor", "--name", "SECRET", "--print"],
    &["completions", "SECRET"],
    &["token", "new", "a", "--toolsets", "resume,SECRET"],
];

async fn assert_kept(arguments: &[&str], environment: &[(&str, &str)]) {
    let output = run(arguments.iter().copied(), environment).await;
    assert!(!output.status.success(), "{arguments:?} {environment:?}");
    for text in [stdout(&output), stderr(&output)] {
        assert!(!text.contains("0123456789abcdef"), "{arguments:?} {environment:?}: {text}");
    }
    assert!(!stderr(&output).is_empty());
}

#[tokio::test]
async fn no_error_repeats_a_secret_of_the_command_line() {
    for secret in SECRETS {
        for arguments in COMMAND_LINES {
            let arguments: Vec<_> = arguments.iter().map(|word| word.replace("SECRET", secret)).collect();
            assert_kept(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), &[]).await;
        }
    }
}

#[tokio::test]
async fn no_error_repeats_a_secret_of_a_variable() {
    let key = ("VERIFA_API_KEY", "vk_live_fedcba9876543210");
    for secret in SECRETS {
        assert_kept(&["token", "list"], &[("VERIFA_MCP_TOKENS_FILE", secret)]).await;
        assert_kept(&["http", "--auth", "token"], &[key, ("VERIFA_MCP_TOKENS_FILE", secret)]).await;
        for name in ["VERIFA_ENV", "VERIFA_API_KEY_FILE", "VERIFA_CA_FILE", "VERIFA_MCP_QR", "VERIFA_MCP_READ_ONLY"] {
            assert_kept(&[], &[(name, secret)]).await;
        }
        assert_kept(&["http"], &[("VERIFA_MCP_LISTEN", secret)]).await;
    }
}

#[tokio::test]
async fn an_error_of_the_command_line_is_otherwise_as_the_parser_writes_it() {
    let output = run(["resmue", "vk_live_0123456789abcdef"], &[]).await;
    assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""));
    let expected = "error: unrecognized subcommand 'resmue'\n\n  tip: a similar subcommand exists: 'resume'\n\n\
        Usage: verifa-mcp [OPTIONS] [COMMAND]\n\nFor more information, try '--help'.\n";
    assert_eq!(stderr(&output).replace("verifa-mcp.exe", "verifa-mcp"), expected);
    let help = run(["--help"], &[]).await;
    assert!(help.status.success() && stdout(&help).contains("vk_sandbox_… or vk_live_…"));
}

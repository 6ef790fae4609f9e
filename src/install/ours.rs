//! Tells an entry that starts this program from another server's, and says of another's no more than is needed.
//!
//! An entry of ours is renewed and taken out, so a word in passing must not make one ours: what counts is the command
//! itself, or what a known launcher is told to start.

use crate::untrusted::UntrustedText;
use serde_json::Value;
use url::Url;

const PROGRAM: &str = env!("CARGO_PKG_NAME");

/// Whether an entry starts this program, wherever it lies or whatever brings it along.
pub(super) fn is_ours(entry: &Value, executable: &str) -> bool {
    let Some(command) = entry.get("command").and_then(Value::as_str) else { return false };
    let arguments = entry.get("args").and_then(Value::as_array).into_iter().flatten();
    let arguments: Vec<_> = arguments.map(|argument| argument.as_str().unwrap_or_default()).collect();
    command == executable || starts_program(command, &arguments)
}

fn starts_program(command: &str, arguments: &[&str]) -> bool {
    match program_name(command).as_str() {
        PROGRAM => true,
        "npx" | "pnpx" | "bunx" | "npm" | "pnpm" | "yarn" | "bun" => package(arguments).is_some_and(is_package),
        "docker" | "podman" | "nerdctl" => image(arguments).is_some_and(is_image),
        "cargo" => binary(arguments) == Some(PROGRAM),
        // As clients on Windows start scripts.
        "cmd" => match arguments {
            [switch, command, arguments @ ..] => {
                switch.eq_ignore_ascii_case("/c") && starts_program(command, arguments)
            }
            _ => false,
        },
        _ => false,
    }
}

/// The file's name, without what Windows puts behind it.
fn program_name(command: &str) -> String {
    let name = file_name(command).to_ascii_lowercase();
    let stem = [".exe", ".cmd"].iter().find_map(|ending| name.strip_suffix(ending)).map(str::to_owned);
    stem.unwrap_or(name)
}

fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// What a launcher of packages starts: its first word that is no option and not what it is to do.
fn package<'a>(arguments: &[&'a str]) -> Option<&'a str> {
    arguments.iter().copied().find(|word| !word.starts_with('-') && !["exec", "dlx", "x"].contains(word))
}

/// Whether a word is this program's package, with a version or without.
pub(super) fn is_package(word: &str) -> bool {
    word.strip_prefix(PROGRAM).is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
}

/// What a launcher of containers starts: its first word behind `run` that is neither an option nor an option's value.
fn image<'a>(arguments: &[&'a str]) -> Option<&'a str> {
    const WITHOUT_VALUE: [&str; 13] = [
        "-i",
        "-t",
        "-it",
        "-ti",
        "-d",
        "-P",
        "--rm",
        "--init",
        "--interactive",
        "--tty",
        "--detach",
        "--read-only",
        "--privileged",
    ];
    let mut words = arguments.iter().copied().skip_while(|word| *word != "run").skip(1);
    while let Some(word) = words.next() {
        if !word.starts_with('-') {
            return Some(word);
        }
        if !word.contains('=') && !WITHOUT_VALUE.contains(&word) {
            words.next();
        }
    }
    None
}

fn is_image(image: &str) -> bool {
    image.rsplit('/').next().and_then(|last| last.split([':', '@']).next()) == Some(PROGRAM)
}

fn binary<'a>(arguments: &[&'a str]) -> Option<&'a str> {
    let options = arguments.iter().copied().take_while(|word| *word != "--");
    let pairs = options.zip(arguments.iter().copied().skip(1));
    pairs.filter(|(option, _)| ["--bin", "-p", "--package"].contains(option)).map(|(_, value)| value).next()
}

/// What another server's entry starts, for a sentence: a program's or a host's name, since the rest may be secret.
pub(super) fn described(entry: &Value) -> String {
    let text = |field: &str| entry.get(field).and_then(Value::as_str);
    let host = |url: &str| Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    let program = |command: &str| {
        let word = command.split_whitespace().next().unwrap_or_default();
        file_name(word.split('=').next().unwrap_or_default()).to_owned()
    };
    let starts = text("command").map(program).or_else(|| text("url").and_then(host));
    let starts = starts.and_then(|starts| UntrustedText::truncated(&starts, 80).non_empty());
    starts.map_or_else(|| "something else".to_owned(), |starts| starts.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_of_ours_is_known_however_it_starts_the_program() {
        let ours = [
            json!({"command": "verifa-mcp"}),
            json!({"command": "/usr/local/bin/verifa-mcp", "args": ["stdio"]}),
            json!({"command": "C:\\Tools\\verifa-mcp.exe"}),
            json!({"command": "/opt/renamed"}),
            json!({"command": "npx", "args": ["-y", "verifa-mcp@1.0.0"]}),
            json!({"command": "C:\\node\\npx.cmd", "args": ["verifa-mcp", "stdio"]}),
            json!({"command": "pnpm", "args": ["dlx", "verifa-mcp"]}),
            json!({"command": "cmd", "args": ["/c", "npx", "-y", "verifa-mcp"]}),
            json!({"command": "docker", "args": ["run", "-i", "--rm", "ghcr.io/x/verifa-mcp:1"]}),
            json!({"command": "docker", "args": ["run", "-i", "-e", "VERIFA_API_KEY", "--name=a", "verifa-mcp", "stdio"]}),
            json!({"command": "cargo", "args": ["run", "-q", "--bin", "verifa-mcp", "--", "stdio"]}),
        ];
        for entry in ours {
            assert!(is_ours(&entry, "/opt/renamed"), "{entry}");
        }
        let others = [
            json!({"command": "npx", "args": ["-y", "verifa-mcp-hosted"]}),
            json!({"command": "npx", "args": ["-y", "mcp-remote", "https://mcp.example.com/verifa-mcp"]}),
            json!({"command": "npx", "args": ["-y", "@someone/verifa-mcp"]}),
            json!({"command": "npx", "args": ["server-filesystem", "/home/jane/verifa-mcp"]}),
            json!({"command": "npx", "args": ["proxy", "verifa-mcp"]}),
            json!({"command": "uv", "args": ["--directory", "/src/verifa-mcp", "run", "server.py"]}),
            json!({"command": "docker", "args": ["run", "-v", "/src/verifa-mcp", "other"]}),
            json!({"command": "docker", "args": ["run", "--name", "verifa-mcp", "other", "verifa-mcp"]}),
            json!({"command": "cargo", "args": ["run", "--bin", "other", "--", "--bin", "verifa-mcp"]}),
            json!({"command": "/home/verifa-mcp/other"}),
            json!({"command": "/opt/verifa-mcp-old"}),
            json!({"command": "my-verifa-mcp.exe"}),
            json!({"command": "npx", "args": ["-y", "verifa-mcp-old@1.0.0"]}),
            json!({"command": "docker", "args": ["run", "-i", "ghcr.io/x/verifa-mcp-old:1"]}),
            json!({"url": "https://mcp.withverifa.com/verifa-mcp"}),
            json!({"command": 5}),
            json!("verifa-mcp"),
        ];
        for entry in others {
            assert!(!is_ours(&entry, "/opt/renamed"), "{entry}");
        }
    }

    #[test]
    fn of_another_servers_entry_only_a_name_is_said() {
        let cases = [
            (json!({"command": "npx", "args": ["SECRET"]}), "npx"),
            (json!({"command": "/home/SECRET/bin/other"}), "other"),
            (json!({"command": "C:\\SECRET\\other.exe"}), "other.exe"),
            (json!({"command": "other --token=SECRET/SECRET"}), "other"),
            (json!({"command": "TOKEN=/SECRET other"}), "TOKEN"),
            (json!({"command": "a\u{1b}[31m\u{202e}b"}), "a [31mb"),
            (json!({"url": "https://jane:SECRET@mcp.example.com/SECRET?key=SECRET"}), "mcp.example.com"),
            (json!({"url": "SECRET"}), "something else"),
            (json!("SECRET"), "something else"),
        ];
        for (entry, said) in cases {
            assert_eq!(described(&entry), said, "{entry}");
        }
    }
}

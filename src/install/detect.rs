//! Finds the entry that a client has, and distinguishes one that starts this program from another server's.
//!
//! Never says more of another server's entry than the name of its program or host: the rest may be secret.

use serde_json::Value;
use url::Url;

use super::{
    client::{Client, Mechanism},
    command::codex_entry,
    entry::{PROGRAM, ServerName},
    file::ConfigFile,
    json,
    plan::InstallError,
};
use crate::untrusted::UntrustedText;

/// The client's entry of this name, which must start this program: no other server's entry is ever replaced or removed.
pub(crate) fn current_entry(
    client: Client,
    name: &ServerName,
    file: &ConfigFile,
    executable: &str,
) -> Result<Option<Value>, InstallError> {
    let spec = client.spec();
    let found = match spec.mechanism {
        Mechanism::Codex => codex_entry(name)?,
        Mechanism::File | Mechanism::Claude => json::find(file.text.as_deref(), spec.servers, name.as_str())?,
    };
    match found {
        Some(entry) if !starts_verifa_mcp(&entry, executable) => {
            Err(InstallError::OtherServer { name: name.to_string(), starts: program_name(&entry) })
        }
        found => Ok(found),
    }
}

/// Whether the command or an argument is this program, or has its name as a component of a path, package or image.
fn starts_verifa_mcp(entry: &Value, executable: &str) -> bool {
    let is_program = |part: &str| {
        part.strip_prefix(PROGRAM)
            .is_some_and(|rest| ["", ".exe", ".cmd"].contains(&rest) || rest.starts_with(['@', ':']))
    };
    let words = |field| match entry.get(field) {
        Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect(),
        word => word.and_then(Value::as_str).into_iter().collect::<Vec<_>>(),
    };
    [words("command"), words("args")].concat().into_iter().any(|word| {
        let is_url = word.contains("://");
        word == executable || !is_url && word.to_ascii_lowercase().split(['/', '\\']).any(is_program)
    })
}

/// What another server's entry starts.
fn program_name(entry: &Value) -> String {
    let text = |field: &str| entry.get(field).and_then(Value::as_str);
    let host = |url: &str| Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    let program = |command: &str| {
        let word = command.split_whitespace().next().unwrap_or_default();
        let path = word.split('=').next().unwrap_or_default();
        path.rsplit(['/', '\\']).next().unwrap_or_default().to_owned()
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
    fn an_entry_that_starts_this_program_is_recognized() {
        let starts = |entry: &Value| starts_verifa_mcp(entry, "/opt/renamed");
        let entry = |line: &str| {
            let mut words = line.split(' ');
            json!({"command": words.next(), "args": words.collect::<Vec<_>>()})
        };
        for line in [
            "verifa-mcp",
            "/usr/local/bin/verifa-mcp stdio",
            "C:\\Tools\\Verifa-MCP.exe",
            "/opt/renamed stdio",
            "npx -y verifa-mcp@1.0.0",
            "cmd /c npx -y verifa-mcp",
            "node /usr/lib/node_modules/verifa-mcp/bin.js",
            "docker run -i -e VERIFA_API_KEY ghcr.io/x/verifa-mcp:1",
            "cargo run -q --bin verifa-mcp -- stdio",
        ] {
            assert!(starts(&entry(line)), "{line}");
        }
        assert!(starts(&json!({"command": ["/usr/local/bin/verifa-mcp", "stdio"]})));
        for line in [
            "npx -y verifa-mcp-hosted",
            "npx -y mcp-remote https://mcp.example.com/verifa-mcp",
            "/opt/verifa-mcp-old",
            "my-verifa-mcp.exe",
            "npx -y verifa-mcp-old@1.0.0",
            "docker run -i ghcr.io/x/verifa-mcp-old:1",
        ] {
            assert!(!starts(&entry(line)), "{line}");
        }
        assert!(!starts(&json!({"command": "x", "env": {"A": "verifa-mcp"}})));
        assert!(!starts(&json!({"url": "https://mcp.withverifa.com/verifa-mcp"})));
        assert!(!starts(&json!({"command": 5})) && !starts(&json!("verifa-mcp")));
    }

    #[test]
    fn only_the_program_of_another_servers_entry_is_named() {
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
        for (entry, name) in cases {
            assert_eq!(program_name(&entry), name, "{entry}");
        }
    }
}

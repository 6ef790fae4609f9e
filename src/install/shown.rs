//! What a person sees of a change before it is made: the entry that goes and the one that comes, and nothing else of the
//! file, since all else in it is another server's business: terminals are recorded and shared.
//!
//! Of keys it shows only how they begin; of an entry's fields, arguments and variables that are not this program's only
//! that they are there.

use std::fmt;

use serde_json::{Map, Value};

use super::{
    entry::{API_KEY, ENVIRONMENT},
    ours::is_package,
};
use crate::untrusted::UntrustedText;
use crate::verifa::Environment;

const HIDDEN: &str = "…";
/// No path is longer.
const LONGEST: usize = 4096;

/// An entry that goes, and one that comes, as they may be seen.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Change {
    pub(super) old: Option<String>,
    pub(super) new: Option<String>,
}

impl Change {
    /// Whether there is nothing to be seen.
    pub fn is_empty(&self) -> bool {
        self.old.is_none() && self.new.is_none()
    }
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (sign, text) in [('-', &self.old), ('+', &self.new)] {
            for line in text.iter().flat_map(|text| text.lines()) {
                writeln!(formatter, "{}", format!("{sign} {line}").trim_end())?;
            }
        }
        Ok(())
    }
}

/// An entry without what is not to be seen.
pub(super) fn visible(entry: &Value) -> Map<String, Value> {
    let fields = entry.as_object().into_iter().flatten();
    fields.map(|(name, value)| (clean(name), field(name, value))).collect()
}

fn field(name: &str, value: &Value) -> Value {
    match (name, value) {
        ("type" | "command", Value::String(text)) => Value::String(clean(text)),
        ("args", Value::Array(arguments)) => arguments.iter().map(argument).collect(),
        (ENVIRONMENT, Value::Object(variables)) => {
            Value::Object(variables.iter().map(|(name, value)| (clean(name), variable(name, value))).collect())
        }
        _ => Value::from(HIDDEN),
    }
}

fn argument(argument: &Value) -> Value {
    const KNOWN: [&str; 10] = ["stdio", "http", "--emulator", "/c", "npx", "-y", "run", "-i", "--rm", "-e"];
    let known = |word: &&str| KNOWN.contains(word) || is_package(word);
    Value::from(argument.as_str().filter(known).map_or_else(|| HIDDEN.to_owned(), clean))
}

fn variable(name: &str, value: &Value) -> Value {
    let text = value.as_str().unwrap_or_default();
    let asked_for = text.starts_with("${") && text.ends_with('}');
    let is_ours = name.starts_with("VERIFA_") && !(text.contains("://") && text.contains('@'));
    Value::String(match name {
        API_KEY if !asked_for && !text.is_empty() => {
            let prefixes = [Environment::Sandbox, Environment::Live].map(Environment::key_prefix);
            prefixes.into_iter().find(|prefix| text.starts_with(prefix)).unwrap_or_default().to_owned() + HIDDEN
        }
        _ if is_ours => clean(text),
        _ => HIDDEN.to_owned(),
    })
}

fn clean(text: &str) -> String {
    UntrustedText::truncated(text, LONGEST).to_string()
}

/// Whether there is a key in a text.
pub fn holds_key(text: &str) -> bool {
    [Environment::Sandbox, Environment::Live].iter().any(|environment| text.contains(environment.key_prefix()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_an_entry_only_what_is_this_programs_is_seen() {
        let entry = json!({
            "type": "stdio", "command": "/bin/verifa-mcp\u{202e}", "args": ["stdio", "--emulator", "SECRET", 5],
            "env": {
                "VERIFA_API_KEY": "vk_live_SECRET SECRET", "VERIFA_API_KEY_FILE": "/key", "VERIFA_ENV": "live",
                "VERIFA_API_URL": "https://jane:SECRET@example.com", "VERIFA_MCP_QR": "vk_live_SECRET",
                "TOKEN": "SECRET", "HTTPS_PROXY": "http://SECRET",
            },
            "headers": {"Authorization": "SECRET"}, "timeout": 5,
        });
        let expected = json!({
            "type": "stdio", "command": "/bin/verifa-mcp", "args": ["stdio", "--emulator", "…", "…"],
            "env": {
                "VERIFA_API_KEY": "vk_live_…", "VERIFA_API_KEY_FILE": "/key", "VERIFA_ENV": "live",
                "VERIFA_API_URL": "…", "VERIFA_MCP_QR": "[secret removed]", "TOKEN": "…", "HTTPS_PROXY": "…",
            },
            "headers": "…", "timeout": "…",
        });
        assert_eq!(Value::Object(visible(&entry)), expected);
        for (key, seen) in [("", ""), ("SECRETvk_live_a", "…"), ("${input:verifa-mcp-key}", "${input:verifa-mcp-key}")]
        {
            assert_eq!(visible(&json!({"env": {"VERIFA_API_KEY": key}}))["env"]["VERIFA_API_KEY"], seen);
        }
    }

    #[test]
    fn a_change_is_what_goes_and_what_comes() {
        let change = Change { old: Some("{\n  a\n}\n".to_owned()), new: Some("b\n\nc\r\n".to_owned()) };
        assert_eq!(change.to_string(), "- {\n-   a\n- }\n+ b\n+\n+ c\n");
    }
}

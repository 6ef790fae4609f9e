//! What a person sees of a change before it is made: the lines that come and go, among a few that stay.
//!
//! Of keys it shows only how they begin. Lines that stay are another server's business, so their values are left out:
//! terminals are recorded and shared.

use similar::{ChangeTag, TextDiff};

use crate::verifa::Environment;

/// How many lines that stay are shown on either side.
const AROUND: usize = 2;

/// The lines by which two texts differ.
pub fn difference(old: &str, new: &str) -> String {
    let lines = TextDiff::from_lines(old, new);
    let mut shown = String::new();
    for (index, group) in lines.grouped_ops(AROUND).iter().enumerate() {
        if index > 0 {
            shown.push_str("  …\n");
        }
        for change in group.iter().flat_map(|operation| lines.iter_changes(operation)) {
            let line = change.value().trim_end_matches(['\r', '\n']);
            let (sign, line) = match change.tag() {
                ChangeTag::Equal => (' ', outline(line)),
                ChangeTag::Delete => ('-', masked(line)),
                ChangeTag::Insert => ('+', masked(line)),
            };
            shown.push_str(format!("{sign} {line}").trim_end());
            shown.push('\n');
        }
    }
    shown
}

/// A text without the keys in it: only how each begins.
pub fn masked(text: &str) -> String {
    text.split_inclusive(char::is_whitespace).map(without_key).collect()
}

fn without_key(word: &str) -> String {
    let prefixes = [Environment::Sandbox, Environment::Live].map(Environment::key_prefix);
    let found = prefixes.iter().filter_map(|prefix| Some((word.find(prefix)?, prefix))).min();
    let Some((start, prefix)) = found else { return word.to_owned() };
    let closing = word.trim_end_matches(|last: char| last.is_whitespace() || "\"',}])".contains(last)).len();
    let (before, after) = (word.get(..start).unwrap_or_default(), word.get(closing..).unwrap_or_default());
    format!("{before}{prefix}…{after}")
}

/// A line with its key but without its value.
fn outline(line: &str) -> String {
    let text = line.trim_end();
    let is_header = text.starts_with('[') && text.ends_with(']') && !text.contains(['"', ',']);
    if is_header || text.chars().all(|it| it.is_whitespace() || "{}[],".contains(it)) {
        return text.to_owned();
    }
    let key = text.find([':', '=']).and_then(|end| text.get(..=end));
    let indent = text.get(..text.len() - text.trim_start().len()).unwrap_or_default();
    match (key, text.chars().last().filter(|last| "{[".contains(*last))) {
        (Some(key), Some(bracket)) => format!("{key} {bracket}"),
        (Some(key), None) => format!("{key} …"),
        (None, _) => format!("{indent}…"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_masked_wherever_they_stand() {
        let cases = [
            ("nothing here", "nothing here"),
            (r#"  "VERIFA_API_KEY": "vk_live_abc","#, r#"  "VERIFA_API_KEY": "vk_live_…","#),
            (r#"{"env":{"K":"vk_sandbox_abc"}}"#, r#"{"env":{"K":"vk_sandbox_…"}}"#),
            (r#"K = "vk_sandbox_a\"b" # c"#, r#"K = "vk_sandbox_…" # c"#),
            ("vk_live_a vk_sandbox_b\n", "vk_live_… vk_sandbox_…\n"),
            ("vk_live_a,vk_sandbox_b", "vk_live_…"),
        ];
        for (text, expected) in cases {
            assert_eq!(masked(text), expected);
        }
    }

    #[test]
    fn of_lines_that_stay_no_value_is_shown() {
        let cases = [
            ("", ""),
            ("{", "{"),
            ("  },", "  },"),
            ("[mcp_servers.other]", "[mcp_servers.other]"),
            (r#"  "mcpServers": {"#, r#"  "mcpServers": {"#),
            (r#"    "TOKEN": "ghp_x","#, r#"    "TOKEN": …"#),
            (r#"    "env": {"TOKEN": "ghp_x"},"#, r#"    "env": …"#),
            (r#"  "--token=ghp_x","#, r#"  "--token= …"#),
            (r#"      "ghp_x""#, "      …"),
            ("token = \"ghp_x\"", "token = …"),
            (r#"["ghp_x"]"#, "…"),
            ("// ghp_x", "…"),
        ];
        for (line, expected) in cases {
            assert_eq!(outline(line), expected, "{line}");
        }
    }

    #[test]
    fn a_difference_is_the_change_and_a_little_around_it() {
        let old = "{\n  \"a\": {\n    \"x\": \"ghp_1\",\n    \"y\": 2\n  }\n}\n";
        let new = "{\n  \"a\": {\n    \"x\": \"ghp_1\",\n    \"y\": \"vk_live_abc\"\n  }\n}\n";
        let shown = "    \"a\": {\n      \"x\": …\n-     \"y\": 2\n+     \"y\": \"vk_live_…\"\n    }\n  }\n";
        assert_eq!(difference(old, new), shown);
        assert_eq!(difference("", "{\r\n}\r\n"), "+ {\n+ }\n");
        assert_eq!(difference(old, old), "");
    }
}

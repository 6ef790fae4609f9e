//! Edits a TOML configuration and keeps everything else in it as it was: text in, text out.

use std::ops::Range;

use serde_json::{Map, Value};
use toml_edit::{Array, Document, Item, Table, TableLike, value};

use super::refusal::Fault;

const SERVERS: &str = "mcp_servers";
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The entry of this name, if there is one.
pub(super) fn find(text: &str, name: &str) -> Result<Option<Value>, Fault> {
    let document = parse(text)?.into_mut();
    Ok(document.get(SERVERS).and_then(|servers| servers.as_table_like()?.get(name)).map(json))
}

/// Puts an entry of these fields in, or makes the one that is there such a one.
pub(super) fn put(text: &str, name: &str, fields: &Map<String, Value>) -> Result<String, Fault> {
    let mut document = parse(text)?.into_mut();
    let entry = table(table(document.as_table_mut(), SERVERS, SERVERS, true)?, name, SERVERS, false)?;
    renew(entry, fields);
    Ok(with_lines_of(text, None, &document.to_string()))
}

/// Gives a table these fields and no others, and touches only what differs.
fn renew(table: &mut dyn TableLike, fields: &Map<String, Value>) {
    for (field, new) in fields {
        if table.get(field).map(json).as_ref() == Some(new) {
            continue;
        }
        match (table.get_mut(field).and_then(Item::as_table_like_mut), new) {
            (Some(inner), Value::Object(new)) => renew(inner, new),
            _ => drop(table.insert(field, item(new))),
        }
    }
    let unknown = |(name, _): (&str, _)| (!fields.contains_key(name)).then(|| name.to_owned());
    let unknown: Vec<_> = table.iter().filter_map(unknown).collect();
    for name in unknown {
        table.remove(&name);
    }
}

/// Takes the entry out. Comments above its header may be about anything, and stay.
pub(super) fn take(text: &str, name: &str) -> Result<String, Fault> {
    let document = parse(text)?;
    let entry = document.get(SERVERS).and_then(|servers| servers.get(name));
    let above = entry.and_then(|entry| entry.as_table()?.decor().prefix()?.span());
    let mut document = document.into_mut();
    if let Some(servers) = document.get_mut(SERVERS).and_then(Item::as_table_like_mut) {
        servers.remove(name);
    }
    Ok(with_lines_of(text, above, &document.to_string()))
}

fn parse(text: &str) -> Result<Document<&str>, Fault> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    Document::parse(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        Fault::Syntax { language: "TOML", line: before.matches('\n').count() + 1 }
    })
}

/// The table of this name, made where there is none; a header of its own only where it is not `implicit`.
fn table<'a>(
    within: &'a mut dyn TableLike,
    name: &str,
    fault: &'static str,
    implicit: bool,
) -> Result<&'a mut dyn TableLike, Fault> {
    if !within.contains_key(name) {
        let mut made = Table::new();
        made.set_implicit(implicit);
        within.insert(name, Item::Table(made));
    }
    within.get_mut(name).and_then(Item::as_table_like_mut).ok_or(Fault::Shape(fault, "a table of tables"))
}

fn item(new: &Value) -> Item {
    match new {
        Value::Object(fields) => {
            let mut table = Table::new();
            for (name, field) in fields {
                table.insert(name, item(field));
            }
            Item::Table(table)
        }
        Value::Array(values) => value(values.iter().filter_map(Value::as_str).collect::<Array>()),
        other => value(other.as_str().unwrap_or_default()),
    }
}

/// As much of a value as an entry of ours has: text, lists and tables.
fn json(item: &Item) -> Value {
    if let Some(text) = item.as_str() {
        Value::from(text)
    } else if let Some(values) = item.as_array() {
        values.iter().map(|value| json(&Item::Value(value.clone()))).collect()
    } else if let Some(table) = item.as_table_like() {
        Value::Object(table.iter().map(|(name, item)| (name.to_owned(), json(item))).collect())
    } else {
        Value::from(item.to_string().trim())
    }
}

/// The edited text, in which every line that is not new is as it was before: the library ends lines as Unix does, ends the
/// last one always, and drops a byte-order mark. Comments in the part that `stays` are there as well.
fn with_lines_of(text: &str, stays: Option<Range<usize>>, edited: &str) -> String {
    let (mark, text) = text.strip_prefix(BYTE_ORDER_MARK).map_or(("", text), |rest| (BYTE_ORDER_MARK, rest));
    let old: Vec<_> = text.split_inclusive('\n').collect();
    let new: Vec<_> = edited.split_inclusive('\n').collect();
    let is_same = |(one, other): &(&&str, &&str)| bare(one) == bare(other);
    let stays = stays.and_then(|part| Some((text.get(..part.start)?.lines().count(), text.get(part)?)));
    let (above, stays) = stays.filter(|(_, part)| part.contains('#')).unwrap_or((usize::MAX, ""));
    let head = old.iter().zip(&new).take(above).take_while(is_same).count();
    let most = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(most).take_while(is_same).count();

    let added = new.iter().take(new.len() - tail).skip(head).copied().map(bare);
    let before = old.iter().take(head).copied().chain(stays.split_inclusive('\n'));
    let after = old.iter().skip(old.len() - tail).copied();
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let ended = |line: &str| if line.ends_with('\n') { line.to_owned() } else { format!("{line}{end}") };
    let mut whole: String = before.chain(added).chain(after).map(ended).collect();
    if !text.is_empty() && !text.ends_with('\n') {
        whole.truncate(bare(&whole).len());
    }
    format!("{mark}{whole}")
}

fn bare(line: &str) -> &str {
    line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::install::entry::renewed;

    fn fields() -> Map<String, Value> {
        let fields = json!({"command": "C:\\verifa-mcp.exe", "args": ["stdio"], "env": {"VERIFA_ENV": "sandbox"}});
        fields.as_object().unwrap().clone()
    }

    #[test]
    fn a_file_that_is_empty_or_missing_becomes_one_with_an_entry() {
        let whole = r#"[mcp_servers.verifa-mcp]
command = 'C:\verifa-mcp.exe'
args = ["stdio"]

[mcp_servers.verifa-mcp.env]
VERIFA_ENV = "sandbox"
"#;
        assert_eq!(put("", "verifa-mcp", &fields()).unwrap(), whole);
    }

    #[test]
    fn everything_else_stays_to_the_byte() {
        let others = [
            "# mine\nmodel = \"x\"   # why\n\n[mcp_servers.other]\ncommand = 'x'\n\n[mcp_servers.other.env]\nA = \"b\"\n",
            "model = \"x\"\r\n\r\n[mcp_servers.other]\r\ncommand = \"x\"\r\n",
            "[mcp_servers]\nother = { command = \"x\" }\n",
            "mcp_servers = { other = { command = \"x\" } }\n",
            "[mcp_servers.other]\ncommand = \"x\"\n\n[projects.\"/home/x\"]\ntrust_level = \"trusted\"\n# the end\n",
            "\u{feff}# mine\r\n[mcp_servers.other] # why\r\ncommand = \"x\" # what\r\n# the end\r\n\r\n",
            "\u{feff}model = \"x\"",
            "model = \"x\"\r\n\r\n[mcp_servers.other]\r\ncommand = \"x\" # no more",
            "text = \"\"\"one\ntwo\r\n\"\"\"\r\n[a]\nb = 1\n[mcp_servers.other]\r\ncommand = 'x'\n\n\n[z]\nb = 1\r\n",
        ];
        for text in others {
            let with = put(text, "verifa-mcp", &fields()).unwrap();
            assert_eq!(find(&with, "verifa-mcp").unwrap(), Some(Value::Object(fields())), "{with}");
            assert_eq!(put(&with, "verifa-mcp", &fields()).unwrap(), with);
            let is_inline = |line: &str| line.starts_with("mcp_servers = ");
            assert!(text.split_inclusive('\n').all(|line| with.contains(line) || is_inline(line)), "{with:?}");
            assert_eq!(take(&with, "verifa-mcp").unwrap(), text);
        }
    }

    #[test]
    fn comments_around_an_entry_that_goes_stay() {
        let before = "[mcp_servers.a]\ncommand = \"x\" # a's\n";
        let after = "\n# b's\n[mcp_servers.b]\ncommand = \"y\"\n# the end\n";
        let ours = "[mcp_servers.verifa-mcp] # ours\ncommand = \"verifa-mcp\" # ours\n[mcp_servers.verifa-mcp.env]\nA = \"b\"\n";
        for above in ["", "\n# above\n\n", "# above\n"] {
            for (before, after) in [(before, after), (before, "# the end\n"), ("", after), ("", "")] {
                let text = format!("{before}{above}{ours}{after}");
                assert_eq!(take(&text, "verifa-mcp").unwrap(), format!("{before}{above}{after}"));
                let windows = text.replace('\n', "\r\n");
                let expected = format!("{before}{above}{after}").replace('\n', "\r\n");
                assert_eq!(take(&windows, "verifa-mcp").unwrap(), expected);
            }
        }
    }

    #[test]
    fn an_entry_that_is_there_is_renewed_by_what_differs() {
        let env = "\n[mcp_servers.verifa-mcp.env]\nTOKEN = \"x\" # mine\n";
        let old = format!(
            "[mcp_servers.verifa-mcp]\ncommand = \"old\"\nstartup_timeout_sec = 20 # slow\n{env}VERIFA_API_KEY = \"k\"\n"
        );
        let new = format!("[mcp_servers.verifa-mcp]\ncommand = \"new\"\nstartup_timeout_sec = 20 # slow\n{env}");
        let fields = json!({"command": "new"});
        let renewed = renewed(find(&old, "verifa-mcp").unwrap().as_ref(), fields.as_object().unwrap());
        assert_eq!(put(&old, "verifa-mcp", &renewed).unwrap(), new);
        let inline = "mcp_servers = { verifa-mcp = { command = \"new\", env = { A = \"b\", C = \"d\" } } }\n";
        let fields = json!({"command": "new", "env": {"A": "b"}});
        let shorter = put(inline, "verifa-mcp", fields.as_object().unwrap()).unwrap();
        assert_eq!(find(&shorter, "verifa-mcp").unwrap(), Some(fields), "{shorter}");
    }

    #[test]
    fn what_is_broken_or_of_another_form_is_told() {
        let cases = [
            ("a = 1\nb = = 2\n", "is not TOML that can be read, at line 2"),
            ("mcp_servers = 1\n", "has another form than it should: mcp_servers is not a table of tables"),
            (
                "[mcp_servers]\nverifa-mcp = 1\n",
                "has another form than it should: mcp_servers is not a table of tables",
            ),
        ];
        for (text, words) in cases {
            assert_eq!(put(text, "verifa-mcp", &fields()).unwrap_err().to_string(), words, "{text}");
        }
    }
}

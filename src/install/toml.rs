//! Edits a TOML configuration and keeps everything else in it as it was: text in, text out.
//!
//! Whose file it is, and where it lies, is not known here.

use std::ops::Range;

use serde_json::{Map, Value};
use toml_edit::{
    Array, Document, DocumentMut, Item, RawString, Table, TableLike, value,
    visit::{self, Visit},
};

use super::{
    lines::{bare, with_lines_of},
    refusal::Fault,
};

const SERVERS: &str = "mcp_servers";
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The entry of this name, if there is one.
pub(super) fn find(text: &str, name: &str) -> Result<Option<Value>, Fault> {
    let document = parse(without_mark(text).1)?.into_mut();
    Ok(document.get(SERVERS).and_then(|servers| servers.as_table_like()?.get(name)).map(json))
}

/// Puts an entry of these fields in, or makes the one that is there such a one.
pub(super) fn put(text: &str, name: &str, fields: &Map<String, Value>) -> Result<String, Fault> {
    let (mark, text) = without_mark(text);
    let document = parse(text)?.into_mut();
    // The first server comes below all that is there; the library would put it above the last comments.
    let (above, mut document) = match (text, document.contains_key(SERVERS)) {
        (_, true) | ("", false) => (String::new(), document),
        (text, false) if text.ends_with('\n') => (format!("{text}\n"), DocumentMut::new()),
        (text, false) => (format!("{text}\n\n"), DocumentMut::new()),
    };
    let entry = table(table(document.as_table_mut(), SERVERS, SERVERS, true)?, name, SERVERS, false)?;
    renew(entry, fields);
    Ok(format!("{mark}{}", with_lines_of(text, &format!("{above}{document}"))))
}

/// Gives a table these fields and no others, and touches only what differs.
fn renew(table: &mut dyn TableLike, fields: &Map<String, Value>) {
    for (field, new) in fields {
        if table.get(field).map(json).as_ref() == Some(new) {
            continue;
        }
        match (table.get_mut(field).and_then(Item::as_table_like_mut), new) {
            (Some(inner), Value::Object(new)) => renew(inner, new),
            _ => set(table, field, item(new)),
        }
    }
    let unknown = |(name, _): (&str, _)| (!fields.contains_key(name)).then(|| name.to_owned());
    let unknown: Vec<_> = table.iter().filter_map(unknown).collect();
    for name in unknown {
        table.remove(&name);
    }
}

/// What stands above and behind a value stays with the one that comes in its place.
fn set(table: &mut dyn TableLike, field: &str, new: Item) {
    match (table.get_mut(field), new) {
        (Some(Item::Value(old)), Item::Value(mut new)) => {
            *new.decor_mut() = old.decor().clone();
            *old = new;
        }
        (_, new) => drop(table.insert(field, new)),
    }
}

/// Takes the entry out. Comments above its headers may be about anything, and stay.
pub(super) fn take(text: &str, name: &str) -> Result<String, Fault> {
    let (mark, text) = without_mark(text);
    let text = without_tables(text, name)?;
    let mut document = parse(&text)?.into_mut();
    let servers = document.get_mut(SERVERS).and_then(Item::as_table_like_mut);
    let had_no_header = servers.and_then(|servers| servers.remove(name)).is_some();
    let text = if had_no_header { with_lines_of(&text, &document.to_string()) } else { text };
    Ok(format!("{mark}{text}"))
}

/// The text without those of the entry's tables that have headers. What stands above the first in a row stays, but for the
/// empty line before it.
fn without_tables(text: &str, name: &str) -> Result<String, Fault> {
    let document = parse(text)?;
    let ours = document.get(SERVERS).and_then(|servers| servers.get(name)).map(headers).unwrap_or_default();
    let all = headers(document.as_item());
    let end = document.trailing().span().map_or(text.len(), |trailing| trailing.start);
    let ends = all.iter().skip(1).map(|next| next.start).chain([end]);

    let mut whole = String::new();
    let mut gone = None;
    for (above, end) in all.iter().zip(ends).filter(|(above, _)| ours.contains(above)) {
        if gone != Some(above.start) {
            whole += text.get(gone.unwrap_or(0)..above.start).unwrap_or_default();
            whole += above_header(text.get(above.clone()).unwrap_or_default());
        }
        gone = Some(end);
    }
    whole += text.get(gone.unwrap_or(0)..).unwrap_or_default();
    if !text.ends_with('\n') {
        whole.truncate(bare(&whole).len());
    }
    Ok(whole)
}

/// The whole lines above a header, without the empty one that parts it from them.
fn above_header(text: &str) -> &str {
    let lines = text.rfind('\n').and_then(|last| text.get(..=last)).unwrap_or_default();
    Some(bare(lines)).filter(|others| others.is_empty() || others.ends_with('\n')).unwrap_or(lines)
}

/// The headers of a part of a document, in the order in which they stand there.
fn headers(part: &Item) -> Vec<Range<usize>> {
    let mut headers = Headers(Vec::new());
    headers.visit_item(part);
    headers.0.sort_unstable_by_key(|above| above.end);
    headers.0
}

/// For each header what stands above it and behind the table before.
struct Headers(Vec<Range<usize>>);

impl<'doc> Visit<'doc> for Headers {
    fn visit_table(&mut self, table: &'doc Table) {
        if let (Some(_), Some(header)) = (table.position(), table.span()) {
            let above = table.decor().prefix().and_then(RawString::span);
            self.0.push(above.map_or(header.start, |above| above.start)..header.start);
        }
        visit::visit_table(self, table);
    }
}

fn parse(text: &str) -> Result<Document<&str>, Fault> {
    Document::parse(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        Fault::Syntax { language: "TOML", line: before.matches('\n').count() + 1 }
    })
}

fn without_mark(text: &str) -> (&str, &str) {
    text.strip_prefix(BYTE_ORDER_MARK).map_or(("", text), |rest| (BYTE_ORDER_MARK, rest))
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
        assert_eq!(take(whole, "verifa-mcp").unwrap(), "");
        for before in ["# mine\n", "# mine\n\n", "\n", "model = \"x\"\n\n# [tools]\n# web_search = true\n"] {
            let with = put(before, "verifa-mcp", &fields()).unwrap();
            assert_eq!(with, format!("{before}\n{whole}"));
            assert_eq!(take(&with, "verifa-mcp").unwrap(), before);
        }
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
            "\u{feff}",
            "# mine",
            "\u{feff}# mine\r\n# the end",
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
        // The empty line between them and the header goes with the header.
        for (above, stays) in
            [("", ""), ("\n", ""), ("\n# above\n\n", "\n# above\n"), ("# above\n", "# above\n"), ("\n\n  ", "\n")]
        {
            for (before, after) in [(before, after), (before, "# the end\n"), ("", after), ("", "")] {
                let (text, left) = (format!("{before}{above}{ours}{after}"), format!("{before}{stays}{after}"));
                assert_eq!(take(&text, "verifa-mcp").unwrap(), left);
                let windows = [&text, &left].map(|text| text.replace('\n', "\r\n"));
                assert_eq!(take(&windows[0], "verifa-mcp").unwrap(), windows[1]);
            }
        }
    }

    #[test]
    fn comments_above_each_part_of_an_entry_that_goes_stay() {
        let text = "\
# a
[mcp_servers.verifa-mcp]
command = \"verifa-mcp\" # b
# c
[mcp_servers.verifa-mcp.env]
A = \"b\"\r

[mcp_servers.other]
command = \"x\"\r

# d

[mcp_servers.verifa-mcp.tools.x]
A = \"b\"
# e
[[mcp_servers.verifa-mcp.y]]
A = \"b\"
[tui]
# f
";
        let left = "# a\n\n[mcp_servers.other]\ncommand = \"x\"\r\n\n# d\n[tui]\n# f\n";
        assert_eq!(take(text, "verifa-mcp").unwrap(), left);
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
        for old in [
            "[mcp_servers.verifa-mcp] # a\n# b\ncommand = \"old\" # c\n# d\nargs   =   [\"old\"] # e\n# f\n",
            "# a\n\nmcp_servers.verifa-mcp.command = \"old\" # b\n# c\nmcp_servers.verifa-mcp.args = [\"old\"]\n",
            "# a\nmcp_servers = { verifa-mcp = { command = \"old\" , args =  [\"old\"]  } } # b\n",
            "[mcp_servers.verifa-mcp]\r\ncommand = \"old\"\r\n# a\n\nargs = [\"old\"] # b\r\n# c\n",
        ] {
            let fields = json!({"command": "new", "args": ["new"]});
            let new = put(old, "verifa-mcp", fields.as_object().unwrap()).unwrap();
            assert_eq!(new, old.replace("old", "new"));
        }
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

//! Edits a JSON configuration, with or without comments, and keeps everything else in it as it was: text in, text out.
//!
//! Whose file it is, and where it lies, is not known here.

use std::collections::HashSet;

use jsonc_parser::{
    ParseOptions,
    cst::{CstArray, CstInputValue, CstNode, CstObject, CstObjectProp, CstRootNode},
};
use serde_json::{Map, Value};

use super::refusal::Fault;
use crate::untrusted::UntrustedText;

const INPUTS: &str = "inputs";
/// What a file begins as.
const EMPTY: &str = "{\n}\n";

/// The entry of this name, if there is one. Of a key that is there twice clients read the last and keep quiet about the
/// first, so that where an entry of ours would come, none may be.
pub(super) fn find(text: &str, servers: &str, name: &str) -> Result<Option<Value>, Fault> {
    let Some(root) = object(&parse(text)?.root)? else { return Ok(None) };
    the_one(&root, INPUTS)?;
    let Some(servers) = the_one(&root, servers)?.and_then(|servers| servers.object_value()) else { return Ok(None) };
    let Some(entry) = the_one(&servers, name)?.and_then(|entry| entry.value()) else { return Ok(None) };
    has_no_key_twice(&entry)?;
    Ok(Some(entry.to_serde_value().unwrap_or_default()))
}

/// What the client is to ask for under this name.
pub(super) fn input(text: &str, id: &str) -> Option<Value> {
    let inputs = parse(text).ok()?.root.object_value()?.array_value(INPUTS)?;
    input_of(&inputs, Some(&Value::from(id)))?.to_serde_value()
}

fn the_one(object: &CstObject, name: &str) -> Result<Option<CstObjectProp>, Fault> {
    let is_meant = |property: &CstObjectProp| property.decoded_name().is_some_and(|found| found == name);
    let mut found = object.properties().into_iter().filter(is_meant);
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(Fault::Twice(name.to_owned())),
        (found, None) => Ok(found),
    }
}

fn has_no_key_twice(value: &CstNode) -> Result<(), Fault> {
    let Some(object) = value.as_object() else { return Ok(()) };
    let mut names = HashSet::new();
    for property in object.properties() {
        let name = property.decoded_name().unwrap_or_default();
        property.value().as_ref().map_or(Ok(()), has_no_key_twice)?;
        if let Some(name) = names.replace(name) {
            return Err(Fault::Twice(UntrustedText::truncated(&name, 80).to_string()));
        }
    }
    Ok(())
}

/// Puts an entry of these fields in, or makes the one that is there such a one; and what the client is to ask for.
pub(super) fn put(
    text: &str,
    servers: &'static str,
    name: &str,
    fields: &Map<String, Value>,
    input: Option<&Value>,
) -> Result<String, Fault> {
    let document = parse(if text.trim().is_empty() { EMPTY } else { text })?;
    let root = object(&document.root)?.unwrap_or_else(|| document.root.object_value_or_set());
    if let Some(input) = input {
        let inputs = root.array_value_or_create(INPUTS).ok_or(Fault::Shape(INPUTS, "a list"))?;
        if input_of(&inputs, input.get("id")).is_none() {
            inputs.append(input_value(input));
        }
    }
    let servers = root.object_value_or_create(servers).ok_or(Fault::Shape(servers, "an object"))?;
    match servers.object_value(name) {
        Some(entry) => renew(&entry, fields),
        None => match servers.get(name) {
            Some(property) => property.set_value(object_value(fields)),
            None => drop(servers.append(name, object_value(fields))),
        },
    }
    Ok(document.text())
}

/// Takes the entry out, and what the client was to ask for on its behalf alone.
pub(super) fn take(text: &str, servers: &str, name: &str, input: &str) -> Result<String, Fault> {
    let document = parse(text)?;
    let Some(root) = object(&document.root)? else { return Ok(text.to_owned()) };
    if let Some(property) = root.object_value(servers).and_then(|servers| servers.get(name)) {
        property.remove();
    }
    let needed = document.text().contains(&format!("${{input:{input}}}"));
    if let (false, Some(inputs)) = (needed, root.array_value(INPUTS))
        && let Some(unneeded) = input_of(&inputs, Some(&Value::from(input)))
    {
        match (inputs.elements().len(), root.get(INPUTS)) {
            (1, Some(property)) => property.remove(),
            _ => unneeded.remove(),
        }
    }
    Ok(document.text())
}

/// Gives an object these fields and no others, and touches only what differs.
fn renew(object: &CstObject, fields: &Map<String, Value>) {
    for (field, value) in fields {
        let Some(property) = object.get(field) else {
            object.append(field, input_value(value));
            continue;
        };
        let old = property.value();
        match (old.as_ref().and_then(CstNode::as_object), value) {
            _ if old.and_then(|old| old.to_serde_value()).as_ref() == Some(value) => {}
            (Some(inner), Value::Object(value)) => renew(&inner, value),
            _ => property.set_value(input_value(value)),
        }
    }
    let is_known = |property: &CstObjectProp| property.decoded_name().is_some_and(|name| fields.contains_key(&name));
    object.properties().into_iter().filter(|property| !is_known(property)).for_each(CstObjectProp::remove);
}

fn input_of(inputs: &CstArray, id: Option<&Value>) -> Option<CstNode> {
    inputs.elements().into_iter().find(|input| input.to_serde_value().as_ref().and_then(|input| input.get("id")) == id)
}

struct Document {
    root: CstRootNode,
    byte_order_mark: &'static str,
}

impl Document {
    fn text(&self) -> String {
        format!("{}{}", self.byte_order_mark, self.root)
    }
}

fn parse(text: &str) -> Result<Document, Fault> {
    let (byte_order_mark, rest) = text.strip_prefix('\u{feff}').map_or(("", text), |rest| ("\u{feff}", rest));
    let strict_but_for_comments_and_trailing_commas = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let root = CstRootNode::parse(rest, &strict_but_for_comments_and_trailing_commas);
    root.map(|root| Document { root, byte_order_mark })
        .map_err(|error| Fault::Syntax { language: "JSON", line: error.line_display() })
}

/// The object that the file holds; none where it is empty.
fn object(root: &CstRootNode) -> Result<Option<CstObject>, Fault> {
    match root.value() {
        None => Ok(None),
        Some(value) => value.as_object().map(Some).ok_or(Fault::Shape("the whole file", "an object")),
    }
}

fn object_value(fields: &Map<String, Value>) -> CstInputValue {
    CstInputValue::Object(fields.iter().map(|(name, value)| (name.clone(), input_value(value))).collect())
}

fn input_value(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(*value),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(values) => CstInputValue::Array(values.iter().map(input_value).collect()),
        Value::Object(fields) => object_value(fields),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::install::entry::renewed;

    const SERVERS: &str = "mcpServers";

    fn fields() -> Map<String, Value> {
        let fields = json!({"command": "/bin/verifa-mcp", "args": ["stdio"], "env": {"VERIFA_ENV": "sandbox"}});
        fields.as_object().unwrap().clone()
    }

    fn put_one(text: &str) -> String {
        put(text, SERVERS, "verifa-mcp", &fields(), None).unwrap()
    }

    #[test]
    fn a_file_that_is_empty_or_missing_becomes_one_with_an_entry() {
        let whole = r#"{
  "mcpServers": {
    "verifa-mcp": {
      "command": "/bin/verifa-mcp",
      "args": ["stdio"],
      "env": {
        "VERIFA_ENV": "sandbox"
      }
    }
  }
}
"#;
        for text in ["", " \n", "{}\n", "{\n}\n", "{\n  \"mcpServers\": {}\n}\n"] {
            assert_eq!(put_one(text), whole, "{text:?}");
        }
    }

    #[test]
    fn everything_else_stays_to_the_byte() {
        let others = [
            "{\n  // mine\n  \"mcpServers\": {\n    \"other\": {\"command\": \"x\"} // why\n  },\n  \"theme\": \"dark\"\n}\n",
            "{\n\t\"mcpServers\": {\n\t\t\"other\": {\n\t\t\t\"command\": \"x\",\n\t\t},\n\t},\n}",
            "{\r\n    \"mcpServers\": {\r\n        \"other\": { \"command\": \"x\" }\r\n    }\r\n}\r\n",
            "\u{feff}{\n  \"a\": [1, 2,   3], /* b */ \"mcpServers\": {\n    \"other\": {}\n  }\n}\n\n",
        ];
        for text in others {
            let with = put_one(text);
            assert_eq!(find(&with, SERVERS, "verifa-mcp").unwrap(), Some(Value::Object(fields())), "{with}");
            assert_eq!(put_one(&with), with);
            assert_eq!(with.contains('\r'), text.contains('\r'));
            assert!(!with.replace("\r\n", "").contains('\n') || !text.contains('\r'), "{with:?}");
            assert_eq!(take(&with, SERVERS, "verifa-mcp", "verifa-mcp-key").unwrap(), text);
        }
    }

    #[test]
    fn an_entry_that_is_there_is_renewed_by_what_differs() {
        let old = r#"{
  "mcpServers": {
    "verifa-mcp": {
      "command": "/old/verifa-mcp", // the old place
      "timeout": 60,
      "env": { "VERIFA_ENV": "live", "TOKEN": "x" /* mine */, "VERIFA_API_KEY": "k" }
    }
  }
}"#;
        let new = r#"{
  "mcpServers": {
    "verifa-mcp": {
      "command": "/bin/verifa-mcp", // the old place
      "timeout": 60,
      "env": { "VERIFA_ENV": "sandbox", "TOKEN": "x" /* mine */ },
      "args": ["stdio"]
    }
  }
}"#;
        let renewed = renewed(find(old, SERVERS, "verifa-mcp").unwrap().as_ref(), &fields());
        assert_eq!(put(old, SERVERS, "verifa-mcp", &renewed, None).unwrap(), new);
        let without = json!({"command": "/bin/verifa-mcp", "timeout": 60});
        let text = put(new, SERVERS, "verifa-mcp", without.as_object().unwrap(), None).unwrap();
        assert_eq!(find(&text, SERVERS, "verifa-mcp").unwrap().unwrap(), without);
    }

    #[test]
    fn what_the_client_asks_for_is_there_once_and_goes_with_the_last_entry_that_needs_it() {
        let input = json!({"type": "promptString", "id": "verifa-mcp-key", "password": true});
        let asking = json!({"command": "verifa-mcp", "env": {"VERIFA_API_KEY": "${input:verifa-mcp-key}"}});
        let put =
            |text: &str, name: &str| put(text, "servers", name, asking.as_object().unwrap(), Some(&input)).unwrap();
        let take = |text: &str, name: &str| take(text, "servers", name, "verifa-mcp-key").unwrap();
        for text in [
            "{\n  \"servers\": {\n    \"other\": {}\n  }\n}\n",
            "{\n  \"inputs\": [\n    { \"id\": \"mine\" } // b\n  ],\n  \"servers\": {\n    \"other\": {}\n  }\n}\n",
        ] {
            let one = put(text, "verifa-mcp");
            let two = put(&one, "verifa-live");
            assert_eq!(two.matches("promptString").count(), 1, "{two}");
            assert_eq!(take(&two, "verifa-live"), one);
            assert_eq!(take(&one, "verifa-mcp"), text);
        }
    }

    #[test]
    fn what_is_broken_or_of_another_form_is_told() {
        let cases = [
            ("{\n  \"mcpServers\": {\n", "is not JSON that can be read, at line 2"),
            ("{\n  'a': 1\n}", "is not JSON that can be read, at line 2"),
            ("{\"a\": 1 \"b\": 2}", "is not JSON that can be read, at line 1"),
            ("[]", "has another form than it should: the whole file is not an object"),
            ("{\"mcpServers\": []}", "has another form than it should: mcpServers is not an object"),
        ];
        for (text, words) in cases {
            assert_eq!(put(text, SERVERS, "a", &fields(), None).unwrap_err().to_string(), words, "{text}");
        }
    }

    #[test]
    fn a_key_that_is_there_twice_where_an_entry_of_ours_would_come_is_told() {
        let cases = [
            (r#"{"mcpServers": {"a": {}}, "mcpServers": {}}"#, "mcpServers"),
            (r#"{"mcpServers": {"a": {"command": "x"}, "b": {}, "\u0061": {}}}"#, "a"),
            (r#"{"mcpServers": {"a": {"command": "x", "env": {"K": "1", "K": "2"}}}}"#, "K"),
            (r#"{"inputs": [], "servers": {}, "inputs": []}"#, "inputs"),
        ];
        for (text, key) in cases {
            let words = format!("has \"{key}\" twice, of which only the last counts");
            assert_eq!(find(text, SERVERS, "a").unwrap_err().to_string(), words, "{text}");
        }
        let elsewhere = r#"{"a": 1, "a": 2, "mcpServers": {"b": {"c": 1, "c": 2}, "a": {}, "b": {}}}"#;
        assert_eq!(find(elsewhere, SERVERS, "a").unwrap(), Some(json!({})));
    }

    #[test]
    fn what_the_client_asks_for_is_known_by_its_whole_name() {
        let text = r#"{"inputs": [{"id": "my-verifa-mcp-key"}, {"id": "verifa-mcp-key-old"}]}"#;
        assert_eq!(input(text, "verifa-mcp-key"), None);
        assert_eq!(input(text, "verifa-mcp-key-old"), Some(json!({"id": "verifa-mcp-key-old"})));
    }
}

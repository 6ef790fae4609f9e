//! Edits a JSON configuration with or without comments: text in, text out.
//!
//! Everything but the entry stays as it is, to the byte. Knows no client and no file.

use jsonc_parser::{
    ParseOptions,
    cst::{CstArray, CstInputValue, CstNode, CstObject, CstRootNode},
};
use serde_json::{Map, Value};

use super::plan::InstallError;

const INPUTS: &str = "inputs";
/// The content of a new file.
const EMPTY: &str = "{\n}\n";

/// The entry of this name. If a key occurs twice, this is the last one, as for clients.
pub(super) fn find(text: Option<&str>, servers: &str, name: &str) -> Result<Option<Value>, InstallError> {
    let root = Document::parse(text.unwrap_or_default())?.object()?;
    let root = root.and_then(|root| root.to_serde_value()).unwrap_or_default();
    Ok(root.get(servers).and_then(|servers| servers.get(name)).cloned())
}

/// The text with an entry of these fields, and what the client prompts for.
pub(super) fn set(
    text: Option<&str>,
    servers: &'static str,
    name: &str,
    fields: &Map<String, Value>,
    input: Option<&Value>,
) -> Result<String, InstallError> {
    let text = text.filter(|text| !text.trim().is_empty()).unwrap_or(EMPTY);
    let document = Document::parse(text)?;
    let root = document.object()?.unwrap_or_else(|| document.root.object_value_or_set());
    if let Some(input) = input {
        let inputs = root.array_value_or_create(INPUTS).ok_or(InstallError::Shape(INPUTS, "a list"))?;
        if find_input(&inputs, input.get("id")).is_none() {
            inputs.append(cst(input));
        }
    }
    let entries = root.object_value_or_create(servers).ok_or(InstallError::Shape(servers, "an object"))?;
    let entry = Value::Object(fields.clone());
    match entries.get(name) {
        None => drop(entries.append(name, cst(&entry))),
        Some(property) if property.value().and_then(|old| old.to_serde_value()).as_ref() == Some(&entry) => {}
        Some(property) => property.set_value(cst(&entry)),
    }
    document.edited(servers, name, Some(&entry))
}

/// The text without the entry, and without what the client prompted for on its behalf alone.
pub(super) fn remove(text: &str, servers: &str, name: &str, input: &str) -> Result<String, InstallError> {
    let document = Document::parse(text)?;
    let Some(root) = document.object()? else { return Ok(text.to_owned()) };
    if let Some(property) = root.object_value(servers).and_then(|servers| servers.get(name)) {
        property.remove();
    }
    let is_used = document.text().contains(&format!("${{input:{input}}}"));
    if let (false, Some(inputs)) = (is_used, root.array_value(INPUTS))
        && let Some(unused) = find_input(&inputs, Some(&Value::from(input)))
    {
        match (inputs.elements().len(), root.get(INPUTS)) {
            (1, Some(property)) => property.remove(),
            _ => unused.remove(),
        }
    }
    document.edited(servers, name, None)
}

fn find_input(inputs: &CstArray, id: Option<&Value>) -> Option<CstNode> {
    inputs.elements().into_iter().find(|input| input.to_serde_value().as_ref().and_then(|input| input.get("id")) == id)
}

struct Document {
    root: CstRootNode,
    byte_order_mark: &'static str,
}

impl Document {
    fn parse(text: &str) -> Result<Self, InstallError> {
        let (byte_order_mark, rest) = text.strip_prefix('\u{feff}').map_or(("", text), |rest| ("\u{feff}", rest));
        let strict_except_for_comments_and_trailing_commas = ParseOptions {
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
        let root = CstRootNode::parse(rest, &strict_except_for_comments_and_trailing_commas);
        root.map(|root| Self { root, byte_order_mark }).map_err(|error| InstallError::Syntax(error.line_display()))
    }

    /// The object that the file holds; none if it is empty.
    fn object(&self) -> Result<Option<CstObject>, InstallError> {
        let Some(value) = self.root.value() else { return Ok(None) };
        value.as_object().map(Some).ok_or(InstallError::Shape("content", "an object"))
    }

    fn text(&self) -> String {
        format!("{}{}", self.byte_order_mark, self.root)
    }

    /// The edited text, in which a client must find this entry: if a key occurs twice, the edit was to one that it ignores.
    fn edited(&self, servers: &str, name: &str, entry: Option<&Value>) -> Result<String, InstallError> {
        let text = self.text();
        if find(Some(&text), servers, name)?.as_ref() == entry { Ok(text) } else { Err(InstallError::NoEffect) }
    }
}

fn cst(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(*value),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(values) => CstInputValue::Array(values.iter().map(cst).collect()),
        Value::Object(fields) => {
            CstInputValue::Object(fields.iter().map(|(name, value)| (name.clone(), cst(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SERVERS: &str = "mcpServers";

    fn fields() -> Map<String, Value> {
        let fields = json!({"command": "/bin/verifa-mcp", "args": ["stdio"], "env": {"VERIFA_ENV": "sandbox"}});
        fields.as_object().unwrap().clone()
    }

    fn set_one(text: &str) -> Result<String, InstallError> {
        set(Some(text), SERVERS, "verifa-mcp", &fields(), None)
    }

    #[test]
    fn an_empty_or_missing_file_becomes_one_with_an_entry() {
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
            assert_eq!(set_one(text).unwrap(), whole, "{text:?}");
        }
        assert_eq!(set(None, SERVERS, "verifa-mcp", &fields(), None).unwrap(), whole);
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
            let with = set_one(text).unwrap();
            assert_eq!(set_one(&with).unwrap(), with);
            assert_eq!(with.contains('\r'), text.contains('\r'));
            assert!(!with.replace("\r\n", "").contains('\n') || !text.contains('\r'), "{with:?}");
            assert_eq!(remove(&with, SERVERS, "verifa-mcp", "verifa-mcp-key").unwrap(), text);
        }
    }

    #[test]
    fn an_entry_that_differs_is_replaced_as_a_whole_and_the_comments_around_it_stay() {
        let text = |entry: &str| {
            format!("{{\n  \"mcpServers\": {{\n    // above\n    \"a\": {entry}, // behind\n    \"b\": {{}}\n  }}\n}}")
        };
        let old = text("{\n      \"command\": \"old\" // inside\n    }");
        let new = text("{\n      \"command\": \"new\",\n      \"timeout\": 1.50\n    }").replace("1.50", "1.5");
        let fields: Map<_, _> = serde_json::from_str(r#"{"command": "new", "timeout": 1.5}"#).unwrap();
        assert_eq!(set(Some(&old), SERVERS, "a", &fields, None).unwrap(), new);
        let same = text("{ /* inside */ \"timeout\": 1.5, \"command\": \"new\" }");
        assert_eq!(set(Some(&same), SERVERS, "a", &fields, None).unwrap(), same);
    }

    #[test]
    fn what_the_client_prompts_for_is_there_once_and_goes_with_the_last_entry_that_uses_it() {
        let input = json!({"type": "promptString", "id": "verifa-mcp-key", "password": true});
        let entry = json!({"command": "verifa-mcp", "env": {"VERIFA_API_KEY": "${input:verifa-mcp-key}"}});
        let set =
            |text: &str, name| set(Some(text), "servers", name, entry.as_object().unwrap(), Some(&input)).unwrap();
        let remove = |text: &str, name| remove(text, "servers", name, "verifa-mcp-key").unwrap();
        for text in [
            "{\n  \"servers\": {\n    \"other\": {}\n  }\n}\n",
            "{\n  \"inputs\": [\n    { \"id\": \"my-verifa-mcp-key\" } // b\n  ],\n  \"servers\": {\n    \"other\": {}\n  }\n}\n",
        ] {
            let one = set(text, "verifa-mcp");
            let two = set(&one, "verifa-live");
            assert_eq!(two.matches("promptString").count(), 1, "{two}");
            assert_eq!(remove(&two, "verifa-live"), one);
            assert_eq!(remove(&one, "verifa-mcp"), text);
        }
    }

    #[test]
    fn a_file_that_is_broken_or_has_another_shape_is_an_error() {
        let cases = [
            ("{\n  \"mcpServers\": {\n", "it is not valid JSON, at line 2; correct it first"),
            ("{\n  'a': 1\n}", "it is not valid JSON, at line 2; correct it first"),
            ("{\"a\": 1 \"b\": 2}", "it is not valid JSON, at line 1; correct it first"),
            ("[]", "its content is not an object; correct it first"),
            ("{\"mcpServers\": []}", "its mcpServers is not an object; correct it first"),
        ];
        for (text, message) in cases {
            assert_eq!(set_one(text).unwrap_err().to_string(), message, "{text}");
        }
    }

    #[test]
    fn an_edit_that_no_client_would_see_is_an_error() {
        for text in [
            r#"{"mcpServers": {"verifa-mcp": {}}, "mcpServers": {"verifa-mcp": {"command": "x"}}}"#,
            r#"{"mcpServers": {"verifa-mcp": {"command": "x"}, "b": {}, "\u0076erifa-mcp": {}}}"#,
        ] {
            assert_eq!(set_one(text), Err(InstallError::NoEffect), "{text}");
            assert_eq!(remove(text, SERVERS, "verifa-mcp", "x"), Err(InstallError::NoEffect), "{text}");
        }
        let elsewhere = r#"{"a": 1, "a": 2, "mcpServers": {"b": {"c": 1, "c": 2}, "b": {}}}"#;
        assert!(set_one(elsewhere).is_ok());
    }
}

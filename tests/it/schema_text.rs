//! The tools' JSON Schemas as text, for the tables of a document.

use serde_json::{Map, Value};

/// A table's row for each argument: its name, what is allowed, what it means.
pub(crate) fn arguments(schema: &Value) -> Vec<[String; 3]> {
    let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|it| it == name));
    let row = |(name, argument): (&String, &Value)| {
        let required = if required(name) { "required; " } else { "" };
        [format!("`{name}`"), format!("{required}{}", allowed(argument)), meaning(argument)]
    };
    properties(schema).iter().map(row).collect()
}

/// A table's row for each field of an answer, those of its parts included.
pub(crate) fn fields(schema: &Value) -> Vec<[String; 3]> {
    // The forms of an answer differ in their casing only.
    let form = schema["anyOf"].get(0).unwrap_or(schema);
    let mut rows = Vec::new();
    add_fields(form, "", &mut rows);
    rows
}

fn add_fields(schema: &Value, within: &str, rows: &mut Vec<[String; 3]>) {
    for (name, field) in properties(schema) {
        let path = format!("{within}{name}");
        match (field["type"].as_str(), field["items"]["type"].as_str()) {
            (Some("object"), _) => add_fields(field, &format!("{path}."), rows),
            (Some("array"), Some("object")) => add_fields(&field["items"], &format!("{path}[]."), rows),
            _ => rows.push([format!("`{path}`"), allowed(field), meaning(field)]),
        }
    }
}

fn properties(schema: &Value) -> &Map<String, Value> {
    schema["properties"].as_object().unwrap()
}

fn meaning(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().to_owned()
}

fn allowed(schema: &Value) -> String {
    if let Some(forms) = schema["anyOf"].as_array() {
        return forms.iter().map(allowed).collect::<Vec<_>>().join(" or ");
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<_> = values.iter().map(|value| format!("`{}`", value.as_str().unwrap())).collect();
        return with_default(schema, values.join(", "));
    }
    let kind = match (schema["type"].as_str().unwrap(), schema["format"].as_str()) {
        ("string", Some("uri")) => "URL".to_owned(),
        ("string", Some("date-time")) => "time".to_owned(),
        ("string", _) => "text".to_owned(),
        ("integer", _) => "whole number".to_owned(),
        ("array", _) => format!("list of {}", allowed(&schema["items"])),
        (other, _) => other.to_owned(),
    };
    let bounds = |least: &str, most: &str, unit: &str| match (schema.get(least), schema.get(most)) {
        (None, None) => None,
        (Some(least), None) => Some(format!("{least}{unit} or more")),
        (least, Some(most)) => Some(format!("{} to {most}{unit}", least.unwrap_or(&Value::from(0)))),
    };
    let pattern = schema["pattern"].as_str().map(|pattern| format!("`{pattern}`"));
    let parts =
        [Some(kind), bounds("minLength", "maxLength", " characters"), bounds("minimum", "maximum", ""), pattern];
    with_default(schema, parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

fn with_default(schema: &Value, text: String) -> String {
    match schema.get("default") {
        None => text,
        Some(default) => format!("{text}; default {}", default.as_str().map_or(default.to_string(), str::to_owned)),
    }
}

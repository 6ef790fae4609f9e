//! JSON Schemas (2020-12) of the tools' structured content: plain enough for strict clients.
//!
//! They have no `$schema`, `$ref`, integer formats or type unions. The schemas of arguments are in `arguments`.

use rmcp::model::JsonObject;
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::{Value, json};
use strum::VariantArray;

use crate::verifa::KeyInflection;

/// The schema of structured content whose keys are in snake case: a closed object, every field required.
pub(super) fn output<T: JsonSchema>() -> JsonObject {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true).for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    let mut schema = schema.as_object_mut().map(std::mem::take).unwrap_or_default();
    for noise in ["$schema", "title", "description"] {
        schema.shift_remove(noise);
    }
    schema
}

/// The same schema for keys in any of three casings, never mixed.
pub(super) fn in_every_casing(snake: JsonObject) -> JsonObject {
    let casing = |inflection: &KeyInflection| with_property_names(snake.clone(), |name| inflection.inflect(&name));
    let casings: Vec<_> = KeyInflection::VARIANTS.iter().map(casing).collect();
    JsonObject::from_iter([("type".to_owned(), json!("object")), ("anyOf".to_owned(), json!(casings))])
}

/// The schema without some of its fields.
pub(super) fn without(mut schema: JsonObject, omitted: &[&str]) -> JsonObject {
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.retain(|name, _| !omitted.contains(&name.as_str()));
        let required = properties.keys().cloned().collect();
        schema.insert("required".to_owned(), required);
    }
    schema
}

/// The schema with other names for its fields.
pub(super) fn with_property_names(mut schema: JsonObject, rename: impl Fn(String) -> String) -> JsonObject {
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        *properties = std::mem::take(properties).into_iter().map(|(name, it)| (rename(name), it)).collect();
        let required = properties.keys().cloned().collect();
        schema.insert("required".to_owned(), required);
    }
    schema
}

/// Text or null, without a list of types, about which some clients warn.
pub(super) fn text_or_null(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [{"type": "string"}, {"type": "null"}]})
}

/// A whole number or null.
pub(super) fn number_or_null(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [{"type": "integer"}, {"type": "null"}]})
}

/// A whole number, without Rust's formats, about which some clients warn.
pub(super) fn number(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer"})
}

//! JSON Schemas (2020-12) of the tools: plain enough for strict clients and cheap for an agent to read.
//!
//! Input schemas have no `$schema`, `$ref`, `title`, integer formats or type unions.

use rmcp::model::JsonObject;
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::{Value, json};

use crate::verifa::{IdempotencyKey, KeyInflection, SessionId};

/// The schema of a tool's arguments.
pub(super) fn input<T: JsonSchema>() -> JsonObject {
    plain(SchemaSettings::draft2020_12().for_deserialize().into_generator().into_root_schema_for::<T>())
}

/// The schema of a tool's structured content, whose keys come in snake case: a closed object, nothing missing.
pub(super) fn output<T: JsonSchema>() -> JsonObject {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true).for_serialize();
    plain(settings.into_generator().into_root_schema_for::<T>())
}

/// The same schema for keys in any of three casings: never mixed, nothing missing, nothing more.
pub(super) fn in_every_casing(snake: JsonObject) -> JsonObject {
    let casings = KeyInflection::ALL.map(|inflection| in_casing(snake.clone(), inflection));
    JsonObject::from_iter([("type".to_owned(), json!("object")), ("anyOf".to_owned(), json!(casings))])
}

/// A closed object's schema without some of its fields.
pub(super) fn without(mut schema: JsonObject, left_out: &[&str]) -> JsonObject {
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.retain(|name, _| !left_out.contains(&name.as_str()));
        let required = properties.keys().cloned().collect();
        schema.insert("required".to_owned(), required);
    }
    schema
}

/// A session's id, as an argument.
pub(super) fn session_id(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": SessionId::MAX_LENGTH,
        "pattern": "^[A-Za-z0-9_-]+$",
        "examples": ["ses_abc123"],
    })
}

/// An idempotency key, as an argument.
pub(super) fn idempotency_key(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": IdempotencyKey::MAX_LENGTH,
        "pattern": "^[!-~]+$",
        "examples": ["ticket-4711-1"],
    })
}

/// Text or null, without a list of types, which some clients warn of.
pub(super) fn text_or_null(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [{"type": "string"}, {"type": "null"}]})
}

/// A whole number or null.
pub(super) fn number_or_null(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [{"type": "integer"}, {"type": "null"}]})
}

/// A whole number, without Rust's formats, which some clients warn of.
pub(super) fn number(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer"})
}

fn in_casing(mut schema: JsonObject, inflection: KeyInflection) -> JsonObject {
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        *properties =
            std::mem::take(properties).into_iter().map(|(name, it)| (inflection.inflect(&name), it)).collect();
        let required = properties.keys().cloned().collect();
        schema.insert("required".to_owned(), required);
    }
    schema
}

fn plain(schema: Schema) -> JsonObject {
    let mut object = schema.to_value().as_object().cloned().unwrap_or_default();
    for noise in ["$schema", "title", "description"] {
        object.shift_remove(noise);
    }
    object
}

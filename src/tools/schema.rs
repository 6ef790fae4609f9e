//! JSON Schemas (2020-12) of the tools: plain enough for strict clients and cheap for an agent to read.
//!
//! Input schemas have no `$schema`, `$ref`, `title`, integer formats or type unions.

use rmcp::model::JsonObject;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Value, json};

use crate::verifa::KeyInflection;

/// The schema of a tool's arguments.
pub(super) fn input<T: JsonSchema>() -> JsonObject {
    plain(SchemaSettings::draft2020_12().for_deserialize().into_generator().into_root_schema_for::<T>())
}

/// The schema of a tool's structured content, whose keys come in one of three casings: never mixed, nothing missing,
/// nothing more. `left_out` names the fields that this server never gives.
pub(super) fn output_in_every_casing<T: JsonSchema>(left_out: &[&str]) -> JsonObject {
    let mut snake = plain(SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>());
    if let Some(Value::Object(properties)) = snake.get_mut("properties") {
        properties.retain(|name, _| !left_out.contains(&name.as_str()));
        let required = properties.keys().cloned().collect();
        snake.insert("required".to_owned(), required);
    }
    let casings = KeyInflection::ALL.map(|inflection| in_casing(snake.clone(), inflection));
    JsonObject::from_iter([("type".to_owned(), json!("object")), ("anyOf".to_owned(), json!(casings))])
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

fn plain(schema: schemars::Schema) -> JsonObject {
    let mut object = schema.to_value().as_object().cloned().unwrap_or_default();
    for noise in ["$schema", "title", "description"] {
        object.shift_remove(noise);
    }
    object
}

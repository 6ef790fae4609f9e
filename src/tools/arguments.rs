//! A tool's arguments: one declaration each, for the input schema and for the parser.
//!
//! The SDK checks types only, with its parser's messages. Here every error of a call is reported at once, in plain English, and
//! an unknown argument is an error.

use std::marker::PhantomData;

use rmcp::model::JsonObject;
use serde_json::{Value, json};

use super::{
    NotSent, ToolSettings,
    argument_types::{AllowedText, ArgumentType},
};
use crate::{
    untrusted::UntrustedText,
    verifa::{ApiVersion, IdempotencyKey, KeyInflection, SessionId},
};

/// The longest part of a wrong value that is shown, in characters.
const MAX_SHOWN: usize = 60;

/// How many unknown arguments are named.
const MAX_NAMED: usize = 5;

/// The declaration of an argument.
pub(super) struct Argument<T> {
    pub(super) name: &'static str,
    description: &'static str,
    required: Option<&'static str>,
    default: fn(&ToolSettings) -> Option<Value>,
    parsed_as: PhantomData<fn() -> T>,
}

impl<T> Argument<T> {
    /// An argument that may be absent. An empty description is omitted.
    pub(super) const fn optional(name: &'static str, description: &'static str) -> Self {
        Self { name, description, required: None, default: |_| None, parsed_as: PhantomData }
    }

    /// The same with a default that the schema names.
    pub(super) const fn with_default(self, default: fn(&ToolSettings) -> Option<Value>) -> Self {
        Self { default, ..self }
    }
}

impl<T: AllowedText> Argument<T> {
    pub(super) const fn required(name: &'static str, description: &'static str) -> Self {
        Self { required: Some(T::ALLOWED), ..Self::optional(name, description) }
    }
}

pub(super) const SESSION_ID: Argument<SessionId> = Argument::required("session_id", "Session ID (ses_*).");

/// Each tool describes what a used key returns.
pub(super) const fn idempotency_key(description: &'static str) -> Argument<IdempotencyKey> {
    Argument::optional("idempotency_key", description)
}

pub(super) const VERIFA_VERSION: Argument<ApiVersion> =
    Argument::optional("verifa_version", "API version date; normally omitted.")
        .with_default(|settings| settings.api_version.as_ref().map(|version| json!(version.as_str())));

pub(super) const KEY_INFLECTION: Argument<KeyInflection> = Argument::optional(
    "key_inflection",
    "Casing of the result's keys: snake (capture_url), camel (captureUrl) or kebab (capture-url).",
)
.with_default(|settings| Some(json!(settings.key_inflection.as_str())));

/// What the parser and the schema need of a declaration, whatever its type.
pub(crate) trait Declaration: Sync {
    fn name(&self) -> &'static str;

    fn schema(&self, settings: &ToolSettings) -> Value;

    /// What is allowed, if the argument must be present.
    fn required(&self) -> Option<&'static str>;

    /// # Errors
    /// What is allowed.
    fn check(&self, value: &Value) -> Result<(), String>;
}

impl<T: ArgumentType> Declaration for Argument<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn schema(&self, settings: &ToolSettings) -> Value {
        let mut schema = T::schema();
        let description = Some(self.description).filter(|text| !text.is_empty()).map(Value::from);
        for (name, value) in [("description", description), ("default", (self.default)(settings))] {
            if let (Some(object), Some(value)) = (schema.as_object_mut(), value) {
                object.insert(name.to_owned(), value);
            }
        }
        schema
    }

    fn required(&self) -> Option<&'static str> {
        self.required
    }

    fn check(&self, value: &Value) -> Result<(), String> {
        T::parse(value).map(drop)
    }
}

/// The input schema for these declarations: plain, since strict clients reject `$ref`, formats of integers and unions.
pub(super) fn input_schema(declarations: &[&dyn Declaration], settings: &ToolSettings) -> JsonObject {
    let properties: JsonObject = declarations.iter().map(|it| (it.name().to_owned(), it.schema(settings))).collect();
    let required: Vec<_> = declarations.iter().filter(|it| it.required().is_some()).map(|it| it.name()).collect();
    let mut schema = JsonObject::from_iter([
        ("type".to_owned(), json!("object")),
        ("additionalProperties".to_owned(), json!(false)),
        ("properties".to_owned(), Value::Object(properties)),
    ]);
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema
}

/// The arguments of a call, each of which is valid.
pub(crate) struct Arguments(JsonObject);

impl Arguments {
    /// `null` counts as absent.
    ///
    /// # Errors
    /// Every error at once.
    pub(super) fn read(declarations: &[&dyn Declaration], mut given: JsonObject) -> Result<Self, NotSent> {
        given.retain(|_, value| !value.is_null());
        let mut errors: Vec<_> = declarations.iter().filter_map(|it| error_in(*it, given.get(it.name()))).collect();
        let is_known = |name: &str| declarations.iter().any(|it| it.name() == name);
        let unknown: Vec<_> = given.keys().filter(|name| !is_known(name)).collect();
        if !unknown.is_empty() {
            let known: Vec<_> = declarations.iter().map(|it| it.name()).collect();
            let named =
                unknown.iter().take(MAX_NAMED).map(|name| UntrustedText::truncated(name, MAX_SHOWN).to_string());
            let more = unknown.len().saturating_sub(MAX_NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let named = named.collect::<Vec<_>>().join(", ");
            errors.push(format!("{named}{more}: unknown; the arguments are {}", known.join(", ")));
        }
        if errors.is_empty() { Ok(Self(given)) } else { Err(NotSent::InvalidArguments(errors)) }
    }

    /// The value of a declared argument; `None` if it is absent.
    pub(super) fn get<T: ArgumentType>(&self, argument: &Argument<T>) -> Option<T> {
        self.0.get(argument.name).and_then(|value| T::parse(value).ok())
    }
}

fn error_in(declaration: &dyn Declaration, value: Option<&Value>) -> Option<String> {
    let name = declaration.name();
    match (value, declaration.required()) {
        (None, None) => None,
        (None, Some(allowed)) => Some(format!("{name}: missing; it must be {allowed}")),
        (Some(value), _) => {
            declaration.check(value).err().map(|error| format!("{name}: {error}; sent: {}", shown(value)))
        }
    }
}

fn shown(value: &Value) -> String {
    match value.as_str() {
        Some(text) => UntrustedText::escaped(text.trim(), MAX_SHOWN),
        None => UntrustedText::truncated(&value.to_string(), MAX_SHOWN).to_string(),
    }
}

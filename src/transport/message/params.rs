//! The second pass: the parameters of a request, decoded as what its method has.
//!
//! An error names the field and what it must be. It never repeats a value or a secret.

use rmcp::model::{
    CallToolRequestMethod, ClientRequest, CompleteRequestMethod, ConstString, CustomRequest, DiscoverRequestMethod,
    Extensions, GetPromptRequestMethod, InitializeResultMethod, ListPromptsRequestMethod,
    ListResourceTemplatesRequestMethod, ListResourcesRequestMethod, ListToolsRequestMethod, PingRequestMethod,
    ReadResourceRequestMethod, Request, RequestMetaObject, RequestNoParam, RequestOptionalParam,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{error::Category, value::RawValue};

use crate::untrusted::UntrustedText;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum InvalidParams {
    NotJson,
    /// The field, and what it must be.
    Field(String),
}

/// # Errors
/// When the parameters are not those of the method.
pub(super) fn request(method: String, params: Option<&RawValue>) -> Result<ClientRequest, InvalidParams> {
    let params = Params(params.map(RawValue::get).filter(|text| *text != "null"));
    Ok(match &*method {
        CallToolRequestMethod::VALUE => ClientRequest::CallToolRequest(params.required()?),
        ListToolsRequestMethod::VALUE => ClientRequest::ListToolsRequest(params.optional()?),
        InitializeResultMethod::VALUE if !params.has_protocol_version() => {
            ClientRequest::InitializeRequest(params.required()?)
        }
        DiscoverRequestMethod::VALUE => ClientRequest::DiscoverRequest(params.ignored()?),
        PingRequestMethod::VALUE => ClientRequest::PingRequest(params.none()?),
        ListPromptsRequestMethod::VALUE => ClientRequest::ListPromptsRequest(params.optional()?),
        GetPromptRequestMethod::VALUE => ClientRequest::GetPromptRequest(params.required()?),
        CompleteRequestMethod::VALUE => ClientRequest::CompleteRequest(params.required()?),
        ListResourcesRequestMethod::VALUE => ClientRequest::ListResourcesRequest(params.optional()?),
        ListResourceTemplatesRequestMethod::VALUE => ClientRequest::ListResourceTemplatesRequest(params.optional()?),
        ReadResourceRequestMethod::VALUE => ClientRequest::ReadResourceRequest(params.required()?),
        // Of what this server or the revision does not offer, the parameters do not matter.
        _ => {
            let object = Params(params.0.filter(|text| text.starts_with('{')));
            let mut request = CustomRequest::new(method, object.0.map(decode).transpose()?);
            object.add_meta(&mut request.extensions)?;
            ClientRequest::CustomRequest(request)
        }
    })
}

/// The text of the parameters, if there are any.
#[derive(Debug, Clone, Copy)]
struct Params<'a>(Option<&'a str>);

#[derive(Deserialize)]
struct Meta {
    _meta: Option<RequestMetaObject>,
}

impl Params<'_> {
    /// Whether the request itself names its protocol version: then that version has no `initialize` (2026-07-28, Versioning).
    fn has_protocol_version(self) -> bool {
        let meta = self.0.and_then(|text| decode::<Meta>(text).ok()?._meta);
        meta.is_some_and(|meta| meta.protocol_version().is_some())
    }

    fn required<M: ConstString, P: DeserializeOwned>(self) -> Result<Request<M, P>, InvalidParams> {
        let mut request = Request::new(decode(self.0.ok_or_else(must_be_an_object)?)?);
        self.add_meta(&mut request.extensions)?;
        Ok(request)
    }

    fn optional<M: ConstString, P: DeserializeOwned + Default>(
        self,
    ) -> Result<RequestOptionalParam<M, P>, InvalidParams> {
        let params = self.0.map(decode).transpose()?;
        let mut request = RequestOptionalParam { params, ..Default::default() };
        self.add_meta(&mut request.extensions)?;
        Ok(request)
    }

    /// For a method whose only parameter is the metadata.
    fn ignored<M: ConstString, P: Default>(self) -> Result<Request<M, P>, InvalidParams> {
        let mut request = Request::new(P::default());
        self.add_meta(&mut request.extensions)?;
        Ok(request)
    }

    fn none<M: ConstString>(self) -> Result<RequestNoParam<M>, InvalidParams> {
        let mut request = RequestNoParam::default();
        self.add_meta(&mut request.extensions)?;
        Ok(request)
    }

    /// The SDK's handlers look for the metadata among the extensions.
    fn add_meta(self, extensions: &mut Extensions) -> Result<(), InvalidParams> {
        let Some(text) = self.0 else { return Ok(()) };
        if let Some(meta) = decode::<Meta>(text)?._meta {
            extensions.insert(meta);
        }
        Ok(())
    }
}

fn must_be_an_object() -> InvalidParams {
    InvalidParams::Field("params must be an object".into())
}

fn decode<P: DeserializeOwned>(text: &str) -> Result<P, InvalidParams> {
    // The decoder would take an array for the fields in order.
    if !text.starts_with('{') {
        return Err(must_be_an_object());
    }
    // Only what failed is decoded again, with a path.
    serde_json::from_str(text).map_err(|_| diagnose::<P>(text))
}

fn diagnose<P: DeserializeOwned>(text: &str) -> InvalidParams {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let Err(error) = serde_path_to_error::deserialize::<_, P>(&mut deserializer) else {
        return InvalidParams::NotJson;
    };
    if error.inner().classify() != Category::Data {
        return InvalidParams::NotJson;
    }
    let mut path = String::from("params");
    for segment in error.path() {
        match segment {
            serde_path_to_error::Segment::Unknown => {}
            segment @ serde_path_to_error::Segment::Seq { .. } => path += &segment.to_string(),
            segment => path = format!("{path}.{segment}"),
        }
    }
    // The client may have chosen a name on the path.
    let path = UntrustedText::new(&path);
    InvalidParams::Field(field_error(path.as_str(), &error.inner().to_string()))
}

/// A parser's message in JSON's terms instead of Rust's.
fn field_error(path: &str, message: &str) -> String {
    let quoted = |rest: &str| rest.split('`').nth(1).unwrap_or_default().to_owned();
    if let Some(field) = message.strip_prefix("missing field ").map(quoted) {
        return format!("{path}.{field} is missing");
    }
    if let Some(field) = message.strip_prefix("duplicate field ").map(quoted) {
        return format!("{path}.{field} occurs twice");
    }
    let expected = message.split_once(", expected ").map_or("", |(_, rest)| rest);
    let expected = expected.split(" at line ").next().unwrap_or_default();
    if message.starts_with("unknown variant ") {
        return format!("{path} must be {}", expected.replace('`', "\""));
    }
    let expected = match expected {
        "a map" => "an object",
        "a sequence" => "an array",
        "a string" | "a boolean" => expected,
        "f64" | "f32" | "u64" | "u32" | "i64" | "i32" => "a number",
        _ if expected.starts_with("struct ") => "an object",
        _ => return format!("{path} is invalid"),
    };
    format!("{path} must be {expected}")
}

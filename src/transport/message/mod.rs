//! Reads one message of a client, whichever transport it came through.
//!
//! The SDK tries each kind of request in turn, which is slow and takes a known method with wrong parameters for an unknown
//! one. So `envelope` first finds the members of the message, and `params` then decodes what the method has: exactly one
//! type. Nothing is interpreted here: the SDK's types go on to its handlers.

mod envelope;
mod params;
#[cfg(test)]
mod tests;

use rmcp::model::{ClientJsonRpcMessage, ErrorCode, JsonRpcMessage, JsonRpcRequest, RequestId};
use serde::de::IgnoredAny;
use serde_json::json;

use self::{
    envelope::{Envelope, Member},
    params::InvalidParams,
};

/// A message that is answered with an error instead of being handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InvalidMessage {
    /// The message's id, where it can be read.
    pub(crate) id: Option<RequestId>,
    pub(crate) error: MessageError,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MessageError {
    #[error("not valid JSON: cut off, a syntax error, invalid UTF-8, an unpaired surrogate, or too much nesting")]
    NotJson,
    #[error("batches are not supported: send each message on its own")]
    Batch,
    #[error("a message must be a JSON object")]
    NotAnObject,
    #[error("{0} occurs twice")]
    Duplicate(Member),
    #[error("jsonrpc must be \"2.0\"")]
    Version,
    #[error("id must be a string or an integer of 64 bits")]
    Id,
    #[error("method must be a string")]
    Method,
    #[error("a message must be a request or notification (with method) or a response (with result or error)")]
    Kind,
    #[error("a message must have at most {0} bytes")]
    TooLong(usize),
    #[error("{0}")]
    Params(String),
}

impl MessageError {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::NotJson => ErrorCode::PARSE_ERROR,
            Self::Params(_) => ErrorCode::INVALID_PARAMS,
            Self::Batch
            | Self::NotAnObject
            | Self::Duplicate(_)
            | Self::Version
            | Self::Id
            | Self::Method
            | Self::Kind
            | Self::TooLong(_) => ErrorCode::INVALID_REQUEST,
        }
    }
}

impl InvalidMessage {
    pub(crate) fn too_long(max: usize) -> Self {
        Self { id: None, error: MessageError::TooLong(max) }
    }

    /// The JSON-RPC response. Its `id` is null where the message's cannot be read (JSON-RPC 2.0, section 5).
    pub(crate) fn response(&self) -> String {
        let error = json!({"code": self.error.code(), "message": self.error.to_string()});
        json!({"jsonrpc": "2.0", "id": self.id, "error": error}).to_string()
    }
}

/// The message in this JSON text; `None` if it is a notification or response that is to be ignored.
///
/// # Errors
/// When it must be answered with an error.
pub(crate) fn read(text: &[u8]) -> Result<Option<ClientJsonRpcMessage>, InvalidMessage> {
    let mut envelope = Envelope::default();
    let read = envelope.read(text);
    let id = envelope.id.and_then(|id| envelope::id(id.get()));
    let invalid = |error| InvalidMessage { id: id.clone(), error };
    match read {
        Err(error) if error.is_data() && serde_json::from_slice::<IgnoredAny>(text).is_ok() => {
            let is_batch = text.trim_ascii_start().starts_with(b"[");
            return Err(invalid(if is_batch { MessageError::Batch } else { MessageError::NotAnObject }));
        }
        Err(_) => return Err(invalid(MessageError::NotJson)),
        Ok(()) => {}
    }
    if let Some(member) = envelope.duplicate {
        return Err(InvalidMessage { id: None, error: MessageError::Duplicate(member) });
    }
    if envelope.id.is_some() && id.is_none() {
        return Err(invalid(MessageError::Id));
    }
    if envelope.jsonrpc.is_none_or(|version| version.get() != "\"2.0\"") {
        return Err(invalid(MessageError::Version));
    }
    let is_response = envelope.result.is_some() || envelope.error.is_some();
    match (envelope.method, id.clone()) {
        (Some(method), Some(id)) if !is_response => {
            let method: String = serde_json::from_str(method.get())
                .map_err(|error| invalid(if error.is_data() { MessageError::Method } else { MessageError::NotJson }))?;
            let request = params::request(method, envelope.params).map_err(|error| {
                invalid(match error {
                    InvalidParams::NotJson => MessageError::NotJson,
                    InvalidParams::Field(text) => MessageError::Params(text),
                })
            })?;
            Ok(Some(JsonRpcMessage::Request(JsonRpcRequest::new(id, request))))
        }
        (Some(_), None) if !is_response => Ok(serde_json::from_slice(text).ok()),
        (None, _) if is_response => Ok(serde_json::from_slice(text).ok()),
        _ => Err(invalid(MessageError::Kind)),
    }
}

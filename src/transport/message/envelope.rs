//! The first pass over a message: its members, each as the text that was sent.
//!
//! What was found before a fault stays, so that even a message that is cut off can be answered with its id.

use std::fmt;

use rmcp::model::RequestId;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// The members that JSON-RPC 2.0 defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, strum::Display)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Member {
    Jsonrpc,
    Id,
    Method,
    Params,
    Result,
    Error,
    #[serde(other)]
    Other,
}

#[derive(Debug, Default)]
pub(super) struct Envelope<'a> {
    pub(super) jsonrpc: Option<&'a RawValue>,
    pub(super) id: Option<&'a RawValue>,
    pub(super) method: Option<&'a RawValue>,
    pub(super) params: Option<&'a RawValue>,
    pub(super) result: Option<&'a RawValue>,
    pub(super) error: Option<&'a RawValue>,
    /// A member that occurs twice: readers would disagree about which one counts.
    pub(super) duplicate: Option<Member>,
}

impl<'a> Envelope<'a> {
    /// # Errors
    /// When the text is not JSON, or not an object (`is_data`).
    pub(super) fn read(&mut self, text: &'a [u8]) -> serde_json::Result<()> {
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        deserializer.deserialize_map(self)?;
        deserializer.end()
    }
}

impl<'a> Visitor<'a> for &mut Envelope<'a> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(member) = map.next_key()? {
            let place = match member {
                Member::Jsonrpc => &mut self.jsonrpc,
                Member::Id => &mut self.id,
                Member::Method => &mut self.method,
                Member::Params => &mut self.params,
                Member::Result => &mut self.result,
                Member::Error => &mut self.error,
                Member::Other => {
                    map.next_value::<&RawValue>()?;
                    continue;
                }
            };
            if place.replace(map.next_value()?).is_some() {
                self.duplicate = Some(member);
            }
        }
        Ok(())
    }
}

/// The id in this JSON text, if it is a string or an integer.
pub(super) fn id(text: &str) -> Option<RequestId> {
    if text.starts_with('"') {
        return Some(RequestId::String(serde_json::from_str::<String>(text).ok()?.into()));
    }
    Some(RequestId::Number(text.parse().ok()?))
}

//! What a question takes to the client and brings back: the idempotency key of the call that it is about, sealed.
//!
//! The seal holds for one caller, one tool and one set of arguments, and for five minutes. Its key is derived from the
//! Verifa key of the call, so that every replica can open it and nobody else can make one. Whoever brings it back twice
//! gets the same call twice, which Verifa answers alike. It hides nothing, and there is no secret in it.

use std::{collections::BTreeMap, time::Duration};

use rmcp::model::{JsonObject, RequestStateCodec, RequestStateError, SealOptions};
use serde_json::json;

use crate::call::Caller;
use crate::{
    tools::{TIME_TO_ANSWER, ToolName},
    verifa::{ApiKey, IdempotencyKey},
};

/// What the seal's key is derived for.
const PURPOSE: &str = "verifa-mcp/request-state/1";

/// Seals and opens what belongs to one call.
pub(super) struct Seal {
    codec: RequestStateCodec,
    call: Vec<u8>,
}

/// Why a seal does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// It is of this call, and too old.
    Expired,
    /// It is of another call, or was tampered with.
    Foreign,
}

impl Seal {
    /// The seal of a call with this key.
    pub(super) fn new(key: &ApiKey, caller: &Caller, tool: ToolName, arguments: &JsonObject) -> Self {
        // A client may send the arguments of the same call in another order.
        let arguments: BTreeMap<_, _> = arguments.iter().collect();
        let call = json!([caller.identity().as_str(), tool.as_str(), arguments]).to_string().into_bytes();
        Self { codec: RequestStateCodec::new_unchecked(key.derive(PURPOSE)), call }
    }

    /// Seals the idempotency key that the call is to be made with.
    pub(super) fn seal(&self, key: &IdempotencyKey) -> String {
        self.seal_for(key, TIME_TO_ANSWER)
    }

    fn seal_for(&self, key: &IdempotencyKey, time: Duration) -> String {
        let options = SealOptions::new().associated_data(&self.call).ttl(time);
        self.codec.seal_with(key.as_str().as_bytes(), &options)
    }

    /// The idempotency key that was sealed for this very call.
    pub(super) fn open(&self, sealed: &str) -> Result<IdempotencyKey, Broken> {
        let opened = self.codec.open_with(sealed, &self.call).map_err(|error| match error {
            // Told only of a seal that is sound.
            RequestStateError::Expired => Broken::Expired,
            _ => Broken::Foreign,
        })?;
        String::from_utf8(opened).ok().and_then(|key| key.parse().ok()).ok_or(Broken::Foreign)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn seal(key: &str, name: Option<&str>, tool: ToolName, arguments: Value) -> Seal {
        let key: ApiKey = key.parse().unwrap();
        let caller = Caller { key: Some(key.clone()), name: name.map(str::to_owned), ..Caller::default() };
        Seal::new(&key, &caller, tool, arguments.as_object().unwrap())
    }

    fn ours() -> Seal {
        let arguments = json!({"session_id": "ses_1", "key_inflection": "snake"});
        seal("vk_live_a", Some("ann"), ToolName::ResumeSession, arguments)
    }

    #[test]
    fn only_the_same_call_of_the_same_caller_opens_it() {
        let key: IdempotencyKey = "once".parse().unwrap();
        let sealed = ours().seal(&key);
        let resume = ToolName::ResumeSession;
        let same = json!({"key_inflection": "snake", "session_id": "ses_1"});
        assert_eq!(ours().open(&sealed), Ok(key.clone()));
        assert_eq!(seal("vk_live_a", Some("ann"), resume, same.clone()).open(&sealed), Ok(key));
        for other in [
            seal("vk_live_b", Some("ann"), resume, same.clone()),
            seal("vk_live_a", Some("bob"), resume, same.clone()),
            seal("vk_live_a", None, resume, same.clone()),
            seal("vk_live_a", Some("ann"), ToolName::GenerateOneTimeLink, same),
            seal("vk_live_a", Some("ann"), resume, json!({"session_id": "ses_1"})),
            seal("vk_live_a", Some("ann"), resume, json!({"session_id": "ses_2", "key_inflection": "snake"})),
            seal("vk_live_a", Some("ann"), resume, json!({"session_id": "ses_1", "key_inflection": null})),
        ] {
            assert_eq!(other.open(&sealed), Err(Broken::Foreign));
        }
        for tampered in
            ["", "rs1..", "nonsense", &sealed[1..], &sealed[..sealed.len() - 1], &sealed.replace("rs1", "rs2")]
        {
            assert_eq!(ours().open(tampered), Err(Broken::Foreign), "{tampered}");
        }
    }

    #[test]
    fn it_expires_for_its_own_call_and_is_foreign_to_others() {
        let sealed = ours().seal_for(&IdempotencyKey::generate(), Duration::ZERO);
        // Until the clock has moved on by a millisecond.
        while ours().open(&sealed).is_ok() {}
        assert_eq!(ours().open(&sealed), Err(Broken::Expired));
        let other = seal("vk_live_b", Some("ann"), ToolName::ResumeSession, json!({"session_id": "ses_1"}));
        assert_eq!(other.open(&sealed), Err(Broken::Foreign));
    }
}

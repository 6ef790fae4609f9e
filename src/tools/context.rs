//! The facts of a call, from its arguments and the operator's settings.
//!
//! An idempotency key or version that the agent chose takes precedence. Nothing is sent here.

use std::collections::BTreeMap;

use rmcp::model::JsonObject;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    Tool, ToolSettings,
    arguments::{Arguments, KEY_INFLECTION, VERIFA_VERSION, idempotency_key},
};
use crate::{
    call::{ApiVersionSource, Arrival, CallContext, Caller, IdempotencyKeySource, ToolSpec},
    verifa::{ApiKey, Endpoint, IdempotencyKey, KeyInflection, RequestHeaders},
};

/// What a consent is given to: caller, tool and arguments. A client may send the same arguments in another order.
pub(super) fn subject(caller: &Caller, tool: &ToolSpec, arguments: &JsonObject) -> Vec<u8> {
    let arguments: BTreeMap<_, _> = arguments.iter().collect();
    json!([caller.identity().as_str(), tool.name, arguments]).to_string().into_bytes()
}

/// The facts of a call that will be sent with this key.
pub(super) fn context<'a, T: Tool>(
    arguments: &Arguments,
    endpoint: &T::Endpoint,
    key: &'a ApiKey,
    caller: &'a Caller,
    settings: &ToolSettings,
    arrival: Arrival,
) -> CallContext<'a> {
    let chosen_key = arguments.get(&idempotency_key(""));
    let chosen_version = arguments.get(&VERIFA_VERSION);
    let declares_inflection = T::ARGUMENTS.iter().any(|it| it.name() == KEY_INFLECTION.name);
    let default_inflection = if declares_inflection { settings.key_inflection } else { KeyInflection::Snake };
    let idempotency_key_source = match &chosen_key {
        Some(_) => IdempotencyKeySource::Agent,
        None => IdempotencyKeySource::Generated,
    };
    let api_version_source = match (&chosen_version, &settings.api_version) {
        (Some(_), _) => ApiVersionSource::Agent,
        (None, Some(_)) => ApiVersionSource::Setting,
        (None, None) => ApiVersionSource::Unset,
    };
    let headers = RequestHeaders {
        idempotency_key: (!T::SPEC.effect.is_read())
            .then(|| of_caller(chosen_key.unwrap_or_else(IdempotencyKey::generate), caller)),
        version: chosen_version.or_else(|| settings.api_version.clone()),
        key_inflection: arguments.get(&KEY_INFLECTION).unwrap_or(default_inflection),
    };
    CallContext {
        tool: T::SPEC,
        caller,
        key,
        emulated: settings.emulated,
        arrival,
        session_id: endpoint.session_id().cloned(),
        headers,
        idempotency_key_source,
        api_version_source,
    }
}

/// A key as it is sent: callers who share a Verifa key must not get each other's responses because their agents both count
/// from 1. A key that was shown as sent stays as it is.
fn of_caller(key: IdempotencyKey, caller: &Caller) -> IdempotencyKey {
    // Without a name the caller is the only one with this Verifa key.
    if caller.name.is_none() {
        return key;
    }
    let digest = |text: &str| base16ct::lower::encode_string(&Sha256::digest(text));
    let identity = digest(caller.identity().as_str());
    let prefix = identity.get(..8).unwrap_or(&identity);
    if key.as_str().strip_prefix(prefix).is_some_and(|rest| rest.starts_with('-')) {
        return key;
    }
    let prefixed = format!("{prefix}-{}", key.as_str()).parse();
    // Too long with the prefix: its hash is as unique.
    prefixed.or_else(|_| format!("{prefix}-{}", digest(key.as_str())).parse()).unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::tools::{GenerateOneTimeLink, ResumeSession};

    fn subject_of(name: Option<&str>, key: &str, tool: &ToolSpec, arguments: Value) -> Vec<u8> {
        let caller = Caller { key: Some(key.parse().unwrap()), name: name.map(str::to_owned), ..Caller::default() };
        subject(&caller, tool, arguments.as_object().unwrap())
    }

    #[test]
    fn a_key_that_an_agent_chose_is_its_callers_own() {
        let sent = |key: &str, name: Option<&str>| {
            let caller = Caller { name: name.map(str::to_owned), ..Caller::default() };
            of_caller(key.parse().unwrap(), &caller).as_str().to_owned()
        };
        assert_eq!(sent("1", None), "1");
        let (ann, bob) = (sent("1", Some("ann")), sent("1", Some("bob")));
        assert!(ann != bob && ann.ends_with("-1") && ann.len() == 10, "{ann}");
        assert_eq!(sent("1", Some("ann")), ann);
        assert_eq!(sent(&ann, Some("ann")), ann, "sent again as it was shown");
        assert_ne!(sent(&ann, Some("bob")), ann);
        let long = |last: &str| sent(&("x".repeat(254) + last), Some("ann"));
        assert!(long("a").len() <= 255 && long("a") != long("b") && long("a").starts_with(&ann[..9]));
    }

    #[test]
    fn a_consent_is_given_to_one_caller_one_tool_and_one_set_of_arguments() {
        let resume = ResumeSession::SPEC;
        let arguments = json!({"session_id": "ses_1", "key_inflection": "snake"});
        let given = subject_of(Some("ann"), "vk_live_a", resume, arguments.clone());
        let reordered = json!({"key_inflection": "snake", "session_id": "ses_1"});
        assert_eq!(subject_of(Some("ann"), "vk_live_a", resume, reordered), given);
        for other in [
            subject_of(Some("bob"), "vk_live_a", resume, arguments.clone()),
            subject_of(None, "vk_live_a", resume, arguments.clone()),
            subject_of(Some("ann"), "vk_live_a", GenerateOneTimeLink::SPEC, arguments),
            subject_of(Some("ann"), "vk_live_a", resume, json!({"session_id": "ses_1"})),
            subject_of(Some("ann"), "vk_live_a", resume, json!({"session_id": "ses_2", "key_inflection": "snake"})),
            subject_of(Some("ann"), "vk_live_a", resume, json!({"session_id": "ses_1", "key_inflection": null})),
        ] {
            assert_ne!(other, given);
        }
    }
}

//! The request state of a question: the idempotency key of the call that it is about, signed.
//!
//! It is valid for one caller, one tool and one set of arguments, and for five minutes. The signing key is derived from
//! the Verifa key of the call, so every replica can verify it and no one else can forge it. A state that is sent twice
//! repeats the same call, to which Verifa responds alike. It is not encrypted, and holds no secret.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use rmcp::model::{RequestStateCodec, RequestStateError, SealOptions};
use sha2::Sha256;

use crate::{
    tools::CONFIRMATION_TIMEOUT,
    verifa::{ApiKey, IdempotencyKey},
};

/// What the signing key is derived for.
const PURPOSE: &str = "verifa-mcp/request-state/1";

/// Signs and verifies the request state of one call.
pub(super) struct RequestState<'a> {
    codec: RequestStateCodec,
    subject: &'a [u8],
}

/// Why a request state is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InvalidState {
    /// It belongs to this call, and is too old.
    Expired,
    /// It belongs to another call, or was altered.
    Mismatch,
}

impl<'a> RequestState<'a> {
    /// For a call that is sent with this key; `subject` tells it from others.
    pub(super) fn new(key: &ApiKey, subject: &'a [u8]) -> Self {
        Self { codec: RequestStateCodec::new_unchecked(derive(key)), subject }
    }

    /// Signs the idempotency key that the call will be sent with.
    pub(super) fn sign(&self, key: &IdempotencyKey) -> String {
        self.sign_for(key, CONFIRMATION_TIMEOUT)
    }

    fn sign_for(&self, key: &IdempotencyKey, lifetime: Duration) -> String {
        let options = SealOptions::new().associated_data(self.subject).ttl(lifetime);
        self.codec.seal_with(key.as_str().as_bytes(), &options)
    }

    /// The idempotency key that was signed for this call.
    ///
    /// # Errors
    /// When the state is too old or not of this call.
    pub(super) fn verify(&self, state: &str) -> Result<IdempotencyKey, InvalidState> {
        let opened = self.codec.open_with(state, self.subject).map_err(|error| match error {
            // Reported only of a state whose signature is valid.
            RequestStateError::Expired => InvalidState::Expired,
            _ => InvalidState::Mismatch,
        })?;
        String::from_utf8(opened).ok().and_then(|key| key.parse().ok()).ok_or(InvalidState::Mismatch)
    }
}

/// HMAC-SHA256 of the purpose with the API key, which reveals nothing about that.
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn derive(key: &ApiKey) -> [u8; 32] {
    let mac = Hmac::<Sha256>::new_from_slice(key.expose_header().as_bytes()).expect("a key of any length");
    mac.chain_update(PURPOSE).finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: &[u8] = br#"["name ann","resume_session",{"session_id":"ses_1"}]"#;

    fn state<'a>(key: &str, subject: &'a [u8]) -> RequestState<'a> {
        RequestState::new(&key.parse().unwrap(), subject)
    }

    #[test]
    fn only_the_same_call_with_the_same_key_verifies_it() {
        let key: IdempotencyKey = "once".parse().unwrap();
        let signed = state("vk_live_a", SUBJECT).sign(&key);
        assert_eq!(state("vk_live_a", SUBJECT).verify(&signed), Ok(key));
        assert_eq!(state("vk_live_b", SUBJECT).verify(&signed), Err(InvalidState::Mismatch));
        assert_eq!(state("vk_live_a", b"another call").verify(&signed), Err(InvalidState::Mismatch));
        for altered in
            ["", "rs1..", "nonsense", &signed[1..], &signed[..signed.len() - 1], &signed.replace("rs1", "rs2")]
        {
            assert_eq!(state("vk_live_a", SUBJECT).verify(altered), Err(InvalidState::Mismatch), "{altered}");
        }
    }

    #[test]
    fn it_expires_for_its_own_call_and_does_not_match_others() {
        let signed = state("vk_live_a", SUBJECT).sign_for(&IdempotencyKey::generate(), Duration::ZERO);
        // Until the clock has moved on by a millisecond.
        while state("vk_live_a", SUBJECT).verify(&signed).is_ok() {}
        assert_eq!(state("vk_live_a", SUBJECT).verify(&signed), Err(InvalidState::Expired));
        assert_eq!(state("vk_live_b", SUBJECT).verify(&signed), Err(InvalidState::Mismatch));
    }
}

//! Verifies access tokens that are JWTs: pure, without I/O and without a clock.
//!
//! The steps and their order are those of the specification's section 3.1: shape, header, issuer, key, signature, and only
//! then the claims. A header never chooses a key by itself: `jwk`, `jku`, `x5u` and `x5c` are not read.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::Value;

use super::{
    claims::{Expected, Grant, check},
    invalid_token::InvalidToken,
    json::{Presence, object, present},
    jwk::{Algorithm, KeySet, NoKey},
};

/// The longest token, in bytes. Tokens of Entra ID with groups exceed 8 KiB.
pub(crate) const MAX_LENGTH: usize = 16 * 1024;
const MAX_KID_LENGTH: usize = 256;

/// A token whose signature and claims are not checked yet.
#[derive(Debug)]
pub(crate) struct UnverifiedToken<'a> {
    algorithm: Algorithm,
    kid: Option<String>,
    /// Whether the header says that it is an access token (RFC 9068).
    is_access_token: bool,
    issuer: String,
    signed: &'a [u8],
    payload: Vec<u8>,
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default, deserialize_with = "present")]
    kid: Option<String>,
    #[serde(default, deserialize_with = "present")]
    typ: Option<String>,
    // Each of these changes how the rest must be read.
    #[serde(default)]
    crit: Presence,
    #[serde(default)]
    b64: Presence,
    #[serde(default)]
    cty: Presence,
    #[serde(default)]
    zip: Presence,
    #[serde(default)]
    enc: Presence,
}

#[derive(Deserialize)]
struct Issuer {
    iss: Option<Value>,
}

/// Checks what every token must fulfill, opaque ones too (RFC 6750, section 2.1).
pub(crate) fn check_shape(token: &str) -> Result<(), InvalidToken> {
    if ["vk_", "vmt_"].iter().any(|prefix| token.get(..prefix.len()).is_some_and(|it| it.eq_ignore_ascii_case(prefix)))
    {
        return Err(InvalidToken::StaticCredentials);
    }
    if token.len() > MAX_LENGTH {
        return Err(InvalidToken::TooLong);
    }
    let is_allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=');
    if token.bytes().all(is_allowed) { Ok(()) } else { Err(InvalidToken::Malformed) }
}

impl<'a> UnverifiedToken<'a> {
    pub(crate) fn parse(token: &'a str) -> Result<Self, InvalidToken> {
        check_shape(token)?;
        let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else {
            let is_encrypted = token.split('.').count() == 5;
            return Err(if is_encrypted { InvalidToken::Encrypted } else { InvalidToken::Malformed });
        };
        // The decoder rejects padding and stray bits, so that a token has one spelling.
        let decode = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| InvalidToken::Malformed);
        let signed = token.as_bytes().get(..header.len() + 1 + payload.len()).unwrap_or_default();
        let (header, payload, signature) = (decode(header)?, decode(payload)?, decode(signature)?);
        let header: Header = object(&header).ok_or(InvalidToken::Header)?;
        let algorithm = header.alg.parse().map_err(|_| InvalidToken::Algorithm)?;
        if [header.crit, header.b64, header.cty, header.zip, header.enc].iter().any(|it| it.is_present()) {
            return Err(InvalidToken::HeaderParameter);
        }
        if header.kid.as_ref().is_some_and(|kid| kid.len() > MAX_KID_LENGTH) {
            return Err(InvalidToken::Header);
        }
        let is_access_token = match header.typ.map(|typ| typ.to_ascii_lowercase()).as_deref() {
            Some("at+jwt" | "application/at+jwt") => true,
            // Keycloak and Entra ID say JWT; Okta and Cognito nothing.
            Some("jwt") | None => false,
            Some(_) => return Err(InvalidToken::Type),
        };
        let issuer = match object(&payload).ok_or(InvalidToken::Claims)? {
            Issuer { iss: Some(Value::String(issuer)) } => issuer,
            Issuer { .. } => return Err(InvalidToken::Issuer),
        };
        Ok(Self { algorithm, kid: header.kid, is_access_token, issuer, signed, payload, signature })
    }

    /// Who claims to have issued it; only to choose among the configured issuers.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether a set has no key for it, so that fetching the set again may help.
    pub(crate) fn is_key_unknown(&self, keys: &KeySet) -> bool {
        keys.find(self.algorithm, self.kid.as_deref()).is_err_and(|error| error == NoKey::Unknown)
    }

    /// Verifies it with the keys of `expected`'s issuer; `now` is in seconds since 1970.
    pub(crate) fn verify(&self, keys: &KeySet, expected: &Expected<'_>, now: f64) -> Result<Grant, InvalidToken> {
        let key = keys.find(self.algorithm, self.kid.as_deref()).map_err(|error| match error {
            NoKey::Unknown => InvalidToken::UnknownKey,
            NoKey::Ambiguous => InvalidToken::AmbiguousKey,
        })?;
        if !key.verifies(self.algorithm, self.signed, &self.signature) {
            return Err(InvalidToken::Signature);
        }
        check(&self.payload, self.is_access_token, expected, now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ring::signature::{Ed25519KeyPair, KeyPair};
    use serde_json::json;

    use super::*;

    const NOW: f64 = 1_800_000_000.0;
    const ISSUER: &str = "https://auth.example.com";

    fn signed(header: &str, payload: &str) -> (String, KeySet) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let message = format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()));
        let signature = encode(pair.sign(message.as_bytes()).as_ref());
        let x = encode(pair.public_key().as_ref());
        let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": x}]}).to_string();
        (format!("{message}.{signature}"), KeySet::parse(keys.as_bytes()).unwrap())
    }

    fn valid() -> (String, KeySet) {
        let claims = json!({"iss": ISSUER, "aud": "mcp", "exp": NOW + 60.0, "sub": "jane", "scope": "verifa:read"});
        signed(r#"{"alg": "EdDSA", "kid": "a", "typ": "at+jwt"}"#, &claims.to_string())
    }

    fn verify(token: &str, keys: &KeySet) -> Result<Grant, InvalidToken> {
        let expected = Expected { issuer: ISSUER, audiences: &["mcp".to_owned()], leeway: 60.0 };
        UnverifiedToken::parse(token)?.verify(keys, &expected, NOW)
    }

    #[test]
    fn a_valid_token_names_its_caller() {
        let (token, keys) = valid();
        let grant = verify(&token, &keys).unwrap();
        assert_eq!((grant.subject.as_str(), grant.scopes), ("jane", Some(vec!["verifa:read".to_owned()])));
    }

    #[test]
    fn changing_any_byte_of_a_valid_token_never_passes() {
        let (token, keys) = valid();
        for position in 0..token.len() {
            for replacement in (0..=127_u8).map(char::from) {
                let mut changed = token.clone();
                changed.replace_range(position..=position, &replacement.to_string());
                assert_eq!(verify(&changed, &keys).is_ok(), changed == token, "{position} {replacement:?}");
            }
            assert!(verify(&(token[..position].to_owned() + &token[position + 1..]), &keys).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_text_is_a_valid_token(token in ".*|[A-Za-z0-9_-]*\\.[A-Za-z0-9_-]*\\.[A-Za-z0-9_-]*") {
            prop_assert!(verify(&token, &valid().1).is_err());
        }

        #[test]
        fn no_signed_bytes_panic(header in ".*", payload in ".*") {
            let (token, keys) = signed(&header, &payload);
            prop_assert!(verify(&token, &keys).is_err());
        }

        #[test]
        fn no_signed_claim_panics(name in "iss|aud|exp|nbf|sub|scope|scp|cnf|typ", value in "[0-9.eE+-]{1,9}|\"[a-z]*\"|null|\\[\\]|\\{\\}") {
            let payload = format!(r#"{{"iss": "{ISSUER}", "aud": "mcp", "exp": 1e10, "{name}": {value}}}"#);
            let (token, keys) = signed(r#"{"alg": "EdDSA"}"#, &payload);
            let _ = verify(&token, &keys);
        }
    }
}

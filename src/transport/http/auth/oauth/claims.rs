//! The claims of an access token whose signature was verified, or which the authorization server introspected.
//!
//! Issuer, audience, expiry and subject are mandatory, and compared exactly. No setting disables a check.

use serde::Deserialize;
use serde_json::Value;

use super::{
    invalid_token::InvalidToken,
    json::{Presence, object, present},
};

const MAX_SUBJECT_LENGTH: usize = 255;

/// What a token must say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) audiences: &'a [String],
    /// In seconds: how far clocks may differ.
    pub(crate) leeway: f64,
}

/// What a valid token says of its caller.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Grant {
    pub(crate) subject: String,
    pub(crate) client: Option<String>,
    pub(crate) expires: f64,
    /// `None` without any scope, as in an ID token.
    pub(crate) scopes: Option<Vec<String>>,
    /// Whether it is certainly an access token, even without scopes.
    pub(crate) is_access_token: bool,
}

/// Every claim is kept as it came, so that `null` and a wrong type are not taken for absent.
#[derive(Deserialize)]
pub(crate) struct Claims {
    #[serde(default, deserialize_with = "present")]
    pub(crate) iss: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    aud: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    exp: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    nbf: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    iat: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    sub: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    scope: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    scp: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    client_id: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    azp: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    appid: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    cid: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    token_use: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    typ: Option<Value>,
    #[serde(default)]
    cnf: Presence,
    #[serde(default)]
    at_hash: Presence,
    #[serde(default)]
    c_hash: Presence,
    #[serde(default)]
    events: Presence,
    #[serde(default)]
    nonce: Presence,
}

/// Checks the claims of a JWT.
pub(crate) fn check(
    payload: &[u8],
    is_access_token: bool,
    expected: &Expected<'_>,
    now: f64,
) -> Result<Grant, InvalidToken> {
    let claims: Claims = object(payload).ok_or(InvalidToken::Claims)?;
    if claims.iss.as_ref().and_then(Value::as_str) != Some(expected.issuer) {
        return Err(InvalidToken::Issuer);
    }
    claims.grant(is_access_token, expected, now)
}

impl Claims {
    /// Everything but the issuer, which an introspection response need not have.
    pub(crate) fn grant(self, is_access_token: bool, expected: &Expected<'_>, now: f64) -> Result<Grant, InvalidToken> {
        let is_ours = |audience: &str| expected.audiences.iter().any(|ours| ours == audience);
        if !strings(self.aud).ok_or(InvalidToken::Audience)?.iter().any(|audience| is_ours(audience)) {
            return Err(InvalidToken::Audience);
        }
        let expires = self.exp.as_ref().and_then(Value::as_f64).ok_or(InvalidToken::NoExpiry)?;
        // A number that compares with nothing fails.
        let is_current = expires + expected.leeway > now;
        if !is_current {
            return Err(InvalidToken::Expired);
        }
        for time in [self.nbf, self.iat].into_iter().flatten() {
            let time = time.as_f64().ok_or(InvalidToken::Claims)?;
            let has_begun = time <= now + expected.leeway;
            if !has_begun {
                return Err(InvalidToken::NotYetValid);
            }
        }
        let subject = self.sub.as_ref().and_then(Value::as_str);
        let subject = subject.filter(|subject| (1..=MAX_SUBJECT_LENGTH).contains(&subject.len()));
        let subject = subject.ok_or(InvalidToken::Subject)?.to_owned();
        if self.cnf.is_present() {
            return Err(InvalidToken::SenderConstrained);
        }
        let typ = self.typ.as_ref().and_then(Value::as_str);
        let is_other_token = self.token_use.is_some_and(|token_use| token_use != "access")
            || matches!(typ, Some("ID" | "Refresh" | "Offline" | "Logout"));
        // What only other tokens have. Keycloak's old mapper adds a nonce to access tokens, whose typ is Bearer.
        let looks_like_other_token = [self.at_hash, self.c_hash, self.events].iter().any(|claim| claim.is_present())
            || self.nonce.is_present() && typ != Some("Bearer");
        if is_other_token || !is_access_token && looks_like_other_token {
            return Err(InvalidToken::NotAccessToken);
        }
        let scopes = match (self.scope, self.scp) {
            (Some(Value::String(scopes)), _) => Some(split(&scopes)),
            (Some(_), _) => return Err(InvalidToken::Scopes),
            (None, Some(Value::String(scopes))) => Some(split(&scopes)),
            (None, Some(scopes)) => Some(strings(Some(scopes)).ok_or(InvalidToken::Scopes)?),
            (None, None) => None,
        };
        let client =
            [self.client_id, self.azp, self.appid, self.cid].into_iter().flatten().find_map(|client| match client {
                Value::String(client) => Some(client),
                _ => None,
            });
        Ok(Grant { subject, client, expires, scopes, is_access_token })
    }
}

/// A string or an array of strings.
fn strings(value: Option<Value>) -> Option<Vec<String>> {
    match value? {
        Value::String(text) => Some(vec![text]),
        Value::Array(all) => {
            all.into_iter().map(|one| if let Value::String(text) = one { Some(text) } else { None }).collect()
        }
        _ => None,
    }
}

fn split(scopes: &str) -> Vec<String> {
    scopes.split_ascii_whitespace().map(str::to_owned).collect()
}

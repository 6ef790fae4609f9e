//! `--auth token`: callers bring a token that the operator issued; calls are made with the configured key.
//!
//! A caller has the name and the permissions of the token. The token itself is never sent on.

use super::AuthError;
use crate::{
    call::Caller,
    tokens::{TokenOwner, Tokens},
    verifa::ApiKey,
};

pub(super) fn authenticate(tokens: &Tokens, key: &ApiKey, credentials: Option<&str>) -> Result<Caller, AuthError> {
    let token = credentials.ok_or(AuthError::MissingToken)?;
    let TokenOwner { name, permissions } = tokens.find(token).ok_or(AuthError::UnknownToken)?;
    Ok(Caller { key: Some(key.clone()), name: Some(String::from(name)), permissions, ..Caller::default() })
}

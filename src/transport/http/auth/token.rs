//! `--auth token`: callers bring a token that the operator issued; calls are made with the configured key.
//!
//! A caller has the name and the permissions of the token. The token itself is never sent on.

use std::time::Duration;

use super::AuthError;
use crate::{
    call::Caller,
    metrics::Metrics,
    tokens::{TokenOwner, Tokens},
    verifa::ApiKey,
};

pub(super) fn authenticate(tokens: &Tokens, key: &ApiKey, credentials: Option<&str>) -> Result<Caller, AuthError> {
    let token = credentials.ok_or(AuthError::MissingToken)?;
    let TokenOwner { name, permissions } = tokens.find(token).ok_or(AuthError::UnknownToken)?;
    Ok(Caller { key: Some(key.clone()), name: Some(String::from(name)), permissions, ..Caller::default() })
}

/// How often the tokens file is looked at.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Reads the tokens file again whenever it changes, even if no one calls: a removed token must not be valid again because
/// the file breaks before the next call.
pub(super) async fn watch(tokens: &Tokens, metrics: &Metrics) {
    let mut interval = tokio::time::interval(WATCH_INTERVAL);
    loop {
        interval.tick().await;
        metrics.set_tokens_file_valid(tokens.refresh());
    }
}

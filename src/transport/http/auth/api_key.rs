//! `--auth api-key`: callers bring their own Verifa key, with which their calls are made.
//!
//! A configured key is never lent to a caller without one.

use super::AuthError;
use crate::call::Caller;

pub(super) fn authenticate(credentials: Option<&str>) -> Result<Caller, AuthError> {
    let key = credentials.ok_or(AuthError::MissingKey)?.parse().map_err(AuthError::InvalidKey)?;
    Ok(Caller { key: Some(key), ..Caller::default() })
}

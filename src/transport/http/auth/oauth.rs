//! `--auth oauth`: an OAuth 2.1 resource server. Callers bring access tokens of the operator's authorization server.
//!
//! `jwt` verifies tokens with the keys that `jwk` reads; `claims` checks what they say, through `json`.

mod claims;
mod invalid_token;
mod json;
mod jwk;
mod jwt;

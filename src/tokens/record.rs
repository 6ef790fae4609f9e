//! One line of the tokens file: an owner's name, permissions, and the hash of the token.
//!
//! A token has 256 random bits, so a plain SHA-256 protects it: a slow hash is for secrets that can be guessed. The token
//! itself is never kept, and never in `Debug` output.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{call::Permissions, untrusted::contains_secret};

/// A caller's name, safe to log.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CallerName(String);

impl CallerName {
    const MAX_LENGTH: usize = 64;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CallerName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// Text that is not a caller's name. Never repeats the text, which may be a misplaced token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a caller's name is 1 to 64 characters of A-Z, a-z, 0-9, _, ., @ and -, and neither a key nor a token")]
pub struct InvalidCallerName;

impl FromStr for CallerName {
    type Err = InvalidCallerName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let safe = (1..=Self::MAX_LENGTH).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.@-".contains(&byte));
        (safe && !contains_secret(text)).then(|| Self(text.to_owned())).ok_or(InvalidCallerName)
    }
}

impl TryFrom<String> for CallerName {
    type Error = InvalidCallerName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<CallerName> for String {
    fn from(name: CallerName) -> Self {
        name.0
    }
}

/// A caller's token, `vmt_` and 64 hexadecimal digits.
pub struct Token(String);

impl Token {
    const PREFIX: &str = "vmt_";

    pub(super) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(format!("{}{}", Self::PREFIX, base16ct::lower::encode_string(&bytes))))
    }

    /// The token, for the one time that it is shown.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(…)")
    }
}

/// The SHA-256 of a token's whole text.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct TokenHash([u8; 32]);

impl TokenHash {
    pub(super) fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenHash(…)")
    }
}

impl TryFrom<String> for TokenHash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = base16ct::mixed::decode_vec(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or("sha256 must be 64 hexadecimal digits")
    }
}

impl From<TokenHash> for String {
    fn from(hash: TokenHash) -> Self {
        base16ct::lower::encode_string(&hash.0)
    }
}

/// A token as the file has it: without the token.
#[derive(Debug, Clone, Serialize, Deserialize)]
// A misspelled permission must not pass for an omitted one: omitted means everything.
#[serde(deny_unknown_fields)]
pub struct TokenRecord {
    /// The token's owner.
    pub name: CallerName,
    pub(super) sha256: TokenHash,
    /// What the owner may use.
    #[serde(flatten)]
    pub permissions: Permissions,
    pub(crate) created: Timestamp,
}

impl TokenRecord {
    pub(super) fn new(name: CallerName, permissions: Permissions, token: &Token) -> Self {
        let now = Timestamp::now();
        let created = Timestamp::from_second(now.as_second()).unwrap_or(now);
        Self { name, sha256: TokenHash::of(token.expose()), permissions, created }
    }

    /// Compares in constant time.
    pub(super) fn matches(&self, hash: &TokenHash) -> bool {
        self.sha256.0.ct_eq(&hash.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_to_log() {
        for name in ["a", "jane.doe@example.com", "ci-2_b", &"x".repeat(64)] {
            assert_eq!(name.parse::<CallerName>().map(String::from).as_deref(), Ok(name));
        }
        for name in ["", "two words", "a/b", "zoë", "a\n", "vk_live_abc", "VK_LIVE_x", "a.Tok_x", &"x".repeat(65)] {
            assert_eq!(name.parse::<CallerName>(), Err(InvalidCallerName), "{name}");
        }
    }

    #[test]
    fn every_token_is_new_and_debug_does_not_show_it() {
        let (one, two) = (Token::random().unwrap(), Token::random().unwrap());
        assert_ne!(one.expose(), two.expose());
        let digits = one.expose().strip_prefix("vmt_").unwrap();
        assert!(digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        assert_eq!(format!("{one:?}"), "Token(…)");
        assert!(contains_secret(one.expose()), "other texts must not repeat it");
    }

    #[test]
    fn a_hash_reads_as_it_is_written() {
        let hash = TokenHash::of("abc");
        let text = String::from(hash.clone());
        assert_eq!(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(TokenHash::try_from(text.to_uppercase()).is_ok_and(|read| read == hash));
        for wrong in ["", "ba78", &text[1..], &format!("{text}00"), &text.replace('b', "g"), &"é".repeat(32)] {
            assert!(TokenHash::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_line_that_is_not_understood_completely_is_no_record() {
        let hash = "0".repeat(64);
        let read = |permissions: &str| {
            let line = format!(r#"{{"name":"a","sha256":"{hash}",{permissions}"created":"2026-01-01T00:00:00Z"}}"#);
            serde_json::from_str::<TokenRecord>(&line).map(|record| record.permissions)
        };
        assert_eq!(read("").unwrap(), Permissions::default());
        assert!(read(r#""read_only":true,"#).unwrap().read_only);
        assert_eq!(read(r#""toolsets":["resume"],"#).unwrap().toolsets.unwrap().len(), 1);
        for wrong in [
            r#""readonly":true,"#,
            r#""toolset":["resume"],"#,
            r#""toolsets":["everything"],"#,
            r#""read_only":"yes","#,
            r#""read_only":true,"read_only":false,"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}

//! The organization's secret key and the environment that it belongs to.
//!
//! A key is read once, kept out of every `Debug` and error by its type, and leaves only as a header marked sensitive.

use std::{fmt, str::FromStr, sync::Arc};

use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::HeaderValue;
use sha2::{Digest, Sha256};

/// The two separate worlds of Verifa: a key of one gets 404 for a session of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// `vk_sandbox_…`: for integrating and testing.
    Sandbox,
    /// `vk_live_…`: real people.
    Live,
}

impl Environment {
    const ALL: [Self; 2] = [Self::Sandbox, Self::Live];

    /// The name that Verifa uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Live => "live",
        }
    }

    /// The environment that this one is not.
    pub const fn other(self) -> Self {
        match self {
            Self::Sandbox => Self::Live,
            Self::Live => Self::Sandbox,
        }
    }

    /// How a key of this environment begins.
    pub const fn key_prefix(self) -> &'static str {
        match self {
            Self::Sandbox => "vk_sandbox_",
            Self::Live => "vk_live_",
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Text that names no environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be sandbox or live")]
pub struct UnknownEnvironment;

impl FromStr for Environment {
    type Err = UnknownEnvironment;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|environment| environment.as_str() == text).ok_or(UnknownEnvironment)
    }
}

/// Why a text is no secret key. Never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidApiKey {
    /// The client passed its own placeholder on, as `${VERIFA_API_KEY}`.
    #[error(
        "is an unexpanded placeholder (${{…}}): the client did not fill it in; put the key itself there, or set the variable that it names"
    )]
    Placeholder,
    /// `vk_pub_…`
    #[error(
        "is a publishable key (vk_pub_…), which cannot resume sessions; use the secret key, vk_sandbox_… or vk_live_…"
    )]
    Publishable,
    /// Neither of the two prefixes.
    #[error("is not a Verifa secret key: it must begin with vk_sandbox_ or vk_live_")]
    Prefix,
    /// A character that no header may carry, nothing behind the prefix, or too long.
    #[error(
        "is damaged: behind vk_sandbox_ or vk_live_ must come visible ASCII characters without spaces, 256 at most in all; copy it again"
    )]
    Damaged,
}

/// An organization's secret key, `vk_sandbox_…` or `vk_live_…`.
#[derive(Clone)]
pub struct ApiKey {
    header: HeaderValue,
    environment: Environment,
    // Every call is counted, limited and logged by it.
    sha256: Arc<str>,
}

impl ApiKey {
    /// The longest key that is accepted, in characters. Verifa documents none.
    pub const MAX_LENGTH: usize = 256;

    /// The environment that the key's prefix names.
    pub fn environment(&self) -> Environment {
        self.environment
    }

    /// Tells keys apart in logs without telling what they are: the first 12 digits of [`Self::sha256`].
    pub fn fingerprint(&self) -> &str {
        self.sha256.get(..12).unwrap_or(&self.sha256)
    }

    /// The key's SHA-256 in hexadecimal, to tell keys apart without holding them.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// A key for another purpose, which tells nothing about this one: HMAC-SHA256 of the purpose's name.
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let mac = Hmac::<Sha256>::new_from_slice(self.header.as_bytes()).expect("a key of any length");
        mac.chain_update(purpose).finalize().into_bytes().into()
    }

    /// The value of `X-API-Key`, marked so that no HTTP layer prints it.
    pub(super) fn expose_header(&self) -> HeaderValue {
        self.header.clone()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ApiKey({} {})", self.environment, self.fingerprint())
    }
}

impl FromStr for ApiKey {
    type Err = InvalidApiKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with('$') || text.contains("${") {
            return Err(InvalidApiKey::Placeholder);
        }
        if text.starts_with("vk_pub_") {
            return Err(InvalidApiKey::Publishable);
        }
        let (environment, rest) = Environment::ALL
            .into_iter()
            .find_map(|environment| Some((environment, text.strip_prefix(environment.key_prefix())?)))
            .ok_or(InvalidApiKey::Prefix)?;
        let sound =
            !rest.is_empty() && text.len() <= Self::MAX_LENGTH && rest.bytes().all(|byte| byte.is_ascii_graphic());
        let mut header = HeaderValue::from_str(text).map_err(|_| InvalidApiKey::Damaged)?;
        header.set_sensitive(true);
        let sha256: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        let sha256 = sha256.into();
        sound.then_some(Self { header, environment, sha256 }).ok_or(InvalidApiKey::Damaged)
    }
}

//! The organization's secret key and the environment that it belongs to.
//!
//! A key is parsed once, kept out of every `Debug` and error by its type, and leaves only as a header marked sensitive.

use std::{fmt, str::FromStr, sync::Arc};

use reqwest::header::HeaderValue;
use sha2::{Digest, Sha256};
use strum::VariantArray;

/// Verifa's two separate environments: a key of one gets 404 for a session of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Environment {
    /// `vk_sandbox_…`: for integrating and testing.
    Sandbox,
    /// `vk_live_…`: real people.
    Live,
}

impl Environment {
    /// The name that Verifa uses.
    pub(crate) fn as_str(self) -> &'static str {
        self.into()
    }

    /// The environment that this one is not.
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Sandbox => Self::Live,
            Self::Live => Self::Sandbox,
        }
    }

    /// How a key of this environment begins.
    pub(crate) const fn key_prefix(self) -> &'static str {
        match self {
            Self::Sandbox => "vk_sandbox_",
            Self::Live => "vk_live_",
        }
    }
}

/// Text that names no environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be sandbox or live")]
pub struct UnknownEnvironment;

impl FromStr for Environment {
    type Err = UnknownEnvironment;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::VARIANTS.iter().find(|environment| environment.as_str() == text).copied().ok_or(UnknownEnvironment)
    }
}

/// Why a text is not a secret key. Never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidApiKey {
    /// The client passed its own placeholder on, as `${VERIFA_API_KEY}`.
    #[error(
        "is an unexpanded placeholder (${{…}}): the client did not replace it; put the key itself there, or set the variable that it names"
    )]
    Placeholder,
    /// `vk_pub_…`
    #[error(
        "is a publishable key (vk_pub_…), which cannot resume sessions; use the secret key, vk_sandbox_… or vk_live_…"
    )]
    Publishable,
    #[error("is not a Verifa secret key: it must begin with vk_sandbox_ or vk_live_")]
    Prefix,
    /// A character that no header may carry, nothing after the prefix, or too long.
    #[error(
        "is damaged: vk_sandbox_ or vk_live_ must be followed by visible ASCII characters without spaces, 256 in all at most; copy it again"
    )]
    Damaged,
}

/// An organization's secret key, `vk_sandbox_…` or `vk_live_…`.
#[derive(Clone)]
pub struct ApiKey {
    header: HeaderValue,
    environment: Environment,
    // Computed once: every call is counted, limited and logged by it.
    sha256: Arc<str>,
}

impl ApiKey {
    /// In characters. Verifa documents no limit.
    const MAX_LENGTH: usize = 256;

    /// The environment that the key's prefix names.
    pub(crate) fn environment(&self) -> Environment {
        self.environment
    }

    /// Distinguishes keys in logs without revealing them: the first 12 digits of [`Self::sha256`].
    pub(crate) fn fingerprint(&self) -> &str {
        self.sha256.get(..12).unwrap_or(&self.sha256)
    }

    /// The key's SHA-256 in hexadecimal, to distinguish keys without storing them.
    pub(crate) fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The value of `X-API-Key`, marked so that no HTTP layer prints it.
    pub(crate) fn expose_header(&self) -> HeaderValue {
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
        let (environment, rest) = Environment::VARIANTS
            .iter()
            .find_map(|environment| Some((*environment, text.strip_prefix(environment.key_prefix())?)))
            .ok_or(InvalidApiKey::Prefix)?;
        let is_whole =
            !rest.is_empty() && text.len() <= Self::MAX_LENGTH && rest.bytes().all(|byte| byte.is_ascii_graphic());
        let mut header = HeaderValue::from_str(text).map_err(|_| InvalidApiKey::Damaged)?;
        header.set_sensitive(true);
        let sha256 = base16ct::lower::encode_string(&Sha256::digest(text)).into();
        is_whole.then_some(Self { header, environment, sha256 }).ok_or(InvalidApiKey::Damaged)
    }
}

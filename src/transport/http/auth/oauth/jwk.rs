//! The public keys of an authorization server: a JWK Set becomes the keys that can verify a token.
//!
//! Each entry is read on its own, so that one which cannot be used costs only itself. Nothing is fetched here.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;

use crate::untrusted::UntrustedText;

/// The most keys that a set may have.
const MAX_KEYS: usize = 100;
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;

/// The signature algorithms that tokens may be signed with. No symmetric one, and not `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
pub(crate) enum Algorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    // RFC 9864 gives it a second name.
    #[strum(serialize = "EdDSA", serialize = "Ed25519")]
    EdDSA,
}

/// A public key that can verify signatures.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Jwk {
    kid: Option<String>,
    algorithm: Option<Algorithm>,
    key: PublicKey,
}

#[derive(Debug, PartialEq, Eq)]
enum PublicKey {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// The keys of an authorization server that can be used, and why the others cannot.
#[derive(Debug, Default)]
pub(crate) struct KeySet {
    keys: Vec<Jwk>,
    pub(crate) skipped: Vec<SkippedKey>,
}

/// A key that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("key {name} {reason}")]
pub(crate) struct SkippedKey {
    name: String,
    reason: &'static str,
}

/// Why no key of a set was chosen for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoKey {
    Unknown,
    Ambiguous,
}

impl KeySet {
    /// # Errors
    /// The document is not a JWK Set.
    pub(crate) fn parse(document: &[u8]) -> Result<Self, &'static str> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }
        let Document { keys } = super::json::object(document).ok_or("is not a JWK Set (a JSON object with keys)")?;
        if keys.len() > MAX_KEYS {
            return Err("has more than 100 keys");
        }
        let mut set = Self::default();
        for (index, key) in keys.into_iter().enumerate() {
            let name = key.get("kid").and_then(Value::as_str).map(|kid| UntrustedText::truncated(kid, 80).quoted());
            match Jwk::parse(key) {
                Ok(key) => set.keys.push(key),
                Err(reason) => {
                    set.skipped.push(SkippedKey { name: name.unwrap_or_else(|| format!("{}", index + 1)), reason })
                }
            }
        }
        Ok(set)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The only key that fits.
    pub(crate) fn find(&self, algorithm: Algorithm, kid: Option<&str>) -> Result<&Jwk, NoKey> {
        let mut fitting = self.keys.iter().filter(|key| key.fits(algorithm, kid));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            (None, _) => Err(NoKey::Unknown),
            (Some(_), Some(_)) => Err(NoKey::Ambiguous),
        }
    }
}

impl Jwk {
    fn parse(entry: Value) -> Result<Self, &'static str> {
        #[derive(Deserialize)]
        struct Entry {
            kty: String,
            kid: Option<String>,
            alg: Option<String>,
            r#use: Option<String>,
            key_ops: Option<Vec<String>>,
            crv: Option<String>,
            n: Option<String>,
            e: Option<String>,
            x: Option<String>,
            y: Option<String>,
        }
        let entry: Entry = serde_json::from_value(entry).map_err(|_| "is not a JWK")?;
        if entry.r#use.is_some_and(|used_for| used_for != "sig") {
            return Err("is not for signatures (its use is not sig)");
        }
        if entry.key_ops.is_some_and(|operations| !operations.iter().any(|operation| operation == "verify")) {
            return Err("is not for signatures (its key_ops lack verify)");
        }
        let algorithm = entry.alg.map(|alg| alg.parse()).transpose();
        let algorithm: Option<Algorithm> =
            algorithm.map_err(|_| "is for an algorithm that is not allowed (its alg)")?;
        let bytes =
            |value: Option<String>| BASE64_URL_SAFE_NO_PAD.decode(value?).ok().filter(|bytes| !bytes.is_empty());
        let point = |length: usize, x, y| {
            let (x, y) = bytes(x).zip(bytes(y)).filter(|(x, y)| x.len() == length && y.len() == length)?;
            Some([&[4], x.as_slice(), &y].concat())
        };
        let key = match (entry.kty.as_str(), entry.crv.as_deref()) {
            ("RSA", _) => {
                let (modulus, exponent) = bytes(entry.n).zip(bytes(entry.e)).ok_or("is an RSA key without n or e")?;
                let bits = (modulus.len() * 8)
                    .saturating_sub(modulus.first().map_or(0, |first| first.leading_zeros()) as usize);
                if !RSA_BITS.contains(&bits) {
                    return Err("is an RSA key of less than 2048 or more than 8192 bits");
                }
                PublicKey::Rsa { modulus, exponent }
            }
            ("EC", Some("P-256")) => PublicKey::P256(point(32, entry.x, entry.y).ok_or("has no valid x and y")?),
            ("EC", Some("P-384")) => PublicKey::P384(point(48, entry.x, entry.y).ok_or("has no valid x and y")?),
            ("OKP", Some("Ed25519")) => {
                PublicKey::Ed25519(bytes(entry.x).filter(|x| x.len() == 32).ok_or("has no valid x")?)
            }
            ("EC" | "OKP", _) => return Err("is of a curve that is not supported"),
            _ => return Err("is of a type that is not supported (its kty)"),
        };
        match algorithm {
            Some(algorithm) if key.parameters(algorithm).is_none() => Err("is of another type than its alg"),
            _ => Ok(Self { kid: entry.kid, algorithm, key }),
        }
    }

    fn fits(&self, algorithm: Algorithm, kid: Option<&str>) -> bool {
        self.key.parameters(algorithm).is_some()
            && self.algorithm.is_none_or(|only| only == algorithm)
            && kid.is_none_or(|kid| self.kid.as_deref() == Some(kid))
    }

    /// Whether a signature is this key's.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let verified = match (&self.key, self.key.parameters(algorithm)) {
            (PublicKey::Rsa { modulus: n, exponent: e }, Some(Parameters::Rsa(parameters))) => {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            (
                PublicKey::P256(key) | PublicKey::P384(key) | PublicKey::Ed25519(key),
                Some(Parameters::Other(parameters)),
            ) => UnparsedPublicKey::new(parameters, key).verify(message, signature),
            _ => return false,
        };
        verified.is_ok()
    }
}

enum Parameters {
    Rsa(&'static RsaParameters),
    Other(&'static dyn ring::signature::VerificationAlgorithm),
}

impl PublicKey {
    /// How signatures by this key are verified; `None` if the algorithm is for keys of another type.
    fn parameters(&self, algorithm: Algorithm) -> Option<Parameters> {
        Some(match (self, algorithm) {
            (Self::Rsa { .. }, Algorithm::RS256) => Parameters::Rsa(&RSA_PKCS1_2048_8192_SHA256),
            (Self::Rsa { .. }, Algorithm::RS384) => Parameters::Rsa(&RSA_PKCS1_2048_8192_SHA384),
            (Self::Rsa { .. }, Algorithm::RS512) => Parameters::Rsa(&RSA_PKCS1_2048_8192_SHA512),
            (Self::Rsa { .. }, Algorithm::PS256) => Parameters::Rsa(&RSA_PSS_2048_8192_SHA256),
            (Self::Rsa { .. }, Algorithm::PS384) => Parameters::Rsa(&RSA_PSS_2048_8192_SHA384),
            (Self::Rsa { .. }, Algorithm::PS512) => Parameters::Rsa(&RSA_PSS_2048_8192_SHA512),
            (Self::P256(_), Algorithm::ES256) => Parameters::Other(&ECDSA_P256_SHA256_FIXED),
            (Self::P384(_), Algorithm::ES384) => Parameters::Other(&ECDSA_P384_SHA384_FIXED),
            (Self::Ed25519(_), Algorithm::EdDSA) => Parameters::Other(&ED25519),
            _ => return None,
        })
    }
}

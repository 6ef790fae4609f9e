//! Why an access token is not valid: what the challenge says, and what the person who connects can do.
//!
//! The texts are fixed: nothing of a token is in them. A challenge's text is ASCII without quotation marks and
//! backslashes, and never contains what clients search for in the header.

use strum::VariantNames;

use super::{claims::Expected, jwk::Algorithm};

/// Why a token is not valid. `Display` is the challenge's `error_description`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, strum::VariantArray)]
pub(crate) enum InvalidToken {
    #[error("The token is a Verifa key or a token of this server, not an OAuth access token")]
    StaticCredentials,
    #[error("The token is too long")]
    TooLong,
    #[error("The token is not a JWT")]
    Malformed,
    #[error("The token is encrypted")]
    Encrypted,
    #[error("The header of the token is invalid")]
    Header,
    #[error("The token is signed with an algorithm that is not allowed")]
    Algorithm,
    #[error("The header of the token has a parameter that is not supported")]
    HeaderParameter,
    #[error("The token is of another type than an access token")]
    Type,
    #[error("The token was issued by another authorization server")]
    Issuer,
    #[error("The token is signed with an unknown key")]
    UnknownKey,
    #[error("More than one key fits the token")]
    AmbiguousKey,
    #[error("The signature of the token is invalid")]
    Signature,
    #[error("The claims of the token are invalid")]
    Claims,
    #[error("The token was issued for another audience")]
    Audience,
    #[error("The token has no valid expiry time")]
    NoExpiry,
    #[error("The token has expired")]
    Expired,
    #[error("The token is not valid yet")]
    NotYetValid,
    #[error("The token has no valid subject")]
    Subject,
    #[error("The token is bound to a key")]
    SenderConstrained,
    #[error("The token is not an access token")]
    NotAccessToken,
    #[error("The scopes of the token are invalid")]
    Scopes,
    #[error("The authorization server says that the token is not active")]
    Inactive,
}

impl InvalidToken {
    /// What was expected, and what to do.
    pub(crate) fn advice(self, expected: &Expected<'_>) -> String {
        let audiences = || expected.audiences.join(" or ");
        match self {
            Self::StaticCredentials => {
                "Remove the Authorization header from your MCP client, and let it log in with OAuth.".to_owned()
            }
            Self::TooLong => {
                "It may have 16384 bytes. Ask the authorization server's operator for smaller tokens.".to_owned()
            }
            Self::Malformed => "Send an access token: three parts, base64url without padding.".to_owned(),
            Self::Encrypted => format!(
                "The client must request one for this server (resource or audience {}), which is then a signed JWT.",
                audiences()
            ),
            Self::Header => "It must be a JSON object with alg, without repeated members.".to_owned(),
            Self::Algorithm => format!("Its alg must be one of {}.", Algorithm::VARIANTS.join(", ")),
            Self::HeaderParameter => "It must have no crit, b64, cty, zip or enc.".to_owned(),
            Self::Type => "Its typ must be at+jwt or JWT, or absent.".to_owned(),
            Self::Issuer => format!("Its iss must be {}.", expected.issuer),
            Self::UnknownKey => {
                "Its kid must be that of a key in the authorization server's JWKS. Log in again; if it persists, the \
                 operator must compare both."
                    .to_owned()
            }
            Self::AmbiguousKey => "The authorization server must give its keys different kids.".to_owned(),
            Self::Signature => "Log in again.".to_owned(),
            Self::Claims => "They must be a JSON object without repeated members, with numbers as times.".to_owned(),
            Self::Audience => format!("Its aud must be {}.", audiences()),
            Self::NoExpiry => "Its exp must be a number.".to_owned(),
            Self::Expired => "Refresh it, or log in again.".to_owned(),
            Self::NotYetValid => {
                "Its nbf and iat must not be in the future. The operator must check the clocks.".to_owned()
            }
            Self::Subject => "Its sub must be a text of 1 to 255 bytes.".to_owned(),
            Self::SenderConstrained => "It must have no cnf: this server takes bearer tokens only.".to_owned(),
            Self::NotAccessToken => "Send the access token, not the ID token or the refresh token.".to_owned(),
            Self::Scopes => "Its scope must be a text, or its scp a text or a list of texts.".to_owned(),
            Self::Inactive => "Log in again.".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use strum::VariantArray;

    use super::*;

    #[test]
    fn a_challenge_can_carry_every_description() {
        for error in InvalidToken::VARIANTS {
            let text = error.to_string();
            let is_allowed = |byte: u8| matches!(byte, 0x20..=0x7e) && !matches!(byte, b'"' | b'\\');
            assert!(text.bytes().all(is_allowed) && !text.contains('='), "{text}");
        }
    }
}

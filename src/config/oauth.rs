//! The settings of `--auth oauth`: which authorization server issues tokens, and what they must say.
//!
//! All errors are reported at once. Without `--auth oauth` each of these settings is an error: a server that was meant to
//! be protected would not be.

use std::{ffi::OsString, ops::RangeInclusive, time::Duration};

use strum::VariantArray;
use url::Url;

use super::{
    Config, MAX_KEY_FILE,
    flags::OAuthFlags,
    parser::{SettingsParser, duration, non_empty, parsed},
};
use crate::{
    call::Toolset,
    transport::http::auth::oauth::{ClientCredentials, Issuer, KeySource, OAuthSettings, PublicUrl, ScopePrefix},
};

const ISSUERS: RangeInclusive<usize> = 1..=4;
const MAX_AUDIENCES: usize = 8;
const DEFAULT_LEEWAY: Duration = Duration::from_secs(60);
const MAX_LEEWAY: Duration = Duration::from_secs(5 * 60);
const CLIENT_SECRET: &str = "VERIFA_MCP_OAUTH_CLIENT_SECRET";

/// The settings as text: those with flags, and the secret.
pub(super) struct OAuthInput<'a> {
    flags: &'a OAuthFlags,
    secret: Option<String>,
}

impl<'a> OAuthInput<'a> {
    pub(super) fn read(
        flags: &'a OAuthFlags,
        variable: impl Fn(&str) -> Option<OsString>,
        parser: &mut SettingsParser,
    ) -> Self {
        Self { flags, secret: parser.variable(CLIENT_SECRET, variable(CLIENT_SECRET)) }
    }

    /// Reports each setting that has a value, for a server that would ignore them.
    pub(super) fn reject(&self, parser: &mut SettingsParser) {
        let OAuthFlags {
            public_url,
            oauth_issuer,
            oauth_audience,
            oauth_scope_prefix,
            oauth_default_scopes,
            oauth_leeway,
            oauth_jwks_url,
            oauth_client_id,
            oauth_client_secret_file,
            oauth_introspection_url,
        } = self.flags;
        for (name, values) in [
            ("VERIFA_MCP_PUBLIC_URL", public_url.as_slice()),
            ("VERIFA_MCP_OAUTH_ISSUER", oauth_issuer),
            ("VERIFA_MCP_OAUTH_AUDIENCE", oauth_audience),
            ("VERIFA_MCP_OAUTH_SCOPE_PREFIX", oauth_scope_prefix.as_slice()),
            ("VERIFA_MCP_OAUTH_DEFAULT_SCOPES", oauth_default_scopes),
            ("VERIFA_MCP_OAUTH_LEEWAY", oauth_leeway.as_slice()),
            ("VERIFA_MCP_OAUTH_JWKS_URL", oauth_jwks_url.as_slice()),
            ("VERIFA_MCP_OAUTH_CLIENT_ID", oauth_client_id.as_slice()),
            ("VERIFA_MCP_OAUTH_CLIENT_SECRET_FILE", oauth_client_secret_file.as_slice()),
            ("VERIFA_MCP_OAUTH_INTROSPECTION_URL", oauth_introspection_url.as_slice()),
            (CLIENT_SECRET, self.secret.as_slice()),
        ] {
            if values.iter().any(|value| non_empty(Some(value)).is_some()) {
                parser.error(format!(
                    "{name} is set, but VERIFA_MCP_AUTH is not oauth; set that to oauth, or unset {name}"
                ));
            }
        }
    }
}

impl Config {
    /// The settings, unless an error was reported.
    pub(super) fn oauth(&self, input: &OAuthInput<'_>, parser: &mut SettingsParser) -> Option<OAuthSettings> {
        let flags = input.flags;
        let public_url: Option<PublicUrl> =
            parser.required(flags.public_url.as_deref(), "VERIFA_MCP_PUBLIC_URL", "https://mcp.example.com/mcp");
        let issuers: Vec<Issuer> = parser.list(&flags.oauth_issuer, "VERIFA_MCP_OAUTH_ISSUER", parsed);
        if flags.oauth_issuer.iter().all(|value| non_empty(Some(value)).is_none()) {
            parser.missing("VERIFA_MCP_OAUTH_ISSUER", "https://auth.example.com");
        } else if issuers.len() > *ISSUERS.end() {
            parser.error(format!("VERIFA_MCP_OAUTH_ISSUER names more than {} issuers", ISSUERS.end()));
        }
        let is_repeated = |(index, issuer): (usize, &Issuer)| issuers.iter().take(index).any(|other| other == issuer);
        if issuers.iter().enumerate().any(is_repeated) {
            parser.error("VERIFA_MCP_OAUTH_ISSUER names an issuer twice");
        }
        let audiences = parser.list(&flags.oauth_audience, "VERIFA_MCP_OAUTH_AUDIENCE", |audience| match audience {
            "*" => Err("must be an audience: every token would do otherwise".to_owned()),
            _ => Ok(audience.to_owned()),
        });
        if audiences.len() > MAX_AUDIENCES {
            parser.error(format!("VERIFA_MCP_OAUTH_AUDIENCE names more than {MAX_AUDIENCES} audiences"));
        }
        let prefix =
            parser.value(flags.oauth_scope_prefix.as_deref(), "VERIFA_MCP_OAUTH_SCOPE_PREFIX", parsed::<ScopePrefix>);
        let default_scopes = parser.list(&flags.oauth_default_scopes, "VERIFA_MCP_OAUTH_DEFAULT_SCOPES", toolset);
        let leeway = parser.value(flags.oauth_leeway.as_deref(), "VERIFA_MCP_OAUTH_LEEWAY", leeway);
        let keys = key_source(input, &issuers, parser);
        let audience = public_url.as_ref().map(|url| url.as_str().to_owned());
        Some(OAuthSettings {
            public_url: public_url?,
            issuers,
            audiences: if audiences.is_empty() { audience.into_iter().collect() } else { audiences },
            scope_prefix: prefix.unwrap_or_default(),
            default_scopes,
            leeway: leeway.unwrap_or(DEFAULT_LEEWAY),
            keys: keys?,
            extra_authorities: self.client.extra_authorities.clone(),
        })
    }
}

impl SettingsParser {
    fn required<T: std::str::FromStr<Err: std::fmt::Display>>(
        &mut self,
        value: Option<&str>,
        name: &str,
        example: &str,
    ) -> Option<T> {
        if non_empty(value).is_none() {
            self.missing(name, example);
        }
        self.value(value, name, parsed)
    }

    fn missing(&mut self, name: &str, example: &str) {
        self.error(format!("{name} is not set, and VERIFA_MCP_AUTH is oauth; set it, for example to {example}"));
    }
}

fn key_source(input: &OAuthInput<'_>, issuers: &[Issuer], parser: &mut SettingsParser) -> Option<KeySource> {
    let flags = input.flags;
    let url = |parser: &mut SettingsParser, value: &Option<String>, name| -> Option<Url> {
        let issuer = issuers.first()?;
        parser.value(value.as_deref(), name, |value| issuer.endpoint(value).map_err(|error| error.to_string()))
    };
    let jwks_url = url(parser, &flags.oauth_jwks_url, "VERIFA_MCP_OAUTH_JWKS_URL");
    let introspection_url = url(parser, &flags.oauth_introspection_url, "VERIFA_MCP_OAUTH_INTROSPECTION_URL");
    let file = non_empty(flags.oauth_client_secret_file.as_deref());
    let file_secret = parser.file(file, "VERIFA_MCP_OAUTH_CLIENT_SECRET_FILE", MAX_KEY_FILE, secret_in_file);
    let secret = match (&input.secret, file) {
        (Some(_), Some(_)) => {
            parser.error(format!("{CLIENT_SECRET} and {CLIENT_SECRET}_FILE are both set; keep one of them"));
            return None;
        }
        (Some(secret), None) => Some(secret.trim().to_owned()),
        (None, Some(_)) => Some(file_secret?),
        (None, None) => None,
    };
    let several = issuers.len() > 1;
    let id = non_empty(flags.oauth_client_id.as_deref()).map(str::to_owned);
    let error = match (id, secret, jwks_url, introspection_url) {
        (Some(id), Some(secret), None, url) if !several => {
            return Some(KeySource::Introspection { client: ClientCredentials { id, secret }, url });
        }
        (None, None, None, None) => return Some(KeySource::Discovery),
        (None, None, Some(url), None) if !several => return Some(KeySource::JwksUrl(url)),
        (Some(_), None, ..) => {
            "VERIFA_MCP_OAUTH_CLIENT_ID is set without a secret; set VERIFA_MCP_OAUTH_CLIENT_SECRET or \
             VERIFA_MCP_OAUTH_CLIENT_SECRET_FILE too"
        }
        (None, Some(_), ..) => "VERIFA_MCP_OAUTH_CLIENT_SECRET is set without VERIFA_MCP_OAUTH_CLIENT_ID; set both",
        (Some(_), Some(_), Some(_), _) => {
            "VERIFA_MCP_OAUTH_JWKS_URL and VERIFA_MCP_OAUTH_CLIENT_ID are both set; keep the first to verify JWTs, or the \
             second for introspection"
        }
        (Some(_), Some(_), None, _) => {
            "VERIFA_MCP_OAUTH_CLIENT_ID is for one authorization server, but VERIFA_MCP_OAUTH_ISSUER names several"
        }
        (None, None, _, Some(_)) => {
            "VERIFA_MCP_OAUTH_INTROSPECTION_URL is set without VERIFA_MCP_OAUTH_CLIENT_ID; set that and its secret"
        }
        (None, None, Some(_), None) => {
            "VERIFA_MCP_OAUTH_JWKS_URL is for one authorization server, but VERIFA_MCP_OAUTH_ISSUER names several"
        }
    };
    parser.error(error);
    None
}

fn toolset(scope: &str) -> Result<Toolset, String> {
    let names = || Toolset::VARIANTS.iter().map(|toolset| toolset.oauth_scope());
    let found = Toolset::VARIANTS.iter().copied().find(|toolset| toolset.oauth_scope() == scope);
    found.ok_or_else(|| format!("must be one of {}", names().collect::<Vec<_>>().join(", ")))
}

fn leeway(value: &str) -> Result<Duration, String> {
    let allowed = duration(value).ok().filter(|leeway| *leeway <= MAX_LEEWAY);
    allowed.ok_or_else(|| "must be a duration of at most 5m, for example 60s".to_owned())
}

fn secret_in_file(content: &[u8]) -> Result<String, String> {
    match str::from_utf8(content).map(str::trim) {
        Err(_) => Err("is not UTF-8 text".to_owned()),
        Ok("") => Err("is empty".to_owned()),
        Ok(text) => Ok(text.to_owned()),
    }
}

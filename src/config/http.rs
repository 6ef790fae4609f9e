//! The settings of `verifa-mcp http`: where it listens, who may call, and how many at once.
//!
//! All errors are reported at once, before a port is taken. No default lends the key to callers from other computers.

use std::{ffi::OsString, net::SocketAddr, ops::RangeInclusive, time::Duration};

use super::{
    Config, ConfigErrors, HttpSettings,
    oauth::OAuthInput,
    parser::{SettingsParser, addresses, boolean, non_empty, number, one_of, parsed},
};
use crate::{
    hosts::{AllowedHost, AllowedOrigin},
    tokens::Tokens,
    tools::WriteLimit,
    transport::http::{
        HttpConfig,
        auth::{AuthMode, Authenticator, oauth::OAuth},
    },
};

const DEFAULT_LISTEN: &str = "127.0.0.1:8787";
const MAX_CONNECTIONS: RangeInclusive<usize> = 1..=100_000;
const NO_KEY: &str = "VERIFA_MCP_AUTH needs the deployment's own key for this; set VERIFA_API_KEY, or use api-key";
/// The time that a request may take in addition to its calls to Verifa.
const REQUEST_MARGIN: Duration = Duration::from_secs(10);
/// The time that stopping may take in addition to the calls that run.
const GRACE_MARGIN: Duration = Duration::from_secs(5);

impl Config {
    /// Parses the settings. `variable` looks up an environment variable that has no flag.
    pub(crate) fn read_http(
        &self,
        settings: &HttpSettings,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<HttpConfig, ConfigErrors> {
        let mut parser = SettingsParser::default();
        let mut listen = parser.list(&settings.listen, "VERIFA_MCP_LISTEN", addresses).concat();
        if listen.is_empty() {
            listen.extend(DEFAULT_LISTEN.parse::<SocketAddr>());
        }
        let metrics = parser.value(settings.metrics_listen.as_deref(), "VERIFA_MCP_METRICS_LISTEN", addresses);
        let mut hosts = parser.list(&settings.allowed_host, "VERIFA_MCP_ALLOWED_HOSTS", parsed::<AllowedHost>);
        let origins = parser.list(&settings.allowed_origin, "VERIFA_MCP_ALLOWED_ORIGINS", parsed::<AllowedOrigin>);
        let mut maximum = |value: &Option<String>, name| {
            parser.value(value.as_deref(), name, |value| number(value, &MAX_CONNECTIONS))
        };
        let max_connections = maximum(&settings.max_connections, "VERIFA_MCP_MAX_CONNECTIONS");
        let max_streams = maximum(&settings.max_streams, "VERIFA_MCP_MAX_STREAMS").unwrap_or(256);
        let no_classic_sse = parser.value(settings.no_classic_sse.as_deref(), "VERIFA_MCP_NO_CLASSIC_SSE", boolean);
        let writes =
            parser.value(settings.writes_per_caller.as_deref(), "VERIFA_MCP_WRITES_PER_CALLER", parsed::<WriteLimit>);
        let oauth = OAuthInput::read(&settings.oauth, variable, &mut parser);
        let auth = self.auth(settings, &listen, &oauth, &mut parser);
        let auth = parser.finish(auth)?;
        let is_open = matches!(auth, Authenticator::None(_));
        if hosts.is_empty() {
            hosts = AllowedHost::loopback();
        }
        if let Some(oauth) = auth.oauth() {
            hosts.extend(oauth.public_host().parse());
        }
        Ok(HttpConfig {
            listen,
            metrics_listen: metrics.and_then(|addresses| addresses.first().copied()),
            // Its URL is another resource, and a stream would outlive its token.
            classic_sse: !no_classic_sse.unwrap_or(false) && auth.oauth().is_none(),
            auth,
            permissions: self.caller.permissions.clone(),
            allowed_hosts: hosts,
            allowed_origins: if origins.is_empty() { AllowedOrigin::loopback() } else { origins },
            max_connections: max_connections.unwrap_or(1_024),
            max_streams,
            max_streams_per_caller: if is_open { max_streams } else { (max_streams / 4).max(1) },
            // Without authentication there is only one caller.
            max_calls_per_caller: (!is_open).then(|| (self.client.max_upstream / 4).max(1)),
            writes_per_caller: writes.or((!is_open).then_some(WriteLimit::DEFAULT)),
            request_timeout: self.client.retry_budget.saturating_add(REQUEST_MARGIN),
            grace: self.client.retry_budget.saturating_add(GRACE_MARGIN),
        })
    }

    fn auth(
        &self,
        settings: &HttpSettings,
        listen: &[SocketAddr],
        oauth: &OAuthInput<'_>,
        parser: &mut SettingsParser,
    ) -> Option<Authenticator> {
        let chosen = parser.value(settings.auth.as_deref(), "VERIFA_MCP_AUTH", one_of::<AuthMode>);
        let is_loopback = listen.iter().all(|address| address.ip().is_loopback());
        if self.tools.emulated && !is_loopback {
            parser.error(
                "--emulator is for listeners that only this computer reaches, whatever VERIFA_MCP_AUTH is; listen on \
                 127.0.0.1",
            );
            return None;
        }
        let has_key = self.tools.emulated || self.caller.key.is_some();
        let mode = chosen.map_or_else(|| AuthMode::by_default(has_key, is_loopback), Ok);
        let mode = parser.keep(mode.map_err(|choices| format!("VERIFA_MCP_AUTH is not set, and {choices}")));
        if mode != Some(AuthMode::OAuth) {
            oauth.reject(parser);
        }
        let error = match (mode?, &self.caller.key, non_empty(settings.tokens_file.as_deref())) {
            (AuthMode::ApiKey, ..) => return Some(Authenticator::ApiKey),
            (AuthMode::None, ..) if !is_loopback => {
                "VERIFA_MCP_AUTH is none, which is for listeners that only this computer reaches; use token or \
                 api-key, or listen on 127.0.0.1"
            }
            (AuthMode::None, Some(_), _) => return Some(Authenticator::None(self.caller.clone())),
            (AuthMode::Token, Some(key), Some(path)) => {
                let tokens = Tokens::open(path.into()).map_err(|error| format!("VERIFA_MCP_TOKENS_FILE: {error}"));
                return parser.keep(tokens).map(|tokens| Authenticator::Token(Box::new(tokens), key.clone()));
            }
            (AuthMode::Token, Some(_), None) => {
                "VERIFA_MCP_TOKENS_FILE is not set, and VERIFA_MCP_AUTH is token; `verifa-mcp token new` creates the file"
            }
            (AuthMode::OAuth, key, tokens_file) => {
                if tokens_file.is_some() {
                    parser.error("VERIFA_MCP_TOKENS_FILE is set, but VERIFA_MCP_AUTH is oauth; unset one of them");
                }
                let settings = self.oauth(oauth, parser);
                if let (Some(key), Some(settings)) = (key, settings) {
                    let oauth = OAuth::new(settings, &self.caller.permissions);
                    return Some(Authenticator::OAuth(Box::new(oauth), key.clone()));
                }
                if key.is_some() {
                    return None;
                }
                NO_KEY
            }
            (AuthMode::None | AuthMode::Token, None, _) => NO_KEY,
        };
        parser.error(error);
        None
    }
}

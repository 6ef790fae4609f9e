//! The settings of `verifa-mcp http`: where it listens, who may call, and how much at once.
//!
//! Whatever is wrong is told together, before a port is taken, and no default lends a key to a network.

use std::{net::SocketAddr, ops::RangeInclusive, time::Duration};

use super::{Config, Faults, HttpSettings, Reader, parsed};
use crate::hosts::{AllowedHost, AllowedOrigin};
use crate::{
    tokens::Tokens,
    transport::http::{
        HttpConfig,
        auth::{AuthMode, Authenticator},
    },
};

/// Where the server listens unless told otherwise.
const DEFAULT_LISTEN: &str = "127.0.0.1:8787";
/// Bounds of connections and streams at once.
const AT_ONCE: RangeInclusive<usize> = 1..=100_000;
/// What a request may take besides its calls to Verifa.
const MARGIN: Duration = Duration::from_secs(10);
/// What a stop may take besides the calls that run.
const GRACE_MARGIN: Duration = Duration::from_secs(5);

impl Config {
    /// Reads the settings of the HTTP server.
    ///
    /// # Errors
    /// Every fault at once.
    pub(crate) fn read_http(&self, settings: &HttpSettings) -> Result<HttpConfig, Faults> {
        let mut reader = Reader::default();
        let addresses = reader.list(&settings.listen, "VERIFA_MCP_LISTEN", address);
        let listen = if addresses.is_empty() { DEFAULT_LISTEN.parse().into_iter().collect() } else { addresses };
        let metrics_listen = reader.text(settings.metrics_listen.as_deref(), "VERIFA_MCP_METRICS_LISTEN", address);
        let hosts = reader.list(&settings.allowed_host, "VERIFA_MCP_ALLOWED_HOSTS", parsed::<AllowedHost>);
        let origins = reader.list(&settings.allowed_origin, "VERIFA_MCP_ALLOWED_ORIGINS", parsed::<AllowedOrigin>);
        let at_once = |value: &Option<String>, name, reader: &mut Reader| reader.text(value.as_deref(), name, at_once);
        let max_connections = at_once(&settings.max_connections, "VERIFA_MCP_MAX_CONNECTIONS", &mut reader);
        let max_streams = at_once(&settings.max_streams, "VERIFA_MCP_MAX_STREAMS", &mut reader);
        let auth = self.read_auth(settings, &listen, &mut reader);
        let (Some(auth), true) = (auth, reader.faults.is_empty()) else { return Err(Faults(reader.faults)) };
        let open = matches!(auth, Authenticator::None(_));
        let max_streams = max_streams.unwrap_or(256);
        Ok(HttpConfig {
            listen,
            metrics_listen,
            auth,
            permissions: self.caller.permissions.clone(),
            allowed_hosts: if hosts.is_empty() { AllowedHost::loopback() } else { hosts },
            allowed_origins: if origins.is_empty() { AllowedOrigin::loopback() } else { origins },
            classic_sse: !settings.no_classic_sse,
            max_connections: max_connections.unwrap_or(1_024),
            max_streams,
            max_streams_per_caller: if open { max_streams } else { (max_streams / 4).max(1) },
            // Where everybody is one caller, there is nobody to be fair to.
            max_calls_per_caller: (!open).then(|| (self.client.max_upstream / 4).max(1)),
            request_timeout: self.client.retry_budget.saturating_add(MARGIN),
            grace: self.client.retry_budget.saturating_add(GRACE_MARGIN),
        })
    }

    fn read_auth(&self, settings: &HttpSettings, listen: &[SocketAddr], reader: &mut Reader) -> Option<Authenticator> {
        let chosen = reader.text(settings.auth.as_deref(), "VERIFA_MCP_AUTH", mode);
        let path = settings.tokens_file.as_deref().map(str::trim).filter(|path| !path.is_empty());
        let is_loopback = listen.iter().all(|address| address.ip().is_loopback());
        let has_key = self.emulated || self.caller.key.is_some();
        let mode = match chosen.map_or_else(|| AuthMode::by_default(has_key, is_loopback), Ok) {
            Ok(mode) => mode,
            Err(choices) => {
                reader.faults.push(format!("VERIFA_MCP_AUTH is not set, and {choices}"));
                return None;
            }
        };
        match (mode, &self.caller.key, path) {
            (AuthMode::ApiKey, ..) => Some(Authenticator::ApiKey),
            (AuthMode::None, ..) if !is_loopback => {
                let fault = "VERIFA_MCP_AUTH is none, which is for listeners that only this computer reaches; use token \
                    or api-key, or listen on 127.0.0.1";
                reader.faults.push(fault.to_owned());
                None
            }
            (AuthMode::None | AuthMode::Token, None, _) => {
                let fault =
                    "VERIFA_MCP_AUTH needs a key of the deployment's own for this; set VERIFA_API_KEY, or use api-key";
                reader.faults.push(fault.to_owned());
                None
            }
            (AuthMode::None, Some(_), _) => Some(Authenticator::None(self.caller.clone())),
            (AuthMode::Token, Some(key), Some(path)) => match Tokens::open(path.into()) {
                Ok(tokens) => Some(Authenticator::Token(Box::new(tokens), key.clone())),
                Err(fault) => {
                    reader.faults.push(format!("VERIFA_MCP_TOKENS_FILE: {fault}"));
                    None
                }
            },
            (AuthMode::Token, Some(_), None) => {
                let fault = "VERIFA_MCP_TOKENS_FILE is not set, and VERIFA_MCP_AUTH is token; `verifa-mcp token new` makes \
                    the file";
                reader.faults.push(fault.to_owned());
                None
            }
        }
    }
}

fn address(value: &str) -> Result<SocketAddr, String> {
    value.parse().map_err(|_| "must be an address and a port, for example 127.0.0.1:8787 or [::1]:8787".to_owned())
}

fn at_once(value: &str) -> Result<usize, String> {
    let number = value.parse().ok().filter(|number| AT_ONCE.contains(number));
    number.ok_or_else(|| "must be a whole number from 1 to 100000".to_owned())
}

fn mode(value: &str) -> Result<AuthMode, String> {
    super::one_of(value, &[("none", AuthMode::None), ("api-key", AuthMode::ApiKey), ("token", AuthMode::Token)])
}

//! The settings: flags and environment variables become values that are valid.
//!
//! All errors are reported at once, each with its fix, and none repeats the key. What the settings are for is decided by
//! the modules that they are passed to.

mod flags;
mod http;
mod oauth;
mod parser;

use std::{ffi::OsString, fmt, ops::RangeInclusive, sync::Arc, time::Duration};

use reqwest::Certificate;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tracing::level_filters::LevelFilter;

use self::parser::{SettingsParser, boolean, non_empty, number, one_of, parsed};
pub(crate) use self::{
    flags::{HttpSettings, Settings},
    parser::{addresses, duration},
};
use crate::{
    audit::AuditLog,
    call::{Caller, Permissions, Toolset},
    emulator::SANDBOX_KEY,
    http_client::is_proxy,
    private_file,
    telemetry::Format,
    tools::{Confirm, ServerState, ToolSettings},
    untrusted::UntrustedText,
    verifa::{ApiKey, BaseUrl, Client, ClientSettings, Environment},
};

const API_KEY: &str = "VERIFA_API_KEY";
const MAX_UPSTREAM: RangeInclusive<usize> = 1..=10_000;
/// The largest key file, in bytes. A key is far shorter; editors add little.
const MAX_KEY_FILE: u64 = 16 * 1024;
/// The largest file of certificates, in bytes. All that a system trusts are a quarter of a megabyte.
const MAX_CA_FILE: u64 = 16 * 1024 * 1024;

/// Every setting.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) caller: Caller,
    pub(crate) client: ClientSettings,
    pub(crate) tools: ToolSettings,
    pub(crate) confirm: Confirm,
    pub(crate) audit: Option<Arc<AuditLog>>,
    pub(crate) log: Option<LevelFilter>,
    pub(crate) log_format: Format,
}

/// What is wrong with the settings, one line each.
#[derive(Debug, thiserror::Error)]
pub(crate) struct ConfigErrors(Vec<String>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [error] => write!(formatter, "invalid setting: {error}"),
            errors => write!(formatter, "{} invalid settings:\n  {}", errors.len(), errors.join("\n  ")),
        }
    }
}

impl Config {
    /// Parses the settings. `variable` looks up an environment variable that has no flag.
    ///
    /// With an emulator, the key, the environment and the URL are the emulator's, and what is set for Verifa is ignored.
    pub(crate) fn read(
        settings: &Settings,
        emulated: bool,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ConfigErrors> {
        let mut parser = SettingsParser::default();
        let key = if emulated { None } else { parser.key(settings, &variable) };
        let permissions = parser.permissions(&variable);
        let api_url = non_empty(settings.api_url.as_deref()).filter(|_| !emulated).unwrap_or(BaseUrl::DEFAULT);
        let base_url = parser.value(Some(api_url), "VERIFA_API_URL", parsed::<BaseUrl>);
        if !emulated && base_url.as_ref().is_some_and(|url| !url.is_loopback()) {
            parser.proxies(&variable);
        }
        let extra_authorities = parser.file(settings.ca_file.as_deref(), "VERIFA_CA_FILE", MAX_CA_FILE, certificates);
        let mut duration = |value: &Option<String>, name| parser.value(value.as_deref(), name, duration);
        let retry_budget = duration(&settings.retry_budget, "VERIFA_MCP_RETRY_BUDGET");
        let connect_timeout = duration(&settings.connect_timeout, "VERIFA_MCP_CONNECT_TIMEOUT");
        let attempt_timeout = duration(&settings.attempt_timeout, "VERIFA_MCP_ATTEMPT_TIMEOUT");
        let max_upstream = parser
            .value(settings.max_upstream.as_deref(), "VERIFA_MCP_MAX_UPSTREAM", |value| number(value, &MAX_UPSTREAM));
        let connect_ahead = parser.value(settings.connect_ahead.as_deref(), "VERIFA_MCP_CONNECT_AHEAD", boolean);
        let verifa_version = parser.value(settings.api_version.as_deref(), "VERIFA_API_VERSION", parsed);
        let key_inflection = parser.value(settings.key_inflection.as_deref(), "VERIFA_KEY_INFLECTION", parsed);
        let qr = parser.value(settings.qr.as_deref(), "VERIFA_MCP_QR", one_of);
        let confirm = parser.value(settings.confirm.as_deref(), "VERIFA_MCP_CONFIRM", one_of);
        let audit = parser.audit_log(settings.audit_log.as_deref());
        let log = parser.value(settings.log.as_deref(), "VERIFA_MCP_LOG", log_level);
        let log_format = parser.value(settings.log_format.as_deref(), "VERIFA_MCP_LOG_FORMAT", one_of);
        let base_url = parser.finish(base_url)?;
        Ok(Self {
            caller: Caller { key, permissions, ..Caller::default() },
            client: ClientSettings {
                base_url,
                extra_authorities: extra_authorities.unwrap_or_default(),
                retry_budget: retry_budget.unwrap_or(Duration::from_secs(20)),
                connect_timeout: connect_timeout.unwrap_or(Duration::from_secs(5)),
                attempt_timeout: attempt_timeout.unwrap_or(Duration::from_secs(10)),
                max_upstream: max_upstream.unwrap_or(64),
                connect_ahead: connect_ahead.unwrap_or(true),
            },
            tools: ToolSettings {
                api_version: verifa_version,
                key_inflection: key_inflection.unwrap_or_default(),
                qr: qr.unwrap_or_default(),
                emulated,
            },
            confirm: confirm.unwrap_or_default(),
            audit: audit.map(Arc::new),
            log,
            log_format: log_format.unwrap_or_default(),
        })
    }

    /// Sends everything to the emulator inside this process.
    pub(crate) fn use_emulator(&mut self, url: &str) -> anyhow::Result<()> {
        self.client.base_url = url.parse()?;
        self.caller.key = Some(SANDBOX_KEY.parse()?);
        Ok(())
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.client.clone())
    }

    pub(crate) fn server_state(&self) -> ServerState {
        ServerState::new(self.client(), self.audit.clone(), self.confirm, self.tools.clone())
    }
}

impl SettingsParser {
    /// What no caller may exceed, named as in Verifa's own server.
    fn permissions(&mut self, variable: &impl Fn(&str) -> Option<OsString>) -> Permissions {
        let mut read = |name| self.variable(name, variable(name));
        let (toolsets, read_only) = (read("VERIFA_MCP_TOOLSETS"), read("VERIFA_MCP_READ_ONLY"));
        let chosen = self.list(toolsets.as_slice(), "VERIFA_MCP_TOOLSETS", parsed::<Toolset>);
        let read_only = self.value(read_only.as_deref(), "VERIFA_MCP_READ_ONLY", boolean).unwrap_or(false);
        Permissions { toolsets: toolsets.map(|_| chosen.into_iter().collect()), read_only }
    }

    /// The HTTP client passes over an invalid proxy, and would connect without it.
    fn proxies(&mut self, variable: &impl Fn(&str) -> Option<OsString>) {
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            let value = self.variable(name, variable(name));
            self.value(value.as_deref(), name, |value| {
                let error = "must be the URL of a proxy, for example http://proxy.example.com:3128";
                if is_proxy(value) { Ok(()) } else { Err(error.to_owned()) }
            });
        }
    }

    fn audit_log(&mut self, path: Option<&str>) -> Option<AuditLog> {
        let path = non_empty(path)?;
        let log = AuditLog::open(path).map_err(|error| {
            let (path, reason) = (UntrustedText::new(path), private_file::reason(&error));
            format!("VERIFA_MCP_AUDIT_LOG names the file {path}, which cannot be opened for writing ({reason})")
        });
        self.keep(log)
    }

    /// The key from the variable or the file, compared with `VERIFA_ENV`.
    fn key(&mut self, settings: &Settings, variable: &impl Fn(&str) -> Option<OsString>) -> Option<ApiKey> {
        let text = self.variable(API_KEY, variable(API_KEY));
        let path = non_empty(settings.api_key_file.as_deref());
        let environment = self.value(settings.env.as_deref(), "VERIFA_ENV", parsed::<Environment>);
        let key = match (text, path) {
            (Some(_), Some(_)) => {
                self.error("VERIFA_API_KEY and VERIFA_API_KEY_FILE are both set; keep one of them");
                None
            }
            (Some(text), None) => self.keep(text.trim().parse().map_err(|error| format!("{API_KEY} {error}"))),
            (None, path) => self.file(path, "VERIFA_API_KEY_FILE", MAX_KEY_FILE, key_in_file),
        };
        if let (Some(key), Some(expected)) = (&key, environment)
            && key.environment() != expected
        {
            self.error(format!(
                "VERIFA_ENV is {expected}, but the key is a {} key; use a {}… key or change VERIFA_ENV",
                key.environment(),
                expected.key_prefix()
            ));
        }
        key
    }
}

fn key_in_file(content: &[u8]) -> Result<ApiKey, String> {
    match str::from_utf8(content).map(str::trim) {
        Err(_) => Err("is not UTF-8 text".to_owned()),
        Ok("") => Err("is empty".to_owned()),
        Ok(text) => text.parse().map_err(|error| format!("contains text that {error}")),
    }
}

/// Parses certificates, and checks that each can be trusted as an authority: the first call would fail otherwise.
fn certificates(content: &[u8]) -> Result<Vec<Certificate>, String> {
    let usable = || {
        let mut roots = RootCertStore::empty();
        let authorities: Vec<_> = CertificateDer::pem_slice_iter(content).collect::<Result<_, _>>().ok()?;
        authorities.iter().try_for_each(|authority| roots.add(authority.clone())).ok()?;
        authorities.iter().map(|authority| Certificate::from_der(authority).ok()).collect::<Option<Vec<_>>>()
    };
    let unusable = "contains no usable PEM certificate (-----BEGIN CERTIFICATE-----)";
    usable().filter(|authorities| !authorities.is_empty()).ok_or_else(|| unusable.to_owned())
}

fn log_level(value: &str) -> Result<LevelFilter, String> {
    value.parse().map_err(|_| "must be one of off, error, warn, info, debug, trace".to_owned())
}

//! The settings, read and checked: text from flags and variables becomes values that cannot be wrong.
//!
//! All faults are told at once, each with its fix, and none repeats the key.

mod flags;
mod http;

use std::{ffi::OsString, fmt, str::FromStr, sync::Arc, time::Duration};

use jiff::SignedDuration;
use reqwest::Certificate;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tracing::level_filters::LevelFilter;

use crate::call::{Caller, Permissions, Toolset};
use crate::untrusted::UntrustedText;
use crate::{
    audit::AuditLog,
    emulator::SANDBOX_KEY,
    telemetry::Format,
    tools::{Confirm, QrMode, ServerState, ToolSettings},
    verifa::{ApiKey, BaseUrl, Client, ClientSettings, Environment},
};

pub use flags::{HttpSettings, Settings};

const API_KEY: &str = "VERIFA_API_KEY";
/// Bounds of every duration.
const DURATIONS: std::ops::RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3_600);
/// Bounds of the number of requests at once.
const UPSTREAM: std::ops::RangeInclusive<usize> = 1..=10_000;

/// Every setting, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whose key calls are made with.
    pub caller: Caller,
    /// What the HTTP client is made of.
    pub client: ClientSettings,
    pub tools: ToolSettings,
    /// `VERIFA_MCP_CONFIRM`
    pub confirm: Confirm,
    /// `VERIFA_MCP_AUDIT_LOG`
    pub audit: Option<Arc<AuditLog>>,
    /// `VERIFA_MCP_LOG`; none where it was not set.
    pub log: Option<LevelFilter>,
    /// `VERIFA_MCP_LOG_FORMAT`
    pub log_format: Format,
}

/// What is wrong with the settings, a line each.
#[derive(Debug, thiserror::Error)]
pub struct Faults(Vec<String>);

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [fault] => write!(formatter, "wrong setting: {fault}"),
            faults => write!(formatter, "{} wrong settings:\n  {}", faults.len(), faults.join("\n  ")),
        }
    }
}

impl Config {
    /// Reads the settings; `variable` looks an environment variable up. An empty value counts as not set.
    ///
    /// Where an emulator stands in for Verifa, the key, the environment and the URL are the emulator's, and what is set
    /// for Verifa is not looked at.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn read(
        settings: &Settings,
        emulated: bool,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, Faults> {
        let mut reader = Reader::default();
        let key = if emulated { None } else { reader.key(settings, variable(API_KEY)) };
        let permissions = reader.permissions(&variable);
        let api_url = settings.api_url.as_deref().filter(|url| !emulated && !url.trim().is_empty());
        let base_url = reader.text(Some(api_url.unwrap_or(BaseUrl::DEFAULT)), "VERIFA_API_URL", parsed);
        let extra_authorities = reader.file(settings.ca_file.as_deref(), "VERIFA_CA_FILE", certificates);
        let mut duration = |value: &Option<String>, name| reader.text(value.as_deref(), name, duration);
        let retry_budget = duration(&settings.retry_budget, "VERIFA_MCP_RETRY_BUDGET");
        let connect_timeout = duration(&settings.connect_timeout, "VERIFA_MCP_CONNECT_TIMEOUT");
        let attempt_timeout = duration(&settings.attempt_timeout, "VERIFA_MCP_ATTEMPT_TIMEOUT");
        let max_upstream = reader.text(settings.max_upstream.as_deref(), "VERIFA_MCP_MAX_UPSTREAM", max_upstream);
        let connect_ahead = reader.text(settings.connect_ahead.as_deref(), "VERIFA_MCP_CONNECT_AHEAD", switch);
        let verifa_version = reader.text(settings.api_version.as_deref(), "VERIFA_API_VERSION", parsed);
        let key_inflection = reader.text(settings.key_inflection.as_deref(), "VERIFA_KEY_INFLECTION", parsed);
        let qr = reader.text(settings.qr.as_deref(), "VERIFA_MCP_QR", qr_mode);
        let confirm = reader.text(settings.confirm.as_deref(), "VERIFA_MCP_CONFIRM", confirm);
        let audit = reader.audit_log(settings.audit_log.as_deref());
        let log = reader.text(settings.log.as_deref(), "VERIFA_MCP_LOG", log_level);
        let log_format = reader.text(settings.log_format.as_deref(), "VERIFA_MCP_LOG_FORMAT", log_format);
        let (Some(base_url), true) = (base_url, reader.faults.is_empty()) else { return Err(Faults(reader.faults)) };
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

    /// Points everything at the emulator inside this process.
    ///
    /// # Errors
    /// None for an emulator of ours: its address and its key are good ones.
    pub fn use_emulator(&mut self, url: &str) -> anyhow::Result<()> {
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

/// Collects faults while it reads.
#[derive(Default)]
struct Reader {
    faults: Vec<String>,
}

impl Reader {
    fn text<T>(&mut self, value: Option<&str>, name: &str, parse: fn(&str) -> Result<T, String>) -> Option<T> {
        let value = value.map(str::trim).filter(|value| !value.is_empty())?;
        let fault = match parse(value) {
            Ok(parsed) => return Some(parsed),
            Err(fault) => fault,
        };
        // What stands before an @ in a URL may be a password.
        let repeated = if value.contains('@') {
            String::new()
        } else {
            format!("; it is {}", UntrustedText::truncated(value, 100).quoted())
        };
        self.faults.push(format!("{name} {fault}{repeated}"));
        None
    }

    /// Reads each part of a list; a flag may be repeated, and each may hold several parts between commas.
    fn list<T>(&mut self, values: &[String], name: &str, parse: fn(&str) -> Result<T, String>) -> Vec<T> {
        let parts = values.iter().flat_map(|value| value.split(','));
        parts.filter_map(|part| self.text(Some(part), name, parse)).collect()
    }

    /// What nobody may exceed: `VERIFA_MCP_TOOLSETS` and `VERIFA_MCP_READ_ONLY`, as Verifa's own server has them.
    fn permissions(&mut self, variable: &impl Fn(&str) -> Option<OsString>) -> Permissions {
        let text = |name| variable(name).map(|value| value.to_string_lossy().into_owned());
        let (toolsets, read_only) = (text("VERIFA_MCP_TOOLSETS"), text("VERIFA_MCP_READ_ONLY"));
        let toolsets = toolsets.filter(|value| !value.trim().is_empty());
        let named = self.list(toolsets.as_slice(), "VERIFA_MCP_TOOLSETS", parsed::<Toolset>);
        let read_only = self.text(read_only.as_deref(), "VERIFA_MCP_READ_ONLY", switch).unwrap_or(false);
        Permissions { toolsets: toolsets.map(|_| named.into_iter().collect()), read_only }
    }

    fn file<T>(&mut self, path: Option<&str>, name: &str, parse: fn(&[u8]) -> Result<T, String>) -> Option<T> {
        let path = path.map(str::trim).filter(|path| !path.is_empty())?;
        let content = std::fs::read(path).map_err(|error| format!("cannot be read ({})", error.kind()));
        match content.and_then(|content| parse(&content)) {
            Ok(parsed) => Some(parsed),
            Err(fault) => {
                self.faults.push(format!("{name} names the file {}, which {fault}", UntrustedText::new(path)));
                None
            }
        }
    }

    fn audit_log(&mut self, path: Option<&str>) -> Option<AuditLog> {
        let path = path.map(str::trim).filter(|path| !path.is_empty())?;
        let fault = match AuditLog::open(path) {
            Ok(log) => return Some(log),
            Err(error) => error.kind(),
        };
        self.faults.push(format!(
            "VERIFA_MCP_AUDIT_LOG names the file {}, which cannot be opened for writing ({fault})",
            UntrustedText::new(path)
        ));
        None
    }

    /// The key from the variable or the file, checked against `VERIFA_ENV`.
    fn key(&mut self, settings: &Settings, variable: Option<OsString>) -> Option<ApiKey> {
        let variable =
            variable.map(|value| value.to_string_lossy().trim().to_owned()).filter(|value| !value.is_empty());
        let path = settings.api_key_file.as_deref().map(str::trim).filter(|path| !path.is_empty());
        let environment: Option<Environment> = self.text(settings.env.as_deref(), "VERIFA_ENV", parsed);
        let key = match (variable, path) {
            (Some(_), Some(_)) => {
                self.faults.push("VERIFA_API_KEY and VERIFA_API_KEY_FILE are both set; keep one of them".to_owned());
                None
            }
            (Some(text), None) => match text.parse::<ApiKey>() {
                Ok(key) => Some(key),
                Err(fault) => {
                    self.faults.push(format!("{API_KEY} {fault}"));
                    None
                }
            },
            (None, path) => self.file(path, "VERIFA_API_KEY_FILE", key_in_file),
        };
        if let (Some(key), Some(expected)) = (&key, environment)
            && key.environment() != expected
        {
            self.faults.push(format!(
                "VERIFA_ENV is {expected}, but the key is a {} key; use a {}… key or change VERIFA_ENV",
                key.environment(),
                expected.key_prefix()
            ));
        }
        key
    }
}

fn key_in_file(content: &[u8]) -> Result<ApiKey, String> {
    let text = str::from_utf8(content).map_err(|_| "is not text".to_owned())?.trim();
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    text.parse().map_err(|fault| format!("holds a text that {fault}"))
}

/// Reads certificates and makes sure that each can be trusted as an authority, which would else fail at the first call.
fn certificates(content: &[u8]) -> Result<Vec<Certificate>, String> {
    let usable = || {
        let mut roots = RootCertStore::empty();
        let authorities: Vec<_> = CertificateDer::pem_slice_iter(content).collect::<Result<_, _>>().ok()?;
        authorities.iter().try_for_each(|authority| roots.add(authority.clone())).ok()?;
        authorities.iter().map(|authority| Certificate::from_der(authority).ok()).collect::<Option<Vec<_>>>()
    };
    let unusable = "holds no PEM certificate that can be used (-----BEGIN CERTIFICATE-----)";
    usable().filter(|authorities| !authorities.is_empty()).ok_or_else(|| unusable.to_owned())
}

fn parsed<T: FromStr<Err: fmt::Display>>(value: &str) -> Result<T, String> {
    value.parse().map_err(|fault: T::Err| fault.to_string())
}

/// Reads a duration: `20s`, `1m 30s`, `500ms`, or a plain number of seconds.
///
/// # Errors
/// What is allowed.
pub fn duration(value: &str) -> Result<Duration, String> {
    let seconds = value.parse().map(Duration::from_secs).ok();
    let friendly = || value.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    seconds
        .or_else(friendly)
        .filter(|duration| DURATIONS.contains(duration))
        .ok_or_else(|| "must be a duration between 10ms and 1h, for example 20s".to_owned())
}

fn max_upstream(value: &str) -> Result<usize, String> {
    let number = value.parse().ok().filter(|number| UPSTREAM.contains(number));
    number.ok_or_else(|| "must be a whole number from 1 to 10000".to_owned())
}

fn switch(value: &str) -> Result<bool, String> {
    one_of(value, &[("true", true), ("1", true), ("false", false), ("0", false)])
}

fn qr_mode(value: &str) -> Result<QrMode, String> {
    one_of(value, &[("full", QrMode::Full), ("image", QrMode::Image), ("none", QrMode::None)])
}

fn confirm(value: &str) -> Result<Confirm, String> {
    one_of(value, &[("never", Confirm::Never), ("live", Confirm::Live), ("always", Confirm::Always)])
}

fn log_level(value: &str) -> Result<LevelFilter, String> {
    let levels = [
        ("off", LevelFilter::OFF),
        ("error", LevelFilter::ERROR),
        ("warn", LevelFilter::WARN),
        ("info", LevelFilter::INFO),
        ("debug", LevelFilter::DEBUG),
        ("trace", LevelFilter::TRACE),
    ];
    one_of(value, &levels)
}

fn log_format(value: &str) -> Result<Format, String> {
    one_of(value, &[("text", Format::Text), ("json", Format::Json)])
}

fn one_of<T: Copy>(value: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let chosen = choices.iter().find(|(name, _)| value == *name).map(|(_, choice)| *choice);
    chosen.ok_or_else(|| {
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        format!("must be one of {}", names.join(", "))
    })
}

//! Parses single settings and collects every error, so that all of them are reported at once.
//!
//! An error names the setting and what is allowed. It never repeats the key, or a URL that may hold a password.

use std::{
    ffi::OsString,
    fmt,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    ops::RangeInclusive,
    path::Path,
    str::FromStr,
    time::Duration,
};

use jiff::SignedDuration;
use strum::VariantNames;

use super::ConfigErrors;
use crate::{private_file, untrusted::UntrustedText};

const DURATIONS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3_600);

/// Collects errors while it parses. A value that is missing or empty is none.
#[derive(Default)]
pub(super) struct SettingsParser {
    errors: Vec<String>,
}

impl SettingsParser {
    pub(super) fn error(&mut self, error: impl Into<String>) {
        self.errors.push(error.into());
    }

    /// The value, if there was no error at all.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, ConfigErrors> {
        value.filter(|_| self.errors.is_empty()).ok_or(ConfigErrors(self.errors))
    }

    /// The value, or an error that is reported with the others.
    pub(super) fn keep<T>(&mut self, parsed: Result<T, String>) -> Option<T> {
        parsed.map_err(|error| self.errors.push(error)).ok()
    }

    pub(super) fn value<T>(
        &mut self,
        value: Option<&str>,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = non_empty(value)?;
        let parsed = parse(value).map_err(|error| {
            // Text before an @ in a URL may be a password.
            let shown = UntrustedText::truncated(value, 100);
            if value.contains('@') { format!("{name} {error}") } else { format!("{name} {error}; it is \"{shown}\"") }
        });
        self.keep(parsed)
    }

    /// Parses each part of a list: a flag may be repeated, and each value may hold several parts, separated by commas.
    pub(super) fn list<T>(
        &mut self,
        values: &[String],
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let parts = || values.iter().flat_map(|value| value.split(',')).filter_map(|part| non_empty(Some(part)));
        if values.iter().any(|value| value.contains(',')) && parts().next().is_none() {
            self.error(format!("{name} is a list without entries; add one, or unset it"));
        }
        parts().filter_map(|part| self.value(Some(part), name, &parse)).collect()
    }

    /// An environment variable that has no flag.
    pub(super) fn variable(&mut self, name: &str, value: Option<OsString>) -> Option<String> {
        let text = value?.into_string().map_err(|_| format!("{name} is not valid UTF-8"));
        self.keep(text).filter(|text| !text.trim().is_empty())
    }

    /// What a file contains. `limit` is in bytes.
    pub(super) fn file<T>(
        &mut self,
        path: Option<&str>,
        name: &str,
        limit: u64,
        parse: impl Fn(&[u8]) -> Result<T, String>,
    ) -> Option<T> {
        let path = non_empty(path)?;
        let content = private_file::read(Path::new(path), limit)
            .and_then(|content| private_file::without_byte_order_mark(&content).map(<[u8]>::to_vec));
        let content = content.map_err(|error| format!("cannot be read ({})", private_file::reason(&error)));
        let parsed = content.and_then(|content| parse(&content));
        self.keep(parsed.map_err(|error| format!("{name} names the file {}, which {error}", UntrustedText::new(path))))
    }
}

pub(super) fn non_empty(value: Option<&str>) -> Option<&str> {
    value.map(str::trim).filter(|value| !value.is_empty())
}

pub(super) fn parsed<T: FromStr<Err: fmt::Display>>(value: &str) -> Result<T, String> {
    value.parse().map_err(|error: T::Err| error.to_string())
}

pub(super) fn one_of<T: FromStr + VariantNames>(value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("must be one of {}", T::VARIANTS.join(", ")))
}

pub(super) fn boolean(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

pub(super) fn number(value: &str, allowed: &RangeInclusive<usize>) -> Result<usize, String> {
    let number = value.parse().ok().filter(|number| allowed.contains(number));
    number.ok_or_else(|| format!("must be a whole number from {} to {}", allowed.start(), allowed.end()))
}

/// Parses a duration: `20s`, `1m 30s`, `500ms`, or a plain number of seconds.
pub(crate) fn duration(value: &str) -> Result<Duration, String> {
    let seconds = value.parse().map(Duration::from_secs).ok();
    let friendly = || value.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    let duration = seconds.or_else(friendly).filter(|duration| DURATIONS.contains(duration));
    duration.ok_or_else(|| "must be a duration between 10ms and 1h, for example 20s".to_owned())
}

/// Parses an address to listen on. A name may have several, all of which must be loopback.
pub(crate) fn addresses(value: &str) -> Result<Vec<SocketAddr>, String> {
    if let Ok(address) = value.parse() {
        return Ok(vec![address]);
    }
    let resolved = value.to_socket_addrs().map_err(|_| {
        "must be an address and a port, for example 127.0.0.1:8787, [::1]:8787 or localhost:8787".to_owned()
    })?;
    let mut addresses: Vec<_> = resolved.collect();
    if !addresses.iter().all(|address| address.ip().is_loopback()) {
        return Err("must be an address: only names of this computer, such as localhost, are resolved".to_owned());
    }
    addresses.sort();
    addresses.dedup();
    // Names are often resolved to ::1 where IPv6 is disabled.
    addresses.retain(|address| TcpListener::bind((address.ip(), 0)).is_ok());
    if addresses.is_empty() { Err("has no address on this computer".to_owned()) } else { Ok(addresses) }
}

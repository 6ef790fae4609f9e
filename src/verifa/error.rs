//! Why a call to Verifa failed: one error per way to fail, and what each says about the outcome.
//!
//! Nothing here holds a URL, a header or a body; of an error of the HTTP library only its class is kept, since its text
//! holds the URL.

use std::time::Duration;

use reqwest::StatusCode;

use super::ErrorResponse;
use crate::http_client::RootCertificatesError;

/// Why one attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// No HTTP client could be built, so nothing was sent.
    #[error("no HTTP client: {0}")]
    Setup(#[from] RootCertificatesError),
    /// The maximum of concurrent requests was reached for too long, so nothing was sent.
    #[error("too many concurrent requests")]
    Busy,
    /// There was no connection to Verifa, or to the proxy, so nothing was sent.
    #[error("no connection: {error}")]
    Unreachable {
        error: ConnectError,
        /// The proxy that was to be used, as `host:port`.
        proxy: Option<String>,
    },
    /// No complete response in time.
    #[error("no response within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// The connection broke after the request was begun.
    #[error("connection lost")]
    Interrupted,
    /// A response with a status other than 2xx.
    #[error("status {0}")]
    Status(ErrorResponse),
    /// A 2xx response that is not what the documentation promises.
    #[error("unreadable response: {error}")]
    Unreadable { status: StatusCode, error: BodyError },
}

/// Why there was no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("host name not found")]
    Dns,
    #[error("certificate of an unknown authority")]
    UnknownAuthority,
    /// By this computer's clock.
    #[error("certificate expired or not valid yet")]
    CertificateDate,
    #[error("certificate for another host")]
    CertificateName,
    /// Any other failure of the TLS handshake.
    #[error("TLS handshake failed")]
    Tls,
    #[error("timed out")]
    TimedOut,
    /// Refused, unreachable or closed.
    #[error("refused or closed")]
    Refused,
}

/// Why a 2xx response cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// HTML, plain text, nothing, or not UTF-8.
    #[error("not JSON")]
    NotJson,
    #[error("too large")]
    TooLarge,
    /// A promised field is missing or of another type.
    #[error("no usable {0}")]
    Field(&'static str),
    #[error("about another session")]
    OtherSession,
    /// The capture link is not one that may be returned.
    #[error("unsafe capture_url")]
    UnsafeLink,
}

impl Error {
    /// The HTTP status, if there was a response.
    pub(crate) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status(response) => Some(response.status),
            Self::Unreadable { status, .. } => Some(*status),
            Self::Setup(_) | Self::Busy | Self::Unreachable { .. } | Self::TimedOut(_) | Self::Interrupted => None,
        }
    }

    /// Whether the request may have taken effect.
    pub(crate) fn outcome_unknown(&self) -> bool {
        match self {
            Self::Setup(_) | Self::Busy | Self::Unreachable { .. } => false,
            Self::TimedOut(_) | Self::Interrupted | Self::Unreadable { .. } => true,
            // A gateway may give up on a request that it has passed on.
            Self::Status(response) => response.status.is_server_error() || response.is_timeout_elsewhere(),
        }
    }

    /// The class of an error of the HTTP library, after an attempt with this time limit through this proxy.
    pub(crate) fn classify(error: &reqwest::Error, limit: Duration, proxy: Option<&str>) -> Self {
        let unreachable = |error| Self::Unreachable { error, proxy: proxy.map(str::to_owned) };
        if !error.is_connect() {
            return if error.is_timeout() { Self::TimedOut(limit) } else { Self::Interrupted };
        }
        if error.is_dns() {
            return unreachable(ConnectError::Dns);
        }
        if let Some(tls) = cause::<rustls::Error>(error) {
            return unreachable(tls_error(tls));
        }
        unreachable(if error.is_timeout() { ConnectError::TimedOut } else { ConnectError::Refused })
    }
}

fn tls_error(error: &rustls::Error) -> ConnectError {
    use rustls::{CertificateError, Error::InvalidCertificate};

    match error {
        InvalidCertificate(CertificateError::UnknownIssuer) => ConnectError::UnknownAuthority,
        InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) => {
            ConnectError::CertificateName
        }
        InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => ConnectError::CertificateDate,
        _ => ConnectError::Tls,
    }
}

/// The first error of this type in the chain, looking into I/O errors, which hide what they wrap from `source`.
fn cause<'a, E: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = wrapped.map(|inner| inner as _).or_else(|| error.source());
    }
    None
}

/// Why a request failed after all its attempts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error} (attempt {attempts})")]
pub(crate) struct Failure {
    /// The most informative error: the last attempt's, or an earlier one's if the budget cut the last attempt short.
    pub(crate) error: Error,
    /// The last attempt's error.
    pub(crate) last: Error,
    pub(crate) attempts: u32,
    /// From the start of the first attempt to the end of the last.
    pub(crate) elapsed: Duration,
    /// Whether any of the attempts may have taken effect.
    pub(crate) outcome_unknown: bool,
}

impl Failure {
    /// Whether Verifa itself rejected the request.
    pub(crate) fn is_rejected_by_verifa(&self) -> bool {
        matches!(&self.error, Error::Status(response) if response.status.is_client_error() && response.code().is_some())
    }
}

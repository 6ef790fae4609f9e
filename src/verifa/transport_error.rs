//! What an error of the HTTP library means.
//!
//! Only its class is kept, never its text, which holds the URL.

use std::time::Duration;

use super::{ConnectError, Error};

/// The class of a failed attempt that had so much time and went through this proxy.
pub(super) fn classify(error: &reqwest::Error, limit: Duration, proxy: Option<&str>) -> Error {
    let unreachable = |fault| Error::Unreachable { fault, proxy: proxy.map(str::to_owned) };
    if !error.is_connect() {
        return if error.is_timeout() { Error::TimedOut(limit) } else { Error::Interrupted };
    }
    if error.is_dns() {
        return unreachable(ConnectError::Dns);
    }
    if let Some(tls) = cause::<rustls::Error>(error) {
        return unreachable(tls_fault(tls));
    }
    unreachable(if error.is_timeout() { ConnectError::TimedOut } else { ConnectError::Refused })
}

fn tls_fault(error: &rustls::Error) -> ConnectError {
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

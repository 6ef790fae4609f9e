//! Why there was no connection to Verifa, and what to check, for agents and for `verifa-mcp check`.

use crate::verifa::ConnectError;

/// Why there was no connection, and what to check.
pub(crate) fn connection_text(error: ConnectError, proxy: Option<&str>) -> (&'static str, String) {
    let (what, check) = match error {
        ConnectError::Dns => ("the host name has no address", "the network, DNS and VERIFA_API_URL"),
        ConnectError::UnknownAuthority => (
            "its certificate comes from an unknown authority",
            "whether something in between inspects TLS, and name its CA certificate in VERIFA_CA_FILE",
        ),
        ConnectError::CertificateDate => ("its certificate is not valid now", "this computer's clock"),
        ConnectError::CertificateName => ("its certificate is for another host", "VERIFA_API_URL"),
        ConnectError::Tls => ("the TLS handshake failed", "the network and VERIFA_API_URL"),
        ConnectError::TimedOut => ("no connection in time", "the network and VERIFA_API_URL"),
        ConnectError::Refused if proxy.is_some() => {
            ("the connection was refused or closed, perhaps by the proxy, which may require a login", "the network")
        }
        ConnectError::Refused => ("the connection was refused or closed", "the network and VERIFA_API_URL"),
    };
    let and_proxy = if proxy.is_some() { ", and the proxy in HTTPS_PROXY (NO_PROXY makes exceptions)" } else { "" };
    (what, format!("{check}{and_proxy}"))
}

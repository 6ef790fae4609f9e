//! The HTTP client that requests to other servers are made with: how it connects, through which proxy, whom it trusts.
//!
//! It follows no redirect (credentials would be sent elsewhere), retries nothing on its own, and never logs a URL.

use std::{sync::OnceLock, time::Duration};

use reqwest::{Certificate, Url};

use crate::hosts::is_loopback;

/// What a client needs to know of the server that it talks to.
#[derive(Debug)]
pub(crate) struct HttpClientSettings<'a> {
    /// Where requests go. Loopback hosts are never reached through a proxy.
    pub(crate) base_url: &'a Url,
    /// Certificate authorities to trust besides the system's.
    pub(crate) extra_authorities: Vec<Certificate>,
    /// Limit for establishing a connection.
    pub(crate) connect_timeout: Duration,
}

/// An HTTP client for one server, created when first needed: loading root certificates is half of a cold start.
#[derive(Debug)]
pub(crate) struct HttpClient {
    is_loopback: bool,
    is_https: bool,
    extra_authorities: Vec<Certificate>,
    connect_timeout: Duration,
    proxy: Option<String>,
    client: OnceLock<Result<reqwest::Client, RootCertificatesError>>,
}

/// Neither the system nor the CA file has a certificate that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no usable root certificates")]
pub(crate) struct RootCertificatesError;

impl HttpClient {
    pub(crate) fn new(settings: HttpClientSettings<'_>) -> Self {
        let HttpClientSettings { base_url, extra_authorities, connect_timeout } = settings;
        Self {
            is_loopback: is_loopback(base_url),
            is_https: base_url.scheme() == "https",
            extra_authorities,
            connect_timeout,
            proxy: proxy_for(base_url),
            client: OnceLock::new(),
        }
    }

    /// The client, created by the first call.
    ///
    /// # Errors
    /// When there are no root certificates, so that no server could be trusted.
    pub(crate) fn get(&self) -> Result<&reqwest::Client, RootCertificatesError> {
        self.client.get_or_init(|| self.build()).as_ref().map_err(|error| *error)
    }

    /// Whether [`Self::get`] was called before.
    pub(crate) fn is_built(&self) -> bool {
        self.client.get().is_some()
    }

    /// Whether connections are encrypted.
    pub(crate) fn is_https(&self) -> bool {
        self.is_https
    }

    /// The proxy that requests go through, as `host:port`.
    pub(crate) fn proxy(&self) -> Option<&str> {
        self.proxy.as_deref()
    }

    /// Limit for establishing a connection.
    pub(crate) fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    fn build(&self) -> Result<reqwest::Client, RootCertificatesError> {
        // An error says that this process has a provider, and there is only this one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.connect_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never());
        if self.is_loopback {
            builder = builder.no_proxy();
        }
        builder = if self.is_https {
            builder.tls_certs_merge(self.extra_authorities.clone())
        } else {
            // Without TLS no certificate is needed, so a computer that has none will do.
            builder.tls_certs_only([])
        };
        builder.build().map_err(|_| RootCertificatesError)
    }
}

/// Whether a variable with this value names a proxy. One that does not is ignored silently.
pub(crate) fn is_proxy(value: &str) -> bool {
    let proxy = hyper_util::client::proxy::matcher::Matcher::builder().all(value).build();
    proxy.intercept(&axum::http::Uri::from_static("https://proxied.example")).is_some()
}

/// The proxy that the environment names for this URL.
fn proxy_for(url: &Url) -> Option<String> {
    if is_loopback(url) {
        return None;
    }
    let uri = url.as_str().parse().ok()?;
    let proxy = hyper_util::client::proxy::matcher::Matcher::from_env().intercept(&uri)?;
    proxy.uri().authority().map(ToString::to_string)
}

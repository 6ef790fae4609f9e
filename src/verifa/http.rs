//! The HTTP client itself: how it connects, through which proxy, whom it trusts; and when it is made, which is late.
//!
//! It follows no redirect (the key would go along), repeats nothing by itself, and never logs a URL.

use std::{sync::OnceLock, time::Duration};

use reqwest::Certificate;
use tokio::time::{sleep, timeout};

use super::{BaseUrl, ClientSettings, SetupFault};

/// How long a client is given to make its first call before a connection is opened ahead of it.
const MOMENT: Duration = Duration::from_millis(50);

/// The HTTP client of the process.
#[derive(Debug)]
pub(super) struct Http {
    is_loopback: bool,
    is_https: bool,
    extra_authorities: Vec<Certificate>,
    connect_timeout: Duration,
    proxy: Option<String>,
    // Made when first needed: loading root certificates is half of a cold start.
    client: OnceLock<Result<reqwest::Client, SetupFault>>,
}

impl Http {
    pub(super) fn new(settings: &ClientSettings) -> Self {
        let attempt = settings.attempt_timeout.min(settings.retry_budget);
        Self {
            is_loopback: settings.base_url.is_loopback(),
            is_https: settings.base_url.is_https(),
            extra_authorities: settings.extra_authorities.clone(),
            // Shorter than any attempt, so that an attempt without a connection is known to have sent nothing.
            connect_timeout: settings.connect_timeout.min(attempt.mul_f64(0.9)),
            proxy: proxy_of(&settings.base_url),
            client: OnceLock::new(),
        }
    }

    /// The client, made now if it is not yet.
    pub(super) fn get(&self) -> Result<&reqwest::Client, SetupFault> {
        self.client.get_or_init(|| self.make()).as_ref().map_err(|fault| *fault)
    }

    /// The proxy that requests go through, as `host:port`.
    pub(super) fn proxy(&self) -> Option<&str> {
        self.proxy.as_deref()
    }

    /// The time until a connection stands.
    pub(super) fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// Opens an encrypted connection with a `HEAD` of the base URL, without the key, unless there was a request before.
    pub(super) async fn connect_ahead(&self, base_url: &BaseUrl, limit: Duration) {
        if !self.is_https {
            return;
        }
        // A call that comes at once opens its own; two handshakes would hold each other up.
        sleep(MOMENT).await;
        if self.client.get().is_some() {
            return;
        }
        let Ok(client) = self.get() else { return };
        let opened = timeout(limit, client.head(base_url.as_str()).send()).await;
        // A failure is told by the first call, in words.
        tracing::debug!(opened = opened.is_ok_and(|response| response.is_ok()), "connection opened ahead");
    }

    fn make(&self) -> Result<reqwest::Client, SetupFault> {
        // The first one stays, and there is no other in this process.
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
            // No certificate is ever looked at, so a computer without any will do.
            builder.tls_certs_only([])
        };
        builder.build().map_err(|_| SetupFault::RootCertificates)
    }
}

/// The proxy that the environment names for this URL. Loopback never goes through one.
fn proxy_of(base_url: &BaseUrl) -> Option<String> {
    if base_url.is_loopback() {
        return None;
    }
    let uri = base_url.as_str().parse().ok()?;
    let proxy = hyper_util::client::proxy::matcher::Matcher::from_env().intercept(&uri)?;
    proxy.uri().authority().map(ToString::to_string)
}

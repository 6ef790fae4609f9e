//! Fetches the documents of an authorization server: small, in time, and from the address itself.
//!
//! No redirect is followed, and nothing of a URL or a body gets into an error.

use std::time::Duration;

use reqwest::{
    Request, StatusCode,
    header::{ACCEPT, CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue},
};
use url::Url;

use crate::{
    http_client::{HttpClient, HttpClientSettings},
    verifa::Error,
};

/// The largest document, in bytes.
pub(crate) const MAX_DOCUMENT: usize = 64 * 1024;
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum DocumentError {
    #[error(transparent)]
    Connection(#[from] Error),
    #[error("the response is larger than 64 KiB")]
    TooLarge,
}

/// A client for an authorization server.
pub(crate) fn client(url: &Url, extra_authorities: Vec<reqwest::Certificate>) -> HttpClient {
    HttpClient::new(HttpClientSettings { base_url: url, extra_authorities, connect_timeout: CONNECT_TIMEOUT })
}

pub(crate) async fn get(client: &HttpClient, url: Url) -> Result<Document, DocumentError> {
    let mut request = Request::new(reqwest::Method::GET, url);
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    send(client, request, TIMEOUT).await
}

pub(crate) async fn send(
    client: &HttpClient,
    mut request: Request,
    limit: Duration,
) -> Result<Document, DocumentError> {
    *request.timeout_mut() = Some(limit);
    let failed = |error: reqwest::Error| Error::classify(&error, limit, client.proxy());
    let mut response = client.get().map_err(Error::from)?.execute(request).await.map_err(failed)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > MAX_DOCUMENT {
            return Err(DocumentError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    let headers = std::mem::take(response.headers_mut());
    Ok(Document { status: response.status(), headers, body })
}

impl Document {
    pub(crate) fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn max_age(&self) -> Option<Duration> {
        let directives = self.header(CACHE_CONTROL)?;
        let seconds = directives.split(',').find_map(|directive| directive.trim().strip_prefix("max-age="))?;
        seconds.parse().ok().map(Duration::from_secs)
    }
}

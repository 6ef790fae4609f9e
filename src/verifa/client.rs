//! The client of Verifa's API: sends a request, retries it where that helps, and reads the response.
//!
//! It never follows a redirect (the key would be sent elsewhere), never reads more than a mebibyte, and never logs a URL,
//! a header or a body.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use reqwest::{
    Certificate, Request, Response,
    header::{ACCEPT, CONTENT_TYPE, DATE, HeaderValue, RETRY_AFTER},
};
use serde_json::Value;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};

use super::{
    ApiKey, ApiResponse, BaseUrl, BodyError, Endpoint, Error, ErrorResponse, Failure, RequestHeaders, json,
    retry::{self, RetryDecision, RetryState, SHORTEST_ATTEMPT},
    wire,
};
use crate::http_client::{HttpClient, HttpClientSettings};

/// How long a client is given to make its first call before a connection is opened ahead of it.
const PRECONNECT_DELAY: Duration = Duration::from_millis(50);

/// Names a request in many APIs. That Verifa sends it is not documented.
const REQUEST_ID: &str = "x-request-id";

/// The largest body that is read, in bytes.
const MAX_BODY: usize = 1024 * 1024;

/// The share of an attempt's time that reading the body of an error response may take.
const ERROR_BODY_SHARE: f64 = 0.25;

#[derive(Debug, Clone)]
pub struct ClientSettings {
    pub base_url: BaseUrl,
    /// Certificate authorities to trust besides the system's.
    pub extra_authorities: Vec<Certificate>,
    /// For all attempts of one call together.
    pub retry_budget: Duration,
    /// For establishing a connection.
    pub connect_timeout: Duration,
    /// For one attempt, from its first byte to the response's last.
    pub attempt_timeout: Duration,
    /// Maximum concurrent requests.
    pub max_upstream: usize,
    /// Whether to open a connection ahead of the first request.
    pub connect_ahead: bool,
}

/// A retry that is about to happen.
#[derive(Debug)]
pub(crate) struct Retry {
    /// The attempt that failed, counted from 1.
    pub(crate) attempt: u32,
    pub(crate) error: Error,
    /// Until the next attempt.
    pub(crate) delay: Duration,
}

/// Called with each retry before its delay.
pub(crate) type OnRetry<'a> = dyn Fn(&Retry) + Send + Sync + 'a;

/// Verifa's API. One for the process, whichever key a request is sent with.
#[derive(Debug)]
pub struct Client {
    settings: ClientSettings,
    http: HttpClient,
    permits: Semaphore,
}

impl Client {
    /// A client without a connection.
    pub fn new(settings: ClientSettings) -> Self {
        let attempt = settings.attempt_timeout.min(settings.retry_budget);
        let http = HttpClient::new(HttpClientSettings {
            base_url: settings.base_url.as_url(),
            extra_authorities: settings.extra_authorities.clone(),
            // Shorter than any attempt, so that an attempt without a connection is known to have sent nothing.
            connect_timeout: settings.connect_timeout.min(attempt.mul_f64(0.9)),
        });
        let permits = Semaphore::new(settings.max_upstream);
        Self { settings, http, permits }
    }

    /// The proxy that requests go through, as `host:port`.
    pub(crate) fn proxy(&self) -> Option<&str> {
        self.http.proxy()
    }

    /// Opens a connection ahead of the first request, so that its user need not wait for DNS and TLS. Does nothing if a
    /// request was sent before, the connection is not encrypted, or the settings say no.
    pub(crate) async fn connect_ahead(&self) {
        if !self.settings.connect_ahead || !self.http.is_https() {
            return;
        }
        // A call that comes at once opens its own; two handshakes would slow each other down.
        sleep(PRECONNECT_DELAY).await;
        if self.http.is_built() {
            return;
        }
        let Ok(client) = self.http.get() else { return };
        let opened = timeout(self.settings.attempt_timeout, client.head(self.settings.base_url.as_str()).send()).await;
        // The first call reports a failure.
        tracing::debug!(opened = opened.is_ok_and(|response| response.is_ok()), "connection opened ahead");
    }

    /// Sends a request, and retries it within the budget. Dropping the future stops it.
    ///
    /// # Errors
    /// The last attempt's error, and whether the request may have taken effect.
    pub(crate) async fn send<E: Endpoint>(
        &self,
        key: &ApiKey,
        headers: &RequestHeaders,
        endpoint: &E,
        on_retry: &OnRetry<'_>,
    ) -> Result<ApiResponse<E::Response>, Failure> {
        let request = self.request(headers, endpoint);
        let budget = self.settings.retry_budget;
        let started = Instant::now();
        let mut attempts = 0;
        let mut outcome_unknown = false;
        let mut earlier = None;
        loop {
            attempts += 1;
            let error = match self.attempt(key, &request, endpoint, started + budget).await {
                Ok(response) => return Ok(ApiResponse { attempts, ..response }),
                Err(error) => error,
            };
            let elapsed = started.elapsed();
            let state =
                RetryState { attempts, elapsed, outcome_unknown, shortest_attempt: self.shortest_attempt(&error) };
            outcome_unknown |= error.outcome_unknown();
            match retry::decide(&error, state, budget, fastrand::f64()) {
                RetryDecision::GiveUp => {
                    let informative = earlier.filter(|_| self.was_cut_short(&error));
                    let (error, last) = (informative.unwrap_or_else(|| error.clone()), error);
                    return Err(Failure { error, last, attempts, elapsed, outcome_unknown });
                }
                RetryDecision::RetryAfter(delay) => {
                    tracing::info!(attempt = attempts, %error, delay_seconds = delay.as_secs_f64(), "will retry");
                    let next = Instant::now() + delay;
                    let retry = Retry { attempt: attempts, error, delay };
                    on_retry(&retry);
                    earlier = Some(retry.error);
                    sleep_until(next).await;
                }
            }
        }
    }

    /// Sends a request once.
    ///
    /// # Errors
    /// Why there is no usable response.
    pub(crate) async fn send_once<E: Endpoint>(
        &self,
        key: &ApiKey,
        headers: &RequestHeaders,
        endpoint: &E,
    ) -> Result<ApiResponse<E::Response>, Error> {
        let deadline = Instant::now() + self.settings.attempt_timeout;
        self.attempt(key, &self.request(headers, endpoint), endpoint, deadline).await
    }

    fn request(&self, headers: &RequestHeaders, endpoint: &impl Endpoint) -> Request {
        let mut request = endpoint.request(&self.settings.base_url);
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.apply(request.headers_mut());
        request
    }

    /// Whether the end of the budget cut an attempt short, so that an earlier attempt's error says more.
    fn was_cut_short(&self, error: &Error) -> bool {
        match error {
            Error::TimedOut(limit) => *limit < self.settings.attempt_timeout,
            Error::Busy => true,
            _ => false,
        }
    }

    async fn attempt<E: Endpoint>(
        &self,
        key: &ApiKey,
        request: &Request,
        endpoint: &E,
        deadline: Instant,
    ) -> Result<ApiResponse<E::Response>, Error> {
        let http = self.http.get()?;
        // A free permit is taken even at the last moment; waiting for one must leave time for the attempt.
        let last_moment = deadline.checked_sub(SHORTEST_ATTEMPT).unwrap_or(deadline);
        let permit = timeout_at(last_moment, self.permits.acquire()).await;
        let _permit = permit.ok().and_then(Result::ok).ok_or(Error::Busy)?;
        let limit = self.settings.attempt_timeout.min(deadline.saturating_duration_since(Instant::now()));
        // A request whose body is in memory, or that has none, can always be cloned.
        let mut request = request.try_clone().ok_or(Error::Interrupted)?;
        request.headers_mut().insert(wire::API_KEY, key.expose_header());
        let end = Instant::now() + limit;
        let response = timeout_at(end, http.execute(request)).await.map_err(|_| Error::TimedOut(limit))?;
        let response = response.map_err(|error| Error::classify(&error, limit, self.proxy()))?;
        self.read(response, endpoint, limit, end).await
    }

    async fn read<E: Endpoint>(
        &self,
        mut response: Response,
        endpoint: &E,
        limit: Duration,
        end: Instant,
    ) -> Result<ApiResponse<E::Response>, Error> {
        let status = response.status();
        let date = header(&response, DATE.as_str()).and_then(|value| httpdate::parse_http_date(value).ok());
        let now = date.unwrap_or_else(SystemTime::now);
        let retry_after = header(&response, RETRY_AFTER.as_str()).and_then(|value| retry::read_retry_after(value, now));
        if !status.is_success() {
            // The status says enough: an error's body is worth neither a long wait nor a retry.
            let end = end.min(Instant::now() + limit.mul_f64(ERROR_BODY_SHARE));
            let body = timeout_at(end, read_body(&mut response)).await.ok().and_then(Result::ok);
            let body = body.flatten().unwrap_or_default();
            let content_type = header(&response, CONTENT_TYPE.as_str());
            let request_id = header(&response, REQUEST_ID);
            return Err(Error::Status(ErrorResponse::read(status, content_type, &body, retry_after, request_id)));
        }
        let body = timeout_at(end, read_body(&mut response)).await.map_err(|_| Error::TimedOut(limit))?;
        let body = body.map_err(|error| Error::classify(&error, limit, self.proxy()))?;
        let value = parse(body).and_then(|body| endpoint.read(&body, &self.settings.base_url));
        let value = value.map_err(|error| Error::Unreadable { status, error })?;
        let date = date.and_then(|date| Timestamp::try_from(date).ok());
        Ok(ApiResponse { value, status, attempts: 1, date, received: Timestamp::now() })
    }

    /// The time that another attempt needs to be worth trying.
    fn shortest_attempt(&self, error: &Error) -> Duration {
        match error {
            Error::Unreachable { .. } => self.http.connect_timeout().max(SHORTEST_ATTEMPT),
            _ => SHORTEST_ATTEMPT,
        }
    }
}

/// A body as JSON, its keys in snake case.
fn parse(body: Option<Vec<u8>>) -> Result<Value, BodyError> {
    json::read(&body.ok_or(BodyError::TooLarge)?).ok_or(BodyError::NotJson)
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// The whole body; `None` if it is larger than [`MAX_BODY`].
async fn read_body(response: &mut Response) -> reqwest::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_BODY {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

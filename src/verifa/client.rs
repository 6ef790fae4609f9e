//! The API's client: sends one request for one call, repeats it where that helps, and reads what comes back.
//!
//! It never follows a redirect (the key would go along), never reads more than a mebibyte, and never logs a URL, a
//! header or a body.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use reqwest::{
    Certificate, Method, Request, Response, Url,
    header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderName, HeaderValue, RETRY_AFTER},
};
use serde_json::{Value, json};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};

use super::{
    ApiKey, ApiResponse, ApiVersion, BaseUrl, BodyError, Error, ErrorResponse, Failure, FreshLink, KeyInflection,
    LinkEndpoint, LinkRequest, RateLimits, Session, SessionId, SessionPage, SessionSearch,
    retry::{self, Decision, Progress, SHORTEST_ATTEMPT},
    transport_error, wire,
};

use crate::http_client::{HttpClient, HttpClientSettings};

/// How long a client is given to make its first call before a connection is opened ahead of it.
const PRECONNECT_DELAY: Duration = Duration::from_millis(50);

/// The largest answer that is read, in bytes.
const MAX_BODY: usize = 1024 * 1024;

/// What a client is made of.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// Where the API is.
    pub base_url: BaseUrl,
    /// Certificate authorities to trust besides the system's.
    pub extra_authorities: Vec<Certificate>,
    /// All attempts of one call together.
    pub retry_budget: Duration,
    /// Until a connection stands.
    pub connect_timeout: Duration,
    /// One attempt, from its first byte to the answer's last.
    pub attempt_timeout: Duration,
    /// Requests at once.
    pub max_upstream: usize,
    /// Whether a connection is opened ahead of the first request.
    pub connect_ahead: bool,
}

/// A wait between two attempts.
#[derive(Debug)]
pub struct Wait {
    /// The attempt that failed, counted from 1.
    pub attempt: u32,
    /// Why it failed.
    pub error: Error,
    /// How long the wait is.
    pub delay: Duration,
}

/// Verifa's API. One for the process, whosever key a call is made with.
#[derive(Debug)]
pub struct Client {
    settings: ClientSettings,
    http: HttpClient,
    permits: Semaphore,
}

impl Client {
    /// A client that has not connected yet.
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

    /// What this client was made of.
    pub fn settings(&self) -> &ClientSettings {
        &self.settings
    }

    /// The proxy that requests go through, as `host:port`.
    pub fn proxy(&self) -> Option<&str> {
        self.http.proxy()
    }

    /// Opens a connection ahead of the first request, so that its user need not wait for DNS and TLS. Nothing comes of it
    /// where a request was sent before, the connection is not encrypted, or the settings say no.
    pub async fn connect_ahead(&self) {
        if !self.settings.connect_ahead || !self.http.is_https() {
            return;
        }
        // A call that comes at once opens its own; two handshakes would hold each other up.
        sleep(PRECONNECT_DELAY).await;
        if self.http.is_built() {
            return;
        }
        let Ok(client) = self.http.get() else { return };
        let opened = timeout(self.settings.attempt_timeout, client.head(self.settings.base_url.as_str()).send()).await;
        // The first call reports a failure.
        tracing::debug!(opened = opened.is_ok_and(|response| response.is_ok()), "connection opened ahead");
    }

    /// Makes a fresh link: `POST /api/v1/sessions/{session_id}/resume` or `…/generate-one-time-link`, repeated within the
    /// budget.
    ///
    /// `on_wait` is told of each wait, and given at most that wait's time. Dropping the future stops the request.
    ///
    /// # Errors
    /// The last attempt's error, and whether the link may have been made all the same.
    pub async fn fresh_link<F: Future<Output = ()>>(
        &self,
        key: &ApiKey,
        asked: &LinkRequest,
        on_wait: impl Fn(Wait) -> F,
    ) -> Result<ApiResponse<FreshLink>, Failure> {
        let (path, body, read): (_, _, fn(&Value) -> _) = match asked.endpoint {
            LinkEndpoint::Resume => ("resume", None, FreshLink::read_resumed),
            LinkEndpoint::OneTimeLink { expires_in_minutes } => {
                let body = json!({ (wire::EXPIRES_IN_MINUTES): expires_in_minutes });
                (wire::GENERATE_ONE_TIME_LINK, Some(body), FreshLink::read_one_time)
            }
        };
        let url = self.settings.base_url.endpoint(&["sessions", asked.session_id.as_str(), path]);
        let mut request = request(Method::POST, url, key, asked.key_inflection, asked.verifa_version.as_ref());
        set_header(&mut request, wire::IDEMPOTENCY_KEY, asked.idempotency_key.as_str());
        match body {
            // Some gateways refuse a POST that does not say that it has no body.
            None => set_header(&mut request, CONTENT_LENGTH.as_str(), "0"),
            Some(body) => {
                set_header(&mut request, CONTENT_TYPE.as_str(), "application/json");
                *request.body_mut() = Some(body.to_string().into());
            }
        }
        self.repeat(&request, read, on_wait).await
    }

    /// Looks at a session: `GET /api/v1/sessions/{session_id}`, repeated within the budget.
    ///
    /// # Errors
    /// The last attempt's error.
    pub async fn session<F: Future<Output = ()>>(
        &self,
        key: &ApiKey,
        session_id: &SessionId,
        verifa_version: Option<&ApiVersion>,
        on_wait: impl Fn(Wait) -> F,
    ) -> Result<ApiResponse<Session>, Failure> {
        let url = self.settings.base_url.endpoint(&["sessions", session_id.as_str()]);
        let request = request(Method::GET, url, key, KeyInflection::Snake, verifa_version);
        let read = |body: &Value| match Session::read(body)? {
            session if session.id == *session_id => Ok(session),
            _ => Err(BodyError::OtherSession),
        };
        self.repeat(&request, read, on_wait).await
    }

    /// Finds sessions: `GET /api/v1/sessions`, repeated within the budget.
    ///
    /// # Errors
    /// The last attempt's error.
    pub async fn sessions<F: Future<Output = ()>>(
        &self,
        key: &ApiKey,
        search: &SessionSearch,
        verifa_version: Option<&ApiVersion>,
        on_wait: impl Fn(Wait) -> F,
    ) -> Result<ApiResponse<SessionPage>, Failure> {
        let mut url = self.settings.base_url.endpoint(&["sessions"]);
        url.query_pairs_mut().extend_pairs(search.parameters());
        let request = request(Method::GET, url, key, KeyInflection::Snake, verifa_version);
        self.repeat(&request, |body: &Value| SessionPage::read(body, search.limit), on_wait).await
    }

    /// Asks what the key may do: `GET /api/v1/rate-limits`, once.
    ///
    /// # Errors
    /// Why there is no usable answer.
    pub async fn rate_limits(
        &self,
        key: &ApiKey,
        verifa_version: Option<&ApiVersion>,
    ) -> Result<ApiResponse<RateLimits>, Error> {
        let url = self.settings.base_url.endpoint(&["rate-limits"]);
        let request = request(Method::GET, url, key, KeyInflection::Snake, verifa_version);
        self.attempt(&request, Instant::now() + self.settings.attempt_timeout, RateLimits::read).await
    }

    async fn repeat<T, F: Future<Output = ()>>(
        &self,
        request: &Request,
        read: impl Fn(&Value) -> Result<T, BodyError> + Copy,
        on_wait: impl Fn(Wait) -> F,
    ) -> Result<ApiResponse<T>, Failure> {
        let budget = self.settings.retry_budget;
        let started = Instant::now();
        let mut attempts = 0;
        let mut outcome_unknown = false;
        let mut earlier = None;
        loop {
            attempts += 1;
            let error = match self.attempt(request, started + budget, read).await {
                Ok(answer) => return Ok(ApiResponse { attempts, ..answer }),
                Err(error) => error,
            };
            let elapsed = started.elapsed();
            let progress =
                Progress { attempts, elapsed, outcome_unknown, shortest_attempt: self.shortest_attempt(&error) };
            outcome_unknown |= error.outcome_unknown();
            match retry::decide(&error, progress, budget, fastrand::f64()) {
                Decision::Stop => {
                    let telling = earlier.filter(|_| self.says_only_that_time_is_up(&error));
                    let (error, last) = (telling.unwrap_or_else(|| error.clone()), error);
                    return Err(Failure { error, last, attempts, elapsed, outcome_unknown: outcome_unknown });
                }
                Decision::WaitFor(delay) => {
                    tracing::info!(attempt = attempts, %error, wait_seconds = delay.as_secs_f64(), "will repeat");
                    let end = Instant::now() + delay;
                    // Whoever listens cannot hold the call up, nor make the future of all calls large.
                    let told = Box::pin(on_wait(Wait { attempt: attempts, error: error.clone(), delay }));
                    let _ = timeout_at(end, told).await;
                    earlier = Some(error);
                    sleep_until(end).await;
                }
            }
        }
    }

    /// Whether the end of the budget cut an attempt short, so that an earlier attempt's error says more.
    fn says_only_that_time_is_up(&self, error: &Error) -> bool {
        match error {
            Error::TimedOut(limit) => *limit < self.settings.attempt_timeout,
            Error::Busy => true,
            _ => false,
        }
    }

    async fn attempt<T>(
        &self,
        request: &Request,
        deadline: Instant,
        read: impl Fn(&Value) -> Result<T, BodyError> + Copy,
    ) -> Result<ApiResponse<T>, Error> {
        let http = self.http.get()?;
        // A permit that is free is taken even at the last moment; one to wait for must leave time for the attempt.
        let last_moment = deadline.checked_sub(SHORTEST_ATTEMPT).unwrap_or(deadline);
        let permit = timeout_at(last_moment, self.permits.acquire()).await;
        let _permit = permit.ok().and_then(Result::ok).ok_or(Error::Busy)?;
        let limit = self.settings.attempt_timeout.min(deadline.saturating_duration_since(Instant::now()));
        // A request whose body is in memory, or that has none, can always be cloned.
        let request = request.try_clone().ok_or(Error::Interrupted)?;
        let end = Instant::now() + limit;
        let response = timeout_at(end, http.execute(request)).await.map_err(|_| Error::TimedOut(limit))?;
        let response = response.map_err(|error| transport_error::classify(&error, limit, self.proxy()))?;
        self.read_answer(response, read, limit, end).await
    }

    async fn read_answer<T>(
        &self,
        mut response: Response,
        read: impl Fn(&Value) -> Result<T, BodyError> + Copy,
        limit: Duration,
        end: Instant,
    ) -> Result<ApiResponse<T>, Error> {
        let status = response.status();
        let header = |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok());
        let date = header(DATE).and_then(|value| httpdate::parse_http_date(value).ok());
        let now = date.unwrap_or_else(SystemTime::now);
        let retry_after = header(RETRY_AFTER).and_then(|value| retry::read_retry_after(value, now));
        if !status.is_success() {
            // The status says enough: an error's body is not worth a long wait, nor a repetition.
            let enough = end.min(Instant::now() + limit.div_f64(4.0));
            let body = timeout_at(enough, read_body(&mut response)).await.ok().and_then(Result::ok);
            let body = body.and_then(|body| parse(body).ok()).unwrap_or_default();
            return Err(Error::Status(ErrorResponse::read(status, &body, retry_after)));
        }
        let body = timeout_at(end, read_body(&mut response)).await.map_err(|_| Error::TimedOut(limit))?;
        let body = body.map_err(|error| transport_error::classify(&error, limit, self.proxy()))?;
        let value = parse(body).and_then(|body| read(&body)).map_err(|fault| Error::Unreadable { status, fault })?;
        let date = date.and_then(|date| Timestamp::try_from(date).ok());
        Ok(ApiResponse { value, status, attempts: 1, date, received: Timestamp::now() })
    }

    /// The time that another attempt needs to be worth its while.
    fn shortest_attempt(&self, error: &Error) -> Duration {
        match error {
            Error::Unreachable { .. } => self.http.connect_timeout().max(SHORTEST_ATTEMPT),
            _ => SHORTEST_ATTEMPT,
        }
    }
}

fn request(
    method: Method,
    url: Url,
    key: &ApiKey,
    key_inflection: KeyInflection,
    verifa_version: Option<&ApiVersion>,
) -> Request {
    let mut request = Request::new(method, url);
    request.headers_mut().insert(wire::API_KEY, key.expose_header());
    set_header(&mut request, ACCEPT.as_str(), "application/json");
    set_header(&mut request, wire::KEY_INFLECTION, key_inflection.as_str());
    if let Some(version) = verifa_version {
        set_header(&mut request, wire::VERIFA_VERSION, version.as_str());
    }
    request
}

/// Sets a header to a value whose type has made sure that a header can carry it.
fn set_header(request: &mut Request, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        request.headers_mut().insert(name, value);
    }
}

/// A body as JSON, its keys in snake case.
fn parse(body: Option<Vec<u8>>) -> Result<Value, BodyError> {
    let body = body.ok_or(BodyError::TooLarge)?;
    let value = serde_json::from_slice(&body).map_err(|_| BodyError::NotJson)?;
    Ok(KeyInflection::Snake.inflect_keys(value))
}

/// The whole body; `None` where it is larger than [`MAX_BODY`].
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

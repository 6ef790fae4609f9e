//! The door: what every request goes through before anybody looks at what it wants.
//!
//! A web page elsewhere must not reach a server on this computer, so `Host` and `Origin` are checked (DNS rebinding). A
//! request gets an id and a line in the log, which holds no query, no header and no body: they may hold secrets.

use std::{
    convert::Infallible,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    http::{
        HeaderName, HeaderValue, Method, Request, StatusCode,
        header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE},
        request::Parts,
        uri::Authority,
    },
    response::{IntoResponse, Response},
};
use hyper::body::Incoming;
use rmcp::transport::streamable_http_server::{StreamableHttpService, session::never::NeverSessionManager};
use tokio::time::timeout;
use tower::ServiceExt;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::{
    Service,
    refusal::{refuse, refuse_for_now},
};
use crate::hosts::AllowedOrigin;
use crate::untrusted::{SECRET_PREFIXES, UntrustedText};
use crate::{
    call::Caller,
    metrics::Metrics,
    server::{RequestId, Server},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Lets browsers of the allowed origins call.
pub(super) fn cors(allowed: Vec<AllowedOrigin>) -> CorsLayer {
    let names = ["last-event-id", "mcp-method", "mcp-name", "mcp-protocol-version", "mcp-session-id", "x-api-key"];
    let headers =
        names.map(HeaderName::from_static).into_iter().chain([ACCEPT, AUTHORIZATION, CONTENT_TYPE, REQUEST_ID]);
    let is_allowed = move |origin: &HeaderValue, _: &Parts| {
        origin.to_str().is_ok_and(|origin| allowed.iter().any(|allowed| allowed.matches(origin)))
    };
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(is_allowed))
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers(headers.collect::<Vec<_>>())
        .expose_headers([REQUEST_ID, RETRY_AFTER, WWW_AUTHENTICATE])
}

/// The door, and what is behind it.
pub(super) struct Front {
    pub(super) service: Arc<Service>,
    /// `/mcp`, to which nearly every request goes: straight, not through the router.
    pub(super) mcp: StreamableHttpService<Server, NeverSessionManager>,
    /// From a request to the beginning of its answer.
    pub(super) time: Duration,
    pub(super) others: Router,
}

impl Front {
    /// Gives the request an id, refuses it where it must not come in, answers it, and writes it down.
    pub(super) async fn receive(self: Arc<Self>, mut request: Request<Incoming>) -> Result<Response, Infallible> {
        let service = &self.service;
        let path = known_path(request.uri().path());
        let id = request_id(&request);
        let mut line = AccessLine::new(&service.metrics, known_method(request.method()), path, &id);
        request.extensions_mut().insert(RequestId(id.clone()));

        let mut response = match service.refusal(&request, path) {
            Some(refusal) => refusal.into_response(),
            None if is_open(path) => self.others.clone().oneshot(request).await?,
            None => match service.auth.authenticate(request.headers(), request.uri().query(), &service.permissions) {
                Ok(caller) => {
                    line.caller = caller.label().map(str::to_owned);
                    // The future is large, and is moved about while it is still in one piece with others.
                    let answer = Box::pin(self.answer(path, caller, request));
                    timeout(self.time, answer).await.unwrap_or_else(|_| Ok(too_late(path)))?
                }
                Err(denied) => denied.into_response(),
            },
        };

        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        // nginx would otherwise hold events back until its buffer is full.
        response.headers_mut().insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
        line.status = response.status().as_u16();
        Ok(response)
    }

    async fn answer(&self, path: &str, caller: Caller, mut request: Request<Incoming>) -> Result<Response, Infallible> {
        if path != "/mcp" {
            request.extensions_mut().insert(caller);
            return self.others.clone().oneshot(request).await;
        }
        if request.method() == Method::POST {
            match self.service.calls.take(&caller) {
                // Held until the call has ended: it travels with the request to wherever that happens.
                Ok(place) => request.extensions_mut().insert(Arc::new(place)),
                Err(too_many) => return Ok(too_many.into_response()),
            };
        }
        request.extensions_mut().insert(caller);
        Ok(self.mcp.handle(request).await.map(Body::new))
    }
}

fn too_late(path: &str) -> Response {
    let text = if path == "/mcp" {
        "No answer came in time. What was asked for may have been done all the same. Call again."
    } else {
        "This message was not taken: your stream is not read, or too many of your calls run. Send it again."
    };
    refuse(StatusCode::REQUEST_TIMEOUT, text)
}

/// A request's line in the log and its count, written when it is dropped: also when the client left before the answer.
struct AccessLine<'a> {
    metrics: &'a Metrics,
    method: &'static str,
    path: &'static str,
    request_id: &'a str,
    caller: Option<String>,
    status: u16,
    started: Instant,
}

impl<'a> AccessLine<'a> {
    /// What proxies log for a client that closed the connection before it was answered.
    const CLIENT_LEFT: u16 = 499;

    fn new(metrics: &'a Metrics, method: &'static str, path: &'static str, request_id: &'a str) -> Self {
        Self { metrics, method, path, request_id, caller: None, status: Self::CLIENT_LEFT, started: Instant::now() }
    }
}

impl Drop for AccessLine<'_> {
    fn drop(&mut self) {
        let Self { method, path, request_id, status, .. } = self;
        let (time, caller) = (self.started.elapsed(), self.caller.as_deref());
        self.metrics.http_responded(path, *status, time);
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        if *status < 400 {
            // A call that went well has its own line.
            tracing::debug!(method, path, status, milliseconds, request_id, caller, "answered");
        } else {
            tracing::info!(method, path, status, milliseconds, request_id, caller, "answered");
        }
    }
}

/// What a client may know without saying who it is.
fn is_open(path: &str) -> bool {
    !matches!(path, "/mcp" | "/sse" | "/messages")
}

fn known_path(path: &str) -> &'static str {
    const KNOWN: [&str; 6] = ["/mcp", "/sse", "/messages", "/healthz", "/readyz", "/metrics"];
    KNOWN.into_iter().find(|known| *known == path).unwrap_or("other")
}

fn known_method(method: &Method) -> &'static str {
    const KNOWN: [Method; 5] = [Method::GET, Method::POST, Method::DELETE, Method::HEAD, Method::OPTIONS];
    let index = KNOWN.iter().position(|known| known == method);
    index.and_then(|index| ["GET", "POST", "DELETE", "HEAD", "OPTIONS"].get(index).copied()).unwrap_or("other")
}

/// The caller's own id, where it is harmless, so that one id follows a request through all logs.
fn request_id(request: &Request<Incoming>) -> String {
    let harmless = |id: &&str| {
        let secret = SECRET_PREFIXES.iter().any(|prefix| id.contains(prefix));
        let safe = id.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-'));
        safe && !secret && (1..=64).contains(&id.len())
    };
    let given = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(harmless);
    // It is for logs, and need not be hard to guess: the system is not asked for chance.
    let random = || uuid::Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid().to_string();
    given.map_or_else(random, str::to_owned)
}

impl Service {
    fn refusal(&self, request: &Request<Incoming>, path: &str) -> Option<Refusal> {
        // Probes name whatever address they found, and learn nothing that is worth hiding.
        if matches!(path, "/healthz" | "/readyz") {
            return None;
        }
        if self.stopping.is_cancelled() {
            return Some(Refusal::Stopping);
        }
        let values = |name| request.headers().get_all(name).iter().map(|it| it.to_str().unwrap_or_default());
        let shown = |name| UntrustedText::truncated(&values(name).collect::<Vec<_>>().join(", "), 100);
        let named = request.uri().authority().map(Authority::as_str);
        let mut hosts = values(HOST).chain(named).peekable();
        // Of two names, another might be looked at further in than here.
        let allowed = hosts.peek().is_some() && values(HOST).count() <= 1 && hosts.all(|host| self.allows_host(host));
        if !allowed {
            return Some(Refusal::Host(shown(HOST)));
        }
        let allowed = values(ORIGIN).count() <= 1 && values(ORIGIN).all(|origin| self.allows_origin(origin));
        (!allowed).then(|| Refusal::Origin(shown(ORIGIN)))
    }

    fn allows_host(&self, host: &str) -> bool {
        self.allowed_hosts.iter().any(|allowed| allowed.matches(host))
    }

    fn allows_origin(&self, origin: &str) -> bool {
        self.allowed_origins.iter().any(|allowed| allowed.matches(origin))
    }
}

/// Why a request does not come in.
pub(super) enum Refusal {
    Host(UntrustedText),
    Origin(UntrustedText),
    Stopping,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(
                formatter,
                "This server does not go by the name {}. If it should, add it with --allowed-host \
                 (VERIFA_MCP_ALLOWED_HOSTS).",
                host.quoted()
            ),
            Self::Origin(origin) => write!(
                formatter,
                "Web pages of {} may not call this server. If they should, add the origin with \
                 --allowed-origin (VERIFA_MCP_ALLOWED_ORIGINS).",
                origin.quoted()
            ),
            Self::Stopping => formatter.write_str("This server is stopping. Try again: another may answer."),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let text = self.to_string();
        match self {
            Self::Host(_) | Self::Origin(_) => refuse(StatusCode::FORBIDDEN, &text),
            Self::Stopping => {
                let mut response = refuse_for_now(StatusCode::SERVICE_UNAVAILABLE, 1, &text);
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                response
            }
        }
    }
}

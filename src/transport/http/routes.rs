//! The routes: one table of paths, methods, access and handlers, and the checks that every request passes.
//!
//! A route cannot be declared without its access, and a handler that needs a caller cannot be reached without one.

use std::{convert::Infallible, sync::Arc};

use axum::{
    http::{HeaderName, HeaderValue, Method, Request, StatusCode},
    response::{IntoResponse, Response},
};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::{
    HttpConfig, HttpState,
    access_control::{check_host, check_origin, check_site},
    access_log::{AccessLine, REQUEST_ID, is_probe, request_id},
    auth::oauth::WELL_KNOWN,
    classic_sse,
    connection_owner::ConnectionShare,
    error_response::error_response,
    health,
    limits::CallPermit,
    mcp,
    query::{MESSAGE_PARAMETERS, PARAMETERS, Query},
    rejection::{RequestRejection, closing},
};
use crate::{call::Caller, server::RequestId};

const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

const GET: &[Method] = &[Method::GET];
const GET_HEAD: &[Method] = &[Method::GET, Method::HEAD];
const GET_HEAD_OPTIONS: &[Method] = &[Method::GET, Method::HEAD, Method::OPTIONS];
const POST: &[Method] = &[Method::POST];

/// The routes of the main listeners. `/mcp`, which nearly every request is for, is first.
const ROUTES: [Route; 8] = [
    Route::closed("/mcp", POST, CallerHandler::Mcp),
    // Pasted URLs and load balancers add the slash; a redirect would lose the `Authorization` header.
    Route::closed("/mcp/", POST, CallerHandler::Mcp),
    Route::closed("/sse", GET, CallerHandler::OpenStream),
    Route::closed("/messages", POST, CallerHandler::ReceiveMessage),
    Route::probe("/healthz", GET_HEAD, PublicHandler::Alive),
    Route::probe("/readyz", GET_HEAD, PublicHandler::Ready),
    Route::public("/metrics", GET_HEAD, PublicHandler::Metrics),
    Route::open(WELL_KNOWN, GET_HEAD_OPTIONS, PublicHandler::OAuthMetadata),
];

/// The routes of a listener for metrics alone, which scrapers reach under any name.
const METRICS_ROUTES: [Route; 3] = [
    Route::probe("/healthz", GET_HEAD, PublicHandler::Alive),
    Route::probe("/readyz", GET_HEAD, PublicHandler::Ready),
    Route::probe("/metrics", GET_HEAD, PublicHandler::Metrics),
];

#[derive(Clone, Copy)]
pub(super) struct Route {
    path: &'static str,
    methods: &'static [Method],
    access: Access,
}

/// Who may use a route, and with it what handles it.
#[derive(Clone, Copy)]
enum Access {
    /// Authenticated callers.
    Caller(CallerHandler),
    /// Everyone, if `Host` and `Origin` are allowed.
    Public(PublicHandler),
    /// Everyone, web pages of every origin too.
    Open(PublicHandler),
    /// Everyone, with any `Host`, also while the server stops: probes use whatever address they found.
    Probe(PublicHandler),
}

#[derive(Clone, Copy)]
enum CallerHandler {
    Mcp,
    OpenStream,
    ReceiveMessage,
}

#[derive(Clone, Copy)]
enum PublicHandler {
    Alive,
    Ready,
    Metrics,
    OAuthMetadata,
}

impl CallerHandler {
    fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Mcp | Self::OpenStream => &PARAMETERS,
            Self::ReceiveMessage => &MESSAGE_PARAMETERS,
        }
    }
}

impl Route {
    const fn closed(path: &'static str, methods: &'static [Method], handler: CallerHandler) -> Self {
        Self { path, methods, access: Access::Caller(handler) }
    }

    const fn public(path: &'static str, methods: &'static [Method], handler: PublicHandler) -> Self {
        Self { path, methods, access: Access::Public(handler) }
    }

    const fn open(path: &'static str, methods: &'static [Method], handler: PublicHandler) -> Self {
        Self { path, methods, access: Access::Open(handler) }
    }

    const fn probe(path: &'static str, methods: &'static [Method], handler: PublicHandler) -> Self {
        Self { path, methods, access: Access::Probe(handler) }
    }

    fn is_served(&self, config: &HttpConfig) -> bool {
        match self.access {
            Access::Caller(CallerHandler::OpenStream | CallerHandler::ReceiveMessage) => config.classic_sse,
            Access::Public(PublicHandler::Metrics) => config.has_metrics_beside_mcp(),
            Access::Open(PublicHandler::OAuthMetadata) => config.auth.oauth().is_some(),
            Access::Caller(_) | Access::Public(_) | Access::Open(_) | Access::Probe(_) => true,
        }
    }
}

fn find<'a>(routes: &'a [Route], path: &str, config: &HttpConfig) -> Option<&'a Route> {
    // The addresses of the metadata depend on the public URL's path.
    let is_metadata = || config.auth.oauth().is_some_and(|oauth| oauth.is_metadata_path(path));
    let found = routes.iter().find(|route| route.path == path);
    found.or_else(|| routes.iter().find(|route| route.path == WELL_KNOWN && is_metadata()))
}

/// Whether web pages of every origin may send a request.
pub(super) fn is_open(routes: &[Route], path: &str, config: &HttpConfig) -> bool {
    find(routes, path, config).is_some_and(|route| matches!(route.access, Access::Open(_)))
}

/// Path, methods and publicness of every route, for the test that walks the table.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, &'static [Method], bool)> {
    let is_public = |route: &Route| !matches!(route.access, Access::Caller(_));
    ROUTES.iter().map(move |route| (route.path, route.methods, is_public(route)))
}

pub(super) fn of_main_listener(config: &HttpConfig) -> Arc<[Route]> {
    ROUTES.into_iter().filter(|route| route.is_served(config)).collect()
}

pub(super) fn of_metrics_listener() -> Arc<[Route]> {
    METRICS_ROUTES.into()
}

/// A request that its route lets through, with what its handler needs.
enum Admitted {
    Public(PublicHandler),
    Mcp(Caller, CallPermit),
    OpenStream(Caller),
    ReceiveMessage(Caller, Option<String>),
}

/// Handles a request: finds its route, checks its access, lets the route's handler respond, and logs it.
pub(super) async fn handle(
    state: Arc<HttpState>,
    routes: Arc<[Route]>,
    mut request: Request<Incoming>,
) -> Result<Response, Infallible> {
    let route = find(&routes, request.uri().path(), &state.config);
    let id = request_id(request.headers());
    let path = route.map_or("other", |route| route.path);
    let mut line = AccessLine::new(&state.access_log, request.method(), path, &id);
    line.is_probe = is_probe(request.method(), request.uri().path());
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = match admit(&state, route, &request, &mut line).await {
        Ok(admitted) => respond(&state, admitted, request).await,
        Err(rejection) => rejection.respond_to(request).await,
    };
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    // nginx would otherwise hold events back until its buffer is full.
    response.headers_mut().insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    line.status = response.status().as_u16();
    Ok(response)
}

async fn admit(
    state: &HttpState,
    route: Option<&Route>,
    request: &Request<Incoming>,
    line: &mut AccessLine<'_>,
) -> Result<Admitted, RequestRejection> {
    let (config, headers) = (&state.config, request.headers());
    if !route.is_some_and(|route| matches!(route.access, Access::Probe(_))) {
        if state.stopping.is_cancelled() {
            return Err(RequestRejection::Stopping);
        }
        check_host(headers, request.uri(), &config.allowed_hosts)?;
        if !route.is_some_and(|route| matches!(route.access, Access::Open(_))) {
            check_origin(headers, &config.allowed_origins)?;
        }
    }
    let route = route.ok_or(RequestRejection::NotFound)?;
    let check_method = || {
        let is_allowed = route.methods.contains(request.method());
        is_allowed.then_some(()).ok_or(RequestRejection::Method(route.methods))
    };
    match route.access {
        Access::Public(handler) | Access::Open(handler) | Access::Probe(handler) => {
            check_method()?;
            Ok(Admitted::Public(handler))
        }
        Access::Caller(handler) => {
            check_site(headers)?;
            let mut caller = config.auth.authenticate(headers, request.uri().query()).await?;
            line.caller = caller.label().map(str::to_owned);
            if let Some(share) = request.extensions().get::<Arc<ConnectionShare>>() {
                share.assign_to(&caller)?;
            }
            // Only now: clients discover with a GET of /mcp how to authenticate.
            check_method()?;
            let query = Query::parse(request.uri().query().unwrap_or_default(), handler.parameters())?;
            caller.limit_to(config.permissions.intersection(&query.permissions));
            Ok(match handler {
                CallerHandler::Mcp => {
                    let permit = state.calls.try_acquire(&caller)?;
                    Admitted::Mcp(caller, permit)
                }
                CallerHandler::OpenStream => Admitted::OpenStream(caller),
                CallerHandler::ReceiveMessage => Admitted::ReceiveMessage(caller, query.session_id),
            })
        }
    }
}

async fn respond(state: &Arc<HttpState>, admitted: Admitted, request: Request<Incoming>) -> Response {
    let time = state.config.request_timeout;
    match admitted {
        Admitted::Public(PublicHandler::Alive) => health::alive(),
        Admitted::Public(PublicHandler::Ready) => {
            health::ready(state.stopping.is_cancelled(), state.config.auth.is_ready())
        }
        Admitted::Public(PublicHandler::Metrics) => health::metrics(&state.metrics),
        Admitted::Public(PublicHandler::OAuthMetadata) => match state.config.auth.oauth() {
            Some(oauth) => oauth.metadata(request.method()),
            None => RequestRejection::NotFound.into_response(),
        },
        Admitted::Mcp(caller, permit) => {
            // Boxed: the future is large, and would be moved around in one piece with others.
            let handled = Box::pin(mcp::respond(state, caller, permit, request));
            let text = "No response in time. What was requested may still have been done. Retry.";
            timeout(time, handled).await.unwrap_or_else(|_| too_late(text))
        }
        Admitted::OpenStream(caller) => classic_sse::open(state, caller, request.into_parts().0.headers),
        Admitted::ReceiveMessage(caller, session_id) => {
            let handled = Box::pin(classic_sse::receive(state, caller, session_id, request));
            let text =
                "This message was not accepted: your stream is not read, or too many of your calls run. Send it again.";
            timeout(time, handled).await.unwrap_or_else(|_| too_late(text))
        }
    }
}

fn too_late(text: &str) -> Response {
    // The body may not have been read.
    closing(error_response(StatusCode::GATEWAY_TIMEOUT, text))
}

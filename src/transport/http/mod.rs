//! MCP over HTTP: Streamable HTTP at `/mcp`, classic SSE, health probes and metrics.
//!
//! Nothing is kept between the requests of `/mcp`, so any replica can serve any call. TLS is left to a reverse proxy.
//! `routes` is where a request enters.

mod access_control;
mod access_log;
pub(crate) mod auth;
mod body;
mod classic_sse;
mod connection_owner;
mod connections;
mod error_response;
mod health;
mod limits;
mod mcp;
mod query;
mod rejection;
pub(crate) mod routes;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::http::Request;
use futures_util::FutureExt;
use hyper::body::Incoming;
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::{Layer, ServiceExt, service_fn};

use self::{
    access_log::AccessLog, auth::Authenticator, classic_sse::StreamRegistry, connections::Connections,
    limits::CallerLimiter,
};
use crate::{
    call::Permissions,
    hosts::{AllowedHost, AllowedOrigin},
    metrics::Metrics,
    server::Server,
    tools::WriteLimit,
};

/// The largest request body, in bytes. A call's arguments are far smaller.
const MAX_BODY: usize = 64 * 1024;
const MAX_METRICS_CONNECTIONS: usize = 16;
/// Time for responses to be sent when the server stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct HttpConfig {
    pub(crate) listen: Vec<SocketAddr>,
    /// The address of `/metrics`, unless it is served beside `/mcp`.
    pub(crate) metrics_listen: Option<SocketAddr>,
    pub(crate) auth: Authenticator,
    /// The most that any caller may use.
    pub(crate) permissions: Permissions,
    pub(crate) allowed_hosts: Vec<AllowedHost>,
    pub(crate) allowed_origins: Vec<AllowedOrigin>,
    /// Whether `/sse` and `/messages` are served.
    pub(crate) classic_sse: bool,
    pub(crate) max_connections: usize,
    pub(crate) max_streams: usize,
    pub(crate) max_streams_per_caller: usize,
    /// `None`: unlimited.
    pub(crate) max_calls_per_caller: Option<usize>,
    /// `None`: unlimited.
    pub(crate) writes_per_caller: Option<WriteLimit>,
    /// From a request to the beginning of its response.
    pub(crate) request_timeout: Duration,
    /// Time for running calls to end when the server stops.
    pub(crate) grace: Duration,
}

impl HttpConfig {
    /// Metrics need no address of their own if only this computer can reach the server.
    fn has_metrics_beside_mcp(&self) -> bool {
        self.metrics_listen.is_none() && self.listen.iter().all(|address| address.ip().is_loopback())
    }

    /// Without authentication there is only one caller, on this computer.
    fn max_connections_per_owner(&self) -> Option<usize> {
        let is_open = matches!(self.auth, Authenticator::None(_));
        (!is_open).then(|| (self.max_connections / 4).max(1))
    }
}

/// A server that has bound its ports. It responds once it is served.
#[derive(Debug)]
pub(crate) struct HttpServer {
    config: HttpConfig,
    server: Server,
    listeners: Vec<TcpListener>,
    metrics_listener: Option<TcpListener>,
}

/// What requests share.
struct HttpState {
    config: HttpConfig,
    mcp: StreamableHttpService<Server, NeverSessionManager>,
    calls: CallerLimiter,
    streams: StreamRegistry,
    metrics: Metrics,
    access_log: Arc<AccessLog>,
    stopping: CancellationToken,
}

impl HttpServer {
    pub(crate) async fn bind(config: HttpConfig, server: Server) -> io::Result<Self> {
        let mut listeners = Vec::new();
        for address in &config.listen {
            listeners.push(listen(*address).await?);
        }
        let metrics_listener = match config.metrics_listen {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        Ok(Self { config, server, listeners, metrics_listener })
    }

    /// The addresses of the main listeners, with the ports that the system chose.
    pub(crate) fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.iter().map(TcpListener::local_addr).collect()
    }

    pub(crate) fn metrics_address(&self) -> Option<SocketAddr> {
        let beside_mcp = self.listeners.first().filter(|_| self.config.has_metrics_beside_mcp());
        self.metrics_listener.as_ref().or(beside_mcp)?.local_addr().ok()
    }

    /// Serves until `stopping` is cancelled; then lets running calls end, within the grace period or until `cut`.
    pub(crate) async fn serve(self, stopping: CancellationToken, cut: CancellationToken) {
        let (end_streams, running) = (CancellationToken::new(), TaskTracker::new());
        let metrics = self.server.metrics().clone();
        let server = self.server.asking_until(stopping.clone());
        let state = Arc::new(HttpState {
            mcp: streamable_http(server.clone(), cut.clone()),
            calls: CallerLimiter::new(self.config.max_calls_per_caller, running.clone()),
            streams: StreamRegistry::new(server, &self.config, end_streams.clone()),
            config: self.config,
            access_log: AccessLog::new(metrics.clone()),
            metrics,
            stopping: stopping.clone(),
        });
        let service = |routes: Arc<[routes::Route]>| {
            let state = state.clone();
            service_fn(move |request| routes::handle(state.clone(), routes.clone(), request))
        };
        let routes = routes::of_main_listener(&state.config);
        let open = service(routes.clone());
        let with_cors = access_control::cors(state.config.allowed_origins.clone()).layer(open.clone());
        let main_state = state.clone();
        let main = service_fn(move |request: Request<Incoming>| {
            // What is open to every origin says so itself.
            match routes::is_open(&routes, request.uri().path(), &main_state.config) {
                true => open.clone().oneshot(request).left_future(),
                false => with_cors.clone().oneshot(request).right_future(),
            }
        });

        let max_connections = state.config.max_connections;
        let connections = Connections::new(max_connections, state.config.max_connections_per_owner(), stopping.clone());
        let mut background: Vec<_> = self
            .listeners
            .into_iter()
            .map(|listener| tokio::spawn(connections.clone().accept(listener, main.clone())))
            .collect();
        if let Some(listener) = self.metrics_listener {
            let connections = Connections::new(MAX_METRICS_CONNECTIONS, None, stopping.clone());
            background.push(tokio::spawn(connections.accept(listener, service(routes::of_metrics_listener()))));
        }

        let watched = state.clone();
        background.push(tokio::spawn(async move { watched.config.auth.watch(&watched.metrics).await }));

        stopping.cancelled().await;
        tracing::info!("stopping");
        running.close();
        tokio::select! {
            ended = timeout(state.config.grace, running.wait()) => {
                if ended.is_err() {
                    tracing::warn!("the grace period is over; running calls are cut off");
                }
            }
            () = cut.cancelled() => tracing::warn!("a second signal arrived; running calls are cut off"),
        }
        end_streams.cancel();
        // The calls have ended; their responses still have to be sent, unless the clients do not read them.
        tokio::select! {
            _ = timeout(DRAIN_TIMEOUT, connections.ended()) => {}
            () = cut.cancelled() => {}
        }
        cut.cancel();
        background.iter().for_each(JoinHandle::abort);
        state.access_log.finish();
    }
}

fn streamable_http(server: Server, cut: CancellationToken) -> StreamableHttpService<Server, NeverSessionManager> {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(MAX_BODY)
        .with_cancellation_token(cut)
        // `access_control` checks both, for every path alike.
        .disable_allowed_hosts()
        .disable_allowed_origins();
    StreamableHttpService::new(move || Ok(server.clone()), Arc::default(), config)
}

async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"));
    TcpListener::bind(address).await.map_err(named)
}

//! MCP over HTTP: Streamable HTTP at `/mcp`, classic SSE beside it, and what an operator needs.
//!
//! Stateless: nothing is kept between the requests of `/mcp`, so any replica answers any call. TLS is a reverse proxy's
//! job.

pub mod auth;
mod classic_sse;
mod connections;
pub mod front;
mod limits;
mod operation;
mod refusal;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::http::StatusCode;
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::{Layer, service_fn};

use self::{auth::Auth, connections::Connections, front::Front, limits::CallLimit, refusal::refuse};
use crate::hosts::{AllowedHost, AllowedOrigin};
use crate::{call::Permissions, metrics::Metrics, server::Server};

/// The largest request body that is read, in bytes. A call's arguments are far smaller.
const MAX_BODY: usize = 64 * 1024;
/// Connections at once to a listener for metrics alone.
const MAX_PROBES: usize = 16;
/// How long answers may take to leave when the server stops.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How a server is to be.
#[derive(Debug)]
pub struct Options {
    /// Where to listen.
    pub listen: Vec<SocketAddr>,
    /// Where `/metrics` is, where not beside `/mcp`.
    pub metrics_listen: Option<SocketAddr>,
    /// Who may call.
    pub auth: Auth,
    /// The most that any caller may use.
    pub permissions: Permissions,
    /// Names that the server goes by.
    pub allowed_hosts: Vec<AllowedHost>,
    /// Origins whose pages may call.
    pub allowed_origins: Vec<AllowedOrigin>,
    /// Whether `/sse` and `/messages` are there.
    pub classic_sse: bool,
    /// Connections at once.
    pub max_connections: usize,
    /// Classic SSE streams at once.
    pub max_streams: usize,
    /// Classic SSE streams that one caller has open at once.
    pub max_streams_per_caller: usize,
    /// Calls that one caller runs at once; `None` is any number.
    pub max_calls_per_caller: Option<usize>,
    /// From a request to the beginning of its answer.
    pub request_timeout: Duration,
    /// How long running calls may take to end when the server stops.
    pub grace: Duration,
}

/// A server that holds its ports, and answers once it is served.
#[derive(Debug)]
pub struct HttpServer {
    options: Options,
    server: Server,
    metrics: Metrics,
    listeners: Vec<TcpListener>,
    metrics_listener: Option<TcpListener>,
}

/// What every request is looked at with.
#[derive(Debug)]
struct Service {
    auth: Auth,
    permissions: Permissions,
    allowed_hosts: Vec<AllowedHost>,
    allowed_origins: Vec<AllowedOrigin>,
    calls: Arc<CallLimit>,
    metrics: Metrics,
    stopping: CancellationToken,
}

impl HttpServer {
    /// Takes the ports.
    ///
    /// # Errors
    /// When an address cannot be listened on; it is named.
    pub async fn bind(options: Options, server: Server) -> io::Result<Self> {
        let mut listeners = Vec::new();
        for address in &options.listen {
            listeners.push(listen(*address).await?);
        }
        let metrics_listener = match options.metrics_listen {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let metrics = server.metrics().clone();
        Ok(Self { options, server, metrics, listeners, metrics_listener })
    }

    /// Where it listens, with the ports that were chosen.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.iter().map(TcpListener::local_addr).collect()
    }

    /// Where `/metrics` is answered, if anywhere.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        let beside_mcp = self.listeners.first().filter(|_| self.has_metrics_beside_mcp());
        self.metrics_listener.as_ref().or(beside_mcp)?.local_addr().ok()
    }

    /// Where nobody else can reach them, metrics need no address of their own.
    fn has_metrics_beside_mcp(&self) -> bool {
        self.metrics_listener.is_none() && self.options.listen.iter().all(|address| address.ip().is_loopback())
    }

    /// Answers until `stopping` is cancelled; then lets running calls end, within the grace period or until `cut`.
    pub async fn serve(self, stopping: CancellationToken, cut: CancellationToken) {
        let has_metrics = self.has_metrics_beside_mcp();
        let options = self.options;
        let end_streams = CancellationToken::new();
        let running = TaskTracker::new();
        let service = Arc::new(Service {
            auth: options.auth,
            permissions: options.permissions,
            allowed_hosts: options.allowed_hosts,
            allowed_origins: options.allowed_origins.clone(),
            calls: CallLimit::new(options.max_calls_per_caller, running.clone()),
            metrics: self.metrics.clone(),
            stopping: stopping.clone(),
        });

        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_max_request_body_bytes(MAX_BODY)
            .with_cancellation_token(cut.clone())
            // The front has looked at both already, for every path alike.
            .disable_allowed_hosts()
            .disable_allowed_origins();
        let server = self.server.asking_until(stopping.clone());
        let stateless = server.clone();
        let mcp =
            StreamableHttpService::new(move || Ok(stateless.clone()), Arc::<NeverSessionManager>::default(), config);
        let health = operation::health(stopping.clone());
        let metrics = operation::metrics(self.metrics);
        let mut others =
            health.clone().fallback(async || refuse(StatusCode::NOT_FOUND, "There is nothing here. MCP is at /mcp."));
        if has_metrics {
            others = others.merge(metrics.clone());
        }
        if options.classic_sse {
            let limits = classic_sse::Limits {
                streams: options.max_streams,
                streams_per_caller: options.max_streams_per_caller,
            };
            others = others.merge(classic_sse::router(server, service.clone(), &limits, end_streams.clone()));
        }
        let front = Arc::new(Front { service, mcp, time: options.request_timeout, others });
        let app = front::cors(options.allowed_origins).layer(service_fn(move |request| front.clone().receive(request)));

        let connections = Connections::new(options.max_connections, stopping.clone());
        let probes = Connections::new(MAX_PROBES, stopping.clone());
        let mut accepting: Vec<_> = self
            .listeners
            .into_iter()
            .map(|listener| tokio::spawn(connections.clone().accept(listener, app.clone())))
            .collect();
        accepting
            .extend(self.metrics_listener.map(|listener| tokio::spawn(probes.accept(listener, health.merge(metrics)))));

        stopping.cancelled().await;
        tracing::info!("stopping");
        running.close();
        tokio::select! {
            ended = timeout(options.grace, running.wait()) => {
                if ended.is_err() {
                    tracing::warn!("the grace period is over; what still runs is cut");
                }
            }
            () = cut.cancelled() => tracing::warn!("asked again; what still runs is cut"),
        }
        end_streams.cancel();
        // The calls have ended; what they said needs a moment to leave, unless nobody takes it.
        tokio::select! {
            _ = timeout(LAST_WORDS, connections.ended()) => {}
            () = cut.cancelled() => {}
        }
        cut.cancel();
        accepting.iter().for_each(JoinHandle::abort);
    }
}

async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"));
    TcpListener::bind(address).await.map_err(named)
}

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

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    extract::{Request, State},
    http::{Method, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
};
use tokio::{net::TcpListener, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_http::timeout::TimeoutLayer;

use self::{
    auth::Auth,
    front::{AllowedHost, AllowedOrigin},
    limits::CallLimit,
};
use crate::{metrics::Metrics, server::Server, tools::Caller};

/// The largest request body that is read, in bytes. A call's arguments are far smaller.
const MAX_BODY: usize = 64 * 1024;

/// How a server is to be.
#[derive(Debug)]
pub struct Options {
    /// Where to listen.
    pub listen: Vec<SocketAddr>,
    /// Where `/metrics` is, where not beside `/mcp`.
    pub metrics_listen: Option<SocketAddr>,
    /// Who may call.
    pub auth: Auth,
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
    /// Calls that one caller runs at once.
    pub max_calls_per_caller: usize,
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

    /// Where `/metrics` listens, where not beside `/mcp`.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_listener.as_ref()?.local_addr().ok()
    }

    /// Answers until the shutdown; then lets running calls end, within the grace period.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let options = self.options;
        let [stopping, end_streams, cut] = [(); 3].map(|()| CancellationToken::new());
        let running = TaskTracker::new();
        let service = Arc::new(Service {
            auth: options.auth,
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
        let server = self.server.clone();
        let streamable =
            StreamableHttpService::new(move || Ok(server.clone()), Arc::<NeverSessionManager>::default(), config);
        let mut app = Router::new()
            .route_service("/mcp", streamable)
            .layer(middleware::from_fn_with_state(service.clone(), hold_a_place))
            .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, options.request_timeout));
        if options.classic_sse {
            app =
                app.merge(classic_sse::router(self.server, service.clone(), options.max_streams, end_streams.clone()));
        }
        let health = operation::health(stopping.clone());
        let metrics = operation::metrics(self.metrics);
        app = app.merge(health.clone());
        if options.listen.iter().all(|address| address.ip().is_loopback()) {
            app = app.merge(metrics.clone());
        }
        let app = app
            .layer(middleware::from_fn_with_state(service, front::receive))
            .layer(front::cors(options.allowed_origins));

        let connections = connections::Connections::new(options.max_connections, stopping.clone());
        let accepting: Vec<_> = self
            .listeners
            .into_iter()
            .map(|listener| (listener, app.clone()))
            .chain(self.metrics_listener.map(|listener| (listener, health.merge(metrics))))
            .map(|(listener, app)| tokio::spawn(connections.clone().accept(listener, app)))
            .collect();

        shutdown.await;
        tracing::info!("stopping");
        stopping.cancel();
        let calls_then_streams = async {
            running.close();
            running.wait().await;
            end_streams.cancel();
        };
        let ended = timeout(options.grace, async { tokio::join!(calls_then_streams, connections.ended()) }).await;
        if ended.is_err() {
            tracing::warn!("the grace period is over; what still runs is cut");
        }
        cut.cancel();
        end_streams.cancel();
        accepting.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"));
    TcpListener::bind(address).await.map_err(named)
}

/// Holds a place for a call until the call has ended: it travels with the request to wherever that happens.
async fn hold_a_place(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    mut request: Request,
    next: Next,
) -> Response {
    if request.method() == Method::POST {
        match service.calls.take(&caller) {
            Ok(place) => request.extensions_mut().insert(Arc::new(place)),
            Err(too_many) => return too_many.into_response(),
        };
    }
    next.run(request).await
}

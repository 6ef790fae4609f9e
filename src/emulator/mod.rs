//! A local Verifa API with real HTTP, to develop, demonstrate and test against.
//!
//! It does what Verifa's documentation says of the endpoints that this project uses; what the documentation leaves open
//! is in `assumptions.rs`. It listens on loopback only, says in every response what it is, and meets the client only over
//! HTTP.

mod access;
mod api;
mod assumptions;
mod fixtures;
mod idempotency;
mod links;
mod pages;
mod rate_limits;
mod response;
mod session;
mod sessions;

use std::{
    hash::Hash,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{any, get, post},
};
use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use tokio::net::TcpListener;

pub use fixtures::{MORE_SESSIONS, demo_sessions};

use self::{idempotency::Idempotency, rate_limits::RateLimits, sessions::Sessions};
use crate::verifa::wire;

/// The default address.
pub(crate) const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8788);
/// Verifa's own default.
pub(crate) const DEFAULT_LINK_LIFETIME: Duration = Duration::from_secs(20 * 60);
/// A key that the emulator accepts, as it accepts every other sandbox key except one. It is not a secret.
pub(crate) const SANDBOX_KEY: &str = "vk_sandbox_emulator";

#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// A loopback address; port 0 picks a free port.
    pub listen: SocketAddr,
    /// How long a capture link works.
    pub link_lifetime: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { listen: DEFAULT_LISTEN, link_lifetime: DEFAULT_LINK_LIFETIME }
    }
}

impl Options {
    /// The defaults, on a free port.
    pub fn on_a_free_port() -> Self {
        Self { listen: SocketAddr::new(DEFAULT_LISTEN.ip(), 0), ..Self::default() }
    }
}

/// Why an emulator cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The emulator accepts any key, so no one else may reach it.
    #[error("the emulator listens on loopback only (127.0.0.1 or [::1]), not on {0}")]
    NotLoopback(SocketAddr),
    #[error("the emulator cannot listen on {0}")]
    Io(SocketAddr, #[source] io::Error),
}

/// An emulator that holds its port, and responds once it is served.
pub struct Emulator {
    listener: TcpListener,
    service: Arc<Service>,
}

impl Emulator {
    /// # Errors
    ///
    /// When the address is not a loopback address, or cannot be listened on.
    pub async fn bind(options: Options) -> Result<Self, BindError> {
        let listen = options.listen;
        if !listen.ip().is_loopback() {
            return Err(BindError::NotLoopback(listen));
        }
        let failed = |error| BindError::Io(listen, error);
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let service = Service {
            url: format!("http://{address}"),
            link_lifetime: SignedDuration::try_from(options.link_lifetime).unwrap_or(SignedDuration::MAX),
            state: Mutex::new(EmulatorState::new(Timestamp::now())),
        };
        Ok(Self { listener, service: Arc::new(service) })
    }

    /// The base of the API and of the capture links, without a trailing slash.
    pub fn url(&self) -> String {
        self.service.url.clone()
    }

    /// Responds until the shutdown.
    ///
    /// # Errors
    ///
    /// When the listener fails permanently.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        axum::serve(self.listener, router(self.service)).with_graceful_shutdown(shutdown).await
    }
}

fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/", get(pages::index))
        .route("/verify/{token}", any(pages::verify))
        .route("/verify/{token}/{step}", post(pages::step))
        .nest_service(
            wire::API_PATH,
            any(api::respond).layer(DefaultBodyLimit::max(api::BODY_LIMIT)).with_state(service.clone()),
        )
        .fallback(pages::not_found)
        .layer(axum::middleware::from_fn(access::check_host))
        .with_state(service)
}

struct Service {
    url: String,
    link_lifetime: SignedDuration,
    state: Mutex<EmulatorState>,
}

impl Service {
    fn capture_url(&self, token: &str) -> String {
        format!("{}/verify/{token}", self.url)
    }

    /// A poisoned lock is used anyway: a handler that panicked leaves nothing inconsistent that matters here.
    fn state(&self) -> MutexGuard<'_, EmulatorState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The largest number of links, idempotency keys and callers that are remembered.
const CAPACITY: usize = 10_000;

/// Adds an entry, and removes the oldest one if there are too many.
fn insert_bounded<K: Hash + Eq, V>(map: &mut IndexMap<K, V>, key: K, value: V) {
    map.insert(key, value);
    if map.len() > CAPACITY {
        map.shift_remove_index(0);
    }
}

/// Everything that changes.
struct EmulatorState {
    sessions: Sessions,
    idempotency: Idempotency,
    rate_limits: RateLimits,
}

impl EmulatorState {
    fn new(now: Timestamp) -> Self {
        Self { sessions: Sessions::new(now), idempotency: Idempotency::new(), rate_limits: RateLimits::new() }
    }
}

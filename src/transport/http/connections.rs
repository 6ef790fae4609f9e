//! Connections: how many are served concurrently, how long a slow client is waited for, and how connections end.
//!
//! The requests that they carry are not looked at here.

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use axum::{http::Request, response::Response};
use hyper::{body::Incoming, server::conn::http1::Builder, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};
use tokio_io_timeout::TimeoutWriter;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::{Service, ServiceExt};

use super::{
    connection_owner::{ConnectionOwner, ConnectionShare},
    limits::Limiter,
};

/// Time for a client to send a request's headers, the pause since the last request included.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a client to read some of what it is sent.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// The pause after a connection could not be accepted, for example because all file descriptors are in use.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// The connections of several listeners.
#[derive(Clone)]
pub(super) struct Connections {
    permits: Arc<Semaphore>,
    owners: Arc<Limiter<ConnectionOwner>>,
    stopping: CancellationToken,
    tracker: TaskTracker,
}

impl Connections {
    /// Serves at most `max` connections concurrently; more wait in the system's queue. One owner has at most
    /// `max_per_owner` of them; more are closed.
    pub(super) fn new(max: usize, max_per_owner: Option<usize>, stopping: CancellationToken) -> Self {
        let (permits, owners) = (Arc::new(Semaphore::new(max)), Limiter::new(max_per_owner));
        Self { permits, owners, stopping, tracker: TaskTracker::new() }
    }

    /// Accepts and serves until the task is aborted, so that clients that connect while the server stops get a response.
    pub(super) async fn accept<S>(self, listener: TcpListener, app: S)
    where
        S: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
    {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let owner = ConnectionOwner::peer(peer.ip());
                    let Ok(share) = ConnectionShare::new(self.owners.clone(), owner) else {
                        tracing::debug!("a connection was closed: its peer has as many as one may have");
                        continue;
                    };
                    // The response that the server is stopping takes no permit.
                    let permit = tokio::select! {
                        permit = self.permits.clone().acquire_owned() => permit.ok(),
                        () = self.stopping.cancelled() => None,
                    };
                    self.serve(stream, app.clone(), permit, Arc::new(share));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(ACCEPT_RETRY_DELAY).await;
                }
            }
        }
    }

    fn serve<S>(&self, stream: TcpStream, app: S, permit: Option<OwnedSemaphorePermit>, share: Arc<ConnectionShare>)
    where
        S: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
    {
        let stopping = self.stopping.clone();
        let is_late = stopping.is_cancelled();
        let serve = async move {
            // Small responses are sent at once, not together with later ones.
            let _ = stream.set_nodelay(true);
            let mut stream = TimeoutWriter::new(stream);
            stream.set_timeout(Some(WRITE_TIMEOUT));
            let mut builder = Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
            let app = service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(share.clone());
                app.clone().oneshot(request)
            });
            let mut connection = pin!(builder.serve_connection(TokioIo::new(Box::pin(stream)), app));
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stopping.cancelled(), if !is_late => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "connection ended");
            }
            drop(permit);
        };
        if is_late {
            tokio::spawn(serve);
        } else {
            self.tracker.spawn(serve);
        }
    }

    /// Returns when all connections from before the stop have ended.
    pub(super) async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

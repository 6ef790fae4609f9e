//! Connections: how many there are at once, how long their headers may take, and how they end.
//!
//! What is asked over them is never looked at here.

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use axum::{http::Request, response::Response};
use hyper::{body::Incoming, server::conn::http1::Builder};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service;

/// How long a client may take to send a request's headers, the wait between two requests included.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait when no connection can be accepted, as when all descriptors are in use.
const BREATH: Duration = Duration::from_millis(100);

/// The connections of all listeners.
#[derive(Clone)]
pub(super) struct Connections {
    places: Arc<Semaphore>,
    stopping: CancellationToken,
    served: TaskTracker,
}

impl Connections {
    /// At most so many at once; the next ones wait in the system's queue.
    pub(super) fn new(most: usize, stopping: CancellationToken) -> Self {
        Self { places: Arc::new(Semaphore::new(most)), stopping, served: TaskTracker::new() }
    }

    /// Accepts and serves until the task is aborted. Who comes while the server stops is still told so.
    pub(super) async fn accept<S>(self, listener: TcpListener, app: S)
    where
        S: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
    {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    // Who is told that the server stops needs no place.
                    let place = tokio::select! {
                        place = self.places.clone().acquire_owned() => place.ok(),
                        () = self.stopping.cancelled() => None,
                    };
                    self.serve(stream, app.clone(), place);
                }
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    sleep(BREATH).await;
                }
            }
        }
    }

    fn serve<S>(&self, stream: TcpStream, app: S, place: Option<OwnedSemaphorePermit>)
    where
        S: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
    {
        let stopping = self.stopping.clone();
        let came_late = stopping.is_cancelled();
        let serve = async move {
            // Small answers are not held back to be sent together with later ones.
            let _ = stream.set_nodelay(true);
            let mut builder = Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
            let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app)));
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stopping.cancelled(), if !came_late => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "connection ended");
            }
            drop(place);
        };
        if came_late {
            tokio::spawn(serve);
        } else {
            self.served.spawn(serve);
        }
    }

    /// Returns when all connections that came before the stop have ended.
    pub(super) async fn ended(&self) {
        self.served.close();
        self.served.wait().await;
    }
}

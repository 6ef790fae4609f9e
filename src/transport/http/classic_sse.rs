//! The classic HTTP+SSE transport (2024-11-05), for clients that speak nothing newer: `GET /sse`, `POST /messages`.
//!
//! The specification has deprecated it. When it goes: delete this file, its two lines in `mod.rs`, the options
//! `classic_sse` and `max_streams`, and the clients' tests of it. A stream lives in one process, so a proxy must send
//! both paths to one replica.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Extension, Router,
    body::Bytes,
    extract::{RawQuery, State},
    http::StatusCode,
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
    routing::{get, post},
};
use futures_util::{StreamExt, stream};
use rmcp::{
    RoleServer, ServiceExt,
    model::{ClientJsonRpcMessage, GetExtensions, JsonRpcMessage},
    service::TxJsonRpcMessage,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::{CancellationToken, DropGuard, PollSender};
use tower_http::limit::RequestBodyLimitLayer;
use url::form_urlencoded;

use super::{MAX_BODY, Service, auth::Denied};
use crate::{
    metrics::Running,
    server::{RequestId, Server},
    tools::{Caller, Identity},
};

/// Messages that wait in either direction before the other side is slowed down.
const QUEUE: usize = 16;
/// How often a silent stream shows that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// All streams of this process.
struct Streams {
    server: Server,
    service: Arc<Service>,
    places: Arc<Semaphore>,
    end: CancellationToken,
    open: Mutex<HashMap<String, Stream>>,
}

/// The way to a stream's server, and whose it is.
#[derive(Clone)]
struct Stream {
    owner: Identity,
    to_server: mpsc::Sender<ClientJsonRpcMessage>,
}

/// The two paths. At most `most` streams are open at once; `end` ends them.
pub(super) fn router(server: Server, service: Arc<Service>, most: usize, end: CancellationToken) -> Router {
    let places = Arc::new(Semaphore::new(most));
    let streams = Arc::new(Streams { server, service, places, end, open: Mutex::default() });
    Router::new()
        .route("/sse", get(open))
        .route("/messages", post(receive).layer(RequestBodyLimitLayer::new(MAX_BODY)))
        .with_state(streams)
}

async fn open(State(streams): State<Arc<Streams>>, Extension(caller): Extension<Caller>) -> Response {
    let Ok(place) = streams.places.clone().try_acquire_owned() else {
        let text = "As many streams are open here as there may be. Try again in some seconds, or use /mcp.\n";
        return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "5")], text).into_response();
    };
    let Ok(id) = stream_id() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let (to_server, from_client) = mpsc::channel(QUEUE);
    let (to_client, from_server) = mpsc::channel::<TxJsonRpcMessage<RoleServer>>(QUEUE);
    let end = streams.end.child_token();

    let owner = caller.identity();
    let server = streams.server.for_caller(caller);
    let transport = (PollSender::new(to_client), ReceiverStream::new(from_client));
    tokio::spawn(serve(server, transport, end.clone()));
    streams.open().insert(id.clone(), Stream { owner, to_server });

    let endpoint = Event::default().event("endpoint").data(format!("/messages?sessionId={id}"));
    let leaving = Leaving {
        _counted: streams.service.metrics.stream_lives(),
        streams,
        id,
        _place: place,
        // The client's leave is the end of its calls.
        _end: end.drop_guard(),
    };
    let messages = ReceiverStream::new(from_server).map(move |message| {
        let _stays_with_the_stream = &leaving;
        Event::default().event("message").json_data(message)
    });
    let events = stream::iter([Ok(endpoint)]).chain(messages);
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

async fn serve(
    server: Server,
    transport: (PollSender<TxJsonRpcMessage<RoleServer>>, ReceiverStream<ClientJsonRpcMessage>),
    end: CancellationToken,
) {
    match server.serve_with_ct(transport, end).await {
        Ok(running) => drop(running.waiting().await),
        Err(error) => tracing::debug!(%error, "a stream ended before it was initialized"),
    }
}

async fn receive(
    State(streams): State<Arc<Streams>>,
    Extension(caller): Extension<Caller>,
    Extension(request_id): Extension<RequestId>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    let id = form_urlencoded::parse(query.as_deref().unwrap_or_default().as_bytes())
        .find_map(|(name, value)| (name == "sessionId").then_some(value));
    let Some(stream) = id.and_then(|id| streams.open().get(id.as_ref()).cloned()) else {
        return (StatusCode::NOT_FOUND, "There is no such stream: open /sse again.\n").into_response();
    };
    if stream.owner != caller.identity() {
        return Denied::OtherStream.into_response();
    }
    let Ok(mut message) = serde_json::from_slice::<ClientJsonRpcMessage>(&body) else {
        return (StatusCode::BAD_REQUEST, "This is no JSON-RPC message of MCP.\n").into_response();
    };
    if let JsonRpcMessage::Request(request) = &mut message {
        match streams.service.calls.take(&caller) {
            Ok(place) => request.request.extensions_mut().insert(Arc::new(place)),
            Err(too_many) => return too_many.into_response(),
        };
        request.request.extensions_mut().insert(request_id);
    }
    match stream.to_server.send(message).await {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(_) => (StatusCode::NOT_FOUND, "The stream has ended: open /sse again.\n").into_response(),
    }
}

impl Streams {
    fn open(&self) -> std::sync::MutexGuard<'_, HashMap<String, Stream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What ends with a stream, when its client leaves or its server ends.
struct Leaving {
    streams: Arc<Streams>,
    id: String,
    _place: OwnedSemaphorePermit,
    _counted: Running,
    _end: DropGuard,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.streams.open().remove(&self.id);
    }
}

/// 128 random bits: who knows an id may still not use it without the stream's credentials.
fn stream_id() -> Result<String, getrandom::Error> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits)?;
    Ok(bits.iter().map(|byte| format!("{byte:02x}")).collect())
}

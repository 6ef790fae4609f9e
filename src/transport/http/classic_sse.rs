//! The classic HTTP+SSE transport (2024-11-05), for clients that speak nothing newer: `GET /sse`, `POST /messages`.
//!
//! The specification has deprecated it. When it goes: delete this file, what the compiler then misses in `mod.rs`, the
//! two paths in `front.rs`, the options and the metric of streams, and the clients' tests of it. A stream lives in one
//! process, so a proxy must send both paths to one replica.

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
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::{
    sync::{CancellationToken, DropGuard, PollSender},
    task::TaskTracker,
};
use tower_http::limit::RequestBodyLimitLayer;
use url::form_urlencoded;

use super::{
    MAX_BODY, Service,
    auth::Denied,
    front::Refusal,
    limits::{CallLimit, Place},
    refusal::{refuse, refuse_for_now},
};
use crate::{
    call::Caller,
    metrics::GaugeGuard,
    server::{RequestId, Server},
};

/// Messages that wait in either direction before the other side is slowed down.
const QUEUE: usize = 16;
/// How often a silent stream shows that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a client may take from opening a stream to its first message.
const FIRST_MESSAGE: Duration = Duration::from_secs(30);

/// How many streams there may be.
pub(super) struct Limits {
    pub(super) streams: usize,
    pub(super) streams_per_caller: usize,
}

/// All streams of this process.
struct Streams {
    server: Server,
    service: Arc<Service>,
    places: Arc<Semaphore>,
    of_callers: Arc<CallLimit>,
    end: CancellationToken,
    open: Mutex<HashMap<String, Stream>>,
}

/// The way to a stream's server, and whose it is.
#[derive(Clone)]
struct Stream {
    owner: Caller,
    to_server: mpsc::Sender<ClientJsonRpcMessage>,
    /// Only waited at: until the client takes what it is sent.
    to_client: mpsc::WeakSender<TxJsonRpcMessage<RoleServer>>,
}

impl Stream {
    /// Returns when there is room for an answer; false when the stream has ended.
    async fn has_room(&self) -> bool {
        match self.to_client.upgrade() {
            Some(to_client) => to_client.reserve().await.is_ok(),
            None => false,
        }
    }
}

/// The two paths. `end` ends all streams.
pub(super) fn router(server: Server, service: Arc<Service>, limits: &Limits, end: CancellationToken) -> Router {
    let places = Arc::new(Semaphore::new(limits.streams));
    let of_callers = CallLimit::new(Some(limits.streams_per_caller), TaskTracker::new());
    let streams = Arc::new(Streams { server, service, places, of_callers, end, open: Mutex::default() });
    Router::new()
        .route("/messages", post(receive))
        .layer(RequestBodyLimitLayer::new(MAX_BODY))
        .route("/sse", get(open))
        .with_state(streams)
}

async fn open(State(streams): State<Arc<Streams>>, Extension(caller): Extension<Caller>) -> Response {
    let (Ok(place), Ok(share)) = (streams.places.clone().try_acquire_owned(), streams.of_callers.take(&caller)) else {
        let text =
            "As many streams are open here, or open for you, as there may be. Try again in some seconds, or use /mcp.";
        return refuse_for_now(StatusCode::SERVICE_UNAVAILABLE, 5, text);
    };
    let Ok(id) = stream_id() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let (to_server, from_client) = mpsc::channel(QUEUE);
    let (to_client, from_server) = mpsc::channel::<TxJsonRpcMessage<RoleServer>>(QUEUE);
    let end = streams.end.child_token();

    let server = streams.server.for_caller(caller.clone());
    streams.open().insert(id.clone(), Stream { owner: caller, to_server, to_client: to_client.downgrade() });
    let transport = (PollSender::new(to_client), ReceiverStream::new(from_client));
    tokio::spawn(serve(server, transport, end.clone()));

    let endpoint = Event::default().event("endpoint").data(format!("/messages?sessionId={id}"));
    let leaving = Leaving {
        _counted: streams.service.metrics.stream_opened(),
        streams,
        id,
        _place: place,
        _share: share,
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
    match timeout(FIRST_MESSAGE, server.serve_with_ct(transport, end)).await {
        Ok(Ok(running)) => drop(running.waiting().await),
        Ok(Err(error)) => tracing::debug!(%error, "a stream ended before it was initialized"),
        Err(_) => tracing::debug!("a stream ended because its client never spoke"),
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
        return refuse(StatusCode::NOT_FOUND, "There is no such stream: open /sse again.");
    };
    if stream.owner.identity() != caller.identity() {
        return Denied::OtherStream.into_response();
    }
    let Ok(mut message) = serde_json::from_slice::<ClientJsonRpcMessage>(&body) else {
        return refuse(StatusCode::BAD_REQUEST, "This is no JSON-RPC message of MCP.");
    };
    // Some clients give their whole stream up when one message is refused, so it waits instead, for a client that does
    // not read its stream too: or its answers would fill the memory.
    if !stream.has_room().await {
        return ended();
    }
    if let JsonRpcMessage::Request(request) = &mut message {
        let place = streams.service.calls.wait(&caller).await;
        // A server that stops waits for the calls that it knows of by then.
        if streams.service.stopping.is_cancelled() {
            return Refusal::Stopping.into_response();
        }
        request.request.extensions_mut().insert(Arc::new(place));
        request.request.extensions_mut().insert(request_id);
        // Whatever the stream was opened with, and whatever has been taken from its caller since.
        let permissions = stream.owner.permissions.intersection(&caller.permissions);
        request.request.extensions_mut().insert(Caller { permissions, ..caller });
    }
    match stream.to_server.send(message).await {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(_) => ended(),
    }
}

fn ended() -> Response {
    refuse(StatusCode::NOT_FOUND, "The stream has ended: open /sse again.")
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
    _share: Place,
    _counted: GaugeGuard,
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

//! The classic HTTP+SSE transport (2024-11-05), for clients that support nothing newer: `GET /sse`, `POST /messages`.
//!
//! The specification has deprecated it. To remove it: delete this file, what the compiler then misses, the two settings,
//! the metric of streams, and the clients' tests of it. A stream belongs to one process, so a proxy must send both paths
//! to the same replica.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{StreamExt, stream};
use hyper::body::Incoming;
use rmcp::{
    RoleServer, ServiceExt,
    model::{ClientJsonRpcMessage, ErrorData, GetExtensions, JsonRpcMessage},
    service::TxJsonRpcMessage,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::{CancellationToken, DropGuard, PollSender};

use super::{
    HttpConfig, HttpState,
    auth::AuthError,
    body,
    error_response::{error_response, retryable_error},
    limits::{Limiter, Permit},
    rejection::RequestRejection,
};
use crate::{
    call::{Caller, Identity},
    metrics::GaugeGuard,
    server::{RequestId, Server},
    transport::message::{self, InvalidMessage},
};

/// Messages that are buffered in either direction before the sender has to wait.
const BUFFERED_MESSAGES: usize = 16;
/// The interval at which a silent stream shows that it is open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The interval at which a stream's credentials are checked again.
const AUTHENTICATION_INTERVAL: Duration = Duration::from_secs(2);
/// Time for a client from opening a stream to its first message.
const FIRST_MESSAGE_TIMEOUT: Duration = Duration::from_secs(30);

/// The streams of this process.
pub(super) struct StreamRegistry {
    server: Server,
    permits: Arc<Semaphore>,
    per_caller: Arc<Limiter<Identity>>,
    end: CancellationToken,
    streams: Mutex<HashMap<String, Stream>>,
}

impl StreamRegistry {
    /// `end` ends all streams.
    pub(super) fn new(server: Server, config: &HttpConfig, end: CancellationToken) -> Self {
        let permits = Arc::new(Semaphore::new(config.max_streams));
        let per_caller = Limiter::new(Some(config.max_streams_per_caller));
        Self { server, permits, per_caller, end, streams: Mutex::default() }
    }

    fn streams(&self) -> MutexGuard<'_, HashMap<String, Stream>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open stream: its caller, and the channel to its server.
#[derive(Clone)]
struct Stream {
    owner: Caller,
    to_server: mpsc::Sender<ClientJsonRpcMessage>,
    /// Only waited for: until the client reads what it is sent.
    to_client: mpsc::WeakSender<TxJsonRpcMessage<RoleServer>>,
}

impl Stream {
    /// Returns when another message fits into the stream, false when the stream has ended.
    async fn wait_for_capacity(&self) -> bool {
        match self.to_client.upgrade() {
            Some(to_client) => to_client.reserve().await.is_ok(),
            None => false,
        }
    }

    /// Answers an invalid message: on the stream, where the client waits for it, unless its id cannot be read.
    async fn answer(&self, invalid: InvalidMessage) -> Response {
        let Some(id) = invalid.id else { return invalid.into_response() };
        let error = ErrorData::new(invalid.error.code(), invalid.error.to_string(), None);
        let Some(to_client) = self.to_client.upgrade() else { return ended() };
        match to_client.send(JsonRpcMessage::error(error, Some(id))).await {
            Ok(()) => StatusCode::ACCEPTED.into_response(),
            Err(_) => ended(),
        }
    }
}

/// `GET /sse`
pub(super) fn open(state: &Arc<HttpState>, caller: Caller, headers: HeaderMap) -> Response {
    let registry = &state.streams;
    let permits = (registry.permits.clone().try_acquire_owned(), registry.per_caller.try_acquire(caller.identity()));
    let (Ok(permit), Ok(caller_permit)) = permits else {
        let text = "The limit of open streams, or of open streams per caller, is reached. Retry in some seconds, or use \
                    /mcp.";
        return retryable_error(StatusCode::SERVICE_UNAVAILABLE, 5, text);
    };
    let Ok(id) = stream_id() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let (to_server, from_client) = mpsc::channel(BUFFERED_MESSAGES);
    let (to_client, from_server) = mpsc::channel::<TxJsonRpcMessage<RoleServer>>(BUFFERED_MESSAGES);
    let end = registry.end.child_token();

    let server = registry.server.for_caller(caller.clone());
    registry
        .streams()
        .insert(id.clone(), Stream { owner: caller.clone(), to_server, to_client: to_client.downgrade() });
    let transport = (PollSender::new(to_client), ReceiverStream::new(from_client));
    tokio::spawn(serve(server, transport, end.clone()));
    tokio::spawn({
        let (state, end) = (state.clone(), end.clone());
        async move { end.run_until_cancelled(end_when_not_allowed(&state, caller, headers, &end)).await }
    });

    // Relative, so that it stays below the path prefix that a proxy may add.
    let endpoint = Event::default().event("endpoint").data(format!("messages?sessionId={id}"));
    let guard = StreamGuard {
        state: state.clone(),
        id,
        _permit: permit,
        _caller_permit: caller_permit,
        _counted: state.metrics.stream_opened(),
        // When the client leaves, its calls end.
        _end: end.drop_guard(),
    };
    let messages = ReceiverStream::new(from_server).map(move |message| {
        let _dropped_with_the_stream = &guard;
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
    match timeout(FIRST_MESSAGE_TIMEOUT, server.serve_with_ct(transport, end)).await {
        Ok(Ok(running)) => drop(running.waiting().await),
        Ok(Err(error)) => tracing::debug!(%error, "a stream ended before it was initialized"),
        Err(_) => tracing::debug!("a stream ended because its client sent no message"),
    }
}

/// Ends a stream whose credentials are no longer valid, or no longer have all permissions that it was opened with.
async fn end_when_not_allowed(state: &HttpState, opened: Caller, headers: HeaderMap, end: &CancellationToken) {
    let is_allowed = |now: Caller| {
        now.identity() == opened.identity() && opened.permissions.intersection(&now.permissions) == opened.permissions
    };
    loop {
        sleep(AUTHENTICATION_INTERVAL).await;
        if !state.config.auth.authenticate(&headers, None).await.is_ok_and(is_allowed) {
            tracing::info!(
                caller = opened.label(),
                "a stream ended: its caller's permissions were revoked or narrowed"
            );
            return end.cancel();
        }
    }
}

/// `POST /messages`
pub(super) async fn receive(
    state: &HttpState,
    caller: Caller,
    session_id: Option<String>,
    mut request: Request<Incoming>,
) -> Response {
    let stream = session_id.and_then(|id| state.streams.streams().get(&id).cloned());
    let request_id = request.extensions_mut().remove::<RequestId>();
    let body = match body::read(request).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    let Some(stream) = stream else {
        return error_response(StatusCode::NOT_FOUND, "No such stream: open /sse again.");
    };
    if stream.owner.identity() != caller.identity() {
        return AuthError::OtherStream.into_response();
    }
    let mut message = match message::read(&body) {
        Ok(Some(message)) => message,
        Ok(None) => return StatusCode::ACCEPTED.into_response(),
        Err(invalid) => return stream.answer(invalid).await,
    };
    // Some clients give up the whole stream when one message is rejected, so messages wait instead. They wait for clients
    // that do not read their stream too, or the responses would fill the memory.
    if !stream.wait_for_capacity().await {
        return ended();
    }
    if let JsonRpcMessage::Request(request) = &mut message {
        let permit = state.calls.acquire(&caller).await;
        // A server that stops waits for the calls that it knows of by then.
        if state.stopping.is_cancelled() {
            return RequestRejection::Stopping.into_response();
        }
        let extensions = request.request.extensions_mut();
        // Held until the call has ended: it travels with the message.
        extensions.insert(Arc::new(permit));
        if let Some(request_id) = request_id {
            extensions.insert(request_id);
        }
        // What the stream was opened with, less what its caller has lost since.
        let permissions = stream.owner.permissions.intersection(&caller.permissions);
        extensions.insert(Caller { permissions, ..caller });
    }
    match stream.to_server.send(message).await {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(_) => ended(),
    }
}

fn ended() -> Response {
    error_response(StatusCode::NOT_FOUND, "The stream has ended: open /sse again.")
}

/// Removes a stream and releases its permits on drop, when its client leaves or its server ends.
struct StreamGuard {
    state: Arc<HttpState>,
    id: String,
    _permit: OwnedSemaphorePermit,
    _caller_permit: Permit<Identity>,
    _counted: GaugeGuard,
    _end: DropGuard,
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        self.state.streams.streams().remove(&self.id);
    }
}

/// 128 random bits. An ID alone is useless without the stream's credentials.
fn stream_id() -> Result<String, getrandom::Error> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits)?;
    Ok(base16ct::lower::encode_string(&bits))
}

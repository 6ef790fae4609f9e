//! Why a request is not served: one enum, from which status, headers and text follow.
//!
//! Only what a route's handler itself decides is not in it.

use std::time::Duration;

use axum::{
    body::Body,
    http::{
        HeaderValue, Method, Request, StatusCode,
        header::{ALLOW, CONNECTION, EXPECT},
    },
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;

use super::{
    MAX_BODY,
    auth::AuthError,
    connection_owner::TooManyConnections,
    error_response::{error_response, retryable_error},
    limits::TooManyConcurrentCalls,
    query::QueryError,
};
use crate::untrusted::UntrustedText;

/// Time for a client to send the rest of a body whose request was rejected.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub(super) enum RequestRejection {
    #[error("This server is stopping. Retry: another replica may respond.")]
    Stopping,
    #[error(
        "Host {} is not allowed. To allow it, add it with --allowed-host (VERIFA_MCP_ALLOWED_HOSTS).",
        .0.quoted()
    )]
    Host(UntrustedText),
    #[error(
        "Web pages of {} are not allowed to call this server. To allow them, add the origin with --allowed-origin \
         (VERIFA_MCP_ALLOWED_ORIGINS).",
        .0.quoted()
    )]
    Origin(UntrustedText),
    #[error(
        "Web pages of other sites are not allowed to call this server. To allow them, add their origin with \
         --allowed-origin (VERIFA_MCP_ALLOWED_ORIGINS)."
    )]
    CrossSite,
    #[error("No such path. MCP is at /mcp.")]
    NotFound,
    #[error("Method not allowed. Use {}.", allow(.0))]
    Method(&'static [Method]),
    #[error(transparent)]
    Unauthenticated(#[from] AuthError),
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    TooManyConcurrentCalls(#[from] TooManyConcurrentCalls),
    #[error(transparent)]
    TooManyConnections(#[from] TooManyConnections),
}

impl RequestRejection {
    /// The response to a request whose body was not read: reads a small body, so that the connection can serve the next
    /// request, and otherwise announces that the connection is closed.
    pub(super) async fn respond_to(self, request: Request<Incoming>) -> Response {
        let response = self.into_response();
        if request.body().is_end_stream() {
            return response;
        }
        // A client that waits to be asked for the body does not send it after a rejection.
        let is_asked_for = request.headers().contains_key(EXPECT);
        let rest = read_rest(request.into_body());
        let is_read = !is_asked_for && timeout(BODY_TIMEOUT, rest).await.is_ok_and(|is_read| is_read);
        if is_read { response } else { closing(response) }
    }
}

/// Reads a body to its end and drops it; false if it is too large or incomplete.
async fn read_rest(body: Incoming) -> bool {
    let mut chunks = Body::new(body).into_data_stream();
    let mut left = MAX_BODY;
    while let Some(chunk) = chunks.next().await {
        match chunk.ok().and_then(|chunk| left.checked_sub(chunk.len())) {
            Some(rest) => left = rest,
            None => return false,
        }
    }
    true
}

impl IntoResponse for RequestRejection {
    fn into_response(self) -> Response {
        let text = self.to_string();
        match self {
            Self::Stopping => closing(retryable_error(StatusCode::SERVICE_UNAVAILABLE, 1, &text)),
            Self::Host(_) | Self::Origin(_) | Self::CrossSite => error_response(StatusCode::FORBIDDEN, &text),
            Self::NotFound => error_response(StatusCode::NOT_FOUND, &text),
            Self::Method(methods) => {
                let mut response = error_response(StatusCode::METHOD_NOT_ALLOWED, &text);
                response.headers_mut().extend(HeaderValue::from_str(&allow(methods)).map(|value| (ALLOW, value)));
                response
            }
            Self::Query(_) => error_response(StatusCode::BAD_REQUEST, &text),
            Self::Unauthenticated(error) => error.into_response(),
            Self::TooManyConcurrentCalls(_) => retryable_error(StatusCode::TOO_MANY_REQUESTS, 1, &text),
            Self::TooManyConnections(_) => closing(retryable_error(StatusCode::TOO_MANY_REQUESTS, 1, &text)),
        }
    }
}

/// Announces that the connection is closed after this response.
pub(super) fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn allow(methods: &[Method]) -> String {
    methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ")
}

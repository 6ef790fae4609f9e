//! Why a request is not served: one enum, from which status, headers and text follow.
//!
//! Only what a route's handler itself decides is not in it.

use axum::{
    http::{
        HeaderValue, Method, StatusCode,
        header::{ALLOW, CONNECTION},
    },
    response::{IntoResponse, Response},
};

use super::{
    auth::AuthError,
    connection_owner::TooManyConnections,
    error_response::{error_response, retryable_error},
    limits::TooManyConcurrentCalls,
    query::QueryError,
};
use crate::untrusted::UntrustedText;

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

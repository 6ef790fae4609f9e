//! What an endpoint of Verifa's API is to the client: a request, and a way to read the response.
//!
//! An endpoint never holds the API key: the client adds it to each attempt.

use jiff::Timestamp;
use reqwest::{Request, StatusCode};
use serde_json::Value;

use super::{BaseUrl, BodyError, SessionId};

/// One request to Verifa's API.
pub(crate) trait Endpoint: Send + Sync {
    /// What a successful response is read into.
    type Response;

    /// The request without the key and the headers that all endpoints share.
    fn request(&self, base_url: &BaseUrl) -> Request;

    /// Reads a successful response, its keys in snake case.
    ///
    /// # Errors
    /// When it is not what the documentation promises.
    fn read(&self, body: &Value, base_url: &BaseUrl) -> Result<Self::Response, BodyError>;

    /// The session that the request is about, if it is about one.
    fn session_id(&self) -> Option<&SessionId> {
        None
    }
}

/// A successful response and what came with it.
#[derive(Debug, Clone)]
pub(crate) struct ApiResponse<T> {
    pub(crate) value: T,
    /// One of 2xx.
    pub(crate) status: StatusCode,
    pub(crate) attempts: u32,
    /// The response's `Date`, to compare other times of the response with.
    pub(crate) date: Option<Timestamp>,
    /// This computer's time when the response came.
    pub(crate) received: Timestamp,
}

impl<T> ApiResponse<T> {
    /// The clock that this response's times are measured by: Verifa's own, else this computer's.
    pub(crate) fn now(&self) -> Timestamp {
        self.date.unwrap_or(self.received)
    }
}

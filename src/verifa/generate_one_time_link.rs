//! `POST /api/v1/sessions/{session_id}/generate-one-time-link`: a capture link with a chosen lifetime.
//!
//! The bounds of the lifetime are not documented, so none is enforced here but that it is positive.

use std::num::NonZeroU32;

use reqwest::{
    Method, Request,
    header::{CONTENT_TYPE, HeaderValue},
};
use serde_json::{Value, json};

use super::{BaseUrl, BodyError, CaptureLink, Endpoint, SessionId, wire};

#[derive(Debug, Clone)]
pub(crate) struct GenerateOneTimeLink {
    pub(crate) session_id: SessionId,
    /// `None` leaves the lifetime to Verifa.
    pub(crate) expires_in_minutes: Option<NonZeroU32>,
}

impl Endpoint for GenerateOneTimeLink {
    type Response = CaptureLink;

    fn request(&self, base_url: &BaseUrl) -> Request {
        let url = base_url.endpoint(&["sessions", self.session_id.as_str(), wire::GENERATE_ONE_TIME_LINK]);
        let mut request = Request::new(Method::POST, url);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = json!({ (wire::EXPIRES_IN_MINUTES): self.expires_in_minutes });
        *request.body_mut() = Some(body.to_string().into());
        request
    }

    /// The link has an `id` of its own; the session's is in `session_id`.
    fn read(&self, body: &Value, base_url: &BaseUrl) -> Result<CaptureLink, BodyError> {
        CaptureLink::read(body, "session_id", &self.session_id, base_url)
    }

    fn session_id(&self) -> Option<&SessionId> {
        Some(&self.session_id)
    }
}

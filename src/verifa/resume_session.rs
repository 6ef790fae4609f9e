//! `POST /api/v1/sessions/{session_id}/resume`: a new capture link for an expired or abandoned session.
//!
//! Source: the endpoint's reference page. "Resume workflow from a specific step" is another endpoint.

use reqwest::{
    Method, Request,
    header::{CONTENT_LENGTH, HeaderValue},
};
use serde_json::Value;

use super::{BaseUrl, BodyError, CaptureLink, Endpoint, SessionId};

#[derive(Debug, Clone)]
pub(crate) struct ResumeSession {
    pub(crate) session_id: SessionId,
}

impl Endpoint for ResumeSession {
    type Response = CaptureLink;

    fn request(&self, base_url: &BaseUrl) -> Request {
        let url = base_url.endpoint(&["sessions", self.session_id.as_str(), "resume"]);
        let mut request = Request::new(Method::POST, url);
        // Some gateways reject a POST that does not say that it has no body.
        request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        request
    }

    fn read(&self, body: &Value, base_url: &BaseUrl) -> Result<CaptureLink, BodyError> {
        CaptureLink::read(body, "id", &self.session_id, base_url)
    }

    fn session_id(&self) -> Option<&SessionId> {
        Some(&self.session_id)
    }
}

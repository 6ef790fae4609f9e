//! The pages for a browser: the index, and the page of a capture link.
//!
//! They load nothing from elsewhere. They contain only the emulator's own text, so nothing is escaped; nothing from a
//! request may ever be shown.

use std::sync::Arc;

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::{
        HeaderValue, Method, StatusCode,
        header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY},
    },
    response::{Html, IntoResponse, Response},
};
use jiff::Timestamp;

use strum::VariantArray;

use super::{
    MORE_SESSIONS, SANDBOX_KEY, Service,
    assumptions::{after_step, consumes_token},
    demo_sessions,
    links::Visit,
    session::{self, Step},
};

const PAGE: &str = include_str!("pages.html");

const ENDPOINTS: [(&str, &str); 5] = [
    ("GET /sessions?status=&amp;q=&amp;limit=&amp;offset=", "the sessions, page by page"),
    ("GET /sessions/{session_id}", "one session"),
    ("POST /sessions/{session_id}/resume", "a new link for an expired or abandoned session"),
    (
        "POST /sessions/{session_id}/generate-one-time-link",
        "a link with a chosen lifetime: {\"expires_in_minutes\": 60}",
    ),
    ("GET /rate-limits", "the key's environment, and how many requests are left"),
];

pub(super) async fn index(State(service): State<Arc<Service>>) -> Response {
    let url = &service.url;
    let list = |items: &mut dyn Iterator<Item = (&str, &str)>| -> String {
        items.map(|(term, about)| format!("<dt>{term}</dt><dd>{about}</dd>")).collect()
    };
    let (endpoints, sessions) = (list(&mut ENDPOINTS.into_iter()), list(&mut demo_sessions()));
    page(
        StatusCode::OK,
        "A local Verifa API",
        &format!(
            "<p>This is a small emulator of Verifa's API, to develop and test against. No identity is verified here, and \
             nothing leaves this computer.</p>\
             <pre>curl -X POST {url}/api/v1/sessions/ses_demo_expired/resume \\\n  -H \"X-API-Key: {SANDBOX_KEY}\" \
             -H \"Key-Inflection: snake\"</pre>\
             <p>Any key that begins with <code>vk_sandbox_</code> or <code>vk_live_</code> is accepted, except \
             <code>vk_sandbox_revoked</code>.</p>\
             <h2>Endpoints, below <code>/api/v1</code></h2><dl>{endpoints}</dl>\
             <h2>Sessions at the start</h2><dl>{sessions}</dl>\
             <p>And {MORE_SESSIONS} more, <code>ses_demo_more_01</code> and so on, to page through.</p>"
        ),
    )
}

pub(super) async fn verify(State(service): State<Arc<Service>>, Path(token): Path<String>, method: Method) -> Response {
    if method != Method::GET && method != Method::HEAD {
        let mut response = page(StatusCode::METHOD_NOT_ALLOWED, "This page can only be opened", "");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let sessions = &mut service.state().sessions;
    let now = Timestamp::now();
    match if consumes_token(&method) { sessions.open(&token, now) } else { sessions.look(&token, now) } {
        Visit::Valid => {
            let steps = sessions.session_of(&token).map(|session| steps(&token, session.state)).unwrap_or_default();
            let content = format!(
                "<p>At Verifa, the verification would continue here, with a photo of a document and a selfie. This is the \
                 emulator: the buttons below stand for what happens next.</p>{steps}\
                 <p>The link is used up now. Once this page is closed, resume the session to get a new one.</p>"
            );
            page(StatusCode::OK, "The link works", &content)
        }
        visit => refused(visit),
    }
}

/// A button of a link's page was pressed.
pub(super) async fn step(
    State(service): State<Arc<Service>>,
    path: Result<Path<(String, Step)>, PathRejection>,
) -> Response {
    let Ok(Path((token, step))) = path else { return not_found().await };
    match service.state().sessions.advance(&token, step, Timestamp::now()) {
        Ok(state) => {
            let content = format!("<p>The session's status is <code>{}</code>.</p>", state.as_str());
            page(StatusCode::OK, "The session goes on", &(content + &steps(&token, state)))
        }
        Err(visit) => refused(visit),
    }
}

/// A button for each step that is possible now.
fn steps(token: &str, state: session::State) -> String {
    let possible = Step::VARIANTS.iter().filter(|step| after_step(state, **step).is_some());
    let buttons = possible.map(|step| {
        let label = match step {
            Step::Submit => "The person submits the photos",
            Step::Complete => "The session is completed",
            Step::Fail => "The session fails",
        };
        let path = <&str>::from(step);
        // The token is one of the emulator's own: it belongs to a session.
        format!("<form method=\"post\" action=\"/verify/{token}/{path}\"><button>{label}</button></form>")
    });
    buttons.collect()
}

/// Why nothing can be done with a link now.
fn refused(visit: Visit) -> Response {
    match visit {
        Visit::Valid => page(StatusCode::CONFLICT, "Open the link first", ""),
        Visit::Used => expired("This link was already used", "It works once."),
        Visit::Expired => expired("This link has expired", "It works for a short time only."),
        Visit::Replaced => {
            expired("This link was replaced", "The session got a newer link, and only its newest link works.")
        }
        Visit::Unknown => page(
            StatusCode::NOT_FOUND,
            "This link is not known here",
            "<p>Was it copied completely? The emulator forgets its links when it is stopped.</p>",
        ),
    }
}

pub(super) async fn not_found() -> Response {
    page(StatusCode::NOT_FOUND, "There is nothing here", "<p><a href=\"/\">What this is</a></p>")
}

fn expired(title: &str, why: &str) -> Response {
    page(StatusCode::GONE, title, &format!("<p>{why} Resume the session to get a new one.</p>"))
}

fn page(status: StatusCode, title: &str, content: &str) -> Response {
    let html = PAGE.replace("{title}", title).replace("{content}", content);
    let headers = [
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"),
    ];
    (status, headers, Html(html)).into_response()
}

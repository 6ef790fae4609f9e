//! What a person sees in a browser: the index page, and the page behind a capture link.
//!
//! Plain pages that load nothing from elsewhere. Only text of the emulator's own goes into them, so nothing is escaped;
//! whatever came with a request must never be shown.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{
        HeaderValue, Method, StatusCode,
        header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY},
    },
    response::{Html, IntoResponse, Response},
};
use jiff::Timestamp;

use super::{MORE_SESSIONS, SANDBOX_KEY, Service, assumptions::consumes_token, demo_sessions, links::Visit};

const STYLE: &str = "
:root { color-scheme: light dark; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: light-dark(#f4f5f7, #16181d);
  color: light-dark(#1d2129, #e8eaee); font: 1.05rem/1.55 system-ui, sans-serif; }
main { box-sizing: border-box; width: min(40rem, 100% - 2rem); margin: 1rem 0; padding: 1.75rem; border-radius: 1rem;
  background: light-dark(#fff, #20242c); box-shadow: 0 1px 4px #0003; }
h1 { margin: 0 0 .75rem; font-size: 1.5rem; line-height: 1.25; }
h2 { margin: 1.5rem 0 .5rem; font-size: 1.1rem; line-height: 1.25; }
small { display: inline-block; margin-bottom: 1rem; padding: .15rem .7rem; border-radius: 1rem;
  background: light-dark(#fdecc8, #4d3d14); }
dt, pre { font: .9rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
dd { margin: 0 0 .6rem; opacity: .8; }
pre { padding: .9rem; border-radius: .6rem; background: light-dark(#f4f5f7, #16181d); white-space: pre-wrap; }
";

const ENDPOINTS: [(&str, &str); 5] = [
    ("GET /sessions?status=&amp;q=&amp;limit=&amp;offset=", "the sessions, page by page"),
    ("GET /sessions/{session_id}", "one session"),
    ("POST /sessions/{session_id}/resume", "a fresh link for an expired or abandoned session"),
    (
        "POST /sessions/{session_id}/generate-one-time-link",
        "a link with a chosen lifetime: {\"expires_in_minutes\": 60}",
    ),
    ("GET /rate-limits", "which environment the key is of, and how many calls are left"),
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
            "<p>This is a small stand-in for Verifa's API, to develop and test against. Nobody's identity is verified \
             here, and nothing leaves this computer.</p>\
             <pre>curl -X POST {url}/api/v1/sessions/ses_demo_expired/resume \\\n  -H \"X-API-Key: {SANDBOX_KEY}\" \
             -H \"Key-Inflection: snake\"</pre>\
             <p>Any key that begins with <code>vk_sandbox_</code> or <code>vk_live_</code> is accepted, except \
             <code>vk_sandbox_revoked</code>.</p>\
             <h2>Endpoints, below <code>/api/v1</code></h2><dl>{endpoints}</dl>\
             <h2>Sessions, as they are at the start</h2><dl>{sessions}</dl>\
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
    let sessions = &mut service.world().sessions;
    let now = Timestamp::now();
    match if consumes_token(&method) { sessions.open(&token, now) } else { sessions.look(&token, now) } {
        Visit::Welcome => page(
            StatusCode::OK,
            "The link works",
            "<p>At Verifa, the verification would go on here, with a photo of a document and a selfie. This is the \
             emulator, so there is nothing to do: you can close this page.</p>\
             <p>The link is used up now. To go on, resume the session again and open the new link.</p>",
        ),
        Visit::Used => dead("This link was already used", "It works once."),
        Visit::Expired => dead("This link has expired", "It works for a short time only."),
        Visit::Replaced => {
            dead("This link was replaced", "The session got a newer link, and only its newest link works.")
        }
        Visit::Unknown => page(
            StatusCode::NOT_FOUND,
            "This link is not known here",
            "<p>Was it copied whole? The emulator forgets its links when it is stopped.</p>",
        ),
    }
}

pub(super) async fn nothing_here() -> Response {
    page(StatusCode::NOT_FOUND, "There is nothing here", "<p><a href=\"/\">What this is</a></p>")
}

fn dead(title: &str, why: &str) -> Response {
    page(StatusCode::GONE, title, &format!("<p>{why} Resume the session to get a new one.</p>"))
}

fn page(status: StatusCode, title: &str, content: &str) -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} · Verifa emulator</title>\n<style>{STYLE}</style>\n\
         <main><small>Emulator, not Verifa</small><h1>{title}</h1>{content}</main>\n"
    );
    let headers = [
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
    ];
    (status, headers, Html(html)).into_response()
}

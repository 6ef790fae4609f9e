//! The calls of a soak: the error that is injected into each, and the response that each must get.

use std::time::Duration;

use serde_json::Value;

use crate::{client, upstream::capture_url};

/// How long after sending it the client cancels a call.
const CANCEL_DELAY: Duration = Duration::from_millis(80);
/// Number of calls after which the kinds repeat.
const CYCLE: usize = 1_000;
/// Multiplier that spreads the kinds over a cycle; it has no common divisor with [`CYCLE`].
const CYCLE_STEP: usize = 617;

/// What the upstream does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Immediate,
    Slow,
    ErrorOnce,
    RateLimitedOnce,
    DisconnectOnce,
    TruncatedOnce,
    NotFound,
    NotJson,
    ErrorAlways,
    NoResponse,
    Cancelled,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Link,
    Error,
    Cancelled,
}

impl Kind {
    pub(crate) const ALL: [Self; 11] = [
        Self::Immediate,
        Self::Slow,
        Self::ErrorOnce,
        Self::RateLimitedOnce,
        Self::DisconnectOnce,
        Self::TruncatedOnce,
        Self::NotFound,
        Self::NotJson,
        Self::ErrorAlways,
        Self::NoResponse,
        Self::Cancelled,
    ];

    /// Number of calls of this kind per cycle, and the part of the session ID that selects it in the upstream.
    fn share(self) -> (usize, &'static str) {
        match self {
            Self::Immediate => (903, "fine"),
            Self::Slow => (10, "slow-always"),
            Self::ErrorOnce => (25, "503-once"),
            Self::RateLimitedOnce => (10, "429-once"),
            Self::DisconnectOnce => (15, "cut-once"),
            Self::TruncatedOnce => (5, "half-once"),
            Self::NotFound => (10, "404-always"),
            Self::NotJson => (5, "garbage-always"),
            Self::ErrorAlways => (5, "500-always"),
            Self::NoResponse => (2, "hang-always"),
            Self::Cancelled => (10, "hang-always"),
        }
    }

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Immediate => "responds immediately",
            Self::Slow => "responds after 50 ms",
            Self::ErrorOnce => "returns 503 once, then succeeds",
            Self::RateLimitedOnce => "returns 429 once, then succeeds",
            Self::DisconnectOnce => "closes the connection once, then succeeds",
            Self::TruncatedOnce => "sends half a response once, then succeeds",
            Self::NotFound => "returns 404",
            Self::NotJson => "returns a body that is not JSON",
            Self::ErrorAlways => "always returns 500",
            Self::NoResponse => "never responds",
            Self::Cancelled => "never responds; the client cancels after 80 ms",
        }
    }

    /// The text that the error must contain, if the call cannot succeed.
    fn error(self) -> Option<&'static str> {
        match self {
            Self::NotFound => Some("(404 not_found)"),
            Self::NotJson => Some("is not JSON"),
            Self::ErrorAlways => Some("(500 unavailable)"),
            Self::NoResponse => Some("did not respond in time"),
            _ => None,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) id: usize,
    pub(crate) kind: Kind,
    session_id: String,
}

impl Call {
    pub(crate) fn number(number: usize) -> Self {
        let mut position = number * CYCLE_STEP % CYCLE;
        let kind = Kind::ALL.into_iter().find(|kind| {
            let (share, _) = kind.share();
            let found = position < share;
            position = position.saturating_sub(share);
            found
        });
        let kind = kind.expect("shares that add up to a cycle");
        Self { id: number, kind, session_id: format!("ses_{}_{number}", kind.share().1) }
    }

    pub(crate) fn message(&self) -> String {
        client::call(self.id, &self.session_id)
    }

    /// When the client cancels the call, if it does.
    pub(crate) fn cancel_after(&self) -> Option<Duration> {
        (self.kind == Kind::Cancelled).then_some(CANCEL_DELAY)
    }

    /// Checks that the response belongs to this call and is what its kind requires.
    pub(crate) fn check(&self, response: Result<Option<Vec<u8>>, String>) -> Result<Outcome, String> {
        let wrong = |what: &str| Err(format!("{} ({:?}): {what}", self.session_id, self.kind));
        let response = match response {
            Ok(Some(response)) => response,
            Ok(None) if self.kind == Kind::Cancelled => return Ok(Outcome::Cancelled),
            Ok(None) => return wrong("no response"),
            Err(error) => return wrong(&error),
        };
        let Ok(value) = serde_json::from_slice::<Value>(&response) else { return wrong("a response that is not JSON") };
        let result = &value["result"];
        let text = result["content"][0]["text"].as_str().unwrap_or_default();
        if value["id"] != self.id {
            return wrong("another call's response");
        }
        match self.kind.error() {
            Some(fragment) if result["isError"] == true && text.contains(fragment) => Ok(Outcome::Error),
            None if result["isError"] == false => {
                let (link, fields) = (capture_url(&self.session_id), &result["structuredContent"]);
                let own = fields["id"] == self.session_id.as_str()
                    && fields["capture_url"] == link.as_str()
                    && text.contains(&link)
                    && result["content"][1]["type"] == "image";
                if own { Ok(Outcome::Link) } else { wrong("another session's link") }
            }
            _ => wrong(&value.to_string()),
        }
    }
}

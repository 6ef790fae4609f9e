//! The calls of a soak: which of them meet which fault, and which answers are right.

use std::time::Duration;

use serde_json::Value;

use crate::{client, upstream::capture_url};

/// When a cancelled call is cancelled.
const PATIENCE: Duration = Duration::from_millis(80);
/// Kinds repeat after so many calls, in an order that is mixed by a factor without a common divisor.
const CYCLE: usize = 1_000;
const MIXED_BY: usize = 617;

/// What happens to a call upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Fine,
    Slow,
    ErrorOnce,
    RateLimitedOnce,
    CutOnce,
    HalfOnce,
    NotFound,
    Garbage,
    ErrorAlways,
    Hangs,
    Cancelled,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Link,
    Error,
    Cancelled,
}

impl Kind {
    pub(crate) const ALL: [Self; 11] = [
        Self::Fine,
        Self::Slow,
        Self::ErrorOnce,
        Self::RateLimitedOnce,
        Self::CutOnce,
        Self::HalfOnce,
        Self::NotFound,
        Self::Garbage,
        Self::ErrorAlways,
        Self::Hangs,
        Self::Cancelled,
    ];

    /// How many of a cycle's calls are of this kind, and what asks the upstream for it.
    fn share(self) -> (usize, &'static str) {
        match self {
            Self::Fine => (903, "fine"),
            Self::Slow => (10, "slow-always"),
            Self::ErrorOnce => (25, "503-once"),
            Self::RateLimitedOnce => (10, "429-once"),
            Self::CutOnce => (15, "cut-once"),
            Self::HalfOnce => (5, "half-once"),
            Self::NotFound => (10, "404-always"),
            Self::Garbage => (5, "garbage-always"),
            Self::ErrorAlways => (5, "500-always"),
            Self::Hangs => (2, "hang-always"),
            Self::Cancelled => (10, "hang-always"),
        }
    }

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Fine => "responds at once",
            Self::Slow => "responds after 50 ms",
            Self::ErrorOnce => "responds 503 once, then 200",
            Self::RateLimitedOnce => "responds 429 once, then 200",
            Self::CutOnce => "closes the connection once, then responds",
            Self::HalfOnce => "sends half a response once, then a whole one",
            Self::NotFound => "responds 404",
            Self::Garbage => "responds with something other than JSON",
            Self::ErrorAlways => "responds 500 every time",
            Self::Hangs => "never responds",
            Self::Cancelled => "never responds, and the client cancels after 80 ms",
        }
    }

    /// What the agent must read of it, where there can be no link.
    fn error(self) -> Option<&'static str> {
        match self {
            Self::NotFound => Some("(404 not_found)"),
            Self::Garbage => Some("is not JSON"),
            Self::ErrorAlways => Some("(500 unavailable)"),
            Self::Hangs => Some("did not respond in time"),
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
        let mut place = number * MIXED_BY % CYCLE;
        let kind = Kind::ALL.into_iter().find(|kind| {
            let (share, _) = kind.share();
            let found = place < share;
            place = place.saturating_sub(share);
            found
        });
        let kind = kind.expect("shares that make a whole");
        Self { id: number, kind, session_id: format!("ses_{}_{number}", kind.share().1) }
    }

    pub(crate) fn message(&self) -> String {
        client::call(self.id, &self.session_id)
    }

    /// When the client gives up, if it does.
    pub(crate) fn patience(&self) -> Option<Duration> {
        (self.kind == Kind::Cancelled).then_some(PATIENCE)
    }

    /// Whether the answer is the right one for this call and no other.
    pub(crate) fn check(&self, answer: Result<Option<Vec<u8>>, String>) -> Result<Outcome, String> {
        let wrong = |what: &str| Err(format!("{} ({:?}): {what}", self.session_id, self.kind));
        let answer = match answer {
            Ok(Some(answer)) => answer,
            Ok(None) if self.kind == Kind::Cancelled => return Ok(Outcome::Cancelled),
            Ok(None) => return wrong("no answer"),
            Err(error) => return wrong(&error),
        };
        let Ok(value) = serde_json::from_slice::<Value>(&answer) else { return wrong("an answer that is no JSON") };
        let result = &value["result"];
        let text = result["content"][0]["text"].as_str().unwrap_or_default();
        if value["id"] != self.id {
            return wrong("another call's answer");
        }
        match self.kind.error() {
            Some(expected) if result["isError"] == true && text.contains(expected) => Ok(Outcome::Error),
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

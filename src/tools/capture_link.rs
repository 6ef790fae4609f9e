//! The success of every tool that makes a capture link: what the agent reads, what programs read, what people see.
//!
//! The link and its picture are credentials: they go into the result and nowhere else.

use std::borrow::Cow;

use jiff::Timestamp;
use rmcp::model::{Annotations, CallToolResult, ContentBlock, ImageContent, JsonObject, MetaObject, Role};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Fault, QrMode, ToolName, environment_label, schema, time_words::in_words};
use crate::qr;
use crate::verifa::{Environment, FreshLink, IdempotencyKey, KeyInflection, LinkEndpoint, QrCode, SessionId};

/// The name in a result's `_meta` that holds what programs need besides the answer.
pub const META_KEY: &str = "io.github.verifa-mcp/capture-link";

/// How far a clock may be off before a link counts as dead, in seconds.
const CLOCK_ALLOWANCE: i64 = 60;

/// A fresh capture link and what is known about it.
#[derive(Debug)]
pub struct CaptureLink {
    /// The endpoint that made it.
    pub endpoint: LinkEndpoint,
    /// What Verifa answered.
    pub fresh: FreshLink,
    /// The session that was asked for.
    pub asked_for: SessionId,
    /// The environment of the key.
    pub environment: Environment,
    /// Whether the emulator answered.
    pub emulated: bool,
    /// The key that the call went out with.
    pub idempotency_key: IdempotencyKey,
    /// The casing that was asked for.
    pub key_inflection: KeyInflection,
    /// How the QR code is handed over.
    pub qr: QrMode,
    /// The clock of the answer.
    pub now: Timestamp,
}

/// The endpoint's five fields.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Fields<'a> {
    id: &'a str,
    status: &'a str,
    /// Single-use link for the person being verified.
    #[schemars(extend("format" = "uri"))]
    capture_url: &'a str,
    #[schemars(extend("format" = "date-time"))]
    expires_at: &'a str,
    /// PNG data URL of the link's QR code.
    #[schemars(schema_with = "schema::text_or_null")]
    qr_code_data_url: Option<&'a str>,
}

/// A one-time link's fields: the same, but for the name of the session's id. The link's own id is of no use to an agent.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct OneTimeFields<'a> {
    session_id: &'a str,
    status: &'a str,
    /// Single-use link for the person being verified.
    #[schemars(extend("format" = "uri"))]
    capture_url: &'a str,
    #[schemars(extend("format" = "date-time"))]
    expires_at: &'a str,
    /// PNG data URL of the link's QR code.
    #[schemars(schema_with = "schema::text_or_null")]
    qr_code_data_url: Option<&'a str>,
}

/// The fields that this server never gives.
fn left_out(qr: QrMode) -> &'static [&'static str] {
    if qr == QrMode::Full { &[] } else { &["qr_code_data_url"] }
}

impl CaptureLink {
    /// The schema of [`Self::structured`] after a resume.
    pub(super) fn schema_of_resumed(qr: QrMode) -> JsonObject {
        schema::in_every_casing(schema::without(schema::output::<Fields<'_>>(), left_out(qr)))
    }

    /// The schema of [`Self::structured`] with a one-time link.
    pub(super) fn schema_of_one_time(qr: QrMode) -> JsonObject {
        schema::without(schema::output::<OneTimeFields<'_>>(), left_out(qr))
    }

    /// The link, unless it is dead by the clock of its own answer.
    ///
    /// # Errors
    /// A dead link: a replayed answer outlives the token in it.
    pub(super) fn alive(self) -> Result<Self, Fault> {
        let remaining = self.fresh.expires_at.remaining(self.now);
        if remaining.as_secs() >= -CLOCK_ALLOWANCE {
            Ok(self)
        } else {
            Err(Fault::DeadLink { dead_for: remaining.abs() })
        }
    }

    /// What the agent reads, without the picture.
    pub fn text(&self) -> String {
        let FreshLink { session_id, status, capture_url, .. } = &self.fresh;
        let environment = environment_label(self.environment, self.emulated);
        let done = match self.endpoint {
            LinkEndpoint::Resume => "is resumed",
            LinkEndpoint::OneTimeLink { .. } => "has a new one-time link",
        };
        let status = status.quoted();
        let mut text = format!(
            "Session {session_id} ({environment}) {done}, status {status}. Capture link, works once, pass it on whole \
             and unchanged, do not open it:\n{}\nExpires {}.\nidempotency_key used: {}",
            capture_url.expose(),
            self.expiry(),
            self.idempotency_key.as_str(),
        );
        if let Some(warning) = self.warning() {
            text += &format!("\n{warning}");
        }
        text
    }

    /// When the link dies, in absolute and in relative words.
    pub fn expiry(&self) -> String {
        let expires_at = &self.fresh.expires_at;
        let absolute = expires_at.instant().strftime("%Y-%m-%d %H:%M:%S UTC");
        let remaining = expires_at.remaining(self.now);
        let relative =
            if remaining.is_positive() { format!("in {}", in_words(remaining)) } else { "about now".to_owned() };
        format!("{absolute}, {relative}")
    }

    /// What must be looked at before the link is passed on: an answer for another session than was asked for.
    pub fn warning(&self) -> Option<String> {
        let id = &self.fresh.session_id;
        (*id != self.asked_for).then(|| {
            format!(
                "Attention: Verifa answered for {id}, not for {}. Make sure that this is the same person before passing \
                 the link on.",
                self.asked_for
            )
        })
    }

    /// The endpoint's fields in the casing that was asked for.
    pub fn structured(&self) -> Value {
        let FreshLink { session_id, status, capture_url, expires_at, qr_code } = &self.fresh;
        let (id, status, capture_url) = (session_id.as_str(), status.as_str(), capture_url.expose());
        let (expires_at, qr_code_data_url) = (expires_at.as_str(), qr_code.as_ref().map(QrCode::expose_data_url));
        let mut value = match self.endpoint {
            LinkEndpoint::Resume => json!(Fields { id, status, capture_url, expires_at, qr_code_data_url }),
            LinkEndpoint::OneTimeLink { .. } => {
                json!(OneTimeFields { session_id: id, status, capture_url, expires_at, qr_code_data_url })
            }
        };
        if let Some(object) = value.as_object_mut() {
            object.retain(|name, _| !left_out(self.qr).contains(&name.as_str()));
        }
        self.key_inflection.inflect_keys(value)
    }

    /// The QR code: Verifa's own picture, else one drawn from the link.
    pub fn picture(&self) -> Option<Cow<'_, QrCode>> {
        let drawn = || qr::png(self.fresh.capture_url.expose()).map(|png| Cow::Owned(QrCode::from_png(&png)));
        self.fresh.qr_code.as_ref().map(Cow::Borrowed).or_else(drawn)
    }

    /// The result of the tool call.
    pub fn into_result(self) -> CallToolResult {
        let mut content = vec![ContentBlock::text(self.text())];
        let picture = if self.qr == QrMode::None { None } else { self.picture() };
        content.extend(picture.map(|picture| {
            let for_the_user = Annotations::default().with_audience(vec![Role::User]);
            let image = ImageContent::new(picture.expose_base64(), "image/png").with_annotations(for_the_user);
            ContentBlock::Image(image)
        }));
        let mut result = CallToolResult::success(content);
        result.structured_content = Some(self.structured());
        let about = json!({
            "tool": ToolName::of(self.endpoint).as_str(),
            "session_id": self.fresh.session_id.as_str(),
            "environment": self.environment.as_str(),
            "emulator": self.emulated,
            "idempotency_key": self.idempotency_key.as_str(),
        });
        result.with_meta(Some(MetaObject(JsonObject::from_iter([(META_KEY.to_owned(), about)]))))
    }
}

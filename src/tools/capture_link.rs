//! The success of every tool that makes a capture link: what the agent reads, what programs read, what people see.
//!
//! The link and its picture are credentials: they go into the result and nowhere else.

use jiff::Timestamp;
use rmcp::model::{Annotations, CallToolResult, ContentBlock, ImageContent, JsonObject, MetaObject, Role};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Fault, QrMode, environment_label, schema, time_words::in_words};
use crate::qr;
use crate::verifa::{Environment, IdempotencyKey, KeyInflection, QrCode, ResumedSession, SessionId};

/// The name in a result's `_meta` that holds what programs need besides the answer.
pub const META_KEY: &str = "io.github.verifa-mcp/capture-link";

/// How far a clock may be off before a link counts as dead, in seconds.
const CLOCK_ALLOWANCE: i64 = 60;

/// A fresh capture link and what is known about it.
#[derive(Debug)]
pub struct CaptureLink {
    /// What Verifa answered.
    pub session: ResumedSession,
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
    #[schemars(schema_with = "text_or_null")]
    qr_code_data_url: Option<String>,
}

/// Without a list of types, which some clients warn of.
fn text_or_null(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [{"type": "string"}, {"type": "null"}]})
}

impl CaptureLink {
    /// The schema of [`Self::structured`].
    pub(super) fn output_schema(qr: QrMode) -> JsonObject {
        let left_out: &[&str] = if qr == QrMode::Full { &[] } else { &["qr_code_data_url"] };
        schema::output_in_every_casing::<Fields<'_>>(left_out)
    }

    /// The link, unless it is dead by the clock of its own answer.
    ///
    /// # Errors
    /// A dead link: a replayed answer outlives the token in it.
    pub(super) fn alive(self) -> Result<Self, Fault> {
        let remaining = self.session.expires_at.remaining(self.now);
        if remaining.as_secs() >= -CLOCK_ALLOWANCE {
            Ok(self)
        } else {
            Err(Fault::DeadLink { dead_for: remaining.abs() })
        }
    }

    /// What the agent reads, without the picture.
    pub fn text(&self) -> String {
        let ResumedSession { id, status, capture_url, .. } = &self.session;
        let environment = environment_label(self.environment, self.emulated);
        let mut text = format!(
            "Session {id} ({environment}) is resumed, status \"{status}\". Capture link, works once, pass it on whole and \
             unchanged, do not open it:\n{}\nExpires {}.\nidempotency_key used: {}",
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
        let expires_at = &self.session.expires_at;
        let absolute = expires_at.instant().strftime("%Y-%m-%d %H:%M:%S UTC");
        let remaining = expires_at.remaining(self.now);
        let relative =
            if remaining.is_positive() { format!("in {}", in_words(remaining)) } else { "about now".to_owned() };
        format!("{absolute}, {relative}")
    }

    /// What must be looked at before the link is passed on: an answer for another session than was asked for.
    pub fn warning(&self) -> Option<String> {
        let id = &self.session.id;
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
        let session = &self.session;
        let fields = Fields {
            id: session.id.as_str(),
            status: session.status.as_str(),
            capture_url: session.capture_url.expose(),
            expires_at: session.expires_at.as_str(),
            qr_code_data_url: session.qr_code.as_ref().map(QrCode::expose_data_url),
        };
        let mut value = json!(fields);
        if let (Some(object), true) = (value.as_object_mut(), self.qr != QrMode::Full) {
            object.shift_remove("qr_code_data_url");
        }
        self.key_inflection.inflect_keys(value)
    }

    /// The QR code: Verifa's own picture, else one drawn from the link.
    pub fn picture(&self) -> Option<QrCode> {
        self.session
            .qr_code
            .clone()
            .or_else(|| qr::png(self.session.capture_url.expose()).map(|png| QrCode::from_png(&png)))
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
            "tool": super::resume_session::NAME,
            "session_id": self.session.id.as_str(),
            "environment": self.environment.as_str(),
            "emulator": self.emulated,
            "idempotency_key": self.idempotency_key.as_str(),
        });
        result.with_meta(Some(MetaObject(JsonObject::from_iter([(META_KEY.to_owned(), about)]))))
    }
}

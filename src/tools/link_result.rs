//! The result of every tool that creates a capture link: what the agent reads, what programs read, what people see.
//!
//! The link and its QR code are credentials: they go into the result and nowhere else.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};
use rmcp::model::{Annotations, CallToolResult, ContentBlock, ImageContent, JsonObject, MetaObject, Role};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::{CallFailed, GetSession, QrMode, Tool, ToolSettings, schema, session_text::format_duration};
use crate::{
    call::CallContext,
    qr,
    verifa::{ApiResponse, CaptureLink, Environment, IdempotencyKey, KeyInflection, QrCode},
};

/// The name in a result's `_meta` that holds what programs need besides the endpoint's fields.
pub(crate) const META_KEY: &str = "io.github.verifa-mcp/capture-link";

/// How far a clock may be off before a link counts as expired, in seconds.
const CLOCK_ALLOWANCE: i64 = 60;

/// What the results of the link tools differ in.
#[derive(Debug, Clone, Copy)]
pub(super) struct LinkTool {
    /// The tool's name.
    pub(super) name: &'static str,
    /// "Session … …"
    pub(super) done: &'static str,
    /// The field that holds the session's id.
    pub(super) id_field: &'static str,
}

/// A new capture link and what is known about it.
#[derive(Debug, Clone)]
pub struct LinkResult {
    tool: LinkTool,
    pub(crate) link: CaptureLink,
    environment: Environment,
    pub(crate) environment_label: &'static str,
    pub(crate) emulated: bool,
    idempotency_key: Option<IdempotencyKey>,
    /// The tool that shows the session's status, if the caller may use it.
    status_tool: Option<&'static str>,
    key_inflection: KeyInflection,
    pub(crate) qr: QrMode,
    /// The response's clock.
    now: Timestamp,
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

fn omitted_fields(qr: QrMode) -> &'static [&'static str] {
    if qr == QrMode::Full { &[] } else { &["qr_code_data_url"] }
}

impl LinkResult {
    /// # Errors
    /// When the link has expired by the response's own clock: a replayed response outlives the token in it.
    pub(super) fn new(
        tool: LinkTool,
        response: ApiResponse<CaptureLink>,
        call: &CallContext<'_>,
        settings: &ToolSettings,
    ) -> Result<Self, CallFailed> {
        let now = response.now();
        let remaining = response.value.expires_at.remaining(now);
        if remaining.as_secs() < -CLOCK_ALLOWANCE {
            return Err(CallFailed::LinkExpired { expired_for: remaining.abs() });
        }
        Ok(Self {
            tool,
            link: response.value,
            environment: call.environment(),
            environment_label: call.environment_label(),
            emulated: call.emulated,
            idempotency_key: call.headers.idempotency_key.clone(),
            status_tool: call.caller.permissions.allows(GetSession::SPEC).then_some(GetSession::SPEC.name),
            key_inflection: call.headers.key_inflection,
            qr: settings.qr,
            now,
        })
    }

    /// The schema of [`Self::structured`] in snake case.
    pub(super) fn schema(tool: LinkTool, settings: &ToolSettings) -> JsonObject {
        let schema = schema::without(schema::output::<Fields<'_>>(), omitted_fields(settings.qr));
        schema::with_property_names(schema, |name| if name == "id" { tool.id_field.to_owned() } else { name })
    }

    /// What the agent reads, without the QR code itself.
    fn text(&self, has_image: bool) -> String {
        let CaptureLink { session_id, status, capture_url, .. } = &self.link;
        let mut text = format!(
            "Session {session_id} ({}) {}, status {}. Single-use capture link: send it complete and unchanged; do not open \
             it:\n{}\nExpires {}.",
            self.environment_label,
            self.tool.done,
            status.quoted(),
            capture_url.expose(),
            self.expiry(),
        );
        if has_image {
            text += " The image is its QR code.";
        }
        text
    }

    /// How long the link works, by the response's clock; negative when it has expired.
    pub(crate) fn remaining(&self) -> SignedDuration {
        self.link.expires_at.remaining(self.now)
    }

    /// When the link expires, absolute and relative.
    pub(crate) fn expiry(&self) -> String {
        let expires_at = &self.link.expires_at;
        let absolute = expires_at.instant().strftime("%Y-%m-%d %H:%M:%S UTC");
        let remaining = self.remaining();
        let relative =
            if remaining.is_positive() { format!("in {}", format_duration(remaining)) } else { "about now".to_owned() };
        format!("{absolute}, {relative}")
    }

    /// The endpoint's fields in the requested casing.
    pub(crate) fn structured(&self) -> Value {
        let CaptureLink { session_id, status, capture_url, expires_at, qr_code } = &self.link;
        let fields = Fields {
            id: session_id.as_str(),
            status: status.as_str(),
            capture_url: capture_url.expose(),
            expires_at: expires_at.as_str(),
            qr_code_data_url: qr_code.as_ref().map(QrCode::expose_data_url),
        };
        let Value::Object(mut fields) = json!(fields) else { return Value::Null };
        for name in omitted_fields(self.qr) {
            fields.shift_remove(*name);
        }
        if self.tool.id_field != "id"
            && let Some(id) = fields.shift_remove("id")
        {
            fields.shift_insert(0, self.tool.id_field.to_owned(), id);
        }
        self.key_inflection.inflect_keys(Value::Object(fields))
    }

    /// The QR code: Verifa's own, else one drawn from the link.
    pub(crate) fn qr_code(&self) -> Option<Cow<'_, QrCode>> {
        let drawn = || qr::png(self.link.capture_url.expose()).map(|png| Cow::Owned(QrCode::from_png(&png)));
        self.link.qr_code.as_ref().map(Cow::Borrowed).or_else(drawn)
    }
}

impl From<LinkResult> for CallToolResult {
    fn from(result: LinkResult) -> Self {
        let qr_code = if result.qr == QrMode::None { None } else { result.qr_code() };
        let mut content = vec![ContentBlock::text(result.text(qr_code.is_some()))];
        content.extend(qr_code.map(|qr_code| {
            let for_the_user = Annotations::default().with_audience(vec![Role::User]);
            let image = ImageContent::new(qr_code.expose_base64(), "image/png").with_annotations(for_the_user);
            ContentBlock::Image(image)
        }));
        let meta = json!({
            "tool": result.tool.name,
            "session_id": result.link.session_id.as_str(),
            "environment": result.environment.as_str(),
            "emulator": result.emulated,
            "status_tool": result.status_tool,
            "idempotency_key": result.idempotency_key.as_ref().map(IdempotencyKey::as_str),
        });
        let mut tool_result = Self::success(content);
        tool_result.structured_content = Some(result.structured());
        tool_result.with_meta(Some(MetaObject(JsonObject::from_iter([(META_KEY.to_owned(), meta)]))))
    }
}

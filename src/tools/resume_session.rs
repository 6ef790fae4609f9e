//! The tool that this project exists for: `POST /api/v1/sessions/{session_id}/resume`, as an agent calls it.
//!
//! Its input mirrors the endpoint: the path parameter and the three optional headers.

use std::time::Instant;

use reqwest::StatusCode;
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde_json::{Value, json};
use tracing::{Instrument, Span, field};

use super::{
    Caller, CaptureLink, Circumstances, Fault, Rights, Setup, ToolError, Toolset, VersionSent,
    arguments::Arguments,
    audited::{Audited, exchange},
    environment_label, schema,
};
use crate::{
    app,
    metrics::Metrics,
    verifa::{
        Answer, ApiKey, ApiVersion, Error, IdempotencyKey, KeyInflection, ResumeRequest, ResumedSession, SessionId,
        Wait,
    },
};

/// The tool's name.
pub const NAME: &str = "resume_session";

const DESCRIPTION: &str = "Brings a stuck Verifa identity verification back to life: gives an expired or abandoned \
    session a fresh capture link and QR code, keeping the person's progress. Use it when somebody's verification link \
    has expired or no longer works. Completed or redacted sessions cannot be resumed.\n\
    The link works once and dies after about 20 minutes. Pass capture_url on whole and unchanged, to the person being \
    verified and nobody else; never open or fetch it yourself. If it dies again, call again without the old \
    idempotency_key.";

/// What an agent may send.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "describes the arguments; `read` takes them")]
struct Input {
    /// Session ID (ses_*).
    #[schemars(
        length(min = 1, max = SessionId::MAX_LENGTH),
        regex(pattern = "^[A-Za-z0-9_-]+$"),
        example = &"ses_abc123"
    )]
    session_id: String,
    /// Leave out, or a new unique key: the same key repeats the first answer, old link included, for 24 hours.
    #[schemars(
        default,
        skip_serializing_if = "Option::is_none",
        with = "String",
        length(min = 1, max = IdempotencyKey::MAX_LENGTH),
        regex(pattern = "^[!-~]+$"),
        example = &"ticket-4711-1"
    )]
    idempotency_key: Option<String>,
    /// API version date; normally left out.
    #[schemars(
        default,
        skip_serializing_if = "Option::is_none",
        with = "String",
        regex(pattern = r"^\d{4}-\d{2}-\d{2}$"),
        example = &"2026-01-01"
    )]
    verifa_version: Option<String>,
    /// Casing of the answer's keys: snake (capture_url), camel (captureUrl) or kebab (capture-url).
    #[schemars(
        default,
        skip_serializing_if = "Option::is_none",
        with = "String",
        extend("enum" = KeyInflection::ALL.map(KeyInflection::as_str))
    )]
    key_inflection: Option<String>,
}

/// Whether rights allow the tool: it belongs to the toolset `resume`, and it changes something.
pub fn is_allowed(rights: &Rights) -> bool {
    rights.allow(Toolset::Resume, true)
}

/// The tool as `tools/list` shows it.
pub fn definition(setup: &Setup, caller: &Caller) -> Tool {
    let mut input = schema::input::<Input>();
    let defaults = [
        ("verifa_version", setup.verifa_version.as_ref().map(ApiVersion::as_str)),
        ("key_inflection", Some(setup.key_inflection.as_str())),
    ];
    for (name, default) in defaults {
        if let (Some(Value::Object(property)), Some(default)) =
            (input.get_mut("properties").and_then(|all| all.get_mut(name)), default)
        {
            property.insert("default".to_owned(), json!(default));
        }
    }
    let title = match caller.environment() {
        Some(environment) => format!("Resume a Verifa session ({})", environment_label(environment, setup.emulated)),
        None => "Resume a Verifa session".to_owned(),
    };
    let hints =
        ToolAnnotations::with_title(&title).read_only(false).destructive(false).idempotent(false).open_world(true);
    Tool::new(NAME, DESCRIPTION, input)
        .with_title(title)
        .with_raw_output_schema(CaptureLink::output_schema(setup.qr).into())
        .with_annotations(hints)
        .with_meta(app::tool_meta())
}

/// What a call asks for.
struct Call {
    request: ResumeRequest,
    agents_own_key: bool,
    version: VersionSent,
}

impl Call {
    fn read(arguments: JsonObject, setup: &Setup) -> Result<Self, Fault> {
        let mut arguments = Arguments::new(arguments);
        let session_id = arguments.required::<SessionId>("session_id");
        let idempotency_key = arguments.optional::<IdempotencyKey>("idempotency_key");
        let verifa_version = arguments.optional::<ApiVersion>("verifa_version");
        let key_inflection = arguments.optional("key_inflection");
        arguments.finish()?;
        Ok(Self {
            agents_own_key: idempotency_key.is_some(),
            version: match (&verifa_version, &setup.verifa_version) {
                (Some(_), _) => VersionSent::ByTheAgent,
                (None, Some(_)) => VersionSent::BySetting,
                (None, None) => VersionSent::No,
            },
            request: ResumeRequest {
                session_id: session_id.ok_or(Fault::Arguments(Vec::new()))?,
                idempotency_key: idempotency_key.unwrap_or_else(IdempotencyKey::generate),
                verifa_version: verifa_version.or_else(|| setup.verifa_version.clone()),
                key_inflection: key_inflection.unwrap_or(setup.key_inflection),
            },
        })
    }
}

/// Carries a call out. `on_wait` hears of each wait between two attempts.
///
/// # Errors
/// What the agent is to read: what happened, whose move it is, what to do next.
pub async fn call<F: Future<Output = ()>>(
    setup: &Setup,
    caller: &Caller,
    arguments: JsonObject,
    on_wait: impl Fn(Wait) -> F,
) -> Result<CaptureLink, ToolError> {
    if !is_allowed(&caller.rights) {
        return Err(Fault::NotAllowed.into());
    }
    let call = Call::read(arguments, setup).inspect_err(|fault| tracing::debug!(%fault, "nothing sent"))?;
    let span = tracing::info_span!(
        "resume_session",
        session_id = %call.request.session_id,
        attempts = field::Empty,
        status = field::Empty,
        milliseconds = field::Empty,
    );
    resume(setup, caller, &call, on_wait).instrument(span).await.map_err(|fault| {
        let circumstances = Circumstances {
            session_id: Some(call.request.session_id),
            environment: caller.environment(),
            version: call.version,
            agents_own_key: call.agents_own_key,
        };
        ToolError { fault, circumstances }
    })
}

async fn resume<F: Future<Output = ()>>(
    setup: &Setup,
    caller: &Caller,
    call: &Call,
    on_wait: impl Fn(Wait) -> F,
) -> Result<CaptureLink, Fault> {
    let resumed = ask_verifa(setup, caller, call, on_wait).await;
    match &resumed {
        Ok(_) => tracing::info!("resumed"),
        Err(fault @ (Fault::NoAuditStart(_) | Fault::NoAuditEnd(_))) => tracing::error!(%fault, "no link"),
        Err(fault) => tracing::warn!(%fault, "not resumed"),
    }
    resumed
}

/// Counts a request to Verifa, where one was sent.
fn count(metrics: &Metrics, outcome: Result<StatusCode, &Error>) {
    match outcome {
        Ok(status) => metrics.upstream_answered(Some(status)),
        Err(Error::Setup(_) | Error::Busy) => {}
        Err(error) => metrics.upstream_answered(error.status()),
    }
}

async fn ask_verifa<F: Future<Output = ()>>(
    setup: &Setup,
    caller: &Caller,
    call: &Call,
    on_wait: impl Fn(Wait) -> F,
) -> Result<CaptureLink, Fault> {
    let ResumeRequest { session_id, idempotency_key, .. } = &call.request;
    let key = caller.key.as_ref().ok_or(Fault::NoKey)?;
    let audited = Audited::start(setup, caller, key, NAME, session_id, Some(idempotency_key))?;
    let started = Instant::now();
    let on_wait = |wait: Wait| {
        count(&setup.metrics, Err(&wait.error));
        setup.metrics.upstream_repeated();
        on_wait(wait)
    };
    let answer = setup.client.resume(key, &call.request, on_wait).await;
    count(&setup.metrics, answer.as_ref().map(|answer| answer.status).map_err(|failure| &failure.error));
    let exchange = exchange(&answer);
    let span = Span::current();
    span.record("milliseconds", u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
    span.record("attempts", exchange.attempts).record("status", exchange.status);
    let link = answer.map_err(Fault::from).and_then(|answer| link(setup, key, call, answer));
    audited.end(exchange, link)
}

fn link(setup: &Setup, key: &ApiKey, call: &Call, answer: Answer<ResumedSession>) -> Result<CaptureLink, Fault> {
    let link = CaptureLink {
        now: answer.now(),
        session: answer.value,
        asked_for: call.request.session_id.clone(),
        environment: key.environment(),
        emulated: setup.emulated,
        idempotency_key: call.request.idempotency_key.clone(),
        key_inflection: call.request.key_inflection,
        qr: setup.qr,
    };
    link.alive()
}

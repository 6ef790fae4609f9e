//! A call for a fresh capture link, whichever tool makes it: the same care and the same success for all of them.
//!
//! All attempts of one call go out with one idempotency key.

use super::{
    ApiVersionSource, CaptureLink, Circumstances, Fault, IdempotencyKeySource, Setup, ToolError, ToolName,
    confirmation, exchange::About,
};
use crate::call::Caller;
use crate::verifa::{
    ApiVersion, Environment, IdempotencyKey, KeyInflection, LinkEndpoint, LinkRequest, SessionId, Wait,
};

/// A call whose arguments are good. Nothing was sent yet.
#[derive(Debug)]
pub struct LinkCall {
    request: LinkRequest,
    idempotency_key_source: IdempotencyKeySource,
    version: ApiVersionSource,
}

impl LinkCall {
    /// A call in which the agent chose neither an idempotency key nor a version.
    pub(super) fn new(session_id: SessionId, endpoint: LinkEndpoint, setup: &Setup) -> Self {
        let verifa_version = setup.verifa_version.clone();
        Self {
            idempotency_key_source: IdempotencyKeySource::Ours,
            version: if verifa_version.is_some() { ApiVersionSource::BySetting } else { ApiVersionSource::No },
            request: LinkRequest {
                session_id,
                endpoint,
                idempotency_key: IdempotencyKey::generate(),
                verifa_version,
                key_inflection: KeyInflection::Snake,
            },
        }
    }

    /// The same call with the agent's own idempotency key, where there is one.
    pub(super) fn with_idempotency_key(mut self, key: Option<IdempotencyKey>) -> Self {
        if let Some(key) = key {
            self.idempotency_key_source = IdempotencyKeySource::Agents;
            self.request.idempotency_key = key;
        }
        self
    }

    /// The same call with the version that the agent chose, where it did.
    pub(super) fn with_version(mut self, version: Option<ApiVersion>) -> Self {
        if version.is_some() {
            self.version = ApiVersionSource::ByTheAgent;
            self.request.verifa_version = version;
        }
        self
    }

    /// The same call with another casing of the answer.
    pub(super) fn with_key_inflection(mut self, key_inflection: KeyInflection) -> Self {
        self.request.key_inflection = key_inflection;
        self
    }

    /// What the user is asked, where they are to agree first.
    pub fn question(&self, environment: Environment, setup: &Setup) -> String {
        confirmation::question(&self.request, environment, setup.emulated)
    }

    /// The session that it is about.
    pub fn session_id(&self) -> &SessionId {
        &self.request.session_id
    }

    /// What Verifa will know a repetition of this call by.
    pub fn idempotency_key(&self) -> &IdempotencyKey {
        &self.request.idempotency_key
    }

    /// Makes this the very call that the user agreed to. A key of the agent's own stays that.
    pub fn confirm(&mut self, key: IdempotencyKey) {
        if self.idempotency_key_source == IdempotencyKeySource::Ours {
            self.idempotency_key_source = IdempotencyKeySource::Confirmed;
        }
        self.request.idempotency_key = key;
    }

    /// Sends it. `on_wait` hears of each wait between two attempts.
    ///
    /// # Errors
    /// What the agent is to read: what happened, whose move it is, what to do next.
    pub async fn send<F: Future<Output = ()>>(
        self,
        setup: &Setup,
        caller: &Caller,
        on_wait: impl Fn(Wait) -> F,
    ) -> Result<CaptureLink, ToolError> {
        let LinkRequest { session_id, idempotency_key, .. } = &self.request;
        let tool = ToolName::of(self.request.endpoint);
        let about = About { setup, caller, tool, session_id: Some(session_id), idempotency_key: Some(idempotency_key) };
        let link = self.exchange(about, on_wait).await;
        link.map_err(|fault| {
            let circumstances = Circumstances {
                version: self.version,
                idempotency_key_source: self.idempotency_key_source,
                ..about.circumstances()
            };
            ToolError { fault, circumstances }
        })
    }

    async fn exchange<F: Future<Output = ()>>(
        &self,
        about: About<'_>,
        on_wait: impl Fn(Wait) -> F,
    ) -> Result<CaptureLink, Fault> {
        let exchange = about.begin()?;
        let (setup, key) = (about.setup, exchange.key);
        let answer = setup.client.fresh_link(key, &self.request, exchange.counting(on_wait)).await;
        exchange.end(answer, |answer| {
            let link = CaptureLink {
                endpoint: self.request.endpoint,
                now: answer.now(),
                fresh: answer.value,
                asked_for: self.request.session_id.clone(),
                environment: key.environment(),
                emulated: setup.emulated,
                idempotency_key: self.request.idempotency_key.clone(),
                key_inflection: self.request.key_inflection,
                qr: setup.qr,
            };
            link.alive()
        })
    }
}

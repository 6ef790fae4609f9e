//! The keys of one authorization server: fetched at the start, refreshed in the background, kept while it is down.
//!
//! Unknown keys in tokens cause one request a minute, however many tokens there are. A set is replaced whole, and never by
//! one without a usable key. Too old keys are no keys: a revoked one could be among them.

use std::{
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until, timeout},
};
use url::Url;

use super::{
    discovery::{ServerError, discover},
    document,
    jwk::KeySet,
    settings::Issuer,
};
use crate::http_client::HttpClient;

const REFRESH_INTERVAL: Duration = Duration::from_secs(15 * 60);
const MIN_REFRESH_INTERVAL: Duration = Duration::from_secs(5 * 60);
const MAX_REFRESH_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// How long keys are used after the last time that they were fetched.
const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);
const FIRST_RETRY_DELAY: Duration = Duration::from_secs(10);
const RETRY_DELAY: Duration = Duration::from_secs(60);
/// Between two requests that unknown keys cause.
const MIN_REFETCH_INTERVAL: Duration = Duration::from_secs(60);
/// How long a request waits for keys that are being fetched.
const REFETCH_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct KeyCache {
    pub(super) issuer: Issuer,
    /// `None`: the one in the metadata.
    jwks_url: Option<Url>,
    client: HttpClient,
    state: Mutex<State>,
    fetched: Notify,
}

#[derive(Debug)]
struct State {
    keys: Option<Arc<KeySet>>,
    loaded: Instant,
    is_fetching: bool,
    /// When an unknown key last caused a request.
    refetched: Option<Instant>,
    next_refresh: Instant,
    /// The address in the metadata, discovered again after a failure.
    discovered: Option<Url>,
}

impl State {
    fn new(now: Instant) -> Self {
        let (keys, refetched, discovered) = (None, None, None);
        Self { keys, loaded: now, is_fetching: false, refetched, next_refresh: now, discovered }
    }

    fn keys(&self, now: Instant) -> Option<Arc<KeySet>> {
        self.keys.clone().filter(|_| now.saturating_duration_since(self.loaded) < MAX_AGE)
    }

    /// Whether the keys are fetched from now on because of an unknown key.
    fn begin_refetch(&mut self, now: Instant) -> bool {
        let is_too_early =
            self.refetched.is_some_and(|last| now.saturating_duration_since(last) < MIN_REFETCH_INTERVAL);
        if is_too_early || !self.begin() {
            return false;
        }
        self.refetched = Some(now);
        true
    }

    fn begin(&mut self) -> bool {
        !std::mem::replace(&mut self.is_fetching, true)
    }

    fn end(&mut self, fetched: Result<(KeySet, Option<Duration>), ()>, now: Instant) {
        self.is_fetching = false;
        self.next_refresh = now
            + match fetched {
                Ok((keys, max_age)) => {
                    (self.keys, self.loaded) = (Some(Arc::new(keys)), now);
                    max_age.unwrap_or(REFRESH_INTERVAL).clamp(MIN_REFRESH_INTERVAL, MAX_REFRESH_INTERVAL)
                }
                Err(()) if self.keys.is_none() => FIRST_RETRY_DELAY,
                Err(()) => RETRY_DELAY,
            };
    }
}

impl KeyCache {
    pub(super) fn new(issuer: Issuer, jwks_url: Option<Url>, client: HttpClient) -> Arc<Self> {
        let state = Mutex::new(State::new(Instant::now()));
        Arc::new(Self { issuer, jwks_url, client, state, fetched: Notify::new() })
    }

    /// The keys; `None` if they were never fetched, or too long ago.
    pub(super) fn keys(&self) -> Option<Arc<KeySet>> {
        self.state().keys(Instant::now())
    }

    /// Whether keys were fetched once.
    pub(super) fn is_loaded(&self) -> bool {
        self.state().keys.is_some()
    }

    /// Fetches the keys once more for a token whose key is unknown, or waits while that happens.
    pub(super) async fn refetch(self: &Arc<Self>) {
        let mut fetched = pin!(self.fetched.notified());
        // From here on no end of a request is missed.
        fetched.as_mut().enable();
        let (begins, is_fetching) = {
            let mut state = self.state();
            (state.begin_refetch(Instant::now()), state.is_fetching)
        };
        if begins {
            let cache = self.clone();
            // A task of its own: the request that began it may be cancelled.
            tokio::spawn(async move { cache.fetch_and_log().await });
        }
        if is_fetching {
            let _ = timeout(REFETCH_TIMEOUT, fetched).await;
        }
    }

    /// Fetches the keys for the first time.
    pub(super) async fn load(self: &Arc<Self>) -> Result<(), ServerError> {
        self.state().begin();
        self.fetch().await
    }

    /// Fetches the keys again and again, when they are due.
    pub(super) async fn keep_fresh(self: Arc<Self>) {
        loop {
            let next_refresh = self.state().next_refresh;
            sleep_until(next_refresh).await;
            let is_due = {
                let mut state = self.state();
                state.next_refresh <= next_refresh && state.begin()
            };
            if is_due {
                self.fetch_and_log().await;
            } else {
                // Another request is running, and sets the next time.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }

    async fn fetch_and_log(&self) {
        if let Err(error) = self.fetch().await {
            tracing::warn!(issuer = self.issuer.as_str(), %error, "the keys could not be fetched");
        }
    }

    async fn fetch(&self) -> Result<(), ServerError> {
        let (result, fetched) = match self.request().await {
            Ok(fetched) => (Ok(()), Ok(fetched)),
            Err(error) => (Err(error), Err(())),
        };
        let mut state = self.state();
        if result.is_err() {
            state.discovered = None;
        }
        state.end(fetched, Instant::now());
        drop(state);
        self.fetched.notify_waiters();
        result
    }

    async fn request(&self) -> Result<(KeySet, Option<Duration>), ServerError> {
        let url = self.url().await?;
        let unavailable = |error: String| ServerError::Unavailable(format!("no keys from {url}: {error}"));
        let document =
            document::get(&self.client, url.clone()).await.map_err(|error| unavailable(error.to_string()))?;
        if document.status != 200 {
            return Err(unavailable(format!("status {}", document.status.as_u16())));
        }
        let keys = KeySet::parse(&document.body).map_err(|error| unavailable(format!("it {error}")))?;
        if !keys.is_empty() {
            return Ok((keys, document.max_age()));
        }
        let reasons: Vec<_> = keys.skipped.iter().map(ToString::to_string).collect();
        let reasons = if reasons.is_empty() { "there is none".to_owned() } else { reasons.join("; ") };
        Err(ServerError::Unusable(format!("no key at {url} can be used: {reasons}")))
    }

    async fn url(&self) -> Result<Url, ServerError> {
        let known = self.jwks_url.clone().or_else(|| self.state().discovered.clone());
        if let Some(url) = known {
            return Ok(url);
        }
        let url = discover(&self.client, &self.issuer).await?.jwks_url(&self.issuer)?;
        self.state().discovered = Some(url.clone());
        Ok(url)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    #[test]
    fn keys_are_kept_for_a_day_while_the_authorization_server_is_down() {
        let start = Instant::now();
        let mut state = State::new(start);
        assert!(state.keys(start).is_none());
        state.end(Err(()), start);
        assert_eq!(state.next_refresh, start + FIRST_RETRY_DELAY);
        state.end(Ok((KeySet::default(), None)), start);
        assert_eq!(state.next_refresh, start + REFRESH_INTERVAL);
        state.end(Err(()), start + HOUR);
        assert_eq!(state.next_refresh, start + HOUR + RETRY_DELAY);
        assert!(state.keys(start + 23 * HOUR).is_some());
        assert!(state.keys(start + 24 * HOUR).is_none());
    }

    #[test]
    fn the_time_until_a_refresh_is_the_servers_within_bounds() {
        let start = Instant::now();
        for (max_age, interval) in [(0, 5), (299, 5), (600, 10), (86_400, 60)] {
            let mut state = State::new(start);
            state.end(Ok((KeySet::default(), Some(Duration::from_secs(max_age)))), start);
            assert_eq!(state.next_refresh, start + Duration::from_secs(60 * interval), "{max_age}");
        }
    }

    #[test]
    fn unknown_keys_cause_one_request_a_minute_also_when_it_fails() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut state = State::new(start);
        assert!(state.begin_refetch(start));
        assert!(!state.begin_refetch(start), "one is running");
        state.end(Err(()), start + second);
        assert!(!state.begin_refetch(start + 59 * second));
        assert!(state.begin_refetch(start + 60 * second));
    }
}

//! Facts of Verifa's wire format that the client and the emulator both need: header names, paths, error codes.
//!
//! Nothing else is shared between the two. Sources: the endpoint's reference page and the API guides
//! (docs.withverifa.com).

/// Where the REST API begins, below the host.
pub(crate) const API_PATH: &str = "/api/v1";

/// Last segment of the path that makes a link with a chosen lifetime.
pub(crate) const GENERATE_ONE_TIME_LINK: &str = "generate-one-time-link";
/// The one field of that request: whole minutes, or null.
pub(crate) const EXPIRES_IN_MINUTES: &str = "expires_in_minutes";

/// The most sessions that one page of a list may hold.
pub(crate) const MAX_LIST_LIMIT: u32 = 100;
/// How many sessions a page of a list holds when nothing is asked.
pub(crate) const DEFAULT_LIST_LIMIT: u32 = 50;

/// Carries the organization's secret key.
pub(crate) const API_KEY: &str = "x-api-key";
/// Carries the date of the API version, `YYYY-MM-DD`; absent: the version pinned to the key.
pub(crate) const VERIFA_VERSION: &str = "verifa-version";
/// The requested casing of the response's keys.
pub(crate) const KEY_INFLECTION: &str = "key-inflection";
/// Makes a repeated request harmless for 24 hours.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Calls that remain in this minute; every response has it.
pub(crate) const RATE_LIMIT_REMAINING: &str = "x-ratelimit-remaining";
/// Calls per minute.
pub(crate) const RATE_LIMIT_LIMIT: &str = "x-ratelimit-limit";
/// When the minute is over, in Unix seconds.
pub(crate) const RATE_LIMIT_RESET: &str = "x-ratelimit-reset";

/// The `error` code of a 422 for an idempotency key that was used with other parameters.
pub(crate) const IDEMPOTENCY_MISMATCH: &str = "idempotency_mismatch";

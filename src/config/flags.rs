//! The settings as flags and environment variables. The doc comments are the help text.
//!
//! Values stay text here; [`Config`](super::Config) parses them, so that all errors are reported at once.

use clap::{Args, FromArgMatches};

// A doc comment would become the help text of the command.
#[derive(Debug, Args)]
pub(crate) struct HttpSettings {
    /// Address to listen on, or a name of this computer; repeatable; port 0 picks a free one [default: 127.0.0.1:8787]
    #[arg(long, env = "VERIFA_MCP_LISTEN", value_name = "ADDRESS", hide_env_values = true)]
    pub(crate) listen: Vec<String>,
    /// Who may call: none (only this computer, with the configured key), api-key (callers send their own Verifa keys),
    /// token (callers send tokens that you issue, with the configured key) or oauth (callers log in at your authorization
    /// server, with the configured key) [default: none with a key on loopback, api-key without a key]
    #[arg(long, env = "VERIFA_MCP_AUTH", value_name = "MODE", hide_env_values = true)]
    pub(crate) auth: Option<String>,
    /// File of the callers' tokens, for --auth token; managed with `verifa-mcp token`
    #[arg(long, env = "VERIFA_MCP_TOKENS_FILE", value_name = "FILE", hide_env_values = true)]
    pub(crate) tokens_file: Option<String>,
    /// Name of this server in a request's Host header; repeatable [default: loopback names]
    #[arg(long, env = "VERIFA_MCP_ALLOWED_HOSTS", value_name = "HOST", hide_env_values = true)]
    pub(crate) allowed_host: Vec<String>,
    /// Origin whose web pages may call, for example https://app.example.com; repeatable [default: loopback origins]
    #[arg(long, env = "VERIFA_MCP_ALLOWED_ORIGINS", value_name = "ORIGIN", hide_env_values = true)]
    pub(crate) allowed_origin: Vec<String>,
    /// Disable the classic HTTP+SSE transport, /sse and /messages
    #[arg(long, env = "VERIFA_MCP_NO_CLASSIC_SSE", value_name = "BOOL", hide_env_values = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) no_classic_sse: Option<String>,
    /// Address for /metrics [default: next to /mcp if every listener is loopback, otherwise none]
    #[arg(long, env = "VERIFA_MCP_METRICS_LISTEN", value_name = "ADDRESS", hide_env_values = true)]
    pub(crate) metrics_listen: Option<String>,
    /// Maximum concurrent connections [default: 1024]
    #[arg(long, env = "VERIFA_MCP_MAX_CONNECTIONS", value_name = "NUMBER", hide_env_values = true)]
    pub(crate) max_connections: Option<String>,
    /// Maximum concurrent classic SSE streams [default: 256]
    #[arg(long, env = "VERIFA_MCP_MAX_STREAMS", value_name = "NUMBER", hide_env_values = true)]
    pub(crate) max_streams: Option<String>,
    /// Maximum calls of one caller that create a link, in a period [default: 60/1h; unlimited with --auth none]
    #[arg(long, env = "VERIFA_MCP_WRITES_PER_CALLER", value_name = "NUMBER/DURATION", hide_env_values = true)]
    pub(crate) writes_per_caller: Option<String>,
    #[command(flatten)]
    pub(crate) oauth: OAuthFlags,
}

#[derive(Debug, Args)]
pub(crate) struct OAuthFlags {
    /// URL of this server that users add to their clients, for --auth oauth: https://mcp.example.com/mcp
    #[arg(long, env = "VERIFA_MCP_PUBLIC_URL", value_name = "URL", hide_env_values = true)]
    pub(crate) public_url: Option<String>,
    /// Issuer of the authorization server that issues access tokens, exactly as in their iss; repeatable, up to 4
    #[arg(long, env = "VERIFA_MCP_OAUTH_ISSUER", value_name = "URL", hide_env_values = true)]
    pub(crate) oauth_issuer: Vec<String>,
    /// Audience that access tokens must have in their aud; repeatable, up to 8 [default: the public URL]
    #[arg(long, env = "VERIFA_MCP_OAUTH_AUDIENCE", value_name = "AUDIENCE", hide_env_values = true)]
    pub(crate) oauth_audience: Vec<String>,
    /// Text before each scope (verifa:read and so on), where the authorization server requires one
    #[arg(long, env = "VERIFA_MCP_OAUTH_SCOPE_PREFIX", value_name = "PREFIX", hide_env_values = true)]
    pub(crate) oauth_scope_prefix: Option<String>,
    /// Scopes of every access token that has none of this server; repeatable: verifa:read, verifa:resume, verifa:links
    #[arg(long, env = "VERIFA_MCP_OAUTH_DEFAULT_SCOPES", value_name = "SCOPE", hide_env_values = true)]
    pub(crate) oauth_default_scopes: Vec<String>,
    /// How far the authorization server's clock may be off, up to 5m [default: 60s]
    #[arg(long, env = "VERIFA_MCP_OAUTH_LEEWAY", value_name = "DURATION", hide_env_values = true)]
    pub(crate) oauth_leeway: Option<String>,
    /// URL of the issuer's keys [default: from the issuer's metadata]
    #[arg(long, env = "VERIFA_MCP_OAUTH_JWKS_URL", value_name = "URL", hide_env_values = true)]
    pub(crate) oauth_jwks_url: Option<String>,
    /// Client ID for introspection, for access tokens that are not JWTs
    #[arg(long, env = "VERIFA_MCP_OAUTH_CLIENT_ID", value_name = "ID", hide_env_values = true)]
    pub(crate) oauth_client_id: Option<String>,
    /// File that contains the client secret, instead of VERIFA_MCP_OAUTH_CLIENT_SECRET
    #[arg(long, env = "VERIFA_MCP_OAUTH_CLIENT_SECRET_FILE", value_name = "FILE", hide_env_values = true)]
    pub(crate) oauth_client_secret_file: Option<String>,
    /// URL for introspection [default: from the issuer's metadata]
    #[arg(long, env = "VERIFA_MCP_OAUTH_INTROSPECTION_URL", value_name = "URL", hide_env_values = true)]
    pub(crate) oauth_introspection_url: Option<String>,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct Settings {
    /// Use an emulator inside this process instead of Verifa, without an account or key
    #[arg(long, global = true)]
    pub(crate) emulator: bool,
    /// File that contains the secret key, instead of VERIFA_API_KEY
    #[arg(long, env = "VERIFA_API_KEY_FILE", value_name = "FILE", global = true, hide_env_values = true)]
    pub(crate) api_key_file: Option<String>,
    /// sandbox or live; if given, the key must belong to it [default: from the key]
    #[arg(long, env = "VERIFA_ENV", value_name = "ENVIRONMENT", global = true, hide_env_values = true)]
    pub(crate) env: Option<String>,
    /// Verifa's API; plain http only on this computer [default: https://api.withverifa.com]
    #[arg(long, env = "VERIFA_API_URL", value_name = "URL", global = true, hide_env_values = true)]
    pub(crate) api_url: Option<String>,
    /// API version to request, YYYY-MM-DD [default: the one pinned to the key]
    #[arg(long, env = "VERIFA_API_VERSION", value_name = "DATE", global = true, hide_env_values = true)]
    pub(crate) api_version: Option<String>,
    /// Casing of the keys in responses: snake, camel or kebab [default: snake]
    #[arg(long, env = "VERIFA_KEY_INFLECTION", value_name = "CASING", global = true, hide_env_values = true)]
    pub(crate) key_inflection: Option<String>,
    /// How to return QR codes: full (image and field), image or none [default: full]
    #[arg(long, env = "VERIFA_MCP_QR", value_name = "MODE", global = true, hide_env_values = true)]
    pub(crate) qr: Option<String>,
    /// Ask the user, through their MCP client, before calls that change something: never, live (with a live key) or
    /// always; `verifa-mcp resume` never asks [default: never]
    #[arg(long, env = "VERIFA_MCP_CONFIRM", value_name = "WHEN", global = true, hide_env_values = true)]
    pub(crate) confirm: Option<String>,
    /// Total time for all attempts of one call [default: 20s]
    #[arg(long, env = "VERIFA_MCP_RETRY_BUDGET", value_name = "DURATION", global = true, hide_env_values = true)]
    pub(crate) retry_budget: Option<String>,
    /// Timeout for establishing a connection [default: 5s]
    #[arg(long, env = "VERIFA_MCP_CONNECT_TIMEOUT", value_name = "DURATION", global = true, hide_env_values = true)]
    pub(crate) connect_timeout: Option<String>,
    /// Timeout for one attempt [default: 10s]
    #[arg(long, env = "VERIFA_MCP_ATTEMPT_TIMEOUT", value_name = "DURATION", global = true, hide_env_values = true)]
    pub(crate) attempt_timeout: Option<String>,
    /// Maximum concurrent requests to Verifa [default: 64]
    #[arg(long, env = "VERIFA_MCP_MAX_UPSTREAM", value_name = "NUMBER", global = true, hide_env_values = true)]
    pub(crate) max_upstream: Option<String>,
    /// Whether to connect to Verifa before the first call: true or false [default: true]
    #[arg(long, env = "VERIFA_MCP_CONNECT_AHEAD", value_name = "BOOL", global = true, hide_env_values = true)]
    pub(crate) connect_ahead: Option<String>,
    /// PEM file of certificate authorities to trust in addition to the system's
    #[arg(long, env = "VERIFA_CA_FILE", value_name = "FILE", global = true, hide_env_values = true)]
    pub(crate) ca_file: Option<String>,
    /// Audit log file, two JSON lines per call: who requested what, and the outcome
    #[arg(long, env = "VERIFA_MCP_AUDIT_LOG", value_name = "FILE", global = true, hide_env_values = true)]
    pub(crate) audit_log: Option<String>,
    /// Log level on stderr: off, error, warn, info, debug or trace [default: info; off for resume and check]
    #[arg(long, env = "VERIFA_MCP_LOG", value_name = "LEVEL", global = true, hide_env_values = true)]
    pub(crate) log: Option<String>,
    /// Log format: text or json [default: text]
    #[arg(long, env = "VERIFA_MCP_LOG_FORMAT", value_name = "FORMAT", global = true, hide_env_values = true)]
    pub(crate) log_format: Option<String>,
}

impl HttpSettings {
    /// The settings in the environment alone, for a command without these flags.
    pub(crate) fn from_environment() -> Result<Self, clap::Error> {
        let command = Self::augment_args(clap::Command::new(env!("CARGO_PKG_NAME")));
        Self::from_arg_matches(&command.try_get_matches_from([env!("CARGO_PKG_NAME")])?)
    }

    pub(crate) fn names_oauth(&self) -> bool {
        self.auth.as_deref().is_some_and(|mode| mode.trim() == "oauth")
    }
}

impl Settings {
    /// The settings that are set, with their variables, for a client that starts the server. `variable` looks up those
    /// that have no flag. The key is not included.
    pub(crate) fn for_a_client(&self, variable: impl Fn(&str) -> Option<String>) -> Vec<(&'static str, String)> {
        let flags = [
            ("VERIFA_API_KEY_FILE", &self.api_key_file),
            ("VERIFA_ENV", &self.env),
            ("VERIFA_API_URL", &self.api_url),
            ("VERIFA_API_VERSION", &self.api_version),
            ("VERIFA_KEY_INFLECTION", &self.key_inflection),
            ("VERIFA_MCP_QR", &self.qr),
            ("VERIFA_MCP_RETRY_BUDGET", &self.retry_budget),
            ("VERIFA_MCP_CONNECT_TIMEOUT", &self.connect_timeout),
            ("VERIFA_MCP_ATTEMPT_TIMEOUT", &self.attempt_timeout),
            ("VERIFA_MCP_MAX_UPSTREAM", &self.max_upstream),
            ("VERIFA_MCP_CONNECT_AHEAD", &self.connect_ahead),
            ("VERIFA_MCP_CONFIRM", &self.confirm),
            ("VERIFA_CA_FILE", &self.ca_file),
            ("VERIFA_MCP_AUDIT_LOG", &self.audit_log),
            ("VERIFA_MCP_LOG", &self.log),
            ("VERIFA_MCP_LOG_FORMAT", &self.log_format),
        ];
        let flags = flags.map(|(name, value)| (name, value.clone()));
        let others = ["VERIFA_MCP_TOOLSETS", "VERIFA_MCP_READ_ONLY"].map(|name| (name, variable(name)));
        let set = |(name, value): (_, Option<String>)| {
            Some((name, value?.trim().to_owned())).filter(|(_, value)| !value.is_empty())
        };
        flags.into_iter().chain(others).filter_map(set).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_gets_every_setting_that_is_set() {
        let command = Settings::augment_args(clap::Command::new("settings"));
        let settings = command.get_arguments().filter(|it| it.get_env().is_some());
        let flags = settings.map(|it| format!("--{}= {} ", it.get_long().unwrap(), it.get_id()));
        let words = std::iter::once("settings".to_owned()).chain(flags);
        let matches = command.clone().get_matches_from(words);
        let settings = Settings::from_arg_matches(&matches).unwrap();
        let mut expected: Vec<_> = command
            .get_arguments()
            .filter_map(|it| Some((it.get_env()?.to_str().unwrap().to_owned(), it.get_id().to_string())))
            .chain(["VERIFA_MCP_TOOLSETS", "VERIFA_MCP_READ_ONLY"].map(|name| (name.to_owned(), name.to_owned())))
            .collect();
        let for_a_client = settings.for_a_client(|name| Some(name.to_owned()));
        let mut given: Vec<_> = for_a_client.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        expected.sort();
        given.sort();
        assert_eq!(given, expected);
        let empty = Settings {
            qr: Some(" ".to_owned()),
            ..Settings::from_arg_matches(&command.get_matches_from([""])).unwrap()
        };
        assert!(!empty.for_a_client(|_| Some(String::new())).iter().any(|(name, _)| *name == "VERIFA_MCP_QR"));
    }
}

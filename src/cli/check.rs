//! `verifa-mcp check`: is the key valid, which environment, how much is left; and what is wrong, with the fix.
//!
//! It requests the rate limits, which changes nothing.

use std::{
    env,
    io::{self, Write},
    process::ExitCode,
};

use serde::Serialize;

use super::flags::Check;
use crate::{
    config::{Config, HttpSettings},
    tools::connection_text,
    verifa::{ApiResponse, ApiVersion, Environment, Error, ErrorBody, GetRateLimits, RateLimits, RequestHeaders},
};

/// How far this computer's clock may be off, in seconds.
const CLOCK_ALLOWANCE: i64 = 60;

/// What was found; the fields of `--json`.
#[derive(Debug, Serialize)]
struct Findings {
    ok: bool,
    answered: bool,
    environment: Option<&'static str>,
    plan: Option<String>,
    calls_left: Option<u64>,
    calls_per_minute: Option<u64>,
    base_url: String,
    proxy: Option<String>,
    api_version: Option<String>,
    tools: Vec<String>,
    emulator: bool,
    #[serde(rename = "faults")]
    problems: Vec<Problem>,
}

#[derive(Debug, Serialize)]
pub(super) struct Problem {
    #[serde(rename = "fault")]
    pub(super) what: String,
    pub(super) fix: String,
}

impl Problem {
    pub(super) fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), fix: fix.into() }
    }
}

pub(super) async fn run(flags: &Check, config: Config) -> anyhow::Result<ExitCode> {
    let oauth = oauth_problem(&config).await?;
    let mut findings = find(config).await;
    findings.problems.extend(oauth);
    findings.ok = findings.problems.is_empty();
    let text = if flags.json { serde_json::to_string_pretty(&findings)? + "\n" } else { describe(&findings) };
    io::stdout().write_all(text.as_bytes())?;
    Ok(if findings.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn find(config: Config) -> Findings {
    let client = config.client();
    let version = config.tools.api_version.as_ref();
    let offered = config.server_state().offered_tools(&config.caller);
    let mut findings = Findings {
        ok: false,
        answered: false,
        environment: config.caller.environment().map(Environment::as_str),
        plan: None,
        calls_left: None,
        calls_per_minute: None,
        base_url: config.client.base_url.to_string(),
        proxy: client.proxy().map(str::to_owned),
        api_version: version.map(|version| version.as_str().to_owned()),
        tools: offered.iter().map(|tool| tool.name.to_string()).collect(),
        emulator: config.tools.emulated,
        problems: Vec::new(),
    };
    let headers = RequestHeaders { version: version.cloned(), ..RequestHeaders::default() };
    match &config.caller.key {
        None => findings.problems.push(Problem::new(
            "no API key is configured",
            "set VERIFA_API_KEY to your secret key, vk_sandbox_… or vk_live_…, or VERIFA_API_KEY_FILE to a file with it",
        )),
        Some(key) => match client.send_once(key, &headers, &GetRateLimits).await {
            Ok(response) => findings.add(response, key.environment()),
            Err(error) => findings.problems.push(explain(&error, version)),
        },
    }
    findings
}

/// What would stop a server with `VERIFA_MCP_AUTH=oauth` at its start, or keep it from being ready.
///
/// # Errors
/// The settings are invalid.
async fn oauth_problem(config: &Config) -> anyhow::Result<Option<Problem>> {
    let settings = HttpSettings::from_environment()?;
    if !settings.names_oauth() {
        return Ok(None);
    }
    let http = config.read_http(&settings, |name| env::var_os(name))?;
    let Some(oauth) = http.auth.oauth() else { return Ok(None) };
    Ok(match oauth.start().await {
        Err(error) => Some(Problem::new(error, "change the setting, or the authorization server")),
        Ok(()) if !oauth.is_ready() => Some(Problem::new(
            "the authorization server does not respond as it should, so no token could be verified",
            "check VERIFA_MCP_OAUTH_ISSUER, the network and the proxy; `verifa-mcp check --url` says more",
        )),
        Ok(()) => None,
    })
}

impl Findings {
    fn add(&mut self, response: ApiResponse<RateLimits>, environment: Environment) {
        if let Some(off) = response.date.map(|date| response.received.duration_since(date).as_secs())
            && off.abs() > CLOCK_ALLOWANCE
        {
            let direction = if off > 0 { "ahead of" } else { "behind" };
            self.problems.push(Problem::new(
                format!("this computer's clock is {} seconds {direction} Verifa's", off.abs()),
                "set the clock (enable network time); expiry times are wrong until then",
            ));
        }
        let limits = response.value;
        self.answered = true;
        if let Some(named) = limits.environment.filter(|named| named.as_str() != environment.as_str()) {
            self.problems.push(Problem::new(
                format!(
                    "the key begins like a {environment} key, but Verifa says that it belongs to {}",
                    named.quoted()
                ),
                "check with Verifa that this is the key you meant",
            ));
        }
        self.plan = limits.plan.map(|plan| plan.to_string());
        self.calls_left = limits.remaining;
        self.calls_per_minute = limits.limit;
    }
}

fn explain(error: &Error, version: Option<&ApiVersion>) -> Problem {
    match error {
        Error::Status(response) => {
            let ErrorBody::Verifa { detail, .. } = &response.body else {
                return Problem::new(
                    format!("the response ({response}) is not in Verifa's error format"),
                    "check VERIFA_API_URL, the proxy and any gateway in between",
                );
            };
            let said = detail.as_ref().map(|detail| format!(": {}", detail.quoted())).unwrap_or_default();
            let responded = format!("Verifa responded with {}{said}", response.status.as_u16());
            match (response.status.as_u16(), version) {
                (401, _) => Problem::new(
                    format!("the key was rejected (401){said}"),
                    "it may be revoked, expired, or not allowed from this IP address; check it with Verifa",
                ),
                (402, _) => Problem::new(responded, "check the organization's plan and billing with Verifa"),
                (403, _) => Problem::new(responded, "give the key the permissions it lacks, in Verifa's dashboard"),
                (400, Some(_)) => Problem::new(responded, "change VERIFA_API_VERSION, or omit it"),
                (429, _) => Problem::new(responded, "wait a minute; the key works, but its calls are used up for now"),
                (500.., _) => Problem::new(responded, "retry in a minute; if it persists, contact Verifa"),
                _ => Problem::new(responded, "check VERIFA_API_URL: this does not look like Verifa's API"),
            }
        }
        Error::Unreachable { error, proxy } => {
            let (what, check) = connection_text(*error, proxy.as_deref());
            let through = proxy.as_ref().map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default();
            Problem::new(format!("could not reach Verifa{through}: {what}"), format!("check {check}"))
        }
        Error::Setup(error) => Problem::new(
            error.to_string(),
            "install the system's CA certificates, or name a valid file in VERIFA_CA_FILE",
        ),
        Error::TimedOut(_) | Error::Interrupted | Error::Busy => {
            Problem::new(format!("no response from Verifa: {error}"), "check the network, and retry in a minute")
        }
        Error::Unreadable { error, .. } => Problem::new(
            format!("there was a response, but not one of Verifa's API: {error}"),
            "check VERIFA_API_URL and the proxy",
        ),
    }
}

fn describe(findings: &Findings) -> String {
    let headline = match (findings.ok, findings.emulator) {
        (true, true) => "Everything works. This is the emulator inside this command, not Verifa.",
        (true, false) => "Everything works: Verifa responds and accepts the key.",
        (false, _) => "Something is wrong.",
    };
    let calls = match (findings.calls_left, findings.calls_per_minute) {
        (Some(left), Some(limit)) => format!("{left} of {limit} this minute"),
        (Some(left), None) => left.to_string(),
        _ => "unknown".to_owned(),
    };
    let environment = match findings.environment {
        Some(environment) if findings.answered => environment.to_owned(),
        Some(environment) => format!("{environment}, by the key's prefix"),
        None => "unknown".to_owned(),
    };
    let rows = [
        ("Environment", environment.as_str()),
        ("Plan", findings.plan.as_deref().unwrap_or("unknown")),
        ("Calls left", &calls),
        ("Base URL", &findings.base_url),
        ("Proxy", findings.proxy.as_deref().unwrap_or("none")),
        ("API version", findings.api_version.as_deref().unwrap_or("the one pinned to the key")),
        ("Tools", &findings.tools.join(", ")),
    ];
    let rows: String = rows.iter().map(|(name, value)| format!("  {name:<13}{value}\n")).collect();
    let problems: String =
        findings.problems.iter().map(|it| format!("\n  Error: {}\n  Fix:   {}\n", it.what, it.fix)).collect();
    format!("{headline}\n\n{rows}{problems}")
}

//! `verifa-mcp check`: is the key valid, which environment, how much is left; and if something is wrong, what and the fix.
//!
//! It asks for the rate limits, which changes nothing.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use serde::Serialize;

use super::flags::Check;
use crate::call::Caller;
use crate::{
    config::Config,
    server::Server,
    tools::connect_words,
    verifa::{ApiResponse, ApiVersion, Environment, Error, RateLimits},
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
    faults: Vec<FaultAndFix>,
}

#[derive(Debug, Serialize)]
struct FaultAndFix {
    fault: String,
    fix: String,
}

impl FaultAndFix {
    fn new(fault: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { fault: fault.into(), fix: fix.into() }
    }
}

pub(super) async fn run(flags: &Check, config: Config) -> anyhow::Result<ExitCode> {
    let findings = find(config).await;
    let text = if flags.json { serde_json::to_string_pretty(&findings)? + "\n" } else { describe(&findings) };
    io::stdout().write_all(text.as_bytes())?;
    Ok(if findings.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn find(config: Config) -> Findings {
    let setup = config.setup();
    let mut findings = Findings {
        ok: false,
        answered: false,
        environment: config.caller.environment().map(Environment::as_str),
        plan: None,
        calls_left: None,
        calls_per_minute: None,
        base_url: config.client.base_url.to_string(),
        proxy: setup.client.proxy().map(str::to_owned),
        api_version: config.verifa_version.as_ref().map(|version| version.as_str().to_owned()),
        tools: Vec::new(),
        emulator: config.emulated,
        faults: Vec::new(),
    };
    match &config.caller.key {
        None => findings.faults.push(FaultAndFix::new(
            "no API key is configured",
            "set VERIFA_API_KEY to your secret key, vk_sandbox_… or vk_live_…, or VERIFA_API_KEY_FILE to a file with it",
        )),
        Some(key) => match setup.client.rate_limits(key, config.verifa_version.as_ref()).await {
            Ok(answer) => take_over(&mut findings, answer, key.environment()),
            Err(error) => findings.faults.push(explain(&error, config.verifa_version.as_ref())),
        },
    }
    let server = Server::new(setup.into(), Caller::default(), false);
    findings.tools = server.tools(&config.caller).iter().map(|tool| tool.name.to_string()).collect();
    findings.ok = findings.faults.is_empty();
    findings
}

fn take_over(findings: &mut Findings, answer: ApiResponse<RateLimits>, environment: Environment) {
    if let Some(off) = answer.date.map(|date| answer.received.duration_since(date).as_secs())
        && off.abs() > CLOCK_ALLOWANCE
    {
        let direction = if off > 0 { "ahead of" } else { "behind" };
        findings.faults.push(FaultAndFix::new(
            format!("this computer's clock is {} seconds {direction} Verifa's", off.abs()),
            "set the clock (turn network time on); expiry times are wrong until then",
        ));
    }
    let limits = answer.value;
    findings.answered = true;
    if let Some(named) = limits.environment.filter(|named| named.as_str() != environment.as_str()) {
        findings.faults.push(FaultAndFix::new(
            format!("the key begins like a {environment} key, but Verifa says that it belongs to {}", named.quoted()),
            "check at Verifa that this is the key you meant",
        ));
    }
    findings.plan = limits.plan.map(|plan| plan.to_string());
    findings.calls_left = limits.remaining;
    findings.calls_per_minute = limits.limit;
}

fn explain(error: &Error, version: Option<&ApiVersion>) -> FaultAndFix {
    match error {
        Error::Status(refusal) => {
            let said = refusal.detail.as_ref().map(|detail| format!(": {}", detail.quoted())).unwrap_or_default();
            let answered = format!("Verifa answered {}{said}", refusal.status.as_u16());
            match (refusal.status.as_u16(), version) {
                (401, _) => FaultAndFix::new(
                    format!("the key was rejected (401){said}"),
                    "it may be revoked, expired, or not allowed from this IP address; check it at Verifa",
                ),
                (403, _) => FaultAndFix::new(answered, "give the key the permissions it lacks, at Verifa"),
                (400, Some(_)) => FaultAndFix::new(answered, "change VERIFA_API_VERSION, or leave it out"),
                (429, _) => FaultAndFix::new(answered, "wait a minute; the key works, its calls are used up for now"),
                (500.., _) => FaultAndFix::new(answered, "try again in a minute; if it stays so, ask Verifa"),
                _ => FaultAndFix::new(answered, "check VERIFA_API_URL: this does not look like Verifa's API"),
            }
        }
        Error::Unreachable { fault, proxy } => {
            let (what, check) = connect_words(*fault, proxy.as_deref());
            let way = proxy.as_ref().map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default();
            FaultAndFix::new(format!("could not reach Verifa{way}: {what}"), format!("check {check}"))
        }
        Error::Setup(fault) => FaultAndFix::new(
            fault.to_string(),
            "install the system's CA certificates, or name a good file in VERIFA_CA_FILE",
        ),
        Error::TimedOut(_) | Error::Interrupted | Error::Busy => {
            FaultAndFix::new(format!("no answer from Verifa: {error}"), "check the network, and try again in a minute")
        }
        Error::Unreadable { fault, .. } => FaultAndFix::new(
            format!("an answer came, but not one of Verifa's API: {fault}"),
            "check VERIFA_API_URL and the proxy",
        ),
    }
}

fn describe(findings: &Findings) -> String {
    let headline = match (findings.ok, findings.emulator) {
        (true, true) => "All is well. This is the emulator inside this command, not Verifa.",
        (true, false) => "All is well: Verifa answers and accepts the key.",
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
    let faults: String =
        findings.faults.iter().map(|it| format!("\n  Fault: {}\n  Fix:   {}\n", it.fault, it.fix)).collect();
    format!("{headline}\n\n{rows}{faults}")
}

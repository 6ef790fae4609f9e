//! `verifa-mcp check --url`: takes the steps of an MCP client that connects to a server with OAuth, and reports what would stop it.
//!
//! `reach` is the server itself, `resource` its metadata, `authorization_server` where users log in, `access_token` a token
//! that the operator has. Except for that token no secret is sent; no redirect is followed.

mod access_token;
mod authorization_server;
mod reach;
mod resource;

use std::{
    io::{self, Write},
    process::ExitCode,
    time::SystemTime,
};

use reqwest::Certificate;
use serde::Serialize;
use url::Url;

use super::{check::Problem, flags::Check, process::UsageError};
use crate::{
    config::Config,
    hosts::is_loopback,
    transport::http::auth::oauth::document::{self, Document, DocumentError},
};

/// What was found; the fields of `--json`.
#[derive(Debug, Serialize)]
struct Findings {
    ok: bool,
    url: String,
    /// What works, in the order of the walk.
    passed: Vec<String>,
    #[serde(rename = "faults")]
    problems: Vec<Problem>,
    /// What stops some clients only.
    notes: Vec<Problem>,
}

/// A walk, and what it found so far.
struct Walk {
    url: Url,
    extra_authorities: Vec<Certificate>,
    findings: Findings,
}

impl Walk {
    fn passed(&mut self, what: impl Into<String>) {
        self.findings.passed.push(what.into());
    }

    fn problem(&mut self, what: impl Into<String>, fix: impl Into<String>) {
        self.findings.problems.push(Problem::new(what, fix));
    }

    fn note(&mut self, what: impl Into<String>, fix: impl Into<String>) {
        self.findings.notes.push(Problem::new(what, fix));
    }

    async fn get(&self, url: &Url) -> Result<Document, DocumentError> {
        document::get(&document::client(url, self.extra_authorities.clone()), url.clone()).await
    }

    async fn send(&self, request: reqwest::Request) -> Result<Document, DocumentError> {
        let client = document::client(request.url(), self.extra_authorities.clone());
        document::send(&client, request, document::TIMEOUT).await
    }

    /// Parses an address, and reports one that clients would not use.
    fn secure(&mut self, name: &str, address: &str) -> Option<Url> {
        match Url::parse(address) {
            Ok(url) if url.scheme() == "https" || is_loopback(&url) => Some(url),
            Ok(url) => {
                self.problem(format!("{name} is not https: {url}"), format!("change {name} to https"));
                None
            }
            Err(_) => {
                self.problem(
                    format!("{name} is not an absolute URL: {address:?}"),
                    format!("change {name} to an https URL"),
                );
                None
            }
        }
    }
}

pub(super) async fn run(flags: &Check, url: &str, config: Config) -> anyhow::Result<ExitCode> {
    let url: Url = url
        .parse()
        .map_err(|_| UsageError("--url must be a URL, for example https://mcp.example.com/mcp".to_owned()))?;
    let token = flags.token_file.as_deref().map(access_token::read).transpose().map_err(UsageError)?;
    let findings =
        Findings { ok: false, url: url.to_string(), passed: Vec::new(), problems: Vec::new(), notes: Vec::new() };
    let mut walk = Walk { url, extra_authorities: config.client.extra_authorities, findings };
    follow(&mut walk, token.as_deref()).await;
    let mut findings = walk.findings;
    findings.ok = findings.problems.is_empty();
    let text = if flags.json { serde_json::to_string_pretty(&findings)? + "\n" } else { describe(&findings) };
    io::stdout().write_all(text.as_bytes())?;
    Ok(if findings.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn follow(walk: &mut Walk, token: Option<&str>) {
    let Some(challenge) = reach::walk(walk).await else { return };
    let Some(resource) = resource::walk(walk, &challenge).await else { return };
    for issuer in &resource.authorization_servers {
        let keys = authorization_server::walk(walk, issuer, &resource.scopes).await;
        if let (Some(token), Some(keys)) = (token, keys) {
            access_token::walk(walk, token, issuer, &keys, SystemTime::now()).await;
        }
    }
}

fn describe(findings: &Findings) -> String {
    let headline = match (findings.ok, findings.notes.is_empty()) {
        (true, true) => "Everything works: MCP clients can log in.",
        (true, false) => "It works, but not with every MCP client.",
        (false, _) => "MCP clients cannot log in.",
    };
    let passed: String = findings.passed.iter().map(|what| format!("  OK:    {what}\n")).collect();
    let list = |label: &str, problems: &[Problem]| -> String {
        problems.iter().map(|it| format!("\n  {label} {}\n  Fix:   {}\n", it.what, it.fix)).collect()
    };
    let (problems, notes) = (list("Error:", &findings.problems), list("Note: ", &findings.notes));
    format!("{headline}\n\n{passed}{problems}{notes}")
}

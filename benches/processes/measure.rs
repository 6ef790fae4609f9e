//! Measures the floor and `verifa-mcp` alternately, round by round, and keeps the best value of each figure.

use std::{fs, path::Path, time::Duration};

use serde_json::Value;
use tokio::time::sleep;

use crate::{
    authority::Authority,
    client::Client,
    report::{Goal, Row, table},
    server::{Program, Server, Transport},
    upstream::Upstream,
};

/// Cold starts per round.
const STARTS: usize = 20;
/// Sequential calls before the first measurement.
const WARM_UP: usize = 1_000;
/// Time for a server to become idle.
const SETTLE_TIME: Duration = Duration::from_millis(500);
/// Maximum size of the release build in bytes.
const MAX_SIZE: f64 = 10e6;

/// A measured figure and its goals.
struct Figure {
    name: &'static str,
    unit: &'static str,
    better: Better,
    stdio_goal: Option<Goal>,
    http_goal: Option<Goal>,
}

#[derive(Clone, Copy, PartialEq)]
enum Better {
    Less,
    More,
}

const fn figure(name: &'static str, unit: &'static str, better: Better, goals: Option<(Goal, Goal)>) -> Figure {
    let (stdio_goal, http_goal) = match goals {
        Some((stdio, http)) => (Some(stdio), Some(http)),
        None => (None, None),
    };
    Figure { name, unit, better, stdio_goal, http_goal }
}

const fn at_most(stdio: f64, http: f64) -> Option<(Goal, Goal)> {
    Some((Goal::AtMost(stdio), Goal::AtMost(http)))
}

const FIGURES: [Figure; 15] = [
    figure("start to `initialize`", "ms", Better::Less, at_most(0.4, 0.4)),
    figure("start to first result, http upstream", "ms", Better::Less, at_most(1.0, 1.0)),
    figure("start to `initialize`, https upstream", "ms", Better::Less, at_most(0.4, 0.4)),
    figure("start to first result, https upstream", "ms", Better::Less, at_most(1.0, 1.0)),
    figure("p50, one call at a time", "µs", Better::Less, at_most(1.0, 1.1)),
    figure("p99, one call at a time", "µs", Better::Less, None),
    figure("calls per second, 1 outstanding", "", Better::More, None),
    figure("calls per second, 8 outstanding", "", Better::More, None),
    figure("calls per second, 64 outstanding", "", Better::More, Some((Goal::AtLeast(1.0), Goal::AtLeast(0.9)))),
    figure("p99, 64 outstanding", "µs", Better::Less, None),
    figure("CPU per 1,000 calls, 1 outstanding", "ms", Better::Less, at_most(1.0, 1.1)),
    figure("CPU per 1,000 calls, 64 outstanding", "ms", Better::Less, at_most(1.0, 1.1)),
    figure("memory, idle after `initialize`", "MB", Better::Less, at_most(1.2, 1.2)),
    figure("memory, idle after a first call", "MB", Better::Less, at_most(1.2, 1.2)),
    figure("memory, peak", "MB", Better::Less, at_most(1.3, 1.3)),
];

type Figures = [f64; FIGURES.len()];

struct Apis {
    plain: String,
    encrypted: String,
    /// Environment variables with which a server trusts the certificate of `encrypted`.
    trust: Vec<(String, String)>,
}

pub(crate) async fn run(
    verifa_mcp: &Program,
    floor: &Program,
    rounds: usize,
    calls: usize,
    transports: &[Transport],
) -> String {
    let (upstream, authority) = (Upstream::new(), Authority::new());
    let apis = Apis {
        plain: format!("http://{}", upstream.serve().await),
        encrypted: format!("https://localhost:{}", upstream.serve_tls(authority.acceptor()).await.port()),
        trust: authority.environment(),
    };
    let folder = tempfile::tempdir().unwrap();
    let audit = ("VERIFA_MCP_AUDIT_LOG".to_owned(), folder.path().join("audit").to_str().unwrap().to_owned());
    let subjects = [floor.clone(), verifa_mcp.clone(), verifa_mcp.with([audit])];
    let mut text = String::new();
    for &transport in transports {
        assert_equal_responses(verifa_mcp, floor, &apis, transport).await;
        let mut best: [Option<Figures>; 3] = [None; 3];
        for round in 1..=rounds {
            for (subject, best) in subjects.iter().zip(&mut best) {
                let figures = round_of(subject, &apis, transport, calls).await;
                *best = Some(best.map_or(figures, |best| best_of(&best, &figures)));
            }
            eprintln!("{}: round {round} of {rounds}", transport.name());
        }
        let [floor, verifa_mcp, with_audit] = best.map(|best| best.expect("a round"));
        let rows: Vec<_> = FIGURES
            .iter()
            .enumerate()
            .map(|(index, figure)| Row {
                name: figure.name.to_owned(),
                unit: figure.unit,
                floor: floor[index],
                verifa_mcp: verifa_mcp[index],
                with_audit: Some(with_audit[index]),
                goal: if transport == Transport::Http { figure.http_goal } else { figure.stdio_goal },
            })
            .collect();
        text += &format!("### {}\n\n{}\n", capitalized(transport.name()), table(&rows));
    }
    text + &size_of(&verifa_mcp.path)
}

async fn round_of(program: &Program, apis: &Apis, transport: Transport, calls: usize) -> Figures {
    let (initialized, first_result) = cold_start(&program.with_api(&apis.plain), transport).await;
    let encrypted = program.with_api(&apis.encrypted).with(apis.trust.iter().cloned());
    let (tls_initialized, tls_first_result) = cold_start(&encrypted, transport).await;

    let mut server = Server::start(&program.with_api(&apis.plain), transport);
    let mut client = Client::connect(&mut server).await;
    client.initialize().await;
    sleep(SETTLE_TIME).await;
    let idle = server.memory();
    client.call().await;
    sleep(SETTLE_TIME).await;
    let idle_after_a_call = server.memory();

    client.load(WARM_UP, 1).await;
    let cpu = server.cpu();
    let one = client.load(calls / 4, 1).await;
    let one_cpu = server.cpu() - cpu;
    client.load(calls / 4, 8).await;
    let eight = client.load(calls / 2, 8).await;
    client.load(calls / 4, 64).await;
    let cpu = server.cpu();
    let many = client.load(calls, 64).await;
    let many_cpu = server.cpu() - cpu;
    [
        initialized,
        first_result,
        tls_initialized,
        tls_first_result,
        one.percentile(50),
        one.percentile(99),
        one.per_second(),
        eight.per_second(),
        many.per_second(),
        many.percentile(99),
        milliseconds(one_cpu) * 1_000.0 / one.latencies.len() as f64,
        milliseconds(many_cpu) * 1_000.0 / many.latencies.len() as f64,
        megabytes(idle),
        megabytes(idle_after_a_call),
        megabytes(server.peak_memory()),
    ]
}

/// Returns the medians of several starts, in milliseconds: until the response to `initialize`, and until the first result.
async fn cold_start(program: &Program, transport: Transport) -> (f64, f64) {
    let (mut initialized, mut first_result) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let mut server = Server::start(program, transport);
        let started = server.started;
        let mut client = Client::connect(&mut server).await;
        client.initialize().await;
        initialized.push(started.elapsed());
        client.call().await;
        first_result.push(started.elapsed());
    }
    (median(initialized), median(first_result))
}

/// Panics unless both programs return the same result; otherwise the ratios would compare different work.
async fn assert_equal_responses(verifa_mcp: &Program, floor: &Program, apis: &Apis, transport: Transport) {
    let mut responses = (String::new(), String::new());
    // The expiry may differ by a second between the two, hence the retries.
    for _ in 0..3 {
        responses = (response(verifa_mcp, apis, transport).await, response(floor, apis, transport).await);
        if responses.0 == responses.1 {
            return;
        }
    }
    panic!("the responses differ:\n{}\n{}", responses.0, responses.1);
}

async fn response(program: &Program, apis: &Apis, transport: Transport) -> String {
    let mut server = Server::start(&program.with_api(&apis.plain), transport);
    let mut client = Client::connect(&mut server).await;
    client.initialize().await;
    let response = client.call().await;
    let value: Value = serde_json::from_str(&response).unwrap();
    let about = &value["result"]["_meta"]["io.github.verifa-mcp/capture-link"];
    response.replace(about["idempotency_key"].as_str().expect("an idempotency key"), "…")
}

fn best_of(one: &Figures, other: &Figures) -> Figures {
    std::array::from_fn(|index| match FIGURES[index].better {
        Better::Less => one[index].min(other[index]),
        Better::More => one[index].max(other[index]),
    })
}

fn size_of(program: &Path) -> String {
    let size = fs::metadata(program).unwrap().len() as f64;
    let verdict = if size <= MAX_SIZE { "met" } else { "**missed**" };
    format!("Release binary: {:.1} MB (goal: at most {:.0} MB, {verdict}).\n", size / 1e6, MAX_SIZE / 1e6)
}

fn capitalized(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

pub(crate) fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    milliseconds(times[times.len() / 2])
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

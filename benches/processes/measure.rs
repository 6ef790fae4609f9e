//! The floor and `verifa-mcp` in turn, round by round; of each figure the best round counts.

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

/// Cold starts in a round.
const STARTS: usize = 20;
/// Calls, one after the other, that are not counted.
const WARM_UP: usize = 1_000;
/// A pause in which a server comes to rest.
const REST: Duration = Duration::from_millis(500);
/// The largest release build, in bytes.
const MAX_SIZE: f64 = 10e6;

/// A figure and its goal.
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
    trust: Vec<(String, String)>,
}

pub(crate) async fn run(
    ours: &Program,
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
    let subjects = [floor.clone(), ours.clone(), ours.with([audit])];
    let mut text = String::new();
    for &transport in transports {
        make_sure_that_answers_are_equal(ours, floor, &apis, transport).await;
        let mut best: [Option<Figures>; 3] = [None; 3];
        for round in 1..=rounds {
            for (subject, best) in subjects.iter().zip(&mut best) {
                let figures = round_of(subject, &apis, transport, calls).await;
                *best = Some(best.map_or(figures, |best| better(&best, &figures)));
            }
            eprintln!("{}: round {round} of {rounds}", transport.name());
        }
        let [floor, ours, with_audit] = best.map(|best| best.expect("a round"));
        let rows: Vec<_> = FIGURES
            .iter()
            .enumerate()
            .map(|(index, figure)| Row {
                name: figure.name.to_owned(),
                unit: figure.unit,
                floor: floor[index],
                ours: ours[index],
                with_audit: Some(with_audit[index]),
                goal: if transport == Transport::Http { figure.http_goal } else { figure.stdio_goal },
            })
            .collect();
        text += &format!("### {}\n\n{}\n", in_title(transport.name()), table(&rows));
    }
    text + &size_of(&ours.path)
}

async fn round_of(program: &Program, apis: &Apis, transport: Transport, calls: usize) -> Figures {
    let (initialized, first_result) = cold_start(&program.of_api(&apis.plain), transport).await;
    let encrypted = program.of_api(&apis.encrypted).with(apis.trust.iter().cloned());
    let (tls_initialized, tls_first_result) = cold_start(&encrypted, transport).await;

    let mut server = Server::start(&program.of_api(&apis.plain), transport);
    let mut client = Client::connect(&mut server).await;
    client.initialize().await;
    sleep(REST).await;
    let idle = server.memory();
    client.call().await;
    sleep(REST).await;
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

/// The median of several starts, in milliseconds: to the answer of `initialize`, and to a first call's result.
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

/// Without this, the ratios would compare different things.
async fn make_sure_that_answers_are_equal(ours: &Program, floor: &Program, apis: &Apis, transport: Transport) {
    let mut answers = (String::new(), String::new());
    // The upstream's clock may move on between the two.
    for _ in 0..3 {
        answers = (answer(ours, apis, transport).await, answer(floor, apis, transport).await);
        if answers.0 == answers.1 {
            return;
        }
    }
    panic!("different answers:\n{}\n{}", answers.0, answers.1);
}

async fn answer(program: &Program, apis: &Apis, transport: Transport) -> String {
    let mut server = Server::start(&program.of_api(&apis.plain), transport);
    let mut client = Client::connect(&mut server).await;
    client.initialize().await;
    let answer = client.call().await;
    let value: Value = serde_json::from_str(&answer).unwrap();
    let about = &value["result"]["_meta"]["io.github.verifa-mcp/capture-link"];
    answer.replace(about["idempotency_key"].as_str().expect("an idempotency key"), "…")
}

fn better(one: &Figures, other: &Figures) -> Figures {
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

fn in_title(name: &str) -> String {
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

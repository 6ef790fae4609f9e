//! Measures how long the user waits for the first call: the API uses TLS over a slow network, and the server has been idle
//! for a second since its start.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::{
    authority::Authority,
    client::Client,
    measure::median,
    report::figure,
    server::{Program, Server, Transport},
    upstream::{Upstream, with_latency},
};

/// Network round-trip time to the API.
const ROUND_TRIP: Duration = Duration::from_millis(50);
/// From `initialize` to the first call. A real agent takes longer than that.
const IDLE_TIME: Duration = Duration::from_secs(1);
/// Starts per round.
const STARTS: usize = 3;

pub(crate) async fn run(verifa_mcp: &Program, floor: &Program, rounds: usize, settings: &[String]) -> String {
    let (upstream, authority) = (Upstream::new(), Authority::new());
    let server = upstream.serve_tls(authority.acceptor()).await;
    let distant = with_latency(server, ROUND_TRIP).await;
    let api = format!("https://localhost:{}", distant.port());
    let mut subjects = vec![("floor".to_owned(), floor.clone()), ("verifa-mcp".to_owned(), verifa_mcp.clone())];
    for setting in settings {
        let (name, value) = setting.split_once('=').expect("NAME=VALUE");
        subjects.push((format!("verifa-mcp, `{setting}`"), verifa_mcp.with([(name.to_owned(), value.to_owned())])));
    }
    let mut text = String::new();
    for transport in [Transport::Pipes, Transport::Http] {
        let mut best = vec![(f64::INFINITY, f64::INFINITY); subjects.len()];
        for _ in 0..rounds {
            for ((_, program), best) in subjects.iter().zip(&mut best) {
                let program = program.with_api(&api).with(authority.environment());
                let (first, second) = first_and_second(&program, transport).await;
                *best = (best.0.min(first), best.1.min(second));
            }
        }
        text += &format!("| {} | first call | second call |\n| --- | --: | --: |\n", transport.name());
        for ((name, _), (first, second)) in subjects.iter().zip(best) {
            text += &format!("| {name} | {} | {} |\n", figure(first, "ms"), figure(second, "ms"));
        }
        text.push('\n');
    }
    text
}

/// Returns the medians of several starts, in milliseconds.
async fn first_and_second(program: &Program, transport: Transport) -> (f64, f64) {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let mut server = Server::start(program, transport);
        let mut client = Client::connect(&mut server).await;
        client.initialize().await;
        sleep(IDLE_TIME).await;
        for times in [&mut first, &mut second] {
            let sent = Instant::now();
            client.call().await;
            times.push(sent.elapsed());
        }
    }
    (median(first), median(second))
}

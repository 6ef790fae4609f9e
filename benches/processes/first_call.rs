//! What a person waits for at the first call: the API is far away and speaks TLS, and the server has been idle for a
//! second since it was started.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::{
    authority::Authority,
    client::Client,
    measure::median,
    report::figure,
    server::{Program, Server, Transport},
    upstream::{Upstream, at_a_distance},
};

/// How far away the API is.
const ROUND_TRIP: Duration = Duration::from_millis(50);
/// From `initialize` to the first call: an agent thinks longer.
const PAUSE: Duration = Duration::from_secs(1);
/// Starts in a round.
const STARTS: usize = 3;

pub(crate) async fn run(ours: &Program, floor: &Program, rounds: usize, settings: &[String]) -> String {
    let (upstream, authority) = (Upstream::new(), Authority::new());
    let near = upstream.serve_tls(authority.acceptor()).await;
    let far = at_a_distance(near, ROUND_TRIP).await;
    let api = format!("https://localhost:{}", far.port());
    let mut subjects = vec![("floor".to_owned(), floor.clone()), ("verifa-mcp".to_owned(), ours.clone())];
    for setting in settings {
        let (name, value) = setting.split_once('=').expect("NAME=VALUE");
        subjects.push((format!("verifa-mcp, `{setting}`"), ours.with([(name.to_owned(), value.to_owned())])));
    }
    let mut text = String::new();
    for transport in [Transport::Pipes, Transport::Http] {
        let mut best = vec![(f64::INFINITY, f64::INFINITY); subjects.len()];
        for _ in 0..rounds {
            for ((_, program), best) in subjects.iter().zip(&mut best) {
                let program = program.of_api(&api).with(authority.environment());
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

/// The medians of several starts, in milliseconds.
async fn first_and_second(program: &Program, transport: Transport) -> (f64, f64) {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let mut server = Server::start(program, transport);
        let mut client = Client::connect(&mut server).await;
        client.initialize().await;
        sleep(PAUSE).await;
        for times in [&mut first, &mut second] {
            let asked = Instant::now();
            client.call().await;
            times.push(asked.elapsed());
        }
    }
    (median(first), median(second))
}

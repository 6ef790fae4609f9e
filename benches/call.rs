//! Measures a call inside the process, without the SDK and the client's transport: the whole call against an upstream on
//! loopback, and its parts in this crate.
//!
//! `cargo bench --bench call`

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "as in tests")]

#[path = "processes/upstream.rs"]
#[allow(dead_code, reason = "whole processes need more of it")]
mod upstream;

use std::{sync::LazyLock, time::Duration};

use divan::{Bencher, black_box};
use rmcp::model::JsonObject;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use verifa_mcp::internals::{
    self, Caller, Client, ClientSettings, Confirm, LinkResult, QrCode, ServerState, ToolSettings,
};

use self::upstream::Upstream;

fn main() {
    divan::main();
}

/// The server state of a default configuration, with the upstream on the same runtime.
struct Bench {
    runtime: Runtime,
    state: ServerState,
    caller: Caller,
}

static RESPONSE_BODY: LazyLock<Vec<u8>> = LazyLock::new(|| Upstream::new().body("ses_abc123").into_bytes());

impl Bench {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let address = runtime.block_on(Upstream::new().serve());
        let client = Client::new(ClientSettings {
            base_url: format!("http://{address}").parse().unwrap(),
            extra_authorities: Vec::new(),
            retry_budget: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(5),
            attempt_timeout: Duration::from_secs(10),
            max_upstream: 64,
            connect_ahead: false,
        });
        let state = ServerState::new(client, None, Confirm::Never, ToolSettings::default());
        let caller = Caller { key: Some("vk_sandbox_benchmark".parse().unwrap()), ..Caller::default() };
        Self { runtime, state, caller }
    }

    fn call(&self, arguments: JsonObject) -> Option<LinkResult> {
        self.runtime.block_on(internals::resume(arguments, &self.state, &self.caller))
    }

    fn link(&self) -> LinkResult {
        self.call(arguments("ses_abc123")).expect("a link")
    }
}

fn arguments(session_id: &str) -> JsonObject {
    JsonObject::from_iter([("session_id".to_owned(), json!(session_id))])
}

/// From the arguments to the link, including one HTTP request and the upstream's part of it.
#[divan::bench]
fn one_call(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    bench.link();
    bencher.with_inputs(|| arguments("ses_abc123")).bench_local_values(|arguments| bench.call(arguments));
}

/// A call that is rejected before anything is sent.
#[divan::bench]
fn invalid_arguments(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    bencher.with_inputs(|| arguments("no/id")).bench_local_values(|arguments| bench.call(arguments));
}

/// The API's response, from bytes to valid values.
#[divan::bench]
fn decoding(bencher: Bencher<'_, '_>) {
    bencher.bench(|| {
        let body: Value = serde_json::from_slice(black_box(&RESPONSE_BODY)).unwrap();
        internals::read_resumed(&body).unwrap()
    });
}

/// The QR code's part of the decoding, which checks that it is a PNG.
#[divan::bench]
fn decoding_the_qr_code(bencher: Bencher<'_, '_>) {
    let body: Value = serde_json::from_slice(&RESPONSE_BODY).unwrap();
    let data_url = body["qr_code_data_url"].as_str().unwrap();
    bencher.bench(|| QrCode::from_data_url(black_box(data_url)));
}

/// Converts a link to content blocks and structured content, and serializes them as JSON.
#[divan::bench]
fn rendering(bencher: Bencher<'_, '_>) {
    let link = Bench::new().link();
    let render = |link| serde_json::to_vec(&internals::render(link, true)).unwrap();
    bencher.with_inputs(|| link.clone()).bench_local_values(render);
}

/// The same for a response without a QR code, which must be drawn.
#[divan::bench]
fn rendering_with_a_drawn_qr_code(bencher: Bencher<'_, '_>) {
    let link = Bench::new().link();
    let render = |link| serde_json::to_vec(&internals::render(link, false)).unwrap();
    bencher.with_inputs(|| link.clone()).bench_local_values(render);
}

//! What a call costs inside the process, without the SDK and the client's transport: the whole call against an upstream on
//! loopback, and its parts that are ours.
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
use verifa_mcp::{
    metrics::Metrics,
    tools::{CaptureLink, Confirm, QrMode, Setup, resume_session},
    verifa::{Client, ClientSettings, FreshLink, KeyInflection, QrCode},
};

use self::upstream::Upstream;
use verifa_mcp::call::Caller;

fn main() {
    divan::main();
}

/// The setup of a default configuration, its upstream on the same runtime.
struct House {
    runtime: Runtime,
    setup: Setup,
    caller: Caller,
}

static ANSWER: LazyLock<Vec<u8>> = LazyLock::new(|| Upstream::new().body("ses_abc123").into_bytes());

impl House {
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
        let setup = Setup {
            client,
            verifa_version: None,
            key_inflection: KeyInflection::Snake,
            qr: QrMode::Full,
            confirm: Confirm::Never,
            emulated: false,
            metrics: Metrics::new(),
            audit: None,
        };
        let caller = Caller { key: Some("vk_sandbox_benchmark".parse().unwrap()), ..Caller::default() };
        Self { runtime, setup, caller }
    }

    fn call(&self, arguments: JsonObject) -> Option<CaptureLink> {
        let call = resume_session::read(arguments, &self.setup, &self.caller).ok()?;
        self.runtime.block_on(call.send(&self.setup, &self.caller, |_| std::future::ready(()))).ok()
    }

    fn link(&self) -> CaptureLink {
        self.call(arguments("ses_abc123")).expect("a link")
    }
}

fn arguments(session_id: &str) -> JsonObject {
    JsonObject::from_iter([("session_id".to_owned(), json!(session_id))])
}

fn again(link: &CaptureLink) -> CaptureLink {
    CaptureLink {
        fresh: link.fresh.clone(),
        asked_for: link.asked_for.clone(),
        idempotency_key: link.idempotency_key.clone(),
        ..*link
    }
}

/// Arguments to link, one HTTP exchange included, the upstream's share too.
#[divan::bench]
fn one_call(bencher: Bencher<'_, '_>) {
    let house = House::new();
    house.link();
    bencher.with_inputs(|| arguments("ses_abc123")).bench_local_values(|arguments| house.call(arguments));
}

/// A call that is refused before anything is sent.
#[divan::bench]
fn bad_arguments(bencher: Bencher<'_, '_>) {
    let house = House::new();
    bencher.with_inputs(|| arguments("no/id")).bench_local_values(|arguments| house.call(arguments));
}

/// The API's answer, from bytes to values that cannot be wrong.
#[divan::bench]
fn decoding(bencher: Bencher<'_, '_>) {
    bencher.bench(|| {
        let body: Value = serde_json::from_slice(black_box(&ANSWER)).unwrap();
        FreshLink::read_resumed(&KeyInflection::Snake.inflect_keys(body)).unwrap()
    });
}

/// The share of the picture in that: it must be a PNG.
#[divan::bench]
fn decoding_the_picture(bencher: Bencher<'_, '_>) {
    let body: Value = serde_json::from_slice(&ANSWER).unwrap();
    let data_url = body["qr_code_data_url"].as_str().unwrap();
    bencher.bench(|| QrCode::from_data_url(black_box(data_url)));
}

/// A link as content blocks and fields, and those as JSON.
#[divan::bench]
fn rendering(bencher: Bencher<'_, '_>) {
    let link = House::new().link();
    bencher.with_inputs(|| again(&link)).bench_local_values(|link| serde_json::to_vec(&link.into_result()).unwrap());
}

/// The same where Verifa sent no picture, so that one is drawn.
#[divan::bench]
fn rendering_with_a_picture_of_our_own(bencher: Bencher<'_, '_>) {
    let mut link = House::new().link();
    link.fresh.qr_code = None;
    bencher.with_inputs(|| again(&link)).bench_local_values(|link| serde_json::to_vec(&link.into_result()).unwrap());
}

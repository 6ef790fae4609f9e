//! What telling callers apart costs over HTTP: with a tokens file, and with OAuth access tokens, beside nothing at all.

use std::{net::TcpListener, process::Command, thread, time::Instant};

use axum::{Json, Router, routing::get};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    rsa::PublicKeyComponents,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use serde_json::{Value, json};
use tokio::runtime::Builder;

use crate::{
    client::{Http, Load, call, fine_session},
    report::figure,
    server::{Endpoint, Program, Server, Transport},
    upstream::Upstream,
};

const PUBLIC_URL: &str = "https://mcp.example.com/mcp";
/// Calls, one after the other, that are not counted.
const WARM_UP: usize = 1_000;
/// Callers that take turns, so that none of them spends its write budget.
const CALLERS: usize = 50;
const WRITE_BUDGET: (&str, &str) = ("VERIFA_MCP_WRITES_PER_CALLER", "1000/1s");
/// Different access tokens, and the calls with them.
const TOKENS: usize = 1_000;
const CALLS_WITH_TOKENS: usize = 10_000;

pub(crate) async fn run(verifa_mcp: &Program, rounds: usize, calls: usize) -> String {
    let upstream = Upstream::new();
    let program = verifa_mcp.with_api(&format!("http://{}", upstream.serve().await));
    let issuer = Issuer::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens").to_str().unwrap().to_owned();
    let issue = |caller| {
        let name = format!("caller-{caller}");
        let command = Command::new(&verifa_mcp.path).args(["token", "new", &name, "--tokens-file", &file]).output();
        String::from_utf8(command.unwrap().stdout).unwrap().trim().to_owned()
    };
    let setting = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let with_token = [("VERIFA_MCP_AUTH", "token"), ("VERIFA_MCP_TOKENS_FILE", &*file), WRITE_BUDGET];
    let with_oauth = [
        ("VERIFA_MCP_AUTH", "oauth"),
        ("VERIFA_MCP_PUBLIC_URL", PUBLIC_URL),
        ("VERIFA_MCP_OAUTH_ISSUER", &*issuer.url),
        WRITE_BUDGET,
    ];
    let subjects = [
        ("`--auth none`", program.clone(), vec![String::new()]),
        ("`--auth token`", program.with(with_token.map(setting)), (0..CALLERS).map(issue).collect()),
        ("`--auth oauth`, RS256", program.with(with_oauth.map(setting)), issuer.tokens(CALLERS)),
    ];
    let mut best = [(f64::INFINITY, f64::INFINITY); 3];
    for _ in 0..rounds {
        for ((_, program, tokens), best) in subjects.iter().zip(&mut best) {
            let (p50, cpu) = round(program, tokens, calls).await;
            *best = (best.0.min(p50), best.1.min(cpu));
        }
    }
    let mut text = "| | p50, one call at a time | CPU per 1,000 calls |\n| --- | --: | --: |\n".to_owned();
    for ((name, ..), (p50, cpu)) in subjects.iter().zip(best) {
        text += &format!("| {name} | {} | {} |\n", figure(p50, "µs"), figure(cpu, "ms"));
    }
    let [_, (with_token, _), (with_oauth, _)] = best;
    let (before, after) = memory(&subjects[2].1, &issuer).await;
    let more = with_oauth - with_token;
    text + &format!(
        "\nAn access token costs {more:.0} µs more than a token of this server (goal: at most 60 µs). Memory with OAuth: \
             {:.1} MB after the first {WARM_UP} calls of {CALLERS} callers, {:.1} MB after {CALLS_WITH_TOKENS} calls with {TOKENS} \
             different access tokens.\n",
        before as f64 / 1e6,
        after as f64 / 1e6
    )
}

/// The median in microseconds, and the processor time of 1,000 calls in milliseconds.
async fn round(program: &Program, tokens: &[String], calls: usize) -> (f64, f64) {
    let (server, mut http) = start(program).await;
    load(&mut http, tokens, WARM_UP).await;
    let cpu = server.cpu();
    let load = load(&mut http, tokens, calls).await;
    let cpu = server.cpu() - cpu;
    (load.percentile(50), cpu.as_secs_f64() * 1e6 / calls as f64)
}

/// Resident memory in bytes, before and after many callers.
async fn memory(program: &Program, issuer: &Issuer) -> (u64, u64) {
    let (server, mut http) = start(program).await;
    load(&mut http, &issuer.tokens(CALLERS), WARM_UP).await;
    let before = server.memory();
    load(&mut http, &issuer.tokens(TOKENS), CALLS_WITH_TOKENS).await;
    (before, server.memory())
}

async fn start(program: &Program) -> (Server, Http) {
    let mut server = Server::start(program, Transport::Http);
    let Endpoint::Http(address) = std::mem::replace(&mut server.endpoint, Endpoint::Taken) else {
        panic!("no address")
    };
    (server, Http::connect(&address).await.unwrap())
}

/// So many calls, each with the next token.
async fn load(http: &mut Http, tokens: &[String], calls: usize) -> Load {
    let begin = Instant::now();
    let mut latencies = Vec::with_capacity(calls);
    for (id, token) in tokens.iter().cycle().take(calls).enumerate() {
        http.authorize(token);
        let started = Instant::now();
        let (status, body) = http.post(&call(id, &fine_session(id))).await.unwrap();
        latencies.push(started.elapsed());
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    }
    Load { latencies, time: begin.elapsed() }
}

/// An authorization server with one key, which never changes.
struct Issuer {
    url: String,
    key: RsaKeyPair,
}

impl Issuer {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let key = RsaKeyPair::from_pkcs8(include_bytes!("../../tests/it/oauth/keys/rsa.der")).unwrap();
        let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(key.public());
        let keys = json!({"keys": [{"kty": "RSA", "kid": "1", "alg": "RS256", "n": encode(n), "e": encode(e)}]});
        let metadata = json!({"issuer": url, "jwks_uri": format!("{url}/jwks")});
        let router = Router::new()
            .route("/.well-known/oauth-authorization-server", get(async move || Json(metadata)))
            .route("/jwks", get(async move || Json(keys)));
        // Servers ask it while this thread waits for them to start.
        thread::spawn(|| {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await })
        });
        Self { url, key }
    }

    fn tokens(&self, callers: usize) -> Vec<String> {
        (0..callers).map(|caller| self.token(caller)).collect()
    }

    /// An access token for the caller of this number.
    fn token(&self, caller: usize) -> String {
        let now = jiff::Timestamp::now().as_second();
        let header = json!({"alg": "RS256", "typ": "at+jwt", "kid": "1"});
        let payload: Value = json!({
            "iss": self.url, "aud": PUBLIC_URL, "sub": format!("caller-{caller}"), "client_id": "benches",
            "iat": now, "exp": now + 3_600, "jti": caller.to_string(), "scope": "verifa:read verifa:resume verifa:links",
        });
        let message = format!("{}.{}", encode(header.to_string()), encode(payload.to_string()));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
        format!("{message}.{}", encode(signature))
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

//! `verifa-mcp check`: what it finds, and what it says is wrong.

use serde_json::{Value, json};

use crate::{
    program::{Emulator, SANDBOX_KEY, run, stdout},
    upstream::{Reply, Upstream},
};

async fn check(environment: &[(&str, &str)]) -> (Option<i32>, Value, String) {
    let json = run(["check", "--json"], environment).await;
    let text = run(["check"], environment).await;
    assert_eq!(json.status.code(), text.status.code());
    (json.status.code(), serde_json::from_str(stdout(&json)).unwrap(), stdout(&text).to_owned())
}

async fn fault_of(environment: &[(&str, &str)]) -> String {
    let (code, findings, text) = check(environment).await;
    assert_eq!((code, &findings["ok"]), (Some(1), &json!(false)), "{findings}");
    let faults = findings["faults"].as_array().unwrap();
    assert_eq!(faults.len(), 1, "{findings}");
    let (fault, fix) = (faults[0]["fault"].as_str().unwrap(), faults[0]["fix"].as_str().unwrap());
    assert!(text.contains(&format!("Error: {fault}\n  Fix:   {fix}\n")), "{text}");
    format!("{fault} -> {fix}")
}

#[tokio::test]
async fn it_shows_what_a_good_key_may_do() {
    let emulator = Emulator::start(&[]).await;
    let key =
        [("VERIFA_API_KEY", "vk_live_x"), ("VERIFA_API_URL", &emulator.url), ("VERIFA_API_VERSION", "2026-01-01")];
    let (code, findings, text) = check(&key).await;
    assert_eq!(code, Some(0));
    assert_eq!(findings["environment"], "live");
    assert_eq!(findings["plan"], "free");
    assert!(findings["calls_left"].as_u64().is_some_and(|left| left < 300));
    assert_eq!(findings["calls_per_minute"], 300);
    assert_eq!(findings["base_url"], emulator.url.as_str());
    assert_eq!(findings["api_version"], "2026-01-01");
    let tools = ["list_sessions", "get_session", "resume_session", "generate_one_time_link"];
    assert_eq!(findings["tools"], json!(tools));
    assert_eq!(findings["faults"], json!([]));
    assert!(text.starts_with("Everything works: Verifa responds and accepts the key.\n"), "{text}");
    assert!(text.contains(" of 300 this minute"), "{text}");
}

#[tokio::test]
async fn it_says_when_it_spoke_to_the_emulator() {
    let output = run(["check", "--emulator"], &[]).await;
    assert!(output.status.success());
    assert!(stdout(&output).contains("This is the emulator inside this command, not Verifa."));
}

#[tokio::test]
async fn it_names_each_fault_and_its_fix() {
    let emulator = Emulator::start(&[]).await;
    let no_key = fault_of(&[("VERIFA_API_URL", &emulator.url)]).await;
    assert!(no_key.starts_with("no API key is configured -> set VERIFA_API_KEY"), "{no_key}");

    let retired = [("VERIFA_API_KEY", SANDBOX_KEY), ("VERIFA_API_VERSION", "2020-01-01")];
    let retired = fault_of(&[&retired[..], &[("VERIFA_API_URL", &emulator.url)]].concat()).await;
    assert!(retired.starts_with("Verifa responded with 400: \"API version 2020-01-01 has been retired"), "{retired}");
    assert!(retired.ends_with("-> change VERIFA_API_VERSION, or omit it"), "{retired}");

    let revoked = fault_of(&[("VERIFA_API_KEY", "vk_sandbox_revoked"), ("VERIFA_API_URL", &emulator.url)]).await;
    assert!(revoked.starts_with("the key was rejected (401)"), "{revoked}");

    let refused = fault_of(&[("VERIFA_API_KEY", SANDBOX_KEY), ("VERIFA_API_URL", "http://127.0.0.1:1")]).await;
    assert!(refused.starts_with("could not reach Verifa: the connection was refused or closed"), "{refused}");

    let unknown = fault_of(&[("VERIFA_API_KEY", SANDBOX_KEY), ("VERIFA_API_URL", "https://verifa.invalid")]).await;
    assert!(unknown.starts_with("could not reach Verifa: the host name has no address"), "{unknown}");

    let proxy = [("VERIFA_API_KEY", SANDBOX_KEY), ("HTTPS_PROXY", "http://user:secret@127.0.0.1:1")];
    let proxy = fault_of(&proxy).await;
    assert!(
        proxy.starts_with("could not reach Verifa through the proxy 127.0.0.1:1: the connection was refused"),
        "{proxy}"
    );
}

#[tokio::test]
async fn it_notices_a_clock_that_is_off_and_a_key_of_the_other_environment() {
    let body =
        json!({"rate_limit": {"limit": 600, "remaining": 1}, "plan": "starter", "environment": "live"}).to_string();
    let upstream = Upstream::always([Reply::new(200, &["date: Thu, 01 Jan 2026 12:00:00 GMT"], &body)]).await;
    let (code, findings, text) = check(&[("VERIFA_API_KEY", SANDBOX_KEY), ("VERIFA_API_URL", &upstream.url)]).await;
    assert_eq!(code, Some(1));
    let faults: Vec<_> =
        findings["faults"].as_array().unwrap().iter().map(|it| it["fault"].as_str().unwrap()).collect();
    assert!(faults[0].starts_with("this computer's clock is ") && faults[0].ends_with(" seconds ahead of Verifa's"));
    assert_eq!(faults[1], "the key begins like a sandbox key, but Verifa says that it belongs to \"live\"");
    assert!(text.contains("1 of 600 this minute"), "{text}");
}

#[tokio::test]
async fn it_tells_an_answer_that_is_not_verifas() {
    for reply in [Reply::new(200, &[], "<html>hotel</html>"), Reply::json(200, &json!({"hello": "world"}))] {
        let upstream = Upstream::always([reply]).await;
        let fault = fault_of(&[("VERIFA_API_KEY", SANDBOX_KEY), ("VERIFA_API_URL", &upstream.url)]).await;
        assert!(fault.starts_with("there was a response, but not one of Verifa's API"), "{fault}");
    }
}

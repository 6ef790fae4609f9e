//! How many calls that change something one caller may send.

use serde_json::json;

use crate::{
    http::json_of,
    program::{HttpServer, run, stderr, text},
    upstream::{Reply, Upstream},
};

#[tokio::test]
async fn a_caller_who_loops_is_stopped_and_the_others_are_not() {
    let upstream = Upstream::always([Reply::resumed()]).await;
    let server = HttpServer::of_api(&upstream.url, &[("VERIFA_MCP_WRITES_PER_CALLER", "2/1h")]).await;
    let resume = async |key: &str| json_of(server.resume(key, "ses_1")).await["result"].take();
    for _ in 0..2 {
        assert_eq!(resume("vk_sandbox_a").await["isError"], false);
    }
    let stopped = resume("vk_sandbox_a").await;
    let expected = "This server lets one caller create 2 links in 1 hour, and you have, so nothing was sent to Verifa.";
    assert!(text(&stopped).starts_with(expected), "{stopped}");
    assert_eq!(upstream.received().len(), 2);
    let arguments = json!({"name": "get_session", "arguments": {"session_id": "ses_1"}});
    let read = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": arguments});
    json_of(server.post("/mcp", &read).bearer_auth("vk_sandbox_a")).await;
    assert_eq!(resume("vk_sandbox_b").await["isError"], false);
    assert_eq!(upstream.received().len(), 4, "reads and other callers are not limited");
    let metrics = server.get("/metrics").send().await.unwrap().text().await.unwrap();
    let counted = r#"verifa_mcp_calls_total{tool="resume_session",outcome="too_many_writes"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn a_limit_that_is_none_is_rejected() {
    for value in ["0/1h", "60", "60/2d", "many"] {
        let output = run(["http"], &[("VERIFA_MCP_WRITES_PER_CALLER", value)]).await;
        assert_eq!(output.status.code(), Some(2), "{value}");
        assert!(stderr(&output).contains("for example 60/1h"), "{}", stderr(&output));
    }
}

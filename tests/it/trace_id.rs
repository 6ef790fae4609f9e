//! The client's trace ID, in the log line and the audit entry of its call.

use serde_json::{Value, json};

use crate::program::{HttpServer, resume_message};

const META: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const HEADER: &str = "00-11111111111111111111111111111111-b7ad6b7169203331-01";

#[cfg(unix)]
#[tokio::test]
async fn the_message_names_the_trace_or_else_the_header() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit");
    let server = HttpServer::start(&["--emulator"], &[("VERIFA_MCP_AUDIT_LOG", path.to_str().unwrap())]).await;
    for (meta, header) in [
        (json!(META), None),
        (json!(META), Some(HEADER)),
        (json!(null), Some(HEADER)),
        (json!("00-vk_live_x"), Some("vk_live_x")),
        (json!(null), None),
    ] {
        let mut message = resume_message("ses_demo_expired");
        if !meta.is_null() {
            message["params"]["_meta"] = json!({"traceparent": meta});
        }
        let mut request = server.post("/mcp", &message);
        if let Some(header) = header {
            request = request.header("traceparent", header);
        }
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    let entries = std::fs::read_to_string(&path).unwrap();
    let entries = entries.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let ids: Vec<_> = entries.filter(|it| it["event"] == "start").map(|mut it| it["trace_id"].take()).collect();
    assert_eq!(json!(ids), json!([&META[3..35], &META[3..35], &HEADER[3..35], null, null]));
    server.signal("TERM").await;
    let (_, log) = server.end().await;
    assert_eq!(log.matches(&format!("trace_id={}", &META[3..35])).count(), 2, "{log}");
    assert!(log.contains(&format!("trace_id={}", &HEADER[3..35])) && !log.contains("vk_live_x"), "{log}");
}

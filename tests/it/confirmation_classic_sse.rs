//! The user's consent over classic SSE: the question is sent on the stream, and its call keeps its permit meanwhile.

use serde_json::{Value, json};

use crate::{
    confirmation::{ALWAYS, CAN_ASK, initialize, yes},
    http_classic_sse::resolved,
    program::{HttpServer, SANDBOX_KEY, eventually, fetch, resume_message, text},
    upstream::{Reply, Upstream},
};

/// A client's end of a classic SSE stream.
struct Stream<'a> {
    server: &'a HttpServer,
    response: reqwest::Response,
    endpoint: String,
    buffer: String,
    calls: u64,
}

impl<'a> Stream<'a> {
    async fn open(server: &'a HttpServer) -> Self {
        let response = server.get("/sse").bearer_auth(SANDBOX_KEY).send().await.unwrap();
        let mut stream = Self { server, response, endpoint: String::new(), buffer: String::new(), calls: 0 };
        stream.endpoint = resolved(&stream.data().await, "/sse");
        stream
            .send(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": initialize(CAN_ASK[0])}))
            .await;
        stream.message().await;
        stream.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        stream
    }

    async fn data(&mut self) -> String {
        loop {
            if let Some((event, rest)) = self.buffer.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: ")).map(str::to_owned);
                self.buffer = rest.to_owned();
                if let Some(data) = data {
                    return data;
                }
            } else {
                self.buffer += str::from_utf8(&self.response.chunk().await.unwrap().unwrap()).unwrap();
            }
        }
    }

    async fn message(&mut self) -> Value {
        serde_json::from_str(&self.data().await).unwrap()
    }

    /// Calls `resume_session` and returns the question that comes back.
    async fn asked(&mut self) -> Value {
        let mut call = resume_message("ses_1");
        self.calls += 1;
        call["id"] = json!(self.calls);
        self.send(&call).await;
        let question = self.message().await;
        assert_eq!(question["method"], "elicitation/create", "{question}");
        question
    }

    /// The next response, skipping requests and notifications.
    async fn answer(&mut self) -> Value {
        loop {
            let message = self.message().await;
            if message.get("method").is_none() {
                return message;
            }
        }
    }

    async fn send(&self, message: &Value) {
        let request = self.server.post(&self.endpoint, message).bearer_auth(SANDBOX_KEY);
        assert_eq!(request.send().await.unwrap().status(), 202);
    }
}

#[tokio::test]
async fn over_classic_sse_the_user_is_asked_on_the_stream() {
    let upstream = Upstream::always([Reply::resumed()]).await;
    let server = HttpServer::of_api(&upstream.url, &[ALWAYS]).await;
    let mut stream = Stream::open(&server).await;
    for (answer, is_error, sent) in [(json!({"action": "decline"}), true, 0), (yes(), false, 1)] {
        let question = stream.asked().await;
        stream.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": answer})).await;
        let answer = stream.message().await;
        assert_eq!(answer["result"]["isError"], is_error, "{answer}");
        assert_eq!(upstream.received().len(), sent);
    }
}

#[tokio::test]
async fn a_stream_that_ends_before_the_user_answers_sends_nothing() {
    let upstream = Upstream::always([Reply::resumed()]).await;
    let server = HttpServer::of_api(&upstream.url, &[ALWAYS]).await;
    let mut stream = Stream::open(&server).await;
    stream.asked().await;
    drop(stream);
    let metrics = format!("{}/metrics", server.url);
    let counted = r#"verifa_mcp_calls_total{tool="resume_session",outcome="cancelled"} 1"#;
    eventually(async || fetch(&metrics).await.text().await.unwrap().contains(counted)).await;
    assert!(upstream.received().is_empty());
}

#[tokio::test]
async fn a_call_that_waits_for_consent_keeps_its_permit() {
    let upstream = Upstream::always([Reply::resumed()]).await;
    let one_call = ("VERIFA_MCP_MAX_UPSTREAM", "4");
    let server = HttpServer::of_api(&upstream.url, &[ALWAYS, one_call]).await;
    let mut stream = Stream::open(&server).await;
    let question = stream.asked().await;
    let list = json!({"jsonrpc": "2.0", "id": 3, "method": "tools/list"});
    let list = async || server.post("/mcp", &list).bearer_auth(SANDBOX_KEY).send().await.unwrap().status();
    assert_eq!(list().await, 429);
    stream.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": yes()})).await;
    assert_eq!(stream.message().await["result"]["isError"], false);
    eventually(async || list().await == 200).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_server_that_stops_waits_for_no_answer_and_says_that_nothing_was_sent() {
    let upstream = Upstream::always([Reply::resumed()]).await;
    let server = HttpServer::of_api(&upstream.url, &[ALWAYS]).await;
    let mut stream = Stream::open(&server).await;
    stream.asked().await;
    server.signal("TERM").await;
    let answer = stream.answer().await;
    assert!(text(&answer["result"]).contains("before the user confirmed, so nothing was sent"), "{answer}");
    drop(stream);
    let (status, log) = server.end().await;
    assert!(status.success() && !log.contains("grace period is over"), "{log}");
    assert!(upstream.received().is_empty());
}

#[cfg(unix)]
#[tokio::test]
async fn a_question_ends_with_the_stop_although_another_call_still_runs() {
    let upstream = Upstream::always([Reply::Hang]).await;
    let server = HttpServer::of_api(&upstream.url, &[ALWAYS]).await;
    let mut stream = Stream::open(&server).await;
    stream.asked().await;
    let lookup = json!({"name": "get_session", "arguments": {"session_id": "ses_1"}});
    stream.send(&json!({"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": lookup})).await;
    upstream.arrival().await;
    server.signal("TERM").await;
    let answer = stream.answer().await;
    assert_eq!(answer["id"], 1, "{answer}");
    assert!(text(&answer["result"]).contains("nothing was sent"), "{answer}");
}

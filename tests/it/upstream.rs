//! A server in Verifa's place that misbehaves on demand, byte by byte, and remembers what it was asked.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::Notify,
};

/// What a request gets.
#[derive(Clone)]
pub(crate) enum Reply {
    /// These bytes, then the connection is closed.
    Bytes(Vec<u8>),
    /// The same, but only after a while, so that requests overlap.
    Late(Vec<u8>),
    /// These bytes, and then nothing for as long as the client waits.
    Unfinished(Vec<u8>),
    /// The same, but only after so long.
    LateUnfinished(Duration, Vec<u8>),
    /// Nothing: the connection is closed at once.
    Close,
    /// Nothing, for as long as the client waits.
    Hang,
}

impl Reply {
    pub(crate) fn new(status: u16, headers: &[&str], body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
        for header in headers {
            head += &format!("{header}\r\n");
        }
        Self::Bytes([head.as_bytes(), b"\r\n", body].concat())
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, &["content-type: application/json"], body.to_string())
    }

    /// An error in Verifa's form.
    pub(crate) fn error(status: u16, code: &str, detail: impl Into<Value>) -> Self {
        Self::json(status, &json!({"error": code, "detail": detail.into(), "status_code": status}))
    }

    pub(crate) fn resumed() -> Self {
        Self::json(200, &resumed())
    }

    /// The same for the session that a request for a link names, in place of [`resumed`]'s own.
    fn for_session(self, line: &str) -> Self {
        let mut segments = line.split(' ').nth(1).unwrap().split('/').skip_while(|segment| *segment != "sessions");
        let (Some(id), Some("resume" | "generate-one-time-link")) = (segments.nth(1), segments.next()) else {
            return self;
        };
        let rewrite = |bytes: Vec<u8>| {
            let Ok(text) = str::from_utf8(&bytes) else { return bytes };
            let Some((head, body)) = text.split_once("\r\n\r\n") else { return bytes };
            let length = format!("content-length: {}", body.len());
            let new = body.replace("\"ses_1\"", &format!("\"{id}\""));
            let head = head.replace(&length, &format!("content-length: {}", new.len()));
            format!("{head}\r\n\r\n{new}").into_bytes()
        };
        match self {
            Self::Bytes(bytes) => Self::Bytes(rewrite(bytes)),
            Self::Late(bytes) => Self::Late(rewrite(bytes)),
            other => other,
        }
    }

    pub(crate) fn late(self) -> Self {
        match self {
            Self::Bytes(bytes) => Self::Late(bytes),
            other => other,
        }
    }
}

/// A good answer, its link far from dying.
pub(crate) fn resumed() -> Value {
    json!({
        "id": "ses_1",
        "status": "pending",
        "capture_url": "https://app.withverifa.com/verify/tok_00112233445566778899aabbccddeeff",
        "expires_at": "2099-01-01T00:00:00Z",
        "qr_code_data_url": null,
    })
}

/// A request as it came: its first line, its headers (names in lower case) and its body.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) line: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    replies: Mutex<HashMap<String, VecDeque<Reply>>>,
    received: Mutex<Vec<Received>>,
    running: AtomicUsize,
    most_at_once: AtomicUsize,
    arrived: Notify,
    hung_up: Notify,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let upstream = Self { url, state: Arc::default() };
        let serving = upstream.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move { serving.answer(stream).await });
            }
        });
        upstream
    }

    /// An upstream that gives every session these replies in turn, the last one for ever.
    pub(crate) async fn always(replies: impl IntoIterator<Item = Reply>) -> Self {
        let upstream = Self::start().await;
        upstream.plan("", replies);
        upstream
    }

    /// Plans the replies to requests whose path holds `part`: in turn, the last one for ever.
    pub(crate) fn plan(&self, part: &str, replies: impl IntoIterator<Item = Reply>) {
        self.state.replies.lock().unwrap().insert(part.to_owned(), replies.into_iter().collect());
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.state.received.lock().unwrap().clone()
    }

    /// The largest number of requests that were being answered at the same time.
    pub(crate) fn most_at_once(&self) -> usize {
        self.state.most_at_once.load(Ordering::SeqCst)
    }

    /// Returns when a request has come.
    pub(crate) async fn arrival(&self) {
        self.state.arrived.notified().await;
    }

    /// Returns when a client has given a hanging request up.
    pub(crate) async fn hang_up(&self) {
        self.state.hung_up.notified().await;
    }

    /// Answers one request on a connection of any kind.
    pub(crate) async fn answer(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let Some(request) = read_request(&mut stream).await else { return };
        let reply = self.next_reply(&request.line);
        let running = self.state.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.state.most_at_once.fetch_max(running, Ordering::SeqCst);
        self.state.received.lock().unwrap().push(request);
        self.state.arrived.notify_one();
        if let Reply::Late(_) = reply {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if !matches!(reply, Reply::Unfinished(_) | Reply::LateUnfinished(..) | Reply::Hang) {
            // The client may send its next request as soon as it has read this one's answer.
            self.state.running.fetch_sub(1, Ordering::SeqCst);
        }
        match &reply {
            Reply::Bytes(bytes) | Reply::Late(bytes) => {
                // The client may stop reading, of a body that is too large for one.
                let _ = stream.write_all(bytes).await;
                let _ = stream.shutdown().await;
            }
            Reply::Close => {}
            Reply::Unfinished(_) | Reply::LateUnfinished(..) | Reply::Hang => {
                if let Reply::LateUnfinished(delay, _) = &reply {
                    tokio::time::sleep(*delay).await;
                }
                if let Reply::Unfinished(bytes) | Reply::LateUnfinished(_, bytes) = &reply {
                    stream.write_all(bytes).await.unwrap();
                }
                let mut rest = [0];
                while stream.read(&mut rest).await.is_ok_and(|count| count > 0) {}
                self.state.hung_up.notify_one();
            }
        }
    }

    fn next_reply(&self, line: &str) -> Reply {
        let mut replies = self.state.replies.lock().unwrap();
        let path = line.split(' ').nth(1).unwrap();
        let of_path = |part: &str| part.is_empty() || path.split('/').any(|segment| segment == part);
        let part = replies.keys().filter(|part| of_path(part)).max_by_key(|part| part.len()).cloned();
        let planned = replies.get_mut(&part.unwrap_or_else(|| panic!("unplanned: {line}"))).unwrap();
        let reply = if planned.len() > 1 { planned.pop_front().unwrap() } else { planned.front().unwrap().clone() };
        reply.for_session(line)
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Received> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let line = lines.next()?;
    let headers =
        lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers: HashMap<_, _> = headers.collect();
    let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some(Received { line: line.to_owned(), headers, body: String::from_utf8(body).unwrap() })
}

//! An MCP client that costs next to nothing: it writes its messages by hand, and of a response it looks at the id and the
//! length.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream, unix::pipe},
};

use crate::server::{Endpoint, Server};

/// The first request ID. Starting here gives all IDs the same number of digits.
const FIRST_ID: usize = 1_000_000;

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"benches","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// A `tools/call` request for `resume_session`.
pub(crate) fn call(id: usize, session_id: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"resume_session","arguments":{{"session_id":"{session_id}"}}}}}}"#
    )
}

/// The ID of a session whose calls never fail; all these IDs have the same length.
pub(crate) fn fine_session(id: usize) -> String {
    format!("ses_fine_{id:015}")
}

/// The durations of the calls of a load.
pub(crate) struct Load {
    /// Of each call.
    pub(crate) latencies: Vec<Duration>,
    /// From the first request to the last response.
    pub(crate) time: Duration,
}

impl Load {
    pub(crate) fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.time.as_secs_f64()
    }

    /// In microseconds.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)].as_secs_f64() * 1e6
    }
}

pub(crate) struct Client {
    connection: Connection,
    next_id: usize,
    /// Length of every successful response in bytes; known after the first.
    response_length: Option<usize>,
}

enum Connection {
    Stdio(Stdio),
    Http(String, Vec<Http>),
}

impl Client {
    pub(crate) async fn connect(server: &mut Server) -> Self {
        let connection = match std::mem::replace(&mut server.endpoint, Endpoint::Taken) {
            Endpoint::Stdio(stdin, stdout) => Connection::Stdio(Stdio::new(stdin, stdout)),
            Endpoint::Http(address) => {
                let first = Http::connect(&address).await.unwrap();
                Connection::Http(address, vec![first])
            }
            Endpoint::Taken => panic!("a server takes one client"),
        };
        Self { connection, next_id: FIRST_ID, response_length: None }
    }

    pub(crate) async fn initialize(&mut self) {
        match &mut self.connection {
            Connection::Stdio(stdio) => {
                stdio.write(&format!("{INITIALIZE}\n")).await;
                stdio.line().await.expect("a response");
                stdio.write(&format!("{INITIALIZED}\n")).await;
            }
            Connection::Http(_, connections) => {
                assert_eq!(connections[0].post(INITIALIZE).await.unwrap().0, 200);
                assert_eq!(connections[0].post(INITIALIZED).await.unwrap().0, 202);
            }
        }
    }

    /// Makes one call and returns its response, which must be successful.
    pub(crate) async fn call(&mut self) -> String {
        let message = call(self.next_id, &fine_session(self.next_id));
        self.next_id += 1;
        let response = match &mut self.connection {
            Connection::Stdio(stdio) => {
                stdio.write(&format!("{message}\n")).await;
                stdio.line().await.expect("a response")
            }
            Connection::Http(_, connections) => connections[0].post(&message).await.unwrap().1,
        };
        let value: Value = serde_json::from_slice(&response).unwrap();
        assert_eq!(value["result"]["isError"], false, "{value}");
        self.response_length = Some(response.len());
        String::from_utf8(response).unwrap()
    }

    /// Returns the stdio streams, or the address of the HTTP server.
    pub(crate) fn into_stdio(self) -> Result<Stdio, String> {
        match self.connection {
            Connection::Stdio(stdio) => Ok(stdio),
            Connection::Http(address, _) => Err(address),
        }
    }

    /// Makes `calls` calls, with `outstanding` of them in flight at any time.
    pub(crate) async fn load(&mut self, calls: usize, outstanding: usize) -> Load {
        let length = self.response_length.expect("a first call");
        let first_id = self.next_id;
        self.next_id += calls;
        match &mut self.connection {
            Connection::Stdio(stdio) => stdio.load(first_id, calls, outstanding, length).await,
            Connection::Http(address, connections) => {
                while connections.len() < outstanding {
                    connections.push(Http::connect(address).await.unwrap());
                }
                let next = Arc::new(AtomicUsize::new(0));
                let rest = connections.split_off(outstanding);
                let started = Instant::now();
                let tasks: Vec<_> = connections
                    .drain(..)
                    .map(|connection| tokio::spawn(connection.load(first_id, calls, next.clone(), length)))
                    .collect();
                let mut latencies = Vec::with_capacity(calls);
                for task in tasks {
                    let (connection, latencies_of_one) = task.await.unwrap();
                    connections.push(connection);
                    latencies.extend(latencies_of_one);
                }
                connections.extend(rest);
                Load { latencies, time: started.elapsed() }
            }
        }
    }
}

/// A server's stdin and stdout.
pub(crate) struct Stdio {
    stdin: Box<dyn AsyncWrite + Send + Unpin>,
    stdout: Box<dyn AsyncRead + Send + Unpin>,
    received: Vec<u8>,
    /// How much of `received` is known to contain no line feed.
    scanned: usize,
}

impl Stdio {
    pub(crate) fn new(stdin: std::os::fd::OwnedFd, stdout: std::os::fd::OwnedFd) -> Self {
        let is_socket = std::os::unix::net::UnixStream::from(stdin.try_clone().unwrap()).local_addr().is_ok();
        let (stdin, stdout): (Box<dyn AsyncWrite + Send + Unpin>, Box<dyn AsyncRead + Send + Unpin>) = if is_socket {
            (Box::new(socket(stdin)), Box::new(socket(stdout)))
        } else {
            let stdin = pipe::Sender::from_owned_fd(stdin).unwrap();
            (Box::new(stdin), Box::new(pipe::Receiver::from_owned_fd(stdout).unwrap()))
        };
        Self { stdin, stdout, received: Vec::with_capacity(256 * 1024), scanned: 0 }
    }

    pub(crate) async fn write(&mut self, text: &str) {
        self.stdin.write_all(text.as_bytes()).await.unwrap();
    }

    /// Returns the next line, or `None` if the server has exited.
    pub(crate) async fn line(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(line) = self.buffered_line() {
                return Some(line);
            }
            if self.stdout.read_buf(&mut self.received).await.unwrap() == 0 {
                return None;
            }
        }
    }

    fn buffered_line(&mut self) -> Option<Vec<u8>> {
        let Some(end) = self.received[self.scanned..].iter().position(|byte| *byte == b'\n') else {
            self.scanned = self.received.len();
            return None;
        };
        let rest = self.received.split_off(self.scanned + end + 1);
        let mut line = std::mem::replace(&mut self.received, rest);
        self.received.reserve(64 * 1024);
        line.pop();
        self.scanned = 0;
        Some(line)
    }

    async fn load(&mut self, first_id: usize, calls: usize, outstanding: usize, length: usize) -> Load {
        let started = Instant::now();
        let mut sent_at = Vec::with_capacity(calls);
        let mut latencies = Vec::with_capacity(calls);
        let mut messages = String::new();
        let mut to_send = outstanding.min(calls);
        while latencies.len() < calls {
            messages.clear();
            for _ in 0..to_send.min(calls - sent_at.len()) {
                let id = first_id + sent_at.len();
                messages += &call(id, &fine_session(id));
                messages.push('\n');
                sent_at.push(Instant::now());
            }
            self.stdin.write_all(messages.as_bytes()).await.unwrap();
            assert_ne!(self.stdout.read_buf(&mut self.received).await.unwrap(), 0, "the server has exited");
            let mut begin = 0;
            to_send = 0;
            while let Some(end) = self.received[begin.max(self.scanned)..].iter().position(|byte| *byte == b'\n') {
                let end = begin.max(self.scanned) + end;
                let line = &self.received[begin..end];
                assert_eq!(line.len(), length, "{}", String::from_utf8_lossy(line));
                latencies.push(sent_at[id_of(line) - first_id].elapsed());
                to_send += 1;
                begin = end + 1;
            }
            self.received.drain(..begin);
            self.scanned = self.received.len();
        }
        Load { latencies, time: started.elapsed() }
    }
}

fn socket(descriptor: std::os::fd::OwnedFd) -> UnixStream {
    let stream = std::os::unix::net::UnixStream::from(descriptor);
    stream.set_nonblocking(true).unwrap();
    UnixStream::from_std(stream).unwrap()
}

/// The ID in `{"jsonrpc":"2.0","id":1000000,…`.
fn id_of(line: &[u8]) -> usize {
    let number = line.strip_prefix(br#"{"jsonrpc":"2.0","id":"#).expect("a response");
    let end = number.iter().position(|byte| !byte.is_ascii_digit()).unwrap();
    str::from_utf8(&number[..end]).unwrap().parse().unwrap()
}

/// A persistent connection.
pub(crate) struct Http {
    stream: TcpStream,
    host: String,
    /// The header line with the credentials, or nothing.
    authorization: String,
    received: Vec<u8>,
}

impl Http {
    pub(crate) async fn connect(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            host: address.to_owned(),
            authorization: String::new(),
            received: Vec::with_capacity(16 * 1024),
        })
    }

    /// Sends this token from now on.
    pub(crate) fn authorize(&mut self, token: &str) {
        self.authorization =
            if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
    }

    /// Posts a message and returns the status and body of the response.
    pub(crate) async fn post(&mut self, message: &str) -> io::Result<(u16, Vec<u8>)> {
        self.send(message).await?;
        self.receive().await
    }

    pub(crate) async fn send(&mut self, message: &str) -> io::Result<()> {
        let request = format!(
            "POST /mcp HTTP/1.1\r\nhost: {}\r\naccept: application/json, text/event-stream\r\n\
             content-type: application/json\r\nmcp-protocol-version: 2025-11-25\r\n{}content-length: {}\r\n\r\n{message}",
            self.host,
            self.authorization,
            message.len(),
        );
        self.stream.write_all(request.as_bytes()).await
    }

    pub(crate) async fn receive(&mut self) -> io::Result<(u16, Vec<u8>)> {
        self.received.clear();
        let head = loop {
            if let Some(end) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            self.read().await?;
        };
        let text = String::from_utf8_lossy(&self.received[..head]).to_lowercase();
        let status = text.split(' ').nth(1).unwrap().parse().unwrap();
        let length = text.split("\r\n").find_map(|line| line.strip_prefix("content-length:"));
        let length = length.map_or(0, |length| length.trim().parse().unwrap());
        while self.received.len() < head + length {
            self.read().await?;
        }
        Ok((status, self.received[head..head + length].to_vec()))
    }

    async fn read(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.received).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    async fn load(
        mut self,
        first_id: usize,
        calls: usize,
        next: Arc<AtomicUsize>,
        length: usize,
    ) -> (Self, Vec<Duration>) {
        let mut latencies = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= calls {
                return (self, latencies);
            }
            let id = first_id + number;
            let started = Instant::now();
            let (status, body) = self.post(&call(id, &fine_session(id))).await.unwrap();
            latencies.push(started.elapsed());
            assert!(status == 200 && body.len() == length, "{status} {}", String::from_utf8_lossy(&body));
            assert_eq!(id_of(&body), id);
        }
    }
}

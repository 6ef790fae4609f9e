//! Starts the built program as a user or a client does, with an environment of its own.

use std::{
    path::Path,
    process::{ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, Lines},
    process::{Child, Command},
    task::JoinHandle,
};
use tokio_rustls::rustls::crypto::ring;

pub(crate) const SANDBOX_KEY: &str = "vk_sandbox_integrationtests";

/// No command that comes to an end takes this long; one that starts to serve instead never would.
const TO_THE_END: Duration = Duration::from_secs(60);

/// The program with these arguments and nothing of the developer's environment.
pub(crate) fn program<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    program_at(env!("CARGO_BIN_EXE_verifa-mcp").as_ref(), arguments)
}

/// The same, where it is under this path.
pub(crate) fn program_at<'a>(path: &Path, arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(path);
    command.args(arguments).env_clear().stdin(Stdio::null()).kill_on_drop(true);
    // Without it, Windows has no network.
    #[cfg(windows)]
    command.env("SYSTEMROOT", std::env::var_os("SYSTEMROOT").unwrap());
    command
}

/// The same as on a disk that is full: no file may become longer than 512 bytes (1,024 with some shells).
#[cfg(unix)]
pub(crate) fn program_on_a_full_disk<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let full = "trap '' XFSZ; ulimit -f 1; exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", full, "sh", env!("CARGO_BIN_EXE_verifa-mcp")]).args(arguments);
    command.env_clear().stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs the program to its end.
pub(crate) async fn run<'a>(arguments: impl IntoIterator<Item = &'a str>, environment: &[(&str, &str)]) -> Output {
    let output = program(arguments).envs(environment.iter().copied()).output();
    tokio::time::timeout(TO_THE_END, output).await.expect("an end").unwrap()
}

/// Runs a shell command with the program as `$0` and nothing of the developer's environment.
#[cfg(unix)]
pub(crate) async fn shell(command: &str, environment: &[(&str, &str)]) -> Output {
    let mut shell = Command::new("sh");
    shell.args(["-c", command, env!("CARGO_BIN_EXE_verifa-mcp")]).env_clear().envs(environment.iter().copied());
    let output = shell.stdin(Stdio::null()).kill_on_drop(true).output();
    tokio::time::timeout(TO_THE_END, output).await.expect("an end").unwrap()
}

/// Runs the program to its end, with stdout closed.
#[cfg(unix)]
pub(crate) async fn run_without_stdout<'a>(
    arguments: impl IntoIterator<Item = &'a str>,
    environment: &[(&str, &str)],
) -> Output {
    let arguments: Vec<_> = arguments.into_iter().collect();
    shell(&format!("exec \"$0\" {} >&-", arguments.join(" ")), environment).await
}

pub(crate) fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

pub(crate) fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

/// `verifa-mcp emulator` in a process of its own.
pub(crate) struct Emulator {
    pub(crate) url: String,
    pub(crate) client: reqwest::Client,
    _child: Child,
}

impl Emulator {
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let mut command = program(["emulator", "--listen", "127.0.0.1:0"].into_iter().chain(arguments.iter().copied()));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next_line().await.unwrap().unwrap();
        let url = first.strip_prefix("Verifa emulator listening on ").unwrap().to_owned();
        // Whoever stops reading would stop the program's writing.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { url, client: http_client().build().unwrap(), _child: child }
    }
}

/// `verifa-mcp http` in a process of its own, on a free port.
pub(crate) struct HttpServer {
    pub(crate) url: String,
    pub(crate) client: reqwest::Client,
    child: Child,
    log: Arc<Mutex<String>>,
    stderr: JoinHandle<()>,
}

impl HttpServer {
    pub(crate) async fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_on("127.0.0.1:0", arguments, environment).await
    }

    pub(crate) async fn start_on(address: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let listen = ["http", "--listen", address];
        let mut command = program(listen.into_iter().chain(arguments.iter().copied()));
        command.envs(environment.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let written = log.clone();
        let stderr = tokio::spawn(async move {
            while let Some(line) = errors.next_line().await.unwrap() {
                *written.lock().unwrap() += &(line + "\n");
            }
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let Some(line) = lines.next_line().await.unwrap() else {
            stderr.await.unwrap();
            panic!("{}", log.lock().unwrap());
        };
        let url = line.strip_prefix("MCP server listening on ").unwrap().strip_suffix("/mcp").unwrap().to_owned();
        let client = http_client().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { url, client, child, log, stderr }
    }

    /// A server for calls to this API, without a key of its own.
    pub(crate) async fn of_api(url: &str, environment: &[(&str, &str)]) -> Self {
        Self::start(&[], &[&[("VERIFA_API_URL", url)], environment].concat()).await
    }

    pub(crate) fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }

    /// A message to `/mcp`, or to another path.
    pub(crate) fn post(&self, path: &str, message: &Value) -> reqwest::RequestBuilder {
        let headers = [("accept", "application/json, text/event-stream"), ("content-type", "application/json")];
        let request = self.client.post(format!("{}{path}", self.url)).body(message.to_string());
        headers.into_iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    /// A call of the tool in the stateless form of 2025-11-25, with this key.
    pub(crate) fn resume(&self, key: &str, session_id: &str) -> reqwest::RequestBuilder {
        self.post("/mcp", &resume_message(session_id)).bearer_auth(key)
    }

    /// Asks the server to end, and returns when it has begun to.
    pub(crate) async fn begin_to_stop(&self) {
        self.signal("TERM").await;
        let ready = format!("{}/readyz", self.url);
        eventually(async || fetch(&ready).await.status() == 503).await;
    }

    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().await.unwrap().success());
    }

    pub(crate) async fn end(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().await.unwrap();
        self.stderr.await.unwrap();
        let log = self.log.lock().unwrap().clone();
        (status, log)
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

pub(crate) fn resume_message(session_id: &str) -> Value {
    let params = json!({"name": "resume_session", "arguments": {"session_id": session_id}});
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
}

/// How a client is connected to the program's stdin and stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Streams {
    Pipes,
    #[cfg(unix)]
    SocketPair,
    /// A socket to write to and a pipe to read from.
    #[cfg(unix)]
    Mixed,
}

impl Streams {
    #[cfg(unix)]
    pub(crate) const ALL: [Self; 3] = [Self::Pipes, Self::SocketPair, Self::Mixed];
    #[cfg(not(unix))]
    pub(crate) const ALL: [Self; 1] = [Self::Pipes];
}

/// An MCP client that writes its JSON by hand, so that nothing between the test and the program mends anything.
pub(crate) struct Client {
    pub(crate) child: Child,
    stdin: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    stdout: Lines<BufReader<Box<dyn AsyncRead + Send + Unpin>>>,
    stderr: JoinHandle<String>,
    next_id: u64,
}

impl Client {
    /// Starts the program over pipes and initializes it with the newest revision that has `initialize`.
    pub(crate) async fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut client = Self::connect(Streams::Pipes, arguments, environment);
        client.initialize("2025-11-25").await;
        client
    }

    /// Starts the program for calls to this API.
    pub(crate) async fn of_api(url: &str, environment: &[(&str, &str)]) -> Self {
        let mut all = vec![("VERIFA_API_KEY", SANDBOX_KEY), ("VERIFA_API_URL", url)];
        all.extend(environment);
        Self::start(&[], &all).await
    }

    /// Starts the program without a word.
    pub(crate) fn connect(streams: Streams, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = program(arguments.iter().copied());
        command.envs(environment.iter().copied()).stderr(Stdio::piped());
        let (mut child, stdin, stdout): (Child, Box<dyn AsyncWrite + Send + Unpin>, Box<dyn AsyncRead + Send + Unpin>) =
            match streams {
                Streams::Pipes => {
                    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
                    let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
                    (child, Box::new(stdin), Box::new(stdout))
                }
                #[cfg(unix)]
                Streams::Mixed => {
                    let (stdin, theirs) = tokio::net::UnixStream::pair().unwrap();
                    let mut child = command.stdin(blocking(theirs)).stdout(Stdio::piped()).spawn().unwrap();
                    let stdout = child.stdout.take().unwrap();
                    (child, Box::new(stdin), Box::new(stdout))
                }
                #[cfg(unix)]
                Streams::SocketPair => {
                    let (stdin, theirs) = tokio::net::UnixStream::pair().unwrap();
                    command.stdin(blocking(theirs));
                    let (stdout, theirs) = tokio::net::UnixStream::pair().unwrap();
                    command.stdout(blocking(theirs));
                    (command.spawn().unwrap(), Box::new(stdin), Box::new(stdout))
                }
            };
        let mut errors = child.stderr.take().unwrap();
        let stderr = tokio::spawn(async move {
            let mut text = String::new();
            errors.read_to_string(&mut text).await.unwrap();
            text
        });
        Self { child, stdin: Some(stdin), stdout: BufReader::new(stdout).lines(), stderr, next_id: 0 }
    }

    pub(crate) async fn initialize(&mut self, version: &str) -> Value {
        let client = json!({"name": "integration tests", "version": "1"});
        let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": client});
        let answer = self.request("initialize", params).await;
        self.notify("notifications/initialized", json!({})).await;
        answer
    }

    /// Sends a request and leaves its answer to be received.
    pub(crate) async fn send(&mut self, method: &str, params: Value) -> u64 {
        self.next_id += 1;
        self.write(&json!({"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params})).await;
        self.next_id
    }

    pub(crate) async fn notify(&mut self, method: &str, params: Value) {
        self.write(&json!({"jsonrpc": "2.0", "method": method, "params": params})).await;
    }

    /// Sends any message, an answer to the server's own requests for one.
    pub(crate) async fn write(&mut self, message: &Value) {
        self.write_bytes(format!("{message}\n").as_bytes()).await;
    }

    pub(crate) async fn write_bytes(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(bytes).await.unwrap();
        stdin.flush().await.unwrap();
    }

    /// The next message, whatever it is; every line of stdout must be one.
    pub(crate) async fn receive(&mut self) -> Option<Value> {
        let line = self.stdout.next_line().await.unwrap()?;
        let message: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON on stdout: {line}"));
        assert_eq!(message["jsonrpc"], "2.0", "{message}");
        Some(message)
    }

    /// Sends a request and returns its whole answer, passing over notifications.
    pub(crate) async fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params).await;
        loop {
            let message = self.receive().await.expect("an answer");
            if message["id"] == id {
                return message;
            }
        }
    }

    /// Calls a tool and returns the call's result.
    pub(crate) async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let params = json!({"name": tool, "arguments": arguments});
        self.request("tools/call", params).await["result"].take()
    }

    pub(crate) async fn resume(&mut self, arguments: Value) -> Value {
        self.call("resume_session", arguments).await
    }

    /// A tool's definition.
    pub(crate) async fn definition(&mut self, tool: &str) -> Value {
        let listed = self.request("tools/list", json!({})).await;
        listed["result"]["tools"].as_array().unwrap().iter().find(|it| it["name"] == tool).unwrap().clone()
    }

    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Sends a signal, by name.
    pub(crate) async fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status().await.unwrap();
        assert!(sent.success());
    }

    /// Waits for the program's end without reading what it still has to say.
    pub(crate) async fn end_unread(mut self) -> ExitStatus {
        self.child.wait().await.unwrap()
    }

    /// Waits for the program's end; returns its exit and all that it wrote to stderr.
    pub(crate) async fn end(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().await.unwrap();
        (status, self.stderr.await.unwrap())
    }
}

#[cfg(unix)]
fn blocking(stream: tokio::net::UnixStream) -> Stdio {
    let stream = stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    std::os::fd::OwnedFd::from(stream).into()
}

/// Returns when a condition has come true, and fails when it has not within a time in which it must have.
pub(crate) async fn eventually(mut condition: impl AsyncFnMut() -> bool) {
    let comes_true = async { while !condition().await {} };
    tokio::time::timeout(TO_THE_END, comes_true).await.expect("it never came true");
}

/// A client for this computer, that has the cryptography which it needs although it never speaks TLS.
pub(crate) fn http_client() -> reqwest::ClientBuilder {
    let _ = ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy()
}

/// Fetches a page, whatever proxy the developer has set.
pub(crate) async fn fetch(url: &str) -> reqwest::Response {
    http_client().build().unwrap().get(url).send().await.unwrap()
}

/// The names in the answer to `tools/list`.
pub(crate) fn tool_names(answer: &Value) -> Vec<&str> {
    answer["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

/// The text of a tool's result.
pub(crate) fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {result}"))
}

/// Whatever changes from run to run, taken out of what a snapshot holds.
pub(crate) fn with_stable_values(check: impl FnOnce()) {
    let mut settings = insta::Settings::clone_current();
    for (pattern, name) in [
        (r"tok_[0-9a-f]{32}", "[token]"),
        (r"127\.0\.0\.1:\d+", "[address]"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "[time]"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "[time]"),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "[uuid]"),
        (r"[A-Za-z0-9+/]{100,}=*", "[base64]"),
        (r"Tried \d+ times (in \d+ s|within a second)", "Tried [n] times in [n] s"),
        (r"expired \d+ \w+( \d+ \w+)? ago", "expired [a while] ago"),
        (r"\(\d+ \w+( \d+ \w+)? ago\)", "([a while] ago)"),
        (r"\(in \d+ \w+( \d+ \w+)?\)", "(in [a while])"),
        (r"in \d+ days", "in [n] days"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "[time]"),
        (concat!("\"", env!("CARGO_PKG_VERSION"), "\""), "\"[version]\""),
    ] {
        settings.add_filter(pattern, name);
    }
    settings.set_snapshot_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(check);
}

//! Ways to have many calls outstanding: all over one stdio, or a connection for each.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};

use super::calls::Call;
use crate::{
    client::{Client, Http, Stdio},
    server::Server,
};

/// After that, an answer counts as lost.
const LOST: Duration = Duration::from_secs(30);

/// What stands between the calls and the server.
pub(crate) enum Slots {
    Stdio(Arc<Switchboard>),
    Http(String),
}

/// A place for one call at a time.
pub(crate) enum Slot {
    Stdio(Arc<Switchboard>),
    Http(String, Option<Http>),
}

/// Brings each answer that comes over stdio to the call that waits for it.
pub(crate) struct Switchboard {
    messages: mpsc::UnboundedSender<String>,
    waiting: Mutex<HashMap<usize, oneshot::Sender<Vec<u8>>>>,
    given_up: Mutex<HashSet<usize>>,
    unexpected: Mutex<Vec<String>>,
}

impl Slots {
    /// Connects and initializes.
    pub(crate) async fn connect(server: &mut Server) -> Self {
        let mut client = Client::connect(server).await;
        client.initialize().await;
        match client.into_stdio() {
            Ok(stdio) => Self::Stdio(Switchboard::start(stdio)),
            Err(address) => Self::Http(address),
        }
    }

    pub(crate) fn slot(&self) -> Slot {
        match self {
            Self::Stdio(switchboard) => Slot::Stdio(switchboard.clone()),
            Self::Http(address) => Slot::Http(address.clone(), None),
        }
    }

    /// Responses to no request.
    pub(crate) fn unexpected(&self) -> Vec<String> {
        match self {
            Self::Stdio(switchboard) => switchboard.unexpected.lock().unwrap().clone(),
            Self::Http(_) => Vec::new(),
        }
    }
}

impl Slot {
    /// The call's answer; none where the client gave up.
    pub(crate) async fn exchange(&mut self, call: &Call) -> Result<Option<Vec<u8>>, String> {
        let exchange = async {
            match self {
                Self::Stdio(switchboard) => switchboard.exchange(call).await,
                Self::Http(address, connection) => over_http(address, connection, call).await,
            }
        };
        timeout(LOST, exchange).await.unwrap_or_else(|_| Err("lost".to_owned()))
    }
}

/// Whoever gives up over HTTP closes the connection.
async fn over_http(address: &str, kept: &mut Option<Http>, call: &Call) -> Result<Option<Vec<u8>>, String> {
    let text = |error: std::io::Error| error.to_string();
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => Http::connect(address).await.map_err(text)?,
    };
    connection.send(&call.message()).await.map_err(text)?;
    if let Some(patience) = call.patience() {
        sleep(patience).await;
        return Ok(None);
    }
    let (status, body) = connection.receive().await.map_err(text)?;
    *kept = Some(connection);
    if status == 200 { Ok(Some(body)) } else { Err(format!("HTTP status {status}")) }
}

impl Switchboard {
    fn start(mut stdio: Stdio) -> Arc<Self> {
        let (messages, mut to_send) = mpsc::unbounded_channel::<String>();
        let switchboard = Arc::new(Self {
            messages,
            waiting: Mutex::default(),
            given_up: Mutex::default(),
            unexpected: Mutex::default(),
        });
        let receiving = Arc::downgrade(&switchboard);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    message = to_send.recv() => match message {
                        Some(message) => stdio.write(&message).await,
                        None => return,
                    },
                    line = stdio.line() => match (line, receiving.upgrade()) {
                        (Some(line), Some(switchboard)) => switchboard.deliver(line),
                        _ => return,
                    },
                }
            }
        });
        switchboard
    }

    fn deliver(&self, line: Vec<u8>) {
        let value: Value = serde_json::from_slice(&line).unwrap_or_default();
        let id = value["id"].as_u64().and_then(|id| usize::try_from(id).ok());
        let waiting = id.and_then(|id| self.waiting.lock().unwrap().remove(&id));
        match waiting {
            Some(waiting) => _ = waiting.send(line),
            // A call that was given up may be answered once.
            None if id.is_some_and(|id| self.given_up.lock().unwrap().remove(&id)) => {}
            None => self.unexpected.lock().unwrap().push(format!("no request for {value}")),
        }
    }

    async fn exchange(&self, call: &Call) -> Result<Option<Vec<u8>>, String> {
        let (answered, answer) = oneshot::channel();
        self.waiting.lock().unwrap().insert(call.id, answered);
        self.send(&call.message())?;
        let Some(patience) = call.patience() else {
            return answer.await.map(Some).map_err(|_| "the server has ended".into());
        };
        sleep(patience).await;
        self.waiting.lock().unwrap().remove(&call.id);
        self.given_up.lock().unwrap().insert(call.id);
        let id = call.id;
        self.send(&format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#))?;
        Ok(None)
    }

    fn send(&self, message: &str) -> Result<(), String> {
        self.messages.send(format!("{message}\n")).map_err(|_| "the server has ended".to_owned())
    }
}

//! Keeps many calls in flight: all over the same stdio streams, or each over its own connection.

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

/// How long to wait for a response before it counts as lost.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// A client connected to the server.
pub(crate) enum Slots {
    Stdio(Arc<Dispatcher>),
    Http(String),
}

/// Makes one call at a time.
pub(crate) enum Slot {
    Stdio(Arc<Dispatcher>),
    Http(String, Option<Http>),
}

/// Sends each response from stdio to the call that waits for it.
pub(crate) struct Dispatcher {
    messages: mpsc::UnboundedSender<String>,
    waiting: Mutex<HashMap<usize, oneshot::Sender<Vec<u8>>>>,
    cancelled: Mutex<HashSet<usize>>,
    unexpected: Mutex<Vec<String>>,
}

impl Slots {
    /// Connects and initializes.
    pub(crate) async fn connect(server: &mut Server) -> Self {
        let mut client = Client::connect(server).await;
        client.initialize().await;
        match client.into_stdio() {
            Ok(stdio) => Self::Stdio(Dispatcher::start(stdio)),
            Err(address) => Self::Http(address),
        }
    }

    pub(crate) fn slot(&self) -> Slot {
        match self {
            Self::Stdio(dispatcher) => Slot::Stdio(dispatcher.clone()),
            Self::Http(address) => Slot::Http(address.clone(), None),
        }
    }

    /// Messages for which no call was waiting.
    pub(crate) fn unexpected(&self) -> Vec<String> {
        match self {
            Self::Stdio(dispatcher) => dispatcher.unexpected.lock().unwrap().clone(),
            Self::Http(_) => Vec::new(),
        }
    }
}

impl Slot {
    /// Returns the call's response, or `None` if the client cancelled it.
    pub(crate) async fn send(&mut self, call: &Call) -> Result<Option<Vec<u8>>, String> {
        let send = async {
            match self {
                Self::Stdio(dispatcher) => dispatcher.send(call).await,
                Self::Http(address, connection) => over_http(address, connection, call).await,
            }
        };
        timeout(RESPONSE_TIMEOUT, send).await.unwrap_or_else(|_| Err("lost".to_owned()))
    }
}

/// Sends a call over HTTP, where closing the connection cancels it.
async fn over_http(address: &str, kept: &mut Option<Http>, call: &Call) -> Result<Option<Vec<u8>>, String> {
    let to_text = |error: std::io::Error| error.to_string();
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => Http::connect(address).await.map_err(to_text)?,
    };
    connection.send(&call.message()).await.map_err(to_text)?;
    if let Some(cancel_after) = call.cancel_after() {
        sleep(cancel_after).await;
        return Ok(None);
    }
    let (status, body) = connection.receive().await.map_err(to_text)?;
    *kept = Some(connection);
    if status == 200 { Ok(Some(body)) } else { Err(format!("HTTP status {status}")) }
}

impl Dispatcher {
    fn start(mut stdio: Stdio) -> Arc<Self> {
        let (messages, mut to_send) = mpsc::unbounded_channel::<String>();
        let dispatcher = Arc::new(Self {
            messages,
            waiting: Mutex::default(),
            cancelled: Mutex::default(),
            unexpected: Mutex::default(),
        });
        let receiving = Arc::downgrade(&dispatcher);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    message = to_send.recv() => match message {
                        Some(message) => stdio.write(&message).await,
                        None => return,
                    },
                    line = stdio.line() => match (line, receiving.upgrade()) {
                        (Some(line), Some(dispatcher)) => dispatcher.deliver(line),
                        _ => return,
                    },
                }
            }
        });
        dispatcher
    }

    fn deliver(&self, line: Vec<u8>) {
        let value: Value = serde_json::from_slice(&line).unwrap_or_default();
        let id = value["id"].as_u64().and_then(|id| usize::try_from(id).ok());
        let waiting = id.and_then(|id| self.waiting.lock().unwrap().remove(&id));
        match waiting {
            Some(waiting) => _ = waiting.send(line),
            // A cancelled call may still get one response.
            None if id.is_some_and(|id| self.cancelled.lock().unwrap().remove(&id)) => {}
            None => self.unexpected.lock().unwrap().push(format!("no call waits for {value}")),
        }
    }

    async fn send(&self, call: &Call) -> Result<Option<Vec<u8>>, String> {
        let (sender, response) = oneshot::channel();
        self.waiting.lock().unwrap().insert(call.id, sender);
        self.write(&call.message())?;
        let Some(cancel_after) = call.cancel_after() else {
            return response.await.map(Some).map_err(|_| "the server has exited".into());
        };
        sleep(cancel_after).await;
        self.waiting.lock().unwrap().remove(&call.id);
        self.cancelled.lock().unwrap().insert(call.id);
        let id = call.id;
        self.write(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
        ))?;
        Ok(None)
    }

    fn write(&self, message: &str) -> Result<(), String> {
        self.messages.send(format!("{message}\n")).map_err(|_| "the server has exited".to_owned())
    }
}

//! Messages as lines: the SDK's transport over stdin and stdout.
//!
//! An invalid line is answered here and goes no further, so that the process and the lines behind it go on. What has been read
//! stays when the SDK drops a future.

use std::{io, sync::Arc};

use rmcp::{
    RoleServer,
    service::{RxJsonRpcMessage, TxJsonRpcMessage},
    transport::Transport,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    sync::Mutex,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{Input, Output};
use crate::transport::message::{self, InvalidMessage};

/// The longest line, in bytes. What follows on a longer one is skipped.
const MAX_LINE: usize = 1024 * 1024;

pub(super) struct StdioTransport {
    input: BufReader<Input>,
    line: Vec<u8>,
    /// Whether the rest of a line that is too long is being skipped.
    skipping: bool,
    output: Arc<Mutex<Output>>,
    /// The error that answers an invalid line, while it is being written.
    answer: Option<JoinHandle<io::Result<()>>>,
    /// Cancelled when the input has ended.
    eof: CancellationToken,
}

enum Line {
    Complete,
    TooLong,
    End,
}

impl StdioTransport {
    pub(super) fn new(input: Input, output: Output, eof: CancellationToken) -> Self {
        let output = Arc::new(Mutex::new(output));
        Self { input: BufReader::new(input), line: Vec::new(), skipping: false, output, answer: None, eof }
    }

    /// Reads on until [`Self::line`] is complete. May be dropped and called again.
    async fn read_line(&mut self) -> io::Result<Line> {
        loop {
            let read = self.input.fill_buf().await?;
            if read.is_empty() {
                return Ok(if self.line.is_empty() { Line::End } else { Line::Complete });
            }
            let newline = read.iter().position(|byte| *byte == b'\n');
            let part = newline.and_then(|end| read.get(..end)).unwrap_or(read);
            let is_too_long = self.line.len() + part.len() > MAX_LINE;
            if !is_too_long && !self.skipping {
                self.line.extend_from_slice(part);
            }
            let consumed = part.len() + usize::from(newline.is_some());
            self.input.consume(consumed);
            let was_skipping = self.skipping;
            self.skipping = newline.is_none() && (was_skipping || is_too_long);
            if is_too_long && !was_skipping {
                self.line.clear();
                return Ok(Line::TooLong);
            }
            if newline.is_some() && !was_skipping {
                return Ok(Line::Complete);
            }
        }
    }

    /// Writes the answer in a task of its own, since this future may be dropped in the middle of a line.
    fn answer(&mut self, invalid: &InvalidMessage) {
        tracing::debug!(error = %invalid.error, "rejected a message");
        self.answer = Some(tokio::spawn(write_line(self.output.clone(), invalid.response().into_bytes())));
    }
}

async fn write_line(output: Arc<Mutex<Output>>, mut line: Vec<u8>) -> io::Result<()> {
    line.push(b'\n');
    let mut output = output.lock().await;
    output.write_all(&line).await?;
    output.flush().await
}

impl Transport<RoleServer> for StdioTransport {
    type Error = io::Error;

    fn send(&mut self, message: TxJsonRpcMessage<RoleServer>) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let output = self.output.clone();
        async move { write_line(output, serde_json::to_vec(&message)?).await }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            // While a client does not read its errors, no more of its lines are read.
            if let Some(answer) = &mut self.answer {
                let _ = answer.await;
                self.answer = None;
            }
            match self.read_line().await {
                Ok(Line::Complete) => {
                    let read = message::read(&self.line);
                    let is_blank = self.line.trim_ascii().is_empty();
                    self.line.clear();
                    match read {
                        Ok(Some(message)) => return Some(message),
                        Err(invalid) if !is_blank => self.answer(&invalid),
                        Ok(None) | Err(_) => {}
                    }
                }
                Ok(Line::TooLong) => self.answer(&InvalidMessage::too_long(MAX_LINE)),
                Ok(Line::End) | Err(_) => {
                    self.eof.cancel();
                    return None;
                }
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.output.lock().await.shutdown().await
    }
}

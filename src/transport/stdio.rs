//! MCP over stdin and stdout, for clients that launch the server.
//!
//! Pipes and socket pairs (Node's clients use those) are used without blocking a thread, so that the process ends at once
//! when it is told to, although stdin stays open or nobody reads stdout. Nothing but the protocol may be written to
//! stdout.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use rmcp::{ServiceExt, service::ServerInitializeError};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::Signals;
use crate::server::Server;

/// How long calls that run at a signal may take to end; the SDK gives them two seconds.
const AFTER_A_SIGNAL: Duration = Duration::from_secs(3);
/// How long calls that run when stdin ends may take to end; the SDK gives them five seconds.
const AFTER_THE_END: Duration = Duration::from_secs(7);

type Input = Box<dyn AsyncRead + Send + Unpin>;
type Output = Box<dyn AsyncWrite + Send + Unpin>;

/// Serves until stdin ends or the process is asked to end.
///
/// # Errors
/// When the client does not speak MCP, or the streams fail.
pub async fn serve(server: Server) -> anyhow::Result<()> {
    let (stop, end) = (CancellationToken::new(), CancellationToken::new());
    let mut signals = Signals::listen()?;
    tokio::spawn({
        let stop = stop.clone();
        async move {
            signals.next().await;
            stop.cancel();
        }
    });
    let server = server.asking_until(end.clone());
    let input = UntilTheEnd { input: stdin(), end: end.clone() };
    // A client that no longer reads stdout would hold the last answers up for ever.
    tokio::select! {
        served = serve_over(server, input, stdout(), stop.clone()) => served,
        () = after(&stop, AFTER_A_SIGNAL) => Ok(()),
        () = after(&end, AFTER_THE_END) => Ok(()),
    }
}

async fn serve_over(server: Server, input: UntilTheEnd, output: Output, stop: CancellationToken) -> anyhow::Result<()> {
    match server.serve_with_ct((input, output), stop).await {
        Ok(running) => {
            running.waiting().await?;
            Ok(())
        }
        // The client went, or we were asked to, before it said a word: nothing is wrong.
        Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn after(event: &CancellationToken, time: Duration) {
    event.cancelled().await;
    sleep(time).await;
}

fn stdin() -> Input {
    #[cfg(unix)]
    if let Some(socket) = socket(io::stdin()) {
        return Box::new(socket);
    }
    // Opened anew, so that other processes that hold the same pipe do not see it become non-blocking.
    #[cfg(target_os = "linux")]
    if let Ok(pipe) = tokio::net::unix::pipe::OpenOptions::new().open_receiver("/proc/self/fd/0") {
        return Box::new(pipe);
    }
    Box::new(tokio::io::stdin())
}

fn stdout() -> Output {
    #[cfg(unix)]
    if let Some(socket) = socket(io::stdout()) {
        return Box::new(socket);
    }
    #[cfg(target_os = "linux")]
    if let Ok(pipe) = tokio::net::unix::pipe::OpenOptions::new().open_sender("/proc/self/fd/1") {
        return Box::new(pipe);
    }
    Box::new(tokio::io::stdout())
}

/// The descriptor as a socket that does not block, where it is one.
#[cfg(unix)]
fn socket(descriptor: impl std::os::fd::AsFd) -> Option<tokio::net::UnixStream> {
    let stream = std::os::unix::net::UnixStream::from(descriptor.as_fd().try_clone_to_owned().ok()?);
    // Fails for whatever is no Unix socket.
    stream.local_addr().ok()?;
    stream.set_nonblocking(true).ok()?;
    tokio::net::UnixStream::from_std(stream).ok()
}

/// Tells when the input has ended.
struct UntilTheEnd {
    input: Input,
    end: CancellationToken,
}

impl AsyncRead for UntilTheEnd {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.input).poll_read(context, buffer);
        let ended = match &read {
            Poll::Ready(Ok(())) => buffer.remaining() > 0 && buffer.filled().len() == before,
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        };
        if ended {
            self.end.cancel();
        }
        read
    }
}

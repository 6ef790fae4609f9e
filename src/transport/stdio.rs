//! MCP over stdin and stdout, for clients that launch the server.
//!
//! Pipes and socket pairs (which Node clients use) are read and written without blocking a thread, so that the process
//! can exit at once although stdin stays open or the client does not read stdout. Only MCP messages may be written to
//! stdout.

mod transport;

use std::time::Duration;

use rmcp::{ServiceExt, service::ServerInitializeError};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use self::transport::StdioTransport;
use super::Signals;
use crate::server::Server;

/// Time for running calls to end after a signal; the SDK gives them two seconds.
const SIGNAL_GRACE: Duration = Duration::from_secs(3);
/// Time for running calls to end after stdin has ended; the SDK gives them five seconds.
const EOF_GRACE: Duration = Duration::from_secs(7);

type Input = Box<dyn AsyncRead + Send + Unpin>;
type Output = Box<dyn AsyncWrite + Send + Unpin>;

/// Serves until stdin ends or a signal arrives.
pub(crate) async fn serve(server: Server) -> anyhow::Result<()> {
    let (stop, eof) = (CancellationToken::new(), CancellationToken::new());
    let mut signals = Signals::listen()?;
    tokio::spawn({
        let stop = stop.clone();
        async move {
            signals.next().await;
            stop.cancel();
        }
    });
    let server = server.asking_until(eof.clone());
    let transport = StdioTransport::new(stdin(), stdout(), eof.clone());
    // A client that no longer reads stdout would delay the last responses forever.
    tokio::select! {
        served = serve_over(server, transport, stop.clone()) => served,
        () = after(&stop, SIGNAL_GRACE) => Ok(()),
        () = after(&eof, EOF_GRACE) => Ok(()),
    }
}

async fn serve_over(server: Server, transport: StdioTransport, stop: CancellationToken) -> anyhow::Result<()> {
    match server.serve_with_ct(transport, stop).await {
        Ok(running) => {
            running.waiting().await?;
            Ok(())
        }
        // The client left, or a signal arrived, before the first message: not an error.
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
    if let Some(socket) = socket(std::io::stdin()) {
        return Box::new(socket);
    }
    // Opened again, so that the pipe does not become non-blocking for other processes that share it.
    #[cfg(target_os = "linux")]
    if let Ok(pipe) = tokio::net::unix::pipe::OpenOptions::new().open_receiver("/proc/self/fd/0") {
        return Box::new(pipe);
    }
    Box::new(tokio::io::stdin())
}

fn stdout() -> Output {
    #[cfg(unix)]
    if let Some(socket) = socket(std::io::stdout()) {
        return Box::new(socket);
    }
    #[cfg(target_os = "linux")]
    if let Ok(pipe) = tokio::net::unix::pipe::OpenOptions::new().open_sender("/proc/self/fd/1") {
        return Box::new(pipe);
    }
    Box::new(tokio::io::stdout())
}

/// The descriptor as a non-blocking socket, if it is one.
#[cfg(unix)]
fn socket(descriptor: impl std::os::fd::AsFd) -> Option<tokio::net::UnixStream> {
    let stream = std::os::unix::net::UnixStream::from(descriptor.as_fd().try_clone_to_owned().ok()?);
    // Fails unless it is a Unix socket.
    stream.local_addr().ok()?;
    stream.set_nonblocking(true).ok()?;
    tokio::net::UnixStream::from_std(stream).ok()
}

//! MCP over stdin and stdout, for clients that launch the server.
//!
//! Pipes and socket pairs (Node's clients use those) are read without blocking a thread, so that the process ends at once
//! when it is told to, although stdin stays open. Nothing but the protocol may be written to stdout.

use rmcp::{ServiceExt, service::ServerInitializeError, transport::stdio_pipes};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::shutdown;
use crate::server::Server;

/// Serves until stdin ends or the process is asked to end.
///
/// # Errors
/// When the client does not speak MCP, or the streams fail.
pub async fn serve(server: Server) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    tokio::spawn({
        let stop = stop.clone();
        async move {
            match shutdown::requested().await {
                Ok(()) => stop.cancel(),
                Err(error) => tracing::warn!(%error, "signals cannot be listened to"),
            }
        }
    });
    #[cfg(unix)]
    if let (Some(stdin), Some(stdout)) = (socket(std::io::stdin()), socket(std::io::stdout())) {
        return serve_over(server, stdin, stdout, stop).await;
    }
    let (stdin, stdout) = stdio_pipes();
    serve_over(server, stdin, stdout, stop).await
}

async fn serve_over(
    server: Server,
    stdin: impl AsyncRead + Send + Unpin + 'static,
    stdout: impl AsyncWrite + Send + Unpin + 'static,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    match server.serve_with_ct((stdin, stdout), stop).await {
        Ok(running) => {
            running.waiting().await?;
            Ok(())
        }
        // The client went, or we were asked to, before it said a word: nothing is wrong.
        Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => Ok(()),
        Err(error) => Err(error.into()),
    }
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

//! The signals that end a server: SIGTERM and SIGINT on Unix, Ctrl-C elsewhere.

use std::io;

/// Returns when the process is asked to end.
///
/// # Errors
/// When the system does not let signals be listened to.
pub(crate) async fn requested() -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};

        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

//! `verifa-mcp http`: runs the server for teams and for clients that need a URL.
//!
//! It prints where it listens, and stops at a signal. How requests are served is decided in `transport::http`.

use std::{
    io::{self, Write},
    net::SocketAddr,
    process::ExitCode,
};

use tokio_util::sync::CancellationToken;

use super::process::UsageError;
use crate::{
    call::Caller,
    config::Config,
    server::Server,
    transport::{
        Signals,
        http::{HttpConfig, HttpServer, auth::Authenticator},
    },
};

pub(super) async fn run(http: HttpConfig, config: Config) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let open = matches!(http.auth, Authenticator::None(_));
    let state = config.server_state().limiting_writes(http.writes_per_caller);
    // Callers bring the key; the deployment's own must not be lent by accident.
    let server = Server::new(state, Caller::default(), !matches!(http.auth, Authenticator::ApiKey));
    if let Some(oauth) = http.auth.oauth() {
        for warning in oauth.warnings() {
            tracing::warn!("{warning}");
        }
        oauth.start().await.map_err(UsageError)?;
    }
    let http = HttpServer::bind(http, server).await?;
    match introduce(&http.addresses()?, http.metrics_address(), open, config.tools.emulated) {
        // A script may close the pipe after the first line, which has the address.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    let (stop, cut) = (CancellationToken::new(), CancellationToken::new());
    let signalled = async {
        signals.next().await;
        stop.cancel();
        signals.next().await;
        cut.cancel();
        std::future::pending().await
    };
    tokio::select! {
        () = http.serve(stop.clone(), cut.clone()) => {}
        () = signalled => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn introduce(addresses: &[SocketAddr], metrics: Option<SocketAddr>, open: bool, emulated: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for address in addresses {
        writeln!(out, "MCP server listening on http://{address}/mcp")?;
    }
    if let Some(address) = metrics {
        writeln!(out, "Metrics on http://{address}/metrics")?;
    }
    out.flush()?;
    let mut notes = io::stderr().lock();
    if open {
        writeln!(notes, "No authentication: every program on this computer may call, with the configured key.")?;
    }
    if emulated {
        writeln!(notes, "Calls go to the emulator inside this process, not to Verifa.")?;
    }
    Ok(())
}

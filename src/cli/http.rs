//! `verifa-mcp http`: the server for teams and for clients that want a URL.

use std::{
    io::{self, Write},
    net::SocketAddr,
    process::ExitCode,
};

use crate::{
    config::Config,
    server::Server,
    tools::Caller,
    transport::{
        http::{HttpServer, Options, auth::Auth},
        shutdown_requested,
    },
};

pub(super) async fn run(options: Options, config: Config) -> anyhow::Result<ExitCode> {
    let open = matches!(options.auth, Auth::None(_));
    // Who calls brings the key; the deployment's own must not be lent by accident.
    let server = Server::new(config.setup().into(), Caller::default());
    let http = HttpServer::bind(options, server).await?;
    introduce(&http.addresses()?, http.metrics_address(), open, config.emulated)?;
    http.serve(async {
        if let Err(error) = shutdown_requested().await {
            tracing::warn!(%error, "signals cannot be listened to");
            std::future::pending::<()>().await;
        }
    })
    .await;
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

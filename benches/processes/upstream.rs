//! Stands in for Verifa in the measurements: responds immediately, or with the error that the session ID selects.
//!
//! It handles HTTP/1.1 itself to keep the overhead minimal. `ses_503-once_1` fails the first time, `ses_503-always_1`
//! every time, `ses_fine_1` never.

use std::{
    collections::HashSet,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use qrcode::{Color, QrCode};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How long a link is valid.
const LINK_LIFETIME_SECONDS: i64 = 20 * 60;
/// Delay of a slow response.
const SLOW_RESPONSE_DELAY: Duration = Duration::from_millis(50);
/// Maximum size of a request head in bytes.
const MAX_HEAD: usize = 16 * 1024;

#[derive(Clone)]
pub(crate) struct Upstream(Arc<State>);

struct State {
    qr_code: String,
    /// Sessions that have had their only error.
    failed_once: Mutex<HashSet<String>>,
    close_token: Mutex<CancellationToken>,
}

impl Upstream {
    pub(crate) fn new() -> Self {
        let state = State {
            qr_code: qr_code(),
            failed_once: Mutex::default(),
            close_token: Mutex::new(CancellationToken::new()),
        };
        Self(Arc::new(state))
    }

    /// Serves plain HTTP on a free port.
    pub(crate) async fn serve(&self) -> SocketAddr {
        let upstream = self.clone();
        listen(move |stream| {
            let upstream = upstream.clone();
            async move { upstream.serve_connection(stream).await }
        })
        .await
    }

    /// Serves HTTPS on a free port.
    pub(crate) async fn serve_tls(&self, acceptor: TlsAcceptor) -> SocketAddr {
        let upstream = self.clone();
        listen(move |stream| {
            let (upstream, acceptor) = (upstream.clone(), acceptor.clone());
            async move { upstream.serve_connection(acceptor.accept(stream).await?).await }
        })
        .await
    }

    /// Closes all open connections.
    pub(crate) fn close_connections(&self) {
        let mut token = self.0.close_token.lock().unwrap();
        token.cancel();
        *token = CancellationToken::new();
    }

    async fn serve_connection(&self, stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let end = self.0.close_token.lock().unwrap().clone();
        tokio::select! {
            ended = self.handle_requests(stream) => ended,
            () = end.cancelled() => Ok(()),
        }
    }

    async fn handle_requests(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let mut received = Vec::with_capacity(4096);
        loop {
            let end = loop {
                if let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
                    break end + 4;
                }
                if received.len() > MAX_HEAD || stream.read_buf(&mut received).await? == 0 {
                    return Ok(());
                }
            };
            let is_preconnect = received.starts_with(b"HEAD ");
            let id = if is_preconnect { String::new() } else { session_id(&received[..end]).to_owned() };
            received.drain(..end);
            if is_preconnect {
                stream.write_all(b"HTTP/1.1 404 X\r\ncontent-length: 0\r\n\r\n").await?;
                continue;
            }
            match self.injected_error(&id) {
                None => stream.write_all(&self.resumed(&id)).await?,
                Some("slow") => {
                    sleep(SLOW_RESPONSE_DELAY).await;
                    stream.write_all(&self.resumed(&id)).await?;
                }
                // Until the client closes the connection.
                Some("hang") => return stream.read(&mut [0; 64]).await.map(drop),
                Some("cut") => return Ok(()),
                Some("half") => {
                    let response = self.resumed(&id);
                    return stream.write_all(&response[..response.len() / 2]).await;
                }
                Some("garbage") => stream.write_all(&response(200, "", "<html>Bad gateway</html>")).await?,
                Some("429") => stream.write_all(&error_response(429, "rate_limited", "retry-after: 0\r\n")).await?,
                Some("404") => stream.write_all(&error_response(404, "not_found", "")).await?,
                Some(status) => stream.write_all(&error_response(status.parse().unwrap(), "unavailable", "")).await?,
            }
        }
    }

    /// The error to inject into this session's request.
    fn injected_error<'a>(&self, id: &'a str) -> Option<&'a str> {
        let (error, when) = id.split('_').nth(1)?.split_once('-')?;
        if when == "always" {
            return Some(error);
        }
        let mut failed_once = self.0.failed_once.lock().unwrap();
        // The second request removes the session, so the set stays small.
        if failed_once.remove(id) {
            return None;
        }
        failed_once.insert(id.to_owned());
        Some(error)
    }

    fn resumed(&self, id: &str) -> Vec<u8> {
        let date = httpdate::fmt_http_date(SystemTime::now());
        response(200, &format!("date: {date}\r\n"), &self.body(id))
    }

    /// The body of a successful response, its link valid from now on.
    pub(crate) fn body(&self, id: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let expires_at = Timestamp::from_second(i64::try_from(now).unwrap() + LINK_LIFETIME_SECONDS).unwrap();
        let (link, picture) = (capture_url(id), &self.0.qr_code);
        format!(
            "{{\"id\":\"{id}\",\"status\":\"pending\",\"capture_url\":\"{link}\",\"expires_at\":\"{expires_at}\",\
             \"qr_code_data_url\":\"data:image/png;base64,{picture}\"}}"
        )
    }
}

/// The capture link of a session. It contains the session's ID, so that a response to the wrong call is detected.
pub(crate) fn capture_url(session_id: &str) -> String {
    format!("https://app.withverifa.com/verify/tok_{session_id}")
}

/// Adds latency to a server: every response is delayed by `round_trip`, and so is each new connection.
///
/// The operating system accepts connections itself, so the first bytes of a connection are delayed instead.
pub(crate) async fn with_latency(server: SocketAddr, round_trip: Duration) -> SocketAddr {
    listen(move |near| async move {
        near.peek(&mut [0]).await?;
        sleep(round_trip).await;
        let far = TcpStream::connect(server).await?;
        far.set_nodelay(true)?;
        let ((mut from_near, mut to_near), (mut from_far, mut to_far)) = (near.into_split(), far.into_split());
        let (sender, mut in_flight) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
        let forth = async { tokio::io::copy(&mut from_near, &mut to_far).await.map(drop) };
        let depart = async move {
            loop {
                let mut bytes = Vec::with_capacity(16 * 1024);
                if from_far.read_buf(&mut bytes).await? == 0
                    || sender.send((Instant::now() + round_trip, bytes)).is_err()
                {
                    return io::Result::Ok(());
                }
            }
        };
        let arrive = async move {
            while let Some((arrival, bytes)) = in_flight.recv().await {
                sleep_until(arrival).await;
                to_near.write_all(&bytes).await?;
            }
            to_near.shutdown().await
        };
        tokio::try_join!(forth, depart, arrive).map(drop)
    })
    .await
}

async fn listen<F: Future<Output = io::Result<()>> + Send + 'static>(
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            // Errors are ignored: clients may disconnect at any time.
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// The session ID in `POST /api/v1/sessions/{id}/resume HTTP/1.1`.
fn session_id(head: &[u8]) -> &str {
    let line = head.split(|byte| *byte == b'\r').next().unwrap();
    str::from_utf8(line).unwrap().split('/').nth(4).unwrap()
}

fn error_response(status: u16, code: &str, headers: &str) -> Vec<u8> {
    let body = format!("{{\"error\":\"{code}\",\"detail\":\"Injected error.\",\"status_code\":{status}}}");
    response(status, headers, &body)
}

fn response(status: u16, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
        .into_bytes()
}

/// A QR code as base64-encoded PNG, of realistic size.
fn qr_code() -> String {
    let code = QrCode::new(capture_url("ses_00000000000000000000000000000000")).unwrap();
    let (width, modules) = (code.width(), code.to_colors());
    let (border, scale) = (4, 8);
    let side = u32::try_from((width + 2 * border) * scale).unwrap();
    let picture = image::GrayImage::from_fn(side, side, |x, y| {
        let module = |at: u32| (at as usize / scale).checked_sub(border).filter(|at| *at < width);
        let dark = module(x).zip(module(y)).is_some_and(|(x, y)| modules[y * width + x] == Color::Dark);
        image::Luma([if dark { 0 } else { 255 }])
    });
    let mut png = io::Cursor::new(Vec::new());
    picture.write_to(&mut png, image::ImageFormat::Png).unwrap();
    BASE64_STANDARD.encode(png.into_inner())
}

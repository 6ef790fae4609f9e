//! Verifa's place in the measurements: answers at once, or fails in the way that a session's id asks for.
//!
//! Hand-written HTTP/1.1, so that it costs next to nothing. `ses_503-once_1` fails the first time, `ses_503-always_1`
//! every time, `ses_fine_1` never.

use std::{
    collections::HashMap,
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

/// How long a link lives.
const LIFETIME: i64 = 20 * 60;
/// How late a slow answer comes.
const SLOW: Duration = Duration::from_millis(50);
/// The largest request head.
const MAX_HEAD: usize = 16 * 1024;

#[derive(Clone)]
pub(crate) struct Upstream(Arc<State>);

struct State {
    qr_code: String,
    /// How often each session was asked for whose fault depends on that.
    asked: Mutex<HashMap<String, u32>>,
    end_connections: Mutex<CancellationToken>,
}

impl Upstream {
    pub(crate) fn new() -> Self {
        let state = State {
            qr_code: qr_code(),
            asked: Mutex::default(),
            end_connections: Mutex::new(CancellationToken::new()),
        };
        Self(Arc::new(state))
    }

    /// Serves plain HTTP on a free port.
    pub(crate) async fn serve(&self) -> SocketAddr {
        let upstream = self.clone();
        listen(move |stream| {
            let upstream = upstream.clone();
            async move { upstream.answer(stream).await }
        })
        .await
    }

    /// Serves HTTPS on a free port.
    pub(crate) async fn serve_tls(&self, acceptor: TlsAcceptor) -> SocketAddr {
        let upstream = self.clone();
        listen(move |stream| {
            let (upstream, acceptor) = (upstream.clone(), acceptor.clone());
            async move { upstream.answer(acceptor.accept(stream).await?).await }
        })
        .await
    }

    /// Closes every connection that is open now.
    pub(crate) fn close_connections(&self) {
        let mut token = self.0.end_connections.lock().unwrap();
        token.cancel();
        *token = CancellationToken::new();
    }

    async fn answer(&self, stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let end = self.0.end_connections.lock().unwrap().clone();
        tokio::select! {
            ended = self.answer_all(stream) => ended,
            () = end.cancelled() => Ok(()),
        }
    }

    async fn answer_all(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
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
            let opens_ahead = received.starts_with(b"HEAD ");
            let id = if opens_ahead { String::new() } else { session_id(&received[..end]).to_owned() };
            received.drain(..end);
            if opens_ahead {
                stream.write_all(b"HTTP/1.1 404 X\r\ncontent-length: 0\r\n\r\n").await?;
                continue;
            }
            match self.fault(&id) {
                None => stream.write_all(&self.resumed(&id)).await?,
                Some("slow") => {
                    sleep(SLOW).await;
                    stream.write_all(&self.resumed(&id)).await?;
                }
                // Until the client gives up.
                Some("hang") => return stream.read(&mut [0; 64]).await.map(drop),
                Some("cut") => return Ok(()),
                Some("half") => {
                    let answer = self.resumed(&id);
                    return stream.write_all(&answer[..answer.len() / 2]).await;
                }
                Some("garbage") => stream.write_all(&response(200, "", "<html>Bad gateway</html>")).await?,
                Some("429") => stream.write_all(&refusal(429, "rate_limited", "retry-after: 0\r\n")).await?,
                Some("404") => stream.write_all(&refusal(404, "not_found", "")).await?,
                Some(status) => stream.write_all(&refusal(status.parse().unwrap(), "unavailable", "")).await?,
            }
        }
    }

    /// How the answer to this session's request is to fail.
    fn fault<'a>(&self, id: &'a str) -> Option<&'a str> {
        let (fault, when) = id.split('_').nth(1)?.split_once('-')?;
        if when == "always" {
            return Some(fault);
        }
        let mut asked = self.0.asked.lock().unwrap();
        // Asked for a second time, a session is forgotten.
        if asked.remove(id).is_some() {
            return None;
        }
        asked.insert(id.to_owned(), 1);
        Some(fault)
    }

    fn resumed(&self, id: &str) -> Vec<u8> {
        let date = httpdate::fmt_http_date(SystemTime::now());
        response(200, &format!("date: {date}\r\n"), &self.body(id))
    }

    /// A good answer, its link from now on.
    pub(crate) fn body(&self, id: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let expires_at = Timestamp::from_second(i64::try_from(now).unwrap() + LIFETIME).unwrap();
        let (link, picture) = (capture_url(id), &self.0.qr_code);
        format!(
            "{{\"id\":\"{id}\",\"status\":\"pending\",\"capture_url\":\"{link}\",\"expires_at\":\"{expires_at}\",\
             \"qr_code_data_url\":\"data:image/png;base64,{picture}\"}}"
        )
    }
}

/// The link that a session gets: its own, so that answers which were mixed up show.
pub(crate) fn capture_url(session_id: &str) -> String {
    format!("https://app.withverifa.com/verify/tok_{session_id}")
}

/// Puts a distance before a server: every answer travels `round_trip` long, and so does a new connection.
///
/// The system accepts connections on its own, so a connection's first bytes wait instead, once they are there.
pub(crate) async fn at_a_distance(server: SocketAddr, round_trip: Duration) -> SocketAddr {
    listen(move |near| async move {
        near.peek(&mut [0]).await?;
        sleep(round_trip).await;
        let far = TcpStream::connect(server).await?;
        far.set_nodelay(true)?;
        let ((mut from_near, mut to_near), (mut from_far, mut to_far)) = (near.into_split(), far.into_split());
        let (sender, mut travelling) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
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
            while let Some((arrival, bytes)) = travelling.recv().await {
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
            // Clients that leave in the middle are part of the game.
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// The id in `POST /api/v1/sessions/{id}/resume HTTP/1.1`.
fn session_id(head: &[u8]) -> &str {
    let line = head.split(|byte| *byte == b'\r').next().unwrap();
    str::from_utf8(line).unwrap().split('/').nth(4).unwrap()
}

fn refusal(status: u16, code: &str, headers: &str) -> Vec<u8> {
    let body = format!("{{\"error\":\"{code}\",\"detail\":\"As the session asked for.\",\"status_code\":{status}}}");
    response(status, headers, &body)
}

fn response(status: u16, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
        .into_bytes()
}

/// A QR code as base64 PNG, as large as a real one.
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

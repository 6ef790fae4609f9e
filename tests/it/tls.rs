//! The way to a real API: TLS, an extra authority, a proxy.

use std::sync::Arc;

use rcgen::{CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring::default_provider, pki_types::PrivateKeyDer},
};

use crate::{
    program::{Client, HttpServer, SANDBOX_KEY, run, stdout, text},
    upstream::{Reply, Upstream},
};

/// An authority that no one trusts, and its certificate as a file.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    _folder: tempfile::TempDir,
    file: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        // Another name for each, or a wrong authority would be taken for a wrong signature.
        params.distinguished_name.push(DnType::CommonName, uuid::Uuid::new_v4().to_string());
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, issuer.pem()).unwrap();
        Self { issuer, file: file.to_str().unwrap().to_owned(), _folder: folder }
    }

    /// Serves `upstream` over TLS with a certificate for `name`; returns the port.
    async fn serve(&self, upstream: &Upstream, name: &str, change: fn(&mut CertificateParams)) -> u16 {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let upstream = upstream.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, upstream) = (acceptor.clone(), upstream.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        upstream.answer(stream).await;
                    }
                });
            }
        });
        port
    }
}

/// A server that greets before it is spoken to, as TLS servers never do; returns its address.
async fn speaks_no_tls() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").await.unwrap();
        }
    });
    address.to_string()
}

/// A proxy that connects every name to this computer; returns its address.
async fn proxy() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let port = head.strip_prefix("CONNECT verifa.test:").and_then(|rest| rest.split(' ').next()).unwrap();
                let mut server = TcpStream::connect(format!("127.0.0.1:{port}")).await.unwrap();
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address.to_string()
}

/// A SOCKS 5 proxy (RFC 1928) that connects every name to this computer; returns its address.
async fn socks_proxy() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut greeting = [0; 2];
                client.read_exact(&mut greeting).await.unwrap();
                client.read_exact(&mut vec![0; greeting[1].into()]).await.unwrap();
                client.write_all(&[5, 0]).await.unwrap();
                let mut request = [0; 5];
                client.read_exact(&mut request).await.unwrap();
                assert_eq!(request[..4], [5, 1, 0, 3], "connect to a name, which the proxy resolves");
                let mut name = vec![0; request[4].into()];
                client.read_exact(&mut name).await.unwrap();
                assert_eq!(name, b"verifa.test");
                let port = client.read_u16().await.unwrap();
                let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address.to_string()
}

async fn resume(url: &str, environment: &[(&str, &str)]) -> serde_json::Value {
    let mut client = Client::of_api(url, &[&[("VERIFA_MCP_RETRY_BUDGET", "3s")], environment].concat()).await;
    client.resume(json!({"session_id": "ses_1"})).await
}

#[tokio::test]
async fn an_extra_authority_is_trusted_and_an_unknown_one_is_not() {
    let (authority, upstream) = (Authority::new(), Upstream::always([Reply::resumed()]).await);
    let port = authority.serve(&upstream, "localhost", |_| ()).await;
    let url = format!("https://localhost:{port}");
    let trusted = resume(&url, &[("VERIFA_CA_FILE", &authority.file)]).await;
    assert_eq!(trusted["isError"], false, "{trusted}");

    let unknown = resume(&url, &[("VERIFA_CA_FILE", &Authority::new().file)]).await;
    assert!(text(&unknown).contains("its certificate comes from an unknown authority"), "{unknown}");
    assert!(text(&unknown).contains("VERIFA_CA_FILE") && text(&unknown).contains("The session was not resumed."));
    assert_eq!(upstream.received().iter().filter(|it| it.line.starts_with("POST ")).count(), 1);
}

#[tokio::test]
async fn the_connection_is_opened_ahead_without_the_key_unless_a_setting_says_no() {
    let authority = Authority::new();
    let start = async |settings: &[(&str, &str)]| {
        let upstream = Upstream::always([Reply::resumed()]).await;
        let url = format!("https://localhost:{}", authority.serve(&upstream, "localhost", |_| ()).await);
        let settings = [settings, &[("VERIFA_CA_FILE", authority.file.as_str()), ("VERIFA_API_URL", &url)]].concat();
        (Client::start(&[], &settings).await, upstream)
    };
    let key = ("VERIFA_API_KEY", SANDBOX_KEY);
    // Those that must not connect have had their chance when the last one has.
    let (_keyless, unasked) = start(&[]).await;
    let (_off, silent) = start(&[key, ("VERIFA_MCP_CONNECT_AHEAD", "false")]).await;
    let (mut client, upstream) = start(&[key]).await;
    upstream.arrival().await;
    let opened = &upstream.received()[0];
    assert_eq!(opened.line, "HEAD / HTTP/1.1");
    assert!(!format!("{opened:?}").contains(SANDBOX_KEY) && !opened.headers.contains_key("x-api-key"), "{opened:?}");
    assert!(unasked.received().is_empty() && silent.received().is_empty());
    assert_eq!(client.resume(json!({"session_id": "ses_1"})).await["isError"], false);
}

#[tokio::test]
async fn over_http_it_is_opened_ahead_where_the_deployments_key_makes_the_calls() {
    let authority = Authority::new();
    let start = async |mode: &str| {
        let upstream = Upstream::always([Reply::resumed()]).await;
        let url = format!("https://localhost:{}", authority.serve(&upstream, "localhost", |_| ()).await);
        let environment =
            [("VERIFA_API_KEY", SANDBOX_KEY), ("VERIFA_CA_FILE", authority.file.as_str()), ("VERIFA_API_URL", &url)];
        let server = HttpServer::start(&["--auth", mode], &environment).await;
        let client = json!({"name": "integration tests", "version": "1"});
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
        assert_eq!(server.post("/mcp", &message).bearer_auth(SANDBOX_KEY).send().await.unwrap().status(), 200);
        (server, upstream)
    };
    let (_bring_their_own, silent) = start("api-key").await;
    let (_server, upstream) = start("none").await;
    upstream.arrival().await;
    assert_eq!(upstream.received()[0].line, "HEAD / HTTP/1.1");
    assert!(silent.received().is_empty());
}

#[tokio::test]
async fn a_wrong_name_a_past_date_and_no_tls_at_all_are_told_apart() {
    let (authority, upstream) = (Authority::new(), Upstream::always([Reply::resumed()]).await);
    let trust = [("VERIFA_CA_FILE", authority.file.as_str())];

    let port = authority.serve(&upstream, "elsewhere.test", |_| ()).await;
    let wrong_name = resume(&format!("https://localhost:{port}"), &trust).await;
    assert!(text(&wrong_name).contains("its certificate is for another host"), "{wrong_name}");

    let port =
        authority.serve(&upstream, "localhost", |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1)).await;
    let expired = resume(&format!("https://localhost:{port}"), &trust).await;
    assert!(text(&expired).contains("its certificate is not valid now"), "{expired}");

    let no_tls = resume(&format!("https://{}", speaks_no_tls().await), &trust).await;
    assert!(text(&no_tls).contains("the TLS handshake failed"), "{no_tls}");
    assert!(upstream.received().is_empty());
}

#[tokio::test]
async fn a_proxy_is_used_and_named_when_it_fails() {
    let (authority, upstream) = (Authority::new(), Upstream::always([Reply::resumed()]).await);
    let port = authority.serve(&upstream, "verifa.test", |_| ()).await;
    let url = format!("https://verifa.test:{port}");
    let trust = ("VERIFA_CA_FILE", authority.file.as_str());
    let proxy = format!("http://{}", proxy().await);
    let through = resume(&url, &[trust, ("HTTPS_PROXY", &proxy)]).await;
    assert_eq!(through["isError"], false, "{through}");

    let refused = resume(&url, &[trust, ("HTTPS_PROXY", "http://user:secret@127.0.0.1:1")]).await;
    assert!(text(&refused).contains("through the proxy 127.0.0.1:1: the connection was refused"), "{refused}");
    assert!(!text(&refused).contains("secret"));

    let excepted = resume(&url, &[trust, ("HTTPS_PROXY", &proxy), ("NO_PROXY", "verifa.test")]).await;
    assert!(text(&excepted).contains("Could not reach Verifa: the host name has no address"), "{excepted}");
}

#[tokio::test]
async fn a_socks_proxy_is_used_and_named_when_it_fails() {
    let (authority, upstream) = (Authority::new(), Upstream::always([Reply::resumed()]).await);
    let port = authority.serve(&upstream, "verifa.test", |_| ()).await;
    let url = format!("https://verifa.test:{port}");
    let trust = ("VERIFA_CA_FILE", authority.file.as_str());
    let proxy = format!("socks5h://{}", socks_proxy().await);
    for variable in ["ALL_PROXY", "HTTPS_PROXY"] {
        let through = resume(&url, &[trust, (variable, &proxy)]).await;
        assert_eq!(through["isError"], false, "{through}");
    }
    let refused = resume(&url, &[trust, ("ALL_PROXY", "socks5h://user:secret@127.0.0.1:1")]).await;
    assert!(text(&refused).contains("through the proxy 127.0.0.1:1"), "{refused}");
    assert!(!text(&refused).contains("secret"));
}

#[tokio::test]
async fn check_names_a_tls_fault() {
    let (authority, upstream) = (Authority::new(), Upstream::always([Reply::resumed()]).await);
    let port = authority.serve(&upstream, "localhost", |_| ()).await;
    let url = format!("https://localhost:{port}");
    let other = Authority::new();
    let environment = [("VERIFA_API_KEY", "vk_sandbox_x"), ("VERIFA_API_URL", &url), ("VERIFA_CA_FILE", &other.file)];
    let output = run(["check"], &environment).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("its certificate comes from an unknown authority"), "{}", stdout(&output));
}

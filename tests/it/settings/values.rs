//! Values of settings as people and editors write them: files, booleans, lists, proxies, addresses.

use std::fs;
#[cfg(unix)]
use std::{ffi::OsStr, fs::File, os::unix::ffi::OsStrExt, process::Command};

use super::start;
use crate::program::{HttpServer, program, run, stderr};

#[cfg(unix)]
#[tokio::test]
async fn a_key_and_a_certificate_file_must_be_small_regular_files() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for name in ["VERIFA_API_KEY_FILE", "VERIFA_CA_FILE"] {
        for path in [pipe.to_str().unwrap(), "/dev/zero", folder.path().to_str().unwrap()] {
            let (code, error) = start(&[(name, path)]).await;
            assert_eq!(code, Some(2));
            let words = "cannot be read (not a regular file but a folder, pipe, device or socket)";
            assert!(error.contains(&format!("{name} names the file {path}, which {words}")), "{error}");
        }
    }
    let large = folder.path().join("large");
    File::create(&large).unwrap().set_len(1 << 30).unwrap();
    let (code, error) = start(&[("VERIFA_API_KEY_FILE", large.to_str().unwrap())]).await;
    assert_eq!(code, Some(2));
    assert!(error.contains("larger than 16384 bytes"), "{error}");
}

#[tokio::test]
async fn files_as_editors_on_windows_write_them_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let (key, authority) = (folder.path().join("key"), folder.path().join("ca.pem"));
    let certificate = rcgen::generate_simple_self_signed(["verifa.test".to_owned()]).unwrap().cert.pem();
    let certificate = format!("\u{feff}{}", certificate.replace('\n', "\r\n"));
    let files = [("VERIFA_API_KEY_FILE", &key), ("VERIFA_CA_FILE", &authority)];
    let environment = files.map(|(name, path)| (name, path.to_str().unwrap()));
    for (path, text) in [(&key, "\u{feff}vk_live_x\r\n"), (&authority, certificate.as_str())] {
        fs::write(path, text).unwrap();
    }
    assert_eq!(start(&environment).await, (Some(0), String::new()));

    for (name, path) in files {
        let text = fs::read_to_string(path).unwrap();
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        fs::write(path, wide).unwrap();
        let (code, error) = start(&[(name, path.to_str().unwrap())]).await;
        assert_eq!(code, Some(2));
        assert!(error.contains("UTF-16 text; save it as UTF-8") && !error.contains("vk_"), "{error}");
    }
}

#[tokio::test]
async fn booleans_are_understood_alike_everywhere_and_anything_else_is_rejected_by_name() {
    let name = "VERIFA_MCP_CONNECT_AHEAD";
    for value in ["true", "True", "YES", "on", "1", "false", "No", "OFF", "0"] {
        assert_eq!(start(&[(name, value), ("VERIFA_MCP_READ_ONLY", value)]).await.0, Some(0), "{value}");
    }
    let values = [(name, "maybe"), ("VERIFA_MCP_READ_ONLY", "2"), ("VERIFA_MCP_NO_CLASSIC_SSE", "banana")];
    let (code, error) = start(&values).await;
    assert_eq!((code, error.matches("must be true or false").count()), (Some(2), 2));
    let output = run(["http", "--listen", "127.0.0.1:0"], &values[2..]).await;
    assert_eq!(output.status.code(), Some(2));
    let words = "VERIFA_MCP_NO_CLASSIC_SSE must be true or false; it is \"banana\"";
    assert!(stderr(&output).contains(words), "{}", stderr(&output));
    for (arguments, there) in [(&[][..], true), (&["--no-classic-sse"], false), (&["--no-classic-sse=off"], true)] {
        let server = HttpServer::start(&[&["--emulator"], arguments].concat(), &[]).await;
        assert_eq!(server.get("/sse").send().await.unwrap().status() != 404, there, "{arguments:?}");
    }
    let server = HttpServer::start(&["--emulator"], &[("VERIFA_MCP_NO_CLASSIC_SSE", "Yes")]).await;
    assert_eq!(server.get("/sse").send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_list_without_entries_is_rejected() {
    let (code, error) = start(&[("VERIFA_MCP_TOOLSETS", " , ")]).await;
    assert_eq!(code, Some(2));
    assert!(error.contains("VERIFA_MCP_TOOLSETS is a list without entries"), "{error}");
    assert_eq!(start(&[("VERIFA_MCP_TOOLSETS", "resume,")]).await.0, Some(0));
    let output = run(["http", "--allowed-host", ","], &[]).await;
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn a_proxy_that_would_be_passed_over_is_rejected_without_its_credentials() {
    for (name, value) in [
        ("HTTPS_PROXY", "ftp://proxy.example:21"),
        ("https_proxy", "http://"),
        ("ALL_PROXY", "http://user:hunter2@proxy example"),
        ("all_proxy", "http://[::1"),
    ] {
        let (code, error) = start(&[(name, value)]).await;
        assert_eq!(code, Some(2), "{value}");
        assert!(error.contains(&format!("{name} must be the URL of a proxy")) && !error.contains("hunter2"), "{error}");
        let unused = run(["resume", "ses_demo_expired", "--emulator"], &[(name, value)]).await;
        assert!(unused.status.success(), "{}", stderr(&unused));
    }
    for value in ["http://user:p%40ss@proxy.example:3128", "proxy.example:3128", "http://[::1]:3128", ""] {
        assert_eq!(start(&[("HTTPS_PROXY", value)]).await.0, Some(0), "{value}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_variable_that_is_not_utf_8_is_named() {
    for (arguments, name) in [
        (&[][..], "VERIFA_API_KEY"),
        (&[], "VERIFA_MCP_TOOLSETS"),
        (&[], "VERIFA_API_URL"),
        (&["http"], "VERIFA_MCP_LISTEN"),
        (&["token", "list"], "VERIFA_MCP_TOKENS_FILE"),
    ] {
        let value = OsStr::from_bytes(b"vk_live_\xff");
        let output = program(arguments.iter().copied()).env(name, value).output().await.unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}");
        let error = stderr(&output);
        assert!(error.contains(&format!("{name} is not valid UTF-8")) && !error.contains("vk_"), "{error}");
    }
}

#[tokio::test]
async fn a_server_may_listen_on_a_name_of_this_computer_alone() {
    let server = HttpServer::start(&["--listen", "localhost:0"], &[]).await;
    assert_eq!(server.get("/healthz").send().await.unwrap().status(), 200);
    for command in [&["http"][..], &["emulator"]] {
        for (listen, words) in [
            ("localhost", "must be an address and a port"),
            ("no.such.host.invalid:1", "must be an address and a port"),
            ("0:1", "only names of this computer"),
        ] {
            let output = run([command, &["--listen", listen]].concat(), &[]).await;
            assert_eq!(output.status.code(), Some(2));
            assert!(stderr(&output).contains(words), "{}", stderr(&output));
        }
    }
}

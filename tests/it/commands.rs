//! The commands that the documents show, run as somebody who reads them would.
//!
//! Each page has a home folder of its own, and Verifa is an emulator. Servers are started, awaited and, after the page,
//! stopped. What cannot run here is named in `NOT_RUN`; a command that neither runs nor stands there fails the test.

use std::{
    fs::{self, File},
    os::unix::fs::{PermissionsExt, symlink},
    process::Stdio,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
};

use crate::{
    documents::{blocks, document, pages},
    emulator::LIVE_KEY,
    program::{Emulator, SANDBOX_KEY, stderr, stdout},
};

/// How a command begins that is not run, and why.
const NOT_RUN: [(&str, &str); 16] = [
    ("cargo test", "it is what runs this"),
    ("cargo install ", "it builds the program once more"),
    ("cargo build --release", "it builds the program once more"),
    ("claude mcp add ", "needs Claude Code"),
    ("gemini mcp add ", "needs Gemini CLI"),
    ("kubectl ", "needs a cluster"),
    ("verifa-mcp check --url ", "needs a public server"),
    ("apt-get install ", "needs the internet"),
    ("deploy/try-replicas ", "needs nginx and a release build, and takes minutes"),
    ("mkdir deploy/tls", "writes into the repository"),
    ("docker compose ", "needs a container engine"),
    ("npm ci ", "needs the internet; `.ci/run` does it"),
    ("install -D target/release/verifa-mcp ", "needs a release build"),
    ("benches/run ", "measures for minutes, on a release build"),
    ("cargo bench ", "measures for minutes, on a release build"),
    ("packaging/pack.py ", "the tests in tests/clients run it"),
];

/// What stands in the documents for something else, and what it is here.
const STANDS_FOR: [(&str, &str); 2] = [("cargo run -- ", "verifa-mcp "), ("vk_sandbox_…", SANDBOX_KEY)];

/// All that commands may use besides the program. A command of another kind is not found, so that it fails.
const TOOLS: [&str; 4] = ["bash", "cat", "curl", "mkdir"];

/// Clients' own commands, which `verifa-mcp install` calls.
const CLIENTS: [&str; 2] = ["claude", "codex"];

/// Somebody at a computer with a page before them.
struct Reader {
    home: TempDir,
    emulator: Emulator,
    servers: Vec<Server>,
}

/// A server that a command of the page started, and the address at which the page says that it listens.
struct Server {
    documented: String,
    address: String,
    child: Child,
}

impl Reader {
    async fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        for folder in ["bin", "clients", ".config/verifa"] {
            fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        for tool in TOOLS {
            symlink(
                which::which(tool).unwrap_or_else(|_| panic!("{tool} is needed")),
                home.path().join("bin").join(tool),
            )
            .unwrap();
        }
        symlink(env!("CARGO_BIN_EXE_verifa-mcp"), home.path().join("bin/verifa-mcp")).unwrap();
        for client in CLIENTS {
            let path = home.path().join("clients").join(client);
            let does = crate::install::does(client);
            fs::write(&path, format!("#!/bin/sh\n{does}\n")).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        for (name, key) in [("sandbox", SANDBOX_KEY), ("live", LIVE_KEY)] {
            let path = home.path().join(format!(".config/verifa/{name}.key"));
            fs::write(&path, key).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        Self { home, emulator: Emulator::start(&[]).await, servers: Vec::new() }
    }

    /// A shell in the reader's home folder that is to run this.
    fn shell(&self, script: &str, with_clients: bool) -> Command {
        let folder = |name: &str| self.home.path().join(name).to_str().unwrap().to_owned();
        let path = if with_clients { folder("bin") + ":" + &folder("clients") } else { folder("bin") };
        let mut shell = Command::new(self.home.path().join("bin/bash"));
        shell.args(["-euo", "pipefail", "-c", script]).current_dir(self.home.path()).env_clear().kill_on_drop(true);
        shell.env("HOME", self.home.path()).env("PATH", path).env("VERIFA_API_URL", &self.emulator.url);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        shell
    }

    fn as_it_is_here(&self, text: &str) -> String {
        let text = STANDS_FOR.iter().fold(text.to_owned(), |text, (word, here)| text.replace(word, here));
        self.servers.iter().fold(text, |text, server| text.replace(&server.documented, &server.address))
    }

    /// Runs a command after what the block exported so far.
    async fn run(&mut self, exported: &str, command: &str) {
        let (exported, command) = (self.as_it_is_here(exported), self.as_it_is_here(command));
        if let Some(default) = server(&command) {
            return self.serve(&exported, &command, default).await;
        }
        let installs = command.starts_with("verifa-mcp install ");
        let consent = if installs { " --yes" } else { "" };
        let mut child = self.shell(&format!("{exported}{command}{consent}"), installs).spawn().unwrap();
        // Whoever asks for a key gets one.
        let _ = child.stdin.take().unwrap().write_all(SANDBOX_KEY.as_bytes()).await;
        let output = child.wait_with_output().await.unwrap();
        assert!(output.status.success(), "{command}\n{}{}", stdout(&output), stderr(&output));
    }

    /// Starts a server at a free address instead of the documented one, and waits until it listens.
    async fn serve(&mut self, exported: &str, command: &str, default: &str) {
        let (documented, command) = match command.split_once(" --listen ") {
            None => (default, format!("{command} --listen 127.0.0.1:0")),
            Some((start, rest)) => {
                let documented = rest.split(' ').next().unwrap();
                (documented, format!("{start} --listen 127.0.0.1:0{}", &rest[documented.len()..]))
            }
        };
        let script = format!("{exported}exec {command}");
        let errors = self.home.path().join("stderr");
        let mut child = self.shell(&script, false).stderr(File::create(&errors).unwrap()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().unwrap_or_else(|| {
            panic!("{command} ended: {}", fs::read_to_string(&errors).unwrap());
        });
        let (_, url) = line.split_once(" listening on http://").unwrap_or_else(|| panic!("{command}: {line}"));
        let address = url.split('/').next().unwrap().to_owned();
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        self.servers.push(Server { documented: documented.to_owned(), address, child });
    }

    /// Ends the servers, which must still be there.
    async fn leave(mut self) {
        for server in &mut self.servers {
            assert!(server.child.try_wait().unwrap().is_none(), "{} ended by itself", server.documented);
            server.child.kill().await.unwrap();
        }
    }
}

/// Where a command that starts a server listens unless it says otherwise.
fn server(command: &str) -> Option<&'static str> {
    let mut words = command.split(' ').skip_while(|word| *word != "verifa-mcp").skip(1);
    match words.next()? {
        "http" => Some("127.0.0.1:8787"),
        "emulator" => Some("127.0.0.1:8788"),
        _ => None,
    }
}

/// The commands of a block: continued lines are joined, comments and empty lines left out.
fn commands(block: &str) -> Vec<String> {
    let joined = block.replace("\\\n", "");
    let bare = joined.lines().map(|line| line.split("  #").next().unwrap().trim());
    bare.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

fn reason_not_to_run(command: &str) -> Option<usize> {
    NOT_RUN.iter().position(|(start, _)| command.starts_with(start))
}

#[tokio::test]
async fn every_command_of_the_documents_runs_or_is_known_not_to() {
    let mut known = [false; NOT_RUN.len()];
    for page in pages() {
        let text = document(&page);
        let mut reader = Reader::new().await;
        for block in blocks(&text, "sh") {
            let mut exported = String::new();
            for command in commands(block) {
                if let Some(index) = reason_not_to_run(&command) {
                    known[index] = true;
                    continue;
                }
                reader.run(&exported, &command).await;
                if command.starts_with("export ") {
                    exported += &format!("{command}\n");
                }
            }
        }
        reader.leave().await;
    }
    let forgotten: Vec<_> = NOT_RUN.iter().zip(known).filter(|(_, known)| !known).map(|(it, _)| it).collect();
    assert!(forgotten.is_empty(), "no document shows these any more: {forgotten:?}");
}

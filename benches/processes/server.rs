//! Starts a server as a separate process on its own core, and reads its memory, CPU time and descriptors from `/proc`.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::ExitStatusExt},
    },
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use clap::ValueEnum;
use rustix::{
    process::{Pid, Signal, kill_process},
    thread::{CpuSet, sched_setaffinity},
};

/// The core on which servers run.
const SERVER_CORE: usize = 0;
/// The core on which everything else runs.
const CLIENT_CORE: usize = 1;

/// Pins this thread, and the threads and processes that it starts, to the core that servers do not use.
pub(crate) fn pin_to_client_core() {
    pin(CLIENT_CORE);
}

fn pin(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).expect("a machine with two cores");
}

/// How a client and a server are connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    Pipes,
    SocketPair,
    Http,
}

impl Transport {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pipes => "stdio over pipes",
            Self::SocketPair => "stdio over a socket pair",
            Self::Http => "HTTP",
        }
    }
}

/// An executable and its environment.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) environment: Vec<(String, String)>,
}

impl Program {
    pub(crate) fn with(&self, environment: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut program = self.clone();
        program.environment.extend(environment);
        program
    }

    /// Sets the API's URL and a key for it.
    pub(crate) fn with_api(&self, url: &str) -> Self {
        let variables = [("VERIFA_API_KEY", "vk_sandbox_benchmark"), ("VERIFA_API_URL", url)];
        self.with(variables.map(|(name, value)| (name.to_owned(), value.to_owned())))
    }
}

/// A running server, killed on drop.
pub(crate) struct Server {
    child: Child,
    pub(crate) started: Instant,
    pub(crate) endpoint: Endpoint,
    stderr: Option<JoinHandle<Vec<u8>>>,
}

/// Where a client connects.
pub(crate) enum Endpoint {
    Stdio(OwnedFd, OwnedFd),
    Http(String),
    Taken,
}

impl Server {
    pub(crate) fn start(program: &Program, transport: Transport) -> Self {
        let mut command = Command::new(&program.path);
        command.env_clear().envs(program.environment.iter().cloned()).stderr(Stdio::piped());
        let (mut stdin, mut stdout) = (None, None);
        match transport {
            Transport::Pipes => _ = command.arg("stdio").stdin(Stdio::piped()).stdout(Stdio::piped()),
            Transport::SocketPair => {
                let ((ours, theirs), (our_end, their_end)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
                command.arg("stdio").stdin(OwnedFd::from(theirs)).stdout(OwnedFd::from(their_end));
                (stdin, stdout) = (Some(OwnedFd::from(ours)), Some(OwnedFd::from(our_end)));
            }
            Transport::Http => _ = command.arg("http").stdin(Stdio::null()).stdout(Stdio::piped()),
        }
        if transport == Transport::Http {
            command.env("VERIFA_MCP_LISTEN", "127.0.0.1:0");
        }
        // The child inherits the core of the thread that starts it.
        let (mut child, started) = thread::spawn(move || {
            pin(SERVER_CORE);
            (Instant::now(), command.spawn().expect("the program"))
        })
        .join()
        .map(|(started, child)| (child, started))
        .unwrap();
        let errors = child.stderr.take().unwrap();
        let endpoint = match transport {
            Transport::Pipes => {
                Endpoint::Stdio(child.stdin.take().unwrap().into(), child.stdout.take().unwrap().into())
            }
            Transport::SocketPair => Endpoint::Stdio(stdin.take().unwrap(), stdout.take().unwrap()),
            Transport::Http => {
                let mut line = String::new();
                BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
                let url = line.trim().strip_prefix("MCP server listening on http://").expect("an address");
                Endpoint::Http(url.strip_suffix("/mcp").unwrap().to_owned())
            }
        };
        // Clients read stderr. If the benchmark did not, logging would cost something else.
        let stderr = thread::spawn(move || drain(errors));
        Self { child, started, endpoint, stderr: Some(stderr) }
    }

    fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("a running server")
    }

    /// CPU time of all threads so far.
    pub(crate) fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let nanoseconds = tasks.filter_map(|task| {
            // The thread may have exited since the folder was read.
            let schedule = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            schedule.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanoseconds.sum())
    }

    /// Resident memory, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// Peak resident memory, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Open descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// Sends SIGTERM, waits, and returns the exit status and the end of stderr.
    pub(crate) fn stop(mut self) -> (ExitStatus, String) {
        self.endpoint = Endpoint::Taken;
        kill_process(pid(&self.child), Signal::TERM).unwrap();
        let status = self.child.wait().unwrap();
        let stderr = self.stderr.take().unwrap().join().unwrap();
        (status, String::from_utf8_lossy(&stderr).into_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// Whether a process exited with status 0 rather than by a signal.
pub(crate) fn exited_cleanly(status: ExitStatus) -> bool {
    status.success() && status.signal().is_none()
}

/// Reads to the end and returns only the last part.
fn drain(mut errors: impl Read) -> Vec<u8> {
    const MAX_KEPT: usize = 64 * 1024;
    let (mut last, mut buffer) = (Vec::new(), [0; 32 * 1024]);
    while let Ok(count @ 1..) = errors.read(&mut buffer) {
        last.extend_from_slice(&buffer[..count]);
        if last.len() > 2 * MAX_KEPT {
            last.drain(..last.len() - MAX_KEPT);
        }
    }
    last
}

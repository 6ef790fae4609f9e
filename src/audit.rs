//! The audit log: a file with two JSON lines for each call that goes to Verifa, `start` and `end`, joined by a call id.
//!
//! A call that sends nothing, for want of a key or of good arguments, is not in it. After a `start` without an
//! `end` (the process was killed, or the disk was full) the session may have been resumed. There is never a key, a link
//! or a picture in it. Several processes may share the file, and it may be renamed or deleted at any time: the next line
//! goes to a new one.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Instant,
};

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::untrusted::UntrustedText;
use crate::verifa::{ApiKey, IdempotencyKey, SessionId};

/// The file, open for the life of the process.
#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
    file: Mutex<OpenFile>,
}

#[derive(Debug)]
struct OpenFile {
    file: File,
    /// Whether the last line was cut short, so that the next must not be glued to it.
    torn: bool,
}

/// Who is about to ask Verifa for what.
#[derive(Debug, Clone, Copy)]
pub struct CallStart<'a> {
    /// The name that the deployment gave the caller.
    pub caller: Option<&'a str>,
    /// The key that the call is made with; its fingerprint is written.
    pub key: &'a ApiKey,
    /// Whether the API is the emulator inside this process.
    pub emulated: bool,
    /// The tool's name.
    pub tool: &'static str,
    /// The session that the call is about, where it is about one.
    pub session_id: Option<&'a SessionId>,
    /// The idempotency key that is sent.
    pub idempotency_key: Option<&'a IdempotencyKey>,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Looked up; the answer goes to the caller.
    Read,
    /// Resumed; the link goes to the caller.
    Resumed,
    /// A one-time link was made, and goes to the caller.
    Linked,
    /// Verifa said no, so it was not done.
    Refused,
    /// Not done.
    Failed,
    /// Perhaps done: no usable answer came.
    Unknown,
    /// Done, but the link was dead when it came and was not handed out.
    Withheld,
    /// Given up by the caller or by the end of the process; perhaps done.
    Cancelled,
}

impl Outcome {
    /// The outcome in a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Resumed => "resumed",
            Self::Linked => "linked",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Withheld => "withheld",
            Self::Cancelled => "cancelled",
        }
    }
}

/// How a call to Verifa went over the wire.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wire {
    /// The HTTP status of the last answer.
    pub status: Option<u16>,
    /// How many requests were tried; `None` where nobody lived to count them.
    pub attempts: Option<u32>,
}

#[derive(Serialize)]
struct StartLine<'a> {
    time: String,
    event: &'static str,
    call: &'a str,
    caller: Option<&'a str>,
    key: &'a str,
    environment: &'static str,
    emulator: bool,
    tool: &'static str,
    session_id: Option<&'a str>,
    idempotency_key: Option<String>,
}

#[derive(Serialize)]
struct EndLine<'a> {
    time: String,
    event: &'static str,
    call: &'a str,
    tool: &'static str,
    session_id: Option<&'a str>,
    outcome: &'static str,
    status: Option<u16>,
    attempts: Option<u32>,
    milliseconds: u64,
}

impl AuditLog {
    /// Opens the file, and makes it, for its owner alone, where there is none.
    ///
    /// # Errors
    /// When it cannot be opened for writing.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let file = Mutex::new(OpenFile::open(&path)?);
        Ok(Self { path, file })
    }

    /// Writes a call's `start`. Only when that is done may anything be sent.
    ///
    /// # Errors
    /// When the line cannot be written whole.
    pub fn start<'a>(&'a self, call: CallStart<'a>) -> io::Result<RunningCall<'a>> {
        let id = Uuid::new_v4().to_string();
        self.append(&StartLine {
            time: now(),
            event: "start",
            call: &id,
            caller: call.caller,
            key: call.key.fingerprint(),
            environment: call.key.environment().as_str(),
            emulator: call.emulated,
            tool: call.tool,
            session_id: call.session_id.map(SessionId::as_str),
            // The agent may have chosen it, and may have chosen a link.
            idempotency_key: call
                .idempotency_key
                .map(|key| UntrustedText::truncated(key.as_str(), IdempotencyKey::MAX_LENGTH).to_string()),
        })?;
        Ok(RunningCall { log: self, id, call, started: Instant::now(), ended: false })
    }

    fn append(&self, line: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(line)?;
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.is_elsewhere(&self.path) {
            *file = OpenFile::open(&self.path)?;
        }
        file.append(line)
    }
}

impl OpenFile {
    fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        let torn = ends_torn(path, &file);
        Ok(Self { file, torn })
    }

    /// Whether the path no longer leads to this file, because somebody renamed, replaced or deleted it.
    #[cfg(unix)]
    fn is_elsewhere(&self, path: &Path) -> bool {
        let identity = |data: std::fs::Metadata| {
            use std::os::unix::fs::MetadataExt;
            (data.dev(), data.ino())
        };
        std::fs::metadata(path).ok().map(identity) != self.file.metadata().ok().map(identity)
    }

    /// A file's identity cannot be asked for here, so that every line opens it anew.
    #[cfg(not(unix))]
    fn is_elsewhere(&self, _path: &Path) -> bool {
        true
    }

    /// Appends a line with a single write, so that it is never mixed with another process's.
    fn append(&mut self, mut line: Vec<u8>) -> io::Result<()> {
        if self.torn {
            line.insert(0, b'\n');
        }
        let written = loop {
            match self.file.write(&line) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => break written?,
            }
        };
        let whole = written == line.len();
        self.torn = !whole;
        // A disk that is almost full takes the beginning of a line.
        if whole { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }
}

/// A call whose `start` is written and whose `end` will be: by [`Self::end`], or as cancelled when this is dropped.
#[derive(Debug)]
#[must_use = "dropping it says that the call was cancelled"]
pub struct RunningCall<'a> {
    log: &'a AuditLog,
    id: String,
    call: CallStart<'a>,
    started: Instant,
    ended: bool,
}

impl RunningCall<'_> {
    /// Writes the call's `end`. Only when that is done may a link be handed out.
    ///
    /// # Errors
    /// When the line cannot be written whole.
    pub fn end(mut self, outcome: Outcome, wire: Wire) -> io::Result<()> {
        self.write_end(outcome, wire)
    }

    fn write_end(&mut self, outcome: Outcome, wire: Wire) -> io::Result<()> {
        self.ended = true;
        self.log.append(&EndLine {
            time: now(),
            event: "end",
            call: &self.id,
            tool: self.call.tool,
            session_id: self.call.session_id.map(SessionId::as_str),
            outcome: outcome.as_str(),
            status: wire.status,
            attempts: wire.attempts,
            milliseconds: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }
}

impl Drop for RunningCall<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if let Err(error) = self.write_end(Outcome::Cancelled, Wire::default()) {
            tracing::error!(%error, "the audit log could not take that a call was cancelled");
        }
    }
}

/// Whether the last line was cut short, by an earlier process perhaps; false where that cannot be seen.
fn ends_torn(path: &Path, file: &File) -> bool {
    let last_byte = || -> io::Result<[u8; 1]> {
        let mut last = [0];
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        Ok(last)
    };
    file.metadata().is_ok_and(|data| data.is_file() && data.len() > 0) && last_byte().is_ok_and(|last| last != *b"\n")
}

fn now() -> String {
    format!("{:.3}", Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_not_glued_to_one_that_was_cut_short() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let log = AuditLog::open(&path).unwrap();
        {
            let mut file = log.file.lock().unwrap();
            file.file.write_all(b"{\"cut\": ").unwrap();
            file.torn = true;
        }
        log.append(&1).unwrap();
        log.append(&2).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"cut\": \n1\n2\n");
    }

    #[test]
    fn a_line_is_not_glued_to_one_that_was_cut_short_in_an_earlier_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        for (before, after) in [("", "1\n2\n"), ("0\n", "0\n1\n2\n"), ("{\"cut\": ", "{\"cut\": \n1\n2\n")] {
            std::fs::write(&path, before).unwrap();
            let log = AuditLog::open(&path).unwrap();
            log.append(&1).unwrap();
            log.append(&2).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
    }
}

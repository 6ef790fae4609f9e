//! The audit log: a file with two JSON lines for each call that is sent to Verifa, `start` and `end`, joined by a call id.
//!
//! A call that sends nothing is not in it. After a `start` without an `end` (the process was killed, or the disk was full)
//! the session may have been changed. It never holds a key, a link or a QR code. Several processes may share the file, and
//! it may be renamed or deleted at any time: the next line goes to a new one.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    call::CallContext,
    private_file,
    untrusted::UntrustedText,
    verifa::{IdempotencyKey, SessionId},
};

/// The file, open for the life of the process.
#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
    file: Mutex<OpenFile>,
}

#[derive(Debug)]
struct OpenFile {
    writer: File,
    /// To look at the file's end; a pipe has none.
    reader: Option<File>,
}

/// The outcome of a call that was not done, or not known to be. A call that was done has its tool's own word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum Outcome {
    /// Rejected by Verifa, so not done.
    Refused,
    /// Not done.
    Failed,
    /// Perhaps done: no usable response came.
    Unknown,
    /// Done, but the link had expired when it came and was not returned.
    Withheld,
    /// Abandoned by the caller or by the end of the process; perhaps done.
    Cancelled,
}

#[derive(Serialize)]
struct StartLine<'a> {
    time: String,
    event: &'static str,
    call: &'a str,
    caller: Option<&'a str>,
    /// Who issued the caller's access token, and to which client.
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    /// The client's trace that the call belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
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
    /// Opens the file, and creates it, readable for its owner alone, if there is none.
    ///
    /// # Errors
    /// When it cannot be opened for writing.
    pub(crate) fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let file = Mutex::new(OpenFile::open(&path)?);
        Ok(Self { path, file })
    }

    /// Writes a call's `start`. Nothing may be sent before this has succeeded.
    ///
    /// # Errors
    /// When the line cannot be written completely.
    pub(crate) fn start<'a>(&'a self, context: &'a CallContext<'_>) -> io::Result<AuditEntry<'a>> {
        let id = Uuid::new_v4().to_string();
        // The agent may have chosen the key, and may have chosen a link.
        let cleaned =
            |key: &IdempotencyKey| UntrustedText::truncated(key.as_str(), IdempotencyKey::MAX_LENGTH).to_string();
        let token = context.caller.access_token.as_deref();
        self.append(&StartLine {
            time: now(),
            event: "start",
            call: &id,
            caller: context.caller.name.as_deref(),
            issuer: token.map(|token| token.issuer.as_str()),
            client: token.and_then(|token| token.client.as_deref()),
            trace_id: context.arrival.trace_id.map(|id| id.to_string()),
            key: context.key.fingerprint(),
            environment: context.environment().as_str(),
            emulator: context.emulated,
            tool: context.tool.name,
            session_id: context.session_id.as_ref().map(SessionId::as_str),
            idempotency_key: context.headers.idempotency_key.as_ref().map(cleaned),
        })?;
        Ok(AuditEntry { log: self, id, context, ended: false })
    }

    fn append(&self, line: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(line)?;
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if is_elsewhere(&file.writer, &self.path) {
            *file = OpenFile::open(&self.path)?;
        }
        // Between looking at the file's end and writing, no other process may leave an incomplete line. Without locks, as
        // on some network folders, that is unlikely. Windows' locks would keep readers out.
        if cfg!(unix) {
            let _ = file.writer.lock();
        }
        let written = file.append(line);
        if cfg!(unix) {
            let _ = file.writer.unlock();
        }
        written
    }
}

impl OpenFile {
    fn open(path: &Path) -> io::Result<Self> {
        let writer = private_file::open_append(path)?;
        let has_end = writer.metadata()?.is_file();
        // One that may be written but not read is still a good log.
        let reader = has_end.then(|| File::open(path).ok()).flatten();
        Ok(Self { writer, reader })
    }

    /// Appends a line with a single write, so that it never mixes with another process's.
    fn append(&mut self, mut line: Vec<u8>) -> io::Result<()> {
        if self.ends_incomplete() {
            line.insert(0, b'\n');
        }
        let written = loop {
            match self.writer.write(&line) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => break written?,
            }
        };
        // A disk that is almost full accepts the beginning of a line.
        if written == line.len() { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }

    /// Whether the last line is incomplete, perhaps another process's; false if that cannot be seen.
    fn ends_incomplete(&mut self) -> bool {
        let mut last = [b'\n'];
        if let Some(reader) = &mut self.reader {
            // Fails in an empty file.
            let _ = reader.seek(SeekFrom::End(-1)).and_then(|_| reader.read_exact(&mut last));
        }
        last != *b"\n"
    }
}

/// Whether the path no longer leads to this file, because it was renamed, replaced or deleted.
#[cfg(unix)]
fn is_elsewhere(file: &File, path: &Path) -> bool {
    let identity = |data: std::fs::Metadata| {
        use std::os::unix::fs::MetadataExt;
        (data.dev(), data.ino())
    };
    std::fs::metadata(path).ok().map(identity) != file.metadata().ok().map(identity)
}

/// A file's identity is not available here, so every line opens it again.
#[cfg(not(unix))]
fn is_elsewhere(_file: &File, _path: &Path) -> bool {
    true
}

/// The entry of a call whose `start` is written. [`Self::end`] writes its `end`; dropping it writes that it was cancelled.
#[derive(Debug)]
#[must_use = "dropping it says that the call was cancelled"]
pub(crate) struct AuditEntry<'a> {
    log: &'a AuditLog,
    id: String,
    context: &'a CallContext<'a>,
    ended: bool,
}

impl AuditEntry<'_> {
    /// Writes the call's `end`. A link may be returned only after this has succeeded.
    ///
    /// # Errors
    /// When the line cannot be written completely.
    pub(crate) fn end(mut self, outcome: &'static str, status: Option<u16>, attempts: u32) -> io::Result<()> {
        self.write_end(outcome, status, Some(attempts))
    }

    fn write_end(&mut self, outcome: &'static str, status: Option<u16>, attempts: Option<u32>) -> io::Result<()> {
        self.ended = true;
        self.log.append(&EndLine {
            time: now(),
            event: "end",
            call: &self.id,
            tool: self.context.tool.name,
            session_id: self.context.session_id.as_ref().map(SessionId::as_str),
            outcome,
            status,
            attempts,
            milliseconds: self.context.elapsed_milliseconds(),
        })
    }
}

impl Drop for AuditEntry<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if let Err(error) = self.write_end(Outcome::Cancelled.into(), None, None) {
            tracing::error!(%error, "the audit log could not record that a call was cancelled");
        }
    }
}

fn now() -> String {
    format!("{:.3}", Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_not_appended_to_an_incomplete_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let log = AuditLog::open(&path).unwrap();
        let killed = || File::options().append(true).open(&path).unwrap().write_all(b"{\"cut\": ").unwrap();
        killed();
        log.append(&1).unwrap();
        killed();
        killed();
        log.append(&2).unwrap();
        log.append(&3).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "{\"cut\": \n1\n{\"cut\": {\"cut\": \n2\n3\n");
    }

    #[test]
    fn a_line_is_not_appended_to_an_incomplete_one_of_an_earlier_process() {
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

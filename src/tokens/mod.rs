//! Caller tokens: who may call a deployment that owns the key, and with which permissions.
//!
//! The tokens are kept as hashes in a file of JSON lines, written by `verifa-mcp token` and read again when it changes.
//! Fails closed: an untrusted file is ignored and the tokens read before stay valid; if the file is missing, every token
//! is rejected.

mod file;
mod record;

use std::{
    fs::{self, Metadata},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

pub use file::{TokensError, issue, list, revoke};
use record::TokenHash;
pub(crate) use record::{CallerName, Token, TokenRecord};

use crate::call::Permissions;

/// The tokens of a file, read again when it changes.
#[derive(Debug)]
pub struct Tokens {
    path: PathBuf,
    state: Mutex<State>,
}

/// The caller to whom a token was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenOwner {
    /// The name in logs and in the audit log.
    pub name: CallerName,
    /// What the owner may use.
    pub permissions: Permissions,
}

impl Tokens {
    /// Reads the file.
    ///
    /// # Errors
    /// The file is missing, unreadable or writable by others, or has an invalid line.
    pub fn open(path: PathBuf) -> Result<Self, TokensError> {
        let version = FileVersion::of(&path);
        let records = list(&path)?;
        Ok(Self { path, state: Mutex::new(State { records, version, valid: true, unreadable: false }) })
    }

    /// Reads the file again if it has changed; whether it is valid.
    pub(crate) fn refresh(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.reload_if_changed(&self.path);
        state.valid
    }

    /// The owner of this token, if it was issued and not revoked.
    pub fn find(&self, token: &str) -> Option<TokenOwner> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.reload_if_changed(&self.path);
        let hash = TokenHash::of(token);
        // Every record is compared, so that the time taken does not reveal where a token is.
        let found =
            state.records.iter().fold(None, |found, record| if record.matches(&hash) { Some(record) } else { found });
        found.map(|record| TokenOwner { name: record.name.clone(), permissions: record.permissions.clone() })
    }
}

#[derive(Debug)]
struct State {
    records: Vec<TokenRecord>,
    version: Result<FileVersion, io::ErrorKind>,
    /// Whether the file was valid when it was last read.
    valid: bool,
    /// Whether the file could not be read, which may change without any change to the file.
    unreadable: bool,
}

impl State {
    fn reload_if_changed(&mut self, path: &Path) {
        // Taken before the file is read: a change in between is then noticed at the next call.
        let version = FileVersion::of(path);
        let changed = version != self.version;
        if !changed && !self.unreadable {
            return;
        }
        self.version = version;
        let read = list(path);
        self.valid = read.is_ok();
        self.unreadable = matches!(read, Err(TokensError::Unreadable(..)));
        match read {
            Ok(records) => {
                tracing::info!(tokens = records.len(), "read the tokens file again");
                self.records = records;
            }
            Err(error @ TokensError::Missing(_)) => {
                self.records.clear();
                if changed {
                    tracing::error!("{error}; until then every token is rejected");
                }
            }
            Err(error) if changed => tracing::error!("{error}; until then the tokens read before stay valid"),
            Err(_) => {}
        }
    }
}

/// What distinguishes a file from an earlier version of it.
#[derive(Debug, PartialEq, Eq)]
struct FileVersion {
    length: u64,
    modified: Option<SystemTime>,
    /// Device, inode, mode and time of change, which also covers new permissions and a reset `mtime`.
    #[cfg(unix)]
    inode: (u64, u64, u32, i64, i64),
}

impl FileVersion {
    fn of(path: &Path) -> Result<Self, io::ErrorKind> {
        let version = |metadata: Metadata| Self {
            length: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            inode: {
                use std::os::unix::fs::MetadataExt;

                (metadata.dev(), metadata.ino(), metadata.mode(), metadata.ctime(), metadata.ctime_nsec())
            },
        };
        fs::metadata(path).map(version).map_err(|error| error.kind())
    }
}

//! Caller tokens: who may call a deployment that owns the key, and with which permissions.
//!
//! The tokens are kept as hashes in a file of JSON lines, written by `verifa-mcp token` and read again whenever it
//! changes. In doubt nothing widens: a file that cannot be trusted changes nothing, and a file that is gone lets nobody
//! in. `entry` is one line of the file, `file` the whole of it.

mod entry;
mod file;

use std::{
    fs::{self, Metadata},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use entry::TokenHash;
pub use entry::{CallerName, Entry, InvalidCallerName, Token};
pub use file::{TokensError, issue, list, revoke};

use crate::call::Permissions;

/// The tokens of a file, read again when it changes.
#[derive(Debug)]
pub struct Tokens {
    path: PathBuf,
    state: Mutex<State>,
}

/// Who holds a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The name that the deployment gave, for logs and audit.
    pub name: CallerName,
    /// What the holder may use.
    pub permissions: Permissions,
}

impl Tokens {
    /// Reads the file.
    ///
    /// # Errors
    /// The file is missing, cannot be read, can be written by others, or holds a line that is no token.
    pub fn open(path: PathBuf) -> Result<Self, TokensError> {
        let seen = look(&path);
        let entries = list(&path)?;
        Ok(Self { path, state: Mutex::new(State { entries, seen, unread: false }) })
    }

    /// Who holds this token, if anybody does.
    pub fn find(&self, presented: &str) -> Option<Holder> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.catch_up(&self.path);
        let hash = TokenHash::of(presented);
        // Every entry is compared, so that the time taken does not tell where a token stands.
        let found =
            state.entries.iter().fold(None, |found, entry| if entry.is_of(&hash) { Some(entry) } else { found });
        found.map(|entry| Holder { name: entry.name.clone(), permissions: entry.permissions.clone() })
    }
}

#[derive(Debug)]
struct State {
    entries: Vec<Entry>,
    seen: Sight,
    /// Whether the file could not even be read, which may pass without any change to the file.
    unread: bool,
}

impl State {
    fn catch_up(&mut self, path: &Path) {
        // Looked at before it is read: a change in between is then seen at the next use.
        let sight = look(path);
        let changed = sight != self.seen;
        if !changed && !self.unread {
            return;
        }
        self.seen = sight;
        let read = list(path);
        self.unread = matches!(read, Err(TokensError::Unreadable { .. }));
        match read {
            Ok(entries) => {
                tracing::info!(tokens = entries.len(), "read the tokens file again");
                self.entries = entries;
            }
            Err(error @ TokensError::Missing { .. }) => {
                self.entries.clear();
                if changed {
                    tracing::error!("{error}; until then every caller is refused");
                }
            }
            Err(error) if changed => tracing::error!("{error}; until then the tokens read before stay in force"),
            Err(_) => {}
        }
    }
}

/// What tells that a file is another one than before, or why it cannot be looked at.
type Sight = Result<Stamp, io::ErrorKind>;

fn look(path: &Path) -> Sight {
    fs::metadata(path).map(|metadata| Stamp::of(&metadata)).map_err(|error| error.kind())
}

/// Beside the length and the change of content, the change time covers new permissions and a set-back `mtime`.
#[cfg(unix)]
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    device_and_inode: (u64, u64),
    length: u64,
    changed: (i64, i64),
    mode: u32,
}

#[cfg(unix)]
impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;

        Self {
            device_and_inode: (metadata.dev(), metadata.ino()),
            length: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            mode: metadata.mode(),
        }
    }
}

#[cfg(not(unix))]
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    length: u64,
    changed: Option<std::time::SystemTime>,
}

#[cfg(not(unix))]
impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { length: metadata.len(), changed: metadata.modified().ok() }
    }
}

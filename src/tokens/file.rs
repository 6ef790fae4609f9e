//! The tokens file as a whole: made, read, added to, cut.
//!
//! Whoever can write it can let themselves in, so it is made for its owner alone and refused when others may write it.
//! A lock file beside it keeps two commands from undoing each other's work.

use std::{
    collections::HashSet,
    ffi::OsString,
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use super::{CallerName, Entry, Token};
use crate::call::Permissions;
use crate::untrusted::UntrustedText;

/// What is wrong with a tokens file, or keeps a token from being made.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// There is none.
    #[error("there is no tokens file {path}; `verifa-mcp token new NAME --tokens-file {path}` makes one")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The system does not let it be read.
    #[error("the tokens file {path} cannot be read ({kind})")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        kind: io::ErrorKind,
    },
    /// The system does not let it be written.
    #[error("the tokens file {path} cannot be written ({kind})")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        kind: io::ErrorKind,
    },
    /// Others could add tokens of their own.
    #[error("the tokens file {path} can be written by others than its owner; run `chmod go-w {path}`")]
    WritableByOthers {
        /// The file.
        path: PathBuf,
    },
    /// A line is no token.
    #[error("line {line} of the tokens file {path} is wrong: {fault}; correct it or take it out")]
    Broken {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// What is wrong with it.
        fault: String,
    },
    /// Another command holds the lock.
    #[error("another command is changing the tokens; if none is, one was cut off: remove {lock}")]
    Locked {
        /// The lock file.
        lock: PathBuf,
    },
    /// The name has a token.
    #[error("{0} has a token; revoke it first, or take another name")]
    Taken(CallerName),
    /// The system gave no random bytes.
    #[error("the system gives no random numbers: {0}")]
    NoRandomness(#[from] getrandom::Error),
}

/// Every token of the file.
///
/// # Errors
/// The file is missing, cannot be read, can be written by others, or holds a line that is no token.
pub fn list(path: &Path) -> Result<Vec<Entry>, TokensError> {
    read(path).map(|(_, text)| parse(&text, path))?
}

/// Makes a token for a caller and adds it to the file, which is made where there is none.
///
/// # Errors
/// The name is taken, or the file cannot be read, trusted or written.
pub fn issue(path: &Path, name: CallerName, permissions: Permissions) -> Result<Token, TokensError> {
    let path = real(path);
    let _lock = Lock::take(&path)?;
    let text = match read(&path) {
        Ok((_, text)) => text,
        Err(TokensError::Missing { .. }) => String::new(),
        Err(error) => return Err(error),
    };
    if parse(&text, &path)?.iter().any(|entry| entry.name == name) {
        return Err(TokensError::Taken(name));
    }
    let token = Token::random()?;
    // An editor may have left the last line open.
    let start = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let written = line(&Entry::new(name, permissions, &token)).and_then(|line| {
        let mut file = private(OpenOptions::new().append(true).create(true)).open(&path)?;
        let length = file.metadata()?.len();
        // Half a line would make all others unreadable.
        file.write_all(format!("{start}{line}").as_bytes()).inspect_err(|_| drop(file.set_len(length)))
    });
    written.map_err(|error| TokensError::Unwritable { path, kind: error.kind() })?;
    Ok(token)
}

/// Takes a caller's token out of the file; false where there is none of that name.
///
/// # Errors
/// The file cannot be read, trusted or written.
pub fn revoke(path: &Path, name: &CallerName) -> Result<bool, TokensError> {
    let path = real(path);
    let lock = Lock::take(&path)?;
    let (metadata, text) = read(&path)?;
    let entries = parse(&text, &path)?;
    if entries.iter().all(|entry| entry.name != *name) {
        return Ok(false);
    }
    let kept: io::Result<String> = entries.iter().filter(|entry| entry.name != *name).map(line).collect();
    let replaced = kept.and_then(|kept| lock.replace(&path, &kept, &metadata));
    replaced.map_err(|error| TokensError::Unwritable { path, kind: error.kind() })?;
    Ok(true)
}

fn read(path: &Path) -> Result<(Metadata, String), TokensError> {
    let path_buf = || path.to_path_buf();
    let read = File::open(path).and_then(|mut file| {
        let metadata = file.metadata()?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        Ok((metadata, text))
    });
    match read {
        Ok((metadata, _)) if writable_by_others(&metadata) => Err(TokensError::WritableByOthers { path: path_buf() }),
        Ok(read) => Ok(read),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(TokensError::Missing { path: path_buf() }),
        Err(error) => Err(TokensError::Unreadable { path: path_buf(), kind: error.kind() }),
    }
}

fn parse(text: &str, path: &Path) -> Result<Vec<Entry>, TokensError> {
    let (mut names, mut hashes) = (HashSet::new(), HashSet::new());
    let mut entries = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let broken =
            |fault: &str| TokensError::Broken { path: path.to_path_buf(), line: number, fault: fault.to_owned() };
        let entry: Entry =
            serde_json::from_str(line).map_err(|error| broken(UntrustedText::new(&error.to_string()).as_str()))?;
        if !names.insert(entry.name.clone()) {
            return Err(broken("its name is on an earlier line"));
        }
        // A token of two names would outlive the revoking of one.
        if !hashes.insert(entry.sha256.clone()) {
            return Err(broken("its token is on an earlier line"));
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn line(entry: &Entry) -> io::Result<String> {
    Ok(serde_json::to_string(entry)? + "\n")
}

/// Where the file really is, so that a link to it stays a link.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

#[cfg(unix)]
fn writable_by_others(metadata: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::mode(metadata) & 0o022 != 0
}

#[cfg(not(unix))]
fn writable_by_others(_: &Metadata) -> bool {
    false
}

/// A file beside the tokens file that one command at a time can make; also what the tokens file is replaced with.
struct Lock {
    path: PathBuf,
    file: File,
    held: bool,
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.held {
            // A lock that stays behind is told to the next command, with what to do about it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Lock {
    fn take(of: &Path) -> Result<Self, TokensError> {
        let mut path = OsString::from(of);
        path.push(".lock");
        let path = PathBuf::from(path);
        match private(OpenOptions::new().write(true).create_new(true)).open(&path) {
            Ok(file) => Ok(Self { path, file, held: true }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(TokensError::Locked { lock: path }),
            Err(error) => Err(TokensError::Unwritable { path: of.to_path_buf(), kind: error.kind() }),
        }
    }

    /// Puts this content into the place of the tokens file, all at once, with the old one's owner and permissions: a
    /// server that could no longer read it would go on with the tokens it knew.
    fn replace(mut self, path: &Path, content: &str, old: &Metadata) -> io::Result<()> {
        self.file.write_all(content.as_bytes())?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt, fchown};

            let new = self.file.metadata()?;
            if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
                fchown(&self.file, Some(old.uid()), Some(old.gid()))?;
            }
        }
        self.file.set_permissions(old.permissions())?;
        self.file.sync_all()?;
        fs::rename(&self.path, path)?;
        self.held = false;
        Ok(())
    }
}

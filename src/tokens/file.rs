//! The tokens file: tokens are issued, listed and revoked here.
//!
//! Anyone who can write to the file can admit themselves, so it is created for its owner alone, and refused if others can
//! write to it. It is never left half written, and a lock keeps two commands from undoing each other's work.

use std::{
    collections::HashSet,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use super::{CallerName, Token, TokenRecord};
use crate::{
    call::Permissions,
    private_file::{self, lock},
    untrusted::UntrustedText,
};

/// Room for tens of thousands of tokens, in bytes.
const MAX_LENGTH: u64 = 16 * 1024 * 1024;

/// Why a tokens file cannot be used, or a token cannot be issued.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum TokensError {
    #[error("there is no tokens file {0}; `verifa-mcp token new NAME --tokens-file {0}` creates one")]
    Missing(PathBuf),
    #[error("the tokens file {0} cannot be read ({1})")]
    Unreadable(PathBuf, String),
    #[error("the tokens file {0} cannot be written ({1})")]
    Unwritable(PathBuf, String),
    #[error("the tokens file {0} is not used, since others could change it: {1}")]
    Untrusted(PathBuf, String),
    #[error("line {line} of the tokens file {path} is invalid: {error}; correct or remove it")]
    InvalidLine { path: PathBuf, line: usize, error: String },
    #[error("{0} already has a token; revoke it first, or choose another name")]
    NameTaken(CallerName),
    #[error("the system provides no random numbers: {0}")]
    NoRandomness(#[from] getrandom::Error),
}

/// Every token of the file.
///
/// # Errors
/// The file is missing, unreadable or writable by others, or has an invalid line.
pub fn list(path: &Path) -> Result<Vec<TokenRecord>, TokensError> {
    parse(&read(path)?, path)
}

/// Issues a token and adds it to the file, which is created if it is missing.
///
/// # Errors
/// The name is taken, or the file cannot be read, trusted or written.
pub fn issue(path: &Path, name: CallerName, permissions: Permissions) -> Result<Token, TokensError> {
    let unwritable = |error: io::Error| TokensError::Unwritable(path.to_path_buf(), private_file::reason(&error));
    let _lock = lock(path).map_err(unwritable)?;
    let mut text = match read(path) {
        Err(TokensError::Missing(_)) => String::new(),
        read => read?,
    };
    if parse(&text, path)?.iter().any(|record| record.name == name) {
        return Err(TokensError::NameTaken(name));
    }
    let token = Token::random()?;
    // An editor may have left the last line without an end.
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text += &line(&TokenRecord::new(name, permissions, &token)).map_err(unwritable)?;
    private_file::replace(path, text.as_bytes()).map_err(unwritable)?;
    Ok(token)
}

/// Removes a caller's token from the file; false if there is no token of that name.
///
/// # Errors
/// The file cannot be read, trusted or written.
pub fn revoke(path: &Path, name: &CallerName) -> Result<bool, TokensError> {
    let unwritable = |error: io::Error| TokensError::Unwritable(path.to_path_buf(), private_file::reason(&error));
    let _lock = lock(path).map_err(unwritable)?;
    let records = list(path)?;
    if records.iter().all(|record| record.name != *name) {
        return Ok(false);
    }
    let kept: io::Result<String> = records.iter().filter(|record| record.name != *name).map(line).collect();
    kept.and_then(|kept| private_file::replace(path, kept.as_bytes())).map_err(unwritable)?;
    Ok(true)
}

fn read(path: &Path) -> Result<String, TokensError> {
    let unreadable = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => TokensError::Missing(path.to_path_buf()),
        _ => TokensError::Unreadable(path.to_path_buf(), private_file::reason(&error)),
    };
    let content = private_file::read(path, MAX_LENGTH).map_err(unreadable)?;
    #[cfg(unix)]
    if let Some(why) = private_file::distrust(path).map_err(unreadable)? {
        return Err(TokensError::Untrusted(path.to_path_buf(), why.to_string()));
    }
    private_file::text(&content).map(str::to_owned).map_err(unreadable)
}

fn parse(text: &str, path: &Path) -> Result<Vec<TokenRecord>, TokensError> {
    let (mut names, mut hashes) = (HashSet::new(), HashSet::new());
    let mut records = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let invalid = |error: &str| TokensError::InvalidLine {
            path: path.to_path_buf(),
            line: number,
            error: UntrustedText::new(error).to_string(),
        };
        let record: TokenRecord = serde_json::from_str(line).map_err(|error| invalid(&error.to_string()))?;
        if !names.insert(record.name.clone()) {
            return Err(invalid("its name is on an earlier line"));
        }
        // A token with two names would outlive the revocation of one.
        if !hashes.insert(record.sha256.clone()) {
            return Err(invalid("its token is on an earlier line"));
        }
        records.push(record);
    }
    Ok(records)
}

fn line(record: &TokenRecord) -> io::Result<String> {
    Ok(serde_json::to_string(record)? + "\n")
}

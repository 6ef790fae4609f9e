//! A client's configuration file: read, locked, backed up, replaced.
//!
//! Never writes over a file that has changed since it was read, and never shows what is in it.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use tempfile::TempPath;

use crate::private_file::{self, FileLock};

/// The largest file that is read, in bytes. Claude Code keeps much else in its file.
const MAX_SIZE: u64 = 256 * 1024 * 1024;

/// A configuration file as it was when it was read.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ConfigFile {
    /// Where the client looks for it, which may be a link.
    location: PathBuf,
    path: PathBuf,
    text: Option<String>,
    others_can_read: bool,
}

/// Why a configuration file cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("{path} cannot be read ({reason}); nothing was changed")]
    Unreadable { path: PathBuf, reason: String },
    #[error("{path} cannot be changed ({reason}); its content is as before")]
    Unwritable { path: PathBuf, reason: String },
    #[error("{0} has changed in the meantime; nothing was written. Run the command again")]
    Changed(PathBuf),
}

impl ConfigFile {
    /// Reads the file, if there is one.
    pub(crate) fn read(location: &Path) -> Result<Self, FileError> {
        let unreadable = |error| FileError::Unreadable { path: location.into(), reason: private_file::reason(&error) };
        let read = match private_file::read_with_metadata(location, MAX_SIZE) {
            // There is no file to create behind a link to nothing.
            Err(error) if error.kind() == ErrorKind::NotFound && !location.is_symlink() => None,
            read => Some(read.map_err(unreadable)?),
        };
        let (text, others_can_read) = match read {
            None => (None, false),
            Some((content, metadata)) => {
                private_file::text(&content).map_err(unreadable)?;
                (String::from_utf8(content).ok(), private_file::others_can_read(&metadata))
            }
        };
        let path = fs::canonicalize(location).unwrap_or_else(|_| location.to_path_buf());
        Ok(Self { location: location.to_path_buf(), path, text, others_can_read })
    }

    /// The file as it is now.
    pub(crate) fn reread(&self) -> Result<Self, FileError> {
        Self::read(&self.location)
    }

    /// The file's content, if there is a file.
    pub(crate) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Where the file is, with every link followed.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether other users of this computer can read the file.
    pub(super) fn others_can_read(&self) -> bool {
        self.others_can_read
    }

    /// Waits until no other run of this program changes the file, and keeps it that way until the lock is dropped.
    pub(crate) fn lock(&self) -> Result<FileLock, FileError> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)
            .and_then(|()| private_file::lock(&self.path))
            .map_err(|error| self.unwritable(&error))
    }

    /// The error for a file that is not what it was when it was read.
    pub(crate) fn changed(&self) -> FileError {
        FileError::Changed(self.path.clone())
    }

    /// Copies what was read to a private file next to it, with the time in its name. The copy is removed when it is
    /// dropped, unless it is kept.
    pub(crate) fn back_up(&self) -> Result<Option<TempPath>, FileError> {
        let Some(text) = &self.text else { return Ok(None) };
        loop {
            let mut name = self.path.as_os_str().to_owned();
            name.push(Timestamp::now().strftime(".%Y%m%dT%H%M%S%.3fZ.bak").to_string());
            let path = PathBuf::from(name);
            match private_file::create_new(&path, text.as_bytes()) {
                // There is one of this millisecond: the next one is near.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                created => {
                    let backup = created.and_then(|()| TempPath::try_from_path(path));
                    return backup.map(Some).map_err(|error| self.unwritable(&error));
                }
            }
        }
    }

    /// Replaces the file's content, or creates the file for its owner alone. With `make_private`, an existing file becomes
    /// private first: it must not show others a key for even a moment.
    pub(crate) fn replace(&self, text: &str, make_private: bool) -> Result<(), FileError> {
        if self.reread()? != *self {
            return Err(self.changed());
        }
        let private = if make_private { set_private(&self.path) } else { Ok(()) };
        let replaced = private.and_then(|()| private_file::replace(&self.path, text.as_bytes()));
        replaced.map_err(|error| self.unwritable(&error))
    }

    fn unwritable(&self, error: &io::Error) -> FileError {
        FileError::Unwritable { path: self.path.clone(), reason: private_file::reason(error) }
    }
}

#[cfg(unix)]
fn set_private(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
}

#[cfg(not(unix))]
fn set_private(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
impl ConfigFile {
    pub(super) fn with_text(text: Option<&str>, others_can_read: bool) -> Self {
        let path = PathBuf::from("/home/jane/config");
        Self { location: path.clone(), path, text: text.map(str::to_owned), others_can_read }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_backup_has_its_own_file_and_goes_unless_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        fs::write(&path, "{}").unwrap();
        let file = ConfigFile::read(&path).unwrap();
        let backups = [(); 5].map(|()| file.back_up().unwrap().unwrap());
        assert!(backups.iter().all(|backup| fs::read_to_string(backup).unwrap() == "{}"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 6);
        drop(backups);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_appeared_or_changed_in_the_meantime_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let none = ConfigFile::read(&path).unwrap();
        fs::write(&path, "1").unwrap();
        let one = ConfigFile::read(&path).unwrap();
        fs::write(&path, "2").unwrap();
        for before in [none, one] {
            assert!(matches!(before.replace("x", false), Err(FileError::Changed(_))));
        }
        assert_eq!(fs::read_to_string(path).unwrap(), "2");
    }
}

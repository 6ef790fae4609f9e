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
    pub(super) location: PathBuf,
    /// Where it is, with every link followed.
    pub(crate) path: PathBuf,
    /// Its content, if there is a file.
    pub(crate) text: Option<String>,
    pub(super) others_can_read: bool,
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
        let (text, others_can_read) = match private_file::read_with_metadata(location, MAX_SIZE) {
            // There is no file to create behind a link to nothing.
            Err(error) if error.kind() == ErrorKind::NotFound && !location.is_symlink() => (None, false),
            read => {
                let (content, metadata) = read.map_err(unreadable)?;
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

    /// Replaces the file's content, or creates the file for its owner alone. An existing file keeps its mode unless it is
    /// made private: then it is private before others could see the new content.
    #[cfg_attr(not(unix), expect(unused_variables))]
    pub(crate) fn replace(&self, text: &str, make_private: bool) -> Result<(), FileError> {
        if self.reread()? != *self {
            return Err(self.changed());
        }
        #[cfg(unix)]
        if make_private {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            fs::set_permissions(&self.path, mode).map_err(|error| self.unwritable(&error))?;
        }
        private_file::replace(&self.path, text.as_bytes()).map_err(|error| self.unwritable(&error))
    }

    fn unwritable(&self, error: &io::Error) -> FileError {
        FileError::Unwritable { path: self.path.clone(), reason: private_file::reason(error) }
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

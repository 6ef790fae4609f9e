//! A client's configuration file on disk: read, backed up, replaced all at once.
//!
//! A link stays a link, and the file keeps its owner and its permissions. Nothing is written over a file that has
//! changed since it was read.

use std::{
    fs::{self, Metadata},
    io::{self, Write},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use tempfile::NamedTempFile;

/// A configuration file, as it was when it was read.
#[derive(Debug)]
pub struct ConfigFile {
    /// Where it really is.
    path: PathBuf,
    text: Option<String>,
}

/// What keeps a configuration file from being read or changed.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system does not let it be read, or it is not text.
    #[error("{path} cannot be read ({kind}); nothing was changed")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        kind: io::ErrorKind,
    },
    /// The system does not let it be written.
    #[error("{path} cannot be changed ({kind}); it is as it was")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        kind: io::ErrorKind,
    },
    /// Somebody else has changed it.
    #[error("{path} has changed in the meantime; nothing was written. Run the command again")]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

impl ConfigFile {
    /// Reads the file, if there is one.
    ///
    /// # Errors
    /// It cannot be read, or is not text.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let unreadable = |error: io::Error| FileError::Unreadable { path: path.to_path_buf(), kind: error.kind() };
        let real = match fs::canonicalize(path) {
            Ok(real) => real,
            // A link to nothing is not a file that may be made.
            Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => {
                return Ok(Self { path: path.to_path_buf(), text: None });
            }
            Err(error) => return Err(unreadable(error)),
        };
        let text = fs::read_to_string(&real).map_err(unreadable)?;
        Ok(Self { path: real, text: Some(text) })
    }

    /// What the file holds; none where there is no file.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Copies the file to one beside it, with the time in its name; none where there is no file.
    ///
    /// # Errors
    /// The copy cannot be written.
    pub fn back_up(&self) -> Result<Option<PathBuf>, FileError> {
        if self.text.is_none() {
            return Ok(None);
        }
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(Timestamp::now().strftime(".%Y%m%dT%H%M%S%.3fZ.bak").to_string());
        let backup = self.path.with_file_name(name);
        fs::copy(&self.path, &backup).map_err(|error| self.unwritable(&error))?;
        Ok(Some(backup))
    }

    /// Puts this text into the place of the file's, or makes the file, for its owner alone.
    ///
    /// # Errors
    /// The file has changed since it was read, or cannot be written.
    pub fn replace(&self, text: &str) -> Result<(), FileError> {
        if Self::read(&self.path)?.text != self.text {
            return Err(FileError::Changed { path: self.path.clone() });
        }
        self.write(text).map_err(|error| self.unwritable(&error))
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let folder = self.path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        fs::create_dir_all(folder)?;
        let mut new = NamedTempFile::new_in(folder)?;
        new.write_all(text.as_bytes())?;
        if self.text.is_some() {
            keep_owner_and_permissions(new.as_file(), &fs::metadata(&self.path)?)?;
        }
        new.as_file().sync_all()?;
        new.persist(&self.path)?;
        Ok(())
    }

    fn unwritable(&self, error: &io::Error) -> FileError {
        FileError::Unwritable { path: self.path.clone(), kind: error.kind() }
    }
}

fn keep_owner_and_permissions(new: &fs::File, old: &Metadata) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};

        let made = new.metadata()?;
        if (made.uid(), made.gid()) != (old.uid(), old.gid()) {
            fchown(new, Some(old.uid()), Some(old.gid()))?;
        }
    }
    new.set_permissions(old.permissions())
}

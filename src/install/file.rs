//! A client's configuration file on disk: read, backed up, replaced all at once.
//!
//! A link stays a link, and the file keeps its owner and its permissions. Nothing is written over a file that has
//! changed since it was read.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use tempfile::{NamedTempFile, TempPath};

use super::lock::Lock;

/// What the name of a copy ends with.
const BACKUP: &str = ".bak";

/// A configuration file, as it was when it was read.
#[derive(PartialEq, Eq)]
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
    /// What lies there never ends, or is no text.
    #[error("{path} is not a plain file but a folder, a pipe, a device or the like; nothing was changed")]
    NotPlain {
        /// What lies there.
        path: PathBuf,
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
        if !fs::metadata(&real).map_err(unreadable)?.is_file() {
            return Err(FileError::NotPlain { path: path.to_path_buf() });
        }
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

    /// Waits until no other run of this program changes the file, and keeps it so until the lock is dropped.
    ///
    /// # Errors
    /// The system lets no file be made beside it.
    pub fn lock(&self) -> Result<Lock, FileError> {
        Lock::of(&self.path).map_err(|error| self.unwritable(&error))
    }

    /// What the file had been read for is there no more.
    pub fn changed(&self) -> FileError {
        FileError::Changed { path: self.path.clone() }
    }

    /// Copies what was read to a file beside it, for its owner alone, with the time in its name; none where there is no
    /// file. The copy goes again unless it is kept.
    ///
    /// # Errors
    /// The copy cannot be written.
    pub fn back_up(&self) -> Result<Option<TempPath>, FileError> {
        let Some(text) = &self.text else { return Ok(None) };
        let time = Timestamp::now().strftime("%Y%m%dT%H%M%S%.3fZ").to_string();
        self.copy(text, &time).map(Some).map_err(|error| self.unwritable(&error))
    }

    /// A file that was not there before, with a number in its name where it takes one.
    fn copy(&self, text: &str, time: &str) -> io::Result<TempPath> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut number = 1;
        loop {
            let mut name = self.path.file_name().unwrap_or_default().to_owned();
            name.push(if number == 1 { format!(".{time}{BACKUP}") } else { format!(".{time}-{number}{BACKUP}") });
            let path = self.path.with_file_name(name);
            match options.open(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                opened => {
                    let (mut file, backup) = (opened?, TempPath::try_from_path(path)?);
                    file.write_all(text.as_bytes())?;
                    file.sync_all()?;
                    return Ok(backup);
                }
            }
        }
    }

    /// What the copies hold that were made of the file and are still there, the latest first.
    pub fn earlier(&self) -> Vec<String> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let is_copy = |copy: &PathBuf| {
            let copy = copy.file_name().unwrap_or_default().to_string_lossy();
            copy.strip_prefix(&*name).is_some_and(|rest| rest.starts_with('.') && rest.ends_with(BACKUP))
        };
        let beside = self.path.parent().and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten();
        let mut copies: Vec<_> = beside.flatten().map(|entry| entry.path()).filter(is_copy).collect();
        copies.sort();
        copies.iter().rev().filter_map(|copy| Self::read(copy).ok()?.text).collect()
    }

    /// Puts this text into the place of the file's, or makes the file, for its owner alone.
    ///
    /// # Errors
    /// The file has changed since it was read, or cannot be written.
    pub fn replace(&self, text: &str) -> Result<(), FileError> {
        if Self::read(&self.path)? != *self {
            return Err(self.changed());
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
        if self.text.is_some() { new.persist(&self.path) } else { new.persist_noclobber(&self.path) }?;
        Ok(())
    }

    fn unwritable(&self, error: &io::Error) -> FileError {
        FileError::Unwritable { path: self.path.clone(), kind: error.kind() }
    }
}

/// Its text is nobody's business.
impl std::fmt::Debug for ConfigFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "ConfigFile({})", self.path.display())
    }
}

fn keep_owner_and_permissions(new: &File, old: &Metadata) -> io::Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_of_one_moment_stand_side_by_side() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        fs::write(&path, "{}").unwrap();
        let file = ConfigFile::read(&path).unwrap();
        let copies = ["1", "2", "3"].map(|text| file.copy(text, "now").unwrap());
        let names = copies.each_ref().map(|copy| copy.file_name().unwrap().to_owned());
        assert_eq!(names, ["a.json.now.bak", "a.json.now-2.bak", "a.json.now-3.bak"]);
        fs::write(folder.path().join("b.json.now.bak"), "4").unwrap();
        assert_eq!(file.earlier(), ["1", "3", "2"]);
        drop(copies);
        assert_eq!(file.earlier(), [""; 0]);
    }

    #[test]
    fn a_file_that_came_or_changed_in_the_meantime_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let none = ConfigFile::read(&path).unwrap();
        fs::write(&path, "1").unwrap();
        assert!(matches!(none.replace("x"), Err(FileError::Changed { .. })));
        assert!(none.write("x").is_err());
        let one = ConfigFile::read(&path).unwrap();
        fs::write(&path, "2").unwrap();
        assert!(matches!(one.replace("x"), Err(FileError::Changed { .. })));
        assert_eq!(fs::read_to_string(path).unwrap(), "2");
    }
}

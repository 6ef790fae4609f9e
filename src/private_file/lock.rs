//! A lock beside a file, so that two runs of this program do not change the file at the same time.
//!
//! It ends with its process, even with a killed one. Other programs do not know it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use super::{open, regular, resolve};

/// The right to change a file, until it is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct FileLock {
    /// Closing it releases the lock.
    _file: File,
    path: PathBuf,
}

/// Waits until no other run of this program holds the lock of this file, and takes it.
pub(crate) fn lock(path: &Path) -> io::Result<FileLock> {
    let mut path = resolve(path)?.into_os_string();
    path.push(concat!(".", env!("CARGO_PKG_NAME"), ".lock"));
    let path = PathBuf::from(path);
    loop {
        let file = open(OpenOptions::new().write(true).create(true).truncate(false), &path, false)?;
        regular(file.metadata()?)?;
        match file.lock() {
            // Some network folders have no locks.
            Err(error) if error.kind() == ErrorKind::Unsupported => {}
            locked => locked?,
        }
        // If the previous holder has removed the file, the next one would not find this lock.
        #[cfg(unix)]
        if std::os::unix::fs::MetadataExt::nlink(&file.metadata()?) == 0 {
            continue;
        }
        return Ok(FileLock { _file: file, path });
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Elsewhere an open file cannot be removed.
        if cfg!(unix) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::{os::unix::fs::symlink, sync::Mutex, thread};

    use super::*;

    #[test]
    fn a_lock_has_one_holder_and_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let alone = Mutex::new(());
        let hold = || {
            for _ in 0..50 {
                let _lock = lock(&path).unwrap();
                let _alone = alone.try_lock().unwrap();
                thread::yield_now();
            }
        };
        thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(hold))));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_a_killed_process_left_is_no_lock_and_a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, lock_file) = (folder.path().join("file"), folder.path().join("file.verifa-mcp.lock"));
        fs::write(&lock_file, "").unwrap();
        drop(lock(&path).unwrap());
        symlink("elsewhere", &lock_file).unwrap();
        assert!(lock(&path).is_err());
        symlink("elsewhere", &path).unwrap();
        assert!(lock(&path).is_err());
        assert!(!folder.path().join("elsewhere").exists());
    }
}

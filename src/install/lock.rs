//! Keeps two runs of this program from changing one configuration at the same time.
//!
//! The lock is a file beside the configuration, there for as long as it is held. Other programs know nothing of it.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

/// The right to change a configuration, until it is dropped.
#[derive(Debug)]
pub struct Lock {
    /// Closing it gives the lock back.
    _file: File,
    path: PathBuf,
}

impl Lock {
    /// Waits until nobody else has the lock, and takes it.
    pub(super) fn of(configuration: &Path) -> io::Result<Self> {
        let folder = configuration.parent().ok_or(io::ErrorKind::InvalidInput)?;
        fs::create_dir_all(folder)?;
        let mut name = configuration.file_name().unwrap_or_default().to_owned();
        name.push(concat!(".", env!("CARGO_PKG_NAME"), ".lock"));
        let path = folder.join(name);
        loop {
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
            match file.lock() {
                // Some network folders have no locks; what is read again just before it is replaced has to do there.
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
                locked => locked?,
            }
            if is_at(&file, &path) {
                return Ok(Self { _file: file, path });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Elsewhere a file that is open cannot be taken away.
        if cfg!(unix) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether it is still this file that others find: whoever had the lock before took its file away.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let (held, found) = (file.metadata().map(identity), fs::metadata(path).map(identity));
    matches!((held, found), (Ok(held), Ok(found)) if held == found)
}

#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

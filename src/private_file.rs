//! Files that belong to their owner alone: read, appended to, created, replaced and locked in one way.
//!
//! Opening never waits (a pipe instead of a file is an immediate error), reading is bounded, and a new file has mode 0600
//! on Unix. Nothing is created through a symbolic link. File contents never appear in an error.

mod lock;
#[cfg(unix)]
mod trust;

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

pub(crate) use lock::{FileLock, lock};
#[cfg(unix)]
pub(crate) use trust::distrust;

const NOT_REGULAR: &str = "not a regular file but a folder, pipe, device or socket";

/// Reads a regular file of at most `limit` bytes. Follows links, since Kubernetes mounts secrets as links.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_with_metadata(path, limit).map(|(content, _)| content)
}

/// As [`read`], with the metadata of the very file that was read.
pub(crate) fn read_with_metadata(path: &Path, limit: u64) -> io::Result<(Vec<u8>, Metadata)> {
    let file = open(OpenOptions::new().read(true), path, true)?;
    let metadata = regular(file.metadata()?)?;
    let mut content = Vec::new();
    // The length in the metadata bounds nothing: the file may grow meanwhile.
    file.take(limit.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("larger than {limit} bytes")));
    }
    Ok((content, metadata))
}

/// A file's text, without the byte order mark that Windows' editors put first.
pub(crate) fn text(content: &[u8]) -> io::Result<&str> {
    let content = without_byte_order_mark(content)?;
    str::from_utf8(content).map_err(|_| io::Error::new(ErrorKind::InvalidData, "not UTF-8 text"))
}

/// A file's content without its byte order mark; UTF-16 is an error.
pub(crate) fn without_byte_order_mark(content: &[u8]) -> io::Result<&[u8]> {
    if content.starts_with(b"\xFF\xFE") || content.starts_with(b"\xFE\xFF") {
        return Err(io::Error::new(ErrorKind::InvalidData, "UTF-16 text; save it as UTF-8"));
    }
    Ok(content.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(content))
}

/// Opens a file or device to append to it, and creates the file if there is none.
pub(crate) fn open_append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true);
    let file = match open(&mut options, path, true) {
        Err(error) if error.kind() == ErrorKind::NotFound => open(options.create(true), &resolve(path)?, false)?,
        opened => opened?,
    };
    // Opening must not wait for a pipe's reader. Writing must, or a busy reader would miss lines.
    #[cfg(unix)]
    rustix::fs::fcntl_setfl(&file, rustix::fs::fcntl_getfl(&file)? - rustix::fs::OFlags::NONBLOCK)?;
    Ok(file)
}

/// Creates a file that must not exist yet. If it cannot be written completely, it is removed.
pub(crate) fn create_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = open(OpenOptions::new().write(true).create_new(true), path, false)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    written.inspect_err(|_| drop(fs::remove_file(path)))
}

/// Replaces a file's content at once, or creates the file. A link stays a link, and an existing file keeps its owner and
/// mode: a server that can read the old file must be able to read the new one.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let path = resolve(path)?;
    let Some(old) = existing(&path)? else {
        temporary(&path, content)?.persist_noclobber(&path)?;
        return Ok(());
    };
    let new = temporary(&path, content)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};

        let created = new.as_file().metadata()?;
        if (created.uid(), created.gid()) != (old.uid(), old.gid()) {
            fchown(new.as_file(), Some(old.uid()), Some(old.gid()))?;
        }
    }
    new.as_file().set_permissions(old.permissions())?;
    new.persist(&path)?;
    Ok(())
}

/// Writes a file with mode 0600, whatever mode it had before. A link is replaced, not written through.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    existing(path)?;
    temporary(path, content)?.persist(path)?;
    Ok(())
}

/// Whether anyone but the owner may read the file. Always false on Windows.
pub(crate) fn others_can_read(metadata: &Metadata) -> bool {
    mode(metadata) & 0o044 != 0
}

/// Why a file cannot be used, without its path, and the same on every system.
pub(crate) fn reason(error: &io::Error) -> String {
    error.get_ref().map_or_else(|| error.kind().to_string(), ToString::to_string)
}

#[cfg_attr(not(unix), expect(unused_variables))]
fn open(options: &mut OpenOptions, path: &Path, follow_links: bool) -> io::Result<File> {
    #[cfg(unix)]
    {
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        let flags = if follow_links { flags } else { flags | rustix::fs::OFlags::NOFOLLOW };
        std::os::unix::fs::OpenOptionsExt::custom_flags(options, flags.bits().cast_signed());
        std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    }
    let opened = options.open(path);
    #[cfg(unix)]
    if opened.as_ref().is_err_and(|error| error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error())) {
        return Err(io::Error::new(ErrorKind::BrokenPipe, "a pipe without a reader, or a socket"));
    }
    opened
}

#[cfg(unix)]
fn mode(metadata: &Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::mode(metadata)
}

#[cfg(not(unix))]
fn mode(_: &Metadata) -> u32 {
    0
}

/// Where the file is, so that a link to it stays a link. There is no file to create behind a link to nothing.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == ErrorKind::NotFound && path.is_symlink() => {
            Err(io::Error::new(ErrorKind::InvalidInput, "a symbolic link to nothing"))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(path.to_path_buf()),
        resolved => resolved,
    }
}

fn existing(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        metadata => regular(metadata?).map(Some),
    }
}

fn regular(metadata: Metadata) -> io::Result<Metadata> {
    if metadata.is_file() { Ok(metadata) } else { Err(io::Error::new(ErrorKind::InvalidInput, NOT_REGULAR)) }
}

/// A new file with mode 0600 in the same folder, so that renaming it is one step.
fn temporary(path: &Path, content: &[u8]) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The error's text would name a file that the user has never seen.
    let mut new = NamedTempFile::new_in(folder).map_err(|error| error.kind())?;
    new.as_file_mut().write_all(content)?;
    new.as_file().sync_all()?;
    Ok(new)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, os::unix::fs::symlink, os::unix::net::UnixListener, process::Command};

    use super::*;

    /// A folder with a link `link` to a file `file` that does not exist yet.
    fn place() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        symlink("file", &link).unwrap();
        (folder, file, link)
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn text_and_mode(path: &Path) -> (String, u32) {
        (fs::read_to_string(path).unwrap(), fs::metadata(path).unwrap().permissions().mode() & 0o777)
    }

    #[test]
    fn what_is_no_regular_file_is_an_error_at_once() {
        let (folder, ..) = place();
        let [pipe, socket, device] = ["pipe", "socket", "device"].map(|name| folder.path().join(name));
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let _listener = UnixListener::bind(&socket).unwrap();
        symlink("/dev/zero", &device).unwrap();
        for path in [&pipe, &device, folder.path()] {
            assert_eq!(reason(&read(path, 9).unwrap_err()), NOT_REGULAR, "{path:?}");
        }
        assert!(read(&socket, 9).is_err());
        for path in [&pipe, &socket, &device, folder.path()] {
            assert_eq!(reason(&replace(path, b"new").unwrap_err()), NOT_REGULAR, "{path:?}");
            assert_eq!(reason(&write_private(path, b"new").unwrap_err()), NOT_REGULAR, "{path:?}");
        }
        for path in [&pipe, &socket] {
            assert_eq!(reason(&open_append(path).unwrap_err()), "a pipe without a reader, or a socket");
        }
        assert!(open_append(folder.path()).is_err());
        open_append(&device).unwrap().write_all(b"devices are written to").unwrap();
    }

    #[test]
    fn reading_follows_links_and_is_bounded() {
        let (_folder, file, link) = place();
        assert_eq!(reason(&read(&link, 5).unwrap_err()), "entity not found");
        fs::write(&file, "12345").unwrap();
        assert_eq!(read(&link, 5).unwrap(), b"12345");
        assert_eq!(reason(&read(&link, 4).unwrap_err()), "larger than 4 bytes");
    }

    #[test]
    fn a_byte_order_mark_is_removed_and_utf_16_is_named() {
        for (content, expected) in [
            (&b"\xEF\xBB\xBFa"[..], Ok("a")),
            (b"a", Ok("a")),
            (b"\xFF\xFEa\0", Err("UTF-16 text; save it as UTF-8")),
            (b"\xFE\xFF\0a", Err("UTF-16 text; save it as UTF-8")),
            (b"a\xFF", Err("not UTF-8 text")),
        ] {
            assert_eq!(text(content).map_err(|error| reason(&error)), expected.map_err(str::to_owned));
        }
    }

    #[test]
    fn nothing_is_created_through_a_link_and_a_new_file_is_private() {
        let (folder, file, link) = place();
        assert!(open_append(&link).is_err() && create_new(&link, b"").is_err() && replace(&link, b"").is_err());
        assert!(!file.exists());
        replace(&file, b"1").unwrap();
        assert_eq!(text_and_mode(&file), ("1".to_owned(), 0o600));
        let (created, appended) = (folder.path().join("created"), folder.path().join("appended"));
        create_new(&created, b"1").unwrap();
        assert_eq!(create_new(&created, b"2").unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(text_and_mode(&created), ("1".to_owned(), 0o600));
        for text in ["1", "2"] {
            open_append(&appended).unwrap().write_all(text.as_bytes()).unwrap();
        }
        assert_eq!(text_and_mode(&appended), ("12".to_owned(), 0o600));
    }

    #[test]
    fn replacing_keeps_link_and_mode_and_writing_privately_keeps_neither() {
        let (folder, file, link) = place();
        fs::write(&file, "1").unwrap();
        set_mode(&file, 0o644);
        replace(&link, b"2").unwrap();
        assert!(link.is_symlink());
        assert_eq!(text_and_mode(&file), ("2".to_owned(), 0o644));
        write_private(&link, b"3").unwrap();
        assert!(!link.is_symlink());
        write_private(&file, b"4").unwrap();
        assert_eq!((text_and_mode(&link), text_and_mode(&file)), (("3".to_owned(), 0o600), ("4".to_owned(), 0o600)));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_others_may_do_is_in_the_mode() {
        let (_folder, file, _) = place();
        fs::write(&file, "").unwrap();
        for (mode, read) in [(0o600, false), (0o640, true), (0o604, true), (0o620, false)] {
            set_mode(&file, mode);
            assert_eq!(others_can_read(&fs::metadata(&file).unwrap()), read, "{mode:o}");
        }
    }
}

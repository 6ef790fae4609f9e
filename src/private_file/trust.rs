//! Who else could change a file: judged as ssh judges its keys and configuration.
//!
//! The file and every folder on the way to it, those behind symbolic links too, must belong to root or to this process's
//! user, and no one else may write to them. A folder with the sticky bit, such as /tmp, lets no one replace others' files.

use std::{
    ffi::OsString,
    fs,
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf, absolute},
};

/// As many links as Linux follows.
const MAX_LINKS: u32 = 40;
const WRITABLE_BY_OTHERS: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Why a file is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Distrust {
    #[error("{0} can be written by others than its owner; run `chmod go-w {0}`")]
    WritableByOthers(PathBuf),
    #[error("{0} belongs to another user; run `chown root {0}`, or chown it to the user that runs verifa-mcp")]
    ForeignOwner(PathBuf),
}

/// Why a file that exists is not trusted, if it is not.
///
/// # Errors
/// When the way to the file cannot be looked at.
pub(crate) fn distrust(path: &Path) -> io::Result<Option<Distrust>> {
    let (folders, file) = way_to(path)?;
    for step in folders.into_iter().chain([file]) {
        let metadata = fs::metadata(&step)?;
        let is_sticky_folder = metadata.is_dir() && metadata.mode() & STICKY != 0;
        if metadata.mode() & WRITABLE_BY_OTHERS != 0 && !is_sticky_folder {
            return Ok(Some(Distrust::WritableByOthers(step)));
        }
        if ![0, rustix::process::geteuid().as_raw()].contains(&metadata.uid()) {
            return Ok(Some(Distrust::ForeignOwner(step)));
        }
    }
    Ok(None)
}

/// Every folder that is looked into to find a file, and the file itself behind all links.
fn way_to(path: &Path) -> io::Result<(Vec<PathBuf>, PathBuf)> {
    let (mut folders, mut current, mut links) = (Vec::new(), PathBuf::from("/"), 0);
    let mut rest = names(&absolute(path)?);
    while let Some(name) = rest.pop() {
        if name == ".." {
            current.pop();
            continue;
        }
        folders.push(current.clone());
        let next = current.join(name);
        if !next.is_symlink() {
            current = next;
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(io::Error::new(ErrorKind::InvalidInput, "a loop of symbolic links"));
        }
        let target = fs::read_link(&next)?;
        if target.is_absolute() {
            current = PathBuf::from("/");
        }
        rest.extend(names(&target));
    }
    Ok((folders, current))
}

/// A path's components, the last one first.
fn names(path: &Path) -> Vec<OsString> {
    let name = |component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().rev().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{Permissions, create_dir, set_permissions},
        os::unix::fs::{PermissionsExt, chown, symlink},
    };

    use super::*;

    #[test]
    fn the_file_and_every_folder_behind_links_must_be_safe() {
        let root = tempfile::tempdir().unwrap();
        let [outer, inner, linked] = ["outer", "outer/inner", "linked"].map(|name| root.path().join(name));
        [&outer, &inner, &linked].into_iter().for_each(|folder| create_dir(folder).unwrap());
        let file = inner.join("tokens");
        fs::write(&file, "").unwrap();
        // As Kubernetes mounts a secret: a link to a link to a folder.
        symlink("../outer/inner", linked.join("data")).unwrap();
        symlink("data/tokens", linked.join("tokens")).unwrap();
        let mode = |path: &Path, mode| set_permissions(path, Permissions::from_mode(mode)).unwrap();
        [&outer, &inner, &linked].into_iter().for_each(|folder| mode(folder, 0o755));
        mode(&file, 0o640);

        for path in [file.clone(), linked.join("tokens"), linked.join("data/../inner/tokens")] {
            assert_eq!(distrust(&path).unwrap(), None, "{path:?}");
            for (step, bad, good) in [(&file, 0o660, 0o640), (&inner, 0o777, 0o755), (&outer, 0o775, 0o1777)] {
                mode(step, bad);
                assert_eq!(distrust(&path).unwrap(), Some(Distrust::WritableByOthers(step.clone())), "{path:?}");
                mode(step, good);
            }
            assert_eq!(distrust(&path).unwrap(), None, "a sticky folder is safe");
            mode(&outer, 0o755);
        }
        mode(&linked, 0o757);
        assert_eq!(distrust(&linked.join("tokens")).unwrap(), Some(Distrust::WritableByOthers(linked.clone())));
        assert_eq!(distrust(&file).unwrap(), None, "not on this way");
        // Only root can give a file away.
        if chown(&inner, Some(12_345), None).is_ok() {
            assert_eq!(distrust(&file).unwrap(), Some(Distrust::ForeignOwner(inner)));
        }
    }

    #[test]
    fn a_loop_of_links_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        symlink("b", root.path().join("a")).unwrap();
        symlink("a", root.path().join("b")).unwrap();
        assert!(distrust(&root.path().join("a")).is_err());
    }
}

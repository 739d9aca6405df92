//! Who may change a file or directory. What this program reads for decisions, or keeps, has to belong to its user or to root,
//! and must not be writable by others. The same applies to each directory on the way to it, because others who may write there
//! could replace the file. In a directory with the sticky bit, such as `/tmp`, only the owner of an entry can replace it.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// The number of links that are followed, as in Linux (`path_resolution(7)`).
const MAX_LINKS: usize = 40;
const STICKY: u32 = 0o1000;

/// Why others may change what is in a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Distrust {
    /// It belongs to this user, who is neither root nor this program's.
    Owner(u32),
    /// Others than the owner may write it: the mode.
    Mode(u32),
}

/// Judges a file or directory by its owner and mode. An access control list shows in the mode of the group.
pub(crate) fn distrust(metadata: &Metadata) -> Option<Distrust> {
    if metadata.uid() != uid() && metadata.uid() != 0 {
        return Some(Distrust::Owner(metadata.uid()));
    }
    (metadata.mode() & 0o022 != 0).then(|| Distrust::Mode(metadata.mode() & 0o7777))
}

/// Why another user could replace a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DistrustedWay {
    /// The directory or link on the way to it.
    place: PathBuf,
    distrust: Distrust,
}

/// Checks each directory and each link on the way to a path, from the root, but not the file itself. A link in `/proc`
/// at the end of the path, by which the kernel shows a process its open files, is not followed.
///
/// # Errors
/// The system's error for a directory or link on the way.
pub(crate) fn distrusted_way(path: &Path) -> io::Result<Option<DistrustedWay>> {
    let mut ahead = Vec::new();
    put_ahead(&std::path::absolute(path)?, &mut ahead);
    let mut here = PathBuf::from("/");
    let mut links = 0_usize;
    loop {
        let directory = fs::symlink_metadata(&here)?;
        let is_sticky = directory.mode() & STICKY != 0;
        match distrust(&directory) {
            Some(Distrust::Mode(_)) if is_sticky => {}
            Some(distrust) => return Ok(Some(DistrustedWay { place: here, distrust })),
            None => {}
        }
        // Go on to the next directory, or return at the end of the path.
        loop {
            let Some(name) = ahead.pop() else { return Ok(None) };
            if name == ".." {
                here.pop();
                break;
            }
            let next = here.join(name);
            let found = match fs::symlink_metadata(&next) {
                // Renamed or removed since it was opened; the way to it is trusted.
                Err(error) if error.kind() == ErrorKind::NotFound && ahead.is_empty() => return Ok(None),
                found => found?,
            };
            if !found.is_symlink() {
                if ahead.is_empty() {
                    return Ok(None);
                }
                here = next;
                break;
            }
            if here.starts_with("/proc") && ahead.is_empty() {
                return Ok(None);
            }
            // A link has no mode of its own.
            if let Some(distrust @ Distrust::Owner(_)) = distrust(&found) {
                return Ok(Some(DistrustedWay { place: next, distrust }));
            }
            links = links.saturating_add(1);
            if links > MAX_LINKS {
                return Err(rustix::io::Errno::LOOP.into());
            }
            let target = fs::read_link(&next)?;
            put_ahead(&target, &mut ahead);
            if target.is_absolute() {
                here = PathBuf::from("/");
                break;
            }
        }
    }
}

/// Pushes the components of a path onto the stack of those that are left; the next one is on top.
fn put_ahead(path: &Path, ahead: &mut Vec<OsString>) {
    let names = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    ahead.extend(names.collect::<Vec<_>>().into_iter().rev());
}

/// Checks an opened file and the way to it; returns why it is not trusted.
pub(crate) fn distrust_file(path: &Path, metadata: &Metadata) -> Option<String> {
    if let Some(distrust) = distrust(metadata) {
        return Some(distrust.to_string());
    }
    match distrusted_way(path) {
        Ok(way) => way.map(|way| way.to_string()),
        Err(error) => Some(format!("cannot be judged by its directories: {error}")),
    }
}

/// As [`distrust`], of what only this user can use: root's is not ours either.
pub(crate) fn not_ours(metadata: &Metadata) -> Option<Distrust> {
    let of_root = (metadata.uid() == 0 && uid() != 0).then_some(Distrust::Owner(0));
    of_root.or_else(|| distrust(metadata))
}

/// Returns the user that this program runs as.
pub(crate) fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

impl fmt::Display for DistrustedWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "can be replaced, because {} {}", self.place.display(), self.distrust)
    }
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(owner) => {
                write!(f, "belongs to another user (uid {owner}); chown it to uid {}", uid())
            }
            Self::Mode(mode) => write!(f, "is writable by others (mode {mode:04o}); chmod go-w it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn place(mode: u32) -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().canonicalize().unwrap().join("outer");
        fs::create_dir_all(inner.join("inner")).unwrap();
        fs::write(inner.join("inner/file"), "").unwrap();
        fs::set_permissions(&inner, fs::Permissions::from_mode(mode)).unwrap();
        (root, inner)
    }

    fn way(path: &Path) -> Option<PathBuf> {
        distrusted_way(path).unwrap().map(|way| way.place)
    }

    #[test]
    fn a_directory_that_others_may_write_spoils_everything_below_it() {
        for (mode, is_trusted) in
            [(0o755, true), (0o777, false), (0o775, false), (0o757, false), (0o1777, true), (0o1775, true)]
        {
            let (_root, outer) = place(mode);
            let spoilt = (!is_trusted).then(|| outer.clone());
            for path in ["inner/file", "inner", "inner/../inner/file", "./inner//file"] {
                assert_eq!(way(&outer.join(path)), spoilt, "{mode:o} {path}");
            }
            assert_eq!(way(&outer), None);
        }
    }

    #[test]
    fn a_file_that_is_renamed_once_it_is_open_is_judged_by_its_directories() {
        for (mode, is_trusted) in [(0o755, true), (0o777, false)] {
            let (_root, outer) = place(mode);
            let file = outer.join("inner/file");
            let opened = fs::File::open(&file).unwrap();
            fs::rename(&file, outer.join("inner/other")).unwrap();
            assert_eq!(distrust_file(&file, &opened.metadata().unwrap()).is_none(), is_trusted, "{mode:o}");
        }
    }

    #[test]
    fn a_link_leads_through_what_it_stands_in_and_what_it_leads_to() {
        let (_good, good) = place(0o755);
        let (_bad, bad) = place(0o777);
        symlink(bad.join("inner/file"), good.join("to bad")).unwrap();
        symlink(good.join("inner/file"), bad.join("inner/to good")).unwrap();
        symlink("inner", good.join("relative")).unwrap();
        symlink("../relative/file", good.join("inner/upwards")).unwrap();
        symlink(good.join("round"), good.join("round")).unwrap();
        assert_eq!(way(&good.join("to bad")), Some(bad.clone()));
        assert_eq!(way(&bad.join("inner/to good")), Some(bad.clone()));
        assert_eq!(way(&good.join("relative/file")), None);
        assert_eq!(way(&good.join("inner/upwards")), None);
        // The kernel's links to directories are followed as any other.
        let there = fs::File::open(&bad).unwrap();
        let shown = PathBuf::from(format!("/proc/self/fd/{}", there.as_raw_fd()));
        assert_eq!(way(&shown.join("inner/file")), Some(bad.clone()));
        assert_eq!(way(&shown), None);
        assert!(distrusted_way(&good.join("round")).is_err());
        assert!(distrusted_way(&good.join("missing/file")).is_err());
    }
}

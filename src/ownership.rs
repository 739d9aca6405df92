//! Who may change a file or directory. What this program reads for decisions, or keeps, has to belong to its user or to root,
//! and must not be writable by others. One rule for all of them.

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

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

/// As [`distrust`], of what only this user can use: root's is not ours either.
pub(crate) fn not_ours(metadata: &Metadata) -> Option<Distrust> {
    let of_root = (metadata.uid() == 0 && uid() != 0).then_some(Distrust::Owner(0));
    of_root.or_else(|| distrust(metadata))
}

/// Returns the user that this program runs as.
pub(crate) fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
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

//! A directory for one case, gone with it.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// A new directory of mode 0700, removed when dropped.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Makes a directory below `parent` that was not there before.
    pub(super) fn below(parent: &Path) -> anyhow::Result<Self> {
        const TRIES: u32 = 1000;
        let process = std::process::id();
        let mut last = None;
        for number in 0..TRIES {
            let path = parent.join(format!("sps-plugin-golden-{process}-{number}"));
            // Fails on whatever is there already, be it a link, so nobody can prepare it for us.
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => last = Some(error),
                Err(error) => {
                    last = Some(error);
                    break;
                }
            }
        }
        Err(last.map_or_else(|| anyhow::anyhow!("no free name"), anyhow::Error::from))
            .with_context(|| format!("cannot make a directory in {}", parent.display()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is left to whoever cleans the temporary directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

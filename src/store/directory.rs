//! Where state lies, and whether nobody else can get at it.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::{StoreError, sqlite};
use crate::config::settings::{Opt, SettingError, Settings};
use crate::ownership::{Distrust, distrust, distrusted_way, not_ours, uid};

/// Where the state is, if the environment is not to say it.
pub const DIRECTORY: Opt = Opt::new("state", "directory", "");

/// Answers for the process's environment; `main.rs` has the real one.
pub trait Environment {
    /// Returns a variable, or `None` if it is not set or is empty.
    fn get(&self, name: &str) -> Option<OsString>;

    /// Returns a directory that overrules `[state] directory`. Only the environment of a recorded case has one, so
    /// that trying a configuration does not touch the state that it names.
    fn own_state(&self) -> Option<PathBuf> {
        None
    }
}

/// The directories for state, not yet made or looked at.
#[derive(Debug)]
pub struct Places {
    persistent: Option<PathBuf>,
    /// What says where that is.
    rule: &'static str,
    ephemeral: Option<PathBuf>,
    temporary: PathBuf,
}

impl Places {
    /// Finds the directories: persistent from `[state] directory`, `$SCB_PLUGIN_STATE_DIRECTORY` or the XDG state
    /// directory; ephemeral from `$EPHEMERAL_PLUGIN_STATE_DIRECTORY` or, as the SDK has it, below `$TMPDIR`.
    ///
    /// # Errors
    /// A reference in the option that leads nowhere.
    pub fn find(settings: &Settings<'_>, environment: &dyn Environment) -> Result<Self, SettingError> {
        let path = |name: &str| environment.get(name).map(PathBuf::from);
        let configured = settings.text(&DIRECTORY)?.map(PathBuf::from);
        let below = |name: &str, rest: &str| Some(path(name)?.join(rest));
        let found = environment
            .own_state()
            .map(|path| ("a recorded case", path))
            .or_else(|| Some(("[state] directory", configured?)))
            .or_else(|| Some(("$SCB_PLUGIN_STATE_DIRECTORY", path("SCB_PLUGIN_STATE_DIRECTORY")?)))
            .or_else(|| Some(("$XDG_STATE_HOME", below("XDG_STATE_HOME", "sps-plugin")?)))
            .or_else(|| Some(("$HOME", below("HOME", ".local/state/sps-plugin")?)));
        let (rule, persistent) = found.map_or(("nothing", None), |(rule, path)| (rule, Some(path)));
        Ok(Self {
            persistent,
            rule,
            ephemeral: path("EPHEMERAL_PLUGIN_STATE_DIRECTORY"),
            temporary: path("TMPDIR").unwrap_or_else(|| PathBuf::from("/tmp")),
        })
    }

    /// Keeps everything in one directory, whatever configuration and environment say.
    pub fn at(directory: &Path) -> Self {
        let directory = directory.to_owned();
        Self {
            persistent: Some(directory.clone()),
            rule: "the caller",
            ephemeral: Some(directory.clone()),
            temporary: directory,
        }
    }

    /// Tells whether a file is in the persistent directory, without making or judging it.
    pub(super) fn has_persistent(&self, file: &str) -> bool {
        self.persistent.as_ref().is_some_and(|path| path.join(file).exists())
    }

    pub(super) fn persistent(&self) -> Result<PathBuf, StoreError> {
        let path = self.persistent.clone().ok_or(StoreError::NoDirectory)?;
        secure(&path)?;
        Ok(path)
    }

    pub(super) fn ephemeral(&self) -> Result<PathBuf, StoreError> {
        // The parent is as much ours as the directory: in a shared /tmp, whoever owns it could swap the child.
        if let Some(parent) = self.ephemeral_parent() {
            secure(&parent)?;
        }
        let path = self.ephemeral_path().ok_or(StoreError::NoDirectory)?;
        secure(&path)?;
        Ok(path)
    }

    /// Returns the persistent directory as it is named, without making or judging it, and what names it.
    pub(super) fn persistent_path(&self) -> Option<PathBuf> {
        self.persistent.clone()
    }

    /// As [`Places::persistent_path`] where there has to be one.
    pub(super) fn named_persistent(&self) -> Result<PathBuf, StoreError> {
        self.persistent_path().ok_or(StoreError::NoDirectory)
    }

    pub(super) fn named_ephemeral(&self) -> Result<PathBuf, StoreError> {
        self.ephemeral_path().ok_or(StoreError::NoDirectory)
    }

    pub(super) fn persistent_rule(&self) -> &'static str {
        self.rule
    }

    /// As [`Places::persistent_path`] for the other one.
    pub(super) fn ephemeral_path(&self) -> Option<PathBuf> {
        if self.ephemeral.is_some() {
            return self.ephemeral.clone();
        }
        Some(self.ephemeral_parent()?.join(self.persistent.as_deref()?.file_name()?))
    }

    pub(super) fn ephemeral_rule(&self) -> &'static str {
        if self.ephemeral.is_some() { "$EPHEMERAL_PLUGIN_STATE_DIRECTORY" } else { "$TMPDIR, else /tmp," }
    }

    /// Returns the directory above the ephemeral one, where that is of this program's choice; `None` also where there is
    /// no ephemeral directory.
    pub(super) fn ephemeral_parent(&self) -> Option<PathBuf> {
        let has_name = self.persistent.as_deref().and_then(Path::file_name).is_some();
        (self.ephemeral.is_none() && has_name).then(|| self.temporary.join("ephemeral_plugin_state"))
    }
}

/// Makes the directory with mode 0700 if it is missing; refuses one that is not ours alone to write.
fn secure(path: &Path) -> Result<(), StoreError> {
    match judge(path) {
        Err(StoreError::Directory { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            let failed = |source| StoreError::Directory { path: path.to_owned(), source };
            DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
            judge(path)
        }
        result => result,
    }
}

/// Refuses a directory that is not ours alone to write; one that is missing is an error.
pub(super) fn judge(path: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::Directory { path: path.to_owned(), source };
    let refused = |reason: String| Err(StoreError::Unsafe { path: path.to_owned(), reason });
    // symlink_metadata: a link that somebody else but root put there is not followed.
    let metadata = fs::symlink_metadata(path).map_err(failed)?;
    let metadata = if metadata.is_symlink() && [uid(), 0].contains(&metadata.uid()) {
        fs::metadata(path).map_err(failed)?
    } else {
        metadata
    };
    if !metadata.is_dir() {
        return refused("is not a directory".to_owned());
    }
    if let Some(distrust) = not_ours(&metadata) {
        return refused(distrust.to_string());
    }
    distrusted_way(path).map_err(failed)?.map_or(Ok(()), |way| refused(way.to_string()))
}

/// Refuses a directory of ours that others may write. One that is missing, or another user's, such as the appliance's, is
/// not judged here.
///
/// # Errors
/// [`StoreError::Unsafe`].
pub fn check_own(path: &Path) -> Result<(), StoreError> {
    if fs::metadata(path).is_ok_and(|metadata| metadata.uid() == uid()) { judge(path) } else { Ok(()) }
}

/// Refuses a database that others may change, by itself or by a file beside it. Files that are missing are not yet made.
pub(super) fn judge_files(database: &Path) -> Result<(), StoreError> {
    let mut real = Cow::Borrowed(database);
    if judge_file(database)? == Kind::Link {
        // SQLite has its other files beside the one that a link leads to, so that directory is as much ours.
        let failed = |source| StoreError::Directory { path: database.to_owned(), source };
        real = Cow::Owned(where_it_leads(database).map_err(failed)?);
        real.parent().map_or(Ok(()), judge)?;
        judge_file(&real)?;
    }
    [sqlite::LOG, sqlite::INDEX, sqlite::JOURNAL]
        .iter()
        .try_for_each(|ending| judge_file(&sqlite::beside(&real, ending)).map(|_| ()))
}

/// Follows a link, to a file that may not be made yet.
fn where_it_leads(link: &Path) -> std::io::Result<PathBuf> {
    match fs::canonicalize(link) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let target = fs::read_link(link)?;
            let target = link.parent().map(|folder| folder.join(&target)).unwrap_or(target);
            let (Some(folder), Some(name)) = (target.parent(), target.file_name()) else { return Err(error) };
            // A second link that leads nowhere is not followed.
            if target.is_symlink() { Err(error) } else { Ok(fs::canonicalize(folder)?.join(name)) }
        }
        result => result,
    }
}

#[derive(PartialEq, Eq)]
enum Kind {
    Missing,
    File,
    Link,
}

fn judge_file(path: &Path) -> Result<Kind, StoreError> {
    let refused = |reason: String| Err(StoreError::UnsafeFile { path: path.to_owned(), reason });
    // What cannot be looked at cannot be opened either, and SQLite says why.
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(Kind::Missing) };
    if metadata.is_symlink() {
        // A link has no mode of its own.
        return match distrust(&metadata) {
            Some(distrust @ Distrust::Owner(_)) => refused(distrust.to_string()),
            Some(Distrust::Mode(_)) | None => Ok(Kind::Link),
        };
    }
    if !metadata.is_file() {
        return refused("is not a regular file".to_owned());
    }
    distrust(&metadata).map_or(Ok(Kind::File), |distrust| refused(distrust.to_string()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_missing_directory_is_made_for_its_owner_only() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b");
        secure(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_directory_that_others_may_write_is_refused() {
        let root = tempfile::tempdir().unwrap();
        for mode in [0o777, 0o770, 0o702] {
            fs::set_permissions(root.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(secure(root.path()), Err(StoreError::Unsafe { .. })), "{mode:o}");
        }
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o750)).unwrap();
        secure(root.path()).unwrap();
    }

    #[test]
    fn a_file_in_its_place_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("state");
        fs::write(&path, "").unwrap();
        assert!(matches!(secure(&path), Err(StoreError::Unsafe { .. })));
        assert!(matches!(secure(&path.join("below")), Err(StoreError::Directory { .. })));
    }

    #[test]
    fn the_ephemeral_directory_lies_below_tmpdir_as_the_sdk_has_it() {
        let root = tempfile::tempdir().unwrap();
        let places = Places {
            persistent: Some(PathBuf::from("/var/state/SPS_Plugin")),
            rule: "the test",
            ephemeral: None,
            temporary: root.path().to_owned(),
        };
        assert_eq!(places.ephemeral().unwrap(), root.path().join("ephemeral_plugin_state/SPS_Plugin"));
        fs::set_permissions(root.path().join("ephemeral_plugin_state"), fs::Permissions::from_mode(0o777))
            .unwrap();
        assert!(matches!(places.ephemeral(), Err(StoreError::Unsafe { .. })));
    }
}

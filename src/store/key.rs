//! The master key: 32 bytes in a file of mode 0600 in the state directory, or wherever `[state] key` refers to.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER_PERMISSIVE;
use secrecy::{ExposeSecret, SecretString};
use zeroize::{Zeroize, Zeroizing};

use super::StoreError;
use crate::config::settings::{Opt, SettingError, Settings};
use crate::ownership::distrust_file;

pub(super) const KEY: Opt = Opt::secret("state", "key");

/// The name of the key file, and the one under which [`KeySource::replace`] prepares its successor.
pub(super) const FILE: &str = "master.key";
pub(super) const NEXT: &str = "master.key.new";
/// What the names of the keys begin with that were in force before; a number follows. Backups from their time need them.
pub(super) const KEPT: &str = "master.key.old-";
/// The name of that one while it is written.
const BEGUN: &str = "master.key.part";

/// The key itself; wiped when dropped.
pub type MasterKey = Zeroizing<[u8; 32]>;

/// Where the master key comes from.
#[derive(Clone)]
pub enum KeySource {
    /// `[state] key`, resolved.
    Configured(SecretString),
    /// `master.key` in the state directory.
    File,
}

impl KeySource {
    /// Reads `[state] key`.
    ///
    /// # Errors
    /// A reference that leads nowhere.
    pub fn find(settings: &Settings<'_>) -> Result<Self, SettingError> {
        Ok(settings.secret(&KEY)?.map_or(Self::File, Self::Configured))
    }

    /// Reads `[state] key` and looks at its form, without opening anything that is sealed with it.
    ///
    /// # Errors
    /// As [`KeySource::find`]; a text that is no key.
    pub fn check(settings: &Settings<'_>) -> Result<(), SettingError> {
        match Self::find(settings)? {
            Self::Configured(text) if parse(text.expose_secret()).is_none() => {
                Err(settings.invalid(&KEY, "64 hexadecimal digits".to_owned()))
            }
            Self::Configured(_) | Self::File => Ok(()),
        }
    }

    /// Returns the keys that may be the one: the configured one; or the file's, and its successor where a change of
    /// keys was cut short. None where there is no key yet.
    pub(super) fn candidates(&self, directory: &Path) -> Result<Vec<MasterKey>, StoreError> {
        match self {
            Self::Configured(text) => Ok(vec![parse(text.expose_secret()).ok_or(StoreError::BadKey)?]),
            Self::File => {
                let mut found = Vec::new();
                for name in [FILE, NEXT] {
                    found.extend(read(&directory.join(name))?);
                }
                Ok(found)
            }
        }
    }

    /// Makes the first key of a store. Two processes that do so at once agree on one.
    pub(super) fn create(&self, directory: &Path) -> Result<MasterKey, StoreError> {
        if let Self::Configured(text) = self {
            return parse(text.expose_secret()).ok_or(StoreError::BadKey);
        }
        let path = directory.join(FILE);
        let key = random()?;
        let prepared = directory.join(format!("{FILE}.{}", std::process::id()));
        write(&prepared, &key)?;
        // A link fails where the file is there already, and the file is never seen half written.
        let linked = fs::hard_link(&prepared, &path);
        let _ = fs::remove_file(&prepared);
        match linked {
            Ok(()) => Ok(key),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                read(&path)?.ok_or(StoreError::NoKey)
            }
            Err(source) => Err(StoreError::KeyFile { path, source }),
        }
    }

    /// Writes the successor of the key file; [`KeySource::replace`] puts it in force once the store is sealed anew.
    ///
    /// The database is locked, so that nobody else prepares one; but anybody may read, and never sees it half written.
    pub(super) fn prepare_next(directory: &Path, key: &MasterKey) -> Result<(), StoreError> {
        let (begun, path) = (directory.join(BEGUN), directory.join(NEXT));
        match fs::remove_file(&begun) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::KeyFile { path: begun, source });
            }
            Ok(()) | Err(_) => {}
        }
        write(&begun, key)?;
        fs::rename(&begun, &path).map_err(|source| StoreError::KeyFile { path, source })?;
        sync(directory)
    }

    /// Puts the prepared key file in the place of the old one, in one step. The old one is kept under another name.
    pub(super) fn replace(directory: &Path) -> Result<(), StoreError> {
        let path = directory.join(FILE);
        keep(&path, directory)?;
        fs::rename(directory.join(NEXT), &path).map_err(|source| StoreError::KeyFile { path, source })?;
        sync(directory)
    }
}

/// Returns the keys that were in force before, the oldest first.
pub(super) fn kept(directory: &Path) -> Result<Vec<(PathBuf, MasterKey)>, StoreError> {
    let mut found = Vec::new();
    for (_, path) in numbered(directory)? {
        found.extend(read(&path)?.map(|key| (path, key)));
    }
    Ok(found)
}

/// Gives the key that is in force a second name, unless it was given one before the process was killed.
fn keep(key: &Path, directory: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::KeyFile { path: directory.to_owned(), source };
    let Ok(metadata) = fs::symlink_metadata(key) else { return Ok(()) };
    let before = numbered(directory)?;
    let is_same = |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|one| one.ino() == metadata.ino());
    if before.iter().any(|(_, path)| is_same(path)) {
        return Ok(());
    }
    let number = before.last().map_or(0, |(number, _)| *number).saturating_add(1);
    fs::hard_link(key, directory.join(format!("{KEPT}{number}"))).map_err(failed)
}

fn numbered(directory: &Path) -> Result<Vec<(u32, PathBuf)>, StoreError> {
    let failed = |source| StoreError::KeyFile { path: directory.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let number = entry.file_name().to_str().and_then(|name| name.strip_prefix(KEPT)?.parse().ok());
        found.extend(number.map(|number: u32| (number, entry.path())));
    }
    found.sort();
    Ok(found)
}

/// Returns the names of the key files that are in a directory, without opening them.
pub(super) fn files(directory: &Path) -> Vec<&'static str> {
    [FILE, NEXT].into_iter().filter(|name| directory.join(name).exists()).collect()
}

/// Returns 32 random bytes.
pub(super) fn random() -> Result<MasterKey, StoreError> {
    let mut key = MasterKey::default();
    getrandom::fill(key.as_mut_slice()).map_err(|_| StoreError::NoRandomness)?;
    Ok(key)
}

/// Reads 64 hexadecimal digits.
pub(super) fn parse(text: &str) -> Option<MasterKey> {
    let mut bytes = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).ok()?;
    let mut key = MasterKey::default();
    let fits = bytes.len() == key.len();
    if fits {
        key.copy_from_slice(&bytes);
    }
    bytes.zeroize();
    fits.then_some(key)
}

fn write(path: &Path, key: &MasterKey) -> Result<(), StoreError> {
    let failed = |source| StoreError::KeyFile { path: path.to_owned(), source };
    let mut text = Zeroizing::new(HEXLOWER_PERMISSIVE.encode(key.as_slice()));
    text.push('\n');
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    path.parent().map_or(Ok(()), sync)
}

fn sync(directory: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::KeyFile { path: directory.to_owned(), source };
    fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)
}

fn read(path: &Path) -> Result<Option<MasterKey>, StoreError> {
    let failed = |source| StoreError::KeyFile { path: path.to_owned(), source };
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let refused =
        |reason: &str| Err(StoreError::UnsafeKey { path: path.to_owned(), reason: reason.to_owned() });
    if !metadata.is_file() || metadata.len() > 1024 {
        return refused("is no regular file, or too long for a key");
    }
    if metadata.mode() & 0o077 != 0 {
        return refused("is readable by others; chmod 600 it");
    }
    if let Some(distrust) = distrust_file(path, &metadata) {
        return refused(&distrust);
    }
    let text = match fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        // A change of keys has just put it in the place of the other one.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    parse(&text).map(Some).ok_or(StoreError::BadKey)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_first_key_is_made_once_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let key = KeySource::File.create(directory.path()).unwrap();
        assert_eq!(KeySource::File.create(directory.path()).unwrap(), key);
        assert_eq!(fs::metadata(directory.path().join(FILE)).unwrap().mode() & 0o777, 0o600);
        assert_eq!(KeySource::File.candidates(directory.path()).unwrap(), [key]);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        KeySource::File.create(directory.path()).unwrap();
        fs::set_permissions(directory.path().join(FILE), fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(KeySource::File.candidates(directory.path()), Err(StoreError::UnsafeKey { .. })));
    }

    #[test]
    fn a_key_is_64_hexadecimal_digits() {
        assert!(parse(&"aB".repeat(32)).is_some());
        for bad in ["", "ab", &"ab".repeat(31), &"ab".repeat(33), &"xy".repeat(32)] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}

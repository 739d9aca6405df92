//! The store's key: found, checked, made, changed.

use std::path::{Path, PathBuf};

use rusqlite::{OptionalExtension, Transaction, params};

use super::key::{self, KeySource, MasterKey};
use super::seal::{Binding, Sealer};
use super::{Database, Store, StoreError};

/// A sealed text in `meta` that tells the right key from a wrong one before anything is done with it.
pub(super) const CHECK: &str = "key_check";
const CHECK_BINDING: Binding<'static> = Binding { column: "meta.value", row: CHECK };
const CHECK_TEXT: &[u8] = b"sps-plugin";

/// The sealer of this process, and the check that its key opened.
pub(super) struct InUse {
    check: Vec<u8>,
    sealer: Sealer,
}

/// What came of a change of keys.
pub struct Rekeyed {
    /// How many secrets are sealed with the new key.
    pub sealed: usize,
    /// The file that the old key is kept in; `None` where the configuration names the key.
    pub old_key: Option<PathBuf>,
}

pub(super) struct Found {
    check: Vec<u8>,
    key: MasterKey,
    /// Whether it is the prepared one, which is not in force yet.
    is_next: bool,
}

impl Database {
    pub(super) fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.connection
            .query_row("SELECT value FROM meta WHERE name = ?1", params![name], |row| row.get(0))
            .optional()
            .map_err(self.failed())
    }

    fn has_meta(&self) -> bool {
        let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'meta'";
        self.connection.query_row(sql, [], |_| Ok(())).is_ok()
    }

    fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }
}

impl Store<'_> {
    /// Tells whether `[state] key` names the key, so that this program cannot change it by itself.
    ///
    /// # Errors
    /// `[state] key` refers to nothing usable.
    pub fn key_is_configured(&self) -> Result<bool, StoreError> {
        Ok(matches!(self.key()?, KeySource::Configured(_)))
    }

    fn key(&self) -> Result<&KeySource, StoreError> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let key = (self.key_source)().map_err(|error| StoreError::KeySetting(Box::new(error)))?;
        Ok(self.key.get_or_init(|| key))
    }

    /// Returns the sealer of a store that holds secrets; `None` where it holds none yet.
    ///
    /// # Errors
    /// [`StoreError::NoKey`], [`StoreError::WrongKey`]: nothing is changed by them.
    pub fn sealer(&self) -> Result<Option<&Sealer>, StoreError> {
        if let Some(in_use) = self.sealer.get() {
            return Ok(Some(&in_use.sealer));
        }
        let database = self.persistent()?;
        let found = match self.find_key(database) {
            Ok(Some(found)) if !found.is_next => found,
            Ok(None) => return Ok(None),
            // A change of keys is under way, or was cut short: the files were read while one took the other's place.
            Ok(Some(_)) | Err(StoreError::WrongKey) => {
                let _lock = database.begin()?;
                let Some(found) = self.settle_key(database)? else { return Ok(None) };
                found
            }
            Err(error) => return Err(error),
        };
        let in_use = InUse { check: found.check, sealer: Sealer::new(&found.key) };
        Ok(Some(&self.sealer.get_or_init(|| in_use).sealer))
    }

    /// Finds the key without changing anything; says too whether it is the prepared one, which is not in force yet. `None`
    /// where nothing is sealed.
    pub(super) fn look_for_key(&self, database: &Database) -> Result<Option<(Sealer, bool)>, StoreError> {
        let found = match self.find_key(database) {
            // A schema from before there was anything to seal.
            Err(StoreError::Database { .. }) if !database.has_meta() => None,
            found => found?,
        };
        Ok(found.map(|found| (Sealer::new(&found.key), found.is_next)))
    }

    /// Finds the key that the store's check opens under.
    fn find_key(&self, database: &Database) -> Result<Option<Found>, StoreError> {
        let Some(check) = database.meta(CHECK)? else { return Ok(None) };
        self.opening(check, database.directory()).map(Some)
    }

    /// Finds the key that a check opens under.
    pub(super) fn opening(&self, check: Vec<u8>, directory: &Path) -> Result<Found, StoreError> {
        let candidates = self.key()?.candidates(directory)?;
        if candidates.is_empty() {
            return Err(StoreError::NoKey);
        }
        let opens = |key: &MasterKey| Sealer::new(key).open(CHECK_BINDING, &check).is_ok();
        let (position, key) =
            candidates.into_iter().enumerate().find(|(_, key)| opens(key)).ok_or(StoreError::WrongKey)?;
        Ok(Found { check, key, is_next: position > 0 })
    }

    /// Finds the key with the database locked, and puts the prepared key file in force if the store is sealed with
    /// it. Without the lock, two changes of keys at once could each put the other's key in force.
    fn settle_key(&self, database: &Database) -> Result<Option<Found>, StoreError> {
        let found = self.find_key(database)?;
        if found.as_ref().is_some_and(|found| found.is_next) {
            KeySource::replace(database.directory())?;
        }
        Ok(found)
    }

    /// Makes sure, inside a transaction, that what this process sealed is sealed with the key that is in force.
    pub(super) fn check_key(&self) -> Result<(), StoreError> {
        let Some(in_use) = self.sealer.get() else { return Ok(()) };
        match self.persistent()?.meta(CHECK)? {
            Some(check) if check == in_use.check => Ok(()),
            Some(_) | None => Err(StoreError::KeyChanged),
        }
    }

    /// Returns the sealer, and makes the first key for a store that has none.
    ///
    /// # Errors
    /// As [`Store::sealer`]; a key that cannot be written.
    pub fn sealer_or_create(&self) -> Result<&Sealer, StoreError> {
        if let Some(sealer) = self.sealer()? {
            return Ok(sealer);
        }
        let database = self.persistent()?;
        let key = self.key()?.create(database.directory())?;
        let sealed = Sealer::new(&key).seal(CHECK_BINDING, CHECK_TEXT)?;
        database
            .connection
            .execute("INSERT OR IGNORE INTO meta VALUES (?1, ?2)", params![CHECK, sealed])
            .map_err(database.failed())?;
        // Where another process was first, its check decides.
        self.sealer()?.ok_or(StoreError::NoKey)
    }

    /// Seals everything anew with another key: a random one in the key file, or `next` where the configuration names
    /// the key. The old key file is kept beside the new one: backups from before need it.
    ///
    /// The new key file is written first and put in force last, so that a crash in between leaves a store that opens.
    ///
    /// # Errors
    /// As [`Store::sealer`]; [`StoreError::NoKey`] where the configuration names the key and `next` is `None`.
    pub fn rekey(&self, next: Option<&str>) -> Result<Rekeyed, StoreError> {
        let database = self.persistent()?;
        let transaction = database.begin()?;
        let found = self.settle_key(database)?.ok_or(StoreError::NoKey)?;
        let old = &Sealer::new(&found.key);
        let key = match (self.key()?, next) {
            (KeySource::Configured(_), Some(text)) => key::parse(text).ok_or(StoreError::BadKey)?,
            (KeySource::Configured(_), None) => return Err(StoreError::NoKey),
            (KeySource::File, Some(text)) => key::parse(text).ok_or(StoreError::BadKey)?,
            (KeySource::File, None) => key::random()?,
        };
        let new = Sealer::new(&key);
        let is_file = matches!(self.key()?, KeySource::File);
        if is_file {
            KeySource::prepare_next(database.directory(), &key)?;
        }
        let sealed = database.reseal(&transaction, old, &new)?;
        transaction.commit().map_err(database.failed())?;
        let mut old_key = None;
        if is_file {
            let _lock = database.begin()?;
            self.settle_key(database)?;
            old_key = key::kept(database.directory())?.pop().map(|(path, _)| path);
        }
        Ok(Rekeyed { sealed, old_key })
    }

    /// Finds the key of a state that is sealed with one that was in force before, and the key that is in force; `None` where
    /// none of those that were kept opens it.
    pub(super) fn kept_key(
        &self,
        check: &[u8],
        directory: &Path,
    ) -> Result<Option<(Sealer, Sealer)>, StoreError> {
        let KeySource::File = self.key()? else { return Ok(None) };
        let mut sealers = key::kept(directory)?.into_iter().map(|(_, key)| Sealer::new(&key));
        let old = sealers.find(|sealer| sealer.open(CHECK_BINDING, check).is_ok());
        let new = self.key()?.candidates(directory)?.into_iter().next().map(|key| Sealer::new(&key));
        Ok(old.zip(new))
    }
}

impl Database {
    /// Seals every secret anew; returns how many there were.
    pub(super) fn reseal(
        &self,
        transaction: &Transaction<'_>,
        old: &Sealer,
        new: &Sealer,
    ) -> Result<usize, StoreError> {
        let mut count = 0_usize;
        for mut token in self.select("", &[])? {
            let (secret, pin) = (token.secret(old)?, token.pin(old)?);
            token.seal_secret(new, &secret)?;
            token.seal_pin(new, pin.as_ref().map(|pin| pin.as_slice()))?;
            count = count.saturating_add(1).saturating_add(usize::from(pin.is_some()));
            transaction
                .prepare_cached("UPDATE tokens SET sealed_secret = ?2, sealed_pin = ?3 WHERE serial = ?1")
                .and_then(|mut update| {
                    update.execute(params![token.serial, token.sealed_secret, token.sealed_pin])
                })
                .map_err(self.failed())?;
        }
        count = count.saturating_add(self.reseal_offline_codes(transaction, old, new)?);
        count = count.saturating_add(self.reseal_credentials(transaction, old, new)?);
        let check = new.seal(CHECK_BINDING, CHECK_TEXT)?;
        transaction
            .execute("UPDATE meta SET value = ?2 WHERE name = ?1", params![CHECK, check])
            .map_err(self.failed())?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::clock::{Budget, Clock, UnixTime};
    use crate::store::{Places, Token, TokenType};

    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> UnixTime {
            UnixTime::from_secs(1_000_000_000)
        }

        fn elapsed(&self) -> Duration {
            Duration::ZERO
        }
    }

    fn store(directory: &Path) -> Store<'static> {
        let budget = Budget::new(&Noon, Duration::from_secs(60));
        Store::new(Places::at(directory), || Ok(KeySource::File), &Noon, budget)
    }

    fn sealed_token(store: &Store<'_>, serial: &str) -> Token {
        let mut token = Token::new(TokenType::Hotp, serial);
        token.seal_secret(store.sealer_or_create().unwrap(), b"s3cret").unwrap();
        token
    }

    fn secret(directory: &Path) -> Vec<u8> {
        let store = store(directory);
        let token = store.token("A").unwrap().unwrap();
        token.secret(store.sealer().unwrap().unwrap()).unwrap().to_vec()
    }

    /// A store with one token whose key was changed, but whose new key file was not put in force.
    fn cut_short() -> (tempfile::TempDir, Store<'static>) {
        let directory = tempfile::tempdir().unwrap();
        let (file, next) = (directory.path().join("master.key"), directory.path().join("master.key.new"));
        let early = store(directory.path());
        early.add_tokens([(&sealed_token(&early, "A"), &[][..])]).unwrap();
        let old = fs::read(&file).unwrap();
        assert_eq!(store(directory.path()).rekey(None).unwrap().sealed, 1);
        fs::rename(&file, &next).unwrap();
        fs::write(&file, old).unwrap();
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        (directory, early)
    }

    #[test]
    fn a_change_of_keys_that_was_cut_short_is_completed() {
        let (directory, _) = cut_short();
        assert_eq!(secret(directory.path()), b"s3cret");
        assert!(!directory.path().join("master.key.new").exists());
    }

    #[test]
    fn a_change_of_keys_does_not_lose_the_key_of_one_that_was_not_completed() {
        // This process knows the key from before the change that was cut short.
        let (directory, early) = cut_short();
        assert_eq!(early.rekey(None).unwrap().sealed, 1);
        assert_eq!(secret(directory.path()), b"s3cret");
    }

    #[test]
    fn what_was_sealed_with_the_old_key_is_not_written_after_a_change() {
        let directory = tempfile::tempdir().unwrap();
        let early = store(directory.path());
        early.add_tokens([(&sealed_token(&early, "A"), &[][..])]).unwrap();
        let late = sealed_token(&early, "B");
        store(directory.path()).rekey(None).unwrap();
        assert!(matches!(early.add_tokens([(&late, &[][..])]), Err(StoreError::KeyChanged)));
        let change = early.change_token("A", |token| {
            token.seal_secret(early.sealer()?.ok_or(StoreError::NoKey)?, b"other")
        });
        assert!(matches!(change, Err(StoreError::KeyChanged)));
        assert!(early.token("B").unwrap().is_none());
        assert_eq!(secret(directory.path()), b"s3cret");
    }
}

//! The store's key: found, checked, made, changed.

use std::path::Path;

use rusqlite::{OptionalExtension, params};

use super::key::{self, KeySource, MasterKey};
use super::seal::{Binding, Sealer};
use super::{Database, Store, StoreError};

/// A sealed text in `meta` that tells the right key from a wrong one before anything is done with it.
const CHECK: &str = "key_check";
const CHECK_BINDING: Binding<'static> = Binding { column: "meta.value", row: CHECK };
const CHECK_TEXT: &[u8] = b"sps-plugin";

impl Database {
    pub(super) fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.connection
            .query_row("SELECT value FROM meta WHERE name = ?1", params![name], |row| row.get(0))
            .optional()
            .map_err(self.failed())
    }

    fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }
}

impl Store<'_> {
    /// Returns the sealer of a store that holds secrets; `None` where it holds none yet.
    ///
    /// # Errors
    /// [`StoreError::NoKey`], [`StoreError::WrongKey`]: nothing is changed by them.
    pub fn sealer(&self) -> Result<Option<&Sealer>, StoreError> {
        if let Some(sealer) = self.sealer.get() {
            return Ok(Some(sealer));
        }
        let database = self.persistent()?;
        let Some(check) = database.meta(CHECK)? else { return Ok(None) };
        let candidates = self.key.candidates(database.directory())?;
        if candidates.is_empty() {
            return Err(StoreError::NoKey);
        }
        let opens = |key: &MasterKey| Sealer::new(key).open(CHECK_BINDING, &check).is_ok();
        let position = candidates.iter().position(opens).ok_or(StoreError::WrongKey)?;
        if position > 0 {
            // A change of keys was cut short between the commit and the renaming of the key file.
            KeySource::replace(database.directory())?;
        }
        let key = candidates.get(position).ok_or(StoreError::WrongKey)?;
        Ok(Some(self.sealer.get_or_init(|| Sealer::new(key))))
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
        let key = self.key.create(database.directory())?;
        let sealed = Sealer::new(&key).seal(CHECK_BINDING, CHECK_TEXT)?;
        database
            .connection
            .execute("INSERT OR IGNORE INTO meta VALUES (?1, ?2)", params![CHECK, sealed])
            .map_err(database.failed())?;
        // Where another process was first, its check decides.
        self.sealer()?.ok_or(StoreError::NoKey)
    }

    /// Seals everything anew with another key: a random one in the key file, or `next` where the configuration names
    /// the key. Returns how many secrets were sealed.
    ///
    /// The new key file is written first and put in force last, so that a crash in between leaves a store that opens.
    ///
    /// # Errors
    /// As [`Store::sealer`]; [`StoreError::NoKey`] where the configuration names the key and `next` is `None`.
    pub fn rekey(&self, next: Option<&str>) -> Result<usize, StoreError> {
        let old = self.sealer()?.ok_or(StoreError::NoKey)?;
        let database = self.persistent()?;
        let key = match (&self.key, next) {
            (KeySource::Configured(_), Some(text)) => key::parse(text).ok_or(StoreError::BadKey)?,
            (KeySource::Configured(_), None) => return Err(StoreError::NoKey),
            (KeySource::File, Some(text)) => key::parse(text).ok_or(StoreError::BadKey)?,
            (KeySource::File, None) => key::random()?,
        };
        let new = Sealer::new(&key);
        let is_file = matches!(self.key, KeySource::File);
        if is_file {
            KeySource::prepare_next(database.directory(), &key)?;
        }
        let transaction = database.begin()?;
        let mut count = 0_usize;
        for mut token in database.select("", &[])? {
            let (secret, pin) = (token.secret(old)?, token.pin(old)?);
            token.seal_secret(&new, &secret)?;
            token.seal_pin(&new, pin.as_ref().map(|pin| pin.as_slice()))?;
            count = count.saturating_add(1).saturating_add(usize::from(pin.is_some()));
            transaction
                .prepare_cached("UPDATE tokens SET sealed_secret = ?2, sealed_pin = ?3 WHERE serial = ?1")
                .and_then(|mut update| {
                    update.execute(params![token.serial, token.sealed_secret, token.sealed_pin])
                })
                .map_err(database.failed())?;
        }
        let check = new.seal(CHECK_BINDING, CHECK_TEXT)?;
        transaction
            .execute("UPDATE meta SET value = ?2 WHERE name = ?1", params![CHECK, check])
            .and_then(|_| transaction.commit())
            .map_err(database.failed())?;
        if is_file {
            KeySource::replace(database.directory())?;
        }
        Ok(count)
    }
}

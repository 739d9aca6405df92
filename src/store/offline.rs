//! Codes that a server gave out for use without it: one sealed list for each token of a user.

use rusqlite::{OptionalExtension, Transaction, params};
use zeroize::Zeroizing;

use super::seal::{Binding, Sealer};
use super::{Database, Store, StoreError};

const COLUMN: &str = "offline_codes.sealed";

/// Whose codes they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfflineKey {
    /// The provider's section, whose server gave them out.
    pub provider: &'static str,
    /// The user's realm; empty for the server's default.
    pub realm: String,
    /// The user.
    pub user: String,
    /// The token.
    pub serial: String,
}

impl OfflineKey {
    /// The row's name. No part of it can hold a line end, so that no two rows have one name.
    fn row(&self) -> String {
        format!("{}\n{}\n{}\n{}", self.provider, self.realm, self.user, self.serial)
    }
}

/// What is kept of one token.
pub struct OfflineCodes {
    /// Whose it is.
    pub key: OfflineKey,
    /// What the provider keeps.
    pub plain: Zeroizing<Vec<u8>>,
}

/// What becomes of a list.
pub enum OfflineChange {
    /// It stays.
    Keep,
    /// It is another one now, and the failures are forgotten.
    Replace(Zeroizing<Vec<u8>>),
    /// It stays, and a failure is counted.
    Charge,
    /// It goes.
    Forget,
}

impl Store<'_> {
    /// Returns the lists of a user, in the order of their serials. A store that was never written is not opened.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn offline_codes(
        &self,
        provider: &'static str,
        realm: &str,
        user: &str,
    ) -> Result<Vec<OfflineCodes>, StoreError> {
        if !self.has_state() {
            return Ok(Vec::new());
        }
        let database = self.persistent()?;
        let sql = "SELECT serial, sealed FROM offline_codes
                   WHERE provider = ?1 AND realm = ?2 AND user = ?3 ORDER BY serial";
        let read = || -> rusqlite::Result<Vec<(String, Vec<u8>)>> {
            let rows = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            database.connection.prepare(sql)?.query_map(params![provider, realm, user], rows)?.collect()
        };
        let found = read().map_err(database.failed())?;
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let sealer = self.sealer()?.ok_or(StoreError::NoKey)?;
        let open = |(serial, sealed): (String, Vec<u8>)| {
            let key = OfflineKey { provider, realm: realm.to_owned(), user: user.to_owned(), serial };
            let plain = sealer.open(Binding { column: COLUMN, row: &key.row() }, &sealed)?;
            Ok(OfflineCodes { key, plain })
        };
        found.into_iter().map(open).collect()
    }

    /// Lets `decide` see a list and how many failures it has, and does what it says; all in one transaction, which
    /// is durable when this returns, so that two processes cannot use one code.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing is changed.
    pub fn change_offline_codes<T>(
        &self,
        key: &OfflineKey,
        decide: impl FnOnce(Option<(&[u8], u32)>) -> (OfflineChange, T),
    ) -> Result<T, StoreError> {
        let sealer = self.sealer_or_create()?;
        let database = self.persistent()?;
        let transaction = database.begin()?;
        self.check_key()?;
        let name = key.row();
        let binding = Binding { column: COLUMN, row: &name };
        let row = params![key.provider, key.realm, key.user, key.serial];
        let found: Option<(Vec<u8>, u32)> = transaction
            .query_row(
                "SELECT sealed, failures FROM offline_codes
                 WHERE provider = ?1 AND realm = ?2 AND user = ?3 AND serial = ?4",
                row,
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
            .map_err(database.failed())?;
        let plain = found.as_ref().map(|(sealed, _)| sealer.open(binding, sealed)).transpose()?;
        let (change, result) = decide(
            plain.as_ref().zip(found.as_ref()).map(|(plain, (_, failures))| (plain.as_slice(), *failures)),
        );
        let done = match change {
            OfflineChange::Keep => Ok(0),
            OfflineChange::Replace(plain) => transaction.execute(
                "INSERT OR REPLACE INTO offline_codes VALUES (?1, ?2, ?3, ?4, 0, ?5)",
                params![key.provider, key.realm, key.user, key.serial, sealer.seal(binding, &plain)?],
            ),
            OfflineChange::Charge => transaction.execute(
                "UPDATE offline_codes SET failures = failures + 1
                 WHERE provider = ?1 AND realm = ?2 AND user = ?3 AND serial = ?4",
                row,
            ),
            OfflineChange::Forget => transaction.execute(
                "DELETE FROM offline_codes
                 WHERE provider = ?1 AND realm = ?2 AND user = ?3 AND serial = ?4",
                row,
            ),
        };
        done.and_then(|_| transaction.commit()).map_err(database.failed())?;
        Ok(result)
    }
}

impl Database {
    /// Seals every list anew, as part of a change of keys; returns how many there are.
    pub(super) fn reseal_offline_codes(
        &self,
        transaction: &Transaction<'_>,
        old: &Sealer,
        new: &Sealer,
    ) -> Result<usize, StoreError> {
        let read = || -> rusqlite::Result<Vec<(String, Vec<u8>)>> {
            // As in OfflineKey::row.
            let sql = "SELECT provider || char(10) || realm || char(10) || user || char(10) || serial, sealed
                       FROM offline_codes";
            let rows = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            transaction.prepare(sql)?.query_map([], rows)?.collect()
        };
        let mut count = 0_usize;
        for (row, sealed) in read().map_err(self.failed())? {
            let binding = Binding { column: COLUMN, row: &row };
            let sealed = new.seal(binding, &old.open(binding, &sealed)?)?;
            let sql = "UPDATE offline_codes SET sealed = ?2
                       WHERE provider || char(10) || realm || char(10) || user || char(10) || serial = ?1";
            transaction.execute(sql, params![row, sealed]).map_err(self.failed())?;
            count = count.saturating_add(1);
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{Budget, Clock, UnixTime};
    use crate::store::{KeySource, Places};

    struct Fixed;

    impl Clock for Fixed {
        fn now(&self) -> UnixTime {
            UnixTime::from_secs(1_000_000_000)
        }

        fn elapsed(&self) -> Duration {
            Duration::ZERO
        }
    }

    fn store(directory: &tempfile::TempDir) -> Store<'static> {
        let budget = Budget::new(&Fixed, Duration::from_secs(60));
        Store::new(Places::at(directory.path()), || Ok(KeySource::File), &Fixed, budget)
    }

    fn key(user: &str) -> OfflineKey {
        OfflineKey {
            provider: "edumfa",
            realm: "realm1".to_owned(),
            user: user.to_owned(),
            serial: "HOTP0001".to_owned(),
        }
    }

    fn put(store: &Store<'_>, user: &str, text: &[u8]) {
        let change = OfflineChange::Replace(Zeroizing::new(text.to_vec()));
        store.change_offline_codes(&key(user), |_| (change, ())).unwrap();
    }

    fn texts(store: &Store<'_>, user: &str) -> Vec<Vec<u8>> {
        let found = store.offline_codes("edumfa", "realm1", user).unwrap();
        found.into_iter().map(|found| found.plain.to_vec()).collect()
    }

    #[test]
    fn a_store_that_was_never_written_is_not_made_by_looking() {
        let directory = tempfile::tempdir().unwrap();
        assert!(texts(&store(&directory), "alice").is_empty());
        assert!(std::fs::read_dir(directory.path()).unwrap().next().is_none());
    }

    #[test]
    fn codes_are_found_for_their_user_only() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(&directory);
        put(&store, "alice", b"one");
        put(&store, "alice", b"two");
        assert_eq!(texts(&store, "alice"), [b"two"]);
        assert!(texts(&store, "bob").is_empty());
        assert!(store.offline_codes("privacyidea", "realm1", "alice").unwrap().is_empty());
        assert!(store.offline_codes("edumfa", "", "alice").unwrap().is_empty());
    }

    #[test]
    fn codes_that_were_moved_to_another_user_do_not_open() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(&directory);
        put(&store, "alice", b"one");
        let database = store.persistent().unwrap();
        database.connection.execute("UPDATE offline_codes SET user = 'mallory'", []).unwrap();
        let found = store.offline_codes("edumfa", "realm1", "mallory");
        assert!(matches!(found, Err(StoreError::Sealed { .. })));
    }

    #[test]
    fn failures_are_counted_until_there_is_another_list() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(&directory);
        put(&store, "alice", b"one");
        let failures = || {
            let see = |found: Option<(&[u8], u32)>| (OfflineChange::Keep, found.unwrap().1);
            store.change_offline_codes(&key("alice"), see).unwrap()
        };
        for expected in 0..3 {
            assert_eq!(failures(), expected);
            store.change_offline_codes(&key("alice"), |_| (OfflineChange::Charge, ())).unwrap();
        }
        put(&store, "alice", b"two");
        assert_eq!(failures(), 0);
        store.change_offline_codes(&key("alice"), |_| (OfflineChange::Forget, ())).unwrap();
        assert!(texts(&store, "alice").is_empty());
    }

    #[test]
    fn codes_open_under_the_new_key_after_a_change_of_keys() {
        let directory = tempfile::tempdir().unwrap();
        let before = store(&directory);
        put(&before, "alice", b"one");
        put(&before, "bob", b"two");
        assert_eq!(before.rekey(None).unwrap().sealed, 2);
        drop(before);
        assert_eq!(texts(&store(&directory), "alice"), [b"one"]);
        assert_eq!(texts(&store(&directory), "bob"), [b"two"]);
    }
}

//! Credentials for targets, as they are kept: one sealed row an entry, found by a keyed name.
//!
//! Neither account nor asset stands in the database in plain text: an entry's row is named by HMACs of them, so that
//! one look at an index finds it among any number, and a stolen database without the key does not tell which
//! accounts there are. Patterns have names that begin with [`PATTERN`]; those of one account stand side by side.

use rusqlite::{OptionalExtension, Transaction, params};
use zeroize::Zeroizing;

use super::seal::{Binding, Sealer};
use super::{Database, Store, StoreError};

const COLUMN: &str = "credentials.sealed";
/// What the name of a pattern begins with, and the character behind it.
const PATTERN: char = '*';
const BEHIND_PATTERN: &str = "+";

/// What an entry is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CredentialName {
    /// The name of the store for `$`; empty for targets.
    pub store: String,
    /// The account, with its case.
    pub account: String,
    /// The asset or pattern, as assets are compared.
    pub asset: String,
    /// Whether it is a pattern.
    pub is_pattern: bool,
}

impl CredentialName {
    fn id(&self, sealer: &Sealer) -> EntryId {
        let (store, account) = (self.store.as_bytes(), self.account.as_bytes());
        let kind: &[u8] = if self.is_pattern { b"credential pattern" } else { b"credential" };
        let asset = sealer.name(&[kind, store, account, self.asset.as_bytes()]);
        EntryId {
            owner: owner(sealer, &self.store, &self.account),
            entry: if self.is_pattern { format!("{PATTERN}{asset}") } else { asset },
        }
    }
}

fn owner(sealer: &Sealer, store: &str, account: &str) -> String {
    sealer.name(&[b"credential owner", store.as_bytes(), account.as_bytes()])
}

/// Names a row. It holds until the key is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryId {
    pub(super) owner: String,
    pub(super) entry: String,
}

impl EntryId {
    fn row(&self) -> String {
        format!("{}/{}", self.owner, self.entry)
    }
}

/// An entry, opened.
pub struct Kept {
    /// Its row.
    pub id: EntryId,
    /// What it is for.
    pub name: CredentialName,
    /// What it holds; the store does not look into it.
    pub plain: Zeroizing<Vec<u8>>,
}

/// What becomes of an entry.
pub enum CredentialChange {
    /// It stays.
    Keep,
    /// It holds this now.
    Put(Zeroizing<Vec<u8>>),
    /// It goes.
    Delete,
}

impl Kept {
    fn open(sealer: &Sealer, id: EntryId, sealed: &[u8]) -> Result<Self, StoreError> {
        let row = id.row();
        let bytes = sealer.open(Binding { column: COLUMN, row: &row }, sealed)?;
        let unknown = || StoreError::Unknown { column: COLUMN, row: row.clone() };
        let (name, plain) = unframed(&bytes).ok_or_else(unknown)?;
        Ok(Self { id, name, plain })
    }
}

/// Puts what an entry is for in front of what it holds, so that a change of keys can name it anew: a flag, and each
/// text behind its length.
fn framed(name: &CredentialName, plain: &[u8]) -> Zeroizing<Vec<u8>> {
    let texts = [&name.store, &name.account, &name.asset];
    let length = texts.iter().fold(plain.len(), |sum, text| sum.saturating_add(text.len()));
    let mut bytes = Zeroizing::new(Vec::with_capacity(length.saturating_add(16)));
    bytes.push(u8::from(name.is_pattern));
    for text in texts {
        bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes.extend_from_slice(plain);
    bytes
}

fn unframed(bytes: &[u8]) -> Option<(CredentialName, Zeroizing<Vec<u8>>)> {
    let (flag, mut rest) = bytes.split_first()?;
    let mut text = || {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let (text, behind) = behind.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        rest = behind;
        String::from_utf8(text.to_vec()).ok()
    };
    let name = CredentialName { store: text()?, account: text()?, asset: text()?, is_pattern: *flag != 0 };
    Some((name, Zeroizing::new(rest.to_vec())))
}

impl Store<'_> {
    /// Returns the entry of exactly this name. A store that was never written is not opened.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn credential(&self, name: &CredentialName) -> Result<Option<Kept>, StoreError> {
        let Some(sealer) = self.credential_sealer()? else { return Ok(None) };
        let id = name.id(sealer);
        let found = self.persistent()?.sealed_credential(&id)?;
        found.map(|sealed| Kept::open(sealer, id, &sealed)).transpose()
    }

    /// Returns the entries of an account whose assets are patterns; no others are looked at.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn credential_patterns(&self, store: &str, account: &str) -> Result<Vec<Kept>, StoreError> {
        let Some(sealer) = self.credential_sealer()? else { return Ok(Vec::new()) };
        let owner = owner(sealer, store, account);
        let database = self.persistent()?;
        let sql = "SELECT asset, sealed FROM credentials WHERE owner = ?1 AND asset >= ?2 AND asset < ?3";
        let read = || -> rusqlite::Result<Vec<(String, Vec<u8>)>> {
            let rows = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            let values = params![owner, PATTERN.to_string(), BEHIND_PATTERN];
            database.connection.prepare(sql)?.query_map(values, rows)?.collect()
        };
        let open = |(entry, sealed): (String, Vec<u8>)| {
            Kept::open(sealer, EntryId { owner: owner.clone(), entry }, &sealed)
        };
        read().map_err(database.failed())?.into_iter().map(open).collect()
    }

    /// Shows every entry, in no order; receipts are none.
    ///
    /// # Errors
    /// [`StoreError`]; what `visit` returns.
    pub fn each_credential<E: From<StoreError>>(
        &self,
        mut visit: impl FnMut(Kept) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(sealer) = self.credential_sealer()? else { return Ok(()) };
        self.persistent()?.each_sealed(sealer, |kept| {
            let kept = kept?;
            if kept.name.store == super::receipts::STORE { Ok(()) } else { visit(kept) }
        })
    }

    /// Lets `decide` see an entry and does what it says, all in one transaction, which is durable when this returns.
    ///
    /// # Errors
    /// [`StoreError`], and what `decide` returns; then nothing is changed.
    pub fn change_credential<T, E: From<StoreError>>(
        &self,
        name: &CredentialName,
        decide: impl FnOnce(Option<&[u8]>) -> Result<(CredentialChange, T), E>,
    ) -> Result<T, E> {
        let sealer = self.sealer_or_create()?;
        let database = self.persistent()?;
        let transaction = database.begin()?;
        self.check_key()?;
        let id = name.id(sealer);
        let found = database.sealed_credential(&id)?;
        let kept = found.map(|sealed| Kept::open(sealer, id.clone(), &sealed)).transpose()?;
        let (change, result) = decide(kept.as_ref().map(|kept| kept.plain.as_slice()))?;
        let done = match change {
            CredentialChange::Keep => Ok(()),
            CredentialChange::Put(plain) => put(&transaction, &id, &seal(sealer, &id, name, &plain)?),
            CredentialChange::Delete => delete(&transaction, &id),
        };
        done.and_then(|()| transaction.commit()).map_err(database.failed())?;
        Ok(result)
    }

    /// Adds entries, all of them or none.
    ///
    /// # Errors
    /// [`StoreError::CredentialExists`] where there is one already and `replace` does not say otherwise.
    pub fn add_credentials(
        &self,
        entries: impl IntoIterator<Item = (CredentialName, Zeroizing<Vec<u8>>)>,
        replace: bool,
    ) -> Result<usize, StoreError> {
        let sealer = self.sealer_or_create()?;
        let database = self.persistent()?;
        let transaction = database.begin()?;
        self.check_key()?;
        let mut count = 0_usize;
        for (name, plain) in entries {
            let id = name.id(sealer);
            if !replace && database.sealed_credential(&id)?.is_some() {
                return Err(StoreError::CredentialExists { account: name.account, asset: name.asset });
            }
            put(&transaction, &id, &seal(sealer, &id, &name, &plain)?).map_err(database.failed())?;
            count = count.saturating_add(1);
        }
        transaction.commit().map_err(database.failed())?;
        Ok(count)
    }

    fn credential_sealer(&self) -> Result<Option<&Sealer>, StoreError> {
        if self.has_state() { self.sealer() } else { Ok(None) }
    }
}

fn seal(sealer: &Sealer, id: &EntryId, name: &CredentialName, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
    sealer.seal(Binding { column: COLUMN, row: &id.row() }, &framed(name, plain))
}

fn put(transaction: &Transaction<'_>, id: &EntryId, sealed: &[u8]) -> rusqlite::Result<()> {
    let sql = "INSERT INTO credentials VALUES (?1, ?2, ?3)
               ON CONFLICT (owner, asset) DO UPDATE SET sealed = ?3";
    transaction.prepare_cached(sql)?.execute(params![id.owner, id.entry, sealed]).map(drop)
}

fn delete(transaction: &Transaction<'_>, id: &EntryId) -> rusqlite::Result<()> {
    let row = params![id.owner, id.entry];
    transaction.execute("DELETE FROM leases WHERE owner = ?1 AND entry = ?2", row)?;
    transaction.execute("DELETE FROM credentials WHERE owner = ?1 AND asset = ?2", row).map(drop)
}

impl Database {
    /// Shows every row, opened or why it does not open, in no order.
    pub(super) fn each_sealed<E: From<StoreError>>(
        &self,
        sealer: &Sealer,
        mut visit: impl FnMut(Result<Kept, StoreError>) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = self.failed();
        let sql = "SELECT owner, asset, sealed FROM credentials";
        let mut statement = self.connection.prepare(sql).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let read = || -> rusqlite::Result<(EntryId, Vec<u8>)> {
                Ok((EntryId { owner: row.get(0)?, entry: row.get(1)? }, row.get(2)?))
            };
            let (id, sealed) = read().map_err(failed)?;
            visit(Kept::open(sealer, id, &sealed))?;
        }
        Ok(())
    }

    fn sealed_credential(&self, id: &EntryId) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT sealed FROM credentials WHERE owner = ?1 AND asset = ?2";
        let find = || -> rusqlite::Result<Option<Vec<u8>>> {
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.query_row(params![id.owner, id.entry], |row| row.get(0)).optional()
        };
        find().map_err(self.failed())
    }

    /// Seals and names every entry anew, as part of a change of keys; the leases go along. Returns how many entries
    /// there are.
    pub(super) fn reseal_credentials(
        &self,
        transaction: &Transaction<'_>,
        old: &Sealer,
        new: &Sealer,
    ) -> Result<usize, StoreError> {
        let failed = self.failed();
        let ids = || -> rusqlite::Result<Vec<(i64, EntryId)>> {
            let mut statement = transaction.prepare("SELECT rowid, owner, asset FROM credentials")?;
            let id = |row: &rusqlite::Row<'_>| {
                Ok((row.get(0)?, EntryId { owner: row.get(1)?, entry: row.get(2)? }))
            };
            statement.query_map([], id)?.collect()
        };
        let ids = ids().map_err(failed)?;
        for (rowid, id) in &ids {
            let find = "SELECT sealed FROM credentials WHERE rowid = ?1";
            let sealed: Vec<u8> = transaction
                .prepare_cached(find)
                .and_then(|mut find| find.query_row([rowid], |row| row.get(0)))
                .map_err(failed)?;
            let Kept { name, plain, .. } = Kept::open(old, id.clone(), &sealed)?;
            let renamed = name.id(new);
            let sealed = seal(new, &renamed, &name, &plain)?;
            let update = || -> rusqlite::Result<usize> {
                let sql = "UPDATE credentials SET owner = ?2, asset = ?3, sealed = ?4 WHERE rowid = ?1";
                let values = params![rowid, renamed.owner, renamed.entry, sealed];
                transaction.prepare_cached(sql)?.execute(values)?;
                let sql = "UPDATE leases SET owner = ?3, entry = ?4 WHERE owner = ?1 AND entry = ?2";
                let values = params![id.owner, id.entry, renamed.owner, renamed.entry];
                transaction.prepare_cached(sql)?.execute(values)
            };
            update().map_err(failed)?;
        }
        Ok(ids.len())
    }
}

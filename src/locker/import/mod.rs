//! Entries from files: CSV with a header, and what KeePass and KeePassXC export. A file is read to its end, and every entry
//! that cannot be imported is told.

mod csv;
mod keepass;
mod kinds;

use std::collections::HashMap;

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::totp::{Totp, TotpError};
use super::{Checkout, Entry, PlaceError};
use crate::clock::UnixTime;
use crate::intake::records::RecordError;
use crate::intake::text::{TextError, decode};
use crate::private_key::{KeyError, PrivateKey};
use crate::store::{CredentialName, Store, StoreError};

/// The longest file, in bytes.
pub const MAX_FILE: u64 = 256 * 1024 * 1024;
/// How many entries one file may have.
pub const MAX_ENTRIES: usize = 1_000_000;
/// The longest password, in bytes.
pub const MAX_PASSWORD: usize = 64 * 1024;

/// Says why a file cannot be imported. Holds no secret of it.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Longer than [`MAX_FILE`].
    #[error("the file is longer than 256 MiB")]
    TooLong,
    /// Bytes that are not text, or a file of another kind.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A file of another kind, and what to do with it.
    #[error("{0}")]
    Foreign(&'static str),
    /// The first line of CSV.
    #[error("the first line has to name the columns: {0}")]
    Header(String),
    /// XML that is none, or not what KeePass writes.
    #[error("line {line}: {fault}")]
    Xml {
        /// From 1.
        line: u64,
        /// What is wrong.
        fault: &'static str,
    },
    /// More than [`MAX_ENTRIES`].
    #[error("the file has more than 1000000 entries")]
    TooMany,
    /// Nothing in it.
    #[error("there is no entry in the file")]
    Nothing,
}

/// Says what is wrong with one entry.
#[derive(Debug, thiserror::Error)]
pub enum EntryFault {
    /// Its account or asset.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// Its private key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Its TOTP secret.
    #[error(transparent)]
    Totp(#[from] TotpError),
    /// A value that is none of the known words.
    #[error("checkout has to be shared or exclusive")]
    Checkout,
    /// A password that is too long.
    #[error("a password has at most 64 KiB")]
    TooLong,
    /// Nothing to hand out.
    #[error("it has no password, key or TOTP secret")]
    Empty,
    /// Another entry of the file is for the same account and asset.
    #[error("account {account} on asset {asset} is also in {other}")]
    Twice {
        /// The account.
        account: String,
        /// The asset.
        asset: String,
        /// Where the other is.
        other: String,
    },
    /// The store has an entry for the same account and asset.
    #[error("an entry for account {account} on asset {asset} already exists; --replace overwrites it")]
    Exists {
        /// The account.
        account: String,
        /// The asset.
        asset: String,
    },
    /// A password of several lines, as a quote at the wrong place makes it.
    #[error("the password contains a line end, which only PEM may")]
    LineEnd,
    /// A line with more or fewer fields than the first.
    #[error("there are {found} fields, but the first line names {expected}")]
    Fields {
        /// How many there are.
        found: usize,
        /// How many there have to be.
        expected: usize,
    },
    /// A line that RFC 4180 forbids.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values with a header.
    Csv,
    /// The XML that KeePass 2 and KeePassXC export.
    KeePass,
}

impl Format {
    /// The words for both.
    pub const WORDS: [&str; 2] = ["csv", "keepass"];

    /// Reads such a word.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "csv" => Some(Self::Csv),
            "keepass" => Some(Self::KeePass),
            _ => None,
        }
    }

    fn guess(text: &str) -> Self {
        if text.trim_start().starts_with('<') { Self::KeePass } else { Self::Csv }
    }
}

/// How to treat expired KeePass entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    /// They are left out.
    Skip,
    /// They are imported like others.
    Take,
}

impl Expired {
    /// The words for both.
    pub const WORDS: [&str; 2] = ["skip", "take"];

    /// Reads such a word.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "skip" => Some(Self::Skip),
            "take" => Some(Self::Take),
            _ => None,
        }
    }
}

/// How to treat an entry that already exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It is refused.
    Refuse,
    /// It is left out, and the store keeps its own.
    Skip,
    /// It takes the place of the one in the store.
    Replace,
}

/// What entries get that do not say otherwise.
pub struct Defaults<'a> {
    /// The store.
    pub store: &'a str,
    /// How many sessions may hold one.
    pub checkout: Checkout,
    /// Whether expired entries are imported.
    pub expired: Expired,
    /// By which they are expired.
    pub now: UnixTime,
}

/// An entry that cannot be imported.
pub struct Refused {
    /// The line, and the title where it has one.
    pub place: String,
    /// Why.
    pub reason: EntryFault,
    order: usize,
}

struct Row {
    order: usize,
    place: String,
    name: CredentialName,
    entry: Entry,
}

/// What a file has: entries that can be imported, and those that cannot.
#[derive(Default)]
pub struct Batch {
    rows: Vec<Row>,
    refused: Vec<Refused>,
    /// Valid entries that were left out, and why.
    pub notes: Vec<String>,
}

/// The texts of one entry.
#[derive(Default)]
struct Raw<'t> {
    store: Option<&'t str>,
    account: &'t str,
    asset: &'t str,
    password: Option<&'t str>,
    private_keys: Vec<&'t str>,
    passphrase: Option<&'t str>,
    totp: Option<Totp>,
    checkout: Option<&'t str>,
    launch_information: Option<&'t str>,
    host_app: Option<&'t str>,
    description: &'t str,
}

impl Batch {
    /// Reads a file; without a format, guesses it from the beginning.
    ///
    /// # Errors
    /// [`ImportError`]. Entries that cannot be imported are in [`Batch::refused`].
    pub fn read(bytes: &[u8], format: Option<Format>, defaults: &Defaults<'_>) -> Result<Self, ImportError> {
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE {
            return Err(ImportError::TooLong);
        }
        let text = Zeroizing::new(decode(bytes, &kinds::FOREIGN)?.into_owned());
        let mut batch = Self::default();
        match format.unwrap_or_else(|| Format::guess(&text)) {
            Format::Csv => csv::read(&text, defaults, &mut batch)?,
            Format::KeePass => keepass::read(&text, defaults, &mut batch)?,
        }
        batch.refuse_twins();
        let has_nothing = batch.rows.is_empty() && batch.refused.is_empty() && batch.notes.is_empty();
        if has_nothing { Err(ImportError::Nothing) } else { Ok(batch) }
    }

    /// Returns what was read.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (&CredentialName, &Entry)> {
        self.rows.iter().map(|row| (&row.name, &row.entry))
    }

    /// Returns the entries that cannot be imported.
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    /// Tells whether a line of CSV is damaged by its quotes, so that the lines around it may mean something else.
    pub fn is_damaged(&self) -> bool {
        self.refused.iter().any(|refused| matches!(refused.reason, EntryFault::Record(_)))
    }

    /// Looks which entries the store has already, and does with them what `known` says. Returns how many were left out, and
    /// how many will be replaced.
    ///
    /// # Errors
    /// [`ImportError::Store`].
    pub fn compare(&mut self, store: &Store<'_>, known: Known) -> Result<(usize, usize), ImportError> {
        let (mut skipped, mut replaced) = (0_usize, 0_usize);
        let mut rows = Vec::with_capacity(self.rows.len());
        for row in std::mem::take(&mut self.rows) {
            match (store.credential(&row.name)?.is_some(), known) {
                (true, Known::Refuse) => {
                    let CredentialName { account, asset, .. } = row.name;
                    let reason = EntryFault::Exists { account, asset };
                    self.refused.push(Refused { place: row.place, reason, order: row.order });
                }
                (true, Known::Skip) => skipped = skipped.saturating_add(1),
                (true, Known::Replace) => {
                    replaced = replaced.saturating_add(1);
                    rows.push(row);
                }
                (false, _) => rows.push(row),
            }
        }
        self.rows = rows;
        self.refused.sort_by_key(|refused| refused.order);
        Ok((skipped, replaced))
    }

    /// Puts all that can be imported into the store, or nothing; returns how many entries there were.
    ///
    /// # Errors
    /// [`ImportError::Store`]; where an entry is there already, unless `replace`.
    pub fn store(self, store: &Store<'_>, replace: bool) -> Result<usize, ImportError> {
        let entries = self.rows.into_iter().map(|row| (row.name, row.entry.to_bytes()));
        Ok(store.add_credentials(entries, replace)?)
    }

    fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Adds an entry, or the reason why it cannot be imported.
    fn add(
        &mut self,
        place: String,
        read: Result<(CredentialName, Entry), EntryFault>,
    ) -> Result<(), ImportError> {
        let order = self.rows.len().saturating_add(self.refused.len());
        if order >= MAX_ENTRIES {
            return Err(ImportError::TooMany);
        }
        match read {
            Ok((name, entry)) => self.rows.push(Row { order, place, name, entry }),
            Err(reason) => self.refused.push(Refused { place, reason, order }),
        }
        Ok(())
    }

    /// Refuses all entries for one account and asset where there are several: which one is right is not known here.
    fn refuse_twins(&mut self) {
        let mut places: HashMap<CredentialName, (String, Option<String>)> = HashMap::new();
        for row in &self.rows {
            match places.get_mut(&row.name) {
                Some((_, second)) => drop(second.get_or_insert_with(|| row.place.clone())),
                None => drop(places.insert(row.name.clone(), (row.place.clone(), None))),
            }
        }
        let mut rows = Vec::with_capacity(self.rows.len());
        for row in std::mem::take(&mut self.rows) {
            let Some((first, Some(second))) = places.get(&row.name) else {
                rows.push(row);
                continue;
            };
            let other = if row.place == *first { second } else { first }.clone();
            let CredentialName { account, asset, .. } = row.name;
            let reason = EntryFault::Twice { account, asset, other };
            self.refused.push(Refused { place: row.place, reason, order: row.order });
        }
        self.rows = rows;
        self.refused.sort_by_key(|refused| refused.order);
    }
}

/// Tells whether a text is exactly one PEM block. A longer text may contain the following lines of the file.
fn is_pem(text: &str) -> bool {
    let text = text.trim_end();
    let last = text.lines().next_back().unwrap_or_default();
    text.starts_with("-----BEGIN ") && last.starts_with("-----END ") && last.ends_with("-----")
}

impl Raw<'_> {
    fn entry(self, defaults: &Defaults<'_>) -> Result<(CredentialName, Entry), EntryFault> {
        let name = super::new_place(self.store.unwrap_or(defaults.store), self.account, self.asset)?;
        let mut entry = Entry {
            description: self.description.to_owned(),
            checkout: match self.checkout {
                None => defaults.checkout,
                Some(word) => Checkout::from_word(&word.to_ascii_lowercase()).ok_or(EntryFault::Checkout)?,
            },
            totp: self.totp,
            ..Entry::default()
        };
        if let Some(password) = self.password {
            if password.len() > MAX_PASSWORD {
                return Err(EntryFault::TooLong);
            }
            if password.contains(['\n', '\r']) && !is_pem(password) {
                return Err(EntryFault::LineEnd);
            }
            entry.passwords.push(SecretString::from(password));
        }
        for text in self.private_keys {
            entry.private_keys.push(PrivateKey::read(text, self.passphrase)?);
        }
        entry.launch.information = self.launch_information.map(str::to_owned);
        entry.launch.host_app = self.host_app.map(str::to_owned);
        if entry.is_empty() { Err(EntryFault::Empty) } else { Ok((name, entry)) }
    }
}

#[cfg(test)]
mod tests;

//! Entries from files: CSV with a header, and KeePass's XML. A file comes in whole or not at all.

mod csv;
mod keepass;

use std::collections::BTreeSet;

use secrecy::SecretString;

use super::totp::{Totp, TotpError};
use super::{Checkout, Entry, PlaceError};
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
    /// Other bytes than text.
    #[error("the file is not UTF-8")]
    NotUtf8,
    /// The first line of CSV.
    #[error("the first line has to name the columns: {0}")]
    Header(String),
    /// XML that is none, or not what KeePass writes.
    #[error("line {line}: {fault}")]
    Xml {
        /// From 1.
        line: usize,
        /// What is wrong.
        fault: &'static str,
    },
    /// One entry.
    #[error("{place}")]
    Entry {
        /// The line, or the title.
        place: String,
        /// What is wrong with it.
        source: EntryFault,
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
    #[error("there is neither a password nor a key nor a TOTP secret")]
    Empty,
    /// It stands there twice.
    #[error("the account {account} on the asset {asset} stands in the file twice")]
    Twice {
        /// The account.
        account: String,
        /// The asset.
        asset: String,
    },
    /// A line with more or fewer fields than the first, or one that is no CSV.
    #[error("the line has other fields than the first one names")]
    Fields,
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

/// What entries get that do not say otherwise.
pub struct Defaults<'a> {
    /// The store.
    pub store: &'a str,
    /// How many sessions may hold one.
    pub checkout: Checkout,
}

/// What a file holds.
#[derive(Default)]
pub struct Batch {
    entries: Vec<(CredentialName, Entry)>,
    known: BTreeSet<(String, String, String)>,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

/// The texts of one entry.
#[derive(Default)]
struct Raw<'t> {
    store: Option<&'t str>,
    account: &'t str,
    asset: &'t str,
    password: Option<&'t str>,
    private_key: Option<&'t str>,
    passphrase: Option<&'t str>,
    totp: Option<&'t str>,
    checkout: Option<&'t str>,
    launch_information: Option<&'t str>,
    host_app: Option<&'t str>,
    description: &'t str,
}

impl Batch {
    /// Reads a file; without a format, guesses it from the beginning.
    ///
    /// # Errors
    /// [`ImportError`].
    pub fn read(bytes: &[u8], format: Option<Format>, defaults: &Defaults<'_>) -> Result<Self, ImportError> {
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE {
            return Err(ImportError::TooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| ImportError::NotUtf8)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut batch = Self::default();
        match format.unwrap_or_else(|| Format::guess(text)) {
            Format::Csv => csv::read(text, defaults, &mut batch)?,
            Format::KeePass => keepass::read(text, defaults, &mut batch)?,
        }
        if batch.entries.is_empty() { Err(ImportError::Nothing) } else { Ok(batch) }
    }

    /// Returns what was read.
    pub fn entries(&self) -> &[(CredentialName, Entry)] {
        &self.entries
    }

    /// Puts all of it into the store, or nothing; returns how many entries there were.
    ///
    /// # Errors
    /// [`ImportError::Store`]; where an entry is there already, unless `replace`.
    pub fn store(self, store: &Store<'_>, replace: bool) -> Result<usize, ImportError> {
        let entries = self.entries.into_iter().map(|(name, entry)| (name, entry.to_bytes()));
        Ok(store.add_credentials(entries, replace)?)
    }

    fn add(
        &mut self,
        place: impl FnOnce() -> String,
        raw: &Raw<'_>,
        defaults: &Defaults<'_>,
    ) -> Result<(), ImportError> {
        if self.entries.len() >= MAX_ENTRIES {
            return Err(ImportError::TooMany);
        }
        let entry = raw.entry(defaults).and_then(|(name, entry)| {
            let key = (name.store.clone(), name.account.clone(), name.asset.clone());
            if self.known.insert(key) {
                Ok((name, entry))
            } else {
                Err(EntryFault::Twice { account: name.account, asset: name.asset })
            }
        });
        let entry = entry.map_err(|source| ImportError::Entry { place: place(), source })?;
        self.entries.push(entry);
        Ok(())
    }
}

impl Raw<'_> {
    fn entry(&self, defaults: &Defaults<'_>) -> Result<(CredentialName, Entry), EntryFault> {
        let name = super::place(self.store.unwrap_or(defaults.store), self.account, self.asset)?;
        let mut entry = Entry {
            description: self.description.to_owned(),
            checkout: match self.checkout {
                None => defaults.checkout,
                Some(word) => Checkout::from_word(&word.to_ascii_lowercase()).ok_or(EntryFault::Checkout)?,
            },
            ..Entry::default()
        };
        if let Some(password) = self.password {
            if password.len() > MAX_PASSWORD {
                return Err(EntryFault::TooLong);
            }
            entry.passwords.push(SecretString::from(password));
        }
        if let Some(text) = self.private_key {
            entry.private_keys.push(PrivateKey::read(text, self.passphrase)?);
        }
        entry.totp = self.totp.map(Totp::read).transpose()?;
        entry.launch.information = self.launch_information.map(str::to_owned);
        entry.launch.host_app = self.host_app.map(str::to_owned);
        if entry.is_empty() { Err(EntryFault::Empty) } else { Ok((name, entry)) }
    }
}

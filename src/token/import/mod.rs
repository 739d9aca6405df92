//! Tokens from files: PSKC (RFC 6030), CSV, otpauth URIs, and what `token export` wrote. All of a file or nothing.

pub mod columns;
pub mod csv;
mod entry;
pub mod json;
pub mod otpauth;
mod protection;
pub mod pskc;
mod xml;

use std::collections::HashSet;

use zeroize::Zeroizing;

pub use self::entry::{EntryError, base32, hex};
use super::enroll::{Draft, EnrollError};
use super::{Owner, chain, known, naming};
use crate::logging::Short;
use crate::store::{Store, StoreError, Token};

/// The longest file, in bytes.
pub const MAX_FILE: u64 = 64 * 1024 * 1024;
/// How many tokens a file may hold.
pub const MAX_TOKENS: usize = 1_000_000;

/// Says why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// One entry cannot be a token.
    #[error("{place}")]
    Entry {
        /// Which line or key.
        place: String,
        /// What is wrong with it.
        source: EntryError,
    },
    /// Over [`MAX_FILE`].
    #[error("the file is longer than 64 MiB")]
    TooLong,
    /// Over [`MAX_TOKENS`].
    #[error("the file holds more than {MAX_TOKENS} tokens")]
    TooMany,
    /// Bytes that are no text.
    #[error("the file is not UTF-8")]
    NotUtf8,
    /// Nothing to import.
    #[error("the file holds no token")]
    Empty,
    /// A CSV file that does not begin with the names of its columns.
    #[error("the first line has to name the columns; {0}")]
    Header(String),
    /// Broken XML, or more of it than a token file can mean.
    #[error("line {line}: {fault}")]
    Xml {
        /// Where reading stopped.
        line: usize,
        /// What is there.
        fault: &'static str,
    },
    /// Something of the whole PSKC file.
    #[error(transparent)]
    Pskc(#[from] pskc::PskcError),
    /// A token among those of the file cannot stand beside the others.
    #[error(transparent)]
    Together(EnrollError),
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// XML as RFC 6030 has it.
    Pskc,
    /// Columns that the first line names.
    Csv,
    /// One key URI a line.
    Otpauth,
    /// One JSON object a line, as `token export` writes them.
    Json,
}

impl Format {
    /// The words for all of them.
    pub const WORDS: [&str; 4] = ["pskc", "csv", "otpauth", "json"];

    /// Reads such a word.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "pskc" => Some(Self::Pskc),
            "csv" => Some(Self::Csv),
            "otpauth" => Some(Self::Otpauth),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    /// Guesses the format from how the text begins.
    pub fn guess(text: &str) -> Self {
        let text = text.trim_start();
        let begins =
            |word: &str| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        match text.chars().next() {
            Some('<') => Self::Pskc,
            Some('{') => Self::Json,
            // A comment, which only a file of URIs has.
            Some('#') => Self::Otpauth,
            Some(_) | None if begins("otpauth") => Self::Otpauth,
            Some(_) | None => Self::Csv,
        }
    }
}

/// What the file does not say.
pub struct Defaults<'a> {
    /// The owner of tokens that name none.
    pub owner: Option<Owner>,
    /// The realm of users that name none.
    pub realm: &'a str,
    /// The key of an encrypted PSKC file.
    pub pre_shared_key: Option<Zeroizing<Vec<u8>>>,
}

/// Tokens that can be stored together.
#[derive(Default)]
pub struct Batch {
    drafts: Vec<Draft>,
    serials: HashSet<String>,
    /// What was left out or changed, for the administrator.
    pub notes: Vec<String>,
}

impl Batch {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ImportError`] but for those of the store.
    pub fn read(bytes: &[u8], format: Option<Format>, defaults: &Defaults<'_>) -> Result<Self, ImportError> {
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE {
            return Err(ImportError::TooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| ImportError::NotUtf8)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut batch = Self::default();
        match format.unwrap_or_else(|| Format::guess(text)) {
            Format::Pskc => pskc::read(text, defaults, &mut batch)?,
            Format::Csv => csv::read(text, defaults, &mut batch)?,
            Format::Otpauth => otpauth::read(text, defaults, &mut batch)?,
            Format::Json => json::read(text, defaults, &mut batch)?,
        }
        if batch.drafts.is_empty() { Err(ImportError::Empty) } else { Ok(batch) }
    }

    /// Returns the number of tokens.
    pub fn len(&self) -> usize {
        self.drafts.len()
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.drafts.is_empty()
    }

    /// Shows the tokens before they are stored.
    pub fn drafts(&self) -> &[Draft] {
        &self.drafts
    }

    /// Takes a token in, or says where and why not.
    fn add(
        &mut self,
        place: impl Fn() -> String,
        draft: Result<Draft, EntryError>,
    ) -> Result<(), ImportError> {
        let failed = |source| ImportError::Entry { place: place(), source };
        let draft = draft.map_err(failed)?;
        if self.drafts.len() >= MAX_TOKENS {
            return Err(ImportError::TooMany);
        }
        let serial = &draft.token.serial;
        if !serial.is_empty() && !self.serials.insert(serial.clone()) {
            return Err(failed(EntryError::Twice(Short(serial).to_string())));
        }
        self.drafts.push(draft);
        Ok(())
    }

    /// Seals the tokens and stores them, all or none; returns their serials in the order of the file. `progress` is
    /// called twice for each token.
    ///
    /// # Errors
    /// [`StoreError::Exists`] and others; forward tokens that lead nowhere.
    pub fn store(mut self, store: &Store<'_>, progress: &dyn Fn()) -> Result<Vec<String>, ImportError> {
        let mut sealed: Vec<(Token, Vec<u64>)> = Vec::with_capacity(self.drafts.len());
        for mut draft in self.drafts {
            // A generated serial may be that of another token of the file.
            while draft.token.serial.is_empty() {
                let serial = naming::random_serial(draft.token.token_type)?;
                if store.token(&serial)?.is_none() && self.serials.insert(serial.clone()) {
                    draft.token.serial = serial;
                }
            }
            let used = std::mem::take(&mut draft.used);
            sealed.push((draft.seal(store, None).map_err(together)?, used));
            progress();
        }
        let serials = sealed.iter().map(|(token, _)| token.serial.clone()).collect();
        // In the order in which the store keeps them, a page is written once and not again and again.
        sealed.sort_unstable_by(|(one, _), (other, _)| {
            (&one.realm, &one.user, &one.serial).cmp(&(&other.realm, &other.user, &other.serial))
        });
        let rows = sealed.iter().map(|(token, used)| (token, used.as_slice())).inspect(|_| progress());
        store.add_tokens_if(rows, || {
            known::refuse(store, sealed.iter().map(|(token, _)| token)).map_err(together)?;
            for (token, _) in &sealed {
                if let Some(target) = &token.target {
                    chain::check(store, &token.serial, target)
                        .map_err(|error| together(EnrollError::Chain(error)))?;
                }
            }
            Ok::<_, ImportError>(())
        })?;
        Ok(serials)
    }
}

fn together(error: EnrollError) -> ImportError {
    if let EnrollError::Store(error) | EnrollError::Chain(chain::ChainError::Store(error)) = error {
        error.into()
    } else {
        ImportError::Together(error)
    }
}

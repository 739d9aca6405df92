//! Tokens from files that other programs and vendors write: PSKC (RFC 6030), CSV, key URIs, vaults of Aegis, and what
//! `token export` wrote. A file is read to its end and every entry that cannot be taken is told.

mod aegis;
pub mod csv;
mod entry;
mod format;
pub mod json;
mod kinds;
mod migration;
pub mod otpauth;
mod owners;
mod protection;
pub mod pskc;
mod replace;
mod serial;
mod xml;

use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use self::entry::Found;
pub use self::entry::{EntryError, Place, base32, hex};
pub use self::format::Format;
use super::enroll::{Draft, EnrollError};
use super::oath::KeyId;
use super::{Owner, chain, known, naming};
use crate::intake::text::{TextError, decode};
use crate::logging::Short;
use crate::names::{Rules, fold};
use crate::store::{Algorithm, Store, StoreError, Token, TokenType};

/// The longest file, in bytes.
pub const MAX_FILE: u64 = 64 * 1024 * 1024;
/// How many entries a file may have.
pub const MAX_TOKENS: usize = 1_000_000;

/// Says why a file cannot be imported as a whole.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Over [`MAX_FILE`].
    #[error("the file is longer than 64 MiB")]
    TooLong,
    /// Over [`MAX_TOKENS`].
    #[error("the file has more than {MAX_TOKENS} entries")]
    TooMany,
    /// Bytes that are no text.
    #[error(transparent)]
    Text(#[from] TextError),
    /// Nothing to import.
    #[error("there is no token in the file")]
    Empty,
    /// Something of the whole CSV file.
    #[error(transparent)]
    Csv(#[from] csv::CsvError),
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
    /// Something of the whole vault of Aegis.
    #[error(transparent)]
    Aegis(#[from] aegis::AegisError),
    /// A token among those of the file cannot stand beside the others.
    #[error(transparent)]
    Together(EnrollError),
}

/// What the file does not say.
#[derive(Default)]
pub struct Defaults<'a> {
    /// The owner of tokens that name none.
    pub owner: Option<Owner>,
    /// The realm of users that name none.
    pub realm: &'a str,
    /// How names of users are read.
    pub people: Rules,
    /// The type of tokens that name none.
    pub token_type: Option<TokenType>,
    /// The hash of tokens that name none.
    pub algorithm: Option<Algorithm>,
    /// The length of codes that name none.
    pub digits: Option<u8>,
    /// The key of an encrypted PSKC file.
    pub pre_shared_key: Option<Zeroizing<Vec<u8>>>,
    /// The password of an encrypted PSKC file.
    pub password: Option<Zeroizing<String>>,
}

/// How to treat an entry whose serial already exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It is refused.
    Refuse,
    /// It is left out, and the store keeps its own.
    Skip,
    /// It takes the place of the one in the store.
    Replace,
}

/// An entry that cannot be taken.
#[derive(Debug)]
pub struct Refused {
    /// Where it is.
    pub place: Place,
    /// Why.
    pub reason: EntryError,
}

struct Entry {
    place: Place,
    draft: Draft,
    replaces: bool,
}

/// What a file has: tokens that can be stored together, and entries that cannot.
#[derive(Default)]
pub struct Batch {
    entries: Vec<Entry>,
    serials: HashSet<String>,
    secrets: HashMap<[u8; 32], (Place, String)>,
    refused: Vec<Refused>,
    /// What was left out or changed, for the administrator.
    pub notes: Vec<String>,
}

impl Batch {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ImportError`] but for those of the store. Entries that cannot be taken are in [`Batch::refused`].
    pub fn read(bytes: &[u8], format: Option<Format>, defaults: &Defaults<'_>) -> Result<Self, ImportError> {
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE {
            return Err(ImportError::TooLong);
        }
        let text = decode(bytes, &kinds::FOREIGN)?;
        let text = Zeroizing::new(text.into_owned());
        let mut batch = Self::default();
        match format.unwrap_or_else(|| Format::guess(&text)) {
            Format::Pskc => pskc::read(&text, defaults, &mut batch)?,
            Format::Csv => csv::read(&text, defaults, &mut batch)?,
            Format::Otpauth => otpauth::read(&text, defaults, &mut batch)?,
            Format::Json => json::read(&text, defaults, &mut batch)?,
            Format::Aegis => aegis::read(&text, defaults, &mut batch)?,
        }
        if batch.is_empty() && batch.refused.is_empty() { Err(ImportError::Empty) } else { Ok(batch) }
    }

    /// Returns the number of tokens.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Shows the tokens before they are stored.
    pub fn drafts(&self) -> impl Iterator<Item = &Draft> {
        self.entries.iter().map(|entry| &entry.draft)
    }

    /// Shows the entries that cannot be taken, in the order of the file.
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    /// Adds a token, or the reason why it cannot be imported.
    fn add(&mut self, place: Place, found: Result<Found, EntryError>) -> Result<(), ImportError> {
        if self.entries.len().saturating_add(self.refused.len()) >= MAX_TOKENS {
            return Err(ImportError::TooMany);
        }
        match found.and_then(|found| self.among_the_others(&place, found)) {
            Ok(Found { draft, notes }) => {
                self.entries.push(Entry { place, draft, replaces: false });
                self.notes.extend(notes);
            }
            Err(reason) => self.refused.push(Refused { place, reason }),
        }
        Ok(())
    }

    fn among_the_others(&mut self, place: &Place, found: Found) -> Result<Found, EntryError> {
        let Draft { token: Token { serial, user, realm, token_type, algorithm, .. }, secret, .. } =
            &found.draft;
        if self.serials.contains(serial) {
            return Err(EntryError::Twice(Short(serial).to_string()));
        }
        if !user.is_empty() && !secret.is_empty() {
            // Of one realm and one kind of codes, as the store compares them.
            let realm = format!("{}\0{}\0", fold(realm), *token_type == TokenType::Totp);
            let key = KeyId::of(*algorithm, secret);
            let digest: [u8; 32] =
                Sha256::new_with_prefix(realm).chain_update(key.as_bytes()).finalize().into();
            if let Some((place, owner)) = self.secrets.get(&digest) {
                let owner = Short(owner).to_string();
                return Err(EntryError::SameSecret { place: place.clone(), owner });
            }
            self.secrets.insert(digest, (place.clone(), user.clone()));
        }
        if !serial.is_empty() {
            self.serials.insert(serial.clone());
        }
        Ok(found)
    }

    /// Compares the tokens with those of the store; returns the serials that are left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn compare(&mut self, store: &Store<'_>, known: Known) -> Result<Vec<String>, StoreError> {
        let mut skipped = Vec::new();
        let mut entries = Vec::with_capacity(self.entries.len());
        let mut secrets = known::Secrets::new(store)?;
        for mut entry in std::mem::take(&mut self.entries) {
            let holder = secrets.holder(&entry.draft.token, &entry.draft.secret)?;
            if let Some(reason) = holder {
                self.refused.push(Refused { place: entry.place, reason: EntryError::Enroll(reason) });
                continue;
            }
            let serial = &entry.draft.token.serial;
            let stored = if serial.is_empty() { None } else { store.token(serial)? };
            let Some(stored) = stored else {
                entries.push(entry);
                continue;
            };
            match known {
                Known::Skip => skipped.push(stored.serial),
                Known::Replace
                    if replace::is_replaceable(stored.token_type, entry.draft.token.token_type) =>
                {
                    entry.replaces = true;
                    entries.push(entry);
                }
                Known::Replace => self.refused.push(Refused {
                    place: entry.place,
                    reason: EntryError::NotReplaceable {
                        token_type: stored.token_type,
                        serial: stored.serial,
                    },
                }),
                Known::Refuse => self
                    .refused
                    .push(Refused { place: entry.place, reason: EntryError::Exists(stored.serial) }),
            }
        }
        self.entries = entries;
        Ok(skipped)
    }

    /// Returns the serials of tokens in the store that [`Batch::store`] replaces.
    pub fn replaced(&self) -> Vec<String> {
        let replacing = self.entries.iter().filter(|entry| entry.replaces);
        replacing.map(|entry| entry.draft.token.serial.clone()).collect()
    }

    /// Seals the tokens and stores them, all or none; returns their serials in the order of the file. `progress` is
    /// called twice for each token.
    ///
    /// # Errors
    /// [`StoreError::Exists`] and others; forward tokens that lead nowhere.
    pub fn store(mut self, store: &Store<'_>, progress: &dyn Fn()) -> Result<Vec<String>, ImportError> {
        let replaced: HashSet<String> = self.replaced().into_iter().collect();
        let mut sealed: Vec<(Token, Vec<u64>)> = Vec::with_capacity(self.entries.len());
        for Entry { mut draft, .. } in self.entries {
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
        let sealer = store.sealer_or_create()?;
        let merge = |new: &Token, stored: &Token| {
            let fits =
                replaced.contains(&new.serial) && replace::is_replaceable(stored.token_type, new.token_type);
            let merged = fits.then(|| replace::merge(new, stored, sealer));
            merged.ok_or_else(|| StoreError::Exists(new.serial.clone()))?
        };
        store.put_tokens_if(rows, merge, || {
            // As they are in the store now: one that was replaced may have its owner from there.
            let written = sealed.iter().filter(|(token, _)| replaced.contains(&token.serial));
            let written: Result<Vec<_>, _> = written.map(|(token, _)| store.token(&token.serial)).collect();
            let written: Vec<Token> = written?.into_iter().flatten().collect();
            let others = sealed.iter().map(|(token, _)| token);
            let others = others.filter(|token| !replaced.contains(&token.serial));
            known::refuse(store, others.chain(&written)).map_err(together)?;
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

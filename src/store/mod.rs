//! What survives a hook: SQLite in a directory that only this user can write.
//!
//! Two files: `state.sqlite3` in the persistent directory and `connections.sqlite3` in the ephemeral one, which is
//! lost when the connections are lost. A file is opened when it is first asked for, never before. Whatever must
//! happen once happens as one compare-and-set in one transaction that is on the disk before the call returns.

mod backup;
mod challenges;
mod credentials;
mod directory;
mod examine;
mod guesses;
mod key;
mod leases;
mod look;
mod offline;
mod receipts;
mod schema;
mod seal;
mod servers;
mod sessions;
mod settle;
mod sqlite;
mod token_rows;
mod tokens;
mod vault;

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

pub use backup::{BackupError, Restored};
pub use challenges::{Challenge, ChallengeKind};
pub use credentials::{CredentialChange, CredentialName, EntryId, Kept};
pub use directory::{DIRECTORY, Environment, Places, check_own};
pub use examine::{randomness, versions};
pub use guesses::{BudgetKind, GuessBudget, GuessStep, Guesses};
pub use key::{KeySource, MasterKey};
pub use leases::{Holder, Lease};
pub use offline::{OfflineChange, OfflineCodes, OfflineKey};
pub use receipts::Receipt;
pub use seal::{Binding, Sealer};
pub use servers::{RequestEnd, ServerFinding, ServerHealth, ServerId, ServerLoad, ServerRequest};
pub use sessions::{CacheKey, CacheLimits, CacheScope, ConnectionKey};
#[cfg(test)]
pub(crate) use settle::SETTLED;
pub use settle::{Advance, ChallengeStep, Charge, Settlement, Use};
pub use tokens::{Algorithm, Candidate, MAX_WINDOW, Token, TokenType};
pub use vault::Rekeyed;

use crate::clock::{Budget, Clock, UnixTime};
use crate::config::settings::{Opt, SettingError};

const STATE_FILE: &str = "state.sqlite3";
const CONNECTIONS_FILE: &str = "connections.sqlite3";

/// The options that this module reads.
pub const OPTIONS: &[Opt] = &[directory::DIRECTORY, key::KEY];

/// Says why the state cannot be used. Holds paths, never contents.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Neither the configuration nor the environment says where state goes.
    #[error("nowhere to keep state: set [state] directory or SCB_PLUGIN_STATE_DIRECTORY")]
    NoDirectory,
    /// The directory cannot be made or looked at.
    #[error("cannot use the state directory {path}; it has to exist, or its parent has to be writable")]
    Directory {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Somebody else could change what is in it.
    #[error("the state directory {path} {reason}")]
    Unsafe {
        /// Which.
        path: PathBuf,
        /// What is wrong with it and how to mend it.
        reason: String,
    },
    /// Somebody else could change the database, or a file beside it.
    #[error("the state file {path} {reason}")]
    UnsafeFile {
        /// Which.
        path: PathBuf,
        /// What is wrong with it and how to mend it.
        reason: String,
    },
    /// The database does not do what it was asked to.
    #[error(
        "the state in {path} cannot be used; see docs/troubleshooting.md, and move the file away only to begin anew"
    )]
    Database {
        /// Which file.
        path: PathBuf,
        /// What SQLite said.
        source: Said,
    },
    /// The file, or one beside it, cannot be opened or written; nothing is wrong with what is in it.
    #[error(
        "the state in {path} may not be read or written by this user, or its file system is read-only; chmod or chown it, see sps-plugin doctor"
    )]
    Denied {
        /// Which file.
        path: PathBuf,
        /// What SQLite said.
        source: Said,
    },
    /// The store holds sealed secrets, and there is no key.
    #[error(
        "the store's secrets are sealed, and the key is missing; put master.key back, or set [state] key"
    )]
    NoKey,
    /// The key is not the one that the store's secrets are sealed with.
    #[error("the store's secrets are sealed with another key; nothing was changed")]
    WrongKey,
    /// `[state] key` refers to nothing usable.
    #[error("configuration")]
    KeySetting(#[source] Box<SettingError>),
    /// The text of a key is none.
    #[error("the master key has to be 64 hexadecimal digits")]
    BadKey,
    /// Somebody else could read the key, or it is none.
    #[error("the key file {path} {reason}")]
    UnsafeKey {
        /// Which.
        path: PathBuf,
        /// What is wrong with it and how to mend it.
        reason: String,
    },
    /// The key file cannot be written or read.
    #[error("cannot use the key file {path}")]
    KeyFile {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// One secret does not open though the key is right.
    #[error("the {column} of {row} does not open; the row was damaged or moved")]
    Sealed {
        /// What it is.
        column: &'static str,
        /// Whose it is.
        row: String,
    },
    /// A row holds a value that this version does not know.
    #[error("the {column} of {row} is unknown to this version")]
    Unknown {
        /// What it is.
        column: &'static str,
        /// Whose it is.
        row: String,
    },
    /// Somebody changed the key between the sealing of a secret and its writing.
    #[error("the store's key was changed meanwhile; nothing was changed, try again")]
    KeyChanged,
    /// A serial is taken.
    #[error("a token {0} already exists")]
    Exists(String),
    /// There is an entry for this account on this asset.
    #[error("an entry for account {account} on asset {asset} already exists; --replace overwrites it")]
    CredentialExists {
        /// The account.
        account: String,
        /// The asset.
        asset: String,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    NoRandomness,
    /// Written by a newer version of this program.
    #[error("the state in {0} is from a newer version of this plugin; install that version")]
    Newer(PathBuf),
    /// A new database would be made over the log of another one, which would then be deleted.
    #[error(
        "the log of {0} lies there, and its database is gone or empty; put the database back, or restore a backup with --replace, see docs/backup.md"
    )]
    LogAlone(PathBuf),
    /// There is nothing to look into.
    #[error("the state {0} is not made yet")]
    NotMade(PathBuf),
    /// It cannot be read without writing beside it.
    #[error(
        "the log of {0} has no index beside it, which only the next hook may make; so it was not looked into"
    )]
    NoIndex(PathBuf),
}

/// What SQLite said, once: rusqlite has much the same words again as the error's own cause.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Said(Box<rusqlite::Error>);

impl StoreError {
    /// Tells apart what SQLite may not do with a file and what it cannot do with it.
    fn of_sqlite(path: &Path) -> impl Fn(rusqlite::Error) -> Self + Copy + '_ {
        use rusqlite::ErrorCode::{CannotOpen, PermissionDenied, ReadOnly};
        |error| {
            let is_denied =
                matches!(error.sqlite_error_code(), Some(CannotOpen | PermissionDenied | ReadOnly));
            let (path, source) = (path.to_owned(), Said(Box::new(error)));
            if is_denied { Self::Denied { path, source } } else { Self::Database { path, source } }
        }
    }
}

/// The state of one hook's process.
pub struct Store<'a> {
    places: Places,
    key_source: Box<dyn Fn() -> Result<KeySource, SettingError> + 'a>,
    key: OnceCell<KeySource>,
    clock: &'a dyn Clock,
    budget: Budget<'a>,
    persistent: OnceCell<Database>,
    ephemeral: OnceCell<Database>,
    sealer: OnceCell<vault::InUse>,
    reads_only: bool,
}

struct Database {
    path: PathBuf,
    connection: Connection,
}

impl Database {
    fn begin(&self) -> Result<rusqlite::Transaction<'_>, StoreError> {
        let behavior = rusqlite::TransactionBehavior::Immediate;
        rusqlite::Transaction::new_unchecked(&self.connection, behavior).map_err(self.failed())
    }

    fn failed(&self) -> impl Fn(rusqlite::Error) -> StoreError + Copy + '_ {
        StoreError::of_sqlite(&self.path)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        sqlite::fold_in(&self.connection);
    }
}

impl<'a> Store<'a> {
    /// Remembers where state goes and where its key comes from; nothing is opened yet, and `key_source` is asked
    /// only when there are secrets to open.
    pub fn new(
        places: Places,
        key_source: impl Fn() -> Result<KeySource, SettingError> + 'a,
        clock: &'a dyn Clock,
        budget: Budget<'a>,
    ) -> Self {
        Self {
            places,
            key_source: Box::new(key_source),
            key: OnceCell::new(),
            clock,
            budget,
            persistent: OnceCell::new(),
            ephemeral: OnceCell::new(),
            sealer: OnceCell::new(),
            reads_only: false,
        }
    }

    /// Changes nothing from here on: no directory and no file is made, no schema migrated.
    #[must_use]
    pub fn only_reading(mut self) -> Self {
        self.reads_only = true;
        self
    }

    /// Returns the time that entries are compared with.
    pub fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// Tells whether anything was ever kept; opens and makes nothing.
    fn has_state(&self) -> bool {
        self.persistent.get().is_some() || self.places.has_persistent(STATE_FILE)
    }

    fn persistent(&self) -> Result<&Database, StoreError> {
        let place = if self.reads_only { Places::named_persistent } else { Places::persistent };
        self.open(&self.persistent, place, STATE_FILE, schema::STATE)
    }

    fn ephemeral(&self) -> Result<&Database, StoreError> {
        let place = if self.reads_only { Places::named_ephemeral } else { Places::ephemeral };
        self.open(&self.ephemeral, place, CONNECTIONS_FILE, schema::CONNECTIONS)
    }

    fn open<'s>(
        &self,
        cell: &'s OnceCell<Database>,
        place: impl Fn(&Places) -> Result<PathBuf, StoreError>,
        file: &str,
        migrations: &[&str],
    ) -> Result<&'s Database, StoreError> {
        if let Some(database) = cell.get() {
            return Ok(database);
        }
        let path = place(&self.places)?.join(Path::new(file));
        let connection = if self.reads_only {
            look::open(&path, migrations)?
        } else {
            directory::judge_files(&path)?;
            sqlite::open(&path, migrations, self.budget.remaining())?
        };
        Ok(cell.get_or_init(|| Database { path, connection }))
    }
}

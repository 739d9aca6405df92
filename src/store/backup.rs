//! A copy of `state.sqlite3` that is taken beside hooks that run, and its way back.
//!
//! The file and its log cannot be copied one after the other: a hook may fold the log in between the two copies. SQLite's
//! own copy is the state at one moment, whatever is written meanwhile. The key is not in it.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, OpenFlags, params};

use super::{Database, MAX_WINDOW, STATE_FILE, Store, StoreError, schema, sqlite};
use crate::clock::Budget;

/// How long a copy waits before it asks again for a lock.
const PAUSE: Duration = Duration::from_millis(20);

/// Says why there is no copy, or why one is not taken back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Nothing was ever kept.
    #[error("there is no state yet in {0}")]
    NoState(PathBuf),
    /// The copy would overwrite something.
    #[error("{0} is there already; a backup overwrites nothing")]
    FileExists(PathBuf),
    /// The state would be overwritten.
    #[error("there is a state in {0} already; --replace overwrites it")]
    StateExists(PathBuf),
    /// The copy cannot be made or read.
    #[error("cannot use the file {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// SQLite cannot make it or read it.
    #[error("cannot copy the state between {path} and the state directory")]
    Copy {
        /// Which.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// It is a pipe, a device or a directory.
    #[error("{0} is not a regular file; nothing was changed")]
    NoFile(PathBuf),
    /// It is damaged, or something else.
    #[error("{0} is no backup of a state, or it is damaged; nothing was changed")]
    NoBackup(PathBuf),
    /// The state itself.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// How many tokens there are.
    pub tokens: u64,
    /// How many of them have codes that were perhaps used after the copy was made, and are good again.
    pub replayable: u64,
}

impl Store<'_> {
    /// Copies the state into a new file of mode 0600, as it is at one moment.
    ///
    /// # Errors
    /// [`BackupError`]; the file is not left behind.
    pub fn back_up(&self, file: &Path) -> Result<(), BackupError> {
        let place = self.places.persistent()?.join(STATE_FILE);
        if !self.has_state() {
            return Err(BackupError::NoState(place));
        }
        let database = self.persistent()?;
        let failed = |source| BackupError::File { path: file.to_owned(), source };
        let path = std::path::absolute(file).map_err(failed)?;
        match make(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(BackupError::FileExists(file.to_owned()));
            }
            Err(error) => return Err(failed(error)),
        }
        let copied = copy_out(&database.connection, &path, Journal::Delete, self.budget);
        if !matches!(copied, Ok(true)) {
            // The first error is the one to tell.
            let _ = fs::remove_file(&path);
        }
        match copied.map_err(|source| BackupError::Copy { path: file.to_owned(), source })? {
            true => Ok(sqlite::sync_directory(&path)?),
            false => Err(BackupError::NoBackup(place)),
        }
    }

    /// Puts a copy in the place of the state, in one transaction that is durable when this returns.
    ///
    /// What must not come back does not: recent authentications, open challenges and the codes for use without a server
    /// are left out, and time-based codes are refused until every one that can have been used is over.
    ///
    /// # Errors
    /// [`BackupError`]; the state is as it was then, and where there was none there is none.
    pub fn restore(&self, file: &Path, replace: bool) -> Result<Restored, BackupError> {
        // First, so that nobody is asked to give a state up for a file that is none.
        let ready = self.read_in(file)?;
        let directory = self.places.persistent()?;
        let place = directory.join(STATE_FILE);
        let ready = Database { path: file.to_owned(), connection: ready };
        // SQLite would take what it finds beside the new file for changes of that one.
        let is_there =
            self.has_state() || [sqlite::LOG, sqlite::JOURNAL].iter().any(|end| exists(&place, end));
        if is_there && !replace {
            return Err(BackupError::StateExists(place));
        }
        let failed = |source| BackupError::Copy { path: file.to_owned(), source };
        sqlite::take_steps(&ready.connection, schema::STATE).map_err(failed)?;
        if let Some(check) = ready.meta(super::vault::CHECK)? {
            self.open_or_reseal(&ready, check, &directory)?;
        }
        let ready = &ready.connection;
        let restored = without_what_is_over(ready, self.now().as_secs()).map_err(failed)?;
        if !is_there {
            if self.begin_with(ready, &place)? {
                return Ok(restored);
            }
            // A hook has begun a state meanwhile.
            if !replace {
                return Err(BackupError::StateExists(place));
            }
        }
        if !self.has_state() {
            // Only a log was left, and it is given up: SQLite deletes the log of a database that is empty.
            let _ = make(&place);
        }
        let mut target = sqlite::open(&place, schema::STATE, self.budget.remaining())?;
        copy(ready, &mut target, self.budget).map_err(StoreError::of_sqlite(&place))?;
        sqlite::fold_in(&target);
        Ok(restored)
    }

    /// Makes sure that the key opens a state; one that is sealed with a key that was in force before is sealed anew.
    fn open_or_reseal(&self, ready: &Database, check: Vec<u8>, directory: &Path) -> Result<(), StoreError> {
        match self.opening(check.clone(), directory) {
            Err(StoreError::WrongKey) => {}
            result => return result.map(|_| ()),
        }
        let (old, new) = self.kept_key(&check, directory)?.ok_or(StoreError::WrongKey)?;
        let transaction = ready.begin()?;
        ready.reseal(&transaction, &old, &new)?;
        transaction.commit().map_err(ready.failed())
    }

    /// Reads a backup once, to where nobody else writes, and judges what has arrived: whoever may write the file may do so
    /// meanwhile.
    fn read_in(&self, file: &Path) -> Result<Connection, BackupError> {
        let failed = |source| BackupError::Copy { path: file.to_owned(), source };
        let no_backup = || BackupError::NoBackup(file.to_owned());
        let metadata =
            fs::metadata(file).map_err(|source| BackupError::File { path: file.to_owned(), source })?;
        // SQLite would wait for a writer of a pipe.
        if !metadata.is_file() {
            return Err(BackupError::NoFile(file.to_owned()));
        }
        let given = sqlite::connect(file, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed)?;
        let mut ready = Connection::open_in_memory().map_err(failed)?;
        copy(&given, &mut ready, self.budget).map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => no_backup(),
            _ => failed(error),
        })?;
        let version = sqlite::version(&ready).map_err(|_| no_backup())?;
        if version > schema::STATE.len() {
            return Err(StoreError::Newer(file.to_owned()).into());
        }
        if !is_ours(&ready, version).unwrap_or(false) || !is_whole(&ready).unwrap_or(false) {
            return Err(no_backup());
        }
        Ok(ready)
    }

    /// Makes the state where there is none; tells whether there is still none.
    ///
    /// Under another name first, so that nothing is in its place if it does not fit: a state that hooks may have opened
    /// cannot be taken away again.
    fn begin_with(&self, ready: &Connection, place: &Path) -> Result<bool, BackupError> {
        let prepared = sqlite::beside(place, &format!(".{}", std::process::id()));
        let failed = |source| BackupError::File { path: prepared.clone(), source };
        make(&prepared).map_err(failed)?;
        let copied = copy_out(ready, &prepared, Journal::Wal, self.budget);
        // A link fails where the file is there already.
        let linked = matches!(copied, Ok(true)).then(|| fs::hard_link(&prepared, place));
        for ending in ["", sqlite::JOURNAL, sqlite::LOG, sqlite::INDEX] {
            let _ = fs::remove_file(sqlite::beside(&prepared, ending));
        }
        copied.map_err(StoreError::of_sqlite(&prepared))?;
        match linked {
            Some(Ok(())) => {
                sqlite::sync_directory(place)?;
                Ok(true)
            }
            Some(Err(error)) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            Some(Err(error)) => Err(failed(error)),
            None => Err(BackupError::NoBackup(prepared)),
        }
    }
}

/// How a copy is left.
#[derive(Clone, Copy)]
enum Journal {
    /// To be read where nothing can be written.
    Delete,
    /// As the state is.
    Wal,
}

/// Makes an empty file that only its owner may read.
fn make(path: &Path) -> std::io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map(|_| ())
}

fn exists(database: &Path, ending: &str) -> bool {
    fs::symlink_metadata(sqlite::beside(database, ending)).is_ok()
}

/// Copies into a file that is empty, with no log beside it in the end; tells whether what arrived is whole.
fn copy_out(from: &Connection, file: &Path, journal: Journal, budget: Budget<'_>) -> rusqlite::Result<bool> {
    let mut to = sqlite::connect(file, sqlite::READ_WRITE)?;
    copy(from, &mut to, budget)?;
    let wanted = match journal {
        Journal::Delete => "delete",
        Journal::Wal => "wal",
    };
    let set = format!("PRAGMA journal_mode = {wanted}");
    let found: String = to.query_row(&set, [], |row| row.get(0))?;
    let is_whole = found == wanted && is_whole(&to)?;
    to.close().map_err(|(_, error)| error)?;
    Ok(is_whole && !exists(file, sqlite::LOG))
}

/// Copies everything in one transaction of each side; waits for locks as long as the budget lasts.
fn copy(from: &Connection, to: &mut Connection, budget: Budget<'_>) -> rusqlite::Result<()> {
    let backup = Backup::new(from, to)?;
    while backup.step(-1)? != StepResult::Done {
        if !budget.sleep(PAUSE) {
            let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
            return Err(rusqlite::Error::SqliteFailure(busy, None));
        }
    }
    Ok(())
}

fn is_whole(connection: &Connection) -> rusqlite::Result<bool> {
    let told: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    Ok(told == "ok")
}

/// Tells whether it has the tables of a state of that version, and nothing else: no trigger, no view.
fn is_ours(connection: &Connection, version: usize) -> rusqlite::Result<bool> {
    let ours = Connection::open_in_memory()?;
    sqlite::add_functions(&ours)?;
    for step in schema::STATE.iter().take(version) {
        ours.execute_batch(step)?;
    }
    Ok(version > 0 && schema(connection)? == schema(&ours)?)
}

fn schema(connection: &Connection) -> rusqlite::Result<Vec<(String, String, Option<String>)>> {
    let sql = "SELECT type, name, sql FROM sqlite_schema ORDER BY type, name";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    connection.prepare(sql)?.query_map([], row)?.collect()
}

/// Takes out what would let somebody in again who was let in already, as far as that can be told.
fn without_what_is_over(connection: &Connection, now: i64) -> rusqlite::Result<Restored> {
    connection.execute_batch(
        "DELETE FROM authentication_cache; DELETE FROM challenges; DELETE FROM offline_codes;",
    )?;
    // The furthest step that can have been used up to now is a window ahead of now.
    connection.execute(
        "UPDATE tokens SET counter = max(counter, ?1 / period + skew + min(window, ?2) + 1)
         WHERE type = 'totp' AND period > 0",
        params![now.max(0), MAX_WINDOW],
    )?;
    let count = |condition: &str| {
        let sql = format!("SELECT count(*) FROM tokens WHERE {condition}");
        connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).map(|count| count.try_into().unwrap_or(0))
    };
    Ok(Restored { tokens: count("1")?, replayable: count("type IN ('hotp', 'paper', 'registration')")? })
}

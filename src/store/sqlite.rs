//! Opens a database: durable, shared by processes, migrated forwards only.
//!
//! WAL with full synchronisation makes a commit one wait for the disk. No checkpoint happens when the last connection
//! closes (that would be two more for every hook); instead the log is folded in once it has [`LOG_PAGES`] pages, which
//! bounds what the next process has to read back when it opens the file. SQLite itself would wait for the
//! directory too, in each process anew; here that is done when a file is made, by [`sync_directory`].

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{STATE_FILE, StoreError};

/// What the names end with of the files that SQLite has beside a database: its log, the index of that, and the journal
/// of a database without a log.
pub(super) const LOG: &str = "-wal";
pub(super) const INDEX: &str = "-shm";
pub(super) const JOURNAL: &str = "-journal";
pub(super) const READ_WRITE: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE;

const LOG_PAGES: u64 = 64;
/// A page and the header of its frame in the log.
const FRAME: u64 = 4096 + 24;
/// How long a process waits for the others that write at the moment.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// Opens the file, makes it if it is missing, and brings its schema up to date.
///
/// # Errors
/// [`StoreError::Database`], [`StoreError::Denied`], [`StoreError::Newer`], [`StoreError::LogAlone`].
pub(super) fn open(path: &Path, migrations: &[&str], remaining: Duration) -> Result<Connection, StoreError> {
    let failed = StoreError::of_sqlite(path);
    let mut connection = match connect(path, READ_WRITE) {
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::CannotOpen) => {
            refuse_log_alone(path)?;
            // SQLite would make it readable for all; whether this works is seen at the second try.
            let _ = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
            connect(path, READ_WRITE)
        }
        result => result,
    }
    .map_err(failed)?;
    let wait = remaining.min(MAX_WAIT);
    connection.busy_timeout(wait).map_err(failed)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed)?;
    connection.execute_batch("PRAGMA synchronous = FULL;").map_err(failed)?;
    // Where a symbolic link leads to, as SQLite found it.
    let file = connection.path().map_or_else(|| path.to_owned(), PathBuf::from);
    let log_is_empty = !holds_something(&beside(&file, LOG));
    match version(&connection).map_err(failed)? {
        // Nothing was committed to this log yet, so nobody may have waited for its name to be on the disk.
        found if found == migrations.len() && log_is_empty => sync_directory(&file)?,
        found if found == migrations.len() => {}
        found if found > migrations.len() => return Err(StoreError::Newer(path.to_owned())),
        _ => migrate(&mut connection, &file, migrations, wait)?,
    }
    Ok(connection)
}

/// Folds a log that has grown long into the database and empties it; to be called before the connection is closed.
///
/// SQLite's automatic checkpoints do not bound the log of processes that come one after the other: a checkpoint leaves
/// the log as it is, for the next writer to begin anew, and that it may do so is forgotten when the last process closes
/// the file. Each would append, and each would read back all that was ever appended.
pub(super) fn fold_in(connection: &Connection) {
    let length = connection.path().and_then(|path| fs::metadata(beside(Path::new(path), LOG)).ok());
    if length.is_none_or(|log| log.len() <= LOG_PAGES.saturating_mul(FRAME)) {
        return;
    }
    if connection.is_readonly("main").unwrap_or(true) {
        return;
    }
    // What was committed is safe in the log too. So nobody waits: who comes later will find the moment.
    let _ = connection.busy_timeout(Duration::ZERO);
    let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
}

/// Refuses to make a new state over the log of one that is gone: SQLite would delete the log, which may hold the newest
/// rows, or all of a young state. Of the connections only counts are lost.
fn refuse_log_alone(path: &Path) -> Result<(), StoreError> {
    let is_state = path.file_name().is_some_and(|name| name == STATE_FILE);
    // In this order: another process that makes the two at this moment makes the database first.
    if is_state && holds_something(&beside(path, LOG)) && !path.exists() {
        return Err(StoreError::LogAlone(path.to_owned()));
    }
    Ok(())
}

/// Tells whether there is a file that is not empty.
pub(super) fn holds_something(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.len() > 0)
}

/// Names a file that SQLite has beside a database.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Waits until the names of the database and its log are on the disk; without them a commit is lost with the power.
pub(super) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    let directory = path.parent().unwrap_or(path);
    File::open(directory)
        .and_then(|opened| opened.sync_all())
        .map_err(|source| StoreError::Directory { path: directory.to_owned(), source })
}

/// Opens a file that is there.
///
/// By its absolute path: SQLite takes a relative one such as `:memory:` or `file:x?vfs=y` for something else than a file of
/// this name, whatever the flags say, because that is how the bundled one is built.
pub(super) fn connect(path: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    let absolute = std::path::absolute(path).map_err(|_| rusqlite::Error::InvalidPath(path.to_owned()))?;
    Connection::open_with_flags(absolute, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

pub(super) fn version(connection: &Connection) -> rusqlite::Result<usize> {
    let version: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

/// Switches to the write-ahead log.
///
/// Processes that do this to a new file at once all read it, so SQLite lets none of them wait for another's lock but
/// answers "busy" without asking the time-out. Whoever loses comes back, until `wait` is over.
fn write_ahead(connection: &Connection, wait: Duration) -> rusqlite::Result<()> {
    const PAUSE: Duration = Duration::from_millis(10);
    connection.busy_timeout(Duration::ZERO)?;
    let mut waited = Duration::ZERO;
    loop {
        match connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())) {
            Err(error)
                if waited < wait && error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) =>
            {
                std::thread::sleep(PAUSE);
                waited = waited.saturating_add(PAUSE);
            }
            result => break result,
        }
    }?;
    connection.busy_timeout(wait)
}

fn migrate(
    connection: &mut Connection,
    path: &Path,
    migrations: &[&str],
    wait: Duration,
) -> Result<(), StoreError> {
    let failed = StoreError::of_sqlite(path);
    write_ahead(connection, wait).map_err(failed)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    // Another process may have done it while this one waited for the lock.
    take_steps(&transaction, migrations).map_err(failed)?;
    // Before the commit, because after it others write to the log.
    sync_directory(path)?;
    transaction.commit().map_err(failed)
}

/// Adds the functions that the steps call.
pub(super) fn add_functions(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("fold", 1, flags, |arguments| {
        Ok(crate::names::fold(&arguments.get::<String>(0)?))
    })
}

/// Takes the steps that a database has not taken yet.
pub(super) fn take_steps(connection: &Connection, migrations: &[&str]) -> rusqlite::Result<()> {
    let found = version(connection)?;
    add_functions(connection)?;
    for step in migrations.iter().skip(found) {
        connection.execute_batch(step)?;
    }
    if found < migrations.len() {
        let version = u32::try_from(migrations.len()).unwrap_or(u32::MAX);
        connection.pragma_update(None, "user_version", version)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::store::schema::{CONNECTIONS, STATE};

    const WAIT: Duration = Duration::from_secs(5);

    #[test]
    fn a_new_file_is_readable_for_its_owner_only_and_durable() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.sqlite3");
        let connection = open(&path, STATE, WAIT).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let journal: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
        let synchronous: i64 = connection.query_row("PRAGMA synchronous", [], |row| row.get(0)).unwrap();
        assert_eq!((journal.as_str(), synchronous), ("wal", 2));
    }

    #[test]
    fn a_log_without_its_database_is_kept_and_no_new_database_is_made_over_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.sqlite3");
        let connection = open(&path, STATE, WAIT).unwrap();
        connection.execute("INSERT INTO guesses VALUES ('name', 'x', 1, 1, 0, 1)", []).unwrap();
        drop(connection);
        fs::remove_file(&path).unwrap();
        let log = fs::read(beside(&path, LOG)).unwrap();
        assert!(!log.is_empty());
        assert!(matches!(open(&path, STATE, WAIT), Err(StoreError::LogAlone(_))));
        assert!(!path.exists());
        assert_eq!(fs::read(beside(&path, LOG)).unwrap(), log);
        // An empty one holds nothing that could be lost.
        fs::write(beside(&path, LOG), "").unwrap();
        open(&path, STATE, WAIT).unwrap();
    }

    #[test]
    fn counts_of_sessions_begin_anew_where_only_their_log_was_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("connections.sqlite3");
        let connection = open(&path, CONNECTIONS, WAIT).unwrap();
        connection.execute("INSERT INTO connections VALUES ('x', 'x', 'x', 1)", []).unwrap();
        drop(connection);
        fs::remove_file(&path).unwrap();
        let connection = open(&path, CONNECTIONS, WAIT).unwrap();
        let count: i64 =
            connection.query_row("SELECT count(*) FROM connections", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 0);
    }

    #[test]
    fn sqlite_is_built_with_the_options_of_this_project() {
        let directory = tempfile::tempdir().unwrap();
        let connection = open(&directory.path().join("state.sqlite3"), STATE, WAIT).unwrap();
        let mut options = connection.prepare("PRAGMA compile_options").unwrap();
        let options: Vec<String> =
            options.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        for wanted in ["DISABLE_DIRSYNC", "DEFAULT_MEMSTATUS=0"] {
            assert!(options.iter().any(|option| option == wanted), "{wanted}: {options:?}");
        }
        assert!(!options.iter().any(|option| option.contains("FTS")), "{options:?}");
    }

    #[test]
    fn a_file_behind_a_symbolic_link_has_its_log_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let real = directory.path().join("elsewhere/real.sqlite3");
        std::fs::create_dir(real.parent().unwrap()).unwrap();
        let link = directory.path().join("state.sqlite3");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let connection = open(&link, STATE, WAIT).unwrap();
        assert_eq!(connection.path().map(Path::new), Some(real.as_path()));
        assert!(std::fs::metadata(beside(&real, LOG)).unwrap().len() > 0);
    }

    #[test]
    fn the_log_stays_short_when_processes_come_one_after_the_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.sqlite3");
        let mut longest = 0;
        for number in 0..300 {
            let connection = open(&path, STATE, WAIT).unwrap();
            connection
                .execute("INSERT INTO guesses VALUES ('name', ?1, 1, 1, 0, 1)", [number.to_string()])
                .unwrap();
            fold_in(&connection);
            longest = fs::metadata(beside(&path, LOG)).unwrap().len().max(longest);
        }
        let connection = open(&path, STATE, WAIT).unwrap();
        let count: i64 = connection.query_row("SELECT count(*) FROM guesses", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 300);
        assert!(longest <= LOG_PAGES * FRAME, "{longest} bytes");
    }

    #[test]
    fn a_log_that_others_read_is_folded_in_later() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.sqlite3");
        let connection = open(&path, STATE, WAIT).unwrap();
        let other = open(&path, STATE, WAIT).unwrap();
        other.execute_batch("BEGIN; SELECT count(*) FROM guesses;").unwrap();
        let text = "x".repeat(4096 * 70);
        connection.execute("INSERT INTO guesses VALUES ('name', ?1, 1, 1, 0, 1)", [&text]).unwrap();
        fold_in(&connection);
        assert!(fs::metadata(beside(&path, LOG)).unwrap().len() > LOG_PAGES * FRAME);
        other.execute_batch("COMMIT").unwrap();
        fold_in(&other);
        assert_eq!(fs::metadata(beside(&path, LOG)).unwrap().len(), 0);
        let found: String = other.query_row("SELECT subject FROM guesses", [], |row| row.get(0)).unwrap();
        assert_eq!(found, text);
    }

    #[test]
    fn migrations_run_once_and_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.sqlite3");
        let one: &[&str] = &["CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (1);"];
        let two: &[&str] = &[one[0], "INSERT INTO a VALUES (2);"];
        drop(open(&path, one, WAIT).unwrap());
        drop(open(&path, one, WAIT).unwrap());
        let connection = open(&path, two, WAIT).unwrap();
        let sum: i64 = connection.query_row("SELECT sum(x) FROM a", [], |row| row.get(0)).unwrap();
        assert_eq!(sum, 3);
        drop(connection);
        assert!(matches!(open(&path, one, WAIT), Err(StoreError::Newer(_))));
    }

    #[test]
    fn a_migration_that_fails_leaves_the_old_schema() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.sqlite3");
        let one: &[&str] = &["CREATE TABLE a (x INTEGER) STRICT;"];
        let broken: &[&str] = &[one[0], "CREATE TABLE b (x INTEGER); CREATE TABLE a (x INTEGER);"];
        drop(open(&path, one, WAIT).unwrap());
        assert!(open(&path, broken, WAIT).is_err());
        let connection = open(&path, one, WAIT).unwrap();
        assert!(connection.execute("SELECT x FROM b", []).is_err());
    }

    #[test]
    fn a_file_that_is_no_database_is_an_error_and_stays_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.sqlite3");
        let junk = "not a database at all ".repeat(100);
        std::fs::write(&path, &junk).unwrap();
        assert!(matches!(open(&path, STATE, WAIT), Err(StoreError::Database { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), junk);
    }
}

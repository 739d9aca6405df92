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

/// The steps that lead to the schema of `state.sqlite3`; a step is never changed once it was released.
pub(super) const STATE: &[&str] = &[
    "
    CREATE TABLE authentication_cache (
        username           TEXT    NOT NULL,
        client_ip          TEXT    NOT NULL,
        last_authenticated INTEGER NOT NULL,
        last_used          INTEGER NOT NULL,
        reuse_count        INTEGER NOT NULL,
        expires            INTEGER NOT NULL,
        PRIMARY KEY (username, client_ip)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX authentication_cache_expires ON authentication_cache (expires);
",
    "
    CREATE TABLE meta (
        name  TEXT PRIMARY KEY,
        value BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    -- Clustered by realm and user, because that is how tokens are searched for.
    CREATE TABLE tokens (
        realm         TEXT    NOT NULL,
        user          TEXT    NOT NULL,
        serial        TEXT    NOT NULL UNIQUE,
        type          TEXT    NOT NULL,
        description   TEXT    NOT NULL,
        enabled       INTEGER NOT NULL,
        algorithm     TEXT    NOT NULL,
        digits        INTEGER NOT NULL,
        period        INTEGER NOT NULL,
        window        INTEGER NOT NULL,
        counter       INTEGER NOT NULL,
        skew          INTEGER NOT NULL,
        fail_counter  INTEGER NOT NULL,
        max_fail      INTEGER NOT NULL,
        failed_at     INTEGER NOT NULL,
        unlock_after  INTEGER NOT NULL,
        valid_from    INTEGER,
        valid_until   INTEGER,
        target        TEXT,
        realms        TEXT,
        separator     TEXT,
        sealed_secret BLOB    NOT NULL,
        sealed_pin    BLOB,
        PRIMARY KEY (realm, user, serial)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX tokens_with_pin ON tokens (serial) WHERE sealed_pin IS NOT NULL OR type = 'pw';
    CREATE INDEX tokens_target ON tokens (target) WHERE target IS NOT NULL;
    CREATE TABLE used_codes (
        serial   TEXT    NOT NULL,
        position INTEGER NOT NULL,
        PRIMARY KEY (serial, position)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE challenges (
        id         TEXT    PRIMARY KEY,
        kind       TEXT    NOT NULL,
        session_id TEXT    NOT NULL,
        user       TEXT    NOT NULL,
        realm      TEXT    NOT NULL,
        data       TEXT    NOT NULL,
        expires    INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX challenges_expires ON challenges (expires);
    CREATE TABLE guesses (
        subject   TEXT    PRIMARY KEY,
        failures  INTEGER NOT NULL,
        failed_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
",
    "
    CREATE TABLE offline_codes (
        provider TEXT    NOT NULL,
        realm    TEXT    NOT NULL,
        user     TEXT    NOT NULL,
        serial   TEXT    NOT NULL,
        failures INTEGER NOT NULL,
        sealed   BLOB    NOT NULL,
        PRIMARY KEY (provider, realm, user, serial)
    ) STRICT, WITHOUT ROWID;
",
    // With a rowid, unlike the others: rows of some kilobytes would make a tree without one deep.
    "
    CREATE TABLE credentials (
        owner  TEXT NOT NULL,
        asset  TEXT NOT NULL,
        sealed BLOB NOT NULL,
        PRIMARY KEY (owner, asset)
    ) STRICT;
    CREATE TABLE leases (
        owner      TEXT    NOT NULL,
        entry      TEXT    NOT NULL,
        session_id TEXT    NOT NULL,
        account    TEXT    NOT NULL,
        asset      TEXT    NOT NULL,
        user       TEXT    NOT NULL,
        expires    INTEGER NOT NULL,
        PRIMARY KEY (owner, entry, session_id, account, asset)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX leases_session ON leases (session_id);
",
    // Owners are found without regard to case: folded by `names::fold`, which SQLite's own functions cannot do.
    "
    ALTER TABLE tokens ADD COLUMN user_key TEXT NOT NULL DEFAULT '';
    ALTER TABLE tokens ADD COLUMN realm_key TEXT NOT NULL DEFAULT '';
    UPDATE tokens SET user_key = fold(user), realm_key = fold(realm);
    CREATE INDEX tokens_owner ON tokens (realm_key, user_key);
    CREATE INDEX tokens_serial ON tokens (serial COLLATE NOCASE);
    DROP INDEX tokens_target;
    CREATE INDEX tokens_target ON tokens (target COLLATE NOCASE) WHERE target IS NOT NULL;
",
    // What was remembered did not say what it proved, so it is forgotten. Counts of wrong approvals are kept, by the name
    // alone: a realm behind it does not make it another person's.
    "
    DROP TABLE authentication_cache;
    CREATE TABLE authentication_cache (
        username           TEXT    NOT NULL,
        client_ip          TEXT    NOT NULL,
        scope              TEXT    NOT NULL,
        provider           TEXT    NOT NULL,
        person             TEXT    NOT NULL,
        identity           TEXT    NOT NULL,
        last_authenticated INTEGER NOT NULL,
        last_used          INTEGER NOT NULL,
        reuse_count        INTEGER NOT NULL,
        expires            INTEGER NOT NULL,
        PRIMARY KEY (username, client_ip, scope, provider)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX authentication_cache_expires ON authentication_cache (expires);
    ALTER TABLE guesses RENAME TO old_guesses;
    CREATE TABLE guesses (
        kind      TEXT    NOT NULL,
        subject   TEXT    NOT NULL,
        failures  INTEGER NOT NULL,
        failed_at INTEGER NOT NULL,
        locks     INTEGER NOT NULL,
        expires   INTEGER NOT NULL,
        PRIMARY KEY (kind, subject)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO guesses
        SELECT 'name', substr(subject, 1, instr(subject || '@', '@') - 1), max(failures), max(failed_at), 1,
               max(failed_at) + 86400000000
        FROM old_guesses GROUP BY 2;
    DROP TABLE old_guesses;
    CREATE INDEX guesses_expires ON guesses (expires);
",
];

/// The steps that lead to the schema of `connections.sqlite3`.
pub(super) const CONNECTIONS: &[&str] = &[
    "
    CREATE TABLE connections (
        client_ip  TEXT    NOT NULL,
        username   TEXT    NOT NULL,
        session_id TEXT    NOT NULL,
        opened     INTEGER NOT NULL,
        PRIMARY KEY (client_ip, username, session_id)
    ) STRICT, WITHOUT ROWID;
",
    "
    CREATE TABLE servers_down (
        server TEXT    PRIMARY KEY,
        since  INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
",
    // `since` is when the server was last found down, `first` when that began.
    "
    ALTER TABLE servers_down ADD COLUMN first INTEGER NOT NULL DEFAULT 0;
    UPDATE servers_down SET first = since;
",
];

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
        connection.execute("INSERT INTO servers_down VALUES ('x', 1, 1)", []).unwrap();
        drop(connection);
        fs::remove_file(&path).unwrap();
        let connection = open(&path, CONNECTIONS, WAIT).unwrap();
        let count: i64 =
            connection.query_row("SELECT count(*) FROM servers_down", [], |row| row.get(0)).unwrap();
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

//! Opens a database only to look into it: nothing on the disk changes, neither a file nor its time.
//!
//! SQLite keeps an index of its log in a file beside it, and whoever opens a database for reading makes or rewrites
//! that file. Here it is opened for reading too (`readonly_shm`): SQLite then uses it where another process keeps it up to
//! date, and else makes an index of its own in memory. Where there is no log, the file is all there is (`immutable`).

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, OpenFlags};

use super::{StoreError, sqlite};

/// What a path has to have escaped in an address.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_');
/// How long another process is waited for that builds the log's index at the moment.
const WAIT: Duration = Duration::from_secs(2);

/// Opens a database that is there.
///
/// # Errors
/// [`StoreError::NotMade`]; [`StoreError::LogAlone`]; [`StoreError::NoIndex`] where it cannot be read without writing; [`StoreError::Newer`];
/// [`StoreError::Database`]; [`StoreError::Denied`].
pub(super) fn open(path: &Path, migrations: &[&str]) -> Result<Connection, StoreError> {
    // SQLite looks for the log beside the file that a symbolic link leads to.
    let file = match fs::canonicalize(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(StoreError::NotMade(path.to_owned()));
        }
        Err(source) => return Err(StoreError::Directory { path: path.to_owned(), source }),
    };
    let log_is_empty = !sqlite::holds_something(&sqlite::beside(&file, sqlite::LOG));
    // SQLite deletes the log of a database that is empty, also where it is opened for reading.
    if !log_is_empty && !sqlite::holds_something(&file) {
        return Err(StoreError::LogAlone(path.to_owned()));
    }
    let how = match (log_is_empty, sqlite::beside(&file, sqlite::INDEX).exists()) {
        (_, true) => "mode=ro&readonly_shm=1",
        (true, false) => "immutable=1",
        (false, false) => return Err(StoreError::NoIndex(path.to_owned())),
    };
    let address = format!("file:{}?{how}", percent_encode(file.as_os_str().as_bytes(), ESCAPED));
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let failed = StoreError::of_sqlite(path);
    let connection = Connection::open_with_flags(address, flags).map_err(failed)?;
    connection.busy_timeout(WAIT).map_err(failed)?;
    if sqlite::version(&connection).map_err(failed)? > migrations.len() {
        return Err(StoreError::Newer(path.to_owned()));
    }
    Ok(connection)
}

//! What is remembered of servers of second factors: what their last harmless question showed, and since when.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::{CONNECTIONS_FILE, Store, StoreError};
use crate::clock::UnixTime;
use crate::words::words;

/// The longest time in seconds between two failed questions of one outage.
const LONGEST_GAP: f64 = 3600.0;

/// The longest request, in seconds. One that ends later was written while the clock was ahead.
const LONGEST_REQUEST: f64 = 3600.0;

words! {
    /// What a harmless question to a server showed.
    ServerFinding {
        /// It was answered.
        Answers = "answers",
        /// It was not answered although a login was a moment before, so it cannot show an outage.
        Mute = "mute",
        /// It was not answered in time, or a gateway answered that it does not reach the server.
        Silent = "silent",
        /// There was no connection: it was refused, or there is no route.
        Refused = "refused",
    }
}

impl ServerFinding {
    /// Whether the server may be down.
    pub fn is_doubt(self) -> bool {
        match self {
            Self::Answers | Self::Mute => false,
            Self::Silent | Self::Refused => true,
        }
    }
}

/// What is remembered of a server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ServerHealth {
    /// What the last question showed.
    pub finding: ServerFinding,
    /// How long ago that was, in seconds.
    pub asked: f64,
    /// For how long nothing but harmless questions was sent to the server, and none of them was answered, in seconds, at
    /// the time of the last one. 0 unless the server may be down.
    pub lasted: f64,
    /// Whether the server has answered the harmless question before, and since then whenever it answered a login.
    pub is_proven: bool,
}

impl Store<'_> {
    /// Returns what is remembered of a server; `None` also where it lies in the future, because the clock was ahead.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn server_health(&self, server: &str) -> Result<Option<ServerHealth>, StoreError> {
        let database = self.ephemeral()?;
        read(&database.connection, server, self.now()).map_err(database.failed())
    }

    /// Claims the next question to a server that may be down: at most one hook asks in `pause` seconds, so that the
    /// questions of many logins cannot be what keeps a server from answering them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn claim_server_question(&self, server: &str, pause: f64) -> Result<bool, StoreError> {
        let database = self.ephemeral()?;
        let now = self.now();
        let sql = "UPDATE servers SET claimed = ?2 WHERE server = ?1 AND (claimed > ?2 OR claimed <= ?3)";
        let before = now.plus_seconds(-pause).as_micros();
        let claimed = database.connection.execute(sql, params![server, now.as_micros(), before]);
        claimed.map(|rows| rows > 0).map_err(database.failed())
    }

    /// Remembers what a harmless question to a server showed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note_server(&self, server: &str, finding: ServerFinding) -> Result<(), StoreError> {
        let database = self.ephemeral()?;
        let now = self.now();
        // A doubt goes on only if it is a doubt already, and not for too long ago.
        let sql = "INSERT INTO servers (server, finding, asked, claimed, since, proven)
            VALUES (?1, ?2, ?3, ?3, ?3, ?4) ON CONFLICT (server) DO UPDATE SET
            since = iif(?5 AND finding IN ('silent', 'refused') AND asked BETWEEN ?6 AND ?3 AND since <= ?3, since, ?3),
            finding = ?2, asked = ?3, claimed = ?3, proven = iif(?5, proven, ?4)";
        let connected = now.plus_seconds(-LONGEST_GAP).as_micros();
        let is_proven = finding == ServerFinding::Answers;
        let values =
            params![server, finding.word(), now.as_micros(), is_proven, finding.is_doubt(), connected];
        database.connection.execute(sql, values).map(|_| ()).map_err(database.failed())
    }

    /// Tells whether anything is remembered of servers here, or may be: whether there is a file for it.
    pub fn remembers_servers(&self) -> bool {
        self.places.ephemeral_path().is_some_and(|path| path.join(CONNECTIONS_FILE).exists())
    }

    /// Begins a user's request to a server, which ends within `longest` seconds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn begin_request<'s>(&self, server: &'s str, longest: f64) -> Result<ServerRequest<'s>, StoreError> {
        let ends = self.now().plus_seconds(longest).as_micros();
        self.without_sync(|connection| {
            let insert = "INSERT INTO requests (server, ends) VALUES (?1, ?2)";
            connection.execute(insert, params![server, ends])?;
            Ok(ServerRequest { id: connection.last_insert_rowid(), server })
        })
    }

    /// Ends a request. If it was sent, the silence of a server that may be down begins anew, whether or not it was answered:
    /// a server that answers it is there, and one that does not may be busy with it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn end_request(&self, request: &ServerRequest<'_>, was_sent: bool) -> Result<(), StoreError> {
        let now = self.now();
        let (forgotten, ahead) = (now.plus_seconds(-LONGEST_GAP), now.plus_seconds(LONGEST_REQUEST));
        self.without_sync(|connection| {
            let transaction = connection.unchecked_transaction()?;
            let delete = "DELETE FROM requests WHERE id = ?1 OR ends < ?2 OR ends > ?3";
            transaction.execute(delete, params![request.id, forgotten.as_micros(), ahead.as_micros()])?;
            if was_sent {
                let update = "UPDATE servers SET since = ?2
                    WHERE server = ?1 AND finding IN ('silent', 'refused') AND since < ?2";
                transaction.execute(update, params![request.server, now.as_micros()])?;
            }
            transaction.commit()
        })
    }

    /// Writes what need not survive a power failure, without waiting for the disk.
    fn without_sync<T>(
        &self,
        write: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let database = self.ephemeral()?;
        let connection = &database.connection;
        let written =
            connection.execute_batch("PRAGMA synchronous = NORMAL").and_then(|()| write(connection));
        let restored = connection.execute_batch("PRAGMA synchronous = FULL");
        written.and_then(|written| restored.map(|()| written)).map_err(database.failed())
    }

    /// Tells whether a server may still work on a user's request.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_server_busy(&self, server: &str) -> Result<bool, StoreError> {
        let database = self.ephemeral()?;
        let sql = "SELECT EXISTS (SELECT 1 FROM requests WHERE server = ?1 AND ends > ?2 AND ends <= ?3)";
        let now = self.now();
        let values = params![server, now.as_micros(), now.plus_seconds(LONGEST_REQUEST).as_micros()];
        let busy = database.connection.query_row(sql, values, |row| row.get(0));
        busy.map_err(database.failed())
    }
}

/// A user's request that is on its way.
#[derive(Debug)]
pub struct ServerRequest<'s> {
    id: i64,
    server: &'s str,
}

fn read(connection: &Connection, server: &str, now: UnixTime) -> rusqlite::Result<Option<ServerHealth>> {
    let sql = "SELECT finding, asked, since, proven, (SELECT max(ends) FROM requests WHERE server = ?1 AND ends <= ?3)
        FROM servers WHERE server = ?1 AND asked <= ?2";
    let values = params![server, now.as_micros(), now.plus_seconds(LONGEST_REQUEST).as_micros()];
    connection
        .query_row(sql, values, |row| {
            let name: String = row.get(0)?;
            let (asked, since) = (UnixTime::from_micros(row.get(1)?), row.get(2)?);
            // What is not answered while there is a request shows no outage, because the request may be why.
            let since =
                UnixTime::from_micros(row.get::<_, Option<i64>>(4)?.map_or(since, |ends| ends.max(since)));
            // A word of a later version is no doubt, and proves nothing.
            let finding = ServerFinding::from_word(&name).unwrap_or(ServerFinding::Mute);
            let lasted = if finding.is_doubt() { seconds(since, asked) } else { 0.0 };
            Ok(ServerHealth { finding, asked: seconds(asked, now), lasted, is_proven: row.get(3)? })
        })
        .optional()
}

/// Returns the seconds from one time to another; 0 where the other is not later.
fn seconds(from: UnixTime, to: UnixTime) -> f64 {
    let micros = to.as_micros().saturating_sub(from.as_micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or_default()).as_secs_f64()
}

//! What is remembered of servers of second factors: what their last harmless question showed, and since when.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreError};
use crate::clock::UnixTime;

/// How long failed questions belong to one outage, in seconds: a longer gap between two says nothing of the time between.
const LONGEST_GAP: f64 = 3600.0;

/// In how many seconds every request ends; one that ends later is of a clock that was ahead.
const LONGEST_REQUEST: f64 = 900.0;

/// What a harmless question to a server showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerFinding {
    /// It was answered.
    Answers,
    /// It was not answered although a login was a moment before, so it cannot show an outage.
    Mute,
    /// It was not answered in time, or a gateway answered that it does not reach the server.
    Silent,
    /// There was no connection: it was refused, or there is no route.
    Refused,
}

impl ServerFinding {
    const ALL: [Self; 4] = [Self::Answers, Self::Mute, Self::Silent, Self::Refused];

    fn name(self) -> &'static str {
        match self {
            Self::Answers => "answers",
            Self::Mute => "mute",
            Self::Silent => "silent",
            Self::Refused => "refused",
        }
    }

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
    /// For how long nothing but harmless questions was sent to the server and none was answered, in seconds, at the time
    /// of the last one. 0 unless the server may be down.
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
            params![server, finding.name(), now.as_micros(), is_proven, finding.is_doubt(), connected];
        database.connection.execute(sql, values).map(|_| ()).map_err(database.failed())
    }

    /// Begins a user's request to a server, which ends within `longest` seconds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn begin_request(&self, server: &str, longest: f64) -> Result<ServerRequest, StoreError> {
        let database = self.ephemeral()?;
        let now = self.now();
        let forgotten = now.plus_seconds(-LONGEST_GAP).as_micros();
        let ahead = now.plus_seconds(LONGEST_REQUEST).as_micros();
        let delete = "DELETE FROM requests WHERE ends < ?1 OR ends > ?2";
        database.connection.execute(delete, [forgotten, ahead]).map_err(database.failed())?;
        let insert = "INSERT INTO requests (server, ends) VALUES (?1, ?2)";
        let ends = now.plus_seconds(longest).as_micros();
        database.connection.execute(insert, params![server, ends]).map_err(database.failed())?;
        Ok(ServerRequest(database.connection.last_insert_rowid()))
    }

    /// Ends a request. Of one that was not answered it is kept that it was there until now, because the server may be busy
    /// with it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn end_request(&self, request: ServerRequest, is_answered: bool) -> Result<(), StoreError> {
        let database = self.ephemeral()?;
        let (id, now) = (request.0, self.now().as_micros());
        let done = if is_answered {
            database.connection.execute("DELETE FROM requests WHERE id = ?1", [id])
        } else {
            database.connection.execute("UPDATE requests SET ends = ?2 WHERE id = ?1", [id, now])
        };
        done.map(|_| ()).map_err(database.failed())
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
pub struct ServerRequest(i64);

fn read(connection: &Connection, server: &str, now: UnixTime) -> rusqlite::Result<Option<ServerHealth>> {
    let sql = "SELECT finding, asked, since, proven, (SELECT max(ends) FROM requests WHERE server = ?1 AND ends <= ?3)
        FROM servers WHERE server = ?1 AND asked <= ?2";
    let values = params![server, now.as_micros(), now.plus_seconds(LONGEST_REQUEST).as_micros()];
    connection
        .query_row(sql, values, |row| {
            let name: String = row.get(0)?;
            let (asked, since) = (UnixTime::from_micros(row.get(1)?), row.get(2)?);
            // What was not answered while there was a request shows no outage, because the request may be why.
            let since =
                UnixTime::from_micros(row.get::<_, Option<i64>>(4)?.map_or(since, |ends| ends.max(since)));
            let finding = ServerFinding::ALL.into_iter().find(|finding| finding.name() == name);
            // What is not known is no doubt, and proves nothing.
            let finding = finding.unwrap_or(ServerFinding::Mute);
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

//! What is remembered of servers of second factors: what their last harmless question showed, since when, and when users'
//! requests were last sent to them.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::{CONNECTIONS_FILE, Store, StoreError};
use crate::clock::UnixTime;
use crate::words::words;

/// The longest request, in seconds. One that ends later was written while the clock was ahead.
const LONGEST_REQUEST: f64 = 3600.0;

/// A server, as it is remembered. Two services at one address are two servers with one endpoint.
#[derive(Clone, Debug)]
pub struct ServerId {
    /// The section that describes it.
    pub kind: &'static str,
    /// Its address as it is configured.
    pub address: String,
    /// Where its connections go, in one form. A limit of connections or requests there is one of all its services.
    pub endpoint: String,
}

impl ServerId {
    fn key(&self) -> String {
        format!("{} {}", self.kind, self.address)
    }
}

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
    /// For how long no question was answered, in seconds, at the time of the last one. 0 unless the server may be down.
    pub lasted: f64,
    /// Whether the server has answered the harmless question before, and since then whenever it answered a login.
    pub is_proven: bool,
}

/// What users have sent to a server, and it may be working on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ServerLoad {
    /// How long ago the last request ended, in seconds; 0 while one is open, `None` if there was none.
    pub quiet: Option<f64>,
    /// How many requests of the last hour had no answer, less those that had one after them.
    pub unanswered: u32,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestEnd {
    /// Nothing was sent.
    NothingSent,
    /// There was an answer.
    Answered,
    /// It was turned away, for example by a gateway or in a TLS handshake, or only asked something. The server is not
    /// working on it, and of others nothing is known.
    TurnedAway,
    /// There was none, so that the server may still be working on it.
    Unanswered,
}

impl Store<'_> {
    /// Returns what is remembered of a server; `None` also where it lies in the future, because the clock was ahead.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn server_health(&self, server: &ServerId) -> Result<Option<ServerHealth>, StoreError> {
        let database = self.ephemeral()?;
        read(&database.connection, server, self.now()).map_err(database.failed())
    }

    /// Returns what users have sent to the endpoint of a server.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn server_load(&self, server: &ServerId) -> Result<ServerLoad, StoreError> {
        let database = self.ephemeral()?;
        let now = self.now();
        // A request whose hook was killed has no end of its own. It counts as one without an answer once its time is over.
        let sql = "SELECT max(time), sum(unanswered) FROM (
            SELECT last AS time, iif(last < ?4, 0, unanswered) AS unanswered FROM logins WHERE endpoint = ?1
            UNION ALL SELECT ends, ends <= ?2 FROM requests WHERE endpoint = ?1 AND ends <= ?3) WHERE time <= ?3";
        let [forgotten, ahead] =
            [-LONGEST_REQUEST, LONGEST_REQUEST].map(|time| now.plus_seconds(time).as_micros());
        let values = params![server.endpoint, now.as_micros(), ahead, forgotten];
        let load = database.connection.query_row(sql, values, |row| {
            let last: Option<i64> = row.get(0)?;
            Ok(ServerLoad {
                quiet: last.map(|last| seconds(UnixTime::from_micros(last), now)),
                unanswered: row.get::<_, Option<u32>>(1)?.unwrap_or_default(),
            })
        });
        load.map_err(database.failed())
    }

    /// Claims the next question to a server that may be down: at most one hook asks in `pause` seconds, so that the
    /// questions of many logins cannot be what keeps a server from answering them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn claim_server_question(&self, server: &ServerId, pause: f64) -> Result<bool, StoreError> {
        let database = self.ephemeral()?;
        let now = self.now();
        let sql = "UPDATE servers SET claimed = ?2 WHERE server = ?1 AND (claimed > ?2 OR claimed <= ?3)";
        let before = now.plus_seconds(-pause).as_micros();
        let claimed = database.connection.execute(sql, params![server.key(), now.as_micros(), before]);
        claimed.map(|rows| rows > 0).map_err(database.failed())
    }

    /// Remembers what a harmless question to a server showed. Two questions with more than `gap` seconds between them do not
    /// belong to one outage.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note_server(&self, server: &ServerId, finding: ServerFinding, gap: f64) -> Result<(), StoreError> {
        let database = self.ephemeral()?;
        let now = self.now();
        // A doubt goes on only if it is a doubt already, and not for too long ago.
        let sql = "INSERT INTO servers (server, finding, asked, claimed, since, proven)
            VALUES (?1, ?2, ?3, ?3, ?3, ?4) ON CONFLICT (server) DO UPDATE SET
            since = iif(?5 AND finding IN ('silent', 'refused') AND asked BETWEEN ?6 AND ?3 AND since <= ?3, since, ?3),
            finding = ?2, asked = ?3, claimed = ?3, proven = iif(?5, proven, ?4)";
        let connected = now.plus_seconds(-gap).as_micros();
        let is_proven = finding == ServerFinding::Answers;
        let values =
            params![server.key(), finding.word(), now.as_micros(), is_proven, finding.is_doubt(), connected];
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
    pub fn begin_request(&self, server: &ServerId, longest: f64) -> Result<ServerRequest, StoreError> {
        let ends = self.now().plus_seconds(longest).as_micros();
        self.without_sync(|connection| {
            let insert = "INSERT INTO requests (endpoint, ends) VALUES (?1, ?2)";
            connection.execute(insert, params![server.endpoint, ends])?;
            Ok(ServerRequest { id: connection.last_insert_rowid(), endpoint: server.endpoint.clone() })
        })
    }

    /// Ends a request. What was sent to a server, and whether it was answered, is remembered for its endpoint.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn end_request(&self, request: &ServerRequest, end: RequestEnd) -> Result<(), StoreError> {
        let now = self.now();
        let (forgotten, ahead) = (now.plus_seconds(-LONGEST_REQUEST), now.plus_seconds(LONGEST_REQUEST));
        self.without_sync(|connection| {
            let transaction = connection.unchecked_transaction()?;
            let delete = "DELETE FROM requests WHERE id = ?1 OR ends < ?2 OR ends > ?3";
            transaction.execute(delete, params![request.id, forgotten.as_micros(), ahead.as_micros()])?;
            if end != RequestEnd::NothingSent {
                let update = "INSERT INTO logins (endpoint, last, unanswered) VALUES (?1, ?2, ?3)
                    ON CONFLICT (endpoint) DO UPDATE SET
                    last = ?2, unanswered = max(0, iif(last < ?5, 0, unanswered) + ?3 - ?4)";
                let (is_unanswered, is_answered) =
                    (end == RequestEnd::Unanswered, end == RequestEnd::Answered);
                let forgotten = forgotten.as_micros();
                let values =
                    params![request.endpoint, now.as_micros(), is_unanswered, is_answered, forgotten];
                transaction.execute(update, values)?;
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
}

/// A user's request that is on its way.
#[derive(Debug)]
pub struct ServerRequest {
    id: i64,
    endpoint: String,
}

fn read(connection: &Connection, server: &ServerId, now: UnixTime) -> rusqlite::Result<Option<ServerHealth>> {
    let sql = "SELECT finding, asked, since, proven FROM servers WHERE server = ?1 AND asked <= ?2";
    connection
        .query_row(sql, params![server.key(), now.as_micros()], |row| {
            let name: String = row.get(0)?;
            let (asked, since) = (UnixTime::from_micros(row.get(1)?), UnixTime::from_micros(row.get(2)?));
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

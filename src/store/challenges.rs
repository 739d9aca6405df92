//! Challenges: what a user still has to answer. The cookie holds the id, everything else stays here.

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError};
use crate::clock::UnixTime;

/// The longest time for which an answer may be waited for, in microseconds: a day.
pub(super) const MAX_VALIDITY: i64 = 86_400_000_000;

/// What has to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeKind {
    /// The code of a token whose PIN was right.
    Otp,
    /// The question of the server that a forward token leads to.
    Forward,
    /// The approvals of others.
    FourEyes,
    /// What a server asks; the data are its provider's.
    Remote,
}

impl ChallengeKind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Otp => "otp",
            Self::Forward => "forward",
            Self::FourEyes => "4eyes",
            Self::Remote => "remote",
        }
    }
}

/// An open challenge. It is good for one session of one user.
#[derive(Clone, Debug)]
pub struct Challenge {
    /// Its unguessable name.
    pub id: String,
    /// What has to be answered.
    pub kind: ChallengeKind,
    /// The session that it was made for.
    pub session_id: String,
    /// The user that it was made for.
    pub user: String,
    /// The user's realm.
    pub realm: String,
    /// What the answer is held against, as JSON. Serials and what a server gave along, never secrets.
    pub data: String,
    /// Until when it holds.
    pub expires: UnixTime,
}

impl Store<'_> {
    /// Returns an open challenge; `None` if there is none of that name, its time is over, or it ends more than `validity`
    /// seconds from now: the clock was ahead when it was made.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn challenge(&self, id: &str, validity: f64) -> Result<Option<Challenge>, StoreError> {
        let database = self.persistent()?;
        let (now, latest) = (self.now().as_micros(), self.now().plus_seconds(validity).as_micros());
        let sql = "SELECT kind, session_id, user, realm, data, expires FROM challenges
            WHERE id = ?1 AND expires > ?2 AND expires <= ?3";
        let read = |row: &rusqlite::Row<'_>| {
            let kind: String = row.get(0)?;
            Ok(Challenge {
                id: id.to_owned(),
                kind: match kind.as_str() {
                    "otp" => ChallengeKind::Otp,
                    "forward" => ChallengeKind::Forward,
                    "remote" => ChallengeKind::Remote,
                    _ => ChallengeKind::FourEyes,
                },
                session_id: row.get(1)?,
                user: row.get(2)?,
                realm: row.get(3)?,
                data: row.get(4)?,
                expires: UnixTime::from_micros(row.get(5)?),
            })
        };
        let found = database.connection.query_row(sql, params![id, now, latest], read).optional();
        found.map_err(database.failed())
    }
}

//! Leases: which session holds an entry that only one may hold.
//!
//! A lease names its session, so whoever asks again in the same session gets the entry again: after a crash between
//! the check-out and the response, nobody but that session can ask, and its end gives back what its cookie never
//! heard of.

use rusqlite::{OptionalExtension, params};

use super::credentials::EntryId;
use super::{Store, StoreError};
use crate::clock::UnixTime;

/// A check-out that nobody else may have at the same time.
pub struct Lease<'a> {
    /// The entry.
    pub entry: &'a EntryId,
    /// Who asks.
    pub session_id: &'a str,
    /// Who sits there, for the log; may be empty.
    pub user: &'a str,
    /// The account that was asked for.
    pub account: &'a str,
    /// The asset that was asked for.
    pub asset: &'a str,
    /// When it ends if nobody ends it.
    pub expires: UnixTime,
}

/// Who holds an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The session.
    pub session_id: String,
    /// Who sits there; may be empty.
    pub user: String,
    /// Until when, if nobody ends it.
    pub expires: UnixTime,
}

const OTHERS: &str = "SELECT session_id, user, expires FROM leases
    WHERE owner = ?1 AND entry = ?2 AND session_id <> ?3 AND expires > ?4 LIMIT 1";

fn holder(row: &rusqlite::Row<'_>) -> rusqlite::Result<Holder> {
    Ok(Holder { session_id: row.get(0)?, user: row.get(1)?, expires: UnixTime::from_micros(row.get(2)?) })
}

impl Store<'_> {
    /// Takes a lease, durably; or says which other session holds the entry. Who holds it already holds it longer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn take_lease(&self, lease: &Lease<'_>) -> Result<Option<Holder>, StoreError> {
        let database = self.persistent()?;
        let now = self.now().as_micros();
        let transaction = database.begin()?;
        // The entry's name is of the key that this process knows.
        self.check_key()?;
        let (owner, entry) = (&lease.entry.owner, &lease.entry.entry);
        let take = || -> rusqlite::Result<Option<Holder>> {
            let others = params![owner, entry, lease.session_id, now];
            if let Some(found) = transaction.query_row(OTHERS, others, holder).optional()? {
                return Ok(Some(found));
            }
            let over = "DELETE FROM leases WHERE owner = ?1 AND entry = ?2 AND expires <= ?3";
            transaction.execute(over, params![owner, entry, now])?;
            transaction.execute(
                "INSERT OR REPLACE INTO leases VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    owner,
                    entry,
                    lease.session_id,
                    lease.account,
                    lease.asset,
                    lease.user,
                    lease.expires.as_micros()
                ],
            )?;
            Ok(None)
        };
        let held = take().map_err(database.failed())?;
        if held.is_none() {
            transaction.commit().map_err(database.failed())?;
        }
        Ok(held)
    }

    /// Returns a session other than this one that holds an entry.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn holder(&self, entry: &EntryId, session_id: &str) -> Result<Option<Holder>, StoreError> {
        let database = self.persistent()?;
        let values = params![entry.owner, entry.entry, session_id, self.now().as_micros()];
        database.connection.query_row(OTHERS, values, holder).optional().map_err(database.failed())
    }

    /// Ends a session's lease of what it asked for; tells whether there was one. A state that was never written is
    /// not opened.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn end_lease(&self, session_id: &str, account: &str, asset: &str) -> Result<bool, StoreError> {
        if !self.has_state() {
            return Ok(false);
        }
        let sql = "DELETE FROM leases WHERE session_id = ?1 AND account = ?2 AND asset = ?3";
        let database = self.persistent()?;
        let ended = database.connection.execute(sql, params![session_id, account, asset]);
        ended.map(|count| count > 0).map_err(database.failed())
    }

    /// Ends every lease of a session; returns the accounts and assets.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn end_leases(&self, session_id: &str) -> Result<Vec<(String, String)>, StoreError> {
        if !self.has_state() {
            return Ok(Vec::new());
        }
        let database = self.persistent()?;
        let end = || -> rusqlite::Result<Vec<(String, String)>> {
            // Reads first: most sessions hold nothing, and need no lock for that.
            let find = "SELECT account, asset FROM leases WHERE session_id = ?1";
            let rows = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            let found: Vec<_> = database
                .connection
                .prepare(find)?
                .query_map([session_id], rows)?
                .collect::<Result<_, _>>()?;
            if !found.is_empty() {
                database.connection.execute("DELETE FROM leases WHERE session_id = ?1", [session_id])?;
            }
            Ok(found)
        };
        end().map_err(database.failed())
    }
}

//! Recent authentications and open connections.

use rusqlite::{Connection, params};

use super::{Store, StoreError};
use crate::names::{CountKey, PermitKey};

/// How long and how often a recent authentication is good for another session.
#[derive(Clone, Copy, Debug)]
pub struct CacheLimits {
    /// Seconds since it was last used.
    pub soft_timeout: f64,
    /// Seconds since the authentication.
    pub hard_timeout: f64,
    /// How often; negative for no limit.
    pub reuse_limit: i64,
}

/// Whose open connections are counted together.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ConnectionKey {
    /// The client's address, in its one form.
    pub client_ip: String,
    /// The user at the gateway, as limits count people.
    pub username: String,
}

/// Under which connection policies a remembered authentication is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheScope {
    /// Under the one of this name.
    Policy(String),
    /// Where SPS does not say which it is.
    Unnamed,
    /// Under all that share.
    Shared,
}

impl CacheScope {
    fn text(&self) -> String {
        match self {
            Self::Policy(name) => format!("policy {name}"),
            Self::Unnamed => "unnamed".to_owned(),
            Self::Shared => "shared".to_owned(),
        }
    }
}

/// What a remembered authentication is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheKey<'a> {
    /// The user at the gateway.
    pub user: &'a PermitKey,
    /// The client's address.
    pub client_ip: &'a str,
    /// The connection policies.
    pub scope: CacheScope,
    /// The provider that was asked, as the configuration names it.
    pub provider: &'a str,
}

/// Forgets the remembered authentications of the owner of a token, and of the owners of the forward tokens that lead to
/// it; within a transaction.
pub(super) fn forget_owner_of(connection: &Connection, serial: &str) -> rusqlite::Result<()> {
    let sql = "WITH RECURSIVE led (serial, user) AS (
                   SELECT serial, user FROM tokens WHERE serial = ?1
                   UNION SELECT tokens.serial, tokens.user FROM tokens JOIN led ON tokens.target = led.serial COLLATE NOCASE)
               SELECT DISTINCT user FROM led WHERE user <> ''";
    let mut statement = connection.prepare_cached(sql)?;
    let owners: Vec<String> =
        statement.query_map(params![serial], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    for owner in owners {
        forget(connection, &owner)?;
    }
    Ok(())
}

/// Forgets the remembered authentications of whoever may be this user, under whatever realm.
fn forget(connection: &Connection, user: &str) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM authentication_cache WHERE person = ?1 OR identity = ?1";
    connection.execute(sql, params![CountKey::of(user).as_str()])
}

impl Store<'_> {
    /// Uses a recent authentication of this user from this address, and counts the use; tells whether there was one.
    ///
    /// Times are compared as the SDK's `AuthenticationCache.try_authenticate` does; beyond it, an entry from the
    /// future (the clock was set back) is not used. Parallel processes cannot use one entry more often than allowed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn use_authentication(&self, key: &CacheKey<'_>, limits: CacheLimits) -> Result<bool, StoreError> {
        let database = self.persistent()?;
        let now = self.now();
        let changed = database
            .connection
            .execute(
                "UPDATE authentication_cache SET last_used = ?3, reuse_count = reuse_count + 1
                 WHERE username = ?1 AND client_ip = ?2 AND scope = ?7 AND provider = ?8
                   AND last_authenticated >= ?4 AND last_used >= ?5 AND last_used <= ?3
                   AND (?6 < 0 OR reuse_count < ?6)",
                params![
                    key.user.as_str(),
                    key.client_ip,
                    now.as_micros(),
                    now.plus_seconds(-limits.hard_timeout).as_micros(),
                    now.plus_seconds(-limits.soft_timeout).as_micros(),
                    limits.reuse_limit,
                    key.scope.text(),
                    key.provider,
                ],
            )
            .map_err(database.failed())?;
        Ok(changed > 0)
    }

    /// Remembers an authentication, and forgets those that time has overtaken. `identity` is the user as the second
    /// factor knows them: the owner of the tokens that were accepted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn remember_authentication(
        &self,
        key: &CacheKey<'_>,
        identity: &CountKey,
        limits: CacheLimits,
    ) -> Result<(), StoreError> {
        let database = self.persistent()?;
        let now = self.now();
        let transaction = database.begin()?;
        transaction
            .execute("DELETE FROM authentication_cache WHERE expires < ?1", params![now.as_micros()])
            .and_then(|_| {
                transaction.execute(
                    "INSERT OR REPLACE INTO authentication_cache VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, 0, ?8)",
                    params![
                        key.user.as_str(),
                        key.client_ip,
                        key.scope.text(),
                        key.provider,
                        CountKey::of(key.user.as_str()).as_str(),
                        identity.as_str(),
                        now.as_micros(),
                        now.plus_seconds(limits.hard_timeout).as_micros()
                    ],
                )
            })
            .and_then(|_| transaction.commit())
            .map_err(database.failed())
    }

    /// Forgets the remembered authentications of a user, or all; returns how many there were.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_authentications(&self, user: Option<&str>) -> Result<usize, StoreError> {
        let database = self.persistent()?;
        let forgotten = match user {
            Some(user) => forget(&database.connection, user),
            None => database.connection.execute("DELETE FROM authentication_cache", []),
        };
        forgotten.map_err(database.failed())
    }

    /// Counts a session as open unless `limit` others of the same key are; tells whether it was counted.
    ///
    /// Sessions opened more than `max_age` seconds ago are dropped first (`None`: never). A session that is counted
    /// already stays counted once.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_connection(
        &self,
        key: &ConnectionKey,
        session_id: &str,
        limit: i64,
        max_age: Option<f64>,
    ) -> Result<bool, StoreError> {
        let database = self.ephemeral()?;
        let now = self.now();
        let transaction = database.begin()?;
        let take = || -> rusqlite::Result<bool> {
            if let Some(age) = max_age {
                transaction.execute(
                    "DELETE FROM connections WHERE opened < ?1",
                    params![now.plus_seconds(-age).as_micros()],
                )?;
            }
            // Those of a clock that was ahead count as opened now; else they would be counted for all that time.
            transaction
                .execute("UPDATE connections SET opened = ?1 WHERE opened > ?1", params![now.as_micros()])?;
            let others: i64 = transaction.query_row(
                "SELECT count(*) FROM connections WHERE client_ip = ?1 AND username = ?2 AND session_id <> ?3",
                params![key.client_ip, key.username, session_id],
                |row| row.get(0),
            )?;
            if others >= limit {
                return Ok(false);
            }
            transaction.execute(
                "INSERT OR REPLACE INTO connections VALUES (?1, ?2, ?3, ?4)",
                params![key.client_ip, key.username, session_id, now.as_micros()],
            )?;
            Ok(true)
        };
        let taken = take().map_err(database.failed())?;
        transaction.commit().map_err(database.failed())?;
        Ok(taken)
    }

    /// Gives a connection back; one that is not counted is no error.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn close_connection(&self, key: &ConnectionKey, session_id: &str) -> Result<(), StoreError> {
        let database = self.ephemeral()?;
        database
            .connection
            .execute(
                "DELETE FROM connections WHERE client_ip = ?1 AND username = ?2 AND session_id = ?3",
                params![key.client_ip, key.username, session_id],
            )
            .map(|_| ())
            .map_err(database.failed())
    }
}

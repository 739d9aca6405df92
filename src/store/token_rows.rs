//! Tokens in the database: found, added, changed, deleted.

use rusqlite::{OptionalExtension, Row, ToSql, params};

use super::tokens::{Algorithm, Candidate, Token, TokenType};
use super::{Database, Store, StoreError, sessions};
use crate::clock::UnixTime;
use crate::names::fold;

const COLUMNS: &str =
    "serial, type, user, realm, description, enabled, algorithm, digits, period, window, counter,
    skew, fail_counter, max_fail, failed_at, unlock_after, valid_from, valid_until, target, realms, separator,
    sealed_secret, sealed_pin";

/// The condition under which a token may be used, with `?1` for the time. The same as [`Token::is_usable`].
pub(super) const USABLE: &str = "enabled = 1
    AND (max_fail = 0 OR fail_counter < max_fail
         OR (unlock_after > 0 AND failed_at + unlock_after * 1000000 <= ?1))
    AND (valid_from IS NULL OR valid_from <= ?1) AND (valid_until IS NULL OR ?1 < valid_until)";

fn token(row: &Row<'_>) -> rusqlite::Result<Result<Token, StoreError>> {
    let serial: String = row.get(0)?;
    let (kind, algorithm): (String, String) = (row.get(1)?, row.get(6)?);
    let unknown = |column| StoreError::Unknown { column, row: serial.clone() };
    let (Some(token_type), Some(algorithm)) = (TokenType::from_word(&kind), Algorithm::from_word(&algorithm))
    else {
        return Ok(Err(unknown("type or algorithm")));
    };
    Ok(Ok(Token {
        token_type,
        user: row.get(2)?,
        realm: row.get(3)?,
        description: row.get(4)?,
        enabled: row.get(5)?,
        algorithm,
        digits: row.get(7)?,
        period: row.get(8)?,
        window: row.get(9)?,
        counter: row.get::<_, i64>(10)?.try_into().unwrap_or(u64::MAX),
        skew: row.get(11)?,
        fail_counter: row.get(12)?,
        max_fail: row.get(13)?,
        failed_at: UnixTime::from_micros(row.get(14)?),
        unlock_after: row.get(15)?,
        valid_from: row.get::<_, Option<i64>>(16)?.map(UnixTime::from_micros),
        valid_until: row.get::<_, Option<i64>>(17)?.map(UnixTime::from_micros),
        target: row.get(18)?,
        realms: row.get(19)?,
        separator: row.get(20)?,
        sealed_secret: row.get(21)?,
        sealed_pin: row.get(22)?,
        serial,
    }))
}

fn candidate<'r>(row: &'r Row<'_>) -> rusqlite::Result<Option<Candidate<'r>>> {
    let text = |index| row.get_ref(index)?.as_str().map_err(rusqlite::Error::from);
    let (kind, algorithm) = (TokenType::from_word(text(2)?), Algorithm::from_word(text(3)?));
    let (Some(token_type), Some(algorithm)) = (kind, algorithm) else { return Ok(None) };
    Ok(Some(Candidate {
        serial: text(0)?,
        user: text(1)?,
        token_type,
        algorithm,
        digits: row.get(4)?,
        period: row.get(5)?,
        window: row.get(6)?,
        counter: row.get::<_, i64>(7)?.try_into().unwrap_or(u64::MAX),
        skew: row.get(8)?,
        has_pin: row.get(9)?,
        sealed_secret: row.get_ref(10)?.as_blob().unwrap_or_default(),
    }))
}

impl Database {
    pub(super) fn select(&self, condition: &str, values: &[&dyn ToSql]) -> Result<Vec<Token>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM tokens {condition}");
        let read = || -> rusqlite::Result<Vec<_>> {
            self.connection.prepare(&sql)?.query_map(values, token)?.collect()
        };
        read().map_err(self.failed())?.into_iter().collect()
    }
}

/// All realms as they are written, each once.
const SPELLINGS: &str = "WITH RECURSIVE spellings (spelling) AS (
    SELECT min(realm) FROM tokens
    UNION ALL SELECT (SELECT min(realm) FROM tokens WHERE realm > spelling) FROM spellings WHERE spelling IS NOT NULL)";

impl Store<'_> {
    /// Returns the tokens of a user, in the order of their serials, however the names are written. The empty name is not
    /// a person's: a token that was not assigned yet has it.
    ///
    /// A store of an earlier version may have tokens of two people whose names differ in case only. There the names are
    /// compared exactly, so that neither gets the other's tokens.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn tokens_of(&self, user: &str, realm: &str) -> Result<Vec<Token>, StoreError> {
        let (user_key, realm_key) = (fold(user), fold(realm));
        let condition = "WHERE realm_key = ?1 AND user_key = ?2 AND user <> '' ORDER BY serial";
        let mut tokens = self.persistent()?.select(condition, &[&realm_key, &user_key])?;
        let is_clash = tokens
            .iter()
            .zip(tokens.iter().skip(1))
            .any(|(one, other)| (&one.user, &one.realm) != (&other.user, &other.realm));
        if is_clash {
            tokens.retain(|token| token.user == user && token.realm == realm);
        }
        Ok(tokens)
    }

    /// Returns a token by its serial, in whatever case it is written.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn token(&self, serial: &str) -> Result<Option<Token>, StoreError> {
        // A store of an earlier version may have two serials that differ in case only.
        let condition = "WHERE serial = ?1 COLLATE NOCASE ORDER BY serial <> ?1 LIMIT 1";
        Ok(self.persistent()?.select(condition, &[&serial])?.pop())
    }

    /// Returns all tokens, of one user or realm where these are given, by realm, user and serial.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn tokens(&self, user: Option<&str>, realm: Option<&str>) -> Result<Vec<Token>, StoreError> {
        let condition = "WHERE (?1 IS NULL OR realm_key = ?1) AND (?2 IS NULL OR user_key = ?2)
            ORDER BY realm, user, serial";
        self.persistent()?.select(condition, &[&realm.map(fold), &user.map(fold)])
    }

    /// Tells whether somebody in a realm has a token.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn has_people(&self, realm: &str) -> Result<bool, StoreError> {
        let database = self.persistent()?;
        let sql = "SELECT 1 FROM tokens WHERE realm_key = ?1 AND user <> '' LIMIT 1";
        let found = database.connection.query_row(sql, params![fold(realm)], |_| Ok(())).optional();
        Ok(found.map_err(database.failed())?.is_some())
    }

    /// Returns the forward tokens that lead to a token.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forwards_to(&self, serial: &str) -> Result<Vec<Token>, StoreError> {
        self.persistent()?.select("WHERE target = ?1 COLLATE NOCASE ORDER BY serial", &[&serial])
    }

    /// Shows every usable token of a realm (of one user, if given) that somebody owns and that makes one-time codes of
    /// its own. A row that cannot be read is passed over: it must not stand in the way of all others.
    ///
    /// # Errors
    /// [`StoreError`]; what `visit` returns.
    pub fn search<E: From<StoreError>>(
        &self,
        realm: &str,
        user: Option<&str>,
        mut visit: impl FnMut(&Candidate<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let database = self.persistent()?;
        // Rows are clustered by the realm as it is written. A whole realm is read in that order, without a step from the
        // index to each row; its spellings are found by a step from one realm to the next.
        let (spellings, place) = match user {
            None => (
                SPELLINGS,
                "realm IN (SELECT spelling FROM spellings
                    WHERE (SELECT realm_key FROM tokens WHERE realm = spelling LIMIT 1) = ?2)",
            ),
            Some(_) => ("", "realm_key = ?2"),
        };
        let sql = format!(
            "{spellings}
             SELECT serial, user, type, algorithm, digits, period, window, counter, skew, sealed_pin IS NOT NULL,
                    sealed_secret
             FROM tokens WHERE {USABLE} AND {place} AND (?3 IS NULL OR user_key = ?3) AND user <> ''
                           AND type IN ('hotp', 'totp', 'paper')"
        );
        let failed = database.failed();
        let mut statement = database.connection.prepare(&sql).map_err(failed)?;
        let mut rows =
            statement.query(params![self.now().as_micros(), fold(realm), user.map(fold)]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            if let Ok(Some(candidate)) = candidate(row) {
                visit(&candidate)?;
            }
        }
        Ok(())
    }

    /// Tells whether any token has a PIN or a password, that is, whether hashing is part of a login.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn has_pins(&self) -> Result<bool, StoreError> {
        let database = self.persistent()?;
        let sql = "SELECT 1 FROM tokens WHERE sealed_pin IS NOT NULL OR type = 'pw' LIMIT 1";
        let found =
            database.connection.query_row(sql, [], |_| Ok(())).optional().map_err(database.failed())?;
        Ok(found.is_some())
    }

    /// Tells whether a code of a `paper` or `registration` token, or that of a step of a `totp` token, was used.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_used(&self, serial: &str, position: u64) -> Result<bool, StoreError> {
        let database = self.persistent()?;
        let sql = "SELECT 1 FROM used_codes WHERE serial = ?1 AND position = ?2";
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        let found = database.connection.query_row(sql, params![serial, position], |_| Ok(())).optional();
        Ok(found.map_err(database.failed())?.is_some())
    }

    /// Notes codes as used.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note_used(&self, serial: &str, positions: &[u64]) -> Result<(), StoreError> {
        let database = self.persistent()?;
        for position in positions {
            let position = i64::try_from(*position).unwrap_or(i64::MAX);
            let sql = "INSERT OR IGNORE INTO used_codes VALUES (?1, ?2)";
            database.connection.execute(sql, params![serial, position]).map_err(database.failed())?;
        }
        Ok(())
    }

    /// Returns the positions of a token's used codes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn used_codes(&self, serial: &str) -> Result<Vec<u64>, StoreError> {
        let database = self.persistent()?;
        let read = || -> rusqlite::Result<_> {
            let mut statement = database
                .connection
                .prepare("SELECT position FROM used_codes WHERE serial = ?1 ORDER BY position")?;
            statement
                .query_map(params![serial], |row| Ok(row.get::<_, i64>(0)?.try_into().unwrap_or(0)))?
                .collect()
        };
        read().map_err(database.failed())
    }

    /// Adds tokens, all or none, with the codes of each that are used already.
    ///
    /// # Errors
    /// [`StoreError::Exists`]; [`StoreError`].
    pub fn add_tokens<'t>(
        &self,
        tokens: impl IntoIterator<Item = (&'t Token, &'t [u64])>,
    ) -> Result<(), StoreError> {
        self.add_tokens_if(tokens, || Ok(()))
    }

    /// Adds tokens as [`Store::add_tokens`] does, if `check` has nothing against the store that then is. A forward token
    /// that led to an earlier token of such a serial leads nowhere from then on.
    ///
    /// # Errors
    /// [`StoreError::Exists`]; [`StoreError`]; what `check` returns; nothing is added by any of them.
    pub fn add_tokens_if<'t, E: From<StoreError>>(
        &self,
        tokens: impl IntoIterator<Item = (&'t Token, &'t [u64])>,
        check: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        self.put_tokens_if(tokens, |token, _| Err(StoreError::Exists(token.serial.clone())), check)
    }

    /// Puts tokens in, all or none, with the codes of each that are used already. Where there is a token of that serial, `merge` makes
    /// the one that takes its place of the new one and that. `check` looks at the store that then is.
    ///
    /// # Errors
    /// [`StoreError`]; what `merge` and `check` return; nothing is changed by any of them.
    pub fn put_tokens_if<'t, E: From<StoreError>>(
        &self,
        tokens: impl IntoIterator<Item = (&'t Token, &'t [u64])>,
        merge: impl Fn(&Token, &Token) -> Result<Token, StoreError>,
        check: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        let database = self.persistent()?;
        let transaction = database.begin()?;
        self.check_key()?;
        let tokens: Vec<_> = tokens.into_iter().collect();
        for (token, _) in &tokens {
            lead_nowhere(&transaction, &token.serial).map_err(database.failed())?;
        }
        for (token, used) in tokens {
            // A serial is taken in whatever case it is written.
            if let Some(stored) = self.token(&token.serial)? {
                let merged = merge(token, &stored)?;
                let replace = || -> rusqlite::Result<()> {
                    sessions::forget_owner_of(&transaction, &stored.serial)?;
                    transaction.execute("DELETE FROM tokens WHERE serial = ?1", params![stored.serial])?;
                    insert(&transaction, &merged)?;
                    sessions::forget_owner_of(&transaction, &merged.serial)
                };
                replace().map_err(database.failed())?;
            } else if !insert(&transaction, token).map_err(database.failed())? {
                return Err(StoreError::Exists(token.serial.clone()).into());
            }
            self.note_used(&token.serial, used)?;
        }
        check()?;
        Ok(transaction.commit().map_err(database.failed())?)
    }

    /// Changes a token by its serial, reading and writing it in one transaction; `None` if there is none. What was
    /// remembered of its owner, before and after the change, is forgotten.
    ///
    /// # Errors
    /// [`StoreError`]; what `change` returns, and then nothing is changed.
    pub fn change_token<E: From<StoreError>>(
        &self,
        serial: &str,
        change: impl FnOnce(&mut Token) -> Result<(), E>,
    ) -> Result<Option<Token>, E> {
        let database = self.persistent()?;
        let transaction = database.begin()?;
        self.check_key()?;
        let Some(mut token) = self.token(serial)? else { return Ok(None) };
        let stored = token.serial.clone();
        change(&mut token)?;
        let write = || -> rusqlite::Result<()> {
            sessions::forget_owner_of(&transaction, &stored)?;
            transaction.execute("DELETE FROM tokens WHERE serial = ?1", params![stored])?;
            insert(&transaction, &token)?;
            sessions::forget_owner_of(&transaction, &token.serial)?;
            transaction.commit()
        };
        write().map_err(database.failed())?;
        Ok(Some(token))
    }

    /// Deletes a token and its used codes; tells whether there was one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn delete_token(&self, serial: &str) -> Result<bool, StoreError> {
        Ok(self.delete_token_if(serial, |_| Ok::<_, StoreError>(()))?.is_some())
    }

    /// Deletes a token and its used codes, if `check` has nothing against it; returns the token as it was. What was
    /// remembered of its owner is forgotten.
    ///
    /// # Errors
    /// [`StoreError`]; what `check` returns, and then nothing is deleted.
    pub fn delete_token_if<E: From<StoreError>>(
        &self,
        serial: &str,
        check: impl FnOnce(&Token) -> Result<(), E>,
    ) -> Result<Option<Token>, E> {
        let database = self.persistent()?;
        let transaction = database.begin()?;
        let Some(token) = self.token(serial)? else { return Ok(None) };
        check(&token)?;
        let delete = || -> rusqlite::Result<()> {
            sessions::forget_owner_of(&transaction, &token.serial)?;
            transaction.execute("DELETE FROM used_codes WHERE serial = ?1", params![token.serial])?;
            transaction.execute("DELETE FROM tokens WHERE serial = ?1", params![token.serial])?;
            lead_nowhere(&transaction, &token.serial)?;
            transaction.commit()
        };
        delete().map_err(database.failed())?;
        Ok(Some(token))
    }

    /// Returns a value that the whole store has in common.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.persistent()?.meta(name)
    }

    /// Sets a value that the whole store has in common unless it is set; returns the one that counts.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn meta_or_set(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let database = self.persistent()?;
        database
            .connection
            .execute("INSERT OR IGNORE INTO meta VALUES (?1, ?2)", params![name, value])
            .map_err(database.failed())?;
        Ok(database.meta(name)?.unwrap_or_else(|| value.to_vec()))
    }
}

/// Takes their target from the forward tokens that lead to a serial that no token has: a token that gets it later is another, perhaps
/// somebody else's.
fn lead_nowhere(connection: &rusqlite::Connection, serial: &str) -> rusqlite::Result<()> {
    let sql = "UPDATE tokens SET target = NULL WHERE target = ?1 COLLATE NOCASE
               AND NOT EXISTS (SELECT 1 FROM tokens WHERE serial = ?1 COLLATE NOCASE)";
    connection.prepare_cached(sql)?.execute(params![serial]).map(|_| ())
}

fn insert(connection: &rusqlite::Connection, token: &Token) -> rusqlite::Result<bool> {
    let sql = format!(
        "INSERT INTO tokens ({COLUMNS}, user_key, realm_key) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,
             ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25) ON CONFLICT (serial) DO NOTHING"
    );
    let changed = connection.prepare_cached(&sql)?.execute(params![
        token.serial,
        token.token_type.word(),
        token.user,
        token.realm,
        token.description,
        token.enabled,
        token.algorithm.word(),
        token.digits,
        token.period,
        token.window,
        i64::try_from(token.counter).unwrap_or(i64::MAX),
        token.skew,
        token.fail_counter,
        token.max_fail,
        token.failed_at.as_micros(),
        token.unlock_after,
        token.valid_from.map(UnixTime::as_micros),
        token.valid_until.map(UnixTime::as_micros),
        token.target,
        token.realms,
        token.separator,
        token.sealed_secret,
        token.sealed_pin,
        fold(&token.user),
        fold(&token.realm),
    ])?;
    Ok(changed > 0)
}

//! Tokens as they are kept, and how they are found.

use std::fmt;

use rusqlite::{OptionalExtension, Row, ToSql, params};
use zeroize::Zeroizing;

use super::seal::{Binding, Sealer};
use super::{Database, Store, StoreError};
use crate::clock::UnixTime;

/// What the sealed secret of a token is bound to.
const SECRET: &str = "token.secret";
/// What the sealed PIN verifier of a token is bound to.
const PIN: &str = "token.pin";

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// The words for all of them.
            pub const WORDS: &'static [&'static str] = &[$($word,)*];

            /// Returns the word that the store, the command line and JSON use.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// Reads such a word.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}

words! {
    /// What a token is.
    TokenType {
        /// Counter-based codes (RFC 4226).
        Hotp = "hotp",
        /// Time-based codes (RFC 6238).
        Totp = "totp",
        /// A static password.
        Pw = "pw",
        /// A PIN and nothing else.
        Spass = "spass",
        /// A code that works once.
        Registration = "registration",
        /// A list of codes, each of which works once, in any order.
        Paper = "paper",
        /// A PIN of its own, and another token's codes.
        Forward = "forward",
        /// Several people's codes.
        FourEyes = "4eyes",
    }
}

words! {
    /// The hash below HOTP and TOTP.
    Algorithm {
        /// HMAC-SHA-1, which RFC 4226 has.
        Sha1 = "sha1",
        /// HMAC-SHA-256.
        Sha256 = "sha256",
        /// HMAC-SHA-512.
        Sha512 = "sha512",
    }
}

/// A token with everything that is kept of it.
#[derive(Clone)]
pub struct Token {
    /// Its unique name.
    pub serial: String,
    /// What it is.
    pub token_type: TokenType,
    /// The owner.
    pub user: String,
    /// The owner's realm.
    pub realm: String,
    /// Whatever the administrator wrote.
    pub description: String,
    /// Whether it may be used.
    pub enabled: bool,
    /// The hash of `hotp`, `totp` and `paper`.
    pub algorithm: Algorithm,
    /// The length of a code, in characters.
    pub digits: u8,
    /// The length of a time step, in seconds.
    pub period: u32,
    /// `hotp`: how many counters are tried; `totp`: how many steps before and after now; `paper`: how many codes.
    pub window: u32,
    /// `hotp`: the next counter; `totp`: the first step that is not used up; else how often it was used.
    pub counter: u64,
    /// `totp`: by how many steps the device is ahead of us.
    pub skew: i64,
    /// Failures since the last success.
    pub fail_counter: u32,
    /// How many failures lock it; 0: it is never locked.
    pub max_fail: u32,
    /// When the last failure was.
    pub failed_at: UnixTime,
    /// After how many seconds a locked token is unlocked by itself; 0: never.
    pub unlock_after: u32,
    /// From when on it may be used.
    pub valid_from: Option<UnixTime>,
    /// Until when it may be used.
    pub valid_until: Option<UnixTime>,
    /// `forward`: the serial of the token whose codes count.
    pub target: Option<String>,
    /// `4eyes`: how many approvals of which realms, as `realm1:2,realm2:1`.
    pub realms: Option<String>,
    /// `4eyes`: what stands between passwords that are typed all at once.
    pub separator: Option<String>,
    /// The secret, sealed.
    pub sealed_secret: Vec<u8>,
    /// The verifier of the PIN, sealed; `None` without a PIN.
    pub sealed_pin: Option<Vec<u8>>,
}

impl Token {
    /// Tells whether failures have locked it, as of `now`.
    pub fn is_locked(&self, now: UnixTime) -> bool {
        let over = self.max_fail > 0 && self.fail_counter >= self.max_fail;
        over && (self.unlock_after == 0 || now < self.failed_at.plus_seconds(f64::from(self.unlock_after)))
    }

    /// Tells whether its validity period holds, as of `now`.
    pub fn is_valid(&self, now: UnixTime) -> bool {
        self.valid_from.is_none_or(|from| from <= now) && self.valid_until.is_none_or(|until| now < until)
    }

    /// Tells whether it may be used: enabled, valid and not locked.
    pub fn is_usable(&self, now: UnixTime) -> bool {
        self.enabled && self.is_valid(now) && !self.is_locked(now)
    }

    /// Opens the secret.
    ///
    /// # Errors
    /// [`StoreError::Sealed`].
    pub fn secret(&self, sealer: &Sealer) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        sealer.open(Binding { column: SECRET, row: &self.serial }, &self.sealed_secret)
    }

    /// Seals a secret for this token.
    ///
    /// # Errors
    /// [`StoreError::NoRandomness`].
    pub fn seal_secret(&mut self, sealer: &Sealer, secret: &[u8]) -> Result<(), StoreError> {
        self.sealed_secret = sealer.seal(Binding { column: SECRET, row: &self.serial }, secret)?;
        Ok(())
    }

    /// Opens the PIN's verifier.
    ///
    /// # Errors
    /// [`StoreError::Sealed`].
    pub fn pin(&self, sealer: &Sealer) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let binding = Binding { column: PIN, row: &self.serial };
        self.sealed_pin.as_ref().map(|sealed| sealer.open(binding, sealed)).transpose()
    }

    /// Seals a PIN's verifier for this token, or takes the PIN away.
    ///
    /// # Errors
    /// [`StoreError::NoRandomness`].
    pub fn seal_pin(&mut self, sealer: &Sealer, verifier: Option<&[u8]>) -> Result<(), StoreError> {
        let binding = Binding { column: PIN, row: &self.serial };
        self.sealed_pin = verifier.map(|verifier| sealer.seal(binding, verifier)).transpose()?;
        Ok(())
    }
}

/// What a search through a realm needs of a token, borrowed from the database's page.
pub struct Candidate<'a> {
    /// Its unique name.
    pub serial: &'a str,
    /// The owner.
    pub user: &'a str,
    /// What it is.
    pub token_type: TokenType,
    /// The hash.
    pub algorithm: Algorithm,
    /// The length of a code.
    pub digits: u8,
    /// The length of a time step, in seconds.
    pub period: u32,
    /// As [`Token::window`].
    pub window: u32,
    /// As [`Token::counter`].
    pub counter: u64,
    /// As [`Token::skew`].
    pub skew: i64,
    /// Whether it has a PIN.
    pub has_pin: bool,
    sealed_secret: &'a [u8],
}

impl Candidate<'_> {
    /// Opens the secret.
    ///
    /// # Errors
    /// [`StoreError::Sealed`].
    pub fn secret(&self, sealer: &Sealer) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        sealer.open(Binding { column: SECRET, row: self.serial }, self.sealed_secret)
    }
}

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

impl Store<'_> {
    /// Returns the tokens of a user, in the order of their serials.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn tokens_of(&self, user: &str, realm: &str) -> Result<Vec<Token>, StoreError> {
        self.persistent()?.select("WHERE realm = ?1 AND user = ?2 ORDER BY serial", &[&realm, &user])
    }

    /// Returns a token by its serial.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn token(&self, serial: &str) -> Result<Option<Token>, StoreError> {
        Ok(self.persistent()?.select("WHERE serial = ?1", &[&serial])?.pop())
    }

    /// Returns all tokens, of one user or realm where these are given, by realm, user and serial.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn tokens(&self, user: Option<&str>, realm: Option<&str>) -> Result<Vec<Token>, StoreError> {
        let condition =
            "WHERE (?1 IS NULL OR realm = ?1) AND (?2 IS NULL OR user = ?2) ORDER BY realm, user, serial";
        self.persistent()?.select(condition, &[&realm, &user])
    }

    /// Returns the forward tokens that lead to a token.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forwards_to(&self, serial: &str) -> Result<Vec<Token>, StoreError> {
        self.persistent()?.select("WHERE target = ?1 ORDER BY serial", &[&serial])
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
        let sql = format!(
            "SELECT serial, user, type, algorithm, digits, period, window, counter, skew, sealed_pin IS NOT NULL,
                    sealed_secret
             FROM tokens WHERE {USABLE} AND realm = ?2 AND (?3 IS NULL OR user = ?3)
                           AND user <> '' AND type IN ('hotp', 'totp', 'paper')"
        );
        let failed = database.failed();
        let mut statement = database.connection.prepare(&sql).map_err(failed)?;
        let mut rows = statement.query(params![self.now().as_micros(), realm, user]).map_err(failed)?;
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

    /// Tells whether a code of a `paper` or `registration` token was used.
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
        let database = self.persistent()?;
        let transaction = database.begin()?;
        for (token, used) in tokens {
            let added = insert(&transaction, token).map_err(database.failed())?;
            if !added {
                return Err(StoreError::Exists(token.serial.clone()));
            }
            for position in used {
                let position = i64::try_from(*position).unwrap_or(i64::MAX);
                transaction
                    .execute(
                        "INSERT OR IGNORE INTO used_codes VALUES (?1, ?2)",
                        params![token.serial, position],
                    )
                    .map_err(database.failed())?;
            }
        }
        transaction.commit().map_err(database.failed())
    }

    /// Changes a token by its serial, reading and writing it in one transaction; `None` if there is none.
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
        let Some(mut token) = self.token(serial)? else { return Ok(None) };
        change(&mut token)?;
        let write = || -> rusqlite::Result<()> {
            transaction.execute("DELETE FROM tokens WHERE serial = ?1", params![serial])?;
            insert(&transaction, &token)?;
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
        let database = self.persistent()?;
        let transaction = database.begin()?;
        let delete = || -> rusqlite::Result<usize> {
            transaction.execute("DELETE FROM used_codes WHERE serial = ?1", params![serial])?;
            let deleted = transaction.execute("DELETE FROM tokens WHERE serial = ?1", params![serial])?;
            transaction.commit()?;
            Ok(deleted)
        };
        Ok(delete().map_err(database.failed())? > 0)
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

fn insert(connection: &rusqlite::Connection, token: &Token) -> rusqlite::Result<bool> {
    let sql = format!(
        "INSERT INTO tokens ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,
             ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23) ON CONFLICT (serial) DO NOTHING"
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
    ])?;
    Ok(changed > 0)
}

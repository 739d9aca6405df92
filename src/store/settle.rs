//! The one transaction that ends an attempt: codes are used up, failures charged, a challenge taken a step further.

use rusqlite::{Transaction, params};

use super::challenges::{Challenge, MAX_VALIDITY};
use super::guesses::{self, Guesses};
use super::token_rows::USABLE;
use super::tokens::MAX_WINDOW;
use super::{Store, StoreError, sessions};

/// What an attempt changes. All of it happens, durably, or nothing.
#[derive(Default)]
pub struct Settlement {
    /// Tokens that were accepted; each must still be usable and its code unused.
    pub uses: Vec<Use>,
    /// Serials of tokens that must be usable and stay as they are.
    pub needs: Vec<String>,
    /// Tokens whose fail counter grows, by one however often they are named.
    pub charges: Vec<Charge>,
    /// What happens to the budgets of wrong approvals.
    pub guesses: Option<Guesses>,
    /// What becomes of a challenge.
    pub challenge: Option<ChallengeStep>,
    /// Whether this is a denial. One that changes nothing else is written all the same, so that it takes as long.
    pub denial: bool,
}

/// A token that pays for a wrong code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Which.
    pub serial: String,
    /// How much of the token's limit the one who pays may use up, in per cent: all of it with a token of their own, a
    /// share with the target of their forward token.
    pub share: u32,
}

impl Charge {
    /// The token of the one who typed the code.
    pub fn own(serial: impl Into<String>) -> Self {
        Self { serial: serial.into(), share: 100 }
    }
}

/// A token that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// Which.
    pub serial: String,
    /// What of it is used up.
    pub advance: Advance,
}

/// What of a token is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advance {
    /// Every counter or time step up to this one.
    Counter(u64),
    /// The same of another token with the same secret, whatever its state: it was not asked, and has the same codes.
    Shared(u64),
    /// One code of a list.
    Position(u64),
    /// Nothing; the use is counted.
    Count,
}

/// What becomes of a challenge.
pub enum ChallengeStep {
    /// It begins.
    Begin(Challenge),
    /// It goes on with other data and a new expiry, if its data are still the first ones.
    GoOn {
        /// The data that it must have.
        from: String,
        /// The challenge as it is to be.
        to: Challenge,
    },
    /// It is answered, if its data are still these.
    Finish {
        /// Which.
        id: String,
        /// The data that it must have.
        from: String,
    },
}

#[cfg(test)]
thread_local! {
    /// How many settlements of a test's thread are on the disk.
    pub(crate) static SETTLED: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

impl Store<'_> {
    /// Settles an attempt. Returns `false`, with nothing changed, where another process was first: a code is used
    /// up, a token locked or disabled, a challenge answered or over.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn settle(&self, settlement: &Settlement) -> Result<bool, StoreError> {
        let database = self.persistent()?;
        let now = self.now().as_micros();
        let transaction = database.begin()?;
        let settle = || -> rusqlite::Result<bool> {
            for one in &settlement.uses {
                if !take(&transaction, now, one)? {
                    return Ok(false);
                }
            }
            for serial in &settlement.needs {
                if !is_usable(&transaction, now, serial)? {
                    return Ok(false);
                }
            }
            let mut charged: Vec<&str> = Vec::new();
            for one in &settlement.charges {
                if !charged.contains(&one.serial.as_str()) {
                    charge(&transaction, now, one)?;
                    charged.push(&one.serial);
                }
            }
            if let Some(guesses) = &settlement.guesses
                && !guesses::take(&transaction, self.now(), guesses)?
            {
                return Ok(false);
            }
            if let Some(step) = &settlement.challenge
                && !advance(&transaction, now, step)?
            {
                return Ok(false);
            }
            if settlement.denial {
                // The value is of no use to anybody; the write is.
                transaction.execute(
                    "INSERT INTO meta VALUES ('last_denial', ?1) ON CONFLICT (name) DO UPDATE SET value = ?1",
                    params![now.to_le_bytes()],
                )?;
            }
            Ok(true)
        };
        let settled = settle().map_err(database.failed())?;
        if settled {
            transaction.commit().map_err(database.failed())?;
            #[cfg(test)]
            SETTLED.with(|count| count.set(count.get().saturating_add(1)));
        }
        Ok(settled)
    }
}

fn take(transaction: &Transaction<'_>, now: i64, one: &Use) -> rusqlite::Result<bool> {
    let (condition, counter) = match one.advance {
        Advance::Shared(used) => {
            let next = i64::try_from(used.saturating_add(1)).unwrap_or(i64::MAX);
            let sql = "UPDATE tokens SET counter = max(counter, ?2) WHERE serial = ?1";
            return transaction.execute(sql, params![one.serial, next]).map(|_| true);
        }
        // The next counter has to be a number that the database has.
        Advance::Counter(used) if used >= i64::MAX as u64 => return Ok(false),
        Advance::Counter(used) => ("AND counter <= ?3", format!("{}", used.saturating_add(1))),
        Advance::Position(_) | Advance::Count => {
            ("AND ?3 >= 0", format!("min(counter, {}) + 1", i64::MAX - 1))
        }
    };
    let used = match one.advance {
        Advance::Counter(number) | Advance::Shared(number) | Advance::Position(number) => {
            i64::try_from(number).unwrap_or(i64::MAX)
        }
        Advance::Count => 0,
    };
    if matches!(one.advance, Advance::Position(_)) {
        let sql = "INSERT INTO used_codes VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        if transaction.execute(sql, params![one.serial, used])? == 0 {
            return Ok(false);
        }
    }
    let sql = format!(
        "UPDATE tokens SET counter = {counter}, fail_counter = 0, failed_at = min(failed_at, ?1)
         WHERE serial = ?2 AND {USABLE} {condition}"
    );
    if matches!(one.advance, Advance::Counter(_)) && !remember_step(transaction, &one.serial, used)? {
        return Ok(false);
    }
    Ok(transaction.execute(&sql, params![now, one.serial, used])? == 1)
}

/// Remembers a time step whose code was used, for the day on which a resynchronisation goes back behind it; tells whether
/// it was unused. Steps too old for any resynchronisation are forgotten, counted from the step that was used before. That step
/// may come from a clock that was ahead, so the last steps before it are kept, as many as a window has.
fn remember_step(transaction: &Transaction<'_>, serial: &str, step: i64) -> rusqlite::Result<bool> {
    let of_totp = "FROM tokens WHERE serial = ?1 AND type = 'totp'";
    transaction.execute(
        &format!(
            "DELETE FROM used_codes WHERE serial = ?1 AND position < (SELECT position FROM used_codes
                WHERE serial = ?1 AND position < (SELECT counter - {} {of_totp})
                ORDER BY position DESC LIMIT 1 OFFSET coalesce((SELECT 2 * min(window, {MAX_WINDOW}) {of_totp}), 0))",
            2 * MAX_WINDOW
        ),
        params![serial],
    )?;
    let kept = format!("INSERT INTO used_codes SELECT serial, ?2 {of_totp} ON CONFLICT DO NOTHING");
    if transaction.execute(&kept, params![serial, step])? == 1 {
        return Ok(true);
    }
    // Nothing was kept: the token has no time steps, or this one was used.
    let used = "SELECT count(*) FROM used_codes WHERE serial = ?1 AND position = ?2";
    transaction.query_row(used, params![serial, step], |row| row.get::<_, i64>(0)).map(|count| count == 0)
}

fn is_usable(transaction: &Transaction<'_>, now: i64, serial: &str) -> rusqlite::Result<bool> {
    let sql = format!("SELECT count(*) FROM tokens WHERE serial = ?2 AND {USABLE}");
    transaction.query_row(&sql, params![now, serial], |row| row.get::<_, i64>(0)).map(|count| count == 1)
}

/// A locked token is not charged, unless its time is over: then counting begins anew. A charge that locks a token makes
/// its owner's remembered authentications void.
///
/// A failure of a clock that was ahead counts from now: a lock that ends by itself ends in time.
fn charge(transaction: &Transaction<'_>, now: i64, one: &Charge) -> rusqlite::Result<()> {
    transaction.execute(
        "UPDATE tokens SET failed_at = ?1 WHERE serial = ?2 AND failed_at > ?1",
        params![now, one.serial],
    )?;
    let changed = transaction.execute(
        "UPDATE tokens
         SET fail_counter = CASE WHEN max_fail > 0 AND fail_counter >= max_fail THEN 1
                                 ELSE min(fail_counter, 4294967294) + 1 END,
             failed_at = ?1
         WHERE serial = ?2 AND enabled = 1
           AND (max_fail = 0 OR fail_counter < max_fail * ?3 / 100
                OR (fail_counter >= max_fail AND max_fail * ?3 / 100 > 0
                    AND unlock_after > 0 AND failed_at + unlock_after * 1000000 <= ?1))",
        params![now, one.serial, one.share],
    )?;
    let sql = "SELECT count(*) FROM tokens WHERE serial = ?1 AND max_fail > 0 AND fail_counter >= max_fail";
    let is_locked = || transaction.query_row(sql, params![one.serial], |row| row.get::<_, i64>(0));
    if changed > 0 && is_locked()? > 0 {
        sessions::forget_owner_of(transaction, &one.serial)?;
    }
    Ok(())
}

fn advance(transaction: &Transaction<'_>, now: i64, step: &ChallengeStep) -> rusqlite::Result<bool> {
    match step {
        ChallengeStep::Begin(challenge) => {
            let latest = now.saturating_add(MAX_VALIDITY);
            transaction.execute(
                "DELETE FROM challenges WHERE expires <= ?1 OR expires > ?2",
                params![now, latest],
            )?;
            transaction.execute(
                // The name is made of the rest, so a second one of the same name is the same challenge.
                "INSERT OR REPLACE INTO challenges VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    challenge.id,
                    challenge.kind.word(),
                    challenge.session_id,
                    challenge.user,
                    challenge.realm,
                    challenge.data,
                    challenge.expires.as_micros()
                ],
            )?;
            Ok(true)
        }
        ChallengeStep::GoOn { from, to } => Ok(transaction.execute(
            "UPDATE challenges SET data = ?3, expires = ?4 WHERE id = ?1 AND data = ?2 AND expires > ?5",
            params![to.id, from, to.data, to.expires.as_micros(), now],
        )? == 1),
        ChallengeStep::Finish { id, from } => Ok(transaction.execute(
            "DELETE FROM challenges WHERE id = ?1 AND data = ?2 AND expires > ?3",
            params![id, from, now],
        )? == 1),
    }
}

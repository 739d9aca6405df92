//! The one transaction that ends an attempt: codes are used up, failures charged, a challenge taken a step further.

use rusqlite::{Transaction, params};

use super::challenges::{Challenge, MAX_VALIDITY};
use super::token_rows::USABLE;
use super::tokens::MAX_WINDOW;
use super::{Store, StoreError};
use crate::clock::UnixTime;

/// What an attempt changes. All of it happens, durably, or nothing.
#[derive(Default)]
pub struct Settlement {
    /// Tokens that held; each must still be usable and its code unused.
    pub uses: Vec<Use>,
    /// Serials of tokens that must be usable and stay as they are.
    pub needs: Vec<String>,
    /// Serials of tokens whose fail counter grows, by one however often they are named.
    pub charges: Vec<String>,
    /// What happens to the wrong approvals of a user.
    pub guesses: Option<Guesses>,
    /// What becomes of a challenge.
    pub challenge: Option<ChallengeStep>,
    /// Whether this is a denial. One that changes nothing else is written all the same, so that it takes as long.
    pub denial: bool,
}

/// The wrong approvals of a user on connections that demand them.
pub struct Guesses {
    /// Whose.
    pub subject: String,
    /// After how many seconds without another they are forgotten.
    pub forget_after: f64,
    /// What happens to them.
    pub step: GuessStep,
}

/// What happens to wrong approvals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuessStep {
    /// There is one more.
    Wrong,
    /// There must be fewer than these, and they stay.
    Within(u32),
    /// There must be fewer than these, and they are forgotten.
    Clear(u32),
}

/// A token that held.
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
            for serial in &settlement.charges {
                if !charged.contains(&serial.as_str()) {
                    charge(&transaction, now, serial)?;
                    charged.push(serial);
                }
            }
            if let Some(guesses) = &settlement.guesses
                && !count(&transaction, self.now(), guesses)?
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
        // The next counter has to be a number that the database has.
        Advance::Counter(used) if used >= i64::MAX as u64 => return Ok(false),
        Advance::Counter(used) => ("AND counter <= ?3", format!("{}", used.saturating_add(1))),
        Advance::Position(_) | Advance::Count => {
            ("AND ?3 >= 0", format!("min(counter, {}) + 1", i64::MAX - 1))
        }
    };
    let used = match one.advance {
        Advance::Counter(number) | Advance::Position(number) => i64::try_from(number).unwrap_or(i64::MAX),
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
/// it was unused. Those that no resynchronisation reaches are forgotten, counted from the step that was used before.
fn remember_step(transaction: &Transaction<'_>, serial: &str, step: i64) -> rusqlite::Result<bool> {
    let of_totp = "FROM tokens WHERE serial = ?1 AND type = 'totp'";
    transaction.execute(
        &format!(
            "DELETE FROM used_codes WHERE serial = ?1 AND position < (SELECT counter - {} {of_totp})",
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

/// Counts a wrong approval, or tells whether there were few enough.
fn count(transaction: &Transaction<'_>, now: UnixTime, guesses: &Guesses) -> rusqlite::Result<bool> {
    let since = now.plus_seconds(-guesses.forget_after).as_micros();
    transaction.execute("DELETE FROM guesses WHERE failed_at <= ?1", params![since])?;
    // Those of a clock that was ahead count from now, and not for all the time that it was ahead.
    transaction
        .execute("UPDATE guesses SET failed_at = ?1 WHERE failed_at > ?1", params![now.as_micros()])?;
    let most = match guesses.step {
        GuessStep::Wrong => {
            transaction.execute(
                "INSERT INTO guesses VALUES (?1, 1, ?2)
                 ON CONFLICT (subject) DO UPDATE SET failures = min(failures, 4294967294) + 1, failed_at = ?2",
                params![guesses.subject, now.as_micros()],
            )?;
            return Ok(true);
        }
        GuessStep::Within(most) | GuessStep::Clear(most) => most,
    };
    let sql = "SELECT count(*) FROM guesses WHERE subject = ?1 AND failures >= ?2";
    let over: i64 = transaction.query_row(sql, params![guesses.subject, most], |row| row.get(0))?;
    if over == 0 && matches!(guesses.step, GuessStep::Clear(_)) {
        transaction.execute("DELETE FROM guesses WHERE subject = ?1", params![guesses.subject])?;
    }
    Ok(over == 0)
}

/// A locked token is not charged, unless its time is over: then counting begins anew.
///
/// A failure of a clock that was ahead counts from now: a lock that ends by itself ends in time.
fn charge(transaction: &Transaction<'_>, now: i64, serial: &str) -> rusqlite::Result<()> {
    transaction.execute(
        "UPDATE tokens SET failed_at = ?1 WHERE serial = ?2 AND failed_at > ?1",
        params![now, serial],
    )?;
    transaction.execute(
        "UPDATE tokens
         SET fail_counter = CASE WHEN max_fail > 0 AND fail_counter >= max_fail THEN 1
                                 ELSE min(fail_counter, 4294967294) + 1 END,
             failed_at = ?1
         WHERE serial = ?2 AND enabled = 1
           AND (max_fail = 0 OR fail_counter < max_fail
                OR (unlock_after > 0 AND failed_at + unlock_after * 1000000 <= ?1))",
        params![now, serial],
    )?;
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

//! Wrong approvals: their number per subject, and whether another one is allowed.
//!
//! A budget that is used up is locked for `forget_after` seconds, and for twice as long each time that it is used up
//! again within a day of quiet. A guess that was refused without being looked at is not counted.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreError};
use crate::clock::UnixTime;
use crate::names::CountKey;

/// How often the time of a lock is doubled at most.
const MOST_DOUBLINGS: u32 = 7;
/// How long a lock is remembered after its end, in seconds.
const MEMORY: f64 = 86_400.0;

/// Whose wrong approvals are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BudgetKind {
    /// Those that one user asked for, under whatever realm.
    Name,
    /// Those that name one approver, or that end in one of the approver's codes.
    Approver,
    /// Those from one client address.
    Client,
    /// Those for one demand: the realms of the configuration, or a four-eyes token.
    Demand,
}

impl BudgetKind {
    fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Approver => "approver",
            Self::Client => "client",
            Self::Demand => "demand",
        }
    }

    /// Whether an approval that was given starts the count anew. A demand's does not: others have their part in it.
    fn is_cleared_by_success(self) -> bool {
        match self {
            Self::Name | Self::Approver | Self::Client => true,
            Self::Demand => false,
        }
    }
}

/// How many wrong approvals there may be.
#[derive(Clone, Debug, PartialEq)]
pub struct GuessBudget {
    /// What kind of subject it is.
    pub kind: BudgetKind,
    /// Whose they are, by one spelling.
    pub subject: String,
    /// From how many on there may be no more. At least 1.
    pub limit: u32,
    /// Seconds without another after which they are forgotten.
    pub forget_after: f64,
}

/// What an attempt does to budgets.
#[derive(Clone, Debug, PartialEq)]
pub struct Guesses {
    /// Which.
    pub budgets: Vec<GuessBudget>,
    /// What.
    pub step: GuessStep,
}

/// What happens to the budgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuessStep {
    /// Each counts one more, unless it is used up.
    Wrong,
    /// None may be used up, and they stay.
    Within,
    /// None may be used up; those that success clears are cleared.
    Clear,
}

/// A row.
#[derive(Clone, Copy)]
struct Count {
    failures: u32,
    failed_at: UnixTime,
    /// How often it was used up.
    locks: u32,
}

impl Count {
    /// When the failures are forgotten.
    fn end(self, budget: &GuessBudget) -> UnixTime {
        let doublings = match self.failures >= budget.limit {
            true => self.locks.saturating_sub(1).min(MOST_DOUBLINGS),
            false => 0,
        };
        self.failed_at.plus_seconds(doubled(budget.forget_after, doublings))
    }

    fn is_used_up(self, budget: &GuessBudget, now: UnixTime) -> bool {
        self.failures >= budget.limit && now < self.end(budget)
    }
}

/// A time, doubled so many times.
fn doubled(seconds: f64, times: u32) -> f64 {
    (0..times).fold(seconds, |seconds, _| seconds * 2.0)
}

fn find(connection: &Connection, budget: &GuessBudget) -> rusqlite::Result<Option<Count>> {
    let sql = "SELECT failures, failed_at, locks FROM guesses WHERE kind = ?1 AND subject = ?2";
    connection
        .prepare_cached(sql)?
        .query_row(params![budget.kind.word(), budget.subject], |row| {
            Ok(Count {
                failures: row.get(0)?,
                failed_at: UnixTime::from_micros(row.get(1)?),
                locks: row.get(2)?,
            })
        })
        .optional()
}

/// Takes the step; tells whether the budgets allow it.
pub(super) fn take(connection: &Connection, now: UnixTime, guesses: &Guesses) -> rusqlite::Result<bool> {
    for budget in &guesses.budgets {
        let found = find(connection, budget)?;
        let is_used_up = found.is_some_and(|count| count.is_used_up(budget, now));
        match guesses.step {
            GuessStep::Wrong if is_used_up => {}
            GuessStep::Wrong => count(connection, now, budget, found)?,
            GuessStep::Within | GuessStep::Clear if is_used_up => return Ok(false),
            GuessStep::Within => {}
            GuessStep::Clear if budget.kind.is_cleared_by_success() => {
                let sql = "DELETE FROM guesses WHERE kind = ?1 AND subject = ?2";
                connection.execute(sql, params![budget.kind.word(), budget.subject])?;
            }
            GuessStep::Clear => {}
        }
    }
    Ok(true)
}

fn count(
    connection: &Connection,
    now: UnixTime,
    budget: &GuessBudget,
    found: Option<Count>,
) -> rusqlite::Result<()> {
    let before = found.map_or(0, |count| if now < count.end(budget) { count.failures } else { 0 });
    let remembers = |count: &Count| now < count.end(budget).plus_seconds(MEMORY);
    let locks = found.filter(remembers).map_or(0, |count| count.locks);
    let failures = before.saturating_add(1);
    let locks = if failures >= budget.limit { locks.saturating_add(1) } else { locks };
    let longest = doubled(budget.forget_after, locks.min(MOST_DOUBLINGS)) + MEMORY;
    connection.execute("DELETE FROM guesses WHERE expires <= ?1", params![now.as_micros()])?;
    connection.execute(
        "INSERT OR REPLACE INTO guesses VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            budget.kind.word(),
            budget.subject,
            failures,
            now.as_micros(),
            locks,
            now.plus_seconds(longest).as_micros()
        ],
    )?;
    Ok(())
}

impl Store<'_> {
    /// Returns the first of these budgets that is used up.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn used_up<'b>(&self, budgets: &'b [GuessBudget]) -> Result<Option<&'b GuessBudget>, StoreError> {
        let (database, now) = (self.persistent()?, self.now());
        for budget in budgets {
            let found = find(&database.connection, budget).map_err(database.failed())?;
            if found.is_some_and(|count| count.is_used_up(budget, now)) {
                return Ok(Some(budget));
            }
        }
        Ok(None)
    }

    /// Forgets the wrong approvals of one user, as asker and as approver, or all that there are; returns how many
    /// counts there were.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_guesses(&self, subject: Option<&str>) -> Result<usize, StoreError> {
        let database = self.persistent()?;
        let sql = "DELETE FROM guesses
                   WHERE ?1 IS NULL OR (kind IN ('name', 'approver') AND subject = ?1)";
        let subject = subject.map(|name| CountKey::of(name).as_str().to_owned());
        database.connection.execute(sql, params![subject]).map_err(database.failed())
    }
}

//! Wrong approvals: their number per subject, and whether another one is allowed.
//!
//! A budget that is used up is locked for `forget_after` seconds, and longer each time. After a lock, the next wrong
//! approval locks it again. A guess that was refused without being looked at is not counted.
//!
//! The budgets of a name, an address and a demand forget one failure each `forget_after` seconds, and the length of their
//! locks after a day of quiet. Those of an approver, and of codes without a name, count guesses at someone's codes: they are
//! kept for a year, and each lock is 16 times as long as the one before. So a year allows `limit` guesses and four more
//! (900 s · 16^n), however slowly they come.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreError};
use crate::clock::UnixTime;
use crate::names::CountKey;

/// How often the time of a lock is doubled at most.
const MOST_DOUBLINGS: u32 = 7;
/// How long a lock is remembered after its end, in seconds.
const MEMORY: f64 = 86_400.0;
/// By how much the lock of a kept count grows each time.
const KEPT_GROWTH: f64 = 16.0;
/// The most times that any lock grows.
const MOST_GROWTHS: u32 = 64;
/// The longest lock, and how long a kept count is remembered after it, in seconds.
const YEAR: f64 = 31_557_600.0;

/// Whose wrong approvals are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BudgetKind {
    /// Those that one user asked for, under whatever realm.
    Name,
    /// Those that name one approver, or that end in one of the approver's codes.
    Approver,
    /// Those from one client address.
    Client,
    /// Those that are a code alone, without a name, in one realm.
    Unnamed,
    /// Those for one demand: the realms of the configuration, or a four-eyes token.
    Demand,
}

impl BudgetKind {
    fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Approver => "approver",
            Self::Client => "client",
            Self::Unnamed => "unnamed",
            Self::Demand => "demand",
        }
    }

    /// Whether an accepted approval clears the count. It does not clear that of a demand or a realm, which others share.
    fn is_cleared_by_success(self) -> bool {
        match self {
            Self::Name | Self::Approver | Self::Client => true,
            Self::Unnamed | Self::Demand => false,
        }
    }

    /// Whether the count is kept for a year, because it counts guesses at someone's codes.
    fn is_kept(self) -> bool {
        match self {
            Self::Approver | Self::Unnamed => true,
            Self::Name | Self::Client | Self::Demand => false,
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
    /// Seconds for which the first lock lasts, and after which one wrong approval is forgotten.
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
    fn is_full(self, budget: &GuessBudget) -> bool {
        self.failures >= budget.limit
    }

    /// When the lock ends; without a lock, the time of the last failure.
    fn end(self, budget: &GuessBudget) -> UnixTime {
        let lock = if self.is_full(budget) { budget.lock(self.locks) } else { 0.0 };
        self.failed_at.plus_seconds(lock)
    }

    fn is_used_up(self, budget: &GuessBudget, now: UnixTime) -> bool {
        self.is_full(budget) && now < self.end(budget)
    }

    /// How many failures still count. After a lock it is one less than the limit, so that the next one locks again.
    fn left(self, budget: &GuessBudget, now: UnixTime) -> u32 {
        let most = if self.is_used_up(budget, now) { budget.limit } else { budget.limit.saturating_sub(1) };
        let left = self.failures.min(most);
        if budget.kind.is_kept() {
            return left;
        }
        let quiet = now.as_micros().saturating_sub(self.end(budget).as_micros()).max(0);
        let one = UnixTime::from_secs(0).plus_seconds(budget.forget_after).as_micros().max(1);
        let forgotten = u32::try_from(quiet.checked_div(one).unwrap_or(0)).unwrap_or(u32::MAX);
        left.saturating_sub(forgotten)
    }
}

impl GuessBudget {
    /// For how many seconds it is locked when it is used up for the `locks`th time.
    fn lock(&self, locks: u32) -> f64 {
        let again = locks.saturating_sub(1);
        if self.kind.is_kept() {
            grown(self.forget_after, KEPT_GROWTH, again)
        } else {
            grown(self.forget_after, 2.0, again.min(MOST_DOUBLINGS))
        }
    }

    /// For how many seconds after a lock the count is remembered.
    fn memory(&self) -> f64 {
        let failures = self.forget_after * f64::from(self.limit);
        if self.kind.is_kept() { YEAR } else { failures.max(MEMORY) }
    }
}

/// Multiplies a time by a factor so many times, up to a year.
fn grown(seconds: f64, factor: f64, times: u32) -> f64 {
    (0..times.min(MOST_GROWTHS)).fold(seconds, |seconds, _| (seconds * factor).min(YEAR))
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
    let remembers = |count: &Count| now < count.end(budget).plus_seconds(budget.memory());
    let found = found.filter(remembers);
    let failures = found.map_or(0, |count| count.left(budget, now)).saturating_add(1);
    let locks = found.map_or(0, |count| count.locks);
    let locks = if failures >= budget.limit { locks.saturating_add(1) } else { locks };
    let count = Count { failures, failed_at: now, locks };
    let expires = count.end(budget).plus_seconds(budget.memory());
    connection.execute("DELETE FROM guesses WHERE expires <= ?1", params![now.as_micros()])?;
    connection.execute(
        "INSERT OR REPLACE INTO guesses VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![budget.kind.word(), budget.subject, failures, now.as_micros(), locks, expires.as_micros()],
    )?;
    Ok(())
}

/// Lets a lock of a clock that was ahead begin now, so that it ends in its time.
fn from_now(connection: &Connection, now: UnixTime, budget: &GuessBudget) -> rusqlite::Result<()> {
    let sql = "UPDATE guesses SET failed_at = ?1 WHERE kind = ?2 AND subject = ?3 AND failed_at > ?1";
    connection.execute(sql, params![now.as_micros(), budget.kind.word(), budget.subject])?;
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
            if found.is_some_and(|count| count.failed_at > now) {
                from_now(&database.connection, now, budget).map_err(database.failed())?;
            }
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

//! How much is in the databases, what was left over, and whether the clock went back. Counts only.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};

use super::super::receipts;
use super::super::seal::Sealer;
use super::super::{Database, StoreError};
use crate::clock::UnixTime;
use crate::finding::{Finding, Grade};
use crate::names::fold;

/// How far ahead of now a row may be: other processes write while we look. In microseconds.
const SLACK: i64 = 2_000_000;
const MICROS: i64 = 1_000_000;
/// How many owners a finding names.
const NAMED: usize = 10;

/// Looks at the state.
pub(super) fn state(
    database: &Database,
    sealer: Option<&Sealer>,
    now: UnixTime,
    findings: &mut Vec<Finding>,
) {
    let now = now.as_micros();
    let rows = Rows { database, now };
    let mut counts = vec![
        rows.counted("tokens", "tokens", "?1 = ?1"),
        rows.counted("leases open", "leases", "expires > ?1"),
        rows.counted("authentications in the cache", "authentication_cache", "expires >= ?1"),
        rows.counted("challenges open", "challenges", "expires > ?1"),
        rows.counted("tokens with codes for use without their server", "offline_codes", "?1 = ?1"),
    ];
    let mut receipts = 0;
    if let Some(sealer) = sealer {
        match sealed(database, sealer) {
            Ok(Sealed { credentials, receipts: found, damaged }) => {
                counts.insert(1, Some(format!("credentials: {credentials}")));
                counts.push(Some(format!("receipts of dynamic secrets: {found}")));
                receipts = found;
                if damaged > 0 {
                    let detail = format!(
                        "{damaged} secrets do not open though the key is right: their rows were damaged or moved; restore a backup"
                    );
                    rows.note("secrets", Grade::Error, &detail, findings);
                }
            }
            Err(error) => rows.note("secrets", Grade::Error, &error.to_string(), findings),
        }
    }
    rows.content(counts, findings);
    rows.clock(
        &[
            ("authentications", "authentication_cache", "max(last_used, last_authenticated)"),
            ("tokens with failures", "tokens", "failed_at"),
            // The first step that is not used up; the last one that is began a period before.
            (
                "time-based tokens",
                "tokens",
                "CASE type WHEN 'totp' THEN (counter - 1 - window - skew) * period * 1000000 ELSE 0 END",
            ),
            ("guesses", "guesses", "failed_at"),
        ],
        findings,
    );
    if rows.count("tokens", "?1 = ?1").is_some()
        && let Ok(clashes) = owner_clashes(database)
        && !clashes.is_empty()
    {
        let detail = format!(
            "owners of tokens differ only in case: {}; until then their names are compared exactly; give each owner one spelling with token assign",
            clashes.join(", ")
        );
        rows.note("owners", Grade::Warning, &detail, findings);
    }
    let over = rows.count("leases", "expires <= ?1").unwrap_or_default();
    let mut left = Vec::new();
    if over > 0 {
        left.push(format!(
            "{over} leases are over: their sessions never ended, and the next check-out drops them"
        ));
    }
    if receipts > 0 {
        left.push(format!(
            "{receipts} dynamic secrets wait to be given back; those of sessions that are over end with their own time at the server"
        ));
    }
    rows.leftovers(&left, findings);
}

/// Looks at the open sessions.
pub(super) fn connections(
    database: &Database,
    now: UnixTime,
    max_age: Option<f64>,
    findings: &mut Vec<Finding>,
) {
    let rows = Rows { database, now: now.as_micros() };
    let counts = vec![
        rows.counted("sessions open", "connections", "?1 = ?1"),
        rows.counted(
            "servers that did not answer",
            "servers",
            "?1 = ?1 AND finding IN ('silent', 'refused')",
        ),
    ];
    rows.content(counts, findings);
    rows.clock(&[("sessions", "connections", "opened"), ("servers", "servers", "asked")], findings);
    let mut left = Vec::new();
    if let Some(age) = max_age {
        let before = now.plus_seconds(-age).as_micros();
        let old = Rows { database, now: before }.count("connections", "opened < ?1").unwrap_or_default();
        if old > 0 {
            left.push(format!(
                "{old} sessions never ended and are older than max_session_age; the next one drops them"
            ));
        }
    }
    rows.leftovers(&left, findings);
}

struct Rows<'d> {
    database: &'d Database,
    now: i64,
}

impl Rows<'_> {
    /// Counts rows; `None` where an older schema has no such table.
    fn count(&self, table: &str, condition: &str) -> Option<u64> {
        let connection = &self.database.connection;
        let known = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1";
        let is_there = connection.query_row(known, params![table], |_| Ok(())).optional().ok()?;
        is_there?;
        // The names are this program's own.
        let sql = format!("SELECT count(*) FROM {table} WHERE {condition}");
        let count: i64 = connection.query_row(&sql, params![self.now], |row| row.get(0)).ok()?;
        u64::try_from(count).ok()
    }

    fn counted(&self, what: &str, table: &str, condition: &str) -> Option<String> {
        self.count(table, condition).map(|count| format!("{what}: {count}"))
    }

    fn content(&self, counts: Vec<Option<String>>, findings: &mut Vec<Finding>) {
        let counts: Vec<_> = counts.into_iter().flatten().collect();
        self.note("content", Grade::Ok, &counts.join(", "), findings);
    }

    /// Looks for rows whose last use is still to come. Each is a name, a table and the time of the last use.
    fn clock(&self, of: &[(&str, &str, &str)], findings: &mut Vec<Finding>) {
        let mut ahead = Vec::new();
        let mut most = 0_i64;
        for (what, table, time) in of {
            let condition = format!("{time} > ?1 + {SLACK}");
            let Some(count) = self.count(table, &condition).filter(|count| *count > 0) else { continue };
            let sql = format!("SELECT max({time}) FROM {table}");
            let latest: i64 =
                self.database.connection.query_row(&sql, [], |row| row.get(0)).unwrap_or(self.now);
            most = most.max(latest.saturating_sub(self.now) / MICROS);
            ahead.push(format!("{count} {what}"));
        }
        if ahead.is_empty() {
            self.note("clock", Grade::Ok, "no timestamps in the future", findings);
        } else {
            let detail = format!(
                "{} were last used up to {most} s in the future: the clock was ahead then or is behind now; TOTP \
                 codes are refused until then, unless token resync resets the token; set the clock by NTP",
                ahead.join(", ")
            );
            self.note("clock", Grade::Warning, &detail, findings);
        }
    }

    fn leftovers(&self, left: &[String], findings: &mut Vec<Finding>) {
        if left.is_empty() {
            self.note("leftovers", Grade::Ok, "none", findings);
        } else {
            self.note("leftovers", Grade::Warning, &left.join("; "), findings);
        }
    }

    fn note(&self, question: &'static str, grade: Grade, detail: &str, findings: &mut Vec<Finding>) {
        let is_state = self.database.path.ends_with(super::STATE_FILE);
        let about = if is_state { "state" } else { "connections" };
        let place = self.database.path.display().to_string();
        findings.push(Finding::new(about, &place, question, grade, detail));
    }
}

/// Lists owners that differ only in case, at most [`NAMED`]. A schema of any version has these columns.
fn owner_clashes(database: &Database) -> rusqlite::Result<Vec<String>> {
    let mut statement =
        database.connection.prepare("SELECT DISTINCT realm, user FROM tokens WHERE user <> ''")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let mut spellings: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for row in rows {
        let (realm, user) = row?;
        spellings.entry((fold(&realm), fold(&user))).or_default().push(format!("{user}@{realm}"));
    }
    Ok(spellings.into_values().filter(|all| all.len() > 1).flatten().take(NAMED).collect())
}

/// How many secrets there are of each kind, and how many do not open.
struct Sealed {
    credentials: u64,
    receipts: u64,
    damaged: u64,
}

fn sealed(database: &Database, sealer: &Sealer) -> Result<Sealed, StoreError> {
    let mut sealed = Sealed { credentials: 0, receipts: 0, damaged: 0 };
    for token in database.select("", &[])? {
        if token.secret(sealer).is_err() || token.pin(sealer).is_err() {
            sealed.damaged = sealed.damaged.saturating_add(1);
        }
    }
    database.each_sealed(sealer, |kept| {
        let count = match kept {
            Ok(kept) if kept.name.store == receipts::STORE => &mut sealed.receipts,
            Ok(_) => &mut sealed.credentials,
            Err(_) => &mut sealed.damaged,
        };
        *count = count.saturating_add(1);
        Ok::<_, StoreError>(())
    })?;
    Ok(sealed)
}

//! What somebody asks of the state who stands before a machine where it does not work. Nothing is made, migrated, locked or
//! changed for it.

mod content;
mod place;

use std::path::Path;
use std::sync::mpsc;
use std::thread;

use rusqlite::Connection;

use super::seal::Sealer;
use super::{CONNECTIONS_FILE, Database, STATE_FILE, Store, StoreError, key, schema, sqlite};
use crate::clock::Budget;
use crate::finding::{Finding, Grade};
use crate::logging::Chain;

/// The most lines of SQLite's that are shown of a damaged database.
const MAX_LINES: usize = 5;

/// The versions that this program is made of, as far as the state is concerned.
pub fn versions() -> Vec<Finding> {
    let newest = format!(
        "this program writes version {} of the state and {} of the connections",
        schema::STATE.len(),
        schema::CONNECTIONS.len()
    );
    vec![
        Finding::new("SQLite", "", "version", Grade::Ok, rusqlite::version()),
        Finding::new("schema", "", "newest", Grade::Ok, &newest),
    ]
}

/// Looks at the system's random bytes.
pub fn randomness() -> Finding {
    let (grade, detail) = match key::random() {
        Ok(_) => (Grade::Ok, "the system gives them"),
        Err(_) => (
            Grade::Error,
            "the system gives none, so no key, challenge or nonce can be made; see getrandom(2)",
        ),
    };
    Finding::new("random bytes", "", "source", grade, detail)
}

impl Store<'_> {
    /// Looks at the directories, the databases, the key, and at what is in them. `max_session_age` is how long a session
    /// is counted, in seconds, where there is an end to it.
    pub fn examine(self, max_session_age: Option<f64>) -> Vec<Finding> {
        let store = self.only_reading();
        let mut findings = Vec::new();
        let has_state = place::persistent(&store.places, &mut findings);
        let has_connections = place::ephemeral(&store.places, &mut findings);
        let state = has_state
            .then(|| store.examine_database("state", STATE_FILE, schema::STATE, &mut findings))
            .flatten();
        if let Some(database) = state {
            let sealer = store.examine_key(database, &mut findings);
            content::state(database, sealer.as_ref(), store.now(), &mut findings);
        }
        let connections = has_connections
            .then(|| {
                store.examine_database("connections", CONNECTIONS_FILE, schema::CONNECTIONS, &mut findings)
            })
            .flatten();
        if let Some(database) = connections {
            content::connections(database, store.now(), max_session_age, &mut findings);
        }
        findings
    }

    /// Looks at schema and pages; returns the database where its content can be looked at.
    fn examine_database(
        &self,
        about: &'static str,
        file: &str,
        migrations: &[&str],
        findings: &mut Vec<Finding>,
    ) -> Option<&Database> {
        let is_state = file == STATE_FILE;
        let directory = if is_state { self.places.persistent_path() } else { self.places.ephemeral_path() };
        let path = directory?.join(Path::new(file));
        let place = path.display().to_string();
        let already_told = place::is_told(file, findings);
        let mut note = |question, grade, detail: &str| {
            findings.push(Finding::new(about, &place, question, grade, detail));
        };
        let mend = if is_state {
            "restore a backup; see docs/troubleshooting.md"
        } else {
            "move it away: only counts of open sessions are lost"
        };
        let opened = if is_state { self.persistent() } else { self.ephemeral() };
        let database = match opened {
            Ok(database) => database,
            Err(StoreError::NotMade(_) | StoreError::LogAlone(_))
                if is_state && !left_of(&path).is_empty() =>
            {
                note("schema", Grade::Error, &lost(&path));
                return None;
            }
            Err(StoreError::NotMade(_)) => {
                note("schema", Grade::Ok, "not made yet; the first hook that keeps something makes it");
                return None;
            }
            Err(StoreError::Newer(_)) => {
                let detail = format!(
                    "the schema is newer than the one that this program knows ({}); install the version of the plugin that wrote it",
                    migrations.len()
                );
                note("schema", Grade::Error, &detail);
                return None;
            }
            Err(error @ StoreError::Denied { .. }) => {
                if !already_told {
                    note("schema", Grade::Error, &error.to_string());
                }
                return None;
            }
            Err(error @ StoreError::NoIndex(_)) => {
                note("schema", Grade::Warning, &error.to_string());
                return None;
            }
            Err(error) => {
                note("schema", Grade::Error, &format!("{}; {mend}", Chain(&error)));
                return None;
            }
        };
        match sqlite::version(&database.connection) {
            Ok(version) if version == migrations.len() => {
                note("schema", Grade::Ok, &format!("version {version}, which is the newest"));
            }
            Ok(0) if is_state && !key_files(&path).is_empty() => {
                note("schema", Grade::Error, &lost(&path));
                return None;
            }
            Ok(version) => {
                let newest = migrations.len();
                let detail = format!(
                    "version {version}; the next hook migrates it to {newest}, after which no older version of the plugin reads it"
                );
                note("schema", Grade::Warning, &detail);
            }
            Err(error) => {
                note("schema", Grade::Error, &format!("it cannot be read ({error}); {mend}"));
                return None;
            }
        }
        match quick_check(&database.connection, self.budget) {
            Ok(wrong) if wrong.is_empty() => note("quick_check", Grade::Ok, "SQLite finds no damage"),
            Ok(wrong) => {
                note("quick_check", Grade::Error, &format!("it is damaged ({}); {mend}", wrong.join(", ")));
                return None;
            }
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) => {
                note("quick_check", Grade::Warning, "not finished within [plugin] time_budget");
            }
            Err(error) => {
                note("quick_check", Grade::Error, &format!("it is damaged ({error}); {mend}"));
                return None;
            }
        }
        Some(database)
    }

    /// Finds out whether the key opens what is sealed; returns what it opens with.
    fn examine_key(&self, database: &Database, findings: &mut Vec<Finding>) -> Option<Sealer> {
        let from = match self.key_is_configured() {
            Ok(true) => "[state] key",
            Ok(false) | Err(_) => key::FILE,
        };
        let already_told = place::is_told(key::FILE, findings);
        let mut note =
            |grade, detail: &str| findings.push(Finding::new("key", from, "opens the store", grade, detail));
        match self.look_for_key(database) {
            Ok(None) => {
                note(Grade::Ok, "nothing is sealed yet, so there is nothing to open");
                None
            }
            Ok(Some((sealer, false))) => {
                note(Grade::Ok, "it is the one that the secrets are sealed with");
                Some(sealer)
            }
            Ok(Some((sealer, true))) => {
                note(
                    Grade::Warning,
                    "a change of keys was cut short: master.key.new is the one; the next hook puts it in force",
                );
                Some(sealer)
            }
            Err(StoreError::UnsafeKey { .. } | StoreError::KeyFile { .. }) if already_told => None,
            Err(error @ StoreError::NoKey) => {
                note(Grade::Error, &format!("{error}; without it nothing that is sealed can be opened"));
                None
            }
            Err(error @ StoreError::WrongKey) => {
                note(
                    Grade::Error,
                    &format!("{error}; put back the key that was there when the secrets were sealed"),
                );
                None
            }
            Err(error) => {
                note(Grade::Error, &Chain(&error).to_string());
                None
            }
        }
    }
}

/// Returns the names of the key files beside the state.
fn key_files(state: &Path) -> Vec<&'static str> {
    state.parent().map(key::files).unwrap_or_default()
}

/// Returns the names of what would not be there if there had never been a state.
fn left_of(state: &Path) -> Vec<String> {
    let mut left: Vec<_> = key_files(state).into_iter().map(str::to_owned).collect();
    if sqlite::holds_something(&sqlite::beside(state, sqlite::LOG)) {
        left.push(format!("{STATE_FILE}{}", sqlite::LOG));
    }
    left
}

/// Says what is to be done where the state is gone, or empty, and something of it was left.
fn lost(state: &Path) -> String {
    let left = left_of(state);
    let are = if left.len() > 1 { "are" } else { "is" };
    let how = if state.exists() { "empty" } else { "gone" };
    format!(
        "it is {how} though {} {are} there, so its tokens and credentials are lost; put it back, or keep the \
         key and restore a backup with --replace, see docs/backup.md",
        left.join(" and ")
    )
}

/// Lets SQLite look at every page, within the time; returns what is wrong.
fn quick_check(connection: &Connection, budget: Budget<'_>) -> rusqlite::Result<Vec<String>> {
    let (done, waits) = mpsc::channel::<()>();
    let (interrupt, left) = (connection.get_interrupt_handle(), budget.remaining());
    let guard = thread::spawn(move || {
        if waits.recv_timeout(left).is_err_and(|error| error == mpsc::RecvTimeoutError::Timeout) {
            interrupt.interrupt();
        }
    });
    let check = || -> rusqlite::Result<Vec<String>> {
        let mut statement = connection.prepare(&format!("PRAGMA quick_check({MAX_LINES})"))?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    let lines = check();
    drop(done);
    let _ = guard.join();
    Ok(lines?.into_iter().filter(|line| line != "ok").collect())
}

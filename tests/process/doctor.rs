//! `doctor`: what is wrong with a machine, found without changing a byte of it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::service::{NOBODY, Service};
use crate::support::{self, Ended, PROGRAM, Place, authenticate, authorize, skipped};

/// The secret of the one token, in hexadecimal digits.
const SECRET: &str = "3132333435363738393031323334353637383930";

/// Mode, owner, time of the last change, number and bytes.
type AsItIs = (u32, u32, (i64, i64), u64, Vec<u8>);

/// Everything below a folder: what kind it is, whose, its times, its bytes.
fn everything(folder: &Path) -> BTreeMap<PathBuf, AsItIs> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let bytes = if metadata.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        if metadata.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let times = (metadata.mtime(), metadata.mtime_nsec());
        found.insert(path, (metadata.mode(), metadata.uid(), times, metadata.ino(), bytes));
    }
    found
}

struct Doctor {
    checks: Vec<Value>,
    text: String,
    status: Option<i32>,
}

/// Lets the doctor look, and asserts that nothing was changed and no secret shown.
fn look_with(place: &Place, words: &[&str]) -> Doctor {
    let folder = place.path("");
    let before = everything(&folder);
    let mut all = vec!["doctor", "--json"];
    all.extend(words);
    let ended = place.run(&all, String::new());
    assert_eq!(everything(&folder), before, "something was changed: {ended:?}");
    told(&ended, place)
}

fn told(ended: &Ended, place: &Place) -> Doctor {
    assert_eq!(ended.stderr, "", "{ended:?}");
    let text = String::from_utf8(ended.stdout.clone()).unwrap();
    for key in ["master.key", "master.key.new"] {
        if let Ok(key) = fs::read_to_string(place.state().join(key)) {
            assert!(!text.contains(key.trim()), "the key is shown: {text}");
        }
    }
    assert!(!text.contains(SECRET), "{text}");
    let checks = ended.response()["checks"].as_array().unwrap().clone();
    Doctor { checks, text, status: ended.status }
}

fn look(place: &Place) -> Doctor {
    look_with(place, &["--config", place.path("c.ini").to_str().unwrap()])
}

impl Doctor {
    fn of(&self, about: &str, question: &str) -> Vec<&Value> {
        self.checks.iter().filter(|one| one["about"] == about && one["question"] == question).collect()
    }

    /// Asserts that a question has a result, and that its text has this piece.
    #[track_caller]
    fn assert(&self, about: &str, question: &str, result: &str, piece: &str) {
        let found = self.of(about, question);
        let is_meant =
            |one: &&Value| one["result"] == result && one["detail"].as_str().unwrap().contains(piece);
        assert!(found.iter().any(is_meant), "{about}, {question}: {piece:?} in {}", self.text);
    }

    /// Asserts that this was the only thing that was wrong, and the status that goes with it.
    #[track_caller]
    fn assert_only(&self, result: &str, about: &str, question: &str, piece: &str) {
        let bad: Vec<_> = self.checks.iter().filter(|one| one["result"] != "ok").collect();
        let [one] = bad.as_slice() else { panic!("{}", self.text) };
        assert_eq!((&one["about"], &one["question"]), (&json!(about), &json!(question)), "{}", self.text);
        self.assert(about, question, result, piece);
        assert_eq!(self.status, Some(i32::from(result == "error")), "{}", self.text);
    }

    #[track_caller]
    fn assert_all_well(&self) {
        assert!(self.checks.iter().all(|one| one["result"] == "ok"), "{}", self.text);
        assert_eq!(self.status, Some(0));
    }
}

const CONFIGURATION: &str = "[mfa]\nprovider=local\n\
    [authentication_cache]\nreuse_limit=3\nsoft_timeout=3600\nhard_timeout=3600\n\
    [connection_limit by=client_ip_gateway_user]\nlimit=3\n";

fn hook(place: &Place, clock: &[&str], invocation: &Value) -> Value {
    let ended = place.run(&[&["hook"], clock].concat(), invocation.to_string());
    assert_eq!(ended.verdict(), "ACCEPT", "{ended:?}");
    ended.response()
}

/// Fills a state with a token, a credential, an authentication and an open session.
fn fill(place: &Place, clock: &[&str]) {
    place.file("c.ini", CONFIGURATION);
    let run = |words: &[&str], stdin: &str| {
        let ended = place.run(words, stdin);
        assert_eq!(ended.status, Some(0), "{ended:?}");
    };
    run(
        &[&["token", "enroll", "--type", "totp", "--user", "bob", "--secret-stdin"], clock].concat(),
        &format!("{SECRET}\n"),
    );
    run(
        &[&["token", "enroll", "--type", "hotp", "--user", "alice", "--secret-stdin"], clock].concat(),
        &format!("{SECRET}\n"),
    );
    run(
        &["credential", "set", "--account", "root", "--asset", "db1", "--password-stdin"],
        "pw-of-the-target\n",
    );
    let typed = json!({"key_value_pairs": {"otp": "755224"}});
    let accepted = hook(place, clock, &authenticate(CONFIGURATION, typed));
    let cookies = json!({"cookie": accepted["cookie"], "session_cookie": accepted["session_cookie"]});
    hook(place, clock, &authorize(CONFIGURATION, cookies));
}

fn filled() -> Place {
    let place = Place::new();
    fill(&place, &[]);
    place
}

fn state(place: &Place) -> Connection {
    Connection::open(place.state().join("state.sqlite3")).unwrap()
}

#[test]
fn a_fresh_machine_is_well_and_stays_fresh() {
    let place = Place::new();
    place.file("c.ini", "");
    let found = look(&place);
    found.assert_all_well();
    found.assert("state directory", "permissions", "ok", "not made yet");
    found.assert("state directory", "rule", "ok", "$SCB_PLUGIN_STATE_DIRECTORY");
    found.assert("configuration", "found", "ok", "--config");
    found.assert("program", "version", "ok", env!("CARGO_PKG_VERSION"));
    found.assert("random bytes", "source", "ok", "");
    found.assert("clock", "servers", "ok", "not compared");
    assert!(!place.state().exists() && !place.ephemeral().exists());
}

#[test]
fn a_good_state_is_well_and_counted() {
    let place = filled();
    let found = look(&place);
    found.assert_all_well();
    found.assert("state", "schema", "ok", "the newest");
    found.assert("state", "quick_check", "ok", "");
    found.assert("key", "opens the store", "ok", "the one");
    found.assert(
        "state",
        "content",
        "ok",
        "tokens: 2, credentials: 1, leases open: 0, authentications in the cache: 1",
    );
    found.assert("connections", "content", "ok", "sessions open: 1");
    found.assert("state", "clock", "ok", "");
    assert!(!found.text.contains("pw-of-the-target") && !found.text.contains("alice"), "{}", found.text);
    // A link in its place, and a path that an address would take apart.
    let odd = place.path("a b?c=d#e%41");
    fs::rename(place.state(), &odd).unwrap();
    std::os::unix::fs::symlink(&odd, place.state()).unwrap();
    look(&place).assert_all_well();
}

#[test]
fn what_another_process_has_just_written_is_seen() {
    let place = filled();
    let other = state(&place);
    other.execute("INSERT INTO guesses VALUES ('name', 'x', 1, 0, 0, 0)", []).unwrap();
    other.execute("DELETE FROM tokens", []).unwrap();
    let found = look(&place);
    found.assert("state", "content", "ok", "tokens: 0, ");
    found.assert_all_well();
    // And while it is at it.
    other.execute_batch("BEGIN IMMEDIATE; DELETE FROM credentials;").unwrap();
    let found = look(&place);
    found.assert("state", "content", "ok", "credentials: 1, ");
    found.assert_all_well();
}

#[test]
fn a_state_without_a_log_is_read_and_one_without_the_logs_index_is_left_alone() {
    let place = filled();
    let (log, index) = (place.state().join("state.sqlite3-wal"), place.state().join("state.sqlite3-shm"));
    fs::remove_file(&index).unwrap();
    assert!(fs::metadata(&log).unwrap().len() > 0);
    look(&place).assert_only("warning", "state", "schema", "has no index beside it");
    state(&place).query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let _ = (fs::remove_file(&log), fs::remove_file(&index));
    let found = look(&place);
    found.assert_all_well();
    found.assert("state", "content", "ok", "tokens: 2, credentials: 1");
}

#[test]
fn whoever_else_may_write_or_read_is_told_with_what_mends_it() {
    let place = filled();
    let mode = |path: &Path, mode| fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    let (directory, key) = (place.state(), place.state().join("master.key"));
    mode(&directory, 0o777);
    look(&place).assert_only("error", "state directory", "permissions", "chmod go-w it");
    mode(&directory, 0o700);
    mode(&directory.join("state.sqlite3"), 0o644);
    look(&place).assert_only(
        "warning",
        "state directory",
        "files",
        "state.sqlite3 is readable by others; chmod 600 it",
    );
    mode(&directory.join("state.sqlite3"), 0o600);
    mode(&key, 0o640);
    look(&place).assert_only(
        "error",
        "state directory",
        "files",
        "master.key is readable by others; chmod 600 it",
    );
    let ended = place.run(&["token", "rekey"], "");
    assert!(ended.stderr.contains("the key file ") && ended.stderr.contains("chmod 600 it"), "{ended:?}");
    assert!(!ended.stderr.contains("directory"), "{ended:?}");
    mode(&key, 0o600);
    mode(&place.ephemeral(), 0o770);
    look(&place).assert_only("error", "directory of the connections", "permissions", "chmod go-w it");
}

#[test]
fn a_directory_of_another_users_is_told() {
    if !rustix::process::geteuid().is_root() {
        return skipped("a state directory of another user's (only root can give one away)");
    }
    let place = filled();
    chown(place.state(), Some(65534), None).unwrap();
    look(&place).assert_only("error", "state directory", "permissions", "belongs to another user");
}

/// The user that root runs the program as.
const NOBODY_S: u32 = 65534;

/// Runs the program as the owner of the place, whom modes hold back; `None` where that cannot be done.
fn as_owner(place: &Place, words: &[&str], stdin: impl Into<Vec<u8>>) -> Option<Ended> {
    let mut command = place.command(PROGRAM);
    command.args(words);
    if rustix::process::geteuid().is_root() {
        for path in everything(&place.path("")).keys() {
            chown(path, Some(NOBODY_S), None).unwrap();
        }
        // What may not be written, root writes all the same.
        command.uid(NOBODY_S);
    }
    match command.spawn() {
        Ok(child) => Some(support::Running::of(child, stdin.into()).end()),
        Err(error) => {
            skipped(&format!("state that its owner may not use: nobody may start the program ({error})"));
            None
        }
    }
}

/// As [`look`], as the owner.
fn look_as_owner(place: &Place) -> Option<Doctor> {
    let config = place.path("c.ini");
    let ended = as_owner(place, &["doctor", "--json", "--config", config.to_str().unwrap()], Vec::new())?;
    Some(told(&ended, place))
}

#[test]
fn a_folder_that_may_only_be_read_is_told_and_still_looked_into() {
    let place = filled();
    // Gives everything away first, so that only the look is between the two.
    let Some(well) = look_as_owner(&place) else { return };
    well.assert_all_well();
    fs::set_permissions(place.state(), PermissionsExt::from_mode(0o500)).unwrap();
    let before = everything(&place.path(""));
    let found = look_as_owner(&place).unwrap();
    assert_eq!(everything(&place.path("")), before);
    found.assert_only("error", "state directory", "permissions", "chmod u+w it");
    found.assert("state", "content", "ok", "tokens: 2, credentials: 1");
}

#[test]
fn files_that_their_owner_may_not_use_are_told_once_each() {
    let place = filled();
    let mode = |name: &str, mode| {
        fs::set_permissions(place.state().join(name), PermissionsExt::from_mode(mode)).unwrap();
    };
    let is_root = rustix::process::geteuid().is_root();
    let uid = if is_root { NOBODY_S } else { rustix::process::geteuid().as_raw() };
    let databases = ["state.sqlite3", "state.sqlite3-shm", "state.sqlite3-wal"];
    // A key need only be read.
    mode("master.key", 0o400);
    let Some(well) = look_as_owner(&place) else { return };
    well.assert_all_well();
    for name in databases {
        mode(name, 0o400);
        let piece = format!("{name}: uid {uid} may not read and write it (mode 0400); chmod u+rw it");
        look_as_owner(&place).unwrap().assert_only("error", "state directory", "files", &piece);
        mode(name, 0o600);
    }
    mode("master.key", 0o200);
    let found = look_as_owner(&place).unwrap();
    found.assert_only("error", "state directory", "files", "may not read it (mode 0200); chmod u+r it");
    mode("master.key", 0o600);
    mode("state.sqlite3", 0o200);
    let found = look_as_owner(&place).unwrap();
    found.assert_only("error", "state directory", "files", "may not read and write it (mode 0200)");
    assert!(!found.text.contains("immutable") && !found.text.contains("backup"), "{}", found.text);
    mode("state.sqlite3", 0o600);
    mode("", 0o000);
    let found = look_as_owner(&place);
    mode("", 0o700);
    found.unwrap().assert_only(
        "error",
        "state directory",
        "permissions",
        "may not look into it; chmod u+rx it",
    );
}

#[test]
fn a_database_of_another_users_is_told_once_and_no_backup_is_called_for() {
    if !rustix::process::geteuid().is_root() {
        return skipped("a database of another user's (only root can give one away)");
    }
    let place = filled();
    let Some(well) = look_as_owner(&place) else { return };
    well.assert_all_well();
    let config = place.path("c.ini");
    chown(place.state().join("state.sqlite3"), Some(0), None).unwrap();
    let mut command = place.command(PROGRAM);
    command.args(["doctor", "--json", "--config", config.to_str().unwrap()]).uid(NOBODY_S);
    let found = told(&support::run(command, ""), &place);
    found.assert_only(
        "error",
        "state directory",
        "files",
        "state.sqlite3 belongs to another user (uid 0); chown it to uid",
    );
    assert!(!found.text.contains("immutable") && !found.text.contains("backup"), "{}", found.text);
}

#[test]
fn a_hook_says_that_it_is_permissions_where_it_is_and_what_sqlite_said_once() {
    let place = filled();
    let invocation = || authenticate(CONFIGURATION, json!({})).to_string();
    let run = || as_owner(&place, &["hook"], invocation());
    let Some(well) = run() else { return };
    assert_eq!(well.status, Some(0), "{well:?}");
    let state = place.state();
    for (path, mode, said) in [
        (state.join("state.sqlite3"), 0o400, "attempt to write a readonly database"),
        (state.join("state.sqlite3"), 0o000, "unable to open database file"),
        (state.clone(), 0o000, "unable to open database file"),
    ] {
        let before = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        let ended = run().unwrap();
        assert_eq!((ended.status, ended.verdict().as_str()), (Some(1), "DENY"), "{ended:?}");
        assert!(ended.stderr.contains("may not be read or written by this user"), "{ended:?}");
        assert!(!ended.stderr.contains("move the file away"), "{ended:?}");
        assert_eq!(ended.stderr.matches(said).count(), 1, "{ended:?}");
        assert!(!ended.stderr.contains("Error code"), "{ended:?}");
        fs::set_permissions(&path, before).unwrap();
    }
}

#[test]
fn a_key_that_is_missing_wrong_or_half_changed_is_told() {
    let place = filled();
    let key = place.state().join("master.key");
    let right = fs::read(&key).unwrap();
    let write = |path: &Path, content: &[u8]| {
        let _ = fs::remove_file(path);
        fs::write(path, content).unwrap();
        fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
    };
    fs::remove_file(&key).unwrap();
    look(&place).assert_only("error", "key", "opens the store", "put master.key back");
    write(&key, "ab".repeat(32).as_bytes());
    look(&place).assert_only("error", "key", "opens the store", "sealed with another key");
    write(&key, b"no key at all");
    look(&place).assert_only("error", "key", "opens the store", "64 hexadecimal digits");
    write(&key, "ab".repeat(32).as_bytes());
    write(&place.state().join("master.key.new"), &right);
    look(&place).assert_only("warning", "key", "opens the store", "cut short");
    fs::remove_file(place.state().join("master.key.new")).unwrap();
    write(&key, &right);
    write(&place.state().join("master.key.123"), &right);
    look(&place).assert_only("warning", "state directory", "files", "master.key.123 was left over");
    fs::remove_file(place.state().join("master.key.123")).unwrap();
    // By the configuration.
    let text = String::from_utf8(right).unwrap();
    place.file("key", &text);
    place.file("c.ini", format!("[state]\nkey=${{file:{}}}\n", place.path("key").display()));
    fs::remove_file(&key).unwrap();
    look(&place).assert_all_well();
    place.file("c.ini", format!("[state]\nkey={}\n", "cd".repeat(32)));
    let found = look(&place);
    found.assert_only("error", "key", "opens the store", "sealed with another key");
    assert!(!found.text.contains("cdcdcd"), "{}", found.text);
}

#[test]
fn damage_is_told_and_left_as_it_is() {
    let place = filled();
    state(&place).query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let path = place.state().join("state.sqlite3");
    let good = fs::read(&path).unwrap();
    let mut bad = good.clone();
    // The pages behind the first, which holds the schema.
    bad[4096..].fill(0x5a);
    fs::write(&path, &bad).unwrap();
    look(&place).assert_only("error", "state", "quick_check", "restore a backup");
    fs::write(&path, vec![0x5a; good.len()]).unwrap();
    look(&place).assert_only("error", "state", "schema", "restore a backup");
    fs::write(&path, &good).unwrap();
    look(&place).assert_all_well();
    // One row that was changed under a good key.
    state(&place).execute("UPDATE tokens SET sealed_secret = zeroblob(80) WHERE type = 'totp'", []).unwrap();
    look(&place).assert_only("error", "state", "secrets", "1 secrets do not open");
}

#[test]
fn a_database_that_is_gone_from_beside_its_key_or_its_log_is_an_error() {
    let place = filled();
    let at = |name: &str| place.state().join(name);
    fs::remove_file(at("state.sqlite3")).unwrap();
    assert!(fs::metadata(at("state.sqlite3-wal")).unwrap().len() > 0);
    look(&place).assert_only(
        "error",
        "state",
        "schema",
        "it is gone though master.key and state.sqlite3-wal are there",
    );
    fs::remove_file(at("state.sqlite3-wal")).unwrap();
    look(&place).assert_only("error", "state", "schema", "it is gone though master.key is there");
    fs::rename(at("master.key"), at("master.key.new")).unwrap();
    look(&place).assert_only(
        "error",
        "state",
        "schema",
        "restore a backup with --replace, see docs/backup.md",
    );
    // Nothing but an index of a log that held nothing.
    fs::remove_file(at("master.key.new")).unwrap();
    fs::write(at("state.sqlite3-wal"), "").unwrap();
    fs::set_permissions(at("state.sqlite3-wal"), PermissionsExt::from_mode(0o600)).unwrap();
    let found = look(&place);
    found.assert_all_well();
    found.assert("state", "schema", "ok", "not made yet");
}

#[test]
fn a_database_that_was_emptied_is_an_error_where_there_is_a_key() {
    let place = filled();
    fs::write(place.state().join("state.sqlite3"), "").unwrap();
    look(&place).assert_only(
        "error",
        "state",
        "schema",
        "it is empty though master.key and state.sqlite3-wal are there",
    );
    for name in ["state.sqlite3-wal", "state.sqlite3-shm"] {
        fs::remove_file(place.state().join(name)).unwrap();
    }
    look(&place).assert_only("error", "state", "schema", "restore a backup");
    // One that a hook had only begun to make.
    fs::remove_file(place.state().join("master.key")).unwrap();
    look(&place).assert_only("warning", "state", "schema", "the next hook migrates it");
}

#[test]
fn another_schema_is_told_and_not_migrated() {
    let place = filled();
    let set = |version: i64| state(&place).pragma_update(None, "user_version", version).unwrap();
    set(99);
    look(&place).assert_only("error", "state", "schema", "install the version of the plugin that wrote it");
    set(3);
    let found = look(&place);
    found.assert_only("warning", "state", "schema", "the next hook migrates it to 6");
    // One from the first release, which had no key and no tokens.
    let first = Place::new();
    fill(&first, &[]);
    state(&first)
        .execute_batch("DROP TABLE meta; DROP TABLE tokens; DROP TABLE credentials; DROP TABLE leases; PRAGMA user_version = 1;")
        .unwrap();
    let found = look(&first);
    found.assert_only("warning", "state", "schema", "version 1;");
    found.assert("state", "content", "ok", "authentications in the cache: 1");
}

#[test]
fn a_mistake_in_the_configuration_is_an_error_and_told_once() {
    let place = Place::new();
    place.file("c.ini", "[mfa]\nprovider=radius\n[radius]\nserver=127.0.0.1\n[state]\nkey=abc\n");
    let found = look(&place);
    assert_eq!(found.of("configuration", "read").len(), 2, "{}", found.text);
    found.assert("configuration", "read", "error", "[radius] secret is required");
    found.assert("configuration", "read", "error", "[state] key: expected 64 hexadecimal digits");
    assert_eq!(found.status, Some(1), "{}", found.text);
}

#[test]
fn a_clock_that_went_back_is_seen_in_what_was_used() {
    let place = Place::new();
    fill(&place, &["--clock", "2100-01-01T00:00:00Z"]);
    let found = look(&place);
    found.assert("state", "clock", "warning", "1 authentications were last used up to ");
    found.assert("connections", "clock", "warning", "1 sessions were last used up to ");
    assert_eq!(found.status, Some(0), "{}", found.text);
    state(&place).execute("UPDATE tokens SET counter = 4000000000", []).unwrap();
    look(&place).assert("state", "clock", "warning", "1 time-based tokens");
}

#[test]
fn a_device_whose_clock_is_off_says_nothing_about_the_clock_of_this_machine() {
    let place = filled();
    let used = |skew: i64, steps_from_now: i64| {
        let counter = format!("unixepoch() / period + ({skew}) + ({steps_from_now}) + 1");
        state(&place)
            .execute(&format!("UPDATE tokens SET skew = {skew}, counter = {counter} WHERE type = 'totp'"), [])
            .unwrap();
        look(&place)
    };
    for skew in [7, -7] {
        used(skew, 0).assert("state", "clock", "ok", "no timestamps in the future");
        used(skew, 8).assert("state", "clock", "warning", "1 time-based tokens");
    }
}

#[test]
fn what_was_left_over_is_counted() {
    let place = filled();
    let old = "INSERT INTO leases VALUES ('o', 'e', 's', 'a', 'b', '', 1)";
    state(&place).execute(old, []).unwrap();
    look(&place).assert_only("warning", "state", "leftovers", "1 leases are over");
    state(&place).execute("DELETE FROM leases", []).unwrap();
    let sessions = Connection::open(place.ephemeral().join("connections.sqlite3")).unwrap();
    sessions.execute("UPDATE connections SET opened = 1", []).unwrap();
    look(&place).assert_only("warning", "connections", "leftovers", "1 sessions never ended");
}

#[test]
fn it_is_told_where_the_configuration_was_found_and_which_rule_chose_the_directory() {
    let place = Place::new();
    let config = place.file("c.ini", format!("[state]\ndirectory={}\n", place.path("elsewhere").display()));
    let mut command = place.command(PROGRAM);
    command.args(["doctor", "--json"]).env("SPS_PLUGIN_CONFIG", &config);
    let found = told(&support::run(command, ""), &place);
    found.assert("configuration", "found", "ok", "$SPS_PLUGIN_CONFIG");
    found.assert("state directory", "rule", "ok", "[state] directory");
    let mut command = place.command(PROGRAM);
    command.args(["doctor", "--json"]).env_clear().env("HOME", place.path("home"));
    let found = told(&support::run(command, ""), &place);
    found.assert("configuration", "found", "warning", "there is none");
    found.assert("state directory", "rule", "ok", "$HOME");
    let mut command = place.command(PROGRAM);
    command.args(["doctor", "--json"]).env_clear();
    let found = told(&support::run(command, ""), &place);
    found.assert("state directory", "rule", "error", "nowhere to keep state");
    assert_eq!(found.status, Some(1));
}

#[test]
fn a_configuration_that_cannot_be_read_is_an_error_and_a_word_too_many_another() {
    let place = Place::new();
    place.file("c.ini", "[mfa\n");
    look(&place).assert_only("error", "configuration", "read", "see check-config");
    let ended = place.run(&["doctor", "more"], "");
    assert_eq!((ended.status, ended.stdout.as_slice()), (Some(2), &b""[..]));
    assert!(ended.stderr.contains("see --help"), "{ended:?}");
}

#[test]
fn servers_are_asked_with_the_word_only() {
    let place = filled();
    let service = Service::answering(&json!({"result": {"status": false, "error": {"code": 4033}}}));
    let section = |more: &str| {
        format!("[mfa]\nprovider=edumfa\n[edumfa]\nserver_url=http://{}{more}\n", service.address)
    };
    place.file("c.ini", section(""));
    let config = place.path("c.ini");
    let words = ["--config", config.to_str().unwrap(), "--online"];
    look(&place).assert_all_well();
    assert_eq!(service.connections(), 0);
    let found = look_with(&place, &words);
    assert_eq!(found.status, Some(0), "{}", found.text);
    assert!(found.text.contains("\"section\":\"edumfa\"") && service.connections() > 0, "{}", found.text);
    place.file("c.ini", section(&format!(",http://{NOBODY}")));
    assert_eq!(look_with(&place, &words).status, Some(1));
}

#[test]
fn a_secret_of_the_local_store_is_read_without_making_or_changing_a_state() {
    let place = filled();
    let ended = place.run(
        &[
            "credential",
            "set",
            "--store",
            "own",
            "--account",
            "api_key",
            "--asset",
            "edumfa",
            "--password-stdin",
        ],
        "the-key\n",
    );
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let configuration = format!(
        "[credential_store]\nname=own\n[credential_store own]\nprovider=local\n\
         [mfa]\nprovider=edumfa\n[edumfa]\nserver_url=http://{NOBODY}\napi_key=$\n"
    );
    place.file("c.ini", &configuration);
    let config = place.path("c.ini");
    let found = look_with(&place, &["--config", config.to_str().unwrap(), "--online"]);
    assert!(found.text.contains("cannot be reached") && !found.text.contains("the-key"), "{}", found.text);
    // Where there is no state, none is made to look into, by check-config neither.
    let fresh = Place::new();
    let config = fresh.file("c.ini", &configuration);
    for words in [["doctor", "--online"], ["check-config", "--json"]] {
        let ended = fresh.run(&[&words[..], &["--config", config.to_str().unwrap()]].concat(), "");
        assert_eq!(ended.status, Some(1), "{ended:?}");
        assert_eq!(fresh.files(), std::slice::from_ref(&config), "{ended:?}");
        assert!(!fresh.state().exists());
    }
}

#[test]
fn the_text_is_lines_that_end_in_a_count() {
    let place = Place::new();
    let ended = place.run(&["doctor"], "");
    let text = String::from_utf8(ended.stdout).unwrap();
    assert!(text.starts_with("this machine:\n  ok: program: version: "), "{text}");
    assert!(text.ends_with("\nerrors: 0, warnings: 1\n"), "{text}");
}

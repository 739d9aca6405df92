//! `sps-plugin state`, typed at the real binary beside hooks that run: what a copy holds, what comes back of it, and what
//! does not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::indexing_slicing, reason = "a JSON value that lacks a member is null, and a test may fail")]

#[expect(dead_code, reason = "other tests use the rest")]
mod support;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::json;

use sps_plugin::store::Algorithm;
use sps_plugin::token::oath::CodeMaker;
use support::{Ended, PROGRAM, Place, authenticate, credential_hook};

/// The secret of RFC 4226 appendix D.
const SECRET: &str = "3132333435363738393031323334353637383930";
const LOCAL: &str = "[mfa]\nprovider=local\n";
/// A moment at the beginning of a time step.
const NOON: i64 = 1_800_000_000;

fn code(counter: u64) -> String {
    CodeMaker::new(Algorithm::Sha1, b"12345678901234567890", 6).unwrap().code(counter)
}

fn at(place: &Place, words: &str, now: i64) -> Ended {
    let now = now.to_string();
    let mut all: Vec<&str> = words.split(' ').collect();
    all.extend(["--clock", now.as_str()]);
    place.run(&all, "")
}

/// Runs a command that works.
fn done(place: &Place, words: &str) -> String {
    let ended = place.run(&words.split(' ').collect::<Vec<_>>(), "");
    assert_eq!(ended.status, Some(0), "{words}: {ended:?}");
    String::from_utf8(ended.stdout).unwrap()
}

/// Asserts that a command is refused with a sentence that has this piece.
fn refused(place: &Place, words: &str, piece: &str, status: i32) {
    let ended = place.run(&words.split(' ').collect::<Vec<_>>(), "");
    ended.assert_logged(&["error: ", piece]);
    assert_eq!((ended.status, ended.stdout.as_slice()), (Some(status), &b""[..]), "{words}: {ended:?}");
}

/// One secret is one person's in a realm, so each of the others has a realm of their own.
fn owner(user: &str) -> String {
    if user == "alice" { user.to_owned() } else { format!("{user}@of-{user}") }
}

fn enrol(place: &Place, kind: &str, serial: &str, user: &str) {
    let user = owner(user);
    done(place, &format!("token enroll --type {kind} --user {user} --serial {serial} --secret-hex {SECRET}"));
}

fn login(place: &Place, user: &str, password: &str) -> String {
    place.hook(&invocation(user, password)).verdict()
}

fn invocation(user: &str, password: &str) -> serde_json::Value {
    authenticate(LOCAL, json!({"gateway_user": owner(user), "key_value_pairs": {"otp": password}}))
}

fn login_at(place: &Place, password: &str, now: i64) -> String {
    let ended = place.run(&["--clock", now.to_string().as_str()], invocation("alice", password).to_string());
    ended.verdict()
}

fn file(place: &Place, name: &str) -> String {
    place.path(name).to_str().unwrap().to_owned()
}

/// A place without state that has the key of another one.
fn beside(place: &Place) -> Place {
    let other = Place::new();
    fs::create_dir(other.state()).unwrap();
    fs::set_permissions(other.state(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    fs::copy(place.state().join("master.key"), other.state().join("master.key")).unwrap();
    other
}

/// All bytes of the state.
fn bytes(place: &Place) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> =
        place.files().into_iter().filter(|path| path.starts_with(place.state())).collect();
    files.retain(|path| !path.to_str().unwrap().ends_with("-shm"));
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn what_was_backed_up_comes_back_after_the_state_was_destroyed() {
    let place = Place::new();
    enrol(&place, "hotp", "A1", "alice");
    let words = ["credential", "set", "--account", "root", "--asset", "db1", "--password-stdin"];
    assert_eq!(place.run(&words, "pa55word\n").status, Some(0));
    assert_eq!(login(&place, "alice", &code(0)), "ACCEPT");
    let copy = file(&place, "copy");
    done(&place, &format!("state backup {copy}"));
    for name in ["state.sqlite3", "state.sqlite3-wal", "state.sqlite3-shm"] {
        let _ = fs::remove_file(place.state().join(name));
    }
    assert_eq!(login(&place, "alice", &code(1)), "DENY");
    // That hook began a new state.
    refused(&place, &format!("state restore {copy}"), "--replace overwrites it", 2);
    // Nobody has to offer the state before it is said that there is nothing to put in its place.
    refused(&place, &format!("state restore {copy}.no"), "cannot use the file", 1);
    assert_eq!(login(&place, "alice", &code(1)), "DENY");
    done(&place, &format!("state restore {copy} --replace"));
    assert_eq!(login(&place, "alice", &code(0)), "DENY", "a code from before the backup");
    assert_eq!(login(&place, "alice", &code(1)), "ACCEPT");
    let handed =
        place.hook(&credential_hook("get_password_list", "[credentials]\nprovider=local\n", json!({})));
    assert_eq!(handed.response()["passwords"], json!(["pa55word"]));
}

#[test]
fn a_backup_is_one_file_for_its_owner_only_and_does_not_hold_the_key() {
    let place = Place::new();
    enrol(&place, "hotp", "A1", "alice");
    let copy = place.path("copy");
    done(&place, &format!("state backup {}", copy.display()));
    assert_eq!(fs::metadata(&copy).unwrap().mode() & 0o777, 0o600);
    let key = fs::read_to_string(place.state().join("master.key")).unwrap();
    let raw = data_encoding::HEXLOWER_PERMISSIVE.decode(key.trim().as_bytes()).unwrap();
    let content = fs::read(&copy).unwrap();
    for secret in [key.trim().as_bytes(), raw.as_slice(), b"12345678901234567890"] {
        assert!(!content.windows(secret.len()).any(|piece| piece == secret));
    }
    let beside: Vec<_> =
        fs::read_dir(copy.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let copies = beside.iter().filter(|name| name.to_str().unwrap().starts_with("copy")).count();
    assert_eq!(copies, 1, "{beside:?}");
}

#[test]
fn a_backup_overwrites_nothing_and_there_is_none_of_nothing() {
    let place = Place::new();
    let copy = place.path("copy");
    let words = format!("state backup {}", copy.display());
    refused(&place, &words, "there is no state yet", 2);
    assert!(!copy.exists());
    enrol(&place, "hotp", "A1", "alice");
    fs::write(&copy, "precious").unwrap();
    refused(&place, &words, "a backup overwrites nothing", 2);
    assert_eq!(fs::read_to_string(&copy).unwrap(), "precious");
    std::os::unix::fs::symlink(place.path("elsewhere"), place.path("link")).unwrap();
    refused(&place, &format!("state backup {}", file(&place, "link")), "a backup overwrites nothing", 2);
    assert!(!place.path("elsewhere").exists());
    refused(&place, &format!("state backup {}", file(&place, "no/such/folder")), "cannot use the file", 1);
}

/// Takes backups while users log in one code after the other; each backup holds at least what was accepted before it.
#[test]
fn a_backup_that_is_taken_while_logins_run_loses_no_counter() {
    const USERS: [&str; 3] = ["alice", "bob", "carol"];
    const LOGINS: u64 = 25;
    let place = Place::new();
    for user in USERS {
        enrol(&place, "hotp", &user.to_uppercase(), user);
    }
    let accepted: [AtomicU64; 3] = Default::default();
    let over = AtomicBool::new(false);
    let backups: Vec<(PathBuf, [u64; 3])> = thread::scope(|scope| {
        let threads: Vec<_> = USERS
            .iter()
            .zip(&accepted)
            .map(|(user, accepted)| {
                let place = &place;
                scope.spawn(move || {
                    for counter in 0..LOGINS {
                        assert_eq!(login(place, user, &code(counter)), "ACCEPT", "{user}, {counter}");
                        accepted.store(counter + 1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        let taker = scope.spawn(|| {
            let mut taken = Vec::new();
            while !over.load(Ordering::SeqCst) || taken.is_empty() {
                let least = [0, 1, 2].map(|user: usize| accepted[user].load(Ordering::SeqCst));
                let path = place.path(&format!("copy{}", taken.len()));
                done(&place, &format!("state backup {}", path.display()));
                taken.push((path, least));
            }
            taken
        });
        for thread in threads {
            thread.join().unwrap();
        }
        over.store(true, Ordering::SeqCst);
        taker.join().unwrap()
    });
    assert!(backups.len() >= 3, "{}", backups.len());
    for (path, least) in &backups {
        let other = beside(&place);
        done(&other, &format!("state restore {}", path.display()));
        for (user, least) in USERS.iter().zip(least) {
            let shown: serde_json::Value =
                serde_json::from_str(&done(&other, &format!("token show {} --json", user.to_uppercase())))
                    .unwrap();
            let counter = shown["counter"].as_u64().unwrap();
            assert!((*least..=LOGINS).contains(&counter), "{user}: {counter} and not at least {least}");
        }
    }
}

#[test]
fn a_state_is_restored_beside_logins_that_run_and_each_of_them_gets_an_answer() {
    let place = Place::new();
    enrol(&place, "hotp", "A1", "alice");
    let copy = file(&place, "copy");
    done(&place, &format!("state backup {copy}"));
    thread::scope(|scope| {
        let logins = scope.spawn(|| {
            for _ in 0..30 {
                let ended = place.hook(&invocation("alice", "000000"));
                assert_eq!((ended.verdict().as_str(), ended.status), ("DENY", Some(0)), "{ended:?}");
                done(&place, "token unlock A1");
            }
        });
        for _ in 0..5 {
            done(&place, &format!("state restore {copy} --replace"));
        }
        logins.join().unwrap();
    });
    assert_eq!(login(&place, "alice", &code(0)), "ACCEPT");
}

#[test]
fn a_time_based_code_that_was_used_after_the_backup_is_not_good_again() {
    let place = Place::new();
    enrol(&place, "totp", "A1", "alice");
    let copy = file(&place, "copy");
    at(&place, &format!("state backup {copy}"), NOON);
    let step = u64::try_from(NOON).unwrap() / 30;
    // As far ahead as the window allows.
    assert_eq!(login_at(&place, &code(step + 1), NOON), "ACCEPT");
    let restored = at(&place, &format!("state restore {copy} --replace"), NOON);
    assert_eq!((restored.status, restored.stderr.contains("good again")), (Some(0), false), "{restored:?}");
    for offset in [-1_i64, 0, 1] {
        let used = code(step.checked_add_signed(offset).unwrap());
        assert_eq!(login_at(&place, &used, NOON + 29), "DENY", "{offset}");
    }
    assert_eq!(login_at(&place, &code(step + 1), NOON + 59), "DENY");
    assert_eq!(login_at(&place, &code(step + 2), NOON + 60), "ACCEPT");
}

#[test]
fn counted_codes_are_good_again_which_is_told_until_the_device_is_resynchronised() {
    let place = Place::new();
    enrol(&place, "hotp", "A1", "alice");
    let copy = file(&place, "copy");
    done(&place, &format!("state backup {copy}"));
    for counter in 0..3 {
        assert_eq!(login(&place, "alice", &code(counter)), "ACCEPT");
    }
    let restored = place.run(&["state", "restore", &copy, "--replace"], "");
    restored.assert_logged(&["warning: 1 tokens have codes that are good again"]);
    assert_eq!(login(&place, "alice", &code(1)), "ACCEPT", "this is what the warning is about");
    done(&place, &format!("state restore {copy} --replace"));
    done(&place, &format!("token resync A1 {} {}", code(3), code(4)));
    for counter in 0..5 {
        assert_eq!(login(&place, "alice", &code(counter)), "DENY", "{counter}");
    }
    assert_eq!(login(&place, "alice", &code(5)), "ACCEPT");
    let json = done(&place, &format!("state restore {copy} --replace --json"));
    assert_eq!(json, "{\"tokens\":1,\"replayable\":1}\n");
}

#[test]
fn a_remembered_authentication_and_an_open_challenge_do_not_come_back() {
    let place = Place::new();
    enrol(&place, "hotp", "A1", "alice");
    done(&place, "token enroll --type hotp --user bob@of-bob --serial B1 --pin 1357");
    let cached =
        format!("{LOCAL}[authentication_cache]\nreuse_limit=5\nsoft_timeout=1000000\nhard_timeout=1000000\n");
    let by_cache = |place: &Place| {
        let ended = place.hook(&authenticate(&cached, json!({"gateway_user": "alice", "session_id": "s2"})));
        ended.verdict()
    };
    let first = place.hook(&authenticate(&cached, json!({"key_value_pairs": {"otp": code(0)}})));
    assert_eq!(first.verdict(), "ACCEPT");
    assert_eq!(login(&place, "bob", "1357"), "NEEDINFO");
    assert_eq!(by_cache(&place), "ACCEPT");
    let copy = file(&place, "copy");
    done(&place, &format!("state backup {copy}"));
    assert_eq!(rows(Path::new(&copy), "challenges"), 1);
    done(&place, &format!("state restore {copy} --replace"));
    assert_eq!(by_cache(&place), "NEEDINFO");
    for table in ["challenges", "authentication_cache", "offline_codes"] {
        assert_eq!(rows(&place.state().join("state.sqlite3"), table), 0, "{table}");
    }
}

fn rows(path: &Path, table: &str) -> i64 {
    let connection = Connection::open(path).unwrap();
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn what_is_no_backup_or_sealed_with_another_key_changes_nothing() {
    let place = Place::new();
    enrol(&place, "hotp", "A1", "alice");
    let copy = place.path("copy");
    done(&place, &format!("state backup {}", copy.display()));
    let content = fs::read(&copy).unwrap();
    let changed = |name: &str, sql: &str| {
        let path = place.file(name, &content);
        Connection::open(path).unwrap().execute_batch(sql).unwrap();
    };
    place.file("empty", "");
    place.file("text", "no database ".repeat(1000));
    place.file("half", &content[..content.len() / 2]);
    changed("trigger", "CREATE TRIGGER t AFTER UPDATE ON tokens BEGIN UPDATE tokens SET enabled = 1; END");
    changed("table", "DROP TABLE used_codes");
    changed("newer", "PRAGMA user_version = 999");
    changed("another", "UPDATE meta SET value = x'00' WHERE name = 'key_check'");
    let before = bytes(&place);
    for (name, piece) in [
        ("empty", "is no backup of a state, or it is damaged; nothing was changed"),
        ("text", "is no backup of a state"),
        ("half", "is no backup of a state"),
        ("trigger", "is no backup of a state"),
        ("table", "is no backup of a state"),
        ("newer", "is from a newer version of this plugin"),
        ("another", "sealed with another key; nothing was changed"),
        ("missing", "cannot use the file"),
    ] {
        refused(&place, &format!("state restore {} --replace", file(&place, name)), piece, 1);
        assert_eq!(bytes(&place), before, "{name}");
    }
    let other = Place::new();
    refused(&other, &format!("state restore {}", copy.display()), "the key is missing", 1);
    assert!(!other.state().join("state.sqlite3").exists());
    enrol(&other, "hotp", "B1", "bob");
    refused(&other, &format!("state restore {} --replace", copy.display()), "sealed with another key", 1);
    assert!(done(&other, "token list").contains("B1"));
}

#[test]
fn a_backup_from_before_a_change_of_keys_is_taken_back_with_the_key_that_was_kept() {
    let place = Place::new();
    enrol(&place, "hotp", "A1", "alice");
    let copy = file(&place, "copy");
    done(&place, &format!("state backup {copy}"));
    done(&place, "token rekey");
    done(&place, "token rekey");
    let key = place.state().join("master.key");
    let in_force = fs::read(&key).unwrap();
    done(&place, &format!("state restore {copy} --replace"));
    assert_eq!(fs::read(&key).unwrap(), in_force, "the state is sealed with the key in force");
    assert_eq!(login(&place, "alice", &code(0)), "ACCEPT");
    // As do others, a kept key that others may read is refused.
    let kept = place.state().join("master.key.old-1");
    fs::set_permissions(&kept, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    refused(&place, &format!("state restore {copy} --replace"), "is readable by others", 1);
    assert_eq!(login(&place, "alice", &code(1)), "ACCEPT");
}

#[test]
fn a_backup_whose_key_was_not_kept_needs_it_back() {
    let place = Place::new();
    enrol(&place, "hotp", "A1", "alice");
    let copy = file(&place, "copy");
    done(&place, &format!("state backup {copy}"));
    let (key, old) = (place.state().join("master.key"), place.path("old.key"));
    fs::copy(&key, &old).unwrap();
    done(&place, "token rekey");
    fs::remove_file(place.state().join("master.key.old-1")).unwrap();
    refused(&place, &format!("state restore {copy} --replace"), "sealed with another key", 1);
    fs::copy(&old, &key).unwrap();
    done(&place, &format!("state restore {copy} --replace"));
    done(&place, "token rekey");
    assert_ne!(fs::read(&key).unwrap(), fs::read(&old).unwrap());
    assert_eq!(login(&place, "alice", &code(0)), "ACCEPT");
}

#[test]
fn a_damaged_state_is_not_backed_up() {
    let place = Place::new();
    for number in 0..200 {
        enrol(&place, "hotp", &format!("A{number}"), &format!("user{number}"));
    }
    let path = place.state().join("state.sqlite3");
    let connection = Connection::open(&path).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(connection);
    let mut content = fs::read(&path).unwrap();
    assert!(content.len() > 10 * 4096);
    for byte in &mut content[5 * 4096..9 * 4096] {
        *byte ^= 0x55;
    }
    fs::write(&path, content).unwrap();
    let copy = place.path("copy");
    let ended = place.run(&["state", "backup", copy.to_str().unwrap()], "");
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(!copy.exists());
}

#[test]
fn an_older_version_takes_its_backup_back_where_the_newer_state_was_moved_away() {
    let place = Place::new();
    enrol(&place, "hotp", "A1", "alice");
    let copy = file(&place, "copy");
    done(&place, &format!("state backup {copy}"));
    // As a newer version leaves it.
    let state = place.state().join("state.sqlite3");
    Connection::open(&state).unwrap().execute_batch("PRAGMA user_version = 999").unwrap();
    refused(&place, &format!("state restore {copy} --replace"), "is from a newer version of this plugin", 1);
    refused(&place, &format!("state backup {}", file(&place, "second")), "is from a newer version", 1);
    for name in ["state.sqlite3", "state.sqlite3-wal", "state.sqlite3-shm"] {
        let _ = fs::rename(place.state().join(name), place.path(name));
    }
    done(&place, &format!("state restore {copy}"));
    assert_eq!(login(&place, "alice", &code(0)), "ACCEPT");
}

/// Runs a command in the folder of the place.
fn inside(place: &Place, words: &[&str]) -> Ended {
    let mut command = place.command(PROGRAM);
    command.current_dir(place.path("")).args(words);
    support::run(command, "")
}

/// Names that SQLite takes for something else than a file of this name.
const OF_SQLITE: [&str; 4] = [":memory:", "file:x?mode=memory", "file:victim", "file:///tmp/x?vfs=none"];

#[test]
fn a_name_that_sqlite_reads_otherwise_is_a_file_of_that_name() {
    let place = Place::new();
    enrol(&place, "hotp", "A1", "alice");
    fs::create_dir_all(place.path("file:/tmp")).unwrap();
    let victim = place.path("victim");
    Connection::open(&victim).unwrap().execute_batch("CREATE TABLE precious (x)").unwrap();
    let precious = fs::read(&victim).unwrap();
    for name in OF_SQLITE {
        let ended = inside(&place, &["state", "backup", name]);
        assert_eq!(ended.status, Some(0), "{name}: {ended:?}");
        let copy = fs::metadata(place.path(name)).unwrap();
        assert_eq!((copy.mode() & 0o777, copy.len() > 0), (0o600, true), "{name}");
        assert!(fs::read(&victim).unwrap() == precious, "{name}");
        let ended = inside(&place, &["state", "restore", name, "--replace"]);
        assert_eq!(ended.status, Some(0), "{name}: {ended:?}");
        let ended = inside(&place, &["state", "backup", name]);
        ended.assert_logged(&["a backup overwrites nothing"]);
    }
    // What SQLite would have read instead.
    let other = beside(&place);
    fs::copy(place.path("file:victim"), other.path("elsewhere")).unwrap();
    let ended = inside(&other, &["state", "restore", "file:elsewhere"]);
    ended.assert_logged(&["cannot use the file file:elsewhere"]);
    assert!(!other.state().join("state.sqlite3").exists());
    assert_eq!(login(&place, "alice", &code(0)), "ACCEPT");
}

#[test]
fn a_state_directory_that_sqlite_reads_otherwise_is_a_directory_of_that_name() {
    let place = Place::new();
    fs::create_dir(place.path("elsewhere")).unwrap();
    for name in ["file:elsewhere", "file:state?vfs=none"] {
        let mut command = place.command(PROGRAM);
        command.current_dir(place.path("")).env("SCB_PLUGIN_STATE_DIRECTORY", name);
        command.args(["token", "enroll", "--type", "hotp", "--user", "alice", "--secret-hex", SECRET]);
        let ended = support::run(command, "");
        assert_eq!(ended.status, Some(0), "{name}: {ended:?}");
        assert_eq!(rows(&place.path(name).join("state.sqlite3"), "tokens"), 1, "{name}");
    }
    assert_eq!(fs::read_dir(place.path("elsewhere")).unwrap().count(), 0);
}

#[test]
fn a_trigger_that_is_added_while_the_backup_is_read_never_comes_into_the_state() {
    let place = Place::new();
    for number in 0..40 {
        enrol(&place, "hotp", &format!("A{number}"), &format!("user{number}"));
    }
    let copy = file(&place, "copy");
    done(&place, &format!("state backup {copy}"));
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let connection = Connection::open(&copy).unwrap();
            connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY").unwrap();
            while !over.load(Ordering::SeqCst) {
                let add = "CREATE TRIGGER t AFTER UPDATE ON tokens BEGIN UPDATE tokens SET enabled = 1; END";
                connection.execute_batch(add).unwrap();
                thread::sleep(Duration::from_micros(100));
                connection.execute_batch("DROP TRIGGER t").unwrap();
                thread::sleep(Duration::from_micros(100));
            }
        });
        let mut found = 0;
        for _ in 0..40 {
            let ended = place.run(&["state", "restore", &copy, "--replace"], "");
            if ended.status != Some(0) {
                ended.assert_logged(&["error: ", &copy]);
            }
            found += rows(&place.state().join("state.sqlite3"), "sqlite_schema WHERE type = 'trigger'");
        }
        over.store(true, Ordering::SeqCst);
        writer.join().unwrap();
        assert_eq!(found, 0);
        done(&place, &format!("state restore {copy} --replace"));
    });
}

/// Runs a command that may write no file longer than so many blocks of 512 bytes: what a full disk is to a process,
/// without the right to fill one.
fn cramped(place: &Place, blocks: u32, words: &[&str]) -> Ended {
    let mut command = place.command("/bin/sh");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    command.args(["-c", &script, PROGRAM]).args(words);
    support::run(command, "")
}

#[test]
fn a_backup_or_restore_that_does_not_fit_leaves_nothing_behind() {
    let place = Place::new();
    enrol(&place, "hotp", "A1", "alice");
    let copy = file(&place, "copy");
    done(&place, &format!("state backup {copy}"));
    let other = beside(&place);
    let held = bytes(&place);
    let (second, mut failures) = (file(&place, "second"), 0);
    for blocks in [0, 1, 8, 16, 64, 72, 80, 96, 112, 128, 136, 144, 160, 100_000] {
        let before = other.files();
        let ended = cramped(&other, blocks, &["state", "restore", &copy]);
        if ended.status == Some(0) {
            break;
        }
        failures += 1;
        assert_eq!((ended.status, other.files()), (Some(1), before), "{blocks}: {ended:?}");
        let ended = cramped(&place, blocks, &["state", "backup", &second]);
        assert_eq!((ended.status, ended.stdout.is_empty()), (Some(1), true), "{blocks}: {ended:?}");
        let ended = cramped(&place, blocks, &["state", "restore", &copy, "--replace"]);
        assert_eq!(ended.status, Some(1), "{blocks}: {ended:?}");
        let left: Vec<_> =
            place.files().into_iter().filter(|path| !path.starts_with(place.state())).collect();
        assert_eq!(left, [Path::new(&copy)], "{blocks}");
        assert_eq!(rows(&place.state().join("state.sqlite3"), "tokens"), 1, "{blocks}");
    }
    assert!((3..14).contains(&failures), "{failures}");
    let names: Vec<_> = held.iter().map(|(path, _)| path.file_name().unwrap().to_owned()).collect();
    let made: Vec<_> = bytes(&other).iter().map(|(path, _)| path.file_name().unwrap().to_owned()).collect();
    assert!(made.iter().all(|name| names.contains(name)), "{made:?}");
    let state = other.state().join("state.sqlite3");
    assert_eq!(fs::metadata(&state).unwrap().mode() & 0o777, 0o600);
    let how: String =
        Connection::open(&state).unwrap().query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(how, "wal");
    assert_eq!(login(&other, "alice", &code(0)), "ACCEPT");
}

#[test]
fn a_restore_that_finds_no_state_never_takes_one_away_that_a_hook_begins_meanwhile() {
    let place = Place::new();
    enrol(&place, "hotp", "A1", "alice");
    let copy = file(&place, "copy");
    done(&place, &format!("state backup {copy}"));
    for _ in 0..20 {
        let other = beside(&place);
        let restored = thread::scope(|scope| {
            let hook = scope.spawn(|| enrol(&other, "hotp", "B1", "bob"));
            let restored = other.run(&["state", "restore", &copy], "");
            hook.join().unwrap();
            restored
        });
        let list = done(&other, "token list");
        assert!(list.contains("B1"), "{list} {restored:?}");
        match restored.status {
            Some(0) => assert!(list.contains("A1"), "{list}"),
            _ => restored.assert_logged(&["--replace overwrites it"]),
        }
        let names: Vec<_> = other.files().iter().map(|path| path.file_name().unwrap().to_owned()).collect();
        assert!(names.len() <= 4, "{names:?}");
    }
}

#[test]
fn a_log_without_its_database_is_a_state_that_has_to_be_given_up() {
    let place = Place::new();
    enrol(&place, "hotp", "A1", "alice");
    let copy = file(&place, "copy");
    done(&place, &format!("state backup {copy}"));
    enrol(&place, "hotp", "B1", "bob");
    assert!(fs::metadata(place.state().join("state.sqlite3-wal")).unwrap().len() > 0);
    fs::remove_file(place.state().join("state.sqlite3")).unwrap();
    refused(&place, &format!("state restore {copy}"), "--replace overwrites it", 2);
    done(&place, &format!("state restore {copy} --replace"));
    assert!(!done(&place, "token list").contains("B1"));
    assert_eq!(login(&place, "alice", &code(0)), "ACCEPT");
}

#[test]
fn what_is_no_regular_file_is_no_backup_and_nobody_waits_for_it() {
    let place = Place::new();
    enrol(&place, "hotp", "A1", "alice");
    let fifo = file(&place, "fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, 0o600.into()).unwrap();
    let before = bytes(&place);
    for path in [fifo.as_str(), "/dev/null", place.path("").to_str().unwrap()] {
        refused(&place, &format!("state restore {path} --replace"), "is not a regular file", 1);
        assert_eq!(bytes(&place), before, "{path}");
    }
}

#[test]
fn a_time_based_code_at_the_end_of_the_widest_window_is_not_good_again() {
    let place = Place::new();
    let words =
        format!("token enroll --type totp --window 1000 --user alice --serial A1 --secret-hex {SECRET}");
    at(&place, &words, NOON);
    let copy = file(&place, "copy");
    at(&place, &format!("state backup {copy}"), NOON);
    let last = code(u64::try_from(NOON).unwrap() / 30 + u64::from(sps_plugin::store::MAX_WINDOW));
    assert_eq!(login_at(&place, &last, NOON), "ACCEPT");
    assert_eq!(at(&place, &format!("state restore {copy} --replace"), NOON).status, Some(0));
    assert_eq!(login_at(&place, &last, NOON), "DENY");
}

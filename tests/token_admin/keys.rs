//! The key that the secrets are sealed with: missing, wrong, changed, half changed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Desk, SECRET};

const OTHER_KEY: &str = "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf";

fn write_key(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn the_wrong_key_is_an_error_and_nothing_is_overwritten() {
    let desk = Desk::new();
    desk.enrol_hotp("H1", "alice");
    write_key(&desk.place.state().join("master.key"), &format!("{OTHER_KEY}\n"));
    // The first process that opens the database may still fold its log in.
    desk.ok("list");
    let before = desk.files();
    let wrong = "the store's secrets are sealed with another key; nothing was changed";
    let line = format!("serial,secret\nX,{SECRET}\n");
    for (command, stdin) in [
        ("enroll --type hotp --user bob", ""),
        ("enroll --type spass --user bob --pin 1", ""),
        ("set-pin H1 --pin 1", ""),
        ("resync H1 755224 287082", ""),
        ("import -", line.as_str()),
        ("export --secrets", ""),
        ("rekey", ""),
    ] {
        desk.failed(command, stdin, wrong, 1);
        assert_eq!(desk.files(), before, "{command}");
    }
    assert_eq!(desk.login("alice", "755224"), "DENY");
}

#[test]
fn a_missing_key_is_an_error_and_no_other_is_made() {
    let desk = Desk::new();
    desk.enrol_hotp("H1", "alice");
    fs::remove_file(desk.place.state().join("master.key")).unwrap();
    let missing =
        "the store's secrets are sealed, and the key is missing; put master.key back, or set [state] key";
    for command in ["enroll --type hotp --user bob", "export --secrets", "rekey"] {
        desk.failed(command, "", missing, 1);
    }
    assert!(!desk.place.state().join("master.key").exists());
    assert_eq!(desk.serials(), ["H1"]);
}

#[test]
fn a_key_that_others_may_read_and_a_newer_store_are_refused() {
    let desk = Desk::new();
    desk.enrol_hotp("H1", "alice");
    let key = desk.place.state().join("master.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let open = format!("the key file {} is readable by others; chmod 600 it", key.display());
    desk.failed("export --secrets", "", &open, 1);
    let path = desk.place.state().join("state.sqlite3");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let newer = format!(
        "the state in {} is from a newer version of this plugin; install that version",
        path.display()
    );
    desk.failed("list", "", &newer, 1);
}

/// What is said of the old key.
fn kept(name: &str) -> String {
    format!("the old key is kept in {name}; delete it when no older backup needs it\n")
}

#[test]
fn rekey_seals_everything_with_another_key() {
    let desk = Desk::new();
    desk.refused("rekey", "the store holds no secrets yet, so it has no key");
    desk.ok_with(
        "enroll --type hotp --user alice --serial H1 --secret-stdin --pin 12",
        &format!("{SECRET}\n"),
    );
    desk.ok("enroll --type forward --user bob --serial F1 --forward-serial H1");
    let key = desk.place.state().join("master.key");
    let old = fs::read_to_string(&key).unwrap();
    let before = desk.ok("export --secrets --user bob");
    assert_eq!(
        desk.ok("rekey"),
        format!("3 secrets are sealed with the new key\n{}", kept("master.key.old-1"))
    );
    let first = desk.place.state().join("master.key.old-1");
    assert_eq!(fs::read_to_string(&first).unwrap(), old);
    assert_eq!(fs::metadata(&first).unwrap().permissions().mode() & 0o777, 0o600);
    assert_ne!(fs::read_to_string(&key).unwrap(), old);
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(desk.ok("export --secrets --user bob"), before);
    assert_eq!(desk.login("alice", "12755224"), "ACCEPT");
    let second = desk.place.state().join("master.key.old-2");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&desk.ok("rekey --json")).unwrap(),
        serde_json::json!({"sealed": 3, "old_key": second.to_str().unwrap()})
    );
    desk.ok_with("rekey --new-key-stdin", &format!("{OTHER_KEY}\n"));
    assert_eq!(fs::read_to_string(&key).unwrap(), format!("{OTHER_KEY}\n"));
    desk.failed("rekey --new-key-stdin", "abc\n", "the master key has to be 64 hexadecimal digits", 1);
    assert_eq!(desk.login("bob", "287082"), "ACCEPT");
    write_key(&key, &old);
    desk.failed(
        "export --secrets",
        "",
        "the store's secrets are sealed with another key; nothing was changed",
        1,
    );
}

#[test]
fn a_change_of_keys_that_was_killed_leaves_a_store_that_opens() {
    let desk = Desk::new();
    desk.enrol_hotp("H1", "alice");
    let (key, next) = (desk.place.state().join("master.key"), desk.place.state().join("master.key.new"));
    // Killed before the commit: the new key is prepared, and the store is sealed with the old one.
    write_key(&next, &format!("{OTHER_KEY}\n"));
    assert_eq!(desk.login("alice", "755224"), "ACCEPT");
    let old = fs::read_to_string(&key).unwrap();
    desk.ok("rekey");
    assert!(!next.exists());
    // Killed between the commit and the renaming.
    let new = fs::read_to_string(&key).unwrap();
    write_key(&next, &new);
    write_key(&key, &old);
    assert_eq!(desk.login("alice", "287082"), "ACCEPT");
    assert_eq!(fs::read_to_string(&key).unwrap(), new);
    assert!(!next.exists());
    // The same, and the next thing that happens is another change.
    desk.ok("rekey");
    let newest = fs::read_to_string(&key).unwrap();
    write_key(&next, &newest);
    write_key(&key, &new);
    desk.ok("rekey");
    assert_eq!(desk.login("alice", "359152"), "ACCEPT");
}

#[test]
fn a_key_from_the_configuration_is_changed_together_with_it() {
    let desk = Desk::new();
    let first = OTHER_KEY.replace('a', "1");
    let config =
        |key: &str| desk.place.file("plugin.ini", format!("[state]\nkey={key}\n")).display().to_string();
    let path = config(&first);
    desk.ok(&format!("enroll --type hotp --user alice --serial H1 --secret-hex {SECRET} --config {path}"));
    assert!(!desk.place.state().join("master.key").exists());
    desk.refused(
        &format!("rekey --config {path}"),
        "[state] key names the key, so the new one has to be given: --new-key-stdin",
    );
    assert_eq!(
        desk.ok_with(&format!("rekey --new-key-stdin --config {path}"), OTHER_KEY),
        "1 secrets are sealed with the new key; now put the new key where [state] key refers to\n"
    );
    let export = format!("export --secrets --config {path}");
    desk.failed(&export, "", "the store's secrets are sealed with another key; nothing was changed", 1);
    config(OTHER_KEY);
    assert!(desk.ok(&export).contains(SECRET));
    config("abc");
    desk.failed(&export, "", "the master key has to be 64 hexadecimal digits", 1);
}

#[test]
fn many_changes_of_keys_at_once_leave_a_store_that_opens() {
    let desk = Desk::new();
    desk.enrol_hotp("H1", "alice");
    for _ in 0..5 {
        let commands: Vec<_> = (0..6)
            .map(|_| {
                let mut command = desk.place.command(super::support::PROGRAM);
                command.args(["token", "rekey"]);
                super::support::Running::of(command.spawn().unwrap(), Vec::new())
            })
            .collect();
        for running in commands {
            let ended = running.end();
            assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
        }
        assert!(desk.ok("export --secrets").contains(SECRET));
        assert!(!desk.place.state().join("master.key.new").exists());
    }
}

//! State directories of every kind: a hook that needs one fails closed, one that needs none does not look.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{Ended, PROGRAM, Place, authenticate, authorize, run, skipped};

const CACHE: &str = "[mfa]\nprovider=none\n[authentication_cache]\nreuse_limit=9\nsoft_timeout=inf\nhard_timeout=inf\n[plugin]\ntime_budget=30\n";
const LIMIT: &str = "[connection_limit by=client_ip_gateway_user]\nlimit=9\n[plugin]\ntime_budget=30\n";

/// A hook that keeps something in the persistent directory.
fn caching() -> Value {
    authenticate(CACHE, json!({"key_value_pairs": {"otp": "1"}}))
}

/// A hook that keeps something in the ephemeral directory.
fn counting() -> Value {
    authorize(LIMIT, json!({}))
}

fn assert_closed(ended: &Ended, name: &str, pieces: &[&str]) {
    assert_eq!(ended.status, Some(1), "{name}: {ended:?}");
    ended.assert_denied("Internal plugin error", 1);
    ended.assert_logged(&[&["error", "state"], pieces].concat());
}

fn by_cache(ended: &Ended) -> bool {
    assert_eq!((ended.verdict().as_str(), ended.status), ("ACCEPT", Some(0)), "{ended:?}");
    ended.response()["additional_metadata"].as_str().unwrap().contains("authentication_cache")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn a_missing_directory_is_made_for_its_owner_only_with_files_for_its_owner_only() {
    let place = Place::new();
    let mut command = place.command("/bin/sh");
    command.args(["-c", "umask 0; exec \"$0\"", PROGRAM]);
    command.env("SCB_PLUGIN_STATE_DIRECTORY", place.path("a/b/state"));
    assert!(!by_cache(&run(command, caching().to_string())));
    assert_eq!(place.hook(&counting()).verdict(), "ACCEPT");
    for folder in [place.path("a"), place.path("a/b/state"), place.ephemeral()] {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
    }
    let files = place.files();
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        assert_eq!(mode(&file) & 0o077, 0, "{}", file.display());
    }
}

#[test]
fn the_option_wins_over_the_environment_and_that_over_the_xdg_directory() {
    let place = Place::new();
    let configured = format!("{CACHE}[state]\ndirectory={}\n", place.path("configured").display());
    let hook = authenticate(&configured, json!({"key_value_pairs": {"otp": "1"}}));
    assert_eq!(place.hook(&hook).verdict(), "ACCEPT");
    assert!(place.path("configured/state.sqlite3").exists() && !place.state().exists());

    for (variable, made) in [("XDG_STATE_HOME", "home/sps-plugin"), ("HOME", "home/.local/state/sps-plugin")]
    {
        let place = Place::new();
        let mut command = place.command(PROGRAM);
        command.env_remove("SCB_PLUGIN_STATE_DIRECTORY").env(variable, place.path("home"));
        assert_eq!(run(command, caching().to_string()).verdict(), "ACCEPT");
        assert!(place.path(made).join("state.sqlite3").exists(), "{variable}");
    }

    let mut command = place.command(PROGRAM);
    command.env_remove("SCB_PLUGIN_STATE_DIRECTORY");
    let nowhere = run(command, caching().to_string());
    assert_closed(&nowhere, "nowhere", &["set [state] directory or SCB_PLUGIN_STATE_DIRECTORY"]);
}

#[test]
fn without_a_variable_connections_are_counted_where_the_sdk_counts_them() {
    let place = Place::new();
    let mut command = place.command(PROGRAM);
    command.env_remove("EPHEMERAL_PLUGIN_STATE_DIRECTORY").env("TMPDIR", place.path("tmp"));
    assert_eq!(run(command, counting().to_string()).verdict(), "ACCEPT");
    assert!(place.path("tmp/ephemeral_plugin_state/state/connections.sqlite3").exists());
    assert_eq!(mode(&place.path("tmp/ephemeral_plugin_state")), 0o700);
}

/// Makes something unusable of the path where the directory should be; returns another path if need be.
type Spoil = fn(&Path) -> Option<PathBuf>;

const SPOILT: [(&str, Spoil, &str); 8] = [
    ("a file in its place", |path| fs::write(path, "precious").map(|()| None).unwrap(), "is not a directory"),
    (
        "a file above it",
        |path| fs::write(path, "precious").map(|()| Some(path.join("state"))).unwrap(),
        "it has to exist",
    ),
    ("a device above it", |_| Some(PathBuf::from("/dev/null/state")), "it has to exist"),
    (
        "a file system that takes no directories",
        |_| Some(PathBuf::from("/proc/sps-plugin/state")),
        "its parent has to be writable",
    ),
    ("a link to nowhere", |path| symlink("nowhere", path).map(|()| None).unwrap(), "it has to exist"),
    ("a link to itself", |path| symlink(path, path).map(|()| None).unwrap(), "cannot use"),
    ("a directory that all may write", |path| directory(path, 0o777), "chmod go-w"),
    ("a directory that a group may write", |path| directory(path, 0o770), "chmod go-w"),
];

fn directory(path: &Path, mode: u32) -> Option<PathBuf> {
    fs::create_dir(path).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    None
}

#[test]
fn an_unusable_directory_closes_the_hooks_that_need_it_and_no_others() {
    for (name, spoil, piece) in SPOILT {
        let place = Place::new();
        let path = spoil(&place.path("spoilt")).unwrap_or_else(|| place.path("spoilt"));
        let at = |invocation: &Value| {
            let directories = ["SCB_PLUGIN_STATE_DIRECTORY", "EPHEMERAL_PLUGIN_STATE_DIRECTORY"];
            place.hook_with(&directories.map(|name| (name, path.as_os_str())), invocation)
        };
        assert_closed(&at(&caching()), name, &[piece, path.to_str().unwrap()]);
        assert_closed(&at(&counting()), name, &[piece, path.to_str().unwrap()]);
        for (hook, verdict) in stateless() {
            let ended = at(&hook);
            assert_eq!((ended.verdict(), ended.status), (verdict.to_owned(), Some(0)), "{name}: {ended:?}");
        }
        let left = place.path("spoilt");
        if left.is_file() {
            assert_eq!(fs::read(&left).unwrap(), b"precious", "{name}");
        } else if left.is_dir() {
            assert_eq!(fs::read_dir(&left).unwrap().count(), 0, "{name}");
        }
    }
}

/// Hooks that keep nothing, with their verdicts (no verdict: another response).
fn stateless() -> Vec<(Value, &'static str)> {
    let none = "[mfa]\nprovider=none\n";
    let credentials = "[credentials]\nprovider=appliance\nstore=local\n";
    let mut whitelisted = authenticate("[whitelist source=user_list]\nname=vip\n", json!({}));
    whitelisted["appliance"] = json!({"user_lists": {"vip": {"allow": "no_user", "except": ["alice"]}}});
    let over = json!({"hook": "session_ended", "type": "aa", "configuration": LIMIT, "arguments": {}});
    vec![
        (authenticate(none, json!({})), "NEEDINFO"),
        (authenticate(none, json!({"key_value_pairs": {"otp": "1"}})), "ACCEPT"),
        (whitelisted, "ACCEPT"),
        (authenticate("[auth]\nskip_connections=*\n", json!({})), "NONE"),
        (authenticate(none, json!({"gateway_user": null})), "DENY"),
        (authorize(none, json!({})), "ACCEPT"),
        (over, ""),
        (crate::support::credential_hook("get_password_list", credentials, json!({})), ""),
    ]
}

#[test]
fn a_hook_that_needs_no_state_makes_no_directory() {
    for (hook, _) in stateless() {
        let place = Place::new();
        let ended = place.hook(&hook);
        assert_eq!(ended.status, Some(0), "{ended:?}");
        assert!(!place.state().exists() && !place.ephemeral().exists(), "{hook}");
    }
}

#[test]
fn a_directory_of_another_users_is_refused() {
    let place = Place::new();
    fs::create_dir(place.state()).unwrap();
    fs::set_permissions(place.state(), PermissionsExt::from_mode(0o700)).unwrap();
    if !rustix::process::geteuid().is_root() {
        return skipped("a state directory of another user's (only root can give one away)");
    }
    std::os::unix::fs::chown(place.state(), Some(65534), None).unwrap();
    assert_closed(&place.hook(&caching()), "another user's", &["belongs to another user"]);
}

/// Every file of a state, with what others may do to it.
const FILES: [&str; 3] = ["state.sqlite3", "state.sqlite3-wal", "state.sqlite3-shm"];

#[test]
fn a_state_file_that_others_may_write_is_refused_and_doctor_names_it() {
    for file in FILES {
        for mode in [0o666, 0o660, 0o602] {
            let place = Place::new();
            assert!(!by_cache(&place.hook(&caching())));
            let path = place.state().join(file);
            fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let name = format!("{file} {mode:o}");
            let pieces = [path.to_str().unwrap(), &format!("(mode 0{mode:o}); chmod go-w it")];
            assert_closed(&place.hook(&caching()), &name, &pieces);
            let doctor = place.run(&["doctor"], "");
            assert_eq!(doctor.status, Some(1), "{name}: {doctor:?}");
            let text = String::from_utf8(doctor.stdout).unwrap();
            assert!(text.contains(&format!("{file} is writable by others (mode 0{mode:o})")), "{text}");
            fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
            assert!(by_cache(&place.hook(&caching())), "{name}");
        }
    }
    let place = Place::new();
    assert_eq!(place.hook(&counting()).verdict(), "ACCEPT");
    let path = place.ephemeral().join("connections.sqlite3");
    fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
    assert_closed(&place.hook(&counting()), "connections", &["chmod go-w it"]);
}

#[test]
fn a_state_file_behind_a_link_is_judged_where_it_lies() {
    let place = Place::new();
    assert!(!by_cache(&place.hook(&caching())));
    let elsewhere = place.path("elsewhere");
    directory(&elsewhere, 0o700);
    for file in FILES {
        fs::rename(place.state().join(file), elsewhere.join(file)).unwrap();
    }
    symlink(elsewhere.join("state.sqlite3"), place.state().join("state.sqlite3")).unwrap();
    assert!(by_cache(&place.hook(&caching())));
    let refused = |path: &Path, mode: u32| {
        let before = fs::metadata(path).unwrap().permissions();
        fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        assert_closed(&place.hook(&caching()), "link", &[path.to_str().unwrap(), "chmod go-w it"]);
        fs::set_permissions(path, before).unwrap();
    };
    refused(&elsewhere.join("state.sqlite3"), 0o606);
    refused(&elsewhere.join("state.sqlite3-wal"), 0o666);
    refused(&elsewhere, 0o777);
    for file in FILES {
        let _ = fs::remove_file(elsewhere.join(file));
    }
    refused(&elsewhere, 0o777);
    assert!(!by_cache(&place.hook(&caching())), "it is made where the link leads");
    assert!(by_cache(&place.hook(&caching())));
}

#[test]
fn a_state_file_of_another_users_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return skipped("a state file of another user's (only root can give one away)");
    }
    for file in FILES {
        let place = Place::new();
        assert!(!by_cache(&place.hook(&caching())));
        let path = place.state().join(file);
        std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
        let pieces = [path.to_str().unwrap(), "belongs to another user (uid 65534); chown it to uid 0"];
        assert_closed(&place.hook(&caching()), file, &pieces);
    }
}

/// Makes a database with one authentication in it, all in the main file, and returns its path.
fn remembered(place: &Place) -> PathBuf {
    assert!(!by_cache(&place.hook(&caching())));
    let path = place.state().join("state.sqlite3");
    let connection = Connection::open(&path).unwrap();
    connection.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).unwrap();
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
    drop(connection);
    assert!(by_cache(&place.hook(&caching())), "the database is as good as before");
    let connection = Connection::open(&path).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    path
}

type Damage = fn(&mut Vec<u8>);

#[test]
fn a_corrupt_database_is_a_denial_and_stays_byte_for_byte() {
    let spoil: [(&str, Damage); 6] = [
        ("garbage", |bytes| *bytes = b"This is not a database. ".repeat(400)),
        ("a first page of zeros", |bytes| bytes[..4096].fill(0)),
        ("every page but the first zeroed", |bytes| bytes[4096..].fill(0)),
        ("cut within the first page", |bytes| bytes.truncate(1000)),
        ("cut after the first page", |bytes| bytes.truncate(4096)),
        ("the schema overwritten", |bytes| bytes[100..4096].fill(0xff)),
    ];
    for (name, spoil) in spoil {
        let place = Place::new();
        let path = remembered(&place);
        let mut bytes = fs::read(&path).unwrap();
        assert!(bytes.len() > 8192, "{}", bytes.len());
        spoil(&mut bytes);
        fs::write(&path, &bytes).unwrap();
        let ended = place.hook(&caching());
        assert_closed(&ended, name, &["state.sqlite3", "docs/troubleshooting.md", "move the file away"]);
        assert!(fs::read(&path).unwrap() == bytes, "{name}: the file has changed");
    }
}

#[test]
fn a_database_of_a_newer_version_is_a_denial_and_serves_that_version_still() {
    let place = Place::new();
    let path = remembered(&place);
    let connection = Connection::open(&path).unwrap();
    let current: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    let set = |version: i64| connection.pragma_update(None, "user_version", version).unwrap();
    for version in [current + 1, 99, i64::from(i32::MAX)] {
        set(version);
        assert_closed(&place.hook(&caching()), "newer", &["is from a newer version", "install that version"]);
    }
    set(-1);
    assert_closed(&place.hook(&caching()), "negative", &["cannot be used"]);
    set(current);
    assert!(by_cache(&place.hook(&caching())));
}

#[test]
fn a_locked_database_is_a_denial_when_the_time_budget_is_used_up() {
    let place = Place::new();
    let path = remembered(&place);
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let short = CACHE.replace("time_budget=30", "time_budget=0.5");
    let ended = place.hook(&authenticate(&short, json!({"key_value_pairs": {"otp": "1"}})));
    assert_closed(&ended, "locked", &["state.sqlite3", "locked"]);
    other.execute_batch("COMMIT").unwrap();
    assert!(by_cache(&place.hook(&caching())), "nothing was lost");
}

#[test]
fn a_database_that_is_unlocked_in_time_is_waited_for() {
    let place = Place::new();
    let path = remembered(&place);
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let waiting = thread::scope(|scope| {
        let hook = scope.spawn(|| place.hook(&caching()));
        thread::sleep(Duration::from_millis(300));
        other.execute_batch("COMMIT").unwrap();
        hook.join().unwrap()
    });
    assert!(by_cache(&waiting));
}

#[test]
fn a_database_that_another_process_is_making_is_waited_for() {
    let place = Place::new();
    fs::create_dir(place.state()).unwrap();
    fs::set_permissions(place.state(), PermissionsExt::from_mode(0o700)).unwrap();
    let path = place.file("state/state.sqlite3", "");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let waiting = thread::scope(|scope| {
        let hook = scope.spawn(|| place.hook(&caching()));
        thread::sleep(Duration::from_millis(300));
        other.execute_batch("COMMIT").unwrap();
        hook.join().unwrap()
    });
    assert!(!by_cache(&waiting));
    assert!(by_cache(&place.hook(&caching())));
}

#[test]
fn a_write_that_does_not_fit_is_a_denial_and_loses_nothing() {
    let place = Place::new();
    let path = remembered(&place);
    let before = fs::read(&path).unwrap();
    // No file may grow: what a full disk is to a process, without the right to fill one.
    let mut command = place.command("/bin/sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\"", PROGRAM]);
    let ended = run(command, caching().to_string());
    assert_closed(&ended, "no file may grow", &["state.sqlite3"]);
    assert!(fs::read(&path).unwrap() == before);
    assert!(by_cache(&place.hook(&caching())), "nothing was lost");
    let fresh = Place::new();
    let mut command = fresh.command("/bin/sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\"", PROGRAM]);
    assert_closed(&run(command, caching().to_string()), "no new file", &["state.sqlite3"]);
    assert!(!by_cache(&fresh.hook(&caching())), "what was begun does not stand in the way");
}

/// Runs a shell script in a mount namespace of its own, as root; `None` where this cannot be done here.
fn with_mounts(place: &Place, script: &str) -> Option<Ended> {
    let may = place
        .command("/usr/bin/env")
        .args(["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"])
        .stdin(Stdio::null())
        .output()
        .is_ok_and(|output| output.status.success());
    if !may {
        return None;
    }
    place.file("hook.json", caching().to_string());
    place.file("script", script);
    fs::create_dir(place.state()).unwrap();
    let mut command = place.command("/usr/bin/env");
    command.args(["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "unshare", "-m", "/bin/sh", "-eu"]);
    command.args([place.path("script"), PROGRAM.into(), place.path("")]);
    Some(run(command, ""))
}

/// Reads what a process in the script above left behind.
fn left(place: &Place, name: &str) -> Ended {
    let read = |what: &str| fs::read(place.path(&format!("{name}.{what}"))).unwrap();
    Ended {
        stdout: read("out"),
        stderr: String::from_utf8(read("err")).unwrap(),
        status: String::from_utf8(read("status")).unwrap().trim().parse().ok(),
    }
}

const HOOK: &str = r#"
hook() { set +e; "$program" <hook.json >"$1.out" 2>"$1.err"; echo $? >"$1.status"; set -e; }
program=$1
cd "$2"
"#;

#[test]
fn a_full_file_system_is_a_denial_and_loses_nothing() {
    let place = Place::new();
    let script = format!(
        "{HOOK}
        mount -t tmpfs -o size=256k,mode=0700 none state
        hook first
        dd if=/dev/zero of=state/filler bs=4k count=1000 2>/dev/null || true
        # Appending needs room now; the log of the database is what the first process left of it.
        hook full
        for n in 1 2 3 4 5 6 7 8 9 10 11 12; do hook full; done
        rm state/filler
        hook again
        umount state
        mount -t tmpfs -o size=16k,mode=0700 none state
        dd if=/dev/zero of=state/filler bs=4k count=1000 2>/dev/null || true
        hook fresh
        rm state/filler
        "
    );
    let Some(ended) = with_mounts(&place, &script) else {
        return skipped("a full file system (needs the right to mount one)");
    };
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(!by_cache(&left(&place, "first")));
    assert_closed(&left(&place, "full"), "full", &["state.sqlite3"]);
    assert!(by_cache(&left(&place, "again")), "nothing was lost");
    assert_closed(&left(&place, "fresh"), "full from the beginning", &["state"]);
}

#[test]
fn a_read_only_file_system_is_a_denial_and_loses_nothing() {
    let place = Place::new();
    let script = format!(
        "{HOOK}
        mount -t tmpfs -o ro none state
        hook empty
        umount state
        mount -t tmpfs -o mode=0700 none state
        hook first
        mount -o remount,ro state
        hook read_only
        mount -o remount,rw state
        hook again
        "
    );
    let Some(ended) = with_mounts(&place, &script) else {
        return skipped("a read-only file system (needs the right to mount one)");
    };
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert_closed(&left(&place, "empty"), "read-only from the beginning", &["state"]);
    assert!(!by_cache(&left(&place, "first")));
    assert_closed(&left(&place, "read_only"), "read-only", &["state.sqlite3"]);
    assert!(by_cache(&left(&place, "again")), "nothing was lost");
}

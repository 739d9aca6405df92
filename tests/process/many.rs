//! Many processes at once on one state.

use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::service::{NOBODY, Service};
use crate::support::{Ended, PROGRAM, Place, Running, authenticate, authorize};

const PROCESSES: usize = 64;

/// Starts all invocations at once and waits for all of them.
fn at_once(place: &Place, invocations: Vec<Value>) -> Vec<Ended> {
    thread::scope(|scope| {
        let threads: Vec<_> =
            invocations.iter().map(|invocation| scope.spawn(move || place.hook(invocation))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn accepted(all: &[Ended]) -> Vec<&Ended> {
    for ended in all {
        assert_eq!(ended.status, Some(0), "{ended:?}");
    }
    all.iter().filter(|ended| ended.verdict() == "ACCEPT").collect()
}

#[test]
fn the_connection_limit_holds_for_64_processes_that_begin_without_a_state_directory() {
    const LIMIT: usize = 5;
    let place = Place::new();
    let configuration = format!("[connection_limit by=client_ip_gateway_user]\nlimit={LIMIT}\n");
    let session = |number: usize| authorize(&configuration, json!({"session_id": format!("s{number}")}));
    let first = at_once(&place, (0..PROCESSES).map(session).collect());
    let let_in = accepted(&first);
    assert_eq!(let_in.len(), LIMIT);
    let denied = first.iter().filter(|ended| ended.verdict() == "DENY").count();
    assert_eq!(denied, PROCESSES - LIMIT);

    // Two end, and two more are let in.
    let over = |ended: &&Ended| {
        let cookie = &ended.response()["cookie"];
        json!({"hook": "session_ended", "type": "aa", "configuration": configuration,
            "arguments": {"cookie": cookie, "session_id": cookie["__sps_plugin"]["session_id"]}})
    };
    for ended in at_once(&place, let_in.iter().take(2).map(over).collect()) {
        assert_eq!((ended.response(), ended.status), (json!(null), Some(0)));
    }
    let second = at_once(&place, (PROCESSES..2 * PROCESSES).map(session).collect());
    assert_eq!(accepted(&second).len(), 2);
}

#[test]
fn one_authentication_is_used_no_more_often_than_allowed_by_64_processes() {
    const REUSE_LIMIT: usize = 3;
    let place = Place::new();
    let cache =
        format!("[authentication_cache]\nreuse_limit={REUSE_LIMIT}\nsoft_timeout=inf\nhard_timeout=inf\n");
    let otp = json!({"key_value_pairs": {"otp": "123456"}});
    let service = Service::answering(&json!({"result": "ACCEPT"}));
    let open = format!("{cache}[mfa]\nprovider=http\n[http]\nserver_url=http://{}\n", service.address);
    let seed = place.hook(&authenticate(&open, otp.clone()));
    assert_eq!(seed.verdict(), "ACCEPT");
    let closed = format!("{cache}[mfa]\nprovider=http\n[http]\nserver_url=http://{NOBODY}\n");
    let all = at_once(&place, vec![authenticate(&closed, otp); PROCESSES]);
    let let_in = accepted(&all);
    assert_eq!(let_in.len(), REUSE_LIMIT);
    for ended in let_in {
        let metadata = ended.response()["additional_metadata"].as_str().unwrap().to_owned();
        assert!(metadata.contains("authentication_cache"), "{metadata}");
    }
}

#[test]
fn processes_that_all_remember_the_same_user_all_accept() {
    let place = Place::new();
    let configuration = "[mfa]\nprovider=none\n[authentication_cache]\nreuse_limit=-1\n";
    let all = at_once(
        &place,
        (0..PROCESSES)
            .map(|number| {
                let user = format!("user{}", number % 8);
                authenticate(configuration, json!({"gateway_user": user, "key_value_pairs": {"otp": "1"}}))
            })
            .collect(),
    );
    assert_eq!(accepted(&all).len(), PROCESSES);
}

#[test]
fn a_process_that_is_killed_anywhere_loses_nothing_and_holds_no_lock() {
    let place = Place::new();
    let cache = "[authentication_cache]\nreuse_limit=-1\nsoft_timeout=inf\nhard_timeout=inf\n";
    let service = Service::answering(&json!({"result": "ACCEPT"}));
    let remembering = |user: &str| {
        let more = json!({"gateway_user": user, "key_value_pairs": {"otp": "1"}});
        let http = format!("[mfa]\nprovider=http\n[http]\nserver_url=http://{}\n{cache}", service.address);
        authenticate(&http, more)
    };
    assert_eq!(place.hook(&remembering("alice")).verdict(), "ACCEPT");
    let mut answered = 0_usize;
    for number in 0..60_u32 {
        let child = place.command(PROGRAM).spawn().unwrap();
        let pid = Pid::from_child(&child);
        let running = Running::of(child, remembering(&format!("user{number}")).to_string().into_bytes());
        thread::sleep(Duration::from_micros(u64::from(number) * 250));
        let _ = kill_process(pid, Signal::KILL);
        let ended = running.end();
        // What was written was written whole, and is on the disk.
        if ended.status == Some(0) {
            assert_eq!(ended.verdict(), "ACCEPT");
            answered += 1;
        }
    }
    let closed = |user: &str| {
        let more = json!({"gateway_user": user, "key_value_pairs": {"otp": "1"}});
        let http = format!("[mfa]\nprovider=http\n[http]\nserver_url=http://{NOBODY}\n{cache}");
        place.hook(&authenticate(&http, more)).verdict()
    };
    assert_eq!(closed("alice"), "ACCEPT");
    let remembered = (0..60).filter(|number| closed(&format!("user{number}")) == "ACCEPT").count();
    assert!(remembered >= answered, "{answered} were accepted, {remembered} are remembered");
    let database = Connection::open(place.state().join("state.sqlite3")).unwrap();
    let sound: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}

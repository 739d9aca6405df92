//! Which changes make the authentication cache forget somebody.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::{Ended, Place, authenticate};

/// What is done to a place.
type Way = Box<dyn Fn(&Place)>;

/// What a remembered authentication is asked with.
const REMEMBERING: &str =
    "[local]\nrealm=default\n[authentication_cache]\nreuse_limit=-1\nsoft_timeout=inf\nhard_timeout=inf\n";

/// RFC 4226's secret, whose first codes are 755224, 287082 and 359152.
const RFC_4226: &str = "3132333435363738393031323334353637383930";

/// Runs a command line that has to succeed, with this stdin.
fn administer(place: &Place, line: &str, stdin: &str) -> Ended {
    let ended = place.run(&line.split(' ').collect::<Vec<_>>(), stdin);
    assert_eq!(ended.status, Some(0), "{line}: {ended:?}");
    ended
}

/// Logs alice in once, so that this is remembered; her token is A.
fn remembered() -> Place {
    let place = Place::new();
    let enroll =
        format!("token enroll --type hotp --serial A --user alice --pin 1357 --secret-hex {RFC_4226}");
    administer(&place, &enroll, "");
    let first = json!({"gateway_user": "alice", "key_value_pairs": {"otp": "1357755224"}});
    assert_eq!(place.hook(&authenticate(REMEMBERING, first)).verdict(), "ACCEPT");
    assert!(is_remembered(&place));
    place
}

fn is_remembered(place: &Place) -> bool {
    let junk = json!({"gateway_user": "alice", "session_id": "s2", "key_value_pairs": {"otp": "junk"}});
    let response = place.hook(&authenticate(REMEMBERING, junk)).response();
    response["additional_metadata"].as_str().unwrap_or_default().contains("authentication_cache")
}

#[test]
fn a_remembered_authentication_is_forgotten_when_a_token_of_its_user_is_changed_or_locked() {
    let wrong = |place: &Place| {
        let wrong = json!({"gateway_user": "alice", "session_id": "s3", "client_ip": "10.9.9.9",
            "key_value_pairs": {"otp": "1357000000"}});
        for _ in 0..10 {
            assert_eq!(place.hook(&authenticate(REMEMBERING, wrong.clone())).verdict(), "DENY");
        }
    };
    let line = |line: &'static str| -> Way { Box::new(move |place| drop(administer(place, line, ""))) };
    let replaced = |place: &Place| {
        let file = administer(place, "token export --secrets", "").stdout;
        administer(place, "token import --replace -", std::str::from_utf8(&file).unwrap());
    };
    // By the command of `token` that it is, if it is one.
    let ways: [(&str, Way); 14] = [
        ("disable", line("token disable A")),
        ("enable", line("token enable A")),
        ("unlock", line("token unlock A")),
        ("delete", line("token delete A")),
        ("assign", line("token assign A --user bob")),
        ("assign", line("token assign A --nobody")),
        ("set-pin", line("token set-pin A --pin 2468")),
        ("set-pin", line("token set-pin A --pin 1357")),
        ("set-pin", line("token set-pin A --none")),
        ("resync", line("token resync A 287082 359152")),
        ("import", Box::new(replaced)),
        ("a lock", Box::new(wrong)),
        ("forget", line("state forget --user ALICE")),
        ("forget all", line("state forget --all")),
    ];
    for (name, way) in &ways {
        let place = remembered();
        way(&place);
        assert!(!is_remembered(&place), "{name}");
    }
    // What reads, makes a new token or seals the same secrets anew changes no token of hers.
    let others: [(&str, Way); 5] = [
        ("list", line("token list")),
        ("show", line("token show A")),
        ("export", line("token export --secrets")),
        ("enroll", line("token enroll --type spass --serial B --user alice --pin 1234")),
        ("rekey", line("token rekey")),
    ];
    for (name, way) in &others {
        let place = remembered();
        way(&place);
        assert!(is_remembered(&place), "{name}");
    }
    let named: BTreeSet<&str> = ways.iter().chain(&others).map(|(name, _)| *name).collect();
    let help = String::from_utf8(Place::new().run(&["token", "--help"], "").stdout).unwrap();
    let commands = help.split_once("Commands:\n").unwrap().1.split_once("\n\n").unwrap().0;
    for command in commands.lines().filter_map(|line| line.split_whitespace().next()) {
        assert!(
            command == "help" || named.contains(command),
            "token {command} is neither tried nor excepted"
        );
    }
}

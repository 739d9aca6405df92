//! Spellings of a realm, in every place that compares realms.

use serde_json::{Value, json};

use crate::support::{Ended, Place, authenticate, authorize};
use crate::table::Is::Same;
use crate::table::REALMS;
use crate::{KEY, verdict};

/// Makes bob's token, whose first code is 755224, in a realm.
fn enroll(place: &Place, realm: &str) -> Ended {
    let words = ["--user", "bob", "--realm", realm, "--secret-hex", KEY, "--pin", "1234"];
    place.run(&[&["token", "enroll", "--type", "hotp", "--serial", "BOB"], &words[..]].concat(), "")
}

fn in_ops() -> Place {
    let place = Place::new();
    let made = enroll(&place, "ops");
    assert_eq!(made.status, Some(0), "{made:?}");
    place
}

fn ask(place: &Place, configuration: &str, user: &str, otp: &str) -> Value {
    let arguments = json!({"gateway_user": user, "key_value_pairs": {"otp": otp}});
    place.hook(&authenticate(configuration, arguments)).response()
}

/// Asserts that every spelling, and no other realm, is taken for `ops`: each in a copy of the place.
fn assert_same_only(place: &Place, of: impl Fn(&Place, &str) -> String) {
    for (realm, is) in REALMS {
        let got = of(&Place::copy_of(place), realm);
        assert_eq!(got == "ACCEPT", *is == Same, "{realm:?}: {got}");
    }
}

/// The same where blanks around a value are no part of it: in a configuration, and in a list of realms.
fn assert_same_or_blanks_only(place: &Place, of: impl Fn(&Place, &str) -> String) {
    for (realm, is) in REALMS {
        let got = of(&Place::copy_of(place), realm);
        let is_same = *is == Same || realm.trim() == "ops";
        assert_eq!(got == "ACCEPT", is_same, "{realm:?}: {got}");
    }
}

fn verdict_of(response: &Value) -> String {
    response["verdict"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn the_realm_of_a_login_is_the_realm_of_a_token() {
    assert_same_only(&in_ops(), |place, realm| {
        verdict_of(&ask(place, "", &format!("bob@{realm}"), "1234755224"))
    });
}

#[test]
fn the_realm_of_the_configuration_is_the_realm_of_a_token() {
    assert_same_or_blanks_only(&in_ops(), |place, realm| {
        verdict_of(&ask(place, &format!("[local]\nrealm={realm}\n"), "bob", "1234755224"))
    });
}

#[test]
fn a_token_that_is_enrolled_in_a_spelling_is_in_the_realm() {
    for (realm, is) in REALMS {
        let place = Place::new();
        let got = match enroll(&place, realm).status {
            Some(0) => verdict_of(&ask(&place, "", "bob@ops", "1234755224")),
            status => format!("{status:?}"),
        };
        assert_eq!(got == "ACCEPT", *is == Same, "{realm:?}: {got}");
    }
}

#[test]
fn the_realm_of_a_demand_is_the_realm_of_a_token() {
    assert_same_or_blanks_only(&in_ops(), |place, realm| {
        let demand = format!("[four_eyes]\nrealms={realm}:1\nconnections=*\n");
        verdict_of(&ask(place, &demand, "alice", "bob:1234755224"))
    });
}

#[test]
fn the_realm_behind_an_approvers_name_is_the_realm_of_a_token() {
    let demand = "[four_eyes]\nrealms=ops:1\nconnections=*\nseparator=|\n";
    assert_same_only(&in_ops(), |place, realm| {
        verdict_of(&ask(place, demand, "alice", &format!("bob@{realm}:1234755224")))
    });
}

#[test]
fn the_realm_of_a_four_eyes_token_is_the_realm_of_a_token() {
    assert_same_or_blanks_only(&in_ops(), |place, realm| {
        let realms = format!("{realm}:1");
        let words = ["token", "enroll", "--type", "4eyes", "--user", "alice", "--realms", &realms];
        match place.run(&words, "").status {
            Some(0) => verdict_of(&ask(place, "", "alice", "bob:1234755224")),
            status => format!("{status:?}"),
        }
    });
}

#[test]
fn approvals_of_a_realm_are_proved_for_that_realm() {
    let demand = |realm: &str| format!("[four_eyes]\nrealms={realm}:1\nconnections=*\n");
    let place = in_ops();
    let cookie = ask(&place, &demand("ops"), "alice", "bob:1234755224")["cookie"].clone();
    assert_same_or_blanks_only(&place, |place, realm| {
        verdict(place, &authorize(&demand(realm), json!({"cookie": cookie.clone()})))
    });
}

#[test]
fn a_requester_who_has_to_approve_is_known_by_the_realm_too() {
    let demand = "[four_eyes]\nrealms=ops:1\nconnections=*\nrequester=required\n";
    assert_same_only(&in_ops(), |place, realm| {
        verdict_of(&ask(place, demand, &format!("bob@{realm}"), "bob:1234755224"))
    });
}

#[test]
fn tokens_of_a_realm_are_listed_under_each_spelling() {
    let place = in_ops();
    for (realm, is) in REALMS {
        let ended = place.run(&["token", "list", "--realm", realm], "");
        let is_listed = String::from_utf8_lossy(&ended.stdout).contains("BOB");
        assert_eq!(is_listed, *is == Same, "{realm:?}: {ended:?}");
    }
}

#[test]
fn two_spellings_of_a_realm_are_one_realm_in_a_demand() {
    for (realm, is) in REALMS.iter().filter(|(realm, _)| *realm != "ops") {
        let text = format!("[four_eyes]\nrealms=ops:1,{realm}:1\nconnections=*\n");
        let ended =
            in_ops().hook(&authenticate(&text, json!({"key_value_pairs": {"otp": "bob:1234755224"}})));
        assert_ne!(ended.verdict(), "ACCEPT", "{realm:?}");
        if *is == Same {
            assert_eq!((ended.verdict().as_str(), ended.status), ("DENY", Some(2)), "{realm:?}: {ended:?}");
        }
    }
}

//! Spellings of a person, in every place that permits, forbids or counts.

use serde_json::{Value, json};

use crate::support::{Ended, Place, authenticate, authorize};
use crate::table::Is::{Other, Perhaps, Same, Unclear};
use crate::table::{Is, PEOPLE};
use crate::{KEY, NAMES, verdict};

/// Another key, whose code 0 is 469711.
const OTHER_KEY: &str = "3938373635343332313039383736353433323130";

/// What may be alice.
fn may_be(is: Is) -> bool {
    match is {
        Same | Perhaps | Unclear => true,
        Other => false,
    }
}

/// Makes a token whose PIN is 1234, with the configuration's domains.
fn enroll(place: &Place, user: &str, serial: &str, key: &str) -> Ended {
    let config = place.file("names.ini", NAMES);
    let words = ["--serial", serial, "--secret-hex", key, "--pin", "1234", "--user", user];
    let command = ["token", "enroll", "--type", "hotp", "--config", config.to_str().unwrap()];
    place.run(&[&command[..], &words[..]].concat(), "")
}

/// A place with alice's token, whose first code is 755224, and carol's, whose first code is 469711.
fn with_tokens() -> Place {
    let place = Place::new();
    for (user, key) in [("alice", KEY), ("carol", OTHER_KEY)] {
        let made = enroll(&place, user, user, key);
        assert_eq!(made.status, Some(0), "{made:?}");
    }
    place
}

/// Asks with a copy of the place.
fn asked(place: &Place, configuration: &str, user: &str, otp: &str) -> String {
    ask(&Place::copy_of(place), configuration, user, otp)
}

fn ask(place: &Place, configuration: &str, user: &str, otp: &str) -> String {
    let configuration = format!("{NAMES}{configuration}");
    let arguments = json!({"gateway_user": user, "key_value_pairs": {"otp": otp}});
    verdict(place, &authenticate(&configuration, arguments))
}

#[test]
fn a_token_is_that_of_its_owner_under_each_certain_spelling() {
    let place = with_tokens();
    for (name, is) in PEOPLE {
        let got = asked(&place, "", name, "1234755224");
        assert_eq!(got == "ACCEPT", *is == Same, "{name:?}: {got}");
    }
}

#[test]
fn a_token_that_is_enrolled_under_a_spelling_is_alices_if_that_is_certain() {
    for (name, is) in PEOPLE {
        let place = Place::new();
        let made = enroll(&place, name, "T", KEY);
        assert!(made.status == Some(0) || *is == Unclear, "{name:?}: {made:?}");
        if made.status == Some(0) {
            let got = ask(&place, "", "alice", "1234755224");
            assert_eq!(got == "ACCEPT", *is == Same, "{name:?}: {got}");
        }
    }
}

#[test]
fn a_token_that_is_assigned_to_a_spelling_is_alices_if_that_is_certain() {
    let place = Place::new();
    assert_eq!(enroll(&place, "bob", "T", KEY).status, Some(0));
    let config = place.path("names.ini");
    for (name, is) in PEOPLE {
        let place = Place::copy_of(&place);
        let words = ["token", "assign", "T", "--config", config.to_str().unwrap(), "--user", name];
        let assigned = place.run(&words, "");
        assert!(assigned.status == Some(0) || *is == Unclear, "{name:?}: {assigned:?}");
        let got = ask(&place, "", "alice", "1234755224");
        assert_eq!(got == "ACCEPT", *is == Same, "{name:?}: {got}");
    }
}

#[test]
fn a_requester_who_has_to_approve_is_the_owner_of_the_token_for_certain() {
    let place = with_tokens();
    let demand = "[four_eyes]\nrealms=default:1\nconnections=*\nrequester=required\n";
    for (name, is) in PEOPLE {
        let got = asked(&place, demand, name, "alice:1234755224");
        // Where it matters who asks, a separator in a compatibility form is ambiguous.
        let is_clear = !name.contains(['\u{ff20}', '\u{ff3c}']);
        assert_eq!(got == "ACCEPT", *is == Same && is_clear, "{name:?}: {got}");
    }
}

#[test]
fn an_approver_is_named_by_each_certain_spelling() {
    let place = with_tokens();
    let demand = "[four_eyes]\nrealms=default:1\nconnections=*\nseparator=|\n";
    for (name, is) in PEOPLE {
        let got = asked(&place, demand, "bob", &format!("{name}:1234755224"));
        assert_eq!(got == "ACCEPT", *is == Same, "{name:?}: {got}");
    }
}

#[test]
fn two_spellings_that_may_be_one_person_approve_once() {
    for (name, is) in PEOPLE {
        // An owner with a domain that is not the site's own is in the realm of that name.
        let realm = match (is, name.split_once('@')) {
            (Unclear, _) => continue,
            (Perhaps | Other, Some((_, domain))) => format!("default:1,{domain}:1"),
            (Same | Perhaps | Other, _) => "default:2".to_owned(),
        };
        let place = Place::new();
        for (user, serial, key) in [("alice", "A", KEY), (*name, "B", OTHER_KEY)] {
            let made = enroll(&place, user, serial, key);
            assert_eq!(made.status, Some(0), "{name:?}: {made:?}");
        }
        for (distinct, counts) in [("users", *is == Other), ("tokens", true)] {
            let demand = format!("[four_eyes]\nrealms={realm}\nconnections=*\ndistinct={distinct}\n");
            let got = asked(&place, &demand, "dave", "1234755224 1234469711");
            assert_eq!(got == "ACCEPT", counts, "{name:?} {distinct}: {got}");
        }
    }
}

#[test]
fn wrong_answers_of_a_requester_count_under_each_spelling() {
    let place = with_tokens();
    let demand = "[four_eyes]\nrealms=default:1\nconnections=*\nmax_fail=1\n";
    assert_eq!(ask(&place, demand, "alice", "carol:1234000000"), "DENY");
    for (name, is) in PEOPLE {
        let got = asked(&place, demand, name, "carol:1234469711");
        assert_eq!(got == "ACCEPT", !may_be(*is), "{name:?}: {got}");
    }
}

#[test]
fn wrong_answers_for_an_approver_count_under_each_spelling_that_can_approve() {
    let place = with_tokens();
    let demand = "[four_eyes]\nrealms=default:1\nconnections=*\nseparator=|\nmax_fail_per_approver=1\n";
    for (name, is) in PEOPLE {
        let counted = match is {
            Same => true,
            Other => false,
            // It approves nothing, so it is no guess.
            Perhaps | Unclear => continue,
        };
        let place = Place::copy_of(&place);
        assert_eq!(ask(&place, demand, "bob", &format!("{name}:1234000000")), "DENY", "{name:?}");
        let got = ask(&place, demand, "dave", "alice:1234755224");
        assert_eq!(got != "ACCEPT", counted, "{name:?}: {got}");
    }
}

/// A configuration with a whitelist by groups, and the directory that finds this user.
fn by_group(allow: &str, name: &str) -> Value {
    let configuration = format!(
        "{NAMES}[mfa]\nprovider=http\n[http]\nserver_url=http://127.0.0.1:9\n[ldap_server]\nname=ad\n\
         [whitelist source=ldap_server_group]\nallow={allow}\nexcept=admins\n"
    );
    let mut invocation = authenticate(&configuration, json!({"gateway_user": name}));
    invocation["appliance"] = json!({"ldap_servers": {"ad":
        {"users": {name: {}, "alice": {}}, "groups": {"admins": ["alice"]}}}});
    invocation
}

#[test]
fn a_group_keeps_its_members_out_under_each_spelling_and_whitelists_their_own_name() {
    let place = Place::new();
    for (name, is) in PEOPLE {
        let got = verdict(&place, &by_group("all_users", name));
        assert_eq!(got == "ACCEPT", !may_be(*is), "all_users {name:?}: {got}");
        let got = verdict(&place, &by_group("no_user", name));
        assert_eq!(got == "ACCEPT", *name == "alice", "no_user {name:?}: {got}");
    }
}

#[test]
fn what_is_forgotten_of_a_person_is_forgotten_under_each_spelling() {
    let place = with_tokens();
    let remembers = "[authentication_cache]\nreuse_limit=-1\nsoft_timeout=600\nhard_timeout=600\n";
    assert_eq!(ask(&place, remembers, "alice", "1234755224"), "ACCEPT");
    for (name, is) in PEOPLE {
        let place = Place::copy_of(&place);
        let ended = place.run(&["state", "forget", "--user", name], "");
        assert_eq!(ended.status, Some(0), "{name:?}: {ended:?}");
        let again = authenticate(&format!("{NAMES}{remembers}"), json!({"session_id": "svc/abc:2"}));
        let got = verdict(&place, &again);
        match is {
            Same | Perhaps => assert_ne!(got, "ACCEPT", "{name:?}"),
            Other => assert_eq!(got, "ACCEPT", "{name:?}"),
            // It is no name, and what is forgotten is asked for again.
            Unclear => {}
        }
    }
}

#[test]
fn a_typed_name_is_compared_as_one_that_the_appliance_passes() {
    let place = Place::new();
    let rules = |first: &str| format!("{NAMES}[access]\nprovider=rules\n{first}");
    let deny = rules("[rule d]\nusers=alice\naction=deny\n[rule a]\naction=accept\n");
    let accept = rules("[rule a]\nusers=alice\naction=accept\n");
    for key in ["gu", "username"] {
        for (name, is) in PEOPLE {
            let typed = |text: &str| {
                let pairs = json!({"gateway_user": null, "key_value_pairs": {key: name}});
                verdict(&place, &authorize(text, pairs))
            };
            let (denied, accepted) = (typed(&deny), typed(&accept));
            assert_eq!(denied == "ACCEPT", !may_be(*is), "{key} {name:?}: {denied}");
            assert_eq!(accepted == "ACCEPT", *is == Same, "{key} {name:?}: {accepted}");
        }
    }
}

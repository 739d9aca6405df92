//! One person under several names: what forbids or counts looks at each of them.

use serde_json::{Value, json};

use crate::support::{Place, authenticate, authorize};

/// A mapping by a directory, which only `authenticate` asks.
const DIRECTORY: &str =
    "[mfa]\nprovider=none\n[ldap_server]\nname=ad\n[usermapping source=ldap_server]\nuser_attribute=mail\n";

/// Logs in as a user whom the directory maps, and authorizes the session.
fn mapped(place: &Place, text: &str, user: &str, session: &str) -> String {
    let arguments = json!({"gateway_user": user, "session_id": session, "key_value_pairs": {"otp": "1"}});
    let mut first = authenticate(text, arguments);
    let people = json!({"jdoe": {"mail": ["john.doe"]}, "john.doe": {"mail": ["john.doe"]}});
    first["appliance"] = json!({"ldap_servers": {"ad": {"users": people, "groups": {}}}});
    let answered = place.hook(&first).response();
    assert_eq!(answered["verdict"], "ACCEPT", "{answered}");
    let cookie: &Value = &answered["cookie"];
    let arguments = json!({"gateway_user": user, "session_id": session, "cookie": cookie});
    place.hook(&authorize(text, arguments)).verdict()
}

#[test]
fn a_rule_that_denies_looks_at_the_identity_that_a_directory_has_mapped() {
    let rules = |deny: &str| {
        format!(
            "{DIRECTORY}[access]\nprovider=rules\n[rule no]\nusers={deny}\naction=deny\n[rule yes]\naction=accept\n"
        )
    };
    for (deny, verdict) in
        [("john.doe", "DENY"), ("jdoe", "DENY"), ("john.*", "DENY"), ("jane.doe", "ACCEPT")]
    {
        assert_eq!(mapped(&Place::new(), &rules(deny), "jdoe", "s1"), verdict, "{deny}");
    }
}

#[test]
fn a_connection_limit_counts_the_names_that_the_configuration_gives_to_one_person() {
    let text = "[mfa]\nprovider=none\n[usermapping source=explicit]\njdoe=john.doe\nj2=john.doe\nbob=b\n\
        [connection_limit by=client_ip_gateway_user]\nlimit=1\n";
    for (other, verdict) in [("john.doe", "DENY"), ("j2", "DENY"), ("bob", "ACCEPT"), ("jane", "ACCEPT")] {
        let place = Place::new();
        let session = |user: &str, id: &str| {
            let arguments = json!({"gateway_user": user, "session_id": id, "key_value_pairs": {"otp": "1"}});
            let cookie = place.hook(&authenticate(text, arguments)).response()["cookie"].clone();
            let arguments = json!({"gateway_user": user, "session_id": id, "cookie": cookie});
            place.hook(&authorize(text, arguments)).verdict()
        };
        assert_eq!(session("jdoe", "s1"), "ACCEPT", "{other}");
        assert_eq!(session(other, "s2"), verdict, "{other}");
    }
}

#[test]
fn a_name_with_an_ambiguous_character_in_any_form_is_not_let_in_by_a_list_of_exceptions() {
    let text = "[mfa]\nprovider=local\n[whitelist source=user_list]\nname=vip\n[user_list vip]\nallow=all_users\nexcept=mallory\n";
    let place = Place::new();
    let verdict = |user: &str| place.hook(&authenticate(text, json!({"gateway_user": user}))).verdict();
    for user in [
        "CORP/mallory",
        "CORP\u{ff0f}mallory",
        "CORP\u{ff0b}mallory",
        "CORP\u{207a}mallory",
        "mallory\u{ff1b}",
        "mallory\u{37e}",
        "mallory\u{ff1a}",
        "\u{ff02}mallory\u{ff02}",
        "mallory\u{ff0c}x",
        "mallory\u{ff05}x",
        "mallory\u{fe6a}x",
        "mallory\u{ff03}",
        "mallory\u{ff1d}x",
        "x\u{2044}mallory",
        "x\u{2215}mallory",
        "x\u{2216}mallory",
        "mallory\u{2bc}",
        "mallory!",
        "mallory|x",
        "mallory&x",
        "(mallory)",
        "mallory*",
    ] {
        assert_ne!(verdict(user), "ACCEPT", "{user:?}");
    }
    for user in ["alice", "o'hara", "a.b-c_d", "jörg", "svc$", "李雷"] {
        assert_eq!(verdict(user), "ACCEPT", "{user:?}");
    }
}

#[test]
fn a_connection_without_a_name_requires_approvals_also_if_the_name_is_empty() {
    let text = "[mfa]\nprovider=none\n[four_eyes]\nrealms=default:1\nconnections=prod*\n";
    for (name, verdict) in
        [(json!(""), "DENY"), (Value::Null, "DENY"), (json!("prod"), "DENY"), (json!("test"), "ACCEPT")]
    {
        let arguments = json!({"connection_name": name, "key_value_pairs": {"otp": "1"}});
        assert_eq!(Place::new().hook(&authenticate(text, arguments)).verdict(), verdict, "{name}");
    }
}

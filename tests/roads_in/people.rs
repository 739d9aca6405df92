//! Whose approval it is, and whose session: names of one person, namesakes, and people who are not known.

use serde_json::{Value, json};

use crate::Given;

/// RFC 4226's secret, whose first codes are 755224 and 287082.
const SECRET: &str = "3132333435363738393031323334353637383930";
/// Another one, whose first code is 469711.
const OTHER: &str = "3938373635343332313039383736353433323130";
const HTTP: &str = "[mfa]\nprovider=http\n[http]\nserver_url=http://SERVICE\ntoken=t0ken\n";
const MAPPING: &str = "[usermapping source=explicit]\njdoe=john.doe\nJD=John.Doe\nother=else\n";

/// A session in which approvals are the login, with two people's tokens in the realm ops.
fn approving(configuration: &str, first: &str, second: &str) -> Given {
    let given = Given::new(&format!("[mfa]\nprovider=local\n{configuration}"));
    for (serial, user, secret) in [("ONE", first, SECRET), ("TWO", second, OTHER)] {
        given.token(&format!(
            "enroll --type hotp --serial {serial} --user {user}@ops --pin 4321 --secret-hex {secret}"
        ));
    }
    given
}

fn login(given: &mut Given, user: &str, otp: &str) -> String {
    given.argument("gateway_user", json!(user));
    given.argument("key_value_pairs", json!({"otp": otp}));
    given.ask().verdict()
}

#[test]
fn two_names_of_one_person_in_the_mapping_approve_once() {
    let demand = "[four_eyes]\nrealms=ops:2\nconnections=*\n";
    for (first, second) in [("jdoe", "john.doe"), ("jd", "jdoe"), ("JDoe", "jd")] {
        let both = format!("{first}:4321755224 {second}:4321469711");
        let mut given = approving(&format!("{demand}{MAPPING}"), first, second);
        assert_eq!(login(&mut given, "bob", &both), "DENY", "{both}");
        given.instead("[four_eyes]\n", "[four_eyes]\ndistinct=tokens\n");
        assert_eq!(login(&mut given, "bob", &both), "ACCEPT", "{both}");
        let mut given = approving(demand, first, second);
        assert_eq!(login(&mut given, "bob", &both), "ACCEPT", "without the mapping, {both}");
    }
}

#[test]
fn somebody_whom_the_mapping_links_to_an_approver_by_a_third_name_asks_for_no_approval_of_theirs() {
    let demand = "[four_eyes]\nrealms=ops:1\nconnections=*\nrequester=excluded\n";
    let mut given = approving(&format!("{demand}{MAPPING}"), "jdoe", "carol");
    for name in ["jd", "JD", "EVIL\\jd", "john.doe", "jdoe@evil.example"] {
        assert_eq!(login(&mut given, name, "jdoe:4321755224"), "DENY", "{name}");
    }
    assert_eq!(login(&mut given, "other", "jdoe:4321755224"), "ACCEPT");
}

#[test]
fn a_namesake_in_another_domain_is_not_the_one_who_has_to_approve() {
    let demand = "[four_eyes]\nrealms=ops:1\nconnections=*\nrequester=required\n";
    let text = "alice:4321755224";
    for name in ["OTHER\\alice", "alice@other.example", "alice@opsx", "bob"] {
        assert_eq!(login(&mut approving(demand, "alice", "bob"), name, text), "DENY", "{name}");
    }
    let own = format!("{demand}[names]\ndomains=CORP\n");
    for name in ["alice", "ALICE", "CORP\\alice", "alice@corp", "alice@ops", "OPS\\alice"] {
        assert_eq!(login(&mut approving(&own, "alice", "bob"), name, text), "ACCEPT", "{name}");
    }
    // The directory's or the configuration's name for somebody in another domain is theirs.
    let mapped = format!("{demand}[usermapping source=explicit]\nalice@other.example=alice\n");
    assert_eq!(login(&mut approving(&mapped, "alice", "bob"), "alice@other.example", text), "ACCEPT");
}

#[test]
fn who_is_excluded_from_a_whitelist_or_by_a_rule_is_excluded_under_each_name() {
    let list =
        "[whitelist source=user_list]\nname=vip\n[user_list vip]\nallow=all_users\nexcept=root, jdoe\n";
    let rules = "[access]\nprovider=rules\n[rule d]\naction=deny\nusers=jdoe\n[rule a]\naction=accept\n";
    for name in ["jdoe", "john.doe", "jd", "John.Doe@corp"] {
        let mut given = Given::new(&format!("{HTTP}{list}{MAPPING}"));
        assert_eq!(login(&mut given, name, "000000"), "DENY", "{name}");
        let mut given = Given::new(&format!("{rules}{MAPPING}"));
        given.hook = "authorize";
        assert_eq!(login(&mut given, name, ""), "DENY", "{name}");
    }
    for name in ["other", "doe"] {
        let mut given = Given::new(&format!("{HTTP}{list}{MAPPING}"));
        assert_eq!(login(&mut given, name, "000000"), "ACCEPT", "{name}");
        let mut given = Given::new(&format!("{rules}{MAPPING}"));
        given.hook = "authorize";
        assert_eq!(login(&mut given, name, ""), "ACCEPT", "{name}");
    }
    let group =
        "[ldap_server]\nname=ad\n[whitelist source=ldap_server_group]\nallow=all_users\nexcept=admins\n";
    for (name, ends) in [("jdoe", "DENY"), ("john.doe", "DENY"), ("jd", "DENY"), ("other", "ACCEPT")] {
        let mut given = Given::new(&format!("{HTTP}{group}{MAPPING}"));
        given.appliance = json!({"ldap_servers": {"ad": {
            "users": {"jdoe": {}, "john.doe": {}, "other": {}, "jd": {}}, "groups": {"admins": ["jdoe"]}}}});
        assert_eq!(login(&mut given, name, "000000"), ends, "{name}");
    }
    // An alias lets nobody in.
    let allowed = list.replace("all_users", "no_user");
    let mut given = Given::new(&format!("{HTTP}{allowed}{MAPPING}"));
    assert_eq!(login(&mut given, "john.doe", "000000"), "DENY");
}

#[test]
fn a_factor_of_somebody_who_could_not_be_mapped_is_not_the_one_that_a_rule_requires() {
    for requires in ["mfa", "four_eyes"] {
        let mut given = Given::new(&format!(
            "{HTTP}[ldap_server]\nname=ad\n[usermapping source=ldap_server]\nuser_attribute=mail\n\
             [four_eyes]\nrealms=ops:1\n[access]\nprovider=rules\n[rule a]\naction=accept\nrequire={requires}\n"
        ));
        let directory = |users: Value| json!({"ldap_servers": {"ad": {"users": users, "groups": {}}}});
        for (users, ends) in [
            (json!(null), "DENY"),
            (json!({}), "DENY"),
            (json!({"alice": {}}), "DENY"),
            (json!({"alice": {"mail": ["alice"]}}), if requires == "mfa" { "ACCEPT" } else { "DENY" }),
        ] {
            given.hook = "authenticate";
            given.appliance = directory(users.clone());
            given.argument("cookie", json!({}));
            given.argument("key_value_pairs", json!({"otp": "123456"}));
            let authenticated = given.ask().response();
            assert_eq!(authenticated["verdict"], "ACCEPT", "{authenticated}");
            given.hook = "authorize";
            given.argument("cookie", authenticated["cookie"].clone());
            let ended = given.ask();
            assert_eq!(ended.verdict(), ends, "{requires} {users}: {ended:?}");
        }
    }
}

//! One table of spellings, and every place that compares: each spelling has one verdict everywhere.
//!
//! What permits takes a spelling for the same name only where it is certainly that one; what forbids or counts takes it
//! wherever it may be. A spelling that cannot be read clearly is a denial.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::indexing_slicing, reason = "a JSON value that lacks a member is null, and a test may fail")]

#[path = "spellings/people.rs"]
mod people;
#[path = "spellings/realms.rs"]
mod realms;
#[expect(dead_code, reason = "other tests use the rest")]
mod support;
#[path = "spellings/table.rs"]
mod table;
#[path = "spellings/targets.rs"]
mod targets;

use serde_json::{Value, json};

use support::{Place, authenticate, authorize, credential_hook};
use table::Is::{Other, Perhaps, Same, Unclear};
use table::{ACCOUNTS, ADDRESSES, CONTAINING, HOSTS, PEOPLE, Spelling};

/// RFC 4226's key, whose code 0 is 755224.
const KEY: &str = "3132333435363738393031323334353637383930";

const NAMES: &str = "[names]\ndomains=CORP, corp.example.org\n";

fn verdict(place: &Place, invocation: &Value) -> String {
    place.hook(invocation).verdict()
}

fn cached(first: Value, second: Value) -> String {
    let place = Place::new();
    let words = ["token", "enroll", "--type", "hotp", "--user", "alice", "--secret-hex", KEY];
    assert_eq!(place.run(&words, "").status, Some(0));
    let remembers = format!("{NAMES}[authentication_cache]\nreuse_limit=5\n");
    let mut first = authenticate(&remembers, first);
    first["arguments"]["key_value_pairs"] = json!({"otp": "755224"});
    assert_eq!(verdict(&place, &first), "ACCEPT");
    verdict(&place, &authenticate(&remembers, second))
}

#[test]
fn a_remembered_authentication_is_good_for_the_same_person_only() {
    for (name, is) in PEOPLE {
        let got = cached(json!({}), json!({"gateway_user": name}));
        let wanted = match is {
            Same => "ACCEPT",
            Perhaps | Other => "NEEDINFO",
            Unclear => "DENY",
        };
        assert_eq!(got, wanted, "{name:?}");
    }
    for (address, is) in ADDRESSES {
        let got = cached(json!({"client_ip": "10.1.2.3"}), json!({"client_ip": address}));
        assert_eq!(got == "ACCEPT", *is == Same, "{address:?}");
    }
}

fn limited(first: Value, second: Value) -> String {
    let place = Place::new();
    let limit = format!("{NAMES}[connection_limit by=client_ip_gateway_user]\nlimit=1\n");
    assert_eq!(verdict(&place, &authorize(&limit, first)), "ACCEPT");
    let mut second = authorize(&limit, second);
    second["arguments"]["session_id"] = json!("svc/abc:2");
    verdict(&place, &second)
}

#[test]
fn a_connection_limit_counts_everybody_who_may_be_the_same_person() {
    for (name, is) in PEOPLE {
        let got = limited(json!({}), json!({"gateway_user": name}));
        assert_eq!(got == "ACCEPT", *is == Other, "{name:?}");
    }
    for (address, is) in ADDRESSES {
        let got = limited(json!({"client_ip": "10.1.2.3"}), json!({"client_ip": address}));
        assert_eq!(got == "ACCEPT", *is == Other, "{address:?}");
    }
}

#[test]
fn nobody_approves_for_themselves_under_another_spelling() {
    let place = Place::new();
    for (user, serial, key) in
        [("alice", "A", KEY), ("carol", "C", "3938373635343332313039383736353433323130")]
    {
        let words =
            ["token", "enroll", "--type", "hotp", "--user", user, "--serial", serial, "--secret-hex", key];
        let made = place.run(&[&words[..], &["--pin", "1234"]].concat(), "");
        assert_eq!(made.status, Some(0), "{made:?}");
    }
    let demand = format!("{NAMES}[four_eyes]\nrealms=default:1\nconnections=*\nrequester=excluded\n");
    let ask = |name: &str, otp: &str| {
        verdict(
            &place,
            &authenticate(&demand, json!({"gateway_user": name, "key_value_pairs": {"otp": otp}})),
        )
    };
    for (name, is) in PEOPLE {
        if *is != Other {
            assert_eq!(ask(name, "alice:1234755224"), "DENY", "{name:?}");
        }
    }
    // The budget of wrong answers is alice's by now, however she is written; others have theirs.
    assert_eq!(ask("bob", "alice:1234755224"), "ACCEPT");
}

#[test]
fn a_rule_that_denies_means_every_spelling_and_one_that_accepts_the_certain_ones() {
    let deny = |condition: &str| {
        format!(
            "{NAMES}[access]\nprovider=rules\n[rule d]\n{condition}\naction=deny\n[rule a]\naction=accept\n"
        )
    };
    let accept =
        |condition: &str| format!("{NAMES}[access]\nprovider=rules\n[rule a]\n{condition}\naction=accept\n");
    let members =
        json!({"server_username": "x", "server_hostname": "x.example.org", "server_ip": "192.0.2.1"});
    let places: [(&str, &str, &[Spelling]); 5] = [
        ("users=alice", "gateway_user", PEOPLE),
        ("accounts=root", "server_username", ACCOUNTS),
        ("hosts=db1.example.org", "server_hostname", HOSTS),
        ("networks=10.1.2.0/30", "server_ip", &ADDRESSES[..6]),
        ("hosts=10.1.2.3", "server_ip", ADDRESSES),
    ];
    for (condition, argument, spellings) in places {
        for (text, is) in spellings {
            let mut arguments = members.clone();
            arguments[argument] = json!(text);
            let ask = |rules: String| verdict(&Place::new(), &authorize(&rules, arguments.clone()));
            assert_eq!(ask(deny(condition)) == "ACCEPT", *is == Other, "deny {condition} {text:?}");
            let certain = *is == Same || (argument == "server_username" && *text == "ROOT");
            let full_width = argument == "server_username" && text.starts_with('\u{ff52}');
            assert_eq!(
                ask(accept(condition)) == "ACCEPT",
                certain || full_width,
                "accept {condition} {text:?}"
            );
        }
    }
}

#[test]
fn a_rule_that_denies_looks_into_addresses_that_contain_others_and_one_that_accepts_does_not() {
    let deny = |condition: &str| {
        format!("[access]\nprovider=rules\n[rule d]\n{condition}\naction=deny\n[rule a]\naction=accept\n")
    };
    let accept =
        |condition: &str| format!("[access]\nprovider=rules\n[rule a]\n{condition}\naction=accept\n");
    for condition in
        ["networks=10.1.0.0/16", "networks=::ffff:10.1.0.0/112", "hosts=10.1.2.3", "hosts=10.1.*"]
    {
        for address in CONTAINING {
            for rules in [deny(condition), accept(condition)] {
                let arguments = json!({"server_hostname": "x.example.org", "server_ip": address});
                assert_eq!(
                    verdict(&Place::new(), &authorize(&rules, arguments)),
                    "DENY",
                    "{rules} {address}"
                );
            }
        }
        let arguments = json!({"server_hostname": "x.example.org", "server_ip": "2002:a02:203::"});
        assert_eq!(verdict(&Place::new(), &authorize(&deny(condition), arguments)), "ACCEPT", "{condition}");
    }
}

#[test]
fn a_rule_that_denies_a_user_holds_for_names_that_may_be_read_in_two_ways() {
    let rules = "[access]\nprovider=rules\n[rule d]\nusers=alice\naction=deny\n[rule a]\naction=accept\n";
    for name in [
        "DOM/alice",
        "DOM+alice",
        "alice%x",
        "alice:x",
        "alice#1",
        "alice;x",
        "alice,x",
        "cn=alice",
        "\"alice\"",
    ] {
        let got = verdict(&Place::new(), &authorize(rules, json!({"gateway_user": name})));
        assert_eq!(got, "DENY", "{name}");
    }
    assert_eq!(verdict(&Place::new(), &authorize(rules, json!({"gateway_user": "bob"}))), "ACCEPT");
}

#[test]
fn a_rule_that_denies_holds_for_groups_that_are_not_known() {
    let rules =
        "[access]\nprovider=rules\n[rule d]\ngroups=contractors\naction=deny\n[rule a]\naction=accept\n";
    for (groups, wanted) in [
        (json!(null), "DENY"),
        (json!([""]), "DENY"),
        (json!([" "]), "DENY"),
        (json!(["staff", ""]), "DENY"),
        (json!(["Contractors"]), "DENY"),
        (json!([" contractors"]), "DENY"),
        (json!(["CORP\\contractors"]), "DENY"),
        (json!(["staff"]), "ACCEPT"),
    ] {
        let got = verdict(&Place::new(), &authorize(rules, json!({"gateway_groups": groups})));
        assert_eq!(got, wanted, "{groups}");
    }
}

#[test]
fn a_pattern_that_can_fit_nothing_is_an_error_that_closes() {
    let rule = |condition: &str| {
        format!("[access]\nprovider=rules\n[rule d]\n{condition}\naction=deny\n[rule a]\naction=accept\n")
    };
    for condition in [
        "hosts=db1.example.org:22",
        "hosts=ssh://db1.example.org",
        "hosts=\"db1.example.org\"",
        "hosts=.example.org",
        "hosts=db1 db2",
        "hosts=db1;db2",
        "hosts=*:ssh",
        "hosts=db1*:db2*",
        "hosts=a*!b",
        "hosts=10.1",
        "hosts=010.1.2.3",
        "hosts=[2001:db8::1]:22",
        "protocols=sshd",
        "protocols=ssh rdp",
        "users=alice\u{200b}",
        "users=\"alice\"",
        "networks=10.1.2.3/8",
    ] {
        let ended = Place::new().hook(&authorize(&rule(condition), json!({"server_hostname": "x"})));
        assert_eq!((ended.verdict().as_str(), ended.status), ("DENY", Some(2)), "{condition}: {ended:?}");
        let option = condition.split('=').next().unwrap();
        assert!(ended.stderr.contains(&format!("[rule d] {option}")), "{condition}: {ended:?}");
    }
    // What was meant by these is clear.
    for condition in
        ["hosts=DB1.example.org.", "hosts=[::1]", "networks=::ffff:10.0.0.0/104", "protocols=SSH"]
    {
        let ended = Place::new().hook(&authorize(
            &rule(condition),
            json!({"server_hostname": "x.example.org",
            "server_ip": "192.0.2.1", "protocol": "rdp"}),
        ));
        assert_eq!(ended.verdict(), "ACCEPT", "{condition}: {ended:?}");
    }
}

#[test]
fn an_exact_credential_entry_answers_for_every_spelling_of_its_host_and_no_pattern_for_an_unclear_one() {
    let place = Place::new();
    for (asset, password) in [("db*", "pattern"), ("db1.example.org", "exact")] {
        let words = ["credential", "set", "--account", "root", "--asset", asset, "--password-stdin"];
        let set = place.run(&words, format!("{password}\n"));
        assert_eq!(set.status, Some(0), "{set:?}");
    }
    let local = "[credentials]\nprovider=local\n[assets]\ngenerator=hostname\n";
    for (host, is) in HOSTS {
        let mut invocation = credential_hook("get_password_list", local, json!({"server_hostname": host}));
        invocation["appliance"] = json!({});
        let got = place.hook(&invocation).response()["passwords"][0].clone();
        let wanted = match is {
            Same => json!("exact"),
            Other => json!("pattern"),
            Perhaps | Unclear => json!(null),
        };
        assert_eq!(got, wanted, "{host:?}");
    }
}

/// A place with these entries for root, each of which has its asset as its password.
fn with_entries(assets: &[&str]) -> Place {
    let place = Place::new();
    for asset in assets {
        let words = ["credential", "set", "--account", "root", "--asset", asset, "--password-stdin"];
        let set = place.run(&words, format!("{asset}\n"));
        assert_eq!(set.status, Some(0), "{set:?}");
    }
    place
}

fn passwords(place: &Place, text: &str, arguments: Value) -> (Value, String) {
    let text = format!("[credentials]\nprovider=local\n{text}");
    let mut invocation = credential_hook("get_password_list", &text, arguments);
    invocation["appliance"] = json!({});
    let ended = place.hook(&invocation);
    (ended.response()["passwords"][0].clone(), ended.stderr.clone())
}

#[test]
fn an_address_in_a_form_that_is_not_clear_reaches_no_credential_entry() {
    let place = with_entries(&["*", "10.0.0.1", "fe80::1"]);
    for (host, wanted) in [
        ("10.0.0.1", json!("10.0.0.1")),
        ("::ffff:10.0.0.1", json!("10.0.0.1")),
        ("[fe80:0::1]", json!("fe80::1")),
        ("FE80::1", json!("fe80::1")),
        ("10.0.0.2", json!("*")),
        ("10.1", json!(null)),
        ("10.0.1", json!(null)),
        ("010.0.0.1", json!(null)),
        ("0x0a.0.0.1", json!(null)),
        ("0xA000001", json!(null)),
        ("10.0.0.0x1", json!(null)),
        ("10.0.0.0x", json!(null)),
        ("167772161", json!(null)),
        ("01200000001", json!(null)),
        ("10.0.0.01", json!(null)),
        ("10.0.0.1.1", json!(null)),
        ("\u{ff11}0.1", json!(null)),
        ("10.1.", json!(null)),
        ("10.0.0.1:22", json!(null)),
        ("10.0.0.1%1", json!(null)),
        ("10.0.0.1/32", json!(null)),
        ("[10.0.0.1]", json!(null)),
        ("fe80::1%eth0", json!(null)),
        ("[fe80::1%25eth0]", json!(null)),
        ("[fe80::1]:22", json!(null)),
        ("fe80::1.", json!("fe80::1")),
        ("10.0.0.1.", json!("10.0.0.1")),
        ("2002:a00:2::", json!("*")),
    ] {
        let (got, log) =
            passwords(&place, "[assets]\ngenerator=hostname\n", json!({"server_hostname": host}));
        assert_eq!(got, wanted, "{host:?}");
        assert_eq!(log.contains("is not a host name or address"), wanted.is_null(), "{host:?} {log}");
    }
}

#[test]
fn an_exact_entry_for_either_name_of_the_machine_goes_before_every_pattern() {
    for (entries, host, address, wanted) in [
        (&["*", "10.0.0.1"][..], "db1", "10.0.0.1", json!("10.0.0.1")),
        (&["*", "10.0.0.1"], "db1", "::ffff:10.0.0.1", json!("10.0.0.1")),
        (&["10.*", "db1"], "db1", "10.0.0.1", json!("db1")),
        (&["10.*", "db1", "10.0.0.1"], "db1", "10.0.0.1", json!("db1")),
        (&["*", "db1"], "db2", "10.0.0.1", json!("*")),
        // The other name of the machine may be one with an entry of its own.
        (&["*", "db1"], "db1:22", "10.0.0.1", json!(null)),
        (&["*", "10.0.0.1"], "10.1", "10.0.0.1", json!("10.0.0.1")),
        (&["*"], "10.1", "10.0.0.1", json!(null)),
    ] {
        let place = with_entries(entries);
        for order in ["hostname, ip", "ip, hostname"] {
            let text = format!("[assets]\ngenerator={order}\n");
            let arguments = json!({"server_hostname": host, "server_ip": address});
            let (got, log) = passwords(&place, &text, arguments);
            let wanted =
                if order == "ip, hostname" && entries.len() == 3 { &json!("10.0.0.1") } else { &wanted };
            assert_eq!(&got, wanted, "{entries:?} {host} {order} {log}");
        }
    }
}

#[test]
fn a_credential_entry_that_fits_no_host_is_not_made() {
    let place = Place::new();
    for asset in
        ["10.1", "010.0.0.1", "db1:22", "fe80::1%eth0", "db1..lan", "*..lan", "ssh://*", "db  1", "*/x", ".*"]
    {
        let words = ["credential", "set", "--account", "root", "--asset", asset, "--password-stdin"];
        let set = place.run(&words, "x\n");
        assert_eq!(set.status, Some(2), "{asset}: {set:?}");
        assert!(set.stderr.contains("is not a host name, an address or a pattern of them"), "{set:?}");
    }
}

#[test]
fn an_entry_for_an_address_takes_the_addresses_that_embed_it_out_of_the_patterns() {
    let place = with_entries(&["*", "10.0.0.1"]);
    for host in ["::10.0.0.1", "2002:a00:1::", "64:ff9b:1::10.0.0.1", "fe80::5efe:10.0.0.1"] {
        let (got, _) = passwords(&place, "[assets]\ngenerator=hostname\n", json!({"server_hostname": host}));
        assert_eq!(got, json!(null), "{host}");
    }
}

#[test]
fn an_asset_that_the_configuration_names_may_be_words_and_reaches_its_own_entry_only() {
    let place = with_entries(&["*", "Mapped Asset"]);
    for (mapped, wanted) in [("Mapped Asset", json!("Mapped Asset")), ("Other Asset", json!(null))] {
        let configuration =
            format!("[assets]\ngenerator=domain_asset_mapping\n[domain_asset_mapping]\ncorp={mapped}\n");
        let (got, _) = passwords(&place, &configuration, json!({"server_domain": "corp"}));
        assert_eq!(got, wanted, "{mapped}");
    }
}

#[test]
fn a_token_is_its_owners_in_whatever_case_owner_and_realm_are_written() {
    for (identity, sensitive, wanted) in [
        ("alice@ops", false, "ACCEPT"),
        ("Alice@ops", false, "ACCEPT"),
        ("ALICE@OPS", false, "ACCEPT"),
        ("\u{e1}lice@ops", false, "DENY"),
        ("alice", false, "DENY"),
        ("alice@ops", true, "DENY"),
        ("Alice@Ops", true, "ACCEPT"),
    ] {
        let place = Place::new();
        let words =
            ["token", "enroll", "--type", "hotp", "--user", "Alice", "--realm", "Ops", "--secret-hex", KEY];
        assert_eq!(place.run(&words, "").status, Some(0));
        let more = if sensitive { "[local]\ncase_sensitive=yes\n" } else { "" };
        let arguments = json!({"gateway_user": identity, "key_value_pairs": {"otp": "755224"}});
        assert_eq!(verdict(&place, &authenticate(more, arguments)), wanted, "{identity} {sensitive}");
    }
}

#[test]
fn blanks_around_an_owner_are_rejected_and_a_serial_is_taken_in_every_case() {
    let place = Place::new();
    let enroll = |user: &str, serial: &str| {
        let words = ["token", "enroll", "--type", "hotp", "--user", user, "--serial", serial];
        place.run(&words, "").status
    };
    assert_eq!(enroll("alice ", "T1"), Some(2));
    assert_eq!(enroll("alice", "t1"), Some(0));
    assert_eq!(enroll("alice", "T1"), Some(2));
    assert_eq!(place.run(&["token", "disable", "T1"], "").status, Some(0));
}

#[test]
fn a_name_that_somebody_types_never_reaches_the_section_default() {
    let secret = "MARKERSECRET9";
    let text = format!(
        "[DEFAULT]\nshared_secret={secret}\n[mfa]\nprovider=none\n[usermapping source=explicit]\njdoe=john\n"
    );
    for name in ["shared_secret", "SHARED_SECRET", "%(shared_secret)s"] {
        let arguments = json!({"gateway_user": null, "key_value_pairs": {"gu": name, "otp": "1"}});
        let ended = Place::new().hook(&authenticate(&text, arguments));
        assert_eq!(ended.verdict(), "ACCEPT");
        assert!(!format!("{ended:?}").contains(secret), "{ended:?}");
    }
}

#[test]
fn a_mapping_that_failed_denies_where_somebody_else_has_to_approve() {
    let place = Place::new();
    let words =
        ["token", "enroll", "--type", "hotp", "--user", "john.doe", "--secret-hex", KEY, "--pin", "1234"];
    assert_eq!(place.run(&words, "").status, Some(0));
    let mapping = "[ldap_server]\nname=ad\n[usermapping source=ldap_server]\nuser_attribute=mail\n";
    let demand = format!("{mapping}[four_eyes]\nrealms=default:1\nconnections=*\nrequester=excluded\n");
    let ask = |directory: Value| {
        let arguments = json!({"gateway_user": "jdoe", "key_value_pairs": {"otp": "john.doe:1234755224"}});
        let mut invocation = authenticate(&demand, arguments);
        invocation["appliance"] = json!({"ldap_servers": {"ad": directory}});
        verdict(&place, &invocation)
    };
    // Down, unknown, without the attribute, and mapped to the one who would approve.
    assert_eq!(ask(json!({"users": null, "groups": {}})), "DENY");
    assert_eq!(ask(json!({"users": {}, "groups": {}})), "DENY");
    assert_eq!(ask(json!({"users": {"jdoe": {}}, "groups": {}})), "DENY");
    assert_eq!(ask(json!({"users": {"jdoe": {"mail": ["john.doe"]}}, "groups": {}})), "DENY");
    assert_eq!(ask(json!({"users": {"jdoe": {"mail": ["another"]}}, "groups": {}})), "ACCEPT");
}

#[test]
fn authorize_knows_who_asks_from_authenticate_and_not_from_a_directory_that_it_has_not() {
    let place = Place::new();
    let words =
        ["token", "enroll", "--type", "hotp", "--user", "john.doe", "--secret-hex", KEY, "--pin", "1234"];
    assert_eq!(place.run(&words, "").status, Some(0));
    let text = "[mfa]\nprovider=none\n[ldap_server]\nname=ad\n[usermapping source=ldap_server]\n\
        user_attribute=mail\n[access]\nprovider=rules\n[rule prod]\nrequire=four_eyes\naction=accept\n\
        [four_eyes]\nrealms=default:1\nrequester=excluded\n";
    let mut first = authenticate(text, json!({"gateway_user": "jdoe", "key_value_pairs": {"otp": "1"}}));
    first["appliance"] = json!({"ldap_servers": {"ad":
        {"users": {"jdoe": {"mail": ["john.doe"]}}, "groups": {}}}});
    let mut cookie = place.hook(&first).response()["cookie"].clone();
    for answer in [json!({}), json!({"access": "john.doe:1234755224"})] {
        let arguments = json!({"gateway_user": "jdoe", "cookie": cookie, "key_value_pairs": answer});
        let response = place.hook(&authorize(text, arguments)).response();
        assert_eq!(response["verdict"], "NEEDINFO", "{response}");
        cookie = response["cookie"].clone();
    }
}

#[test]
fn owners_of_an_earlier_version_that_differ_in_case_keep_their_own_tokens_and_doctor_names_them() {
    let place = Place::new();
    let enroll = |user: &str, serial: &str, pin: &str| {
        let words =
            ["token", "enroll", "--type", "hotp", "--user", user, "--serial", serial, "--secret-hex", KEY];
        assert_eq!(place.run(&[&words[..], &["--pin", pin]].concat(), "").status, Some(0));
    };
    enroll("alice", "A", "1111");
    enroll("carol@old", "B", "2222");
    let sql = "UPDATE tokens SET user = 'Alice', user_key = 'alice', realm = 'default', realm_key = 'default'
               WHERE serial = 'B'";
    let state = rusqlite::Connection::open(place.state().join("state.sqlite3")).unwrap();
    assert_eq!(state.execute(sql, []).unwrap(), 1);
    drop(state);
    let ask = |name: &str, otp: &str| {
        verdict(&place, &authenticate("", json!({"gateway_user": name, "key_value_pairs": {"otp": otp}})))
    };
    assert_eq!(ask("alice", "2222755224"), "DENY");
    assert_eq!(ask("ALICE", "2222755224"), "DENY");
    assert_eq!(ask("Alice", "1111755224"), "DENY");
    assert_eq!(ask("Alice", "2222755224"), "ACCEPT");
    assert_eq!(ask("alice", "1111755224"), "ACCEPT");
    let doctor = place.run(&["doctor"], "");
    let told = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(told.contains("Alice@default") && told.contains("alice@default"), "{told}");
}

#[test]
fn one_person_is_imported_and_enrolled_under_one_spelling() {
    let place = Place::new();
    let words = ["token", "enroll", "--type", "spass", "--user", "alice", "--serial", "S", "--pin", "1234"];
    assert_eq!(place.run(&words, "").status, Some(0));
    let other = KEY.replace("31", "41");
    let words =
        ["token", "enroll", "--type", "hotp", "--user", "ALICE", "--serial", "H", "--secret-hex", &other];
    assert_eq!(place.run(&words, "").status, Some(0));
    let listed = place.run(&["token", "list", "--json", "--user", "Alice"], "");
    let text = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(text.matches("\"user\":\"alice\"").count(), 2, "{text}");
}

#[test]
fn enrolment_warns_of_a_realm_in_which_nobody_can_approve() {
    let place = Place::new();
    let words = ["token", "enroll", "--type", "4eyes", "--user", "alice", "--realms", "Realm1:2"];
    let ended = place.run(&words, "");
    ended.assert_logged(&["warning: ", "there is no token in realm Realm1"]);
}

#[test]
fn a_list_that_keeps_somebody_out_means_every_spelling() {
    let all_but = format!(
        "{NAMES}[mfa]\nprovider=http\n[http]\nserver_url=http://127.0.0.1:9\n[whitelist source=user_list]\nname=l\n\
         [user_list l]\nallow=all_users\nexcept=alice\n"
    );
    for (name, is) in PEOPLE {
        let got = verdict(&Place::new(), &authenticate(&all_but, json!({"gateway_user": name})));
        assert_eq!(got == "ACCEPT", *is == Other, "{name:?}");
    }
    for name in ["DOM/alice", "DOM+alice", "alice%x", "alice:x", "alice#1", "alice;x", "alice,x", "alice=x"] {
        let got = verdict(&Place::new(), &authenticate(&all_but, json!({"gateway_user": name})));
        assert_ne!(got, "ACCEPT", "{name:?}");
    }
}

#[test]
fn a_list_that_was_meant_with_another_separator_is_an_error_that_names_option_and_entry() {
    let user_list = |entry: &str| {
        format!(
            "[mfa]\nprovider=http\n[http]\nserver_url=http://127.0.0.1:9\n[whitelist source=user_list]\nname=l\n\
             [user_list l]\nallow=all_users\nexcept={entry}\n"
        )
    };
    let rule = |option: &str, entry: &str| {
        format!(
            "[access]\nprovider=rules\n[rule d]\n{option}={entry}\naction=deny\n[rule a]\naction=accept\n"
        )
    };
    for separator in ["/", "+", "&", ":", "=", "!", "~", "|", ";", " and ", " & ", "\\\\", "\u{ff0c}"] {
        let entry = format!("root{separator}oncall");
        let mut asked =
            vec![("[user_list l] except", authenticate(&user_list(&entry), json!({"gateway_user": "root"})))];
        for option in ["users", "accounts", "hosts", "protocols", "networks"] {
            asked.push((option, authorize(&rule(option, &entry), json!({}))));
        }
        let text = format!("[four_eyes]\nrealms=default:1\nconnections={entry}\n");
        asked.push(("[four_eyes] connections", authenticate(&text, json!({}))));
        for (option, invocation) in asked {
            let ended = Place::new().hook(&invocation);
            assert_eq!(
                (ended.verdict().as_str(), ended.status),
                ("DENY", Some(2)),
                "{option} {entry}: {ended:?}"
            );
            assert!(
                ended.stderr.contains(option) && ended.stderr.contains(&entry),
                "{option} {entry}: {ended:?}"
            );
        }
    }
}

#[test]
fn an_explicit_mapping_gives_a_person_two_names_in_both_directions() {
    let place = Place::new();
    for (user, secret) in [("john.doe", KEY), ("alice", "3938373635343332313039383736353433323130")] {
        let words =
            ["token", "enroll", "--type", "hotp", "--user", user, "--secret-hex", secret, "--pin", "1234"];
        assert_eq!(place.run(&words, "").status, Some(0));
    }
    let demand = "[usermapping source=explicit]\njdoe=john.doe\nalice=a.smith\n\
        [four_eyes]\nrealms=default:1\nconnections=*\nrequester=excluded\n";
    let ask = |name: &str, otp: &str| {
        let arguments = json!({"gateway_user": name, "key_value_pairs": {"otp": otp}});
        verdict(&place, &authenticate(demand, arguments))
    };
    for name in ["jdoe", "EVIL\\jdoe", "jdoe@evil", "jdoé", "JDOE", "john.doe"] {
        assert_eq!(ask(name, "john.doe:1234755224"), "DENY", "{name}");
    }
    // 469711 is the first code of alice's token.
    for name in ["alice", "a.smith", "EVIL\\a.smith"] {
        assert_eq!(ask(name, "alice:1234469711"), "DENY", "{name}");
    }
    assert_eq!(ask("bob", "john.doe:1234755224"), "ACCEPT");
}

#[test]
fn a_name_with_a_separator_of_other_systems_asks_for_no_approval() {
    let place = Place::new();
    let words =
        ["token", "enroll", "--type", "hotp", "--user", "alice", "--secret-hex", KEY, "--pin", "1234"];
    assert_eq!(place.run(&words, "").status, Some(0));
    let demand = "[four_eyes]\nrealms=default:1\nconnections=*\nrequester=excluded\n";
    for name in
        ["DOM/alice", "DOM+alice", "alice%DOM", "alice/admin", "alice#x", "\"alice\"", "cn=alice", "alice;x"]
    {
        let arguments = json!({"gateway_user": name, "key_value_pairs": {"otp": "alice:1234755224"}});
        assert_eq!(verdict(&place, &authenticate(demand, arguments)), "DENY", "{name}");
        let rules = "[access]\nprovider=rules\n[rule d]\nusers=alice\naction=deny\n[rule a]\naction=accept\n";
        if name.contains(['/', '+', '%']) {
            let denied = verdict(&Place::new(), &authorize(rules, json!({"gateway_user": name})));
            assert_eq!(denied, "DENY", "{name}");
        }
    }
}

#[test]
fn a_rule_that_denies_a_pattern_of_a_domain_means_both_ways_to_write_the_domain() {
    let ask = |names: &str, pattern: &str, user: &str| {
        let rules = format!(
            "[names]\ndomains={names}\n[access]\nprovider=rules\n[rule d]\nusers={pattern}\naction=deny\n[rule a]\naction=accept\n"
        );
        verdict(&Place::new(), &authorize(&rules, json!({"gateway_user": user})))
    };
    for (names, pattern, user) in [
        ("", "CORP\\svc_*", "svc_x@corp"),
        ("", "CORP\\*", "alice@corp"),
        ("", "CORP\\[a]lice", "alice@CORP"),
        ("", "a*@corp", "álice@corp"),
        ("CORP", "*@corp", "CORP\\alice"),
        ("CORP", "a*@corp", "alice"),
        ("CORP", "CORP\\*", "alice"),
    ] {
        assert_eq!(ask(names, pattern, user), "DENY", "{pattern} {user}");
    }
    for (names, pattern, user) in
        [("", "CORP\\svc_*", "svc_x@other"), ("", "CORP\\*", "alice"), ("CORP", "CORP\\a*", "bob")]
    {
        assert_eq!(ask(names, pattern, user), "ACCEPT", "{pattern} {user}");
    }
}

#[test]
fn a_rule_that_denies_an_address_holds_where_the_address_is_not_known() {
    let rules = "[access]\nprovider=rules\n[rule d]\nhosts=10.1.2.3\naction=deny\n[rule a]\naction=accept\n";
    for host in ["db1.example.org", "167838211", "0x0a010203", "010.1.2.3"] {
        let arguments = json!({"server_hostname": host, "server_ip": null});
        assert_eq!(verdict(&Place::new(), &authorize(rules, arguments)), "DENY", "{host}");
    }
    let elsewhere = json!({"server_hostname": "db1.example.org", "server_ip": "192.0.2.1"});
    assert_eq!(verdict(&Place::new(), &authorize(rules, elsewhere)), "ACCEPT");
}

#[test]
fn sessions_without_an_address_share_no_remembered_authentication() {
    for address in [json!(null), json!("")] {
        let given = json!({"client_ip": address});
        assert_eq!(cached(given.clone(), given), "NEEDINFO");
    }
}

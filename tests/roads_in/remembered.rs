//! What the authentication cache keeps: which ways in are remembered for the next session, and where that counts.

use serde_json::json;

use crate::Given;
use crate::support::service::NOBODY;

const HTTP: &str = "[mfa]\nprovider=http\n[http]\nserver_url=http://SERVICE\ntoken=t0ken\n";
const LIST: &str = "[whitelist source=user_list]\nname=vip\n[user_list vip]\nallow=no_user\nexcept=alice\n";

/// A way that is open at first and closed afterwards.
struct Way {
    name: &'static str,
    configuration: fn() -> String,
    /// What is typed the first time.
    otp: &'static str,
    verdict: &'static str,
    /// What the metadata says of it.
    by: &'static str,
    /// Closes it: only the service is left, which says no.
    close: fn(&mut Given),
}

fn service_is_away() -> String {
    HTTP.replace("SERVICE", NOBODY)
}

fn service_is_back(given: &mut Given) {
    let address = given.service.address.to_string();
    given.instead(NOBODY, &address);
}

const NEVER: [Way; 7] = [
    Way {
        name: "an outage that is ignored",
        configuration: || format!("{}ignore_connection_error=yes\n", service_is_away()),
        otp: "anything",
        verdict: "ACCEPT",
        by: "ignore_connection_error",
        close: service_is_back,
    },
    Way {
        name: "a fallback to local tokens",
        configuration: || service_is_away().replace("=http\n", "=http\nfallback=local\n"),
        otp: "135790",
        verdict: "ACCEPT",
        by: "local",
        close: service_is_back,
    },
    Way {
        name: "a user list",
        configuration: || format!("{HTTP}{LIST}"),
        otp: "anything",
        verdict: "ACCEPT",
        by: "user_list vip",
        close: |given| given.instead("except=alice", "except=bob"),
    },
    Way {
        name: "a group",
        configuration: || {
            format!(
                "{HTTP}[ldap_server]\nname=ad\n[whitelist source=ldap_server_group]\nallow=no_user\nexcept=dba\n"
            )
        },
        otp: "anything",
        verdict: "ACCEPT",
        by: "ldap_server_group",
        close: |given| given.appliance["ldap_servers"]["ad"]["groups"] = json!({"dba": []}),
    },
    Way {
        name: "a connection that is skipped",
        configuration: || format!("{HTTP}[auth]\nskip_connections=legacy_db\n"),
        otp: "anything",
        verdict: "NONE",
        by: "",
        close: |given| given.instead("skip_connections=legacy_db", "skip_connections=legacy_web"),
    },
    Way {
        name: "an outage that is ignored, with a question after it",
        configuration: || {
            format!("{}ignore_connection_error=yes\n[question_1]\nprompt=Why?\nkey=why\n", service_is_away())
        },
        otp: "anything",
        verdict: "ACCEPT",
        by: "ignore_connection_error",
        close: service_is_back,
    },
    Way {
        name: "approvals of somebody else",
        configuration: || {
            "[mfa]\nprovider=local\n[four_eyes]\nrealms=ops:1\nconnections=legacy_*\n".to_owned()
        },
        otp: "bob:4321755224",
        verdict: "ACCEPT",
        by: "local",
        close: |given| given.instead("connections=legacy_*", "connections=other"),
    },
];

fn begun(configuration: &str) -> Given {
    let mut given = Given::new(&format!("{configuration}[authentication_cache]\nreuse_limit=9\n"));
    given.appliance = json!({"ldap_servers": {"ad": {"users": {"alice": {}}, "groups": {"dba": ["alice"]}}}});
    given.token("enroll --type spass --serial ALICE --user alice --pin 135790");
    given.token("enroll --type hotp --serial BOB --user bob@ops --pin 4321 --secret-hex 3132333435363738393031323334353637383930");
    given
}

/// A session of its own, under this connection policy, in which this is typed.
fn login(given: &mut Given, session: &str, policy: &str, otp: &str) -> (String, String) {
    given.argument("session_id", json!(session));
    given.argument("connection_name", json!(policy));
    given.argument("key_value_pairs", json!({"otp": otp, "why": "to mend it"}));
    let ended = given.ask();
    (ended.verdict(), given.by(&ended))
}

fn pair(verdict: &str, by: &str) -> (String, String) {
    (verdict.to_owned(), by.to_owned())
}

#[test]
fn outages_fallbacks_whitelists_and_skipped_connections_are_never_remembered() {
    for way in NEVER {
        let mut given = begun(&(way.configuration)());
        let first = login(&mut given, "s1", "legacy_db", way.otp);
        assert_eq!(first, pair(way.verdict, way.by), "{}", way.name);
        (way.close)(&mut given);
        let next = login(&mut given, "s2", "legacy_db", "000000");
        assert_eq!(next, pair("DENY", ""), "{}", way.name);
    }
}

#[test]
fn what_the_provider_accepted_is_remembered_for_every_provider() {
    for (configuration, otp, by) in [
        (HTTP, "123456", "http otp"),
        ("[mfa]\nprovider=linotp\n[linotp]\nserver_url=http://SERVICE\n", "123456", "linotp otp"),
        ("[mfa]\nprovider=local\n", "135790", "local"),
    ] {
        let mut given = begun(configuration);
        assert_eq!(login(&mut given, "s1", "legacy_db", otp), pair("ACCEPT", by));
        assert_eq!(login(&mut given, "s2", "legacy_db", "000000"), pair("ACCEPT", "authentication_cache"));
    }
}

#[test]
fn policies_that_share_remember_for_each_other_and_for_no_third() {
    for (share, together, apart) in [
        ("legacy_db, legacy_web", ["legacy_db", "legacy_web"], "legacy_mail"),
        ("legacy_*", ["legacy_web", "legacy_db"], "modern_db"),
        ("legacy_*, modern_[a-d]*", ["modern_db", "legacy_db"], "modern_web"),
    ] {
        let begin = || {
            let mut given = begun(HTTP);
            given.configuration.push_str(&format!("share_connections={share}\n"));
            given
        };
        let by_cache = pair("ACCEPT", "authentication_cache");
        let mut given = begin();
        assert_eq!(login(&mut given, "s1", together[0], "123456"), pair("ACCEPT", "http otp"), "{share}");
        assert_eq!(login(&mut given, "s2", together[1], "000000"), by_cache, "{share}");
        assert_eq!(login(&mut given, "s3", together[0], "000000"), by_cache, "{share}");
        assert_eq!(login(&mut given, "s4", apart, "000000"), pair("DENY", ""), "{share}");
        // Neither do they take what the third one remembers, which counts there.
        let mut given = begin();
        assert_eq!(login(&mut given, "s1", apart, "123456"), pair("ACCEPT", "http otp"), "{share}");
        for (session, policy) in ["s2", "s3"].into_iter().zip(together) {
            assert_eq!(login(&mut given, session, policy, "000000"), pair("DENY", ""), "{share} {policy}");
        }
        assert_eq!(login(&mut given, "s4", apart, "000000"), by_cache, "{share}");
    }
}

//! Directories that are slow, broken or hostile, and their certificates. None of them lets anybody in.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use sps_plugin::appliance::Appliance;
use sps_plugin::clock::{Budget, Clock, UnixTime};
use sps_plugin::config::ini::Ini;
use sps_plugin::config::reference::NothingElse;
use sps_plugin::config::settings::Settings;
use sps_plugin::directory::ldap::{Directories, LdapError};
use sps_plugin::logging::Log;

use crate::support::ldap::{ALICE, Asked, READER, directory, section, serve, tlv};
use crate::support::pki::{Ca, Identity, as_value, server};
use crate::support::service::{Connection, NOBODY, Service};
use crate::support::{Ended, Place, authenticate};
use crate::{COMMUNICATION_ERROR, UNREACHABLE};

/// Alice's password, checked by a directory at an address; `more` goes on in its section.
fn login(url: &str, more: &str) -> Value {
    let configuration = format!("[mfa]\nprovider=ldap\n[ldap]\nserver=ad\n{}{more}", section(url));
    authenticate(&configuration, json!({"key_value_pairs": {"otp": ALICE}}))
}

/// A whitelist for everybody but the members of dev, which is the easier to get onto; behind it nobody gets in.
fn whitelist(url: &str, more: &str) -> Value {
    let configuration = format!(
        "[mfa]\nprovider=http\n[http]\nserver_url=http://{NOBODY}\n[ldap_server]\nname=ad\n\
         [whitelist source=ldap_server_group]\nallow=all_users\nexcept=dev\n{}{more}",
        section(url)
    );
    authenticate(&configuration, json!({"key_value_pairs": {"otp": "123456"}}))
}

fn plain(service: &Service) -> String {
    format!("ldap://{}", service.address)
}

fn assert_no_secret(ended: &Ended) {
    for secret in [ALICE, READER] {
        assert!(!ended.stderr.contains(secret), "{ended:?}");
    }
}

#[test]
fn a_directory_that_works_lets_in_and_says_so() {
    let service = directory();
    let ended = Place::new().hook(&login(&plain(&service), ""));
    assert_eq!((ended.verdict().as_str(), ended.status), ("ACCEPT", Some(0)), "{ended:?}");
    ended.assert_logged(&["warning", "uses unencrypted ldap"]);
    assert_no_secret(&ended);
    let ended = Place::new().hook(&whitelist(&plain(&service), ""));
    assert_eq!(ended.verdict(), "ACCEPT", "{ended:?}");
}

#[test]
fn what_is_wrong_with_a_password_is_for_the_log_and_not_for_the_user() {
    let service = directory();
    let mut hook = login(&plain(&service), "");
    hook["arguments"]["key_value_pairs"]["otp"] = json!("wr0ng-pw");
    let wrong = Place::new().hook(&hook);
    wrong.assert_denied("Authentication failed", 0);
    wrong.assert_logged(&["uid=alice,ou=people", "invalidCredentials (49)", "data 52e"]);
    hook["arguments"]["gateway_user"] = json!("eve");
    let unknown = Place::new().hook(&hook);
    unknown.assert_logged(&["user eve", "not there"]);
    let shown = |ended: &Ended| {
        let response = ended.response();
        (response["reason"].clone(), response["additional_metadata"].clone())
    };
    assert_eq!(shown(&wrong), shown(&unknown));
    for ended in [wrong, unknown] {
        assert!(
            !ended.stderr.contains("wr0ng-pw") && !ended.stderr.contains("AcceptSecurityContext"),
            "{ended:?}"
        );
    }
}

type Script = fn(&mut Connection);

/// Answers properly up to the first search, and leaves that to the script.
fn at_the_search(connection: &mut Connection, answer: impl FnOnce(&mut Connection, &Asked)) {
    while let Some(asked) = Asked::read(connection) {
        if asked.tag == 0x63 {
            answer(connection, &asked);
            return;
        }
        connection.send(asked.result(0));
    }
}

/// Sends a byte every 50 ms until the client has gone; 100 s are the bound if it stays.
fn by_the_byte(connection: &mut Connection, bytes: &[u8]) {
    for byte in bytes.iter().cycle().take(2000) {
        if !connection.send([*byte]) {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

const SLOW: [(&str, Script); 5] = [
    ("takes the connection and says nothing", Connection::keep_silent),
    ("takes the search and says nothing", |connection| {
        at_the_search(connection, |connection, _| connection.keep_silent());
    }),
    ("sends a long entry by the byte", |connection| {
        at_the_search(connection, |connection, asked| {
            by_the_byte(connection, &asked.entry("uid=alice,ou=people", &[("uid", &"x".repeat(5000))]));
        });
    }),
    ("sends references by the byte", |connection| {
        at_the_search(connection, |connection, asked| {
            by_the_byte(connection, &asked.message(0x73, &tlv(4, b"ldap://elsewhere/")));
        });
    }),
    ("stops in the middle of a message", |connection| {
        at_the_search(connection, |connection, asked| {
            let entry = asked.entry("uid=alice,ou=people", &[("uid", "alice")]);
            connection.send(&entry[..entry.len().saturating_sub(3)]);
            connection.keep_silent();
        });
    }),
];

#[test]
fn a_slow_directory_is_given_up_after_its_timeout_or_the_time_of_the_hook() {
    for (name, script) in SLOW {
        let service = Service::plain(script);
        for more in ["timeout=0.5\n", "timeout=600\n[plugin]\ntime_budget=0.5\n"] {
            let ended = Place::new().hook(&login(&plain(&service), more));
            assert_eq!(ended.verdict(), "DENY", "{name}: {ended:?}");
            ended.assert_denied(UNREACHABLE, 0);
            assert_no_secret(&ended);
        }
        let ended = Place::new().hook(&whitelist(&plain(&service), "timeout=0.5\n"));
        assert_eq!((ended.verdict().as_str(), ended.status), ("DENY", Some(0)), "{name}: {ended:?}");
        ended.assert_logged(&["warning", "the group whitelist is not checked"]);
    }
}

#[test]
fn a_directory_that_is_not_there_or_hangs_up_is_unreachable() {
    for url in [format!("ldap://{NOBODY}"), "ldap://no-such-host.invalid".to_owned()] {
        let ended = Place::new().hook(&login(&url, "timeout=5\n"));
        ended.assert_denied(UNREACHABLE, 0);
        ended.assert_logged(&["error", "cannot be reached"]);
    }
    let scripts: [Script; 3] = [
        |_| {},
        |connection| drop(Asked::read(connection)),
        |connection| at_the_search(connection, |_, _| {}),
    ];
    for script in scripts {
        let service = Service::plain(script);
        Place::new().hook(&login(&plain(&service), "")).assert_denied(UNREACHABLE, 0);
    }
    // Half an answer is a broken answer.
    let service = Service::plain(|connection| {
        at_the_search(connection, |connection, asked| {
            connection.send(&asked.entry("uid=alice,ou=people", &[("uid", "alice")])[..20]);
        });
    });
    Place::new().hook(&login(&plain(&service), "")).assert_denied(COMMUNICATION_ERROR, 0);
}

/// Directories that answer something else than LDAP says. The first of each pair is what it is.
const BROKEN: [(&str, Script); 17] = [
    ("another protocol", |connection| {
        connection.anything();
        connection.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    }),
    ("noise", |connection| {
        connection.anything();
        connection.send([0, 159, 146, 150].repeat(1000));
    }),
    ("a message of 2 GB", |connection| {
        connection.anything();
        connection.send(b"\x30\x84\x7f\xff\xff\xff");
        connection.keep_silent();
    }),
    ("a length of eight bytes", |connection| {
        connection.anything();
        connection.send(
            b"\x30\x88\x00\x00\x00\x00\x00\x00\x00\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00",
        );
    }),
    ("a message without a length", |connection| {
        connection.anything();
        connection.send(b"\x30\x80\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00\x00\x00");
    }),
    ("a success for another request", |connection| {
        connection.anything();
        connection.send(b"\x30\x0c\x02\x01\x07\x61\x07\x0a\x01\x00\x04\x00\x04\x00");
    }),
    ("a success with a negative number", |connection| {
        connection.anything();
        connection.send(b"\x30\x0c\x02\x01\xff\x61\x07\x0a\x01\x00\x04\x00\x04\x00");
    }),
    ("a result without its texts", |connection| {
        connection.anything();
        connection.send(b"\x30\x08\x02\x01\x01\x61\x03\x0a\x01\x00");
    }),
    ("a negative result", |connection| {
        connection.anything();
        connection.send(b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\xff\x04\x00\x04\x00");
    }),
    ("an entry for a bind", |connection| {
        let Some(asked) = Asked::read(connection) else { return };
        connection.send(asked.entry("uid=alice,ou=people", &[]));
    }),
    ("a bind's success for a search", |connection| {
        at_the_search(connection, |connection, asked| {
            connection.send(asked.message(0x61, &[tlv(10, &[0]), tlv(4, b""), tlv(4, b"")].concat()));
        });
    }),
    ("entries without end", |connection| {
        at_the_search(connection, |connection, asked| {
            let entry = asked.entry("uid=alice,ou=people", &[("uid", "alice")]);
            for _ in 0..100_000 {
                if !connection.send(&entry) {
                    return;
                }
            }
        });
    }),
    ("references without end", |connection| {
        at_the_search(connection, |connection, asked| {
            let reference = asked.message(0x73, &tlv(4, b"ldap://elsewhere/")).repeat(100);
            for _ in 0..1000 {
                if !connection.send(&reference) {
                    return;
                }
            }
        });
    }),
    ("an entry of 2 MB", |connection| {
        at_the_search(connection, |connection, asked| {
            connection.send(asked.entry("uid=alice,ou=people", &[("uid", &"x".repeat(2_000_000))]));
        });
    }),
    ("an entry with a million values", |connection| {
        at_the_search(connection, |connection, asked| {
            let values = tlv(0x31, &b"\x04\x00".repeat(300_000));
            let attribute = tlv(0x30, &[tlv(4, b"uid"), values].concat());
            connection.send(asked.message(0x64, &[tlv(4, b"cn=x"), tlv(0x30, &attribute)].concat()));
        });
    }),
    ("a name that is not UTF-8", |connection| {
        at_the_search(connection, |connection, asked| {
            connection.send(asked.message(0x64, &[tlv(4, b"\xff\xfe"), tlv(0x30, b"")].concat()));
        });
    }),
    ("a referral to another server", |connection| {
        at_the_search(connection, |connection, asked| {
            connection.send(asked.result(10));
        });
    }),
];

#[test]
fn a_broken_answer_is_a_communication_error_and_whitelists_nobody() {
    for (name, script) in BROKEN {
        let service = Service::plain(script);
        let ended = Place::new().hook(&login(&plain(&service), ""));
        assert_eq!(ended.verdict(), "DENY", "{name}: {ended:?}");
        assert_eq!(ended.response()["reason"], COMMUNICATION_ERROR, "{name}: {ended:?}");
        assert_eq!((ended.status, service.connections()), (Some(0), 1), "{name}");
        assert_no_secret(&ended);
        let ended = Place::new().hook(&whitelist(&plain(&service), ""));
        assert_eq!(ended.verdict(), "DENY", "{name}: {ended:?}");
    }
}

#[test]
fn an_answer_to_the_users_bind_that_is_no_plain_yes_is_none() {
    for (code, reason) in [
        (1, COMMUNICATION_ERROR),
        (10, COMMUNICATION_ERROR),
        (14, COMMUNICATION_ERROR),
        (48, "Authentication failed"),
        (49, "Authentication failed"),
        (51, UNREACHABLE),
        (52, UNREACHABLE),
        (53, "Authentication failed"),
        (80, COMMUNICATION_ERROR),
    ] {
        let service = Service::plain(move |connection| {
            while let Some(asked) = Asked::read(connection) {
                if asked.tag == 0x60 {
                    let reader = asked.text(1) == "cn=reader";
                    connection.send(asked.result(if reader { 0 } else { code }));
                } else {
                    connection.send(asked.entry("uid=alice,ou=people", &[("uid", "alice")]));
                    connection.send(asked.result(0));
                }
            }
        });
        let ended = Place::new().hook(&login(&plain(&service), ""));
        assert_eq!(ended.verdict(), "DENY", "{code}: {ended:?}");
        ended.assert_denied(reason, 0);
    }
}

#[test]
fn a_list_of_pages_without_end_is_given_up() {
    // As groups_of and nested groups read lists; the entry is always the same, and there is always a next page.
    let service = Service::plain(|connection| {
        while let Some(asked) = Asked::read(connection) {
            if asked.tag == 0x60 {
                connection.send(asked.result(0));
                continue;
            }
            if asked.text(0) == "ou=people" {
                connection.send(asked.entry("uid=alice,ou=people", &[("uid", "alice")]));
            } else if asked.parts[1].1 == [2] {
                connection.send(asked.entry("cn=dev,ou=groups", &[("cn", "dev")]));
            }
            let cookie = tlv(0x30, &[tlv(2, &[0]), tlv(4, b"more")].concat());
            let control = tlv(0x30, &[tlv(4, b"1.2.840.113556.1.4.319"), tlv(4, &cookie)].concat());
            let done = tlv(0x65, &[tlv(10, &[0]), tlv(4, b""), tlv(4, b"")].concat());
            connection.send(tlv(0x30, &[tlv(2, &asked.id), done, tlv(0xa0, &control)].concat()));
        }
    });
    let ended = Place::new().hook(&whitelist(&plain(&service), ""));
    assert_eq!(ended.verdict(), "DENY", "{ended:?}");
    ended.assert_logged(&["warning", "more than is taken"]);
}

#[test]
fn groups_that_are_in_each_other_are_walked_once_and_a_chain_without_end_is_given_up() {
    let groups = |next: fn(u32) -> u32| {
        Service::plain(move |connection| {
            while let Some(asked) = Asked::read(connection) {
                if asked.tag == 0x60 {
                    connection.send(asked.result(0));
                    continue;
                }
                let filter = String::from_utf8_lossy(&asked.parts[6].1).into_owned();
                if asked.text(0) == "ou=people" {
                    connection.send(asked.entry("uid=alice,ou=people", &[("uid", "alice")]));
                } else if asked.parts[1].1 == [2] && !filter.contains("dev") {
                    // The group that the last one is in.
                    let last = filter.rsplit_once("cn=g").and_then(|(_, rest)| rest.split_once(','));
                    let last = last.and_then(|(number, _)| number.parse().ok()).unwrap_or(0);
                    let name = format!("g{}", next(last));
                    connection.send(asked.entry(&format!("cn={name},ou=groups"), &[("cn", &name)]));
                } else if asked.parts[1].1 == [2] {
                    connection.send(asked.entry("cn=dev,ou=groups", &[("cn", "dev")]));
                }
                connection.send(asked.result(0));
            }
        })
    };
    let circle = groups(|last| if last == 2 { 0 } else { last.saturating_add(1) });
    let ended = Place::new().hook(&whitelist(&plain(&circle), ""));
    assert_eq!(ended.verdict(), "ACCEPT", "none of them is dev: {ended:?}");
    let endless = groups(|last| last.saturating_add(1));
    let ended = Place::new().hook(&whitelist(&plain(&endless), ""));
    assert_eq!(ended.verdict(), "DENY", "{ended:?}");
    ended.assert_logged(&["warning", "nested too deep"]);
}

#[test]
fn the_next_server_is_asked_where_one_is_down_and_not_where_it_refuses() {
    let up = directory();
    let hangs_up = Service::plain(|connection| at_the_search(connection, |_, _| {}));
    let busy = Service::plain(|connection| {
        while let Some(asked) = Asked::read(connection) {
            connection.send(asked.result(51));
        }
    });
    let urls = format!("ldap://{NOBODY}, {}, {}, {}", plain(&hangs_up), plain(&busy), plain(&up));
    let ended = Place::new().hook(&login(&urls, ""));
    assert_eq!(ended.verdict(), "ACCEPT", "{ended:?}");
    assert_eq!((hangs_up.connections(), busy.connections(), up.connections()), (1, 1, 1));
    ended.assert_logged(&["warning", "asking the next server"]);

    let refuses = Service::plain(|connection| {
        while let Some(asked) = Asked::read(connection) {
            connection.send(asked.result(49));
        }
    });
    let ended = Place::new().hook(&login(&format!("{}, {}", plain(&refuses), plain(&up)), ""));
    ended.assert_denied(COMMUNICATION_ERROR, 0);
    assert_eq!((refuses.connections(), up.connections()), (1, 1));
}

#[test]
fn a_password_is_sent_once_even_where_the_answer_does_not_come() {
    let up = directory();
    let dies = Service::plain(|connection| {
        while let Some(asked) = Asked::read(connection) {
            if asked.tag == 0x60 && asked.text(1) != "cn=reader" {
                return;
            }
            if asked.tag == 0x63 {
                connection.send(asked.entry("uid=alice,ou=people", &[("uid", "alice")]));
            }
            connection.send(asked.result(0));
        }
    });
    let ended = Place::new().hook(&login(&format!("{}, {}", plain(&dies), plain(&up)), ""));
    ended.assert_denied(UNREACHABLE, 0);
    assert_eq!((dies.connections(), up.connections()), (1, 0));
}

/// A clock that stands still at the beginning.
struct Beginning;

impl Clock for Beginning {
    fn now(&self) -> UnixTime {
        UnixTime::from_secs(0)
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

#[test]
fn rules_that_speak_of_groups_get_all_that_a_user_is_in_or_an_error() {
    let service = directory();
    let mut ini = Ini::new();
    ini.read_str("plugin.ini", &section(&plain(&service))).unwrap();
    let (log, appliance) = (Log::new(Box::new(std::io::sink())), Appliance::default());
    let settings = Settings::new(ini, &NothingElse);
    let budget = Budget::new(&Beginning, Duration::from_secs(30));
    let directories = Directories { settings: &settings, appliance: &appliance, log: &log, budget };
    let ad = directories.find("ad").unwrap();
    let mut groups = ad.groups_of("Alice").unwrap();
    groups.sort_unstable();
    assert_eq!(groups, ["dba", "ops"]);
    assert_eq!(ad.groups_of("bob").unwrap(), ["dev"]);
    for nobody in ["eve", "twin", "*", ""] {
        assert!(matches!(ad.groups_of(nobody), Err(LdapError::UserNotFound(_))), "{nobody}");
    }
    assert_eq!(service.connections(), 1, "one connection serves them all");
}

fn over_tls(identity: &Identity) -> Service {
    Service::tls(server(identity, None), serve)
}

fn trusting(ca: &Ca) -> String {
    format!("[tls]\nca_cert={}\n", as_value(&ca.pem()))
}

#[test]
fn a_directorys_certificate_is_believed_as_that_of_any_other_server() {
    let ca = Ca::new("own");
    let good = over_tls(&ca.issue("127.0.0.1"));
    let ended = Place::new().hook(&login(&format!("ldaps://{}", good.address), &trusting(&ca)));
    assert_eq!(ended.verdict(), "ACCEPT", "{ended:?}");
    assert!(!ended.stderr.contains("warning"), "{}", ended.stderr);
    for (name, identity) in [
        ("another authority", Ca::new("other").issue("127.0.0.1")),
        ("another host", ca.issue("dc1.example.org")),
        ("another address", ca.issue("127.0.0.2")),
        ("expired", ca.issue_expired("127.0.0.1")),
    ] {
        let service = over_tls(&identity);
        let url = format!("ldaps://{}", service.address);
        let ended = Place::new().hook(&login(&url, &trusting(&ca)));
        assert_eq!(ended.verdict(), "DENY", "{name}: {ended:?}");
        ended.assert_denied(COMMUNICATION_ERROR, 0);
        ended.assert_logged(&["error", "invalid peer certificate"]);
        let ended = Place::new().hook(&login(&url, "[tls]\nverify=no\n"));
        assert_eq!(ended.verdict(), "ACCEPT", "{name}: {ended:?}");
        ended.assert_logged(&["warning", "[tls] verify=no"]);
    }
}

#[test]
fn tls_that_is_switched_off_or_asked_for_twice_or_for_some_servers_is_a_configuration_error() {
    let ca = Ca::new("own");
    let service = over_tls(&ca.issue("127.0.0.1"));
    let url = format!("ldaps://{}", service.address);
    for (url, more, place) in [
        (url.clone(), format!("{}enabled=no\n", trusting(&ca)), "[tls] enabled"),
        (url.clone(), format!("starttls=yes\n{}", trusting(&ca)), "[ldap_server ad] starttls"),
        (format!("{url}, ldap://{}", service.address), trusting(&ca), "[ldap_server ad] url"),
        (url, "[tls]\nca_cert=none\n".to_owned(), "[tls] ca_cert"),
    ] {
        let ended = Place::new().hook(&login(&url, &more));
        ended.assert_denied("Plugin configuration error", 2);
        ended.assert_logged(&["error", place]);
    }
    assert_eq!(service.connections(), 0);
}

#[test]
fn starttls_that_is_refused_or_answered_with_more_than_an_answer_gets_no_password() {
    let ca = Ca::new("own");
    let scripts: [(&str, Script); 3] = [
        ("refused", |connection| {
            while let Some(asked) = Asked::read(connection) {
                assert_eq!(asked.tag, 0x77);
                connection.send(asked.result(2));
            }
        }),
        ("with a success for a bind behind it", |connection| {
            if let Some(asked) = Asked::read(connection) {
                let bind = b"\x30\x0c\x02\x01\x02\x61\x07\x0a\x01\x00\x04\x00\x04\x00";
                connection.send([asked.result(0), bind.to_vec()].concat());
                connection.keep_silent();
            }
        }),
        ("and plain text goes on", |connection| {
            while let Some(asked) = Asked::read(connection) {
                connection.send(asked.result(0));
            }
        }),
    ];
    for (name, script) in scripts {
        let service = Service::plain(script);
        let more = format!("starttls=yes\ntimeout=2\n{}", trusting(&ca));
        let ended = Place::new().hook(&login(&plain(&service), &more));
        assert_eq!(ended.verdict(), "DENY", "{name}: {ended:?}");
        assert_eq!(ended.status, Some(0), "{name}");
        assert!(!ended.stderr.contains("unencrypted ldap"), "{name}: {ended:?}");
        assert_no_secret(&ended);
    }
}

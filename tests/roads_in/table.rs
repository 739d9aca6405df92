//! The roads, and what may be missing on each.

use std::fs;

use serde_json::json;

use crate::Given;
use crate::support::radius::{ACCEPT, Asked, CHALLENGE, Mac80, REJECT, RadiusServer, SECRET};
use crate::support::service::{NOBODY, Service, reply};
use crate::support::{Place, yubico};

pub(crate) type Variation = (&'static str, fn(&mut Given));

pub(crate) struct Road {
    /// The constructor in `evidence.rs`, or what else opens the road.
    pub(crate) name: &'static str,
    pub(crate) what_it_takes: &'static str,
    pub(crate) given: fn() -> Given,
    pub(crate) verdict: &'static str,
    /// What the metadata says.
    pub(crate) by: &'static str,
    pub(crate) with_one_thing_less: &'static [Variation],
}

const FACTOR: &str = "[mfa]\nprovider=http\n[http]\nserver_url=http://SERVICE\ntoken=t0ken\n";

/// Puts another RADIUS server in the place of the one that is there.
pub(crate) fn answering(given: &mut Given, script: fn(&Asked) -> Vec<u8>) {
    let server = RadiusServer::answering(move |_, asked| vec![script(asked)]);
    let before = given.radius.as_ref().map_or("RADIUS".to_owned(), |radius| radius.address.to_string());
    given.instead(&before, &server.address.to_string());
    given.radius = Some(server);
}

pub(crate) const ROADS: [Road; 21] = [
    Road {
        name: "user_list",
        what_it_takes: "a user whom the appliance's list names",
        given: || {
            let mut given = Given::new(&format!("{FACTOR}[whitelist source=user_list]\nname=vip\n"));
            given.appliance =
                json!({"user_lists": {"vip": {"allow": "no_user", "except": ["alice", "root"]}}});
            given
        },
        verdict: "ACCEPT",
        by: "user_list vip",
        with_one_thing_less: &[
            ("another user", |given| given.argument("gateway_user", json!("bob"))),
            ("the user in capitals", |given| given.argument("gateway_user", json!("Alice"))),
            ("a blank behind the user", |given| given.argument("gateway_user", json!("alice "))),
            ("a part of the name", |given| given.argument("gateway_user", json!("alic"))),
            ("a longer name", |given| given.argument("gateway_user", json!("alice@evil.example"))),
            ("no user", |given| given.argument("gateway_user", json!(null))),
            ("an empty user", |given| given.argument("gateway_user", json!(""))),
            ("a list without the user", |given| {
                given.appliance["user_lists"]["vip"]["except"] = json!(["root"])
            }),
            ("an empty list", |given| given.appliance["user_lists"]["vip"]["except"] = json!([])),
            ("a list that allows all but the user", |given| {
                given.appliance["user_lists"]["vip"]["allow"] = json!("all_users")
            }),
            ("a list that allows something else", |given| {
                given.appliance["user_lists"]["vip"]["allow"] = json!("some")
            }),
            ("a list of another name", |given| given.instead("name=vip", "name=other")),
            ("no list on the appliance", |given| given.appliance = json!({})),
            ("no name of a list", |given| given.instead("name=vip\n", "")),
            ("an empty name of a list", |given| given.instead("name=vip", "name=")),
            ("another section", |given| given.instead("source=user_list", "source=userlist")),
        ],
    },
    Road {
        name: "user_list",
        what_it_takes: "a user whom the configuration's list does not except",
        given: || {
            Given::new(&format!(
                "{FACTOR}[whitelist source=user_list]\nname=vip\n[user_list vip]\nallow=all_users\nexcept=root, bob\n"
            ))
        },
        verdict: "ACCEPT",
        by: "user_list vip",
        with_one_thing_less: &[
            ("an excepted user", |given| given.argument("gateway_user", json!("bob"))),
            ("the user excepted too", |given| given.instead("root, bob", "root, alice")),
            ("a list that allows nobody", |given| given.instead("all_users", "no_user")),
            ("a list that says neither", |given| given.instead("allow=all_users\n", "")),
            ("a list that says something else", |given| given.instead("all_users", "everybody")),
            ("no list", |given| given.instead("[user_list vip]", "[user_list other]")),
            ("the appliance's list of this name, which goes first", |given| {
                given.appliance = json!({"user_lists": {"vip": {"allow": "no_user", "except": []}}});
            }),
        ],
    },
    Road {
        name: "ldap_group",
        what_it_takes: "a user who is in one of the groups",
        given: || {
            let mut given = Given::new(&format!(
                "{FACTOR}[ldap_server]\nname=ad\n[whitelist source=ldap_server_group]\nallow=no_user\nexcept=ops, dba\n"
            ));
            given.appliance = json!({"ldap_servers": {"ad": {"users": {"alice": {}, "bob": {}},
                "groups": {"dba": ["alice"], "dev": ["bob"]}}}});
            given
        },
        verdict: "ACCEPT",
        by: "ldap_server_group",
        with_one_thing_less: &[
            ("a user in another group", |given| given.argument("gateway_user", json!("bob"))),
            ("a user in capitals", |given| given.argument("gateway_user", json!("ALICE"))),
            ("a user whom the directory does not know", |given| {
                given.argument("gateway_user", json!("mallory"))
            }),
            ("a member whom the directory does not know", |given| {
                given.appliance["ldap_servers"]["ad"]["users"] = json!({"bob": {}})
            }),
            ("a directory that did not answer", |given| {
                given.appliance["ldap_servers"]["ad"]["users"] = json!(null)
            }),
            ("a directory that is not there", |given| given.appliance = json!({})),
            ("a directory of another name", |given| given.instead("name=ad", "name=other")),
            ("no directory named", |given| given.instead("name=ad\n", "")),
            ("a group without the user", |given| {
                given.appliance["ldap_servers"]["ad"]["groups"]["dba"] = json!([])
            }),
            ("the group not in the list", |given| given.instead("ops, dba", "ops")),
            ("the group in capitals", |given| given.instead("dba", "DBA")),
            ("no list of groups", |given| given.instead("except=ops, dba\n", "")),
            ("an empty list of groups", |given| given.instead("ops, dba", "")),
            ("all but the groups", |given| given.instead("no_user", "all_users")),
            ("neither all nor nobody", |given| given.instead("allow=no_user\n", "")),
            ("something else than all or nobody", |given| given.instead("no_user", "some_users")),
        ],
    },
    Road {
        name: "ldap_group",
        what_it_takes: "a user who is in none of the groups that are excepted",
        given: || {
            let mut given = Given::new(&format!(
                "{FACTOR}[ldap_server]\nname=ad\n[whitelist source=ldap_server_group]\nallow=all_users\nexcept=ops\n"
            ));
            given.appliance = json!({"ldap_servers": {"ad": {"users": {"alice": {}, "bob": {}}, "groups": {"ops": ["bob"]}}}});
            given
        },
        verdict: "ACCEPT",
        by: "ldap_server_group",
        with_one_thing_less: &[
            ("a user in the group", |given| given.argument("gateway_user", json!("bob"))),
            ("a user whom the directory does not know", |given| {
                given.argument("gateway_user", json!("mallory"))
            }),
            ("a directory that did not answer", |given| {
                given.appliance["ldap_servers"]["ad"]["users"] = json!(null)
            }),
            ("a directory that is not there", |given| given.appliance = json!({})),
        ],
    },
    Road {
        name: "cache",
        what_it_takes: "a recent authentication of the same user from the same address, within `reuse_limit`",
        given: || {
            let given = Given::new(&format!(
                "{FACTOR}[authentication_cache]\nreuse_limit=1\nsoft_timeout=15\nhard_timeout=20\n"
            ));
            let mut seed = given;
            let first = seed.arguments.clone();
            seed.argument("session_id", json!("s0"));
            seed.argument("key_value_pairs", json!({"otp": "123456"}));
            let ended = seed.ask();
            assert_eq!(seed.by(&ended), "http otp", "{ended:?}");
            Given { arguments: first, clock: "1015", ..seed }
        },
        verdict: "ACCEPT",
        by: "authentication_cache",
        with_one_thing_less: &[
            ("another user", |given| given.argument("gateway_user", json!("bob"))),
            ("another address", |given| given.argument("client_ip", json!("10.1.2.4"))),
            ("no address", |given| given.argument("client_ip", json!(null))),
            ("another connection policy", |given| given.argument("connection_name", json!("legacy_web"))),
            ("no connection policy", |given| given.argument("connection_name", json!(null))),
            ("another provider", |given| {
                let address = given.service.address.to_string();
                given.instead("provider=http", "provider=linotp");
                given.configuration.push_str(&format!("[linotp]\nserver_url=http://{address}\n"));
            }),
            ("policies that share, of which this is the only one by now", |given| {
                given.instead("reuse_limit=1\n", "reuse_limit=1\nshare_connections=legacy_*\n");
            }),
            ("approvals demanded by now", |given| {
                given.configuration.push_str("[four_eyes]\nrealms=ops:1\nconnections=legacy_*\n");
            }),
            ("the user with an accent", |given| given.argument("gateway_user", json!("álice"))),
            ("the user with another domain", |given| given.argument("gateway_user", json!("alice@other"))),
            ("a moment too long since the last use", |given| given.clock = "1015.000001"),
            ("a moment too long since the authentication", |given| {
                given.instead("soft_timeout=15", "soft_timeout=100");
                given.clock = "1020.000001";
            }),
            ("a clock that was set back", |given| given.clock = "999.999999"),
            ("a shorter time allowed by now", |given| given.instead("soft_timeout=15", "soft_timeout=14")),
            ("the one use taken", |given| {
                let used = given.ask();
                assert_eq!(given.by(&used), "authentication_cache");
            }),
            ("the cache off", |given| given.instead("reuse_limit=1", "reuse_limit=0")),
            ("no limit written", |given| given.instead("reuse_limit=1\n", "")),
            ("a limit that is no number", |given| given.instead("reuse_limit=1", "reuse_limit=yes")),
            ("another state directory", |given| given.place = Place::new()),
            ("the state gone", |given| fs::remove_dir_all(given.place.state()).unwrap()),
            ("the state damaged", |given| {
                // The log alone would do: it holds all pages as long as it was not folded in.
                fs::remove_file(given.place.state().join("state.sqlite3-wal")).unwrap();
                fs::write(given.place.state().join("state.sqlite3"), "no database".repeat(1000)).unwrap();
            }),
        ],
    },
    Road {
        name: "factor",
        what_it_takes: "a password that the service accepts for this identity",
        given: || {
            let mut given = Given::new(FACTOR);
            given.argument("key_value_pairs", json!({"otp": "123456"}));
            given
        },
        verdict: "ACCEPT",
        by: "http otp",
        with_one_thing_less: &[
            ("another password", |given| given.argument("key_value_pairs", json!({"otp": "123457"}))),
            ("a blank behind the password", |given| {
                given.argument("key_value_pairs", json!({"otp": "123456 "}))
            }),
            ("an empty password", |given| given.argument("key_value_pairs", json!({"otp": ""}))),
            ("the password under another key", |given| {
                given.argument("key_value_pairs", json!({"OTP": "123456"}));
                given.argument("protocol", json!("ftp"));
            }),
            ("another user", |given| given.argument("gateway_user", json!("bob"))),
            ("another identity by mapping", |given| {
                given.instead("[mfa]", "[usermapping source=explicit]\nalice=bob\n[mfa]")
            }),
            ("another identity by transformation", |given| {
                given.instead("[mfa]", "[username_transform]\nappend_domain=x\n[mfa]")
            }),
            ("another token", |given| given.instead("t0ken", "token")),
            ("no token", |given| given.instead("token=t0ken\n", "")),
            ("no provider", |given| given.instead("provider=http\n", "")),
            ("an unknown provider", |given| given.instead("provider=http", "provider=https")),
            ("no address", |given| given.instead("server_url", "url")),
            ("a service that is not there", |given| {
                let address = given.service.address.to_string();
                given.instead(&address, NOBODY);
            }),
            ("another path", |given| given.replies(404, r#"{"result": "ACCEPT"}"#)),
        ],
    },
    Road {
        name: "factor",
        what_it_takes: "a password that LinOTP accepts for this identity",
        given: || {
            let mut given = Given::new("[mfa]\nprovider=linotp\n[linotp]\nserver_url=http://SERVICE\n");
            given.argument("key_value_pairs", json!({"otp": "123456"}));
            given
        },
        verdict: "ACCEPT",
        by: "linotp otp",
        with_one_thing_less: &[
            ("another password", |given| given.argument("key_value_pairs", json!({"otp": "123457"}))),
            ("an empty password", |given| given.argument("key_value_pairs", json!({"otp": ""}))),
            ("another user", |given| given.argument("gateway_user", json!("bob"))),
            ("another field in the user's name", |given| {
                given.argument("gateway_user", json!("alice&pass=123456"))
            }),
            ("another realm", |given| given.instead("[linotp]\n", "[linotp]\nrealm=other\n")),
            ("a realm in the name", |given| given.argument("gateway_user", json!("alice@other"))),
            ("a serial instead of a user", |given| {
                given.instead("[linotp]\n", "[linotp]\nserial_prefix=a\n")
            }),
            ("another section", |given| given.instead("[linotp]", "[LinOTP]")),
            ("another provider", |given| given.instead("provider=linotp", "provider=edumfa")),
            ("no address", |given| given.instead("server_url", "url")),
            ("a server that is not there", |given| {
                let address = given.service.address.to_string();
                given.instead(&address, NOBODY);
            }),
            ("a value that is no boolean", |given| {
                given.replies(200, r#"{"result": {"status": true, "value": 1}}"#);
            }),
            ("a status of false", |given| {
                given.replies(200, r#"{"result": {"status": false, "value": true}}"#);
            }),
            ("another status of HTTP", |given| {
                given.replies(404, r#"{"result": {"status": true, "value": true}}"#);
            }),
        ],
    },
    Road {
        name: "factor",
        what_it_takes: "a code of the user's own YubiKey that the validation server finds good",
        given: || {
            let mut given = Given::new(&yubico::asking("http://SERVICE/verify", ""));
            given.argument("key_value_pairs", json!({"otp": yubico::OTP}));
            given
        },
        verdict: "ACCEPT",
        by: "yubico otp",
        with_one_thing_less: &[
            ("another code", |given| {
                given.argument(
                    "key_value_pairs",
                    json!({"otp": "ccccccbchvthdvbtulidunrurkdljflirjnkvtldnbjt"}),
                )
            }),
            ("another key", |given| {
                given.argument(
                    "key_value_pairs",
                    json!({"otp": "vvgrkdnuvbchdvbtulidunrurkdljflirjnkvtldnbjr"}),
                )
            }),
            ("a code without a public id", |given| {
                given.argument("key_value_pairs", json!({"otp": "dvbtulidunrurkdljflirjnkvtldnbjr"}))
            }),
            ("an empty password", |given| given.argument("key_value_pairs", json!({"otp": ""}))),
            ("another user", |given| given.argument("gateway_user", json!("bob"))),
            ("another public id in the list", |given| given.instead(yubico::ID, "vvgrkdnuvbch")),
            ("a part of the public id in the list", |given| given.instead(yubico::ID, "ccccccbchvt")),
            ("nobody in the list", |given| given.instead("alice=ccccccbchvth\n", "")),
            ("no list", |given| given.instead("[yubikey_ids]\nalice=ccccccbchvth\n", "")),
            ("another client", |given| given.instead("client_id=1", "client_id=2")),
            ("another API key", |given| {
                given.instead(yubico::API_KEY, "YWJjZGVmZ2hpamtsbW5vcHFyc3U=");
            }),
            ("no API key", |given| given.instead("api_key=", "key=")),
            ("no address", |given| given.instead("api_urls=", "urls=")),
            ("another section", |given| given.instead("[yubikey]", "[yubico]")),
            ("a server that is not there", |given| {
                let address = given.service.address.to_string();
                given.instead(&address, NOBODY);
            }),
            ("a response without a signature", |given| given.replies(200, "status=OK\r\n")),
            ("another status of HTTP", |given| given.replies(404, "status=OK\r\n")),
        ],
    },
    Road {
        name: "factor",
        what_it_takes: "a RADIUS server's accept that is signed twice, for this user and password",
        given: || {
            let mut given = Given::new(&format!(
                "[mfa]\nprovider=radius\n[radius]\nserver=RADIUS\nsecret={SECRET}\nconn_timeout=0.2\nconn_retries=1\n"
            ));
            answering(&mut given, |asked| {
                let known = asked.is_signed() && asked.text(1) == "alice" && asked.password() == "123456";
                asked.answer(if known { ACCEPT } else { REJECT }, b"")
            });
            given.argument("key_value_pairs", json!({"otp": "123456"}));
            given
        },
        verdict: "ACCEPT",
        by: "radius otp",
        with_one_thing_less: &[
            ("another password", |given| given.argument("key_value_pairs", json!({"otp": "123457"}))),
            ("an empty password", |given| given.argument("key_value_pairs", json!({"otp": ""}))),
            ("another password under the key that goes first", |given| {
                given.argument("key_value_pairs", json!({"otp": "123456", "rp": "123457"}))
            }),
            ("another user", |given| given.argument("gateway_user", json!("bob"))),
            ("another user typed", |given| {
                given.argument("key_value_pairs", json!({"otp": "123456", "ru": "bob"}))
            }),
            ("another secret", |given| given.instead("secret=", "secret=x")),
            ("no secret", |given| given.instead(&format!("secret={SECRET}\n"), "")),
            ("an empty secret", |given| given.instead(SECRET, "")),
            ("no server", |given| given.instead("server=", "servers=")),
            ("a server that is not there", |given| {
                given.radius = None;
                given.instead("server=127.0.0.1", "server=127.77.0.1");
            }),
            ("an accept without Message-Authenticator", |given| {
                answering(given, |asked| asked.reply(ACCEPT, b"", Mac80::Absent))
            }),
            ("an accept with a wrong Message-Authenticator", |given| {
                answering(given, |asked| asked.reply(ACCEPT, b"", Mac80::Wrong))
            }),
            ("an accept with a wrong Response Authenticator", |given| {
                answering(given, |asked| {
                    let mut reply = asked.answer(ACCEPT, b"");
                    reply[19] ^= 0x80;
                    reply
                });
            }),
            ("an accept for another request", |given| {
                answering(given, |asked| {
                    let mut other = asked.clone();
                    other.bytes[1] ^= 1;
                    other.answer(ACCEPT, b"")
                });
            }),
            ("an accept with a Proxy-State", |given| {
                answering(given, |asked| asked.answer(ACCEPT, b"\x21\x03P"))
            }),
            ("a code that is none of the three", |given| answering(given, |asked| asked.answer(1, b""))),
            ("a challenge without State", |given| answering(given, |asked| asked.answer(CHALLENGE, b""))),
        ],
    },
    Road {
        name: "factor",
        what_it_takes: "the written word that there is no factor",
        given: || Given::new("[mfa]\nprovider=none\n"),
        verdict: "ACCEPT",
        by: "none",
        with_one_thing_less: &[
            ("another word", |given| given.instead("none", "no")),
            ("an empty word", |given| given.instead("none", "")),
            ("no word", |given| given.instead("provider=none\n", "")),
            ("another section", |given| given.instead("[mfa]", "[MFA]")),
            ("no user", |given| given.argument("gateway_user", json!(null))),
        ],
    },
    Road {
        name: "factor",
        what_it_takes: "a service that cannot be reached, local tokens that are to answer then, and one's own PIN",
        given: || {
            let mut given = Given::new(&format!(
                "[mfa]\nprovider=http\nfallback=local\n[http]\nserver_url=http://{NOBODY}\nignore_connection_error=yes\n"
            ));
            given.token("enroll --type spass --serial S1 --user alice --pin 1357");
            given.argument("key_value_pairs", json!({"otp": "1357"}));
            given
        },
        verdict: "ACCEPT",
        by: "local",
        with_one_thing_less: &[
            ("another PIN", |given| given.argument("key_value_pairs", json!({"otp": "1358"}))),
            ("an empty PIN", |given| given.argument("key_value_pairs", json!({"otp": ""}))),
            ("another user", |given| given.argument("gateway_user", json!("bob"))),
            ("the token of another realm", |given| given.instead("[http]", "[local]\nrealm=realm2\n[http]")),
            ("the token disabled", |given| given.token("disable S1")),
            ("the token deleted", |given| given.token("delete S1")),
            ("no fallback, and no outage that is ignored", |given| {
                given.instead("fallback=local\n", "");
                given.instead("=yes", "=no");
            }),
            ("another word", |given| given.instead("fallback=local", "fallback=yes")),
            ("a service that is there and refuses", |given| {
                let address = given.service.address.to_string();
                given.instead(NOBODY, &address);
            }),
            ("a service that is there and answers nonsense", |given| {
                given.service = Service::answering(&json!("ACCEPT"));
                let address = given.service.address.to_string();
                given.instead(NOBODY, &address);
            }),
            ("the state gone", |given| fs::remove_dir_all(given.place.state()).unwrap()),
        ],
    },
    Road {
        name: "factor",
        what_it_takes: "a forward token's PIN here, and a code that the server it leads to accepts",
        given: || {
            let mut given = Given::new(&format!(
                "{}ignore_connection_error=yes\n",
                FACTOR.replace("provider=http", "provider=local")
            ));
            given.token("enroll --type forward --serial F1 --user bob --pin 1357 --target http:alice");
            given.argument("gateway_user", json!("bob"));
            given.argument("key_value_pairs", json!({"otp": "1357123456"}));
            given
        },
        verdict: "ACCEPT",
        by: "local",
        with_one_thing_less: &[
            ("another PIN", |given| given.argument("key_value_pairs", json!({"otp": "1358123456"}))),
            ("no PIN", |given| given.argument("key_value_pairs", json!({"otp": "123456"}))),
            ("another code", |given| given.argument("key_value_pairs", json!({"otp": "1357123457"}))),
            ("the PIN alone", |given| given.argument("key_value_pairs", json!({"otp": "1357"}))),
            ("a blank behind the code", |given| {
                given.argument("key_value_pairs", json!({"otp": "1357123456 "}))
            }),
            ("the user whom the server knows", |given| given.argument("gateway_user", json!("alice"))),
            ("another name at the server", |given| given.token("assign F1 --target http:bob")),
            ("another server", |given| given.token("assign F1 --target edumfa:alice")),
            ("the token disabled", |given| given.token("disable F1")),
            ("the token nobody's", |given| given.token("assign F1 --nobody")),
            ("a server that does not know us", |given| given.instead("t0ken", "token")),
            ("a server that cannot be reached, though that is ignored elsewhere", |given| {
                let address = given.service.address.to_string();
                given.instead(&address, NOBODY);
            }),
            ("a server that answers nonsense", |given| {
                let address = given.service.address.to_string();
                given.service = Service::answering(&json!("ACCEPT"));
                let other = given.service.address.to_string();
                given.instead(&address, &other);
            }),
            ("no section for the server", |given| given.instead("[http]", "[https]")),
        ],
    },
    Road {
        name: "factor",
        what_it_takes: "the approval of somebody at a server, where the connection demands one",
        given: || {
            let mut given = Given::new(
                "[mfa]\nprovider=local\n[edumfa]\nserver_url=http://SERVICE\nignore_connection_error=yes\n\
                 [four_eyes]\nrealms=realm1@edumfa:1\nconnections=legacy_*\nrequester=excluded\n",
            );
            let address = given.service.address.to_string();
            given.service = Service::plain(|connection| {
                while let Some(request) = connection.request() {
                    let asked = request.json();
                    let known =
                        asked["user"] == "bob" && asked["realm"] == "realm1" && asked["pass"] == "pin123456";
                    let answer = json!({"result": {"status": true, "value": known}, "detail": {"serial": "T1", "type": "hotp"}});
                    connection.send(reply(200, "application/json", answer.to_string()));
                }
            });
            let other = given.service.address.to_string();
            given.instead(&address, &other);
            given.argument("key_value_pairs", json!({"otp": "bob:pin123456"}));
            given
        },
        verdict: "ACCEPT",
        by: "local",
        with_one_thing_less: &[
            ("another password", |given| given.argument("key_value_pairs", json!({"otp": "bob:pin123457"}))),
            ("no name", |given| given.argument("key_value_pairs", json!({"otp": "pin123456"}))),
            ("another name", |given| given.argument("key_value_pairs", json!({"otp": "carl:pin123456"}))),
            ("another realm", |given| {
                given.argument("key_value_pairs", json!({"otp": "bob@realm2:pin123456"}))
            }),
            ("the one who asks", |given| given.argument("gateway_user", json!("bob"))),
            ("the one who asks, in capitals", |given| given.argument("gateway_user", json!("BOB"))),
            ("the one who asks, of another realm", |given| {
                given.argument("gateway_user", json!("bob@realm2"))
            }),
            ("two approvals to give", |given| {
                given.instead("edumfa:1", "edumfa:2");
                given.argument("key_value_pairs", json!({"otp": "bob:pin123456 bob@realm1:pin123456"}));
            }),
            ("another realm of the server demanded", |given| given.instead("realm1@", "realm2@")),
            ("a realm of no server", |given| given.instead("@edumfa", "")),
            ("an unknown server", |given| given.instead("@edumfa", "@ldap")),
            ("a server that cannot be reached, though that is ignored elsewhere", |given| {
                let address = given.service.address.to_string();
                given.instead(&address, NOBODY);
            }),
        ],
    },
    Road {
        name: "approved",
        what_it_takes: "a password that the service accepts, followed by the approval that the connection requires",
        given: || {
            let mut given =
                Given::new(&format!("{FACTOR}[four_eyes]\nrealms=ops:1\nconnections=legacy_*\nmax_fail=1\n"));
            given.token(
                "enroll --type hotp --serial B1 --user bob@ops --pin 4321 --secret-hex 3132333435363738393031323334353637383930",
            );
            given.argument("key_value_pairs", json!({"otp": "123456"}));
            let asked = given.ask();
            assert_eq!(asked.verdict(), "NEEDINFO", "{asked:?}");
            given.argument("cookie", asked.response()["cookie"].clone());
            given.argument("key_value_pairs", json!({"otp": "000000", "approval": "bob:4321755224"}));
            given
        },
        verdict: "ACCEPT",
        by: "http otp, approvals by local",
        with_one_thing_less: &[
            ("no cookie", |given| given.argument("cookie", json!({}))),
            ("the cookie of another session", |given| given.argument("session_id", json!("s2"))),
            ("a cookie in which no factor was accepted", |given| {
                let progress = &mut given.arguments["cookie"]["__sps_plugin"]["progress"];
                progress.as_object_mut().unwrap().remove("awaits_approvals");
            }),
            ("the token disabled", |given| given.token("disable B1")),
            ("the token of somebody in another realm", |given| given.token("assign B1 --user bob@dev")),
            ("one's own token, where that does not count", |given| {
                given.token("assign B1 --user alice@ops");
                given.instead("[four_eyes]\n", "[four_eyes]\nrequester=excluded\n");
                given.argument("key_value_pairs", json!({"approval": "alice:4321755224"}));
            }),
        ],
    },
    Road {
        name: "connection_error_ignored",
        what_it_takes: "a service that cannot be reached and a configuration that ignores this",
        given: || {
            Given::new(&format!(
                "[mfa]\nprovider=http\n[http]\nserver_url=http://{NOBODY}\nignore_connection_error=yes\n"
            ))
        },
        verdict: "ACCEPT",
        by: "ignore_connection_error",
        with_one_thing_less: &[
            ("no", |given| given.instead("=yes", "=no")),
            ("nothing written", |given| given.instead("ignore_connection_error=yes\n", "")),
            ("an empty value", |given| given.instead("=yes", "=")),
            ("true for yes", |given| given.instead("=yes", "=true")),
            ("another section", |given| given.instead("ignore_connection", "[mfa]\nignore_connection")),
            ("a service that is there and refuses", |given| {
                let address = given.service.address.to_string();
                given.instead(NOBODY, &address);
            }),
            ("a service that is there and answers nonsense", |given| {
                given.service = Service::answering(&json!("ACCEPT"));
                let address = given.service.address.to_string();
                given.instead(NOBODY, &address);
            }),
            ("an address that is none", |given| given.instead("http://", "")),
            ("an https service whose authority cannot be read", |given| {
                given.instead("http://", "https://");
                given.instead("[mfa]", "[tls]\nca_cert=none\n[mfa]");
            }),
            ("no user", |given| given.argument("gateway_user", json!(null))),
        ],
    },
    Road {
        name: "authorized",
        what_it_takes: "a user, and a connection that is not one too many",
        given: || {
            let mut given = Given::new("[connection_limit by=client_ip_gateway_user]\nlimit=1\n");
            given.hook = "authorize";
            given
        },
        verdict: "ACCEPT",
        by: "authorize",
        with_one_thing_less: &[
            ("no user", |given| given.argument("gateway_user", json!(null))),
            ("one connection open", |given| {
                assert_eq!(given.ask().verdict(), "ACCEPT");
                given.argument("session_id", json!("s2"));
            }),
            ("a limit that is no number", |given| given.instead("limit=1", "limit=one")),
            ("a limit below zero", |given| given.instead("limit=1", "limit=-1")),
            ("an age that is no number", |given| given.instead("limit=1", "limit=1\nmax_session_age=day")),
            ("a state that cannot be used", |given| fs::write(given.place.ephemeral(), "a file").unwrap()),
            ("a cookie of another program", |given| given.argument("cookie", json!({"username": "alice"}))),
        ],
    },
    Road {
        name: "authorized",
        what_it_takes: "no limit, and a user",
        given: || {
            let mut given = Given::new("");
            given.hook = "authorize";
            given
        },
        verdict: "ACCEPT",
        by: "authorize",
        with_one_thing_less: &[("an empty user", |given| given.argument("gateway_user", json!("")))],
    },
    Road {
        name: "factor",
        what_it_takes: "all the factors of a chain, each with a password of its own",
        given: || {
            let mut given = Given::new(
                "[mfa]\nprovider=http + linotp\n[http]\nserver_url=http://SERVICE\ntoken=t0ken\n\
                 [linotp]\nserver_url=http://SERVICE\n",
            );
            given.argument("key_value_pairs", json!({"otp": "123456"}));
            let asked = given.ask();
            assert_eq!(asked.verdict(), "NEEDINFO", "{asked:?}");
            given.argument("cookie", asked.response()["cookie"].clone());
            given
        },
        verdict: "ACCEPT",
        by: "http otp + linotp otp",
        with_one_thing_less: &[
            ("another second password", |given| given.argument("key_value_pairs", json!({"otp": "123457"}))),
            ("no second password", |given| given.argument("key_value_pairs", json!({"otp": ""}))),
            ("the cookie of another session", |given| given.argument("session_id", json!("s2"))),
            ("a first factor that did not hold", |given| {
                given.arguments["cookie"]["state"]["held"] = json!([]);
                given.argument("key_value_pairs", json!({"otp": "123457"}));
            }),
            ("more factors than there are", |given| {
                given.arguments["cookie"]["state"]["held"] = json!(["a", "b"]);
            }),
            ("a state of another form", |given| given.arguments["cookie"]["state"] = json!(["http otp"])),
            ("a second server that is not there", |given| {
                given.instead(
                    "[linotp]\nserver_url=http://",
                    "[linotp]\nignore_connection_error=yes\nserver_url=http://x",
                );
            }),
        ],
    },
    Road {
        name: "ruled",
        what_it_takes: "a rule whose conditions all hold, and what it requires",
        given: || {
            let mut given = Given::new(&format!(
                "{FACTOR}[access]\nprovider=rules\n[rule dba]\nusers=alice\ngroups=dba\nnetworks=10.0.0.0/8\n\
                 hosts=db*\nprotocols=ssh\naccounts=root\ndays=thu\nhours=00:00-01:00\nrequire=mfa\naction=accept\n"
            ));
            given.argument("gateway_groups", json!(["dba"]));
            given.argument("server_hostname", json!("db1"));
            given.argument("server_ip", json!("10.1.2.3"));
            given.argument("server_username", json!("root"));
            given.argument("key_value_pairs", json!({"otp": "123456"}));
            let authenticated = given.ask();
            assert_eq!(authenticated.verdict(), "ACCEPT", "{authenticated:?}");
            given.argument("cookie", authenticated.response()["cookie"].clone());
            given.argument("key_value_pairs", json!({"otp": "123456", "access": "000000"}));
            given.hook = "authorize";
            given
        },
        verdict: "ACCEPT",
        by: "rule dba",
        with_one_thing_less: &[
            ("another group", |given| given.argument("gateway_groups", json!(["dbas"]))),
            ("no groups", |given| given.argument("gateway_groups", json!(null))),
            ("another target", |given| given.argument("server_hostname", json!("web1"))),
            ("another address", |given| given.argument("server_ip", json!("11.1.2.3"))),
            ("no address", |given| given.argument("server_ip", json!(null))),
            ("an address that is none", |given| given.argument("server_ip", json!("10.1.2"))),
            ("another protocol", |given| given.argument("protocol", json!("rdp"))),
            ("another account", |given| given.argument("server_username", json!("toor"))),
            ("another time", |given| given.clock = "3600"),
            ("another rule's name for the action", |given| given.instead("action=accept", "action=deny")),
            ("an option that is misspelt", |given| given.instead("action=accept", "action=acept")),
            ("another user in the rule", |given| given.instead("users=alice", "users=bob")),
            ("a rule that denies before it", |given| {
                given.instead("[rule dba]", "[rule first]\naction=deny\n[rule dba]")
            }),
            ("no factor in this session", |given| {
                given.arguments["cookie"]["__sps_plugin"]["progress"]["proof"] =
                    json!({"factor": "whitelisted"});
                let asked = given.ask();
                assert_eq!(asked.verdict(), "NEEDINFO", "{asked:?}");
                given.argument("cookie", asked.response()["cookie"].clone());
            }),
            ("no cookie", |given| {
                given.argument("cookie", json!({}));
                let asked = given.ask();
                assert_eq!(asked.verdict(), "NEEDINFO", "{asked:?}");
                given.argument("cookie", asked.response()["cookie"].clone());
            }),
        ],
    },
    Road {
        name: "remembered in the cookie",
        what_it_takes: "the cookie of this session, in which an ACCEPT waits for an answer, and the answer",
        given: || {
            let mut given = Given::new(&format!("{FACTOR}[question_1]\nprompt=Ticket?\nkey=ticket\n"));
            given.argument("key_value_pairs", json!({"otp": "123456"}));
            let asked = given.ask();
            assert_eq!(asked.verdict(), "NEEDINFO", "{asked:?}");
            given.argument("cookie", asked.response()["cookie"].clone());
            given.argument("session_cookie", asked.response()["session_cookie"].clone());
            // The password is no longer good, and is not asked for again.
            given.argument("key_value_pairs", json!({"otp": "000000", "ticket": "T1"}));
            given
        },
        verdict: "ACCEPT",
        by: "http otp",
        with_one_thing_less: &[
            ("no cookie", |given| given.argument("cookie", json!({}))),
            ("the cookie of another session", |given| given.argument("session_id", json!("s2"))),
            ("no session", |given| given.argument("session_id", json!(null))),
            ("a cookie without our member", |given| {
                given.arguments["cookie"].as_object_mut().unwrap().remove("__sps_plugin");
            }),
            ("a cookie of another version", |given| {
                given.arguments["cookie"]["__sps_plugin"]["version"] = json!(2)
            }),
            ("the cookie of the other plugin", |given| {
                given.arguments["cookie"]["__sps_plugin"]["plugin"] = json!("credentialstore");
            }),
            ("a cookie without the ACCEPT", |given| {
                given.arguments["cookie"]["__sps_plugin"]["progress"]
                    .as_object_mut()
                    .unwrap()
                    .remove("accepted");
            }),
            ("an ACCEPT of another form", |given| {
                given.arguments["cookie"]["__sps_plugin"]["progress"]["accepted"] = json!(true);
            }),
            ("an ACCEPT with more in it", |given| {
                given.arguments["cookie"]["__sps_plugin"]["progress"]["accepted"]["more"] = json!(1);
            }),
            ("an earlier stage", |given| {
                given.arguments["cookie"]["__sps_plugin"]["progress"]["stage"] = json!("factor");
            }),
            ("an unknown stage", |given| {
                given.arguments["cookie"]["__sps_plugin"]["progress"]["stage"] = json!("accepted");
            }),
            ("the cookie used once", |given| {
                let cookie = given.ask().response()["cookie"].clone();
                given.argument("cookie", cookie);
            }),
            ("a user name of another type in the cookie", |given| {
                given.arguments["cookie"]["username"] = json!(["root"])
            }),
            ("a cookie that does not say whose it is", |given| {
                given.arguments["cookie"].as_object_mut().unwrap().remove("username");
            }),
            ("answers of another type", |given| given.argument("session_cookie", json!({"questions": "T1"}))),
        ],
    },
    Road {
        name: "skip_connections",
        what_it_takes: "a connection policy that the configuration leaves alone",
        given: || Given::new(&format!("{FACTOR}[auth]\nskip_connections=test, legacy_*\n")),
        verdict: "NONE",
        by: "",
        with_one_thing_less: &[
            ("another policy", |given| given.argument("connection_name", json!("modern_db"))),
            ("the policy in capitals", |given| given.argument("connection_name", json!("LEGACY_db"))),
            ("the pattern in the middle of a name", |given| {
                given.argument("connection_name", json!("not_legacy_db"))
            }),
            ("no policy", |given| given.argument("connection_name", json!(null))),
            ("an empty policy", |given| given.argument("connection_name", json!(""))),
            ("no patterns", |given| given.instead("test, legacy_*", "")),
            ("nothing but commas", |given| given.instead("test, legacy_*", ", ,")),
            ("another pattern", |given| given.instead("legacy_*", "legacy_?")),
            ("a pattern that is none", |given| given.instead("legacy_*", "legacy_*,[")),
            ("another option", |given| given.instead("skip_connections", "skip_connection")),
            ("another section", |given| given.instead("[auth]", "[authentication]")),
        ],
    },
];

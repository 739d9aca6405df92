//! What a request carries, and what its answer means.

use std::net::UdpSocket;

use serde_json::json;

use crate::support::radius::{ACCEPT, Mac80, REJECT, RadiusServer, attribute};
use crate::support::skipped;
use crate::{FAILED, Session, assert_accepted, assert_denied};

/// A server that knows alice and one password.
fn knowing(password: &'static str) -> RadiusServer {
    RadiusServer::answering(move |_, asked| {
        let known = asked.text(1) == "alice" && asked.password() == password;
        vec![asked.answer(if known { ACCEPT } else { REJECT }, b"")]
    })
}

#[test]
fn a_request_carries_the_password_hidden_and_who_asks_for_whom_and_is_signed_first() {
    let server = knowing("123456");
    assert_accepted(&Session::of(&server, "").otp("123456"), "radius otp");
    let asked = &server.asked()[0];
    assert!(asked.is_signed(), "{asked:?}");
    let kinds: Vec<_> = asked.attributes.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [80, 1, 2, 32, 61, 31]);
    assert_eq!((asked.text(1), asked.password()), ("alice".to_owned(), "123456".to_owned()));
    assert_eq!((asked.text(32), asked.text(31)), ("sps-plugin".to_owned(), "10.1.2.3".to_owned()));
    assert_eq!(asked.value(61), Some(&[0, 0, 0, 5][..]));
}

#[test]
fn the_name_of_the_nas_is_configured_and_a_client_without_address_has_none() {
    let server = knowing("123456");
    let mut session = Session::of(&server, "nas_identifier=sps-1.example.org\n");
    session.arguments = json!({"client_ip": null});
    assert_accepted(&session.otp("123456"), "radius otp");
    let asked = &server.asked()[0];
    assert_eq!((asked.text(32).as_str(), asked.value(31)), ("sps-1.example.org", None));
}

#[test]
fn with_chap_the_password_does_not_travel() {
    let server = RadiusServer::answering(|_, asked| {
        vec![asked.answer(if asked.is_chap_of("pässwörd✓") { ACCEPT } else { REJECT }, b"")]
    });
    assert_accepted(&Session::of(&server, "auth_type=chap\n").otp("pässwörd✓"), "radius otp");
    assert_denied(&Session::of(&server, "auth_type=CHAP\n").otp("password"), FAILED, "");
    for asked in server.asked() {
        assert_eq!((asked.value(2), asked.is_signed()), (None, true));
    }
}

#[test]
fn no_two_requests_have_one_authenticator() {
    let server = knowing("123456");
    for _ in 0..3 {
        Session::of(&server, "").otp("123456");
    }
    let asked = server.asked();
    assert_ne!(asked[0].authenticator(), asked[1].authenticator());
    assert_ne!(asked[1].authenticator(), asked[2].authenticator());
    assert_ne!(asked[0].authenticator(), asked[2].authenticator());
}

#[test]
fn an_empty_password_is_a_push() {
    let server = knowing("");
    assert_accepted(&Session::of(&server, "").otp(""), "radius push");
    assert_eq!(server.asked()[0].value(2).unwrap().len(), 16);
}

#[test]
fn a_password_of_128_bytes_in_any_script_arrives_and_a_longer_one_is_denied_and_not_cut() {
    let long: &'static str = "ä✓x5".repeat(18).leak();
    assert_eq!(long.len(), 126);
    let server = knowing(long);
    assert_accepted(&Session::of(&server, "").otp(long), "radius otp");
    for auth_type in ["pap", "chap"] {
        let mut session =
            Session::of(&server, &format!("auth_type={auth_type}\nignore_connection_error=yes\n"));
        assert_denied(&session.otp(&format!("{long}xyz")), FAILED, "longer than the 128 bytes");
        assert_denied(&session.otp("12345\0"), FAILED, "NUL");
    }
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn a_user_name_that_radius_cannot_carry_is_denied_and_not_cut() {
    let server = knowing("123456");
    let mut session = Session::of(&server, "ignore_connection_error=yes\n");
    session.arguments = json!({"gateway_user": "a".repeat(254)});
    assert_denied(&session.otp("123456"), FAILED, "longer than 253 bytes");
    assert!(server.asked().is_empty());
}

#[test]
fn name_and_password_for_the_server_may_be_typed_under_their_own_keys() {
    let server = RadiusServer::answering(|_, asked| {
        let known = asked.text(1) == "a.smith" && asked.password() == "123456";
        vec![asked.answer(if known { ACCEPT } else { REJECT }, b"")]
    });
    for pairs in [
        json!({"radius_username": "a.smith", "radius_password": "123456"}),
        json!({"ru": "a.smith", "rp": "123456"}),
        json!({"ru": "a.smith", "rp": "123456", "otp": "000000"}),
        json!({"ru": "other", "radius_username": "a.smith", "rp": "other", "radius_password": "123456"}),
    ] {
        let ended = Session::of(&server, "").say(pairs);
        assert_accepted(&ended, "radius otp of a.smith");
        ended.assert_logged(&["warning", "the user asks to be a.smith"]);
    }
    let alice = Session::of(&server, "").say(json!({"ru": "", "rp": "123456"}));
    assert_denied(&alice, FAILED, "rejects");
    assert_eq!(server.asked().last().unwrap().text(1), "alice");
    let bad = Session::of(&server, "").say(json!({"ru": "a\nb", "rp": "123456"}));
    assert_denied(&bad, FAILED, "user name");
}

#[test]
fn a_reject_says_why_in_the_servers_words_without_steering_the_terminal_or_repeating_secrets() {
    let server = RadiusServer::answering(|_, asked| {
        let first = attribute(18, b"Account\x1b[2J locked\r\nuntil ");
        let second =
            attribute(18, "Monday, not 123456 or s3cret-of-the-radius-tests \u{202e}\u{fffd}".as_bytes());
        vec![asked.answer(REJECT, &[first, second, attribute(18, b"\xff\xfe")].concat())]
    });
    let ended = Session::of(&server, "").otp("123456");
    assert_denied(
        &ended,
        FAILED,
        "Account[2J locked  until  Monday, not *** or *** \u{fffd} \u{fffd}\u{fffd}",
    );
}

#[test]
fn a_message_authenticator_may_stand_first_or_last() {
    for place in [Mac80::First, Mac80::Last] {
        let server =
            RadiusServer::answering(move |_, asked| vec![asked.reply(ACCEPT, &attribute(18, b"hi"), place)]);
        assert_accepted(&Session::of(&server, "").otp("123456"), "radius otp");
    }
}

#[test]
fn a_server_is_asked_over_ipv6_too() {
    let Ok(socket) = UdpSocket::bind("[::1]:0") else {
        return skipped("RADIUS over IPv6, because this machine has no ::1");
    };
    let port = socket.local_addr().unwrap().port();
    let server = RadiusServer::with(socket, |socket, _, asked| {
        let _ = socket.send_to(&asked.answer(ACCEPT, b""), asked.from);
    });
    assert_accepted(&Session::new(&format!("[::1]:{port}"), "").otp("123456"), "radius otp");
    assert_accepted(&Session::new("::1", &format!("port={port}\n")).otp("123456"), "radius otp");
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn an_option_that_is_unusable_is_a_configuration_error() {
    for (option, piece) in [
        ("server=", "hosts or addresses"),
        ("server=127.0.0.1,", "hosts or addresses"),
        ("server=http://127.0.0.1", "hosts or addresses"),
        ("port=0", "from 1 to 65535"),
        ("secret=", "not empty"),
        ("auth_type=mschap", "one of chap, pap"),
        ("conn_retries=0", "from 1 to 10"),
        ("conn_timeout=0", "seconds above 0"),
        ("conn_timeout=inf", "seconds above 0"),
        ("require_message_authenticator=maybe", "one of yes, no"),
        ("nas_identifier=", "at most 253 bytes"),
        ("challenge_validity=0", "seconds above 0"),
    ] {
        let name = option.split_once('=').unwrap().0;
        let mut session = Session::new("127.0.0.1", "ignore_connection_error=yes\n");
        let keep = session.configuration.lines().filter(|line| !line.starts_with(&format!("{name}=")));
        session.configuration = keep.chain([option, ""]).collect::<Vec<_>>().join("\n");
        let ended = session.otp("123456");
        ended.assert_denied("Plugin configuration error", 2);
        ended.assert_logged(&["[radius]", name, piece]);
    }
    for name in ["server", "secret"] {
        let mut session = Session::new("127.0.0.1", "ignore_connection_error=yes\n");
        let keep = session.configuration.lines().filter(|line| !line.starts_with(&format!("{name}=")));
        session.configuration = keep.chain([""]).collect::<Vec<_>>().join("\n");
        session.otp("123456").assert_logged(&["[radius]", name, "is required"]);
    }
}

/// A session whose first factor is local, and that goes on at the server for somebody else.
fn behind_local(server: &RadiusServer, more: &str, tokens: &[&str]) -> Session {
    let mut session = Session::of(server, more);
    session.configuration = session.configuration.replace("provider=radius", "provider=local");
    session.place.file("c.ini", &session.configuration);
    let config = session.place.path("c.ini").to_str().unwrap().to_owned();
    for token in tokens {
        let words = ["token"].into_iter().chain(token.split(' ')).chain(["--config", config.as_str()]);
        let enrolled = session.place.run(&words.collect::<Vec<_>>(), String::new());
        assert_eq!(enrolled.status, Some(0), "{enrolled:?}");
    }
    session
}

#[test]
fn a_name_that_the_user_types_is_not_that_of_a_forward_tokens_target() {
    let server = knowing("123456");
    let token = "enroll --type forward --serial F --user alice --pin 4321 --target radius:alice";
    let mut session = behind_local(&server, "", &[token]);
    // The server knows alice only; whoever is typed must not be asked about.
    let ended = session.say(json!({"otp": "4321123456", "ru": "mallory", "radius_username": "mallory"}));
    assert_eq!(ended.verdict(), "ACCEPT", "{ended:?}");
    let token = "enroll --type forward --serial F --user alice --pin 4321 --target radius:bob";
    let mut session = behind_local(&server, "", &[token]);
    let ended = session.say(json!({"otp": "4321123456", "ru": "alice", "radius_username": "alice"}));
    assert_eq!(ended.verdict(), "DENY", "{ended:?}");
    assert_eq!(server.asked().iter().map(|asked| asked.text(1)).collect::<Vec<_>>(), ["alice", "bob"]);
}

#[test]
fn a_name_that_the_user_types_is_not_that_of_whoever_approves() {
    let server = knowing("123456");
    let more = "[four_eyes]\nrealms=ops@radius:1\nconnections=*\n";
    let mut session = behind_local(&server, more, &[]);
    let ended = session.say(json!({"otp": "bob:123456", "ru": "alice", "radius_username": "alice"}));
    assert_ne!(ended.verdict(), "ACCEPT", "{ended:?}");
    assert_eq!(server.asked().len(), 1);
    assert!(server.asked()[0].text(1).starts_with("bob"), "{:?}", server.asked());
}

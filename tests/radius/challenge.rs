//! Challenges: what is asked, who may answer, and how often.

use std::fs;

use serde_json::{Value, json};

use crate::support::Place;
use crate::support::radius::{ACCEPT, CHALLENGE, REJECT, RadiusServer, SECRET, attribute};
use crate::{
    COMMUNICATION_ERROR, FAILED, SHORT, Session, UNREACHABLE, assert_accepted, assert_asked, assert_denied,
};

const STATE: &[u8] = b"gEhEim\x00\xff";

/// A server that asks for a code after the password.
fn asking_for(code: &'static str, more: &'static [u8]) -> RadiusServer {
    RadiusServer::answering(move |_, asked| {
        vec![match (asked.value(24), asked.password().as_str()) {
            (None, "pw1") => asked.answer(CHALLENGE, &[attribute(24, STATE), more.to_vec()].concat()),
            (Some(STATE), typed) if typed == code => asked.answer(ACCEPT, b""),
            _ => asked.answer(REJECT, b""),
        }]
    })
}

#[test]
fn a_challenge_is_asked_in_the_servers_words_and_its_state_goes_back_from_the_store() {
    let server = asking_for("123456", b"\x12\x0cEnter code\x12\x05now");
    let mut session = Session::of(&server, "");
    let asked = session.otp("pw1");
    assert_asked(&asked, json!(["radius_password", "Enter code now ", false]));
    let id = asked.response()["cookie"]["state"].as_str().unwrap().to_owned();
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    let out = String::from_utf8(asked.stdout).unwrap() + &asked.stderr;
    assert!(!out.contains("gEhEim") && !out.contains("674568"), "{out}");
    assert_accepted(&session.answer("123456"), "radius otp");
    let requests = server.asked();
    assert_eq!((requests.len(), requests[1].value(24)), (2, Some(STATE)));
    assert!(requests[1].is_signed());
    assert_ne!(requests[0].authenticator(), requests[1].authenticator());
}

#[test]
fn the_prompt_attribute_decides_about_the_echo_and_without_it_the_configuration_does() {
    for (prompt, more, hidden) in [
        (&b"\x4c\x06\0\0\0\0"[..], "", true),
        (b"\x4c\x06\0\0\0\x01", "[auth]\ndisable_echo=yes\n", false),
        (b"\x4c\x06\0\0\0\x07", "", true),
        (b"\x4c\x02", "", true),
        (b"", "", false),
        (b"", "[auth]\ndisable_echo=yes\n", true),
    ] {
        let server = asking_for("123456", prompt);
        let asked = Session::of(&server, more).otp("pw1");
        assert_asked(&asked, json!(["radius_password", "Please enter your response: ", hidden]));
    }
}

#[test]
fn a_challenge_cannot_steer_the_terminal_and_has_an_end() {
    let text: &'static [u8] =
        [attribute(18, b"\x1b[31mred\x07\r\n"), attribute(18, &[b'x'; 253]).repeat(6)].concat().leak();
    let asked = Session::of(&asking_for("1", text), "").otp("pw1");
    let prompt = asked.response()["question"][1].as_str().unwrap().to_owned();
    assert!(prompt.starts_with("[31mred   xxx") && prompt.chars().count() == 1001, "{prompt}");
    assert!(!prompt.contains(char::is_control));
}

#[test]
fn a_challenge_that_repeats_what_was_typed_or_the_shared_secret_loses_them() {
    let server = RadiusServer::answering(|_, asked| {
        let typed = asked.password();
        let words = format!("{typed} was right, {SECRET} too. After {typed}:");
        vec![asked.answer(CHALLENGE, &[attribute(24, STATE), attribute(18, words.as_bytes())].concat())]
    });
    let mut session = Session::of(&server, "");
    for asked in [session.otp("pw1-4711"), session.answer("Ax+7q/24")] {
        assert_asked(&asked, json!(["radius_password", "*** was right, *** too. After ***: ", false]));
    }
}

#[test]
fn an_answer_counts_once_whatever_it_was() {
    let server = asking_for("123456", b"");
    let mut session = Session::of(&server, "ignore_connection_error=yes\n");
    session.otp("pw1");
    let cookie = session.cookie.clone();
    assert_denied(&session.answer("000000"), FAILED, "rejects");
    session.cookie = cookie;
    assert_denied(&session.answer("123456"), FAILED, "no such challenge");
    session.cookie = json!({});
    session.otp("pw1");
    let cookie = session.cookie.clone();
    assert_accepted(&session.answer("123456"), "radius otp");
    session.cookie = cookie;
    assert_denied(&session.answer("123456"), FAILED, "no such challenge");
    assert_eq!(server.asked().len(), 4);
}

#[test]
fn of_two_answers_at_once_one_reaches_the_server() {
    let server = asking_for("123456", b"");
    let mut session = Session::of(&server, "");
    session.otp("pw1");
    let hook = session.invocation(&json!({"radius_password": "123456"}));
    let place = &session.place;
    let verdicts: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| place.hook(&hook).verdict())).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(verdicts.iter().filter(|verdict| *verdict == "ACCEPT").count(), 1, "{verdicts:?}");
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn a_challenge_is_good_for_its_session_its_user_and_its_time() {
    type Taking = fn(&mut Session);
    let less: [(&str, Taking); 6] = [
        ("another session", |session| {
            session.arguments["session_id"] = json!("svc/abc:2");
            session.cookie["__sps_plugin"]["session_id"] = json!("svc/abc:2");
        }),
        ("another identity", |session| session.cookie["mfa_identity"] = json!("bob")),
        ("another name", |session| session.cookie["state"] = json!("0".repeat(32))),
        ("a name of another type", |session| session.cookie["state"] = json!(["0"])),
        ("no state on this node", |session| session.place = Place::new()),
        ("a challenge whose data are damaged", |session| {
            let database = rusqlite::Connection::open(session.place.state().join("state.sqlite3")).unwrap();
            assert_eq!(database.execute("UPDATE challenges SET data = '[]'", []).unwrap(), 1);
        }),
    ];
    for (name, take) in less {
        let server = asking_for("123456", b"");
        let mut session = Session::of(&server, "ignore_connection_error=yes\n");
        session.otp("pw1");
        take(&mut session);
        assert_denied(&session.answer("123456"), FAILED, "challenge");
        assert_eq!(server.asked().len(), 1, "{name}");
    }
    let server = asking_for("123456", b"");
    let mut session = Session::of(&server, "challenge_validity=60\n");
    for (seconds, verdict) in [("1059", "ACCEPT"), ("1060", "DENY")] {
        let at = |clock: &str, hook: Value| session.place.run(&["--clock", clock], hook.to_string());
        let asked = at("1000", session.invocation(&json!({"otp": "pw1"})));
        let mut later = session.invocation(&json!({"radius_password": "123456"}));
        later["arguments"]["cookie"] = asked.response()["cookie"].clone();
        assert_eq!(at(seconds, later).verdict(), verdict, "{seconds}");
    }
    session.cookie = json!({});
}

#[test]
fn a_challenge_of_radius_is_none_of_the_local_tokens() {
    let server = asking_for("123456", b"");
    let mut session = Session::of(&server, "");
    session.otp("pw1");
    session.configuration = "[mfa]\nprovider=local\n".to_owned();
    assert_denied(&session.answer("123456"), FAILED, "no local token matched");
}

#[test]
fn the_name_that_was_typed_first_stays_and_another_is_refused() {
    let server = asking_for("123456", b"");
    for (pairs, verdict) in [
        (json!({"radius_password": "123456"}), "ACCEPT"),
        (json!({"radius_password": "123456", "ru": "a.smith"}), "ACCEPT"),
        (json!({"radius_password": "123456", "ru": "bob"}), "DENY"),
        (json!({"rp": "123456"}), "DENY"),
        (json!({"otp": "123456"}), "DENY"),
    ] {
        let mut session = Session::of(&server, "");
        assert_eq!(session.say(json!({"ru": "a.smith", "rp": "pw1"})).verdict(), "NEEDINFO");
        assert_eq!(session.say(pairs.clone()).verdict(), verdict, "{pairs}");
    }
    assert!(server.asked().iter().all(|asked| asked.text(1) == "a.smith"));
}

#[test]
fn several_rounds_each_give_back_their_own_state() {
    let server = RadiusServer::answering(|_, asked| {
        let step = |state: &[u8], text: &[u8]| {
            asked.answer(CHALLENGE, &[attribute(24, state), attribute(18, text)].concat())
        };
        vec![match (asked.value(24), asked.password().as_str()) {
            (None, "pw1") => step(b"1", b"New PIN:"),
            (Some(b"1"), "4321") => step(b"2", b"Again:"),
            (Some(b"2"), "4321") => asked.answer(ACCEPT, b""),
            _ => asked.answer(REJECT, b""),
        }]
    });
    let mut session = Session::of(&server, "");
    assert_asked(&session.otp("pw1"), json!(["radius_password", "New PIN: ", false]));
    assert_asked(&session.answer("4321"), json!(["radius_password", "Again: ", false]));
    assert_accepted(&session.answer("4321"), "radius otp");
}

#[test]
fn a_push_is_asked_about_with_enter() {
    let server = RadiusServer::answering(|number, asked| {
        vec![match number {
            0..=2 => asked.answer(CHALLENGE, &attribute(24, &[u8::try_from(number).unwrap()])),
            _ => asked.answer(ACCEPT, b""),
        }]
    });
    let mut session = Session::of(&server, "");
    for _ in 0..3 {
        assert_eq!(session.answer("").verdict(), "NEEDINFO");
    }
    assert_accepted(&session.answer(""), "radius push");
}

#[test]
fn a_server_that_goes_away_in_the_middle_is_an_outage_and_uses_the_challenge_up() {
    let server = asking_for("123456", b"");
    let mut session = Session::of(&server, SHORT);
    session.otp("pw1");
    let cookie = session.cookie.clone();
    let address = server.address;
    drop(server);
    while std::net::UdpSocket::bind(address).is_err() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_denied(&session.answer("123456"), UNREACHABLE, "no answer");
    session.cookie = cookie;
    assert_denied(&session.answer("123456"), FAILED, "no such challenge");
}

#[test]
fn an_answer_goes_to_the_server_that_asked_and_to_no_other() {
    let (first, second) = (asking_for("123456", b""), asking_for("123456", b""));
    let servers = format!("{},{}", first.address, second.address);
    let mut session = Session::new(&servers, "");
    session.otp("pw1");
    session.configuration =
        session.configuration.replace(&servers, &format!("{},{}", second.address, first.address));
    assert_accepted(&session.answer("123456"), "radius otp");
    assert_eq!((first.asked().len(), second.asked().len()), (2, 0));
    session.cookie = json!({});
    session.otp("pw1");
    session.configuration = session.configuration.replace(&format!("{},", second.address), "");
    assert_denied(&session.answer("123456"), COMMUNICATION_ERROR, "no longer configured");
}

#[test]
fn a_challenge_that_cannot_be_kept_lets_nobody_in() {
    let server = asking_for("123456", b"");
    let mut session = Session::of(&server, "ignore_connection_error=yes\n");
    fs::write(session.place.state(), "a file").unwrap();
    let ended = session.otp("pw1");
    assert_eq!((ended.verdict().as_str(), ended.status), ("DENY", Some(1)), "{ended:?}");
}

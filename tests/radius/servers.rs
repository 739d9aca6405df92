//! Several servers: who is asked after whom.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use serde_json::{Value, json};

use crate::support::Ended;
use crate::support::radius::{ACCEPT, CHALLENGE, REJECT, RadiusServer, attribute};
use crate::{COMMUNICATION_ERROR, FAILED, SHORT, Session, UNREACHABLE, assert_accepted, assert_denied};

fn accepting() -> RadiusServer {
    RadiusServer::answering(|_, asked| vec![asked.answer(ACCEPT, b"")])
}

/// An address of the loopback interface on which nobody listens.
fn nobody() -> String {
    let socket = UdpSocket::bind("127.77.0.1:0").unwrap();
    socket.local_addr().unwrap().to_string()
}

#[test]
fn the_next_server_is_asked_where_nobody_listens() {
    let good = accepting();
    let mut session = Session::new(&format!("{}, {}", nobody(), good.address), "");
    let ended = session.otp("123456");
    assert_accepted(&ended, "radius otp");
    ended.assert_logged(&["warning", "cannot be reached"]);
    assert_denied(&Session::new(&nobody(), "").otp("123456"), UNREACHABLE, "no answer");
}

#[test]
fn the_next_server_is_asked_where_a_name_is_none() {
    let good = accepting();
    let servers = format!("no-such-host.invalid:1,{}", good.address);
    assert_accepted(&Session::new(&servers, "").otp("123456"), "radius otp");
    let ended = Session::new("no-such-host.invalid", "").otp("123456");
    assert_denied(&ended, UNREACHABLE, "no answer");
}

#[test]
fn a_code_that_a_silent_server_may_have_used_up_goes_to_no_other_and_the_next_attempt_does() {
    let (silent, good) = (RadiusServer::answering(|_, _| Vec::new()), accepting());
    let mut session = Session::new(&format!("{},{}", silent.address, good.address), SHORT);
    assert_denied(&session.otp("123456"), UNREACHABLE, "no answer");
    let asked = silent.asked().len();
    assert_eq!(good.asked().len(), 0);
    session.cookie = json!({});
    assert_accepted(&session.otp("123457"), "radius otp");
    let codes = good.asked().iter().filter(|asked| asked.value(1) == Some(b"alice".as_slice())).count();
    assert_eq!((silent.asked().len(), codes), (asked, 1));
}

#[test]
fn a_silent_server_costs_one_login_and_no_other_while_it_stays_silent() {
    let (silent, good) = (RadiusServer::answering(|_, _| Vec::new()), accepting());
    let session = Session::new(&format!("{},{}", silent.address, good.address), SHORT);
    for (clock, verdict) in [("1000", "DENY"), ("1029", "ACCEPT"), ("1031", "ACCEPT"), ("9000", "ACCEPT")] {
        let hook = session.invocation(&json!({"otp": "123456"}));
        assert_eq!(session.place.run(&["--clock", clock], hook.to_string()).verdict(), verdict, "{clock}");
    }
}

#[test]
fn a_denial_and_an_answer_without_sense_end_the_search() {
    let good = accepting();
    let denies = RadiusServer::answering(|_, asked| vec![asked.answer(REJECT, b"")]);
    let senseless = RadiusServer::answering(|_, _| vec![b"?".to_vec()]);
    for (server, shown) in [(&denies, FAILED), (&senseless, COMMUNICATION_ERROR)] {
        let mut session = Session::new(&format!("{},{}", server.address, good.address), SHORT);
        assert_denied(&session.otp("123456"), shown, "");
    }
    assert_eq!(good.asked().len(), 0);
}

#[test]
fn an_outage_is_ignored_or_left_to_the_local_tokens_only_where_that_is_written() {
    let ignored = Session::new(&nobody(), "ignore_connection_error=yes\n").otp("123456");
    assert_accepted(&ignored, "ignore_connection_error");
    let mut session = Session::new(&nobody(), "");
    session.configuration = session.configuration.replace("[mfa]\n", "[mfa]\nfallback=local\n");
    let ended = session.otp("123456");
    assert_denied(&ended, FAILED, "no local token matched");
    ended.assert_logged(&["radius", "asking the local tokens"]);
}

/// A server that is there, and waits in vain for the home server of a realm: it is silent about everybody of that realm.
fn with_a_silent_realm(knows_status: bool) -> RadiusServer {
    RadiusServer::answering(move |_, asked| {
        let is_status = asked.bytes[0] == 12;
        let is_of_realm = asked.value(1).is_some_and(|name| name.ends_with(b"@partner.example"));
        if is_of_realm || (is_status && !knows_status) {
            return Vec::new();
        }
        vec![asked.answer(if is_status { ACCEPT } else { REJECT }, b"")]
    })
}

#[test]
fn a_realm_whose_home_server_is_down_is_a_denial_and_marks_nothing_down() {
    for knows_status in [true, false] {
        let server = with_a_silent_realm(knows_status);
        for mfa in ["", "fallback=local\n"] {
            let more = format!("{SHORT}ignore_connection_error=yes\n");
            let mut session = Session::of(&server, &more);
            session.configuration = session.configuration.replace("[mfa]\n", &format!("[mfa]\n{mfa}"));
            for _ in 0..2 {
                session.arguments = json!({"gateway_user": "alice@partner.example"});
                session.cookie = json!({});
                assert_denied(&session.otp("123456"), UNREACHABLE, "no answer");
            }
            session.arguments = json!({"gateway_user": "alice"});
            session.cookie = json!({});
            assert_denied(&session.otp("123456"), FAILED, "the server rejects it");
        }
    }
}

/// What a server does with requests about alice; it rejects everybody else, but is silent to all or to none.
const SILENT: u8 = 0;

fn turning(first: u8) -> (RadiusServer, Arc<AtomicU8>) {
    let mode = Arc::new(AtomicU8::new(first));
    let turned = Arc::clone(&mode);
    let server = RadiusServer::answering(move |_, asked| {
        let is_alice = asked.value(1) == Some(b"alice".as_slice());
        match (turned.load(Ordering::SeqCst), is_alice) {
            (SILENT, _) => Vec::new(),
            (code, true) => vec![asked.answer(code, &attribute(24, b"state"))],
            (_, false) => vec![asked.answer(REJECT, b"")],
        }
    });
    (server, mode)
}

/// Logs in at a time, with this cookie.
fn at(session: &Session, clock: &str, pairs: &Value) -> Ended {
    session.place.run(&["--clock", clock], session.invocation(pairs).to_string())
}

#[test]
fn what_is_asked_to_confirm_an_outage_contains_nothing_that_was_typed() {
    let (server, mode) = turning(ACCEPT);
    let session = Session::of(&server, &format!("{SHORT}ignore_connection_error=yes\n"));
    let otp = json!({"otp": "123456"});
    let about_alice =
        || server.asked().iter().filter(|asked| asked.value(1) == Some(b"alice".as_slice())).count();
    assert_accepted(&at(&session, "1000", &otp), "radius otp");
    assert_eq!(about_alice(), 1);
    mode.store(SILENT, Ordering::SeqCst);
    assert_denied(&at(&session, "2000", &otp), UNREACHABLE, "no answer");
    assert_eq!(about_alice(), 3, "the request and its repetition");
    // The next logins ask the harmless question first, and send no code.
    assert_denied(
        &at(&session, "2030", &otp),
        UNREACHABLE,
        "no answer for 30 s; this counts as an outage after 60 s",
    );
    assert_accepted(&at(&session, "2060", &otp), "ignore_connection_error");
    assert_eq!(about_alice(), 3);
}

#[test]
fn the_answer_to_a_challenge_at_a_silent_server_begins_the_time_of_the_silence_anew() {
    let (server, mode) = turning(ACCEPT);
    let more = format!("{SHORT}ignore_connection_error=yes\nchallenge_validity=900\n");
    let mut session = Session::of(&server, &more);
    let otp = json!({"otp": "123456"});
    assert_accepted(&at(&session, "1000", &otp), "radius otp");
    mode.store(CHALLENGE, Ordering::SeqCst);
    let open = at(&session, "1500", &otp).response()["cookie"].clone();
    mode.store(SILENT, Ordering::SeqCst);
    assert_denied(&at(&session, "2000", &otp), UNREACHABLE, "no answer");
    session.cookie = open;
    assert_denied(&at(&session, "2050", &json!({"radius_password": "1"})), UNREACHABLE, "no answer");
    session.cookie = json!({});
    // Two requests had no answer, the last one at 2050.
    for clock in ["2060", "2085", "2110", "2135", "2160"] {
        assert_denied(&at(&session, clock, &otp), UNREACHABLE, "counts as an outage after 120 s");
    }
    assert_accepted(&at(&session, "2182", &otp), "ignore_connection_error");
}

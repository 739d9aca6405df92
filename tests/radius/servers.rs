//! Several servers: who is asked after whom.

use std::net::UdpSocket;

use serde_json::json;

use crate::support::radius::{ACCEPT, REJECT, RadiusServer};
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
    assert_eq!((silent.asked().len(), good.asked().len()), (asked, 1));
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

#[test]
fn what_is_asked_to_confirm_an_outage_contains_nothing_that_was_typed() {
    let silent = RadiusServer::answering(|_, _| Vec::new());
    let mut session = Session::of(&silent, &format!("{SHORT}ignore_connection_error=yes\n"));
    assert_denied(&session.otp("123456"), UNREACHABLE, "no answer");
    let asked = silent.asked();
    let with_a_name = asked.iter().filter(|asked| asked.value(1) == Some(b"alice".as_slice())).count();
    assert_eq!(with_a_name, 2, "the request and its repetition");
    assert!(asked.len() > with_a_name);
    session.cookie = json!({});
    // The next login asks the harmless question first, and is let in without a code on the way.
    assert_accepted(&session.otp("123456"), "ignore_connection_error");
    let again = silent.asked().iter().filter(|asked| asked.value(1) == Some(b"alice".as_slice())).count();
    assert_eq!(again, 2);
}

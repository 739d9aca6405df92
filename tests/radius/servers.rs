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
    assert_eq!((silent.asked().len(), good.asked().len()), (2, 0));
    session.cookie = json!({});
    assert_accepted(&session.otp("123457"), "radius otp");
    assert_eq!((silent.asked().len(), good.asked().len()), (2, 1));
}

#[test]
fn a_silent_server_is_asked_again_after_its_time() {
    let (silent, good) = (RadiusServer::answering(|_, _| Vec::new()), accepting());
    let session = Session::new(&format!("{},{}", silent.address, good.address), SHORT);
    for (clock, verdict) in [("1000", "DENY"), ("1029", "ACCEPT"), ("1031", "DENY")] {
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
    assert_denied(&ended, FAILED, "no local token held");
    ended.assert_logged(&["radius", "asking the local tokens"]);
}

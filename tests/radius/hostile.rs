//! Servers that are silent, broken or hostile. None of them lets anybody in.

use std::net::UdpSocket;
use std::time::Duration;

use crate::support::radius::{ACCEPT, Asked, CHALLENGE, Mac80, RadiusServer, attribute};
use crate::{COMMUNICATION_ERROR, SHORT, Session, UNREACHABLE, assert_accepted, assert_denied};

type Script = fn(&Asked) -> Vec<u8>;

/// Alters a byte of a good reply.
fn altered(asked: &Asked, place: usize) -> Vec<u8> {
    let mut reply = asked.answer(ACCEPT, b"");
    reply[place] ^= 1;
    reply
}

/// Makes a reply whose header says another length.
fn of_length(asked: &Asked, length: u16) -> Vec<u8> {
    let mut reply = asked.answer(ACCEPT, b"");
    reply[2..4].copy_from_slice(&length.to_be_bytes());
    reply
}

/// Makes a reply that MD5 vouches for, with these attributes alone.
fn signed(asked: &Asked, code: u8, attributes: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(20 + attributes.len()).unwrap().to_be_bytes();
    asked.signed([code, asked.bytes[1], high, low], attributes)
}

/// What is dropped, because anybody may have sent it: the wait goes on.
const DROPPED: [(&str, Script, &str); 14] = [
    ("nothing", |_| Vec::new(), "no RADIUS packet"),
    ("a byte", |_| vec![2], "no RADIUS packet"),
    ("half a header", |asked| asked.answer(ACCEPT, b"")[..19].to_vec(), "no RADIUS packet"),
    ("a packet that breaks off", |asked| asked.answer(ACCEPT, b"")[..37].to_vec(), "no RADIUS packet"),
    ("a length below the header's", |asked| of_length(asked, 19), "no RADIUS packet"),
    ("a length above the datagram's", |asked| of_length(asked, 39), "no RADIUS packet"),
    ("10,000 bytes", |asked| [asked.answer(ACCEPT, b""), vec![0; 10_000]].concat(), "no RADIUS packet"),
    ("another identifier", |asked| altered(asked, 1), "another request"),
    ("an unknown code", |asked| asked.answer(5, b""), "unknown code"),
    ("the request itself", |asked| asked.bytes.clone(), "unknown code"),
    ("a wrong Response Authenticator", |asked| altered(asked, 4), "not signed with the configured secret"),
    (
        "a Response Authenticator that is the request's",
        |asked| [&[2, asked.bytes[1], 0, 20], asked.authenticator()].concat(),
        "not signed with the configured secret",
    ),
    ("an altered attribute", |asked| altered(asked, 30), "not signed with the configured secret"),
    (
        "a reject made into an accept",
        |asked| {
            let mut reply = asked.answer(3, b"");
            reply[0] = 2;
            reply
        },
        "not signed with the configured secret",
    ),
];

/// What ends the attempt, because whoever sent it knows the secret, as far as MD5 can tell.
const REFUSED: [(&str, Script, &str); 10] = [
    ("no Message-Authenticator", |asked| asked.reply(ACCEPT, b"", Mac80::Absent), "no Message-Authenticator"),
    (
        "a challenge without one",
        |asked| asked.reply(CHALLENGE, b"\x18\x03S", Mac80::Absent),
        "no Message-Authenticator",
    ),
    ("a wrong Message-Authenticator", |asked| asked.reply(ACCEPT, b"", Mac80::Wrong), "is wrong"),
    ("a short Message-Authenticator", |asked| signed(asked, ACCEPT, &attribute(80, &[0; 15])), "is wrong"),
    ("two of them", |asked| asked.answer(ACCEPT, &attribute(80, &[0; 16])), "appears twice"),
    ("two States", |asked| asked.answer(CHALLENGE, b"\x18\x03A\x18\x03B"), "appears twice"),
    ("an attribute without a length", |asked| signed(asked, ACCEPT, b"\x12"), "damaged"),
    ("an attribute of length 1", |asked| signed(asked, ACCEPT, b"\x12\x01"), "damaged"),
    ("an attribute beyond the end", |asked| signed(asked, ACCEPT, b"\x12\x09Hi"), "damaged"),
    ("a Proxy-State that nobody sent", |asked| asked.answer(ACCEPT, b"\x21\x03P"), "Proxy-State"),
];

#[test]
fn what_is_not_signed_is_no_answer_and_no_outage() {
    for (name, script, reason) in DROPPED {
        let server = RadiusServer::answering(move |_, asked| vec![script(asked)]);
        let ended = Session::of(&server, &format!("{SHORT}ignore_connection_error=yes\n")).otp("123456");
        assert_denied(&ended, COMMUNICATION_ERROR, reason);
        // Whoever has another secret is not asked again.
        let tries = if reason.contains("secret") { 1 } else { 2 };
        assert_eq!(server.asked().len(), tries, "{name}");
    }
}

#[test]
fn a_good_reply_counts_after_anything_that_is_dropped() {
    let server = RadiusServer::answering(|_, asked| {
        let mut all: Vec<_> = DROPPED.iter().map(|(_, script, _)| script(asked)).collect();
        all.push(asked.answer(ACCEPT, b""));
        all
    });
    assert_accepted(&Session::of(&server, "").otp("123456"), "radius otp");
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn what_is_signed_and_makes_no_sense_ends_the_attempt() {
    for (name, script, reason) in REFUSED {
        let server = RadiusServer::answering(move |_, asked| vec![script(asked), asked.answer(ACCEPT, b"")]);
        let ended = Session::of(&server, "ignore_connection_error=yes\n").otp("123456");
        assert_denied(&ended, COMMUNICATION_ERROR, reason);
        assert_eq!(server.asked().len(), 1, "{name}");
    }
}

#[test]
fn replies_without_a_message_authenticator_are_taken_only_where_that_is_written_and_warned_of() {
    let server = RadiusServer::answering(|_, asked| vec![asked.reply(ACCEPT, b"", Mac80::Absent)]);
    let ended = Session::of(&server, "require_message_authenticator=no\n").otp("123456");
    assert_accepted(&ended, "radius otp");
    ended.assert_logged(&["warning", "require_message_authenticator=no"]);
    // The signs of the attack are refused all the same.
    for (_, script, reason) in REFUSED.iter().copied().filter(|(_, _, reason)| !reason.contains("no Message"))
    {
        let server = RadiusServer::answering(move |_, asked| vec![script(asked)]);
        let ended = Session::of(&server, "require_message_authenticator=no\n").otp("123456");
        assert_denied(&ended, COMMUNICATION_ERROR, reason);
    }
}

#[test]
fn a_wrong_secret_is_told_apart_from_an_outage_where_the_server_answers() {
    let server = RadiusServer::answering(|_, asked| vec![asked.answer(ACCEPT, b"")]);
    let mut session = Session::of(&server, "conn_timeout=0.2\nignore_connection_error=yes\n");
    session.configuration = session.configuration.replace("secret=", "secret=other-");
    let ended = session.otp("123456");
    assert_denied(&ended, COMMUNICATION_ERROR, "not signed with the configured secret");
    ended.assert_logged(&["error", "radius", &server.address.to_string(), "not signed"]);
}

#[test]
fn a_silent_server_is_asked_again_with_the_same_bytes_and_the_log_says_what_it_may_be() {
    let server = RadiusServer::answering(|_, _| Vec::new());
    let ended = Session::of(&server, "conn_timeout=0.2\n").otp("123456");
    assert_denied(&ended, UNREACHABLE, "does not answer either where its secret for this client is another");
    ended.assert_logged(&["error", "it is down, it does not know this client, or its secret"]);
    let asked = server.asked();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|one| one.bytes == asked[0].bytes && one.from == asked[0].from));
}

#[test]
fn a_lost_reply_is_made_up_for_by_asking_again() {
    let server = RadiusServer::answering(|number, asked| match number {
        0 => Vec::new(),
        _ => vec![asked.answer(ACCEPT, b"")],
    });
    assert_accepted(&Session::of(&server, "conn_timeout=0.3\n").otp("123456"), "radius otp");
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn a_reply_from_another_address_is_not_heard() {
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = RadiusServer::answering(move |_, asked| {
        stranger.send_to(&asked.answer(ACCEPT, b""), asked.from).unwrap();
        Vec::new()
    });
    assert_denied(&Session::of(&server, SHORT).otp("123456"), UNREACHABLE, "no answer");
}

#[test]
fn a_flood_of_junk_ends_with_the_time_out_and_with_the_time_budget() {
    for more in [SHORT, "conn_timeout=600\nconn_retries=10\n[plugin]\ntime_budget=0.5\n"] {
        let server = RadiusServer::with(UdpSocket::bind("127.0.0.1:0").unwrap(), |socket, number, asked| {
            // Two seconds of it; the client has gone by then, or the test's patience ends.
            for _ in 0..if number == 0 { 2000 } else { 0 } {
                let _ = socket.send_to(&altered(asked, 1), asked.from);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let ended = Session::of(&server, more).otp("123456");
        assert_denied(&ended, COMMUNICATION_ERROR, "another request");
    }
}

#[test]
fn a_silent_server_is_given_up_with_the_time_budget_of_the_hook() {
    let server = RadiusServer::answering(|_, _| Vec::new());
    let more = "conn_timeout=600\nconn_retries=10\n[plugin]\ntime_budget=0.3\n";
    assert_denied(&Session::of(&server, more).otp("123456"), UNREACHABLE, "no answer");
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn a_challenge_without_a_state_is_no_challenge() {
    for attributes in [&b""[..], b"\x12\x04Hi", b"\x18\x02"] {
        let server = RadiusServer::answering(move |_, asked| vec![asked.answer(CHALLENGE, attributes)]);
        let ended = Session::of(&server, "ignore_connection_error=yes\n").otp("123456");
        assert_denied(&ended, COMMUNICATION_ERROR, "has no State");
    }
}

#[test]
fn a_chain_of_challenges_without_end_ends() {
    let server = RadiusServer::answering(|number, asked| {
        vec![asked.answer(CHALLENGE, &attribute(24, number.to_string().as_bytes()))]
    });
    let mut session = Session::of(&server, "ignore_connection_error=yes\n");
    let mut ended = session.otp("123456");
    while ended.verdict() == "NEEDINFO" {
        assert!(server.asked().len() < 30);
        ended = session.answer("1");
    }
    assert_denied(&ended, COMMUNICATION_ERROR, "without end");
    assert_eq!(server.asked().len(), 21);
}

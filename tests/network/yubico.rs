//! Validation servers for YubiKeys that answer well, badly or not at all.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::support::service::{Connection, NOBODY, Request, Service, reply};
use crate::support::yubico::{API_KEY, ID, OTP, answer, asking, parameters, response, signed};
use crate::support::{Ended, Place, authenticate};
use crate::{COMMUNICATION_ERROR, UNREACHABLE};

const FAILED: &str = "Authentication failed";
/// Whatever is no outage stays closed with this.
const RELAXED: &str = "ignore_connection_error=yes\n";

fn url(service: &Service) -> String {
    format!("http://{}/wsapi/2.0/verify", service.address)
}

type Body = fn(&Request) -> String;

/// A server that makes a body of each request.
fn saying(body: Body) -> Service {
    Service::plain(move |connection| {
        while let Some(request) = connection.request() {
            connection.send(reply(200, "text/plain", body(&request)));
        }
    })
}

fn invocation(configuration: &str, otp: &str) -> Value {
    authenticate(configuration, json!({"key_value_pairs": {"otp": otp}}))
}

fn ask(service: &Service, more: &str) -> Ended {
    Place::new().hook(&invocation(&asking(&url(service), more), OTP))
}

fn assert_accepted(ended: &Ended) {
    let metadata = format!("{{\"reason\": \"N/A\", \"by\": \"yubico otp\", \"serial\": \"{ID}\"}}");
    assert_eq!(ended.response()["additional_metadata"], metadata, "{ended:?}");
    assert_eq!(ended.verdict(), "ACCEPT");
}

#[test]
fn a_code_is_asked_about_with_a_signature_and_a_nonce_of_its_own() {
    let service = saying(answer);
    for otp in [OTP.to_owned(), OTP.to_uppercase()] {
        assert_accepted(&Place::new().hook(&invocation(&asking(&url(&service), ""), &otp)));
    }
    let requests = service.requests();
    let mut nonces: Vec<_> = requests.iter().map(|request| parameters(request)["nonce"].clone()).collect();
    for request in &requests {
        assert!(request.line.starts_with("GET /wsapi/2.0/verify?"), "{}", request.line);
        let names: Vec<_> = parameters(request).into_keys().collect();
        assert_eq!(names, ["h", "id", "nonce", "otp"]);
        assert_eq!(parameters(request)["otp"], OTP);
    }
    assert!(nonces.iter().all(|nonce| nonce.len() == 32 && nonce.bytes().all(|b| b.is_ascii_hexdigit())));
    nonces.dedup();
    assert_eq!(nonces.len(), 2);
}

#[test]
fn what_a_server_says_has_its_meaning() {
    let cases: [(Body, &str, &str); 7] = [
        (|request| signed(response(request, "REPLAYED_OTP")), FAILED, "REPLAYED_OTP"),
        (|request| signed(response(request, "BAD_OTP")), FAILED, "BAD_OTP"),
        (|request| signed(response(request, "REPLAYED_REQUEST")), COMMUNICATION_ERROR, "REPLAYED_REQUEST"),
        (|_| "h=\r\nstatus=BAD_SIGNATURE\r\n".to_owned(), COMMUNICATION_ERROR, "[yubikey] api_key"),
        (|_| "h=\r\nstatus=NO_SUCH_CLIENT\r\n".to_owned(), COMMUNICATION_ERROR, "[yubikey] client_id"),
        (|_| "status=OPERATION_NOT_ALLOWED\r\n".to_owned(), COMMUNICATION_ERROR, "[yubikey] client_id"),
        (|_| "status=MISSING_PARAMETER\r\n".to_owned(), COMMUNICATION_ERROR, "MISSING_PARAMETER"),
    ];
    for (body, sentence, piece) in cases {
        let ended = ask(&saying(body), RELAXED);
        ended.assert_denied(sentence, 0);
        let metadata = ended.response()["additional_metadata"].to_string();
        assert!(metadata.contains(piece), "{metadata}");
    }
}

#[test]
fn a_server_that_cannot_check_lets_nobody_in_whether_or_not_it_signs_that() {
    let cases: [Body; 2] = [
        |request| signed(response(request, "BACKEND_ERROR")),
        |request| signed(response(request, "NOT_ENOUGH_ANSWERS")),
    ];
    for body in cases {
        ask(&saying(body), "").assert_denied(UNREACHABLE, 0);
        ask(&saying(body), RELAXED).assert_denied(UNREACHABLE, 0);
    }
    for body in ["status=BACKEND_ERROR\r\n", "h=AAAA\r\nstatus=NOT_ENOUGH_ANSWERS\r\n"] {
        let service = Service::plain(move |connection| {
            connection.request();
            connection.send(reply(200, "text/plain", body));
        });
        ask(&service, RELAXED).assert_denied(COMMUNICATION_ERROR, 0);
    }
}

#[test]
fn a_response_that_is_not_signed_or_is_about_something_else_is_no_yes() {
    let cases: [Body; 6] = [
        |request| response(request, "OK").iter().map(|(name, value)| format!("{name}={value}\r\n")).collect(),
        |request| signed(response(request, "BAD_OTP")).replace("BAD_OTP", "OK"),
        |request| format!("{}status=OK\r\n", signed(response(request, "BAD_OTP"))),
        |request| format!("status=OK\r\n{}", signed(response(request, "BAD_OTP"))),
        |request| {
            let mut other = response(request, "OK");
            other.insert("nonce".to_owned(), "0".repeat(32));
            signed(other)
        },
        |request| {
            let mut other = response(request, "OK");
            other.remove("otp");
            signed(other)
        },
    ];
    for body in cases {
        ask(&saying(body), RELAXED).assert_denied(COMMUNICATION_ERROR, 0);
    }
}

#[test]
fn a_broken_answer_lets_nobody_in() {
    let text = |status, body: &str| reply(status, "text/plain", body);
    let cases = [
        ("HTML", text(200, "<html>status=OK</html>"), COMMUNICATION_ERROR),
        ("nothing", text(200, ""), COMMUNICATION_ERROR),
        ("no text", reply(200, "text/plain", b"status=OK\xff"), COMMUNICATION_ERROR),
        ("too much", text(200, &"a=b\n".repeat(4096)), COMMUNICATION_ERROR),
        (
            "half of it",
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nstatus=OK\r\n".to_vec(),
            COMMUNICATION_ERROR,
        ),
        ("status 500", text(500, "status=OK\r\n"), COMMUNICATION_ERROR),
        ("status 403", text(403, "status=OK\r\n"), COMMUNICATION_ERROR),
        (
            "a redirect",
            b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n".to_vec(),
            COMMUNICATION_ERROR,
        ),
        ("status 502", text(502, "<html>"), UNREACHABLE),
    ];
    for (what, bytes, sentence) in cases {
        let service = Service::plain(move |connection| {
            connection.request();
            connection.send(&bytes);
        });
        let ended = ask(&service, "");
        assert_eq!(ended.response()["reason"], sentence, "{what}: {ended:?}");
        assert_eq!(service.requests().len(), 1, "{what}");
    }
}

#[test]
fn a_second_server_is_asked_where_the_first_cannot_have_got_the_code_and_only_there() {
    let good = saying(answer);
    let both = |first: &str| asking(&format!("{first}, {}", url(&good)), "timeout=1\n");
    assert_accepted(&Place::new().hook(&invocation(&both(&format!("http://{NOBODY}/verify")), OTP)));
    assert_eq!(codes(&good), 1);
    let scripts: [fn(&mut Connection); 4] = [
        |connection| drop(connection.request()),
        |connection| {
            connection.request();
            connection.keep_silent();
        },
        |connection| {
            connection.request();
            connection.send(reply(503, "text/plain", ""));
        },
        |connection| {
            if let Some(request) = connection.request() {
                connection.send(reply(200, "text/plain", signed(response(&request, "NOT_ENOUGH_ANSWERS"))));
            }
        },
    ];
    for script in scripts {
        let first = Service::plain(script);
        Place::new().hook(&invocation(&both(&url(&first)), OTP)).assert_denied(UNREACHABLE, 0);
        assert_eq!((codes(&first), codes(&good)), (1, 1));
    }
    let first = saying(|request| signed(response(request, "REPLAYED_OTP")));
    Place::new().hook(&invocation(&both(&url(&first)), OTP)).assert_denied(FAILED, 0);
    assert_eq!(codes(&good), 1);
}

#[test]
fn a_key_that_is_not_the_users_is_not_asked_about() {
    // Whoever asks it gets no answer.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/verify", listener.local_addr().unwrap());
    let good = asking(&url, "");
    let no_list = good.replace("[yubikey_ids]", "[elsewhere]");
    for (configuration, otp) in [
        (good.replace(ID, "vvgrkdnuvbch"), OTP),
        (good.replace(ID, "ccccccbchvt"), OTP),
        (good.replace(ID, "ccccccbchvthd"), OTP),
        (good.replace(ID, ""), OTP),
        (good.replace(ID, ","), OTP),
        (good.replace("alice=", "bob="), OTP),
        (good.replace("alice=", "ccccccbchvth="), OTP),
        (no_list.clone(), OTP),
        // A key without a public id is nobody's, also where the list has an empty place.
        (good.replace(ID, "ccccccbchvth,,"), "dvbtulidunrurkdljflirjnkvtldnbjr"),
        (good.clone(), ""),
        (good.clone(), "123456"),
        (good.clone(), "ccccccbchvthdvbtulidunrurkdljflirjnkvtldnbja"),
        (good.clone(), "ccccccbchvthdvbtulidunrurkdljflirjnkvtldnbjr "),
    ] {
        Place::new().hook(&invocation(&configuration, otp)).assert_denied(FAILED, 0);
    }
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "it was asked");
}

#[test]
fn the_identity_is_the_public_id_where_there_is_no_list() {
    let service = saying(answer);
    let no_list = asking(&url(&service), "").replace("[yubikey_ids]", "[usermapping source=explicit]");
    assert_accepted(&Place::new().hook(&invocation(&no_list, OTP)));
    let several = asking(&url(&service), "").replace(ID, "vvgrkdnuvbch, CCCCCCBCHVTH");
    assert_accepted(&Place::new().hook(&invocation(&several, OTP)));
}

#[test]
fn an_unusable_section_is_a_configuration_error_that_names_the_option() {
    let good = asking("http://127.0.0.1:9/verify", "");
    for (piece, other, option) in [
        ("client_id=1\n", "", "[yubikey] client_id is required"),
        ("client_id=1", "client_id=one", "client_id: expected the number"),
        ("client_id=1", "client_id=", "client_id: expected the number"),
        ("api_key=", "key=", "[yubikey] api_key is required"),
        (API_KEY, "geheim!", "api_key: expected the key of client_id, in base64"),
        (API_KEY, "", "api_key: expected the key of client_id, in base64"),
        ("api_urls=", "urls=", "[yubikey] api_urls is required"),
        ("http://127.0.0.1:9/verify", "ftp://127.0.0.1", "api_urls: expected addresses"),
        (ID, "ccccccbchvta", "alice: expected public ids"),
        (ID, "ccccccbchvthccccc", "alice: expected public ids"),
    ] {
        assert!(good.contains(piece));
        let ended = Place::new().hook(&invocation(&good.replacen(piece, other, 1), OTP));
        ended.assert_denied("Plugin configuration error", 2);
        ended.assert_logged(&[option]);
        assert!(!ended.stderr.contains("geheim!"), "{}", ended.stderr);
    }
}

#[test]
fn neither_code_nor_key_is_written_anywhere_else() {
    let scripts: [Body; 4] = [
        answer,
        |request| signed(response(request, OTP)),
        |_| format!("status={OTP}\r\n{OTP}\r\n{API_KEY}"),
        |_| format!("h={API_KEY}\r\nstatus={OTP}\r\n"),
    ];
    let secrets = [OTP, API_KEY, "abcdefghijklmnopqrst", OTP.strip_prefix(ID).unwrap()];
    for script in scripts {
        let service = saying(script);
        for urls in [url(&service), format!("http://{NOBODY}/verify"), format!("http://{NOBODY}/\u{7f}")] {
            let place = Place::new();
            let ended = place.hook(&invocation(&(asking(&urls, "") + "[logging]\nlog_level=debug\n"), OTP));
            let kept = place.files().iter().flat_map(|file| std::fs::read(file).unwrap()).collect::<Vec<_>>();
            for text in [&ended.stdout, ended.stderr.as_bytes(), &kept] {
                let text = String::from_utf8_lossy(text);
                assert!(!secrets.iter().any(|secret| text.contains(secret)), "{text}");
            }
        }
    }
}

/// Counts the requests that contain a code.
fn codes(service: &Service) -> usize {
    service.requests().iter().filter(|request| request.line.contains("otp=")).count()
}

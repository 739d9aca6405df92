//! Services that are slow, broken or hostile. None of them lets anybody in.

use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::support::service::{Connection, NOBODY, Service, reply};
use crate::support::{Ended, Place, authenticate};
use crate::{COMMUNICATION_ERROR, UNREACHABLE, asking, with_otp};

const SHORT: &str = "timeout=0.5\n";
const ACCEPT: &str = r#"{"result": "ACCEPT"}"#;

fn ask(service: &Service, more: &str) -> Ended {
    Place::new().hook(&with_otp(&asking(&format!("http://{}", service.address), more)))
}

/// Sends a byte every 50 ms until the client has gone; 100 s are the bound if it stays.
fn by_the_byte(connection: &mut Connection, bytes: impl IntoIterator<Item = u8>) {
    for byte in bytes.into_iter().take(2000) {
        if !connection.send([byte]) {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

type Script = fn(&mut Connection);

/// Services that leave the client waiting for ever.
const SLOW: [(&str, Script); 6] = [
    ("takes the connection and says nothing", Connection::keep_silent),
    ("takes the request and says nothing", |connection| {
        connection.request();
        connection.keep_silent();
    }),
    ("sends its headers by the byte", |connection| {
        connection.request();
        by_the_byte(
            connection,
            b"HTTP/1.1 200 OK\r\nX-Padding: ".iter().copied().chain(std::iter::repeat(b'x')),
        );
    }),
    ("sends its body by the byte", |connection| {
        connection.request();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        by_the_byte(connection, std::iter::repeat(b' '));
    }),
    ("sends chunks by the byte", |connection| {
        connection.request();
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        by_the_byte(connection, b"1\r\n \r\n".repeat(400));
    }),
    ("stops in the middle of its body", |connection| {
        connection.request();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"result\"");
        connection.keep_silent();
    }),
];

#[test]
fn a_slow_service_is_given_up_after_its_timeout() {
    for (name, script) in SLOW {
        let ended = ask(&Service::plain(script), SHORT);
        ended.assert_denied(UNREACHABLE, 0);
        assert!(ended.stderr.contains(": no answer within 0.5 s\n"), "{name}: {}", ended.stderr);
    }
}

#[test]
fn a_slow_service_is_given_up_after_the_time_budget_of_the_hook() {
    for (name, script) in SLOW {
        let ended = ask(&Service::plain(script), "timeout=600\n[plugin]\ntime_budget=0.5\n");
        ended.assert_denied(UNREACHABLE, 0);
        let told = ": no answer within the time left by [plugin] time_budget\n";
        assert!(ended.stderr.contains(told), "{name}: {}", ended.stderr);
    }
}

#[test]
fn a_service_that_is_silent_about_one_request_only_is_not_down() {
    let service = Service::plain(|connection| {
        while let Some(request) = connection.request() {
            if request.line.starts_with("POST") {
                connection.keep_silent();
            }
            connection.send(reply(404, "text/plain", ""));
        }
    });
    let configuration =
        asking(&format!("http://{}", service.address), "timeout=0.5\nignore_connection_error=yes\n");
    let place = Place::new();
    for _ in 0..3 {
        place.hook(&with_otp(&configuration)).assert_denied(UNREACHABLE, 0);
    }
}

#[test]
fn an_answer_that_is_too_long_goes_to_no_service() {
    let service = Service::answering(&json!({"result": "ACCEPT"}));
    let configuration = asking(&format!("http://{}", service.address), "ignore_connection_error=yes\n");
    for (length, verdict) in [(1024, "ACCEPT"), (1025, "DENY"), (1_000_000, "DENY")] {
        let pairs = json!({"key_value_pairs": {"otp": "x".repeat(length)}});
        let ended = Place::new().hook(&authenticate(&configuration, pairs));
        assert_eq!(ended.verdict(), verdict, "{length}");
    }
    let logins = service.requests().iter().filter(|request| request.line.starts_with("POST")).count();
    assert_eq!(logins, 1);
}

/// What a server does with one request: the road in of somebody who can make that happen.
#[test]
fn a_request_that_one_server_refuses_or_breaks_off_is_no_outage_however_often() {
    let scripts: [(&str, Script); 7] = [
        ("413", |connection| answer(connection, &reply(413, "text/plain", ""))),
        ("429", |connection| answer(connection, &reply(429, "text/plain", ""))),
        ("500", |connection| answer(connection, &reply(500, "text/plain", ""))),
        ("a status line and no more", |connection| answer(connection, b"HTTP/1.1 200 OK\r\n")),
        ("half the headers", |connection| answer(connection, b"HTTP/1.1 200 OK\r\nContent-Ty")),
        ("half a body", |connection| answer(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")),
        ("HTML", |connection| answer(connection, &reply(200, "text/html", "<html>"))),
    ];
    for (name, script) in scripts {
        let service = Service::plain(script);
        let url = format!("http://{}", service.address);
        for configuration in [
            asking(&url, "ignore_connection_error=yes\n"),
            asking(&url, "").replace("[mfa]\n", "[mfa]\nfallback=local\n"),
        ] {
            let place = Place::new();
            for _ in 0..2 {
                let ended = place.hook(&with_otp(&configuration));
                assert_eq!(ended.verdict(), "DENY", "{name}: {ended:?}");
                ended.assert_denied(COMMUNICATION_ERROR, 0);
            }
        }
    }
}

#[test]
fn an_encoded_answer_is_not_asked_for() {
    let service = Service::answering(&json!({"result": "ACCEPT"}));
    ask(&service, "");
    assert_eq!(service.requests()[0].header("accept-encoding"), Some("identity"));
}

/// Services that answer something else than the contract says: communication errors, which nothing ignores.
const BROKEN: [(&str, Script); 19] = [
    ("HTML", |connection| answer(connection, &reply(200, "text/html", "<html><body>Welcome!</body></html>"))),
    ("HTML with an ACCEPT in it", |connection| {
        answer(connection, &reply(200, "text/html", format!("<p>{ACCEPT}</p>")))
    }),
    ("nothing", |connection| answer(connection, &reply(200, "application/json", ""))),
    ("10 MB of blanks", |connection| {
        answer(connection, &reply(200, "application/json", vec![b' '; 10_000_000]))
    }),
    ("10 MB after an ACCEPT", |connection| {
        let mut body = ACCEPT.as_bytes().to_vec();
        body.resize(10_000_000, b' ');
        answer(connection, &reply(200, "application/json", body));
    }),
    ("10 MB without a length", |connection| {
        answer(connection, &[b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b' '; 10_000_000]].concat());
    }),
    ("10 MB in chunks", |connection| {
        let chunk = [b"10000\r\n".to_vec(), vec![b' '; 0x10000], b"\r\n".to_vec()].concat();
        answer(
            connection,
            &[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(), chunk.repeat(160)].concat(),
        );
    }),
    ("chunks that are none", |connection| {
        answer(
            connection,
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{ACCEPT}\r\n0\r\n\r\n")
                .as_bytes(),
        );
    }),
    ("a body that breaks off", |connection| {
        answer(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n{\"result\": \"ACCEPT\"}");
    }),
    ("chunks that break off", |connection| {
        answer(
            connection,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n{\"result\": \"ACCEPT\"}\r\n",
        );
    }),
    ("headers without end", |connection| {
        connection.request();
        connection.send("HTTP/1.1 200 OK\r\n");
        for number in 0..100_000 {
            if !connection.send(format!("X-Header-{number}: {}\r\n", "x".repeat(100))) {
                return;
            }
        }
    }),
    ("one header without end", |connection| {
        connection.request();
        connection.send("HTTP/1.1 200 OK\r\nX-Header: ");
        for _ in 0..1000 {
            if !connection.send([b'x'; 10_000]) {
                return;
            }
        }
    }),
    ("another protocol", |connection| answer(connection, b"SSH-2.0-OpenSSH_9.2p1\r\n")),
    ("noise", |connection| answer(connection, &[0, 159, 146, 150].repeat(1000))),
    ("a status that is none", |connection| {
        answer(connection, format!("HTTP/1.1 abc\r\n\r\n{ACCEPT}").as_bytes())
    }),
    ("a version that is none", |connection| {
        answer(connection, format!("HTTP/9.9 200 OK\r\n\r\n{ACCEPT}").as_bytes())
    }),
    ("a length that is none", |connection| {
        answer(connection, format!("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{ACCEPT}").as_bytes())
    }),
    ("two lengths", |connection| {
        answer(
            connection,
            format!("HTTP/1.1 200 OK\r\nContent-Length: 20\r\nContent-Length: 2\r\n\r\n{ACCEPT}").as_bytes(),
        );
    }),
    ("a compression that was not asked for", |connection| {
        answer(
            connection,
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00",
        );
    }),
];

fn answer(connection: &mut Connection, bytes: &[u8]) {
    connection.request();
    connection.send(bytes);
}

#[test]
fn a_broken_answer_is_a_communication_error_that_nothing_ignores() {
    for (name, script) in BROKEN {
        let service = Service::plain(script);
        let ended = ask(&service, "ignore_connection_error=yes\n");
        let reason = ended.response()["reason"].clone();
        assert_eq!(
            (ended.verdict().as_str(), reason.as_str()),
            ("DENY", Some(COMMUNICATION_ERROR)),
            "{name}: {ended:?}"
        );
        assert_eq!(ended.status, Some(0), "{name}");
        ended.assert_logged(&["error", "communication error"]);
        assert_eq!(service.connections(), 1, "{name}: nothing is tried twice");
    }
}

#[test]
fn a_flood_of_informational_responses_lets_nobody_in() {
    for status in [100, 102, 103] {
        let service = Service::plain(move |connection| {
            connection.request();
            let flood = format!("HTTP/1.1 {status} Status\r\n\r\n").repeat(1000);
            // The client goes sooner or later; the bound is some 25 MB.
            for _ in 0..1000 {
                if !connection.send(&flood) {
                    return;
                }
            }
            connection.keep_silent();
        });
        let ended = ask(&service, "timeout=5\n");
        assert_eq!((ended.verdict().as_str(), ended.status), ("DENY", Some(0)), "{ended:?}");
    }
}

#[test]
fn an_answer_of_the_wrong_form_is_a_communication_error_that_nothing_ignores() {
    let deep = format!(
        r#"{{"result":"NEEDINFO","question":"?","state":{}1{}}}"#,
        "[".repeat(1000),
        "]".repeat(1000)
    );
    for body in [
        "null",
        "true",
        "1",
        "\"ACCEPT\"",
        "[]",
        r#"["ACCEPT"]"#,
        "{}",
        "ACCEPT",
        "{\"result\": \"ACCEPT\"",
        r#"{"result": "ACCEPT"}{"result": "ACCEPT"}"#,
        r#"{"result": "ACCEPT"}x"#,
        "\u{feff}{\"result\": \"ACCEPT\"}",
        r#"{"result": null}"#,
        r#"{"result": true}"#,
        r#"{"result": 1}"#,
        r#"{"result": ["ACCEPT"]}"#,
        r#"{"result": "accept"}"#,
        r#"{"result": "ACCEPT "}"#,
        r#"{"result": ""}"#,
        r#"{"result": "NONE"}"#,
        r#"{"Result": "ACCEPT"}"#,
        r#"{"result": "DENY", "result": "ACCEPT"}"#,
        r#"{"result": "ACCEPT", "reason": 1}"#,
        r#"{"result": "ACCEPT", "question": []}"#,
        r#"{"result": "ACCEPT", "key": {}}"#,
        r#"{"result": "ACCEPT", "disable_echo": "no"}"#,
        r#"{"result": "NEEDINFO"}"#,
        r#"{"result": "NEEDINFO", "question": null}"#,
        r#"{"result": "NEEDINFO", "question": 1}"#,
        r#"{"result": "NEEDINFO", "question": "?", "key": 1}"#,
        r#"{"result": "NEEDINFO", "question": "?", "disable_echo": 1}"#,
        r#"{"result": "DENY", "reason": ["x"]}"#,
        "{'result': 'ACCEPT'}",
        "{\"result\": \"AC\nCEPT\"}",
        &deep,
    ] {
        let bytes = reply(200, "application/json", body);
        let service = Service::plain(move |connection| answer(connection, &bytes));
        let ended = ask(&service, "ignore_connection_error=yes\n");
        assert_eq!(ended.verdict(), "DENY", "{body}: {ended:?}");
        ended.assert_denied(COMMUNICATION_ERROR, 0);
    }
}

#[test]
fn another_status_than_200_is_never_an_accept() {
    for (statuses, reason) in [
        (
            vec![
                201, 202, 204, 206, 300, 304, 400, 401, 403, 404, 407, 413, 418, 429, 499, 500, 599, 600, 999,
            ],
            COMMUNICATION_ERROR,
        ),
        (vec![502, 503, 504], UNREACHABLE),
    ] {
        for status in statuses {
            let body = if status == 204 || status == 304 { "" } else { ACCEPT };
            let bytes = reply(status, "application/json", body);
            let service = Service::plain(move |connection| answer(connection, &bytes));
            let ended = ask(&service, "");
            assert_eq!(ended.verdict(), "DENY", "{status}: {ended:?}");
            ended.assert_denied(reason, 0);
        }
    }
}

#[test]
fn a_redirect_is_not_followed_and_the_token_does_not_travel() {
    for status in [301, 302, 303, 307, 308] {
        let other = Service::answering(&json!({"result": "ACCEPT"}));
        let location = format!("http://{}/otp", other.address);
        let service = Service::plain(move |connection| {
            answer(
                connection,
                format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
                    .as_bytes(),
            );
        });
        let ended = ask(&service, "token=t0ken\nignore_connection_error=yes\n");
        ended.assert_denied(COMMUNICATION_ERROR, 0);
        assert_eq!((service.requests().len(), other.connections()), (1, 0), "{status}");
    }
}

#[test]
fn a_service_that_is_not_there_or_hangs_up_is_unreachable() {
    let nobody = Place::new().hook(&with_otp(&asking(&format!("http://{NOBODY}"), "")));
    nobody.assert_denied(UNREACHABLE, 0);
    nobody.assert_logged(&["error", "service unreachable", NOBODY]);
    let unknown = Place::new().hook(&with_otp(&asking("http://no-such-host.invalid", SHORT)));
    unknown.assert_denied(UNREACHABLE, 0);
    let closes: Script = |_| {};
    ask(&Service::plain(closes), "").assert_denied(UNREACHABLE, 0);
    let hangs_up: Script = |connection| drop(connection.request());
    ask(&Service::plain(hangs_up), "").assert_denied(UNREACHABLE, 0);
}

#[test]
fn a_time_that_is_none_is_a_configuration_error() {
    for time in ["0", "-1", "nan", "inf", "1e9", "601", "soon", ""] {
        let configuration =
            asking(&format!("http://{NOBODY}"), &format!("ignore_connection_error=yes\ntimeout={time}\n"));
        let ended = Place::new().hook(&with_otp(&configuration));
        ended.assert_denied("Plugin configuration error", 2);
        ended.assert_logged(&["error", "[http] timeout", "expected"]);
    }
}

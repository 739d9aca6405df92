//! Secrets are planted wherever one can come in, and looked for wherever something comes out.
//!
//! Each test also shows that the secret did arrive where it has to: a secret that nobody used proves nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::indexing_slicing, reason = "a JSON value that lacks a member is null, and a test may fail")]

#[path = "secrets/faults.rs"]
mod faults;
#[path = "secrets/panics.rs"]
mod panics;
#[expect(dead_code, reason = "other tests use the rest")]
mod support;

use std::ffi::OsStr;
use std::fs;
use std::sync::mpsc;

use serde_json::{Value, json};

use support::pki::{Ca, as_value, server};
use support::radius::{self, RadiusServer};
use support::service::{Service, always, reply};
use support::{Ended, PROGRAM, Place, Running, authenticate, credential_hook};

/// What begins like this is a secret; no name and no sentence of the program does.
const MARK: &str = "gEhEim";

fn mark(name: &str) -> String {
    format!("{MARK}-{name}-7f3a9c")
}

/// Asserts that no mark is in a text, in any of the forms in which one could get into it.
fn assert_clean(what: &str, text: &[u8]) {
    let lower = String::from_utf8_lossy(text).to_lowercase();
    let mark = MARK.to_lowercase();
    // Base64 of the mark at its three offsets, without the characters that its neighbours decide.
    for piece in [mark.as_str(), "z0vorwlt", "dfaevpb", "nrwhfaw"] {
        assert!(!lower.contains(piece), "a secret is in {what}: {lower}");
    }
}

/// Asserts that the log and everything that was left on the disk are clean, and the log is at work.
fn assert_nothing_left(place: &Place, ended: &Ended, planted: &[&str]) {
    assert!(!ended.stderr.is_empty(), "nothing was logged, so nothing is shown");
    assert_clean("the log", ended.stderr.as_bytes());
    for file in place.files() {
        let name = file.file_name().unwrap().to_str().unwrap();
        assert_clean("a file's name", name.as_bytes());
        if !planted.contains(&name) {
            assert_clean(name, &fs::read(&file).unwrap());
        }
    }
}

const DEBUG: &str = "[logging]\nlog_level=debug\n";
const CACHE: &str = "[authentication_cache]\nreuse_limit=3\n";

#[test]
fn what_the_user_types_goes_to_the_service_and_nowhere_else() {
    for answer in [
        json!({"result": "ACCEPT"}),
        json!({"result": "DENY"}),
        json!({"result": "DENY", "reason": "no"}),
        json!("?"),
    ] {
        let service = Service::answering(&answer);
        let configuration =
            format!("{DEBUG}{CACHE}[mfa]\nprovider=http\n[http]\nserver_url=http://{}\n", service.address);
        let otp = mark("otp");
        let place = Place::new();
        let ended = place.hook(&authenticate(
            &configuration,
            json!({"key_value_pairs": {"otp": otp, "other": mark("other")}, "gateway_password": mark("password")}),
        ));
        assert_eq!(service.requests()[0].json()["otp"], otp);
        let body = String::from_utf8(service.requests()[0].body.clone()).unwrap();
        assert!(!body.contains("other") && !body.contains("password"), "{body}");
        assert_clean("stdout", &ended.stdout);
        assert_nothing_left(&place, &ended, &[]);
    }
}

#[test]
fn what_the_user_types_goes_to_the_radius_server_hidden_and_nowhere_else() {
    for (code, attributes) in [
        (radius::ACCEPT, Vec::new()),
        (radius::REJECT, Vec::new()),
        (radius::REJECT, radius::attribute(18, format!("not {}", mark("otp")).as_bytes())),
        (radius::CHALLENGE, b"\x18\x05abc".to_vec()),
        (radius::CHALLENGE, Vec::new()),
        (99, Vec::new()),
    ] {
        let server = RadiusServer::answering(move |_, asked| vec![asked.answer(code, &attributes)]);
        for secret in [radius::SECRET.to_owned(), mark("secret")] {
            let configuration = format!(
                "{DEBUG}{CACHE}[mfa]\nprovider=radius\n[radius]\nserver={}\nsecret={secret}\nconn_timeout=0.1\n",
                server.address
            );
            let place = Place::new();
            let pairs = json!({"otp": mark("otp"), "other": mark("other")});
            let ended = place.hook(&authenticate(&configuration, json!({"key_value_pairs": pairs})));
            assert_clean("stdout", &ended.stdout);
            assert_nothing_left(&place, &ended, &[]);
        }
        let asked = server.asked();
        assert_eq!(asked[0].password(), mark("otp"));
        assert!(asked.iter().all(|one| !String::from_utf8_lossy(&one.bytes).contains(MARK)));
    }
}

#[test]
fn what_the_user_types_for_local_tokens_goes_nowhere() {
    for pairs in [json!({"otp": mark("otp")}), json!({"otp": mark("otp").repeat(300)})] {
        let place = Place::new();
        let ended = place.hook(&authenticate(&format!("{DEBUG}{CACHE}"), json!({"key_value_pairs": pairs})));
        assert_eq!(ended.verdict(), "DENY");
        ended.assert_logged(&["is rejected"]);
        assert_clean("stdout", &ended.stdout);
        assert_nothing_left(&place, &ended, &[]);
    }
}

#[test]
fn an_answer_to_a_question_is_in_the_session_cookie_and_nowhere_else() {
    let place = Place::new();
    let configuration = format!("{DEBUG}{CACHE}[mfa]\nprovider=none\n[question_1]\nprompt=PIN?\nkey=pin\n");
    let pairs = json!({"otp": mark("otp"), "pin": mark("pin"), "other": mark("other")});
    let ended = place.hook(&authenticate(&configuration, json!({"key_value_pairs": pairs})));
    let mut response = ended.response();
    assert_eq!(response["verdict"], "ACCEPT");
    assert_eq!(response["session_cookie"]["questions"]["pin"], mark("pin"));
    response["session_cookie"]["questions"]["pin"] = Value::Null;
    assert_clean("the rest of the response", response.to_string().as_bytes());
    assert_nothing_left(&place, &ended, &[]);
}

/// All ways in which a configuration gets a secret, each with the configuration's text for it.
fn secret_options(place: &Place) -> [(&'static str, String, String); 5] {
    let file = place.file("token-file", format!("{}\n", mark("file")));
    [
        ("written", mark("written"), mark("written")),
        ("environment", "${env:PLUGIN_SECRET}".to_owned(), mark("environment")),
        ("file", format!("${{file:{}}}", file.display()), mark("file")),
        ("store", "$".to_owned(), mark("stored")),
        ("interpolated", format!("%(part)s-7f3a9c\npart={MARK}-interpolated"), mark("interpolated")),
    ]
}

#[test]
fn the_services_token_arrives_from_every_kind_of_reference_and_is_nowhere_else() {
    let sources = Place::new();
    for (name, text, secret) in secret_options(&sources) {
        for answer in [
            json!({"result": "ACCEPT"}),
            json!({"result": "NEEDINFO", "question": "?"}),
            json!({"result": 1}),
        ] {
            let place = Place::new();
            let service = Service::answering(&answer);
            let configuration = format!(
                "{DEBUG}{CACHE}[credential_store]\nname=local\n[mfa]\nprovider=http\n[http]\nserver_url=http://{}\ntoken={text}\n",
                service.address
            );
            let mut hook = authenticate(&configuration, json!({"key_value_pairs": {"otp": mark("otp")}}));
            hook["appliance"] = json!({"credential_stores": {"local": [
                {"host": "http", "user": "token", "credentials": [mark("stored")]},
                {"host": "other", "user": "token", "credentials": [mark("unused")]}]}});
            let environment = mark("environment");
            let ended = place.hook_with(&[("PLUGIN_SECRET", OsStr::new(&environment))], &hook);
            let bearer = format!("Bearer {secret}");
            assert_eq!(service.requests()[0].header("authorization"), Some(bearer.as_str()), "{name}");
            assert_clean("stdout", &ended.stdout);
            assert_nothing_left(&place, &ended, &[]);
        }
    }
}

#[test]
fn the_proxys_password_and_the_clients_key_do_their_work_and_are_nowhere_else() {
    let ca = Ca::new("own");
    let target =
        Service::tls(server(&ca.issue("127.0.0.1"), Some(&ca)), always(&json!({"result": "ACCEPT"})));
    let address = target.address;
    for refused in [false, true] {
        let proxy = Service::plain(move |connection| {
            connection.request();
            if refused {
                connection.send("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
            } else {
                connection.send("HTTP/1.1 200 OK\r\n\r\n");
                connection.tunnel_to(address);
            }
        });
        let mine = ca.issue("plugin.example.org");
        let key_piece = mine.key_pem.lines().nth(1).unwrap();
        let place = Place::new();
        let configuration = format!(
            "{DEBUG}{CACHE}[mfa]\nprovider=http\n[http]\nserver_url=https://{address}\ntoken={}\n\
             [tls]\nca_cert={}\nclient_cert={}\n  {}\n[https-proxy]\nserver=127.0.0.1\nport={}\nusername=user\npassword={}\n",
            mark("token"),
            as_value(&ca.pem()),
            as_value(&mine.certificate_pem),
            as_value(&mine.key_pem),
            proxy.address.port(),
            mark("proxy"),
        );
        let ended =
            place.hook(&authenticate(&configuration, json!({"key_value_pairs": {"otp": mark("otp")}})));
        assert_eq!(ended.verdict(), if refused { "DENY" } else { "ACCEPT" }, "{ended:?}");
        let told = proxy.requests()[0].clone();
        // What the proxy is told is "user:" and the password in base64.
        assert!(
            told.header("proxy-authorization").unwrap().starts_with("Basic dXNlcjpnRWhFaW0t"),
            "{told:?}"
        );
        assert!(!ended.stderr.contains("dXNlcjpn"), "{}", ended.stderr);
        assert_clean("stdout", &ended.stdout);
        assert_nothing_left(&place, &ended, &[]);
        for place in [&ended.stdout, ended.stderr.as_bytes()] {
            assert!(!String::from_utf8_lossy(place).contains(key_piece), "the client's key");
        }
    }
    // The handshake demanded the key, so the request could not have come without it.
    assert_eq!(target.requests().len(), 1);
    assert_eq!(
        target.requests()[0].header("authorization"),
        Some(format!("Bearer {}", mark("token")).as_str())
    );
}

#[test]
fn the_appliances_proxy_password_does_its_work_and_is_nowhere_else() {
    let proxy = Service::plain(|connection| {
        connection.request();
        connection.send("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    });
    let place = Place::new();
    let configuration =
        format!("{DEBUG}[mfa]\nprovider=http\n[http]\nserver_url=https://127.0.0.1:9\n[tls]\nverify=no\n");
    let mut hook = authenticate(&configuration, json!({"key_value_pairs": {"otp": mark("otp")}}));
    hook["appliance"] = json!({"http_proxy": {"enabled": true, "server": {"value": "127.0.0.1"}, "port": proxy.address.port(),
        "authentication": {"selection": "password", "username": "user", "password": mark("proxy")}}});
    let ended = place.hook(&hook);
    assert!(proxy.requests()[0].header("proxy-authorization").is_some());
    assert_clean("stdout", &ended.stdout);
    assert_nothing_left(&place, &ended, &[]);
}

#[test]
fn credentials_are_in_their_list_on_stdout_and_nowhere_else() {
    let store = "[credentials]\nprovider=appliance\nstore=local\n";
    for (hook, list, expected) in [
        ("get_password_list", "passwords", json!([mark("first"), mark("second")])),
        ("get_private_key_list", "private_keys", json!([["ssh-rsa", mark("key")]])),
        ("get_remote_app_credentials", "passwords", json!([mark("first"), mark("second")])),
    ] {
        let place = Place::new();
        let mut invocation = credential_hook(
            hook,
            &format!("{DEBUG}{store}"),
            json!({"gateway_password": mark("gateway"), "session_cookie": {}}),
        );
        invocation["appliance"] = json!({"credential_stores": {
            "local": [
                {"host": "db1", "user": "root", "credentials":
                    [mark("first"), {"type": "ssh-rsa", "key": mark("key")}, mark("second"),
                     {"type": "x509v3-sign-rsa", "key": mark("key"), "cert": mark("cert")}]},
                {"host": "db2", "user": "root", "credentials": [mark("other")]}],
            "unused": [{"host": "db1", "user": "root", "credentials": [mark("unused")]}]}});
        let ended = place.hook(&invocation);
        let mut response = ended.response();
        assert_eq!(response[list], expected, "{hook}");
        response[list] = Value::Null;
        assert_clean("the rest of the response", response.to_string().as_bytes());
        assert_nothing_left(&place, &ended, &[]);

        // The next hooks have the cookie only, and there is nothing in it to lose.
        let again = json!({"cookie": response["cookie"], "session_cookie": response["session_cookie"]});
        invocation["hook"] = json!("session_ended");
        let arguments = invocation["arguments"].clone();
        invocation["arguments"] = support::laid_over(arguments, again);
        let over = place.hook(&invocation);
        assert_eq!((over.response(), over.status), (Value::Null, Some(0)));
        assert_nothing_left(&place, &over, &[]);
    }
}

#[test]
fn what_a_service_sends_is_not_logged_where_it_makes_no_sense() {
    let page = format!("<html>{}</html>", mark("page"));
    let wrong = format!(r#"{{"result": "{}"}}"#, mark("result"));
    let types = format!(r#"{{"result": "ACCEPT", "disable_echo": "{}"}}"#, mark("echo"));
    let cut = format!(r#"{{"result": "{}"#, mark("cut"));
    for (status, body) in
        [(200, &page), (404, &page), (503, &page), (200, &wrong), (200, &types), (200, &cut)]
    {
        let bytes = [
            format!("HTTP/1.1 {status} {}\r\nX-Header: {}\r\n", mark("status"), mark("header")).into_bytes(),
            format!("Set-Cookie: a={}\r\nContent-Length: {}\r\n\r\n{body}", mark("cookie"), body.len())
                .into_bytes(),
        ]
        .concat();
        let service = Service::plain(move |connection| {
            connection.request();
            connection.send(&bytes);
        });
        let place = Place::new();
        let configuration =
            format!("{DEBUG}[mfa]\nprovider=http\n[http]\nserver_url=http://{}\n", service.address);
        let ended =
            place.hook(&authenticate(&configuration, json!({"key_value_pairs": {"otp": mark("otp")}})));
        assert_eq!((ended.verdict().as_str(), service.requests().len()), ("DENY", 1), "{ended:?}");
        assert_clean("stdout", &ended.stdout);
        assert_nothing_left(&place, &ended, &[]);
    }
}

#[test]
fn the_state_of_a_service_is_in_the_cookie_and_nowhere_else() {
    let answer = json!({"result": "NEEDINFO", "question": "?", "state": mark("state")});
    let service = Service::answering(&answer);
    let place = Place::new();
    let configuration =
        format!("{DEBUG}[mfa]\nprovider=http\n[http]\nserver_url=http://{}\n", service.address);
    let ended = place.hook(&authenticate(&configuration, json!({"key_value_pairs": {"otp": "1"}})));
    let mut response = ended.response();
    assert_eq!(response["cookie"]["state"], mark("state"));
    response["cookie"]["state"] = Value::Null;
    assert_clean("the rest of the response", response.to_string().as_bytes());
    assert_nothing_left(&place, &ended, &[]);
}

#[test]
fn a_reason_that_repeats_the_password_or_the_token_loses_them() {
    let (otp, token) = (mark("otp"), mark("token"));
    let reason = format!("the code {otp} is wrong, and so is Bearer {token}");
    let service = Service::plain(move |connection| {
        while connection.request().is_some() {
            connection.send(reply(
                200,
                "application/json",
                json!({"result": "DENY", "reason": reason}).to_string(),
            ));
        }
    });
    let place = Place::new();
    let configuration = format!(
        "{DEBUG}[mfa]\nprovider=http\n[http]\nserver_url=http://{}\ntoken={token}\n",
        service.address
    );
    let ended = place.hook(&authenticate(&configuration, json!({"key_value_pairs": {"otp": otp}})));
    ended.assert_denied("Authentication failed", 0);
    let metadata = ended.response()["additional_metadata"].as_str().unwrap().to_owned();
    assert!(metadata.contains("the code ") && metadata.contains(" is wrong"), "{metadata}");
    assert_clean("stdout", &ended.stdout);
    assert_nothing_left(&place, &ended, &[]);
}

#[test]
fn the_command_line_of_the_process_holds_no_secret_while_it_works() {
    let (go, gate) = mpsc::channel::<()>();
    let (arrived, at_work) = mpsc::channel();
    let gate = std::sync::Mutex::new(gate);
    let service = Service::plain(move |connection| {
        connection.request();
        arrived.send(()).unwrap();
        let _ = gate.lock().unwrap().recv_timeout(support::PATIENCE);
        connection.send(reply(200, "application/json", r#"{"result": "ACCEPT"}"#));
    });
    let place = Place::new();
    let configuration = format!(
        "[mfa]\nprovider=http\n[http]\nserver_url=http://{}\ntimeout=600\ntoken={}\n[plugin]\ntime_budget=600\n",
        service.address,
        mark("token")
    );
    let hook = authenticate(&configuration, json!({"key_value_pairs": {"otp": mark("otp")}}));
    let child = place.command(PROGRAM).spawn().unwrap();
    let running = Running::of(child, hook.to_string().into_bytes());
    at_work.recv_timeout(support::PATIENCE).unwrap();
    for name in ["cmdline", "comm", "environ"] {
        let bytes = fs::read(format!("/proc/{}/{name}", running.pid)).unwrap();
        assert!(!bytes.is_empty());
        assert_clean(name, &bytes);
    }
    go.send(()).unwrap();
    assert_eq!(running.end().verdict(), "ACCEPT");
}

#[test]
fn the_mark_is_found_in_every_form_that_is_looked_for() {
    // The control of assert_clean: base64 of "gEhEim" behind none, one and two other bytes.
    for hidden in ["xgEhEimx", "GEHEIM", "Z0VoRWlt", "eGdFaEVpbXg=", "eHhnRWhFaW0="] {
        let found = std::panic::catch_unwind(|| assert_clean("a text", hidden.as_bytes()));
        assert!(found.is_err(), "{hidden}");
    }
    assert_clean("a text", b"a sentence of the log");
}

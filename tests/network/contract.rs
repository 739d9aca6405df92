//! What the service is asked, and what is made of its proper answers.

use serde_json::{Value, json};

use crate::support::service::{Service, reply};
use crate::support::{Place, authenticate};
use crate::{asking, with_otp};

fn accepting() -> Service {
    Service::answering(&json!({"result": "ACCEPT"}))
}

#[test]
fn a_password_is_posted_to_otp_and_none_to_push() {
    for (pairs, path, body) in [
        (json!({"otp": "123456"}), "/api/otp", json!({"identity": "alice", "otp": "123456"})),
        (json!({"otp": ""}), "/api/push", json!({"identity": "alice"})),
    ] {
        let service = accepting();
        let configuration = asking(&format!("http://{}/api/", service.address), "token=t0ken\n");
        let ended = Place::new().hook(&authenticate(&configuration, json!({"key_value_pairs": pairs})));
        assert_eq!((ended.verdict().as_str(), ended.status), ("ACCEPT", Some(0)), "{ended:?}");
        let requests = service.requests();
        assert_eq!(requests.len(), 1);
        let request = &requests[0];
        assert_eq!(request.line, format!("POST {path} HTTP/1.1"));
        assert_eq!(request.json(), body);
        assert_eq!(request.header("authorization"), Some("Bearer t0ken"));
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("host"), Some(service.address.to_string().as_str()));
        let agent = concat!("sps-plugin/", env!("CARGO_PKG_VERSION"));
        assert_eq!(request.header("user-agent"), Some(agent));
    }
}

#[test]
fn without_a_token_there_is_no_authorization() {
    let service = accepting();
    let ended = Place::new().hook(&with_otp(&asking(&format!("http://{}", service.address), "")));
    assert_eq!(ended.verdict(), "ACCEPT");
    assert_eq!(service.requests()[0].header("authorization"), None);
    ended.assert_logged(&["warning", "unencrypted http"]);
}

#[test]
fn an_environment_that_names_a_proxy_changes_nothing() {
    let (service, proxy) = (accepting(), accepting());
    let url = format!("http://{}", proxy.address);
    let names = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    let environment = names.map(|name| (name, url.as_ref()));
    let configuration = asking(&format!("http://{}", service.address), "");
    let ended = Place::new().hook_with(&environment, &with_otp(&configuration));
    assert_eq!(ended.verdict(), "ACCEPT");
    assert_eq!((service.connections(), proxy.connections()), (1, 0));
}

#[test]
fn a_dialogue_carries_the_services_state_from_call_to_call() {
    let state = json!({"transaction": [1, 2.50, "x"], "big": 12_345_678_901_234_567_890_u64});
    let question = json!({"result": "NEEDINFO", "question": "Colour?", "key": "colour", "disable_echo": true,
        "state": state});
    let service = Service::plain(move |connection| {
        while let Some(request) = connection.request() {
            let last = request.json()["otp"] == "blue";
            let answer = if last { json!({"result": "ACCEPT"}) } else { question.clone() };
            connection.send(reply(200, "application/json", answer.to_string()));
        }
    });
    let configuration = asking(&format!("http://{}", service.address), "");
    let place = Place::new();
    let first = place.hook(&with_otp(&configuration)).response();
    assert_eq!(first["verdict"], "NEEDINFO");
    assert_eq!(first["question"], json!(["colour", "Colour? ", true]));
    assert_eq!(first["cookie"]["state"], state);
    let again = json!({"cookie": first["cookie"], "session_cookie": first["session_cookie"],
        "key_value_pairs": {"otp": "123456", "colour": "blue"}});
    let second = place.hook(&authenticate(&configuration, again));
    assert_eq!(second.verdict(), "ACCEPT", "{second:?}");
    let bodies: Vec<Value> = service.requests().iter().map(|request| request.json()).collect();
    assert_eq!(bodies[0], json!({"identity": "alice", "otp": "123456"}));
    assert_eq!(bodies[1], json!({"identity": "alice", "otp": "blue", "state": state}));
    assert_eq!(bodies.len(), 2);
}

#[test]
fn what_a_question_leaves_out_has_its_default_and_a_terminal_gets_no_escape_sequence() {
    let service = Service::answering(&json!({"result": "NEEDINFO", "question": "Code\u{1b}[2J\r\nplease"}));
    let configuration = asking(&format!("http://{}", service.address), "[auth]\ndisable_echo=yes\n");
    let ended = Place::new().hook(&with_otp(&configuration));
    assert_eq!(ended.response()["question"], json!(["otp", "Code[2J  please ", true]));
    assert_eq!(ended.response()["cookie"].get("state"), None);
}

#[test]
fn a_denial_with_a_reason_is_an_authentication_failure_and_without_one_a_plain_rejection() {
    for (answer, shown, metadata) in [
        (json!({"result": "DENY"}), "N/A", r#"{"reason": "N/A"}"#),
        (json!({"result": "DENY", "reason": ""}), "N/A", r#"{"reason": "N/A"}"#),
        (json!({"result": "DENY", "reason": null}), "N/A", r#"{"reason": "N/A"}"#),
        (
            json!({"result": "DENY", "reason": "token locked"}),
            "Authentication failed",
            r#"{"reason": "token locked"}"#,
        ),
    ] {
        let service = Service::answering(&answer);
        let url = format!("http://{}", service.address);
        let ended = Place::new().hook(&with_otp(&asking(&url, "ignore_connection_error=yes\n")));
        ended.assert_denied(shown, 0);
        assert_eq!(ended.response()["additional_metadata"], metadata);
    }
}

#[test]
fn an_address_that_is_none_is_a_configuration_error() {
    for url in [
        "",
        "mfa.example.org",
        "ftp://127.0.0.1/",
        "https://",
        "http://user:geheim@127.0.0.1/",
        "http://127.0.0.1/?token=geheim",
        "http://127.0.0.1/#x",
        "file:///etc/passwd",
    ] {
        let ended = Place::new().hook(&with_otp(&asking(url, "ignore_connection_error=yes\n")));
        ended.assert_denied("Plugin configuration error", 2);
        ended.assert_logged(&["error", "[http] server_url", "such as https://"]);
        assert!(!ended.stderr.contains("geheim"), "{}", ended.stderr);
    }
}
